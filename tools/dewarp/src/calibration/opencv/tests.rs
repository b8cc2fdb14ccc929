// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::Size;
use crate::calibration::tests::{camera, four};
use crate::calibration::tree::PLAIN;
use crate::lens::{Brown, Distortion};
use proptest::prelude::*;

pub const FILE: &str = "%YAML:1.0\n---\nimage_width: 640\nimage_height: 480\n\
    camera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n   dt: d\n   \
    data: [ 5.35915733961632e+02, 0., 3.42283e+02, 0.,\n       \
    5.35915733961632e+02, 2.3557e+02, 0., 0., 1. ]\n\
    distortion_coefficients: !!opencv-matrix\n   rows: 5\n   cols: 1\n   dt: d\n   \
    data: [ -2.66372609e-01, -3.85888989e-02,\n       \
    1.78319e-03, -2.81221e-04,\n       2.3839e-01 ]\n";

fn read(text: &str) -> Parsed<Calibration> {
    Calibration::parse(text, &Choice::default())
}

#[test]
fn yaml_gives_the_lens_and_the_size() {
    let Calibration { lens, size } = read(FILE).unwrap();
    assert_eq!(
        size.map(|size| size.to_string()).as_deref(),
        Some("640x480")
    );
    assert_eq!(lens.focal, [535.915_733_961_632; 2]);
    assert_eq!(lens.center, [3.42283e+02, 2.3557e+02]);
    // In OpenCV's order the tangential coefficients come before k3.
    let expected = Brown {
        radial: [-2.66372609e-01, -3.85888989e-02, 2.3839e-01],
        tangential: [1.78319e-03, -2.81221e-04],
        ..Brown::NONE
    };
    assert_eq!(lens.distortion, Distortion::Brown(expected));
}

#[test]
fn json_and_xml_say_the_same_as_yaml() {
    let json = "{\n    \"image_width\": 640,\n    \"image_height\": 480,\n    \
        \"camera_matrix\": {\n        \"type_id\": \"opencv-matrix\",\n        \"rows\": 3,\n        \
        \"cols\": 3,\n        \"dt\": \"d\",\n        \"data\": [ 5.35915733961632e+02, 0.0, \
        3.42283e+02, 0.0,\n            5.35915733961632e+02, 2.3557e+02, 0.0, 0.0, 1.0 ]\n    },\n    \
        \"distortion_coefficients\": {\n        \"type_id\": \"opencv-matrix\",\n        \
        \"rows\": 5,\n        \"cols\": 1,\n        \"dt\": \"d\",\n        \"data\": [ \
        -2.66372609e-01, -3.85888989e-02,\n            1.78319e-03, \
        -2.81221e-04, 2.3839e-01 ]\n    }\n}\n";
    let xml = "<?xml version=\"1.0\"?>\n<opencv_storage>\n<image_width>640</image_width>\n\
        <image_height>480</image_height>\n<camera_matrix type_id=\"opencv-matrix\">\n  \
        <rows>3</rows>\n  <cols>3</cols>\n  <dt>d</dt>\n  <data>\n    5.35915733961632e+02 0. \
        3.42283e+02 0. 5.35915733961632e+02 2.3557e+02 0. 0. 1.</data></camera_matrix>\n\
        <distortion_coefficients type_id=\"opencv-matrix\">\n  <rows>5</rows>\n  \
        <cols>1</cols>\n  <dt>d</dt>\n  <data>\n    -2.66372609e-01 \
        -3.85888989e-02 1.78319e-03 -2.81221e-04 2.3839e-01</data>\n\
        </distortion_coefficients>\n</opencv_storage>\n";
    assert_eq!(read(json), read(FILE));
    assert_eq!(read(xml), read(FILE));
}

#[test]
fn the_size_of_an_interactive_calibration_is_a_list() {
    let file = FILE.replace(
        "image_width: 640\nimage_height: 480",
        "cameraResolution: [ 640, 480 ]",
    );
    assert_eq!(read(&file), read(FILE));
    let none = FILE.replace("image_width: 640\nimage_height: 480\n", "");
    assert_eq!(read(&none).unwrap().size, None::<Size>);
}

