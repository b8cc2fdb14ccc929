// SPDX-License-Identifier: GPL-2.0

//! Repeats a call so that each time another allocation fails, until there is none left to fail. A
//! kernel with fault injection supports this for the allocations of one thread.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::FileExt;

use anyhow::{Context, Result, bail, ensure};

use crate::v4l2::Errno;

/// The settings of fault injection: allocations that may sleep fail as well, single pages fail as
/// well, and there is no message in the kernel's log.
const KNOBS: [(&str, &str); 6] = [
    ("failslab/ignore-gfp-wait", "N"),
    ("failslab/verbose", "0"),
    ("fail_page_alloc/ignore-gfp-wait", "N"),
    ("fail_page_alloc/ignore-gfp-highmem", "N"),
    ("fail_page_alloc/min-order", "0"),
    ("fail_page_alloc/verbose", "0"),
];

/// The message in the kernel's log before memory runs out. `xtask/src/kernel_log.rs` searches for it.
const STARVES: &str = "dw100-board: memory runs out from here on";

/// More allocations than any call has. A call that repeats a failed allocation would otherwise
/// never end.
const TOO_MANY: u32 = 20_000;

/// How a call succeeded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum How {
    /// An allocation failed, and the call succeeded without it.
    Without,
    /// The call failed before for lack of memory, and succeeded when it was repeated.
    AtLast,
    /// No allocation failed.
    Untouched,
}

/// The file that sets the allocation to fail in this thread.
struct FailNth(File);

impl FailNth {
    fn open() -> Result<Self> {
        // Written first, because the check of the log allows messages on lack of memory only after
        // this one.
        fs::write("/dev/kmsg", STARVES).context("writing to /dev/kmsg")?;
        for (knob, value) in KNOBS {
            fs::write(format!("/sys/kernel/debug/{knob}"), value).context(knob)?;
        }
        let switch = OpenOptions::new()
            .read(true)
            .write(true)
            .open("/proc/thread-self/fail-nth");
        Ok(Self(switch.context("opening fail-nth")?))
    }

    /// Runs `call`, whose `n`-th allocation fails. Returns also whether it had as many.
    fn with<R>(&self, n: u32, call: impl FnOnce() -> R) -> Result<(R, bool)> {
        let (number, mut left) = (n.to_string(), [0; 16]);
        self.0.write_at(number.as_bytes(), 0)?;
        let result = call();
        let read = self.0.read_at(&mut left, 0);
        self.0.write_at(b"0", 0)?;
        let length = read?;
        Ok((result, left[..length].trim_ascii() == b"0"))
    }
}

/// Runs `call` again and again, each time with the next allocation failing, or with the next but
/// `step - 1`. It must succeed or fail with an error of `proper`, and in that case succeed when it
/// is repeated. `set_up` runs before each call, `refused` after a failure, `done` after success.
pub(super) fn sweep<S>(
    name: &str,
    step: usize,
    proper: &[Errno],
    mut set_up: impl FnMut() -> Result<S>,
    call: impl Fn(&S) -> Result<(), Errno>,
    refused: impl Fn(&S) -> Result<()>,
    done: impl Fn(S, How) -> Result<()>,
) -> Result<()> {
    let switch = FailNth::open()?;
    // How many calls failed, and how many succeeded without an allocation.
    let mut counts = [0_u32; 2];
    for n in (1..TOO_MANY).step_by(step) {
        let mut round = || -> Result<How> {
            let state = set_up().context("setting up")?;
            let how = match switch.with(n, || call(&state))? {
                (Ok(()), false) => How::Untouched,
                (Ok(()), true) => How::Without,
                (Err(error), false) => bail!("{error:?} with no allocation failing"),
                (Err(error), true) => {
                    ensure!(proper.contains(&error), "{error:?} for want of memory");
                    refused(&state).context("after the failure")?;
                    call(&state).context("once more, with memory")?;
                    How::AtLast
                }
            };
            done(state, how).with_context(|| format!("{how:?}"))?;
            Ok(how)
        };
        match round().with_context(|| format!("{name}, allocation {n}"))? {
            How::AtLast => counts[0] += 1,
            How::Without => counts[1] += 1,
            How::Untouched => {
                let [failed, without] = counts;
                println!(
                    "{name}: {} allocations, {failed} of {} calls failed, {without} did without",
                    // CAST: It is a small number.
                    n.saturating_sub(step as u32),
                    failed + without
                );
                ensure!(failed > 0, "{name} never failed for want of memory");
                return Ok(());
            }
        }
    }
    bail!("{name} still allocates after {TOO_MANY} allocations");
}
