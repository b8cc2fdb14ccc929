// SPDX-License-Identifier: GPL-2.0

use std::collections::BTreeMap;

use super::*;
use crate::matrix::{self, Extent};
use crate::record::{Said, Started};
use crate::sequence::tests::frame;

/// Returns the combination with that description.
fn combination(name: &str) -> Combination {
    matrix::combinations(Extent::Registers)
        .into_iter()
        .find(|combination| combination.to_string() == name)
        .unwrap_or_else(|| panic!("no combination {name}"))
}

/// Returns the record of this driver (or the C driver) for a combination, without a mistake.
fn record(combination: &Combination, of_c: bool) -> Record {
    let setting = &combination.setting;
    let (source, destination) = (setting.source, setting.destination);
    let wanted = combination.crop.wanted(source);
    let cropped = if of_c {
        crop::of_the_c_driver(wanted, source, destination)
    } else {
        Cropped {
            rect: crop::granted(wanted, source),
            scale: 0x80,
            roi: 0,
        }
    };
    let mut registers: BTreeMap<u32, u32> =
        registers::offsets().map(|offset| (offset, 0)).collect();
    let (source_luma, _) = setting.input.planes(source);
    let (luma, chroma) = setting.output.planes(destination);
    let size = |size: Size| size.height << 16 | size.width;
    let behind = |base: u32, luma: u32, two: bool| match two {
        true => base + 0x10_0000,
        false => base + (luma >> 4),
    };
    let (y, uv, y_size, uv_size);
    y = 0x800_0000;
    if setting.output.two_buffers() {
        (uv, y_size, uv_size) = (y + 0x10_0000, luma, chroma);
    } else if of_c {
        let all = luma + chroma;
        let half = if setting.output.halves_lines() { 2 } else { 1 };
        (uv, y_size, uv_size) = (y + (luma >> 4), all, all / half);
    } else if setting.output.packed() {
        (uv, y_size, uv_size) = (y, luma, luma);
    } else {
        (uv, y_size, uv_size) = (y + (luma >> 4), luma, chroma);
    }
    registers.extend([
        (0x04, 0x0081_00a3),
        (MAP_LUT_ADDR, 0x500_0000),
        (SRC_IMG_Y_BASE, 0x600_0000),
        (
            SRC_IMG_UV_BASE,
            behind(0x600_0000, source_luma, setting.input.two_buffers()),
        ),
        (SRC_IMG_SIZE, size(source)),
        (DST_IMG_Y_BASE, y),
        (DST_IMG_UV_BASE, uv),
        (DST_IMG_SIZE, size(destination)),
        (SCALE_FACTOR, cropped.scale),
        (ROI_START, cropped.roi),
        (0x6c, 0x8080),
        (0x70, 0xff00),
        (DST_IMG_Y_SIZE1, y_size >> 4),
        (DST_IMG_UV_SIZE1, uv_size >> 4),
    ]);
    let due = dues(combination);
    let at_start = |offset: u32| registers.get(&offset).copied().unwrap_or(0);
    let sequence = frame(of_c, 0, at_start);
    Record {
        said: Said {
            output: image(setting.input, source),
            capture: image(setting.output, destination),
            crop: Ok(cropped.rect),
            planes: None,
        },
        started: Started {
            registers,
            lut: Some(due[usize::from(of_c)].digest.clone()),
            status: 1,
            sequence,
        },
    }
}

/// Returns the verdict on two records after `spoil` changed them. A change of a register is also
/// made in its sequence.
fn judged(name: &str, spoil: impl Fn(&mut Record, &mut Record)) -> Verdict {
    let combination = combination(name);
    let (mut rust, mut c) = (record(&combination, false), record(&combination, true));
    spoil(&mut rust, &mut c);
    written(&mut rust, false);
    written(&mut c, true);
    Judge::default().judge(&combination, &rust, &c)
}

/// Replaces the accesses of a record by accesses that leave its registers behind.
fn written(record: &mut Record, of_c: bool) {
    let registers = &record.started.registers;
    let at_start = |offset: u32| registers.get(&offset).copied().unwrap_or(0);
    record.started.sequence = frame(of_c, 0, at_start);
}

fn faults(name: &str) -> Vec<u8> {
    let verdict = judged(name, |_, _| ());
    assert_eq!(verdict.complaints, [], "{name}");
    verdict.faults.iter().map(|fault| fault.number()).collect()
}

