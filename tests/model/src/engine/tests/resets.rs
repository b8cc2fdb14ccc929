// SPDX-License-Identifier: GPL-2.0
//! Tests the worlds of the soft reset, each beside the default.

use super::*;

const HELD: u32 = regs::CTRL_ENABLE | regs::CTRL_SOFT_RESET;

/// Returns whether the bus hangs: no write has an effect.
fn hangs(board: &mut Board) -> bool {
    board.write(regs::SCALE_FACTOR, 0x55);
    board.engine.read(board.now, regs::SCALE_FACTOR) != 0x55
}

/// Returns whether a frame that is programmed and started as usual is
/// completed.
fn streams(board: &mut Board) -> bool {
    board.close_bus();
    board.ram.slice(DESTINATION, 1536).unwrap().fill(0);
    board.start();
    board.pass(FRAME_NS);
    board.status() == DONE && board.output() == picture()
}

#[test]
fn a_reset_with_the_bus_open_may_hang_it_until_power_on() {
    let mut board = Board::new("");
    board.open_bus();
    board.soft_reset();
    assert!(!hangs(&mut board) && streams(&mut board));

    let mut board = Board::new("world=reset-open-bus-hangs");
    board.soft_reset();
    assert!(!hangs(&mut board) && streams(&mut board), "closed bus");
    board.open_bus();
    board.start();
    board.soft_reset();
    assert!(hangs(&mut board));
    assert_eq!(
        board.engine.read(board.now, regs::CTRL),
        HELD,
        "reads go on"
    );
    board.pass(1_000_000_000);
    assert_ne!(
        board.status() & regs::INTERRUPT_BUSY,
        0,
        "the job never ends"
    );
    assert_eq!(board.status() & 0xff, 0);
    assert!(!board.engine.line());
    assert!(!streams(&mut board));
    board.engine.reset();
    assert!(!hangs(&mut board) && streams(&mut board));
    board.open_bus();
    board.soft_reset();
    assert!(hangs(&mut board), "power-on reset keeps the world");
}

#[test]
fn a_reset_right_after_the_gate_may_hang_the_bus() {
    let hangs_after = |world: &str, keys: &str, run_ns: i64, wait_ns: i64| {
        let mut board = Board::new(&format!("world={world};{keys}"));
        board.start();
        board.pass(run_ns);
        board.close_bus();
        board.pass(wait_ns);
        board.soft_reset();
        hangs(&mut board)
    };
    let world = "reset-in-flight-hangs";
    for (keys, run_ns) in [
        ("", FRAME_NS / 2),
        ("stall=1", 1_000),
        ("error=4@1", FRAME_NS),
    ] {
        assert!(!hangs_after("default", keys, run_ns, 0), "{keys}");
        assert!(hangs_after(world, keys, run_ns, 0), "{keys}");
        assert!(hangs_after(world, keys, run_ns, 49_999), "{keys}");
        assert!(!hangs_after(world, keys, run_ns, 50_000), "{keys}");
    }
    assert!(!hangs_after(world, "", FRAME_NS, 0), "no job");
    assert!(
        !hangs_after(world, "world=error-ends;error=4@1", FRAME_NS, 0),
        "no job"
    );
    assert!(
        hangs_after(world, "world=burst-at-done", FRAME_NS, 0),
        "last bytes"
    );
}

#[test]
fn a_reset_of_a_job_with_the_bus_open_is_in_flight() {
    let mut board = Board::new("world=reset-in-flight-hangs");
    board.open_bus();
    board.soft_reset();
    assert!(!hangs(&mut board), "no job");
    board.start();
    board.soft_reset();
    assert!(hangs(&mut board));
}

#[test]
fn a_gate_that_opens_again_forgets_what_was_in_flight() {
    let mut board = Board::new("world=reset-in-flight-hangs");
    board.start();
    board.close_bus();
    board.open_bus();
    board.pass(FRAME_NS);
    board.close_bus();
    board.soft_reset();
    assert!(!hangs(&mut board));
}

