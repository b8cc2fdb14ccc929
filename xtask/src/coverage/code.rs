// SPDX-License-Identifier: GPL-2.0

//! The code of a module that was built with debug information: its instructions, where each comes from
//! in the source, and where it may lead. `llvm-objdump` and `llvm-symbolizer` read the file.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::sandbox::Sandbox;
use crate::step::capture;

/// The size of an instruction.
pub const WIDTH: u64 = 4;

/// Parts of names of functions that do not return: what checks of arithmetic and of slices call when they
/// fail.
const PANICS: [&str; 3] = [
    "4core9panicking",
    "4core6option13expect",
    "4core6result13unwrap",
];

/// Where an instruction comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Place {
    /// The file, relative to the checkout for those of the driver.
    pub file: String,
    /// The line; 0 if it belongs to none.
    pub line: u64,
    /// The column.
    pub column: u64,
    /// The function.
    pub function: String,
}

/// An instruction.
#[derive(Debug)]
pub struct Instruction {
    /// The driver's line that it was made for. What a function of the kernel or of Rust does belongs to
    /// the line that called it. Code that no line asks for, as that which drops a value, has the place
    /// in the library that made it.
    pub place: Place,
    /// Its own place, if that is another.
    pub innermost: Option<Place>,
    /// The other instruction that it may be followed by, if it is a conditional branch: its offset.
    pub branch: Option<u64>,
    /// Whether a panic is all that it leads to.
    pub panics: bool,
}

impl Instruction {
    /// Whether it is of the driver's own files.
    pub fn is_own(&self) -> bool {
        self.place.file.starts_with("src/")
    }
}

/// A section of code: its instructions by their offsets.
pub type Section = std::collections::BTreeMap<u64, Instruction>;

/// A module's code, by the names of its sections.
pub type Code = HashMap<String, Section>;

/// Reads the code of a module that was built in the checkout.
pub fn read(sandbox: &Sandbox, checkout: &Path, module: &Path, work: &Path) -> Result<Code> {
    let tool = |name: &str| sandbox.command(Path::new("/"), name);
    let mut objdump = tool("llvm-objdump");
    objdump.args(["-dr", "--no-show-raw-insn"]).arg(module);
    let raw = parse(&capture(&mut objdump)?);

    // In a module all sections begin at address 0. Linked, each has addresses of its own.
    let linked = work.join("linked");
    let mut link = tool("ld.lld");
    link.args(["--no-relax", "--noinhibit-exec", "--no-warnings", "-e", "0"])
        .args(["--unresolved-symbols=ignore-all", "-o"])
        .args([&linked, module]);
    capture(&mut link)?;
    let headers = capture(tool("llvm-objdump").arg("-h").arg(&linked))?;
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
    let places = capture(&mut symbolizer)?;
    let mut places = places.lines();

    let mut code = Code::new();
    for (section, instructions) in raw {
        let doomed = doomed(&instructions);
        let mut all = Section::new();
        for (offset, instruction) in instructions {
            let frames: Value = serde_json::from_str(places.next().context("too few places")?)?;
            let (place, innermost) = place(&frames, checkout, &instruction.function);
            let branch = match instruction.flow {
                Flow::Branch(target) => Some(target),
                _ => None,
            };
            let panics = doomed.contains(&offset);
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

/// Where an instruction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// To the next one.
    On,
    /// To the next one or to another.
    Branch(u64),
    /// The same, where the other is tried again because a store was not exclusive, which the emulated
    /// CPU's always is.
    Retry(u64),
    /// To another.
    Jump(u64),
    /// To none that is known.
    End,
    /// Nowhere.
    Panic,
}

/// An instruction as `llvm-objdump` prints it.
#[derive(Debug)]
struct Raw {
    function: String,
    flow: Flow,
}

/// Instructions by section and offset.
type Listing = Vec<(String, std::collections::BTreeMap<u64, Raw>)>;

/// Reads a listing.
fn parse(listing: &str) -> Listing {
    let mut sections: Listing = Vec::new();
    let mut function = String::new();
    // What a store-exclusive says of its success.
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

/// The offsets of instructions that lead to nothing but a panic.
fn doomed(instructions: &std::collections::BTreeMap<u64, Raw>) -> HashSet<u64> {
    let mut doomed = HashSet::new();
    loop {
        let before = doomed.len();
        for (&offset, raw) in instructions.iter().rev() {
            let next = offset + WIDTH;
            let is = |offset: u64| doomed.contains(&offset);
            let ends = match raw.flow {
                Flow::On | Flow::Retry(_) => is(next),
                Flow::Branch(to) => is(next) && is(to),
                Flow::Jump(to) => is(to),
                Flow::End => false,
                Flow::Panic => true,
            };
            if ends {
                doomed.insert(offset);
            }
        }
        if doomed.len() == before {
            return doomed;
        }
    }
}

/// Where the sections are, from their headers.
fn bases(headers: &str) -> HashMap<&str, u64> {
    let header = |line: &'_ str| -> Option<(usize, u64)> {
        let mut words = line.split_whitespace();
        let name = words.nth(1)?;
        let address = u64::from_str_radix(words.nth(1)?, 16).ok()?;
        Some((line.find(name)?, address))
    };
    headers
        .lines()
        .filter_map(|line| {
            let (at, address) = header(line)?;
            Some((line[at..].split_whitespace().next()?, address))
        })
        .collect()
}

/// The place of an instruction from the frames that `llvm-symbolizer` gives, the innermost first.
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
    fn instructions_know_where_they_may_lead() {
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
        let doomed = doomed(text);
        assert_eq!(doomed, HashSet::from([0xc, 0x10]));
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
