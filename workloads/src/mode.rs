//! The delivery modes as data: what each promises, which fault shows its limit, what it asks of the client.
//!
//! `onceproof list modes` prints this table. It holds the modes that work; one that does not is absent. A mode
//! is not a guarantee: what a run must show is the spec's claim, and the checker never reads this file.

use crate::protocol::{Commit, EffectMode};
use crate::step::Step;

/// One way in which applications produce or consume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode {
    /// Short name, as in the documentation: `M3`.
    pub id: &'static str,
    /// What it is called.
    pub name: &'static str,
    /// What it promises.
    pub promises: &'static str,
    /// The fault that shows its limit.
    pub limit: &'static str,
    /// What the spec has to say for it, with librdkafka: properties, or the consumer's commit mode.
    pub librdkafka: &'static [(&'static str, &'static str)],
    /// For a consumer: when it commits.
    pub commit: Option<Commit>,
    /// For a consumer whose sink matters: what is kept with each effect.
    pub effect: Option<EffectMode>,
}

/// The modes that work.
pub const MODES: [Mode; 17] = [
    Mode {
        id: "M1",
        name: "producer acks=0",
        promises: "at most once",
        limit: "leader killed: records acknowledged to the application are gone",
        librdkafka: &[("acks", "0")],
        commit: None,
        effect: None,
    },
    Mode {
        id: "M2",
        name: "producer retries=0",
        promises: "at most once in the log",
        limit: "lost acknowledgement: the application saw an error, the record is there (unknown, never a duplicate)",
        librdkafka: &[("retries", "0")],
        commit: None,
        effect: None,
    },
    Mode {
        id: "M3",
        name: "producer acks=1",
        promises: "at least once while the leader lives",
        limit: "leader killed while followers lag: acknowledged records are truncated",
        librdkafka: &[("acks", "1")],
        commit: None,
        effect: None,
    },
    Mode {
        id: "M4",
        name: "producer acks=all with retries, no idempotence",
        promises: "at least once",
        limit: "acknowledgement lost on the way back: stored twice; with several requests in flight also reordered",
        librdkafka: &[("acks", "all")],
        commit: None,
        effect: None,
    },
    Mode {
        id: "M5",
        name: "idempotent producer",
        promises: "exactly once in the log per producer session",
        limit: "none in one session; an application that sends again after a timeout or a restart duplicates",
        librdkafka: &[("enable.idempotence", "true")],
        commit: None,
        effect: None,
    },
    Mode {
        id: "M7",
        name: "consumer auto-commit",
        promises: "neither, in general",
        limit: "crash: records lost or redelivered, depending on client family and threading",
        librdkafka: &[],
        commit: Some(Commit::Auto),
        effect: None,
    },
    Mode {
        id: "M7",
        name: "consumer auto-commit, records handed over to worker threads (Java)",
        promises: "neither",
        limit: "crash: what waits for a worker thread is committed already, and lost",
        librdkafka: &[],
        commit: Some(Commit::AutoHandedOver),
        effect: None,
    },
    Mode {
        id: "M7",
        name: "consumer auto-commit of what the application has stored after processing (librdkafka)",
        promises: "at least once",
        limit: "crash between effect and commit duplicates",
        librdkafka: &[("enable.auto.offset.store", "false")],
        commit: Some(Commit::AutoStored),
        effect: None,
    },
    Mode {
        id: "M8",
        name: "commit before processing",
        promises: "at most once",
        limit: "crash between commit and effect loses",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::Before),
        effect: None,
    },
    Mode {
        id: "M9",
        name: "commit after processing, waiting for the answer",
        promises: "at least once",
        limit: "crash between effect and commit duplicates",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::AfterSync),
        effect: None,
    },
    Mode {
        id: "M9",
        name: "commit after processing, not waiting",
        promises: "at least once",
        limit: "crash between effect and commit duplicates, by more than when waiting",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::AfterAsync),
        effect: None,
    },
    Mode {
        id: "M9",
        name: "commit of the highest that is finished, while earlier records are in process",
        promises: "neither",
        limit: "crash: what took longer than those behind it is committed already, and lost",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::AfterOutOfOrder),
        effect: None,
    },
    Mode {
        id: "M10",
        name: "offset in the sink, in one transaction with the effect, and checked",
        promises: "effect exactly once",
        limit: "none: a zombie's write is refused",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::InSink),
        effect: Some(EffectMode::OffsetInSink),
    },
    Mode {
        id: "M10",
        name: "offset in the sink, in one transaction with the effect, not checked",
        promises: "effect exactly once while no member is paused",
        limit: "a zombie writes over its successor",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::InSink),
        effect: Some(EffectMode::OffsetInSinkUnchecked),
    },
    Mode {
        id: "M11",
        name: "key in one transaction with the effect",
        promises: "effect exactly once over at-least-once delivery",
        limit: "none while keys are kept",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::AfterSync),
        effect: Some(EffectMode::Deduplicated),
    },
    Mode {
        id: "M11",
        name: "keys in the consumer's memory",
        promises: "effect exactly once while no member dies",
        limit: "crash between effect and commit duplicates: the keys are gone",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::AfterSync),
        effect: Some(EffectMode::DeduplicatedInMemory),
    },
    Mode {
        id: "M11",
        name: "keys that expire",
        promises: "effect exactly once while everything comes again in time",
        limit: "what comes again later than the keys live is done again",
        librdkafka: &[("enable.auto.commit", "false")],
        commit: Some(Commit::AfterSync),
        effect: Some(EffectMode::DeduplicatedExpiring),
    },
];

