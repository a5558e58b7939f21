//! The delivery stage: between the log and the consumers of a group.
//!
//! Kept as data so that reference, reports and `list` say the same. The example of each is judged by a test: it
//! must be found in it.

use super::{Anomaly, Entry, Source, Stage};

/// `undelivered`.
pub(super) static UNDELIVERED: Entry = Entry {
    anomaly: Anomaly::Undelivered,
    name: "undelivered",
    stage: Stage::Delivery,
    definition: "In the committed log and never handed over to processing by any member of the group, although the group drained past it.",
    example: include_str!("../../tests/vectors/undelivered/smallest.history"),
    brings: &[],
    cause: "A position is committed before its records are processed and the member dies in between; a reset to the latest offset skips what lies before it.",
    permitted_by: "committing before processing; auto-commit with the position stored at hand-over (librdkafka's enable.auto.offset.store=true); auto.offset.reset=latest",
    change: "commit after processing (enable.auto.commit=false, or enable.auto.offset.store=false); auto.offset.reset=earliest",
    source: Source::Definition("the complement of delivery: at-least-once is its absence"),
};

/// `redelivered`.
pub(super) static REDELIVERED: Entry = Entry {
    anomaly: Anomaly::Redelivered,
    name: "redelivered",
    stage: Stage::Delivery,
    definition: "Handed over to processing by the group more than once, by its cause: crash before commit, rebalance, rewind, or unexplained.",
    example: include_str!("../../tests/vectors/redelivered/smallest.history"),
    brings: &[],
    cause: "A member dies or loses its partitions after it processed records and before their positions are committed.",
    permitted_by: "committing after processing, or auto-commit by interval",
    change: "accept it and make the effect idempotent; or commit before processing, which gives up at-least-once",
    source: Source::Definition("the complement of at-most-once delivery"),
};

/// `poll-skip`.
pub(super) static POLL_SKIP: Entry = Entry {
    anomaly: Anomaly::PollSkip,
    name: "poll-skip",
    stage: Stage::Delivery,
    definition: "Within one assignment of one process, the next polled offset leaves out a record that exists.",
    example: include_str!("../../tests/vectors/poll-skip/smallest.history"),
    brings: &[Anomaly::Undelivered],
    cause: "A position was out of range and was reset; a client bug in fetch session or leader-epoch handling.",
    permitted_by: "auto.offset.reset=latest after a truncation or expired data",
    change: "auto.offset.reset=none makes it an error that the application sees",
    source: Source::Jepsen("poll-skip"),
};

/// `nonmonotonic-poll`.
pub(super) static NONMONOTONIC_POLL: Entry = Entry {
    anomaly: Anomaly::NonmonotonicPoll,
    name: "nonmonotonic-poll",
    stage: Stage::Delivery,
    definition: "Within one assignment of one process, and without a seek, a poll goes back to an offset that was already passed.",
    example: include_str!("../../tests/vectors/nonmonotonic-poll/smallest.history"),
    brings: &[Anomaly::Redelivered],
    cause: "A truncated log and a reset position; a rebalance that the application was not told of.",
    permitted_by: "auto.offset.reset=earliest after a truncation",
    change: "forbid the truncation (see lost-write); auto.offset.reset=none makes it an error that the application sees",
    source: Source::Jepsen("nonmonotonic-poll"),
};

/// `offset-regression`.
pub(super) static OFFSET_REGRESSION: Entry = Entry {
    anomaly: Anomaly::OffsetRegression,
    name: "offset-regression",
    stage: Stage::Delivery,
    definition: "A committed position, once acknowledged, is later read back lower without a commit of the lower one in between: the register (group, log) is not linearizable.",
    example: include_str!("../../tests/vectors/offset-regression/smallest.history"),
    brings: &[Anomaly::Redelivered],
    cause: "The coordinator failed over to a replica of __consumer_offsets without the commit; committed offsets expired.",
    permitted_by: "offsets.topic.replication.factor=1; min.insync.replicas=1 on the brokers",
    change: "offsets.topic.replication.factor=3 and min.insync.replicas=2 on the brokers",
    source: Source::Definition("linearizability of a register, Herlihy and Wing 1990"),
};
