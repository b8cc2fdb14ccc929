// SPDX-License-Identifier: GPL-2.0

//! Tests the events of the map's control.

use anyhow::{Context, Result, bail, ensure};

use super::{Test, fails, test};
use crate::picture::Bands;
use crate::v4l2::bindings::{
    V4L2_EVENT_ALL as ALL, V4L2_EVENT_CTRL as CTRL, V4L2_EVENT_CTRL_CH_DIMENSIONS as DIMENSIONS,
    V4L2_EVENT_CTRL_CH_VALUE as VALUE, V4L2_EVENT_EOS as EOS,
    V4L2_EVENT_SUB_FL_ALLOW_FEEDBACK as FEEDBACK, V4L2_EVENT_SUB_FL_SEND_INITIAL as INITIAL,
};
use crate::v4l2::{Device, Errno, Format, MAP, PREFETCH_THRESHOLD, PollFlags, Way, Which, wait};

pub(super) const TESTS: &[Test] = &[
    test(
        "a subscriber hears of the map at once, when changed, and of its grid",
        heard,
    ),
    test(
        "who set the map does not hear of it without asking for that",
        no_echo,
    ),
    test("no event comes after unsubscribing", unsubscribed),
    test(
        "only events of controls that exist can be subscribed to",
        refused,
    ),
];

/// Returns the changes of the next event, which must be one of the map.
fn changes(device: &Device) -> Result<u32> {
    let ready = wait(
        device,
        PollFlags::POLLPRI,
        std::time::Duration::from_secs(1),
    )?;
    ensure!(ready.contains(PollFlags::POLLPRI), "poll says no event");
    let event = device.event().context("taking an event")?;
    if (event.type_, event.id) != (CTRL, MAP) {
        bail!("an event of type {} for {:#x}", event.type_, event.id);
    }
    // SAFETY: The event's type says that the union holds this field.
    Ok(unsafe { event.u.ctrl }.changes)
}

fn none(device: &Device, when: &str) -> Result<()> {
    fails(device.event(), Errno::ENOENT, &format!("an event {when}"))
}

fn heard() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.subscribe(CTRL, MAP, INITIAL | FEEDBACK)?;
    ensure!(
        changes(&device)? & VALUE != 0,
        "the first event is no value"
    );
    none(&device, "after the first")?;
    device.set_map(Which::Current, &bands.map(3))?;
    ensure!(changes(&device)? == VALUE, "a new map is no new value");
    device.set_map(Which::Current, &bands.map(3))?;
    none(&device, "for the same map again")?;
    device.set_format(Way::Capture, &Format::new(b"NV12", 640, 480))?;
    let got = changes(&device)?;
    ensure!(
        got == VALUE | DIMENSIONS,
        "another grid changed {got:#x}, not value and dimensions"
    );
    Ok(())
}

fn no_echo() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.subscribe(CTRL, MAP, 0)?;
    none(&device, "before any change")?;
    device.set_map(Which::Current, &bands.map(3))?;
    none(&device, "for its own map")?;
    // Another file has its own map.
    let other = device.again()?;
    Bands::set(&other)?;
    other.set_map(Which::Current, &bands.map(4))?;
    none(&device, "for another file's map")
}

fn unsubscribed() -> Result<()> {
    for event in [(CTRL, MAP), (ALL, 0)] {
        let device = Device::open()?;
        let bands = Bands::set(&device)?;
        device.subscribe(CTRL, MAP, FEEDBACK)?;
        device.set_map(Which::Current, &bands.map(3))?;
        changes(&device)?;
        device.unsubscribe(event.0, event.1)?;
        device.set_map(Which::Current, &bands.map(4))?;
        none(&device, "after unsubscribing")?;
        device.subscribe(CTRL, MAP, FEEDBACK)?;
        device.set_map(Which::Current, &bands.map(5))?;
        changes(&device).context("after subscribing again")?;
    }
    Ok(())
}

fn refused() -> Result<()> {
    let device = Device::open()?;
    for (event, id) in [
        (CTRL, 0),
        (CTRL, MAP - 1),
        (CTRL, PREFETCH_THRESHOLD + 1),
        (EOS, 0),
        (ALL, 0),
        (u32::MAX, MAP),
    ] {
        fails(
            device.subscribe(event, id, 0),
            Errno::EINVAL,
            &format!("subscribing to {event} of {id:#x}"),
        )?;
    }
    Ok(())
}
