// SPDX-License-Identifier: GPL-2.0

//! Tests unbinding at a random moment of a stream.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use super::client::Client;
use super::situations::Situation;
use super::state::State;

/// The seed of the moments.
const SEED: u64 = 0x5eed_0012;

/// The latest moment, microseconds after the stream's second frame. Some more frames
/// are processed until then.
const LATEST: u32 = 50_000;

/// Unbinds the device under two streams, so many times.
pub(super) fn unbind(times: u32) -> Result<()> {
    let mut random = XorShiftRng::seed_from_u64(SEED);
    let mut state = State::new()?;
    for round in 0..times {
        let delay = Duration::from_micros(u64::from(random.next_u32() % LATEST));
        once(&mut state, delay)
            .with_context(|| format!("round {round} of the seed {SEED:#x}, after {delay:?}"))?;
    }
    state.nothing_left()?;
    state.works()
}

fn once(state: &mut State, delay: Duration) -> Result<()> {
    let clients = [
        Client::start(&Situation::STREAM)?,
        Client::start(&Situation::STREAM)?,
    ];
    sleep(delay);
    state.unbind()?;
    clients.iter().for_each(Client::look);
    clients.into_iter().try_for_each(Client::ended)?;
    state.bind()
}
