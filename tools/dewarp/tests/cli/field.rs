// SPDX-License-Identifier: GPL-2.0
//! Files as they are found in the field: what editors, shells and other
//! programs do to them, and what nobody may guess.

use crate::answers::{Map, USUAL, refused};
use crate::common::Scratch;

const SIZE: &str = "--size 640x480";
const YAML: &str = "image_width: 640\nimage_height: 480\ncamera_matrix: [500, 0, 322, 0, 501, 241, 0, 0, 1]\n\
    distortion_coefficients: [-0.2, 0.05, 0.001, -0.001, 0]\n";
const K: &str = "[[500, 0, 322], [0, 501, 241], [0, 0, 1]]";
const D: &str = "[-0.2, 0.05, 0.001, -0.001, 0]";

/// A name that no test of another file has.
fn own(name: &str) -> String {
    format!("field-{name}")
}

/// Asserts that a file of bytes gives the usual map.
fn usual(name: &str, file: &[u8], words: &str) {
    let dir = Scratch::new(&own(name));
    std::fs::write(dir.path("file"), file).unwrap();
    let (code, said) = dir.run(&format!("map lens {words} --calibration file -o map.bin"));
    assert_eq!(code, 0, "{name}: {said}");
    let map = std::fs::read(dir.path("map.bin")).unwrap();
    let right = Map::of(&own(&format!("{name}-right")), YAML, SIZE).0;
    assert_eq!(map, right.bytes(), "{name}: {said}");
}

#[test]
fn a_text_in_another_encoding_is_read() {
    Map::of("field-yaml", YAML, SIZE).0.points(&USUAL);
    let units = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
    let little: Vec<u8> = units(YAML).into_iter().flat_map(u16::to_le_bytes).collect();
    let big: Vec<u8> = units(YAML).into_iter().flat_map(u16::to_be_bytes).collect();
    // `für` in Latin-1, and a day in GBK, as OpenCV writes the time of a calibration.
    let comment = |letters: &[u8]| [b"# ", letters, b"\ntime: \"", letters, b"\"\n"].concat();
    for (name, file) in [
        ("little", [&[0xff, 0xfe], &little[..]].concat()),
        ("big", [&[0xfe, 0xff], &big[..]].concat()),
        ("little-unmarked", little),
        ("big-unmarked", big),
        (
            "latin",
            [comment(b"f\xfcr"), YAML.as_bytes().to_vec()].concat(),
        ),
        (
            "gbk",
            [comment(b"\xd6\xdc\xc8\xfd"), YAML.as_bytes().to_vec()].concat(),
        ),
        ("dos", [YAML.as_bytes(), &b"\x1a"[..]].concat()),
        ("mac", YAML.replace('\n', "\r").into_bytes()),
        (
            "windows",
            format!("\u{feff}{}", YAML.replace('\n', "\r\n")).into_bytes(),
        ),
        ("no-break", YAML.replace(": 640", ":\u{a0}640").into_bytes()),
    ] {
        usual(name, &file, SIZE);
    }
}

