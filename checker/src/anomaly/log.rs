//! The log stage: between the application's send and the partition's log.
//!
//! Kept as data so that reference, reports and `list` say the same. The example of each is judged by a test: it
//! must be found in it.

use super::{Anomaly, Entry, Source, Stage};

/// `lost-write`.
pub(super) static LOST_WRITE: Entry = Entry {
    anomaly: Anomaly::LostWrite,
    name: "lost-write",
    stage: Stage::Log,
    definition: "A record that must have committed (acknowledged; or of unknown outcome and read by a committed read) and is not in its log at the end: an independent final read reached the end offset without it or, without a complete final read, it lies at or below a position that somebody read, and nobody read it.",
    example: include_str!("../../tests/vectors/lost-write/smallest.history"),
    brings: &[Anomaly::InconsistentOffsets],
    cause: "A leader that had acknowledged alone dies or is cut off, a follower without the tail is elected and the old leader truncates; an unclean election; a power cut of all copies before they reach the disk; with acks=0 anything that breaks the connection.",
    permitted_by: "acks=0 or acks=1; min.insync.replicas=1 with the in-sync set shrunk to one; unclean.leader.election.enable=true",
    change: "acks=all with min.insync.replicas=2 on three replicas and unclean.leader.election.enable=false",
    source: Source::Jepsen("lost-write"),
};

/// `unseen`.
pub(super) static UNSEEN: Entry = Entry {
    anomaly: Anomaly::Unseen,
    name: "unseen",
    stage: Stage::Log,
    definition: "Acknowledged, above every position that was read, while the final read is incomplete. Evidence is missing: the verdict is unknown, neither valid nor invalid.",
    example: include_str!("../../tests/vectors/unseen/smallest.history"),
    brings: &[],
    cause: "The independent reader was cut off before the end of the log, or a partition had no leader at the end of the run.",
    permitted_by: "none: the run ended too early",
    change: "let the run heal and drain until the final read reaches every end offset",
    source: Source::Jepsen("unseen"),
};

/// `duplicate-write`.
pub(super) static DUPLICATE_WRITE: Entry = Entry {
    anomaly: Anomaly::DuplicateWrite,
    name: "duplicate-write",
    stage: Stage::Log,
    definition: "One value at two or more offsets, of one log or of two.",
    example: include_str!("../../tests/vectors/duplicate-write/smallest.history"),
    brings: &[Anomaly::Redelivered],
    cause: "An acknowledgement is lost on the way back (connection cut, time-out, leader killed after the append) and the client sends the batch again.",
    permitted_by: "retries without enable.idempotence (librdkafka's default)",
    change: "enable.idempotence=true; across restarts of the producer, transactions",
    source: Source::Jepsen("duplicate"),
};

/// `phantom`.
pub(super) static PHANTOM: Entry = Entry {
    anomaly: Anomaly::Phantom,
    name: "phantom",
    stage: Stage::Log,
    definition: "A record whose value was never sent: a payload that is not this run's, or a value that no process invoked a send of.",
    example: include_str!("../../tests/vectors/phantom/smallest.history"),
    brings: &[],
    cause: "Another producer on the same topic, data left by an earlier run, or a broker that serves foreign bytes.",
    permitted_by: "none: no configuration permits it",
    change: "keep other producers off the topic; otherwise report a bug",
    source: Source::Definition("integrity of total-order broadcast: what is delivered was sent"),
};

/// `corrupt`.
pub(super) static CORRUPT: Entry = Entry {
    anomaly: Anomaly::Corrupt,
    name: "corrupt",
    stage: Stage::Log,
    definition: "A record of this run whose checksum does not match its payload.",
    example: include_str!("../../tests/vectors/corrupt/smallest.history"),
    brings: &[],
    cause: "Bytes changed on a disk or a wire behind the record batch's own checksum, or a faulty codec.",
    permitted_by: "none: no configuration permits it (check.crcs=false hides it from a consumer)",
    change: "find the faulty hardware or codec; check.crcs=true lets consumers notice",
    source: Source::Definition("the payload's checksum, made by the producer, does not match"),
};

