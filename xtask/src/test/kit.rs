// SPDX-License-Identifier: GPL-2.0

//! Suite `kit`: the archive for a person with a board. It is unpacked on the emulated board, which has
//! nothing else of this project. `first-light` runs in the default world and in each world that it can
//! recognise: it must name this world and no other. It must stop if the bus hangs.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use first_light::worlds::{Needs, WORLDS, World};
use serde_json::Value;

use super::names::Names;
use super::{Tests, side_by_side};
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;
use crate::kit::Kit;
use crate::step::{make_dir, stdout_of};

/// The names of the tests, except those about a world.
const ARCHIVE: &str = "the archive has what it should";
const STATIC: &str = "the programs need no shared library";
const AS_ASSUMED: &str = "in the default world all is as assumed";
const PAGE: &str = "the page stands by itself";
const REACHED: &str = "memory above 4 GiB is reached in the default world";
const RECOVERED: &str = "a frame that stalls once is reported, and the rest is measured";
const HUNG: &str = "a hung bus stops it at the second frame";
const AGAIN: &str = "a run after that stops, too";
const STUCK: &str = "a frame that the C driver waits for for ever stops it";
const WHOLE: &str = "all of it at full size";

/// Time limit for `first-light`, by the board's clock.
const LIMIT: Duration = Duration::from_secs(300);

/// Unpacks the archive, and defines a command that runs `first-light` once with a name and options. The
/// results are written to memory and copied to /out afterwards, because the disk is not under test.
const BEFORE: &str = r#"
    set -e
    cd /tmp
    tar xzf /in/dw100-kit-*.tar.gz
    cd dw100-kit-*
    sha256sum -c SHA256SUMS > /dev/null
    quick=--quick
    run() {
        name=$1
        shift
        mkdir -p /tmp/$name
        status=0
        ./first-light $quick --out /tmp/$name "$@" > /tmp/$name/said 2>&1 || status=$?
        echo $status > /tmp/$name/status
        cp -r /tmp/$name /out
    }
"#;

/// Makes the bus of an idle engine hang, as no driver does: SOFT_RESET while the AXI master is enabled.
const HANG: &str = "
    devmem 0x32e30074 32 0x8000000e
    devmem 0x32e30004 32 0x00000005
    devmem 0x32e30004 32 0x00000001
";

/// With `hlt`, an idle CPU sleeps although instructions are counted, so waiting for seconds takes no
/// time. If it waited for a file of the host, hours would pass on the board. So the modules are loaded
/// before.
const SLEEPS: &str = "hlt";
const LOADED: &str = "modprobe -a v4l2-mem2mem videobuf2-dma-contig\n";

/// A board with 4 GB, of which 129 MB are below 4 GiB: the contiguous memory, the kernel, and so little
/// more that first-light can allocate all of it.
const MOST_ABOVE: &str = r#"
/ {
	reserved-memory {
		#address-cells = <2>;
		#size-cells = <2>;
		ranges;

		hole@48100000 {
			reg = <0x0 0x48100000 0x0 0xb7f00000>;
			no-map;
		};
	};
};"#;
const LOW_CMA: &str = "cma=112M@0x41000000";

/// Returns the model's settings for a world, in addition to its name. The bus time-out is off, as in
/// the other suites, or else 4 ms, which only the largest frame of `--quick` exceeds.
fn settings(world: &World) -> &'static str {
    match world.name {
        "time-out-in-frame" => "timeout-cycles=2000000",
        _ => "timeout-cycles=0",
    }
}

/// Returns the options of `first-light` with which it can recognise the world.
fn options(world: &World) -> &'static str {
    match world.needs {
        Needs::Nothing => "--no-c",
        Needs::CDriver => "",
        Needs::Above4G => "--only --above-4g",
    }
}

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    let fixed = [
        ARCHIVE, STATIC, AS_ASSUMED, PAGE, REACHED, RECOVERED, HUNG, AGAIN, STUCK, WHOLE,
    ];
    Names::all(
        fixed
            .map(str::to_owned)
            .into_iter()
            .chain(WORLDS.iter().map(name_of)),
    )
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let board = Board::prepare(tests.env, Flavour::Rt, Driver::None)?;
    let work = tests.env.cache.run_dir()?;
    let kit = Kit::build(tests.env, board.kernel_objects(), &work.dir.join("in"))?;
    tests.record(ARCHIVE, contents(&kit));
    tests.check(STATIC, || {
        static_programs(&board, &kit, &work.dir.join("unpacked"))
    });

    let boots = Boots {
        tests,
        board: &board,
        work: &work.dir,
    };
    side_by_side([
        &|| boots.default_world(),
        &|| boots.worlds(),
        &|| boots.above(),
        &|| boots.hung(),
        &|| boots.stuck(),
        &|| boots.whole(),
    ])
}

