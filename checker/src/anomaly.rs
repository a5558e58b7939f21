//! Every way in which a run can break a promise, as data.
//!
//! Names follow Jepsen's Kafka workload and Adya where those have one. An [`Entry`] says where in the pipeline an
//! anomaly lives, what it is, what its smallest example looks like in the text form of a history, what else it
//! implies, what usually causes it, which setting permits it and the smallest change that forbids it, and who defined
//! it. `docs/anomalies.md` and `onceproof list anomalies` are generated from these entries; finders and claims name
//! the same enum, so an anomaly cannot be found without being documented. Whether one is *forbidden* is not said
//! here: that is the claim's business (`guarantee`).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A named way to break a promise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// An acknowledged record is not in its log.
    LostWrite,
    /// An acknowledged record lies above everything that was read.
    Unseen,
    /// One value at two or more offsets.
    DuplicateWrite,
    /// A record whose value was never sent.
    Phantom,
    /// A record whose checksum does not match.
    Corrupt,
    /// A record in another log than it was sent to.
    Misrouted,
    /// One offset of one log with two different values.
    InconsistentOffsets,
    /// Two records of one process in one log, in the wrong order.
    ReorderedWrite,
    /// Acknowledged before the other was invoked, and yet behind it in the log.
    RealtimeInversion,
    /// An end offset that ignores an append acknowledged before it was asked for.
    StaleEnd,
    /// In the committed log and never handed to the group.
    Undelivered,
    /// Handed to the group more than once.
    Redelivered,
    /// A poll left out a record within one assignment.
    PollSkip,
    /// A poll went back within one assignment.
    NonmonotonicPoll,
    /// A committed reader was handed a record of an aborted transaction (G1a).
    AbortedRead,
    /// A committed reader was handed a record before its transaction's commit was asked for.
    PrecommittedRead,
    /// A committed reader passed an undecided transaction.
    LsoBreach,
    /// Part of a transaction is visible and part is not.
    TornTransaction,
    /// A transaction acknowledged as committed shows nothing.
    LostCommit,
    /// A transaction acknowledged as aborted shows something.
    ResurrectedAbort,
    /// A transaction of a superseded epoch committed visibly.
    FencingViolation,
    /// A cycle of write-write, write-read and read-write edges between transactions (G0, G1c, G-single, G2).
    DependencyCycle,
    /// A committed record without an effect in the sink.
    LostEffect,
    /// A record with two or more effects in the sink.
    DuplicateEffect,
    /// An effect of a record that was never committed.
    PhantomEffect,
    /// Effects of one log in another order than the log's.
    MisorderedEffect,
    /// An effect made by a member after another had taken over.
    ZombieEffect,
    /// A committed position is later read back lower.
    OffsetRegression,
    /// The inputs of committed transactions leave a gap.
    SkippedInput,
    /// The inputs of two committed transactions overlap.
    DoubleInput,
    /// An input with no committed output, or with two.
    OutputMismatch,
    /// No progress after healing although a healthy majority exists.
    Stall,
}

/// A stage of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// From the application's send to the partition's log.
    Log,
    /// From the log to the consumers of a group.
    Delivery,
    /// From the consumer to the sink.
    Effect,
    /// Whether anything moves at all.
    Liveness,
}

impl std::fmt::Display for Stage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Stage::Log => "log",
            Stage::Delivery => "delivery",
            Stage::Effect => "effect",
            Stage::Liveness => "liveness",
        })
    }
}
