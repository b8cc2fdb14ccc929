// SPDX-License-Identifier: GPL-2.0

//! Suite `clients`: runs the commands of docs/clients.md and docs/gstreamer.md on the board as they are
//! printed there; with `--full` also with the C driver. The results are compared with data that no
//! driver made, or with the result of `dewarp run` for the same frames and driver. The latter shows
//! that the buffers, formats and sizes of a client are right, but not that the frame is: `stream`
//! checks frames against the engine's model, and `parity` also checks scaled ones.

mod gstreamer;

use std::fs;
use std::path::Path;

use anyhow::{Result, anyhow, ensure};
use pulldown_cmark::{CodeBlockKind, Event, Parser, Tag, TagEnd};

use super::names::Names;
use super::{END, Tests, complete, result, side_by_side, verdicts};
use crate::board::{Board, Driver};
use crate::gstreamer::Plugin;
use crate::guest::Guest;
use crate::kernel::Flavour;
use crate::step::copy_file;

/// A heading, and shell commands that check the result of the commands under it. They fail at the first
/// command that does. The output of the document's commands is in the file `said`.
type DocCheck = (&'static str, &'static str);

/// Each document with its checks.
const DOCUMENTS: [(&str, &[DocCheck]); 2] = [
    ("docs/clients.md", CHECKS),
    (gstreamer::DOCUMENT, gstreamer::CHECKS),
];

/// The calibrations that the commands read, from `tools/dewarp/tests/cameras`.
const CALIBRATIONS: [&str; 2] = ["opencv.yml", "kalibr.yaml"];