/// `misrouted`.
pub(super) static MISROUTED: Entry = Entry {
    anomaly: Anomaly::Misrouted,
    name: "misrouted",
    stage: Stage::Log,
    definition: "A record, intact, in another topic or partition than it was sent to.",
    example: include_str!("../../tests/vectors/misrouted/smallest.history"),
    brings: &[],
    cause: "A client or proxy that mixes up connections or topic ids; partitions recreated under a client's feet.",
    permitted_by: "none: no configuration permits it",
    change: "report a bug, with the witness",
    source: Source::Definition("the payload names the log it was meant for"),
};

/// `inconsistent-offsets`.
pub(super) static INCONSISTENT_OFFSETS: Entry = Entry {
    anomaly: Anomaly::InconsistentOffsets,
    name: "inconsistent-offsets",
    stage: Stage::Log,
    definition: "One offset of one log seen with two different values: in acknowledgements, in reads, or between them.",
    example: include_str!("../../tests/vectors/inconsistent-offsets/smallest.history"),
    brings: &[],
    cause: "A log was truncated after its tail had been acknowledged or read, and the offsets were given to other records; or two brokers both believed to lead.",
    permitted_by: "the settings that permit lost-write: acks=1, unclean.leader.election.enable=true, min.insync.replicas=1",
    change: "acks=all with min.insync.replicas=2 and unclean.leader.election.enable=false",
    source: Source::Jepsen("inconsistent-offsets"),
};

/// `reordered-write`.
pub(super) static REORDERED_WRITE: Entry = Entry {
    anomaly: Anomaly::ReorderedWrite,
    name: "reordered-write",
    stage: Stage::Log,
    definition: "One process sent a before b to one log, both are in the log, and a has the larger offset.",
    example: include_str!("../../tests/vectors/reordered-write/smallest.history"),
    brings: &[],
    cause: "A request fails and is sent again after a later one, which was in flight at the same time, has been appended.",
    permitted_by: "max.in.flight.requests.per.connection above 1 without enable.idempotence",
    change: "enable.idempotence=true, or max.in.flight.requests.per.connection=1",
    source: Source::Jepsen("nonmonotonic-send"),
};

/// `realtime-inversion`.
pub(super) static REALTIME_INVERSION: Entry = Entry {
    anomaly: Anomaly::RealtimeInversion,
    name: "realtime-inversion",
    stage: Stage::Log,
    definition: "Record a was acknowledged (or, where its outcome is unknown, polled) before the send of b was invoked, by any processes; both are in one log, and a has the larger offset: the log is not linearizable.",
    example: include_str!("../../tests/vectors/realtime-inversion/smallest.history"),
    brings: &[],
    cause: "The application hands a record to an asynchronous client and the record waits there or is sent again, while a later one overtakes it; or a stale leader accepted a write.",
    permitted_by: "asynchronous sends with retries and more than one request in flight; acks below all",
    change: "enable.idempotence=true and acks=all",
    source: Source::Definition("linearizability of an append-only register, Herlihy and Wing 1990"),
};

/// `stale-end`.
pub(super) static STALE_END: Entry = Entry {
    anomaly: Anomaly::StaleEnd,
    name: "stale-end",
    stage: Stage::Log,
    definition: "An end offset that ignores an append acknowledged, or a record polled, before it was asked for, or that goes back in real time.",
    example: include_str!("../../tests/vectors/stale-end/smallest.history"),
    brings: &[],
    cause: "A deposed leader answers before it has learned of its successor, or a follower is asked.",
    permitted_by: "none that a client can set: ListOffsets is answered by whoever believes to lead",
    change: "do not treat an end offset as fresh during a failover",
    source: Source::Definition("linearizability of reads of a log's end"),
};
