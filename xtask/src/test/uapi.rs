// SPDX-License-Identifier: GPL-2.0

//! Suite `uapi`: the driver's V4L2 interface, by the test client `dw100-board` on the board. The
//! same tests run with the C driver, which must fail those that are about its faults and no other.

use std::fs;

use anyhow::{Context, Result, anyhow, bail, ensure};
use serde_json::Value;

use super::{Tests, result, side_by_side, verdicts};
use crate::Env;
use crate::board::{Board, Driver, End, Options, Outcome};
use crate::demo::frames_of;
use crate::kernel::Flavour;

/// What the C driver fails, by which of its faults, and what the failure says then: the numbers of
/// the list of faults that the tests of the driver's logic name too, or what else is wrong.
const C_FAILS: &[(&str, &str, &str)] = &[
    (
        "a larger bytesperline is honoured in every format",
        "fault 19",
        "Output NV16 648x488 has lines and planes of [(648,",
    ),
    (
        "a bytesperline is rounded up to 8 bytes and ends at 0xfff8",
        "fault 19",
        "Output NV16 648x488 has lines and planes of [(648,",
    ),
    (
        "TRY_FMT answers to a bytesperline as S_FMT does",
        "fault 19",
        "Output NV16 648x488 has lines and planes of [(648,",
    ),
    (
        "a source with padded lines shows its pixels and no padding",
        "fault 19",
        "Output NV16 648x488 has lines and planes of [(648,",
    ),
    (
        "a destination with padded lines has its pixels in place",
        "fault 19",
        "Capture NV16 648x488 has lines and planes of [(648,",
    ),
    (
        "padded lines on both sides, each with its own",
        "fault 19",
        "Output NV16 648x488 has lines and planes of [(648,",
    ),
    (
        "lines of 0xfff8 bytes carry a frame, and bound what may be written",
        "fault 19",
        "Output NV12 176x144 has lines and planes of [(176,",
    ),
    (
        "a data_offset is refused or honoured",
        "fault 19",
        "the data_offset was taken and not heeded",
    ),
    (
        "the identity is exact for sides that are not multiples of 16",
        "fault 13",
        "1920x1080 -> 1920x1080: vertex 0,1 is 0.0000,15.8750",
    ),
    (
        "the identity is exact where it scales",
        "fault 13",
        "640x480 -> 1280x720: vertex 0,1 is 0.0000,10.6250",
    ),
    (
        "the identity saturates at 4096 columns",
        "fault 12",
        "4096x144 -> 4096x144: vertex 1,0 is 0.0000,0.0000",
    ),
    (
        "what goes through the identity comes back as it was",
        "fault 13",
        "648x488: ",
    ),
    (
        "4096 columns come back as they were",
        "fault 12",
        "column 16 of line 0 shows 0, not 1",
    ),
    (
        "S_FMT of OUTPUT renews the identity",
        "fault 14",
        "1280x720 -> 640x480: vertex 1,0 is 16.0000,0.0000",
    ),
    (
        "what another source gives through the identity is all of it",
        "fault 14",
        "a source of 1280x720 shows 48 at 165,9, not 112",
    ),
    (
        "the default is the identity and asking for it leaves the map as it is",
        "fault 15",
        "the default: 640x480 -> 176x144: vertex 0,0 is 312.0000,8.0000",
    ),
    (
        "asking for the default while streaming does not show in the next frame",
        "fault 15",
        "in a request, where 41 is due: the frame is 16 at its corner",
    ),
    (
        "a map set while streaming is used from the next frame on",
        "fault 17",
        "after setting the map of band 21: the frame shows luma 21",
    ),
    (
        "a frame shows the map of its start, whatever is set while it runs",
        "fault 17",
        "the next frame: the frame shows luma 16, not the 166 of band 30",
    ),
    (
        "a map set while frames run is used whole, and the last one wins",
        "fault 17",
        "maps only one was ever used: [25, 0]",
    ),
    (
        "the rectangle returned is one that the scale of n/128 gives",
        "fault 16",
        "width: 183, height: 137 }, which is no n/128 of it",
    ),
    (
        "no crop is below a quarter of a side or below 176x144",
        "fault 16",
        "1x1 of 640x480 became Rect { left: 457, top: 3, width: 183, height: 137 }",
    ),
    (
        "with GE the least crop that holds what was asked for, with LE the largest in it",
        "fault 16",
        "width: 197, height: 147 } with GE, not Some((200, 150))",
    ),
    (
        "a rectangle that grows or shrinks keeps its centre",
        "fault 16",
        "became Rect { left: 0, top: 157, width: 222, height: 166 }: its centre moved",
    ),
    (
        "what was returned can be set again",
        "fault 16",
        "of 640x480 became Rect { left: 453, top: 5, width: 187, height: 140 } when set again",
    ),
    (
        "a crop shows its lines also in a picture of another shape",
        "fault 16",
        "of 640x480 in (1280, 720): line 0 shows the source at about 158, not 120.0",
    ),
    (
        "a crop shows just the rectangle that was returned",
        "fault 16",
        "returned as Rect { left: 10, top: 20, width: 333, height: 250 }: column 140 shows",
    ),
    (
        "a crop that changes beside running frames is whole in each",
        "fault 16",
        "it shows neither crop",
    ),
    (
        "STREAMOFF of OUTPUT completes the queued requests",
        "fault 11",
        "request 0 is not completed after STREAMOFF",
    ),
    (
        "STREAMOFF of CAPTURE first completes them with OUTPUT",
        "fault 11",
        "request 0 is not completed after STREAMOFF",
    ),
    (
        "STREAMOFF in the middle of many requests completes them all",
        "fault 11",
        "round 0: request ",
    ),
    (
        "libcamera probes the crop with 1x1 and with the largest rectangle",
        "fault 16",
        "the least crop is Rect { left: 1705, top: 11, width: 215, height: 121 }",
    ),
    (
        "libcamera sets a stride of one plane and gets just that",
        "fault 19",
        "a stride of 1024 became",
    ),
    (
        "prefetch has three modes and starts with calculation",
        "it has no prefetch controls",
        "EINVAL: Invalid argument",
    ),
    (
        "the prefetch threshold is 32 of 127",
        "it has no prefetch controls",
        "EINVAL: Invalid argument",
    ),
    (
        "prefetch controls can be set in a request",
        "it has no prefetch controls",
        "EINVAL: Invalid argument",
    ),
    (
        "prefetch controls leave the map alone and it them",
        "it has no prefetch controls",
        "EINVAL: Invalid argument",
    ),
    (
        "a map for another size of picture fails its own request and no other",
        "it takes the map for one of the new size",
        "queueing the old map succeeded, where EINVAL was due",
    ),
    (
        "a request with the map of another file is EINVAL and can be used again",
        "it leaves the request incomplete",
        "queueing it succeeded, where EINVAL was due",
    ),
    (
        "a rectangle far outside becomes one inside, or is ERANGE",
        "fault 16",
        "with GE and LE became",
    ),
    (
        "flags of no meaning are EINVAL for any rectangle",
        "fault 16",
        "succeeded, where EINVAL was due",
    ),
];

