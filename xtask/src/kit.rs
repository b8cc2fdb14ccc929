// SPDX-License-Identifier: GPL-2.0

//! `cargo xtask kit BUILD_DIR`: packs all that a person with a board needs into one archive. It is
//! unpacked on the board and needs nothing else there.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::chown::ChownGuard;
use crate::key::sha256;
use crate::module::{self, Built};
use crate::programs::{Program, UserClient};
use crate::sandbox::Sandbox;
use crate::step::{copy_file, make_dir, remove_dir, stdout_of};
use crate::{Env, cache::Scratch};

/// The page that says what to type, with place-holders for the kernel's release and the note on the C
/// driver.
const PAGE: &str = include_str!("../../tools/first-light/kit/README.txt");

/// The C driver's directory in a kernel tree, its sources and its module.
const C_DRIVER: &str = "drivers/media/platform/nxp/dw100";
const C_SOURCES: [&str; 2] = ["dw100.c", "dw100_regs.h"];
const C_MODULE: &str = "dw100.ko";

/// The Kbuild file that builds the C driver outside of the kernel tree.
const C_KBUILD: &str = "obj-m := dw100.o\n";

/// The file with the checksums.
const SUMS: &str = "SHA256SUMS";

/// An archive for a board.
pub struct Kit {
    /// The archive.
    pub archive: PathBuf,
    /// A note on the C driver's module: where it comes from, or why there is none.
    pub c_driver: String,
}

impl Kit {
    /// Builds the archive for the kernel in `build_dir` and puts it into `place`.
    pub fn build(env: &Env, build_dir: &Path, place: &Path) -> Result<Self> {
        let tree = Built::open(build_dir)?;
        let sandbox = Sandbox::prepare(env)?;
        let ours = module::build_for(env, build_dir)?;
        let client = UserClient::prepare(env, &sandbox)?;
        let tests = Program::test_client(env, &sandbox)?;
        let first_light = Program::first_light(env, &sandbox)?;

        let alone = env.scratch("kit")?;
        let name = format!("dw100-kit-{}", tree.release);
        let stage = alone.dir.join(&name);
        remove_dir(&stage)?;
        make_dir(&stage)?;
        copy_file(&ours, &stage.join("dw100_rust.ko"))?;
        let c_driver = c_driver(env, &tree, &alone, &stage.join(C_MODULE))?;
        for (program, name) in [
            (first_light.file, "first-light"),
            (client.for_board(), "dewarp"),
            (tests.file, "dw100-board"),
        ] {
            let to = stage.join(name);
            // Debug information is half of a program's size, and is not needed on a board.
            let mut strip = sandbox.command(&stage, "llvm-strip");
            stdout_of(strip.arg("-o").arg(&to).arg(&program))?;
            fs::set_permissions(&to, fs::Permissions::from_mode(0o755))?;
        }
        fs::write(stage.join("README.txt"), page(&tree.release, &c_driver))?;
        fs::write(stage.join(SUMS), sums(&stage)?)?;

        let _chown = ChownGuard::of_all(place);
        make_dir(place)?;
        let archive = place.join(format!("{name}.tar.gz"));
        pack(&alone.dir, &name, &archive)?;
        Ok(Self { archive, c_driver })
    }
}

/// Copies the C driver's module to `to`, if there is one or it can be built. Returns the note on it.
fn c_driver(env: &Env, tree: &Built, scratch: &Scratch, to: &Path) -> Result<String> {
    let built = tree.objects.join(C_DRIVER).join(C_MODULE);
    if built.is_file() {
        copy_file(&built, to)?;
        return Ok("dw100.ko was built with this kernel".to_owned());
    }
    if tree.option("CONFIG_VIDEO_DW100") == Some("y") {
        return Ok(
            "left out: this kernel has it built in (CONFIG_VIDEO_DW100=y); boot it with \
             initcall_blacklist=dw100_driver_init"
                .to_owned(),
        );
    }
    let source = tree.source().join(C_DRIVER);
    let missing = C_SOURCES.iter().find(|name| !source.join(name).is_file());
    if let Some(name) = missing {
        return Ok(format!(
            "left out: the kernel's tree has neither its module nor its source ({C_DRIVER}/{name})"
        ));
    }
    let (sources, output) = (scratch.dir.join("c-driver"), scratch.dir.join("c-objects"));
    make_dir(&sources)?;
    for name in C_SOURCES {
        copy_file(&source.join(name), &sources.join(name))?;
    }
    fs::write(sources.join("Kbuild"), C_KBUILD)?;
    if let Err(why) = tree.build(env, &sources, &output) {
        return Ok(format!("left out: its source does not build here: {why:#}"));
    }
    copy_file(&output.join(C_MODULE), to)?;
    Ok(format!(
        "dw100.ko was built from the source in the kernel's tree ({C_DRIVER})"
    ))
}

/// Returns the page for this kernel.
fn page(release: &str, c_driver: &str) -> String {
    PAGE.replace("@RELEASE@", release)
        .replace("@C_DRIVER@", c_driver)
}

/// Returns the checksums of all files in a directory, in the format of `sha256sum`.
fn sums(dir: &Path) -> Result<String> {
    let mut names: Vec<_> = fs::read_dir(dir)?
        .map(|file| Ok(file?.file_name().to_string_lossy().into_owned()))
        .collect::<Result<_>>()?;
    names.sort();
    let mut sums = String::new();
    for name in names.iter().filter(|name| *name != SUMS) {
        let sum = sha256(&fs::read(dir.join(name))?);
        sums += &format!("{sum}  {name}\n");
    }
    Ok(sums)
}

/// Packs the directory `name` of `dir`. The same files always make the same archive.
fn pack(dir: &Path, name: &str, archive: &Path) -> Result<()> {
    let mut tar = Command::new("tar");
    tar.arg("--create")
        .arg("--use-compress-program=gzip -n")
        .arg("--file")
        .arg(archive)
        .args([
            "--sort=name",
            "--mtime=@0",
            "--owner=0",
            "--group=0",
            "--numeric-owner",
        ])
        .arg("--directory")
        .arg(dir)
        .arg(name);
    stdout_of(&mut tar).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::step::tests::TestDir;

    #[test]
    fn the_page_names_the_kernel_and_has_the_note_on_the_c_driver() {
        let page = page("7.3.4-rt", "left out: no source");
        assert!(page.contains("7.3.4-rt") && page.contains("left out: no source"));
        assert!(!page.contains("@RELEASE@") && !page.contains("@C_DRIVER@"));
        for line in PAGE.lines() {
            assert!(line.chars().count() <= 110, "{line}");
        }
    }

    #[test]
    fn an_archive_of_the_same_files_is_the_same_and_its_sums_are_right() {
        let tree = TestDir::new("kit");
        let dir = tree.path();
        let stage = dir.join("dw100-kit-7.3.4");
        fs::create_dir(&stage).unwrap();
        fs::write(stage.join("abc"), "abc").unwrap();
        let wanted = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  abc\n";
        assert_eq!(sums(&stage).unwrap(), wanted);
        fs::write(stage.join(SUMS), sums(&stage).unwrap()).unwrap();
        assert_eq!(sums(&stage).unwrap(), wanted);
        let pack = |name: &str| {
            pack(dir, "dw100-kit-7.3.4", &dir.join(name)).unwrap();
            fs::read(dir.join(name)).unwrap()
        };
        let first = pack("first.tar.gz");
        std::thread::sleep(std::time::Duration::from_millis(1100));
        fs::write(stage.join("abc"), "abc").unwrap();
        assert!(first == pack("second.tar.gz"));
    }
}
