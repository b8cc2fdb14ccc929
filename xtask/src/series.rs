// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask series TREE`: writes the drivers and their abstractions as a series of patches for a
//! kernel's git repository.
//!
//! `series/messages.txt` has the subject and the text of the cover letter, and then the subject, the
//! files and the message of each patch. A line that starts with `+ ` names a file or a directory of this
//! repository.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::Env;
use crate::cache::RunDir;
use crate::module::{self, DIRECTORY, VENDOR};
use crate::step::{self, copy_file, files, make_dir, stdout_of};

/// The cover letter, and after each line that begins with `==` the message of a patch.
const MESSAGES: &str = include_str!("series/messages.txt");

/// The branch of the repository that gets the patches.
const BRANCH: &str = "dw100-rust";

/// The entry of the drivers in MAINTAINERS, and the title of the entry that it comes after.
const ENTRY: &str = include_str!("../../MAINTAINERS");
const NEIGHBOUR: &str = "NXP i.MX 8MP DW100 V4L2 DRIVER\n";

/// The driver's page in this repository and in a kernel tree, and the index of its directory there.
const OUR_PAGE: &str = "docs/dw100-rust.rst";
pub const PAGE: &str = "Documentation/userspace-api/media/drivers/dw100-rust.rst";
pub const INDEX: &str = "Documentation/userspace-api/media/drivers/index.rst";

/// The lines that name the page and its neighbour in the index.
const PAGES: [&str; 2] = ["\tdw100-rust", "\tdw100"];

/// The line of `Kbuild` at which the part about the DW100 begins.
const DW100: &str = "\n# The driver of the DW100.";

/// The files of a kernel tree that the series changes, or that this command reads.
pub const READ: [&str; 5] = [
    "Makefile",
    "MAINTAINERS",
    INDEX,
    "drivers/media/platform/nxp/Kconfig",
    "drivers/media/platform/nxp/Makefile",
];

/// A patch of the series.
struct Patch {
    subject: &'static str,
    /// Files and directories of this repository.
    paths: Vec<&'static str>,
    body: &'static str,
}

/// Returns the subject of the cover letter.
pub fn title() -> &'static str {
    MESSAGES.lines().next().unwrap_or_default()
}

/// Returns the cover letter and the patches.
fn letters() -> (&'static str, Vec<Patch>) {
    let mut parts = MESSAGES.split("\n== ");
    let cover = parts.next().unwrap_or_default();
    let patches = parts.filter_map(|part| {
        let (head, body) = part.split_once("\n\n")?;
        let mut lines = head.lines();
        Some(Patch {
            subject: lines.next()?,
            paths: lines.filter_map(|line| line.strip_prefix("+ ")).collect(),
            body: body.trim_end(),
        })
    });
    (cover, patches.collect())
}

/// Writes the series to the new directory `to`, for the commit that is checked out in `tree`. The
/// repository gets a new branch with the patches as commits. The files in `tree` stay as they are.
pub fn write(env: &Env, tree: &Path, to: &Path) -> Result<()> {
    ensure!(
        !to.exists(),
        "{} exists: remove it, or rename it",
        to.display()
    );
    let repository = Repository::open(env, tree)?;
    let mut commit = repository.git(&["rev-parse", "HEAD"])?;
    let (cover, patches) = letters();
    let count = patches.len();
    for patch in patches {
        for path in patch.paths {
            let added = add(env, &repository.files, path, &repository.signer)
                .with_context(|| format!("adding {path}"))?;
            repository.stage(&added)?;
        }
        let message = format!(
            "{}\n\n{}\n\nSigned-off-by: {}\n",
            patch.subject, patch.body, repository.signer
        );
        commit = repository.commit(&commit, &message)?;
    }
    repository.git(&["branch", BRANCH, &commit])?;
    repository.git(&["config", &format!("branch.{BRANCH}.description"), cover])?;
    make_dir(to.parent().context("a directory has a parent")?)?;
    let mut format = repository.command();
    format
        .args(["-c", "diff.noprefix=false", "-c", "format.suffix=.patch"])
        .args(["format-patch", "--quiet", "--cover-letter"])
        .args(["--cover-from-description=subject", "-o"])
        .arg(to)
        .arg(format!("--base={BRANCH}~{count}"))
        .arg(format!("{BRANCH}~{count}..{BRANCH}"));
    stdout_of(&mut format).map(drop)
}

