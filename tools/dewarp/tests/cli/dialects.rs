// SPDX-License-Identifier: GPL-2.0
//! What programs write beside the matrices, and what is told of files that are
//! not read.

use crate::answers::{Map, USUAL, refused};
use crate::common::Scratch;

/// K 500 0 322 0 501 241 and D -0.2 0.05 0 0 0 of 640x480, by OpenCV 5.0.0.
const PLAIN: [([u32; 2], [f64; 2]); 5] = [
    ([0, 0], [34.875, 26.125]),
    ([640, 0], [606.0, 25.75]),
    ([160, 128], [164.875, 131.375]),
    ([320, 240], [320.0, 240.0]),
    ([640, 480], [606.125, 454.5625]),
];

const SIZE: &str = "image_width: 640\nimage_height: 480\n";
const K: &str = "[[500,0,322],[0,501,241],[0,0,1]]";

#[test]
fn json_may_have_the_comments_that_opencv_writes() {
    let file = "{\n \"image_width\": 640,\n \"image_height\": 480,\n \"camera_matrix\": \
        [[500,0,322],[0,501,241],[0,0,1]],\n // by hand\n ,\n \"dist_coeffs\": [-0.2,0.05,0,0,0]\n}\n";
    let (map, said) = Map::of("comment", file, "--size 640x480");
    map.points(&PLAIN);
    assert_eq!(said, "");
}

#[test]
fn a_fisheye_may_be_told_by_true_and_false() {
    let file =
        format!("{SIZE}camera_matrix: {K}\ndist_coeffs: [-0.2,0.05,0,0,0]\nfisheye_model: false\n");
    Map::of("false", &file, "--size 640x480").0.points(&PLAIN);
    let file = format!(
        "{SIZE}camera_matrix: [300,0,322,0,301,241,0,0,1]\nfisheye_model: true\n\
         dist_coeffs: [-0.02,0.005,-0.003,0.001]\n"
    );
    Map::of("true", &file, "--size 640x480").0.points(&[
        ([0, 0], [101.875, 76.25]),
        ([640, 0], [540.25, 75.5625]),
        ([160, 128], [179.625, 141.6875]),
        ([640, 480], [540.625, 405.3125]),
    ]);
}

#[test]
fn matrices_have_many_names() {
    for (matrix, coefficients) in [
        ("mtx", "dist"),
        ("camera_matrix", "dist_coefs"),
        ("cameraMatrix", "dist_coef"),
        ("CameraMat", "DistCoeff"),
        ("K", "dist"),
        ("M", "D"),
        ("intrinsic_matrix", "distortion"),
        ("KK", "kc"),
    ] {
        for size in [SIZE, "image_size: [640, 480]\n"] {
            let file = format!("{size}{matrix}: {K}\n{coefficients}: [[-0.2,0.05,0,0,0]]\n");
            Map::of("names", &file, "--size 640x480").0.points(&PLAIN);
        }
    }
    // A camera in a map of cameras.
    let nested = format!(
        "{{\"cameras\": {{\"left\": {{\"K\": {K}, \"dist\": [-0.2,0.05,0,0,0], \"image_size\": [640,480]}}}}}}"
    );
    Map::of("nested", &nested, "--size 640x480")
        .0
        .points(&PLAIN);
    let two = nested.replace("{\"left\"", "{\"right\": {\"K\": 1}, \"left\"");
    let said = refused("two", &two, "--size 640x480");
    assert!(
        said.contains("say which camera with --camera: right, left"),
        "{said}"
    );
    Map::of("chosen", &two, "--size 640x480 --camera left")
        .0
        .points(&PLAIN);
}

const ROS: &str = "image_width: 640\nimage_height: 480\nK: [500,0,322,0,501,241,0,0,1]\n";

#[test]
fn zeros_behind_ros_s_coefficients_do_not_count() {
    let file = format!("{ROS}distortion_model: plumb_bob\nD: [-0.2,0.05,0.001,-0.001,0,0,0,0]\n");
    let (map, said) = Map::of("zeros", &file, "--size 640x480");
    map.points(&USUAL);
    assert_eq!(said, "");
    let more = file.replace("0,0,0]", "0,0,0.1]");
    let said = refused("more", &more, "--size 640x480");
    assert!(
        said.contains("say distortion_model: rational_polynomial"),
        "{said}"
    );
    let fisheye = |d: &str| {
        let file = format!("{ROS}distortion_model: equidistant\nD: [{d}]\n");
        Map::of("equidistant", &file, "--size 640x480").0.at(0, 0)
    };
    assert_eq!(
        fisheye("-0.02,0.005,-0.003,0.001,0"),
        fisheye("-0.02,0.005,-0.003,0.001")
    );
}

