// SPDX-License-Identifier: GPL-2.0
//! Tests what each world changes, register by register, beside the default. Worlds
//! of the soft reset are in `resets`, those of pixels in the files that compute
//! them.

use super::*;

/// Returns what `seen` returns for a new board in the default model, and in a
/// world.
fn both<T>(world: &str, seen: impl Fn(&mut Board) -> T) -> [T; 2] {
    ["default", world].map(|world| seen(&mut Board::new(&format!("world={world}"))))
}

const BUSY: u32 = 0xff00 | regs::INTERRUPT_BUSY;
const TIME_OUT: u32 = regs::STATUS_TIME_OUT as u32;

#[test]
fn clear_bits_act_once_or_for_as_long_as_they_are_set() {
    let seen = both("int-clr-held", |board| {
        board.program();
        board.write(regs::INTERRUPT_STATUS, 0xff00_ff00);
        board.pulse_start();
        board.open_bus();
        board.pass(FRAME_NS);
        let written_with_clear = (board.status(), board.engine.line());
        board.soft_reset();
        board.close_bus();
        board.program();
        board.write(regs::INTERRUPT_STATUS, 0xff00_0000);
        board.write(regs::INTERRUPT_STATUS, 0x0000_ff00);
        board.pulse_start();
        board.open_bus();
        board.pass(FRAME_NS);
        (
            written_with_clear,
            board.status(),
            board.output() == picture(),
        )
    });
    assert_eq!(seen[0], ((DONE, true), DONE, true));
    assert_eq!(seen[1], ((0xff00, false), DONE, true));
}

#[test]
fn a_held_clear_bit_hides_the_time_out_and_its_release_starts_the_counter_over() {
    let mut board = Board::new("world=int-clr-held;timeout-cycles=50");
    board.open_bus();
    board.write(regs::INTERRUPT_STATUS, 0x0200_ff00);
    board.pass(1_000);
    assert_eq!((board.status(), board.engine.deadline()), (0xff00, None));
    board.write(regs::INTERRUPT_STATUS, 0xff00);
    board.pass(99);
    assert_eq!(board.status(), 0xff00);
    board.pass(1);
    assert_eq!(board.status(), 0xff00 | TIME_OUT);
}

#[test]
fn control_counts_with_the_start_or_before_it() {
    let seen = both("ctrl-before-start", |board| {
        board.program();
        let before = board.engine.read(board.now, regs::CTRL);
        let other = regs::CTRL_ENABLE | 1 << 4 | 1 << 6;
        board.write(regs::CTRL, other | regs::CTRL_START);
        board.write(regs::CTRL, other);
        board.open_bus();
        let latched = board.engine.job.as_ref().unwrap().regs.get(regs::CTRL);
        (before, latched)
    });
    let other = regs::CTRL_ENABLE | 1 << 4 | 1 << 6;
    assert_eq!(seen[0].1, other);
    assert_eq!(seen[1].1, seen[1].0);
}

#[test]
fn enable_may_have_to_come_before_the_start() {
    let seen = both("ctrl-before-start", |board| {
        board.program();
        let ctrl = board.engine.read(board.now, regs::CTRL);
        board.write(regs::CTRL, ctrl & !regs::CTRL_ENABLE);
        board.write(regs::CTRL, ctrl | regs::CTRL_START);
        board.write(regs::CTRL, ctrl);
        board.open_bus();
        let at_once = board.status();
        board.pulse_start();
        (at_once, board.status())
    });
    assert_eq!(seen[0], (BUSY, BUSY));
    assert_eq!(seen[1], (0xff00, BUSY));
}

#[test]
fn the_map_may_arm_the_destination_as_it_stands() {
    let seen = both("lut-arms-destination", |board| {
        board.program();
        let before: Vec<u32> = regs::DESTINATION.map(|o| board.engine.regs.get(o)).into();
        board.write(regs::MAP_LUT_ADDR, (MAP >> 4) as u32);
        for offset in regs::DESTINATION {
            board.write(offset, board.engine.regs.get(offset) + 1);
        }
        let ctrl = board.engine.read(board.now, regs::CTRL);
        board.write(regs::CTRL, ctrl ^ 3 << 6);
        board.pulse_start();
        board.open_bus();
        let latched = &board.engine.job.as_ref().unwrap().regs;
        let moved = regs::DESTINATION.map(|offset| latched.get(offset));
        let moved: Vec<u32> = moved.iter().zip(&before).map(|(a, b)| a - b).collect();
        (moved, latched.get(regs::CTRL) == ctrl)
    });
    assert_eq!(seen[0], (vec![1; 6], false));
    assert_eq!(seen[1], (vec![0; 6], true));
}

