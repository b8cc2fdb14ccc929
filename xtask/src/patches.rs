// SPDX-License-Identifier: GPL-2.0

//! The patches for the V4L2 core in `patches/`, and a kernel that has them.
//!
//! That kernel is the debug kernel, of which only what depends on the patched files is built again. A
//! copy of its objects and the patched sources are mounted over the originals, so that neither paths,
//! which `make` compares, nor the configuration change.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::Env;
use crate::cache::{Partial, Recipe};
use crate::kernel::{Flavour, Kernel};
use crate::key::Key;
use crate::sandbox::Sandbox;
use crate::step::{copy_file, files, make_dir, output_of};

/// The directory of the patches.
const PATCHES: &str = "patches";

/// The directories of the kernel's source that may be patched.
const PATCHED: [&str; 2] = ["drivers/media", "include/media"];

/// Returns the patches, in the order in which they apply.
pub fn all(checkout: &Path) -> Result<Vec<PathBuf>> {
    let patches = files(&checkout.join(PATCHES), Some(&["patch"]))?;
    ensure!(!patches.is_empty(), "{PATCHES} is empty");
    Ok(patches)
}

/// Returns a patch's title: the name of its file, without the number.
pub fn title(patch: &Path) -> String {
    let name = patch.file_stem().unwrap_or_default().to_string_lossy();
    let title = name.split_once('-').map_or(&*name, |(_, title)| title);
    title.to_owned()
}

/// Copies the files that the patches change from `source` to `to`.
pub fn copy_targets(patches: &[PathBuf], source: &Path, to: &Path) -> Result<()> {
    let mut targets = BTreeSet::new();
    for patch in patches {
        let text = fs::read_to_string(patch)?;
        targets.extend(targets_of(&text).map(str::to_owned));
    }
    for target in targets {
        let to = to.join(&target);
        copy_file(&source.join(&target), &to)?;
    }
    Ok(())
}

/// Returns the files that a patch changes.
fn targets_of(patch: &str) -> impl Iterator<Item = &str> {
    patch.lines().filter_map(|line| line.strip_prefix("+++ b/"))
}

/// Applies a patch to the files in `to`. git accepts no fuzz: the context must match in every line. It
/// may match elsewhere than the patch says, and git chooses the nearest place.
pub fn apply(patch: &Path, to: &Path) -> Result<()> {
    let mut apply = Command::new("git");
    // git must not look for a repository above `to`.
    apply.env("GIT_CEILING_DIRECTORIES", to.parent().unwrap_or(to));
    apply.arg("-C").arg(to).arg("apply");
    output_of(apply.arg(patch)).map(drop)
}

/// Builds the debug kernel with all patches.
pub fn kernel(env: &Env, sandbox: &Sandbox) -> Result<Kernel> {
    let plain = Kernel::prepare(env, sandbox, Flavour::Debug)?;
    let patches = all(&env.checkout)?;
    let key = Key::new()
        .add(&plain.key)
        .tree(&env.checkout.join(PATCHES))?
        .words(PATCHED)
        .finish();
    let recipe = Recipe {
        name: "kernel-core",
        key,
        partial: Partial::Discard,
        gigabytes: 1.5,
    };
    let entry = env.entry(&recipe, |step, dir| {
        let sources = dir.join("patched");
        let copy = |from: &Path, to: &Path| {
            make_dir(to.parent().context("a directory has a parent")?)?;
            let mut copy = Command::new("cp");
            step.run(copy.arg("-a").arg("-T").arg(from).arg(to))
        };
        copy(&plain.objects, dir)?;
        for place in PATCHED {
            copy(&plain.source.join(place), &sources.join(place))?;
        }
        for patch in &patches {
            apply(patch, &sources).with_context(|| title(patch))?;
        }
        let mounts = PATCHED.map(|place| (sources.join(place), plain.source.join(place)));
        let mut mounts: Vec<(&Path, &Path)> = mounts
            .iter()
            .map(|(from, to)| (from.as_path(), to.as_path()))
            .collect();
        mounts.push((dir, &plain.objects));
        plain.build(step, sandbox, &mounts)
    })?;
    Ok(plain.moved(entry))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_patch_changes_only_what_the_kernel_is_built_with() {
        let env = Env::new(None, None).unwrap();
        for patch in all(&env.checkout).unwrap() {
            let text = fs::read_to_string(&patch).unwrap();
            let targets: Vec<&str> = targets_of(&text).collect();
            assert!(!targets.is_empty(), "{}", patch.display());
            for target in targets {
                let known = |place: &&str| target.starts_with(&format!("{place}/"));
                assert!(PATCHED.iter().any(known), "{target}");
            }
        }
    }
}
