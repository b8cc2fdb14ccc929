// SPDX-License-Identifier: GPL-2.0

//! The checks of docs/gstreamer.md. They compare the frames of the element `dw100dewarp` with those of
//! `dewarp run` and maps of `dewarp map`, and check the element's messages.

use super::DocCheck;

/// The document.
pub const DOCUMENT: &str = "docs/gstreamer.md";

/// See [`super::CHECKS`]. `lens SIZE ARGUMENTS...` makes a map, and `run SIZE FRAMES ARGUMENTS...` the
/// frames to compare with.
pub const CHECKS: &[DocCheck] = &[
    (
        "See that it is there",
        "for name in alpha calibration camera capture-io-mode device map model output-io-mode pan \
            projection roll sensor-crop tilt zoom; do
            grep -q \"^  $name  *: .\" said || say \"$name is not described\"
        done
        grep -q 'Pad Templates' said
        gst-inspect-1.0 dw100 | grep -q '1 elements'",
    ),
    (
        "Straighten a file",
        "lens 640x480 --alpha 0
        run 640x480 frames.nv12
        cmp straight.nv12 wanted
        ! cmp -s straight.nv12 frames.nv12 || say 'the map is not used'
        play() { gst-launch-1.0 -q filesrc location=frames.nv12 \
            ! rawvideoparse format=nv12 width=640 height=480 ! \"$@\" ! filesink location=came; }
        play dw100dewarp
        cmp came frames.nv12
        play dw100dewarp calibration=opencv.yml zoom=1.4 pan=5 tilt=-3 roll=2 projection=cylindrical
        lens 640x480 --zoom 1.4 --pan 5 --tilt -3 --roll 2 --projection cylindrical
        run 640x480 frames.nv12
        cmp came wanted
        play dw100dewarp calibration=kalibr.yaml camera=cam1
        dewarp map lens --size 640x480 --calibration kalibr.yaml --camera cam1 -o map
        run 640x480 frames.nv12
        cmp came wanted",
    ),
    (
        "With a map",
        "dewarp run --map map.bin --source 640x480 --size 320x240 frames.nv12 -o wanted
        cmp mapped.nv12 wanted",
    ),
    // The camera makes the same picture each time.
    (
        "From a camera to a file",
        "[ $(ffprobe -v error -count_frames -show_entries stream=nb_read_frames -of csv=p=0 camera.mkv) = 5 ]
        gst-launch-1.0 -q v4l2src device=/dev/video1 io-mode=dmabuf num-buffers=5 \
            ! video/x-raw,format=YUY2,width=640,height=480 \
            ! dw100dewarp output-io-mode=dmabuf-import calibration=opencv.yml alpha=0 \
            ! video/x-raw,format=NV12 ! filesink location=camera.nv12
        v4l2-ctl -d /dev/video1 --stream-mmap --stream-count=1 --stream-to=camera.yuyv
        lens 640x480 --alpha 0
        run 640x480 camera.yuyv --in-format yuyv --out-format nv12 --frames 5
        cmp camera.nv12 wanted",
    ),
    (
        "Zoom while it plays",
        "for zoom in 1 1.2 1.4; do
            lens 640x480 --alpha 0 --zoom $zoom
            cat map
        done > maps
        dewarp run --maps maps --source 640x480 frames.nv12 -o wanted
        cmp zoomed.nv12 wanted
        source='filesrc location=frames.nv12 ! rawvideoparse format=nv12 width=640 height=480 framerate=10/1'
        lens 640x480
        run 640x480 frames.nv12
        steps \"$source ! dw100dewarp calibration=opencv.yml ! filesink location=again append=true\" again
        cat wanted wanted | cmp again -
        steps \"$source ! dw100dewarp calibration=opencv.yml ! filesink location=sought\" seek=100000000
        tail -c +460801 wanted | cmp sought -
        ! steps \"$source ! dw100dewarp name=lens calibration=opencv.yml ! fakesink\" \
            1:lens.calibration=missing.yml > error 2>&1 || say 'a file that is missing is no error'
        grep 'cannot read missing.yml' error",
    ),
    // The colours of videotestsrc depend on the element after it.
    (
        "When the size changes",
        "source() { echo \"videotestsrc num-buffers=2 ! video/x-raw,format=NV12,width=$1,height=$2\"; }
        straight() { gst-launch-1.0 -q $(source ${1%x*} ${1#*x}) \
                ! v4l2convert disable-passthrough=true ! filesink location=source.nv12
            dewarp map lens --size $2 --source $1 --calibration opencv.yml -o map
            dewarp run --map map --source $1 --size $2 source.nv12 -o wanted-$1; }
        straight 640x480 640x480
        straight 320x240 320x240
        cat wanted-640x480 wanted-320x240 | cmp both.nv12 -
        gst-launch-1.0 -q concat name=both ! dw100dewarp calibration=opencv.yml \
            ! video/x-raw,width=320,height=240 ! filesink location=fixed.nv12 \
            $(source 640 480) ! both. $(source 480 360) ! both.
        straight 640x480 320x240
        straight 480x360 320x240
        cat wanted-640x480 wanted-480x360 | cmp fixed.nv12 -",
    ),
    (
        "When something is wrong",
        "grep 'ERROR: from element .*Dw100Dewarp.*: frames.nv12: ' said
        refused() { why=$1; shift; ! gst-launch-1.0 videotestsrc num-buffers=1 \
            ! video/x-raw,format=NV12,width=640,height=480 ! \"$@\" ! fakesink > error 2>&1 \
            || say \"$* is taken\"; grep \"ERROR: from element .*Dw100Dewarp.*: .*$why\" error; }
        refused 'not a V4L2 device' dw100dewarp device=/dev/null
        refused 'cannot open /dev/video9' dw100dewarp device=/dev/video9
        refused 'exclude each other' dw100dewarp map=frames.nv12 calibration=opencv.yml
        refused 'frames.nv12: the map has' dw100dewarp map=frames.nv12
        refused 'take a calibration' dw100dewarp zoom=2
        refused 'is not WIDTHxHEIGHT' dw100dewarp calibration=opencv.yml sensor-crop=all",
    ),
];

/// Shell functions for the checks and the commands.
pub const SETUP: &str = "lens() { size=$1; shift; \
    dewarp map lens --size $size --calibration opencv.yml \"$@\" -o map 2> /dev/null; }
run() { size=$1; frames=$2; shift 2; \
    dewarp run --map map --source $size \"$@\" $frames -o wanted 2> /dev/null; }
";
