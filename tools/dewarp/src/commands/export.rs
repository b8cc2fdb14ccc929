// SPDX-License-Identifier: GPL-2.0
//! `dewarp export`: prints a calibration in the form that another program takes.

use clap::{Args, Subcommand};

use dewarp::lens::{Brown, Distortion};
use dewarp::view::{Camera, Layout, View};
use dewarp::{Calibration, Error, Lens, Result, Size};

use super::lens::LensArgs;
use super::options::within;
use crate::print;

#[derive(Args)]
pub struct ExportArgs {
    #[command(subcommand)]
    format: Format,
}

#[derive(Subcommand)]
enum Format {
    /// Print the Dewarp section of a libcamera tuning file.
    #[command(
        after_help = "Example:\n  dewarp export libcamera --calibration camera.yml --sensor \
        2592x1944 --alpha 0 > dewarp.yaml\n\nThe item goes into the list `modules` of the sensor's \
        tuning file. libcamera 0.6.0 is the first\nthat reads it, 0.7.1 the first that computes p2 right, \
        0.7.2 the first that reads cmNew."
    )]
    Libcamera(Box<LibcameraArgs>),
}

#[derive(Args)]
struct LibcameraArgs {
    /// Size of the sensor's analogue crop, in whose pixels libcamera has its matrices, where the
    /// calibration's pictures are all of it, scaled [default: the calibration's or --sensor-crop's].
    #[arg(long, value_name = "WxH")]
    sensor: Option<Size>,
    #[command(flatten)]
    lens: LensArgs,
    /// Free scaling, as for `dewarp map`: 0 shows no black, 1 every pixel [default: the lens's own
    /// focal lengths]. libcamera reads it from 0.7.2 on.
    #[arg(long, value_name = "A", allow_negative_numbers = true)]
    alpha: Option<f64>,
    /// Multiply the focal lengths of what is shown. libcamera reads it from 0.7.2 on.
    #[arg(long, value_name = "Z", value_parser = |text: &str| within(text, 0.01, 100.0),
          allow_negative_numbers = true)]
    zoom: Option<f64>,
}

/// Prints the section, and its notes and warnings.
pub fn write(args: &ExportArgs) -> Result<()> {
    match &args.format {
        Format::Libcamera(args) => libcamera(args),
    }
}

fn libcamera(args: &LibcameraArgs) -> Result<()> {
    let section = section(args)?;
    for note in section.notes {
        eprintln!("dewarp: {note}");
    }
    print(section.text.as_bytes())
}

/// The section of a tuning file.
pub struct Section {
    pub text: String,
    /// Notes and warnings.
    pub notes: Vec<String>,
}

/// Returns what `dewarp export libcamera` with these arguments prints.
#[cfg(feature = "tune")]
pub fn of_words(words: &[String]) -> Result<Section> {
    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: LibcameraArgs,
    }
    section(&super::options::parsed::<Line>(words)?.args)
}

fn section(args: &LibcameraArgs) -> Result<Section> {
    let (described, _) = args.lens.read(None, None)?;
    let said = described.notes.iter().map(|note| format!("note: {note}"));
    let doubts = described
        .doubts
        .iter()
        .map(|doubt| format!("warning: {doubt}"));
    let mut notes: Vec<String> = said.chain(doubts).collect();
    let Calibration { lens, size } = described.calibration;
    let values = coefficients(&lens.distortion).map_err(Error::bad_use)?;
    let place = Place::of(size, args)?;
    if let (None, None, Some(size)) = (args.sensor, args.lens.sensor_crop, size) {
        notes.push(format!(
            "note: {size} is taken as the sensor's analogue crop; --sensor gives it another size"
        ));
    }
    let shown = match (args.alpha, args.zoom) {
        (None, None) => described
            .output
            .and_then(|output| output.camera)
            .map(|[focal, center]| Lens::straight(focal, center)),
        _ => Some(view(&lens, size, args)?),
    };
    if values[3] != 0.0 {
        notes.push(
            "note: libcamera 0.6.0 and 0.7.0 compute the term of p2 wrongly: take 0.7.1 or later"
                .into(),
        );
    }
    let mut text = format!(
        "version: 1\nmodules:\n  - Dewarp:\n      cm: {}\n      coefficients: {}\n",
        matrix(&place.sensor(lens)),
        list(&values)
    );
    if let Some(shown) = shown {
        notes.push("note: libcamera reads cmNew from 0.7.2 on, and ignores it before".into());
        text += &format!("      cmNew: {}\n", matrix(&place.sensor(shown)));
    }
    Ok(Section { text, notes })
}

/// The place of the calibration's pictures in the sensor's analogue crop.
struct Place {
    corner: [f64; 2],
    times: f64,
}

