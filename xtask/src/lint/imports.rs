// SPDX-License-Identifier: GPL-2.0

//! Checks that no files of the driver import each other in a circle.
//!
//! An import is a `use` declaration, or a path in the code that begins with `crate`, `super` or `self`.
//! The declaration of a module is no import, and imports in tests are left out. `dw100.rs`, the crate's
//! root, lists the modules. What the kernel's macros define there belongs to no file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use syn::visit::{self, Visit};

use crate::step::files;

/// A module's path from the crate's root.
type ModulePath = Vec<String>;

/// The modules that each module imports.
type Graph = BTreeMap<ModulePath, BTreeSet<ModulePath>>;

/// Checks all files below `src/`. The error names the files of each circle.
pub fn check(checkout: &Path) -> Result<()> {
    let src = checkout.join("src");
    let mut sources = BTreeMap::new();
    for file in files(&src, Some(&["rs"]))? {
        let module = file.strip_prefix(&src)?.with_extension("");
        let module = module.iter().map(|part| part.to_string_lossy().into());
        let text = fs::read_to_string(&file)?;
        let parsed = syn::parse_file(&text);
        let parsed = parsed.with_context(|| format!("parsing {}", file.display()))?;
        sources.insert(module.collect(), parsed);
    }
    let circles = circles(&graph(&sources));
    ensure!(circles.is_empty(), "{}", circles.join("\n"));
    Ok(())
}

/// Returns the imports of all modules.
fn graph(sources: &BTreeMap<ModulePath, syn::File>) -> Graph {
    let imports = |(module, file): (&ModulePath, &syn::File)| {
        let mut imports = Imports {
            sources,
            file: module,
            here: module.clone(),
            found: BTreeSet::new(),
        };
        imports.visit_file(file);
        (module.clone(), imports.found)
    };
    sources.iter().map(imports).collect()
}

/// Collects the imports of a file.
struct Imports<'a> {
    sources: &'a BTreeMap<ModulePath, syn::File>,
    file: &'a ModulePath,
    /// The module that is being visited: the file's, or one inside the file.
    here: ModulePath,
    found: BTreeSet<ModulePath>,
}

impl Imports<'_> {
    /// Adds the file that a path leads to, if it is another file of the driver.
    fn add(&mut self, path: &[String]) {
        let mut rest = path;
        let mut at = match path.first().map(String::as_str) {
            Some("crate") => ModulePath::new(),
            _ => self.here.clone(),
        };
        while let [first, more @ ..] = rest {
            match first.as_str() {
                "super" => drop(at.pop()),
                "crate" | "self" => {}
                _ => break,
            }
            rest = more;
        }
        let below = at.len();
        at.extend_from_slice(rest);
        // Without one of these words, the first name is a module below this one, or another crate.
        let shortest = if rest.len() == path.len() {
            below + 1
        } else {
            1
        };
        let file = (shortest..=at.len())
            .rev()
            .find_map(|length| at.get(..length).filter(|&it| self.sources.contains_key(it)));
        if let Some(file) = file.filter(|&file| file != self.file) {
            self.found.insert(file.to_vec());
        }
    }

    /// Adds all imports of a `use` declaration.
    fn add_tree(&mut self, tree: &syn::UseTree, mut path: Vec<String>) {
        match tree {
            syn::UseTree::Path(more) => {
                path.push(more.ident.to_string());
                self.add_tree(&more.tree, path);
            }
            syn::UseTree::Group(group) => {
                for tree in &group.items {
                    self.add_tree(tree, path.clone());
                }
            }
            syn::UseTree::Name(name) => {
                path.push(name.ident.to_string());
                self.add(&path);
            }
            syn::UseTree::Rename(name) => {
                path.push(name.ident.to_string());
                self.add(&path);
            }
            syn::UseTree::Glob(_) => self.add(&path),
        }
    }
}

