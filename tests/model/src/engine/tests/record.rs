// SPDX-License-Identifier: GPL-2.0
//! Tests what the engine keeps beyond one access: trace, reset, saved state.

use super::*;

#[test]
fn the_trace_tells_a_frame_from_start_to_next_start() {
    let mut board = Board::new("");
    board.start();
    let started = board.now;
    board.pass(FRAME_NS + 100);
    board.write(regs::INTERRUPT_STATUS, 0);
    board.pass(20);
    board.close_bus();
    board.pass(30);
    board.write(regs::INTERRUPT_STATUS, 0x0100_0000);
    board.pass(40);
    assert!(board.engine.take_frames().is_empty());
    board.program();
    board.pulse_start();
    let frames = board.engine.take_frames();
    let [frame] = frames.as_slice() else {
        panic!("{frames:?}");
    };
    let done = started + FRAME_NS;
    assert_eq!(frame.frame, 1);
    assert_eq!(frame.irq_ns, Some(done));
    assert_eq!(frame.gate_ns, Some(done + 120));
    assert_eq!(frame.ack_ns, Some(done + 150));
    assert_eq!(frame.next_start_ns, Some(done + 190));
    assert_eq!(frame.status, 1);
    assert_eq!((frame.reads, frame.writes), (1, 15 + 2 + 1 + 3));
    assert_eq!(frame.regs["0x18"], 32 << 16 | 32);
    assert_eq!(frame.regs["0x04"] & regs::CTRL_START, regs::CTRL_START);
    assert_eq!(frame.regs.len(), 36);
}

/// Returns a frame's record and the bytes that it left in memory.
fn recorded(keys: &str) -> (Frame, Vec<u8>) {
    let mut board = Board::new(keys);
    board.start();
    board.pass(FRAME_NS + 10);
    board.acknowledge();
    board.engine.close_trace();
    let frame = board.engine.take_frames().remove(0);
    (frame, board.output())
}

#[test]
fn the_trace_tells_which_map_was_fetched() {
    let words = identity_map(SIDE, SIDE);
    let map: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let (frame, _) = recorded("");
    assert_eq!(frame.lut, Some(crate::trace::digest(&map)));
    // The digest as sha256sum prints it.
    let known = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881";
    assert_eq!(crate::trace::digest(b"x"), known);
    let (frame, _) = recorded("stall=1");
    assert_eq!(frame.lut, None);
}

#[test]
fn without_pixels_a_frame_differs_in_nothing_but_the_picture() {
    let (with, written) = recorded("");
    let (without, left_alone) = recorded("pixels=off");
    assert_eq!(with, without);
    assert_eq!(written, picture());
    assert_eq!(left_alone, [0; 1536]);
    assert_eq!(recorded("pixels=off;pixels=on").1, picture());
}

#[test]
fn without_pixels_a_map_that_is_not_there_is_a_bus_error_all_the_same() {
    let mut board = Board::new("pixels=off");
    board.program();
    board.write(regs::MAP_LUT_ADDR, 0x100);
    board.pulse_start();
    board.open_bus();
    board.pass(FRAME_NS);
    let status = board.status();
    assert_eq!(
        status & 0xff,
        u32::from(regs::STATUS_AXI_RESP),
        "{status:#x}"
    );
}

#[test]
fn power_on_reset_ends_the_record_and_forgets_the_job() {
    let mut board = Board::new("stall=2");
    board.start();
    board.engine.reset();
    assert_eq!(board.engine.take_frames().len(), 1);
    assert_eq!(board.status(), 0);
    board.start();
    board.pass(1_000);
    assert_eq!(
        board.engine.deadline(),
        Some(board.now - 1_000 + 50_000_000),
        "keys survive"
    );
}

#[test]
fn a_bus_closed_before_the_interrupt_is_no_gate() {
    let mut board = Board::new("");
    board.start();
    board.close_bus();
    board.open_bus();
    board.pass(FRAME_NS + 10);
    board.close_bus();
    board.engine.close_trace();
    let frame = board.engine.take_frames().remove(0);
    assert_eq!(frame.gate_ns, Some(board.now));
    assert_eq!((frame.irq_ns, frame.ack_ns), (Some(board.now - 10), None));
}

#[test]
fn a_snapshot_holds_a_spurious_interrupt() {
    let mut board = Board::new("spurious-irq=1");
    board.start();
    board.pass(FRAME_NS / 2);
    assert!(board.engine.line());
    let saved = serde_json::to_vec(&board.engine).unwrap();
    let copy: Engine = serde_json::from_slice(&saved).unwrap();
    assert_eq!(copy, board.engine);
}