/// What is not run with the C driver because it would take the kernel with it.
const C_SKIPS: &[(&str, &str)] = &[
    (
        "S_FMT of CAPTURE while OUTPUT streams is used",
        "fault 1: it frees what it did not allocate",
    ),
    (
        "a map for another size that was queued before S_FMT fails its own frame alone",
        "fault 1: it frees what it did not allocate",
    ),
    (
        "a request with two buffers is EINVAL",
        "it warns, and completes the request twice",
    ),
    (
        "memory that is not there is ENOMEM without a word",
        "it has the kernel warn",
    ),
    (
        "random arguments in any ioctl leave a device that works",
        "it has the kernel warn of memory that is not there",
    ),
];

/// Where memory for buffers is above 4 GiB.
const CMA: u64 = 0x1_4000_0000;

/// The registers of the map, the source and the destination, in sixteenths of bytes.
const BASES: [&str; 3] = ["0x08", "0x10", "0x38"];

/// Prefetch mode and threshold of the frames that `dw100-board registers` sends.
const PREFETCH: [(u64, u64); 6] = [(1, 32), (0, 32), (2, 32), (2, 0), (2, 127), (1, 77)];

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let rt = Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
    let debug = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let both_drivers = || {
        ours(tests, &rt)?;
        theirs(tests, &rt)?;
        tests.record(
            "buffers above 4 GiB are used, in place",
            high_memory(tests.env, &rt),
        );
        Ok(())
    };
    side_by_side([&both_drivers, &|| ours(tests, &debug)])
}

