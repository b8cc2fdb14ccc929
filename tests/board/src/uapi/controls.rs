// SPDX-License-Identifier: GPL-2.0

//! Tests the vertex map's control as such: its description, and values that it does not
//! accept.

use anyhow::{Result, ensure};

use super::{Test, fails, test};
use crate::picture::Bands;
use crate::v4l2::control::Verb;
use crate::v4l2::{Device, Errno, MAP, PREFETCH_MODE, PREFETCH_THRESHOLD, Which, bindings};

pub(super) const TESTS: &[Test] = &[
    test(
        "the map is an array of words with a vertex for each corner",
        described,
    ),
    test(
        "a map that is too short is refused and changes nothing",
        short,
    ),
    test(
        "asking for too few words of the map tells how many there are",
        short_get,
    ),
    test("what is past the end of a map is not looked at", long),
    test("TRY of a map changes nothing", tried),
    test("a control that does not exist is EINVAL", unknown),
];

fn described() -> Result<()> {
    let device = Device::open()?;
    for (width, height) in [(640, 480), (1920, 1080), (4096, 3072), (648, 488)] {
        Bands::set_to(&device, width, height)?;
        let query = device.query(MAP)?;
        ensure!(
            query.type_ == bindings::v4l2_ctrl_type_V4L2_CTRL_TYPE_U32,
            "its type is {}",
            query.type_
        );
        let name: Vec<u8> = query.name.iter().map(|&c| c.to_ne_bytes()[0]).collect();
        let name = crate::v4l2::device::text(&name);
        ensure!(name == "Dewarping Vertex Map", "its name is '{name}'");
        let dims = [width.div_ceil(16) + 1, height.div_ceil(16) + 1];
        ensure!(
            query.nr_of_dims == 2 && query.dims[..2] == dims && query.elem_size == 4,
            "{width}x{height} has {} dimensions {:?} of {} bytes",
            query.nr_of_dims,
            query.dims,
            query.elem_size
        );
        ensure!(
            (query.minimum, query.maximum, query.step) == (0, 0xffff_ffff, 1),
            "its range is {}..={}",
            query.minimum,
            query.maximum
        );
        let payload = bindings::V4L2_CTRL_FLAG_HAS_PAYLOAD;
        ensure!(query.flags == payload, "its flags are {:#x}", query.flags);
    }
    Ok(())
}

fn short() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(7))?;
    let other = bands.map(8);
    let bytes = 4 * other.len() as u32;
    for short in [0, 1, 4, bytes - 4, bytes - 1] {
        let mut map = other.clone();
        for verb in [Verb::Try, Verb::Set] {
            // prepare_ext_ctrls() in the V4L2 core returns this; ENOSPC is for
            // VIDIOC_G_EXT_CTRLS.
            fails(
                device.words(verb, Which::Current, MAP, &mut map, short),
                Errno::EFAULT,
                &format!("{verb:?} of {short} bytes for a map"),
            )?;
        }
    }
    ensure!(
        device.map(Which::Current)? == bands.map(7),
        "a refused map changed the one that was set"
    );
    Ok(())
}

fn short_get() -> Result<()> {
    let device = Device::open()?;
    Bands::set(&device)?;
    let mut map = Vec::new();
    for short in [0, 4, 12 * 10 * 4 - 1] {
        fails(
            device.words(Verb::Get, Which::Current, MAP, &mut map, short),
            Errno::ENOSPC,
            "asking for too few words",
        )?;
    }
    Ok(())
}

fn long() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    let mut map = bands.map(7);
    let bytes = 4 * map.len() as u32;
    for long in [bytes + 1, bytes + 4, 1 << 20] {
        device.words(Verb::Set, Which::Current, MAP, &mut map, long)?;
        let got = device.map(Which::Current)?;
        ensure!(got == bands.map(7), "the map has {} vertices", got.len());
    }
    Ok(())
}

fn tried() -> Result<()> {
    let device = Device::open()?;
    let bands = Bands::set(&device)?;
    device.set_map(Which::Current, &bands.map(7))?;
    let mut map = bands.map(8);
    let bytes = 4 * map.len() as u32;
    device.words(Verb::Try, Which::Current, MAP, &mut map, bytes)?;
    ensure!(
        device.map(Which::Current)? == bands.map(7),
        "TRY changed the map"
    );
    fails(
        device.words(Verb::Set, Which::Default, MAP, &mut map, bytes),
        Errno::EINVAL,
        "setting the default",
    )
}

fn unknown() -> Result<()> {
    let device = Device::open()?;
    // The identifiers before, between and after the driver's own. The next ones are left
    // for upstream to assign.
    let own = [MAP + 1, MAP + 2, PREFETCH_MODE - 1, PREFETCH_THRESHOLD + 1];
    for id in [0, MAP - 1, u32::MAX].into_iter().chain(own) {
        fails(
            device.number(Which::Current, id),
            Errno::EINVAL,
            &format!("getting control {id:#x}"),
        )?;
        fails(
            device.set_number(Which::Current, id, 0),
            Errno::EINVAL,
            &format!("setting control {id:#x}"),
        )?;
    }
    Ok(())
}
