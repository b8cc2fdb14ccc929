// SPDX-License-Identifier: GPL-2.0

//! Reports which lines of a module were executed.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;

use super::code::{Code, Instruction, Place, WIDTH};
use super::excuses::Excuse;

/// The files in which each branch has to be taken both ways.
const BRANCHES: [&str; 7] = [
    "src/job.rs",
    "src/job/",
    "src/engine.rs",
    "src/engine/",
    "src/media/job.rs",
    "src/media/buffer_return.rs",
    "src/media/callbacks/jobs.rs",
];

/// The name that is reported in place of a file, for code that no line of the driver calls.
const LIBRARY: &str = "library";

/// Instructions: section and offset.
type Offsets = HashSet<(String, u64)>;

/// The instructions of a module that were executed.
#[derive(Default)]
pub struct Executed {
    executed: Offsets,
    /// The starts of the executed blocks: targets of jumps, and instructions after a jump.
    begun: Offsets,
}

impl Executed {
    /// Adds a block. Does nothing if the code has no such section.
    pub fn add(&mut self, code: &Code, section: &str, start: u64, length: u64) {
        let Some(instructions) = code.get(section) else {
            return;
        };
        let at = |offset| (section.to_owned(), offset);
        if instructions.contains_key(&start) {
            self.begun.insert(at(start));
        }
        let offsets = (0..length / WIDTH).map(|number| start + number * WIDTH);
        let known = offsets.filter(|offset| instructions.contains_key(offset));
        self.executed.extend(known.map(at));
    }
}

/// A line of the source, or a function of a library.
#[derive(PartialEq, Eq, PartialOrd, Ord, Clone, Debug)]
struct Line {
    file: String,
    line: u64,
    /// The function, if there is no line.
    function: String,
}

/// What was found out about a line.
#[derive(Default)]
struct Facts {
    function: String,
    text: String,
    /// Numbers of instructions: all, the executed ones, and those that were not executed and from which
    /// all ways end in a panic.
    all: usize,
    executed: usize,
    panics: usize,
    /// For each conditional branch: whether execution continued after it, and whether it continued at
    /// its target.
    branches: Vec<[bool; 2]>,
}

impl Facts {
    /// Returns the number of instructions that tests should execute, and do not.
    fn missing(&self) -> usize {
        self.all - self.executed - self.panics
    }

    /// Returns the number of branches that went only one way.
    fn one_way(&self) -> usize {
        self.branches
            .iter()
            .filter(|ways| ways.contains(&false))
            .count()
    }
}

/// The report.
pub struct Report {
    lines: BTreeMap<Line, Facts>,
    excuses: Vec<Excuse>,
}

impl Report {
    /// Makes the report. `seen` has what was executed of the module; `others` are modules made of the
    /// same source, with what was executed of them.
    pub fn new(
        checkout: &Path,
        code: &Code,
        seen: &Executed,
        others: &[(Code, Executed)],
    ) -> Result<Self> {
        let mut elsewhere: HashSet<(&Place, &Option<Place>)> = HashSet::new();
        for (code, seen) in others {
            for (section, offset) in &seen.executed {
                if let Some(found) = code.get(section).and_then(|all| all.get(offset)) {
                    elsewhere.insert((&found.place, &found.innermost));
                }
            }
        }
        let mut texts = Texts::new(checkout);
        let mut lines: BTreeMap<Line, Facts> = BTreeMap::new();
        for (section, instructions) in code {
            let at = |offset: u64| (section.clone(), offset);
            let is_elsewhere = |found: &Instruction| {
                found.place.line > 0 && elsewhere.contains(&(&found.place, &found.innermost))
            };
            let is_executed = |offset: u64| {
                seen.executed.contains(&at(offset))
                    || instructions.get(&offset).is_some_and(is_elsewhere)
            };
            // If the instruction was executed here, only a block that begins with it proves that the
            // branch went there.
            let is_way = |offset: u64| match seen.executed.contains(&at(offset)) {
                true => seen.begun.contains(&at(offset)),
                false => instructions.get(&offset).is_some_and(is_elsewhere),
            };
            let panics = |offset: u64| instructions.get(&offset).is_some_and(|i| i.panics);
            for (&offset, instruction) in instructions {
                let line = line_of(instruction);
                let facts = lines.entry(line).or_default();
                if facts.all == 0 {
                    facts.function = instruction.place.function.clone();
                    facts.text = texts.line(&instruction.place);
                }
                facts.all += 1;
                let executed = is_executed(offset);
                if executed {
                    facts.executed += 1;
                } else if instruction.panics {
                    facts.panics += 1;
                }
                let Some(target) = instruction.branch.filter(|_| executed) else {
                    continue;
                };
                let ways = [offset + WIDTH, target];
                if !ways.iter().any(|&way| panics(way)) {
                    facts.branches.push(ways.map(is_way));
                }
            }
        }
        let excuses = Excuse::all(checkout)?;
        Ok(Self { lines, excuses })
    }

    /// Returns whether the list has an entry for the line.
    fn is_excused(&self, line: &Line, facts: &Facts) -> bool {
        self.excuses
            .iter()
            .any(|excuse| matches(excuse, line, facts))
    }

