// SPDX-License-Identifier: GPL-2.0
//! The element's properties, and the map that they describe.

use std::path::Path;
use std::sync::LazyLock;

use dewarp::calibration::{Choice, Described, Model};
use dewarp::source;
use dewarp::straight::{Arrangement, Sight, Wanted};
use dewarp::view::Projection;
use dewarp::{Error, Result, Size, Straight, VertexMap};
use gstreamer::glib;
use gstreamer::glib::translate::IntoGlib;
use gstreamer::prelude::*;

/// What alpha is where none is given.
const NO_ALPHA: f64 = -1.0;

/// How the converter's buffers are allocated: the values of GStreamer's `GstV4l2IOMode`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstDw100IoMode")]
pub enum IoMode {
    #[default]
    Auto,
    Rw,
    Mmap,
    Userptr,
    Dmabuf,
    DmabufImport,
}

impl IoMode {
    /// Its name.
    pub fn nick(self) -> String {
        let class = glib::EnumClass::new::<Self>();
        let value = class.value(self.into_glib());
        value.map_or(String::new(), |value| value.nick().to_owned())
    }
}

/// The models of a lens between which four coefficients do not tell.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstDw100Model")]
pub enum LensModel {
    #[default]
    #[enum_value(name = "The one that the file tells")]
    Auto,
    #[enum_value(name = "Radial and tangential distortion")]
    Pinhole,
    #[enum_value(name = "Kannala and Brandt's")]
    Fisheye,
}

/// How directions lie in the picture.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, glib::Enum)]
#[enum_type(name = "GstDw100Projection")]
pub enum Panorama {
    #[default]
    #[enum_value(name = "Straight lines stay straight")]
    Rectilinear,
    #[enum_value(name = "Angles across, upright lines stay straight")]
    Cylindrical,
    #[enum_value(name = "Angles across and down")]
    Equirectangular,
}

/// The values of the properties.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    pub device: Option<String>,
    pub output_io_mode: IoMode,
    pub capture_io_mode: IoMode,
    map: Option<String>,
    calibration: Option<String>,
    camera: Option<String>,
    model: LensModel,
    sensor_crop: Option<String>,
    projection: Panorama,
    sight: Sight,
}

/// A calibration that was read, for streams of a size.
#[derive(Debug)]
pub struct Read {
    source: Size,
    described: Described,
}

/// The properties as GStreamer describes them.
pub static PROPERTIES: LazyLock<Vec<glib::ParamSpec>> = LazyLock::new(|| {
    let text =
        |name: &'static str, blurb: &'static str| glib::ParamSpecString::builder(name).blurb(blurb);
    let number = |name: &'static str, range: [f64; 2], default: f64, blurb: &'static str| {
        glib::ParamSpecDouble::builder(name)
            .minimum(range[0])
            .maximum(range[1])
            .default_value(default)
            .blurb(blurb)
            .controllable()
            .mutable_playing()
            .build()
    };
    let memory = |name: &'static str, blurb: &'static str| {
        glib::ParamSpecEnum::builder::<IoMode>(name)
            .blurb(blurb)
            .mutable_ready()
            .build()
    };
    let turn = [-180.0, 180.0];
    vec![
        text("device", "Node of the DW100 (unset: the first one)")
            .mutable_ready()
            .build(),
        memory(
            "output-io-mode",
            "v4l2convert's I/O mode for frames to the device",
        ),
        memory(
            "capture-io-mode",
            "v4l2convert's I/O mode for frames from the device",
        ),
        text(
            "map",
            "File of a map, as `dewarp map` makes it, in place of a calibration",
        )
        .mutable_playing()
        .build(),
        text(
            "calibration",
            "File of a calibration, as `dewarp map lens` takes it",
        )
        .mutable_playing()
        .build(),
        text("camera", "Which camera of the calibration's file")
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder::<LensModel>("model")
            .blurb("Which model, where the calibration's file does not tell")
            .mutable_playing()
            .build(),
        text(
            "sensor-crop",
            "Part of the calibration's pictures that the stream shows, WxH+X+Y",
        )
        .mutable_playing()
        .build(),
        number(
            "alpha",
            [NO_ALPHA, 1.0],
            NO_ALPHA,
            "Free scaling: 0 shows no black, 1 every pixel, below 0 keeps the lens's focal lengths",
        ),
        number(
            "zoom",
            [0.01, 100.0],
            1.0,
            "What the focal lengths are multiplied by",
        ),
        number("pan", turn, 0.0, "Degrees to look to the right"),
        number("tilt", turn, 0.0, "Degrees to look up"),
        number("roll", turn, 0.0, "Degrees to turn the camera clockwise"),
        glib::ParamSpecEnum::builder::<Panorama>("projection")
            .blurb("How directions lie in the picture")
            .mutable_playing()
            .build(),
    ]
});

