// SPDX-License-Identifier: GPL-2.0

//! Suite `deploy`: the way onto boards. Overlays for device trees that are not the emulated board's,
//! and what docs/board.md has typed on a board; with `--full` the driver in kernel trees of other
//! configurations and of another architecture.

use std::fs;
use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::clients::blocks;
use super::{Tests, last_lines, trees};
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;
use crate::module;
use crate::step::copy_file;

/// The overlays.
const NODE: &str = "imx8mp-dw100.dtso";
const MEMORY: &str = "imx8mp-dw100-cma.dtso";

/// The board's tree without the engine.
const WITHOUT: &str = "/delete-node/ &{/soc@0/bus@32c00000/dwe@32e30000};";

/// The board's tree with the engine as NXP's own kernels describe it.
const VENDOR: &str = r#"
&{/soc@0/bus@32c00000/dwe@32e30000} {
	compatible = "fsl,imx8mp-dwe";
	clocks = <0xffffffff 0>;
	clock-names = "core", "axi", "ahb";
	power-domains = <0xffffffff>;
	id = <0>;
	status = "disabled";
};"#;

const NO_DEVICE: &str = "[ ! -e /dev/video0 ]";
const STREAMS: &str = "dw100-board endure 2 20 0";

/// Two streams of frames of the largest size, and as much memory as the overlay says.
const LARGE: &str = "grep -q '^CmaTotal: *393216 kB' /proc/meminfo || { grep Cma /proc/meminfo; exit 1; }
    model pixels=off
    for stream in 1 2; do
        v4l2-ctl -d /dev/video0 --set-fmt-video-out=width=4096,height=3072,pixelformat=NV16 \
            --set-fmt-video=width=4096,height=3072,pixelformat=NV16 --stream-mmap=4 --stream-out-mmap=4 \
            --stream-count=4 > /tmp/$stream 2>&1 &
        eval stream$stream=$!
    done
    wait $stream1 && wait $stream2 || { cat /tmp/1 /tmp/2; exit 1; }";

/// Under which heading that is.
const TYPED: &str = "A module for the kernel that the board has";

/// What the README starts a board with.
const START: &str = "sh target/board.sh\n";

/// How the prompts of the board's shell end; it asks where the cursor is.
const PROMPTS: [&[u8]; 2] = [b"# \x1b[6n", b"> \x1b[6n"];

/// How long after a prompt the board's console takes what is typed; before, it is being set up.
const AFTER_PROMPT: Duration = Duration::from_millis(500);

/// What takes a module that `cargo xtask module` builds for its tree.
const BY_HAND: [(&str, Flavour); 2] = [
    ("the kernel takes a module built for its tree", Flavour::Rt),
    (
        "a kernel whose symbols have versions takes a module built for its tree",
        Flavour::Kcsan,
    ),
];

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let board = Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
    let boots = [
        (
            "a tree without the engine has no device",
            Some(WITHOUT),
            &[][..],
            NO_DEVICE,
        ),
        (
            "the overlay adds the engine",
            Some(WITHOUT),
            &[NODE],
            STREAMS,
        ),
        (
            "a tree for the vendor's driver has no device",
            Some(VENDOR),
            &[],
            NO_DEVICE,
        ),
        (
            "the overlay takes the place of the vendor's node",
            Some(VENDOR),
            &[NODE],
            STREAMS,
        ),
        (
            "the overlay reserves memory for two streams of 4096x3072",
            None,
            &[MEMORY],
            LARGE,
        ),
    ];
    for (name, edits, overlays, script) in boots {
        let mut options = Options::new(Flavour::Rt, Driver::Rust).on_one_cpu();
        options.edits = edits;
        options.overlays = overlays
            .iter()
            .map(|name| tests.env.checkout.join("dts").join(name))
            .collect();
        tests.record(name, tests.boot(&board, &options, script).map(drop));
    }
    let name = "the commands of docs/board.md take the C driver's place and give it back";
    tests.record(name, by_the_document(tests, &board));
    if tests.full {
        let name = "the commands of the README stream on a board started by hand";
        tests.record(name, by_the_readme(tests));
        for (name, flavour) in BY_HAND {
            tests.record(name, by_hand(tests, flavour));
        }
        trees::run(tests)?;
    }
    Ok(())
}

