// SPDX-License-Identifier: GPL-2.0

//! Finds reports in the kernel's log: messages that the kernel prints when something is wrong. A boot
//! with a report fails, whatever its script returned.

/// A line with one of these texts begins a report.
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
    "detected expedited stalls",
    "blocked for more than",
    "nbalanced",
    "usage count underflow",
    "nobody cared",
    "Disabling IRQ",
    "cannot create duplicate filename",
    "debugfs: '",
    "page allocation failure",
    "suspected memory leak",
    "unreferenced object 0x",
    "Kernel memory leak detector disabled",
    "DMA-API:",
    "refcount_t:",
    "ODEBUG:",
    "corruption",
    "rust_kernel: panicked",
];

/// Messages with such a text that are no reports. A pattern is the whole message, without the time
/// before it; `*` stands for any text.
const HARMLESS: &[&str] = &[
    "DMA-API: preallocated * debug entries",
    "DMA-API: debugging enabled by kernel config",
    "ODEBUG: selftest passed",
    // mem2mem reads whether a queue streams from a word in which vb2 changes another bit at the same
    // time. This is so with any driver: see docs/v4l2-core.md.
    "BUG: KCSAN: data-race in __v4l2_m2m_try_queue [v4l2_mem2mem] / vb2_core_qbuf [videobuf2_common]",
    // The trace units of the device tree have no driver. They wait for one when the system goes to
    // sleep.
    "amba *: Unbalanced pm_runtime_enable!",
];

/// The beginning of vb2's message about a queue's counters, which ends with the queue's address and a
/// colon. vb2 checks the counters whenever it removes buffers. If other buffers remain and the queue
/// streams, they differ: see docs/v4l2-core.md. The message about a buffer's counters has more after
/// the address, and is a report.
const COUNTERS: &str = "videobuf2_common: unbalanced counters for queue ";

/// Stands for an address in the log until the kernel has random numbers to hash addresses with.
const UNHASHED: &str = "(____ptrval____)";

/// The beginning of each line with a buffer's counters.
const COUNTER: &str = "videobuf2_common:      ";

/// The counters that differ if a prepared buffer is removed: a call, the call that undoes it, and the
/// largest difference. The calls of the memory operations count once per plane, and no format has more
/// than two.
const PREPARED: [(&str, &str, u32); 2] = [
    ("buf_prepare: ", "buf_finish: ", 1),
    ("prepare: ", "finish: ", 2),
];

/// A test writes this message to the log before it makes memory run out.
const STARVES: &str = "dw100-board: memory runs out from here on";

/// Messages that are no reports after that. The DMA API's checks also run out of memory, and end.
const STARVED: &[&str] = &[
    "DMA-API: cacheline tracking ENOMEM, dma-debug disabled",
    "*: page allocation failure: order:*",
];

/// The driver's messages about a failed frame. They are reports if the engine is not made to fail.
const FAILED: &[&str] = &[
    "*: no interrupt in time: the engine reports *",
    "*: interrupt: the engine reports *",
];

/// The beginning of a report on a data race, and of the line that ends it.
const RACE: &str = "BUG: KCSAN: data-race in ";
const RACE_END: &str = "========";

/// A data race concerns this driver if its title has one of these texts (the driver's helpers and the
/// media core), or if any line has a function of the module. The kernel has other races.
const RACY: &[&str] = &["dw100_", "v4l2_", "vb2_", "media_", "video_"];
const MODULE: &str = "[dw100";

/// Functions of the interrupt core and of the timer core that read its state without its lock, with any
/// driver: which timer a CPU runs (`hrtimer_active`, inlined in the one that cancels), and the state of an
/// interrupt. The latter happens more often with interrupts that software raises, as the KUnit tests do. A
/// race between two of them does not concern this driver.
const CORE: &[&str] = &[
    "__hrtimer_run_queues",
    "hrtimer_try_to_cancel",
    "generic_handle_irq_safe",
    "handle_irq_event",
    "handle_simple_irq",
    "irq_finalize_oneshot",
    "__synchronize_irq",
    "synchronize_hardirq",
];

/// The text of a report that saw only one side of a race, which read a word of 4 bytes.
const ONE_SIDE: &str = "race at unknown origin, with read to ";
const ONE_WORD: &str = " of 4 bytes by ";

