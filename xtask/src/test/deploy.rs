// SPDX-License-Identifier: GPL-2.0

//! Suite `deploy`: how the driver gets onto a board. It tests the overlays, for device trees that
//! differ from the emulated board's, and the commands of README.md, docs/board.md and
//! docs/first-light.md; with `--full` also the driver in kernel trees of other configurations and of
//! another architecture.

use std::path::{Path, PathBuf};

use anyhow::Result;

use super::names::Names;
use super::{Tests, kernel_trees, tune, typed_commands};
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;
use crate::module;
use crate::step::copy_file;

/// The overlays in `dts/`.
const NODE: &str = "imx8mp-dw100.dtso";
const MEMORY: &str = "imx8mp-dw100-cma.dtso";

/// Removes the engine from the board's device tree.
const WITHOUT: &str = "/delete-node/ &{/soc@0/bus@32c00000/dwe@32e30000};";

/// Puts the engine where NXP's kernels have it, with the properties that it has there.
const VENDOR: &str = r#"
/delete-node/ &{/soc@0/bus@32c00000/dwe@32e30000};
&{/soc@0/bus@32c00000} {
	camera {
		compatible = "fsl,mxc-md", "simple-bus";
		#address-cells = <1>;
		#size-cells = <1>;
		ranges;

		dwe@32e30000 {
			compatible = "fsl,imx8mp-dwe";
			reg = <0x32e30000 0x10000>;
			clocks = <0xffffffff 0>;
			clock-names = "core", "axi", "ahb";
			power-domains = <0xffffffff>;
			id = <0>;
			status = "disabled";
		};
	};
};"#;

const NO_DEVICE: &str = "[ ! -e /dev/video0 ]";
const STREAMS: &str = "dw100-board endure 2 20 0";

/// Checks that the kernel has as much contiguous memory as the overlay says, and runs two streams of
/// the largest frames.
const LARGE: &str = "grep -q '^CmaTotal: *393216 kB' /proc/meminfo || { grep Cma /proc/meminfo; exit 1; }
    model pixels=off
    for stream in 1 2; do
        v4l2-ctl -d /dev/video0 --set-fmt-video-out=width=4096,height=3072,pixelformat=NV16 \
            --set-fmt-video=width=4096,height=3072,pixelformat=NV16 --stream-mmap=4 --stream-out-mmap=4 \
            --stream-count=4 > /tmp/$stream 2>&1 &
        eval stream$stream=$!
    done
    wait $stream1 && wait $stream2 || { cat /tmp/1 /tmp/2; exit 1; }";

