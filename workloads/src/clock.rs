//! The workers' clock: CLOCK_MONOTONIC, which every process of a run shares, whatever its namespaces.

#![expect(clippy::disallowed_methods, reason = "shell: a client that takes time to process a record waits")]

use std::time::Duration;

use history::ids::Nanos;
use nix::time::{ClockId, clock_gettime};

/// CLOCK_MONOTONIC now.
pub(crate) fn now() -> Nanos {
    let time = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .unwrap_or_else(|error| panic!("CLOCK_MONOTONIC cannot be read: {error}"));
    let part = |part: i64| u64::try_from(part).unwrap_or_default();
    Nanos(part(time.tv_sec()) * 1_000_000_000 + part(time.tv_nsec()))
}

/// Wall-clock time in milliseconds since 1970, as an application stamps what it stores.
pub(crate) fn wall_ms() -> i64 {
    let time = clock_gettime(ClockId::CLOCK_REALTIME)
        .unwrap_or_else(|error| panic!("CLOCK_REALTIME cannot be read: {error}"));
    time.tv_sec() * 1000 + time.tv_nsec() / 1_000_000
}

/// Waits, as processing a record does.
pub(crate) fn wait(time: Duration) {
    std::thread::sleep(time);
}
