//! Every way in which a run can break a promise, as data.
//!
//! Names follow Jepsen's Kafka workload and Adya where those have one. An [`Entry`] says where in the pipeline an
//! anomaly lives, what it is, what its smallest example looks like in the text form of a history, what else it
//! implies, what usually causes it, which setting permits it and the smallest change that forbids it, and who defined
//! it. `docs/anomalies.md` and `onceproof list anomalies` are generated from these entries; finders and claims name
//! the same enum, so an anomaly cannot be found without being documented. Whether one is *forbidden* is not said
//! here: that is the claim's business (`guarantee`).

mod delivery;
mod document;
mod effect;
mod log;
mod transaction;

pub use document::document;
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

/// What is known about one anomaly.
#[derive(Debug)]
pub struct Entry {
    /// Which.
    pub anomaly: Anomaly,
    /// Its name, as specs, verdicts and reports write it.
    pub name: &'static str,
    /// Where in the pipeline it lives.
    pub stage: Stage,
    /// What it is.
    pub definition: &'static str,
    /// A smallest example in the text form of a history (`history/src/text.rs`).
    pub example: &'static str,
    /// Anomalies that necessarily come with it, and those that one cause shows together with it: a demonstration
    /// of this one does not fail because one of them is found as well.
    pub brings: &'static [Anomaly],
    /// What usually causes it.
    pub cause: &'static str,
    /// The setting that permits it.
    pub permitted_by: &'static str,
    /// The smallest change that forbids it.
    pub change: &'static str,
    /// Who defined it.
    pub source: Source,
}

/// Who defined an anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Jepsen's Kafka workload, under this name.
    Jepsen(&'static str),
    /// Adya's thesis (1999), under this name.
    Adya(&'static str),
    /// A Kafka improvement proposal or Kafka's documentation.
    Kafka(&'static str),
    /// Defined here, in these terms.
    Definition(&'static str),
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Jepsen(name) => write!(f, "Jepsen, Kafka workload: {name}"),
            Source::Adya(name) => write!(f, "Adya 1999: {name}"),
            Source::Kafka(place) => write!(f, "Kafka: {place}"),
            Source::Definition(terms) => write!(f, "defined here: {terms}"),
        }
    }
}

impl Anomaly {
    /// Everything known about it.
    pub fn entry(self) -> &'static Entry {
        match self {
            Anomaly::LostWrite => &log::LOST_WRITE,
            Anomaly::Unseen => &log::UNSEEN,
            Anomaly::DuplicateWrite => &log::DUPLICATE_WRITE,
            Anomaly::Phantom => &log::PHANTOM,
            Anomaly::Corrupt => &log::CORRUPT,
            Anomaly::Misrouted => &log::MISROUTED,
            Anomaly::InconsistentOffsets => &log::INCONSISTENT_OFFSETS,
            Anomaly::ReorderedWrite => &log::REORDERED_WRITE,
            Anomaly::RealtimeInversion => &log::REALTIME_INVERSION,
            Anomaly::StaleEnd => &log::STALE_END,
            Anomaly::Undelivered => &delivery::UNDELIVERED,
            Anomaly::Redelivered => &delivery::REDELIVERED,
            Anomaly::PollSkip => &delivery::POLL_SKIP,
            Anomaly::NonmonotonicPoll => &delivery::NONMONOTONIC_POLL,
            Anomaly::OffsetRegression => &delivery::OFFSET_REGRESSION,
            Anomaly::AbortedRead => &transaction::ABORTED_READ,
            Anomaly::PrecommittedRead => &transaction::PRECOMMITTED_READ,
            Anomaly::LsoBreach => &transaction::LSO_BREACH,
            Anomaly::TornTransaction => &transaction::TORN_TRANSACTION,
            Anomaly::LostCommit => &transaction::LOST_COMMIT,
            Anomaly::ResurrectedAbort => &transaction::RESURRECTED_ABORT,
            Anomaly::FencingViolation => &transaction::FENCING_VIOLATION,
            Anomaly::DependencyCycle => &transaction::DEPENDENCY_CYCLE,
            Anomaly::LostEffect => &effect::LOST_EFFECT,
            Anomaly::DuplicateEffect => &effect::DUPLICATE_EFFECT,
            Anomaly::PhantomEffect => &effect::PHANTOM_EFFECT,
            Anomaly::MisorderedEffect => &effect::MISORDERED_EFFECT,
            Anomaly::ZombieEffect => &effect::ZOMBIE_EFFECT,
            Anomaly::SkippedInput => &effect::SKIPPED_INPUT,
            Anomaly::DoubleInput => &effect::DOUBLE_INPUT,
            Anomaly::OutputMismatch => &effect::OUTPUT_MISMATCH,
            Anomaly::Stall => &effect::STALL,
        }
    }

    /// Its name, as specs, verdicts and reports write it.
    pub fn name(self) -> &'static str {
        self.entry().name
    }

    /// The anomaly of that name.
    pub fn from_name(name: &str) -> Option<Anomaly> {
        ALL.into_iter().find(|anomaly| anomaly.name() == name)
    }
}