#[test]
fn each_key_of_a_large_file_is_looked_at_a_few_times() {
    let small = FILE.replace("image_width: 640\nimage_height: 480\n", "");
    let file = |count: usize| {
        let keys: String = (0..count).map(|key| format!("x{key}_width: 1\n")).collect();
        format!("{small}{keys}")
    };
    let calls = |count: usize| {
        PLAIN.set(0);
        read(&file(count)).unwrap();
        PLAIN.get()
    };
    let (once, twice) = (calls(500), calls(1000));
    assert!(twice < 3 * once, "{once}, then {twice}");
    assert!(twice < 20 * 1000, "{twice}");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let error = |text: &str| read(text).unwrap_err();
    assert!(error("a: 1\nb: 2\n").starts_with("it has none of the keys of the programs"));
    let alone = error("distortion: [1]\nb: 2\n");
    assert!(
        alone.contains("no camera matrix (camera_matrix, "),
        "{alone}"
    );
    assert!(
        alone.contains("its keys are distortion b; give its numbers by hand: "),
        "{alone}"
    );
    let cut = FILE.replace(", 0., 0., 1. ]", " ]");
    assert!(error(&cut).starts_with("camera_matrix has 6 numbers in its data, but rows: 3"));
    let more = FILE
        .replace("2.3839e-01 ]", "0.1, 0.2, 0.3 ]")
        .replace("rows: 5", "rows: 7");
    assert!(error(&more).starts_with("distortion_coefficients has 7 numbers, not 4 or 5"));
    let skew = FILE.replace("[ 5.35915733961632e+02, 0.", "[ 5.35915733961632e+02, 1.5");
    assert!(error(&skew).starts_with("camera_matrix has a skew of 1.5"));
    let word = FILE.replace("1.78319e-03", "x");
    assert_eq!(error(&word), "distortion_coefficients: x is not a number");
    assert_eq!(error(""), "it is empty");
    assert!(error("<svg/>").starts_with("its XML is a <svg>"));
}

#[test]
fn eight_coefficients_are_rational_and_four_of_d_may_be_a_fisheye_s() {
    let eight = FILE.replace("2.3839e-01 ]", "0.1, 0.2, 0.3, 0.4 ]");
    let error = read(&eight).unwrap_err();
    assert!(
        error.ends_with("has 8 numbers in its data, but rows: 5 and cols: 1"),
        "{error}"
    );
    let eight = eight.replace("rows: 5", "rows: 8");
    let Distortion::Brown(brown) = read(&eight).unwrap().lens.distortion else {
        panic!("not Brown's");
    };
    assert_eq!(brown.rational, [0.2, 0.3, 0.4]);

    let short = "K: [[500, 0, 320], [0, 510, 240], [0, 0, 1]]\nD: [0.1, 0.2, 0.3, 0.4]\n";
    assert!(read(short).unwrap_err().contains("say which with --model"));
    let choice = Choice {
        model: Some(Model::Fisheye),
        ..Choice::default()
    };
    let lens = Calibration::parse(short, &choice).unwrap().lens;
    assert_eq!(lens.distortion, Distortion::Fisheye([0.1, 0.2, 0.3, 0.4]));
    let said = format!("{short}fisheye_model: 1\n");
    assert_eq!(read(&said).unwrap().lens, lens);
    let five = said.replace("0.4]", "0.4, 0.5]");
    assert_eq!(
        read(&five).unwrap_err(),
        "D has 5 numbers, not the fisheye's 4"
    );
}

#[test]
fn photonvision_s_files_are_read() {
    let file = "{\"resolution\":{\"width\":1280.0,\"height\":800.0},\"cameraIntrinsics\":{\"rows\":3,\"cols\":3,\
        \"type\":6,\"data\":[915.25,0.0,649.0,0.0,914.75,402.5,0.0,0.0,1.0]},\"distCoeffs\":{\"rows\":1,\"cols\":8,\
        \"type\":6,\"data\":[0.045,-0.061,0.0004,-0.0007,0.0121,-0.0008,0.0005,-0.0011]},\"observations\":[],\
        \"calobjectSpacing\":0.0254,\"lensmodel\":\"LENSMODEL_OPENCV\"}";
    let Calibration { lens, size } = read(file).unwrap();
    assert_eq!(
        (lens.focal, lens.center),
        ([915.25, 914.75], [649.0, 402.5])
    );
    assert_eq!(size.unwrap().to_string(), "1280x800");
    let Distortion::Brown(brown) = lens.distortion else {
        panic!("not Brown's");
    };
    assert_eq!(brown.rational, [-0.0008, 0.0005, -0.0011]);
    let older = file.replace("distCoeffs", "cameraExtrinsics");
    assert_eq!(read(&older).unwrap().lens, lens);
    let other = file.replace("LENSMODEL_OPENCV", "LENSMODEL_STEREOGRAPHIC");
    assert!(
        read(&other)
            .unwrap_err()
            .starts_with("lensmodel: LENSMODEL_STEREOGRAPHIC is no model")
    );
}

