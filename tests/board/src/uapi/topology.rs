// SPDX-License-Identifier: GPL-2.0

//! Tests how the device describes itself: video node and media graph.

use anyhow::{Context, Result, ensure};

use super::{Test, test};
use crate::v4l2::Device;
use crate::v4l2::bindings::{
    V4L2_CAP_DEVICE_CAPS as DEVICE_CAPS, V4L2_CAP_EXT_PIX_FORMAT as EXT_PIX_FORMAT,
    V4L2_CAP_STREAMING as STREAMING, V4L2_CAP_VIDEO_M2M_MPLANE as M2M_MPLANE,
};
use crate::v4l2::device::text;

pub(super) const TESTS: &[Test] = &[
    test("the video node is the dewarper of driver dw100", node),
    test("the media device is that of driver dw100", media),
    test("source leads to proc and proc to sink", graph),
    test(
        "the node and its media device are of one device",
        one_device,
    ),
];

/// `MEDIA_ENT_F_IO_V4L` and `MEDIA_ENT_F_PROC_VIDEO_SCALER`.
const IO_V4L: u32 = 0x10001;
const SCALER: u32 = 0x4005;

/// `MEDIA_INTF_T_V4L_VIDEO`.
const VIDEO: u32 = 0x200;

/// `MEDIA_LNK_FL_ENABLED | MEDIA_LNK_FL_IMMUTABLE`, and the mask of link types.
const FIXED: u32 = 3;
const LINK_TYPE: u32 = 0xf000_0000;

fn node() -> Result<()> {
    let device = Device::open()?;
    let got = device.capability()?;
    let (card, bus) = (text(&got.card), text(&got.bus_info));
    ensure!(card == "DW100 dewarper", "the card is '{card}'");
    let due = format!("platform:{}", device.name()?);
    ensure!(bus == due, "it sits at '{bus}', not '{due}'");
    ensure!(
        got.device_caps == M2M_MPLANE | STREAMING | EXT_PIX_FORMAT,
        "its capabilities are {:#x}",
        got.device_caps
    );
    ensure!(
        got.capabilities == got.device_caps | DEVICE_CAPS,
        "all capabilities are {:#x}",
        got.capabilities
    );
    Ok(())
}

fn media() -> Result<()> {
    let device = Device::open()?;
    let info = device.media()?.info()?;
    ensure!(
        info.driver() == "dw100",
        "its driver is '{}'",
        info.driver()
    );
    ensure!(info.model() == "dw100", "its model is '{}'", info.model());
    let due = format!("platform:{}", device.name()?);
    ensure!(info.bus_info() == due, "it sits at '{}'", info.bus_info());
    Ok(())
}

fn graph() -> Result<()> {
    let device = Device::open()?;
    let graph = device.media()?.graph()?;
    let names: Vec<_> = graph
        .entities
        .iter()
        .map(|entity| (entity.name.as_str(), entity.function))
        .collect();
    let due = [
        ("dw100-source", IO_V4L),
        ("dw100-proc", SCALER),
        ("dw100-sink", IO_V4L),
    ];
    ensure!(
        names.len() == 3 && due.iter().all(|entity| names.contains(entity)),
        "the entities are {names:x?}"
    );
    let entity_of = |pad: u32| -> Option<&str> {
        let pad = graph.pads.iter().find(|other| other.id == pad)?;
        let entity = graph.entities.iter().find(|other| other.id == pad.entity)?;
        Some(entity.name.as_str())
    };
    let data = graph
        .links
        .iter()
        .filter(|link| link.flags & LINK_TYPE == 0);
    let mut links: Vec<_> = data
        .map(|link| (entity_of(link.source), entity_of(link.sink), link.flags))
        .collect();
    links.sort_unstable();
    let wanted = [
        (Some("dw100-proc"), Some("dw100-sink"), FIXED),
        (Some("dw100-source"), Some("dw100-proc"), FIXED),
    ];
    ensure!(links == wanted, "the links are {links:?}");
    ensure!(
        graph.pads.len() == 4,
        "there are {} pads, not 4",
        graph.pads.len()
    );
    let interface = graph.interfaces.first().context("there is no interface")?;
    ensure!(
        graph.interfaces.len() == 1 && interface.kind == VIDEO,
        "the interfaces are not one video node"
    );
    let driven: Vec<_> = graph
        .links
        .iter()
        .filter(|link| link.flags & LINK_TYPE != 0 && link.source == interface.id)
        .collect();
    ensure!(
        driven.len() == 2,
        "{} entities are of the node, not source and sink",
        driven.len()
    );
    Ok(())
}

fn one_device() -> Result<()> {
    let device = Device::open()?;
    let interface = device.media()?.graph()?.interfaces[0];
    let dev = std::fs::read_to_string(format!(
        "/sys/class/video4linux/{}/dev",
        device.path.file_name().context("a name")?.to_string_lossy()
    ))?;
    let due = format!("{}:{}", interface.node[0], interface.node[1]);
    ensure!(
        dev.trim() == due,
        "the node is {} and not {due}",
        dev.trim()
    );
    Ok(())
}
