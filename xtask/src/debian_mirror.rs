// SPDX-License-Identifier: GPL-2.0

//! Finds the Debian mirror that this machine's apt uses. Suites of other vendors may have the names of
//! Debian's, so an archive of Debian is recognised by its path.

use std::fs;
use std::path::Path;

/// Suites of Debian's main archive; those of its updates and security archives are not of use.
const SUITES: [&str; 9] = [
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "stable",
    "testing",
    "unstable",
    "oldstable",
];

/// The address of the Debian mirror in the host's apt configuration, if it has one.
pub fn of_host() -> Option<String> {
    let apt = Path::new("/etc/apt");
    let mut files = vec![apt.join("sources.list")];
    let parts = fs::read_dir(apt.join("sources.list.d"))
        .into_iter()
        .flatten()
        .flatten();
    let mut parts: Vec<_> = parts.map(|file| file.path()).collect();
    parts.sort();
    files.append(&mut parts);
    files.iter().find_map(|file| {
        let text = fs::read_to_string(file).ok()?;
        match file.extension()?.to_str()? {
            "list" => one_line(&text),
            "sources" => deb822(&text),
            _ => None,
        }
    })
}

/// The address of a Debian archive behind a source's URI, none if it is someone else's.
/// `mirror+file:` names a list of mirrors: its first line is as good as any.
fn archive(uri: &str) -> Option<String> {
    let first = |path: &str| {
        let list = fs::read_to_string(path).ok()?;
        Some(list.split_whitespace().next()?.to_owned())
    };
    let path = uri
        .strip_prefix("mirror+file:")
        .map(|path| path.trim_start_matches("//"));
    let uri = path.and_then(first).unwrap_or_else(|| uri.to_owned());
    let uri = uri.trim_end_matches('/');
    uri.ends_with("/debian").then(|| uri.to_owned())
}

/// Finds the mirror in a `sources.list`: `deb [options] URI SUITE COMPONENT...`.
fn one_line(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let rest = match rest.strip_prefix('[') {
            Some(options) => options.split_once(']')?.1,
            None => rest,
        };
        let mut words = rest.split_whitespace();
        let (uri, suite) = (words.next()?, words.next()?);
        let main = SUITES.contains(&suite) && words.any(|word| word == "main");
        main.then(|| archive(uri))?
    })
}

/// Finds the mirror in a deb822 `.sources` file: stanzas of `Field: value` lines.
fn deb822(text: &str) -> Option<String> {
    let text = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect::<Vec<_>>()
        .join("\n");
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim()
                    .eq_ignore_ascii_case(name)
                    .then(|| value.trim().to_owned())
            })
        };
        let has = |name, wanted: &dyn Fn(&str) -> bool| {
            field(name).is_some_and(|value| value.split_whitespace().any(wanted))
        };
        let enabled = field("Enabled").is_none_or(|value| value != "no");
        let debian = enabled
            && has("Types", &|word| word == "deb")
            && has("Components", &|word| word == "main")
            && has("Suites", &|word| SUITES.contains(&word));
        debian
            .then(|| field("URIs"))??
            .split_whitespace()
            .find_map(archive)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_skips_options_other_archives_and_comments() {
        let text = "# deb http://old.example/debian bookworm main\n\
            deb https://packages.example/apt cloud-sdk-bookworm main\n\
            deb http://security.example/debian-security bookworm-security main\n\
            deb-src http://src.example/debian bookworm main\n\
            deb [signed-by=/a.gpg arch=amd64] http://mirror.example/debian/ bookworm main non-free\n";
        assert_eq!(
            one_line(text).as_deref(),
            Some("http://mirror.example/debian")
        );
    }

    #[test]
    fn deb822_takes_the_first_enabled_debian_stanza() {
        let text = "Types: deb\nURIs: https://deb.nodes.example\nSuites: nodistro\nComponents: main\n\n\
            Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n\n\
            Types: deb deb-src\n# a comment\nURIs: http://mirror.example/debian/ http://b.example\n\
            Suites: trixie trixie-updates\nComponents: main contrib\n";
        assert_eq!(
            deb822(text).as_deref(),
            Some("http://mirror.example/debian")
        );
    }

    #[test]
    fn a_vendors_suite_of_the_same_name_is_not_debians() {
        let chrome = "deb [arch=amd64] https://dl.google.example/linux/chrome/deb/ stable main\n";
        assert_eq!(one_line(chrome), None);
        let both = chrome.to_owned() + "deb http://mirror.example/debian/ stable main\n";
        assert_eq!(
            one_line(&both).as_deref(),
            Some("http://mirror.example/debian")
        );
        let code = "Types: deb\nURIs: https://packages.example/repos/code\nSuites: stable\nComponents: main\n";
        assert_eq!(deb822(code), None);
    }

    #[test]
    fn ubuntu_sources_have_no_debian_mirror() {
        assert_eq!(
            one_line("deb http://archive.example/ubuntu noble main universe\n"),
            None
        );
        let text =
            "Types: deb\nURIs: http://archive.example/ubuntu\nSuites: noble\nComponents: main\n";
        assert_eq!(deb822(text), None);
    }
}
