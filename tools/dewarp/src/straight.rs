// SPDX-License-Identifier: GPL-2.0
//! The map that straightens the pictures of a lens, and what is to be warned of.

use crate::calibration::{Described, Output, Rectification, doubts};
use crate::check::Check;
use crate::crop::Crop;
use crate::error::{Error, Result};
use crate::format::Size;
use crate::lens::Lens;
use crate::map::VertexMap;
use crate::source::{self, Said};
use crate::view::{Camera, Layout, Part, Projection, Turn, View};

/// Part of a circle by which a rectification may turn the picture, in degrees.
const TURNED: f64 = 45.0;

/// How many times wider or higher than what it shows an output may be.
const SQUEEZED: f64 = 1.01;

/// What the output is to show: the options of `dewarp map lens` but those of the lens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wanted {
    /// Size of the output.
    pub size: Size,
    /// Size of the stream [default: the calibration's, or `sensor_crop`'s, or else the output's].
    pub source: Option<Size>,
    /// The part of the calibration's pictures that the stream shows [default: all].
    pub sensor_crop: Option<Crop>,
    /// What camera's picture the output is.
    pub sight: Sight,
    /// How that picture lies in the output.
    pub arrangement: Arrangement,
}

/// The camera whose picture the output shows, beside the lens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sight {
    /// Free scaling: 0 shows no black, 1 every pixel [default: the lens's own focal lengths].
    pub alpha: Option<f64>,
    /// What the focal lengths are multiplied by.
    pub zoom: f64,
    /// Degrees to the right.
    pub pan: f64,
    /// Degrees up.
    pub tilt: f64,
    /// Degrees by which the camera is turned clockwise.
    pub roll: f64,
    /// How directions lie in the picture.
    pub projection: Projection,
}

impl Default for Sight {
    fn default() -> Self {
        Sight {
            alpha: None,
            zoom: 1.0,
            pan: 0.0,
            tilt: 0.0,
            roll: 0.0,
            projection: Projection::default(),
        }
    }
}

/// How a picture lies in the output.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Arrangement {
    /// The part that fills the output [default: all].
    pub crop: Option<Crop>,
    /// How it is turned.
    pub turn: Turn,
}

/// The map of a lens.
#[derive(Debug, Clone, PartialEq)]
pub struct Straight {
    /// The map.
    pub map: VertexMap,
    /// The lens, in pixels of the source.
    pub lens: Lens,
    /// Size of the source.
    pub source: Size,
    /// What the calibration's reader says of it.
    pub notes: Vec<String>,
    /// What is unlikely, and what the engine cannot do.
    pub warnings: Vec<String>,
    /// Size of the calibration's pictures, or of their part that the stream shows, if known.
    pub calibrated: Option<Size>,
    /// Whether the file also describes the output: a flip, a part or a camera.
    pub arranged: bool,
}

impl Straight {
    /// The map for what is known of a camera.
    ///
    /// A bad-use error if a size is none that the device takes, if the stream is no part of the
    /// calibration's pictures, or if the output would show nothing.
    pub fn new(
        described: Described,
        rectification: Option<Rectification>,
        wanted: &Wanted,
    ) -> Result<Self> {
        let calibrated = described.calibration.size;
        let said = Said {
            calibrated,
            source: wanted.source,
            crop: wanted.sensor_crop,
        };
        let source = said.source(wanted.size)?;
        let size = source::output(wanted.size)?;
        let mut warnings = described.doubts;
        if calibrated.is_none() && wanted.sensor_crop.is_none() {
            for doubt in doubts(&described.calibration.lens, Some(source.size)) {
                if !warnings.contains(&doubt) {
                    warnings.push(doubt);
                }
            }
        }
        let lens = source.lens(described.calibration.lens);
        let rectification = rectification.map(|stereo| source.rectification(stereo));
        warnings.extend(rectification.as_ref().and_then(turned));
        let arranged = described.output.is_some();
        let output = described.output.map(|output| source.output(output));
        let output = output.unwrap_or_default();
        let layout = wanted.arrangement.layout(size, source.size, &output)?;
        warnings.extend(squeezed(&layout));
        let view = wanted
            .sight
            .view(lens, rectification, layout, source.size, &output)?;
        warnings.extend(hidden(&view, source.size));
        let exact = |x, y| view.source(x, y);
        let (map, warnings) = checked(source.size, &layout, warnings, exact)?;
        Ok(Straight {
            map,
            lens,
            source: source.size,
            notes: described.notes,
            warnings,
            calibrated: wanted.sensor_crop.map(|crop| crop.size).or(calibrated),
            arranged,
        })
    }
}

