// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::format::Size;
use proptest::prelude::*;

pub const FILE: &str = r#"<?xml version="1.0"?>
    <!DOCTYPE lensdatabase SYSTEM "lensfun-database.dtd">
    <lensdatabase version="2">
      <lens><maker>Acme</maker><model>Acme 10-20mm f/4</model><mount>A</mount>
        <cropfactor>1.5</cropfactor>
        <calibration>
          <distortion model="ptlens" focal="10" a="0.02" b="-0.05" c="0.01"/>
          <distortion model="poly3" focal="20" k1="-0.01"/>
          <tca model="linear" focal="20" kr="1.0" kb="1.0"/>
        </calibration></lens>
      <lens><maker>Acme</maker><model>Acme 30mm f/2</model><mount>A</mount>
        <cropfactor>2.0</cropfactor><aspect-ratio>4:3</aspect-ratio>
        <calibration><distortion model="poly5" focal="30" k1="-0.02" k2="0.003"/></calibration></lens>
      <lens><maker>Acme</maker><model>Acme Fish</model><mount>A</mount><type>fisheye</type>
        <cropfactor>1.5</cropfactor>
        <calibration><distortion model="poly3" focal="8" k1="0.01"/></calibration></lens>
    </lensdatabase>"#;

fn read(camera: Option<&str>, focal_length: Option<f64>, size: Option<[u32; 2]>) -> Parsed<Lens> {
    of(FILE, camera, focal_length, size)
}

fn of(
    file: &str,
    camera: Option<&str>,
    focal_length: Option<f64>,
    size: Option<[u32; 2]>,
) -> Parsed<Lens> {
    let choice = Choice {
        camera,
        focal_length,
        size: size.map(|[width, height]| Size { width, height }),
        ..Choice::default()
    };
    Calibration::parse(file, &choice).map(|calibration| calibration.lens)
}

/// 3:2, like the calibration's pictures: the unit is half the height.
const SIZE: Option<[u32; 2]> = Some([1501, 1001]);

#[test]
fn a_radius_of_half_the_height_stays_where_it_is_in_poly3_and_ptlens() {
    for focal in [10.0, 20.0] {
        let lens = read(Some("10-20mm"), Some(focal), SIZE).unwrap();
        assert_eq!(lens.center, [750.0, 500.0]);
        let [x, y] = lens.distort([750.0, 0.0]).unwrap();
        assert!((x - 750.0).abs() < 1e-9 && y.abs() < 1e-9, "{x} {y}");
    }
    // poly3 at half that radius: r (1 - k1 + k1 / 4).
    let [_, y] = read(Some("10-20mm"), Some(20.0), SIZE)
        .unwrap()
        .distort([750.0, 250.0])
        .unwrap();
    assert!((y - (500.0 - 250.0 * 1.0075)).abs() < 1e-9, "{y}");
}

#[test]
fn another_aspect_ratio_has_the_same_circle() {
    // A 4:3 profile on a 4:3 picture: poly5 at half its height.
    let lens = read(Some("30mm"), None, Some([641, 481])).unwrap();
    let [_, y] = lens.distort([320.0, 0.0]).unwrap();
    assert!((y - (240.0 - 240.0 * 0.983)).abs() < 1e-9, "{y}");
    // On 16:9 with the same diagonal the height is smaller, and the circle is the same.
    let lens = read(Some("30mm"), None, Some([698, 393])).unwrap();
    let unit = 697f64.hypot(392.0) / 2.0 * 0.6;
    let [x, _] = lens.distort([348.5 - unit, 196.0]).unwrap();
    assert!((x - (348.5 - unit * 0.983)).abs() < 1e-9, "{x}");
}

#[test]
fn the_focal_length_is_in_pixels_of_the_sensor() {
    // 30 mm with a crop factor of 2: the diagonal is 21.63 mm.
    let lens = read(Some("30mm"), None, Some([641, 481])).unwrap();
    assert!((lens.focal[0] - 30.0 * 800.0 / (FILM / 2.0)).abs() < 1e-9);
}

#[test]
fn what_is_to_be_said_is_asked_for() {
    let error = |camera, focal, size| read(camera, focal, size).unwrap_err();
    assert_eq!(
        error(None, None, SIZE),
        "say which lens with --camera: Acme 10-20mm f/4, Acme 30mm f/2, Acme Fish"
    );
    assert_eq!(
        error(Some("Zeta"), None, SIZE),
        "it has no lens named Zeta, but Acme 10-20mm f/4, Acme 30mm f/2, Acme Fish: say part of a \
         name with --camera"
    );
    assert!(error(Some("30mm"), None, None).ends_with("say yours with --source"));
    assert!(error(Some("10-20"), None, SIZE).contains("known at 10, 20 mm"));
    assert!(error(Some("10-20"), Some(15.0), SIZE).contains("known at 10, 20 mm"));
    assert!(error(Some("Fish"), None, SIZE).contains("type fisheye are not supported"));
}

