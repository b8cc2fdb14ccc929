// SPDX-License-Identifier: GPL-2.0

//! Removes old entries from the cache, or all of them.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use rustix::fs::FlockOperation;

use super::{Cache, remove_tree, try_lock};

/// An entry, a directory of incremental builds or a log that was not used for this long is removed.
const KEEP: Duration = Duration::from_secs(14 * 24 * 3600);

impl Cache {
    /// Removes old logs, and old entries of one step. Without a step, it removes the old entries of all
    /// steps and the old directories of incremental builds. Returns the names of the removed entries
    /// and directories.
    pub fn remove_old(&self, step: Option<&str>) -> Result<Vec<String>> {
        let mut removed = self.remove_unused(step, KEEP)?;
        if step.is_none() {
            removed.extend(self.remove_scratch(KEEP)?);
        }
        self.remove_logs(KEEP)?;
        Ok(removed)
    }

    /// Removes the cache if no other run uses it; otherwise the entries and directories that no run has
    /// locked. Returns the names of what was removed.
    pub fn remove_all(&self) -> Result<Vec<String>> {
        let mut removed = self.remove_unused(None, Duration::ZERO)?;
        removed.extend(self.remove_scratch(Duration::ZERO)?);
        if try_lock(&self.users, FlockOperation::NonBlockingLockExclusive)? {
            for name in directories(&self.root)? {
                remove_tree(&self.root.join(&name))?;
                removed.push(name);
            }
        }
        Ok(removed)
    }

    /// Removes the entries of one step, or of all steps, that were not used for `age` and that no run has
    /// locked. Returns their names.
    fn remove_unused(&self, step: Option<&str>, age: Duration) -> Result<Vec<String>> {
        let of_step = |name: &str| {
            step.is_none_or(|step| {
                name.strip_prefix(step)
                    .is_some_and(|rest| rest.len() == 17 && rest.starts_with('-'))
            })
        };
        let entries = self.root.join("entries");
        let used = |name: &str| entries.join(format!("{name}.done"));
        let mut removed = Vec::new();
        for name in directories(&entries)? {
            if !of_step(&name) || !older(&used(&name), &entries.join(&name), age)? {
                continue;
            }
            let lock = self.lock_file(&name)?;
            if try_lock(&lock, FlockOperation::NonBlockingLockExclusive)? {
                let _ = fs::remove_file(used(&name));
                remove_tree(&entries.join(&name))?;
                removed.push(name);
            }
        }
        Ok(removed)
    }

    /// Removes the directories of incremental builds that were not used for `age` and that no run has
    /// locked. Returns their names.
    fn remove_scratch(&self, age: Duration) -> Result<Vec<String>> {
        let all = self.root.join("scratch");
        let mut removed = Vec::new();
        for name in directories(&all)? {
            let lock_name = format!("scratch-{name}");
            let used = self.root.join("locks").join(&lock_name);
            if !older(&used, &all.join(&name), age)? {
                continue;
            }
            let lock = self.lock_file(&lock_name)?;
            if try_lock(&lock, FlockOperation::NonBlockingLockExclusive)? {
                remove_tree(&all.join(&name))?;
                removed.push(name);
            }
        }
        Ok(removed)
    }

    /// Removes the logs that were not written to for `age`.
    fn remove_logs(&self, age: Duration) -> Result<()> {
        for file in fs::read_dir(self.root.join("log"))? {
            let log = file?.path();
            // Another run may remove the same log.
            if older(&log, &log, age).unwrap_or(false) {
                let _ = fs::remove_file(log);
            }
        }
        Ok(())
    }
}

/// Returns the names of the subdirectories of `dir`.
fn directories(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for file in fs::read_dir(dir)? {
        let file = file?;
        if file.file_type()?.is_dir() {
            names.push(file.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(names)
}

/// Returns whether the last change of `file` is at least `age` ago. If there is no `file`, `instead`
/// counts.
fn older(file: &Path, instead: &Path, age: Duration) -> Result<bool> {
    let touched = fs::metadata(file)
        .or_else(|_| fs::metadata(instead))?
        .modified()?;
    Ok(SystemTime::now()
        .duration_since(touched)
        .unwrap_or_default()
        >= age)
}

#[cfg(test)]
mod tests {
    use super::super::tests::TestCache;
    use super::super::{Partial, Recipe};
    use super::*;
    use crate::step::Ui;

    #[test]
    fn an_entry_in_use_is_not_removed() {
        let cache = TestCache::new("in-use");
        let recipe = Recipe {
            name: "step",
            key: "0123456789abcdef".to_owned(),
            partial: Partial::Discard,
            gigabytes: 0.0,
        };
        let entry = cache.0.entry(&Ui::new(), &recipe, |_, _| Ok(())).unwrap();
        let remove = || cache.0.remove_unused(Some("step"), Duration::ZERO).unwrap();
        assert!(remove().is_empty() && entry.dir.exists());
        drop(entry);
        assert_eq!(remove(), ["step-0123456789abcdef"]);
    }

    #[test]
    fn only_the_last_run_removes_the_whole_cache() {
        let cache = &TestCache::new("all").0;
        fs::write(cache.log("step"), "").unwrap();
        Cache::at(cache.root()).unwrap().remove_all().unwrap();
        assert!(cache.log("step").exists());
        cache.remove_all().unwrap();
        assert!(directories(cache.root()).unwrap().is_empty());
    }
}
