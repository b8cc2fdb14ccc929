// SPDX-License-Identifier: GPL-2.0
//! Calibration files with faults, and options that a file does not take.

use crate::common::Scratch;
use crate::maps;
use dewarp::{Size, VertexMap};

const OPENCV: &str = include_str!("../cameras/opencv.yml");
const INTRINSICS: &str = include_str!("../cameras/intrinsics.yml");
const EXTRINSICS: &str = include_str!("../cameras/extrinsics.yml");
const ROS: &str = include_str!("../cameras/ros.yaml");
const KALIBR: &str = include_str!("../cameras/kalibr.yaml");
const LENSFUN: &str = include_str!("../cameras/lensfun.xml");

/// `dewarp map lens` with a file: exit status, what it said.
fn with(dir: &Scratch, file: impl AsRef<[u8]>, words: &str) -> (i32, String) {
    std::fs::write(dir.path("file"), file).unwrap();
    dir.run(&format!(
        "map lens --size 640x480 --source 640x480 -o map.bin {words}"
    ))
}

/// That the samples, with this in them exchanged, are refused with this reason.
fn refused(name: &str, words: &str, cases: &[(&str, &str, &str, &str)]) {
    let dir = Scratch::new(name);
    std::fs::write(dir.path("intrinsics.yml"), INTRINSICS).unwrap();
    assert_eq!(with(&dir, cases[0].0, words).0, 0);
    std::fs::remove_file(dir.path("map.bin")).unwrap();
    for (file, right, wrong, reason) in cases {
        assert!(file.contains(right), "{right}");
        let (code, said) = with(&dir, file.replacen(right, wrong, 1), words);
        assert_eq!(code, 2, "{wrong}: {said}");
        assert!(said.contains(reason), "{wrong}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(!dir.path("map.bin").exists(), "{wrong}");
    }
}

#[test]
fn a_matrix_that_is_no_camera_s_is_refused() {
    let matrix = "[ 420., 0., 324.5, 0., 421., 236.25, 0., 0., 1. ]";
    let transposed = "[ 420., 0., 0., 0., 421., 0., 324.5, 236.25, 1. ]";
    let normalised = "[ 0.656, 0., 0.507, 0., 0.877, 0.492, 0., 0., 1. ]";
    let cases = [
        (
            matrix,
            transposed,
            "not 0 0 1: it is transposed, as MATLAB has it",
        ),
        (
            matrix,
            normalised,
            "camera_matrix: a focal length of 0.656 is not from 10 to 1e7",
        ),
        (
            "0., 0., 1. ]",
            "0., 0., 0.01 ]",
            "camera_matrix has the last row [0.0, 0.0, 0.01], not",
        ),
        (
            "324.5, 0., 421.",
            "324.5, 7., 421.",
            "camera_matrix has 7 before its second focal",
        ),
        ("421.", "1e308", "a focal length of 1e308 is not from 10"),
        ("421.", "1e-320", "a focal length of 1e-320 is not from 10"),
        (
            "324.5",
            "1e308",
            "a principal point at 1e308 is not from -1e6 to 1e6",
        ),
        (
            "-0.29",
            "1e30",
            "a coefficient of distortion of 1e30 is not from -1e9 to 1e9",
        ),
        (
            ", -0.021 ]",
            " ]",
            "has 4 numbers in its data, but rows: 5 and cols: 1",
        ),
        (
            "rows: 3\n   cols: 3",
            "rows: 1\n   cols: 9",
            "camera_matrix is 1x9, not 3x3",
        ),
        (
            "image_height: 480",
            "image_width: 480",
            "the key image_width stands twice, again in line ",
        ),
    ];
    let cases = cases.map(|(right, wrong, reason)| (OPENCV, right, wrong, reason));
    refused("matrix", "--calibration file", &cases);
}

#[test]
fn a_rectification_that_is_none_is_refused() {
    let cases = [
        (
            "0., 1., 0. ]\nP2",
            "0., 1. ]\nP2",
            "P1 has 11 numbers in its data, but rows: 3 and cols: 4",
        ),
        (
            "0., 1., 0. ]\nP2",
            "0., 2., 0. ]\nP2",
            "P1 has the last row [0.0, 0.0, 2.0, 0.0], not 0 0 1 0",
        ),
        (
            "0., 0., 540.",
            "0., 3., 540.",
            "P1 has 0 and 3 beside its focal lengths, not 0",
        ),
        (
            "540., 0., 322., 0.",
            "1e308, 0., 322., 0.",
            "P1: a focal length of 1e308 is not from",
        ),
        (
            "0.99992, -0.0048, 0.01172, 0.004846, 0.99998, -0.003917",
            "0.004846, 0.99998, -0.003917, 0.99992, -0.0048, 0.01172",
            "R1 is not a rotation but a reflection: its determinant is -1",
        ),
        (
            "0.99992, -0.0048",
            "0.9, -0.0048",
            "R1 is not a rotation: its rows",
        ),
    ];
    let cases = cases.map(|(right, wrong, reason)| (EXTRINSICS, right, wrong, reason));
    refused(
        "rectified",
        "--calibration intrinsics.yml --camera 1 --rectify file",
        &cases,
    );
}

#[test]
fn an_option_that_a_file_does_not_take_is_an_error() {
    let dir = Scratch::new("options");
    std::fs::write(dir.path("extrinsics.yml"), EXTRINSICS).unwrap();
    let left = KALIBR.replace("cam0:", "left:").replace("cam1:", "right:");
    let cases = [
        (
            OPENCV,
            "--camera 7",
            "it has one camera: there is no --camera 7 to choose",
        ),
        (
            OPENCV,
            "--focal-length 5",
            "--focal-length is for Lensfun's profiles",
        ),
        (
            OPENCV,
            "--crop-factor 5",
            "--crop-factor is for Lensfun's profiles",
        ),
        (
            OPENCV,
            "--camera 7 --rectify extrinsics.yml",
            "it has no rectification (R7)",
        ),
        (
            INTRINSICS,
            "--camera 3",
            "it has no camera 3, only 1, 2: say one with --camera",
        ),
        (
            ROS,
            "--camera 7",
            "it has one camera: there is no --camera 7 to choose",
        ),
        (
            ROS,
            "--camera 7 --rectify file",
            "it has one camera: there is no --camera 7 to choose",
        ),
        (
            ROS,
            "--model fisheye",
            "--model contradicts its distortion_model",
        ),
        (
            ROS,
            "--focal-length 5",
            "--focal-length is for Lensfun's profiles",
        ),
        (
            ROS,
            "--crop-factor 5",
            "--crop-factor is for Lensfun's profiles",
        ),
        (
            KALIBR,
            "--camera cam1 --model pinhole",
            "--model contradicts its distortion_model",
        ),
        (
            KALIBR,
            "--camera cam7",
            "it has no camera cam7, only cam0, cam1",
        ),
        (&left, "", "say which camera with --camera: left, right"),
        (
            LENSFUN,
            "--camera Zeiss",
            "it has no lens named Zeiss, but Example 3-8mm f/2.8, Example 4mm",
        ),
        (
            LENSFUN,
            "--camera 4mm --model pinhole",
            "--model is for files that do not name it",
        ),
    ];
    for (file, words, reason) in cases {
        let (code, said) = with(&dir, file, &format!("--calibration file {words}"));
        assert_eq!(code, 2, "{words}: {said}");
        assert!(said.contains(reason), "{words}: {said}");
    }
    // What a file does take.
    for (file, words) in [
        (OPENCV, "--camera 2 --rectify extrinsics.yml"),
        (INTRINSICS, "--camera 2"),
        (KALIBR, "--camera cam1 --model fisheye"),
        (&left, "--camera right"),
    ] {
        let (code, said) = with(&dir, file, &format!("--calibration file {words}"));
        assert_eq!(code, 0, "{words}: {said}");
    }
}

#[test]
fn what_is_no_text_or_too_much_of_it_is_told_in_a_line() {
    let dir = Scratch::new("text");
    let bomb: String = (1..=9)
        .map(|level| {
            format!(
                "{level}: &a{level} [{}1]\n",
                format!("*a{}, ", level - 1).repeat(10)
            )
        })
        .collect();
    let bomb = format!("0: &a0 [1]\n{bomb}");
    let deep = "<a>".repeat(20_000) + &"</a>".repeat(20_000);
    let deep = format!("<opencv_storage>{deep}</opencv_storage>");
    let cases: [(&[u8], &str); 8] = [
        (&[0xff, 0xd8, 0xff, 0xe0], "it is a picture\n"),
        (
            &[0x1f, 0x8b, 8, 0],
            "it is compressed, unpack it with gunzip",
        ),
        (b"%PDF-1.4\n", "it is a PDF"),
        (
            b"\x00\x01\x00\x02\x10\x02",
            "`dewarp run --map` and `dewarp info` take it",
        ),
        (b"(dp0\nS'mtx'\n", "it is Python's pickle"),
        (&vec![b' '; (16 << 20) + 1], "it has more than 16 MiB"),
        (bomb.as_bytes(), "it has more than 1000000 values"),
        (
            deep.as_bytes(),
            "its values are more than 32 deep in each other",
        ),
    ];
    for (file, reason) in cases {
        let (code, said) = with(&dir, file, "--calibration file");
        assert!(code == 2 && said.contains(reason), "{code}: {said}");
    }
}

#[test]
fn a_calibration_at_another_resolution_is_scaled() {
    // Twice the columns and lines; the first pixel's centre is at a quarter of one.
    let twice = "camera_matrix: [1000, 0, 640.5, 0, 1000, 480.5, 0, 0, 1]\n\
        distortion_coefficients: [-0.2, 0.05, 0, 0, 0]\nimage_width: 1280\nimage_height: 960\n\
        R1: [1, 0, 0, 0, 1, 0, 0, 0, 1]\nP1: [1200, 0, 620.5, 0, 0, 1200, 500.5, 0, 0, 0, 1, 0]\n";
    let once = "camera_matrix: [500, 0, 320, 0, 500, 240, 0, 0, 1]\n\
        distortion_coefficients: [-0.2, 0.05, 0, 0, 0]\nimage_width: 640\nimage_height: 480\n\
        R1: [1, 0, 0, 0, 1, 0, 0, 0, 1]\nP1: [600, 0, 310, 0, 0, 600, 250, 0, 0, 0, 1, 0]\n";
    let large = "camera_matrix: [4000, 0, 2303.5, 0, 4000, 1295.5, 0, 0, 1]\n\
        distortion_coefficients: [1e-12, 0, 0, 0, 0]\nimage_width: 4608\nimage_height: 2592\n";
    let files = [
        ("twice.yml", twice),
        ("once.yml", once),
        ("large.yml", large),
    ];
    let dir = maps::with("scaled", &files);
    let half = "lens --size 640x480 --source 640x480 --calibration twice.yml";
    let same = "lens --size 640x480 --calibration once.yml";
    assert_eq!(maps::map(&dir, half), maps::map(&dir, same));
    assert_eq!(
        maps::map(&dir, &format!("{half} --rectify twice.yml")),
        maps::map(&dir, &format!("{same} --rectify once.yml"))
    );
    let size = Size {
        width: 1920,
        height: 1080,
    };
    let large = "lens --size 1920x1080 --calibration large.yml";
    let straight = VertexMap::identity(size, size).to_bytes();
    assert_eq!(
        maps::map(&dir, &format!("{large} --source 1920x1080")),
        straight
    );
    let (code, text) = dir.run(&format!("map {large} -o map.bin"));
    assert!(
        code == 2 && text.contains("if it is all of them, scaled, say --source "),
        "{text}"
    );
}

#[test]
fn a_map_never_replaces_what_it_is_made_from() {
    let files = [
        ("self.yml", OPENCV),
        ("pair.yml", INTRINSICS),
        ("stereo.yml", EXTRINSICS),
    ];
    let dir = maps::with("self", &files);
    for (words, file) in [
        ("--calibration self.yml -o ./self.yml", "self.yml"),
        (
            "--calibration pair.yml --rectify stereo.yml --camera 1 -o stereo.yml",
            "stereo.yml",
        ),
    ] {
        let before = std::fs::read(dir.path(file)).unwrap();
        let (code, text) = dir.run(&format!("map lens --size 640x480 {words}"));
        assert!(
            code == 2 && text.contains("would be overwritten: it is an input as well"),
            "{text}"
        );
        assert_eq!(std::fs::read(dir.path(file)).unwrap(), before);
    }
}
