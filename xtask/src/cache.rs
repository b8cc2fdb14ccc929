// SPDX-License-Identifier: GPL-2.0

//! The cache, a directory outside the checkout. An entry holds the result of one build step (the
//! sandbox, a kernel, QEMU) and is named after the hash of all that the step depends on. Locks
//! (`flock`) keep several runs of xtask from building or removing the same entry at the same time:
//!
//! ```text
//!   entries/NAME-KEY/     the files of a step; entries/NAME-KEY.done exists once it is finished
//!   locks/NAME-KEY        exclusive while the entry is built or removed, shared while it is used
//!   scratch/NAME/         a directory for incremental builds; locks/scratch-NAME is exclusive while
//!                         it is used
//!   run/PID-N/            the files of one boot of the board; the directory itself is locked,
//!                         exclusive
//!   log/                  the output of steps
//! ```

mod clean;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};

use crate::step::{Step, Ui, unused_dir};

/// What happens to the directory of an interrupted build.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Partial {
    /// Start again with an empty directory.
    Discard,
    /// Keep it: the build continues where it stopped (make, ninja).
    Resume,
}

/// Describes a step and the entry that it builds.
pub struct Recipe<'a> {
    /// The step's name, shown in the progress and part of the entry's name.
    pub name: &'a str,
    /// The hash of all that the step depends on.
    pub key: String,
    /// What happens to an unfinished entry of an earlier run.
    pub partial: Partial,
    /// Disk space that must be free when the step starts, in GB.
    pub gigabytes: f64,
}

/// A finished entry. It is not removed while this value lives.
pub struct Entry {
    /// The directory that the step wrote.
    pub dir: PathBuf,
    /// The key of the recipe.
    pub key: String,
    _shared: File,
}

/// The cache directory.
pub struct Cache {
    /// The path of the cache directory.
    root: PathBuf,
    /// The open cache directory. Its shared lock, which this run holds until it ends, tells `clean
    /// --all` that the cache is in use.
    users: File,
}

/// The names of the subdirectories of the cache directory.
const PARTS: [&str; 5] = ["entries", "locks", "log", "run", "scratch"];

