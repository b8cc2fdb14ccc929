// SPDX-License-Identifier: GPL-2.0
//! The commands for maps.

use crate::common::Scratch;
use dewarp::{Size, VertexMap};

const VGA: Size = Size {
    width: 640,
    height: 480,
};

/// A camera with next to no distortion.
const STRAIGHT: &str = "camera_matrix: [500, 0, 320, 0, 500, 240, 0, 0, 1]\n\
    distortion_coefficients: [1e-12, 0, 0, 0, 0]\nimage_width: 640\nimage_height: 480\n";

/// A stereo camera in OpenCV's two files.
const PAIR: &str = "M1: [500, 0, 320, 0, 500, 240, 0, 0, 1]\nD1: [-0.1, 0, 0, 0, 0]\n\
    M2: [505, 0, 322, 0, 505, 241, 0, 0, 1]\nD2: [-0.1, 0, 0, 0, 0]\n";
const RECTIFIED: &str = "R1: [1, 0, 0, 0, 1, 0, 0, 0, 1]\nP1: [480, 0, 310, 0, 0, 480, 250, 0, 0, 0, 1, 0]\n\
    R2: [1, 0, 0, 0, 1, 0, 0, 0, 1]\nP2: [480, 0, 310, -50, 0, 480, 250, 0, 0, 0, 1, 0]\n";

/// Where a map's vertex points, in sixteenths.
fn vertex(bytes: &[u8], number: usize) -> [u16; 2] {
    let half = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
    [half(number * 4), half(number * 4 + 2)]
}

/// What a command prints.
pub fn said(dir: &Scratch, words: &str) -> String {
    let (code, printed, errors) = dir.start(words);
    assert_eq!((code, errors.as_str()), (0, ""), "{words}");
    printed
}

/// The map that `dewarp map` makes of the words, which may name camera.yml.
pub fn map(dir: &Scratch, words: &str) -> Vec<u8> {
    let words = format!("map {words} -o map.bin");
    assert_eq!(dir.run(&words), (0, String::new()), "{words}");
    std::fs::read(dir.path("map.bin")).unwrap()
}

/// A directory with these files.
pub fn with(name: &str, files: &[(&str, &str)]) -> Scratch {
    let dir = Scratch::new(name);
    for (name, text) in files {
        std::fs::write(dir.path(name), text).unwrap();
    }
    dir
}

#[test]
fn map_writes_the_control_s_payload() {
    let dir = Scratch::new("map");
    let bytes = map(&dir, "identity --size 640x480");
    assert_eq!(bytes, VertexMap::identity(VGA, VGA).to_bytes());
    // The README's command.
    let bytes = map(
        &dir,
        "lens --size 640x480 --center 342.28,235.57 --focal 535.92,535.92 --radial -0.266,-0.0386,0.238",
    );
    assert_eq!(bytes.len(), 5084);
    // The first vertex, from OpenCV: (42.1793, 29.6661).
    let bytes = map(
        &dir,
        "lens --size 640x480 --center 342.283,235.571 --focal 535.916,535.916 --radial \
         -0.266373,-0.0385889,0.238392 --tangential 0.00178319,-0.000281221",
    );
    assert_eq!(vertex(&bytes, 0), [675, 475]);
}

#[test]
fn the_calibration_file_gives_the_same_map_as_its_numbers() {
    let file = "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\ncamera_matrix: !!opencv-matrix\n   \
        data: [ 500., 0., 320., 0., 510., 240., 0., 0., 1. ]\ndistortion_coefficients: \
        !!opencv-matrix\n   data: [ -0.2, 0.05, 0.001, -0.002, 0.01 ]\n";
    let dir = with("calibration", &[("camera.yml", file)]);
    let one = map(&dir, "lens --size 320x240 --calibration camera.yml");
    let other = map(
        &dir,
        "lens --size 320x240 --source 640x480 --center 320,240 --focal 500,510 --radial \
         -0.2,0.05,0.01 --tangential 0.001,-0.002",
    );
    assert_eq!(one, other);
}