#[test]
fn a_map_that_arms_nothing_else_leaves_the_last_frames_destination() {
    let seen = both("lut-arms-destination", |board| {
        board.start();
        board.pass(FRAME_NS);
        board.acknowledge();
        let elsewhere = DESTINATION + 0x800;
        board.write(regs::MAP_LUT_ADDR, (MAP >> 4) as u32);
        board.write(regs::DST_IMG_Y_BASE, (elsewhere >> 4) as u32);
        board.write(regs::DST_IMG_UV_BASE, ((elsewhere + 1024) >> 4) as u32);
        board.pulse_start();
        board.open_bus();
        board.pass(FRAME_NS);
        board.ram.slice(elsewhere, 1536).unwrap() == picture()
    });
    assert_eq!(seen, [true, false]);
}

#[test]
fn a_start_may_be_lost_with_the_bus_open() {
    let seen = both("start-needs-closed-bus", |board| {
        board.program();
        board.open_bus();
        board.pulse_start();
        let open = board.status();
        board.close_bus();
        board.pulse_start();
        board.open_bus();
        (open, board.status())
    });
    assert_eq!(seen, [(BUSY, BUSY), (0xff00, BUSY)]);
}

#[test]
fn the_time_out_may_count_while_a_frame_runs() {
    let seen = both("time-out-in-frame", |board| {
        board.program();
        board.write(regs::BUS_TIME_OUT_CYCLE, 50);
        board.pulse_start();
        board.write(regs::BUS_CTRL, BUS_OPEN | regs::BUS_TIME_OUT_OVERRIDE);
        board.pass(99);
        let before = board.status();
        board.pass(1);
        let after = board.status();
        board.pass(FRAME_NS - 100);
        (before, after, board.status(), board.output() == picture())
    });
    assert_eq!(seen[0], (BUSY, BUSY, DONE, true));
    assert_eq!(seen[1], (BUSY, BUSY | TIME_OUT, DONE | TIME_OUT, true));
}

#[test]
fn frame_done_may_come_with_a_time_out() {
    let seen = both("done-with-time-out", |board| {
        board.start();
        board.pass(FRAME_NS);
        board.status()
    });
    assert_eq!(seen, [DONE, DONE | TIME_OUT]);
}

#[test]
fn bytes_beyond_the_size_are_dropped_or_wrap() {
    let seen = both("size-wraps", |board| {
        board.program();
        board.write(regs::DST_IMG_Y_SIZE1, 512 >> 4);
        board.pulse_start();
        board.open_bus();
        board.pass(FRAME_NS);
        board.output()[..1024].to_vec()
    });
    let luma = picture();
    let [dropped, wrapped] = seen;
    assert_eq!(
        (&dropped[..512], &dropped[512..]),
        (&luma[..512], &[0; 512][..])
    );
    assert_eq!(
        (&wrapped[..512], &wrapped[512..]),
        (&luma[512..1024], &[0; 512][..])
    );
}

#[test]
fn a_write_may_take_its_time_and_a_read_waits_for_it() {
    let seen = both("late-writes", |board| {
        board.start();
        board.pass(FRAME_NS + 3_000);
        assert!(board.engine.line());
        board.write(regs::INTERRUPT_STATUS, 0xff00_0000);
        let at_once = board.engine.line();
        board.pass(2_999);
        let before = board.engine.line();
        board.pass(1);
        let after = board.engine.line();
        board.write(regs::BOUNDARY_PIXEL, 7);
        let unread = board.engine.regs.get(regs::BOUNDARY_PIXEL);
        let read = board.engine.read(board.now, regs::BOUNDARY_PIXEL);
        ((at_once, before, after), (unread, read))
    });
    assert_eq!(seen[0], ((false, false, false), (7, 7)));
    assert_eq!(seen[1], ((true, true, false), (0, 7)));
}

#[test]
fn late_writes_are_recorded_in_the_order_in_which_they_were_made() {
    let frames = ["default", "late-writes"].map(|world| {
        let mut board = Board::new(&format!("world={world}"));
        for _ in 0..2 {
            board.start();
            board.pass(FRAME_NS + 5_000);
            board.status();
            board.acknowledge();
            board.pass(5_000);
        }
        board.engine.close_trace();
        board.engine.take_frames()
    });
    let [at_once, late] = &frames;
    assert_eq!((at_once.len(), late.len()), (2, 2));
    for (a, b) in at_once.iter().zip(late) {
        assert_eq!((&a.sequence, &a.regs), (&b.sequence, &b.regs));
        assert_eq!((a.reads, a.writes), (b.reads, b.writes));
    }
    let took = |frame: &Frame| frame.gate_ns.unwrap() - frame.irq_ns.unwrap();
    assert!(took(&late[0]) > 0);
}

#[test]
fn low_addresses_reach_what_lies_below() {
    let seen = both("low-addresses", |board| {
        board.program();
        for offset in [
            regs::SRC_IMG_Y_BASE,
            regs::DST_IMG_Y_BASE,
            regs::MAP_LUT_ADDR,
        ] {
            board.write(offset, board.engine.regs.get(offset) | 1 << 28);
        }
        board.pulse_start();
        board.open_bus();
        board.pass(FRAME_NS);
        (board.status() & 0xff, board.output() == picture())
    });
    assert_eq!(seen, [(4, false), (1, true)]);
}

