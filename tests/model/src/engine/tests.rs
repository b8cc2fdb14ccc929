// SPDX-License-Identifier: GPL-2.0
//! Drives the engine register by register, as a driver would.

use super::*;
use crate::image::identity_map;
use crate::memory::Ram;

mod c_driver;
mod c_worlds;
mod record;
mod resets;
mod untrusted;
mod worlds;

const BASE: u64 = 0x4000_0000;
const MAP: u64 = BASE;
const SOURCE: u64 = BASE + 0x1000;
const DESTINATION: u64 = BASE + 0x3000;
const SIDE: u32 = 32;
/// 32x32 pixels, one in a cycle of 2 ns, four times slower with calculation
/// prefetch.
const FRAME_NS: i64 = 32 * 32 * 2 * 4;

const BUS_OPEN: u32 = regs::BUS_AXI_MASTER_ENABLE | regs::OUTSTANDING_READS;

/// An engine, memory with an identity map and a picture, and a clock.
struct Board {
    engine: Engine,
    ram: Ram,
    now: i64,
}

impl Board {
    fn new(keys: &str) -> Self {
        let mut ram = Ram::new(BASE, 0x5000);
        for (i, vertex) in (0..).zip(identity_map(SIDE, SIDE)) {
            ram.write(MAP + i * 4, &vertex.to_le_bytes()).unwrap();
        }
        ram.write(SOURCE, &picture()).unwrap();
        let mut engine = Engine::default();
        engine.configure(keys).unwrap();
        Self {
            engine,
            ram,
            now: 1_000,
        }
    }

    fn write(&mut self, offset: u64, value: u32) {
        self.engine.write(self.now, offset, value);
    }

    fn program(&mut self) {
        let ctrl = regs::CTRL_ENABLE | 2 << 4 | 2 << 6 | 1 << 16;
        let plane = |base: u64, rows: u64| ((base + rows * u64::from(SIDE)) >> 4) as u32;
        for (offset, value) in [
            (regs::CTRL, ctrl),
            (regs::MAP_LUT_ADDR, (MAP >> 4) as u32),
            (regs::MAP_LUT_SIZE, 3 << 16 | 3),
            (regs::SRC_IMG_Y_BASE, plane(SOURCE, 0)),
            (regs::SRC_IMG_UV_BASE, plane(SOURCE, 32)),
            (regs::SRC_IMG_SIZE, SIDE << 16 | SIDE),
            (regs::SRC_IMG_STRIDE, SIDE),
            (regs::DST_IMG_Y_BASE, plane(DESTINATION, 0)),
            (regs::DST_IMG_UV_BASE, plane(DESTINATION, 32)),
            (regs::DST_IMG_SIZE, SIDE << 16 | SIDE),
            (regs::DST_IMG_STRIDE, SIDE),
            (regs::DST_IMG_Y_SIZE1, 1024 >> 4),
            (regs::DST_IMG_UV_SIZE1, 512 >> 4),
            (regs::SCALE_FACTOR, 128),
            (regs::INTERRUPT_STATUS, 0xff00),
        ] {
            self.write(offset, value);
        }
    }

    fn pulse_start(&mut self) {
        let ctrl = self.engine.read(self.now, regs::CTRL);
        self.write(regs::CTRL, ctrl | regs::CTRL_START);
        self.write(regs::CTRL, ctrl);
    }

    fn open_bus(&mut self) {
        self.write(regs::BUS_CTRL, BUS_OPEN);
    }

    fn close_bus(&mut self) {
        self.write(regs::BUS_CTRL, regs::OUTSTANDING_READS);
    }

    fn start(&mut self) {
        self.program();
        self.pulse_start();
        self.open_bus();
    }

    /// Passes time, and calls each tick when it is due.
    fn pass(&mut self, ns: i64) {
        let until = self.now + ns;
        while let Some(at) = self.engine.deadline().filter(|&at| at <= until) {
            self.now = self.now.max(at);
            self.engine.tick(self.now, &mut self.ram);
        }
        self.now = until;
    }

    fn status(&mut self) -> u32 {
        self.engine.read(self.now, regs::INTERRUPT_STATUS)
    }

    fn output(&mut self) -> Vec<u8> {
        self.ram.slice(DESTINATION, 1536).unwrap().to_vec()
    }

    fn soft_reset(&mut self) {
        self.write(regs::CTRL, regs::CTRL_ENABLE | regs::CTRL_SOFT_RESET);
        self.write(regs::CTRL, regs::CTRL_ENABLE);
    }

    /// Acknowledges an interrupt as a handler does.
    fn acknowledge(&mut self) {
        self.write(regs::INTERRUPT_STATUS, 0);
        self.close_bus();
        self.write(regs::INTERRUPT_STATUS, 0xff00_0000);
    }
}

fn picture() -> Vec<u8> {
    (0..1536u32).map(|i| (i * 7 % 251) as u8).collect()
}

const DONE: u32 = regs::STATUS_FRAME_DONE as u32 | 0xff00;

