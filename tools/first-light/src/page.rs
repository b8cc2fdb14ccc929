// SPDX-License-Identifier: GPL-2.0

//! Writes the report as a page that needs no other file, no network and no script.

use anyhow::Result;
use askama::Template;

use crate::module::Driver;
use crate::report::{Line, Picture, Report, Speed, Text, Verdict};
use crate::worlds::{DEFAULT, Needs, WORLDS};

/// The page. It is also well-formed XML, so that a test can check that every element is
/// closed.
#[derive(Template)]
#[template(path = "page.html")]
struct Page<'a> {
    report: &'a Report,
    heading: String,
    verdict: (&'static str, &'static str),
    counts: Vec<(&'static str, &'static str, usize)>,
    differing: Vec<Row<'a>>,
    frames: String,
    turns: Vec<TurnOfDriver<'a>>,
    speeds: Vec<SpeedRow<'a>>,
    worlds: Vec<WorldRow>,
    pictures: Vec<&'a Picture>,
    texts: Vec<&'a Text>,
}

/// The lines of a driver, by step.
struct TurnOfDriver<'a> {
    title: &'static str,
    steps: Vec<(&'a str, Vec<Row<'a>>)>,
}

/// A line, as the page shows it.
struct Row<'a> {
    line: &'a Line,
    class: &'static str,
    words: &'static str,
}

/// The times of one map.
struct SpeedRow<'a> {
    map: &'a str,
    sizes: String,
    modes: Vec<Option<SpeedCell<'a>>>,
    c_driver: Option<SpeedCell<'a>>,
}

/// One time.
struct SpeedCell<'a> {
    time: String,
    rate: String,
    picture: &'a str,
    class: &'static str,
}

/// A world, and whether the board's engine behaves like it.
struct WorldRow {
    name: &'static str,
    says: &'static str,
    shown_by: &'static str,
    verdict: &'static str,
    class: &'static str,
}

/// The columns of the table of times.
const MODES: [&str; 3] = ["calculation", "traversal", "automatic"];

/// Returns the class of a verdict in the style sheet.
fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::AsAssumed => "good",
        Verdict::Differs => "bad",
        Verdict::NotToldApart => "open",
        Verdict::NotMeasured => "none",
    }
}

/// Renders the page.
pub fn render(report: &Report) -> Result<String> {
    let fact = |name: &str| {
        let found = report.board.iter().find(|(key, _)| key == name);
        found.map_or(String::new(), |(_, value)| value.clone())
    };
    let board = fact("board");
    let heading = if board.is_empty() {
        "a board".to_owned()
    } else {
        board
    };
    let verdicts = [
        Verdict::AsAssumed,
        Verdict::Differs,
        Verdict::NotToldApart,
        Verdict::NotMeasured,
    ];
    let page = Page {
        report,
        heading,
        verdict: match report.status {
            0 => ("good", "Everything that was told apart is as assumed."),
            1 => ("bad", "Something differs from what is assumed."),
            _ => ("stop", "The run had to stop."),
        },
        counts: verdicts
            .map(|verdict| (class(verdict), verdict.words(), report.count(verdict)))
            .to_vec(),
        differing: report
            .lines
            .iter()
            .filter(|line| line.verdict == Verdict::Differs)
            .map(row)
            .collect(),
        frames: report
            .frames
            .iter()
            .map(|(driver, count)| format!("{count} with {driver}"))
            .collect::<Vec<_>>()
            .join(", then "),
        turns: [Driver::Rust, Driver::C]
            .into_iter()
            .filter_map(|driver| turn(report, driver))
            .collect(),
        speeds: speeds(report),
        worlds: worlds(report),
        pictures: report.pictures.iter().collect(),
        texts: report
            .texts
            .iter()
            .filter(|text| !text.text.trim().is_empty())
            .collect(),
    };
    Ok(page.render()?)
}

/// Returns a line as the page shows it.
fn row(line: &Line) -> Row<'_> {
    Row {
        line,
        class: class(line.verdict),
        words: line.verdict.words(),
    }
}

/// Returns the lines of a driver, if there are any.
fn turn(report: &Report, driver: Driver) -> Option<TurnOfDriver<'_>> {
    let mut steps: Vec<(&str, Vec<Row<'_>>)> = Vec::new();
    let own = |line: &&Line| line.driver == driver.module();
    for line in report.lines.iter().filter(own) {
        match steps.last_mut() {
            Some((name, rows)) if *name == line.step => rows.push(row(line)),
            _ => steps.push((&line.step, vec![row(line)])),
        }
    }
    (!steps.is_empty()).then_some(TurnOfDriver {
        title: match driver {
            Driver::Rust => "This driver (dw100_rust)",
            Driver::C => "The C driver (dw100)",
        },
        steps,
    })
}