    /// Returns numbers of instructions: all; executed; not executed, with a panic at the end of all
    /// ways; in the list; the others.
    fn sums(&self) -> [usize; 5] {
        let mut sums = [0; 5];
        for (line, facts) in &self.lines {
            sums[0] += facts.all;
            sums[1] += facts.executed;
            sums[2] += facts.panics;
            sums[3 + usize::from(!self.is_excused(line, facts))] += facts.missing();
        }
        sums
    }

    /// Returns the share of executed instructions, in percent. Those from which all ways end in a panic,
    /// and those in the list, are left out.
    pub fn percent(&self) -> f64 {
        let [all, executed, panics, excused, _] = self.sums();
        percent(executed, all - panics - excused)
    }

    /// Returns the text for the terminal: the lines that were not executed, by file, and the sums.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut last = String::new();
        for (line, facts) in &self.lines {
            let strict = BRANCHES.iter().any(|file| line.file.starts_with(file));
            let ways = if strict { facts.one_way() } else { 0 };
            if facts.missing() + ways == 0 || self.is_excused(line, facts) {
                continue;
            }
            if line.file != last {
                let _ = writeln!(text, "{}", line.file);
                line.file.clone_into(&mut last);
            }
            // A function of a library has the same name for several types, so it is shown with them.
            let function = match line.line {
                0 => facts.function.clone(),
                _ => short(&facts.function),
            };
            let mut what = Vec::new();
            if facts.missing() > 0 {
                what.push(format!("{} of {} instructions", facts.missing(), facts.all));
            }
            if ways > 0 {
                what.push(format!(
                    "{ways} of {} branches go one way",
                    facts.branches.len()
                ));
            }
            let what = what.join(", ");
            let _ = match line.line {
                0 => writeln!(text, "  {function}: {what}"),
                number => writeln!(text, "  {number}: {function}: {what}: {}", facts.text),
            };
        }
        let [all, executed, panics, excused, rest] = self.sums();
        let branches = self.lines.values().flat_map(|facts| &facts.branches);
        let ways = branches.clone().flatten().filter(|way| **way).count();
        let _ = writeln!(
            text,
            "{all} instructions: {executed} executed, {panics} lead only to a panic, {excused} are in the list, \
             {rest} are missing: {:.1} % executed without panics, {:.1} % without the list, too\n{} branches: {ways} of {} ways taken",
            percent(executed, all - panics),
            self.percent(),
            branches.clone().count(),
            2 * branches.count()
        );
        text
    }

    /// Returns a message for each entry of the list that is out of date.
    pub fn stale(&self) -> Vec<String> {
        let mut stale = Vec::new();
        for excuse in &self.excuses {
            let mut found = self
                .lines
                .iter()
                .filter(|(line, facts)| matches(excuse, line, facts));
            if found.clone().next().is_none() {
                stale.push(format!("{}: there is no such code", excuse.title()));
            } else if !found.any(|(_, facts)| facts.missing() + facts.one_way() > 0) {
                stale.push(format!("{}: it is executed", excuse.title()));
            }
        }
        stale
    }

    /// Returns the driver's lines in the format of `lcov`.
    pub fn lcov(&self, checkout: &Path) -> String {
        let mut files: BTreeMap<&str, Vec<(u64, &Facts)>> = BTreeMap::new();
        for (line, facts) in self.lines.iter().filter(|(line, _)| line.file != LIBRARY) {
            let all = files.entry(line.file.as_str()).or_default();
            all.push((line.line, facts));
        }
        let mut text = String::new();
        for (file, lines) in files {
            let _ = writeln!(text, "TN:\nSF:{}", checkout.join(file).display());
            let mut functions: BTreeMap<&str, (u64, bool)> = BTreeMap::new();
            for (line, facts) in &lines {
                let function = functions.entry(&facts.function).or_insert((*line, false));
                function.1 |= facts.executed > 0;
            }
            let mut named = BTreeSet::new();
            for (name, (line, executed)) in functions {
                // Several functions may begin on a line. lcov accepts one.
                if named.insert(line) {
                    let name = name.replace(',', ";");
                    let _ = writeln!(text, "FN:{line},{name}\nFNDA:{},{name}", u8::from(executed));
                }
            }
            for (line, facts) in &lines {
                for (number, ways) in facts.branches.iter().enumerate() {
                    for (way, taken) in ways.iter().enumerate() {
                        let _ = writeln!(text, "BRDA:{line},{number},{way},{}", u8::from(*taken));
                    }
                }
            }
            for (line, facts) in lines.iter().filter(|(_, facts)| facts.all > facts.panics) {
                let _ = writeln!(text, "DA:{line},{}", u8::from(facts.executed > 0));
            }
            text += "end_of_record\n";
        }
        text
    }
}

fn percent(part: usize, whole: usize) -> f64 {
    // CAST: Small numbers.
    100.0 * part as f64 / whole.max(1) as f64
}

fn matches(excuse: &Excuse, line: &Line, facts: &Facts) -> bool {
    excuse.file == line.file && excuse.is_of(&facts.text, &facts.function)
}

