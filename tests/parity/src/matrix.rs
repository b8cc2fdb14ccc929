// SPDX-License-Identifier: GPL-2.0

//! The combinations that both drivers process: formats, sizes, map and crop, in the order of
//! the plan, and the plan itself.

use std::fmt;
use std::fmt::Write;

use crate::crop::Crop;
use crate::format::{Format, INPUTS, OUTPUTS, Size};
use crate::map::{self, Map};

/// The sizes of source and destination that are set.
const SIZES: [(Size, Size); 12] = {
    const fn pair(sw: u32, sh: u32, dw: u32, dh: u32) -> (Size, Size) {
        (Size::new(sw, sh), Size::new(dw, dh))
    }
    [
        // The smallest, the default, the usual, one that V4L2 changes to 1368x1032, the
        // largest.
        pair(176, 144, 176, 144),
        pair(640, 480, 640, 480),
        pair(1920, 1080, 1920, 1080),
        pair(1368, 1026, 1368, 1026),
        pair(4096, 3072, 4096, 3072),
        // The last block has half a width, and half a width and height.
        pair(648, 488, 648, 488),
        pair(184, 152, 200, 168),
        // Up: to twice the size, and to the limit. Down: to a third, and to the limit.
        pair(640, 480, 1280, 960),
        pair(176, 144, 4096, 3072),
        pair(1920, 1080, 640, 360),
        pair(4096, 3072, 176, 144),
        // Wider and lower: the two axes have different scales.
        pair(1280, 720, 720, 1280),
    ]
};

/// The most pixels of source and destination together for which a default run compares frames
/// of every pair of formats; and the most for which it compares frames of a few. For more
/// pixels it compares frames of two.
const ALL_FORMATS: u32 = 700_000;
const FEW_FORMATS: u32 = 6_000_000;

/// How many pairs of formats "a few" are.
const FEW: usize = 6;

/// The part of the combinations that a run has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Every combination, for its registers.
    Registers,
    /// A part of them, for the frames.
    SomeFrames,
    /// Every combination, for the frames.
    AllFrames,
}

/// The formats and sizes of one open file. The sizes are those that V4L2 grants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Format of the source.
    pub input: Format,
    /// Size of the source.
    pub source: Size,
    /// Format of the destination.
    pub output: Format,
    /// Size of the destination.
    pub destination: Size,
    asked: (Size, Size),
}

/// The parameters of one frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Combination {
    /// Formats and sizes.
    pub setting: Setting,
    /// The vertex map.
    pub map: Map,
    /// The crop of the source.
    pub crop: Crop,
}

impl fmt::Display for Combination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { setting, map, crop } = self;
        let Setting {
            input,
            source,
            output,
            destination,
            ..
        } = setting;
        let (input, output) = (input.name, output.name);
        let (map, crop) = (map.name(), crop.name());
        write!(
            f,
            "{input} {source} -> {output} {destination}, map {map}, crop {crop}"
        )
    }
}

impl Setting {
    /// Returns the setting's frames, in the order of the plan.
    pub fn frames(self) -> impl Iterator<Item = Combination> {
        let crops = move |map| {
            Crop::ALL.into_iter().map(move |crop| Combination {
                setting: self,
                map,
                crop,
            })
        };
        Map::ALL.into_iter().flat_map(crops)
    }

    /// Returns the name of the file of a map that has to be set.
    fn map_file(&self, map: Map) -> String {
        let (name, source, destination) = (map.name(), self.source, self.destination);
        format!("{name}-{source}-{destination}.map")
    }
}

/// Returns how many pairs of sizes there are.
pub fn sizes() -> usize {
    SIZES.len()
}

/// Returns all pairs of formats.
fn formats() -> Vec<(Format, Format)> {
    let named = |names: &[&'static str]| -> Vec<Format> {
        names
            .iter()
            .filter_map(|name| Format::named(name))
            .collect()
    };
    let (inputs, outputs) = (named(&INPUTS), named(&OUTPUTS));
    let pairs = |&input: &Format| outputs.iter().map(move |&output| (input, output));
    inputs.iter().flat_map(pairs).collect()
}

/// Returns all settings of a run, in the order of the plan.
pub fn settings(extent: Extent) -> Vec<Setting> {
    let formats = formats();
    let mut settings = Vec::new();
    for (place, &asked) in SIZES.iter().enumerate() {
        let (source, destination) = (asked.0.granted(), asked.1.granted());
        let pixels = source.pixels() + destination.pixels();
        let wanted = match extent {
            Extent::SomeFrames if pixels > FEW_FORMATS => 2,
            Extent::SomeFrames if pixels > ALL_FORMATS => FEW,
            _ => formats.len(),
        };
        for nth in 0..wanted {
            // Spread over all pairs, and different ones at each size.
            let step = formats.len() / wanted;
            let (input, output) =
                formats[(nth * step + place * (wanted / FEW + 5)) % formats.len()];
            settings.push(Setting {
                input,
                source,
                output,
                destination,
                asked,
            });
        }
    }
    settings
}