#[test]
fn a_fisheye_is_told_by_option_or_by_numbers() {
    let file = "K: [[300, 0, 320], [0, 300, 240], [0, 0, 1]]\nD: [-0.02, 0.003, 0.001, -0.001]\n";
    let dir = with("fisheye", &[("camera.json", file)]);
    let one = map(
        &dir,
        "lens --size 640x480 --source 640x480 --calibration camera.json --model fisheye",
    );
    let other = map(
        &dir,
        "lens --size 640x480 --center 320,240 --focal 300,300 --fisheye -0.02,0.003,0.001,-0.001",
    );
    assert_eq!(one, other);
}

#[test]
fn the_view_s_options_do_what_they_say() {
    let dir = with("view", &[("camera.yml", STRAIGHT)]);
    let lens = "lens --size 640x480 --calibration camera.yml";
    let straight = VertexMap::identity(VGA, VGA).to_bytes();
    assert_eq!(map(&dir, lens), straight);
    // The middle of the output is vertex 15 * 41 + 20.
    let middle = |words: &str| vertex(&map(&dir, &format!("{lens} {words}")), 635);
    assert_eq!(middle(""), [320 * 16, 240 * 16]);
    let aside = (16.0 * 500.0 * 5f64.to_radians().tan()).round() as u16;
    assert_eq!(middle("--zoom 1.5 --pan 5"), [320 * 16 + aside, 240 * 16]);
    assert_eq!(middle("--zoom 1.5 --tilt 5"), [320 * 16, 240 * 16 - aside]);
    assert_eq!(middle("--zoom 2 --roll 30"), [320 * 16, 240 * 16]);
    assert_eq!(middle("--crop 320x240+0+0"), [160 * 16, 120 * 16]);
    assert_eq!(
        middle("--projection cylindrical --zoom 1.5"),
        [320 * 16, 240 * 16]
    );
    // A lens that bends nothing is all there and nothing else at any alpha.
    assert_eq!(middle("--alpha 0"), [320 * 16, 240 * 16]);
}

#[test]
fn free_scaling_of_a_lens_with_a_fold_shows_the_source_and_not_black() {
    let sample = include_str!("../cameras/rational.json");
    let dir = with("fold", &[("rational.json", sample)]);
    for alpha in ["0.5", "1"] {
        let words = format!("map lens --size 640x480 --calibration rational.json --alpha {alpha}");
        let (code, said) = dir.run(&format!("{words} -o map.bin"));
        assert_eq!(code, 0, "{said}");
        let bytes = std::fs::read(dir.path("map.bin")).unwrap();
        let black = |number: &usize| vertex(&bytes, *number) == [u16::MAX; 2];
        let black = (0..41 * 31).filter(black).count();
        // Its round picture has corners, and no more.
        assert!(black < 41 * 31 / 4, "alpha {alpha}: {black}");
    }
}

#[test]
fn turned_pictures_have_their_corners_elsewhere() {
    let dir = Scratch::new("turn");
    let first = |words: &str| vertex(&map(&dir, &format!("identity {words}")), 0);
    assert_eq!(first("--size 640x480 --flip horizontal"), [639 * 16, 0]);
    assert_eq!(first("--size 640x480 --flip vertical"), [0, 479 * 16]);
    assert_eq!(
        first("--size 480x640 --source 640x480 --rotate 90"),
        [0, 479 * 16]
    );
    assert_eq!(first("--size 640x480 --rotate 180"), [639 * 16, 479 * 16]);
    assert_eq!(
        first("--size 320x240 --source 640x480 --crop 320x240+16+8"),
        [16 * 16, 8 * 16]
    );
}