#[test]
fn ros_parameters_and_ost_txt_are_read() {
    let lines = ROS.lines().map(|line| format!("    {line}\n"));
    let parameters: String = lines.collect();
    let file = format!(
        "/**:\n  ros__parameters:\n{parameters}    distortion_model: plumb_bob\n    \
         D: [-0.2,0.05,0.001,-0.001,0]\n"
    );
    Map::of("parameters", &file, "--size 640x480")
        .0
        .points(&USUAL);
    let ost = "# oST version 5.0 parameters\n\n\n[image]\n\nwidth\n640\n\nheight\n480\n\n[narrow_stereo]\n\n\
        camera matrix\n500.0 0.0 322.0\n0.0 501.0 241.0\n0.0 0.0 1.0\n\ndistortion\n\
        -0.2 0.05 0.001 -0.001 0.0\n\nrectification\n1 0 0\n0 1 0\n0 0 1\n\nprojection\n\
        500 0 322 0\n0 501 241 0\n0 0 1 0\n";
    Map::of("ost", ost, "--size 640x480").0.points(&USUAL);
    Map::of("ost-rectified", ost, "--size 640x480 --rectify file")
        .0
        .points(&USUAL);
}

#[test]
fn a_camera_that_was_never_calibrated_is_told_so() {
    let zero = ROS.replace("500,0,322,0,501,241,0,0,1", "0.,0.,0.,0.,0.,0.,0.,0.,0.");
    for file in [
        format!("{ROS}distortion_model: \"\"\n"),
        format!("{ROS}distortion_model: plumb_bob\nD: []\n"),
        format!("{zero}distortion_model: plumb_bob\nD: [0,0,0,0,0]\n"),
        zero + "D: [0,0,0,0,0]\n",
    ] {
        let said = refused("never", &file, "--size 640x480");
        assert!(
            said.contains("the camera was never calibrated"),
            "{file}: {said}"
        );
    }
}

#[test]
fn lenses_are_chosen_by_maker_and_model_and_named() {
    let lens = |maker: &str, model: &str| {
        format!(
            "<lens><maker>{maker}</maker><model>{model}</model><cropfactor>5</cropfactor><calibration>\
             <distortion model=\"poly3\" focal=\"4\" k1=\"-0.02\"/></calibration></lens>"
        )
    };
    let file = format!(
        "<lensdatabase>{}{}{}</lensdatabase>",
        lens("Acme", "Pocket 3"),
        lens("Acme", "Pocket 4"),
        lens("Other", "Acme-mount 30mm")
    );
    let words = "--size 640x480 --source 640x480 --camera";
    let said = refused_with(&file, words, "acme");
    let names = "say which lens with --camera: Acme Pocket 3, Acme Pocket 4, Other Acme-mount 30mm";
    assert!(said.contains(names), "{said}");
    for (camera, name) in [
        ("Acme Pocket 3", "Acme Pocket 3"),
        ("pocket 4", "Acme Pocket 4"),
        ("30mm", "Other Acme-mount 30mm"),
    ] {
        let dir = Scratch::new("maker");
        std::fs::write(dir.path("file"), &file).unwrap();
        let mut all: Vec<&str> = "map lens --calibration file -o map.bin"
            .split(' ')
            .collect();
        all.extend(words.split(' '));
        all.push(camera);
        let (code, said) = dir.words(&all);
        assert_eq!((code, said), (0, format!("dewarp: note: lens: {name}\n")));
    }
    // Every name is told, however many.
    let many: String = (0..30)
        .map(|number| lens("Acme", &format!("L{number}")))
        .collect();
    let said = refused_with(
        &format!("<lensdatabase>{many}</lensdatabase>"),
        words,
        "zeta",
    );
    assert!(
        said.contains("Acme L29") && said.contains("Acme L7"),
        "{said}"
    );
    // The size and the focal length are asked for at once.
    let zoom = lens("Acme", "Zoom").replace(
        "</calibration>",
        "<distortion model=\"poly3\" focal=\"8\" k1=\"0.01\"/></calibration>",
    );
    let said = refused(
        "zoom",
        &format!("<lensdatabase>{zoom}</lensdatabase>"),
        "--size 640x480",
    );
    assert!(
        said.contains("--source") && said.contains("--focal-length"),
        "{said}"
    );
}

