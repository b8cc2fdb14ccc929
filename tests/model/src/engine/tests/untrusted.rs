// SPDX-License-Identifier: GPL-2.0
//! Tests the engine with register accesses that no driver would make.

use proptest::prelude::*;

use super::*;
use crate::memory::BusError;

/// Memory without any address: each access is a bus error.
struct Nothing;

impl Memory for Nothing {
    fn read(&mut self, address: u64, _: &mut [u8]) -> Result<(), BusError> {
        Err(BusError { address })
    }

    fn write(&mut self, address: u64, _: &[u8]) -> Result<(), BusError> {
        Err(BusError { address })
    }
}

/// One access by software, or the passing of time.
#[derive(Clone, Debug)]
enum Step {
    Read(u64),
    Write(u64, u32),
    Start,
    Pass(i64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let offset = prop_oneof![
        8 => (0u64..40).prop_map(|i| i * 4),
        1 => any::<u64>(),
    ];
    let hot = prop::sample::select(vec![regs::CTRL, regs::BUS_CTRL, regs::INTERRUPT_STATUS]);
    // Sides stay small: this tests the paths through the engine, not the
    // pixels.
    let word = any::<u32>().prop_map(|word| word & 0xffe0_ffe0 | word & 0x001f_001f);
    prop::collection::vec(
        prop_oneof![
            1 => offset.clone().prop_map(Step::Read),
            4 => (offset, word).prop_map(|(offset, word)| Step::Write(offset, word)),
            4 => (hot, any::<u32>()).prop_map(|(offset, word)| Step::Write(offset, word)),
            2 => Just(Step::Start),
            3 => prop_oneof![0i64..3_000, 0i64..100_000].prop_map(Step::Pass),
        ],
        0..60,
    )
}

/// Generates the keys of any set of worlds.
fn worlds() -> impl Strategy<Value = String> {
    let some = prop::collection::vec(prop::sample::select(World::ALL.to_vec()), 0..6);
    some.prop_map(|worlds| {
        worlds
            .iter()
            .map(|world| format!("world={};", world.name()))
            .collect()
    })
}

fn apply(engine: &mut Engine, now: &mut i64, step: &Step, memory: &mut impl Memory) -> u32 {
    match *step {
        Step::Read(offset) => return engine.read(*now, offset),
        Step::Write(offset, value) => engine.write(*now, offset, value),
        Step::Start => {
            for (offset, value) in [
                (regs::SRC_IMG_SIZE, 16 << 16 | 16),
                (regs::DST_IMG_SIZE, 16 << 16 | 16),
                (regs::MAP_LUT_ADDR, 1),
                (regs::MAP_LUT_SIZE, 2 << 16 | 2),
                (regs::CTRL, regs::CTRL_ENABLE),
                (regs::CTRL, regs::CTRL_ENABLE | regs::CTRL_START),
                (regs::BUS_CTRL, regs::BUS_AXI_MASTER_ENABLE),
            ] {
                engine.write(*now, offset, value);
            }
        }
        Step::Pass(ns) => {
            *now += ns;
            engine.tick(*now, memory);
        }
    }
    u32::from(engine.line())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_sequence_of_accesses_panics_or_leaves_a_deadline_in_the_past(
        steps in steps(),
        worlds in worlds(),
    ) {
        let (mut engine, mut now) = (Engine::default(), 0);
        engine.configure(&worlds).unwrap();
        engine.configure("spurious-irq=every:2;drop-irq=every:3;error=5@every:5").unwrap();
        for step in &steps {
            apply(&mut engine, &mut now, step, &mut Nothing);
            for _ in 0..3 {
                engine.tick(now, &mut Nothing);
            }
            prop_assert!(engine.deadline().is_none_or(|at| at > now));
        }
    }

    #[test]
    fn a_saved_engine_goes_on_as_if_nothing_had_been(
        steps in steps(),
        cut in 0usize..60,
        worlds in worlds(),
    ) {
        let mut ram = Ram::new(0, 0x1000);
        let (mut engine, mut now) = (Engine::default(), 0);
        engine.configure(&worlds).unwrap();
        engine.configure("spurious-irq=every:2;stall=every:3;pixels-per-clock=0.3").unwrap();
        let (before, after) = steps.split_at(cut.min(steps.len()));
        for step in before {
            apply(&mut engine, &mut now, step, &mut ram);
        }
        let saved = serde_json::to_vec(&engine).unwrap();
        let mut copy: Engine = serde_json::from_slice(&saved).unwrap();
        prop_assert_eq!(&copy, &engine);
        let mut copy_now = now;
        for step in after {
            let expected = apply(&mut engine, &mut now, step, &mut ram);
            prop_assert_eq!(apply(&mut copy, &mut copy_now, step, &mut ram), expected);
            prop_assert_eq!(copy.deadline(), engine.deadline());
        }
    }
}
