// SPDX-License-Identifier: GPL-2.0

//! The tests of the driver's V4L2 interface.

mod buffer_memory;
mod buffers;
mod contexts;
mod controls;
mod debugfs;
mod dmabuf;
mod events;
mod flips;
mod formats;
mod hostile;
mod hostile_buffers;
mod hostile_queueing;
mod identity;
mod libcamera;
mod lifecycle;
mod log;
mod maps;
mod metadata;
mod power;
mod prefetch;
mod random;
mod request_end;
mod request_rules;
mod requests;
mod requests_and_maps;
mod selection;
mod selection_flags;
mod selection_maps;
mod selection_pixels;
mod statistics;
mod stride;
mod topology;
mod trace;
mod undisturbed;
mod vivid;

use crate::harness::{Choice, Test, becomes_true, fails, repeats, test};

/// Returns all tests. Those that need the buffers of the test driver vivid, or trace events,
/// are included only where these exist.
pub fn tests(choice: &Choice) -> impl Iterator<Item = &'static Test> {
    let when = |is: bool, tests: &'static [Test]| if is { tests } else { &[] };
    [
        formats::TESTS,
        log::TESTS,
        stride::TESTS,
        controls::TESTS,
        identity::TESTS,
        maps::TESTS,
        selection::TESTS,
        selection_flags::TESTS,
        selection_pixels::TESTS,
        selection_maps::TESTS,
        requests::TESTS,
        request_rules::TESTS,
        request_end::TESTS,
        requests_and_maps::TESTS,
        buffers::TESTS,
        buffer_memory::TESTS,
        metadata::TESTS,
        dmabuf::TESTS,
        when(choice.vivid, vivid::TESTS),
        events::TESTS,
        prefetch::TESTS,
        flips::TESTS,
        contexts::TESTS,
        topology::TESTS,
        libcamera::TESTS,
        debugfs::TESTS,
        statistics::TESTS,
        when(choice.trace, trace::TESTS),
        lifecycle::TESTS,
        hostile::TESTS,
        hostile_buffers::TESTS,
        hostile_queueing::TESTS,
        random::TESTS,
        power::TESTS,
    ]
    .into_iter()
    .flatten()
}

#[cfg(test)]
mod self_tests {
    use std::collections::HashSet;

    use super::*;
    use crate::{faults, held, lifetime, sleep};

    #[test]
    fn names_are_unique_and_without_the_colon_that_ends_them() {
        let mut seen = HashSet::new();
        let faults = faults::tests(false, true).chain(
            [(false, false), (true, false), (true, true)]
                .into_iter()
                .filter_map(|(full, debug)| faults::tests(full, debug).last()),
        );
        let all = Choice {
            vivid: true,
            trace: true,
            ..Choice::default()
        };
        for test in tests(&all)
            .chain(faults)
            .chain(lifetime::tests(false, false))
            .chain(faults::TIMED)
            .chain(sleep::TESTS)
            .chain(held::TESTS)
        {
            assert!(seen.insert(test.name), "twice: {}", test.name);
            assert!(!test.name.contains(':'), "{}", test.name);
            assert!(!test.name.contains('\''), "for the shell: {}", test.name);
        }
    }
}
