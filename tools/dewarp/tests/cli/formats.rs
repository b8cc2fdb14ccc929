// SPDX-License-Identifier: GPL-2.0
//! Maps of the formats of other programs, and `dewarp export`. Values are those of
//! the formats' formulas, computed elsewhere.

use crate::answers::{Map, refused};
use crate::common::Scratch;

/// NXP's flat form.
const NXP: &str = r#"{"dewarpMode": "LENS_CORRECTION", "camera_matrix": [650,0,962,0,651,538,0,0,1],
"distortion_coeff": [-0.02,0.004,-0.005,0.002,0,0,0,0], "input": {"width": 1920, "height": 1080}}"#;

/// A tuning file whose numbers are of a sensor of 2592x1944.
const LIBCAMERA: &str = "version: 1\nmodules:\n  - Dewarp:\n      cm: [ 1411.5, 0.0, 1298.25, 0.0, 1409.0, 971.5, 0.0, 0.0, 1.0 ]\n      \
    coefficients: [ -0.31, 0.12, 0.0004, -0.0007, -0.021 ]\n";

/// The samples that all have the numbers of opencv.yml, with its k3 or without.
const ALIKE: [(&str, &str, bool); 10] = [
    ("nxp.json", include_str!("../cameras/nxp.json"), true),
    (
        "depthai.json",
        include_str!("../cameras/depthai.json"),
        true,
    ),
    (
        "camera_models.json",
        include_str!("../cameras/camera_models.json"),
        true,
    ),
    (
        "mrcal.cameramodel",
        include_str!("../cameras/mrcal.cameramodel"),
        true,
    ),
    ("flat.json", include_str!("../cameras/flat.json"), true),
    ("euroc.yaml", include_str!("../cameras/euroc.yaml"), false),
    ("okvis.yaml", include_str!("../cameras/okvis.yaml"), false),
    ("cameras.txt", include_str!("../cameras/cameras.txt"), false),
    ("matlab.json", include_str!("../cameras/matlab.json"), true),
    ("maplab.yaml", include_str!("../cameras/maplab.yaml"), false),
];

#[test]
fn nxp_s_modes_have_their_own_maps() {
    let (map, _) = Map::of("nxp", NXP, "--size 1920x1080");
    map.points(&[
        ([0, 0], [25.0, 2.5625]),
        ([1920, 0], [1913.8125, 0.0]),
        ([480, 272], [486.3125, 272.625]),
        ([1920, 1080], [1897.9375, 1056.125]),
    ]);
    let fisheye = NXP.replace("LENS_CORRECTION", "FISHEYE_DEWARP");
    let (map, _) = Map::of("nxp-fisheye", &fisheye, "--size 1920x1080");
    map.points(&[
        ([0, 0], [385.0625, 215.375]),
        ([1920, 0], [1537.625, 214.75]),
        ([480, 272], [565.8125, 319.375]),
        ([1920, 1080], [1537.0, 863.3125]),
    ]);
    let mirrored = NXP.replace("\"input\"", "\"hflip\": true, \"input\"");
    let (map, _) = Map::of("nxp-flip", &mirrored, "--size 1920x1080");
    let (flipped, _) = Map::of("nxp-flipped", NXP, "--size 1920x1080 --flip horizontal");
    for x in (0..1920).step_by(160) {
        assert_eq!(map.at(x, 544), flipped.at(x, 544));
    }
}

#[test]
fn a_tuning_file_s_map_is_libcamera_s() {
    // libcamera cuts sixteenths off: its formula in numpy, in double precision.
    let close = |map: &Map, points: &[([u32; 2], [f64; 2])]| {
        for ([x, y], [u, v]) in points {
            let [mx, my] = map.at(*x, *y);
            let near = |ours: f64, theirs: f64| (0.0..=1.0 / 16.0).contains(&(ours - theirs));
            assert!(
                near(mx, *u) && near(my, *v),
                "({x}, {y}): {mx} {my}, not {u} {v}"
            );
        }
    };
    let words = "--size 2592x1944 --source 2592x1944";
    let (map, said) = Map::of("libcamera", LIBCAMERA, words);
    close(
        &map,
        &[
            ([0, 0], [320.375, 241.4375]),
            ([2592, 0], [2267.5, 243.375]),
            ([480, 272], [596.875, 372.75]),
            ([1296, 976], [1295.9375, 976.0]),
            ([2592, 1944], [2268.8125, 1702.75]),
        ],
    );
    assert!(
        said.contains("libcamera 0.6.0 and 0.7.0 compute the term of p2 wrongly"),
        "{said}"
    );
    let new = format!(
        "{LIBCAMERA}      cmNew: [ 1250.0, 0.0, 1296.0, 0.0, 1240.0, 972.0, 0.0, 0.0, 1.0 ]\n"
    );
    let (map, _) = Map::of("libcamera-new", &new, words);
    close(
        &map,
        &[
            ([0, 0], [245.3125, 179.0]),
            ([2592, 0], [2343.5625, 182.25]),
            ([480, 272], [535.0625, 313.75]),
            ([1296, 976], [1298.1875, 976.0]),
            ([2592, 1944], [2345.375, 1764.0]),
        ],
    );
}