/// A kernel's git repository, with an index and files of this command's own.
struct Repository {
    tree: PathBuf,
    /// The directory of the files. It has those that the series reads or has changed, and no others.
    files: PathBuf,
    index: PathBuf,
    /// The name and the address of the author.
    signer: String,
    _work: RunDir,
}

impl Repository {
    /// Checks that the series can be made for the commit that is checked out in `tree`.
    fn open(env: &Env, tree: &Path) -> Result<Self> {
        let tree = tree
            .canonicalize()
            .with_context(|| tree.display().to_string())?;
        let work = env.cache.run_dir()?;
        let mut this = Self {
            files: work.dir.join("files"),
            index: work.dir.join("index"),
            signer: String::new(),
            tree,
            _work: work,
        };
        make_dir(&this.files)?;
        let shown = this.tree.display();
        let mut top = git(&this.tree);
        let top = stdout_of(top.args(["rev-parse", "--show-toplevel"]))
            .with_context(|| format!("{shown} must be a git checkout of a kernel"))?;
        ensure!(
            Path::new(top.trim()) == this.tree,
            "{shown} is in the git repository of {}, and must be one of its own",
            top.trim()
        );
        for file in READ {
            let mut show = this.command();
            let text = stdout_of(show.arg("show").arg(format!("HEAD:{file}")))?;
            let to = this.files.join(file);
            make_dir(to.parent().context("a file has a directory")?)?;
            fs::write(to, text)?;
        }
        module::check_tree(env, &this.files)?;
        let driver = format!("{VENDOR}/{DIRECTORY}");
        ensure!(
            this.git(&["ls-tree", "HEAD", &driver])?.is_empty(),
            "the commit that is checked out in {shown} has {driver} already"
        );
        let branch = format!("refs/heads/{BRANCH}");
        ensure!(
            this.git(&["for-each-ref", &branch])?.is_empty(),
            "{shown} has a branch {BRANCH} already: delete it (git branch -D {BRANCH}), or rename it"
        );
        let ident = this.git(&["var", "GIT_AUTHOR_IDENT"]).context(
            "the patches are signed off: set your name and address with git config user.name and user.email",
        )?;
        let end = ident.find('>').map_or(0, |end| end + 1);
        ident[..end].clone_into(&mut this.signer);
        this.git(&["read-tree", "HEAD"])?;
        Ok(this)
    }

    /// Puts files of [`Self::files`] into the index.
    fn stage(&self, paths: &[PathBuf]) -> Result<()> {
        let mut add = self.command();
        add.arg("--work-tree").arg(&self.files);
        stdout_of(add.args(["add", "--force", "--"]).args(paths)).map(drop)
    }