#[test]
fn numbers_are_read_in_any_form() {
    let text = "{\"mtx\": \"[[500.   0. 322.]\\n [  0. 501. 241.]\\n [  0.   0.   1.]]\", \
        \"dist\": \"[[-0.2, 0.05, 0.001, -0.001, 0.0]]\", \"size\": [640, 480]}";
    let block = "size: [640, 480]\nK: |\n  500 0 322\n  0 501 241\n  0 0 1\nD: |\n  -0.2 0.05 0.001 -0.001 0\n";
    let by_names = format!(
        "{{\"size\": [640, 480], \"camera_matrix\": {K}, \"distortion_coefficients\": {{\"k1\": -0.2, \"k2\": 0.05, \
         \"p1\": 0.001, \"p2\": -0.001, \"k3\": 0}}}}"
    );
    let deviations = "{\"width\": 640, \"height\": 480, \"fx\": {\"value\": 500, \"std\": 0.1}, \"fy\": {\"val\": 501}, \
        \"cx\": {\"value\": 322}, \"cy\": 241, \"k1\": -0.2, \"k2\": 0.05, \"p1\": 0.001, \"p2\": -0.001}";
    let commented = format!(
        "// of the front camera\n/* 640x480 */ {{\"size\": [640, 480], \"K\": {K}, \"dist\": {D}}}"
    );
    let xml = "\n <?xml version=\"1.0\"?>\n<opencv_storage><image_width>640</image_width><image_height>480</image_height>\
        <K>500 0 322 0 501 241 0 0 1</K><dist>-0.2 0.05 0.001 -0.001 0</dist></opencv_storage>";
    let ros = "width: 640\nheight: 480\ndistortion_model: Plumb Bob\nk: [500, 0, 322, 0, 501, 241, 0, 0, 1]\n\
        d: [-0.2, 0.05, 0.001, -0.001, 0]\n";
    let realsense = "{\"width\": 640, \"height\": 480, \"fx\": 500, \"fy\": 501, \"ppx\": 322, \"ppy\": 241, \
        \"model\": \"RS2_DISTORTION_BROWN_CONRADY\", \"coeffs\": [-0.2, 0.05, 0.001, -0.001, 0]}";
    for (name, file) in [
        ("text", text),
        ("block", block),
        ("names", &by_names),
        ("deviations", deviations),
        ("commented", &commented),
        ("xml", xml),
        ("ros", ros),
        ("realsense", realsense),
    ] {
        usual(name, file.as_bytes(), SIZE);
    }
}

#[test]
fn a_camera_of_a_pair_may_stand_before_the_name() {
    let pair = |matrix: &str, bend: &str| {
        let [left, right] = ["left", "right"].map(|camera| {
            let name = |name: &str| name.replace("SIDE", camera);
            format!("\"{}\": {K}, \"{}\": {D}", name(matrix), name(bend))
        });
        format!("{{{left}, {right}, \"imageSize\": [640, 480]}}")
    };
    for (matrix, bend, camera) in [
        ("SIDE_camera_matrix", "SIDE_distortion", "left"),
        ("SIDECameraMatrix", "SIDEDistCoeffs", "right"),
        ("K_SIDE", "D_SIDE", "LEFT"),
    ] {
        let words = format!("{SIZE} --camera {camera}");
        usual(matrix, pair(matrix, bend).as_bytes(), &words);
    }
}

#[test]
fn cameras_in_a_list_of_xml_are_told_apart() {
    let camera = |focal: u32| {
        format!(
            "<_><image_width>640</image_width><image_height>480</image_height><K>{focal} 0 322 0 501 241 0 0 1</K>\
             <dist>-0.2 0.05 0.001 -0.001 0</dist></_>"
        )
    };
    let file = format!(
        "<?xml version=\"1.0\"?><opencv_storage><cameras>{}{}</cameras></opencv_storage>",
        camera(500),
        camera(900)
    );
    let said = refused("field-list", &file, SIZE);
    assert!(
        said.contains("say which camera with --camera: 0, 1"),
        "{said}"
    );
    usual("list", file.as_bytes(), &format!("{SIZE} --camera 0"));
}

