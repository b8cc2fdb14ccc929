// SPDX-License-Identifier: GPL-2.0

//! Compares the driver's frames of every pair of formats with the golden model.
//!
//! `dw100-stream plan DIR` writes the inputs and the board's script, and prints the names of the
//! verdicts. `dw100-stream check DIR OUT` judges the output, with one line for each pair: `ok NAME` or
//! `FAIL NAME: WHY`. DIR holds `map.bin`, a map for 640x480.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use dw100_model::{Crop, Image, ImageSpec, PixelFormat, dewarp_image, identity_map};
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

/// The formats that the driver accepts, and those that it writes.
const INPUTS: [&str; 6] = ["nv12", "nv12m", "nv16", "nv16m", "yuyv", "uyvy"];
const OUTPUTS: [&str; 10] = [
    "nv12", "nv12m", "nv21", "nv21m", "nv16", "nv16m", "nv61", "nv61m", "yuyv", "uyvy",
];

/// The smallest size, a usual one, and one whose sides are not multiples of the block size.
const SIZES: [(u32, u32); 3] = [(176, 144), (640, 480), (648, 488)];

/// The size that `map.bin` is for.
const MAP_SIZE: (u32, u32) = (640, 480);

/// The map that a frame is processed with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Map {
    /// The map that the driver starts with.
    Identity,
    /// The map in `map.bin`.
    Lens,
}

impl Map {
    fn name(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Lens => "lens",
        }
    }

    fn sizes(self) -> &'static [(u32, u32)] {
        match self {
            Self::Identity => &SIZES,
            Self::Lens => &[MAP_SIZE],
        }
    }
}

/// The parameters of one frame.
#[derive(Clone, Copy)]
struct Case {
    input: &'static str,
    output: &'static str,
    map: Map,
    size: (u32, u32),
}

impl Case {
    /// Returns the name of the file that is sent. Formats that differ only in the number of buffers
    /// share it.
    fn input_file(&self) -> String {
        format!(
            "{}-{}x{}.raw",
            self.input.trim_end_matches('m'),
            self.size.0,
            self.size.1
        )
    }

    /// Returns the name of the file that is received.
    fn output_file(&self) -> String {
        let Self {
            input,
            output,
            map,
            size: (width, height),
        } = self;
        format!("{input}-{output}-{}-{width}x{height}.raw", map.name())
    }

    /// Returns whether the output must equal the input.
    fn returns_input(&self) -> bool {
        self.map == Map::Identity
            && self.input.trim_end_matches('m') == self.output.trim_end_matches('m')
    }
}

fn pairs() -> impl Iterator<Item = (Map, &'static str, &'static str)> {
    let outputs = |map, input| OUTPUTS.into_iter().map(move |output| (map, input, output));
    let inputs = move |map| {
        INPUTS
            .into_iter()
            .flat_map(move |input| outputs(map, input))
    };
    [Map::Identity, Map::Lens].into_iter().flat_map(inputs)
}

/// Returns the name of the verdict on a pair of formats.
fn name(map: Map, input: &str, output: &str) -> String {
    format!("{} {input} -> {output}", map.name())
}

/// Returns pseudo-random bytes, which are the same for the same seed.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut bytes = vec![0; length];
    XorShiftRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// Returns the frame that a file of this name holds.
fn input_frame(case: &Case, format: PixelFormat) -> Vec<u8> {
    let seed = case
        .input_file()
        .bytes()
        .fold(7, |seed: u64, byte| seed * 31 + u64::from(byte));
    noise(format.frame_size(case.size.0, case.size.1), seed)
}

fn plan(dir: &Path) -> Result<(), String> {
    let mut script = String::new();
    for (map, input, output) in pairs() {
        for &size in map.sizes() {
            let case = Case {
                input,
                output,
                map,
                size,
            };
            let file = dir.join(case.input_file());
            if !file.exists() {
                let frame = input_frame(&case, format(input)?);
                fs::write(&file, frame).map_err(|error| said(&file, error))?;
            }
            let option = if map == Map::Lens {
                "--map /in/map.bin"
            } else {
                ""
            };
            script += &format!(
                "dewarp run --source {}x{} --in-format {input} --out-format {output} {option} /in/{} -o /out/{}\n",
                size.0,
                size.1,
                case.input_file(),
                case.output_file(),
            );
        }
    }
    let file = dir.join("script");
    fs::write(&file, script).map_err(|error| said(&file, error))?;
    for (map, input, output) in pairs() {
        println!("{}", name(map, input, output));
    }
    Ok(())
}