#[test]
fn cameras_may_lie_in_a_list_and_their_model_beside_it() {
    let one = |fx| {
        format!("{{K: [[{fx}, 0, 320], [0, 510, 240], [0, 0, 1]], D: [0.1, 0.2, 0.3, 0.4, 0]}}")
    };
    let text = format!("model: fisheye\ncameras:\n- {}\n- {}\n", one(500), one(600));
    assert_eq!(
        read(&text).unwrap_err(),
        "say which camera with --camera: 0, 1"
    );
    let choice = Choice {
        camera: Some("1"),
        ..Choice::default()
    };
    let lens = Calibration::parse(&text, &choice).unwrap().lens;
    assert_eq!(lens.focal[0], 600.0);
    // A model that is named outside of the camera is that of its coefficients.
    assert_eq!(lens.distortion, Distortion::Fisheye([0.1, 0.2, 0.3, 0.4]));
}

#[test]
fn a_coefficient_is_no_camera_of_a_pair() {
    let text = "f: 600\ncx: 320\ncy: 240\nk1: -0.2\nk2: 0.1\n";
    let error = read(text).unwrap_err();
    assert!(
        error.starts_with("it has none of the keys of the programs"),
        "{error}"
    );
    let four = "cam0: {intrinsics: [500, 501, 320, 240], distortion_coeffs: [0.1, 0, 0, 0, 0]}\n";
    let error = read(four).unwrap_err();
    assert!(
        error.starts_with("cam0: intrinsics has 4 numbers, not 9"),
        "{error}"
    );
    assert!(error.contains("--center CX,CY"), "{error}");
}

#[test]
fn a_dewarper_of_nxp_in_another_file_is_no_pinhole() {
    // VeriSilicon's list of components.
    let text = "{\"using components\": [{\"classname\": \"NativeSensor\"}, {\"classname\": \"NativeDewarp\", \
        \"dewarpMode\": \"FISHEYE_DEWARP\", \"camera_matrix\": [655, 0, 964, 0, 655, 532, 0, 0, 1], \
        \"distortion_coeff\": [-0.022, 0.0039, -0.0059, 0.0019, 0, 0, 0, 0]}]}";
    let error = read(text).unwrap_err();
    assert!(
        error.contains("dewarpMode is that of NXP's dewarper"),
        "{error}"
    );
}

const PAIR: &str = "M1: [500, 0, 320, 0, 510, 240, 0, 0, 1]\nD1: [0.1, 0, 0, 0, 0]\n\
    M2: [600, 0, 320, 0, 610, 240, 0, 0, 1]\nD2: [0.2, 0, 0, 0, 0]\n\
    R1: [1, 0, 0, 0, 1, 0, 0, 0, 1]\nP1: [480, 0, 310, 0, 0, 480, 250, 0, 0, 0, 1, 0]\n\
    R2: [0, -1, 0, 1, 0, 0, 0, 0, 1]\nP2: [480, 0, 310, -50, 0, 480, 250, 0, 0, 0, 1, 0]\n";

#[test]
fn a_pair_s_camera_is_chosen_by_its_number() {
    let error = read(PAIR).unwrap_err();
    assert_eq!(error, "say which camera with --camera: 1, 2");
    let choice = Choice {
        camera: Some("2"),
        ..Choice::default()
    };
    let lens = Calibration::parse(PAIR, &choice).unwrap().lens;
    assert_eq!(lens.focal, [600.0, 610.0]);
    let tree = Tree::parse(PAIR).unwrap();
    let rectified = rectification(&tree, &choice).unwrap();
    assert_eq!(rectified.rotation[1], [1.0, 0.0, 0.0]);
    assert_eq!(
        (rectified.focal, rectified.center),
        ([480.0; 2], [310.0, 250.0])
    );
    assert!(rectification(&tree, &Choice::default()).is_err());
}

#[test]
fn what_is_no_rotation_is_refused() {
    let tree = Tree::parse(&PAIR.replace("R1: [1,", "R1: [2,")).unwrap();
    let choice = Choice {
        camera: Some("1"),
        ..Choice::default()
    };
    let error = rectification(&tree, &choice).unwrap_err();
    assert!(error.starts_with("R1 is not a rotation: "), "{error}");
}