    /// Creates a commit of the index. Returns its name.
    fn commit(&self, parent: &str, message: &str) -> Result<String> {
        let tree = self.git(&["write-tree"])?;
        let mut commit = self.command();
        commit.args(["commit-tree", &tree, "-p", parent, "-F", "-"]);
        commit.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = commit.spawn().context("starting git")?;
        let mut stdin = child.stdin.take().context("the pipe was asked for")?;
        stdin.write_all(message.as_bytes())?;
        drop(stdin);
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("{} failed", step::show(&commit));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    /// Runs git. Returns what it prints, without the last line end.
    fn git(&self, words: &[&str]) -> Result<String> {
        let printed = stdout_of(self.command().args(words))?;
        Ok(printed.trim_end().to_owned())
    }

    fn command(&self) -> Command {
        let mut git = git(&self.tree);
        git.env("GIT_INDEX_FILE", &self.index);
        git
    }
}

/// Returns git for the repository in `tree`, also in a hook of another repository.
fn git(tree: &Path) -> Command {
    let mut git = Command::new("git");
    for variable in ["GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"] {
        git.env_remove(variable);
    }
    git.arg("-C").arg(tree);
    git
}

/// Puts a file or a directory of this repository into `tree`. Returns the paths of the files in the tree
/// that it wrote.
fn add(env: &Env, tree: &Path, path: &str, signer: &str) -> Result<Vec<PathBuf>> {
    let driver = Path::new(VENDOR).join(DIRECTORY);
    let from = env.checkout.join(path);
    let mut written = Vec::new();
    match path {
        "MAINTAINERS" => {
            let file = tree.join(path);
            let text = with_entry(&fs::read_to_string(&file)?, signer)?;
            fs::write(file, text)?;
            written.push(path.into());
        }
        OUR_PAGE => {
            copy_file(&from, &tree.join(PAGE))?;
            let [page, neighbour] = PAGES;
            let index = tree.join(INDEX);
            let has = fs::read_to_string(&index)?
                .lines()
                .any(|line| line == neighbour);
            ensure!(has, "{INDEX} has no line {neighbour:?} any more");
            module::edit(&index, |text| module::with_line(text, page, neighbour))?;
            written.extend([PAGE.into(), INDEX.into()]);
        }
        "Kbuild" | "Kconfig" if !tree.join(&driver).join(path).exists() => {
            let text = fs::read_to_string(&from)?;
            let part = part_of_vim2m(path, &text).context("it has no part about vim2m")?;
            let to = driver.join(path);
            fs::write(tree.join(&to), part)?;
            module::hook(tree)?;
            written.push(to);
            written.extend(["Kconfig", "Makefile"].map(|file| Path::new(VENDOR).join(file)));
        }
        _ => {
            let all = match from.is_dir() {
                true => files(&from, None)?,
                false => vec![from],
            };
            for file in all {
                let to = driver.join(file.strip_prefix(&env.checkout)?);
                copy_file(&file, &tree.join(&to))?;
                written.push(to);
            }
        }
    }
    Ok(written)
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

/// Returns the text of MAINTAINERS with the entry of the drivers, whose maintainer is `signer`.
fn with_entry(text: &str, signer: &str) -> Result<String> {
    let (title, entry) = ENTRY.split_once('\n').context("the entry has a title")?;
    let (before, rest) = text
        .split_once(NEIGHBOUR)
        .context("it has no entry of the driver in C any more")?;
    let (neighbour, after) = rest.split_once("\n\n").context("the entry has no end")?;
    Ok(format!(
        "{before}{NEIGHBOUR}{neighbour}\n\n{title}\nM:\t{signer}\n{entry}\n{after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_fit_in_a_mail() {
        assert!(title().len() <= 70);
        assert!(MESSAGES.lines().all(|line| line.len() <= 75));
        let (_, all) = letters();
        assert!(all.len() > 5);
        for patch in all {
            assert!(!patch.paths.is_empty() && !patch.body.is_empty());
        }
    }

    #[test]
    fn an_entry_comes_after_that_of_the_driver_in_c() {
        let text = "A\nF:\ta\n\nNXP i.MX 8MP DW100 V4L2 DRIVER\nF:\tb\n\nZ\nF:\tz\n";
        let with = with_entry(text, "A B <a@b.example>").unwrap();
        assert!(with.starts_with(&text[..text.find("Z\n").unwrap()]));
        assert!(with.ends_with("\n\nZ\nF:\tz\n"));
        assert!(
            with.contains("DRIVER [RUST]\nM:\tA B <a@b.example>\nL:\t"),
            "{with}"
        );
        assert!(with_entry("A\nF:\ta\n", "A B <a@b.example>").is_err());
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
