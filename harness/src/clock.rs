//! The one place where time enters.
//!
//! Everything that is recorded uses CLOCK_MONOTONIC, which all namespaces of a machine share, so that the
//! real-time order between brokers' faults and clients' calls is known. Wall-clock time is for names of
//! folders, for people, and for the timestamps of records: Kafka deletes what is older than a log's retention.

use history::ids::Nanos;

/// CLOCK_MONOTONIC now.
pub fn now() -> Nanos {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC)
        .unwrap_or_else(|error| panic!("CLOCK_MONOTONIC cannot be read: {error}"));
    let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec()).unwrap_or(0);
    Nanos(seconds * 1_000_000_000 + nanos)
}

/// Wall-clock time in milliseconds since 1970, as in the timestamp of a record.
pub fn wall_ms() -> i64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_REALTIME)
        .unwrap_or_else(|error| panic!("CLOCK_REALTIME cannot be read: {error}"));
    time.tv_sec() * 1_000 + time.tv_nsec() / 1_000_000
}