#[test]
fn a_reset_may_have_to_be_held() {
    for (world, held_ns, resets) in [
        ("default", 0, true),
        ("reset-needs-time", 0, false),
        ("reset-needs-time", 999, false),
        ("reset-needs-time", 1_000, true),
    ] {
        let mut board = Board::new(&format!("world={world};stall=1"));
        board.start();
        board.close_bus();
        board.write(regs::CTRL, HELD);
        board.pass(held_ns);
        board.write(regs::CTRL, regs::CTRL_ENABLE);
        board.pass(1_000);
        let busy = board.status() & regs::INTERRUPT_BUSY != 0;
        assert_eq!(busy, !resets, "{world} {held_ns}");
        assert_eq!(streams(&mut board), resets, "{world} {held_ns}");
    }
}

#[test]
fn a_reset_that_is_held_takes_effect_in_its_time() {
    let mut board = Board::new("world=reset-needs-time;stall=1");
    board.start();
    board.close_bus();
    board.write(regs::CTRL, HELD);
    assert_ne!(board.status() & regs::INTERRUPT_BUSY, 0);
    assert_eq!(board.engine.deadline(), Some(board.now + 1_000));
    board.pass(1_000);
    assert_eq!(board.status(), 0);
    board.pass(1_000);
    board.write(regs::CTRL, regs::CTRL_ENABLE);
    assert!(streams(&mut board));
}

#[test]
fn writes_right_after_a_reset_may_be_lost() {
    for (world, after_ns, kept) in [
        ("default", 0, true),
        ("reset-needs-time", 0, false),
        ("reset-needs-time", 999, false),
        ("reset-needs-time", 1_000, true),
    ] {
        let mut board = Board::new(&format!("world={world}"));
        board.write(regs::CTRL, HELD);
        board.pass(after_ns);
        board.write(regs::BOUNDARY_PIXEL, 7);
        board.write(regs::BUS_CTRL, 5);
        board.write(regs::INTERRUPT_STATUS, 0xff00);
        board.write(regs::CTRL, regs::CTRL_ENABLE | 1 << 4);
        let found = [
            regs::BOUNDARY_PIXEL,
            regs::BUS_CTRL,
            regs::INTERRUPT_STATUS,
            regs::CTRL,
        ]
        .map(|offset| board.engine.read(board.now, offset));
        let expected = match kept {
            true => [7, 5, 0xff00, regs::CTRL_ENABLE | 1 << 4],
            false => [0, regs::OUTSTANDING_READS, 0, regs::CTRL_ENABLE],
        };
        assert_eq!(found, expected, "{world} {after_ns}");
    }
}

#[test]
fn a_reset_clears_the_frame_registers_or_keeps_them() {
    for (world, kept) in [("default", 0), ("reset-keeps-registers", 128)] {
        let mut board = Board::new(&format!("world={world}"));
        board.program();
        board.soft_reset();
        assert_eq!(board.engine.read(board.now, regs::SCALE_FACTOR), kept);
        assert_eq!(board.status(), 0, "the enables go in either");
        board.write(regs::INTERRUPT_STATUS, 0xff00);
        board.pulse_start();
        board.open_bus();
        board.pass(FRAME_NS);
        assert_ne!(
            board.status() & regs::INTERRUPT_BUSY,
            0,
            "the map is to be given anew"
        );
    }
}

#[test]
fn bus_control_may_read_zero_right_after_a_reset() {
    for (world, late) in [("default", false), ("bus-ctrl-late", true)] {
        let mut board = Board::new(&format!("world={world}"));
        let bus = |board: &mut Board| board.engine.read(board.now, regs::BUS_CTRL);
        assert_eq!(bus(&mut board), 14, "power-on");
        board.write(regs::CTRL, HELD);
        board.pass(1_999);
        board.write(regs::CTRL, regs::CTRL_ENABLE);
        assert_eq!(bus(&mut board), if late { 0 } else { 14 });
        board.pass(1);
        assert_eq!(bus(&mut board), 14);
    }
}

#[test]
fn a_frame_with_two_outstanding_reads_takes_eight_times_as_long() {
    let mut board = Board::new("");
    board.program();
    board.pulse_start();
    board.write(regs::BUS_CTRL, regs::BUS_AXI_MASTER_ENABLE);
    board.pass(8 * FRAME_NS - 1);
    assert_ne!(board.status() & regs::INTERRUPT_BUSY, 0);
    board.pass(1);
    assert_eq!(board.status(), DONE);
    assert_eq!(board.output(), picture());
}
