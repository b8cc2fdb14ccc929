// SPDX-License-Identifier: GPL-2.0

use super::*;

/// BUS_CTRL with the AXI master disabled.
const CLOSED: u32 = 0xe;

/// Returns the value of a register in a frame from NV12 to YUYV with swapped bytes.
fn value(offset: u32) -> u32 {
    match offset {
        DEWARP_CTRL => 0x0081_0063,
        SWAP_CONTROL => 0x0101,
        SCALE_FACTOR => 0x80,
        ROI_START => 0,
        BUS_CTRL => CLOSED,
        _ => 0x1000 + offset,
    }
}

/// Returns the accesses of a frame that is done, without a mistake. `value` returns the registers
/// at START.
pub fn frame(of_c: bool, resets: usize, value: impl Fn(u32) -> u32) -> Vec<Access> {
    let read = Access::read;
    let write = Access::write;
    let ctrl = value(DEWARP_CTRL) & !START;
    let swap = value(SWAP_CONTROL);
    let registers = |offsets: &[u32]| -> Vec<Access> {
        let pairs = offsets.iter().map(|&offset| write(offset, value(offset)));
        pairs.collect()
    };
    let source = registers(&[SRC_IMG_SIZE, 0x1c, SRC_IMG_Y_BASE, SRC_IMG_UV_BASE]);
    let destination = registers(&[
        DST_IMG_SIZE,
        0x44,
        DST_IMG_Y_BASE,
        DST_IMG_UV_BASE,
        DST_IMG_Y_SIZE1,
        DST_IMG_UV_SIZE1,
    ]);
    let crop = registers(&[0x6c, SCALE_FACTOR, ROI_START]);
    let map = registers(&[MAP_LUT_ADDR, 0x0c]);
    let closed = value(BUS_CTRL) & !AXI_MASTER;
    let open = closed | AXI_MASTER;
    let parts: Vec<Vec<Access>> = if of_c {
        let reset = [read(4, 0), write(4, 5), write(4, 1)];
        let (first, half) = (ctrl & !0xf0, ctrl & !0xc0);
        vec![
            reset.repeat(resets),
            vec![read(BUS_CTRL, closed), write(BUS_CTRL, closed)],
            vec![write(DEWARP_CTRL, first)],
            crop,
            vec![read(DEWARP_CTRL, first), write(DEWARP_CTRL, half)],
            vec![read(SWAP_CONTROL, 0), write(SWAP_CONTROL, swap & 0xff)],
            source,
            vec![read(DEWARP_CTRL, half), write(DEWARP_CTRL, ctrl)],
            vec![read(SWAP_CONTROL, swap & 0xff), write(SWAP_CONTROL, swap)],
            destination,
            map,
            vec![write(INTERRUPT_STATUS, ENABLE_ALL)],
            vec![read(DEWARP_CTRL, ctrl), write(DEWARP_CTRL, ctrl | START)],
            vec![write(DEWARP_CTRL, ctrl)],
            vec![read(BUS_CTRL, closed), write(BUS_CTRL, open)],
            vec![read(INTERRUPT_STATUS, 0xff01)],
            vec![write(INTERRUPT_STATUS, 0)],
            vec![read(BUS_CTRL, open), write(BUS_CTRL, closed)],
            vec![write(INTERRUPT_STATUS, 0x0300_0000)],
        ]
    } else {
        let reset = [
            read(BUS_CTRL, closed),
            write(BUS_CTRL, closed),
            read(BUS_CTRL, closed),
            read(4, 0),
            write(4, 5),
            read(4, 5),
            write(4, 1),
            read(4, 1),
            read(BUS_CTRL, closed),
            write(BUS_CTRL, closed),
            write(INTERRUPT_STATUS, ACKNOWLEDGE_ALL),
            read(INTERRUPT_STATUS, 0),
        ];
        vec![
            reset.repeat(resets),
            vec![write(BUS_CTRL, closed)],
            vec![write(DEWARP_CTRL, ctrl)],
            crop,
            source,
            vec![write(SWAP_CONTROL, swap)],
            destination,
            map,
            vec![write(INTERRUPT_STATUS, ACKNOWLEDGE_ALL)],
            vec![write(INTERRUPT_STATUS, ENABLE_ALL)],
            vec![write(DEWARP_CTRL, ctrl | START), write(DEWARP_CTRL, ctrl)],
            vec![write(BUS_CTRL, open)],
            vec![read(INTERRUPT_STATUS, 0xff01)],
            vec![write(BUS_CTRL, closed)],
            vec![write(INTERRUPT_STATUS, ACKNOWLEDGE_ALL)],
        ]
    };
    parts.concat()
}