/// All tests with this project's driver.
fn ours(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let debug = board.flavour() == Flavour::Debug;
    let (suffix, script) = if debug {
        // Its buffers are to be contiguous, like a camera's.
        let vivid =
            "modprobe vivid n_devs=1 node_types=0x1 no_error_inj=1 multiplanar=2 allocators=1";
        (
            ", debug kernel",
            format!("{vivid} && dw100-board uapi --vivid"),
        )
    } else {
        let script = "dw100-board uapi && dw100-board registers";
        ("", script.to_owned())
    };
    let work = tests.env.cache.run_dir()?;
    let mut options = Options::new(board.flavour(), Driver::Rust);
    options.output = Some(work.dir.clone());
    options.timeout = 600;
    let Outcome { end, printed } = board.run(&options, &script, false)?;
    for (name, failure) in verdicts(&printed) {
        tests.record(&format!("{name}{suffix}"), result(failure));
    }
    tests.record(&format!("runs to its end{suffix}"), ended(&end, &printed));
    if !debug {
        let trace = fs::read_to_string(work.dir.join("trace.jsonl"))?;
        let name = "the prefetch controls are what the engine's register says";
        tests.record(name, prefetched(&trace));
    }
    Ok(())
}

/// Buffers where the engine's 34 bits reach and the 32 that the kernel takes for granted do not:
/// the C driver, which asks for no more, gets none there (fault 19).
fn high_memory(env: &Env, board: &Board<'_>) -> Result<()> {
    let high = |driver| -> Result<(String, bool)> {
        let work = env.cache.run_dir()?;
        let options = Options {
            memory: 6,
            timeout: 60,
            append: Some(format!("cma=256M@{CMA:#x}")),
            output: Some(work.dir.clone()),
            ..Options::new(board.flavour(), driver)
        };
        let script = "dw100-board uapi 'frames go through buffers of a dma-heap on both queues'";
        let Outcome { end, printed } = board.run(&options, script, false)?;
        ended(&end, &printed)?;
        let trace = fs::read_to_string(work.dir.join("trace.jsonl"))?;
        let above = frames_of(&trace)?.iter().all(|frame| {
            let address = |name: &str| frame["regs"][name].as_u64().unwrap_or_default() << 4;
            BASES.into_iter().all(|base| address(base) >= CMA)
        });
        Ok((printed, above && !trace.is_empty()))
    };
    let (printed, above) = high(Driver::Rust)?;
    ensure!(
        verdicts(&printed).all(|(_, failure)| failure.is_none()) && above,
        "this driver: {}, above: {above}",
        printed.trim()
    );
    let (printed, above) = high(Driver::C)?;
    ensure!(!above, "the C driver gets there, too: {}", printed.trim());
    Ok(())
}

/// That a boot ended as it should.
fn ended(end: &End, printed: &str) -> Result<()> {
    match end {
        End::Script(0) => Ok(()),
        End::Script(status) => bail!(
            "the script ended with status {status}: {}",
            super::last_lines(printed, 5)
        ),
        _ => bail!("{}", end.message().unwrap_or_default()),
    }
}

