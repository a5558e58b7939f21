//! The effect stage, from the consumer to its sink, and liveness.
//!
//! Kept as data so that reference, reports and `list` say the same. The example of each is judged by a test: it
//! must be found in it.

use super::{Anomaly, Entry, Source, Stage};

/// `lost-effect`.
pub(super) static LOST_EFFECT: Entry = Entry {
    anomaly: Anomaly::LostEffect,
    name: "lost-effect",
    stage: Stage::Effect,
    definition: "A committed record without an effect in the sink although the group drained past it: its committed position, or a later effect, lies behind. Where a member died before the sink answered and the sink was not read back, it is unknown and not lost.",
    example: include_str!("../../tests/vectors/lost-effect/smallest.history"),
    brings: &[],
    cause: "The position was committed before the sink held the effect, and the consumer died in between.",
    permitted_by: "committing before the effect; auto-commit with asynchronous processing",
    change: "commit after the effect, or store the position in the sink with it",
    source: Source::Definition("the sink, compared with the committed log"),
};

/// `duplicate-effect`.
pub(super) static DUPLICATE_EFFECT: Entry = Entry {
    anomaly: Anomaly::DuplicateEffect,
    name: "duplicate-effect",
    stage: Stage::Effect,
    definition: "One record with two or more effects in the sink: as the sink was read back, or, where it was not, as it acknowledged them.",
    example: include_str!("../../tests/vectors/duplicate-effect/smallest.history"),
    brings: &[],
    cause: "The consumer died between the effect and the commit of its position; a zombie wrote beside its successor.",
    permitted_by: "committing after the effect with a sink that is neither idempotent nor checks the expected position",
    change: "store the position in the sink in one transaction with the effect and check it, or make the effect idempotent",
    source: Source::Definition("the sink, compared with the committed log"),
};

/// `phantom-effect`.
pub(super) static PHANTOM_EFFECT: Entry = Entry {
    anomaly: Anomaly::PhantomEffect,
    name: "phantom-effect",
    stage: Stage::Effect,
    definition: "An effect in the sink of a record that is not in the committed log at its offset.",
    example: include_str!("../../tests/vectors/phantom-effect/smallest.history"),
    brings: &[],
    cause: "An aborted transaction's record was processed, or the log was truncated after the record had been processed.",
    permitted_by: "isolation.level=read_uncommitted; the settings that permit lost-write",
    change: "isolation.level=read_committed; acks=all with min.insync.replicas=2",
    source: Source::Definition("the sink, compared with the committed log"),
};

/// `misordered-effect`.
pub(super) static MISORDERED_EFFECT: Entry = Entry {
    anomaly: Anomaly::MisorderedEffect,
    name: "misordered-effect",
    stage: Stage::Effect,
    definition: "A record whose first effect came surely after the first effect of a later record of its log.",
    example: include_str!("../../tests/vectors/misordered-effect/smallest.history"),
    brings: &[],
    cause: "Records of one partition processed by several threads; a zombie's late effect.",
    permitted_by: "processing in parallel without a queue for each partition",
    change: "process each partition in order",
    source: Source::Definition("the sink, compared with the committed log"),
};

/// `zombie-effect`.
pub(super) static ZOMBIE_EFFECT: Entry = Entry {
    anomaly: Anomaly::ZombieEffect,
    name: "zombie-effect",
    stage: Stage::Effect,
    definition: "An effect acknowledged to a member after another had been assigned the log (in a later generation, where generations are known) and it itself had not been again.",
    example: include_str!("../../tests/vectors/zombie-effect/smallest.history"),
    brings: &[Anomaly::DuplicateEffect, Anomaly::MisorderedEffect],
    cause: "A member was paused, or processed for longer than max.poll.interval.ms, and went on with records it had polled before.",
    permitted_by: "a sink that does not check who writes",
    change: "check the expected position, or the generation, in the sink's transaction",
    source: Source::Definition("an effect outside the assignment that its record was polled in"),
};