impl Place {
    fn of(size: Option<Size>, args: &LibcameraArgs) -> Result<Self> {
        let crop = args.lens.sensor_crop;
        if let (Some(crop), Some(size)) = (crop, size) {
            crop.inside(size, "--sensor-crop")?;
        }
        let corner = crop.map_or([0.0; 2], |crop| crop.corner.map(f64::from));
        let part = crop.map(|crop| crop.size).or(size);
        let (Some(part), Some(sensor)) = (part, args.sensor) else {
            return match args.sensor {
                Some(_) => Err(Error::bad_use(
                    "the file does not say the size of its pictures, which --sensor is scaled from: say \
                     it with --sensor-crop WxH+0+0",
                )),
                None => Ok(Place { corner, times: 1.0 }),
            };
        };
        let sides = |size: Size| [size.width, size.height].map(f64::from);
        let ([pw, ph], [sw, sh]) = (sides(part), sides(sensor));
        // A difference below one pixel comes from rounding.
        if (pw * sh - ph * sw).abs() >= pw.min(sw) {
            return Err(Error::bad_use(format!(
                "the calibration is of pictures of {part}, and --sensor {sensor} has another aspect ratio"
            )));
        }
        Ok(Place {
            corner,
            times: sw / pw,
        })
    }

    /// Converts a lens into pixels of the sensor. libcamera scales coordinates to the stream about
    /// the coordinate 0, that of the first pixel. So the map of a stream of the calibration's size
    /// is the calibration's.
    fn sensor(&self, lens: Lens) -> Lens {
        Lens {
            focal: lens.focal.map(|focal| focal * self.times),
            center: [0, 1].map(|axis| (lens.center[axis] - self.corner[axis]) * self.times),
            ..lens
        }
    }
}

/// Returns the camera that is shown, in pixels of the calibration's pictures.
fn view(lens: &Lens, size: Option<Size>, args: &LibcameraArgs) -> Result<Lens> {
    let size = size.or(args.lens.sensor_crop.map(|crop| crop.size));
    let size = size.unwrap_or(Size {
        width: 0,
        height: 0,
    });
    let mut view = View::new(*lens, Camera::like(lens), Layout::whole(size, size));
    if let Some(alpha) = args.alpha {
        if size.width == 0 {
            return Err(Error::bad_use(
                "--alpha takes the size of the calibration's pictures, and the file does not say it: say \
                 it with --sensor-crop WxH+0+0",
            ));
        }
        view.fit(size, alpha)?;
    }
    let camera = view.camera.zoomed(args.zoom.unwrap_or(1.0));
    Ok(Lens::straight(camera.focal, camera.center))
}

/// Returns libcamera's coefficients: 5, 8 or 12 numbers in OpenCV's order.
fn coefficients(distortion: &Distortion) -> std::result::Result<Vec<f64>, String> {
    let none = |model: &str| {
        Err(format!(
            "libcamera's dewarper has no {model}, only OpenCV's radial, tangential, rational and thin \
             prism terms: make a map with `dewarp map` instead"
        ))
    };
    let brown = match distortion {
        Distortion::Brown(brown) if brown.tilt != [0.0; 2] => {
            return none("tilt of the sensor");
        }
        Distortion::Brown(brown) => *brown,
        // Lensfun's poly5 is a pinhole with k1 and k2.
        Distortion::Radial([1.0, 0.0, k1, 0.0, k2]) => Brown {
            radial: [*k1, *k2, 0.0],
            ..Brown::NONE
        },
        Distortion::Radial(_) => return none("such polynomial of Lensfun"),
        Distortion::Fisheye(_) => return none("fisheye (Kannala and Brandt)"),
        Distortion::DoubleSphere(_) => return none("double sphere"),
        Distortion::Eucm(_) => return none("extended unified camera model (EUCM)"),
        Distortion::Omni(_) => return none("omnidirectional model (Mei)"),
        Distortion::Fov(_) => return none("field-of-view model"),
    };
    let ([k1, k2, k3], [p1, p2]) = (brown.radial, brown.tangential);
    let mut values = vec![k1, k2, p1, p2, k3];
    if brown.rational != [0.0; 3] || brown.prism != [0.0; 4] {
        values.extend(brown.rational);
    }
    if brown.prism != [0.0; 4] {
        values.extend(brown.prism);
    }
    Ok(values)
}

fn matrix(lens: &Lens) -> String {
    let ([fx, fy], [cx, cy]) = (lens.focal, lens.center);
    list(&[fx, 0.0, cx, 0.0, fy, cy, 0.0, 0.0, 1.0])
}

/// Formats a YAML list, with all digits.
fn list(values: &[f64]) -> String {
    let words: Vec<String> = values.iter().map(|value| format!("{value:?}")).collect();
    format!("[ {} ]", words.join(", "))
}
