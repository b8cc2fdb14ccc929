// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::calibration::tests::{camera, described, four, refused};
use crate::lens::Brown;
use proptest::prelude::*;

pub const FILE: &str = r#"{ "dewarpConfigArray": [ {
    "source_image": { "width": 1920, "height": 1080 },
    "?dewarpType": "LENS_CORRECTION or FISHEYE_DEWARP",
    "dewarpType": "LENS_CORRECTION",
    "scale": { "roix": 0, "roiy": 0, "factor": 1.0 },
    "split": { "horizon_line": 540, "vertical_line_up": 960, "vertical_line_down": 960 },
    "bypass": false, "hflip": false, "vflip": false,
    "camera_matrix":    [ 1402.5, 0.0, 958.25,  0.0, 1399.75, 541.5,  0.0, 0.0, 1.0 ],
    "distortion_coeff": [ -0.29, 0.11, 0.0006, -0.0004, -0.019, 0.0, 0.0, 0.0 ],
    "perspective":      [ 1.0, 0, 0,  0, 1, 0,  0, 0, 1 ]
} ] }"#;

fn read(text: &str) -> Described {
    described(text, &Choice::default())
}

#[test]
fn a_lens_is_corrected_with_opencv_s_coefficients_and_its_own_matrix() {
    let found = read(FILE);
    let Calibration { lens, size } = found.calibration;
    assert_eq!(size.unwrap().to_string(), "1920x1080");
    assert_eq!(
        (lens.focal, lens.center),
        ([1402.5, 1399.75], [958.25, 541.5])
    );
    let Distortion::Brown(brown) = lens.distortion else {
        panic!("not Brown's");
    };
    assert_eq!(brown.radial, [-0.29, 0.11, -0.019]);
    assert_eq!(brown.tangential, [0.0006, -0.0004]);
    assert_eq!((found.output, found.notes.len()), (None, 0));
}

#[test]
fn a_fisheye_is_shown_with_its_centre_in_the_middle() {
    let file = FILE.replace(
        "\"dewarpType\": \"LENS_CORRECTION\"",
        "\"dewarpType\": \"FISHEYE_DEWARP\"",
    );
    let found = read(&file);
    let expected = Distortion::Fisheye([-0.29, 0.11, 0.0006, -0.0004]);
    assert_eq!(found.calibration.lens.distortion, expected);
    let camera = found.output.unwrap().camera.unwrap();
    assert_eq!(camera, [[1402.5, 1399.75], [960.0, 540.0]]);
    // Five numbers that are not 0 look like those of a pinhole.
    assert!(
        found.notes[0].contains("-0.019 behind the fourth"),
        "{:?}",
        found.notes
    );
    assert!(read(&file.replace("-0.019", "0.0")).notes.is_empty());
}

#[test]
fn flips_and_the_part_are_those_of_the_output() {
    let file = FILE.replace("\"hflip\": false", "\"hflip\": true").replace(
        "\"roix\": 0, \"roiy\": 0, \"factor\": 1.0",
        "\"roix\": 330, \"roiy\": 100, \"factor\": 0.5",
    );
    let found = read(&file);
    let output = found.output.unwrap();
    assert_eq!((output.mirrored, output.flipped), (true, false));
    assert_eq!(output.part, Some([[320.0, 96.0], [1600.0, 984.0]]));
    assert_eq!(
        found.notes,
        ["its scale makes an output of 800x496: that is for --size"]
    );
}

#[test]
fn a_file_without_a_size_takes_that_of_the_stream() {
    let image = "\"source_image\": { \"width\": 1920, \"height\": 1080 },";
    let file = FILE.replace(image, "");
    refused(&file, &Choice::default(), "say them with --source");
    let size = Some(crate::Size {
        width: 1920,
        height: 1080,
    });
    let choice = Choice {
        size,
        ..Choice::default()
    };
    assert_eq!(described(&file, &choice), read(FILE));
}

#[test]
fn a_bypass_bends_nothing_whatever_the_coefficients() {
    let lens = read(&FILE.replace("\"bypass\": false", "\"bypass\": true"))
        .calibration
        .lens;
    assert_eq!(lens.distortion, Distortion::Brown(Brown::NONE));
}

#[test]
fn a_channel_is_chosen_by_its_number() {
    let second = "}, { \"source_image\": { \"width\": 640, \"height\": 480 }, \"dewarpType\": \"LENS_CORRECTION\", \
        \"camera_matrix\": [500, 0, 322, 0, 501, 241, 0, 0, 1], \"distortion_coeff\": [0.1, 0, 0, 0] } ] }";
    let both = FILE.replace("} ] }", second);
    refused(
        &both,
        &Choice::default(),
        "say which camera with --camera: 0, 1",
    );
    let choice = |camera| Choice {
        camera: Some(camera),
        ..Choice::default()
    };
    assert_eq!(
        described(&both, &choice("1")).calibration.lens.focal,
        [500.0, 501.0]
    );
    assert_eq!(described(&both, &choice("0")), read(FILE));
    refused(FILE, &choice("2"), "it has no camera 2, only 0");
}