#[test]
fn a_slow_engine_takes_four_times_as_long() {
    let mut board = Board::new("world=slow");
    board.start();
    board.pass(4 * FRAME_NS - 1);
    assert_eq!(board.status(), BUSY);
    board.pass(1);
    assert_eq!(board.status(), DONE);
}

#[test]
fn a_mask_lowers_the_line_or_keeps_it() {
    let seen = both("mask-keeps-line", |board| {
        board.program();
        board.write(regs::INTERRUPT_STATUS, 0xfe00);
        board.pulse_start();
        board.open_bus();
        board.pass(FRAME_NS);
        let masked_before = board.engine.line();
        board.write(regs::INTERRUPT_STATUS, 0x0100);
        let enabled = board.engine.line();
        board.write(regs::INTERRUPT_STATUS, 0);
        let masked_after = board.engine.line();
        board.write(regs::INTERRUPT_STATUS, 0x0100_0000);
        (masked_before, enabled, masked_after, board.engine.line())
    });
    assert_eq!(
        seen,
        [(false, true, false, false), (false, true, true, false)]
    );
}

#[test]
fn the_last_bytes_may_come_after_frame_done_and_are_lost_behind_a_gate() {
    let whole = both("burst-at-done", |board| {
        board.start();
        board.pass(FRAME_NS);
        let done = (board.status(), board.output() == picture());
        board.pass(999);
        let before = board.status();
        board.pass(1);
        (done, before, board.status(), board.output() == picture())
    });
    let busy = DONE | regs::INTERRUPT_BUSY;
    assert_eq!(whole[0], ((DONE, true), DONE, DONE, true));
    assert_eq!(whole[1], ((busy, false), busy, DONE, true));

    let cut = both("burst-at-done", |board| {
        board.start();
        board.pass(FRAME_NS + 999);
        board.close_bus();
        board.pass(10_000);
        let status = board.status();
        let output = board.output();
        let same = |range: std::ops::Range<usize>| output[range.clone()] == picture()[range];
        let lost = |range: std::ops::Range<usize>| output[range].iter().all(|&byte| byte == 0);
        let kept = same(0..1024 - 256) && same(1024..1536 - 256);
        (
            status,
            kept,
            lost(1024 - 256..1024) && lost(1536 - 256..1536),
        )
    });
    assert_eq!(cut, [(DONE, true, false), (DONE, true, true)]);
}

#[test]
fn last_bytes_that_are_due_are_not_lost_to_a_late_timer() {
    let mut board = Board::new("world=burst-at-done");
    board.start();
    board.pass(FRAME_NS);
    for (wait_ns, landed) in [(999, false), (1, true)] {
        board.now += wait_ns;
        board.engine.land_burst(board.now, &mut board.ram);
        assert_eq!(board.status() == DONE, landed);
        assert_eq!(board.output() == picture(), landed);
    }
}

#[test]
fn an_error_may_end_the_job() {
    let seen = both("error-ends", |board| {
        board.engine.configure("error=0x04@1").unwrap();
        board.start();
        board.pass(FRAME_NS);
        let failed = board.status();
        board.acknowledge();
        board.start();
        board.pass(FRAME_NS);
        (failed, board.status())
    });
    assert_eq!(seen, [(BUSY | 4, BUSY), (0xff00 | 4, DONE)]);
}

#[test]
fn traversal_gives_every_map_its_pixels_or_not() {
    let seen = both("traversal-differs", |board| {
        // The last block's columns spread over 17 pixels.
        board
            .ram
            .write(MAP + 4, &(15 * 16u32).to_le_bytes())
            .unwrap();
        board.program();
        let ctrl = board.engine.read(board.now, regs::CTRL);
        board.write(regs::CTRL, ctrl & !regs::CTRL_PREFETCH);
        board.pulse_start();
        board.open_bus();
        board.pass(FRAME_NS / 4);
        (board.status(), board.output()[16..32] == [0; 16])
    });
    assert_eq!(seen, [(DONE, false), (DONE, true)]);
}

#[test]
fn worlds_combine_and_survive_power_on_reset() {
    let mut board = Board::new("world=slow;world=done-with-time-out");
    board.engine.reset();
    board.start();
    board.pass(4 * FRAME_NS - 1);
    assert_eq!(board.status(), BUSY);
    board.pass(1);
    assert_eq!(board.status(), DONE | TIME_OUT);
    for byte in b"world=default\n" {
        board.engine.mailbox_write(0, *byte).unwrap();
    }
    board.acknowledge();
    board.start();
    board.pass(FRAME_NS);
    assert_eq!(board.status(), DONE);
}
