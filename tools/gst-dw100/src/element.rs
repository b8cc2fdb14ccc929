// SPDX-License-Identifier: GPL-2.0
//! The element `dw100dewarp`: a bin around GStreamer's converter. It watches what passes
//! the converter's pads, and sets the map once the device has its formats:
//!
//! ```text
//!  sink ────────────────▶ v4l2convert ───────────────────▶ src
//!       caps:                         caps:
//!         note the source's size        note the output's size, set the map
//!       frame:                        frame:
//!         set the map if it is stale    stop if the map could not be set
//! ```
//!
//! Setting a format makes the map the identity. The converter sets formats while it
//! handles caps, before it sends caps on. It sends none if those of its output stay
//! the same; then the next buffer finds the map stale.

use std::path::Path;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use dewarp::{Error, Result, Size};
use gstreamer as gst;
use gstreamer::glib;
use gstreamer::prelude::*;
use gstreamer::subclass::prelude::*;
use gstreamer::{PadProbeData, PadProbeInfo, PadProbeReturn, PadProbeType};

use crate::converter;
use crate::settings::{PROPERTIES, Read, Settings};

static CATEGORY: LazyLock<gst::DebugCategory> = LazyLock::new(|| {
    gst::DebugCategory::new(
        "dw100dewarp",
        gst::DebugColorFlags::empty(),
        Some("Lens correction with the DW100"),
    )
});

/// The pads, with the formats that the driver and GStreamer both know. The size of a
/// result may be any: see docs/clients.md.
const PADS: [(&str, gst::PadDirection, &str); 2] = [
    (
        "sink",
        gst::PadDirection::Sink,
        "video/x-raw(ANY), format={NV12,NV16,YUY2,UYVY,DMA_DRM}, width=[176,4096,8], height=[144,3072,8]",
    ),
    (
        "src",
        gst::PadDirection::Src,
        "video/x-raw(ANY), format={NV12,NV16,NV21,NV61,YUY2,UYVY,DMA_DRM}, width=[176,4096], height=[144,3072]",
    ),
];

#[derive(Default)]
pub struct Dewarp {
    settings: Mutex<Settings>,
    stream: Mutex<Stream>,
}

/// The state of the stream.
#[derive(Default)]
struct Stream {
    converter: Option<gst::Element>,
    segment: gst::FormattedSegment<gst::ClockTime>,
    source: Option<Size>,
    output: Option<Size>,
    /// The device does not have the map that the properties describe.
    stale: bool,
    /// The last map could not be set.
    failed: bool,
    /// The calibration, once it was read.
    read: Option<Read>,
}

#[glib::object_subclass]
impl ObjectSubclass for Dewarp {
    const NAME: &'static str = "GstDw100Dewarp";
    type Type = super::Dewarp;
    type ParentType = gst::Bin;
}

impl ObjectImpl for Dewarp {
    fn properties() -> &'static [glib::ParamSpec] {
        &PROPERTIES
    }

    fn set_property(&self, _: usize, value: &glib::Value, pspec: &glib::ParamSpec) {
        let read_again = lock(&self.settings).set(pspec.name(), value);
        let mut stream = lock(&self.stream);
        stream.stale = true;
        if read_again {
            stream.read = None;
        }
    }

    fn property(&self, _: usize, pspec: &glib::ParamSpec) -> glib::Value {
        lock(&self.settings).get(pspec.name())
    }

    fn constructed(&self) {
        self.parent_constructed();
        for template in Self::pad_templates() {
            let pad = gst::GhostPad::from_template(template);
            // An error would be of a pad with the same name.
            let _ = self.obj().add_pad(&pad);
        }
    }
}

impl GstObjectImpl for Dewarp {}

impl BinImpl for Dewarp {}

impl ElementImpl for Dewarp {
    fn metadata() -> Option<&'static gst::subclass::ElementMetadata> {
        static METADATA: LazyLock<gst::subclass::ElementMetadata> = LazyLock::new(|| {
            gst::subclass::ElementMetadata::new(
                "DW100 lens correction",
                "Filter/Effect/Converter/Video/Scaler",
                "Corrects the distortion of a lens with the DW100 dewarper, scales and converts",
                "The authors of the DW100 driver in Rust",
            )
        });
        Some(&METADATA)
    }

    fn pad_templates() -> &'static [gst::PadTemplate] {
        static TEMPLATES: LazyLock<[gst::PadTemplate; 2]> = LazyLock::new(|| {
            PADS.map(|(name, direction, caps)| {
                // PANIC: all are constants; the tests show them by `gst-inspect-1.0`.
                let caps = caps.parse().expect("these are caps");
                gst::PadTemplate::new(name, direction, gst::PadPresence::Always, &caps)
                    .expect("this is a template")
            })
        });
        &*TEMPLATES
    }

    fn change_state(
        &self,
        transition: gst::StateChange,
    ) -> std::result::Result<gst::StateChangeSuccess, gst::StateChangeError> {
        if transition == gst::StateChange::NullToReady {
            self.open().map_err(|error| {
                self.tell(&error);
                gst::StateChangeError
            })?;
        }
        let changed = self.parent_change_state(transition);
        if transition == gst::StateChange::ReadyToNull {
            self.close();
        }
        changed
    }
}

impl Dewarp {
    /// Puts the converter into the bin.
    fn open(&self) -> Result<()> {
        // Left over from a change to READY that failed.
        self.close();
        let settings = lock(&self.settings).clone();
        let converter = converter::of(settings.device.as_deref().map(Path::new))?;
        converter.set_property("disable-passthrough", true);
        for (name, mode) in [
            ("output-io-mode", settings.output_io_mode),
            ("capture-io-mode", settings.capture_io_mode),
        ] {
            converter.set_property_from_str(name, &mode.nick());
        }
        let failed = |error: glib::BoolError| Error::failed(error.to_string());
        self.obj().add(&converter).map_err(failed)?;
        self.watch(&converter, "sink", Self::on_sink)
            .map_err(failed)?;
        self.watch(&converter, "src", Self::on_src)
            .map_err(failed)?;
        *lock(&self.stream) = Stream {
            converter: Some(converter),
            stale: true,
            ..Stream::default()
        };
        Ok(())
    }

