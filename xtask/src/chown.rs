// SPDX-License-Identifier: GPL-2.0

//! Files that xtask makes as root, behind `sudo`, in directories of the user: their owner becomes the
//! user, even if the work fails.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::lchown;
use std::path::{Path, PathBuf};

/// When dropped, gives what was added to a directory to the user behind `sudo`. What was there before
/// keeps its owner.
pub struct ChownGuard {
    root: PathBuf,
    before: BTreeSet<PathBuf>,
    user: Option<(u32, u32)>,
}

impl ChownGuard {
    /// Gives the user what is added to `dir` from now on, and `dir` itself and its parents if they do
    /// not exist yet.
    pub fn of_new(dir: &Path) -> Self {
        Self::watch(dir, user())
    }

    /// Gives the user all that is in `dir`: nothing in it is the user's own work.
    pub fn of_all(dir: &Path) -> Self {
        let mut all = Self::of_new(dir);
        all.before.clear();
        all
    }

    fn watch(dir: &Path, user: Option<(u32, u32)>) -> Self {
        let missing = dir.ancestors().take_while(|dir| !dir.exists());
        let root = missing.last().unwrap_or(dir).to_owned();
        let mut before = BTreeSet::new();
        if user.is_some() {
            visit(&root, &mut |path| {
                before.insert(path.to_owned());
            });
        }
        Self { root, before, user }
    }

    /// Returns the paths whose owner is to change.
    fn added(&self) -> Vec<PathBuf> {
        let mut added = Vec::new();
        visit(&self.root, &mut |path| {
            if !self.before.contains(path) {
                added.push(path.to_owned());
            }
        });
        added
    }
}

impl Drop for ChownGuard {
    fn drop(&mut self) {
        let Some((user, group)) = self.user else {
            return;
        };
        for path in self.added() {
            // A file that was removed since needs no owner.
            let _ = lchown(path, Some(user), Some(group));
        }
    }
}

/// Returns the user and group behind `sudo`.
fn user() -> Option<(u32, u32)> {
    let id = |name| std::env::var(name).ok()?.parse().ok();
    Some((id("SUDO_UID")?, id("SUDO_GID")?))
}

/// Calls `see` with `path` and all paths below it, without following links.
fn visit(path: &Path, see: &mut impl FnMut(&Path)) {
    let Ok(metadata) = fs::symlink_metadata(path) else {
        return;
    };
    see(path);
    if metadata.is_dir() {
        for file in fs::read_dir(path).into_iter().flatten().flatten() {
            visit(&file.path(), see);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    #[test]
    fn only_what_was_added_changes_its_owner() {
        let tree = TestDir::new("chown");
        let dir = tree.path();
        fs::create_dir(dir.join("old")).unwrap();
        fs::write(dir.join("old/kept"), "").unwrap();
        let added = ChownGuard::watch(dir, Some((0, 0)));
        let deep = ChownGuard::watch(&dir.join("a/b"), Some((0, 0)));
        fs::write(dir.join("old/new"), "").unwrap();
        fs::create_dir_all(dir.join("a/b")).unwrap();
        let expected = [dir.join("a"), dir.join("a/b"), dir.join("old/new")];
        assert_eq!(
            added.added().into_iter().collect::<BTreeSet<_>>(),
            expected.into()
        );
        assert_eq!(deep.added(), [dir.join("a"), dir.join("a/b")]);
    }
}