/// The steps that a producer passes, in order.
pub const PRODUCER_STEPS: &[Step] = &[Step::Sending, Step::Sent, Step::Acknowledged];

impl Commit {
    /// The name as in a spec and in the protocol.
    pub fn name(self) -> &'static str {
        match self {
            Self::AfterSync => "after-sync",
            Self::AfterAsync => "after-async",
            Self::AfterOutOfOrder => "after-out-of-order",
            Self::Before => "before",
            Self::Auto => "auto",
            Self::InSink => "in-sink",
            Self::AutoHandedOver => "auto-handed-over",
            Self::AutoStored => "auto-stored",
        }
    }

    /// Whether the library's timer commits.
    pub fn is_automatic(self) -> bool {
        match self {
            Self::Auto | Self::AutoHandedOver | Self::AutoStored => true,
            Self::AfterSync | Self::AfterAsync | Self::AfterOutOfOrder | Self::Before | Self::InSink => false,
        }
    }

    /// Whether what was handed out may be committed before it is processed, whatever the application does.
    pub fn commits_what_is_handed_out(self) -> bool {
        match self {
            Self::Auto | Self::AutoHandedOver => true,
            Self::AfterSync
            | Self::AfterAsync
            | Self::AfterOutOfOrder
            | Self::Before
            | Self::AutoStored
            | Self::InSink => false,
        }
    }

    /// The steps that a consumer passes for each record, in order.
    pub fn steps(self) -> &'static [Step] {
        match self {
            Self::AfterSync | Self::AfterAsync => &[
                Step::Polled,
                Step::Processing,
                Step::EffectBegun,
                Step::EffectDone,
                Step::CommitSent,
                Step::CommitKnown,
            ],
            // Of the record that takes longest.
            Self::AfterOutOfOrder => &[
                Step::Polled,
                Step::Processing,
                Step::CommitSent,
                Step::CommitKnown,
                Step::EffectBegun,
                Step::EffectDone,
            ],
            Self::Before => &[
                Step::Polled,
                Step::CommitSent,
                Step::CommitKnown,
                Step::Processing,
                Step::EffectBegun,
                Step::EffectDone,
            ],
            // When the library's timer commits is not the application's to know; a position in the sink is committed with
            // the effect.
            Self::Auto | Self::AutoHandedOver | Self::AutoStored | Self::InSink => {
                &[Step::Polled, Step::Processing, Step::EffectBegun, Step::EffectDone]
            }
        }
    }

    /// Properties that the mode sets, and that a spec must not contradict.
    pub fn implied(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::AfterSync | Self::AfterAsync | Self::AfterOutOfOrder | Self::Before | Self::InSink => {
                &[("enable.auto.commit", "false")]
            }
            Self::AutoStored => &[("enable.auto.offset.store", "false")],
            Self::Auto | Self::AutoHandedOver => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_consumer_mode_lists_what_its_commit_mode_implies() {
        for mode in MODES {
            if let Some(commit) = mode.commit {
                assert_eq!(mode.librdkafka, commit.implied(), "{}", mode.name);
                assert_eq!(serde_json::to_string(&commit).unwrap(), format!("\"{}\"", commit.name()));
            }
        }
    }
}