    /// Takes the converter out again.
    fn close(&self) {
        let Some(converter) = std::mem::take(&mut *lock(&self.stream)).converter else {
            return;
        };
        for pad in self.obj().pads() {
            if let Some(pad) = pad.downcast_ref::<gst::GhostPad>() {
                let _ = pad.set_target(gst::Pad::NONE);
            }
        }
        let _ = self.obj().remove(&converter);
        let _ = converter.set_state(gst::State::Null);
    }

    /// Makes a pad of the converter the bin's, and calls `seen` with what passes.
    fn watch(
        &self,
        converter: &gst::Element,
        name: &str,
        seen: fn(&Self, &mut PadProbeInfo) -> PadProbeReturn,
    ) -> std::result::Result<(), glib::BoolError> {
        let missing = || glib::bool_error!("no pad {name}");
        let target = converter.static_pad(name).ok_or_else(missing)?;
        let pad = self.obj().static_pad(name).ok_or_else(missing)?;
        let pad = pad.downcast::<gst::GhostPad>().map_err(|_| missing())?;
        pad.set_target(Some(&target))?;
        let mask = PadProbeType::EVENT_DOWNSTREAM | PadProbeType::DATA_DOWNSTREAM;
        let weak = self.downgrade();
        target.add_probe(mask, move |_, info| match weak.upgrade() {
            Some(element) => seen(&element, info),
            None => PadProbeReturn::Ok,
        });
        Ok(())
    }

    /// Stores the size and the segment of the input, and sets the map before a frame that needs another one.
    fn on_sink(&self, info: &mut PadProbeInfo) -> PadProbeReturn {
        match &info.data {
            Some(PadProbeData::Event(event)) => {
                let mut stream = lock(&self.stream);
                match event.view() {
                    gst::EventView::Caps(caps) => {
                        stream.source = size_of(caps.caps());
                        stream.stale = true;
                    }
                    gst::EventView::Segment(segment) => {
                        let segment = segment.segment().downcast_ref();
                        stream.segment = segment.cloned().unwrap_or_default();
                    }
                    _ => {}
                }
            }
            Some(PadProbeData::Buffer(buffer)) => self.on_frame(buffer.pts()),
            Some(PadProbeData::BufferList(list)) => {
                self.on_frame(list.get(0).and_then(|first| first.pts()));
            }
            _ => {}
        }
        PadProbeReturn::Ok
    }

    /// Sets the map for the frame that comes next, if the properties or the formats have changed.
    fn on_frame(&self, stamp: Option<gst::ClockTime>) {
        // A control source sets properties, for which the stream must not be locked.
        let time = lock(&self.stream).segment.to_stream_time(stamp);
        if let Some(time) = time {
            // It fails if no property is controlled.
            let _ = self.obj().sync_values(time);
        }
        let stream = lock(&self.stream);
        if stream.stale {
            self.renew(stream, false);
        }
    }

    /// Stores the size of the output and sets the map for it. Drops frames whose map could not be set.
    fn on_src(&self, info: &mut PadProbeInfo) -> PadProbeReturn {
        let mut stream = lock(&self.stream);
        if let Some(PadProbeData::Event(event)) = &info.data {
            if let gst::EventView::Caps(caps) = event.view() {
                stream.output = size_of(caps.caps());
                self.renew(stream, true);
            }
            return PadProbeReturn::Ok;
        }
        if stream.failed {
            info.flow_res = Err(gst::FlowError::Error);
            return PadProbeReturn::Handled;
        }
        PadProbeReturn::Ok
    }

    /// Sets the map that the properties describe, if the formats are known. With `aloud`,
    /// what the user should know of it is a message, too, and not only in the log.
    fn renew(&self, mut stream: MutexGuard<'_, Stream>, aloud: bool) {
        let (Some(source), Some(output)) = (stream.source, stream.output) else {
            return;
        };
        let Some(converter) = stream.converter.clone() else {
            return;
        };
        stream.stale = false;
        let settings = lock(&self.settings).clone();
        let made = settings.make_map(source, output, &mut stream.read);
        let set = made.and_then(|(map, remarks)| {
            converter::set_map(&converter, &map)?;
            Ok(remarks)
        });
        stream.failed = set.is_err();
        // Who hears a message may set a property.
        drop(stream);
        match set {
            Ok(remarks) if remarks.is_empty() => {}
            Ok(remarks) => {
                let text = remarks.join("; ");
                gst::warning!(CATEGORY, imp = self, "{text}");
                if aloud {
                    gst::element_imp_warning!(self, gst::ResourceError::Settings, ("{text}"));
                }
            }
            Err(error) => self.tell(&error),
        }
    }

    /// Posts an error as the element's message.
    fn tell(&self, error: &Error) {
        let cause = match error {
            Error::Use(_) => gst::ResourceError::Settings,
            Error::Failed(_) => gst::ResourceError::Failed,
        };
        gst::element_imp_error!(self, cause, ("{error}"));
    }
}

/// The size in caps.
fn size_of(caps: &gst::CapsRef) -> Option<Size> {
    let structure = caps.structure(0)?;
    let side = |name| u32::try_from(structure.get::<i32>(name).ok()?).ok();
    Some(Size {
        width: side("width")?,
        height: side("height")?,
    })
}

/// Locks a mutex. The data of a thread that panicked is used as it is.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
