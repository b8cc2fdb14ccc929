// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask series TREE`: writes the drivers and their abstractions as a series of patches for a
//! kernel tree.
//!
//! `series/messages.txt` has the subject, the files and the message of each patch, after those of the
//! cover letter. A patch whose line starts with `+ ` has that file or directory of this repository, as
//! far as no patch before it has it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::module::{self, DIRECTORY, VENDOR};
use crate::step::{copy_file, files, output_of};
use crate::{Env, step};

const MESSAGES: &str = include_str!("series/messages.txt");

/// The branch of the tree that gets the patches.
const BRANCH: &str = "dw100-rust";

/// The driver's page in this repository, and in a tree.
const OUR_PAGE: &str = "docs/dw100-rust.rst";
pub const PAGE: &str = "Documentation/userspace-api/media/drivers/dw100-rust.rst";

/// The index of the pages in a tree.
const INDEX: &str = "Documentation/userspace-api/media/drivers/index.rst";

/// The files of a tree that the series changes, or that this command reads.
pub const CHANGED: [&str; 5] = [
    "Makefile",
    "MAINTAINERS",
    INDEX,
    "drivers/media/platform/nxp/Kconfig",
    "drivers/media/platform/nxp/Makefile",
];

/// The line of `Kbuild` at which the part about the DW100 begins.
const DW100: &str = "\n# The driver of the DW100.";

/// The entry of the drivers in MAINTAINERS comes after this one.
const NEIGHBOUR: &str = "NXP i.MX 8MP DW100 V4L2 DRIVER\n";

/// A patch of the series.
struct Patch {
    subject: &'static str,
    /// Files and directories of this repository.
    paths: Vec<&'static str>,
    body: &'static str,
}

/// Returns the subject and the text of the cover letter, and the patches.
fn patches() -> (&'static str, &'static str, Vec<Patch>) {
    let mut parts = MESSAGES.split("\n== ");
    let (title, cover) = parts.next().and_then(heading).unwrap_or_default();
    let patches = parts.filter_map(|part| {
        let (head, body) = part.split_once("\n\n")?;
        let mut lines = head.lines();
        let subject = lines.next()?;
        let paths = lines.filter_map(|line| line.strip_prefix("+ ")).collect();
        let body = body.trim_end();
        Some(Patch {
            subject,
            paths,
            body,
        })
    });
    (title, cover, patches.collect())
}

fn heading(text: &'static str) -> Option<(&'static str, &'static str)> {
    text.split_once("\n\n")
}

/// Commits the series to a new branch of `tree`, and writes its patches and the cover letter. Returns
/// the patches' directory, below `target/`.
pub fn write(env: &Env, tree: &Path) -> Result<PathBuf> {
    module::check_tree(env, tree)?;
    let changes = git(tree, &["status", "--porcelain", "--untracked-files=no"])?;
    ensure!(
        changes.is_empty(),
        "{} has changes that are not committed:\n{changes}",
        tree.display()
    );
    git(tree, &["switch", "--quiet", "-c", BRANCH])
        .with_context(|| format!("creating the branch {BRANCH}, which must not exist"))?;
    let (title, cover, patches) = patches();
    let description = format!("{title}\n\n{cover}");
    git(
        tree,
        &[
            "config",
            &format!("branch.{BRANCH}.description"),
            &description,
        ],
    )?;
    let sent = patches.len().to_string();
    for patch in patches {
        for path in &patch.paths {
            add(env, tree, path).with_context(|| path.to_owned().to_owned())?;
        }
        git(tree, &["add", "--all"])?;
        commit(tree, &format!("{}\n\n{}\n", patch.subject, patch.body))?;
    }
    let to = env.checkout.join("target/series");
    if to.exists() {
        fs::remove_dir_all(&to).with_context(|| format!("removing {}", to.display()))?;
    }
    let words = [
        "--quiet",
        "--cover-letter",
        "--cover-from-description=subject",
    ];
    let mut format = command(tree);
    format.arg("format-patch").args(words).arg("-o").arg(&to);
    output_of(
        format
            .arg(format!("--base=HEAD~{sent}"))
            .arg(format!("-{sent}")),
    )?;
    Ok(to)
}

