// SPDX-License-Identifier: GPL-2.0

//! The worlds, and what each driver is asked to do in them.

use crate::board::Driver;

/// The model's own worlds.
const NAMES: [&str; 22] = [
    "int-clr-held",
    "ctrl-before-start",
    "lut-arms-destination",
    "start-needs-closed-bus",
    "roi-by-width",
    "reset-open-bus-hangs",
    "reset-in-flight-hangs",
    "reset-needs-time",
    "reset-keeps-registers",
    "time-out-in-frame",
    "done-with-time-out",
    "size-wraps",
    "late-writes",
    "bus-ctrl-late",
    "low-addresses",
    "slow",
    "mask-keeps-line",
    "burst-at-done",
    "error-ends",
    "traversal-differs",
    "edge-black",
    "round-down",
];

/// Some that may meet.
const TOGETHER: [&[&str]; 4] = [
    &["int-clr-held", "ctrl-before-start", "lut-arms-destination"],
    &["late-writes", "burst-at-done"],
    &["slow", "time-out-in-frame"],
    &["reset-needs-time", "bus-ctrl-late", "late-writes"],
];

/// Two that the C driver does not survive together: the line is still high when its handler is
/// over, and it takes the interrupt that follows, of which the status says nothing, for the end of
/// the next frame (fault 10).
const LATE: &str = "late-writes";
const TOO_LATE: [&str; 3] = [LATE, "mask-keeps-line", "burst-at-done"];

/// The engine as firmware may leave it: on the bus, and on the bus with a frame that does not end,
/// for it has no map. BUS_CTRL opens the bus; DEWARP_CTRL has ENABLE, then START.
const BUS_ON: (&str, &str) = ("left on the bus", "devmem 0x32e30074 32 0x8000000e");
const AT_WORK: (&str, &str) = (
    "left with a frame",
    "devmem 0x32e30004 32 1; devmem 0x32e30004 32 3; devmem 0x32e30004 32 1
            devmem 0x32e30074 32 0x8000000e",
);

/// What a driver is asked to do in each world, and what it is also asked to do where it survives
/// that.
const SCENARIOS: [&str; 6] = ["formats", "sizes", "speed", "maps", "files", "crops"];
const ERRORS: &str = "errors";
const SILENCE: &str = "silence";
const MASKED: &str = "masked";

/// A world.
pub struct World {
    worlds: Vec<&'static str>,
    /// What the model is told.
    pub model: Vec<String>,
    /// How the engine is left before the driver is loaded: a name and commands.
    pub before: Option<(&'static str, &'static str)>,
    /// Whether the C driver streams there.
    pub c_streams: bool,
}

impl World {
    fn new(worlds: &[&'static str]) -> Self {
        let mut model: Vec<String> = worlds.iter().map(|name| format!("world={name}")).collect();
        // Where the time-out matters it is the engine's own; elsewhere there is none.
        if worlds.iter().any(|name| name.contains("time-out")) {
            model.push("timeout-cycles=default".to_owned());
        }
        Self {
            worlds: worlds.to_vec(),
            model,
            before: None,
            c_streams: true,
        }
    }

    /// The same, which the C driver does not survive.
    fn without_c(self) -> Self {
        Self {
            c_streams: false,
            ..self
        }
    }

    /// The same with the engine left by firmware in a way that the C driver does not survive.
    fn left(self, before: (&'static str, &'static str)) -> Self {
        Self {
            before: Some(before),
            ..self.without_c()
        }
    }

    /// Its name.
    pub fn name(&self) -> String {
        let name = match self.worlds.as_slice() {
            [] => "default".to_owned(),
            all if all == NAMES => "all at once".to_owned(),
            all if all == all_but_late() => format!("all at once but {LATE}"),
            some => some.join(" + "),
        };
        match self.before {
            None => name,
            Some((left, _)) => format!("{name}, {left}"),
        }
    }

    /// What is proven there.
    pub fn verdict(&self) -> String {
        let name = self.name();
        if self.c_streams {
            format!("{name}: this driver streams as the C driver does")
        } else {
            format!("{name}: this driver streams, and the C driver does not")
        }
    }

    /// What a driver is asked to do, in order.
    ///
    /// After an error the C driver starts the next frame without a reset, which an engine takes
    /// only if the error ended the frame (fault 9), and it waits for a lost interrupt for ever
    /// (fault 7): elsewhere that is not tried with it.
    pub fn scenarios(&self, driver: Driver) -> Vec<&'static str> {
        let mut scenarios = SCENARIOS.to_vec();
        if driver == Driver::Rust {
            scenarios.extend([ERRORS, SILENCE]);
            // The bus would time out before that frame is done.
            if !self.worlds.contains(&"time-out-in-frame") {
                scenarios.push(MASKED);
            }
        } else if self.worlds.contains(&"error-ends") {
            scenarios.push(ERRORS);
        }
        scenarios
    }
}

/// All that the C driver survives at once.
fn all_but_late() -> Vec<&'static str> {
    NAMES.into_iter().filter(|&name| name != LATE).collect()
}

/// All worlds, in the order of their numbers.
pub fn all() -> Vec<World> {
    let mut worlds = vec![World::new(&[])];
    worlds.extend(NAMES.iter().map(|&name| World::new(&[name])));
    worlds.extend(TOGETHER.map(World::new));
    worlds.push(World::new(&all_but_late()));
    worlds.push(World::new(&TOO_LATE).without_c());
    worlds.push(World::new(&NAMES).without_c());
    worlds.push(World::new(&["reset-open-bus-hangs"]).left(BUS_ON));
    worlds.push(World::new(&["reset-open-bus-hangs", "reset-in-flight-hangs"]).left(AT_WORK));
    worlds
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn names_are_different_and_tell_what_they_are() {
        let worlds = all();
        let mut names: Vec<String> = worlds.iter().map(World::name).collect();
        assert_eq!(names[0], "default");
        for name in ["all at once", "all at once but late-writes"] {
            assert!(names.contains(&name.to_owned()));
        }
        assert!(names.contains(&"slow + time-out-in-frame".to_owned()));
        assert!(names.contains(&"reset-open-bus-hangs, left on the bus".to_owned()));
        names.sort();
        names.dedup();
        assert_eq!(names.len(), worlds.len());
        // A frame of `speed` carries the number in its height.
        assert!(worlds.len() < 40);
    }

    #[test]
    fn the_names_are_those_of_the_model() {
        let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/model/src/world.rs");
        let text = std::fs::read_to_string(model).unwrap();
        let name = |line: &str| {
            let (_, name) = line.trim().strip_prefix("Self::")?.split_once(" => \"")?;
            Some(name.strip_suffix("\",")?.to_owned())
        };
        assert_eq!(text.lines().filter_map(name).collect::<Vec<_>>(), NAMES);
    }

    #[test]
    fn the_c_driver_meets_errors_only_where_it_survives_them() {
        let asked = |worlds: &[&'static str], driver| World::new(worlds).scenarios(driver);
        assert!(!asked(&["slow"], Driver::C).contains(&"errors"));
        assert!(asked(&NAMES, Driver::C).contains(&"errors"));
        assert!(asked(&["slow"], Driver::Rust).contains(&"masked"));
    }
}
