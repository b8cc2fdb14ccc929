// SPDX-License-Identifier: GPL-2.0
//! The DW100 dewarp engine of the i.MX8MP in software: registers, timing, faults
//! and the dewarp itself. QEMU's emulated board runs it behind a C ABI ([`ffi`]);
//! tests use [`dewarp_image`] as the golden reference. It is written from the
//! register documentation and shares no code with the driver.
//!
//! # What is assumed
//!
//! The register map, the vertex map's shape and format, the bits and the level of
//! the interrupt, the start order and the bus-timeout counter are documented. The
//! rest is not public, and this model had to choose, mostly what forgives a driver
//! less. Three choices forgive: pixels beyond `DST_*_SIZE` are dropped without an
//! error, so a size that is too small shows only in the picture; a running job holds
//! the timeout counter, so a slow frame never times out; START with the bus open
//! already works, so the order of the two is not tested. Each choice is marked
//! "assumed" where it is made:
//!
//! - [`regs`]: every register resets to 0; writes keep reserved bits; the stride is
//!   16 bits; the 34-bit addresses fill register bits 29:0.
//! - [`grid`]: source coordinates are interpolated exactly between four vertices and
//!   rounded to 1/256 pixel, half up; SCALE_FACTOR and ROI_START choose the position
//!   at which the vertex map is looked up (zoom and pan of the dewarped picture, in
//!   destination pixels); SCALE_FACTOR is clamped to its valid range 32..=128;
//!   positions that the map does not cover give the boundary pixel.
//! - [`sample`]: sampling is bilinear with 8-bit weights, rounded half up; a whole
//!   coordinate is a sample's own place; beyond the last column or row the edge
//!   repeats; chroma is sampled at the even pixel's coordinate, halved and truncated
//!   to 1/256 sample; a format conversion samples the source's chroma plane the same
//!   way, so 4:2:2 to 4:2:0 keeps the even rows and 4:2:0 to 4:2:2 interpolates.
//! - [`mod@dewarp`]: the whole source is fetched before anything is written; the last
//!   pixel of a packed row of odd width is repeated.
//! - [`swap`]: a byte swap acts on addresses within the plane; bytes beyond
//!   `DST_*_SIZE` are dropped without an error.
//! - [`timing`]: 500 MHz, one pixel a clock with traversal prefetch, and with automatic
//!   prefetch the time of calculation; the bus times out after 25 million cycles
//!   (50 ms) when BUS_CTRL bit 26 is clear. The prefetch modes differ in time alone:
//!   traversal gives any map the pixels that calculation gives it.
//! - [`engine`]: START counts only with ENABLE set, SOFT_RESET clear and the engine
//!   idle; registers are latched when the job begins, not at START; busy is set from
//!   then on; all pixels reach memory at the job's end; a closed bus pauses the job;
//!   writing MAP_LUT_ADDR is what provides the vertex map for one job; a reserved
//!   format stalls the job as a missing map does; a job that met an error writes no
//!   pixels and stays busy until SOFT_RESET; a closed bus clears the timeout counter,
//!   a running job holds it, and one timeout is raised until it is acknowledged; a
//!   soft reset ends the job, clears status, enables and frame registers, and keeps
//!   ID, CTRL and BUS_*.
//! - Not modelled, stored only: the second set of buffers, hardware handshake, shadow
//!   updates, split lines, the prefetch threshold, outstanding reads.

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
