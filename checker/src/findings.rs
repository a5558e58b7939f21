//! What the finders hand over: exact counts, and the first and last few witnesses of each anomaly.
//!
//! A history with ten million lost records must cost no more memory than one with ten, so a finding is an
//! interval of records with one cause, and of the findings only the first and last [`KEEP`] are kept; counts
//! stay exact. Order is the order of the logs, then of the evidence within a log, so that the same history
//! gives the same findings byte for byte. What is forbidden is not decided here: a finder reports whatever it
//! sees and the claim decides.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, VecDeque};

use history::ids::{LogId, Nanos, Offset, Process, Value};
use serde::Serialize;

use crate::anomaly::Anomaly;
use crate::cycles::class::{Class, Extra, Shape};

/// How many findings are kept from the beginning, and how many from the end, of each anomaly.
pub const KEEP: usize = 10;

/// Everything that the finders saw in one history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Findings {
    /// By anomaly; an anomaly that was not seen has no entry.
    pub anomalies: BTreeMap<Anomaly, Tally>,
    /// What was judged, and what is no anomaly but worth saying.
    pub counts: Counts,
    /// What each group was handed.
    pub groups: BTreeMap<String, GroupCounts>,
    /// What each group's sink holds, for groups that have one.
    pub sinks: BTreeMap<String, SinkCounts>,
    /// What was seen of each log.
    pub logs: BTreeMap<LogId, LogCounts>,
    /// How transactions ended.
    pub transactions: TransactionCounts,
}

/// How often one anomaly was seen, and its witnesses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Exact number: of records (or extra copies, deliveries, steps) as the anomaly's finder documents.
    pub count: u64,
    /// The first [`KEEP`] findings.
    pub first: Vec<Finding>,
    /// The last [`KEEP`] findings that are not among the first.
    pub last: VecDeque<Finding>,
    /// Exact number of findings (intervals) that the count is made of.
    pub findings: u64,
    /// Exact number by log.
    pub logs: BTreeMap<LogId, u64>,
    /// Exact number by cause, for `redelivered`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub causes: BTreeMap<Cause, u64>,
}

/// Consecutive records that show the same anomaly for the same reason.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What it shows.
    pub anomaly: Anomaly,
    /// The log.
    pub log: LogId,
    /// The group, for anomalies of the delivery stage.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Number of records (extra copies, deliveries, steps) in the interval.
    pub count: u64,
    /// Value of the first record, where it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<Value>,
    /// Value of the last record.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<Value>,
    /// First and last offset, where the records have or had one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offsets: Option<(Offset, Offset)>,
    /// Why, for `redelivered`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// The events that show it, for the first record of the interval; earliest first where times are known.
    pub sightings: Vec<Sighting>,
}