/// Types what docs/board.md has typed on a board that runs the C driver.
fn by_the_document(tests: &Tests<'_>, board: &Board<'_>) -> Result<()> {
    let document = fs::read_to_string(tests.env.checkout.join("docs/board.md"))?;
    let shell = blocks(&document)
        .into_iter()
        .filter(|(heading, _)| heading == TYPED)
        .map(|(_, commands)| commands)
        .skip_while(|commands| !commands.starts_with("install "))
        .collect::<Vec<_>>();
    let [install, look, back] = shell.as_slice() else {
        bail!(
            "{} blocks of commands for a board under '{TYPED}'",
            shell.len()
        );
    };
    let work = tests.env.cache.run_dir()?;
    let [_, ours] = board.modules()?;
    copy_file(&ours, &work.dir.join("dw100_rust.ko"))?;
    let mut options = Options::new(Flavour::Rt, Driver::C).on_one_cpu();
    options.input = Some(work.dir.clone());
    // What the board's root has to let itself be written to.
    let script = format!(
        "set -ex
        mkdir modules
        cp -a /lib/modules/$(uname -r) modules
        mount --bind modules /lib/modules
        mount -t tmpfs tmpfs /etc/modprobe.d
        cp /in/dw100_rust.ko .
        {install}
        dmesg | grep -q 'dw100 32e30000.dwe: registered as /dev/video0'
        [ ! -e /sys/module/dw100 ]
        {look}
        [ $(sed -n 's/frames_done: //p' /sys/kernel/debug/32e30000.dwe/statistics) -ge 100 ]
        {back}
        [ -e /sys/module/dw100 ] && [ -e /dev/video0 ] && [ ! -e /sys/module/dw100_rust ]"
    );
    tests.boot(board, &options, &script).map(drop)
}

/// Types what the README has typed by hand: here, and at the board's prompt once that is started.
fn by_the_readme(tests: &Tests<'_>) -> Result<()> {
    let checkout = &tests.env.checkout;
    let readme = fs::read_to_string(checkout.join("README.md"))?;
    let (here, there) = blocks(&readme)
        .into_iter()
        .find_map(|(_, commands)| {
            let (here, there) = commands.split_once(START)?;
            Some((here.to_owned(), there.to_owned()))
        })
        .with_context(|| format!("the README has no '{}'", START.trim_end()))?;
    let mut shell = Command::new("timeout")
        .args(["600", "sh", "-ec", &format!("{here}{START}")])
        .current_dir(checkout)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut console = shell.stdin.take().context("no console")?;
    let mut output = shell.stdout.take().context("no output")?;
    let mut said = Vec::new();
    for line in there
        .split_inclusive('\n')
        .filter(|line| !line.starts_with('#'))
    {
        let mut piece = [0; 4096];
        while !PROMPTS.iter().any(|prompt| said.ends_with(prompt)) {
            let length = output.read(&mut piece)?;
            ensure!(
                length > 0,
                "no prompt:\n{}",
                last_lines(&String::from_utf8_lossy(&said), 8)
            );
            said.extend_from_slice(&piece[..length]);
        }
        thread::sleep(AFTER_PROMPT);
        said.push(b'\n');
        console.write_all(line.as_bytes())?;
    }
    output.read_to_end(&mut said)?;
    let status = shell.wait()?;
    let said = String::from_utf8_lossy(&said);
    // v4l2-ctl shows each frame that comes back so.
    let frames = said.matches('<').count();
    ensure!(
        status.success() && frames >= 100,
        "{frames} frames, {status}:\n{}",
        last_lines(&said, 8)
    );
    Ok(())
}

/// Builds the module as who has a tree of their own does, and loads that on the board.
fn by_hand(tests: &Tests<'_>, flavour: Flavour) -> Result<()> {
    let board = Board::prepare(tests.env, flavour, Driver::None)?;
    let work = tests.env.cache.run_dir()?;
    let built = module::build_for(tests.env, board.kernel_objects())?;
    copy_file(&built, &work.dir.join("dw100_rust.ko"))?;
    let mut options = Options::new(flavour, Driver::None).on_one_cpu();
    options.input = Some(work.dir.clone());
    let script = "modprobe -a v4l2-mem2mem videobuf2-dma-contig && insmod /in/dw100_rust.ko && dw100-board endure 2 20 0";
    tests.boot(&board, &options, script).map(drop)
}