fn refused_with(file: &str, words: &str, camera: &str) -> String {
    refused("lens", file, &format!("{words} {camera}"))
}

#[test]
fn a_file_of_another_program_is_told_the_way_by_hand() {
    for file in [
        "distortion_model: radial-tangential\nintrinsics: [500,501,322,241]\n",
        "value0:\n  intrinsics: []\n",
        "[camera]\nfx = 500\n",
        "fx 500\nfy 501\n",
        "calibration = \"lens\"\n[lens]\nfx = 1\n",
        "<calibration><f>1</f></calibration>",
    ] {
        let said = refused("other", file, "--size 640x480");
        let by_hand = "give its numbers by hand: --center CX,CY --focal FX,FY --radial K1,K2,K3 --tangential P1,P2 \
            or --fisheye K1,K2,K3,K4";
        assert!(said.contains(by_hand), "{file}: {said}");
        assert!(
            !said.contains("ROS camera_info") && !said.contains("no camera calibration"),
            "{said}"
        );
    }
}

#[test]
fn what_is_wrong_with_a_text_is_told_with_its_place() {
    let twice = "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\nimage_width: 640\n";
    for (file, reason) in [
        (twice, "the key image_width stands twice, again in line 5"),
        ("{\"camera_matrix\": ", "the file ends in the middle"),
        (
            "camera_matrix: [500,0,322,0,501,241,0,0,1]\ndist_coeffs:\n   rows: 5\n   cols: 1\n   \
             data: [ -0,2, 0,05, 0., 0., 0. ]\n",
            "are there decimal commas?",
        ),
        (
            "Calibration results\n====================\nCamera-system parameters:\n\tcam0 (/cam0/image_raw):\n\t projection: [1 2]\n",
            "take the camchain.yaml beside it",
        ),
    ] {
        let said = refused("text", file, "--size 640x480");
        assert!(said.contains(reason), "{said}");
    }
    let dir = Scratch::new("binary");
    for (bytes, reason) in [
        (
            &b"PK\x03\x04\x14"[..],
            "numpy's archive (.npz) or another zip: write JSON",
        ),
        (b"\x93NUMPY\x01", "write JSON"),
        (b"\x80\x04\x95", "Python's pickle"),
    ] {
        std::fs::write(dir.path("file"), bytes).unwrap();
        let (code, said) = dir.run("map lens --size 640x480 --calibration file -o map.bin");
        assert!(code == 2 && said.contains(reason), "{said}");
    }
}

#[test]
fn by_hand_has_the_rational_model_and_the_others() {
    // The sample rational.json.
    let file = include_str!("../cameras/rational.json");
    let (by_file, said) = Map::of("file", file, "--size 640x480");
    assert!(
        said.contains("% of the source is beyond the fold of the lens's formula"),
        "{said}"
    );
    let words = "--size 640x480 --center 324.5,236.25 --focal 420,421 --radial \
        0.31,-0.042,0.0021,0.62,0.07,-0.003 --tangential 0.0012,-0.0009";
    let (by_hand, _) = Map::of("hand", "", words);
    for point in [[0, 0], [320, 240], [160, 400]] {
        assert_eq!(
            by_file.at(point[0], point[1]),
            by_hand.at(point[0], point[1])
        );
    }
    let words = "--size 640x480 --center 322,241 --focal 900,902 --omni 1.2 --radial -0.3,0.2 --tangential \
        0.0005,-0.0004";
    let (map, _) = Map::of("omni", "", words);
    map.points(&[
        ([0, 0], [184.375, 138.0]),
        ([640, 480], [458.0625, 343.3125]),
    ]);
    let said = Scratch::new("one")
        .run("map lens --size 640x480 --center 320,240 --focal 400,400 --radial -0.3 -o map.bin");
    assert!(
        said.1.contains("0 for those that are not there"),
        "{}",
        said.1
    );
}
