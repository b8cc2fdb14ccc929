// SPDX-License-Identifier: GPL-2.0
//! The commands for pictures.

#[cfg(feature = "device")]
use std::collections::BTreeMap;
#[cfg(feature = "device")]
use std::path::{Path, PathBuf};
#[cfg(feature = "device")]
use std::process::Command;

use crate::common::{Scratch, dewarp};
use dewarp::{Picture, Size};

#[cfg(feature = "device")]
#[test]
fn a_picture_of_an_unsupported_size_is_refused_with_the_nearest_one() {
    let dir = Scratch::new("size");
    let picture = dir.picture("odd.png", 640, 481);
    let (code, said) = dewarp(&["run", "-o", "/dev/null"], &[&picture]);
    assert_eq!(code, 2);
    assert_eq!(
        said,
        "dewarp: 640x481 is not a size the device takes; nearest is 640x480\n"
    );
}

#[cfg(feature = "device")]
#[test]
fn a_map_of_the_wrong_length_is_refused_with_both_lengths() {
    let dir = Scratch::new("length");
    let picture = dir.picture("a.png", 640, 480);
    let map = dir.path("map.bin");
    std::fs::write(&map, [0; 4096]).unwrap();
    let (code, said) = dewarp(&["run", "-o", "/dev/null", "--map"], &[&map, &picture]);
    assert_eq!(code, 2);
    assert!(
        said.contains("has 4096 bytes") && said.contains("takes 5084"),
        "{said}"
    );
}

#[cfg(feature = "device")]
#[test]
fn a_missing_device_says_which_driver_to_load() {
    let dir = Scratch::new("device");
    let picture = dir.picture("a.png", 640, 480);
    let (code, said) = dewarp(
        &["run", "-d", "/dev/no-such-video", "-o", "/dev/null"],
        &[&picture],
    );
    assert_eq!(code, 1);
    assert!(
        said.contains("/dev/no-such-video") && said.contains("modprobe dw100_rust"),
        "{said}"
    );
    assert_eq!(said.lines().count(), 1, "{said}");
}

#[cfg(feature = "device")]
#[test]
fn bad_use_exits_with_2_and_says_what_is_right() {
    let dir = Scratch::new("use");
    let picture = dir.picture("a.png", 640, 480);
    let raw = dir.path("a.raw");
    std::fs::write(&raw, [0; 100]).unwrap();
    let video = dir.path("a.y4m");
    let header = b"YUV4MPEG2 W640 H480 C420\nFRAME\n".to_vec();
    std::fs::write(&video, [header, vec![90; 640 * 480 * 3 / 2]].concat()).unwrap();
    let maps = raw.to_str().unwrap();
    let (film, pipe) = (dir.path("a.MP4"), dir.path("pipe"));
    assert!(
        Command::new("mkfifo")
            .arg(&pipe)
            .status()
            .unwrap()
            .success()
    );
    let cases: [(&[&str], &Path, &str); 20] = [
        (&["frobnicate"], &picture, "unrecognized subcommand"),
        (
            &["run", "-o", "/dev/null", "--in-format", "rgb"],
            &picture,
            "rgb is none of nv12",
        ),
        (
            &["run", "-o", "/dev/null", "--source", "320x240"],
            &picture,
            "a picture of 640x480",
        ),
        (
            &["run", "-o", "/dev/null"],
            &raw,
            "raw input takes --source",
        ),
        (
            &["run", "-o", "/dev/null", "--source", "640x480"],
            &raw,
            "must hold whole frames",
        ),
        (
            &["run", "-o", "/dev/null", "--frames", "0"],
            &picture,
            "0 is not in 1..",
        ),
        (
            &["run", "-o", "/dev/null", "--frames", "-1"],
            &picture,
            "-1 is not in 1..",
        ),
        (
            &["run", "-o", "/dev/null", "--size", "-640"],
            &picture,
            "-640 is not WIDTHxHEIGHT",
        ),
        (
            &["run", "-o", "straight.gif"],
            &picture,
            "straight.gif is neither .png nor .jpg nor .y4m; ffmpeg",
        ),
        (
            &["run", "-o", "/dev/null"],
            &film,
            "a.MP4 is neither .png nor .jpg nor .y4m; ffmpeg",
        ),
        (
            &["run", "-o", "/no/a.y4m", "--out-format", "yuyv"],
            &picture,
            "Y4M takes frames of nv12, nv16 or their like, not of yuyv",
        ),
        (
            &["run", "-o", "/dev/null", "--save-out", "last.png"],
            &picture,
            "last.png: --save-in and --save-out write raw frames",
        ),
        (
            &["run", "-o", "/dev/null", "--source", "640x480"],
            &pipe,
            "is no regular file, and pipes cannot be read",
        ),
        (
            &["run", "-o", "/dev/null", "--maps", pipe.to_str().unwrap()],
            &picture,
            "is no regular file, and pipes cannot be read",
        ),
        (
            &["run", "-o", "/dev/null", "--map", maps, "--maps", maps],
            &picture,
            "cannot be used with",
        ),
        (
            &["run", "-o", "/dev/null", "--maps", maps],
            &picture,
            "100 bytes, and a map for an output of 640x480 has 5084",
        ),
        (
            &["run", "-o", "/dev/null", "-o", "/dev/null"],
            &picture,
            "0 maps for 2 outputs",
        ),
        (
            &["run", "-o", "/dev/null", "--map", maps, "--map", maps],
            &picture,
            "2 maps for 1 outputs",
        ),
        (
            &["run", "-o", "/dev/null", "--source", "320x240"],
            &video,
            "a video of 640x480, not of 320x240",
        ),
        (
            &["run", "-o", "/dev/null", "--in-format", "nv16"],
            &video,
            "cannot be sent as nv16",
        ),
    ];
    for (args, path, what) in cases {
        let (code, said) = dewarp(args, &[path]);
        assert_eq!(code, 2, "{args:?}: {said}");
        assert!(said.contains(what), "{args:?}: {said}");
    }
}

