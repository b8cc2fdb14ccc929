// SPDX-License-Identifier: GPL-2.0

//! Tests the prefetch controls as controls. Their effect on the engine's registers is checked by
//! the host: `dw100-board registers`.

use anyhow::{Result, ensure};

use super::requests::Requests;
use super::{Test, fails, test};
use crate::v4l2::bindings::{
    V4L2_CID_USER_DW100_BASE as BASE, v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER as INTEGER,
    v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU as MENU,
};
use crate::v4l2::{Device, Errno, PATIENCE, PREFETCH_MODE, PREFETCH_THRESHOLD, Which};

pub(super) const TESTS: &[Test] = &[
    test("prefetch has three modes and starts with calculation", mode),
    test("the prefetch threshold is 32 of 127", threshold),
    test(
        "the prefetch controls are the last two of sixteen identifiers",
        identifiers,
    ),
    test("prefetch controls can be set in a request", in_request),
    test("prefetch controls leave the map alone and it them", apart),
];

/// Mode "Auto".
const AUTO: i32 = 2;

fn mode() -> Result<()> {
    let device = Device::open()?;
    let query = device.query(PREFETCH_MODE)?;
    ensure!(query.type_ == MENU, "its type is {}", query.type_);
    ensure!(
        (query.minimum, query.maximum, query.default_value) == (0, 2, 1),
        "it is {}..={}, at first {}",
        query.minimum,
        query.maximum,
        query.default_value
    );
    for (index, due) in ["Traversal", "Calculation", "Auto"].iter().enumerate() {
        let got = device.menu_item(PREFETCH_MODE, index as u32)?;
        ensure!(got == *due, "item {index} is '{got}', not '{due}'");
    }
    fails(device.menu_item(PREFETCH_MODE, 3), Errno::EINVAL, "item 3")?;
    ensure!(device.number(Which::Current, PREFETCH_MODE)? == 1);
    for value in [0, 2, 1] {
        device.set_number(Which::Current, PREFETCH_MODE, value)?;
        ensure!(device.number(Which::Current, PREFETCH_MODE)? == value);
        ensure!(device.number(Which::Default, PREFETCH_MODE)? == 1);
    }
    for value in [-1, 3, i32::MIN, i32::MAX] {
        let result = device.set_number(Which::Current, PREFETCH_MODE, value);
        fails(result, Errno::ERANGE, &format!("mode {value}"))?;
        ensure!(device.number(Which::Current, PREFETCH_MODE)? == 1);
    }
    Ok(())
}

fn threshold() -> Result<()> {
    let device = Device::open()?;
    let query = device.query(PREFETCH_THRESHOLD)?;
    ensure!(query.type_ == INTEGER, "its type is {}", query.type_);
    let range = (query.minimum, query.maximum, query.step);
    ensure!(
        range == (0, 127, 1) && query.default_value == 32,
        "it is {range:?}, at first {}",
        query.default_value
    );
    ensure!(device.number(Which::Current, PREFETCH_THRESHOLD)? == 32);
    // V4L2 clamps integers to their range.
    for (value, due) in [(0, 0), (127, 127), (128, 127), (-1, 0), (i32::MAX, 127)] {
        device.set_number(Which::Current, PREFETCH_THRESHOLD, value)?;
        let got = device.number(Which::Current, PREFETCH_THRESHOLD)?;
        ensure!(got == due, "{value} became {got}");
    }
    Ok(())
}

fn identifiers() -> Result<()> {
    let device = Device::open()?;
    // linux/v4l2-controls.h reserves sixteen. Upstream assigns them from the first on.
    let own = (0..16).filter(|number| device.query(BASE + number).is_ok());
    let found: Vec<u32> = own.collect();
    ensure!(found == [1, 14, 15], "the controls are {found:?}");
    Ok(())
}

fn in_request() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    let request = all.media.request()?;
    device.set_number(Which::Request(&request), PREFETCH_MODE, AUTO)?;
    device.set_number(Which::Request(&request), PREFETCH_THRESHOLD, 77)?;
    ensure!(device.number(Which::Current, PREFETCH_MODE)? == 1);
    all.frame(&request, Some(12), 12)?;
    ensure!(request.completed(PATIENCE)?, "the request never completed");
    for which in [Which::Request(&request), Which::Current] {
        ensure!(device.number(which, PREFETCH_MODE)? == AUTO);
        ensure!(device.number(which, PREFETCH_THRESHOLD)? == 77);
    }
    Ok(())
}

fn apart() -> Result<()> {
    let device = Device::open()?;
    let all = Requests::start(&device, 1)?;
    for (round, mode) in [0, 2, 1].into_iter().enumerate() {
        let band = 3 + round as u32;
        device.set_map(Which::Current, &all.bands.map(band))?;
        device.set_number(Which::Current, PREFETCH_MODE, mode)?;
        device.set_number(Which::Current, PREFETCH_THRESHOLD, 5)?;
        all.bands
            .check(&all.stream.frame(&all.bands.source)?, band)?;
    }
    device.set_map(Which::Current, &all.bands.map(30))?;
    ensure!(device.number(Which::Current, PREFETCH_THRESHOLD)? == 5);
    Ok(())
}