fn ours() -> Vec<Access> {
    frame(false, 0, value)
}

fn theirs() -> Vec<Access> {
    frame(true, 0, value)
}

/// Returns the deviation that no difference explains.
fn check(rust: &[Access], c: &[Access]) -> Result<(), String> {
    compare(rust, c).1
}

fn place(frame: &[Access], access: Access) -> usize {
    frame.iter().position(|other| *other == access).unwrap()
}

#[test]
fn both_sequences_have_the_accesses_that_are_known() {
    let count = |frame: &[Access]| {
        let writes = frame.iter().filter(|access| access.write).count();
        (frame.len() - writes, writes)
    };
    // The C driver's counts were measured.
    assert_eq!(count(&theirs()), (9, 28));
    assert_eq!(count(&ours()), (1, 25));
}

#[test]
fn a_frame_without_a_mistake_differs_as_listed_and_no_more() {
    let (found, explained) = compare(&ours(), &theirs());
    assert_eq!(explained, Ok(()));
    let numbers: Vec<u8> = found.iter().map(|found| found.number()).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6, 7]);

    // The first frame of a stream, after the resets of a power-up and of probe.
    let [mut rust, c] = [false, true].map(|of_c| frame(of_c, 2, value));
    rust.insert(0, Access::read(DEWARP_ID, 0));
    let (found, explained) = compare(&rust, &c);
    assert_eq!(explained, Ok(()));
    assert!(found.contains(&Difference::Reset));

    let cropped = |offset| match offset {
        SCALE_FACTOR => 64,
        ROI_START => 9,
        _ => value(offset),
    };
    let (found, explained) = compare(&ours(), &frame(true, 0, cropped));
    assert_eq!(explained, Ok(()));
    assert!(found.contains(&Difference::CropInMap));
}

#[test]
fn an_access_too_few_or_twice_is_told_wherever_it_is() {
    for place in 0..ours().len() {
        let mut frame = ours();
        let access = frame.remove(place);
        let why = check(&frame, &theirs()).unwrap_err();
        assert!(why.contains("is due"), "without {access}: {why}");

        let mut frame = ours();
        frame.insert(place, access);
        assert!(check(&frame, &theirs()).is_err(), "{access} twice");
    }
    // The same for the C driver: a difference is not found, or explains less than the deviation.
    for place in 0..theirs().len() {
        let mut frame = theirs();
        let access = frame.remove(place);
        assert!(check(&ours(), &frame).is_err(), "c without {access}");
    }
}

#[test]
fn two_accesses_in_the_wrong_order_are_told_wherever_they_are() {
    for place in 1..ours().len() {
        let mut frame = ours();
        frame.swap(place - 1, place);
        let (a, b) = (frame[place - 1], frame[place]);
        assert!(check(&frame, &theirs()).is_err(), "{a}, then {b}");
    }
}