impl Cache {
    /// Opens the cache at `$DW100_CACHE`, or else at `dw100` in the user's cache directory.
    pub fn open() -> Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let root = match (set("DW100_CACHE"), set("XDG_CACHE_HOME"), set("HOME")) {
            (Some(dir), _, _) => PathBuf::from(dir),
            (_, Some(dir), _) => PathBuf::from(dir).join("dw100"),
            (_, _, Some(home)) => PathBuf::from(home).join(".cache/dw100"),
            _ => bail!("no place for the cache: set DW100_CACHE to a directory"),
        };
        Self::at(&root)
    }

    fn at(root: &Path) -> Result<Self> {
        let create = |dir: &Path| {
            fs::create_dir_all(dir).with_context(|| {
                format!(
                    "cannot create {} (set DW100_CACHE to use another directory)",
                    dir.display()
                )
            })
        };
        create(root)?;
        let root = root.canonicalize()?;
        let users = File::open(&root)?;
        flock(&users, FlockOperation::LockShared)?;
        for dir in PARTS {
            create(&root.join(dir))?;
        }
        Ok(Self { root, users })
    }

    /// Returns the cache directory.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Returns whether all that is in the cache is this user's. Each part has a lock, which belongs to the
    /// user who last changed that part.
    pub fn is_of_this_user(&self) -> bool {
        let user = rustix::process::geteuid().as_raw();
        let Ok(mut locks) = fs::read_dir(self.root.join("locks")) else {
            return false;
        };
        locks.all(|lock| {
            // A lock that was removed meanwhile is nobody's.
            let lock = lock.and_then(|lock| lock.metadata());
            lock.map_or(true, |lock| lock.uid() == user)
        })
    }

    /// Returns the path of the log file of a step whose result is not cached. Its name has the PID of
    /// this run.
    pub fn log(&self, step: &str) -> PathBuf {
        self.log_of(step, &std::process::id().to_string())
    }

    /// Returns the path of the log file of a step. `key` is the entry's key, or the PID of the run.
    fn log_of(&self, step: &str, key: &str) -> PathBuf {
        self.root.join("log").join(format!("{step}-{key}.log"))
    }

    /// Returns the entry of `recipe`. Builds it with `build` if it does not exist.
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

        // A run that holds the shared lock tries for the exclusive one. If it does not get that, it
        // holds no lock any more (flock), so two such runs do not wait for each other.
        loop {
            if try_lock(&lock, FlockOperation::NonBlockingLockShared)? && done.exists() {
                touch(&done)?;
                return Ok(entry(lock));
            }
            if try_lock(&lock, FlockOperation::NonBlockingLockExclusive)? {
                break;
            }
            wait(ui, recipe.name, &lock, FlockOperation::LockShared)?;
        }
        sign(&lock);
        if !done.exists() {
            if recipe.partial == Partial::Discard && dir.exists() {
                remove_tree(&dir)?;
            }
            crate::host::need_space(&self.root, recipe.name, recipe.gigabytes)?;
            fs::create_dir_all(&dir)?;
            let step = ui.step(recipe.name, self.log_of(recipe.name, &recipe.key))?;
            build(&step, &dir)?;
            touch(&done)?;
            step.finish();
            self.remove_old(Some(recipe.name))?;
        }
        flock(&lock, FlockOperation::LockShared)?;
        Ok(entry(lock))
    }

    /// Returns the directory of an incremental build. Waits until no other run or thread uses it.
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

    /// Creates a directory for one boot of the board, which is removed when the returned [`RunDir`] is
    /// dropped. Also removes the directories that killed runs have left.
    pub fn run_dir(&self) -> Result<RunDir> {
        let all = self.root.join("run");
        for left in fs::read_dir(&all)? {
            let left = left?.path();
            // The check comes after the lock: the opened directory may have been removed meanwhile, and
            // another one created with its name.
            if let Ok(handle) = File::open(&left)
                && try_lock(&handle, FlockOperation::NonBlockingLockExclusive)?
                && is_at(&handle, &left)
            {
                remove_tree(&left)?;
            }
        }
        // Another thread may lock the new directory first, take it for that of a killed run, and remove
        // it. It may then create a directory with the same name. The check after the lock makes sure
        // that each directory has one owner.
        let prefix = format!("{}-", std::process::id());
        loop {
            let dir = unused_dir(&all, &prefix)
                .context("is the disk full? Set DW100_CACHE to use another directory")?;
            let handle = match File::open(&dir) {
                Ok(handle) => handle,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => return Err(error).with_context(|| dir.display().to_string()),
            };
            if try_lock(&handle, FlockOperation::NonBlockingLockExclusive)? && is_at(&handle, &dir)
            {
                return Ok(RunDir {
                    dir,
                    _exclusive: handle,
                });
            }
        }
    }

    /// Opens the lock file `name`, and creates it if it does not exist.
    fn lock_file(&self, name: &str) -> Result<File> {
        let path = self.root.join("locks").join(name);
        let mut options = File::options();
        options.create(true).truncate(false).read(true).write(true);
        // The lock file of another user can be locked, but not written.
        options
            .open(&path)
            .or_else(|_| File::open(&path))
            .with_context(|| format!("opening the lock {}", path.display()))
    }
}

/// A directory of an incremental build, locked for this run until the value is dropped.
pub struct Scratch {
    /// The directory.
    pub dir: PathBuf,
    _exclusive: File,
}

/// The directory of one boot of the board, locked until this value is dropped.
pub struct RunDir {
    /// The directory.
    pub dir: PathBuf,
    _exclusive: File,
}

impl Drop for RunDir {
    fn drop(&mut self) {
        let _ = remove_tree(&self.dir);
    }
}

/// Returns whether `path` names the open file or directory.
fn is_at(open: &File, path: &Path) -> bool {
    let place = |data: fs::Metadata| (data.dev(), data.ino());
    match (open.metadata(), fs::symlink_metadata(path)) {
        (Ok(open), Ok(found)) => place(open) == place(found),
        _ => false,
    }
}

/// Takes the lock if that does not mean to wait for another holder. Returns whether it did.
fn try_lock(file: &File, operation: FlockOperation) -> Result<bool> {
    match flock(file, operation) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Takes an exclusive lock. If it has to wait, it prints the PID of the last run that had it.
fn lock_exclusive(ui: &Ui, step: &str, lock: &File) -> Result<()> {
    if !try_lock(lock, FlockOperation::NonBlockingLockExclusive)? {
        wait(ui, step, lock, FlockOperation::LockExclusive)?;
    }
    sign(lock);
    Ok(())
}

/// Waits for a lock, and prints the PID of the last run that took it exclusively.
fn wait(ui: &Ui, step: &str, mut lock: &File, operation: FlockOperation) -> Result<()> {
    // A run that took the lock a moment ago may not have written its PID yet.
    std::thread::sleep(Duration::from_millis(20));
    let mut holder = String::new();
    lock.rewind()?;
    lock.read_to_string(&mut holder)?;
    let holder = holder.trim();
    // If a thread of this run holds the lock, that thread shows its progress.
    if holder != std::process::id().to_string() {
        ui.say(&format!(
            "waiting for another run: step {step}, pid {holder}"
        ));
    }
    Ok(flock(lock, operation)?)
}

/// Writes this run's PID into the lock file, and makes it this user's.
fn sign(mut lock: &File) {
    let _ = std::os::unix::fs::fchown(lock, Some(rustix::process::geteuid().as_raw()), None);
    let mut sign = || -> std::io::Result<()> {
        lock.set_len(0)?;
        lock.rewind()?;
        write!(lock, "{}", std::process::id())
    };
    let _ = sign();
}

/// Creates the file if it does not exist, and sets its modification time to the current time.
fn touch(path: &Path) -> Result<()> {
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)?;
    file.set_modified(SystemTime::now())?;
    Ok(())
}

