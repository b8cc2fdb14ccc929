// SPDX-License-Identifier: GPL-2.0

//! Finds the Debian mirror that this machine's apt uses. Suites of other vendors may have the names of
//! Debian's, so an archive of Debian is recognised by its path.

use std::fs;
use std::process::Command;

use crate::step::stdout_of;

/// Suites of Debian's main archive. Those of its updates and security archives have other packages.
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

/// Returns the address of the Debian mirror in the host's apt configuration, if it has one.
pub fn of_host() -> Option<String> {
    mirror(&stdout_of(&mut index_targets()).ok()?)
}

/// Returns the apt command that prints the indexes of packages that `apt-get update` would download.
fn index_targets() -> Command {
    let mut apt = Command::new("apt-get");
    apt.args(["indextargets", "--no-release-info", "--format"]);
    apt.args([
        "$(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]);
    apt
}

/// Returns the address of the first Debian archive in the output of [`index_targets`].
fn mirror(targets: &str) -> Option<String> {
    targets.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        let (uri, suite, component) = (words.next()?, words.next()?, words.next()?);
        let is_main = SUITES.contains(&suite) && component == "main";
        is_main.then(|| archive(uri))?
    })
}

/// Returns the address of the Debian archive at a URI, or nothing if it is another vendor's. The URI
/// `mirror+file:` names a file with a list of mirrors, of which the first one is taken.
fn archive(uri: &str) -> Option<String> {
    let uri = uri.trim_end_matches('/');
    let first = |path: &str| {
        let list = fs::read_to_string(path.trim_start_matches("//")).ok()?;
        Some(list.split_whitespace().next()?.to_owned())
    };
    let listed = uri.strip_prefix("mirror+file:").and_then(first);
    let uri = listed.as_deref().unwrap_or(uri).trim_end_matches('/');
    uri.ends_with("/debian").then(|| uri.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    /// Returns the mirror of a machine with these sources of packages in apt's configuration.
    fn of(list: &str, deb822: &str) -> Option<String> {
        let dir = TestDir::new("mirror");
        let mut apt = index_targets();
        for (option, name, text) in [
            ("Etc::SourceList", "sources.list", Some(list)),
            ("Etc::SourceParts", "parts", None),
            ("State::Lists", "lists", None),
        ] {
            let path = dir.path().join(name);
            match text {
                Some(text) => fs::write(&path, text).unwrap(),
                None => fs::create_dir(&path).unwrap(),
            }
            apt.arg(format!("-oDir::{option}={}", path.display()));
        }
        fs::write(dir.path().join("parts/a.sources"), deb822).unwrap();
        mirror(&stdout_of(&mut apt).unwrap())
    }

    #[test]
    fn other_archives_comments_and_sources_are_skipped() {
        let list = "# deb http://old.example/debian bookworm main\n\
            deb https://packages.example/apt cloud-sdk-bookworm main\n\
            deb http://security.example/debian-security bookworm-security main\n\
            deb-src http://src.example/debian bookworm main\n\
            deb [signed-by=/a.gpg arch=amd64] http://mirror.example/debian/ bookworm main non-free\n";
        assert_eq!(
            of(list, "").as_deref(),
            Some("http://mirror.example/debian")
        );
    }

    #[test]
    fn the_first_enabled_debian_stanza_counts() {
        let text = "Types: deb\nURIs: https://deb.nodes.example\nSuites: nodistro\nComponents: main\n\n\
            Enabled: no\nTypes: deb\nURIs: http://off.example/debian\nSuites: trixie\nComponents: main\n\n\
            Types: deb deb-src\n# a comment\nURIs: http://mirror.example/debian/ http://b.example\n\
            Suites: trixie trixie-updates\nComponents: main contrib\n";
        assert_eq!(
            of("", text).as_deref(),
            Some("http://mirror.example/debian")
        );
    }

    #[test]
    fn a_suite_of_another_vendor_with_the_same_name_is_not_debian_s() {
        let chrome = "deb [arch=amd64] https://dl.google.example/linux/chrome/deb/ stable main\n";
        let code = "Types: deb\nURIs: https://packages.example/repos/code\nSuites: stable\nComponents: main\n";
        assert_eq!(of(chrome, code), None);
        let both = chrome.to_owned() + "deb http://mirror.example/debian/ stable main\n";
        assert_eq!(
            of(&both, code).as_deref(),
            Some("http://mirror.example/debian")
        );
    }

    #[test]
    fn ubuntu_sources_have_no_debian_mirror() {
        let list = "deb http://archive.example/ubuntu noble main universe\n";
        let text =
            "Types: deb\nURIs: http://archive.example/ubuntu\nSuites: noble\nComponents: main\n";
        assert_eq!(of(list, text), None);
    }

    #[test]
    fn a_list_of_mirrors_stands_for_its_first_one() {
        let dir = TestDir::new("mirrors");
        let file = dir.path().join("debian.list");
        fs::write(
            &file,
            "http://one.example/debian/\nhttp://two.example/debian\n",
        )
        .unwrap();
        let list = format!("deb mirror+file:{} trixie main\n", file.display());
        assert_eq!(of(&list, "").as_deref(), Some("http://one.example/debian"));
    }
}
