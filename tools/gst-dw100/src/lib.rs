// SPDX-License-Identifier: GPL-2.0
//! GStreamer's plugin `dw100` with the element `dw100dewarp`, which corrects a lens
//! with the DW100. The maps come from the crate `dewarp`.

mod converter;
mod element;
mod settings;

use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;

glib::wrapper! {
    /// The element.
    pub struct Dewarp(ObjectSubclass<element::Dewarp>)
        @extends gst::Bin, gst::Element, gst::Object,
        @implements gst::ChildProxy;
}

fn register(plugin: &gst::Plugin) -> Result<(), glib::BoolError> {
    gst::Element::register(
        Some(plugin),
        "dw100dewarp",
        gst::Rank::NONE,
        Dewarp::static_type(),
    )
}

gst::plugin_define!(
    dw100,
    env!("CARGO_PKG_DESCRIPTION"),
    register,
    env!("CARGO_PKG_VERSION"),
    "GPL",
    env!("CARGO_PKG_NAME"),
    env!("CARGO_PKG_NAME"),
    "DW100 dewarper driver"
);
