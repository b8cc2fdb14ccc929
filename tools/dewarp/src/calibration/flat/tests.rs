// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::calibration::tests::{camera, described, four, refused};
use proptest::prelude::*;

pub const FILE: &str = "{\"intrinsics\": {\"fx\": 500.5, \"fy\": 501.5, \"cx\": 322.25, \"cy\": 241.75},\n \
    \"distortion\": {\"k1\": -0.2, \"k2\": 0.05, \"p1\": 0.001, \"p2\": -0.002, \"k3\": 0.01},\n \"width\": 640, \"height\": 480}\n";

fn lens(text: &str) -> crate::Lens {
    described(text, &Choice::default()).calibration.lens
}

fn fails(text: &str, reason: &str) {
    refused(text, &Choice::default(), reason);
}

#[test]
fn numbers_may_lie_in_parts_or_in_one_place() {
    let Calibration { lens: found, size } = described(FILE, &Choice::default()).calibration;
    assert_eq!(size.unwrap().to_string(), "640x480");
    assert_eq!(
        (found.focal, found.center),
        ([500.5, 501.5], [322.25, 241.75])
    );
    let expected = Brown {
        radial: [-0.2, 0.05, 0.01],
        tangential: [0.001, -0.002],
        ..Brown::NONE
    };
    assert_eq!(found.distortion, Distortion::Brown(expected));
    for text in [
        "fx: 500.5\nfy: 501.5\ncx: 322.25\ncy: 241.75\nk1: -0.2\nk2: 0.05\nk3: 0.01\np1: 0.001\np2: -0.002\n",
        // Its 0 is half a pixel to the left of OpenCV's.
        "fl_x: 500.5\nfl_y: 501.5\ncx: 322.75\ncy: 242.25\ncamera_model: OPENCV\nk1: -0.2\nk2: 0.05\nk3: 0.01\np1: 0.001\np2: -0.002\n",
        "fx: 500.5\nfy: 501.5\nppx: 322.25\nppy: 241.75\nmodel: distortion.brown_conrady\ncoeffs: [-0.2, 0.05, 0.001, -0.002, 0.01]\n",
        "camera:\n  intrinsics: {fx: 500.5, fy: 501.5, cx: 322.25, cy: 241.75}\n  dist: [-0.2, 0.05, 0.001, -0.002, 0.01]\n",
    ] {
        assert_eq!(lens(text), found, "{text}");
    }
}

#[test]
fn cameras_are_the_parts_with_focal_lengths() {
    let one =
        |fx| format!("{{fx: {fx}, fy: 500, cx: 320, cy: 240, k1: -0.2, k2: 0.05, p1: 0, p2: 0}}");
    let text = format!("left: {}\nright: {}\n", one(501), one(502));
    fails(&text, "say which camera with --camera: left, right");
    let choice = Choice {
        camera: Some("right"),
        ..Choice::default()
    };
    assert_eq!(
        described(&text, &choice).calibration.lens.focal,
        [502.0, 500.0]
    );
}

#[test]
fn a_model_that_is_said_is_obeyed_or_refused() {
    let four = "fx: 500\nfy: 501\ncx: 322\ncy: 241\nk1: 0.1\nk2: 0.2\nk3: 0.3\nk4: 0.4\n";
    let expected = Distortion::Fisheye([0.1, 0.2, 0.3, 0.4]);
    for line in [
        "model: fisheye",
        "camera_type: Kannala-Brandt",
        "camera_model: pinhole\ndistortion_model: equidistant",
    ] {
        assert_eq!(
            lens(&format!("{four}{line}\n")).distortion,
            expected,
            "{line}"
        );
    }
    fails(
        four,
        "it has k1, k2, k3, k4, k1 k2 p1 p2 of a pinhole or k1 k2 k3 k4 of a fisheye: say which with --model",
    );
    let choice = Choice {
        model: Some(Model::Fisheye),
        ..Choice::default()
    };
    assert_eq!(
        described(four, &choice).calibration.lens.distortion,
        expected
    );
    fails(
        &format!("{four}model: spline\n"),
        "model spline is not known",
    );
    fails(
        &format!("{four}model: fisheye\nlens_type: eucm\n"),
        "its model and its lens_type are different",
    );
    fails(
        &format!("{four}model: fisheye\np1: 0.1\n"),
        "it is a fisheye's, and has more than k1",
    );
    let list = "fx: 500\nfy: 501\ncx: 322\ncy: 241\ndist: [0.1, 0.2, 0.3, 0.4]\n";
    fails(list, "its list has 4 coefficients");
    assert_eq!(
        lens(&format!("{list}type: x\nlens_type: fisheye\n")).distortion,
        expected
    );
}