/// One thing that was seen and that the anomaly follows from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "seen", rename_all = "kebab-case")]
pub enum Sighting {
    /// A record was handed to the client library.
    Sent {
        /// The record.
        value: Value,
        /// When, rounded down to a microsecond.
        time: Nanos,
    },
    /// The send was acknowledged.
    Acknowledged {
        /// The record.
        value: Value,
        /// At which offset, where the protocol says.
        offset: Option<Offset>,
        /// When, rounded up to a microsecond.
        time: Nanos,
    },
    /// The send ended as failed.
    Failed {
        /// The record.
        value: Value,
        /// Error code.
        code: i32,
        /// When, rounded up to a microsecond.
        time: Nanos,
    },
    /// The outcome of the send is unknown.
    Unknown {
        /// The record.
        value: Value,
        /// Error code, 0 where the send was never completed.
        code: i32,
        /// When it was completed, none where it never was.
        time: Option<Nanos>,
    },
    /// The final read found a record.
    InLog {
        /// Its value.
        value: Value,
        /// Its offset.
        offset: Offset,
    },
    /// The final read passed an offset and found nothing there.
    NotInLog {
        /// The offset.
        offset: Offset,
    },
    /// The final read of the log ended.
    ReadUpTo {
        /// First offset that exists.
        start: Offset,
        /// Position that was reached.
        reached: Offset,
        /// End offset that was asked for before reading.
        end: Offset,
    },
    /// A consumer was returned a record by a poll.
    Polled {
        /// The consumer.
        process: Process,
        /// The record.
        value: Value,
        /// Its offset.
        offset: Offset,
        /// When the poll returned, rounded up to a microsecond.
        time: Nanos,
    },
    /// A consumer handed a record over to processing.
    HandedOver {
        /// The consumer.
        process: Process,
        /// Offset of the record.
        offset: Offset,
        /// When, rounded up to a microsecond.
        time: Nanos,
    },
    /// A consumer was given the log.
    Assigned {
        /// The consumer.
        process: Process,
        /// When.
        time: Nanos,
    },
    /// A consumer set its position.
    Sought {
        /// The consumer.
        process: Process,
        /// Where to.
        offset: Offset,
        /// When.
        time: Nanos,
    },
    /// A process was found dead.
    Crashed {
        /// The process.
        process: Process,
        /// When it was noticed.
        time: Nanos,
    },
    /// The group's position was committed.
    Committed {
        /// By whom.
        process: Process,
        /// The next offset to read.
        next: Offset,
        /// When the commit was acknowledged.
        time: Nanos,
    },
    /// The group's committed position was read back.
    Fetched {
        /// By whom.
        process: Process,
        /// The next offset to read.
        next: Offset,
        /// When the answer came.
        time: Nanos,
    },
    /// The sink acknowledged the effect of a record.
    Effected {
        /// To whom.
        process: Process,
        /// Offset of the record.
        offset: Offset,
        /// When.
        time: Nanos,
    },
    /// The sink was found to hold the effect of a record.
    InSink {
        /// The record's value, as the sink stored it.
        value: Value,
        /// Its offset, likewise.
        offset: Offset,
        /// Its place among the sink's effects, from 0.
        place: u64,
    },
    /// The sink was read to its end and no effect of a record was found.
    NotInSink {
        /// Offset of the record.
        offset: Offset,
    },
    /// An end offset was read.
    EndRead {
        /// By whom.
        process: Process,
        /// The end offset.
        end: Offset,
        /// When the question was asked.
        invoked: Nanos,
        /// When it was answered.
        returned: Nanos,
    },
    /// A record is in another log than the one the finding is about.
    InOtherLog {
        /// Its value.
        value: Value,
        /// Where.
        log: LogId,
        /// Its offset there.
        offset: Offset,
    },
    /// A step of a transaction.
    Transaction {
        /// Whose.
        process: Process,
        /// Its transactional id.
        id: String,
        /// Its epoch, where it is known.
        epoch: Option<i32>,
        /// Which step.
        step: TxnStep,
        /// When; none where the history keeps no time for it, or it never happened.
        time: Option<Nanos>,
    },
    /// Why one transaction of a cycle comes before the next.
    Dependency {
        /// `ww`, `wr`, `rw`, `process` or `realtime`.
        kind: String,
        /// What shows it, in words.
        because: String,
        /// Where a log shows it: what the first transaction wrote or read last, and what the second wrote or read.
        place: Option<(LogId, Offset, Offset)>,
    },
    /// A record that is not one of ours.
    Foreign {
        /// Where it was read.
        offset: Offset,
        /// What is wrong with it, in words.
        why: String,
    },
}

/// A step of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum TxnStep {
    /// Its id was granted to a process.
    Granted,
    /// It was begun.
    Began,
    /// One of its records lies at an offset.
    Holds {
        /// The offset.
        offset: Offset,
    },
    /// It took in the records of the log below an offset, from another on.
    Took {
        /// The first.
        from: Offset,
        /// The next after the last: the position that it commits.
        next: Offset,
    },
    /// A commit was asked for, or what may have been one.
    AskedToCommit,
    /// It was asked to end.
    AskedToEnd,
    /// A commit was acknowledged.
    Committed,
    /// An abort was acknowledged.
    Aborted,
    /// Its commit failed for sure.
    CommitFailed,
    /// How it ended is not known.
    Unknown,
    /// Nothing ended it.
    NeverEnded,
}