/// The end of a report's title if the only side that was seen is in vb2, and the lines that say that a
/// word changed from one CPU's number to the other's. A board for KCSAN has two CPUs.
const VB2: &str = " [videobuf2_common]";
const CPUS: &[&str] = &[
    "value changed: 0x00000000 -> 0x00000001",
    "value changed: 0x00000001 -> 0x00000000",
];

/// The number of a report's lines that are shown.
const SHOWN: usize = 20;

/// Returns the first lines of the first report in a kernel log, or nothing if there is none. If the
/// engine is `healthy`, the driver's message about a failed frame is a report.
pub fn first_report(log: &str, healthy: bool) -> Vec<&str> {
    let lines: Vec<&str> = log.lines().map(str::trim_end).collect();
    let starves = lines.iter().position(|line| message(line) == STARVES);
    let is_mark = |&start: &usize| {
        let text = message(lines[start]);
        let is = |patterns: &[&str]| patterns.iter().any(|pattern| fits(text, pattern));
        let starved = starves.is_some_and(|starves| starves < start);
        let counters = text
            .strip_prefix(COUNTERS)
            .and_then(|rest| rest.strip_suffix(':'))
            .is_some_and(|queue| queue == UNHASHED || queue.chars().all(|c| c.is_ascii_hexdigit()));
        let harmless = is(HARMLESS) || counters || starved && is(STARVED);
        MARKS.iter().any(|word| text.contains(word)) && !harmless || healthy && is(FAILED)
    };
    let starts = (0..lines.len()).filter(is_mark);
    let mut reports = starts.map(|start| &lines[start..]);
    match reports.find(|report| concerns_us(report)) {
        Some(report) => report.iter().take(SHOWN).copied().collect(),
        None => Vec::new(),
    }
}

/// Returns whether vb2's counters of a buffer differ only because the buffer was prepared and then
/// removed without being queued: see docs/v4l2-core.md.
fn is_of_prepared(report: &[&str]) -> bool {
    let Some((title, lines)) = report.split_first() else {
        return false;
    };
    let is_unfinished = |line: &str, (call, undo, most): (&str, &str, u32)| {
        let (calls, rest) = line.strip_prefix(call)?.split_once(' ')?;
        let [calls, undone] = [calls, rest.strip_prefix(undo)?].map(|count| count.parse().ok());
        let left = u32::checked_sub(calls?, undone?)?;
        Some((1..=most).contains(&left))
    };
    let mut counters = lines
        .iter()
        .map_while(|line| message(line).strip_prefix(COUNTER))
        .filter(|line| !line.starts_with("get_dmabuf: "))
        .peekable();
    message(title).starts_with(COUNTERS)
        && counters.peek().is_some()
        && counters.all(|line| {
            PREPARED
                .iter()
                .any(|&calls| is_unfinished(line, calls) == Some(true))
        })
}

/// Returns false for a data race that does not concern this driver, and for counters of a prepared
/// buffer.
fn concerns_us(report: &[&str]) -> bool {
    if is_of_prepared(report) {
        return false;
    }
    let Some((_, title)) = report.first().and_then(|line| line.split_once(RACE)) else {
        return true;
    };
    let mut lines = report.iter().take_while(|line| !line.contains(RACE_END));
    // A trace event reads on which CPU the task runs, which the scheduler may change at the same time;
    // KCSAN does not instrument the scheduler. The event's other data are read by
    // `trace_event_raw_event_…`. If the trace event is inlined, the title names a function of vb2. All
    // of vb2 is instrumented, so a race for data of vb2 names both sides.
    let is_word = |line: &&str| line.contains(ONE_SIDE) && line.contains(ONE_WORD);
    let is_cpu = |line: &&str| CPUS.contains(&message(line).trim_start());
    let of_trace =
        title.starts_with("trace_vb2_") || title.ends_with(VB2) && lines.clone().any(is_cpu);
    if of_trace && lines.clone().any(is_word) {
        return false;
    }
    if RACY.iter().any(|word| title.contains(word)) {
        return true;
    }
    if title.split(" / ").all(|function| CORE.contains(&function)) {
        return false;
    }
    lines.any(|line| line.contains(MODULE))
}

/// Returns a line without the time at its start.
fn message(line: &str) -> &str {
    let rest = line
        .strip_prefix('[')
        .and_then(|rest| rest.split_once("] "));
    match rest {
        Some((time, text)) if time.trim_start().starts_with(|c: char| c.is_ascii_digit()) => text,
        _ => line,
    }
}