#[test]
fn what_nobody_can_choose_is_refused() {
    let both = format!(
        "{{\"size\": [640, 480], \"mtx\": {K}, \"dist\": {D}, \"K\": [[300, 0, 322], [0, 301, 241], [0, 0, 1]], \
         \"D\": [-0.02, 0.005, -0.003, 0.001]}}"
    );
    let rectified = format!("{YAML}K: [450, 0, 310, 0, 450, 230, 0, 0, 1]\n");
    let spelled = format!("{YAML}cameraMatrix: [450, 0, 310, 0, 450, 230, 0, 0, 1]\n");
    let bends = format!("{YAML}dist: [-0.3, 0.1, 0, 0, 0]\n");
    let toolbox = "width: 640\nheight: 480\nfx: 500\nfy: 501\ncx: 322\ncy: 241\nk1: -0.2\nk2: 0.05\n\
        k3: 0.001\nk4: -0.001\nk5: 0\n";
    let four = YAML.replace("500, 0, 322, 0, 501, 241, 0, 0, 1", "500, 501, 322, 241");
    let commas =
        "width: 640\nheight: 480\nfx: 500,25\nfy: 501\ncx: 322\ncy: 241\nk1: -0,2\nk2: 0,05\n";
    for (name, file, reason) in [
        ("both", &*both, "it has mtx and K, with different numbers"),
        (
            "rectified",
            &rectified,
            "it has camera_matrix and K, with different numbers",
        ),
        (
            "spelled",
            &spelled,
            "it has camera_matrix and cameraMatrix, with different numbers",
        ),
        (
            "bends",
            &bends,
            "it has distortion_coefficients and dist, with different numbers",
        ),
        ("toolbox", toolbox, "it has k4 or k5 and no k6"),
        (
            "four",
            &four,
            "camera_matrix has 4 numbers, not 9 (3x3), and no camera_model beside it: if they are fx fy cx cy, \
             give its numbers by hand: --center",
        ),
        (
            "commas",
            commas,
            "fx: 500,25 is not a number: decimal commas must be points",
        ),
        (
            "nan",
            &YAML.replace("0.05", "NaN"),
            "NaN is not a number: the calibration failed, calibrate again",
        ),
    ] {
        let said = refused(&own(name), file, SIZE);
        assert!(said.contains(reason), "{name}: {said}");
    }
    // The same numbers under another name contradict nothing.
    let same = format!("{YAML}K: {K}\ndist: [-0.2, 0.05, 0.001, -0.001, 0, 0, 0, 0]\n");
    usual("same", same.as_bytes(), SIZE);
}

#[test]
fn what_is_unlikely_or_not_used_is_told() {
    let order = YAML.replace("0.001, -0.001, 0]", "-0.04, 0.0005, 0.0002]");
    let half = YAML.replace("640", "1280").replace("480", "960");
    let kalibr = "cam0:\n  camera_model: pinhole\n  distortion_coeffs: [-0.2, 0.05, 0.001, -0.001]\n  \
        distortion_model: radtan\n  intrinsics: [500, 501, 322, 241]\n  resolution: [480, 640]\n";
    let sizes = format!("{YAML}calibration_resolution: [1280, 960]\n");
    let turned = format!("{YAML}rotate: 180\n");
    let documents = format!("---\n{YAML}---\n{YAML}");
    for (name, file, words, reason) in [
        (
            "order",
            &*order,
            SIZE,
            "warning: the tangential coefficients -0.04 and 0.0005 are large for a lens",
        ),
        (
            "half",
            &half,
            "--size 1280x960",
            "warning: the principal point 322, 241 is far from the middle of a picture of 1280x960",
        ),
        (
            "exchanged",
            kalibr,
            SIZE,
            "warning: the principal point fits 640x480 better than 480x640: are they exchanged?",
        ),
        (
            "sizes",
            &sizes,
            SIZE,
            "warning: the file says 1280x960 in calibration_resolution as well: 640x480 is taken",
        ),
        ("turned", &turned, SIZE, "note: its rotate: 180 is not used"),
        (
            "documents",
            &documents,
            SIZE,
            "note: the file has 2 documents, between lines of ---: the first one is read",
        ),
    ] {
        let (_, said) = Map::of(&own(name), file, words);
        assert!(said.contains(reason), "{name}: {said}");
    }
}

#[test]
fn a_fisheye_that_the_file_speaks_of_is_asked_about() {
    let method = format!("method: cv2.fisheye.calibrate\n{YAML}");
    let said = refused(&own("method"), &method, SIZE);
    let question = "it says method: cv2.fisheye.calibrate: are its coefficients those of a fisheye? Say which with";
    assert!(said.contains(question), "{said}");
    // The model that the user says is not doubted.
    let (_, said) = Map::of("field-said", &method, &format!("{SIZE} --model pinhole"));
    assert_eq!(said, "");
}