impl<'ast> Visit<'ast> for Imports<'_> {
    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.add_tree(&item.tree, Vec::new());
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<_> = path
            .segments
            .iter()
            .map(|it| it.ident.to_string())
            .collect();
        if matches!(
            names.first().map(String::as_str),
            Some("crate" | "super" | "self")
        ) && names.len() > 1
        {
            self.add(&names);
        }
        visit::visit_path(self, path);
    }

    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        if item.content.is_some() && !item.attrs.iter().any(is_for_tests) {
            self.here.push(item.ident.to_string());
            visit::visit_item_mod(self, item);
            self.here.pop();
        }
    }
}

/// Returns whether an attribute marks a module of tests.
fn is_for_tests(attribute: &syn::Attribute) -> bool {
    let path = attribute.path();
    let is_cfg_test = || match attribute.meta.require_list() {
        Ok(list) => path.is_ident("cfg") && list.tokens.to_string() == "test",
        Err(_) => false,
    };
    path.is_ident("kunit_tests") || is_cfg_test()
}

/// Returns a line for each circle: the files that import each other, directly or through other files.
fn circles(graph: &Graph) -> Vec<String> {
    let reached: BTreeMap<_, _> = graph.keys().map(|it| (it, reachable(graph, it))).collect();
    let leads_to = |from, to| reached.get(from).is_some_and(|all| all.contains(to));
    let mut circles = BTreeSet::new();
    for module in graph.keys().filter(|&module| leads_to(module, module)) {
        let others = graph
            .keys()
            .filter(|&it| leads_to(module, it) && leads_to(it, module));
        let names: Vec<_> = others
            .map(|it| format!("src/{}.rs", it.join("/")))
            .collect();
        circles.insert(format!("a circle of imports: {}", names.join(", ")));
    }
    circles.into_iter().collect()
}

/// Returns the modules that a module imports, directly or through other modules.
fn reachable<'a>(graph: &'a Graph, from: &ModulePath) -> BTreeSet<&'a ModulePath> {
    let mut found = BTreeSet::new();
    let mut next: Vec<_> = graph.get(from).into_iter().flatten().collect();
    while let Some(module) = next.pop() {
        if found.insert(module) {
            next.extend(graph.get(module).into_iter().flatten());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the circles of files, given as names below `src/` and texts.
    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files.iter().map(|(name, text)| {
            let module = name.split('/').map(str::to_owned).collect();
            (module, syn::parse_file(text).unwrap())
        });
        circles(&graph(&sources.collect()))
    }

    #[test]
    fn files_that_import_each_other_are_a_circle() {
        let files = [
            ("a", "use crate::{b::{self, One}, c};"),
            ("b", "use super::a::Two as Three;"),
            ("c", "use kernel::prelude::*;"),
        ];
        assert_eq!(found(&files), ["a circle of imports: src/a.rs, src/b.rs"]);
    }

    #[test]
    fn a_circle_may_lead_through_several_files() {
        let files = [
            ("a", "use crate::b::d::One;"),
            ("b", "mod d;"),
            ("b/d", "mod inner { use super::super::super::c::*; }"),
            ("c", "fn f() -> crate::a::Two { crate::a::Two }"),
            ("e", "use crate::a;"),
        ];
        assert_eq!(
            found(&files),
            ["a circle of imports: src/a.rs, src/b/d.rs, src/c.rs"]
        );
    }

    #[test]
    fn a_module_and_its_submodule_can_be_a_circle() {
        let files = [
            ("a", "mod b; use b::One;"),
            ("a/b", "use super::{Two, Three};"),
        ];
        assert_eq!(found(&files), ["a circle of imports: src/a.rs, src/a/b.rs"]);
    }

    #[test]
    fn declarations_tests_and_other_crates_are_no_circle() {
        let files = [
            (
                "a",
                "mod b; #[cfg(test)] mod tests { use super::*; use crate::c::One; }",
            ),
            (
                "a/b",
                "use super::*; use c::Two; #[kunit_tests(x)] mod tests { use crate::d; }",
            ),
            ("c", "use crate::a::b::One; use crate::c::Two;"),
            ("d", "use crate::{a::b, made_by_a_macro};"),
            ("root", "mod a; use crate::d;"),
        ];
        assert_eq!(found(&files), [""; 0]);
    }

    #[test]
    fn the_driver_has_no_circle() {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).unwrap();
    }
}
