// SPDX-License-Identifier: GPL-2.0

//! Steps: work that may take long. Shows a step's name, elapsed time and log file, and the last lines
//! of the log if it fails. Also runs commands and handles files, with errors that say what failed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// Without a terminal, a running step prints a line at this interval.
const HEARTBEAT: Duration = Duration::from_secs(60);

/// Prints progress to stderr: spinners on a terminal, otherwise lines.
pub struct Ui {
    bars: Option<MultiProgress>,
}

impl Ui {
    /// Checks whether stderr is a terminal.
    pub fn new() -> Self {
        let terminal = std::io::IsTerminal::is_terminal(&std::io::stderr());
        Self {
            bars: terminal.then(MultiProgress::new),
        }
    }

    /// Prints a line.
    pub fn say(&self, line: &str) {
        match &self.bars {
            Some(bars) => drop(bars.println(line)),
            None => eprintln!("{line}"),
        }
    }

    /// Starts a step with an empty log file.
    pub fn step(&self, name: &str, log: PathBuf) -> Result<Step> {
        File::create(&log).with_context(|| format!("creating the log {}", log.display()))?;
        let bar = self.bars.as_ref().map(|bars| {
            let style = ProgressStyle::with_template("{spinner} {prefix} {elapsed}  {wide_msg}")
                .unwrap_or_else(|_| ProgressStyle::default_spinner());
            let bar = bars.add(ProgressBar::new_spinner().with_style(style));
            bar.set_prefix(name.to_owned());
            bar
        });
        if bar.is_none() {
            eprintln!("{name}: started, log {}", log.display());
        }
        Ok(Step {
            name: name.to_owned(),
            log,
            bar,
            started: Instant::now(),
        })
    }
}

/// A running step.
pub struct Step {
    name: String,
    /// The log file.
    pub log: PathBuf,
    bar: Option<ProgressBar>,
    started: Instant,
}

impl Step {
    /// Runs a command with its output in the log. The error has the log's last lines.
    pub fn run(&self, command: &mut Command) -> Result<()> {
        let mut log = File::options().append(true).open(&self.log)?;
        writeln!(log, "+ {}", show(command))?;
        let start = log.metadata()?.len();
        let last = || tail(&self.log, start, 1);
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let mut child = command.spawn().with_context(|| start_hint(command))?;
        let mut beat = Instant::now();
        let mut pause = Duration::from_millis(2);
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if let Some(bar) = &self.bar {
                bar.set_message(last());
                bar.tick();
            } else if beat.elapsed() >= HEARTBEAT {
                beat = Instant::now();
                let seconds = self.started.elapsed().as_secs();
                eprintln!("{}: {seconds} s, {}", self.name, last());
            }
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(100));
        };
        if !status.success() {
            let lines = tail(&self.log, 0, 20);
            bail!(
                "step {} failed ({status}){}\nlast lines of {}:\n{lines}",
                self.name,
                advice(&lines),
                self.log.display()
            );
        }
        Ok(())
    }

    /// Ends the step and prints its elapsed time.
    pub fn finish(self) {
        let line = format!(
            "{}: done in {} s",
            self.name,
            self.started.elapsed().as_secs()
        );
        match &self.bar {
            Some(bar) => bar.println(line),
            None => eprintln!("{line}"),
        }
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Runs a command without input.
fn run(command: &mut Command) -> Result<Output> {
    let output = command.stdin(Stdio::null()).output();
    output.with_context(|| start_hint(command))
}

/// Runs a command and returns its output on stdout. The error has its output on stderr.
pub fn stdout_of(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        bail!(
            "{} failed ({}): {}",
            show(command),
            output.status,
            errors.trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command and returns its output on stdout, and then on stderr. The error has the last lines of
/// both.
pub fn output_of(command: &mut Command) -> Result<String> {
    let output = run(command)?;
    let mut said = String::from_utf8_lossy(&output.stdout).into_owned();
    said += &String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        bail!("{}\n{}", output.status, last_lines(&said, 30));
    }
    Ok(said)
}

/// Returns the last lines of a text.
pub fn last_lines(text: &str, count: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(count)..].join("\n")
}

/// Returns the last lines of a file after byte `start`. It reads at most 8 KB.
pub fn tail(path: &Path, start: u64, lines: usize) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(start.max(length.saturating_sub(8192))))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let all: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    all[all.len().saturating_sub(lines)..].join("\n")
}