impl std::fmt::Display for Anomaly {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// Every anomaly, in the order of the pipeline.
pub const ALL: [Anomaly; 32] = [
    Anomaly::LostWrite,
    Anomaly::Unseen,
    Anomaly::DuplicateWrite,
    Anomaly::Phantom,
    Anomaly::Corrupt,
    Anomaly::Misrouted,
    Anomaly::InconsistentOffsets,
    Anomaly::ReorderedWrite,
    Anomaly::RealtimeInversion,
    Anomaly::StaleEnd,
    Anomaly::TornTransaction,
    Anomaly::LostCommit,
    Anomaly::ResurrectedAbort,
    Anomaly::FencingViolation,
    Anomaly::DependencyCycle,
    Anomaly::Undelivered,
    Anomaly::Redelivered,
    Anomaly::PollSkip,
    Anomaly::NonmonotonicPoll,
    Anomaly::AbortedRead,
    Anomaly::PrecommittedRead,
    Anomaly::LsoBreach,
    Anomaly::OffsetRegression,
    Anomaly::LostEffect,
    Anomaly::DuplicateEffect,
    Anomaly::PhantomEffect,
    Anomaly::MisorderedEffect,
    Anomaly::ZombieEffect,
    Anomaly::SkippedInput,
    Anomaly::DoubleInput,
    Anomaly::OutputMismatch,
    Anomaly::Stall,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anomaly_is_listed_once_and_named_as_it_is_stored() {
        let schema = serde_json::to_value(schemars::schema_for!(Anomaly)).unwrap();
        let stored = schema["oneOf"].as_array().unwrap().len();
        let names: std::collections::BTreeSet<&str> = ALL.iter().map(|anomaly| anomaly.name()).collect();
        assert_eq!((ALL.len(), names.len()), (stored, stored));
        for anomaly in ALL {
            assert_eq!(anomaly.entry().anomaly, anomaly);
            assert_eq!(serde_json::to_value(anomaly).unwrap(), anomaly.name());
            assert_eq!(Anomaly::from_name(anomaly.name()), Some(anomaly));
        }
    }

    #[test]
    fn every_example_is_a_history() {
        for entry in ALL.map(Anomaly::entry) {
            let parsed = history::text::Parsed::parse(entry.example);
            assert!(parsed.is_ok_and(|parsed| !parsed.events.is_empty()), "{}", entry.name);
        }
    }

    #[test]
    fn every_entry_says_everything() {
        for entry in ALL.map(Anomaly::entry) {
            for text in [entry.definition, entry.example, entry.cause, entry.permitted_by, entry.change] {
                assert!(!text.trim().is_empty(), "{}", entry.name);
            }
            assert!(!entry.brings.contains(&entry.anomaly), "{}", entry.name);
        }
    }
}
