// SPDX-License-Identifier: GPL-2.0
//! The register accesses of the upstream C driver, in its order: dw100.c of Linux 7.3.4,
//! functions dw100_hw_*, dw100_device_run, dw100_irq_handler, dw100_runtime_resume. The order
//! is that of the driver itself in the trace of the emulated board. Real hardware streams with
//! these accesses, so a world in which they do not stream is not a model of it.

use super::*;
use crate::image::Image;
use crate::image::ImageSpec;
use crate::image::PixelFormat;
use crate::image::dewarp_image;

/// How long a register access takes, nanoseconds. Assumed; only the clock depends on it.
const ACCESS_NS: i64 = 100;

/// From the interrupt line to the handler's first access, nanoseconds. On PREEMPT_RT the C
/// driver gates 2,515 to 3,385 ns after the line rises (measured on the emulated board, 1 ns
/// an instruction); its gate is the third access after the first one.
pub const RT_HANDLER_NS: i64 = 2_400;

/// How long a test waits for the line, nanoseconds. It is longer than any frame here takes,
/// and than the bus time-out of 50 ms.
const PATIENCE_NS: i64 = 200_000_000;

const CTRL: u64 = regs::CTRL;

/// One picture of a frame, in a buffer of one plane.
#[derive(Clone, Copy)]
pub struct Side {
    pub format: PixelFormat,
    pub width: u32,
    pub height: u32,
    pub base: u64,
}

impl Side {
    /// Returns the format in CTRL, and whether its bytes are swapped, as in C's table of
    /// formats.
    fn registers(&self) -> (u32, bool) {
        match self.format {
            PixelFormat::Nv16 => (0, false),
            PixelFormat::Nv61 => (0, true),
            PixelFormat::Yuyv => (1, false),
            PixelFormat::Uyvy => (1, true),
            PixelFormat::Nv12 => (2, false),
            PixelFormat::Nv21 => (2, true),
        }
    }

    fn stride(&self) -> u32 {
        self.format.layout().luma_row(self.width) as u32
    }

    fn bytes(&self) -> usize {
        self.format.frame_size(self.width, self.height)
    }

    fn uv(&self, align: u64) -> u32 {
        let luma = u64::from(self.stride() * self.height).next_multiple_of(align);
        ((self.base + luma) >> 4) as u32
    }

    fn size(&self) -> u32 {
        self.height << 16 | self.width
    }
}

/// A frame that is to be dewarped by the identity map of its destination.
#[derive(Clone, Copy)]
pub struct Job {
    pub source: Side,
    pub destination: Side,
    pub map: u64,
}

/// The driver, its board, and how late its handler runs.
pub struct Driver {
    pub board: Board,
    pub handler_ns: i64,
    /// The number of frames so far. Each frame has another picture.
    frames: u8,
}

impl Driver {
    /// Creates a probed driver, whose device was resumed once.
    pub fn new(keys: &str) -> Self {
        let mut board = Board::new(keys);
        board.ram = Ram::new(BASE, 0x10000);
        let mut driver = Self {
            board,
            handler_ns: RT_HANDLER_NS,
            frames: 0,
        };
        driver.runtime_resume();
        driver
    }

    fn read(&mut self, offset: u64) -> u32 {
        let value = self.board.engine.read(self.board.now, offset);
        self.board.pass(ACCESS_NS);
        value
    }

    fn write(&mut self, offset: u64, value: u32) {
        self.board.write(offset, value);
        self.board.pass(ACCESS_NS);
    }

    /// Reads a register, changes the bits of `mask`, and writes it.
    fn modify(&mut self, offset: u64, mask: u32, value: u32) {
        let before = self.read(offset);
        self.write(offset, before & !mask | value);
    }

    /// Does what dw100_runtime_resume does, with dw100_hw_reset. A STREAMOFF and a STREAMON
    /// are 100 us apart.
    pub fn runtime_resume(&mut self) {
        self.board.pass(50_000);
        let ctrl = self.read(CTRL) | regs::CTRL_ENABLE | regs::CTRL_SOFT_RESET;
        self.write(CTRL, ctrl);
        self.write(CTRL, ctrl & !regs::CTRL_SOFT_RESET);
        self.board.pass(50_000);
    }

    fn master_bus(&mut self, enable: u32) {
        self.modify(regs::BUS_CTRL, regs::BUS_AXI_MASTER_ENABLE, enable);
    }

    /// Does the part of dw100_device_run that accesses the hardware.
    pub fn device_run(&mut self, job: &Job) {
        self.master_bus(0);
        self.write(CTRL, regs::CTRL_ENABLE | 32 << 18 | 1 << 16);
        self.write(regs::BOUNDARY_PIXEL, 128 << 8 | 128);
        self.write(regs::SCALE_FACTOR, 128);
        self.write(regs::ROI_START, 0);
        self.set_source(&job.source);
        self.set_destination(&job.destination, &job.source);
        let (columns, rows) = crate::image::map_size(job.destination.width, job.destination.height);
        self.write(regs::MAP_LUT_ADDR, (job.map >> 4) as u32);
        self.write(regs::MAP_LUT_SIZE, rows << 16 | columns);
        self.write(regs::INTERRUPT_STATUS, 0xff00);
        let ctrl = self.read(CTRL);
        self.write(CTRL, ctrl | regs::CTRL_START);
        self.write(CTRL, ctrl);
        self.master_bus(regs::BUS_AXI_MASTER_ENABLE);
    }