#[test]
fn a_wrong_bit_of_a_value_that_both_share_is_told() {
    for place in 0..ours().len() {
        for bit in 0..32 {
            let mut frame = ours();
            frame[place].value ^= 1 << bit;
            if check(&frame, &theirs()).is_ok() {
                let own = [0x08, 0x10, 0x14, 0x38, 0x3c, 0x80, 0x84];
                assert!(own.contains(&frame[place].offset), "{}", frame[place]);
                // Another check reports that the written value is not in the register.
                assert!(consistent(&frame, value).is_err());
            }
        }
    }
    assert_eq!(consistent(&ours(), value), Ok(()));
    assert_eq!(consistent(&theirs(), value), Ok(()));
}

#[test]
fn the_sequences_that_no_known_driver_uses_are_told() {
    let refused = |change: &dyn Fn(&mut Vec<Access>)| {
        let mut frame = ours();
        change(&mut frame);
        check(&frame, &theirs()).unwrap_err()
    };
    // The driver at b8190af acknowledged and enabled events in one write.
    let why = refused(&|frame| {
        let enable = place(frame, Access::write(INTERRUPT_STATUS, ENABLE_ALL));
        frame.remove(enable);
        frame[enable - 1].value = 0xff00_ff00;
    });
    assert_eq!(
        why,
        "access 19 of 25: write INTERRUPT_STATUS (0x70) 0xff00ff00, where write INTERRUPT_STATUS \
         (0x70) 0xff000000 is due"
    );
    // The formats are written together with START.
    let why = refused(&|frame| {
        frame.remove(1);
    });
    assert!(
        why.starts_with("access 2 of 25: write BOUNDARY_PIXEL"),
        "{why}"
    );
    // The map is written first.
    let why = refused(&|frame| frame[1..18].rotate_right(2));
    assert!(
        why.starts_with("access 2 of 26: write MAP_LUT_ADDR"),
        "{why}"
    );
    // The bus is open when the frame is started.
    let why = refused(&|frame| {
        let open = place(frame, Access::write(BUS_CTRL, CLOSED | AXI_MASTER));
        frame[open - 2..=open].rotate_right(1);
    });
    assert!(why.contains("write BUS_CTRL (0x74) 0x8000000e"), "{why}");
    // The bus is closed after the acknowledgement.
    let why = refused(&|frame| {
        let last = frame.len() - 1;
        frame.swap(last - 1, last);
    });
    assert!(why.starts_with("access 25 of 26"), "{why}");
}

#[test]
fn more_accesses_than_a_frame_may_have_are_told_as_such() {
    let mut frame = ours();
    frame.insert(24, Access::read(INTERRUPT_STATUS, 0x1_ff01));
    let why = check(&frame, &theirs()).unwrap_err();
    assert_eq!(why, "2 reads and 25 writes, where 1 and 25 are allowed");
    let mut frame = ours();
    frame.insert(1, Access::write(SCALE_FACTOR, 0x80));
    let why = check(&frame, &theirs()).unwrap_err();
    assert_eq!(why, "1 reads and 26 writes, where 1 and 25 are allowed");
}

#[test]
fn a_reset_that_is_not_as_listed_is_no_reset() {
    let [rust, c] = [false, true].map(|of_c| frame(of_c, 1, value));
    for place in 0..OUR_RESET.len() {
        let mut without = rust.clone();
        without.remove(place);
        assert!(check(&without, &c).is_err(), "without {}", rust[place]);
    }
    // SOFT_RESET is written with the bus open.
    let mut open = rust.clone();
    open[1].value |= AXI_MASTER;
    let why = check(&open, &c).unwrap_err();
    assert_eq!(why, "0 resets before the frame, and 1 of c");
    // This driver has no reset where the C driver has one, and more than it has; the C driver may
    // have more at probe.
    let [rust_twice, c_twice] = [false, true].map(|of_c| frame(of_c, 2, value));
    assert!(check(&ours(), &c).is_err());
    assert!(check(&rust, &theirs()).is_err());
    assert!(check(&rust_twice, &c).is_err());
    assert!(check(&rust, &c_twice).is_ok());
}
