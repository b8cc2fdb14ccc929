// SPDX-License-Identifier: GPL-2.0
//! GStreamer's own V4L2 converter, of which there is one element for each device.

use std::path::Path;

use dewarp::device::{self, Device};
use dewarp::{Error, Result, VertexMap};
use gstreamer as gst;
use gstreamer::prelude::*;

/// GStreamer's plugin for V4L2.
const PLUGIN: &str = "video4linux2";

/// The converter of the DW100 at `path`, or of the first one.
///
/// An error if there is no such device, if it is not a DW100, or if GStreamer has no
/// converter for it.
pub fn of(path: Option<&Path>) -> Result<gst::Element> {
    let path = Device::open(path)?.path.clone();
    let registry = gst::Registry::get();
    let features = registry.features_by_plugin(PLUGIN).into_iter();
    let converters = features.filter(|feature| {
        let name = feature.name();
        name.starts_with("v4l2") && name.ends_with("convert")
    });
    let factories = converters.filter_map(|feature| feature.load().ok());
    let factories = factories.filter_map(|feature| feature.downcast::<gst::ElementFactory>().ok());
    let elements = factories.filter_map(|factory| factory.create().name("converter").build().ok());
    let same = |element: &gst::Element| {
        let device: Option<String> = element.property("device");
        let device = device.and_then(|device| Path::new(&device).canonicalize().ok());
        device.is_some() && device == path.canonicalize().ok()
    };
    elements.into_iter().find(same).ok_or_else(|| {
        Error::failed(format!(
            "GStreamer has no converter for {}: its plugin {PLUGIN} makes one for each device that is \
             there when `gst-inspect-1.0` lists its elements",
            path.display()
        ))
    })
}

/// Sets the map of the file that the converter has open, for the next frame.
pub fn set_map(converter: &gst::Element, map: &VertexMap) -> Result<()> {
    let file: i32 = converter.property("device-fd");
    device::set_map(&file, map, None)
        .map_err(|error| Error::failed(format!("setting the vertex map: {error}")))
}
