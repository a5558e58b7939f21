//! What can happen in a run: operations, their outcomes, and the events that record them.
//!
//! An operation is invoked and later completed; the completion is **ok** (it happened), **fail** (it did not
//! happen and never will) or **info** (unknown). When unsure it is info: calling an unknown a fail invents
//! aborted reads, calling a known failure info only weakens the check. An info outcome keeps what was learned.
//!
//! Every operation that any workload of this project performs is listed here, so that the formats need no
//! change when a workload is added. Bulk operations (`Send`, `Poll`, `EffectBegin`, `FinalRead`) have dense
//! encodings in the journal and in the merged history; the others are stored as plain rows.

use serde::{Deserialize, Serialize};

use crate::ids::{FaultId, LogId, Nanos, NodeId, Offset, Process, Seq, Value};

/// What a process asked for, or what was done to the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "kebab-case")]
pub enum Op {
    /// A process begins.
    Open(Identity),
    /// A process ends in good order.
    Close,
    /// A process was found dead (recorded by its supervisor).
    Crash {
        /// How it ended: signal or exit status, in words.
        how: String,
    },
    /// A record is handed to the client library. Ok carries the offset where the protocol gives one.
    Send {
        /// The log the record is meant for.
        log: LogId,
        /// Its unique payload.
        value: Value,
    },
    /// A transactional id is claimed: older sessions of it are fenced from here on.
    InitTxn {
        /// The transactional id.
        id: String,
        /// Producer epoch that was granted, where the client knows it.
        epoch: Option<i32>,
        /// After how many milliseconds the coordinator aborts what is left open, where the client tells.
        timeout_ms: Option<u64>,
    },
    /// A transaction begins.
    BeginTxn {
        /// The transactional id.
        id: String,
        /// Producer epoch where the client knows it.
        epoch: Option<i32>,
    },
    /// The open transaction is to be committed.
    CommitTxn,
    /// The open transaction is to be aborted.
    AbortTxn,
    /// Logs were assigned to a group member.
    Assigned(Assignment),
    /// Logs were taken from a group member in good order.
    Revoked(Assignment),
    /// A group member learned that it had lost its logs.
    Lost(Assignment),
    /// Records were returned by a poll.
    Poll {
        /// What was returned, log by log, in the order of delivery.
        runs: Vec<Run>,
    },
    /// The position of a consumer was set.
    Seek {
        /// The log.
        log: LogId,
        /// The offset that the next poll starts at.
        offset: Offset,
    },
    /// Records are handed over to processing: the moment that at-most-once and at-least-once speak of.
    EffectBegin {
        /// What is handed over.
        spans: Vec<Span>,
    },
    /// The sink holds the effect of these records. Recorded only where there is a sink, once it has answered.
    Effect {
        /// What took effect.
        spans: Vec<Span>,
    },
    /// What the process sends from a sequence number on is made of these records: the first of the first, and so on.
    Derive {
        /// Sequence number of the first record that is made.
        first: Seq,
        /// Of what, in that order; every offset of these spans is one record.
        spans: Vec<Span>,
    },
    /// A group's positions are committed, or sent to the open transaction to be committed with it.
    CommitOffsets {
        /// Who asked for it.
        mode: CommitMode,
        /// The next offset to read, by log.
        positions: Vec<Position>,
    },
    /// A group's committed positions are read back.
    FetchCommitted {
        /// What was read.
        positions: Vec<Position>,
    },
    /// The end offsets of logs are read.
    EndOffsets {
        /// The offset after the last record, by log.
        positions: Vec<Position>,
    },
    /// The independent reader read records of one log.
    FinalRead {
        /// Whether records of open and aborted transactions are seen.
        isolation: Isolation,
        /// What was read, in the order of the log.
        runs: Vec<Run>,
    },
    /// The independent reader finished one log.
    FinalReadEnd {
        /// Whether records of open and aborted transactions are seen.
        isolation: Isolation,
        /// The log.
        log: LogId,
        /// First offset that exists in the log (log start offset).
        start: Offset,
        /// End offset that was asked for before reading.
        end: Offset,
        /// Position that the reader reached; equal to `end` when the read is complete.
        reached: Offset,
    },
    /// The content of a group's sink was read back, in the order in which the sink holds it. The group is the reader's.
    SinkRead {
        /// The effects: each of one record, at the offset that the sink stored with it.
        runs: Vec<Run>,
    },
    /// The reading of a group's sink came to its end.
    SinkReadEnd {
        /// How many effects the sink says that it holds; the reading is complete when as many were read.
        effects: u64,
    },
    /// One record batch of a log as the wire protocol shows it: evidence, never input to a verdict by itself.
    Batch(Batch),
    /// A record whose payload is not one of ours, or whose checksum does not match.
    Foreign {
        /// Where it was read.
        log: LogId,
        /// Its offset.
        offset: Offset,
        /// What is wrong with it.
        why: ForeignRecord,
    },
    /// A fault strikes.
    Fault {
        /// Its number in the plan.
        id: FaultId,
        /// The fault in words, with its concrete targets.
        what: String,
        /// The nodes and clients it struck.
        targets: Vec<String>,
    },
    /// A fault is undone.
    Heal {
        /// Its number in the plan.
        id: FaultId,
        /// What it did, in words (frames dropped, process gone…).
        effect: String,
        /// What it did, in numbers: `frames-dropped`, `responses-lost`, `records-in-lost-responses`…
        counters: std::collections::BTreeMap<String, u64>,
        /// Whether it had any effect at all: a fault that did nothing makes the run unknown.
        bit: bool,
    },
    /// What one broker answered when it was asked for metadata.
    Observe(Observation),
    /// A phase of the run begins (`warm-up`, `storm`, `heal`, `drain`, `stop`).
    Phase {
        /// Its name.
        name: String,
    },
}

