// SPDX-License-Identifier: GPL-2.0

//! Tests what may be put into a request, what may not, and the errors for that.

use anyhow::{Context, Result, ensure};

use super::hostile::extreme;
use super::requests::Requests;
use super::{Test, fails, test};
use crate::picture::Bands;
use crate::v4l2::bindings::v4l2_ext_control;
use crate::v4l2::control::Verb;
use crate::v4l2::{Device, Errno, MAP, PATIENCE, Sent, Way, Which, bindings};

pub(super) const TESTS: &[Test] = &[
    test("a request without a buffer is ENOENT", empty),
    test("a request with two buffers is EINVAL", two_buffers),
    test(
        "a request whose buffer cannot be read is EINVAL and can be used again",
        unreadable_buffer,
    ),
    test("a buffer is in one request at a time", buffer_twice),
    test(
        "OUTPUT buffers go in requests or without them until the queue stops",
        mixed,
    ),
    test("CAPTURE buffers do not go into requests", capture_buffer),
    test("OUTPUT says that it takes requests, CAPTURE not", announced),
    test(
        "a map that is too short for a request is EFAULT, and one too long is cut off",
        short_map,
    ),
    test(
        "a map of extreme vertices in a request gives a frame",
        extreme_maps,
    ),
    test(
        "a map from nowhere in a request leaves it without a map",
        map_from_nowhere,
    ),
    test(
        "a request with the map of another file is EINVAL and can be used again",
        other_file,
    ),
    test("only a completed request can be asked for its map", not_yet),
    test("a queued request cannot be changed", queued_is_closed),
    test("a file that is no request is refused as one", no_request),
];

fn empty() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    fails(request.queue(), Errno::ENOENT, "queueing an empty request")?;
    device.set_map(Which::Request(&request), &all.bands.map(3))?;
    fails(request.queue(), Errno::ENOENT, "queueing one with a map")?;
    all.frame(&request, Some(8), 8)
        .context("the same request with a buffer")
}

fn two_buffers() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::prepare(&device, 2)?;
    let request = all.media.request()?;
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    for index in 0..2 {
        let put = all.stream.output.queue(index, &sent);
        put.with_context(|| format!("putting buffer {index} into the request"))?;
    }
    fails(request.queue(), Errno::EINVAL, "queueing the request")
}

/// vb2 checks a buffer when its request is queued, after the driver has prepared the map.
fn unreadable_buffer() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    device.set_map(Which::Request(&request), &all.bands.map(3))?;
    // The image does not fit behind the first byte.
    let sent = Sent {
        request: Some(&request),
        data_offset: 1,
        ..Sent::default()
    };
    all.stream.output.queue(0, &sent)?;
    fails(request.queue(), Errno::EINVAL, "queueing the request")?;
    request.reinit()?;
    all.frame(&request, Some(8), 8)
        .context("the same request with the whole buffer")
}

fn buffer_twice() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::prepare(&device, 1)?;
    let (first, second) = (all.media.request()?, all.media.request()?);
    let into = |request| Sent {
        request: Some(request),
        ..Sent::default()
    };
    all.stream.output.queue(0, &into(&first))?;
    let flags = all.stream.output.flags(0)?;
    ensure!(
        flags & bindings::V4L2_BUF_FLAG_IN_REQUEST != 0,
        "the buffer's flags are {flags:#x}: it is in no request"
    );
    fails(
        all.stream.output.queue(0, &into(&second)),
        Errno::EINVAL,
        "putting it into another request",
    )?;
    // REINIT removes it from the first.
    first.reinit()?;
    all.stream.output.queue(0, &into(&second))?;
    Ok(())
}

fn mixed() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 2)?;
    let request = all.media.request()?;
    let inside = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    let outside = Sent::default();
    all.stream.output.queue(0, &outside)?;
    fails(
        all.stream.output.queue(1, &inside),
        Errno::EBUSY,
        "a request after a buffer without one",
    )?;
    device.stop(Way::Output)?;
    device.start(Way::Output)?;
    all.stream.output.queue(0, &inside)?;
    fails(
        all.stream.output.queue(1, &outside),
        Errno::EBUSY,
        "a buffer without request after one in one",
    )?;
    device.stop(Way::Output)?;
    device.start(Way::Output)?;
    all.stream.queue(0, &Sent::default())?;
    all.stream.dequeue()?;
    Ok(())
}

fn capture_buffer() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::prepare(&device, 1)?;
    let request = all.media.request()?;
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    fails(
        all.stream.capture.queue(0, &sent),
        Errno::EPERM,
        "putting a CAPTURE buffer into a request",
    )
}

fn announced() -> Result<()> {
    let device = Device::open()?;
    for (way, due) in [(Way::Output, true), (Way::Capture, false)] {
        let got = device.request_buffers(way, crate::v4l2::Memory::Mmap, 0)?;
        let takes = got.capabilities & bindings::V4L2_BUF_CAP_SUPPORTS_REQUESTS != 0;
        ensure!(
            takes == due,
            "{way:?} has capabilities {:#x}",
            got.capabilities
        );
    }
    Ok(())
}