/// Why a record was delivered again, or what kind of cycle it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Cause {
    /// The member that had it died before its position was committed.
    CrashBeforeCommit,
    /// The log moved to another member (or back) before the position was committed.
    Rebalance,
    /// A member set its position back.
    Rewind,
    /// None of these.
    Unexplained,
    /// A cycle of writes.
    G0,
    /// A cycle of writes and reads of what was written.
    G1c,
    /// A cycle with one anti-dependency.
    GSingle,
    /// A cycle with several anti-dependencies, no two in a row.
    GNonadjacent,
    /// A cycle with several anti-dependencies.
    G2,
    /// A cycle of writes that takes the order of a process, or real time, to close.
    G0Ordered,
    /// A cycle of writes and reads that takes the order of a process, or real time, to close.
    G1cOrdered,
}

impl Cause {
    /// The kind of a cycle.
    pub(crate) fn of_class(class: Class) -> Self {
        match (class.shape, class.extra) {
            (Shape::G0, Extra::Nothing) => Self::G0,
            (Shape::G1c, Extra::Nothing) => Self::G1c,
            (Shape::G0, Extra::Process | Extra::Realtime) => Self::G0Ordered,
            (Shape::G1c, Extra::Process | Extra::Realtime) => Self::G1cOrdered,
            (Shape::GSingle, _) => Self::GSingle,
            (Shape::GNonadjacent, _) => Self::GNonadjacent,
            (Shape::G2, _) => Self::G2,
        }
    }
}

/// Totals over all logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Records sent.
    pub sent: u64,
    /// Of these: acknowledged, with or without an offset.
    pub acknowledged: u64,
    /// Of the acknowledged: without an offset (`acks=0`).
    pub without_offset: u64,
    /// Of these: failed.
    pub failed: u64,
    /// Of these: outcome unknown, or never completed.
    pub unknown: u64,
    /// Outcome unknown and in the log.
    pub recovered: u64,
    /// Outcome unknown and not in the log.
    pub absent: u64,
    /// Failed and in the log.
    pub failed_present: u64,
    /// Acknowledged below the log's start: deleted by retention, not lost.
    pub expired: u64,
    /// Records of ours in the final read (or, without one, at distinct offsets of all reads).
    pub in_log: u64,
    /// Records polled by consumers.
    pub polled: u64,
    /// Records handed over to processing, where the history says so.
    pub handed_over: u64,
    /// Logs with records or sends.
    pub logs: u64,
    /// Logs whose final read is missing or did not reach the end offset.
    pub logs_not_read_to_the_end: u64,
}

/// What one group was handed, over all logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct GroupCounts {
    /// Records polled by its members.
    pub polled: u64,
    /// Deliveries judged: hand-overs to processing where the group records them, polls otherwise.
    pub delivered: u64,
    /// Whether hand-overs are recorded.
    pub records_hand_over: bool,
    /// Records of the committed log delivered at least once.
    pub distinct: u64,
    /// Records of the committed log at or above the position that the group drained to.
    pub not_drained: u64,
}

/// How transactions ended, and what is known of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TransactionCounts {
    /// Begun.
    pub begun: u64,
    /// Their commit was acknowledged.
    pub committed: u64,
    /// Their abort was acknowledged, or their commit failed.
    pub aborted: u64,
    /// Asked to end, and nobody knows how they did.
    pub unknown: u64,
    /// Of these: proved to have committed by a committed reader.
    pub proved: u64,
    /// Never asked to end.
    pub open: u64,
    /// Logs that transactions wrote to and that no complete committed read shows.
    pub logs_not_read: u64,
}

/// What one group's sink holds, over all logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct SinkCounts {
    /// Effects judged: those that were found where the sink was read back, else those that it acknowledged.
    pub effects: u64,
    /// Records of the committed log with at least one of them.
    pub distinct: u64,
    /// Records that the group drained past, without a known effect, of which a member died (or was never answered)
    /// while it may have made one.
    pub unknown: u64,
    /// Records of the committed log at or above the position that the group drained to, without an effect.
    pub not_drained: u64,
    /// Whether the sink was read back to its end.
    pub read_back: bool,
    /// Whether it was read back in part, which proves nothing.
    pub read_in_part: bool,
}

/// What was seen of one log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct LogCounts {
    /// Records sent to it.
    pub sent: u64,
    /// Of these acknowledged.
    pub acknowledged: u64,
    /// Records of ours found in it.
    pub in_log: u64,
    /// Whether the final read reached the end offset.
    pub read_to_the_end: bool,
}