#[test]
fn a_stereo_camera_is_rectified_with_its_own_r_and_p() {
    let dir = with(
        "stereo",
        &[("intrinsics.yml", PAIR), ("extrinsics.yml", RECTIFIED)],
    );
    let words = "lens --size 640x480 --calibration intrinsics.yml --rectify extrinsics.yml";
    let one = dir.run(&format!("map {words} --camera 1 -o one.bin"));
    let two = dir.run(&format!("map {words} --camera 2 -o two.bin"));
    assert_eq!((one.0, two.0), (0, 0), "{one:?} {two:?}");
    let read = |name: &str| std::fs::read(dir.path(name)).unwrap();
    assert_ne!(read("one.bin"), read("two.bin"));
    // P's centre shows the lens's axis.
    let (code, text) = dir.run(&format!("map {words} -o map.bin"));
    assert_eq!(code, 2);
    assert!(
        text.contains(
            "intrinsics.yml, an OpenCV calibration: say which camera with --camera: 1, 2"
        ),
        "{text}"
    );
}

#[test]
fn what_the_engine_cannot_do_is_a_warning_or_with_strict_an_error() {
    let dir = with("strict", &[("camera.yml", STRAIGHT)]);
    let words = "map lens --size 640x480 --calibration camera.yml --pan -10 -o map.bin";
    let (code, text) = dir.run(words);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("dewarp: warning: ") && text.contains(" vertices lie outside"),
        "{text}"
    );
    assert!(dir.path("map.bin").exists());
    std::fs::remove_file(dir.path("map.bin")).unwrap();
    let (code, text) = dir.run(&format!("{words} --strict"));
    assert_eq!(code, 2);
    assert!(
        text.starts_with("dewarp: ") && text.contains("vertices lie outside"),
        "{text}"
    );
    assert!(!dir.path("map.bin").exists());
}

#[test]
fn bad_use_exits_with_2_and_says_what_is_right() {
    let dir = with(
        "use",
        &[
            ("camera.yml", STRAIGHT),
            (
                "cut.yml",
                "camera_matrix: [1, 2]\ndistortion_coefficients: [1, 2, 0, 0, 5]\n",
            ),
        ],
    );
    let cases = [
        ("map identity --size 640", "640 is not WIDTHxHEIGHT"),
        ("map lens --size 640x480", "--calibration, or --center"),
        (
            "map lens --size 640x480 --radial 1",
            "2 to 6 numbers with commas",
        ),
        (
            "map lens --size 640x480 --center 1,2 --focal 3,4",
            "--radial or --fisheye",
        ),
        (
            "map identity --size 640x480 --zoom 2",
            "unexpected argument '--zoom'",
        ),
        (
            "map lens --size 640x480 --zoom 0",
            "a number from 0.01 to 100",
        ),
        (
            "map lens --size 640x480 --zoom -1",
            "a number from 0.01 to 100",
        ),
        (
            "map lens --size 640x480 --zoom 1e-300",
            "a number from 0.01 to 100",
        ),
        (
            "map lens --size 640x480 --zoom 1e300",
            "a number from 0.01 to 100",
        ),
        (
            "map lens --size 640x480 --crop-factor 1e9",
            "a number from 0.1 to 100",
        ),
        (
            "map lens --size 640x480 --focal-length -5",
            "a number from 0.1 to 100000",
        ),
        (
            "map lens --size 640x480 --center 320,240 --focal -1,420 --radial 0,0,0",
            "a focal length of -1.0 is not from 10 to 1e7",
        ),
        (
            "map lens --size 640x480 --center 320,240 --focal 420,420 --radial 1e30,0,0",
            "distortion of 1e30 is not from -1e9 to 1e9",
        ),
        (
            "map lens --size 640x480 --calibration camera.yml --alpha -0.5",
            "an alpha of -0.5 is not from 0 to 1",
        ),
        (
            "map lens --size 640x480 --calibration camera.yml --pan 180",
            "would show nothing of the source: of 1271 vertices 1271 are out of the lens's sight",
        ),
        (
            "map lens --size 640x480 --calibration camera.yml --pan 90",
            "would show nothing of the source",
        ),
        (
            "map identity --size 640x480 --camera 1",
            "unexpected argument '--camera'",
        ),
        (
            "map identity --size 640x480 --model fisheye",
            "unexpected argument '--model'",
        ),
        (
            "map identity --size 640x480 --focal-length 5",
            "unexpected argument '--focal-length'",
        ),
        (
            "map identity --size 640x480 --crop-factor 5",
            "unexpected argument '--crop-factor'",
        ),
        (
            "map lens --size 640x480 --center 9,9 --focal 99,99 --radial 0,0,0 --model fisheye",
            "--model is for a file of --calibration",
        ),
        (
            "map lens --size 640x480 --center 9,9 --focal 99,99 --radial 0,0,0 --camera 1",
            "--camera is for a file of --calibration",
        ),
        (
            "map lens --size 640x480 --pan 200",
            "degrees from -180 to 180",
        ),
        (
            "map lens --size 640x480 --calibration camera.yml --alpha 2",
            "an alpha of 2 is not from 0 to 1",
        ),
        (
            "map lens --size 640x480 --calibration camera.yml --source 320x200",
            "is of pictures of 640x480, and 320x200 has another aspect ratio",
        ),
        (
            "map lens --size 640x480 --calibration cut.yml",
            "camera_matrix has 2 numbers, not 9 (3x3)",
        ),
        (
            "map identity --size 640x480 --crop 640x480+1+0",
            "not inside a picture of 640x480",
        ),
        (
            "map identity --size 640x480 --crop 3",
            "not WIDTHxHEIGHT+X+Y",
        ),
        (
            "map identity --size 640x480 --rotate 45",
            "[possible values: 90, 180, 270]",
        ),
        (
            "map identity --size 640x480 --rotate -90",
            "[possible values: 90, 180, 270]",
        ),
    ];
    for (words, what) in cases {
        let (code, text) = dir.run(&format!("{words} -o map.bin"));
        assert_eq!(code, 2, "{words}: {text}");
        assert!(text.contains(what), "{words}: {text}");
        assert!(!dir.path("map.bin").exists(), "{words}");
    }
    let (code, text) = dir.run("map lens --size 640x480 --calibration no.yml -o map.bin");
    assert_eq!(
        (code, text.as_str()),
        (
            1,
            "dewarp: cannot read no.yml: No such file or directory (os error 2)\n"
        )
    );
}