#[test]
fn numbers_that_are_none_are_refused_with_their_names() {
    for (right, wrong, error) in [
        (
            r#"k1="-0.02""#,
            r#"k1="nan""#,
            "k1: nan is not a number from -100 to 100",
        ),
        (
            r#"k2="0.003""#,
            r#"k2="inf""#,
            "k2: inf is not a number from -100 to 100",
        ),
        (
            r#"focal="30""#,
            r#"focal="30" real-focal="inf""#,
            "real-focal: inf is not",
        ),
        (
            "2.0</crop",
            "inf</crop",
            "cropfactor: inf is not a number from 0.1 to 100",
        ),
        ("2.0</crop", "5,6</crop", "cropfactor: 5,6 is not"),
        (
            "4:3",
            "0:0",
            "aspect-ratio: 0:0 is not a number from 0.1 to 10",
        ),
        ("4:3", "foo", "aspect-ratio: foo is not"),
        (
            "4:3</aspect-ratio>",
            r#"4:3</aspect-ratio><center x="nan"/>"#,
            "center's x: nan is not",
        ),
    ] {
        let error = format!("Acme 30mm f/2: {error}");
        let found = of(&FILE.replace(right, wrong), Some("30mm"), None, SIZE).unwrap_err();
        assert!(found.starts_with(&error), "{found}");
    }
}

#[test]
fn a_lens_calibrated_on_several_cameras_takes_a_crop_factor() {
    let twice = |crop: &str| {
        FILE.replace("Acme Fish", "Acme 30mm f/2")
            .replace("1.5</crop", crop)
    };
    let error = |crop| of(&twice(crop), Some("30mm"), None, SIZE).unwrap_err();
    let asked = "it is calibrated for crop factors 1.5, 2: say --crop-factor";
    assert_eq!(error("1.5</crop"), asked);
    assert!(error("2</crop").starts_with("it has more than one calibration of this lens"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// Computes the expected points from Lensfun's manual: a radius of 1 is half of the short side
    /// of the sensor that the lens was calibrated on.
    #[test]
    fn a_random_lens_comes_back([a, b, c] in [-0.05..0.05, -0.05..0.05, -0.05..0.05], model in 0usize..3, focal in 8.0..200.0f64,
        crop in 1.0..4.0f64, narrower in 1.0..2.0f64, three_to_two: bool, [width, height] in [200u32..4000, 200u32..3000],
        [x, y] in [-0.4..0.4, -0.4..0.4])
    {
        let (words, factor): (String, Box<dyn Fn(f64) -> f64>) = match model {
            0 => (format!("model=\"poly3\" k1=\"{a:?}\""), Box::new(move |r| 1.0 - a + a * r * r)),
            1 => (format!("model=\"poly5\" k1=\"{a:?}\" k2=\"{b:?}\""), Box::new(move |r| 1.0 + a * r.powi(2) + b * r.powi(4))),
            _ => (format!("model=\"ptlens\" a=\"{a:?}\" b=\"{b:?}\" c=\"{c:?}\""),
                Box::new(move |r| a * r.powi(3) + b * r.powi(2) + c * r + 1.0 - a - b - c)),
        };
        let (element, aspect) = if three_to_two { ("", 1.5f64) } else { ("<aspect-ratio>4:3</aspect-ratio>", 4.0 / 3.0) };
        let text = format!("<lensdatabase version=\"2\">\n<lens>\n<maker>Acme</maker>\n<model>Random</model>\n<mount>A</mount>\n\
            <cropfactor>{crop:?}</cropfactor>\n{element}<calibration>\n<distortion {words} focal=\"{focal:?}\"/>\n</calibration>\n</lens>\n</lensdatabase>\n");
        let choice = Choice { size: Some(Size { width, height }), crop_factor: Some(crop * narrower), ..Choice::default() };
        let lens = Calibration::parse(&text, &choice).unwrap().lens;
        // Diagonals of the two sensors, and the side of a pixel, in millimetres.
        let film = 36f64.hypot(24.0);
        let one = film / crop / aspect.hypot(1.0) / 2.0;
        let [last_x, last_y] = [width, height].map(|side| f64::from(side - 1));
        let pixel = film / (crop * narrower) / last_x.hypot(last_y);
        let [dx, dy]: [f64; 2] = [x, y].map(|part| part * last_y.min(last_x));
        let times = factor(dx.hypot(dy) * pixel / one);
        let [u, v] = lens.distort([last_x / 2.0 + dx, last_y / 2.0 + dy]).unwrap();
        prop_assert!((u - last_x / 2.0 - dx * times).abs() < 1e-6, "{u}");
        prop_assert!((v - last_y / 2.0 - dy * times).abs() < 1e-6, "{v}");
    }
}