/// Returns whether a combination shows the difference in how the drivers crop.
fn crop_differs(name: &str) -> bool {
    let verdict = judged(name, |_, _| ());
    verdict.differences.contains(&Difference::CropInMap)
}

#[test]
fn differences_are_put_down_to_the_faults_that_make_them() {
    let vga = "nv12 640x480 -> nv12m 640x480";
    assert!(faults(&format!("{vga}, map identity, crop whole")).is_empty());
    assert!(faults(&format!("{vga}, map lens, crop odd shape")).is_empty());
    let one_buffer = "uyvy 640x480 -> yuyv 640x480, map turned, crop middle";
    assert_eq!(faults(one_buffer), [18]);
    let hd = "nv16 1920x1080 -> nv61m 1920x1080";
    assert_eq!(faults(&format!("{hd}, map identity, crop whole")), [13]);
    assert!(faults(&format!("{hd}, map lens, crop whole")).is_empty());
    let largest = "yuyv 4096x3072 -> nv16 4096x3072, map identity, crop middle";
    assert_eq!(faults(largest), [12, 18]);
    let stretched = "nv12 1280x720 -> nv21m 720x1280, map turned, crop middle";
    assert!(faults(stretched).is_empty());
}

#[test]
fn a_crop_is_a_difference_in_register_access_and_the_whole_source_is_none() {
    let vga = "nv12 640x480 -> nv12m 640x480, map lens";
    assert!(!crop_differs(&format!("{vga}, crop whole")));
    for crop in ["middle", "odd shape", "1x1 probe"] {
        assert!(crop_differs(&format!("{vga}, crop {crop}")), "{crop}");
    }
    // The smallest crop of the C driver's smallest source is the whole source, and this driver's is
    // not.
    let least = "nv12 176x144 -> nv12m 176x144, map identity, crop 1x1 probe";
    assert!(!crop_differs(least));
    assert!(faults(least).is_empty());
}

#[test]
fn a_wrong_bit_in_any_register_of_either_driver_is_told() {
    for name in [
        "nv12 640x480 -> nv12m 640x480, map identity, crop whole",
        "uyvy 640x480 -> yuyv 640x480, map lens, crop odd shape",
        "nv12m 1920x1080 -> nv16 640x360, map identity, crop middle",
    ] {
        let combination = combination(name);
        let right = [false, true].map(|of_c| record(&combination, of_c));
        let mut judge = Judge::default();
        let mut unseen = 0;
        for offset in registers::offsets() {
            for (bit, which) in (0..32).flat_map(|bit| [(bit, 0), (bit, 1)]) {
                let mut records = right.clone();
                let registers = &mut records[which].started.registers;
                *registers.get_mut(&offset).unwrap() ^= 1 << bit;
                written(&mut records[which], which == 1);
                let verdict = judge.judge(&combination, &records[0], &records[1]);
                if verdict.complaints.is_empty() {
                    // A buffer may be anywhere in memory: a wrong address shows only in its frame.
                    let base = [
                        MAP_LUT_ADDR,
                        SRC_IMG_Y_BASE,
                        SRC_IMG_UV_BASE,
                        DST_IMG_Y_BASE,
                        DST_IMG_UV_BASE,
                    ];
                    let base = base.contains(&offset);
                    assert!(base && bit >= 8, "{name}: {offset:#x} bit {bit}");
                    unseen += 1;
                }
            }
        }
        assert!(unseen < 5 * 2 * 20, "{name}: {unseen}");
    }
}

#[test]
fn a_complaint_names_the_register_both_values_and_the_combination() {
    let name = "nv12 640x480 -> nv12m 640x480, map identity, crop whole";
    let verdict = judged(name, |rust, _| {
        rust.started.registers.insert(0x58, 0x1000);
    });
    let what = format!("{name}: SWAP_CONTROL (0x58): rust 0x1000, c 0x0; due 0x0");
    assert_eq!(verdict.complaints[0], (Check::Registers, what));
    // The value was written, so the order of accesses shows it as well.
    assert_eq!(verdict.complaints[1].0, Check::Sequence);

    let name = "nv12 640x480 -> nv12 640x480, map identity, crop whole";
    let verdict = judged(name, |rust, _| {
        rust.started.registers.insert(DST_IMG_Y_SIZE1, 0x4b01);
    });
    let what =
        format!("{name}: DST_IMG_Y_SIZE1 (0x80): rust 0x4b01, c 0x7080; due 0x4b00 and 0x7080");
    assert_eq!(verdict.complaints, [(Check::Bounds, what)]);
}