/// The same tests with the C driver: a line for each that does not go as listed, and one for all.
fn theirs(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let options = Options {
        timeout: 600,
        ..Options::new(board.flavour(), Driver::C)
    };
    let skips = C_SKIPS.iter().map(|(name, _)| format!(" --skip '{name}'"));
    let script = format!("dw100-board uapi{}", skips.collect::<String>());
    let Outcome { end, printed } = board.run(&options, &script, false)?;
    let (passed, failed, surprises) = compared(&printed, C_FAILS);
    for (name, surprise) in surprises {
        tests.record(&format!("{name}, with the C driver"), Err(surprise));
    }
    let name = format!("the C driver passes {passed} and fails {failed} by its listed faults");
    tests.record(&name, ended(&end, &printed));
    Ok(())
}

/// How many tests passed and failed as listed, and what is not as listed.
fn compared<'a>(
    printed: &'a str,
    listed: &[(&'a str, &str, &str)],
) -> (usize, usize, Vec<(&'a str, anyhow::Error)>) {
    let (mut passed, mut failed, mut surprises) = (0, 0, Vec::new());
    let entry = |name: &str| listed.iter().find(|entry| entry.0 == name);
    for (name, failure) in verdicts(printed) {
        match (failure, entry(name)) {
            (None, None) => passed += 1,
            (Some(why), Some((_, _, says))) if why.contains(says) => failed += 1,
            (Some(why), Some((_, fault, _))) => {
                surprises.push((name, anyhow!("fails, and not by '{fault}': {why}")));
            }
            (Some(why), None) => surprises.push((name, anyhow!("{why}"))),
            (None, Some((_, fault, _))) => {
                surprises.push((name, anyhow!("passes, in spite of '{fault}'")));
            }
        }
    }
    for (name, ..) in listed {
        if !verdicts(printed).any(|(run, _)| run == *name) {
            surprises.push((name, anyhow!("is listed and did not run")));
        }
    }
    (passed, failed, surprises)
}

/// That the last frames of a trace have the prefetch settings that were sent.
fn prefetched(trace: &str) -> Result<()> {
    let frames = frames_of(trace)?;
    let first = frames.len().checked_sub(PREFETCH.len());
    let last = &frames[first.context("there are too few frames in the trace")?..];
    let control = |frame: &Value| {
        let control = frame["regs"]["0x04"].as_u64();
        control.context("a frame in the trace lacks its control register")
    };
    for (frame, (mode, threshold)) in last.iter().zip(PREFETCH) {
        let control = control(frame)?;
        let got = (control >> 16 & 3, control >> 18 & 0x7f);
        ensure!(
            got == (mode, threshold),
            "mode and threshold are {got:?} in {control:#x}, not {:?}",
            (mode, threshold)
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_goes_as_listed_is_no_surprise() {
        let listed = [
            ("b", "fault 1", "wrong"),
            ("c", "fault 2", "wrong"),
            ("e", "fault 3", "wrong"),
            ("f", "fault 4", "too late"),
        ];
        let printed =
            "ok a\nFAIL b: all wrong\nok c\nFAIL d: lost\nnoise\nFAIL f: no end after 60 s\n";
        let (passed, failed, surprises) = compared(printed, &listed);
        assert_eq!((passed, failed), (1, 1));
        let lines: Vec<String> = surprises
            .iter()
            .map(|(name, why)| format!("{name}: {why}"))
            .collect();
        assert_eq!(
            lines,
            [
                "c: passes, in spite of 'fault 2'",
                "d: lost",
                "f: fails, and not by 'fault 4': no end after 60 s",
                "e: is listed and did not run",
            ]
        );
    }

    #[test]
    fn a_wrong_bit_in_one_register_of_the_trace_is_seen() {
        let line = |(mode, threshold): (u64, u64)| {
            let control = 1 | mode << 16 | threshold << 18;
            format!("{{\"regs\":{{\"0x04\":{control}}}}}\n")
        };
        let good: String = PREFETCH.into_iter().map(line).collect();
        assert!(prefetched(&good).is_ok());
        assert!(prefetched(&format!("{}{good}", line((3, 3)))).is_ok());
        let bad: String = PREFETCH
            .into_iter()
            .map(|(mode, threshold)| line((mode ^ 1, threshold)))
            .collect();
        assert!(prefetched(&bad).is_err());
        assert!(prefetched("").is_err());
    }
}