    fn set_source(&mut self, side: &Side) {
        let (format, swap) = side.registers();
        self.modify(CTRL, 3 << 4, format << 4);
        let swap = u32::from(swap && format == 1);
        self.modify(regs::SWAP_CONTROL, 0xff, swap);
        self.write(regs::SRC_IMG_SIZE, side.size());
        self.write(regs::SRC_IMG_STRIDE, side.stride());
        self.write(regs::SRC_IMG_Y_BASE, (side.base >> 4) as u32);
        self.write(regs::SRC_IMG_UV_BASE, side.uv(1));
    }

    fn set_destination(&mut self, side: &Side, source: &Side) {
        let (format, swap) = side.registers();
        self.modify(CTRL, 3 << 6, format << 6);
        let (source_format, source_swap) = source.registers();
        let swapped = swap ^ (source_swap && source_format != 1);
        let swap = match (swapped, format) {
            (false, _) => 0,
            (true, 1) => 1 << 8,
            (true, _) => 1 << 12,
        };
        self.modify(regs::SWAP_CONTROL, 0xff00, swap);
        self.write(regs::DST_IMG_SIZE, side.size());
        self.write(regs::DST_IMG_STRIDE, side.stride());
        self.write(regs::DST_IMG_Y_BASE, (side.base >> 4) as u32);
        self.write(regs::DST_IMG_UV_BASE, side.uv(16));
        // The whole buffer's size for luma, the same or half of it for chroma (fault 18).
        let size = side.bytes() as u32;
        self.write(regs::DST_IMG_Y_SIZE1, size >> 4);
        self.write(
            regs::DST_IMG_UV_SIZE1,
            size >> (if format == 2 { 5 } else { 4 }),
        );
    }

    /// Does what dw100_irq_handler does. Returns whether the frame failed.
    fn irq_handler(&mut self) -> bool {
        let pending = self.read(regs::INTERRUPT_STATUS) & 0xff;
        self.write(regs::INTERRUPT_STATUS, 0);
        self.master_bus(0);
        let clear = pending | u32::from(regs::STATUS_TIME_OUT);
        self.write(regs::INTERRUPT_STATUS, clear << 24);
        pending & u32::from(regs::STATUS_FRAME_DONE) == 0
    }

    /// Passes time until the line is high. Returns [`None`] if it stays low.
    fn wait(&mut self) -> Option<()> {
        let until = self.board.now + PATIENCE_NS;
        while !self.board.engine.line() {
            let at = self.board.engine.deadline().filter(|&at| at <= until)?;
            self.board.pass((at - self.board.now).max(0));
        }
        Some(())
    }

    /// Processes a frame. Returns whether it ended in time, as done, with the right pixels,
    /// and with a line that is low again.
    pub fn streams(&mut self, job: &Job) -> bool {
        let expected = self.prepare(job);
        self.device_run(job);
        if self.wait().is_none() {
            return false;
        }
        self.board.pass(self.handler_ns);
        let mut failed = self.irq_handler();
        if self.board.engine.line() {
            // The level interrupt is raised again at once, and overwrites the verdict.
            failed = self.irq_handler();
        }
        self.board.pass(5_000);
        let side = &job.destination;
        let output = self.board.ram.slice(side.base, side.bytes()).unwrap();
        !failed && *output == expected && !self.board.engine.line()
    }

    /// Writes map and picture to memory and clears the destination. Returns the expected
    /// destination.
    fn prepare(&mut self, job: &Job) -> Vec<u8> {
        let Job {
            source,
            destination,
            map,
        } = job;
        self.frames += 1;
        let seed = u32::from(self.frames) * 31;
        let data: Vec<u8> = (seed..)
            .map(|i| (i * 7 % 251) as u8 + 1)
            .take(source.bytes())
            .collect();
        let vertices = identity_map(destination.width, destination.height);
        let words: Vec<u8> = vertices.iter().flat_map(|v| v.to_le_bytes()).collect();
        let ram = &mut self.board.ram;
        ram.write(*map, &words).unwrap();
        ram.write(source.base, &data).unwrap();
        ram.slice(destination.base, destination.bytes())
            .unwrap()
            .fill(0);
        let image = Image {
            format: source.format,
            width: source.width,
            height: source.height,
            data: &data,
        };
        let spec = ImageSpec {
            format: destination.format,
            width: destination.width,
            height: destination.height,
        };
        dewarp_image(&image, &spec, &vertices, crate::Crop::FULL).unwrap()
    }
}
