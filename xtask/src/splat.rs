// SPDX-License-Identifier: GPL-2.0

//! Kernel reports that must never appear in the log of a board, whatever its script returned.

/// Words that mark a report.
const MARKS: &[&str] = &[
    "[ cut here ]",
    "BUG:",
    "kernel BUG at",
    "WARNING:",
    "Oops",
    "Internal error",
    "Kernel panic",
    "Unable to handle kernel",
    "KASAN:",
    "KCSAN:",
    "UBSAN:",
    "possible recursive locking",
    "possible circular locking",
    "inconsistent lock state",
    "Invalid wait context",
    "trying to register non-static key",
    "suspicious RCU usage",
    "scheduling while atomic",
    "sleeping function called",
    "detected stall",
    "self-detected stall",
    "blocked for more than",
    "nbalanced",
    "usage count underflow",
    "nobody cared",
    "Disabling IRQ",
    "suspected memory leak",
    "unreferenced object 0x",
    "Kernel memory leak detector disabled",
    "DMA-API:",
    "refcount_t:",
    "ODEBUG:",
    "corruption",
    "rust_kernel: panicked",
];

/// What these marks also announce when all is well.
const HARMLESS: &[&str] = &[
    "DMA-API: preallocated",
    "DMA-API: debugging enabled",
    // What has memory run out has it run out for this check, too, which is off from then on.
    "DMA-API: cacheline tracking ENOMEM",
    "ODEBUG: selftest passed",
    "active objects replaced",
    "WARNING: Unknown kernel command line",
    // mem2mem looks whether a queue streams, in a word of which vb2 writes another bit meanwhile, with
    // whatever driver: see docs/v4l2-core.md.
    "KCSAN: data-race in __v4l2_m2m_try_queue [v4l2_mem2mem] / vb2_core_qbuf [videobuf2_common]",
    // Of the trace units in the device tree, which nobody drives: they wait for a driver when the
    // system goes to sleep.
    "amba 28",
];

/// The start of a data race's report, and the line that ends it.
const RACE: &str = "BUG: KCSAN: data-race in ";
const RACE_END: &str = "========";

/// What a data race's report contains that has to do with this driver: in its title a function of its
/// helpers or of the media core, or anywhere one of the module. There are others in the kernel.
const RACY: &[&str] = &["dw100_", "v4l2_", "vb2_", "media_", "video_"];
const MODULE: &str = "[dw100";

/// How many lines of a report are shown.
const SHOWN: usize = 20;

/// The first report in a kernel log: its first lines, none if the log is clean.
pub fn first(log: &str) -> Vec<&str> {
    let lines: Vec<&str> = log.lines().map(str::trim_end).collect();
    let starts = (0..lines.len()).filter(|&start| is_mark(lines[start]));
    let mut reports = starts.map(|start| &lines[start..]);
    match reports.find(|report| concerns_us(report)) {
        Some(report) => report.iter().take(SHOWN).copied().collect(),
        None => Vec::new(),
    }
}

/// Whether a report is not just of a data race that has nothing to do with this driver.
fn concerns_us(report: &[&str]) -> bool {
    let Some((_, title)) = report.first().and_then(|line| line.split_once(RACE)) else {
        return true;
    };
    // A trace point looks on which CPU the task is, which the scheduler may change meanwhile, and is not
    // watched doing so. It reads nothing else: what is traced is read by the event's own function.
    if title.starts_with("trace_vb2_") && !title.contains(" / ") {
        return false;
    }
    if RACY.iter().any(|word| title.contains(word)) {
        return true;
    }
    // The interrupt core looks at its own state without its lock first, for whatever driver, and more
    // often for interrupts raised in software, as by the tests inside the module.
    let of_core = |function: &str| function.contains("irq") && !function.contains('[');
    if title.split(" / ").all(of_core) {
        return false;
    }
    let mut lines = report.iter().take_while(|line| !line.contains(RACE_END));
    lines.any(|line| line.contains(MODULE))
}