/// Checks that the archive has the files that its page lists.
fn contents(kit: &Kit) -> Result<()> {
    let mut tar = std::process::Command::new("tar");
    let listed = stdout_of(tar.arg("tf").arg(&kit.archive))?;
    for name in [
        "README.txt",
        "SHA256SUMS",
        "dewarp",
        "dw100-board",
        "dw100.ko",
        "dw100_rust.ko",
        "first-light",
    ] {
        let found = listed
            .lines()
            .any(|line| line.ends_with(&format!("/{name}")));
        ensure!(found, "no {name} in:\n{listed}");
    }
    Ok(())
}

/// Checks that the programs in the archive need no shared library.
fn static_programs(board: &Board<'_>, kit: &Kit, place: &Path) -> Result<()> {
    make_dir(place)?;
    let mut tar = std::process::Command::new("tar");
    tar.arg("--extract")
        .arg("--strip-components=1")
        .arg("--file");
    stdout_of(tar.arg(&kit.archive).arg("--directory").arg(place))?;
    for name in ["dewarp", "dw100-board", "first-light"] {
        let mut readelf = board.sandbox.command(place, "llvm-readelf");
        let said = stdout_of(readelf.args(["--dynamic", "--program-headers", name]))?;
        let needs = ["NEEDED", "INTERP"]
            .iter()
            .find(|word| said.contains(**word));
        ensure!(
            needs.is_none(),
            "{name} has {}:\n{said}",
            needs.unwrap_or(&"")
        );
    }
    Ok(())
}

/// The boots of the suite.
struct Boots<'a> {
    tests: &'a Tests<'a>,
    board: &'a Board<'a>,
    work: &'a Path,
}

