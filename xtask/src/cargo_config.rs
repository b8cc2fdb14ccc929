// SPDX-License-Identifier: GPL-2.0

//! Makes the sandbox's configuration of cargo from the user's: the sources of crates and the
//! registries, but no linkers, wrappers and tokens.

use std::fs;

use anyhow::{Context, Result};
use toml::{Table, Value};

use crate::host;

/// The tables of cargo's configuration that name sources of crates, and the keys that are copied.
const PLACES: [(&str, &[&str]); 2] = [
    (
        "source",
        &[
            "replace-with",
            "registry",
            "local-registry",
            "directory",
            "git",
            "branch",
            "tag",
            "rev",
        ],
    ),
    ("registries", &["index", "protocol"]),
];

/// Returns the configuration for the sandbox.
pub fn config() -> Result<String> {
    let file = host::cargo_home()?.join("config.toml");
    if !file.exists() {
        return Ok(String::new());
    }
    let text = fs::read_to_string(&file).with_context(|| format!("reading {}", file.display()))?;
    places(&text).with_context(|| format!("in {}", file.display()))
}

/// Returns the part of a configuration that names sources of crates.
fn places(config: &str) -> Result<String> {
    let config: Table = config.parse()?;
    let mut kept = String::new();
    for (section, keys) in PLACES {
        let tables = config.get(section).and_then(Value::as_table);
        for (name, table) in tables.into_iter().flatten() {
            kept += &format!("[{section}.{}]\n", quoted(name));
            for key in keys {
                if let Some(value) = table.get(key).and_then(Value::as_str) {
                    kept += &format!("{key} = {}\n", quoted(value));
                }
            }
        }
    }
    Ok(kept)
}

/// Quotes a string for TOML. JSON's strings are also TOML's.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_sources_of_crates_are_copied() {
        let config = r#"
            net.offline = true
            source = { crates-io = { replace-with = "a\"b" } }
            [build]
            rustc-wrapper = "sccache"
            [target.x86_64-unknown-linux-gnu]
            rustflags = ["-Clink-arg=-fuse-ld=mold"]
            [registries.ours]
            index = "sparse+https://crates.example/"
            token = "secret"
        "#;
        assert_eq!(
            places(config).unwrap(),
            "[source.\"crates-io\"]\nreplace-with = \"a\\\"b\"\n\
             [registries.\"ours\"]\nindex = \"sparse+https://crates.example/\"\n"
        );
        assert_eq!(places("").unwrap(), "");
        assert!(places("[source").is_err());
    }
}
