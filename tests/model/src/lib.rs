// SPDX-License-Identifier: GPL-2.0
//! The DW100 dewarp engine of the i.MX8MP in software: registers, timing, faults
//! and the dewarp itself. QEMU's emulated board runs it behind a C ABI ([`ffi`]);
//! tests use [`dewarp_image`] as the golden reference. It is written from the
//! register documentation and shares no code with the driver.
//!
//! # What is known
//!
//! There is no public manual. What is known comes from
//!
//! - the upstream C driver (`dw100.c`, `dw100_regs.h` of Linux 7.3.4), which runs on
//!   silicon: the register map, the vertex map's shape and format, the bits and the level
//!   of the interrupt, one order of accesses that works, and that calculation prefetch is
//!   four times slower than traversal;
//! - NXP's header for the same IP (isp-vvcam, `vvcam/dwe`): field widths, 34-bit
//!   addresses, the valid range of SCALE_FACTOR, 14 in BUS_CTRL 7:0 after reset ("default
//!   d'14, add 2"), and that `DST_*_SIZE1` are the sizes of ring buffers;
//! - the drivers beside that header and those for the DW200: other orders that work;
//! - the linux-media list: a job without a map never completes; the bus time-out counts
//!   while the AXI master is enabled, after FRAME_DONE as well;
//! - libcamera's `converter_dw100_vertexmap.cpp`: what the edges of a picture look like
//!   (the tests in `image/edges.rs`).
//!
//! # What is assumed
//!
//! Everything else is assumed. Each choice is marked "assumed" where it is made. Where
//! another choice would matter to a driver it is a [`world`]; "none" means that no
//! alternative is modelled.
//!
//! | in | the default | the alternative |
//! |---|---|---|
//! | [`regs`] | all registers but BUS_CTRL reset to 0 | none |
//! | | writes keep reserved bits | none |
//! | | bits 33:32 of an address reach memory | `low-addresses` |
//! | [`posted`] | a register write takes no time | `late-writes` |
//! | [`engine`] | START counts with ENABLE set, SOFT_RESET clear, the engine idle; else it is lost | none |
//! | | START with the AXI master on works | `start-needs-closed-bus` |
//! | | CTRL counts as it stands when the job begins (START given, bus open) | `ctrl-before-start` |
//! | | so do the destination's registers | `lut-arms-destination` |
//! | | FRAME_BUSY is set when the job begins | none |
//! | | a write of MAP_LUT_ADDR other than 0 provides the map for one job | none |
//! | | a reserved format stalls the job as a missing map does | none |
//! | | a closed bus pauses the job, which goes on when it opens | none |
//! | | INT_CLR acts once, with the write | `int-clr-held` |
//! | | enables 0 lower the line | `mask-keeps-line` |
//! | | all pixels are in memory, and FRAME_BUSY is 0, with FRAME_DONE | `burst-at-done` |
//! | | FRAME_DONE comes alone | `done-with-time-out` |
//! | | a job that met an error writes no pixels and stays busy until SOFT_RESET | `error-ends` (idle at once) |
//! | | a running job holds the time-out counter, what it does starts it over | `time-out-in-frame` |
//! | | a closed bus clears the counter, one time-out is raised until it is acknowledged | none |
//! | | a soft reset is safe at any time | `reset-open-bus-hangs`, `reset-in-flight-hangs` |
//! | | it takes no time | `reset-needs-time` |
//! | | it clears the frame registers | `reset-keeps-registers` |
//! | | it clears status and enables, keeps ID, CTRL and BUS_* | none |
//! | | BUS_CTRL reads right after it | `bus-ctrl-late` |
//! | [`timing`] | 500 MHz, one pixel a clock with traversal, a quarter with the other modes | `slow`, key `pixels-per-clock` |
//! | | a frame takes 16/(n+2) of the time with n outstanding reads | none |
//! | | the bus times out after 25 million cycles (50 ms) when BUS_CTRL bit 26 is clear | key `timeout-cycles` |
//! | [`grid`] | SCALE_FACTOR and ROI_START choose where the map is looked up (zoom and pan of the dewarped picture, in destination pixels, each axis by its own ratio) | `roi-by-width` |
//! | | SCALE_FACTOR acts as the nearest end of 32..=128 | none |
//! | | positions that the map does not cover give the boundary pixel | none |
//! | | coordinates are interpolated exactly and rounded to 1/256 pixel, half up | `round-down` |
//! | | prefetch modes differ in time alone | `traversal-differs` |
//! | [`sample`] | bilinear, 8-bit weights, rounded half up | `round-down` |
//! | | the last sample repeats up to the width and height | `edge-black` |
//! | | chroma is sampled at the even pixel's coordinate, halved, truncated to 1/256 sample; 4:2:2 to 4:2:0 keeps the even rows, 4:2:0 to 4:2:2 interpolates | none |
//! | [`mod@dewarp`] | the whole source is fetched before anything is written | none |
//! | | the last pixel of a packed row of odd width is repeated | none |
//! | [`swap`] | a byte swap acts on addresses within the plane | none |
//! | | bytes beyond `DST_*_SIZE1` are dropped without an error | `size-wraps` |
//!
//! These are stored only, and not modelled: the second set of buffers, hardware handshake,
//! shadow updates, split lines, the prefetch threshold.

#![deny(unsafe_code)]
#![warn(missing_docs)]

pub mod burst;
pub mod dewarp;
pub mod engine;
pub mod fault;
pub mod ffi;
pub mod grid;
pub mod image;
pub mod job;
pub mod mailbox;
pub mod memory;
pub mod posted;
pub mod program;
pub mod regs;
pub mod sample;
pub mod swap;
pub mod timing;
pub mod trace;
pub mod world;

pub use dewarp::dewarp;
pub use engine::Engine;
pub use image::Crop;
pub use image::Error;
pub use image::Image;
pub use image::ImageSpec;
pub use image::PixelFormat;
pub use image::dewarp_image;
pub use image::dewarp_image_in;
pub use image::identity_map;
pub use memory::BusError;
pub use memory::Memory;
pub use program::Program;
pub use regs::Registers;
pub use world::World;
pub use world::Worlds;
