// SPDX-License-Identifier: GPL-2.0
//! The command as a user meets it: what it writes, what it says when the
//! request is wrong, and its exit status. None of this takes a device.

use std::path::{Path, PathBuf};
use std::process::Command;

use dewarp::{Picture, Size, VertexMap};

/// A directory of the test's own, gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("dewarp-cli-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Scratch(dir)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// A grey picture of this size.
    fn picture(&self, name: &str, width: u32, height: u32) -> PathBuf {
        let path = self.path(name);
        Picture::filled(Size { width, height }, [90; 3])
            .save(&path)
            .unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Runs `dewarp`: exit status, what it said.
fn dewarp(args: &[&str], paths: &[&Path]) -> (i32, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_dewarp"))
        .args(args)
        .args(paths)
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn map_writes_the_control_s_payload() {
    let dir = Scratch::new("map");
    let out = dir.path("map.bin");
    assert_eq!(
        dewarp(&["map", "--size", "640x480", "identity", "-o"], &[&out]),
        (0, "".into())
    );
    let bytes = std::fs::read(&out).unwrap();
    let size = Size {
        width: 640,
        height: 480,
    };
    assert_eq!(bytes, VertexMap::identity(size, size).to_bytes());
    let lens = [
        "map",
        "--size",
        "640x480",
        "lens",
        "--center",
        "342.283,235.571",
        "--focal",
        "535.916,535.916",
        "--radial",
        "-0.266373,-0.0385889,0.238392",
        "--tangential",
        "0.00178319,-0.000281221",
        "-o",
    ];
    assert_eq!(dewarp(&lens, &[&out]), (0, "".into()));
    // The first vertex, from OpenCV: (42.1793, 29.6661), in sixteenths.
    assert_eq!(
        std::fs::read(&out).unwrap()[..4],
        (475u32 << 16 | 675).to_le_bytes()
    );
}

#[test]
fn the_calibration_file_gives_the_same_map_as_its_numbers() {
    let dir = Scratch::new("calibration");
    let file = dir.path("camera.yml");
    std::fs::write(
        &file,
        "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\ncamera_matrix: !!opencv-matrix\n   \
         data: [ 500., 0., 320., 0., 510., 240., 0., 0., 1. ]\ndistortion_coefficients: \
         !!opencv-matrix\n   data: [ -0.2, 0.05, 0.001, -0.002, 0.01 ]\n",
    )
    .unwrap();
    let (one, other) = (dir.path("one.bin"), dir.path("other.bin"));
    let (code, said) = dewarp(
        &["map", "--size", "320x240", "lens", "--calibration"],
        &[&file, "-o".as_ref(), &one],
    );
    assert_eq!((code, said.as_str()), (0, ""));
    let numbers = [
        "map",
        "--size",
        "320x240",
        "--source",
        "640x480",
        "lens",
        "--center",
        "320,240",
        "--focal",
        "500,510",
        "--radial",
        "-0.2,0.05,0.01",
        "--tangential",
        "0.001,-0.002",
        "-o",
    ];
    assert_eq!(dewarp(&numbers, &[&other]).0, 0);
    assert_eq!(std::fs::read(&one).unwrap(), std::fs::read(&other).unwrap());
}

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

#[test]
fn bad_use_exits_with_2_and_says_what_is_right() {
    let dir = Scratch::new("use");
    let picture = dir.picture("a.png", 640, 480);
    let raw = dir.path("a.raw");
    std::fs::write(&raw, [0; 100]).unwrap();
    let cases: [(&[&str], &Path, &str); 9] = [
        (&["frobnicate"], &picture, "unrecognized subcommand"),
        (
            &["map", "identity", "--size", "640", "-o"],
            &raw,
            "640 is not WIDTHxHEIGHT",
        ),
        (
            &["map", "lens", "--size", "640x480", "-o"],
            &raw,
            "--calibration, or --center",
        ),
        (
            &["map", "lens", "--size", "640x480", "--radial", "1,2", "-o"],
            &raw,
            "3 numbers with commas",
        ),
        (
            &["run", "-o", "/dev/null", "--in-format", "rgb"],
            &picture,
            "rgb is none of nv12",
        ),
        (
            &["run", "-o", "/dev/null", "--size", "320x240"],
            &picture,
            "a picture of 640x480",
        ),
        (&["run", "-o", "/dev/null"], &raw, "raw input takes --size"),
        (
            &["run", "-o", "/dev/null", "--size", "640x480"],
            &raw,
            "must hold whole frames",
        ),
        (
            &["run", "-o", "/dev/null", "--frames", "0"],
            &picture,
            "0 is not in 1..",
        ),
    ];
    for (args, path, what) in cases {
        let (code, said) = dewarp(args, &[path]);
        assert_eq!(code, 2, "{args:?}: {said}");
        assert!(said.contains(what), "{args:?}: {said}");
    }
}

#[test]
fn a_missing_file_is_named() {
    let (code, said) = dewarp(&["run", "-o", "/dev/null", "/no/such/picture.png"], &[]);
    assert_eq!(code, 1);
    assert!(
        said.starts_with("dewarp: cannot read /no/such/picture.png: No such file"),
        "{said}"
    );
}

#[test]
fn compare_puts_two_pictures_side_by_side() {
    let dir = Scratch::new("compare");
    let (a, b) = (dir.picture("a.png", 40, 30), dir.picture("b.jpg", 50, 20));
    let both = dir.path("both.png");
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
    let (code, said) = dewarp(&["convert"], &[&jpeg, "-o".as_ref(), &dir.path("a.tga")]);
    assert_eq!(code, 2);
    assert!(said.contains("neither .png nor .jpg"), "{said}");
}
