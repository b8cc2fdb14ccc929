// SPDX-License-Identifier: GPL-2.0

//! Suite `core`: the patches for the V4L2 core in `patches/`. Each applies to the kernel's source and
//! has the form that the kernel's reviewers ask for. With `--full`, the test client `dw100-board core`
//! shows each fault with a C driver on the debug kernel, and that the patches remove it.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};

use super::names::Names;
use super::{Tests, complete, last_lines, result, verdicts};
use crate::board::{Board, Driver, End, Options, Outcome};
use crate::kernel::{self, Flavour};
use crate::patches;
use crate::sandbox::Sandbox;
use crate::step::output_of;

/// How a fault shows without its patch.
enum Symptom {
    /// The kernel prints a report. One of its first lines contains this text.
    Report(&'static str),
    /// The test fails, and its failure contains this text.
    Failure(&'static str),
}

/// A fault of the V4L2 core: the number of its patch, the test of the client, and how the fault shows.
struct Fault {
    patch: &'static str,
    test: &'static str,
    symptom: Symptom,
}

const FAULTS: [Fault; 10] = [
    Fault {
        patch: "0001",
        test: "a request and the file of its controls are closed at the same time",
        symptom: Symptom::Report("media_request"),
    },
    Fault {
        patch: "0002",
        test: "a mem2mem device is freed while its work item is pending",
        symptom: Symptom::Report(WORK),
    },
    Fault {
        patch: "0003",
        test: "an ioctl of the media device waits for its argument during unbinding",
        symptom: Symptom::Report("media_device_ioctl"),
    },
    Fault {
        patch: "0004",
        test: "a request is used and closed after its driver was unbound",
        symptom: Symptom::Report("media_request_ioctl"),
    },
    Fault {
        patch: "0005",
        test: "dma-bufs that cannot be attached are freed",
        symptom: Symptom::Failure("dma-bufs are left"),
    },
    Fault {
        patch: "0006",
        test: "no plane is longer than the dma-buf that it shares",
        symptom: Symptom::Failure(
            "queueing a second plane that is longer than the dma-buf succeeded",
        ),
    },
    Fault {
        patch: "0007",
        test: "VIDIOC_REQBUFS takes no lock of controls under that of buffers",
        symptom: Symptom::Report("possible circular locking dependency detected"),
    },
    Fault {
        patch: "0008",
        test: "VIDIOC_DQEVENT ends when the device is unregistered",
        symptom: Symptom::Failure("DQEVENT waits"),
    },
    Fault {
        patch: "0009",
        test: "a prepared buffer is finished before it is removed",
        symptom: Symptom::Failure("unbalanced counters"),
    },
    Fault {
        patch: "0010",
        test: "a buffer of a queue that streams is removed",
        symptom: Symptom::Failure("unbalanced counters"),
    },
];

/// A part of the report about mem2mem's work item. Only dw100 ends a job while the work item is
/// pending. That driver also frees memory of its own too early, so the test looks only for this text.
const WORK: &str = "hint: v4l2_m2m_device_run_work";

/// Loads a driver beside the C driver, with one node and its events.
const VIVID: &str = "modprobe vivid node_types=1 multiplanar=2 && ";

/// The ends of the tests' names: without the patch, and with all patches.
const ENDS: [&str; 2] = [", without its patch", ", with all patches"];

/// The ends of the names of the tests of each patch.
const APPLIES: &str = " applies without fuzz";
const IN_FORM: &str = " is taken by checkpatch.pl --strict";
const KNOWN: &str = " is documented and tested";

/// The name of the test that the boot with all patches ended well.
const NOTHING: &str = "nothing is reported, with all patches";

/// Returns the names of the tests.
pub fn names(checkout: &Path) -> Result<Names> {
    let mut known = vec![NOTHING.to_owned()];
    for patch in patches::all(checkout)? {
        let title = patches::title(&patch);
        known.extend([APPLIES, IN_FORM, KNOWN].map(|end| format!("{title}{end}")));
    }
    for Fault { test, .. } in &FAULTS {
        known.extend(ENDS.map(|end| format!("{test}{end}")));
    }
    Names::all(known)
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    in_form(tests)?;
    if tests.full {
        without(tests)?;
        with(tests)?;
    }
    Ok(())
}

/// Checks that each patch applies, has the right form, is described in docs/v4l2-core.md, and has a
/// test.
fn in_form(tests: &Tests<'_>) -> Result<()> {
    let env = tests.env;
    let sandbox = Sandbox::prepare(env)?;
    let (source, _unpacked) = kernel::source(env, &sandbox)?;
    let patches = patches::all(&env.checkout)?;
    let work = env.cache.run_dir()?;
    patches::copy_targets(&patches, &source, &work.dir)?;
    let document = fs::read_to_string(env.checkout.join("docs/v4l2-core.md"))?;
    for patch in &patches {
        let title = patches::title(patch);
        // The patches apply one on top of the other.
        let applied = patches::apply(patch, &work.dir);
        tests.record(&format!("{title}{APPLIES}"), applied);
        tests.check(&format!("{title}{IN_FORM}"), || {
            let mut checkpatch = sandbox.command(&work.dir, "perl");
            checkpatch
                .arg(source.join("scripts/checkpatch.pl"))
                .args(["--no-tree", "--strict", "--terse", "--show-types"])
                // checkpatch looks for commits in a git repository, and the kernel's source package is
                // none.
                .args(["--ignore", "UNKNOWN_COMMIT_ID"])
                .arg(patch);
            output_of(&mut checkpatch).map(drop)
        });
        tests.check(&format!("{title}{KNOWN}"), || {
            let name = patch.file_name().unwrap_or_default().to_string_lossy();
            ensure!(document.contains(&*name), "docs/v4l2-core.md has no {name}");
            let tested = |fault: &Fault| name.starts_with(fault.patch);
            ensure!(FAULTS.iter().any(tested), "it has no test");
            Ok(())
        });
    }
    Ok(())
}

/// Checks that each fault shows on the unpatched debug kernel. Each has its own boot, because the board
/// cannot be used after a report.
fn without(tests: &Tests<'_>) -> Result<()> {
    let name = |fault: &Fault| format!("{}{}", fault.test, ENDS[0]);
    if !FAULTS.iter().any(|fault| tests.wants(&name(fault))) {
        return Ok(());
    }
    let board = Board::prepare(tests.env, Flavour::Debug, Driver::None)?;
    let each = |fault: &Fault| -> Result<()> {
        let script = format!("{VIVID}dw100-board core --limit 200 '{}'", fault.test);
        let outcome = tests.run(&board, &options(400), &script)?;
        tests.record(&name(fault), fault.shows(&outcome));
        Ok(())
    };
    FAULTS
        .iter()
        .filter(|fault| tests.wants(&name(fault)))
        .try_for_each(each)
}

/// Checks that no fault shows with the patches.
fn with(tests: &Tests<'_>) -> Result<()> {
    let name = |fault: &Fault| format!("{}{}", fault.test, ENDS[1]);
    if !tests.wants(NOTHING) && !FAULTS.iter().any(|fault| tests.wants(&name(fault))) {
        return Ok(());
    }
    let board = Board::prepare_patched(tests.env)?;
    let is_work = |fault: &&Fault| matches!(fault.symptom, Symptom::Report(WORK));
    for fault in FAULTS.iter().filter(is_work) {
        let work = tests.env.cache.run_dir()?;
        let mut options = options(400);
        options.output = Some(work.dir.clone());
        let script = format!("dw100-board core --limit 200 '{}'", fault.test);
        let outcome = tests.run(&board, &options, &script)?;
        let log = fs::read_to_string(work.dir.join("dmesg.txt"))?;
        let is_gone = || -> Result<()> {
            result_of(fault, &outcome)?;
            ensure!(!log.contains(WORK), "the kernel's log has: {WORK}");
            Ok(())
        };
        tests.record(&name(fault), is_gone());
    }
    let skip: String = FAULTS
        .iter()
        .filter(is_work)
        .map(|fault| format!(" --skip '{}'", fault.test))
        .collect();
    let script = format!("{VIVID}dw100-board core --limit 600{skip}");
    let outcome = tests.run(&board, &options(1800), &script)?;
    for fault in FAULTS.iter().filter(|fault| !is_work(fault)) {
        tests.record(&name(fault), result_of(fault, &outcome));
    }
    tests.record_end(NOTHING, complete(&outcome));
    Ok(())
}

/// Returns the verdict on a fault's test.
fn result_of(fault: &Fault, outcome: &Outcome) -> Result<()> {
    let mut found = verdicts(&outcome.printed).filter(|(test, _)| *test == fault.test);
    let (_, failure) = found.next().context("the test did not end")?;
    result(failure)
}

impl Fault {
    /// Fails unless the boot without the patch showed the fault.
    fn shows(&self, outcome: &Outcome) -> Result<()> {
        match (&self.symptom, &outcome.end) {
            (Symptom::Report(says), End::Report(report)) => {
                let says = |line: &String| line.contains(says);
                ensure!(report.iter().any(says), "{}", report.join("\n"));
            }
            (Symptom::Failure(says), End::Script(_)) => {
                let (_, failure) = verdicts(&outcome.printed).next().context("no verdict")?;
                let why = failure.context("it passes")?;
                ensure!(why.contains(says), "{why}");
            }
            (_, end) => bail!("{end:?}\n{}", last_lines(&outcome.printed, 5)),
        }
        Ok(())
    }
}

/// Returns options for a board with the C driver and two CPUs.
fn options(timeout: u64) -> Options {
    let mut options = Options::new(Flavour::Debug, Driver::C);
    options.smp = 2;
    // RCU's threads get a higher priority than a task that keeps a CPU busy, so that waiting for RCU
    // ends.
    options.append = Some("rcutree.kthread_prio=60".to_owned());
    options.timeout_s = timeout;
    options
}
