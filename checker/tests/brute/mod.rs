//! Random damaged histories, and what is wrong with them by definition.

pub(crate) mod definition;
pub(crate) mod random;

/// What a run of many cases must have met.
pub(crate) const EXPECTED: &[&str] = &[
    "lost-write",
    "unseen",
    "duplicate-write",
    "phantom",
    "corrupt",
    "misrouted",
    "inconsistent-offsets",
    "reordered-write",
    "realtime-inversion",
    "stale-end",
    "undelivered",
    "redelivered",
    "redelivered: crash-before-commit",
    "redelivered: rebalance",
    "redelivered: rewind",
    "redelivered: unexplained",
    "poll-skip",
    "nonmonotonic-poll",
    "aborted-read",
    "recovered",
    "absent",
    "failed present",
    "expired",
    "not drained",
];