#[test]
fn what_is_not_clear_is_refused() {
    let bare = "fx: 500\nfy: 501\ncx: 322\ncy: 241\n";
    fails(bare, "it has no coefficients: k1, k2");
    fails(
        &format!("{bare}k1: 0.1\nk7: 0.1\n"),
        "the coefficient k7 is not known",
    );
    fails(&format!("{bare}k2: 0.1\np1: 0.1\n"), "it has k2 and no k1");
    fails(&format!("{bare}k1: 0.1\np1: ~\n"), "p1 has no value");
    fails(
        &format!("{bare}k1: 0.1\ndist: [0.2, 0, 0, 0, 0]\n"),
        "by their names and others in a list",
    );
    fails(
        &format!("{bare}k1: 0.1\nmore: {{k1: 0.2}}\n"),
        "k1 stands in two places",
    );
    fails(
        &format!("{bare}k1: 0.1\nxi: 1.2\n"),
        "it has xi 1.2, and no model",
    );
    fails(
        &format!("{bare}model: inverse_brown_conrady\ncoeffs: [0.1, 0, 0, 0, 0]\n"),
        "is not read, and its coefficients are not 0",
    );
    fails(&bare.replace("cy", "c"), "it has no cy");
    fails(&format!("{bare}k1: [1, 2]\n"), "k1 is not one number");
    fails(
        &format!("{bare}model: none\ndist: [0.1]\n"),
        "the coefficient 0.1 and a model none",
    );
    assert_eq!(
        lens(&format!("{bare}model: none\n")).distortion,
        Distortion::Brown(Brown::NONE)
    );
}

#[test]
fn a_fisheye_may_be_said_by_a_flag_or_a_type() {
    // A list of five numbers may also be a pinhole's.
    let bare = "fx: 500\nfy: 501\ncx: 322\ncy: 241\ndist: [0.1, 0.2, 0.3, 0.4, 0]\n";
    for line in [
        "fisheye: true",
        "is_fisheye: 1",
        "type: fisheye",
        "calibration_type: fisheye",
        "model: distortion.kannala_brandt4",
    ] {
        let found = lens(&format!("{bare}{line}\n")).distortion;
        assert_eq!(found, Distortion::Fisheye([0.1, 0.2, 0.3, 0.4]), "{line}");
    }
    let four = bare.replace(", 0]", "]");
    let expected = Brown {
        radial: [0.1, 0.2, 0.0],
        tangential: [0.3, 0.4],
        ..Brown::NONE
    };
    assert_eq!(
        lens(&format!("{four}is_fisheye: false\n")).distortion,
        Distortion::Brown(expected)
    );
    fails(
        &format!("{four}fisheye: false\nmodel: fisheye\n"),
        "its fisheye contradicts its model",
    );
}

#[test]
fn what_a_model_here_has_not_is_refused_unless_it_is_0() {
    let bare = "fx: 500\nfy: 501\ncx: 322\ncy: 241\nk1: 0.1\nk2: 0.2\np1: 0\np2: 0\n";
    let expected = lens(bare);
    for key in ["skew", "b1", "alpha_c"] {
        fails(&format!("{bare}{key}: 1.5\n"), &format!("{key} is not 0"));
        assert_eq!(lens(&format!("{bare}{key}: 0.0\n")), expected, "{key}");
    }
    // RealSense's three other models are straight if all coefficients are 0.
    let list = "fx: 500\nfy: 501\nppx: 322\nppy: 241\n";
    for model in ["inverse_brown_conrady", "modified_brown_conrady", "ftheta"] {
        let model = format!("{list}model: distortion.{model}\n");
        fails(
            &format!("{model}coeffs: [0.9, 0, 0, 0, 0]\n"),
            "is not read, and its coefficients are not 0",
        );
        let straight = lens(&format!("{model}coeffs: [0, 0, 0, 0, 0]\n"));
        assert_eq!(straight.distortion, Distortion::Brown(Brown::NONE));
    }
}

