// SPDX-License-Identifier: GPL-2.0

//! Tests objects that outlive the device, or its driver: whatever a program holds when the device
//! is unbound, its calls return that the device is gone, no thread waits for it, and nothing of it
//! is left when everything is closed. Clients in other processes hold these objects.

mod client;
pub(crate) mod closing;
mod random;
mod requests;
mod rounds;
pub(crate) mod situations;
mod state;

use crate::harness::{Test, test};
use rounds::{Action, Module, alone, without_the_module};
use situations::Situation;

use crate::v4l2::{Device, Which};

/// The watchdog time, milliseconds: it is long enough to unbind the device before a frame times
/// out.
pub const WATCHDOG_MS: u32 = 250;

/// Returns all tests; with `full`, everything is repeated twenty times. A debug kernel, which is
/// slow, then repeats all situations together as often, and each single one once. Without `full`
/// it tests no single situation, and of all together only the actions that end with unbinding,
/// killing or unloading.
pub fn tests(full: bool, debug: bool) -> impl Iterator<Item = &'static Test> {
    static TOGETHER: [&[Test]; 2] = [&at_once::<false>(), &at_once::<true>()];
    static GENTLY: [&[Test]; 2] = [&gently::<false>(), &gently::<true>()];
    static ALONE: [&[Test]; 2] = [&each_alone::<false>(), &each_alone::<true>()];
    let many = usize::from(full);
    let rest: [&[Test]; 2] = match (full, debug) {
        (false, true) => [&[], &[]],
        (true, true) => [GENTLY[1], ALONE[0]],
        (_, false) => [GENTLY[many], ALONE[many]],
    };
    TOGETHER[many].iter().chain(rest.into_iter().flatten())
}

/// Returns how often something is repeated.
const fn times<const FULL: bool>(plain: u32, full: u32) -> u32 {
    if FULL { full } else { plain }
}

/// Runs an action with every situation at once.
fn together<const FULL: bool>(action: Action) -> anyhow::Result<()> {
    rounds::together(action, times::<FULL>(1, 20))
}

/// Runs one action, or every one of them, with one situation.
fn one<const FULL: bool>(situation: &'static Situation) -> anyhow::Result<()> {
    if FULL {
        Action::ALL
            .into_iter()
            .try_for_each(|action| alone(situation, action, 20))
    } else {
        alone(situation, Action::Unbind, 1)
    }
}

/// Unloads the module while it is held by one situation, and after it.
fn stays<const FULL: bool>(situation: &'static Situation) -> anyhow::Result<()> {
    without_the_module(situation, Module::Stays, times::<FULL>(1, 20))
}

/// Closes a request with a map, and the file whose map it is, at the same time.
fn closed_together(rounds: u32) -> anyhow::Result<()> {
    let device = Device::open()?;
    let map = device.map(Which::Current)?;
    closing::at_the_same_time(rounds, &device, |device, request| {
        Ok(device.set_map(Which::Request(request), &map)?)
    })
}

const fn at_once<const FULL: bool>() -> [Test; 11] {
    [
        test("unbinding under every situation at once", || {
            together::<FULL>(Action::Unbind)
        }),
        test("killing every client around unbinding", || {
            together::<FULL>(Action::Kill)
        }),
        test(
            "the module stays while a file is open and goes after",
            || rounds::together(Action::Unload, times::<FULL>(1, 20)),
        ),
        test(
            "the module goes when the only open file is closed after unbinding",
            || alone(&Situation::IDLE, Action::Unload, times::<FULL>(1, 20)),
        ),
        test("unbinding at a random moment of a stream", || {
            random::unbind(times::<FULL>(8, 200))
        }),
        test(
            "a request is closed when its device and all other files are gone",
            requests::closed_last,
        ),
        test(
            "a request can be polled and queued when its device and all other files are gone",
            requests::used_last,
        ),
        test("a request and its file are closed at the same time", || {
            closed_together(times::<FULL>(400, 6000))
        }),
        test(
            "the module stays while a request is open and goes after",
            || stays::<FULL>(&Situation::LONE_REQUEST),
        ),
        test(
            "the module stays while a debugfs file with text is open and goes after",
            || stays::<FULL>(&Situation::DEBUGFS_TEXT),
        ),
        test(
            "the module stays while a debugfs file with a number is open and goes after",
            || stays::<FULL>(&Situation::DEBUGFS_NUMBER),
        ),
    ]
}

const fn gently<const FULL: bool>() -> [Test; 4] {
    [
        test("binding again under every situation at once", || {
            together::<FULL>(Action::Rebind)
        }),
        test("a dma-buf outlives the module", || {
            without_the_module(&Situation::DMA_BUF, Module::Goes, times::<FULL>(1, 20))
        }),
        test("closing everything before unbinding", || {
            together::<FULL>(Action::CloseBefore)
        }),
        test("closing everything after unbinding without a word", || {
            together::<FULL>(Action::CloseAfter)
        }),
    ]
}

const fn each_alone<const FULL: bool>() -> [Test; 13] {
    [
        test("an idle open file", || one::<FULL>(&Situation::IDLE)),
        test("a stream", || one::<FULL>(&Situation::STREAM)),
        test("a thread that waits in DQBUF", || {
            one::<FULL>(&Situation::DQBUF)
        }),
        test("a thread that waits in poll", || {
            one::<FULL>(&Situation::POLL)
        }),
        test("a frame whose interrupt does not come", || {
            one::<FULL>(&Situation::STALL)
        }),
        test("a mapping whose file is closed", || {
            one::<FULL>(&Situation::MAPPING)
        }),
        test("an exported dma-buf", || one::<FULL>(&Situation::DMA_BUF)),
        test("an exported dma-buf of an open file", || {
            one::<FULL>(&Situation::SHARED)
        }),
        test("a request that is not queued", || {
            one::<FULL>(&Situation::REQUEST)
        }),
        test("a request that is queued", || {
            one::<FULL>(&Situation::QUEUED_REQUEST)
        }),
        test("an open media device", || one::<FULL>(&Situation::MEDIA)),
        test("an open debugfs file with text", || {
            one::<FULL>(&Situation::DEBUGFS_TEXT)
        }),
        test("an open debugfs file with a number", || {
            one::<FULL>(&Situation::DEBUGFS_NUMBER)
        }),
    ]
}
