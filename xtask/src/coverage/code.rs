// SPDX-License-Identifier: GPL-2.0

//! The code of a module that was built with debug information: its instructions, the place of each in
//! the source, and the instructions that may follow it. `llvm-objdump` and `llvm-symbolizer` read the
//! file.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::step::stdout_of;

/// The size of an instruction, in bytes.
pub const WIDTH: u64 = 4;

/// Parts of names of functions that panic. Checks of arithmetic and of slices call them.
const PANICS: [&str; 3] = [
    "4core9panicking",
    "4core6option13expect",
    "4core6result13unwrap",
];

/// The place of an instruction in the source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file. The path is relative to the checkout if it is a file of the driver.
    pub file: String,
    /// The line, or 0 if there is none.
    pub line: u64,
    /// The column.
    pub column: u64,
    /// The function.
    pub function: String,
}

/// An instruction.
#[derive(Debug)]
pub struct Instruction {
    /// The driver's line that it was made for: code of an inlined function of the kernel or of Rust
    /// counts for the line that calls it. If no line of the driver calls it, as with code that drops a
    /// value, this is the place in the library.
    pub place: Place,
    /// The instruction's own place, if it differs from `place`.
    pub innermost: Option<Place>,
    /// For a conditional branch: the offset of its target.
    pub branch: Option<u64>,
    /// Whether all ways from here end in a panic.
    pub panics: bool,
}

impl Instruction {
    /// Returns whether it belongs to a file of the driver.
    pub fn is_own(&self) -> bool {
        self.place.file.starts_with("src/")
    }
}

/// The instructions of a section, by offset.
pub type Section = BTreeMap<u64, Instruction>;

/// The sections of a module, by name.
pub type Code = HashMap<String, Section>;

/// Reads the code of a module that was built in the checkout. `work` is a directory for temporary
/// files.
pub fn read(sandbox: &Sandbox, checkout: &Path, module: &Path, work: &Path) -> Result<Code> {
    let tool = |name: &str| sandbox.command(Path::new("/"), name);
    let mut objdump = tool("llvm-objdump");
    objdump.args(["-dr", "--no-show-raw-insn"]).arg(module);
    let raw = parse(&stdout_of(&mut objdump)?);

    // In a module each section begins at address 0. The linker gives each section its own addresses.
    let linked = work.join("linked");
    let mut link = tool("ld.lld");
    link.args(["--no-relax", "--noinhibit-exec", "--no-warnings", "-e", "0"])
        .args(["--unresolved-symbols=ignore-all", "-o"])
        .args([&linked, module]);
    stdout_of(&mut link)?;
    let headers = stdout_of(tool("llvm-objdump").arg("-h").arg(&linked))?;
    let bases = bases(&headers);

    let mut addresses = String::new();
    for (section, instructions) in &raw {
        let base = bases.get(section.as_str());
        let base = base.with_context(|| format!("no section {section} in the linked module"))?;
        for offset in instructions.keys() {
            addresses += &format!("{:#x}\n", base + offset);
        }
    }
    let list = work.join("addresses");
    fs::write(&list, addresses)?;
    let mut symbolizer = tool("sh");
    symbolizer
        .arg("-c")
        .arg("exec llvm-symbolizer --obj=\"$1\" --inlines --output-style=JSON < \"$2\"")
        .arg("sh")
        .args([&linked, &list]);
    let places = stdout_of(&mut symbolizer)?;
    let mut places = places.lines();

    let mut code = Code::new();
    for (section, instructions) in raw {
        let panicking = panicking(&instructions);
        let mut all = Section::new();
        for (offset, instruction) in instructions {
            let frames: Value = serde_json::from_str(places.next().context("too few places")?)?;
            let (place, innermost) = place(&frames, checkout, &instruction.function);
            let branch = match instruction.flow {
                Flow::Branch(target) => Some(target),
                _ => None,
            };
            let panics = panicking.contains(&offset);
            let instruction = Instruction {
                place,
                innermost,
                branch,
                panics,
            };
            all.insert(offset, instruction);
        }
        code.insert(section, all);
    }
    ensure!(places.next().is_none(), "too many places");
    Ok(code)
}

/// Where the control flow goes after an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// To the next instruction.
    On,
    /// To the next instruction or to this offset.
    Branch(u64),
    /// To the next instruction, or to this offset after a failed store-exclusive. On the emulated CPU
    /// such a store never fails.
    Retry(u64),
    /// To this offset.
    Jump(u64),
    /// To an unknown place.
    End,
    /// To a panic.
    Panic,
}