impl Findings {
    /// Number of records (copies, deliveries, steps) that show this anomaly.
    pub fn count(&self, anomaly: Anomaly) -> u64 {
        self.anomalies.get(&anomaly).map_or(0, |tally| tally.count)
    }

    /// Adds one finding.
    pub fn push(&mut self, finding: Finding) {
        self.anomalies.entry(finding.anomaly).or_default().push(finding);
    }

    /// Adds findings of which only the number is kept: of records, and of intervals.
    pub(crate) fn count_more(&mut self, anomaly: Anomaly, log: LogId, (records, intervals): (u64, u64)) {
        if records == 0 {
            return;
        }
        let tally = self.anomalies.entry(anomaly).or_default();
        tally.count += records;
        tally.findings += intervals;
        *tally.logs.entry(log).or_default() += records;
    }

    /// Adds everything of `later`, whose evidence follows that of `self`.
    pub fn append(&mut self, later: Findings) {
        for (anomaly, tally) in later.anomalies {
            self.anomalies.entry(anomaly).or_default().append(tally);
        }
        self.counts.add(&later.counts);
        for (group, counts) in later.groups {
            self.groups.entry(group).or_default().add(&counts);
        }
        for (group, counts) in later.sinks {
            self.sinks.entry(group).or_default().add(&counts);
        }
        self.logs.extend(later.logs);
        self.transactions.add(&later.transactions);
    }
}

impl Tally {
    /// Adds one finding.
    pub fn push(&mut self, finding: Finding) {
        self.count += finding.count;
        self.findings += 1;
        *self.logs.entry(finding.log).or_default() += finding.count;
        if let Some(cause) = finding.cause {
            *self.causes.entry(cause).or_default() += finding.count;
        }
        self.keep(finding);
    }

    /// Adds the findings of `later`, which follow those of `self`.
    pub fn append(&mut self, later: Tally) {
        self.count += later.count;
        self.findings += later.findings;
        for (log, count) in later.logs {
            *self.logs.entry(log).or_default() += count;
        }
        for (cause, count) in later.causes {
            *self.causes.entry(cause).or_default() += count;
        }
        for finding in later.first.into_iter().chain(later.last) {
            self.keep(finding);
        }
    }

    /// The findings that were kept, in order.
    pub fn witnesses(&self) -> impl Iterator<Item = &Finding> {
        self.first.iter().chain(&self.last)
    }

    fn keep(&mut self, finding: Finding) {
        if self.first.len() < KEEP {
            self.first.push(finding);
            return;
        }
        if self.last.len() == KEEP {
            self.last.pop_front();
        }
        self.last.push_back(finding);
    }
}

impl Counts {
    fn add(&mut self, other: &Counts) {
        self.sent += other.sent;
        self.acknowledged += other.acknowledged;
        self.without_offset += other.without_offset;
        self.failed += other.failed;
        self.unknown += other.unknown;
        self.recovered += other.recovered;
        self.absent += other.absent;
        self.failed_present += other.failed_present;
        self.expired += other.expired;
        self.in_log += other.in_log;
        self.polled += other.polled;
        self.handed_over += other.handed_over;
        self.logs += other.logs;
        self.logs_not_read_to_the_end += other.logs_not_read_to_the_end;
    }
}

impl TransactionCounts {
    fn add(&mut self, other: &TransactionCounts) {
        self.begun += other.begun;
        self.committed += other.committed;
        self.aborted += other.aborted;
        self.unknown += other.unknown;
        self.proved += other.proved;
        self.open += other.open;
        self.logs_not_read += other.logs_not_read;
    }
}

impl GroupCounts {
    fn add(&mut self, other: &GroupCounts) {
        self.polled += other.polled;
        self.delivered += other.delivered;
        self.records_hand_over |= other.records_hand_over;
        self.distinct += other.distinct;
        self.not_drained += other.not_drained;
    }
}

impl SinkCounts {
    fn add(&mut self, other: &SinkCounts) {
        self.effects += other.effects;
        self.distinct += other.distinct;
        self.unknown += other.unknown;
        self.not_drained += other.not_drained;
        self.read_back |= other.read_back;
        self.read_in_part |= other.read_in_part;
    }
}