/// Returns all frames of a run, in the order of the plan.
pub fn combinations(extent: Extent) -> Vec<Combination> {
    settings(extent)
        .into_iter()
        .flat_map(Setting::frames)
        .collect()
}

/// Returns the plan of a run in the board's format: `open` opens a file and sets its formats,
/// `map` sets a map and starts a stream, and each stream has a `frame` for each crop.
pub fn plan(extent: Extent) -> String {
    let mut plan = String::new();
    let mut last: Option<Combination> = None;
    for frame in combinations(extent) {
        let Combination { setting, map, crop } = frame;
        let opened = last.is_some_and(|last| last.setting == setting);
        if !opened {
            let (source, destination) = setting.asked;
            let (input, output) = (setting.input.name, setting.output.name);
            plan += &format!("open {input} {source} {output} {destination}\n");
        }
        if !opened || last.is_some_and(|last| last.map != map) {
            let file = match map {
                Map::Identity => "-".to_owned(),
                Map::Lens | Map::Turned => setting.map_file(map),
            };
            plan += &format!("map {file}\n");
        }
        let rect = crop.wanted(setting.source);
        // Writing to a string cannot fail.
        let _ = writeln!(plan, "frame {} {} {} {}", rect.0, rect.1, rect.2, rect.3);
        last = Some(frame);
    }
    plan
}

/// Returns the names and contents of the files that a plan names.
pub fn map_files() -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for (source, destination) in SIZES {
        let (source, destination) = (source.granted(), destination.granted());
        for map in Map::ALL {
            if let Some(words) = map.words(source, destination) {
                let name = format!("{}-{source}-{destination}.map", map.name());
                files.push((name, map::bytes(&words)));
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_full_matrix_has_every_combination_once() {
        let all = combinations(Extent::Registers);
        assert_eq!(all.len(), 6 * 10 * 12 * 4 * 3);
        let names: HashSet<String> = all.iter().map(Combination::to_string).collect();
        assert_eq!(names.len(), all.len());
        assert_eq!(all, combinations(Extent::AllFrames));
    }

    #[test]
    fn the_frames_of_every_day_have_all_formats_at_small_sizes_and_a_few_at_each() {
        let some = settings(Extent::SomeFrames);
        let all: HashSet<String> = combinations(Extent::Registers)
            .iter()
            .map(Combination::to_string)
            .collect();
        for (source, destination) in SIZES {
            let (source, destination) = (source.granted(), destination.granted());
            let here = some
                .iter()
                .filter(|setting| (setting.source, setting.destination) == (source, destination));
            let pairs: HashSet<_> = here.map(|s| (s.input.name, s.output.name)).collect();
            let due = match source.pixels() + destination.pixels() {
                pixels if pixels <= ALL_FORMATS => 60,
                pixels if pixels <= FEW_FORMATS => FEW,
                _ => 2,
            };
            assert_eq!(pairs.len(), due, "{source} -> {destination}");
        }
        let frames = combinations(Extent::SomeFrames);
        assert!(frames.iter().all(|frame| all.contains(&frame.to_string())));
    }

    #[test]
    fn a_plan_opens_once_a_setting_and_streams_once_a_map() {
        let plan = plan(Extent::Registers);
        let count = |word: &str| plan.lines().filter(|line| line.starts_with(word)).count();
        assert_eq!(count("open "), 720);
        assert_eq!(count("map "), 720 * 3);
        assert_eq!(count("frame "), 8640);
        let start = "open nv12 176x144 nv12 176x144\nmap -\nframe 0 0 176 144\n";
        assert!(plan.starts_with(start), "{plan:.80}");
        // The size is set as it is usually written, and the crop is that of the granted size.
        assert!(plan.contains(" 1368x1026\nmap -\nframe 0 0 1368 1032\n"));
    }

    #[test]
    fn each_map_that_a_plan_names_has_a_file_of_its_size() {
        let files = map_files();
        assert_eq!(files.len(), 2 * SIZES.len());
        for line in plan(Extent::Registers).lines() {
            let Some(name) = line.strip_prefix("map ").filter(|&name| name != "-") else {
                continue;
            };
            assert!(files.iter().any(|(file, _)| file == name), "{name}");
        }
        let (_, largest) = &files[8];
        assert_eq!(largest.len(), 257 * 193 * 4);
    }
}