/// Who a process is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The client's name in the spec with its index: `shop[0]`; `reader` for the independent reader.
    pub name: String,
    /// `producer`, `consumer`, `reader`, `harness`…
    pub role: String,
    /// `librdkafka`, `java`, `wire`…
    pub family: String,
    /// Version of the client library.
    pub version: String,
    /// Consumer group, where there is one.
    pub group: Option<String>,
    /// Which records its polls return, where it says so: nothing is assumed of a consumer that does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub isolation: Option<Isolation>,
}

/// Logs that a group member holds, as one rebalance gave or took them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Assignment {
    /// The logs.
    pub logs: Vec<LogId>,
    /// Generation or member epoch, where the client tells.
    pub generation: Option<i64>,
}

/// Consecutive sequence numbers of one process at consecutive offsets of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The log that was read.
    pub log: LogId,
    /// Offset of the first record.
    pub offset: Offset,
    /// Value of the first record; the others count up.
    pub first: Value,
    /// Number of records.
    pub count: u32,
}

/// Consecutive records of one log, by offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// The log.
    pub log: LogId,
    /// First offset.
    pub first: Offset,
    /// Last offset, inclusive; offsets between that hold no record are not meant.
    pub last: Offset,
}

/// A position in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// The log.
    pub log: LogId,
    /// The next offset.
    pub next: Offset,
}

/// Who asked for a commit of positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CommitMode {
    /// The application, waiting for the answer.
    Sync,
    /// The application, not waiting.
    Async,
    /// The client library's timer.
    Auto,
    /// The open transaction: the positions count once it commits, and never if it does not.
    Txn,
}

/// Which records a reader sees.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Isolation {
    /// All records, also of open and aborted transactions.
    #[default]
    ReadUncommitted,
    /// Only records of committed transactions and outside transactions.
    ReadCommitted,
}

/// What the header of a record batch says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Batch {
    /// The log.
    pub log: LogId,
    /// Offset of its first record.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Epoch of the leader that appended it.
    pub leader_epoch: i32,
    /// Idempotent producer id, -1 without.
    pub producer_id: i64,
    /// Its epoch, -1 without.
    pub producer_epoch: i16,
    /// Sequence of the first record, -1 without.
    pub base_sequence: i32,
    /// Whether it holds control records (transaction markers).
    pub control: bool,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
}

/// Why a record is not one of ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ForeignRecord {
    /// The payload has our form but its checksum does not match.
    Corrupt,
    /// The payload has not our form, or another run's id.
    Phantom {
        /// The first bytes, escaped.
        preview: String,
    },
    /// The payload is intact and names another log as its target.
    Misrouted {
        /// Its value.
        value: Value,
        /// `topic/partition` that it was meant for.
        meant_for: String,
    },
}

/// What one broker said about the cluster when it was asked.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// Who was asked.
    pub asked: NodeId,
    /// The log that the answer is about.
    pub log: LogId,
    /// Leader, or none.
    pub leader: Option<NodeId>,
    /// Leader epoch.
    pub epoch: i32,
    /// In-sync replicas.
    pub isr: Vec<NodeId>,
    /// Replicas that the broker calls offline.
    pub offline: Vec<NodeId>,
}