/// Checks what docs/dw100-rust.rst says about the module's parameters, and about time-outs where there was
/// none yet.
const PARAMETERS: &str = "set -ex
    [ \"$(/usr/sbin/modinfo -F parm /board/dw100_rust.ko | cut -d : -f 1 | sort | tr '\\n' ' ')\" = 'dma_bits watchdog_ms ' ]
    for wrong in watchdog_ms=-1 watchdog_ms=x watchdog_ms=4294967296 dma_bits=x; do
        if driver load rust $wrong; then exit 1; fi
        [ ! -e /sys/module/dw100_rust ]
    done
    driver load rust watchdog_ms=70000
    [ -z \"$(ls /sys/module/dw100_rust/parameters)\" ]
    [ $(cat /sys/kernel/debug/32e30000.dwe/watchdog_ms) = 70000 ]
    echo 500 > /sys/kernel/debug/32e30000.dwe/watchdog_ms
    [ $(cat /sys/kernel/debug/32e30000.dwe/watchdog_ms) = 500 ]
    [ $(cat /sys/kernel/debug/32e30000.dwe/timeout_regs) = none ]
    driver unload rust
    driver load rust dma_bits=33
    [ ! -e /dev/video0 ]
    dmesg | grep -q 'dma_bits is 33: it must be 32 or 34'
    driver unload rust
    driver load rust
    [ -e /dev/video0 ]";

/// A boot with another device tree: the test's name, the edits, the overlays and the script.
type TreeBoot = (
    &'static str,
    Option<&'static str>,
    &'static [&'static str],
    &'static str,
);

const BOOTS: [TreeBoot; 5] = [
    (
        "a tree without the engine has no device",
        Some(WITHOUT),
        &[],
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
        "the overlay adds the engine beside the vendor's node",
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

/// The names of the other tests.
const ON_A_BOARD: &str =
    "what is typed for a board builds, copies, straightens a picture, installs and goes back";
const FIRST_LIGHT: &str = "the eight steps of docs/first-light.md show what the page says";
const AUTOLOAD: &str =
    "what the boot loads by the device tree is this driver, and not the blacklisted one";
const REFUSED: &str =
    "module parameters are in no file of sysfs, and others than documented are refused";
const OVERLAYS: &str = "what is typed for the overlays makes the same tree";
const ON_THE_SIDE: &str = "the README's command on a board finds the driver";
const BY_HAND: &str = "what is typed by hand streams on a board started by hand";
const PLAIN_MAKE: &str = "the kernel takes a module that plain make built";
const VERSIONS: &str = "a kernel whose symbols have versions takes a module built for its tree";

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    let typed = [
        ON_A_BOARD,
        FIRST_LIGHT,
        AUTOLOAD,
        REFUSED,
        OVERLAYS,
        tune::NAME,
        ON_THE_SIDE,
        BY_HAND,
        PLAIN_MAKE,
        VERSIONS,
    ];
    let boots = BOOTS.iter().map(|boot| boot.0);
    Names::all(boots.chain(typed).chain(kernel_trees::names()))
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let board = Board::prepare(tests.env, Flavour::Rt, Driver::Rust)?;
    for (name, edits, overlays, script) in BOOTS {
        let mut options = Options::new(Flavour::Rt, Driver::Rust)
            .on_one_cpu()
            .healthy();
        options.edits = edits;
        options.overlays = overlays
            .iter()
            .map(|name| tests.env.checkout.join("dts").join(name))
            .collect();
        tests.check(name, || tests.boot(&board, &options, script).map(drop));
    }
    tests.check(ON_A_BOARD, || typed_commands::on_a_board(tests, &board));
    tests.check(FIRST_LIGHT, || typed_commands::first_light(tests, &board));
    tests.check(AUTOLOAD, || typed_commands::autoload(tests, &board));
    tests.check(REFUSED, || {
        let options = Options::new(Flavour::Rt, Driver::None).on_one_cpu();
        tests.boot(&board, &options, PARAMETERS).map(drop)
    });
    tests.check(OVERLAYS, || typed_commands::overlays(tests, &board));
    tests.check(tune::NAME, || tune::run(tests));
    if tests.full {
        tests.check(ON_THE_SIDE, || typed_commands::on_the_side(tests));
        tests.check(BY_HAND, || typed_commands::by_hand(tests));
        tests.check(PLAIN_MAKE, || {
            load(tests, Flavour::Rt, typed_commands::make)
        });
        let build =
            |_: &Tests<'_>, board: &Board<'_>| module::build_for(tests.env, board.kernel_objects());
        tests.check(VERSIONS, || load(tests, Flavour::Kcsan, build));
    }
    kernel_trees::run(tests)
}

/// Loads a module on the board that was built as users build it for their own kernel.
fn load(
    tests: &Tests<'_>,
    flavour: Flavour,
    build: impl FnOnce(&Tests<'_>, &Board<'_>) -> Result<PathBuf>,
) -> Result<()> {
    let board = Board::prepare(tests.env, flavour, Driver::None)?;
    let work = tests.env.cache.run_dir()?;
    copy_file(&build(tests, &board)?, &work.dir.join("dw100_rust.ko"))?;
    let mut options = Options::new(flavour, Driver::None).on_one_cpu();
    options.input = Some(work.dir.clone());
    let script = "modprobe -a v4l2-mem2mem videobuf2-dma-contig && insmod /in/dw100_rust.ko && dw100-board endure 2 20 0";
    tests.boot(&board, &options, script).map(drop)
}
