// SPDX-License-Identifier: GPL-2.0

//! The cache outside the checkout: finished entries named by what went into them, the locks that
//! keep two runs apart, and the removal of old entries.

use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use sha2::{Digest, Sha256};

use crate::step::{Step, Ui};

/// Entries that nobody used for this long are removed when their step builds a new one.
pub const KEEP: Duration = Duration::from_secs(14 * 24 * 3600);

/// A hash of everything that decides what a step produces.
pub struct Key(Sha256);

impl Key {
    /// An empty key.
    pub fn new() -> Self {
        Self(Sha256::new())
    }

    /// Adds a value. Lengths are hashed too, so that neighbours cannot run together.
    pub fn add(mut self, value: impl AsRef<[u8]>) -> Self {
        let value = value.as_ref();
        self.0.update((value.len() as u64).to_le_bytes());
        self.0.update(value);
        self
    }

    /// Adds the content of a file, or of all files below a directory with their relative names.
    /// Hidden files and `target` directories do not count; what does not exist counts as empty.
    pub fn tree(self, path: &Path) -> Result<Self> {
        self.tree_below(path, "")
    }

    fn tree_below(mut self, path: &Path, name: &str) -> Result<Self> {
        if path.is_file() {
            let content = fs::read(path).with_context(|| format!("reading {}", path.display()))?;
            return Ok(self.add(name).add(content));
        }
        let Ok(listing) = fs::read_dir(path) else {
            return Ok(self);
        };
        let mut names: Vec<String> = listing
            .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<_>>()?;
        names.sort();
        for child in names {
            if !child.starts_with('.') && child != "target" {
                self = self.tree_below(&path.join(&child), &format!("{name}/{child}"))?;
            }
        }
        Ok(self)
    }

    /// The key as 16 hexadecimal digits.
    pub fn finish(self) -> String {
        self.0
            .finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// What to do with the directory of a build that was cut short.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Partial {
    /// Start again from an empty directory.
    Discard,
    /// The build knows how to go on (make, ninja).
    Resume,
}

/// What a step builds: its name, its key and its needs.
pub struct Recipe<'a> {
    /// The step's name, in the progress and in the entry's file name.
    pub name: &'a str,
    /// The hash of what goes in.
    pub key: String,
    /// What becomes of a half-built entry.
    pub partial: Partial,
    /// Disk space that must be free before the step starts, in GB.
    pub gigabytes: f64,
}

/// A finished entry. It cannot be removed by another run while this value lives.
pub struct Entry {
    /// The directory that the step filled.
    pub dir: PathBuf,
    /// The key it was built for.
    pub key: String,
    _shared: File,
}

/// The cache directory.
pub struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Opens the cache: `$DW100_CACHE`, else `dw100` in the user's cache directory.
    pub fn open() -> Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = match (set("DW100_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(dir), _, _) => PathBuf::from(dir),
            (_, Some(dir), _) => PathBuf::from(dir).join("dw100"),
            (_, _, Some(home)) => PathBuf::from(home).join(".cache/dw100"),
            _ => bail!("no place for the cache: set DW100_CACHE to a directory"),
        };
        let create = |dir: &str| {
            let dir = root.join(dir);
            fs::create_dir_all(&dir)
                .with_context(|| format!("cannot create {}: set DW100_CACHE", dir.display()))
        };
        ["entries", "locks", "log", "run", "scratch"]
            .into_iter()
            .try_for_each(create)?;
        Ok(Self {
            root: root.canonicalize()?,
        })
    }

    /// The cache's directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The directory of logs.
    pub fn logs(&self) -> PathBuf {
        self.root.join("log")
    }

    /// Returns the entry of `recipe`, building it first if it is not there.
    pub fn entry(
        &self,
        ui: &Ui,
        recipe: &Recipe<'_>,
        build: impl FnOnce(&Step, &Path) -> Result<()>,
    ) -> Result<Entry> {
        let name = format!("{}-{}", recipe.name, recipe.key);
        let dir = self.root.join("entries").join(&name);
        let done = self.root.join("entries").join(format!("{name}.done"));
        let lock = self.lock_file(&name)?;
        let entry = |shared| Entry {
            dir: dir.clone(),
            key: recipe.key.clone(),
            _shared: shared,
        };

        if try_lock(&lock, FlockOperation::NonBlockingLockShared)? && done.exists() {
            touch(&done)?;
            return Ok(entry(lock));
        }
        lock_exclusive(ui, recipe.name, &lock)?;
        if !done.exists() {
            if recipe.partial == Partial::Discard && dir.exists() {
                remove_tree(&dir)?;
            }
            crate::host::need_space(&self.root, recipe.name, recipe.gigabytes)?;
            fs::create_dir_all(&dir)?;
            let step = ui.step(recipe.name, &self.logs())?;
            build(&step, &dir)?;
            touch(&done)?;
            step.finish();
            self.remove_unused(Some(recipe.name), KEEP)?;
        }
        flock(&lock, FlockOperation::LockShared)?;
        Ok(entry(lock))
    }

    /// A directory that keeps what an incremental build needs, for one run at a time.
    pub fn scratch(&self, ui: &Ui, name: &str) -> Result<Scratch> {
        let dir = self.root.join("scratch").join(name);
        let lock = self.lock_file(&format!("scratch-{name}"))?;
        lock_exclusive(ui, name, &lock)?;
        fs::create_dir_all(&dir)?;
        Ok(Scratch {
            dir,
            _exclusive: lock,
        })
    }

    /// A fresh directory for one boot of the board, removed when the value is dropped. Those that
    /// killed runs left behind go too.
    pub fn run_dir(&self) -> Result<RunDir> {
        let all = self.root.join("run");
        for left in fs::read_dir(&all)? {
            let left = left?.path();
            if let Ok(handle) = File::open(&left) {
                if try_lock(&handle, FlockOperation::NonBlockingLockExclusive)? {
                    remove_tree(&left)?;
                }
            }
        }
        // Another run may take a directory between its creation and its lock for an abandoned one.
        for number in 0.. {
            let dir = all.join(format!("{}-{number}", std::process::id()));
            if fs::create_dir(&dir).is_err() {
                continue;
            }
            let Ok(handle) = File::open(&dir) else {
                continue;
            };
            flock(&handle, FlockOperation::LockShared)?;
            if dir.exists() {
                return Ok(RunDir {
                    dir,
                    _shared: handle,
                });
            }
        }
        unreachable!("the numbers do not end")
    }

    /// Removes entries unused for `age`, of one step or of all. Those in use stay; returns the
    /// names of the removed ones.
    pub fn remove_unused(&self, step: Option<&str>, age: Duration) -> Result<Vec<String>> {
        let mut removed = Vec::new();
        let entries = self.root.join("entries");
        for file in fs::read_dir(&entries)? {
            let dir = file?.path();
            let Some(name) = dir
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
            else {
                continue;
            };
            let of_step = |step: &str| {
                name.strip_prefix(step)
                    .is_some_and(|rest| rest.len() == 17 && rest.starts_with('-'))
            };
            if !dir.is_dir() || step.is_some_and(|step| !of_step(step)) {
                continue;
            }
            let done = entries.join(format!("{name}.done"));
            let used = fs::metadata(&done)
                .or_else(|_| fs::metadata(&dir))?
                .modified()?;
            if SystemTime::now().duration_since(used).unwrap_or_default() < age {
                continue;
            }
            let lock = self.lock_file(&name)?;
            if try_lock(&lock, FlockOperation::NonBlockingLockExclusive)? {
                let _ = fs::remove_file(&done);
                remove_tree(&dir)?;
                removed.push(name);
            }
        }
        Ok(removed)
    }

    fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.root.join("locks").join(name);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        options
            .open(&path)
            .with_context(|| format!("opening the lock {}", path.display()))
    }
}