/// Puts a file or a directory of this repository into the tree.
fn add(env: &Env, tree: &Path, path: &str) -> Result<()> {
    let driver = tree.join(VENDOR).join(DIRECTORY);
    let from = env.checkout.join(path);
    match path {
        "MAINTAINERS" => module::edit(&tree.join(path), |text| with_entry(text, &signer(tree)))?,
        OUR_PAGE => {
            copy_file(&from, &tree.join(PAGE))?;
            module::edit(&tree.join(INDEX), |text| {
                module::with_line(text, "\tdw100-rust", "\tdw100")
            })?;
        }
        "Kbuild" | "Kconfig" if !driver.join(path).exists() => {
            let text = fs::read_to_string(&from)?;
            let part = part_of_vim2m(path, &text).context("the file has no part about vim2m")?;
            fs::write(driver.join(path), part)?;
            module::hook(tree)?;
        }
        _ if from.is_dir() => {
            for file in files(&from, None)? {
                copy_file(&file, &driver.join(file.strip_prefix(&env.checkout)?))?;
            }
        }
        _ => copy_file(&from, &driver.join(path))?,
    }
    Ok(())
}

/// Returns the text of `Kbuild` or `Kconfig` without the part about the DW100.
fn part_of_vim2m(file: &str, text: &str) -> Option<String> {
    if file == "Kbuild" {
        return Some(text.split_once(DW100)?.0.to_owned());
    }
    let (licence, _) = text.split_once("config VIDEO_DW100_RUST\n")?;
    let (_, vim2m) = text.split_once("config VIDEO_VIM2M_RUST\n")?;
    // The condition and its comment are about both drivers.
    let lines = vim2m.lines();
    let alone = lines.filter(|line| !line.contains("_DW100_RUST") && !line.contains("# Both"));
    let alone: String = alone.map(|line| format!("{line}\n")).collect();
    Some(format!("{licence}config VIDEO_VIM2M_RUST\n{alone}"))
}

/// Returns the text of MAINTAINERS with an entry for the drivers.
fn with_entry(text: &str, signer: &str) -> String {
    let entry = format!(
        "NXP i.MX 8MP DW100 V4L2 DRIVER IN RUST\n\
         M:\t{signer}\n\
         L:\tlinux-media@vger.kernel.org\n\
         L:\trust-for-linux@vger.kernel.org\n\
         S:\tMaintained\n\
         F:\t{PAGE}\n\
         F:\t{VENDOR}/{DIRECTORY}/\n\n"
    );
    let neighbour = text.find(NEIGHBOUR).unwrap_or(0);
    let rest = &text[neighbour..];
    let end = rest
        .find("\n\n")
        .map_or(text.len(), |end| neighbour + end + 2);
    format!("{}{entry}{}", &text[..end], &text[end..])
}

/// Returns the name and the address of who commits to the tree.
fn signer(tree: &Path) -> String {
    let ident = git(tree, &["var", "GIT_AUTHOR_IDENT"]).unwrap_or_default();
    let end = ident.find('>').map_or(0, |end| end + 1);
    ident[..end].to_owned()
}

/// Commits what is staged, signed off, with `message`.
fn commit(tree: &Path, message: &str) -> Result<()> {
    let mut commit = command(tree);
    commit.args(["commit", "--quiet", "--signoff", "--file=-"]);
    let mut child = commit.stdin(Stdio::piped()).spawn()?;
    let mut stdin = child.stdin.take().context("the pipe was asked for")?;
    stdin.write_all(message.as_bytes())?;
    drop(stdin);
    if !child.wait()?.success() {
        bail!("{} failed", step::show(&commit));
    }
    Ok(())
}

