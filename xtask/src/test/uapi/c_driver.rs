// SPDX-License-Identifier: GPL-2.0

//! The results of the C driver in suite `uapi` that differ from this driver's.

/// It crops with SCALE_FACTOR, which has one scale for both directions, and has no crop below 176x144.
/// This is no fault: V4L2 lets a driver adjust a rectangle.
const ONE_SCALE: &str = "one scale for both sides";

/// It computes both parts of ROI_START with the ratio of the widths. Whether that is wrong (a part of
/// fault 16) depends on how the hardware reads ROI_START: the model takes the ratio of the heights for
/// Y.
const BY_WIDTHS: &str = "depends on how the hardware reads ROI_START";

/// It crops the picture that the map makes, and not the source, if the hardware reads the two registers
/// as the model does.
const ZOOMS: &str = "depends on how the hardware reads SCALE_FACTOR and ROI_START";

/// Lists tests that fail, by the reason: the name, and a part of the failure.
macro_rules! fails {
    ($($reason:tt { $($test:literal => $says:literal;)* })*) => {
        &[$($(($test, $reason, $says),)*)*]
    };
}

/// The tests that the C driver fails: the name, the reason, and a part of the failure. The reason is
/// the number of one of its faults, as the tests of the driver's logic count them, or a description.
pub const FAILS: &[(&str, &str, &str)] = fails! {
    "fault 11" {
        "STREAMOFF of OUTPUT completes the queued requests"
            => "request 0 is not completed after STREAMOFF";
        "STREAMOFF of CAPTURE first completes them with OUTPUT"
            => "request 0 is not completed after STREAMOFF";
        "STREAMOFF in the middle of many requests completes them all"
            => "is not completed after STREAMOFF";
        "a request serves again as soon as STREAMOFF is over, without any worker"
            => "round 0: reinitialising the request: EBUSY";
    }
    "fault 12" {
        "the identity saturates at 4096 columns"
            => "4096x144 -> 4096x144: vertex 1,0 is 0.0000,0.0000";
        "4096 columns come back as they were" => "column 16 of line 0 shows 0, not 1";
    }
    "fault 13" {
        "the identity is exact for sides that are not multiples of 16"
            => "1920x1080 -> 1920x1080: vertex 0,1 is 0.0000,15.8750";
        "the identity is exact where it scales"
            => "640x480 -> 1280x720: vertex 0,1 is 0.0000,10.6250";
        "what goes through the identity comes back as it was" => "648x488: ";
    }
    "fault 14" {
        "S_FMT of OUTPUT renews the identity"
            => "1280x720 -> 640x480: vertex 1,0 is 16.0000,0.0000";
        "what another source gives through the identity is all of it"
            => "a source of 1280x720 shows 48 at 165,9, not 112";
    }
    "fault 15" {
        "the default is the identity and asking for it leaves the map as it is"
            => "the default: 640x480 -> 176x144: vertex 0,0 is 312.0000,8.0000";
        "asking for the default while streaming does not show in the next frame"
            => "in a request, where 41 is due: the frame is 16 at its corner";
    }
    "fault 16" {
        "a rectangle that leaves the source has its position clamped, then its sides"
            => "of 640x480 became Rect { left: 457, top: 3, width: 183, height: 137 }";
        "what was returned can be set again"
            => "became Rect { left: 0, top: 5, width: 187, height: 140 } when set again with flags 0";
        "with GE the crop holds what was asked for, or it is ERANGE"
            => "became Rect { left: 449, top: 0, width: 191, height: 143 }";
        "with LE the crop lies in what was asked for, or it is ERANGE"
            => "gave Ok(Rect { left: 0, top: 6, width: 175, height: 131 }), where None was due";
        "with GE and LE the crop has the size asked for, or it is ERANGE"
            => "became Rect { left: 400, top: 300, width: 240, height: 180 }";
        "unknown flags are EINVAL" => "flags 0x80000000 succeeded, where EINVAL was due";
        "a crop that changes beside running frames is whole in each" => "it shows neither crop";
        "libcamera probes the crop with 1x1 and sets it back to its bounds"
            => "the least crop is Rect { left: 457, top: 3, width: 183, height: 137 }";
        "a rectangle far outside becomes one inside, or is ERANGE" => "with GE and LE became";
        "flags of no meaning are EINVAL for any rectangle" => "succeeded, where EINVAL was due";
    }
    "fault 17" {
        "a map set while streaming is used from the next frame on"
            => "after setting the map of band 21: the frame shows luma 21";
        "a frame shows the map of its start, whatever is set while it runs"
            => "the next frame: the frame shows luma 16, not the 166 of band 30";
        "a map set while frames run is used whole, and the last one wins"
            => "maps only one was ever used: [25, 0]";
    }
    "fault 19" {
        "a larger bytesperline is honoured in every format"
            => "Output NV16 648x488 has lines and planes of [(648,";
        "a bytesperline is rounded up to 8 bytes and ends at 0xfff8"
            => "Output NV16 648x488 has lines and planes of [(648,";
        "TRY_FMT answers to a bytesperline as S_FMT does"
            => "Output NV16 648x488 has lines and planes of [(648,";
        "a line length beside another sizeimage, or for the present width, is a request for padding"
            => "Output NV12 1920x1080 has lines and planes of [(1920,";
        "a source with padded lines shows its pixels and no padding"
            => "Output NV16 648x488 has lines and planes of [(648,";
        "a destination with padded lines has its pixels in place"
            => "Capture NV16 648x488 has lines and planes of [(648,";
        "padded lines on both sides, each with its own"
            => "Output NV16 648x488 has lines and planes of [(648,";
        "lines of 0xfff8 bytes carry a frame, and bound what may be written"
            => "Output NV12 176x144 has lines and planes of [(176,";
        "a data_offset is honoured, or refused if the engine cannot start there"
            => "the data_offset of 4096 was taken and not heeded";
        "a request whose buffer cannot be read is EINVAL and can be used again"
            => "queueing the request succeeded, where EINVAL was due";
        "planes in one dma-buf have a data_offset each, and no more room than it has"
            => "QBUF of a plane behind the end of its dma-buf succeeded";
        "libcamera sets a stride of one plane and gets just that" => "a stride of 1024 became";
    }
    ONE_SCALE {
        "a crop of 16x16 or more is kept as it is"
            => "of 640x480 became Rect { left: 0, top: 119, width: 183, height: 137 }";
        "a crop that is possible is kept under any flags"
            => "flags 0 became Rect { left: 0, top: 119, width: 183, height: 137 }";
        "a crop shows just the rectangle that was asked for"
            => "became Rect { left: 10, top: 20, width: 333, height: 250 }";
        "a map set while streaming shows in the crop that is in use"
            => "became Rect { left: 270, top: 225, width: 340, height: 255 }";
        "a request queued before streaming has the crop of that moment"
            => "became Rect { left: 270, top: 225, width: 340, height: 255 }";
        "a crop set after a request holds for its map from the next frame on"
            => "became Rect { left: 270, top: 225, width: 340, height: 255 }";
    }
    BY_WIDTHS {
        "a crop shows its lines also in a picture of another shape"
            => "line 0 shows the source at about 158, not 120.0";
    }
    ZOOMS {
        "a crop shows what a map shows, in the crop"
            => "column 0 shows the source at about 180, not 210.0";
        "a crop set while streaming holds for the map that is in use"
            => "column 0 shows the source at about 180, not 210.0";
        "S_FMT of OUTPUT shows a map in the whole source again"
            => "column 0 shows the source at about 180, not 210.0";
        "a map of a request has the crop of the moment when it was queued"
            => "column 0 shows the source at about 100, not 210.0";
    }
    "it has no prefetch controls" {
        "prefetch has three modes and starts with calculation" => "EINVAL: Invalid argument";
        "the prefetch threshold is 32 of 127" => "EINVAL: Invalid argument";
        "the prefetch controls are the last two of sixteen identifiers" => "the controls are [1]";
        "prefetch controls can be set in a request" => "EINVAL: Invalid argument";
        "prefetch controls leave the map alone and it them" => "EINVAL: Invalid argument";
    }
    "it does not look at bytesused" {
        "a frame with fewer bytes used than its format needs is told once in the log"
            => "the log tells of it 0 times";
    }
    "it has no LOG_STATUS" {
        "LOG_STATUS prints both queues and all controls" => "ENOTTY";
        "of many LOG_STATUS few print, so that no user can fill the log" => "ENOTTY";
    }
    "it has no cached memory" {
        "both queues offer cached memory for MMAP, and for nothing else" => "has capabilities";
        "frames through cached memory are right on either queue" => "EOPNOTSUPP";
    }
    "it has no REMOVE_BUFS" {
        "REMOVE_BUFS removes buffers of a queue that streams, and makes room for others"
            => "has capabilities";
        "REMOVE_BUFS refuses what is not there or in use" => "ENOTTY";
    }
    "it has no flips" {
        "HFLIP and VFLIP mirror what is shown, at any scale and in any crop"
            => "EINVAL: Invalid argument";
        "a flip set while streaming shows in the next frame" => "EINVAL: Invalid argument";
        "flips are inactive and without effect while a map is set" => "EINVAL: Invalid argument";
        "a flip in a request shows in its frame and stays" => "EINVAL: Invalid argument";
        "a flip in a request leaves a map alone, and counts when the map is gone"
            => "EINVAL: Invalid argument";
    }
    "it takes the map for one of the new size" {
        "a map for another size of picture fails its own request and no other"
            => "queueing the old map succeeded, where EINVAL was due";
        "a map for a transposed size of picture fails its own request and no other"
            => "queueing the old map succeeded, where EINVAL was due";
    }
    "it leaves the request incomplete" {
        "a request with the map of another file is EINVAL and can be used again"
            => "queueing it succeeded, where EINVAL was due";
    }
    "it has no statistics" {
        "statistics count the frames of each file and of the device"
            => "reading /sys/kernel/debug/32e30000.dwe/statistics";
        "statistics tell how long the engine took and a frame waited"
            => "reading /sys/kernel/debug/32e30000.dwe/statistics";
        "statistics of a file are there while it is open, those of the device for longer"
            => "reading /sys/kernel/debug/32e30000.dwe/statistics";
        "statistics can be read beside frames and files that come and go"
            => "reading /sys/kernel/debug/32e30000.dwe/statistics";
    }
};

/// Those of them that are races, which the C driver may win on a busy machine.
pub const RACES: &[&str] = &["a crop that changes beside running frames is whole in each"];

/// The tests that do not run with the C driver, with the reasons. They would crash the kernel or cause
/// a kernel report.
pub const SKIPS: &[(&str, &str)] = &[
    (
        "a crop shows in a destination whose format is set later",
        "fault 1: it frees what it did not allocate",
    ),
    (
        "S_FMT of CAPTURE while OUTPUT streams is used",
        "fault 1: it frees what it did not allocate",
    ),
    (
        "a map for another size that was queued before S_FMT fails its own frame alone",
        "fault 1: it frees what it did not allocate",
    ),
    (
        "a map for another size fails its own frame alone also behind a running one",
        "fault 1: it frees what it did not allocate",
    ),
    (
        "a request with two buffers is EINVAL",
        "it causes a warning, and completes the request twice",
    ),
    (
        "memory that is not there is ENOMEM without a word",
        "it makes the kernel warn",
    ),
    (
        "random arguments in any ioctl leave a device that works",
        "it makes the kernel warn about memory that is not there",
    ),
];
