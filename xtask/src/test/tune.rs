// SPDX-License-Identifier: GPL-2.0

//! Part of suite `deploy`: `dewarp tune` on the board, with a camera and the device. Suite `host` tests
//! its page in a browser.

use anyhow::Result;

use super::Tests;
use crate::board::{Board, Driver, Options};
use crate::kernel::Flavour;
use crate::programs::UserClient;
use crate::step::copy_file;

/// The test's name.
pub const NAME: &str = "dewarp tune straightens a camera's frames with the device";

/// vivid shows a checkerboard, which does not move once its text is off. The page's pictures are JPEG,
/// so the luma of the dewarped picture must be close to the result of `dewarp run`, and that of the
/// source must not. The saved map must be equal to that of the command.
const SCRIPT: &str = r#"set -e
cd /tmp
ip link set lo up
modprobe vivid n_devs=1 node_types=0x1 no_error_inj=1
v4l2-ctl -d /dev/video1 -c osd_text_mode=2,test_pattern=10
cat > camera.yml <<END
%YAML:1.0
---
image_width: 640
image_height: 360
camera_matrix: !!opencv-matrix
   { rows: 3, cols: 3, dt: d, data: [ 400., 0., 320., 0., 400., 180., 0., 0., 1. ] }
distortion_coefficients: !!opencv-matrix
   { rows: 1, cols: 5, dt: d, data: [ -0.3, 0.08, 0., 0., 0. ] }
END
frames() { awk '/32e30000.dwe/ { print $2 }' /proc/interrupts; }
before=$(frames)
/in/dewarp tune --calibration camera.yml --in-format nv12 --source 640x360 /dev/video1 > url &
page=$!
while [ ! -s url ]; do sleep 0.1; kill -0 $page; done
ask() { wget -q -O $3 --post-data "$2" "$(cat url)$1"; }
ask start '{}' start.json
grep -q '"device":true' start.json
grep -q '"live":true' start.json
ask picture '{"options":{},"show":"source"}' source.jpg
ask picture '{"options":{},"show":"dewarped"}' straight.jpg
[ $(frames) -gt $before ]
ask save '{"options":{"zoom":"1.5"},"what":"map","name":"zoomed.bin"}' saved.json
kill $page
dewarp map lens --size=640x360 --source=640x360 --calibration=camera.yml --zoom=1.5 -o wanted.bin
cmp zoomed.bin wanted.bin
dewarp map lens --size=640x360 --calibration=camera.yml -o map.bin
dewarp run --map map.bin source.jpg -o straight.png --save-in source.nv12 --save-out wanted.nv12
dewarp run straight.jpg -o same.png --save-in straight.nv12
# The mean difference of luma, which cmp prints in octal.
differ() {
    cmp -l -n 230400 $1 $2 | awk 'function n(o) { return int(o / 100) * 64 + int(o % 100 / 10) * 8 + o % 10 }
        { d = n($2) - n($3); sum += d < 0 ? -d : d } END { print int(sum / 230400) }'
}
right=$(differ straight.nv12 wanted.nv12) wrong=$(differ source.nv12 wanted.nv12)
[ $right -lt 4 ] && [ $wrong -gt 8 ] || { echo "the page's picture is $right off, the source $wrong"; exit 1; }
"#;

/// Runs the test.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    // Only the debug kernel has TCP.
    let board = Board::prepare(tests.env, Flavour::Debug, Driver::Rust)?;
    let client = UserClient::prepare(tests.env, &board.sandbox)?;
    let work = tests.env.cache.run_dir()?;
    copy_file(&client.for_board(), &work.dir.join("dewarp"))?;
    let mut options = Options::new(Flavour::Debug, Driver::Rust);
    options.input = Some(work.dir.clone());
    tests.boot(&board, &options, SCRIPT).map(drop)
}