/// A build directory that belongs to this run until dropped.
pub struct Scratch {
    /// The directory.
    pub dir: PathBuf,
    _exclusive: File,
}

/// The files of one boot.
pub struct RunDir {
    /// The directory.
    pub dir: PathBuf,
    _shared: File,
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = remove_tree(&self.dir);
    }
}

fn try_lock(file: &File, operation: FlockOperation) -> Result<bool> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes the lock for this run alone, telling who holds it while it waits.
fn lock_exclusive(ui: &Ui, step: &str, mut lock: &File) -> Result<()> {
    if !try_lock(lock, FlockOperation::NonBlockingLockExclusive)? {
        let mut holder = String::new();
        lock.rewind()?;
        lock.read_to_string(&mut holder)?;
        ui.say(&format!(
            "waiting for another run: step {step}, pid {}",
            holder.trim()
        ));
        flock(lock, FlockOperation::LockExclusive)?;
    }
    lock.set_len(0)?;
    lock.rewind()?;
    write!(lock, "{}", std::process::id())?;
    Ok(())
}

fn touch(path: &Path) -> Result<()> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    file.set_modified(SystemTime::now())?;
    Ok(())
}

/// Removes a directory tree, unless something is still mounted in it.
fn remove_tree(dir: &Path) -> Result<()> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let inside = format!(" {}/", dir.display());
    if mounts.contains(&inside) {
        bail!(
            "something is mounted in {}: unmount it first",
            dir.display()
        );
    }
    fs::remove_dir_all(dir).with_context(|| format!("removing {}", dir.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_depends_on_where_values_end() {
        let split = |parts: &[&str]| parts.iter().fold(Key::new(), |key, part| key.add(part));
        assert_eq!(split(&["ab", "c"]).finish(), split(&["ab", "c"]).finish());
        assert_ne!(split(&["ab", "c"]).finish(), split(&["a", "bc"]).finish());
        assert_eq!(split(&["ab"]).finish().len(), 16);
    }

    #[test]
    fn key_of_a_tree_sees_names_and_contents_but_not_hidden_files() {
        let dir = std::env::temp_dir().join(format!("xtask-key-{}", std::process::id()));
        fs::create_dir_all(dir.join("sub")).unwrap();
        fs::write(dir.join("sub/a"), "1").unwrap();
        let key = || Key::new().tree(&dir).unwrap().finish();
        let first = key();
        fs::write(dir.join(".hidden"), "x").unwrap();
        assert_eq!(key(), first);
        fs::write(dir.join("sub/a"), "2").unwrap();
        let second = key();
        assert_ne!(second, first);
        fs::rename(dir.join("sub/a"), dir.join("sub/b")).unwrap();
        assert_ne!(key(), second);
        fs::remove_dir_all(&dir).unwrap();
    }
}