/// Returns the command as it is typed in a shell.
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let quote = |word: &std::ffi::OsStr| {
        let word = word.to_string_lossy().into_owned();
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_=/.,:+@%".contains(c);
        if !word.is_empty() && word.chars().all(plain) {
            word
        } else {
            format!("'{}'", word.replace('\'', r"'\''"))
        }
    };
    words.map(quote).collect::<Vec<_>>().join(" ")
}

fn start_hint(command: &Command) -> String {
    format!(
        "cannot start {}: is it installed?",
        command.get_program().to_string_lossy()
    )
}

/// Returns what the user can do about a failure with this log.
fn advice(log: &str) -> &'static str {
    let says = |words: &[&str]| words.iter().any(|word| log.contains(word));
    if says(&["No space left on device"]) {
        ": the disk is full; free some space or set DW100_CACHE to a directory on a larger disk"
    } else if says(&[
        "Could not resolve",
        "Temporary failure resolving",
        "Could not connect",
        "Failed to fetch",
        "Network is unreachable",
        "Could not handshake",
        "Connection timed out",
        "Connection failed",
    ]) {
        ": the network or the package mirror cannot be reached; check it, or pass --mirror URL"
    } else if says(&["unshare failed", "unshare: ", "mount: "]) {
        ": root must be allowed to mount (in a container, start it privileged)"
    } else {
        ""
    }
}

/// Creates a directory with its parents. The error names the directory.
pub fn make_dir(dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))
}

/// Creates a directory in `all` that did not exist, named `prefix` and a number. Also creates its
/// parents.
pub fn unused_dir(all: &Path, prefix: &str) -> Result<PathBuf> {
    make_dir(all)?;
    for number in 0.. {
        let dir = all.join(format!("{prefix}{number}"));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error).with_context(|| format!("creating {}", dir.display())),
        }
    }
    unreachable!("the numbers do not end")
}

/// Returns the files below a directory in order: all, or those with one of these extensions. Hidden
/// files and `target` directories are left out.
pub fn files(dir: &Path, extensions: Option<&[&str]>) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("reading {}", dir.display()))? {
        let path = entry?.path();
        let text =
            |part: Option<&OsStr>| part.and_then(OsStr::to_str).unwrap_or_default().to_owned();
        let (name, kind) = (text(path.file_name()), text(path.extension()));
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            found.extend(files(&path, extensions)?);
        } else if path.is_file() && extensions.is_none_or(|wanted| wanted.contains(&kind.as_str()))
        {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Removes a directory, which may not exist.
pub fn remove_dir(dir: &Path) -> Result<()> {
    if dir.exists() {
        fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))?;
    }
    Ok(())
}

/// Copies the files below a directory, see [`files`].
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    for file in files(from, None)? {
        copy_file(&file, &to.join(file.strip_prefix(from)?))?;
    }
    Ok(())
}

/// Copies a file, and creates the directory of the copy. The error names both paths.
pub fn copy_file(from: &Path, to: &Path) -> Result<()> {
    make_dir(to.parent().unwrap_or(Path::new("/")))?;
    fs::copy(from, to)
        .with_context(|| format!("copying {} to {}", from.display(), to.display()))?;
    Ok(())
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A directory for one test, which is removed when the value is dropped.
    pub struct TestDir(PathBuf);

    impl TestDir {
        /// Creates the directory.
        pub fn new(name: &str) -> Self {
            let prefix = format!("xtask-{name}-{}-", std::process::id());
            Self(unused_dir(&std::env::temp_dir(), &prefix).unwrap())
        }

        /// Returns the directory.
        pub fn path(&self) -> &Path {
            &self.0
        }
    }

    impl Drop for TestDir {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn advice_names_the_cause_of_common_failures() {
        let network =
            "Err:1 http://mirror trixie InRelease\n  Temporary failure resolving 'mirror'";
        assert!(advice(network).contains("--mirror"));
        assert!(advice("write: No space left on device").contains("DW100_CACHE"));
        assert_eq!(advice("error[E0425]: cannot find value"), "");
    }

    #[test]
    fn shown_commands_are_quoted_for_the_shell() {
        let mut command = Command::new("make");
        command.args(["O=/a b", "it's", "-j2", ""]);
        assert_eq!(show(&command), r"make 'O=/a b' 'it'\''s' -j2 ''");
    }
}