/// Returns the line that an instruction counts for.
fn line_of(instruction: &Instruction) -> Line {
    let place = &instruction.place;
    if instruction.is_own() && place.line > 0 {
        return Line {
            file: place.file.clone(),
            line: place.line,
            function: String::new(),
        };
    }
    Line {
        file: LIBRARY.to_owned(),
        line: 0,
        function: place.function.clone(),
    }
}

/// Returns a function's name without modules, generic arguments and closures.
fn short(function: &str) -> String {
    let end = ["::<", "::{"].map(|rest| function.find(rest));
    let function = &function[..end.into_iter().flatten().min().unwrap_or(function.len())];
    let mut short = String::new();
    let mut word = String::new();
    let mut rest = function.chars().peekable();
    while let Some(c) = rest.next() {
        if c.is_alphanumeric() || c == '_' {
            word.push(c);
            continue;
        }
        if c == ':' && rest.peek() == Some(&':') {
            rest.next();
            // A name in lower case with another one after it is a module.
            if word.starts_with(char::is_lowercase)
                && rest.peek().is_some_and(|c| c.is_alphabetic())
            {
                word.clear();
            } else {
                short += &word;
                short += "::";
                word.clear();
            }
            continue;
        }
        short += &word;
        word.clear();
        short.push(c);
    }
    short + &word
}

/// The lines of the source files, each of which is read once.
struct Texts<'a> {
    checkout: &'a Path,
    files: HashMap<String, Vec<String>>,
}

impl<'a> Texts<'a> {
    fn new(checkout: &'a Path) -> Self {
        let files = HashMap::new();
        Self { checkout, files }
    }

    /// Returns the text of a line without its indent, or the function if there is no line.
    fn line(&mut self, place: &Place) -> String {
        if !place.file.starts_with("src/") || place.line == 0 {
            return place.function.clone();
        }
        let read = || {
            let text = fs::read_to_string(self.checkout.join(&place.file)).unwrap_or_default();
            text.lines().map(|line| line.trim().to_owned()).collect()
        };
        let lines = self.files.entry(place.file.clone()).or_insert_with(read);
        // CAST: The number of a line.
        let line = lines.get(place.line as usize - 1);
        line.cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shown_without_modules() {
        let shown = [
            ("<dw100::job::Runner>::start", "<Runner>::start"),
            ("core::ptr::drop_glue::<dw100::job::Frame>", "drop_glue"),
            ("helper_mutex_lock", "helper_mutex_lock"),
            ("<dw100::job::Runner>::new::{closure#0}", "<Runner>::new"),
        ];
        for (function, expected) in shown {
            assert_eq!(short(function), expected);
        }
    }

    /// Returns code with two branches and a panic, on four lines of one file.
    fn code() -> Code {
        let instruction = |line: u64, branch: Option<u64>, panics: bool| Instruction {
            place: Place {
                file: "src/job.rs".to_owned(),
                line,
                column: 1,
                function: "dw100::job::f".to_owned(),
            },
            innermost: None,
            branch,
            panics,
        };
        let all = [
            (0, instruction(1, Some(8), false)),
            (4, instruction(2, None, false)),
            (8, instruction(3, Some(16), false)),
            (12, instruction(3, None, false)),
            (16, instruction(4, None, true)),
        ];
        Code::from([(".text".to_owned(), all.into())])
    }

    fn report(blocks: &[(u64, u64)], others: &[(u64, u64)]) -> Report {
        let seen = |blocks: &[(u64, u64)]| {
            let mut seen = Executed::default();
            for &(start, length) in blocks {
                seen.add(&code(), ".text", start, length);
            }
            seen
        };
        let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let others = [(code(), seen(others))];
        Report::new(&checkout, &code(), &seen(blocks), &others).unwrap()
    }

    #[test]
    fn what_no_kernel_executes_is_missing_and_panics_do_not_count() {
        let none = report(&[(0, 4), (8, 8)], &[]);
        assert_eq!(none.sums()[..3], [5, 3, 1]);
        assert!(
            none.text().contains("  2: f: 1 of 1 instructions"),
            "{}",
            none.text()
        );
        let both = report(&[(0, 4), (8, 8)], &[(4, 4)]);
        assert_eq!(both.sums()[..3], [5, 4, 1]);
        assert!((both.percent() - 100.0).abs() < 0.1);
    }

    #[test]
    fn a_branch_counts_as_taken_if_a_block_began_at_its_target() {
        let ways = |blocks: &[(u64, u64)]| {
            let report = report(blocks, &[]);
            let facts = report.lines.values();
            facts
                .flat_map(|facts| facts.branches.clone())
                .collect::<Vec<_>>()
        };
        // An instruction that is reached from the one before it was not branched to. A branch with a
        // panic on one side does not count.
        assert_eq!(ways(&[(0, 4), (4, 12)]), [[true, false]]);
        assert_eq!(ways(&[(0, 4), (4, 12), (8, 8)]), [[true, true]]);
        assert_eq!(ways(&[(0, 4), (8, 8)]), [[false, true]]);
    }
}
