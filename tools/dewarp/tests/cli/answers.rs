// SPDX-License-Identifier: GPL-2.0
//! Calibrations whose maps were computed elsewhere: with OpenCV 5.0.0, with the
//! formulas of their formats in numpy, or with lensfun 0.3.4. And what is told of
//! numbers that stand in the wrong place.

use crate::common::Scratch;

/// Where vertices of a map point, in sixteenths of a pixel: at the output's pixel.
pub struct Map {
    bytes: Vec<u8>,
    size: [u32; 2],
}

impl Map {
    /// The map that the words make of a file: it must be made. With what was said.
    pub fn of(name: &str, file: &str, words: &str) -> (Self, String) {
        let (dir, code, said) = tried(name, file, words);
        assert_eq!(code, 0, "{words}: {said}");
        let size = words.split("--size ").nth(1).unwrap();
        let size = size.split_whitespace().next().unwrap();
        let size: dewarp::Size = size.parse().unwrap();
        let map = Map {
            bytes: std::fs::read(dir.path("map.bin")).unwrap(),
            size: [size.width, size.height],
        };
        (map, said)
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    fn columns(&self) -> u32 {
        self.size[0].div_ceil(16) + 1
    }

    pub fn at(&self, x: u32, y: u32) -> [f64; 2] {
        let vertex = (y.div_ceil(16) * self.columns() + x.div_ceil(16)) as usize;
        let half = |at: usize| u16::from_le_bytes([self.bytes[at], self.bytes[at + 1]]);
        [half(4 * vertex), half(4 * vertex + 2)].map(|half| f64::from(half) / 16.0)
    }

    /// The output's pixels whose vertices are out of sight.
    pub fn blind(&self) -> Vec<[u32; 2]> {
        let steps = |side: u32| (0..side).step_by(16).chain([side]);
        let pixels = steps(self.size[1]).flat_map(|y| steps(self.size[0]).map(move |x| [x, y]));
        pixels
            .filter(|[x, y]| self.at(*x, *y) == [4095.9375; 2])
            .collect()
    }

    pub fn points(&self, points: &[([u32; 2], [f64; 2])]) {
        for ([x, y], point) in points {
            assert_eq!(self.at(*x, *y), *point, "({x}, {y})");
        }
    }
}

/// Asks for the map that the words make of a file, if there is one. Where it would be, the exit status,
/// and what was said.
fn tried(name: &str, file: &str, words: &str) -> (Scratch, i32, String) {
    let dir = Scratch::new(name);
    std::fs::write(dir.path("file"), file).unwrap();
    let calibration = if file.is_empty() {
        ""
    } else {
        "--calibration file"
    };
    let (code, said) = dir.run(&format!("map lens {words} {calibration} -o map.bin"));
    (dir, code, said)
}

/// Why the words make no map of a file.
pub fn refused(name: &str, file: &str, words: &str) -> String {
    let (dir, code, said) = tried(name, file, words);
    assert_eq!((code, said.lines().count()), (2, 1), "{words}: {said}");
    assert!(!dir.path("map.bin").exists());
    said
}

/// K 500 0 322 0 501 241 and D -0.2 0.05 0.001 -0.001 0 of 640x480.
pub const USUAL: [([u32; 2], [f64; 2]); 3] = [
    ([0, 0], [34.4375, 26.375]),
    ([640, 0], [604.9375, 26.625]),
    ([640, 480], [605.75, 454.8125]),
];

#[test]
fn four_coefficients_of_any_name_are_asked_about() {
    let file = "{\"image_width\": 640, \"image_height\": 480, \"cameraMatrix\": [[300,0,322],[0,301,241],\
        [0,0,1]], \"distCoeffs\": [0.05,-0.03,0.02,-0.01]}";
    let said = refused("four", file, "--size 640x480");
    assert!(said.contains("distCoeffs has 4 numbers, "), "{said}");
    assert!(said.contains("say which with --model"), "{said}");
    let points = [
        ([0, 0], [92.25, 69.0625]),
        ([640, 0], [549.75, 68.375]),
        ([160, 128], [176.6875, 139.625]),
        ([640, 480], [550.0625, 412.4375]),
    ];
    let (map, said) = Map::of("four-fisheye", file, "--size 640x480 --model fisheye");
    map.points(&points);
    assert_eq!(said, "");
    // A key that says the model is obeyed, under any name.
    for key in ["model", "model_type", "camera_type", "lens_type"] {
        let file = file.replace(
            "{\"image_width",
            &format!("{{\"{key}\": \"fisheye\", \"image_width"),
        );
        Map::of("four-key", &file, "--size 640x480")
            .0
            .points(&points);
        let other = file.replace("\"fisheye\"", "\"scaramuzza\"");
        let said = refused("four-other", &other, "--size 640x480");
        assert!(
            said.contains(&format!("{key}: scaramuzza is no model")),
            "{said}"
        );
    }
}

#[test]
fn xi_makes_an_omnidirectional_camera() {
    let file = "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\ncamera_matrix: !!opencv-matrix\n   \
        rows: 3\n   cols: 3\n   dt: d\n   data: [ 900., 0., 322., 0., 902., 241., 0., 0., 1. ]\n\
        distortion_coefficients: !!opencv-matrix\n   rows: 1\n   cols: 4\n   dt: d\n   \
        data: [ -0.3, 0.2, 0.0005, -0.0004 ]\nxi: 1.2\n";
    let (map, _) = Map::of("xi", file, "--size 640x480");
    map.points(&[
        ([0, 0], [184.375, 138.0]),
        ([640, 480], [458.0625, 343.3125]),
    ]);
}

#[test]
fn a_size_under_any_name_is_the_calibration_s() {
    let file = "{\"resolution\": [1280, 960], \"camera_matrix\": [[1000,0,644],[0,1002,482],[0,0,1]], \
        \"distortion_coefficients\": [-0.2,0.05,0.001,-0.001,0]}";
    let (map, said) = Map::of("resolution", file, "--size 640x480");
    map.points(&[
        ([0, 0], [68.9375, 52.6875]),
        ([640, 0], [1209.9375, 53.25]),
        ([160, 128], [329.5, 262.875]),
        ([320, 240], [640.0, 480.0]),
        ([640, 480], [1211.5, 909.625]),
    ]);
    assert!(!said.contains("size of its pictures"), "{said}");
    let without = file.replace("\"resolution\": [1280, 960], ", "");
    let (_, said) = Map::of("no-size", &without, "--size 640x480");
    let assumed = "the file does not say the size of its pictures: taken as 640x480 (--source)";
    assert!(said.contains(assumed), "{said}");
    assert!(
        said.contains("the principal point 644, 482 is outside a picture of 640x480"),
        "{said}"
    );
}

#[test]
fn a_size_with_the_height_first_is_turned_and_told() {
    let file = "{\"image_size\": [480, 640], \"camera_matrix\": [[500,0,322],[0,501,241],[0,0,1]], \
        \"dist_coeffs\": [-0.2,0.05,0.001,-0.001,0]}";
    let (map, said) = Map::of("shape", file, "--size 640x480");
    map.points(&USUAL);
    assert!(
        said.contains("the principal point fits 640x480 better than 480x640"),
        "{said}"
    );
}

#[test]
fn what_a_camera_sends_of_its_sensor_is_that_of_roi_and_binning() {
    let file = "image_width: 640\nimage_height: 480\ndistortion_model: plumb_bob\n\
        D: [-0.2,0.05,0.001,-0.001,0]\nK: [500,0,322,0,501,241,0,0,1]\n";
    let roi = "roi: {x_offset: 80, y_offset: 60, width: 320, height: 240, do_rectify: false}\n";
    let (map, _) = Map::of("roi", &format!("{file}{roi}"), "--size 320x240");
    map.points(&[
        ([0, 0], [15.8125, 12.125]),
        ([320, 0], [317.5, 5.625]),
        ([160, 128], [160.5625, 128.4375]),
        ([320, 240], [319.375, 239.5625]),
    ]);
    let binned = format!("{file}binning_x: 2\nbinning_y: 2\n");
    let (map, _) = Map::of("binning", &binned, "--size 320x240");
    map.points(&[
        ([0, 0], [17.125, 13.125]),
        ([320, 0], [302.4375, 13.3125]),
        ([160, 128], [160.0, 128.0]),
        ([320, 240], [302.8125, 227.3125]),
    ]);
    for (wrong, reason) in [
        ("binning_x: 1.5\n", "binning_x: 1.5 is not a whole number"),
        (
            "roi: {x_offset: 400, y_offset: 60, width: 320, height: 240}\n",
            "its roi is not inside",
        ),
    ] {
        let said = refused("roi-wrong", &format!("{file}{wrong}"), "--size 320x240");
        assert!(said.contains(reason), "{said}");
    }
}

#[test]
fn numbers_in_the_wrong_place_are_told() {
    // EuRoC's camera with fy and cx exchanged.
    let words = "--size 752x480 --center 457,248 --focal 459,367 --radial -0.28,0.07,0 --tangential \
        0.0002,0.00002";
    let (_, said) = Map::of("exchanged", "", words);
    assert!(
        said.contains("focal lengths 459 and 367 differ by 25 %: are these fx, fy?"),
        "{said}"
    );
    let commas = "camera_matrix: [500,0,322,0,501,241,0,0,1]\ndist_coeffs: [ -0,2, 0,05, 0. ]\n";
    let said = refused("commas", commas, "--size 640x480");
    assert!(
        said.contains("a tangential coefficient of 5.0 is not from -1 to 1"),
        "{said}"
    );
    let zeros = "image_size: [640, 480]\nK: [500,0,322,0,501,241,0,0,1]\ndist: [0,0,0,0,0]\n";
    let (_, said) = Map::of("zeros", zeros, "--size 640x480");
    assert!(
        said.contains("warning: dist: all are 0: the lens bends nothing"),
        "{said}"
    );
}

#[test]
fn a_picture_that_tangential_terms_mirror_ends_at_their_fold() {
    let words =
        "--size 640x480 --center 320,240 --focal 300,300 --radial -0.25,0.05,0 --tangential 0.1,0";
    let (map, said) = Map::of("mirror", "", words);
    // Beyond the first zero of the Jacobian on their ray.
    let row = |y: u32, ranges: &[[u32; 2]]| -> Vec<[u32; 2]> {
        let pixels = ranges.iter().flat_map(|[a, b]| (*a..=*b).step_by(16));
        pixels.map(|x| [x, y]).collect()
    };
    let expected = [
        row(0, &[[0, 128], [512, 640]]),
        row(16, &[[0, 96], [544, 640]]),
        row(32, &[[0, 64], [576, 640]]),
        row(48, &[[0, 16], [624, 640]]),
    ];
    assert_eq!(map.blind(), expected.concat());
    assert!(
        said.contains("46 of 1271 vertices are out of the lens's sight"),
        "{said}"
    );
    assert!(!said.contains("mirrored"), "{said}");
}

#[test]
fn free_scaling_without_black_has_no_vertex_out_of_sight() {
    for words in [
        "--size 640x480 --center 319.5,239.5 --focal 240,240 --radial -0.25,0.05,-0.004 --alpha 0",
        "--size 1280x960 --center 639.5,479.5 --focal 200,200 --fisheye 0,0,0,0 --alpha 0 --projection \
         equirectangular",
    ] {
        let (map, said) = Map::of("black", "", words);
        assert_eq!(map.blind(), Vec::<[u32; 2]>::new(), "{words}");
        assert!(!said.contains("out of the lens's sight"), "{said}");
    }
}

#[test]
fn free_scaling_that_takes_in_every_direction_is_refused() {
    let lens = "--size 1280x960 --center 639.5,479.5 --focal 200,200 --fisheye 0,0,0,0";
    let said = refused("wide", "", &format!("{lens} --alpha 0"));
    assert!(
        said.contains("a rectilinear picture never shows black here") && said.contains("--zoom"),
        "{said}"
    );
    for alpha in ["0.01", "1"] {
        let said = refused("wide", "", &format!("{lens} --alpha {alpha}"));
        assert!(
            said.contains("--zoom in place of --alpha, or --projection"),
            "{said}"
        );
        assert!(
            !said.contains("smaller --alpha") && !said.contains("--alpha 0 is"),
            "{said}"
        );
    }
    // Of half the sphere less a bit, alpha 0 alone is possible.
    let lens = "--size 640x480 --center 319.5,239.5 --focal 200,200 --fisheye 0,0,0,0";
    let said = refused("half", "", &format!("{lens} --alpha 0.5"));
    assert!(said.contains("--alpha 0 is the only one"), "{said}");
}

#[test]
fn a_rectification_that_turns_the_picture_over_is_obeyed_and_told() {
    let file = "image_size: [640, 480]\nM1: [500,0,322,0,501,241,0,0,1]\n\
        D1: [-0.2,0.05,0.001,-0.001,0]\nR1: [-1,0,0,0,-1,0,0,0,1]\n\
        P1: [500,0,320,0,0,500,240,0,0,0,1,0]\n";
    let (map, said) = Map::of("over", file, "--size 640x480 --rectify file");
    assert_eq!(map.at(0, 0), [607.1875, 455.875]);
    assert!(
        said.contains("the rectification turns the picture by 180 degrees"),
        "{said}"
    );
}

#[test]
fn a_squeezed_output_is_told_with_the_part_that_is_not() {
    let lens = "--source 640x480 --center 322,241 --focal 500,501 --radial -0.2,0.05";
    for (words, told) in [
        (
            "--size 1280x720",
            "1.33 times as wide as the part it shows: add --crop 640x360+0+60",
        ),
        (
            "--size 640x480 --rotate 90",
            "1.78 times as wide as the part it shows: add --crop 360x480+140+0",
        ),
        (
            "--size 640x480 --crop 480x480+80+0",
            "1.33 times as wide as the part it shows: add --crop 480x360+80+60",
        ),
        (
            "--size 480x640",
            "1.78 times as high as the part it shows: add --crop 360x480+140+0",
        ),
    ] {
        let (_, said) = Map::of("squeezed", "", &format!("{words} {lens}"));
        assert!(said.contains(told), "{words}: {said}");
        let (part, crop) = told.split_once("add ").unwrap();
        let words = words.split(" --crop").next().unwrap();
        let (_, said) = Map::of("followed", "", &format!("{words} {crop} {lens}"));
        assert!(!said.contains("the part it shows"), "{part}: {said}");
    }
}

#[test]
fn a_part_of_the_calibration_s_pictures_has_its_own_map() {
    let file = "{\"image_width\": 644, \"image_height\": 484, \"camera_matrix\": [[500,0,322],[0,501,241],\
        [0,0,1]], \"dist_coeffs\": [-0.2,0.05,0.001,-0.001,0]}";
    let (map, said) = Map::of("part", file, "--size 640x480 --sensor-crop 640x480+2+2");
    map.points(&[
        ([0, 0], [33.875, 25.875]),
        ([640, 0], [604.6875, 26.4375]),
        ([160, 128], [164.5625, 131.3125]),
        ([320, 240], [320.0, 240.0]),
        ([640, 480], [605.125, 454.3125]),
    ]);
    assert_eq!(said, "");
    let said = refused("circle", file, "--size 644x484");
    assert!(said.contains("say --source 1288x968 or"), "{said}");
    assert!(said.contains("such as --sensor-crop 640x480+2+2"), "{said}");
}