fn git(tree: &Path, words: &[&str]) -> Result<String> {
    output_of(command(tree).args(words))
}

fn command(tree: &Path) -> Command {
    let mut git = Command::new("git");
    git.arg("-C").arg(tree);
    git
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    /// Makes a repository that has what the series changes of a kernel tree.
    fn tree(dir: &TestDir) -> &Path {
        let tree = dir.path();
        let texts = [
            "VERSION = 7\nPATCHLEVEL = 3\n",
            "A\nF:\ta\n\nNXP i.MX 8MP DW100 V4L2 DRIVER\nF:\tb\n\nZ\nF:\tz\n",
            "\tdw100\n\timx-uapi\n",
            "source \"x\"\n",
            "obj-y += dw100/\n",
        ];
        for (file, text) in CHANGED.iter().zip(texts) {
            let file = tree.join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        git(tree, &["init", "--quiet"]).unwrap();
        git(tree, &["config", "user.name", "A B"]).unwrap();
        git(tree, &["config", "user.email", "a@b.example"]).unwrap();
        git(tree, &["add", "--all"]).unwrap();
        commit(tree, "base").unwrap();
        tree
    }

    #[test]
    fn the_series_adds_what_install_does_and_the_documents() {
        let env = Env::new(None, None).unwrap();
        let dir = TestDir::new("series");
        let tree = tree(&dir);
        let to = write(&env, tree).unwrap();
        let (_, _, all) = patches();
        assert_eq!(files(&to, None).unwrap().len(), all.len() + 1);
        let driver = tree.join(VENDOR).join(DIRECTORY);
        let listed = |dir: &Path| {
            let files = files(dir, None).unwrap();
            let read = |file: &PathBuf| {
                (
                    file.strip_prefix(dir).unwrap().to_owned(),
                    fs::read(file).unwrap(),
                )
            };
            files.iter().map(read).collect::<Vec<_>>()
        };
        let sent = listed(&driver);
        module::copy_into(&env, tree).unwrap();
        assert_eq!(sent, listed(&driver));
        // `install` changed nothing: the tree was hooked up in the same way.
        assert_eq!(git(tree, &["status", "--porcelain"]).unwrap(), "");
        let maintainers = fs::read_to_string(tree.join("MAINTAINERS")).unwrap();
        let heads = [
            "A\n",
            "NXP i.MX 8MP DW100 V4L2 DRIVER\n",
            "NXP i.MX 8MP DW100 V4L2 DRIVER IN RUST\n",
            "Z\n",
        ];
        let places = heads.map(|head| maintainers.find(head).unwrap());
        assert!(places.is_sorted(), "{maintainers}");
        assert!(maintainers.contains("M:\tA B <a@b.example>\n"));
        // A second series would be mixed with the first one.
        let again = write(&env, tree).unwrap_err();
        assert!(format!("{again:#}").contains("must not exist"), "{again:#}");
    }

    #[test]
    fn messages_fit_in_a_mail() {
        let (title, cover, patches) = patches();
        assert!(!cover.is_empty() && title.len() <= 72);
        assert!(MESSAGES.lines().all(|line| line.len() <= 76));
        for patch in patches {
            assert!(patch.subject.len() <= 72, "{}", patch.subject);
            assert!(!patch.paths.is_empty() && !patch.body.is_empty());
        }
    }

    #[test]
    fn the_part_about_vim2m_says_nothing_of_the_dw100() {
        let env = Env::new(None, None).unwrap();
        for file in ["Kbuild", "Kconfig"] {
            let text = fs::read_to_string(env.checkout.join(file)).unwrap();
            let part = part_of_vim2m(file, &text).unwrap();
            assert!(part.contains("VIDEO_VIM2M_RUST"), "{part}");
            assert!(!part.contains("VIDEO_DW100_RUST"), "{part}");
            assert!(text.len() > part.len());
        }
    }
}