/// Returns whether a pattern matches the whole text.
fn fits(text: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty();
    };
    for part in parts {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line by which a report is recognised, for each kind.
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
        "[   40.010] rcu: INFO: rcu_preempt detected expedited stalls on CPUs/tasks: {",
        "[   52.000] sysfs: cannot create duplicate filename '/devices/platform/32e30000.dwe'",
        "[   52.000] debugfs: '32e30000.dwe' already exists in '/'",
        "[   53.000] dw100-board: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)",
        "[   61.500] DMA-API: cacheline tracking ENOMEM, dma-debug disabled",
        // Texts of harmless messages in other messages.
        "[   61.000] videobuf2_common: unbalanced counters for queue 00000000a01811f9, buffer 1:",
        "[   61.000] videobuf2_common: unbalanced counters for queue 00000000a01811f9: x:",
        "[   61.000] DMA-API: device driver tries to free DMA memory: preallocated 65536 debug entries",
        "[   61.000] WARNING: amba 28440000.etm: Unbalanced pm_runtime_enable!",
        "[   61.000] amba 28440000.etm: Unbalanced pm_runtime_enable! WARNING: x",
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
            assert_eq!(first_report(&log, false).first(), Some(report), "missed");
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
            [    1.200000] ODEBUG: selftest passed\n\
            [    9.100000] videobuf2_common: unbalanced counters for queue 00000000a01811f9:\n\
            [    9.100000] videobuf2_common: unbalanced counters for queue (____ptrval____):\n\
            [    1.600000] dw100 32e30000.dwe: dw100 v4l2 m2m registered as /dev/video0\n\
            [    9.000000] amba 28440000.etm: Unbalanced pm_runtime_enable!\n";
        assert!(first_report(log, true).is_empty());
    }

    #[test]
    fn a_prepared_buffer_may_be_removed() {
        let title = "[    9.1] videobuf2_common: unbalanced counters for queue 00000000a01811f9, buffer 1:\n";
        let log = |counters: &[&str]| {
            let lines = counters
                .iter()
                .map(|line| format!("[    9.1] {COUNTER}{line}\n"));
            format!("{title}{}", lines.collect::<String>())
        };
        let (prepared, users) = ("buf_prepare: 1 buf_finish: 0", "get_dmabuf: 0 num_users: 0");
        for memory in ["prepare: 1 finish: 0", "prepare: 2 finish: 0"] {
            assert!(first_report(&log(&[prepared, memory, users]), true).is_empty());
        }
        for counters in [
            &[users][..],
            &["buf_prepare: 2 buf_finish: 0", users],
            &[prepared, "prepare: 3 finish: 0", users],
            &[prepared, "alloc: 1 put: 0", users],
            &[
                prepared,
                "buf_out_validate: 1 buf_queue: 1 buf_done: 0 buf_request_complete: 0",
            ],
        ] {
            let log = log(counters);
            assert_eq!(
                first_report(&log, true).first(),
                title.lines().next().as_ref(),
                "{log}"
            );
        }
    }

    #[test]
    fn memory_may_run_out_after_a_test_has_said_so() {
        let says = format!("[    5.000] {STARVES}\n");
        for report in [
            "[    6.000] DMA-API: cacheline tracking ENOMEM, dma-debug disabled\n",
            "[    6.000] dw100-board: page allocation failure: order:0, mode:0xcc0(GFP_KERNEL)\n",
        ] {
            assert!(first_report(&format!("{says}{report}"), false).is_empty());
            assert!(!first_report(&format!("{report}{says}"), false).is_empty());
        }
        let other = "[    6.000] BUG: x\n";
        assert!(!first_report(&format!("{says}{other}"), false).is_empty());
    }

    #[test]
    fn a_frame_that_fails_is_a_report_where_no_engine_is_made_to_fail() {
        for how in ["no interrupt in time", "interrupt"] {
            let log = format!(
                "[ 7.0] dw100 32e30000.dwe: {how}: the engine reports no error (INTERRUPT_STATUS 0x00)\n"
            );
            assert!(first_report(&log, false).is_empty());
            assert!(!first_report(&log, true).is_empty());
        }
    }

    #[test]
    fn a_pattern_is_the_whole_of_a_message() {
        for (text, pattern, due) in [
            ("a b c", "a b c", true),
            ("a b c", "a * c", true),
            ("a b c d", "a * c", false),
            ("x a b c", "a * c", false),
            ("a b", "a b*", true),
            ("a b", "a b*b", false),
            ("a 1 b 2 c", "a * b * c", true),
            ("a 1 c", "a * b * c", false),
        ] {
            assert_eq!(fits(text, pattern), due, "{text} {pattern}");
        }
        assert_eq!(message("[    1.5] [ BUG: x ]"), "[ BUG: x ]");
        assert_eq!(message("[ BUG: x ] y"), "[ BUG: x ] y");
        assert_eq!(message("kmemleak: x"), "kmemleak: x");
    }

    #[test]
    fn a_data_race_of_others_is_not_ours() {
        const OURS: &str = "g+0x1/0x2 [dw100_rust]";
        let report = |title: &str, first: &str, caller: &str| {
            format!(
                "[ 1.0] BUG: KCSAN: data-race in {title}\n[ 1.0] {first}\n\
                 [ 1.0]  f+0x1/0x2\n[ 1.0]  {caller}\n[ 1.0] =========\n[ 1.1]  {OURS}\n"
            )
        };
        let race = |title, caller| {
            report(
                title,
                "write to 0xff of 4 bytes by task 7 on cpu 1:",
                caller,
            )
        };
        let word = "race at unknown origin, with read to 0xff of 4 bytes by task 7 on cpu 1:";
        let long = "race at unknown origin, with read to 0xff of 8 bytes by task 7 on cpu 1:";
        let qbuf = "trace_vb2_qbuf+0x38/0x214 [videobuf2_common]";
        let dqbuf = "vb2_core_dqbuf+0x4f0/0x850 [videobuf2_common]";
        let enqueue = "__enqueue_in_driver+0x70/0x294 [videobuf2_common]";
        let to_cpu = "value changed: 0x00000001 -> 0x00000000";
        let to_other = "value changed: 0x00000001 -> 0x00000002";
        for others in [
            race("tick_nohz_handler / tick_nohz_idle_got_tick", "g+0x1/0x2"),
            race("handle_irq_event / synchronize_hardirq", OURS),
            race("__synchronize_irq / handle_irq_event", OURS),
            race("handle_simple_irq / irq_finalize_oneshot", OURS),
            race("__hrtimer_run_queues / hrtimer_try_to_cancel", OURS),
            report(qbuf, word, OURS),
            report(dqbuf, word, to_cpu),
            report(enqueue, word, to_cpu),
        ] {
            assert!(first_report(&others, false).is_empty(), "{others}");
        }
        for ours in [
            race(
                "trace_event_raw_event_vb2_v4l2_event_class+0x38/0x214 [videobuf2_v4l2]",
                "g+0x1/0x2",
            ),
            report(qbuf, long, "g+0x1/0x2"),
            report(dqbuf, long, to_cpu),
            report(dqbuf, word, to_other),
            report(
                "v4l2_m2m_job_finish+0x4f0/0x850 [v4l2_mem2mem]",
                word,
                to_cpu,
            ),
            race(dqbuf, to_cpu),
            race(
                "vb2_core_dqbuf / vb2_buffer_done [videobuf2_common]",
                to_cpu,
            ),
            race(qbuf, "g+0x1/0x2"),
            race("trace_vb2_qbuf / vb2_buffer_done", "g+0x1/0x2"),
            race("f / g", OURS),
            race("handle_simple_irq / helper_irq [dw100_rust]", OURS),
            race("__hrtimer_run_queues / helper_timer [dw100_rust]", OURS),
            // They belong to the interrupt core only by their names.
            race("free_irq / handle_irq_event", OURS),
            race("irq_work_run / irq_work_queue", OURS),
            race("__vb2_queue_cancel / vb2_buffer_done", "g+0x1/0x2"),
            race("f / g", "g+0x1/0x2") + "BUG: x\n",
        ] {
            assert!(!first_report(&ours, false).is_empty(), "{ours}");
        }
    }

    #[test]
    fn only_the_first_lines_are_shown() {
        let log = "ok\n".to_owned() + "BUG: x\n" + &"trace\n".repeat(50);
        assert_eq!(first_report(&log, false).len(), SHOWN);
    }
}
