// SPDX-License-Identifier: GPL-2.0

//! The media device: its properties, entities and links, and the allocation of requests.

use std::ffi::c_void;
use std::fs::{self, File, OpenOptions};
use std::os::fd::{AsRawFd, FromRawFd};
use std::path::Path;

use anyhow::{Context, Result};

use super::device::text;
use super::{Errno, Request, raw};

/// `struct media_device_info`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct DeviceInfo {
    driver: [u8; 16],
    model: [u8; 32],
    serial: [u8; 40],
    bus_info: [u8; 32],
    media_version: u32,
    hw_revision: u32,
    driver_version: u32,
    reserved: [u32; 31],
}

impl DeviceInfo {
    /// Returns the driver's name.
    pub fn driver(&self) -> String {
        text(&self.driver)
    }

    /// Returns the device's model.
    pub fn model(&self) -> String {
        text(&self.model)
    }

    /// Returns the location of the device on its bus.
    pub fn bus_info(&self) -> String {
        text(&self.bus_info)
    }
}

/// `struct media_v2_topology`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Topology {
    version: u64,
    entities: List,
    interfaces: List,
    pads: List,
    links: List,
}

/// A number of elements, and the address for them.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct List {
    count: u32,
    reserved: u32,
    pointer: u64,
}

impl List {
    fn of<T>(elements: &mut [T]) -> Self {
        Self {
            count: u32::try_from(elements.len()).unwrap_or(u32::MAX),
            reserved: 0,
            pointer: elements.as_mut_ptr() as u64,
        }
    }
}

/// `struct media_v2_entity`.
#[repr(C)]
#[derive(Clone, Copy)]
struct RawEntity {
    id: u32,
    name: [u8; 64],
    function: u32,
    flags: u32,
    reserved: [u32; 5],
}

/// `struct media_v2_interface`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Interface {
    /// The number of the interface in links.
    pub id: u32,
    /// `MEDIA_INTF_T_…`
    pub kind: u32,
    flags: u32,
    reserved: [u32; 9],
    /// Major and minor number of the interface's node.
    pub node: [u32; 2],
    rest: [u32; 14],
}

/// `struct media_v2_pad`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Pad {
    /// The number of the pad in links.
    pub id: u32,
    /// The entity that has it.
    pub entity: u32,
    /// `MEDIA_PAD_FL_…`
    pub flags: u32,
    /// The number of the pad in its entity.
    pub index: u32,
    reserved: [u32; 4],
}

/// `struct media_v2_link`.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Link {
    /// The number of the link.
    pub id: u32,
    /// The pad or interface that the link starts from.
    pub source: u32,
    /// The pad or entity that the link leads to.
    pub sink: u32,
    /// `MEDIA_LNK_FL_…`
    pub flags: u32,
    reserved: [u32; 6],
}

/// An entity.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entity {
    /// The number of the entity in pads.
    pub id: u32,
    /// The name of the entity.
    pub name: String,
    /// `MEDIA_ENT_F_…`
    pub function: u32,
}

/// All parts of a media device.
pub struct Graph {
    /// Entities.
    pub entities: Vec<Entity>,
    /// Interfaces.
    pub interfaces: Vec<Interface>,
    /// Pads.
    pub pads: Vec<Pad>,
    /// Links.
    pub links: Vec<Link>,
}

/// An open media device.
pub struct Media {
    file: File,
}

impl AsRawFd for Media {
    fn as_raw_fd(&self) -> std::os::fd::RawFd {
        self.file.as_raw_fd()
    }
}

impl Media {
    /// Opens the media device of a device in sysfs.
    pub fn of_device(sysfs: &Path) -> Result<Self> {
        let media = fs::read_dir(sysfs)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .find(|name| name.starts_with("media"))
            .context("the video node's device has no media device")?;
        let path = Path::new("/dev").join(media);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .with_context(|| format!("opening {}", path.display()))?;
        Ok(Self { file })
    }

    /// Calls `MEDIA_IOC_DEVICE_INFO`.
    pub fn info(&self) -> Result<DeviceInfo, Errno> {
        let mut info = DeviceInfo {
            driver: [0; 16],
            model: [0; 32],
            serial: [0; 40],
            bus_info: [0; 32],
            media_version: 0,
            hw_revision: 0,
            driver_version: 0,
            reserved: [0; 31],
        };
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::media_device_info(self.as_raw_fd(), &mut info) }?;
        Ok(info)
    }

    /// Calls `MEDIA_IOC_G_TOPOLOGY`.
    pub fn graph(&self) -> Result<Graph, Errno> {
        let mut counts = Topology::default();
        // SAFETY: The argument contains no pointer to other memory.
        unsafe { raw::media_g_topology(self.as_raw_fd(), &mut counts) }?;
        let empty = RawEntity {
            id: 0,
            name: [0; 64],
            function: 0,
            flags: 0,
            reserved: [0; 5],
        };
        let mut entities = vec![empty; counts.entities.count as usize];
        let mut interfaces = vec![Interface::default(); counts.interfaces.count as usize];
        let mut pads = vec![Pad::default(); counts.pads.count as usize];
        let mut links = vec![Link::default(); counts.links.count as usize];
        let mut topology = Topology {
            version: 0,
            entities: List::of(&mut entities),
            interfaces: List::of(&mut interfaces),
            pads: List::of(&mut pads),
            links: List::of(&mut links),
        };
        // SAFETY: Each list points to as many elements as it says.
        unsafe { raw::media_g_topology(self.as_raw_fd(), &mut topology) }?;
        let entity = |raw: &RawEntity| Entity {
            id: raw.id,
            name: text(&raw.name),
            function: raw.function,
        };
        Ok(Graph {
            entities: entities.iter().map(entity).collect(),
            interfaces,
            pads,
            links,
        })
    }

    /// Calls `MEDIA_IOC_G_TOPOLOGY` for any number of entities, which are written to
    /// `place`.
    ///
    /// # Safety
    ///
    /// Up to a page of memory, as much as the kernel writes, must be valid at `place`.
    pub unsafe fn entities_to(&self, place: *mut c_void) -> Result<(), Errno> {
        let mut topology = Topology {
            entities: List {
                count: u32::MAX,
                reserved: 0,
                pointer: place as u64,
            },
            ..Topology::default()
        };
        // SAFETY: By the safety requirements.
        unsafe { raw::media_g_topology(self.as_raw_fd(), &mut topology) }.map(drop)
    }

    /// Calls `MEDIA_IOC_DEVICE_INFO` with `place` as its argument.
    ///
    /// # Safety
    ///
    /// Up to a page of memory, as much as the kernel writes, must be valid at `place`.
    pub unsafe fn info_to(&self, place: *mut c_void) -> Result<(), Errno> {
        // SAFETY: By the safety requirements.
        unsafe { raw::media_device_info(self.as_raw_fd(), place.cast()) }.map(drop)
    }

    /// Calls `MEDIA_IOC_REQUEST_ALLOC`.
    pub fn request(&self) -> Result<Request, Errno> {
        let mut fd = -1;
        // SAFETY: The argument is a number.
        unsafe { raw::media_request_alloc(self.as_raw_fd(), &mut fd) }?;
        // SAFETY: The kernel has just opened the descriptor for this process, which owns it.
        Ok(Request::new(unsafe { File::from_raw_fd(fd) }))
    }
}