#[test]
fn help_names_every_command() {
    let dir = Scratch::new("help");
    let text = said(&dir, "--help");
    for command in ["map", "info", "compare", "convert", "completions", "man"] {
        assert!(text.contains(&format!("\n  {command} ")), "{text}");
    }
    for command in [
        "map identity",
        "map lens",
        "info",
        "compare",
        "convert",
        "completions",
        "man",
    ] {
        let text = said(&dir, &format!("{command} --help"));
        assert!(text.contains("Example"), "{text}");
        assert!(text.contains(&format!("  dewarp {command} ")), "{text}");
    }
    assert!(!said(&dir, "map identity --help").contains("--zoom"));
    let (code, text) = dir.run("map");
    assert!(
        code == 2 && text.contains("  lens  ") && text.contains("  identity  "),
        "{text}"
    );
    let text = said(&dir, "map lens --help");
    assert!(
        text.contains("multiples of 8 from 176x144 to 4096x3072"),
        "{text}"
    );
    for heading in [
        "The lens:",
        "What the output shows:",
        "How it lies in the output:",
    ] {
        assert!(text.contains(heading), "{text}");
    }
}

#[test]
fn completions_and_man_pages_know_the_commands() {
    let dir = Scratch::new("pages");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let text = said(&dir, &format!("completions {shell}"));
        assert!(
            text.contains("--calibration") || text.contains("calibration"),
            "{shell}"
        );
    }
    assert!(said(&dir, "man").starts_with(".ie "));
    assert_eq!(dir.run("man pages"), (0, String::new()));
    let page = std::fs::read_to_string(dir.path("pages/dewarp-map-lens.1")).unwrap();
    assert!(page.contains("projection"), "{page}");
}
