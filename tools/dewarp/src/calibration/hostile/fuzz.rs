// SPDX-License-Identifier: GPL-2.0
//! Random files, made from those of all dialects.

use std::panic::catch_unwind;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::SAMPLES;
use crate::calibration::{Choice, Content, Model};
use crate::format::Size;
use crate::map::VertexMap;

/// The time limit for one file.
const PATIENCE: Duration = Duration::from_secs(2);

/// Texts that are inserted into a file or replace parts of it.
const WORDS: [&str; 40] = [
    "[",
    "]",
    "{",
    "}",
    ": ",
    ", ",
    "- ",
    "\n",
    "\"",
    "'",
    "<",
    ">",
    "</",
    "&a ",
    "*a",
    "#",
    "//",
    "!!",
    "%YAML:1.0\n",
    "---\n",
    "...\n",
    "\u{feff}",
    "0",
    "-1",
    "1e308",
    "-0.0",
    ".inf",
    "nan",
    "~",
    "null",
    "true",
    "65537",
    "4294967296",
    "9223372036854775807",
    "K: ",
    "D: ",
    "xi: ",
    "model: ",
    "data: ",
    "roi: ",
];

/// Pseudo-random numbers, the same for the same seed (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        // CAST: it is a remainder below a usize.
        (self.0 % (end.max(1) as u64)) as usize
    }

    fn range(&mut self, length: usize) -> std::ops::Range<usize> {
        let from = self.below(length + 1);
        let most = [4, 64, length][self.below(3)];
        from..(from + self.below(most + 1)).min(length)
    }
}

/// Returns the files from which the random ones are made: those of the tests, and those that were
/// once read wrongly.
fn corpus() -> Vec<Vec<u8>> {
    let here = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");
    let mut files: Vec<_> = ["cameras", "hostile"]
        .iter()
        .flat_map(|dir| std::fs::read_dir(format!("{here}/{dir}")).unwrap())
        .map(|file| file.unwrap().path())
        .collect();
    files.sort();
    let files = files.into_iter().map(|file| std::fs::read(file).unwrap());
    files
        .chain(SAMPLES.map(|(_, text, _)| text.as_bytes().to_vec()))
        .collect()
}

/// Makes a random file.
fn made(corpus: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut file = corpus[random.below(corpus.len())].clone();
    for _ in 0..=random.below(6) {
        let (part, other) = (
            random.range(file.len()),
            &corpus[random.below(corpus.len())],
        );
        let new: Vec<u8> = match random.below(9) {
            0 => vec![],
            1 => file[part.clone()].repeat(2),
            2 => file[part.clone()].repeat(1 << random.below(10)),
            3 => other[random.range(other.len())].to_vec(),
            4 => file[part.clone()]
                .iter()
                .map(|byte| byte ^ (1 << random.below(8)))
                .collect(),
            5 => file[random.range(file.len())].to_vec(),
            6 => {
                file.truncate(part.start);
                continue;
            }
            _ => WORDS[random.below(WORDS.len())].into(),
        };
        // A text is inserted between two bytes as often as it replaces some.
        let place = if random.below(2) == 0 {
            part.start..part.start
        } else {
            part
        };
        file.splice(place, new);
        file.truncate(1 << 20);
    }
    file
}

/// Reads a file as `dewarp map` does, and makes a small map of its lens. Returns whether the file
/// was read.
fn tried(file: Vec<u8>, camera: Option<&str>, model: Option<Model>) -> bool {
    let size = Size {
        width: 176,
        height: 144,
    };
    let choice = Choice {
        camera,
        model,
        size: Some(size),
        ..Choice::default()
    };
    let Ok((content, _)) = Content::of_bytes(file) else {
        return false;
    };
    let _ = content.rectification(&choice);
    let Ok(found) = content.calibration(&choice) else {
        return false;
    };
    let lens = found
        .calibration
        .lens
        .check()
        .expect("a lens whose numbers are those of one");
    let map = VertexMap::undistort(size, found.calibration.size.unwrap_or(size), &lens, 1.0);
    assert_eq!(map.to_bytes().len(), VertexMap::bytes_for(size));
    true
}

/// Runs for DEWARP_FUZZ_SECONDS, from case DEWARP_FUZZ_CASE on: `cargo test -p dewarp --lib fuzz --
/// --ignored`.
#[test]
#[ignore = "runs as long as it is told to"]
fn random_files_are_read_or_refused() {
    let number = |name: &str, other: u64| {
        std::env::var(name).map_or(other, |text| text.parse().expect("a whole number"))
    };
    let (time, first) = (
        Duration::from_secs(number("DEWARP_FUZZ_SECONDS", 10)),
        number("DEWARP_FUZZ_CASE", 1),
    );
    let corpus = corpus();
    let cameras: Vec<_> = SAMPLES.iter().map(|(_, _, camera)| *camera).collect();
    // A thread that knows the case ends a run that does not return.
    static CASE: AtomicU64 = AtomicU64::new(0);
    std::thread::spawn(|| {
        let mut before = 0;
        loop {
            std::thread::sleep(10 * PATIENCE);
            let now = CASE.load(Ordering::Relaxed);
            if now == before {
                eprintln!("case {now} takes more than {:?}", 10 * PATIENCE);
                std::process::exit(1);
            }
            before = now;
        }
    });
    let (start, mut read, mut longest) = (Instant::now(), 0, (Duration::ZERO, 0));
    let mut case = first;
    while start.elapsed() < time {
        CASE.store(case, Ordering::Relaxed);
        // The seeds of consecutive cases are far apart.
        let mut random = Random(case.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let file = made(&corpus, &mut random);
        let camera = cameras[random.below(cameras.len())];
        let model = [None, None, Some(Model::Fisheye), Some(Model::Pinhole)][random.below(4)];
        let (begin, copy) = (Instant::now(), file.clone());
        let Ok(good) = catch_unwind(|| tried(copy, camera, model)) else {
            panic!(
                "case {case} panics, with {camera:?} and {model:?}: {:?}",
                String::from_utf8_lossy(&file)
            );
        };
        let mut took = begin.elapsed();
        if took >= PATIENCE {
            // The machine may have stood still: what is slow twice is slow.
            let begin = Instant::now();
            let _ = catch_unwind(|| tried(file.clone(), camera, model));
            took = took.min(begin.elapsed());
        }
        longest = longest.max((took, case));
        read += u64::from(good);
        case += 1;
    }
    let cases = case - first;
    println!(
        "{cases} files from {first} on, {read} of them read, the longest in {:?} (case {})",
        longest.0, longest.1
    );
    assert!(
        longest.0 < PATIENCE,
        "case {} took {:?}",
        longest.1,
        longest.0
    );
    assert!(read > cases / 100, "{read} of {cases} files are read");
}