/// An instruction as `llvm-objdump` prints it.
#[derive(Debug)]
struct Raw {
    function: String,
    flow: Flow,
}

/// Instructions by section and offset.
type Listing = Vec<(String, BTreeMap<u64, Raw>)>;

/// Parses the output of `llvm-objdump`.
fn parse(listing: &str) -> Listing {
    let mut sections: Listing = Vec::new();
    let mut function = String::new();
    // The register with the result of the last store-exclusive.
    let mut exclusive = String::new();
    let mut last = None;
    for line in listing.lines() {
        if let Some(rest) = line.strip_prefix("Disassembly of section ") {
            sections.push((rest.trim_end_matches(':').to_owned(), Default::default()));
        } else if let Some((_, name)) = line.strip_suffix(">:").and_then(|l| l.split_once(" <")) {
            name.clone_into(&mut function);
        }
        let Some((_, instructions)) = sections.last_mut() else {
            continue;
        };
        if line.contains("R_AARCH64_") {
            let target = line.rsplit('\t').next().unwrap_or_default();
            let raw: Option<&mut Raw> = last.and_then(|offset| instructions.get_mut(&offset));
            if let Some(raw) = raw {
                if PANICS.iter().any(|part| target.contains(part)) {
                    raw.flow = Flow::Panic;
                } else if matches!(raw.flow, Flow::Jump(_)) {
                    raw.flow = Flow::End;
                }
            }
            continue;
        }
        let Some((offset, text)) = line.trim_start().split_once(':') else {
            continue;
        };
        let mut words = text.split_whitespace();
        let (Ok(offset), Some(mnemonic)) = (u64::from_str_radix(offset, 16), words.next()) else {
            continue;
        };
        if mnemonic.starts_with('.') || mnemonic == "<unknown>" {
            continue;
        }
        let operands: Vec<&str> = words.map(|word| word.trim_end_matches(',')).collect();
        let target = || {
            let target = operands.iter().find_map(|word| word.strip_prefix("0x"));
            target.and_then(|hex| u64::from_str_radix(hex, 16).ok())
        };
        let first = operands.first().copied().unwrap_or_default();
        let flow = match (mnemonic, target()) {
            ("cbnz", Some(to)) if first == exclusive => Flow::Retry(to),
            ("cbz" | "cbnz" | "tbz" | "tbnz", Some(to)) => Flow::Branch(to),
            (name, Some(to)) if name.starts_with("b.") => Flow::Branch(to),
            ("b", Some(to)) => Flow::Jump(to),
            ("b" | "br" | "ret", _) => Flow::End,
            ("brk", _) if first == "#0x1" => Flow::Panic,
            _ => Flow::On,
        };
        if matches!(mnemonic, "stxr" | "stlxr" | "stxrb" | "stlxrb") {
            first.clone_into(&mut exclusive);
        } else if flow != Flow::On {
            exclusive.clear();
        }
        last = Some(offset);
        let function = function.clone();
        instructions.insert(offset, Raw { function, flow });
    }
    sections.retain(|(_, instructions)| !instructions.is_empty());
    sections
}

/// Returns the offsets of the instructions from which all ways end in a panic.
fn panicking(instructions: &BTreeMap<u64, Raw>) -> HashSet<u64> {
    let mut panicking = HashSet::new();
    loop {
        let before = panicking.len();
        for (&offset, raw) in instructions.iter().rev() {
            let next = offset + WIDTH;
            let is = |offset: u64| panicking.contains(&offset);
            let ends = match raw.flow {
                Flow::On | Flow::Retry(_) => is(next),
                Flow::Branch(to) => is(next) && is(to),
                Flow::Jump(to) => is(to),
                Flow::End => false,
                Flow::Panic => true,
            };
            if ends {
                panicking.insert(offset);
            }
        }
        if panicking.len() == before {
            return panicking;
        }
    }
}

/// Returns the address of each section, from the output of `llvm-objdump -h`.
fn bases(headers: &str) -> HashMap<&str, u64> {
    let header = |line| {
        let mut words = str::split_whitespace(line);
        let name = words.nth(1)?;
        let address = u64::from_str_radix(words.nth(1)?, 16).ok()?;
        Some((name, address))
    };
    headers.lines().filter_map(header).collect()
}

