// SPDX-License-Identifier: GPL-2.0

//! The worlds that `first-light` tells apart: ways in which an engine may differ from what this
//! project assumes, under the names that the engine's model has for them (`--model world=NAME`).
//! The suite `kit` runs `first-light` in each of them and requires that the report names it.

/// The world that this project assumes.
pub const DEFAULT: &str = "default";

/// The text of a line if the measurement is the same in several worlds.
pub const NOT_TOLD_APART: &str = "not told apart";

/// What is needed to detect a world, beside this project's driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// Nothing else.
    Nothing,
    /// The C driver's module in the kit.
    CDriver,
    /// The option `--above-4g`, and memory above 4 GiB.
    Above4G,
}

/// A world that `first-light` can tell from the default one.
#[derive(Clone, Copy, Debug)]
pub struct World {
    /// The world's name.
    pub name: &'static str,
    /// What the engine does in this world and not in the default one.
    pub says: &'static str,
    /// The measurement that shows it.
    pub shown_by: &'static str,
    /// What is needed to detect it.
    pub needs: Needs,
}

const fn world(name: &'static str, says: &'static str, shown_by: &'static str) -> World {
    World {
        name,
        says,
        shown_by,
        needs: Needs::Nothing,
    }
}

/// All worlds that can be told apart.
///
/// Lines may name two more, which no run on the emulated board shows: `int-clr-held`, if bits 31:24
/// of INTERRUPT_STATUS read back what was written, and `late-writes`, if there are about as many
/// stale interrupts as frames.
pub const WORLDS: [World; 11] = [
    World {
        needs: Needs::CDriver,
        ..world(
            "roi-by-width",
            "ROI_START.Y counts in units of the width's ratio",
            "where a crop of the C driver begins, between sizes of different shapes",
        )
    },
    world(
        "reset-keeps-registers",
        "a soft reset keeps the frame registers",
        "the frame registers still hold the last frame after this driver's reset",
    ),
    World {
        needs: Needs::CDriver,
        ..world(
            "reset-needs-time",
            "a soft reset takes effect only if it is held for some time",
            "the frame registers still hold the last frame after the C driver's reset, which does not wait, \
             and not after this driver's, which does",
        )
    },
    world(
        "time-out-in-frame",
        "the bus time-out counter also counts while a frame runs",
        "frames that take long end with TIME_OUT and without FRAME_DONE",
    ),
    world(
        "done-with-time-out",
        "TIME_OUT is raised together with FRAME_DONE",
        "frames that are done report TIME_OUT, too",
    ),
    World {
        needs: Needs::Above4G,
        ..world(
            "low-addresses",
            "bits 33:32 of addresses are tied off",
            "a vertex map above 4 GiB is not read from where it is",
        )
    },
    world(
        "slow",
        "the engine is four times slower than assumed",
        "pixels per clock in the calculation mode",
    ),
    world(
        "burst-at-done",
        "FRAME_BUSY is still 1, and the last burst still in flight, when FRAME_DONE is raised",
        "frames that are busy at their interrupt",
    ),
    world(
        "traversal-differs",
        "the traversal prefetch gives a wrong picture for some maps",
        "the same frame in traversal and in calculation mode",
    ),
    world(
        "edge-black",
        "the boundary colour begins beyond W-1 and H-1, not at W and H",
        "samples at W-1 + k/16 and at H-1 + k/16",
    ),
    world(
        "round-down",
        "interpolation truncates instead of rounding half up",
        "samples at k/16 between two known ones",
    ),
];

/// Returns the entry of this name.
pub fn find(name: &str) -> Option<&'static World> {
    WORLDS.iter().find(|world| world.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_world_has_one_entry() {
        for world in &WORLDS {
            let same = |other: &&World| other.name == world.name;
            assert_eq!(WORLDS.iter().filter(same).count(), 1, "{}", world.name);
            assert!(find(world.name).is_some_and(|found| found.says == world.says));
        }
        assert!(find(DEFAULT).is_none() && find(NOT_TOLD_APART).is_none());
    }
}
