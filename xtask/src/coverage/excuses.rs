// SPDX-License-Identifier: GPL-2.0

//! The list of code that no test executes, with the reasons: `tests/coverage.list`. A line without
//! indent names the code, and the indented lines below it say why no test executes it:
//!
//! ```text
//! src/job.rs: return Err(self.refuse(frame));
//!     the registers are refused only for another device
//! src/media/callbacks/file.rs: fn release
//!     …
//! ```
//!
//! After the file's name comes a line of the file, without its indent; or `fn` and a function's name,
//! which stands for the whole function; or `*`, which stands for the whole file.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};

/// The path of the list in the checkout.
const LIST: &str = "tests/coverage.list";

/// An entry of the list.
#[derive(Debug, PartialEq, Eq)]
pub struct Excuse {
    /// The file.
    pub file: String,
    code: What,
}

#[derive(Debug, PartialEq, Eq)]
enum What {
    Line(String),
    Function(String),
    File,
}

impl Excuse {
    /// Reads the list.
    pub fn all(checkout: &Path) -> Result<Vec<Self>> {
        let list = checkout.join(LIST);
        let text = fs::read_to_string(&list).with_context(|| format!("reading {LIST}"))?;
        parse(&text).with_context(|| list.display().to_string())
    }

    /// Returns whether the entry is for the line `text` in a function of its file.
    pub fn is_of(&self, text: &str, function: &str) -> bool {
        match &self.code {
            What::Line(line) => line == text.trim(),
            What::Function(name) => names(function).any(|part| part == name),
            What::File => true,
        }
    }

    /// Returns the entry as it is written in the list.
    pub fn title(&self) -> String {
        let file = &self.file;
        match &self.code {
            What::Line(line) => format!("{file}: {line}"),
            What::Function(name) => format!("{file}: fn {name}"),
            What::File => format!("{file}: *"),
        }
    }
}

/// Returns the names in a function's path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split(|c: char| !c.is_alphanumeric() && c != '_')
}

/// Parses the list. Each entry needs a reason.
fn parse(text: &str) -> Result<Vec<Excuse>> {
    let mut all: Vec<Excuse> = Vec::new();
    let mut has_reason = true;
    for line in text.lines() {
        if line.starts_with('#') || line.trim().is_empty() {
            continue;
        }
        if line.starts_with(char::is_whitespace) {
            has_reason = true;
            continue;
        }
        ensure!(has_reason, "an entry has no reason, before: {line}");
        let (file, code) = line.split_once(": ").context("an entry is FILE: CODE")?;
        let code = match (code, code.strip_prefix("fn ")) {
            ("*", _) => What::File,
            // A line of the source that begins with `fn` has more than a name after it.
            (_, Some(name)) if names(name).count() == 1 => What::Function(name.to_owned()),
            _ => What::Line(code.to_owned()),
        };
        let file = file.to_owned();
        all.push(Excuse { file, code });
        has_reason = false;
    }
    ensure!(has_reason, "the last entry has no reason");
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_read_and_each_entry_needs_a_reason() {
        let list = "# A comment\nsrc/a.rs: x();\n    why\n    more\n\nsrc/b.rs: fn drop\n    why\nsrc/c.rs: *\n\twhy\n";
        let all = parse(list).unwrap();
        let titles: Vec<String> = all.iter().map(Excuse::title).collect();
        assert_eq!(
            titles,
            ["src/a.rs: x();", "src/b.rs: fn drop", "src/c.rs: *"]
        );
        assert!(all[0].is_of("    x();", "f") && !all[0].is_of("x()", "f"));
        assert!(all[1].is_of("y", "<dw100::b::B as Drop>::drop") && !all[1].is_of("y", "dropped"));
        assert!(all[2].is_of("z", "any"));
        assert!(parse("src/a.rs: x();\nsrc/b.rs: y();\n    why\n").is_err());
        assert!(parse("src/a.rs: x();\n").is_err());
    }

    #[test]
    fn the_list_of_the_checkout_can_be_read() {
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        assert!(Excuse::all(&checkout).is_ok());
    }
}
