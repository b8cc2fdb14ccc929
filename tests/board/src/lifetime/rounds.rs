// SPDX-License-Identifier: GPL-2.0

//! Rounds of the lifetime tests: clients hold something, the device is unbound, and bound again.

use std::thread::{self, sleep};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use rand_core::{RngCore, SeedableRng};
use rand_xorshift::XorShiftRng;

use super::client::Client;
use super::situations::Situation;
use super::state::State;
use crate::harness::{becomes_true, slow_kernel};

/// The order in which the device is unbound and bound and the clients end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Action {
    /// The device is unbound; the clients check their objects and close them; it is bound.
    Unbind,
    /// The device is unbound and bound; the clients check the old one and close.
    Rebind,
    /// The device is unbound, its module stays; the clients check and close, and the module is
    /// unloaded.
    Unload,
    /// The clients exit; the device is unbound and bound.
    CloseBefore,
    /// The device is unbound; the clients exit; it is bound.
    CloseAfter,
    /// The clients are killed at some moment around unbinding; the device is bound.
    Kill,
}

impl Action {
    /// All actions.
    pub(super) const ALL: [Self; 6] = [
        Self::Unbind,
        Self::Rebind,
        Self::Unload,
        Self::CloseBefore,
        Self::CloseAfter,
        Self::Kill,
    ];
}

/// The seed of the moments at which clients are killed.
const SEED: u64 = 0x5eed_0011;

/// Runs an action with every situation at once, so many times.
pub(super) fn together(action: Action, times: u32) -> Result<()> {
    many(&Situation::ALL, action, times)
}

/// Runs an action with one situation, so many times. For situations without an open file of the
/// nodes the module has its own test.
pub(super) fn alone(situation: &'static Situation, action: Action, times: u32) -> Result<()> {
    if action == Action::Unload && !situation.opens_a_node {
        return Ok(());
    }
    many(&[situation], action, times)
}

fn many(situations: &[&'static Situation], action: Action, times: u32) -> Result<()> {
    let mut rounds = Rounds::new()?;
    (0..times).try_for_each(|round| {
        let passed = rounds.pass(situations, action);
        passed.with_context(|| format!("{action:?} in round {round}"))
    })
}

/// Whether the module can be unloaded while an object is held that is no file of its nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Module {
    /// The module can be unloaded.
    Goes,
    /// The module is in use as long as the object is held.
    Stays,
}

/// Unbinds the device, and unloads its module or is refused that, while the situation's object is
/// held; and unloads it when nothing is held any more.
pub(super) fn without_the_module(
    situation: &'static Situation,
    due: Module,
    times: u32,
) -> Result<()> {
    let mut state = State::new()?;
    for _ in 0..times {
        let client = Client::start(situation)?;
        if due == Module::Stays {
            let refused = !state.unload()?;
            ensure!(refused, "rmmod unbound the device under {}", situation.name);
        }
        state.unbind()?;
        // The device's nodes are closed now, and nothing else may keep the module.
        let gone = unloads(&state)?;
        // This is before the client uses what may be freed.
        match due {
            Module::Goes => ensure!(gone, "rmmod failed, and nothing of the module is held"),
            Module::Stays => ensure!(!gone, "rmmod succeeded under {}", situation.name),
        }
        client.look();
        client.ended()?;
        ensure!(gone || unloads(&state)?, "the module stays for ever");
        state.nothing_left()?;
        state.load()?;
        state.works()?;
    }
    Ok(())
}

/// Returns whether the module can be unloaded within some time: a separate thread detects that it
/// is not used any more, and with `DEBUG_KOBJECT_RELEASE` that is seconds late.
fn unloads(state: &State) -> Result<bool> {
    let patience = Duration::from_secs(if slow_kernel() { 8 } else { 3 });
    becomes_true(patience, || state.unload())
}

/// The device, and a source of random moments.
struct Rounds {
    state: State,
    random: XorShiftRng,
}

impl Rounds {
    fn new() -> Result<Self> {
        Ok(Self {
            state: State::new()?,
            random: XorShiftRng::seed_from_u64(SEED),
        })
    }

    fn pass(&mut self, situations: &[&'static Situation], action: Action) -> Result<()> {
        let clients = situations
            .iter()
            .map(|situation| Client::start(situation))
            .collect::<Result<Vec<_>>>()?;
        let state = &mut self.state;
        if situations.iter().any(|situation| situation.has_buffers) {
            let mapped = state.mapped()?;
            ensure!(
                mapped.is_none_or(|mapped| !mapped.is_empty()),
                "the DMA API knows nothing of the buffers that are there"
            );
        }
        match action {
            Action::Unbind => {
                state.unbind()?;
                look(clients)?;
                state.bind()?;
            }
            Action::Rebind => {
                state.unbind()?;
                state.bind()?;
                state.works().context("while the old one is held")?;
                look(clients)?;
            }
            Action::Unload => {
                state.unbind()?;
                ensure!(!state.unload()?, "rmmod succeeded under open files");
                look(clients)?;
                ensure!(unloads(state)?, "rmmod failed after all was closed");
                state.load()?;
            }
            Action::CloseBefore => {
                go(clients)?;
                state.unbind()?;
                state.bind()?;
            }
            Action::CloseAfter => {
                state.unbind()?;
                go(clients)?;
                state.bind()?;
            }
            Action::Kill => {
                let delay = Duration::from_micros(u64::from(self.random.next_u32() % 20_000));
                thread::scope(|scope| {
                    let unbinding = scope.spawn(|| state.unbind());
                    sleep(delay);
                    clients.iter().try_for_each(Client::kill)?;
                    let end = unbinding.join();
                    end.map_err(|_| anyhow!("the thread that unbinds panicked"))?
                })
                .with_context(|| format!("killed after {delay:?} of the seed {SEED:#x}"))?;
                clients.into_iter().try_for_each(Client::died)?;
                state.bind()?;
            }
        }
        state.nothing_left()?;
        state.works()
    }
}

/// Tells all clients to check what they hold, at the same time.
fn look(clients: Vec<Client>) -> Result<()> {
    clients.iter().for_each(Client::look);
    clients.into_iter().try_for_each(Client::ended)
}

/// Tells all clients to exit.
fn go(clients: Vec<Client>) -> Result<()> {
    clients.iter().for_each(Client::go);
    clients.into_iter().try_for_each(Client::ended)
}