impl Boots<'_> {
    /// Boots a board that has only the archive, and runs a script there. `change` sets further options.
    /// Returns the directory that the board saw as `/out`.
    fn boot(&self, name: &str, script: &str, change: impl FnOnce(&mut Options)) -> Result<Results> {
        let mut options = Options::new(Flavour::Rt, Driver::None).on_one_cpu();
        options.icount = true;
        options.timeout_s = 900;
        options.input = Some(self.work.join("in"));
        let out = self.work.join(name);
        options.output = Some(out.clone());
        change(&mut options);
        let script = format!("{BEFORE}{script}");
        self.tests.boot(self.board, &options, &script)?;
        Ok(Results(out))
    }

    /// The default world, with both drivers and a forced time-out. first-light loads the modules that
    /// the drivers need.
    fn default_world(&self) -> Result<()> {
        if !self.tests.wants_any(&[AS_ASSUMED, PAGE]) {
            return Ok(());
        }
        let results = self.boot("out-default", "run default --time-out", |_| {})?;
        let report = results.report("default").and_then(|report| {
            report.ended(0)?;
            report.named(&[])?;
            ensure!(report.frames("dw100").is_some(), "the C driver was not run");
            let found = report.line("the first frame after a time-out")?;
            ensure!(found == "exact", "after a time-out: {found}");
            Ok(())
        });
        self.tests.record(AS_ASSUMED, report);
        self.tests.record(PAGE, results.page("default"));
        Ok(())
    }

    /// The worlds that need no special board, one after the other.
    fn worlds(&self) -> Result<()> {
        let worlds = self.worlds_that(|world| world.needs != Needs::Above4G);
        if worlds.is_empty() {
            return Ok(());
        }
        let script = format!("{LOADED}{}", in_worlds(&worlds));
        let results = self.boot("out-worlds", &script, sleeps)?;
        self.name_worlds(&results, &worlds);
        Ok(())
    }

    /// A board with memory above 4 GiB.
    fn above(&self) -> Result<()> {
        let worlds = self.worlds_that(|world| world.needs == Needs::Above4G);
        if worlds.is_empty() && !self.tests.wants_any(&[REACHED]) {
            return Ok(());
        }
        let script = format!(
            "{LOADED}run default --only --above-4g\n{}",
            in_worlds(&worlds)
        );
        let results = self.boot("out-above", &script, |options| {
            options.memory_gib = 4;
            options.edits = Some(MOST_ABOVE);
            options.append = Some(format!("{SLEEPS} {LOW_CMA}"));
        })?;
        let report = results.report("default").and_then(|report| {
            report.status(0)?;
            for part in ["the vertex map", "the source", "the destination"] {
                let found = report.line(&format!("{part} above 4 GiB"))?;
                ensure!(found.starts_with("the frame is right"), "{part}: {found}");
            }
            Ok(())
        });
        self.tests.record(REACHED, report);
        self.name_worlds(&results, &worlds);
        Ok(())
    }

    /// A frame that stalls and an engine that recovers, and then a bus that hangs.
    fn hung(&self) -> Result<()> {
        if !self.tests.wants_any(&[RECOVERED, HUNG, AGAIN]) {
            return Ok(());
        }
        let script = format!(
            "{LOADED}
            model stall=1
            run stalled --no-c
            model stall=off world=reset-open-bus-hangs
            {HANG}
            run hung
            run again"
        );
        let results = self.boot("out-hung", &script, sleeps)?;
        let stalled = results.report("stalled").and_then(|report| {
            report.status(1)?;
            report.named(&[])?;
            let found = report.line("frames come back")?;
            ensure!(found.contains("recovered the engine"), "it says: {found}");
            report.line("FRAME_BUSY at the interrupt").map(drop)
        });
        self.tests.record(RECOVERED, stalled);
        let hung = results.report("hung").and_then(|report| {
            report.stopped("after the reset the next one did not, either")?;
            ensure!(report.frames("dw100_rust") == Some(2), "it went on");
            ensure!(report.frames("dw100").is_none(), "the C driver was loaded");
            results.page("hung")
        });
        self.tests.record(HUNG, hung);
        let again = results
            .report("again")
            .and_then(|report| report.stopped(""));
        self.tests.record(AGAIN, again);
        Ok(())
    }

    /// A lost interrupt with the C driver, which waits for it without a limit. A run without that
    /// driver shows how many frames come before it.
    fn stuck(&self) -> Result<()> {
        if !self.tests.wants_any(&[STUCK]) {
            return Ok(());
        }
        let script = r#"
            run counted --no-c
            frames=$(sed -n '/"frames": \[/,/\]/s/^ *\([0-9]*\)$/\1/p' /tmp/counted/first-light.json | head -1)
            model drop-irq=$((frames + 3))
            run stuck
        "#;
        let results = self.boot("out-stuck", &format!("{LOADED}{script}"), sleeps)?;
        let stuck = results.report("stuck").and_then(|report| {
            report.stopped("did not come back from the C driver")?;
            ensure!(report.frames("dw100") == Some(3), "it went on");
            results.page("stuck")
        });
        self.tests.record(STUCK, stuck);
        Ok(())
    }

    /// A run with frames of full size.
    fn whole(&self) -> Result<()> {
        if !self.tests.full || !self.tests.wants_any(&[WHOLE]) {
            return Ok(());
        }
        let results = self.boot("out-whole", "quick=\nrun whole --time-out", |_| {})?;
        let whole = results.report("whole").and_then(|report| {
            report.ended(0)?;
            report.named(&[])
        });
        self.tests.record(WHOLE, whole);
        Ok(())
    }

    /// Returns the worlds whose test the filter selects.
    fn worlds_that(&self, wanted: impl Fn(&World) -> bool) -> Vec<&'static World> {
        let worlds = WORLDS.iter().filter(|world| wanted(world));
        worlds
            .filter(|world| self.tests.wants(&name_of(world)))
            .collect()
    }

    /// Records for each world whether it was named, and no other.
    fn name_worlds(&self, results: &Results, worlds: &[&World]) {
        for world in worlds {
            let result = results.report(world.name).and_then(|report| {
                report.status(1)?;
                report.in_time()?;
                report.named(&[world.name])
            });
            self.tests.record(&name_of(world), result);
        }
    }
}

/// Lets an idle CPU sleep.
fn sleeps(options: &mut Options) {
    options.append = Some(SLEEPS.to_owned());
}

/// Returns the name of a world's test.
fn name_of(world: &World) -> String {
    format!("the world {} is named", world.name)
}

/// Returns a script that runs `first-light` in these worlds, one after the other.
fn in_worlds(worlds: &[&World]) -> String {
    let run = |world: &&World| {
        format!(
            "model {settings} world={name}\nrun {name} {options}\nmodel world=default timeout-cycles=0\n",
            settings = settings(world),
            name = world.name,
            options = options(world)
        )
    };
    worlds.iter().map(run).collect()
}

/// The directory with the results of a boot.
struct Results(std::path::PathBuf);

impl Results {
    /// Reads the report of a run.
    fn report(&self, run: &str) -> Result<FirstLightReport> {
        let dir = self.0.join(run);
        let read = |name: &str| {
            fs::read_to_string(dir.join(name)).with_context(|| format!("{run}/{name} is missing"))
        };
        let said = read("said")?;
        let text = read("first-light.json").with_context(|| format!("it says:\n{said}"))?;
        Ok(FirstLightReport {
            json: serde_json::from_str(&text)?,
            status: read("status")?.trim().parse()?,
            said,
        })
    }

    /// Checks that the page of a run is well-formed and loads nothing.
    fn page(&self, run: &str) -> Result<()> {
        let page = fs::read_to_string(self.0.join(run).join("first-light.html"))?;
        stands_alone(&page)
    }
}