#[test]
fn the_flat_form_has_the_mode_under_another_name() {
    let flat = "{\"dewarpMode\": \"LENS_CORRECTION\", \"camera_matrix\": [650,0,962,0,651,538,0,0,1], \
        \"distortion_coeff\": [-0.02,0.004,-0.005,0.002,0,0,0,0], \"input\": {\"width\": 1920, \"height\": 1080}, \
        \"camera_matrix2\": [660,0,962,0,651,538,0,0,1], \"distortion_coeff2\": [0.1,0,0,0]}";
    let second = Choice {
        camera: Some("1"),
        ..Choice::default()
    };
    let found = described(flat, &second);
    assert_eq!(found.calibration.lens.focal, [660.0, 651.0]);
    assert_eq!(found.calibration.size.unwrap().to_string(), "1920x1080");
    refused(
        &flat.replace("2\": [0.1", "\": [0.1"),
        &second,
        "stands twice",
    );
}

#[test]
fn what_is_not_done_is_named() {
    for (right, wrong, reason) in [
        (
            "\"dewarpType\": \"LENS_CORRECTION\"",
            "\"dewarpType\": \"FISHEYE_EXPAND\"",
            "dewarpType FISHEYE_EXPAND, a panorama",
        ),
        (
            "\"dewarpType\": \"LENS_CORRECTION\"",
            "\"dewarpType\": \"SPLIT_SCREEN\"",
            "dewarpType SPLIT_SCREEN, a panorama",
        ),
        (
            "\"dewarpType\": \"LENS_CORRECTION\"",
            "\"dewarpType\": \"LENS\"",
            "dewarpType LENS is not known",
        ),
        (
            "[ 1.0, 0, 0,",
            "[ 1.0, 0.1, 0,",
            "perspective is not 1 0 0 0 1 0 0 0 1",
        ),
        (
            "\"bypass\": false",
            "\"userMap\": \"map.txt\"",
            "userMap map.txt is a finished map",
        ),
        (
            "\"bypass\": false",
            "\"bypass\": 7",
            "bypass is neither true nor false",
        ),
        (
            "\"roix\": 0",
            "\"roix\": 1920",
            "scale: roix 1920 is not inside",
        ),
        (
            "\"factor\": 1.0",
            "\"factor\": 0",
            "scale: a factor of 0 is not from",
        ),
        (
            "\"width\": 1920",
            "\"width\": 1920.5",
            "source_image: 1920.5x1080 is no size",
        ),
        (
            "\"camera_matrix\"",
            "\"?camera_matrix\"",
            "it has no camera_matrix",
        ),
        (
            ", 0.0, 0.0, 0.0 ],\n    \"persp",
            ", 0.1, 0.2 ],\n    \"persp",
            "distortion_coeff has 7 numbers",
        ),
    ] {
        assert!(FILE.contains(right), "{right}");
        refused(&FILE.replace(right, wrong), &Choice::default(), reason);
    }
    refused(
        "{\"dewarpConfigArray\": []}",
        &Choice::default(),
        "it has no channel",
    );
    refused(
        "{\"dewarpConfigArray\": 3}",
        &Choice::default(),
        "it has no channel",
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), l in four(), fisheye: bool, flat: bool, [left, up]: [bool; 2]) {
        let mode = if fisheye { "FISHEYE_DEWARP" } else { "LENS_CORRECTION" };
        let last = if fisheye { [0.0; 4] } else { l };
        let values = [k, last].concat();
        let common = format!("\"bypass\": false, \"hflip\": {left}, \"vflip\": {up}, \
            \"camera_matrix\": [{fx:?}, 0.0, {cx:?}, 0.0, {fy:?}, {cy:?}, 0.0, 0.0, 1.0], \"distortion_coeff\": {values:?}, \
            \"perspective\": [1.0, 0, 0, 0, 1, 0, 0, 0, 1]");
        let size = "{\"width\": 1920, \"height\": 1080}";
        let text = if flat {
            format!("{{\"dewarpMode\": \"{mode}\", \"input\": {size}, {common}}}")
        } else {
            format!("{{\"dewarpConfigArray\": [{{\"source_image\": {size}, \"dewarpType\": \"{mode}\", {common}}}]}}")
        };
        let found = read(&text);
        let Calibration { lens, size } = found.calibration;
        prop_assert_eq!((lens.focal, lens.center), ([fx, fy], [cx, cy]));
        prop_assert_eq!(size.unwrap().to_string(), "1920x1080");
        let brown = Brown { radial: [k[0], k[1], l[0]], tangential: [k[2], k[3]], rational: [l[1], l[2], l[3]], ..Brown::NONE };
        prop_assert_eq!(lens.distortion, if fisheye { Distortion::Fisheye(k) } else { Distortion::Brown(brown) });
        let output = found.output.unwrap_or_default();
        prop_assert_eq!((output.mirrored, output.flipped), (left, up));
    }
}