/// Prints the verdicts. Returns whether all are good.
fn check(dir: &Path, out: &Path) -> Result<bool, String> {
    let lens = words(&dir.join("map.bin"))?;
    let mut good = true;
    for (map, input, output) in pairs() {
        let judged = map.sizes().iter().try_for_each(|&size| {
            let case = Case {
                input,
                output,
                map,
                size,
            };
            judge(&case, &lens, out).map_err(|why| format!("{}x{}: {why}", size.0, size.1))
        });
        let name = name(map, input, output);
        match judged {
            Ok(()) => println!("ok {name}"),
            Err(why) => {
                println!("FAIL {name}: {why}");
                good = false;
            }
        }
    }
    Ok(good)
}

fn judge(case: &Case, lens: &[u32], out: &Path) -> Result<(), String> {
    let (width, height) = case.size;
    let source = format(case.input)?;
    let data = input_frame(case, source);
    let identity = identity_map(width, height);
    let map = if case.map == Map::Lens {
        lens
    } else {
        &identity
    };
    let src = Image {
        format: source,
        width,
        height,
        data: &data,
    };
    let dst = ImageSpec {
        format: format(case.output)?,
        width,
        height,
    };
    let golden = dewarp_image(&src, &dst, map, Crop::FULL).map_err(|error| error.to_string())?;
    let file = out.join(case.output_file());
    let got = fs::read(&file).map_err(|_| "no frame came back".to_owned())?;
    differ(&got, &golden, width).map_or(Ok(()), |what| Err(format!("not the model's: {what}")))?;
    if case.returns_input() {
        differ(&got, &data, width).map_or(Ok(()), |what| Err(format!("not the input: {what}")))?;
    }
    Ok(())
}

/// Returns where two frames differ first, and how often; [`None`] if they are equal.
fn differ(got: &[u8], wanted: &[u8], width: u32) -> Option<String> {
    if got.len() != wanted.len() {
        return Some(format!("{} bytes, not {}", got.len(), wanted.len()));
    }
    let differences = || {
        got.iter()
            .zip(wanted)
            .enumerate()
            .filter(|(_, (a, b))| a != b)
    };
    let (place, (a, b)) = differences().next()?;
    let (row, column) = (place / width as usize, place % width as usize);
    let count = differences().count();
    Some(format!(
        "{count} bytes differ, first at row {row} column {column}: {a}, not {b}"
    ))
}

fn format(name: &str) -> Result<PixelFormat, String> {
    name.parse()
        .map_err(|error: dw100_model::Error| error.to_string())
}

fn words(file: &Path) -> Result<Vec<u32>, String> {
    let bytes = fs::read(file).map_err(|error| said(file, error))?;
    let word = |bytes: &[u8]| Some(u32::from_le_bytes(bytes.try_into().ok()?));
    bytes
        .chunks(4)
        .map(word)
        .collect::<Option<_>>()
        .ok_or("map.bin is cut short".to_owned())
}

fn said(file: &Path, error: std::io::Error) -> String {
    format!("{}: {error}", file.display())
}

fn main() -> ExitCode {
    let words: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let done = match words.as_slice() {
        [verb, dir] if verb.as_os_str() == "plan" => plan(dir).map(|()| true),
        [verb, dir, out] if verb.as_os_str() == "check" => check(dir, out),
        _ => Err("usage: dw100-stream plan DIR | check DIR OUT".to_owned()),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("dw100-stream: {error}");
            ExitCode::from(2)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_pair_has_one_case_a_size_and_all_files_have_their_own_names() {
        let mut files: Vec<String> = pairs()
            .flat_map(|(map, input, output)| {
                map.sizes().iter().map(move |&size| Case {
                    input,
                    output,
                    map,
                    size,
                })
            })
            .map(|case| case.output_file())
            .collect();
        assert_eq!(files.len(), 6 * 10 * 4);
        files.sort();
        files.dedup();
        assert_eq!(files.len(), 6 * 10 * 4);
    }

    #[test]
    fn only_the_same_bytes_under_the_identity_return_the_input() {
        let case = |input, output, map| Case {
            input,
            output,
            map,
            size: (176, 144),
        };
        assert!(case("nv12", "nv12m", Map::Identity).returns_input());
        assert!(!case("nv12", "nv12m", Map::Lens).returns_input());
        assert!(!case("nv12", "nv21", Map::Identity).returns_input());
    }

    #[test]
    fn differences_are_told_with_their_place() {
        assert_eq!(differ(&[1, 2, 3, 4], &[1, 2, 3, 4], 2), None);
        let what = differ(&[1, 2, 9, 8], &[1, 2, 3, 4], 2).unwrap();
        assert_eq!(what, "2 bytes differ, first at row 1 column 0: 9, not 3");
        assert!(differ(&[1], &[1, 2], 2).unwrap().contains("1 bytes, not 2"));
    }
}