/// Returns the times by map and mode.
fn speeds(report: &Report) -> Vec<SpeedRow<'_>> {
    let mut maps: Vec<&str> = Vec::new();
    for speed in &report.speeds {
        if !maps.contains(&speed.map.as_str()) {
            maps.push(&speed.map);
        }
    }
    let find = |driver: Driver, map: &str, mode: &str| {
        report
            .speeds
            .iter()
            .find(|speed| speed.driver == driver.module() && speed.map == map && speed.mode == mode)
    };
    maps.into_iter()
        .map(|map| {
            let of_map = report.speeds.iter().find(|speed| speed.map == map);
            SpeedRow {
                map,
                sizes: of_map.map_or(String::new(), |speed| {
                    format!("{} to {}", speed.source, speed.target)
                }),
                modes: MODES
                    .iter()
                    .map(|mode| find(Driver::Rust, map, mode).map(cell))
                    .collect(),
                c_driver: find(Driver::C, map, MODES[0]).map(cell),
            }
        })
        .collect()
}

/// Returns a time as the page shows it.
fn cell(speed: &Speed) -> SpeedCell<'_> {
    let told = if speed.beside_calculation.is_empty() {
        &speed.picture
    } else {
        &speed.beside_calculation
    };
    SpeedCell {
        time: match speed.least_ns {
            0 => "-".to_owned(),
            ns => format!("{:.3} ms", ns as f64 / 1e6),
        },
        rate: format!("{:.3}", speed.pixels_per_clock),
        picture: told,
        class: if told == "exact" { "good" } else { "bad" },
    }
}

/// Returns the worlds that can be told apart, and whether the board's engine behaves like
/// each.
fn worlds(report: &Report) -> Vec<WorldRow> {
    let had = |driver: Driver| {
        report
            .frames
            .iter()
            .any(|(name, count)| name == driver.module() && *count > 0)
    };
    let above = report.options.iter().any(|option| option == "--above-4g");
    let default = [WorldRow {
        name: DEFAULT,
        says: "the engine does what this project assumes",
        shown_by: "none of those below is named",
        verdict: if report.worlds.is_empty() {
            "as far as it was told apart"
        } else {
            "no"
        },
        class: if report.worlds.is_empty() {
            "good"
        } else {
            "none"
        },
    }];
    let others = WORLDS.iter().map(|world| {
        let looked = match world.needs {
            Needs::Nothing => had(Driver::Rust),
            Needs::CDriver => had(Driver::C),
            Needs::Above4G => above,
        };
        let named = report.worlds.contains(world.name);
        let (class, verdict) = match (named, looked) {
            (true, _) => ("bad", "this engine"),
            (false, true) => ("good", "not seen"),
            (false, false) => ("none", "not looked at"),
        };
        WorldRow {
            name: world.name,
            says: world.says,
            shown_by: world.shown_by,
            verdict,
            class,
        }
    });
    default.into_iter().chain(others).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Judged;

    fn report() -> Report {
        let mut report = Report {
            board: vec![("board".to_owned(), "<A & B> board".to_owned())],
            former: Some("it came to its end: status 0".to_owned()),
            frames: vec![("dw100_rust".to_owned(), 9)],
            ..Report::default()
        };
        for judged in [
            Judged::as_assumed("ID", "0", "0"),
            Judged::world("edge", "repeats", "black \"beyond\"", "edge-black"),
            Judged::open("gate", "?", "7 ns"),
        ] {
            report.add(Line::of(judged, "a step", Driver::Rust));
        }
        report.speeds.push(Speed {
            driver: "dw100_rust".to_owned(),
            map: "identity".to_owned(),
            mode: "traversal".to_owned(),
            source: "640x480".to_owned(),
            target: "640x480".to_owned(),
            least_ns: 1_500_000,
            clock: "engine".to_owned(),
            pixels_per_clock: 0.41,
            picture: "exact".to_owned(),
            beside_calculation: "exact".to_owned(),
        });
        report.texts.push(Text {
            driver: "dw100_rust".to_owned(),
            title: "registers".to_owned(),
            text: "DW100_ID: 0x0\n<none>".to_owned(),
        });
        report.pictures.push(Picture {
            driver: "dw100_rust".to_owned(),
            title: "lens".to_owned(),
            caption: "exact".to_owned(),
            png: "iVBORw0KGgo=".to_owned(),
        });
        report.judge();
        report
    }

    #[test]
    fn the_page_is_whole_and_refers_to_nothing_else() {
        let page = render(&report()).unwrap();
        let options = roxmltree::ParsingOptions {
            allow_dtd: true,
            ..roxmltree::ParsingOptions::default()
        };
        let document = roxmltree::Document::parse_with_options(&page, options).unwrap();
        let count = |name: &str| {
            let nodes = document.descendants();
            nodes.filter(|node| node.has_tag_name(name)).count()
        };
        assert_eq!((count("script"), count("link"), count("img")), (0, 0, 1));
        assert!(!page.contains("http:") && !page.contains("https:") && !page.contains("@import"));
        assert!(page.contains("&#60;A &#38; B&#62; board"), "{page}");
        assert!(page.contains("this engine") && page.contains("0.410"));
    }

    #[test]
    fn an_empty_report_is_a_page_too() {
        let stopped = Report {
            stopped: Some("no device".to_owned()),
            status: 2,
            ..Report::default()
        };
        let page = render(&stopped).unwrap();
        assert!(page.contains("no device") && page.contains("The run had to stop."));
    }
}
