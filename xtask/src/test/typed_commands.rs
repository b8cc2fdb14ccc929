// SPDX-License-Identifier: GPL-2.0

//! Runs the commands that README.md, docs/board.md and docs/first-light.md tell to type, as they are
//! printed there: on a board with the C driver, on this machine, and at the prompt of a board that was
//! started by hand.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use super::clients::blocks;
use super::{Tests, last_lines};
use crate::board::{Board, Driver, Options};
use crate::devicetree::DeviceTrees;
use crate::kernel::{Flavour, Kernel};
use crate::programs::UserClient;
use crate::step::{copy_file, output_of};

const README: &str = "README.md";
const BOARD: &str = "docs/board.md";
const FIRST_LIGHT: &str = "docs/first-light.md";

/// The documents' place-holder for the object directory of a kernel.
const BUILD: &str = "/path/to/kernel/build";

/// The checks after each step of docs/first-light.md, as far as the emulated engine does what the page
/// expects. The output of the step is in `said`.
const FIRST_LIGHT_SHOWS: [&str; 8] = [
    "grep -q 'dw100 32e30000.dwe: registered as /dev/video0: ID 0x00000000, BUS_CTRL 0x0000000e, axi [0-9]* Hz, 32-bit DMA' said",
    "[ $(grep -c '^DW100_' said) = 36 ]
    grep -qx 'DW100_INTERRUPT_STATUS: 0x0' said",
    "grep -qx same said",
    "grep -qx same said
    grep -qx 'frames_done: 101' said
    grep -q 'engine [0-9.]* ms a frame' said
    for name in frames_failed watchdog_fired engine_resets frames_busy_at_done interrupts_silent interrupts_stale; do
        grep -qx \"$name: 0\" said
    done
    [ $(grep -c '^errors_.*: 0$' said) = 7 ]
    [ $(sed -n 's/^ *[0-9]*: *\\([0-9]*\\).*32e30000.*/\\1/p' said) -ge 101 ]",
    "grep -qx same said
    [ $(tail -n 1 said) = 0 ]",
    "for line in 'nv16: same' 'yuyv: same' 'uyvy: same' 'crop: same' 'C driver: same' \"C driver's crop: differs\"; do
        grep -qx \"$line\" said
    done",
    "grep -qx 'four streams: same' said
    grep -qx 'modes: same' said
    set -- $(sed -n 's/engine_ns_last: //p' said)
    # How long they take depends on this machine.
    [ $# = 2 ]
    # On a busy machine a frame of some milliseconds is done before the timer of one expires.
    model pixels-per-clock=0.01",
    "grep -qx 'failed, as it should' said
    grep -q '^DW100_INTERRUPT_STATUS: 0x1' said
    grep -qx recovered said
    [ -s first-light.txt ]",
];

/// The command for a board that the README mentions.
const COMMAND: &str = "cargo xtask board -- 'v4l2-ctl --all'";

/// The command with which the README starts a board.
const START: &str = "sh target/board.sh\n";

/// The ends of the prompts of the board's shell, which asks the terminal for the position of the
/// cursor.
const PROMPTS: [&[u8]; 2] = [b"# \x1b[6n", b"> \x1b[6n"];

/// After a prompt, the time until the console accepts input. The shell sets the terminal up before.
const AFTER_PROMPT: Duration = Duration::from_millis(500);

/// Returns the commands of the block in a document that begins with `begins`.
fn block(tests: &Tests<'_>, document: &str, begins: &str) -> Result<String> {
    let text = fs::read_to_string(tests.env.checkout.join(document))?;
    blocks(&text)
        .into_iter()
        .map(|(_, commands)| commands)
        .find(|commands| commands.starts_with(begins))
        .with_context(|| format!("{document} has no commands that begin with '{begins}'"))
}

/// Runs commands on this machine, in the checkout, and returns their output.
fn here(tests: &Tests<'_>, commands: &str) -> Result<String> {
    let mut shell = Command::new("sh");
    output_of(
        shell
            .args(["-ec", commands])
            .current_dir(&tests.env.checkout),
    )
}

/// The README's commands for a board, in three parts.
struct QuickStart {
    /// The commands on the PC, in the checkout.
    here: String,
    /// The files of the checkout that are copied to the board.
    copied: Vec<PathBuf>,
    /// The commands on the board, in the directory with the copies.
    there: String,
}

impl QuickStart {
    fn read(tests: &Tests<'_>) -> Result<Self> {
        let commands = block(tests, README, "cargo xtask module /path/to/kernel/build")?;
        Self::parse(&commands)
    }

    fn parse(commands: &str) -> Result<Self> {
        let (here, rest) = commands
            .split_once("\nscp ")
            .context("the README's block for a board copies nothing")?;
        let (copy, rest) = rest
            .split_once('\n')
            .context("the README's block for a board ends with scp")?;
        let (log_in, there) = rest
            .split_once('\n')
            .context("the README's block for a board ends on the PC")?;
        ensure!(
            log_in.starts_with("ssh root@board"),
            "'{log_in}' follows scp, and not ssh"
        );
        let mut words = copy.split_whitespace().map(PathBuf::from);
        let board = words.next_back();
        ensure!(
            board.is_some_and(|board| board.as_os_str() == "root@board:"),
            "scp copies to another place than root's home"
        );
        Ok(Self {
            here: format!("{here}\n"),
            copied: words.collect(),
            there: there.to_owned(),
        })
    }
}

/// Runs the README's commands for a board, from the build on the PC to the picture, then the commands
/// of docs/board.md that install the module, and those that remove it. The board runs the C driver, and
/// has nothing of this project but the copied files.
pub fn on_a_board(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let start = QuickStart::read(tests)?;
    let install = block(tests, BOARD, "install ")?;
    let look = block(tests, BOARD, "v4l2-ctl -d /dev/video0 --info")?;
    let back = block(tests, BOARD, "modprobe -r dw100_rust")?;

    let objects = board.kernel_objects().display().to_string();
    let said = here(tests, &start.here.replace(BUILD, &objects))?;
    let work = tests.env.cache.run_dir()?;
    for file in &start.copied {
        let path = tests.env.checkout.join(file);
        let made_here = file.starts_with("target");
        ensure!(
            !made_here || said.contains(&*path.to_string_lossy()),
            "the block copies {}, but builds another file:\n{said}",
            file.display()
        );
        let name = file.file_name().context("a file without a name")?;
        copy_file(&path, &work.dir.join(name))?;
    }
    let mut options = Options::new(Flavour::Rt, Driver::C).on_one_cpu();
    options.input = Some(work.dir.clone());
    // The board's root is read-only, so directories in memory are mounted over it. /board/dewarp is the
    // emulated board's own client, which must not be used.
    let script = format!(
        "set -ex
        mount --bind /dev/null /board/dewarp
        mkdir modules root
        cp -a /lib/modules/$(uname -r) modules
        mount --bind modules /lib/modules
        mount -t tmpfs tmpfs /etc/modprobe.d
        cd root
        cp /in/* .
        mkdir /tmp/bare
        cp dewarp /tmp/bare
        chroot /tmp/bare /dewarp --version
        {there}
        [ -e /sys/module/dw100_rust ]
        [ -s straight.png ]
        rmmod dw100_rust
        modprobe dw100
        {install}
        dmesg | grep -q 'dw100 32e30000.dwe: registered as /dev/video0'
        [ ! -e /sys/module/dw100 ]
        {look}
        [ $(sed -n 's/frames_done: //p' /sys/kernel/debug/32e30000.dwe/statistics) -ge 100 ]
        {back}
        [ -e /sys/module/dw100 ]
        [ -e /dev/video0 ]
        [ ! -e /sys/module/dw100_rust ]",
        there = start.there,
    );
    tests.boot(board, &options, &script).map(drop)
}

/// The programs of a real board. The board's shell has commands of the same names.
const KMOD: &str = "modprobe() { /usr/sbin/modprobe \"$@\"; }
        modinfo() { /usr/sbin/modinfo \"$@\"; }
        depmod() { /usr/sbin/depmod \"$@\"; }";

/// Runs the commands that install the module, and then does what the next boot does: it loads the
/// module for the device's `compatible`, with the blacklist. Without the blacklist the C driver would
/// be loaded too.
pub fn autoload(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let install = block(tests, BOARD, "install ")?;
    let (install, _) = install
        .split_once("\nmodprobe -r ")
        .with_context(|| format!("{BOARD} unloads nothing after it has installed the module"))?;
    let mut options = Options::new(Flavour::Rt, Driver::None).on_one_cpu();
    let work = tests.env.cache.run_dir()?;
    let [_, ours] = board.modules()?;
    copy_file(&ours, &work.dir.join("dw100_rust.ko"))?;
    options.input = Some(work.dir.clone());
    let script = format!(
        "set -ex
        {KMOD}
        mkdir modules
        cp -a /lib/modules/$(uname -r) modules
        mount --bind modules /lib/modules
        mount -t tmpfs tmpfs /etc/modprobe.d
        cd /in
        modinfo -F alias dw100_rust.ko | grep -qx 'of:N\\*T\\*Cnxp,imx8mp-dw100'
        alias=$(cat /sys/bus/platform/devices/32e30000.dwe/modalias)
        modprobe -b -n -v \"$alias\" | grep -q '/dw100\\.ko'
        {install}
        modprobe -b -n -v \"$alias\" > /tmp/would
        if grep '/dw100\\.ko' /tmp/would; then exit 1; fi
        grep -q /extra/dw100_rust.ko /tmp/would
        modprobe -b \"$alias\"
        [ -e /sys/module/dw100_rust ]
        [ ! -e /sys/module/dw100 ]
        dw100-board endure 1 5 0"
    );
    tests.boot(board, &options, &script).map(drop)
}

/// Runs the eight steps of docs/first-light.md in one directory and one shell, on a board that runs the
/// C driver. Each step must show what the page says.
pub fn first_light(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let text = fs::read_to_string(tests.env.checkout.join(FIRST_LIGHT))?;
    let steps = blocks(&text).into_iter().filter_map(|(heading, commands)| {
        let number = heading.strip_prefix("Step ")?.chars().next()?;
        Some((number, commands))
    });
    let steps = steps.collect::<Vec<_>>();
    let numbers = steps.iter().map(|(number, _)| number);
    ensure!(
        numbers.copied().eq('1'..='8'),
        "{FIRST_LIGHT} does not have the steps 1 to 8, each with one block"
    );

    let work = tests.env.cache.run_dir()?;
    let client = UserClient::prepare(tests.env, &board.sandbox)?;
    let [_, ours] = board.modules()?;
    copy_file(&ours, &work.dir.join("dw100_rust.ko"))?;
    copy_file(&client.for_board(), &work.dir.join("dewarp"))?;
    let mut script = "set -e
        doing=
        trap '[ $? = 0 ] || { cat said; echo \"$doing\"; }' EXIT
        mkdir root
        cd root
        cp /in/* .
"
    .to_owned();
    for ((number, commands), check) in steps.iter().zip(FIRST_LIGHT_SHOWS) {
        // The steps run in this shell, because they set variables. A failed command ends it, and `trap`
        // shows the output.
        script += &format!(
            "doing='step {number} fails'\n{{\n{commands}}} > said 2>&1\n\
            doing='step {number} shows something else'\n{check}\ncat said\n"
        );
    }
    let mut options = Options::new(Flavour::Rt, Driver::C).on_one_cpu();
    options.input = Some(work.dir.clone());
    tests.boot(board, &options, &script).map(drop)
}

/// Runs the commands that compile and apply the overlays. The result must be the device tree that the
/// boards of this suite boot with.
pub fn overlays(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let kernel = Kernel::prepare(tests.env, &board.sandbox, Flavour::Rt)?;
    let sources = tests.env.checkout.join("dts");
    let work = tests.env.cache.run_dir()?;
    symlink(&sources, work.dir.join("dts"))?;
    copy_file(&kernel.device_tree(), &work.dir.join("imx8mp-board.dtb"))?;
    let source = kernel.source.display();
    let commands = block(tests, BOARD, "for name in imx8mp-dw100")?
        .replace("/path/to/linux", &source.to_string());
    // The sandbox lacks the package that the document names. The kernel has the same programs.
    let tools = kernel.objects.join("scripts/dtc");
    let script = format!("PATH=$PATH:{}\n{commands}", tools.display());
    output_of(
        board
            .sandbox
            .command(&work.dir, "sh")
            .args(["-ec", &script]),
    )?;
    let ours = DeviceTrees {
        sandbox: &board.sandbox,
        kernel: &kernel,
        dir: &work.dir,
    };
    let names = ["imx8mp-dw100.dtso", "imx8mp-dw100-cma.dtso"];
    let wanted = ours.board(None, &names.map(|name| sources.join(name)))?;
    let typed = work.dir.join("imx8mp-board-dw100.dtb");
    let same = fs::read(&typed)? == fs::read(&wanted)?;
    ensure!(
        same,
        "the result differs from the tree that the board boots with"
    );
    Ok(())
}

/// Runs the commands that build the module with plain `make` for a kernel's object directory. Returns
/// the module.
pub fn make(tests: &Tests<'_>, board: &Board<'_>) -> Result<PathBuf> {
    let checkout = &tests.env.checkout;
    let objects = board.kernel_objects().display().to_string();
    let commands = block(tests, BOARD, "make -C ")?.replace(BUILD, &objects);
    let mut shell = board.sandbox.command(checkout, "sh");
    output_of(shell.args(["-ec", &commands]))?;
    Ok(checkout.join("target/module/dw100_rust.ko"))
}

/// Runs the command for a board that the README mentions.
pub fn on_the_side(tests: &Tests<'_>) -> Result<()> {
    let readme = fs::read_to_string(tests.env.checkout.join(README))?;
    ensure!(
        readme.contains(&format!("`{COMMAND}`")),
        "{README} has no '{COMMAND}'"
    );
    let said = here(tests, COMMAND)?;
    let found = said.contains("Driver name      : dw100");
    ensure!(found, "no driver:\n{}", last_lines(&said, 8));
    Ok(())
}

/// Runs the commands that the README tells to type by hand: first here, and then at the board's prompt.
pub fn by_hand(tests: &Tests<'_>) -> Result<()> {
    let commands = block(tests, README, "cargo xtask module \"$(")?;
    let (here, there) = commands
        .split_once(START)
        .with_context(|| format!("{README} starts no board with '{}'", START.trim_end()))?;
    let mut shell = Command::new("timeout")
        .args(["600", "sh", "-ec", &format!("exec 2>&1\n{here}{START}")])
        .current_dir(&tests.env.checkout)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut console = shell.stdin.take().context("no console")?;
    let mut output = shell.stdout.take().context("no output")?;
    let mut said = Vec::new();
    let lines = there.split_inclusive('\n');
    for line in lines.filter(|line| !line.starts_with('#')) {
        let mut piece = [0; 4096];
        while !PROMPTS.iter().any(|prompt| said.ends_with(prompt)) {
            let length = output.read(&mut piece)?;
            let so_far = || last_lines(&String::from_utf8_lossy(&said), 8);
            ensure!(length > 0, "no prompt:\n{}", so_far());
            said.extend_from_slice(&piece[..length]);
        }
        thread::sleep(AFTER_PROMPT);
        said.push(b'\n');
        console.write_all(line.as_bytes())?;
    }
    output.read_to_end(&mut said)?;
    let status = shell.wait()?;
    let said = String::from_utf8_lossy(&said);
    // v4l2-ctl prints this character for each frame.
    let frames = said.matches('<').count();
    ensure!(
        status.success() && frames >= 100,
        "{frames} frames, {status}:\n{}",
        last_lines(&said, 8)
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn quick_start() -> String {
        let readme = include_str!("../../../README.md");
        let blocks = blocks(readme).into_iter().map(|(_, commands)| commands);
        let mut ours = blocks.filter(|commands| commands.starts_with("cargo xtask module /path"));
        ours.next().unwrap()
    }

    #[test]
    fn the_readme_s_block_for_a_board_builds_then_copies_then_makes_a_map_then_uses_it() {
        let start = QuickStart::parse(&quick_start()).unwrap();
        let lines = |text: &str| text.lines().count();
        assert_eq!((lines(&start.here), start.copied.len()), (2, 3));
        let at = |word: &str| start.there.find(word).unwrap();
        assert!(at("insmod") < at("./dewarp map") && at("./dewarp map") < at("./dewarp run"));
    }

    /// Returns the commands in a document's blocks, without the comments behind them.
    fn commands(document: &str) -> Vec<String> {
        let path = format!("{}/../{document}", env!("CARGO_MANIFEST_DIR"));
        let blocks = blocks(&fs::read_to_string(path).unwrap());
        let lines = blocks.iter().flat_map(|(_, commands)| commands.lines());
        let bare = |line: &str| Some(line.split("  #").next()?.trim().to_owned());
        lines.filter_map(bare).collect()
    }

    #[test]
    fn the_commands_in_the_index_of_the_documents_are_in_documents_that_are_tested() {
        let run = [
            "board",
            "calibrate",
            "calibration",
            "clients",
            "gstreamer",
            "streams",
        ];
        let run = run
            .map(|name| commands(&format!("docs/{name}.md")))
            .concat();
        let index = commands("docs/README.md");
        assert!(index.len() > 5, "{index:?}");
        for command in index {
            assert!(run.contains(&command), "no other document has '{command}'");
        }
    }

    #[test]
    fn a_block_that_copies_nothing_or_to_another_place_is_an_error() {
        let block = quick_start();
        for (from, to) in [
            ("\nscp ", "\ncp "),
            ("root@board:\n", "root@board:/tmp\n"),
            ("\nssh ", "\n# "),
        ] {
            assert!(block.contains(from), "{from}");
            assert!(QuickStart::parse(&block.replace(from, to)).is_err(), "{to}");
        }
    }
}