/// Formats a key with a matrix as `FileStorage` writes it in YAML, JSON and XML.
fn stored(form: usize, key: &str, rows: usize, columns: usize, values: &[f64]) -> String {
    let words: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    let (list, words) = (words.join(", "), words.join(" "));
    match form {
        0 => format!(
            "{key}: !!opencv-matrix\n   rows: {rows}\n   cols: {columns}\n   dt: d\n   data: [ {list} ]\n"
        ),
        1 => format!(
            "    \"{key}\": {{\n        \"type_id\": \"opencv-matrix\",\n        \"rows\": {rows},\n        \
             \"cols\": {columns},\n        \"dt\": \"d\",\n        \"data\": [ {list} ]\n    }},\n"
        ),
        _ => format!(
            "<{key} type_id=\"opencv-matrix\">\n  <rows>{rows}</rows>\n  <cols>{columns}</cols>\n  <dt>d</dt>\n  \
             <data>\n    {words}</data></{key}>\n"
        ),
    }
}

/// Formats a file with these matrices, of pictures of 752x480.
fn storage(form: usize, matrices: &str, flags: u8) -> String {
    match form {
        0 => format!(
            "%YAML:1.0\n---\nimage_width: 752\nimage_height: 480\nfisheye_model: {flags}\n{matrices}"
        ),
        1 => format!(
            "{{\n    \"image_width\": 752,\n    \"image_height\": 480,\n{matrices}    \"fisheye_model\": {flags}\n}}\n"
        ),
        _ => format!(
            "<?xml version=\"1.0\"?>\n<opencv_storage>\n<image_width>752</image_width>\n\
             <image_height>480</image_height>\n<fisheye_model>{flags}</fisheye_model>\n{matrices}</opencv_storage>\n"
        ),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), l in four(), m in four(), tilt in [-0.1..0.1, -0.1..0.1], form in 0usize..3, model in 0usize..6) {
        let all = [&k[..], &l, &m, &tilt].concat();
        let count = [4, 4, 5, 8, 12, 14][model];
        let values = &all[..count];
        let flag = u8::from(model == 0);
        let matrices = stored(form, "camera_matrix", 3, 3, &[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0])
            + &stored(form, "distortion_coefficients", count, 1, values);
        let found = read(&storage(form, &matrices, flag)).unwrap();
        prop_assert_eq!((found.lens.focal, found.lens.center), ([fx, fy], [cx, cy]));
        prop_assert_eq!(found.size.unwrap().to_string(), "752x480");
        // k1 k2 p1 p2 k3 k4 k5 k6 s1 s2 s3 s4 tx ty
        let at = |index: usize| values.get(index).copied().unwrap_or(0.0);
        let expected = match model {
            0 => Distortion::Fisheye(k),
            _ => Distortion::Brown(Brown {
                radial: [at(0), at(1), at(4)],
                tangential: [at(2), at(3)],
                rational: [at(5), at(6), at(7)],
                prism: [at(8), at(9), at(10), at(11)],
                tilt: [at(12), at(13)],
            }),
        };
        prop_assert_eq!(found.lens.distortion, expected);
    }

    #[test]
    fn a_random_pair_comes_back([fx, fy, cx, cy] in camera(), k in four(), form in 0usize..3, second: bool) {
        let number = if second { "2" } else { "1" };
        let matrix = |f| [f, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0];
        // This is intrinsics.yml of stereo_calib, an OpenCV sample.
        let matrices = stored(form, "M1", 3, 3, &matrix(if second { 400.0 } else { fx }))
            + &stored(form, "D1", 1, 5, &[k[0], k[1], k[2], k[3], 0.0])
            + &stored(form, "M2", 3, 3, &matrix(if second { fx } else { 400.0 }))
            + &stored(form, "D2", 1, 5, &[k[0], k[1], k[2], k[3], 0.0]);
        let choice = Choice { camera: Some(number), ..Choice::default() };
        let lens = Calibration::parse(&storage(form, &matrices, 0), &choice).unwrap().lens;
        prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
        let expected = Brown { radial: [k[0], k[1], 0.0], tangential: [k[2], k[3]], ..Brown::NONE };
        prop_assert_eq!(lens.distortion, Distortion::Brown(expected));
    }
}
