// SPDX-License-Identifier: GPL-2.0
//! Tests every step for a committed picture on the host: calibration, map,
//! frame, the engine's golden model, picture, and the measurement of the
//! result.

use std::path::PathBuf;

use dewarp::{Calibration, Distortion, Format, Picture, VertexMap};
use dw100_model::{Crop, Image, ImageSpec, dewarp_image};
use dw100_pictures::{Measured, PictureKind};

fn committed(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Processes a picture with the model and the map for its calibration.
fn dewarped(picture: &Picture, calibration: &str, format: &str) -> Picture {
    let Calibration { lens, size } = Calibration::load(&committed(calibration)).unwrap();
    assert_eq!(size, Some(picture.size));
    let size = picture.size;
    let map = VertexMap::undistort(size, size, &lens, 1.0);
    let (width, height) = (size.width, size.height);
    let (ours, theirs): (Format, _) = (format.parse().unwrap(), format.parse().unwrap());
    let frame = picture.to_frame(ours).unwrap();
    let source = Image {
        format: theirs,
        width,
        height,
        data: &frame,
    };
    let spec = ImageSpec {
        format: theirs,
        width,
        height,
    };
    let output = dewarp_image(&source, &spec, map.vertices(), Crop::FULL).unwrap();
    Picture::from_frame(ours, size, &output).unwrap()
}

/// Measures the result, and checks that the same measurement refuses an
/// unchanged picture.
fn measured(kind: PictureKind, input: &Picture, output: &Picture) -> Measured {
    let unchanged = Measured::new(kind, input, input).unwrap();
    assert!(!unchanged.holds(), "{unchanged:?}");
    assert_eq!(unchanged.input, unchanged.output);
    let measured = Measured::new(kind, input, output).unwrap();
    println!("{measured:?}");
    measured
}

#[test]
fn the_photograph_comes_out_four_times_as_straight() {
    let input = Picture::load(&committed("photo.jpg")).unwrap();
    for format in ["nv12", "yuyv"] {
        let output = dewarped(&input, "left_intrinsics.yml", format);
        let measured = measured(PictureKind::Photo, &input, &output);
        assert!(
            measured.output <= measured.input / 4.0,
            "{format}: {measured:?}"
        );
        assert!(measured.holds());
    }
}

#[test]
fn the_scene_s_lines_come_out_straight_to_a_pixel() {
    let input = Picture::load(&committed("scene.png")).unwrap();
    let output = dewarped(&input, "scene_intrinsics.yml", "nv12");
    let measured = measured(PictureKind::Scene, &input, &output);
    assert!(
        measured.input >= 8.0 && measured.output <= 1.0,
        "{measured:?}"
    );
    assert!(measured.holds());
}

#[test]
fn a_map_for_another_lens_does_not_pass() {
    // Half of the distortion is removed: the picture is straighter, and not
    // straight.
    let input = Picture::load(&committed("photo.jpg")).unwrap();
    let Calibration { mut lens, .. } =
        Calibration::load(&committed("left_intrinsics.yml")).unwrap();
    let Distortion::Brown(brown) = &mut lens.distortion else {
        panic!("the photograph's lens is no fisheye");
    };
    brown.radial = brown.radial.map(|k| k / 2.0);
    let map = VertexMap::undistort(input.size, input.size, &lens, 1.0);
    let nv12 = "nv12".parse().unwrap();
    let frame = input.to_frame("nv12".parse().unwrap()).unwrap();
    let (width, height) = (input.size.width, input.size.height);
    let source = Image {
        format: nv12,
        width,
        height,
        data: &frame,
    };
    let spec = ImageSpec {
        format: nv12,
        width,
        height,
    };
    let output = dewarp_image(&source, &spec, map.vertices(), Crop::FULL).unwrap();
    let output = Picture::from_frame("nv12".parse().unwrap(), input.size, &output).unwrap();
    let measured = measured(PictureKind::Photo, &input, &output);
    assert!(
        !measured.holds() && measured.output < measured.input,
        "{measured:?}"
    );
}
