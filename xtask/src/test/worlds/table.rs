// SPDX-License-Identifier: GPL-2.0

//! The table of worlds, and the scenarios of each driver.

use crate::board::Driver;

/// The model's worlds.
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

/// Combinations that are likely.
const TOGETHER: [&[&str]; 4] = [
    &["int-clr-held", "ctrl-before-start", "lut-arms-destination"],
    &["late-writes", "burst-at-done"],
    &["slow", "time-out-in-frame"],
    &["reset-needs-time", "bus-ctrl-late", "late-writes"],
];

/// A combination that the C driver does not survive: the interrupt line is still high after its
/// handler. For that spurious interrupt the status has no bit set, and the driver takes it for the end
/// of the next frame (fault 10).
const LATE: &str = "late-writes";
const TOO_LATE: [&str; 3] = [LATE, "mask-keeps-line", "burst-at-done"];

/// The engine as firmware may leave it: with the AXI master enabled, and also with a frame that does
/// not end, because it has no map. The register BUS_CTRL enables the AXI master; DEWARP_CTRL gets
/// ENABLE, then START.
const BUS_ON: (&str, &str) = ("left on the bus", "devmem 0x32e30074 32 0x8000000e");
const AT_WORK: (&str, &str) = (
    "left with a frame",
    "devmem 0x32e30004 32 1; devmem 0x32e30004 32 3; devmem 0x32e30004 32 1
            devmem 0x32e30074 32 0x8000000e",
);

/// The scenarios of both drivers in each world, and those that only a driver which survives them runs.
const SCENARIOS: [&str; 6] = ["formats", "sizes", "speed", "maps", "files", "crops"];
const ERRORS: &str = "errors";
const SILENCE: &str = "silence";
const MASKED: &str = "masked";

/// A world.
pub struct World {
    worlds: Vec<&'static str>,
    /// The settings of the model.
    pub model: Vec<String>,
    /// Prepares the engine before the driver is loaded: a name and shell commands.
    pub before: Option<(&'static str, &'static str)>,
    /// Whether the C driver streams in this world.
    pub c_streams: bool,
}

impl World {
    fn new(worlds: &[&'static str]) -> Self {
        let mut model: Vec<String> = worlds.iter().map(|name| format!("world={name}")).collect();
        // If the time-out matters, the engine's default applies. Otherwise it is off: see `begin` in
        // the script.
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

    /// Marks a world that the C driver does not survive.
    fn without_c(self) -> Self {
        Self {
            c_streams: false,
            ..self
        }
    }

    /// Adds a state of the engine that firmware left, which the C driver does not survive.
    fn left(self, before: (&'static str, &'static str)) -> Self {
        Self {
            before: Some(before),
            ..self.without_c()
        }
    }

    /// Returns the world's name.
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

    /// Returns the name of the world's test.
    pub fn verdict(&self) -> String {
        let name = self.name();
        if self.c_streams {
            format!("{name}: this driver streams as the C driver does")
        } else {
            format!("{name}: this driver streams, and the C driver does not")
        }
    }

    /// Returns the scenarios of a driver, in order.
    ///
    /// After an error the C driver starts the next frame without a reset. The engine accepts that only
    /// if the error ended the frame (fault 9). It also waits without a limit for a lost interrupt
    /// (fault 7). Such scenarios do not run with it.
    pub fn scenarios(&self, driver: Driver) -> Vec<&'static str> {
        let mut scenarios = SCENARIOS.to_vec();
        if driver == Driver::Rust {
            scenarios.extend([ERRORS, SILENCE]);
            // The bus would time out before the frame of this scenario is done.
            if !self.worlds.contains(&"time-out-in-frame") {
                scenarios.push(MASKED);
            }
        } else if self.worlds.contains(&"error-ends") {
            scenarios.push(ERRORS);
        }
        scenarios
    }
}

/// Returns the worlds that the C driver survives all at once.
fn all_but_late() -> Vec<&'static str> {
    NAMES.into_iter().filter(|&name| name != LATE).collect()
}

/// Returns all worlds, in the order of their numbers.
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
    fn names_differ_and_describe_the_worlds() {
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
        // A frame of `speed` has the world's number in its height.
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
    fn the_c_driver_runs_errors_only_where_it_survives_them() {
        let asked = |worlds: &[&'static str], driver| World::new(worlds).scenarios(driver);
        assert!(!asked(&["slow"], Driver::C).contains(&"errors"));
        assert!(asked(&NAMES, Driver::C).contains(&"errors"));
        assert!(asked(&["slow"], Driver::Rust).contains(&"masked"));
    }
}