/// Removes a directory tree. Fails if a file system is mounted below it.
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

    /// A cache for one test, which is removed after the test.
    pub(super) struct TestCache(pub(super) Cache);

    impl TestCache {
        pub(super) fn new(name: &str) -> Self {
            let name = format!("xtask-{name}-{}", std::process::id());
            Self(Cache::at(&std::env::temp_dir().join(name)).unwrap())
        }

        fn entry(
            &self,
            partial: Partial,
            build: impl FnOnce(&Path) -> Result<()>,
        ) -> Result<Entry> {
            let recipe = Recipe {
                name: "step",
                key: "0123456789abcdef".to_owned(),
                partial,
                gigabytes: 0.0,
            };
            self.0.entry(&Ui::new(), &recipe, |_, dir| build(dir))
        }
    }

    impl Drop for TestCache {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.0.root());
        }
    }

    #[test]
    fn a_step_that_two_runs_want_is_built_once() {
        let cache = TestCache::new("twice");
        let built = std::sync::atomic::AtomicUsize::new(0);
        let run = || {
            let build = |_: &Path| {
                std::thread::sleep(Duration::from_millis(100));
                built.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                Ok(())
            };
            cache.entry(Partial::Discard, build).unwrap();
        };
        std::thread::scope(|scope| {
            scope.spawn(run);
            scope.spawn(run);
        });
        assert_eq!(built.into_inner(), 1);
    }

    #[test]
    fn a_run_that_waited_for_an_entry_shares_it_with_its_builder() {
        const RUNS: usize = 3;
        for _ in 0..3 {
            let cache = TestCache::new("together");
            // Each run drops the entry when all of them have it.
            let all = std::sync::Barrier::new(RUNS);
            std::thread::scope(|scope| {
                for _ in 0..RUNS {
                    scope.spawn(|| {
                        let build = |_: &Path| {
                            std::thread::sleep(Duration::from_millis(50));
                            Ok(())
                        };
                        let _entry = cache.entry(Partial::Discard, build).unwrap();
                        all.wait();
                    });
                }
            });
        }
    }

    #[test]
    fn a_directory_differs_from_a_later_one_with_its_name() {
        let path = std::env::temp_dir().join(format!("xtask-is-at-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let open = File::open(&path).unwrap();
        assert!(is_at(&open, &path));
        fs::remove_dir(&path).unwrap();
        assert!(!is_at(&open, &path));
        fs::create_dir(&path).unwrap();
        assert!(!is_at(&open, &path));
        fs::remove_dir(&path).unwrap();
    }

    #[test]
    fn a_boot_has_its_directory_to_itself() {
        let cache = TestCache::new("run-dirs");
        let boots = || {
            for _ in 0..300 {
                let run = cache.0.run_dir().unwrap();
                let other = File::open(&run.dir).unwrap();
                assert!(!try_lock(&other, FlockOperation::NonBlockingLockShared).unwrap());
                let file = run.dir.join("file");
                File::create_new(&file).unwrap();
                std::thread::yield_now();
                fs::remove_file(&file).unwrap();
            }
        };
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(boots);
            }
        });
    }

    #[test]
    fn an_unfinished_build_is_no_entry_and_continues_or_starts_again() {
        for (partial, goes_on) in [(Partial::Resume, true), (Partial::Discard, false)] {
            let cache = TestCache::new("partial");
            let cut = cache.entry(partial, |dir| {
                fs::write(dir.join("half"), "")?;
                bail!("killed")
            });
            assert!(cut.is_err());
            let again = cache.entry(partial, |dir| {
                assert_eq!(dir.join("half").exists(), goes_on);
                Ok(())
            });
            assert!(again.is_ok());
            let third = cache.entry(partial, |_| bail!("built again"));
            assert!(third.is_ok());
        }
    }
}