#[test]
fn a_frame_takes_its_time_and_ends_with_the_line_up() {
    let mut board = Board::new("");
    board.start();
    assert_eq!(board.status(), 0xff00 | regs::INTERRUPT_BUSY);
    board.pass(FRAME_NS - 1);
    assert!(!board.engine.line());
    assert_eq!(board.output(), [0; 1536]);
    board.pass(1);
    assert!(board.engine.line());
    assert_eq!(board.status(), DONE);
    assert_eq!(board.output(), picture());
}

#[test]
fn the_line_is_the_level_of_enabled_status() {
    let mut board = Board::new("");
    board.start();
    board.pass(FRAME_NS);
    board.write(regs::INTERRUPT_STATUS, 0xfe00);
    assert!(!board.engine.line());
    board.write(regs::INTERRUPT_STATUS, 0x0100);
    assert!(board.engine.line());
    board.write(regs::INTERRUPT_STATUS, 0xfe00_0100);
    assert!(
        board.engine.line(),
        "clearing other bits must not clear this one"
    );
    board.write(regs::INTERRUPT_STATUS, 0x0100_0100);
    assert!(!board.engine.line());
    assert_eq!(board.status(), 0x0100);
}

#[test]
fn start_waits_for_the_bus_and_registers_latch_when_it_opens() {
    let mut board = Board::new("");
    board.program();
    board.pulse_start();
    board.pass(10 * FRAME_NS);
    assert_eq!(board.status(), 0xff00);
    board.open_bus();
    board.write(regs::DST_IMG_Y_BASE, 0);
    board.pass(FRAME_NS);
    assert_eq!(board.status(), DONE);
    assert_eq!(board.output(), picture());
}

#[test]
fn start_is_an_edge_and_needs_an_enabled_idle_engine() {
    let mut board = Board::new("");
    board.open_bus();
    board.program();
    let ctrl = board.engine.read(board.now, regs::CTRL);
    board.write(regs::CTRL, ctrl & !regs::CTRL_ENABLE | regs::CTRL_START);
    assert_eq!(board.status() & regs::INTERRUPT_BUSY, 0, "disabled");
    board.write(regs::CTRL, ctrl | regs::CTRL_START);
    assert_eq!(board.status() & regs::INTERRUPT_BUSY, 0, "no edge");
    board.write(regs::CTRL, ctrl);
    board.pulse_start();
    board.pass(FRAME_NS / 2);
    board.pulse_start();
    board.pass(FRAME_NS / 2);
    assert_eq!(
        board.status(),
        DONE,
        "a start in mid-job is lost, not queued"
    );
}

#[test]
fn a_closed_bus_pauses_the_job() {
    let mut board = Board::new("");
    board.start();
    board.pass(FRAME_NS / 2);
    board.close_bus();
    board.pass(10 * FRAME_NS);
    assert_eq!(board.status(), 0xff00 | regs::INTERRUPT_BUSY);
    board.open_bus();
    board.pass(FRAME_NS / 2 - 1);
    assert!(!board.engine.line());
    board.pass(1);
    assert_eq!(board.status(), DONE);
}

#[test]
fn the_map_must_be_given_anew_for_each_job() {
    let mut board = Board::new("timeout-cycles=0");
    board.start();
    board.pass(FRAME_NS);
    board.acknowledge();
    board.pulse_start();
    board.open_bus();
    board.pass(1_000 * FRAME_NS);
    assert_ne!(board.status() & regs::INTERRUPT_BUSY, 0);
    board.close_bus();
    board.soft_reset();
    board.start();
    board.pass(FRAME_NS);
    assert_eq!(board.status(), DONE);
}

#[test]
fn a_job_without_a_map_never_completes() {
    for (offset, value) in [
        (regs::MAP_LUT_ADDR, 0),
        (regs::MAP_LUT_SIZE, 3),
        (regs::MAP_LUT_SIZE, 3 << 16),
    ] {
        let mut board = Board::new("timeout-cycles=0");
        board.program();
        board.write(offset, value);
        board.pulse_start();
        board.open_bus();
        board.pass(1_000_000_000);
        assert_eq!(board.status(), 0xff00 | regs::INTERRUPT_BUSY);
    }
}

#[test]
fn an_open_bus_times_out_after_frame_done_and_not_while_the_job_runs() {
    let mut board = Board::new("");
    board.program();
    board.write(regs::BUS_TIME_OUT_CYCLE, 50);
    board.pulse_start();
    board.write(regs::BUS_CTRL, BUS_OPEN | regs::BUS_TIME_OUT_OVERRIDE);
    board.pass(FRAME_NS + 99);
    assert_eq!(board.status(), DONE);
    board.pass(1);
    assert_eq!(board.status(), DONE | u32::from(regs::STATUS_TIME_OUT));
    board.write(regs::INTERRUPT_STATUS, 0xff00_ff00);
    board.pass(99);
    assert_eq!(board.status(), 0xff00);
    board.pass(1);
    assert_eq!(board.status(), 0xff00 | u32::from(regs::STATUS_TIME_OUT));
}

