// SPDX-License-Identifier: GPL-2.0

//! Compares the figures in README.md with the measured ones.

use anyhow::{Context, Result};

/// The largest relative difference between a figure in README.md and the measured one.
const TOLERANCE: f64 = 0.05;

/// The rows of README.md's table: how each begins, and the name of its figure in the benchmark.
const ROWS: [(&str, &str); 2] = [
    (
        "instructions from interrupt line to disabled AXI master (median",
        "instructions, line raised to gate, median",
    ),
    (
        "instructions from interrupt line to the next frame's START, one file",
        "instructions, line raised to next START, 1 file",
    ),
];

/// A sentence in README.md: the text before, between and after its four figures, first this driver's
/// and then the C driver's.
const SENTENCE: [&str; 5] = [
    "A frame takes ",
    " register read and ",
    " writes now, with the C driver it takes ",
    " and ",
    ".",
];
/// The names of the figures in that sentence.
const ACCESSES: [&str; 2] = ["register reads a frame", "register writes a frame"];

/// Returns a line for each figure of README.md that differs from the measured one. `measured` has the
/// name of each figure, the C driver's value and this driver's.
pub fn differences<'a>(
    readme: &str,
    measured: impl Iterator<Item = (&'a str, [f64; 2])>,
) -> Result<Vec<String>> {
    let stated = stated(readme)?;
    let measured: Vec<_> = measured.collect();
    let mut lines = Vec::new();
    for (name, stated) in stated {
        let found = measured.iter().find(|(measured, _)| *measured == name);
        let (_, values) = found.with_context(|| format!("the benchmark has no figure '{name}'"))?;
        for (driver, (stated, value)) in ["C driver", "this driver"]
            .into_iter()
            .zip(stated.into_iter().zip(values))
        {
            if (stated - value).abs() > TOLERANCE * value {
                lines.push(format!(
                    "{name}, {driver}: README.md has {stated}, measured was {value}"
                ));
            }
        }
    }
    Ok(lines)
}

/// Returns the figures in README.md: name, the C driver's value and this driver's.
fn stated(readme: &str) -> Result<Vec<(&'static str, [f64; 2])>> {
    let mut stated = Vec::new();
    for (begins, name) in ROWS {
        let rows = readme.lines().filter_map(|line| line.strip_prefix("| "));
        let mut rows = rows.filter(|row| row.starts_with(begins));
        let row = rows
            .next()
            .with_context(|| format!("README.md has no row '{begins}'"))?;
        let mut cells = row.split('|').map(str::trim).skip(1);
        let mut figure = || number(cells.next().unwrap_or_default());
        stated.push((name, [figure()?, figure()?]));
    }
    let [before, words @ ..] = SENTENCE;
    let text = readme.split_whitespace().collect::<Vec<_>>().join(" ");
    let (_, mut rest) = text
        .split_once(before)
        .with_context(|| format!("README.md has no '{before}'"))?;
    let mut figures = Vec::new();
    for word in words {
        let (figure, after) = rest
            .split_once(word)
            .with_context(|| format!("README.md has no '{word}' after '{before}'"))?;
        figures.push(number(figure)?);
        rest = after;
    }
    for (place, name) in ACCESSES.into_iter().enumerate() {
        stated.push((name, [figures[place + 2], figures[place]]));
    }
    Ok(stated)
}

/// Parses a number that may have commas between its thousands.
fn number(text: &str) -> Result<f64> {
    let digits = text.replace(',', "");
    let number = digits.parse();
    number.with_context(|| format!("in README.md: '{text}' is no number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("../../../README.md");

    /// Returns measured figures that equal README.md's.
    fn measured() -> Vec<(&'static str, [f64; 2])> {
        stated(README).unwrap()
    }

    #[test]
    fn each_figure_of_the_readme_is_found() {
        let names: Vec<&str> = measured().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names.len(), ROWS.len() + ACCESSES.len());
        for (_, [theirs, ours]) in measured() {
            assert!(theirs > ours && ours > 0.0, "{theirs} {ours}");
        }
    }

    #[test]
    fn a_figure_is_listed_if_it_differs_by_more_than_the_tolerance() {
        let differ = |figures: &[(&'static str, [f64; 2])]| {
            differences(README, figures.iter().copied()).unwrap()
        };
        assert!(differ(&measured()).is_empty());
        for row in 0..measured().len() {
            for driver in 0..2 {
                for (factor, count) in [(0.96, 0), (1.04, 0), (0.94, 1), (1.06, 1)] {
                    let mut figures = measured();
                    figures[row].1[driver] *= factor;
                    let lines = differ(&figures);
                    assert_eq!(lines.len(), count, "{lines:?}");
                    assert!(lines.iter().all(|line| line.starts_with(figures[row].0)));
                }
            }
        }
    }

    #[test]
    fn a_table_that_is_not_as_expected_is_an_error() {
        let none = std::iter::empty::<(&str, [f64; 2])>();
        assert!(differences(README, none).is_err());
        for word in ROWS.map(|(begins, _)| begins).into_iter().chain(SENTENCE) {
            if word != " and " && word != "." {
                let word = word.trim();
                let first = word.split(' ').next().unwrap();
                assert!(stated(&README.replace(first, "?")).is_err(), "{word}");
            }
        }
    }
}
