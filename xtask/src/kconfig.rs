// SPDX-License-Identifier: GPL-2.0

//! Configuration fragments: merges them, and compares them with Kconfig's result.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Result, ensure};

/// Returns the options of all fragments. If an option occurs twice, the later value counts.
pub fn merge(fragments: &[String]) -> BTreeMap<String, String> {
    fragments
        .iter()
        .flat_map(|text| text.lines())
        .filter_map(option)
        .collect()
}

/// Returns a fragment with these options, for `KCONFIG_ALLCONFIG`.
pub fn render(options: &BTreeMap<String, String>) -> String {
    options
        .iter()
        .map(|(name, value)| format!("{name}={value}\n"))
        .collect()
}

/// Fails if Kconfig did not accept each of the requested options.
pub fn ensure_met(requested: &BTreeMap<String, String>, objects: &Path) -> Result<()> {
    let unmet = unmet(requested, &fs::read_to_string(objects.join(".config"))?);
    ensure!(
        unmet.is_empty(),
        "Kconfig did not accept: {}",
        unmet.join(", ")
    );
    Ok(())
}

/// Describes each requested option whose value in the finished `.config` is another one.
fn unmet(requested: &BTreeMap<String, String>, config: &str) -> Vec<String> {
    let have: BTreeMap<_, _> = config.lines().filter_map(option).collect();
    let value = |name: &String| have.get(name).map_or("n", String::as_str);
    requested
        .iter()
        .filter(|(name, wanted)| value(name) != wanted.as_str())
        .map(|(name, wanted)| format!("{name}={wanted} (is {})", value(name)))
        .collect()
}

/// Parses `CONFIG_X=value`, or `# CONFIG_X is not set` as the value n.
fn option(line: &str) -> Option<(String, String)> {
    let unset = line
        .strip_prefix("# ")
        .and_then(|rest| rest.strip_suffix(" is not set"));
    let (name, value) = match unset {
        Some(name) => (name, "n"),
        None => line.split_once('=')?,
    };
    name.starts_with("CONFIG_")
        .then(|| (name.to_owned(), value.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_later_value_counts_and_comments_are_skipped() {
        let merged = merge(&[
            "# about CONFIG_A=y\nCONFIG_A=m\nCONFIG_B=y\n".to_owned(),
            "CONFIG_A=y\n# CONFIG_B is not set\n".to_owned(),
        ]);
        assert_eq!(render(&merged), "CONFIG_A=y\nCONFIG_B=n\n");
    }

    #[test]
    fn unmet_lists_the_options_that_kconfig_dropped() {
        let wanted = merge(&["CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=n\nCONFIG_D=m\n".to_owned()]);
        let config = "CONFIG_A=y\n# CONFIG_C is not set\nCONFIG_D=y\n";
        assert_eq!(
            unmet(&wanted, config),
            ["CONFIG_B=y (is n)", "CONFIG_D=m (is y)"]
        );
        assert!(unmet(&wanted, "CONFIG_A=y\nCONFIG_B=y\nCONFIG_D=m\n").is_empty());
    }
}
