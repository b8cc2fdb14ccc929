// SPDX-License-Identifier: GPL-2.0
//! Files as people have them, beside the rules of the programs that they are from.
//! The vertices are those of the formats' formulas in numpy.

use crate::answers::{Map, USUAL, refused};

/// K 300 0 322 0 301 241 and the fisheye's -0.02 0.005 -0.003 0.001.
const FISHEYE: [([u32; 2], [f64; 2]); 5] = [
    ([0, 0], [101.875, 76.25]),
    ([640, 0], [540.25, 75.5625]),
    ([160, 128], [179.625, 141.6875]),
    ([320, 240], [320.0, 240.0]),
    ([640, 480], [540.625, 405.3125]),
];

#[test]
fn the_fisheye_of_openvslam_is_no_pinhole() {
    // Nothing says its size but for columns and lines.
    let numbers = "fx: 300\nfy: 301\ncx: 322\ncy: 241\nk1: -0.02\nk2: 0.005\nk3: -0.003\nk4: 0.001\n\
        cols: 640\nrows: 480\nmodel: fisheye\n";
    let flat: String = numbers
        .lines()
        .map(|line| format!("Camera.{line}\n"))
        .collect();
    let nested: String = numbers.lines().map(|line| format!("  {line}\n")).collect();
    for file in [flat.clone(), format!("Camera:\n{nested}")] {
        let (map, said) = Map::of("openvslam", &file, "--size 640x480");
        map.points(&FISHEYE);
        assert_eq!(said, "", "{file}");
    }
    let bare = flat.replace("Camera.model: fisheye\n", "");
    let said = refused("no-model", &bare, "--size 640x480");
    assert!(said.contains("say --model fisheye"), "{said}");
    Map::of("said", &bare, "--size 640x480 --model fisheye")
        .0
        .points(&FISHEYE);
}

#[test]
fn a_fisheye_that_a_flag_or_a_type_tells_is_no_pinhole() {
    // Five numbers, as of a pinhole.
    let flat = "{\"width\": 640, \"height\": 480, \"fx\": 300, \"fy\": 301, \"cx\": 322, \"cy\": 241, \
        \"dist\": [-0.02, 0.005, -0.003, 0.001, 0], \"SAID\"}";
    let matrix = "{\"model\": \"fisheye\", \"cameras\": [{\"image_size\": [640, 480], \
        \"K\": [[300, 0, 322], [0, 301, 241], [0, 0, 1]], \"D\": [-0.02, 0.005, -0.003, 0.001, 0]}]}";
    for file in [
        flat.replace("\"SAID\"", "\"fisheye\": true"),
        flat.replace("\"SAID\"", "\"type\": \"fisheye\""),
        matrix.to_owned(),
    ] {
        let (map, said) = Map::of("flag", &file, "--size 640x480");
        map.points(&FISHEYE);
        assert_eq!(said, "", "{file}");
    }
}

#[test]
fn what_bends_beside_the_coefficients_is_refused() {
    let file = "{\"width\": 640, \"height\": 480, \"fx\": 500, \"fy\": 501, \"cx\": 322, \"cy\": 241, \
        \"k1\": -0.2, \"k2\": 0.05, \"p1\": 0.001, \"p2\": -0.001, \"skew\": 0}";
    Map::of("straight", file, "--size 640x480").0.points(&USUAL);
    for (key, value) in [("skew", "12.5"), ("b1", "3.0"), ("b2", "-1.0")] {
        let askew = file.replace("\"skew\": 0", &format!("\"{key}\": {value}"));
        let said = refused("askew", &askew, "--size 640x480");
        assert!(said.contains(&format!("{key} is not 0")), "{said}");
    }
    // RealSense's f-theta is the model of an angle.
    let file = "{\"width\": 640, \"height\": 480, \"fx\": 500, \"fy\": 501, \"ppx\": 322, \"ppy\": 241, \
        \"model\": \"distortion.ftheta\", \"coeffs\": [0.92, 0, 0, 0, 0]}";
    let said = refused("ftheta", file, "--size 640x480");
    assert!(said.contains("is not read"), "{said}");
}

#[test]
fn transforms_json_has_its_0_at_the_edge_of_the_picture() {
    let file = "{\"w\": 640, \"h\": 480, \"fl_x\": 500, \"fl_y\": 501, \"cx\": 322, \"cy\": 241, \"k1\": -0.2, \
        \"k2\": 0.05, \"p1\": 0.001, \"p2\": -0.001, \"aabb_scale\": 16, \"is_fisheye\": false, \"frames\": []}";
    Map::of("transforms", file, "--size 640x480").0.points(&[
        ([0, 0], [34.3125, 26.25]),
        ([640, 0], [604.875, 26.5625]),
        ([160, 128], [164.6875, 131.375]),
        ([320, 240], [320.0, 240.0]),
        ([640, 480], [605.5625, 454.6875]),
    ]);
}

#[test]
fn photonvision_s_files_give_the_rational_model() {
    let file = "{\"resolution\":{\"width\":640.0,\"height\":480.0},\"cameraIntrinsics\":{\"rows\":3,\"cols\":3,\"type\":6,\
        \"data\":[500.0,0.0,322.0,0.0,501.0,241.0,0.0,0.0,1.0]},\"distCoeffs\":{\"rows\":1,\"cols\":8,\"type\":6,\
        \"data\":[-0.2,0.05,0.001,-0.001,0.01,0.02,-0.03,0.004]},\"calobjectWarp\":[0.0,0.0],\"observations\":[],\
        \"calobjectSize\":{\"width\":8.0,\"height\":8.0},\"lensmodel\":\"LENSMODEL_OPENCV\"}";
    let (map, said) = Map::of("photon", file, "--size 640x480");
    map.points(&[
        ([0, 0], [34.0, 26.0]),
        ([640, 0], [605.3125, 26.375]),
        ([160, 128], [165.125, 131.6875]),
        ([320, 240], [320.0, 240.0]),
        ([640, 480], [606.0625, 455.0625]),
    ]);
    assert_eq!(said, "");
}

#[test]
fn yaml_may_be_as_opencv_and_python_take_it() {
    // As ORB-SLAM2's EuRoC.yaml, and a list whose second line begins before its key.
    let raw = "%YAML:1.0\nLEFT.height: 480\nLEFT.width: 640\nLEFT.D: !!opencv-matrix\n   rows: 1\n   cols: 5\n   \
        dt: d\n   data:[-0.2, 0.05, 0.001,\n  -0.001, 0.0]\nLEFT.K: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n   \
        data: [500, 0, 322, 0, 501, 241, 0, 0, 1]\nViewer.PointSize:2\n";
    let (map, said) = Map::of("orb", raw, "--size 640x480");
    map.points(&USUAL);
    assert_eq!(said, "");
    // What is wrong is told of the text as it was: the line's first number.
    let said = refused("cut", &raw.replace("0.0]", "0.0"), "--size 640x480");
    assert!(said.contains("line 9, column 3"), "{said}");
}
