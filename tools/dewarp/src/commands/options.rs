// SPDX-License-Identifier: GPL-2.0
//! Values of options: numbers, turns.

use clap::ValueEnum;
use clap::builder::PossibleValue;

#[cfg(feature = "tune")]
use dewarp::{Error, Result};

/// Quarters of a turn.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Quarters(pub u8);

impl ValueEnum for Quarters {
    fn value_variants<'a>() -> &'a [Self] {
        &[Quarters(1), Quarters(2), Quarters(3)]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        ["90", "180", "270"]
            .get(usize::from(self.0) - 1)
            .map(PossibleValue::new)
    }
}

/// Which sides of a picture are exchanged.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Flip {
    /// Left and right.
    Horizontal,
    /// Top and bottom.
    Vertical,
}

/// What these words, which follow a command's name, say: an error is the line that
/// the command line would show.
#[cfg(feature = "tune")]
pub fn parsed<T: clap::Parser>(words: &[String]) -> Result<T> {
    let line = std::iter::once("dewarp").chain(words.iter().map(String::as_str));
    T::try_parse_from(line).map_err(|error| {
        let text = error.to_string();
        let first = text.split("\n\n").next().unwrap_or_default();
        let lines: Vec<&str> = first.lines().map(str::trim).collect();
        let said = lines.join(" ");
        Error::bad_use(said.strip_prefix("error: ").unwrap_or(&said))
    })
}

/// Parses `N` numbers with commas between them.
pub fn numbers<const N: usize>(text: &str) -> std::result::Result<[f64; N], String> {
    list(text)
        .and_then(|values| values.try_into().ok())
        .ok_or(format!("{N} numbers with commas between are wanted"))
}

/// Parses k1 to k6, of which the last ones may be missing.
pub fn radial(text: &str) -> std::result::Result<[f64; 6], String> {
    let values = list(text).filter(|values| (2..=6).contains(&values.len()));
    let values = values.ok_or(
        "2 to 6 numbers with commas between are wanted, k1 k2 k3 and the rational \
         model's k4 k5 k6: 0 for those that are not there",
    )?;
    let mut all = [0.0; 6];
    all[..values.len()].copy_from_slice(&values);
    Ok(all)
}

fn list(text: &str) -> Option<Vec<f64>> {
    text.split(',')
        .map(|number| finite(number.trim()))
        .collect()
}

fn finite(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

pub fn within(text: &str, least: f64, most: f64) -> std::result::Result<f64, String> {
    finite(text)
        .filter(|value| (least..=most).contains(value))
        .ok_or(format!("a number from {least} to {most} is wanted"))
}

pub fn angle(text: &str) -> std::result::Result<f64, String> {
    finite(text)
        .filter(|value| value.abs() <= 180.0)
        .ok_or("degrees from -180 to 180 are wanted".into())
}