impl Sight {
    /// The view through `lens` onto a source of this size.
    fn view(
        &self,
        lens: Lens,
        rectification: Option<Rectification>,
        layout: Layout,
        source: Size,
        output: &Output,
    ) -> Result<View> {
        let mut seen = match &rectification {
            Some(rectification) => Camera::rectified(rectification),
            None => Camera::like(&lens).looking(self.pan, self.tilt, self.roll),
        };
        if let (None, Some([focal, center])) = (rectification, output.camera) {
            (seen.focal, seen.center) = (focal, center);
        }
        seen.projection = self.projection;
        let mut view = View::new(lens, seen, layout);
        if let Some(alpha) = self.alpha {
            view.fit(source, alpha)?;
        }
        view.camera = view.camera.zoomed(self.zoom);
        Ok(view)
    }
}

impl Arrangement {
    /// How a picture of the size `whole` lies in an output of `size`, beside what a file says of it.
    ///
    /// A bad-use error if the part is not inside.
    pub fn layout(&self, size: Size, whole: Size, output: &Output) -> Result<Layout> {
        let mut layout = Layout::whole(size, whole);
        if let Some([corner, extent]) = output.part {
            layout.part = Part { corner, extent };
        }
        if let Some(crop) = self.crop {
            let Crop { size, corner } = crop.inside(whole, "--crop")?;
            layout.part = Part {
                corner: corner.map(f64::from),
                extent: [size.width, size.height].map(f64::from),
            };
        }
        layout.turn = Turn {
            quarters: self.turn.quarters,
            mirrored: output.mirrored != self.turn.mirrored,
            flipped: output.flipped != self.turn.flipped,
        };
        Ok(layout)
    }
}

/// Whether a rectification turns the picture over.
fn turned(rectification: &Rectification) -> Option<String> {
    let [[along, ..], [across, ..], _] = rectification.rotation;
    let degrees = across.atan2(along).to_degrees().abs();
    (degrees > TURNED).then(|| {
        format!(
            "the rectification turns the picture by {degrees:.0} degrees, as for a pair that stands on \
             its side or upside down"
        )
    })
}

/// Whether the output has another shape than what it shows.
pub fn squeezed(layout: &Layout) -> Option<String> {
    let times = layout.squeeze();
    let (times, how) = match times > 1.0 {
        true => (times, "wide"),
        false => (times.recip(), "high"),
    };
    let Part { corner, extent } = layout.part;
    // CAST: the sides of a picture.
    let part = Size {
        width: extent[0] as u32,
        height: extent[1] as u32,
    };
    let like = match layout.turn.quarters % 2 {
        0 => layout.size,
        _ => Size {
            width: layout.size.height,
            height: layout.size.width,
        },
    };
    let crop = Crop::middle(part, like).filter(|_| corner.iter().all(|part| *part >= 0.0));
    let crop = crop.map_or(String::new(), |mut crop| {
        for (from, within) in crop.corner.iter_mut().zip(corner) {
            *from += within as u32;
        }
        format!(": add --crop {crop}")
    });
    (times > SQUEEZED)
        .then(|| format!("the output is {times:.2} times as {how} as the part it shows{crop}"))
}

/// What of the source no view can show.
fn hidden(view: &View, source: Size) -> Option<String> {
    let hidden = view.hidden(source) * 100.0;
    let some = match hidden < 1.0 {
        true => "less than 1".to_owned(),
        false => format!("{hidden:.0}"),
    };
    (hidden > 0.0).then(|| {
        format!(
            "{some} % of the source is beyond the fold of the lens's formula, which no ray reaches: no \
             view shows it"
        )
    })
}

/// The map of these points, and `warnings` with what is to be warned of.
///
/// A bad-use error if it shows nothing of the source.
pub fn checked(
    source: Size,
    layout: &Layout,
    mut warnings: Vec<String>,
    exact: impl Fn(f64, f64) -> [f64; 2],
) -> Result<(VertexMap, Vec<String>)> {
    let map = VertexMap::from_fn(layout.size, &exact);
    let check = Check::of(&map, source, &exact);
    if let Some(blank) = check.blank() {
        return Err(Error::bad_use(blank));
    }
    warnings.extend(check.warnings(layout.turn.exchanged()));
    Ok((map, warnings))
}