/// The inputs of a run, in a directory.
#[cfg(feature = "device")]
fn furnished(name: &str) -> Scratch {
    let dir = Scratch::new(name);
    dir.picture("a.png", 640, 480);
    std::fs::write(dir.path("a.nv12"), [7; 640 * 480 * 3 / 2]).unwrap();
    std::fs::write(dir.path("a.map"), [0; 5084]).unwrap();
    std::os::unix::fs::symlink("a.nv12", dir.path("link")).unwrap();
    std::fs::hard_link(dir.path("a.nv12"), dir.path("same.nv12")).unwrap();
    dir
}

/// What it holds: names and content.
#[cfg(feature = "device")]
fn content(dir: &Scratch) -> BTreeMap<PathBuf, Vec<u8>> {
    let files = std::fs::read_dir(dir.path("")).unwrap();
    let paths = files.map(|file| file.unwrap().path());
    paths
        .map(|path| (path.clone(), std::fs::read(path).unwrap()))
        .collect()
}

#[cfg(feature = "device")]
#[test]
fn no_output_is_an_input_or_another_output() {
    let dir = furnished("apart");
    let before = content(&dir);
    let cases = [
        ("--source 640x480 a.nv12 -o a.nv12", "an input"),
        ("--source 640x480 a.nv12 -o ./link", "an input"),
        ("--source 640x480 a.nv12 -o same.nv12", "an input"),
        (
            "--source 640x480 a.nv12 -o /dev/null --save-in a.nv12",
            "an input",
        ),
        ("a.png -o a.png", "an input"),
        ("a.png --map a.map -o b.png --save-in a.map", "an input"),
        ("a.png --maps a.map -o b.png --save-out a.map", "an input"),
        ("a.png -o b.png --report a.png", "an input"),
        ("a.png -o b.raw --save-in ./b.raw", "another output"),
        (
            "a.png --map a.map --map a.map -o b.y4m -o b.y4m",
            "another output",
        ),
        ("a.png -o b.png --save-out c --report c", "another output"),
    ];
    for (words, what) in cases {
        let (code, said) = dir.run(&format!("run {words}"));
        assert_eq!(code, 2, "{words}: {said}");
        assert!(
            said.contains(&format!("would be overwritten: it is {what} as well")),
            "{words}: {said}"
        );
        assert!(content(&dir) == before, "{words}");
    }
}