/// The checks of docs/clients.md.
const CHECKS: &[DocCheck] = &[
    (
        "Frames to begin with",
        "[ $(stat -c %s frames.nv12) = $((3 * 640 * 480 * 3 / 2)) ]
        dd if=frames.nv12 of=first bs=460800 count=1
        dd if=frames.nv12 of=second bs=460800 count=1 skip=1
        ! cmp -s first second || say 'the frames are the same'",
    ),
    (
        "v4l2-ctl scales and converts",
        "dewarp run --source 640x480 --size 320x240 --out-format yuyv frames.nv12 -o wanted
        cmp small.yuyv wanted",
    ),
    (
        "v4l2-ctl crops",
        "gst-launch-1.0 -q filesrc location=frames.nv12 ! rawvideoparse format=nv12 width=640 height=480 \
            ! videocrop left=160 right=160 top=120 bottom=120 ! filesink location=wanted
        cmp middle.nv12 wanted",
    ),
    (
        "v4l2-ctl and the map",
        "send() { v4l2-ctl -d /dev/video0 $1 --stream-out-mmap --stream-mmap --stream-count=1 --stream-to=$2; }
        luma() { head -c 307200 $1 | od -An -v -tu1 -w1 | sort -u; }
        send '' whole.nv16
        at=$(head -c 64101 whole.nv16 | tail -c 1 | od -An -tu1 -w1)
        [ \"$(luma point.nv16)\" = \"$at\" ] || say \"the luma is\" $(luma point.nv16) \"and not\" $at
        send '-v width=640,height=480,pixelformat=NV12 -c dewarping_vertex_map=104859200' identity.nv12
        [ $(luma identity.nv12 | wc -l) -gt 1 ] || say 'the map outlives setting the format'",
    ),
    (
        "GStreamer finds the device",
        "grep -q 'V4L2 Video Converter' said",
    ),
    (
        "GStreamer converts",
        "dewarp run --source 640x480 --out-format yuyv frames.nv12 -o wanted
        cmp frames.yuyv wanted",
    ),
    (
        "GStreamer scales",
        "dewarp run --source 640x480 --size 320x240 frames.nv12 -o wanted
        cmp small.nv12 wanted
        ! gst-launch-1.0 videotestsrc num-buffers=1 ! video/x-raw,format=NV12,width=1920,height=1080 \
            ! v4l2convert ! video/x-raw,width=640,height=480,colorimetry=bt601 ! fakesink > colours 2>&1 \
            || say 'GStreamer converts the colours'
        grep 'does not support bt601 colorimetry' colours
        ! gst-launch-1.0 videotestsrc num-buffers=1 ! video/x-raw,format=NV12,width=642,height=480 \
            ! v4l2convert ! video/x-raw,width=320,height=240 ! fakesink > odd 2>&1 \
            || say 'a source of 642 columns negotiates'
        grep 'reason not-negotiated' odd
        odd() { gst-launch-1.0 -q filesrc location=frames.nv12 ! rawvideoparse format=nv12 width=640 height=480 \
            ! v4l2convert ! video/x-raw,format=NV12,width=322,height=242 \
            ! $1 ! video/x-raw,format=$2 ! filesink location=odd.raw; stat -c %s odd.raw; }
        [ $(odd identity NV12) = $((3 * 328 * 248 * 3 / 2)) ] || say 'a file has another size than the buffers'
        [ $(odd videoconvert I420) = $((3 * (324 * 242 + 2 * 164 * 121))) ] || say 'videoconvert does not cut'",
    ),
    (
        "GStreamer leaves a frame as it is",
        "cmp same.nv12 frames.nv12
        gst-launch-1.0 -q filesrc location=frames.nv12 ! rawvideoparse format=nv12 width=640 height=480 \
            ! v4l2convert disable-passthrough=true extra-controls=c,dewarping_vertex_map=104859200 \
            ! filesink location=extra.nv12
        cmp extra.nv12 frames.nv12",
    ),
    // All columns of the luma plane but the last block's are the mirror image.
    (
        "GStreamer mirrors",
        "gst-launch-1.0 -q filesrc location=frames.nv12 ! rawvideoparse format=nv12 width=640 height=480 \
            ! videoflip method=horizontal-flip ! filesink location=wanted
        [ $(stat -c %s mirrored.nv12) = $(stat -c %s wanted) ] || say 'not all frames are there'
        cmp -l mirrored.nv12 wanted > differ || true
        wrong=$(awk '{ at = ($1 - 1) % 460800; if (at < 307200 && at % 640 < 624) wrong++ } END { print wrong + 0 }' differ)
        [ $wrong = 0 ] || say \"$wrong samples of luma are not mirrored\"",
    ),
    // The camera keeps the format and the colours that GStreamer chose.
    (
        "GStreamer takes a camera's frames without a copy",
        "v4l2-ctl -d /dev/video1 --stream-mmap --stream-count=1 --stream-to=camera.yuyv
        dewarp run --source 640x480 --in-format yuyv camera.yuyv --frames 5 -o wanted
        cmp camera.nv12 wanted
        rmmod vivid
        modprobe vivid n_devs=1 node_types=0x1 no_error_inj=1 multiplanar=1 allocators=1
        for format in NV12 NV16; do
            ! gst-launch-1.0 v4l2src device=/dev/video1 io-mode=dmabuf num-buffers=3 \
                ! video/x-raw,format=$format,width=640,height=480 \
                ! v4l2convert output-io-mode=dmabuf-import ! video/x-raw,format=YUY2 ! fakesink > one 2>&1 \
                || say \"$format in one dma-buf is imported\"
            grep 'streaming stopped, reason error' one
        done
        gst-launch-1.0 -q v4l2src device=/dev/video1 num-buffers=3 ! video/x-raw,format=NV12,width=640,height=480 \
            ! v4l2convert ! video/x-raw,format=YUY2 ! filesink location=copied.yuyv
        [ $(stat -c %s copied.yuyv) = $((3 * 640 * 480 * 2)) ] || say 'the copied frames are not all there'
        rmmod vivid",
    ),
    (
        "ffmpeg before and behind the device",
        "ffmpeg -nostdin -loglevel error -i small.mkv -pix_fmt nv12 -f rawvideo came.nv12
        dewarp run --source 640x480 --size 320x240 frames.nv12 -o wanted
        cmp came.nv12 wanted",
    ),
    (
        "Why ffmpeg cannot drive the device",
        "grep -q 'Could not find a valid device' said
        grep -q 'Not a video capture device' said
        ffmpeg -hide_banner -filters > filters
        grep -q ' scale ' filters
        ! grep -i v4l2 filters || say 'a filter knows V4L2'",
    ),
    (
        "libcamera finds the device",
        "grep -q 'Added device /dev/media0: dw100' said
        grep -q 'Could not find any supported camera' said",
    ),
];

/// A shell function with which a check fails and says why.
const SAY: &str = "say() { echo \"$@\"; exit 1; }\n";

/// The checks that fail with the C driver: the heading, and a part of the failure.
const C_DRIVER: &[(&str, &str)] = &[
    ("GStreamer mirrors", "samples of luma are not mirrored"),
    (
        "GStreamer takes a camera's frames without a copy",
        "camera.nv12 wanted differ: char 1,",
    ),
    // It ignores data_offset, too.
    (
        "From a camera to a file",
        "camera.nv12 wanted differ: char 1,",
    ),
    // Its fault 17: a map that is set while it streams is not used without a request.
    ("Zoom while it plays", "zoomed.nv12 wanted differ"),
    ("When the size changes", "fixed.nv12 - differ"),
];

/// Time limit in seconds for the commands under a heading, and for their check.
const LIMIT_S: u32 = 300;

/// Runs the commands under each heading, and then their check. The list is in /in/names. libcamera asks
/// udev for devices. The board has no udev, so the script writes the entries of its database.
const SCRIPT: &str = "mkdir -p /run/udev/data /tmp/clients /tmp/plugin && cd /tmp/clients || exit 1
cp /in/*.y*ml . && cp /in/steps /in/*.so /tmp/plugin || exit 1
printf '%s\\n' '#!/bin/sh' 'exec timeout LAUNCH_S /usr/bin/gst-launch-1.0 \"$@\"' > /tmp/plugin/gst-launch-1.0
chmod +x /tmp/plugin/gst-launch-1.0 || exit 1
export PATH=/tmp/plugin:$PATH GST_PLUGIN_PATH=/tmp/plugin
echo 1..$(wc -l < /in/names)
for device in /sys/class/video4linux/*/dev /sys/bus/media/devices/*/dev; do
    echo I:1 > /run/udev/data/c$(cat $device)
done
while read -r part name; do
    if ! timeout LIMIT_S sh -e /in/$part.commands < /dev/null > said 2>&1; then
        echo \"FAIL $name: the commands fail: $(tail -n 5 said | tr '\\n' ' ')\"
    elif ! timeout LIMIT_S sh -e /in/$part.check < /dev/null > wrong 2>&1; then
        echo \"FAIL $name: $(tail -n 3 wrong | tr '\\n' ' ')\"
    else
        echo \"ok $name\"
    fi
done < /in/names";

/// Time limit in seconds for a `gst-launch-1.0`. That of GStreamer 1.26 sometimes waits for ever after an error
/// before the first frame: its threads wait in poll() and for futexes, and none in a call of the device.
const LAUNCH_S: u32 = 60;

/// Follows the name of a test with the C driver.
const THEIRS: &str = ", C driver";

/// Follows that name if the C driver is known to fail.
const FAILS: &str = ", fails as listed";

/// Returns the name of a test with the C driver.
fn their_name(heading: &str) -> String {
    let known = C_DRIVER.iter().any(|(listed, _)| *listed == heading);
    format!("{heading}{THEIRS}{}", if known { FAILS } else { "" })
}

/// Returns the names of the tests.
pub fn names(_: &Path) -> Result<Names> {
    let headings = || checks().map(|(heading, _)| *heading).chain([END]);
    Names::all(
        headings()
            .map(str::to_owned)
            .chain(headings().map(their_name)),
    )
}

/// Runs the suite.
pub fn run(tests: &Tests<'_>) -> Result<()> {
    let mut options = tests.options(Flavour::Rt).healthy();
    options.clients = true;
    options.timeout_s = 1200;
    let board = Board::prepare_for(tests.env, &options)?;
    let work = tests.env.cache.run_dir()?;
    let guest = Guest::with_clients(tests.env)?;
    let plugin = Plugin::prepare(tests.env, &board.sandbox, &guest)?;
    for file in [plugin.plugin(), plugin.player()] {
        copy_file(&file, &work.dir.join(file.file_name().unwrap_or_default()))?;
    }
    for name in CALIBRATIONS {
        let cameras = tests.env.checkout.join("tools/dewarp/tests/cameras");
        copy_file(&cameras.join(name), &work.dir.join(name))?;
    }
    let mut parts = Vec::new();
    for (document, checks) in DOCUMENTS {
        let text = fs::read_to_string(tests.env.checkout.join(document))?;
        parts.extend(self::parts(document, &text, checks)?);
    }
    let mut names = String::new();
    // All other commands use the frames that the first ones make.
    let wanted = |name: &str| {
        let names = [name, &their_name(name), END, &their_name(END)];
        name == CHECKS[0].0 || tests.wants_any(&names)
    };
    let parts = parts.iter().filter(|(name, ..)| wanted(name));
    for (number, (name, commands, check)) in parts.enumerate() {
        fs::write(work.dir.join(format!("{number}.commands")), commands)?;
        fs::write(
            work.dir.join(format!("{number}.check")),
            [SAY, gstreamer::SETUP, check].concat(),
        )?;
        names += &format!("{number} {name}\n");
    }
    fs::write(work.dir.join("names"), names)?;
    options.input = Some(work.dir.clone());
    let script = SCRIPT.replace("LIMIT_S", &LIMIT_S.to_string());
    let script = script.replace("LAUNCH_S", &LAUNCH_S.to_string());

    let ours = || tests.judge(&board, &options, &script, "");
    let theirs = || {
        let mut options = options.clone();
        options.driver = Driver::C;
        let outcome = tests.run(&board, &options, &script)?;
        for (name, failure) in verdicts(&outcome.printed) {
            let known = C_DRIVER.iter().find(|(listed, _)| *listed == name);
            let judged = match (known, failure) {
                (None, failure) => result(failure),
                (Some((_, says)), Some(why)) if why.contains(says) => Ok(()),
                (Some(_), failure) => Err(anyhow!("{}", failure.unwrap_or("it passes"))),
            };
            tests.record(&their_name(name), judged);
        }
        tests.record_end(&their_name(END), complete(&outcome));
        Ok(())
    };
    if tests.full {
        side_by_side([&ours, &theirs])
    } else {
        ours()
    }
}

/// Returns all checks.
fn checks() -> impl Iterator<Item = &'static DocCheck> {
    DOCUMENTS.into_iter().flat_map(|(_, checks)| checks)
}

/// Returns the headings of a document, with the commands under each and their check.
fn parts(
    document: &str,
    text: &str,
    checks: &[DocCheck],
) -> Result<Vec<(String, String, &'static str)>> {
    let mut found: Vec<(String, String, &str)> = Vec::new();
    for (heading, commands) in blocks(text) {
        match found.last_mut() {
            Some((name, earlier, _)) if *name == heading => *earlier += &commands,
            _ => {
                let check = checks.iter().find(|(name, _)| *name == heading);
                let check = check
                    .ok_or_else(|| anyhow!("nothing checks the commands under '{heading}'"))?;
                found.push((heading, commands, check.1));
            }
        }
    }
    for (name, _) in checks {
        ensure!(
            found.iter().any(|(heading, ..)| heading == name),
            "{document} has no commands under '{name}'"
        );
    }
    Ok(found)
}

/// Returns the blocks of shell commands in a document, each with the heading above it.
pub(super) fn blocks(text: &str) -> Vec<(String, String)> {
    let (mut heading, mut in_heading) = (String::new(), false);
    let mut commands: Option<String> = None;
    let mut found = Vec::new();
    for event in Parser::new(text) {
        match event {
            Event::Start(Tag::Heading { .. }) => (heading, in_heading) = (String::new(), true),
            Event::End(TagEnd::Heading(_)) => in_heading = false,
            Event::Start(Tag::CodeBlock(CodeBlockKind::Fenced(language))) if &*language == "sh" => {
                commands = Some(String::new());
            }
            Event::End(TagEnd::CodeBlock) => {
                found.extend(commands.take().map(|commands| (heading.clone(), commands)));
            }
            Event::Text(more) | Event::Code(more) => match &mut commands {
                Some(commands) => *commands += &more,
                None if in_heading => heading += &more,
                None => {}
            },
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_with_their_heading_and_other_blocks_are_skipped() {
        let text =
            "# A\n```sh\none\n```\n## `b` c\ntext\n```\nno\n```\n```sh\ntwo \\\n  more\n```\n";
        let pair = |heading: &str, commands: &str| (heading.to_owned(), commands.to_owned());
        assert_eq!(
            blocks(text),
            [pair("A", "one\n"), pair("b c", "two \\\n  more\n")]
        );
    }

    #[test]
    fn commands_without_a_check_and_checks_without_commands_are_errors() {
        let text = "# Nobody knows this\n```sh\ntrue\n```\n";
        let unknown = parts("a", text, CHECKS).unwrap_err();
        assert!(
            unknown.to_string().contains("Nobody knows this"),
            "{unknown}"
        );
        let missing = parts("a", "", CHECKS).unwrap_err().to_string();
        assert!(missing.contains(CHECKS[0].0), "{missing}");
    }

    #[test]
    fn each_listed_failure_of_the_c_driver_has_a_check() {
        for (name, _) in C_DRIVER {
            assert!(checks().any(|(heading, _)| heading == name), "{name}");
        }
    }
}