#[test]
fn a_fault_does_not_excuse_another_value_than_its_own() {
    let check = |name: &str, spoil: &dyn Fn(&mut Record, &mut Record)| {
        let verdict = judged(name, spoil);
        assert_eq!(verdict.complaints.len(), 1, "{:?}", verdict.complaints);
        verdict.complaints[0].0
    };
    let name = "nv12 1920x1080 -> nv12 1920x1080, map identity, crop whole";
    // A wrong value that is not the C driver's is not explained by a fault, and neither is a right
    // value of the C driver.
    assert_eq!(
        check(name, &|rust, _| rust.started.lut = Some("other".to_owned())),
        Check::Maps
    );
    assert_eq!(
        check(name, &|rust, c| c.started.lut = rust.started.lut.clone()),
        Check::Maps
    );
    assert_eq!(check(name, &|_, c| c.started.lut = None), Check::Maps);
    let copy = |rust: &mut Record, c: &mut Record| {
        let size = rust.started.get(DST_IMG_Y_SIZE1);
        c.started.registers.insert(DST_IMG_Y_SIZE1, size);
    };
    assert_eq!(check(name, &copy), Check::Bounds);
    let name = "nv12 1280x720 -> nv21m 720x1280, map turned, crop middle";
    let by_heights = |_: &mut Record, c: &mut Record| {
        c.started.registers.insert(ROI_START, 320 << 16 | 180);
    };
    assert_eq!(check(name, &by_heights), Check::Crops);
    assert_eq!(
        check(name, &|_, c| c.said.crop = Ok(Rect(0, 0, 640, 360))),
        Check::Crops
    );
    assert_eq!(
        check(name, &|rust, _| rust.said.crop = Err("ENOTTY".to_owned())),
        Check::Crops
    );
}

#[test]
fn a_crop_that_is_not_the_one_asked_for_is_told_wherever_it_shows() {
    let name = "nv12 640x480 -> nv12m 640x480, map lens, crop odd shape";
    let told = |spoil: &dyn Fn(&mut Record)| {
        let verdict = judged(name, |rust, _| spoil(rust));
        let told = verdict.complaints.into_iter().map(|(check, _)| check);
        told.collect::<Vec<_>>()
    };
    assert_eq!(told(&|_| ()), []);
    // Both rectangles are wrong: one is moved to a corner, the other is the nearest that
    // SCALE_FACTOR can express.
    for rect in [Rect(0, 0, 397, 181), Rect(81, 63, 395, 296)] {
        assert_eq!(told(&|rust| rust.said.crop = Ok(rect)), [Check::Crops]);
    }
    // The driver at b8190af had the crop in the registers: they differ, and the order of accesses
    // does.
    let in_registers = |rust: &mut Record| {
        let cropped = [(SCALE_FACTOR, 79), (ROI_START, 63 << 16 | 81)];
        rust.started.registers.extend(cropped);
    };
    assert_eq!(told(&in_registers), [Check::Sequence, Check::Crops]);
}

#[test]
fn a_map_that_is_not_composed_or_composed_twice_or_rounded_down_is_told() {
    let name = "nv12 640x480 -> nv12m 640x480, map lens, crop odd shape";
    let combination = combination(name);
    let (source, destination) = (Size::new(640, 480), Size::new(640, 480));
    let crop = crop::granted(combination.crop.wanted(source), source);
    let plain = combination.map.words(source, destination).unwrap();
    let once = map::composed(&plain, crop, source);
    let twice = map::composed(&once, crop, source);
    let down = |v: u32, start: u32, length: u32, side: u32| v * length / side + 16 * start;
    let rounded_down = plain.iter().map(|word| {
        let x = down(word & 0xffff, crop.0, crop.2, source.width);
        down(word >> 16, crop.1, crop.3, source.height) << 16 | x
    });
    let rounded_down: Vec<u32> = rounded_down.collect();
    let told = |words: &[u32]| {
        let verdict = judged(name, |rust, _| {
            rust.started.lut = Some(map::digest(words));
        });
        verdict
            .complaints
            .into_iter()
            .map(|(check, _)| check)
            .collect::<Vec<_>>()
    };
    assert_eq!(told(&once), []);
    for wrong in [plain, twice, rounded_down] {
        assert_eq!(told(&wrong), [Check::Maps]);
    }
}

