// SPDX-License-Identifier: GPL-2.0
//! Plays a pipeline to its end, and does things to it on the way. Each step is one word:
//!
//! - `N:ELEMENT.PROPERTY=VALUE` sets a property before frame N (from 0) reaches that element;
//! - `again` stops the pipeline at its end, and plays it once more;
//! - `seek=N` waits for the first frame, and plays from N nanoseconds on.

use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};

use gstreamer as gst;
use gstreamer::prelude::*;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    let mut words = std::env::args().skip(1);
    let description = words.next().ok_or("usage: steps PIPELINE [STEP...]")?;
    gst::init()?;
    let pipeline = gst::parse::launch(&description)?;
    let pipeline = pipeline
        .downcast::<gst::Pipeline>()
        .map_err(|_| "it is no pipeline")?;
    let (mut again, mut from) = (false, None);
    for word in words {
        if word == "again" {
            again = true;
        } else if let Some(time) = word.strip_prefix("seek=") {
            from = Some(gst::ClockTime::from_nseconds(time.parse()?));
        } else {
            set_at(&pipeline, &word).ok_or_else(|| format!("{word} is no step"))?;
        }
    }
    if let Some(time) = from {
        pipeline.set_state(gst::State::Paused)?;
        pipeline.state(gst::ClockTime::NONE).0?;
        pipeline.seek_simple(gst::SeekFlags::FLUSH | gst::SeekFlags::ACCURATE, time)?;
    }
    let played = play(&pipeline).and_then(|()| if again { play(&pipeline) } else { Ok(()) });
    pipeline.set_state(gst::State::Null)?;
    played
}

/// Sets a property when a frame comes.
fn set_at(pipeline: &gst::Pipeline, word: &str) -> Option<()> {
    let (number, rest) = word.split_once(':')?;
    let (target, value) = rest.split_once('=')?;
    let (name, property) = target.split_once('.')?;
    let (number, property): (u64, _) = (number.parse().ok()?, property.to_owned());
    let value = value.to_owned();
    let element = pipeline.by_name(name)?;
    let pad = element.static_pad("sink")?;
    let frames = AtomicU64::new(0);
    pad.add_probe(gst::PadProbeType::BUFFER, move |_, _| {
        if frames.fetch_add(1, Ordering::Relaxed) == number {
            element.set_property_from_str(&property, &value);
        }
        gst::PadProbeReturn::Ok
    })
    .map(drop)
}

/// Plays to the end, and stops.
fn play(pipeline: &gst::Pipeline) -> Result<()> {
    let bus = pipeline.bus().ok_or("the pipeline has no bus")?;
    pipeline.set_state(gst::State::Playing)?;
    for message in bus.iter_timed(gst::ClockTime::NONE) {
        match message.view() {
            gst::MessageView::Eos(_) => break,
            gst::MessageView::Error(error) => return Err(error.error().into()),
            _ => {}
        }
    }
    pipeline.set_state(gst::State::Null)?;
    Ok(())
}