fn is_mark(line: &str) -> bool {
    let has = |words: &[&str]| words.iter().any(|word| line.contains(word));
    has(MARKS) && !has(HARMLESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line that gives a report away, for each kind that design names.
    const REPORTS: &[&str] = &[
        "[    8.124] BUG: KASAN: slab-use-after-free in v4l2_release+0x54/0x1a8 [videodev]",
        "[   12.001] WARNING: drivers/base/power/runtime.c:1234 at pm_runtime_put+0x8c/0x90, CPU#2: sh/91",
        "[    3.500] Internal error: Oops: 0000000096000004 [#1]  SMP",
        "[    3.510] Kernel panic - not syncing: Oops: Fatal exception",
        "[    3.499] Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010",
        "[   20.000] BUG: KCSAN: data-race in dw100_irq / dw100_run",
        "[   20.000] BUG: KCSAN: data-race in v4l2_m2m_try_run / vb2_buffer_done",
        "[    1.000] UBSAN: array-index-out-of-bounds in drivers/media/x.c:12:3",
        "[   33.100] WARNING: possible circular locking dependency detected",
        "[   33.100] [ BUG: Invalid wait context ]",
        "[   33.200] INFO: trying to register non-static key.",
        "[    5.678] BUG: scheduling while atomic: swapper/0/0/0x00000002",
        "[    5.700] BUG: sleeping function called from invalid context at kernel/locking/spinlock_rt.c:48",
        "[   40.010] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:",
        "[   40.010] rcu: INFO: rcu_preempt self-detected stall on CPU",
        "[  242.010] INFO: task v4l2-ctl:96 blocked for more than 120 seconds.",
        "[   50.000] Unbalanced enable for IRQ 190",
        "[   50.000] dw100 32e30000.dwe: Runtime PM usage count underflow!",
        "[   51.000] irq 190: nobody cared (try booting with the \"irqpoll\" option)",
        "[   51.000] Disabling IRQ #190",
        "[   60.000] kmemleak: 3 new suspected memory leaks (see /sys/kernel/debug/kmemleak)",
        "unreferenced object 0xffff0000c1a2b300 (size 128):",
        "[   60.100] kmemleak: Kernel memory leak detector disabled",
        "[   61.000] DMA-API: dw100 32e30000.dwe: device driver frees DMA memory with different size",
        "[   62.000] refcount_t: underflow; use-after-free.",
        "[   63.000] ODEBUG: free active (active state 0) object: 00000000 object type: work_struct",
        "[   64.000] list_del corruption. prev->next should be ffff0000, but was dead000000000100.",
        "[   65.000] rust_kernel: panicked at src/job.rs:10:5:",
        "[   66.000] ------------[ cut here ]------------",
    ];

    #[test]
    fn each_kind_of_report_is_found() {
        for report in REPORTS {
            let log = format!("[    0.000] Booting Linux\n{report}\n[ 70.0] reboot: Power down\n");
            assert_eq!(first(&log).first(), Some(report), "missed");
        }
    }

    #[test]
    fn a_clean_boot_is_clean() {
        let log = "[    0.000000] Booting Linux on physical CPU 0x0000000000 [0x410fd034]\n\
            [    0.000000] DMA-API: preallocated 65536 debug entries\n\
            [    0.000000] DMA-API: debugging enabled by kernel config\n\
            [    0.012345] Unknown kernel command line parameters \"BOARD_DRIVER=c\", will be passed to user space.\n\
            [    0.113000] SMP: Total of 4 processors activated.\n\
            [    1.500000] kmemleak: Kernel memory leak detector initialized (mem pool available: 15724)\n\
            [    1.600000] dw100 32e30000.dwe: dw100 v4l2 m2m registered as /dev/video0\n";
        assert!(first(log).is_empty());
    }

    #[test]
    fn a_data_race_of_others_is_not_ours() {
        let race = |title: &str, caller: &str| {
            format!(
                "[ 1.0] BUG: KCSAN: data-race in {title}\n[ 1.0] write to 0xff of 4 bytes by task 7:\n\
                 [ 1.0]  f+0x1/0x2\n[ 1.0]  {caller}\n[ 1.0] =========\n[ 1.1]  g+0x1/0x2 [dw100_rust]\n"
            )
        };
        assert!(
            first(&race(
                "tick_nohz_handler / tick_nohz_idle_got_tick",
                "g+0x1/0x2"
            ))
            .is_empty()
        );
        assert!(
            first(&race(
                "handle_irq_event / synchronize_hardirq",
                "g+0x1/0x2 [dw100_rust]"
            ))
            .is_empty()
        );
        let raised = race(
            "handle_simple_irq / irq_finalize_oneshot",
            "helper_software_raise+0x1/0x2 [dw100_rust]",
        );
        assert!(first(&raised).is_empty());
        let migrated = race(
            "trace_vb2_qbuf+0x38/0x214 [videobuf2_common]",
            "g+0x1/0x2 [dw100_rust]",
        );
        assert!(first(&migrated).is_empty());
        for report in [
            race(
                "trace_event_raw_event_vb2_v4l2_event_class+0x38/0x214 [videobuf2_v4l2]",
                "g+0x1/0x2",
            ),
            race("trace_vb2_qbuf / vb2_buffer_done", "g+0x1/0x2"),
            race("f / g", "g+0x1/0x2 [dw100_rust]"),
            race(
                "handle_simple_irq / helper_irq [dw100_rust]",
                "g+0x1/0x2 [dw100_rust]",
            ),
            race("__vb2_queue_cancel / vb2_buffer_done", "g+0x1/0x2"),
            race("f / g", "g+0x1/0x2") + "BUG: x\n",
        ] {
            assert!(!first(&report).is_empty(), "{report}");
        }
    }

    #[test]
    fn only_the_first_lines_are_shown() {
        let log = "ok\n".to_owned() + "BUG: x\n" + &"trace\n".repeat(50);
        assert_eq!(first(&log).len(), SHOWN);
    }
}