#[test]
fn host_time_spent_on_pixels_is_not_an_idle_bus() {
    let mut board = Board::new("timeout-cycles=50");
    board.start();
    board.now += FRAME_NS;
    board.engine.tick(board.now, &mut board.ram);
    assert_eq!(board.output(), picture());
    assert!(!board.engine.line());
    board.now += 1_000_000;
    board.engine.tick(board.now, &mut board.ram);
    assert_eq!(board.status(), DONE);
}

#[test]
fn a_closed_bus_never_times_out() {
    let mut board = Board::new("timeout-cycles=50");
    board.start();
    board.pass(FRAME_NS + 50);
    board.acknowledge();
    board.pass(1_000_000_000);
    assert_eq!(board.status(), 0);
    assert_eq!(board.engine.deadline(), None);
}

#[test]
fn a_soft_reset_ends_the_job_and_leaves_a_working_engine() {
    let mut board = Board::new("");
    board.start();
    board.pass(FRAME_NS / 2);
    board.soft_reset();
    board.pass(10 * FRAME_NS);
    assert_eq!(board.status(), 0);
    assert_eq!(board.output(), [0; 1536]);
    assert_eq!(board.engine.read(board.now, regs::MAP_LUT_ADDR), 0);
    board.close_bus();
    board.start();
    board.pass(FRAME_NS);
    assert_eq!(board.output(), picture());
}

#[test]
fn a_soft_reset_drops_a_start_that_waits_for_the_bus() {
    let mut board = Board::new("");
    board.program();
    board.pulse_start();
    board.soft_reset();
    board.open_bus();
    assert_eq!(board.status() & regs::INTERRUPT_BUSY, 0);
}

#[test]
fn memory_that_is_not_there_is_an_axi_error_that_only_a_reset_ends() {
    let mut board = Board::new("");
    board.program();
    board.write(regs::SRC_IMG_Y_BASE, 0);
    board.pulse_start();
    board.open_bus();
    board.pass(FRAME_NS);
    let error = 0xff00 | u32::from(regs::STATUS_AXI_RESP) | regs::INTERRUPT_BUSY;
    assert_eq!(board.status(), error);
    board.acknowledge();
    board.start();
    board.pass(FRAME_NS);
    assert_eq!(
        board.status(),
        0xff00 | regs::INTERRUPT_BUSY,
        "start without reset"
    );
    board.close_bus();
    board.soft_reset();
    board.start();
    board.pass(FRAME_NS);
    assert_eq!(board.status(), DONE);
}

#[test]
fn a_dropped_interrupt_writes_the_pixels_and_says_nothing() {
    let mut board = Board::new("drop-irq=1;timeout-cycles=50");
    board.start();
    board.pass(1_000 * FRAME_NS);
    assert_eq!(board.status(), 0xff00);
    assert_eq!(board.output(), picture());
    board.close_bus();
    board.start();
    board.pass(FRAME_NS);
    assert_eq!(board.status(), DONE);
}

#[test]
fn a_stalled_job_times_out_and_stays() {
    let mut board = Board::new("stall=1");
    board.start();
    board.pass(50_000_000);
    let expected = 0xff00 | u32::from(regs::STATUS_TIME_OUT) | regs::INTERRUPT_BUSY;
    assert_eq!(board.status(), expected);
    assert_eq!(board.output(), [0; 1536]);
}

#[test]
fn injected_errors_are_raised_instead_of_frame_done() {
    for (keys, status, written) in [
        ("error=0x84@1", 0x84 | 0xff00 | regs::INTERRUPT_BUSY, false),
        ("error=3@1", 3 | 0xff00, true),
        ("dma-fault=1", 4 | 0xff00 | regs::INTERRUPT_BUSY, false),
    ] {
        let mut board = Board::new(keys);
        board.start();
        board.pass(FRAME_NS);
        assert_eq!(board.status(), status, "{keys}");
        assert_eq!(board.output() == picture(), written, "{keys}");
    }
}

#[test]
fn a_spurious_interrupt_has_no_status_and_goes_by_itself() {
    let mut board = Board::new("spurious-irq=1;pixels-per-clock=0.1");
    board.start();
    board.pass(5 * FRAME_NS);
    assert!(board.engine.line());
    assert_eq!(board.status(), 0xff00 | regs::INTERRUPT_BUSY);
    board.pass(GLITCH_NS - 1);
    assert!(board.engine.line());
    assert_eq!(board.status(), 0xff00 | regs::INTERRUPT_BUSY);
    board.pass(1);
    assert!(!board.engine.line(), "looking again must not prolong it");
    board.pass(5 * FRAME_NS - GLITCH_NS);
    assert_eq!(board.status(), DONE);
}

#[test]
fn a_spurious_interrupt_that_nobody_sees_goes_too() {
    let mut board = Board::new("spurious-irq=1;pixels-per-clock=0.1");
    board.start();
    board.pass(5 * FRAME_NS + UNSEEN_GLITCH_NS - 1);
    board.write(regs::INTERRUPT_STATUS, 0xff00_ff00);
    assert!(board.engine.line());
    board.pass(1);
    assert!(!board.engine.line());
}