/// Whether an event asks or answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Phase {
    /// Asked. Written before the call is made.
    Invoke,
    /// Answered, with its outcome.
    Complete(Outcome),
}

/// How an operation ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
pub enum Outcome {
    /// It happened.
    Ok {
        /// Offset of the record for a send, where the protocol gives one.
        offset: Option<Offset>,
    },
    /// It did not happen and never will.
    Fail {
        /// Why.
        cause: Cause,
    },
    /// Unknown; keeps what was learned.
    Info {
        /// Why it is unknown.
        cause: Cause,
        /// Offset of the record, if that much was learned.
        offset: Option<Offset>,
    },
}

/// Why an operation did not end ok: the client library's own error code and words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// Error code: Kafka's where positive, librdkafka's own where negative, 0 where there is none.
    pub code: i32,
    /// Its name or message; may be empty where the code says all.
    pub message: String,
}

/// One event of a history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// When: before the call for an invocation, after it for a completion.
    pub time: Nanos,
    /// Whose.
    pub process: Process,
    /// Asked or answered.
    pub phase: Phase,
    /// What.
    pub op: Op,
}

impl Op {
    /// Its name in every format: `send`, `commit-offsets`…
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Open(_) => "open",
            Self::Close => "close",
            Self::Crash { .. } => "crash",
            Self::Send { .. } => "send",
            Self::InitTxn { .. } => "init-txn",
            Self::BeginTxn { .. } => "begin-txn",
            Self::CommitTxn => "commit-txn",
            Self::AbortTxn => "abort-txn",
            Self::Assigned(_) => "assigned",
            Self::Revoked(_) => "revoked",
            Self::Lost(_) => "lost",
            Self::Poll { .. } => "poll",
            Self::Seek { .. } => "seek",
            Self::EffectBegin { .. } => "effect-begin",
            Self::Effect { .. } => "effect",
            Self::Derive { .. } => "derive",
            Self::CommitOffsets { .. } => "commit-offsets",
            Self::FetchCommitted { .. } => "fetch-committed",
            Self::EndOffsets { .. } => "end-offsets",
            Self::FinalRead { .. } => "final-read",
            Self::FinalReadEnd { .. } => "final-read-end",
            Self::SinkRead { .. } => "sink-read",
            Self::SinkReadEnd { .. } => "sink-read-end",
            Self::Batch(_) => "batch",
            Self::Foreign { .. } => "foreign",
            Self::Fault { .. } => "fault",
            Self::Heal { .. } => "heal",
            Self::Observe(_) => "observe",
            Self::Phase { .. } => "phase",
        }
    }

    /// Whether it happens at one moment, so that one event records it, rather than being asked and answered.
    /// By convention that event is [`Event::moment`]: completed ok.
    #[must_use]
    pub fn is_moment(&self) -> bool {
        match self {
            Self::Send { .. }
            | Self::InitTxn { .. }
            | Self::BeginTxn { .. }
            | Self::CommitTxn
            | Self::AbortTxn
            | Self::Poll { .. }
            | Self::CommitOffsets { .. }
            | Self::FetchCommitted { .. }
            | Self::EndOffsets { .. } => false,
            Self::Open(_)
            | Self::Close
            | Self::Crash { .. }
            | Self::Assigned(_)
            | Self::Revoked(_)
            | Self::Lost(_)
            | Self::Seek { .. }
            | Self::EffectBegin { .. }
            | Self::Effect { .. }
            | Self::Derive { .. }
            | Self::FinalRead { .. }
            | Self::FinalReadEnd { .. }
            | Self::SinkRead { .. }
            | Self::SinkReadEnd { .. }
            | Self::Batch(_)
            | Self::Foreign { .. }
            | Self::Fault { .. }
            | Self::Heal { .. }
            | Self::Observe(_)
            | Self::Phase { .. } => true,
        }
    }
}

impl Event {
    /// Something that happened at one moment.
    #[must_use]
    pub fn moment(time: Nanos, process: Process, op: Op) -> Self {
        Self { time, process, phase: Phase::Complete(Outcome::Ok { offset: None }), op }
    }
}

impl Run {
    /// Sequence number of the last record.
    pub fn last_seq(&self) -> Seq {
        Seq(self.first.seq.0 + (self.count - 1))
    }
}