#[test]
fn samples_of_the_same_camera_have_the_same_map() {
    let words = "--size 640x480";
    let of = |name: &str, file: &str, words: &str| Map::of(&name.replace('.', "-"), file, words).0;
    let by_hand = "--size 640x480 --center 324.5,236.25 --focal 420,421 --tangential 0.0012,-0.0009 --radial -0.29,0.11";
    let (three, two) = (
        of("three", "", &format!("{by_hand},-0.021")),
        of("two", "", by_hand),
    );
    for (name, file, k3) in ALIKE {
        let map = of(name, file, words);
        let right = if k3 { &three } else { &two };
        for point in [[0, 0], [640, 0], [160, 400], [320, 240], [640, 480]] {
            let ([x, y], [u, v]) = (map.at(point[0], point[1]), right.at(point[0], point[1]));
            assert!(
                (x - u).abs() + (y - v).abs() < 0.07,
                "{name} {point:?}: {x} {y}, not {u} {v}"
            );
        }
    }
}

#[test]
fn what_is_exported_gives_the_same_map() {
    let dir = Scratch::new("export");
    std::fs::write(
        dir.path("opencv.yml"),
        include_str!("../cameras/opencv.yml"),
    )
    .unwrap();
    let (code, section, said) = dir.start("export libcamera --calibration opencv.yml");
    assert_eq!(code, 0, "{said}");
    assert!(
        said.contains("take 0.7.1 or later")
            && said.contains("640x480 is taken as the sensor's analogue crop")
            && !said.contains("cmNew"),
        "{said}"
    );
    std::fs::write(dir.path("tuning.yaml"), &section).unwrap();
    let map = |words: &str| {
        let (code, said) = dir.run(&format!("map lens --size 640x480 {words} -o map.bin"));
        assert_eq!(code, 0, "{said}");
        std::fs::read(dir.path("map.bin")).unwrap()
    };
    let right = map("--calibration opencv.yml");
    assert!(map("--source 640x480 --calibration tuning.yaml") == right);

    // The view's camera is cmNew.
    let (_, section, said) =
        dir.start("export libcamera --calibration opencv.yml --alpha 0 --zoom 1.5");
    assert!(
        section.contains("cmNew: ") && said.contains("cmNew from 0.7.2 on"),
        "{said}"
    );
    std::fs::write(dir.path("tuning.yaml"), &section).unwrap();
    let right = map("--calibration opencv.yml --alpha 0 --zoom 1.5");
    assert!(map("--source 640x480 --calibration tuning.yaml") == right);

    // Of a sensor with twice the pixels: cm is twice as large.
    let (_, section, said) =
        dir.start("export libcamera --calibration opencv.yml --sensor 1280x960");
    assert!(
        section.contains("cm: [ 840.0, 0.0, 649.0, 0.0, 842.0, 472.5, 0.0, 0.0, 1.0 ]")
            && !said.contains("analogue crop"),
        "{section}: {said}"
    );
    let (code, _, said) = dir.start("export libcamera --calibration opencv.yml --sensor 1280x720");
    assert!(
        code == 2 && said.contains("--sensor 1280x720 has another aspect ratio"),
        "{said}"
    );
    let (_, section, _) =
        dir.start("export libcamera --calibration opencv.yml --sensor-crop 320x240+160+120");
    assert!(
        section.contains("cm: [ 420.0, 0.0, 164.5, 0.0, 421.0, 116.25,"),
        "{section}"
    );
}

#[test]
fn what_libcamera_has_no_term_for_is_refused() {
    let dir = Scratch::new("no-term");
    for (name, file, reason) in [
        (
            "fisheye.yml",
            include_str!("../cameras/fisheye.yml"),
            "has no fisheye (Kannala and Brandt), only",
        ),
        (
            "tilted.xml",
            include_str!("../cameras/tilted.xml"),
            "has no tilt of the sensor, only",
        ),
        (
            "basalt.json",
            include_str!("../cameras/basalt.json"),
            "has no double sphere, only",
        ),
        (
            "vins.yaml",
            include_str!("../cameras/vins.yaml"),
            "has no omnidirectional model (Mei), only",
        ),
    ] {
        std::fs::write(dir.path(name), file).unwrap();
        let (code, printed, said) = dir.start(&format!("export libcamera --calibration {name}"));
        assert!(
            code == 2 && said.contains(reason) && printed.is_empty(),
            "{name}: {said}"
        );
    }
    let (_, section, _) = {
        std::fs::write(
            dir.path("rational.json"),
            include_str!("../cameras/rational.json"),
        )
        .unwrap();
        dir.start("export libcamera --calibration rational.json")
    };
    assert!(
        section.contains(
            "coefficients: [ 0.31, -0.042, 0.0012, -0.0009, 0.0021, 0.62, 0.07, -0.003 ]"
        ),
        "{section}"
    );
}

#[test]
fn a_dialect_is_named_in_its_errors() {
    for (file, name) in [
        (
            NXP.replace("LENS_CORRECTION", "SPLIT_SCREEN"),
            "an NXP dewarp configuration: dewarpMode SPLIT_SCREEN",
        ),
        (
            LIBCAMERA.replace("Dewarp", "Lsc"),
            "a libcamera tuning file: it has no Dewarp section",
        ),
        (
            "Camera.fx: 400\nCamera.type: x\n".into(),
            "settings of ORB-SLAM: it has no Camera.fy",
        ),
        (
            "lensmodel: LENSMODEL_CAHVOR\n".into(),
            "a camera model of mrcal: lensmodel LENSMODEL_CAHVOR is not supported",
        ),
        (
            "1 THIN_PRISM_FISHEYE 640 480 1 2 3 4\n".into(),
            "the cameras of COLMAP: the model THIN_PRISM_FISHEYE",
        ),
        (
            "{\"fisheye_params\": {}}".into(),
            "a lens profile of Gyroflow: it has no distortion_coeffs",
        ),
    ] {
        let said = refused("named", &file, "--size 640x480 --source 640x480");
        assert!(said.contains(name), "{said}");
    }
}
