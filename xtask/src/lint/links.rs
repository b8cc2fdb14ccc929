// SPDX-License-Identifier: GPL-2.0

//! Checks that the links in Markdown files to files of the checkout have a target.

use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};
use pulldown_cmark::{Event, Parser, Tag, TagEnd};

use crate::step::files;

/// Checks all Markdown files of the checkout. The error names each link without a target.
pub fn check(checkout: &Path) -> Result<()> {
    let mut dead = Vec::new();
    for file in files(checkout, Some(&["md"]))? {
        let text = fs::read_to_string(&file)?;
        let shown = file.strip_prefix(checkout).unwrap_or(&file).display();
        for link in targets(&text).filter(|link| !leads_somewhere(&file, link)) {
            dead.push(format!("{shown}: {link} is not there"));
        }
    }
    ensure!(dead.is_empty(), "{}", dead.join("\n"));
    Ok(())
}

/// Returns the targets of the links and pictures in a text.
fn targets(text: &str) -> impl Iterator<Item = String> {
    Parser::new(text).filter_map(|event| match event {
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(dest_url.into_string())
        }
        _ => None,
    })
}

/// Returns whether a link of `file` has a target. Links to the network count as good.
fn leads_somewhere(file: &Path, link: &str) -> bool {
    if link.contains("://") || link.starts_with("mailto:") {
        return true;
    }
    let (path, heading) = link.split_once('#').unwrap_or((link, ""));
    let target = match path {
        "" => file.to_owned(),
        path => file.with_file_name("").join(path),
    };
    if heading.is_empty() {
        return target.exists();
    }
    fs::read_to_string(&target).is_ok_and(|text| anchors(&text).any(|anchor| anchor == heading))
}

/// Returns the anchors of a text's headings, as GitHub makes them.
fn anchors(text: &str) -> impl Iterator<Item = String> {
    let mut heading = None;
    Parser::new(text).filter_map(move |event| {
        match event {
            Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
            Event::Text(more) | Event::Code(more) => {
                if let Some(heading) = &mut heading {
                    heading.push_str(&more);
                }
            }
            Event::End(TagEnd::Heading(_)) => return heading.take().map(|title| anchor(&title)),
            _ => {}
        }
        None
    })
}

fn anchor(title: &str) -> String {
    let kept = |letter: &char| letter.is_alphanumeric() || matches!(letter, ' ' | '-' | '_');
    let kept = title.chars().filter(kept).collect::<String>();
    kept.to_lowercase().replace(' ', "-")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    #[test]
    fn dead_links_are_found_and_live_ones_not() {
        let tree = TestDir::new("links");
        let dir = tree.path();
        fs::create_dir(dir.join("docs")).unwrap();
        let text = "# Try it: `now`\n[a](docs/b.md) [c](#try-it-now) ![d](docs/d.png)\n\
            [e](docs/b.md#one) [f](docs/b.md#two) [g](https://x.org/y) [h](#nowhere)\n";
        fs::write(dir.join("a.md"), text).unwrap();
        fs::write(dir.join("docs/b.md"), "## One\n[up](../a.md#try-it-now)\n").unwrap();
        let said = check(dir).unwrap_err().to_string();
        let dead = ["docs/d.png", "docs/b.md#two", "#nowhere"];
        let expected = dead.map(|link| format!("a.md: {link} is not there"));
        assert_eq!(said.lines().collect::<Vec<_>>(), expected);
    }
}