#[test]
fn an_access_that_no_difference_explains_is_told_with_the_combination() {
    let name = "nv12 640x480 -> nv12m 640x480, map identity, crop whole";
    let combination = combination(name);
    let [mut rust, c] = [false, true].map(|of_c| record(&combination, of_c));
    rust.started.sequence.swap(3, 4);
    let verdict = Judge::default().judge(&combination, &rust, &c);
    let [(Check::Sequence, what)] = &verdict.complaints[..] else {
        panic!("{:?}", verdict.complaints);
    };
    let due =
        format!("{name}: access 4 of 26: write ROI_START (0x68) 0x0, where write SCALE_FACTOR");
    assert!(what.starts_with(&due), "{what}");
    // The differences that were found are reported nevertheless.
    assert!(verdict.differences.contains(&Difference::ControlOnce));
}

/// Returns the verdict when the frames have these digests.
fn with_frames(name: &str, rust: &[String], c: &[String]) -> Verdict {
    judged(name, |of_rust, of_c| {
        of_rust.said.planes = Some(rust.to_vec());
        of_c.said.planes = Some(c.to_vec());
    })
}

#[test]
fn frames_must_be_equal_unless_a_fault_or_a_crop_changes_what_is_seen() {
    let [one, other] = ["one", "other"].map(|digest| [digest.to_owned()]);
    let one_buffer = "nv12 640x480 -> nv12 640x480, map identity, crop whole";
    let verdict = with_frames(one_buffer, &one, &one);
    assert!(verdict.frames_compared && verdict.complaints.is_empty());
    let verdict = with_frames(one_buffer, &one, &other);
    assert!(verdict.frames_compared && !verdict.frame_modelled);
    assert_eq!(verdict.complaints[0].0, Check::Frames);
    let verdict = judged(one_buffer, |_, _| ());
    assert!(!verdict.frames_compared && verdict.complaints.is_empty());
}

#[test]
fn a_frame_that_a_fault_or_a_crop_makes_another_must_be_the_models() {
    modelled("nv12m 184x152 -> nv21m 200x168, map identity, crop whole");
    modelled("nv12m 640x480 -> nv21m 640x480, map lens, crop odd shape");
    // For the C driver this crop is the whole source, with the same registers.
    modelled("nv12m 176x144 -> nv21m 176x144, map identity, crop 1x1 probe");
}

fn modelled(name: &str) {
    let combination = combination(name);
    let due = golden::planes(&combination).unwrap();
    let other = ["other".to_owned(), due[1].clone()];
    let verdict = with_frames(name, &due, &other);
    assert!(verdict.frame_modelled && !verdict.frames_compared);
    assert_eq!(verdict.complaints, []);
    // One plane or the other is wrong; the first case is the C driver's very frame.
    for wrong in [&other[..], &[due[0].clone(), due[0].clone()]] {
        let verdict = with_frames(name, wrong, &other);
        assert_eq!(verdict.complaints.len(), 1, "{:?}", verdict.complaints);
        assert_eq!(verdict.complaints[0].0, Check::Frames);
    }
}

#[test]
fn formats_ends_and_places_are_looked_at_too() {
    let name = "nv12 640x480 -> nv12m 640x480, map identity, crop whole";
    let first = |spoil: &dyn Fn(&mut Record)| {
        let verdict = judged(name, |_, c| spoil(c));
        verdict.complaints.first().map(|(check, _)| *check)
    };
    assert_eq!(first(&|_| ()), None);
    assert_eq!(
        first(&|c| c.said.capture.buffers[1].0 = 320),
        Some(Check::Formats)
    );
    assert_eq!(first(&|c| c.started.status = 2), Some(Check::Registers));
    assert_eq!(
        first(&|c| {
            c.started.registers.remove(&0x8c);
        }),
        Some(Check::Registers)
    );
    let place = |register, at| {
        move |c: &mut Record| {
            c.started.registers.insert(register, at);
        }
    };
    // The first two maps are outside of memory, the third overlaps the source.
    assert_eq!(first(&place(MAP_LUT_ADDR, 0)), Some(Check::Places));
    assert_eq!(first(&place(MAP_LUT_ADDR, 0xc00_0000)), Some(Check::Places));
    assert_eq!(first(&place(MAP_LUT_ADDR, 0x600_0100)), Some(Check::Places));
}