#[cfg(feature = "device")]
#[test]
fn without_a_device_nothing_is_written() {
    let dir = furnished("untouched");
    std::fs::write(dir.path("old.png"), "old").unwrap();
    let before = content(&dir);
    for words in [
        "a.png -o old.png --save-in b.raw --save-out c.raw --report d.json",
        "a.png --map a.map --map a.map -o b.nv12 -o e.y4m",
        // A device node may be given several times.
        "a.png -o /dev/null --save-in /dev/null --report /dev/null",
    ] {
        let (code, said) = dir.run(&format!("run -d /dev/no-such-video {words}"));
        assert_eq!(code, 1, "{words}: {said}");
        assert!(said.contains("/dev/no-such-video"), "{words}: {said}");
        assert!(content(&dir) == before, "{words}");
    }
}

#[cfg(feature = "device")]
#[test]
fn a_missing_file_is_named() {
    let (code, said) = dewarp(&["run", "-o", "/dev/null", "/no/such/picture.png"], &[]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("dewarp: cannot read /no/such/picture.png: No such file"),
        "{said}"
    );
    // A camera that is not there is not taken for raw frames without a size.
    let (code, said) = dewarp(&["run", "-o", "/dev/null", "/dev/no-such-camera"], &[]);
    assert_eq!(code, 1);
    assert!(said.contains("cannot read /dev/no-such-camera"), "{said}");
}

#[test]
fn exit_statuses_are_told_by_help_and_man_page() {
    let dir = Scratch::new("statuses");
    for words in ["--help", "man"] {
        let (code, text, _) = dir.start(words);
        assert_eq!(code, 0);
        for status in ["0  all is done", "1  the system failed", "2  what was"] {
            assert!(text.contains(status), "{words}: {text}");
        }
    }
}

#[test]
fn compare_puts_two_pictures_side_by_side() {
    let dir = Scratch::new("compare");
    let (a, b) = (dir.picture("a.png", 40, 30), dir.picture("b.jpg", 50, 20));
    let both = dir.path("both.png");
    let (code, said) = dewarp(&["compare"], &[&a, &b, "-o".as_ref(), &b]);
    assert!(code == 2 && said.contains("an input as well"), "{said}");
    assert_eq!(dewarp(&["compare"], &[&a, &b, "-o".as_ref(), &both]).0, 0);
    assert_eq!(
        Picture::load(&both).unwrap().size,
        Size {
            width: 98,
            height: 30
        }
    );
}

#[test]
fn convert_keeps_the_picture() {
    let dir = Scratch::new("convert");
    let (jpeg, png) = (dir.picture("a.jpg", 40, 30), dir.path("a.png"));
    assert_eq!(dewarp(&["convert"], &[&jpeg, "-o".as_ref(), &png]).0, 0);
    assert!(Picture::load(&png) == Picture::load(&jpeg));
    let (code, said) = dewarp(&["convert"], &[&jpeg, "-o".as_ref(), &jpeg]);
    assert!(code == 2 && said.contains("an input as well"), "{said}");
    let (code, said) = dewarp(&["convert"], &[&jpeg, "-o".as_ref(), &dir.path("a.tga")]);
    assert_eq!(code, 2);
    assert!(said.contains("neither .png nor .jpg"), "{said}");
}

#[test]
fn a_picture_that_finds_no_room_is_an_error() {
    let dir = Scratch::new("full");
    // Smaller than any buffer.
    let picture = dir.picture("a.png", 40, 30);
    for name in ["full.png", "full.jpg"] {
        let full = dir.path(name);
        std::os::unix::fs::symlink("/dev/full", &full).unwrap();
        for command in [&["convert"][..], &["compare", picture.to_str().unwrap()]] {
            let (code, said) = dewarp(command, &[&picture, "-o".as_ref(), &full]);
            assert_eq!(code, 1, "{command:?} {name}: {said}");
            assert!(
                said.contains(name) && said.contains("No space left"),
                "{said}"
            );
        }
    }
}