/// Checks that a page is well-formed and loads nothing.
fn stands_alone(page: &str) -> Result<()> {
    let options = roxmltree::ParsingOptions {
        allow_dtd: true,
        ..roxmltree::ParsingOptions::default()
    };
    let document = roxmltree::Document::parse_with_options(page, options)?;
    for node in document.descendants().filter(|node| node.is_element()) {
        let name = node.tag_name().name();
        ensure!(
            !["script", "link", "iframe", "object"].contains(&name),
            "it has a {name}"
        );
        for attribute in node.attributes() {
            let (name, value) = (attribute.name(), attribute.value());
            let loads = ["src", "href", "srcset", "data", "action"].contains(&name);
            ensure!(!loads || value.starts_with("data:"), "it refers to {value}");
        }
    }
    let lower = page.to_ascii_lowercase();
    for word in ["http:", "https:", "@import", "url("] {
        ensure!(!lower.contains(word), "it has '{word}'");
    }
    Ok(())
}

/// A report of `first-light`.
struct FirstLightReport {
    json: Value,
    status: u8,
    said: String,
}

impl FirstLightReport {
    /// Fails unless the run ended with this status and did not stop.
    fn status(&self, status: u8) -> Result<()> {
        let end = super::last_lines(&self.said, 12);
        ensure!(
            self.json["stopped"].is_null(),
            "it stopped: {}",
            self.json["stopped"]
        );
        ensure!(
            self.status == status && self.json["status"] == status,
            "status {}, not {status}: {}\n{end}",
            self.status,
            self.differing()
        );
        Ok(())
    }

    /// Fails if the run took too long by the board's clock.
    fn in_time(&self) -> Result<()> {
        let seconds = self.json["seconds"].as_f64().unwrap_or(f64::MAX);
        ensure!(seconds < LIMIT.as_secs_f64(), "it took {seconds} s");
        Ok(())
    }

    /// Fails unless the run ended with this status, in time, and measured everything.
    fn ended(&self, status: u8) -> Result<()> {
        self.status(status)?;
        self.in_time()?;
        let mut lines = self.lines();
        match lines.find(|line| line["verdict"] == "not-measured") {
            None => Ok(()),
            Some(line) => bail!("not measured: {}: {}", line["topic"], line["found"]),
        }
    }

    /// Fails unless the run stopped, with a reason that contains `words`.
    fn stopped(&self, words: &str) -> Result<()> {
        let why = self.json["stopped"].as_str();
        let Some(why) = why else {
            bail!("it did not stop: {}", super::last_lines(&self.said, 12));
        };
        ensure!(self.status == 2, "status {}", self.status);
        ensure!(why.contains(words), "it says: {why}");
        Ok(())
    }

    /// Fails unless the run named just these worlds.
    fn named(&self, wanted: &[&str]) -> Result<()> {
        let worlds = self.json["worlds"].as_array();
        let worlds: Vec<&str> = worlds
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        ensure!(
            worlds == wanted,
            "it names {worlds:?}: {}",
            self.differing()
        );
        Ok(())
    }

    fn lines(&self) -> impl Iterator<Item = &Value> {
        self.json["lines"].as_array().into_iter().flatten()
    }

    /// Returns the lines that differ from what is assumed.
    fn differing(&self) -> String {
        let differing = self.lines().filter(|line| line["verdict"] == "differs");
        let lines = differing.map(|line| format!("{}: {}", line["topic"], line["found"]));
        lines.collect::<Vec<_>>().join("; ")
    }

    /// Returns the result in the first line on a topic.
    fn line(&self, topic: &str) -> Result<&str> {
        let found = self.lines().find(|line| line["topic"] == topic);
        let found = found.with_context(|| format!("no line '{topic}'"))?;
        found["found"].as_str().context("it found no text")
    }

    /// Returns the number of frames that were sent in the first turn of a driver.
    fn frames(&self, driver: &str) -> Option<u64> {
        let frames = self.json["frames"].as_array()?;
        frames.iter().find(|pair| pair[0] == driver)?[1].as_u64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_that_loads_anything_is_an_error() {
        let page = |body: &str| format!("<!DOCTYPE html>\n<html><body>{body}</body></html>");
        assert!(stands_alone(&page("<img src=\"data:image/png;base64,AA\"/>")).is_ok());
        for wrong in [
            "<img src=\"a.png\"/>",
            "<script>1</script>",
            "<p>",
            "see http://example.org",
            "<style>@import x;</style>",
        ] {
            assert!(stands_alone(&page(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn each_world_has_a_run_after_which_the_default_world_is_set_again() {
        let worlds: Vec<&World> = WORLDS.iter().collect();
        let script = in_worlds(&worlds);
        for world in WORLDS {
            assert!(script.contains(&format!("world={0}\nrun {0} ", world.name)));
        }
        assert_eq!(script.matches("world=default").count(), WORLDS.len());
    }
}