/// A property's value as the type that its description has.
fn get<'a, T: glib::value::FromValue<'a>>(value: &'a glib::Value) -> T
where
    <T::Checker as glib::value::ValueTypeChecker>::Error: std::fmt::Debug,
{
    // PANIC: GObject checks the type before it hands over a value.
    value.get().expect("the property has this type")
}

impl Settings {
    /// Sets a property. True if the calibration's file has to be read again.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> bool {
        match name {
            "device" => self.device = get(value),
            "output-io-mode" => self.output_io_mode = get(value),
            "capture-io-mode" => self.capture_io_mode = get(value),
            "map" => self.map = get(value),
            "calibration" => self.calibration = get(value),
            "camera" => self.camera = get(value),
            "model" => self.model = get(value),
            "sensor-crop" => self.sensor_crop = get(value),
            "alpha" => self.sight.alpha = Some(get(value)).filter(|alpha| *alpha >= 0.0),
            "zoom" => self.sight.zoom = get(value),
            "pan" => self.sight.pan = get(value),
            "tilt" => self.sight.tilt = get(value),
            "roll" => self.sight.roll = get(value),
            "projection" => self.projection = get(value),
            _ => unreachable!("GObject knows the names"),
        }
        matches!(name, "calibration" | "camera" | "model")
    }

    /// A property's value.
    pub fn get(&self, name: &str) -> glib::Value {
        match name {
            "device" => self.device.to_value(),
            "output-io-mode" => self.output_io_mode.to_value(),
            "capture-io-mode" => self.capture_io_mode.to_value(),
            "map" => self.map.to_value(),
            "calibration" => self.calibration.to_value(),
            "camera" => self.camera.to_value(),
            "model" => self.model.to_value(),
            "sensor-crop" => self.sensor_crop.to_value(),
            "alpha" => self.sight.alpha.unwrap_or(NO_ALPHA).to_value(),
            "zoom" => self.sight.zoom.to_value(),
            "pan" => self.sight.pan.to_value(),
            "tilt" => self.sight.tilt.to_value(),
            "roll" => self.sight.roll.to_value(),
            "projection" => self.projection.to_value(),
            _ => unreachable!("GObject knows the names"),
        }
    }

    /// The map for a stream of the size `source` and an output of `size`, and what the
    /// user should know of it. `read` keeps the calibration from one map to the next.
    pub fn make_map(
        &self,
        source: Size,
        size: Size,
        read: &mut Option<Read>,
    ) -> Result<(VertexMap, Vec<String>)> {
        let Some(calibration) = &self.calibration else {
            if self.sight() != Sight::default() {
                return Err(Error::bad_use(
                    "alpha, zoom, pan, tilt, roll and projection take a calibration",
                ));
            }
            let map = match &self.map {
                Some(path) => map_of(Path::new(path), size)?,
                None => VertexMap::identity(source::output(size)?, source),
            };
            return Ok((map, Vec::new()));
        };
        if self.map.is_some() {
            return Err(Error::bad_use("map and calibration exclude each other"));
        }
        let sensor_crop = self.sensor_crop.as_deref().map(str::parse);
        let wanted = Wanted {
            size,
            source: Some(source),
            sensor_crop: sensor_crop.transpose().map_err(Error::bad_use)?,
            sight: self.sight(),
            arrangement: Arrangement::default(),
        };
        let described = match read.take().filter(|read| read.source == source) {
            Some(read) => read.described,
            None => self.load(Path::new(calibration), source)?,
        };
        let described = &read.insert(Read { source, described }).described;
        let straight = Straight::new(described.clone(), None, &wanted)?;
        Ok((straight.map, [straight.notes, straight.warnings].concat()))
    }

    fn load(&self, path: &Path, source: Size) -> Result<Described> {
        let choice = Choice {
            camera: self.camera.as_deref(),
            model: match self.model {
                LensModel::Auto => None,
                LensModel::Pinhole => Some(Model::Pinhole),
                LensModel::Fisheye => Some(Model::Fisheye),
            },
            size: Some(source),
            ..Choice::default()
        };
        Described::load(path, None, &choice).map(|(described, _)| described)
    }

    fn sight(&self) -> Sight {
        Sight {
            projection: match self.projection {
                Panorama::Rectilinear => Projection::Rectilinear,
                Panorama::Cylindrical => Projection::Cylindrical,
                Panorama::Equirectangular => Projection::Equirectangular,
            },
            ..self.sight
        }
    }
}

/// The map in a file.
fn map_of(path: &Path, size: Size) -> Result<VertexMap> {
    let bytes = std::fs::read(path).map_err(|error| Error::file("cannot read", path, error))?;
    VertexMap::from_bytes(size, &bytes).map_err(|error| Error::content(path, error))
}