fn short_map() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    let good = all.bands.map(13);
    let bytes = 4 * good.len() as u32;
    // prepare_ext_ctrls() returns EFAULT; ENOSPC is for VIDIOC_G_EXT_CTRLS. Before anything was
    // set in a request TRY would return ENOMEM.
    for short in [0, 1, 4, bytes - 4, bytes - 1] {
        let mut map = good.clone();
        for verb in [Verb::Set, Verb::Try] {
            fails(
                device.words(verb, Which::Request(&request), MAP, &mut map, short),
                Errno::EFAULT,
                &format!("{verb:?} of {short} bytes for a map"),
            )?;
        }
    }
    all.frame(&request, Some(13), 13)?;
    request.reinit()?;
    for long in [bytes + 1, bytes + 4, 1 << 20] {
        let mut map = all.bands.map(long % 40);
        let which = Which::Request(&request);
        device.words(Verb::Set, which, MAP, &mut map, long)?;
        all.frame(&request, None, long % 40)
            .with_context(|| format!("with a map of {long} bytes"))?;
        request.reinit()?;
    }
    Ok(())
}

fn extreme_maps() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    for map in extreme(all.bands.map(0).len()) {
        device.set_map(Which::Request(&request), &map)?;
        all.queue(&request, 0, None)?;
        all.stream.capture.queue(0, &Sent::default())?;
        all.stream.dequeue()?;
        ensure!(request.completed(PATIENCE)?, "the request never completed");
        ensure!(
            device.map(Which::Request(&request))? == map,
            "the request gives another map back"
        );
        request.reinit()?;
    }
    all.frame(&request, Some(13), 13)
}

fn map_from_nowhere() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    device.set_map(Which::Current, &all.bands.map(21))?;
    let mut control = v4l2_ext_control {
        id: MAP,
        // CAST: It is 480 bytes.
        size: size_of_val(all.bands.map(0).as_slice()) as u32,
        ..Default::default()
    };
    for far in [0, 0x10_0000_0000_0000] {
        control.__bindgen_anon_1.p_u32 = std::ptr::without_provenance_mut(far);
        for verb in [Verb::Set, Verb::Try] {
            // user_to_new() returns it.
            // SAFETY: V4L2 checks pointers before it uses them.
            let result =
                unsafe { device.ext_control(verb, Which::Request(&request), &mut control) };
            fails(
                result,
                Errno::EFAULT,
                &format!("{verb:?} of a map at {far:#x}"),
            )?;
        }
    }
    all.frame(&request, None, 21)?;
    request.reinit()?;
    all.frame(&request, Some(22), 22)
}

fn other_file() -> Result<()> {
    let (device, other) = (Device::open()?, Device::open()?);
    let all = Requests::start(&device, 1)?;
    // The formats have the same size, so that only the file of the map is wrong.
    let bands = Bands::set(&other)?;
    let request = all.media.request()?;
    for own in [false, true] {
        other.set_map(Which::Request(&request), &bands.map(31))?;
        if own {
            device.set_map(Which::Request(&request), &all.bands.map(32))?;
        }
        all.put(&request, 0)?;
        // "The request has invalid data."
        fails(request.queue(), Errno::EINVAL, "queueing it")?;
        request.reinit()?;
        all.frame(&request, Some(12), 12).context("after REINIT")?;
        ensure!(request.completed(PATIENCE)?, "the request never completed");
        request.reinit()?;
    }
    ensure!(
        other.map(Which::Current)? != bands.map(31),
        "the refused map is the other file's current one"
    );
    // Through the file that the map is for, the same request is valid.
    drop(all);
    let all = Requests::start(&other, 1)?;
    all.frame(&request, Some(33), 33)
        .context("in the other file")
}

fn not_yet() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    let asked = || device.map(Which::Request(&request));
    fails(asked(), Errno::EACCES, "asking an empty request")?;
    all.queue(&request, 0, Some(3))?;
    fails(asked(), Errno::EACCES, "asking a queued request")?;
    all.stream.capture.queue(0, &Sent::default())?;
    ensure!(request.completed(PATIENCE)?, "the request never completed");
    asked().context("asking a completed request")?;
    request.reinit()?;
    fails(asked(), Errno::EACCES, "asking it after REINIT")
}

fn queued_is_closed() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 2)?;
    let request = all.media.request()?;
    all.queue(&request, 0, Some(3))?;
    fails(request.queue(), Errno::EBUSY, "queueing it twice")?;
    fails(
        device.set_map(Which::Request(&request), &all.bands.map(4)),
        Errno::EBUSY,
        "changing its map",
    )?;
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    fails(
        all.stream.output.queue(1, &sent),
        Errno::EBUSY,
        "putting another buffer in",
    )?;
    all.stream.capture.queue(0, &Sent::default())?;
    all.take(0, 3)
}

fn no_request() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::prepare(&device, 1)?;
    let other = std::fs::File::open("/dev/null")?;
    let request = crate::v4l2::Request::from(other);
    let sent = Sent {
        request: Some(&request),
        ..Sent::default()
    };
    fails(
        all.stream.output.queue(0, &sent),
        Errno::EINVAL,
        "putting a buffer into /dev/null",
    )?;
    fails(
        device.set_map(Which::Request(&request), &all.bands.map(4)),
        Errno::EINVAL,
        "setting the map of /dev/null",
    )
}