/// Returns [`Instruction::place`] and [`Instruction::innermost`] from the frames that `llvm-symbolizer`
/// prints, of which the innermost is the first. `symbol` is the function if there are no frames.
fn place(frames: &Value, checkout: &Path, symbol: &str) -> (Place, Option<Place>) {
    let none = Vec::new();
    let frames = frames["Symbol"].as_array().unwrap_or(&none);
    let mut places = frames.iter().map(|frame| {
        let text = |key: &str| frame[key].as_str().unwrap_or_default().to_owned();
        let number = |key: &str| frame[key].as_u64().unwrap_or_default();
        let file = PathBuf::from(text("FileName"));
        let file = file.strip_prefix(checkout).unwrap_or(&file);
        Place {
            file: file.to_string_lossy().into_owned(),
            line: number("Line"),
            column: number("Column"),
            function: text("FunctionName"),
        }
    });
    let Some(innermost) = places.next() else {
        let nowhere = Place {
            file: String::new(),
            line: 0,
            column: 0,
            function: symbol.to_owned(),
        };
        return (nowhere, None);
    };
    let own = |place: &Place| place.file.starts_with("src/") && place.line > 0;
    if own(&innermost) {
        return (innermost, None);
    }
    let last = places.clone().next_back();
    match places.find(own) {
        Some(place) => (place, Some(innermost)),
        None => match last {
            Some(outermost) => (outermost, Some(innermost)),
            None => (innermost, None),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const LISTING: &str = "
Disassembly of section .text:

0000000000000000 <first>:
       0:      \tcbz\tw0, 0xc <first+0xc>
       4:      \tbl\t0x4 <first+0x4>
\t\t0000000000000004:  R_AARCH64_CALL26\tother
       8:      \tret
       c:      \tmov\tx0, x1
      10:      \tbl\t0x10 <first+0x10>
\t\t0000000000000010:  R_AARCH64_CALL26\t_RNvNtCs1_4core9panicking5panic

0000000000000014 <second>:
      14:      \tldxr\tx8, [x0]
      18:      \tstxr\tw9, x8, [x0]
      1c:      \tcbnz\tw9, 0x14 <second>
      20:      \tcbnz\tw9, 0xc <first+0xc>
      24:      \tb\t0x24 <second+0x10>
\t\t0000000000000024:  R_AARCH64_JUMP26\tother

Disassembly of section .exit.text:

0000000000000000 <third>:
       0:      \tb.eq\t0x0 <third>
       4:      \tret
";

    #[test]
    fn the_targets_of_instructions_are_found() {
        let sections = parse(LISTING);
        let names: Vec<&str> = sections.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, [".text", ".exit.text"]);
        let text = &sections[0].1;
        let flows: Vec<Flow> = text.values().map(|raw| raw.flow).collect();
        use Flow::{Branch, End, On, Panic, Retry};
        let expected = [
            Branch(0xc),
            On,
            End,
            On,
            Panic,
            On,
            On,
            Retry(0x14),
            Branch(0xc),
            End,
        ];
        assert_eq!(flows, expected);
        assert_eq!(text[&0x14].function, "second");
        let panicking = panicking(text);
        assert_eq!(panicking, HashSet::from([0xc, 0x10]));
    }

    #[test]
    fn a_section_has_the_address_of_its_header() {
        let headers = "Idx Name Size VMA Type\n  0      00000000 0000000000000000 \n\
            \x2010 .text 0000bae1 0000000000211bf8 TEXT\n";
        assert_eq!(bases(headers).get(".text"), Some(&0x0021_1bf8));
    }

    #[test]
    fn code_of_a_library_belongs_to_the_line_that_called_it() {
        let frame = |file: &str, line: u64| json!({"FileName": file, "Line": line, "Column": 5, "FunctionName": "f"});
        let at = |frames: Value| place(&json!({"Symbol": frames}), Path::new("/c"), "s");
        let (own, inner) = at(json!([frame("/k/arc.rs", 7), frame("/c/src/job.rs", 9)]));
        assert_eq!((own.file.as_str(), own.line), ("src/job.rs", 9));
        assert_eq!(inner.unwrap().line, 7);
        let (own, inner) = at(json!([frame("/c/src/job.rs", 9), frame("/c/src/a.rs", 1)]));
        assert_eq!((own.line, inner), (9, None));
        let (glue, _) = at(json!([frame("/r/mod.rs", 3), frame("/r/ptr.rs", 4)]));
        assert_eq!(glue.file, "/r/ptr.rs");
        assert_eq!(at(json!([])).0.function, "s");
    }
}