/// `skipped-input`.
pub(super) static SKIPPED_INPUT: Entry = Entry {
    anomaly: Anomaly::SkippedInput,
    name: "skipped-input",
    stage: Stage::Effect,
    definition: "Consume-transform-produce: the input intervals of committed transactions leave a gap.",
    example: "\
process p2 transformer group=g
0..1 p1 send in/0 v0..1 @0
2..3 p2 begin-txn pipe-1
4..5 p2 poll in/0 p1:0 @0
6..7 p2 abort-txn                       # and no seek back to @0
8..9 p2 begin-txn pipe-1
10..11 p2 poll in/0 p1:1 @1
12..13 p2 commit-offsets txn in/0 @2
14..15 p2 commit-txn
20 p4 final-read in/0 p1:0..1 @0 end=2 isolation=read_committed
",
    brings: &[Anomaly::OutputMismatch],
    cause: "After an abort the application polled on instead of going back to the committed position.",
    permitted_by: "no seek after an aborted transaction (KAFKA-17582)",
    change: "seek to the committed positions after every abort",
    source: Source::Definition("input intervals of committed transactions tile the log"),
};

/// `double-input`.
pub(super) static DOUBLE_INPUT: Entry = Entry {
    anomaly: Anomaly::DoubleInput,
    name: "double-input",
    stage: Stage::Effect,
    definition: "Consume-transform-produce: the input intervals of two committed transactions overlap.",
    example: "\
process p2 transformer group=g
process p3 transformer group=g
0..1 p1 send in/0 v0 @0
2..3 p2 begin-txn pipe-1
4..5 p2 poll in/0 p1:0 @0
6..7 p3 begin-txn pipe-2                # another member, after a rebalance
8..9 p3 poll in/0 p1:0 @0
10..11 p3 commit-offsets txn in/0 @1
12..13 p3 commit-txn
14..15 p2 commit-offsets txn in/0 @1
16..17 p2 commit-txn
20 p4 final-read in/0 p1:0 @0 end=1 isolation=read_committed
",
    brings: &[Anomaly::OutputMismatch, Anomaly::Redelivered],
    cause: "A zombie committed its transaction after a rebalance had given its input to another member.",
    permitted_by: "offsets sent to the transaction without the group's metadata",
    change: "sendOffsetsToTransaction with the consumer's group metadata (KIP-447)",
    source: Source::Definition("input intervals of committed transactions tile the log"),
};

/// `output-mismatch`.
pub(super) static OUTPUT_MISMATCH: Entry = Entry {
    anomaly: Anomaly::OutputMismatch,
    name: "output-mismatch",
    stage: Stage::Effect,
    definition: "Consume-transform-produce: an input with no committed output, or with two.",
    example: "\
process p2 transformer group=g
process p3 transformer group=g
0..1 p1 send in/0 v0 @0
1..2 p2 poll in/0 p1:0 @0
3 p2 derive v0 in/0 @0
3..4 p2 send out/0 v0 @0                # the output of in/0 @0
5 p2 crash                              # before its position was committed
6..7 p3 poll in/0 p1:0 @0
8 p3 derive v0 in/0 @0
8..9 p3 send out/0 v0 @1                # again
20 p4 final-read in/0 p1:0 @0 end=1
20 p4 final-read out/0 p2:0 @0 p3:0 @1 end=2
",
    brings: &[Anomaly::Redelivered],
    cause: "Output and input position were committed separately.",
    permitted_by: "processing.guarantee=at_least_once, or offsets committed outside the transaction",
    change: "processing.guarantee=exactly_once_v2, or offsets sent to the transaction",
    source: Source::Kafka("KIP-129 and KIP-447, exactly-once processing"),
};

/// `stall`.
pub(super) static STALL: Entry = Entry {
    anomaly: Anomaly::Stall,
    name: "stall",
    stage: Stage::Liveness,
    definition: "After healing, no progress within the spec's limit although a healthy majority exists.",
    example: "\
1 harness heal 0 \"connections restored\"
2 harness phase drain
3 p1 invoke send t/0 v0                 # and nothing completes
",
    brings: &[],
    cause: "A client or broker that does not recover: a hanging transaction, a lost wake-up, a group without a coordinator.",
    permitted_by: "long time-outs (delivery.timeout.ms, session.timeout.ms, transaction.timeout.ms)",
    change: "shorten the time-outs; otherwise report a bug",
    source: Source::Definition("progress after the last heal"),
};