#[test]
fn radial_and_tangential_coefficients_may_be_lists() {
    let expected = Distortion::Brown(Brown {
        radial: [-0.2, 0.05, 0.0],
        tangential: [0.001, -0.002],
        ..Brown::NONE
    });
    let bare = "fx: 500\nfy: 501\ncx: 322\ncy: 241\n";
    for rest in [
        "RadialDistortion: [-0.2, 0.05]\nTangentialDistortion: [0.001, -0.002]\n",
        "model: pinhole_radial_tangential\nradial_tangential:\n  radial:\n  - -0.2\n  - 0.05\n  t1: 0.001\n  t2: -0.002\n",
    ] {
        assert_eq!(
            lens(&format!("{bare}{rest}")).distortion,
            expected,
            "{rest}"
        );
    }
    fails(
        &format!("{bare}radial: [1, 2, 3, 4]\n"),
        "radial has 4 numbers, more than 3",
    );
    fails(
        &format!("{bare}radial: [0.1, 0.2]\nk1: 0.1\n"),
        "coefficients in radial and by their names",
    );
}

#[test]
fn the_size_may_be_columns_and_rows_and_cameras_may_lie_in_a_list() {
    let one = |fx| format!("fx: {fx}, fy: 500, cx: 320, cy: 240, k1: -0.2, k2: 0.05, p1: 0, p2: 0");
    let text = format!(
        "Camera: {{model: perspective, cols: 640, rows: 480, {}}}\n",
        one(501)
    );
    let found = described(&text, &Choice::default()).calibration;
    assert_eq!(found.size.unwrap().to_string(), "640x480");
    let text = format!(
        "cameras:\n- {{name: a, {}}}\n- {{name: b, {}}}\n",
        one(501),
        one(502)
    );
    fails(&text, "say which camera with --camera: a, b");
    let choice = Choice {
        camera: Some("b"),
        ..Choice::default()
    };
    assert_eq!(described(&text, &choice).calibration.lens.focal[0], 502.0);
    let text = format!("[{{{}}}]\n", one(503));
    assert_eq!(lens(&text).focal[0], 503.0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_random_camera_comes_back([fx, fy, cx, cy] in camera(), k in four(), more in four(), unit in 0.0..1.0f64, model in 0usize..7) {
        let [a, b, c, d] = k;
        let brown = Brown { radial: [a, b, 0.0], tangential: [c, d], ..Brown::NONE };
        let eight = Brown { radial: [a, b, more[0]], rational: [more[1], more[2], more[3]], ..brown };
        let names = format!("k1: {a:?}\nk2: {b:?}\np1: {c:?}\np2: {d:?}\n");
        let (rest, expected) = match model {
            0 => (names, Distortion::Brown(brown)),
            1 => (format!("{names}k3: {:?}\nk4: {:?}\nk5: {:?}\nk6: {:?}\n", more[0], more[1], more[2], more[3]), Distortion::Brown(eight)),
            2 => (format!("distortion_coefficients: {:?}\n", [k, more].concat()), Distortion::Brown(eight)),
            3 => (format!("distortion: {{model: equidistant, coefficients: {k:?}}}\n"), Distortion::Fisheye(k)),
            4 => (format!("{names}model: mei\nxi: {unit:?}\n"), Distortion::Omni(Omni::new(unit, k))),
            5 => (format!("model: ds\nxi: {a:?}\nalpha: {unit:?}\n"), Distortion::DoubleSphere(DoubleSphere { xi: a, alpha: unit })),
            _ => (format!("model: fov\nw: {unit:?}\n"), Distortion::Fov(unit)),
        };
        let text = format!("fx: {fx:?}\nfy: {fy:?}\ncx: {cx:?}\ncy: {cy:?}\nwidth: 640\nheight: 480\n{rest}");
        let found = lens(&text);
        prop_assert_eq!((found.focal, found.center), ([fx, fy], [cx, cy]));
        prop_assert_eq!(found.distortion, expected);
    }
}
