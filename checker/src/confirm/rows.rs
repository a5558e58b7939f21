//! The rows that matter, in order of time, and what they say by themselves.

use std::collections::BTreeSet;

use history::ids::{LogId, Nanos, Process};
use history::merged::{History, HistoryError, Segments, TxnEnd};
use history::op::{Event, Op, Outcome, Phase, Position};

use super::facts::{Facts, nanos};
use super::wanted::Wanted;

/// Reads them, where any are wanted.
pub(super) fn of(history: &History, wanted: &Wanted) -> Result<Vec<Event>, HistoryError> {
    let mut rows = Vec::new();
    if !wanted.rows {
        return Ok(rows);
    }
    for event in history.events()? {
        let event = event?;
        if says_something(&event.op) {
            rows.push(event);
        }
    }
    Ok(rows)
}

fn says_something(op: &Op) -> bool {
    match op {
        Op::Close
        | Op::Crash { .. }
        | Op::InitTxn { .. }
        | Op::Assigned(_)
        | Op::Seek { .. }
        | Op::EffectBegin { .. }
        | Op::Effect { .. }
        | Op::Derive { .. }
        | Op::CommitOffsets { .. }
        | Op::FetchCommitted { .. }
        | Op::EndOffsets { .. }
        | Op::SinkRead { .. }
        | Op::SinkReadEnd { .. }
        | Op::Foreign { .. } => true,
        Op::Open(_)
        | Op::Send { .. }
        | Op::BeginTxn { .. }
        | Op::CommitTxn
        | Op::AbortTxn
        | Op::Revoked(_)
        | Op::Lost(_)
        | Op::Poll { .. }
        | Op::FinalRead { .. }
        | Op::FinalReadEnd { .. }
        | Op::Batch(_)
        | Op::Fault { .. }
        | Op::Heal { .. }
        | Op::Observe(_)
        | Op::Phase { .. } => false,
    }
}

/// Whether an event is an answer that it happened.
pub(super) fn ok(event: &Event) -> bool {
    matches!(event.phase, Phase::Complete(Outcome::Ok { .. }))
}

/// Whether an event is an answer that it did not happen.
pub(super) fn failed(event: &Event) -> bool {
    matches!(event.phase, Phase::Complete(Outcome::Fail { .. }))
}

/// An end offset that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EndRead {
    pub(super) process: Process,
    pub(super) end: i64,
    pub(super) invoked: Nanos,
    pub(super) returned: Nanos,
}

/// How a segment of a reader began: when, and from where, if it was sought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Begin {
    pub(super) segment: u32,
    pub(super) time: Nanos,
    pub(super) sought: Option<i64>,
}

/// A position that is known to have been committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Commit {
    pub(super) process: Process,
    pub(super) next: i64,
    pub(super) time: Nanos,
}

impl Facts<'_> {
    /// The end offsets of a log that were read, with when they were asked for.
    pub(super) fn end_reads(&self, log: LogId) -> Vec<EndRead> {
        let mut reads = Vec::new();
        for (at, event) in self.rows.iter().enumerate() {
            let Op::EndOffsets { positions } = &event.op else { continue };
            if !ok(event) {
                continue;
            }
            let same =
                |other: &&Event| other.process == event.process && matches!(other.op, Op::EndOffsets { .. });
            let asked = self.rows[..at].iter().rev().find(same).filter(|other| !ok(other));
            for position in positions.iter().filter(|position| position.log == log) {
                let Some(asked) = asked else { continue };
                reads.push(EndRead {
                    process: event.process,
                    end: position.next.0,
                    invoked: asked.time,
                    returned: event.time,
                });
            }
        }
        reads
    }

    /// How the segments of a reader of a log began, where rows say so.
    pub(super) fn begins(&self, process: Process, log: LogId) -> Vec<Begin> {
        let (mut segments, mut begins) = (Segments::default(), Vec::new());
        for event in self.rows.iter().filter(|event| event.process == process) {
            if segments.note(event).contains(&log) {
                let sought = if let Op::Seek { offset, .. } = event.op { Some(offset.0) } else { None };
                begins.push(Begin { segment: segments.current(process, log), time: event.time, sought });
            }
        }
        begins
    }

    /// The segment that a reader is in at a row.
    pub(super) fn segment_at(&self, row: usize, log: LogId) -> u32 {
        let mut segments = Segments::default();
        let process = self.rows[row].process;
        for event in self.rows[..=row].iter().filter(|event| event.process == process) {
            segments.note(event);
        }
        segments.current(process, log)
    }

    /// Positions that a group is known to have committed in a log.
    pub(super) fn commits(&self, group: &str, log: LogId) -> Vec<Commit> {
        let mut commits = Vec::new();
        for event in self.rows.iter().filter(|event| ok(event) && self.is_member(event.process, group)) {
            if let Op::CommitOffsets { positions, .. } | Op::FetchCommitted { positions } = &event.op {
                let here = positions.iter().filter(|position| position.log == log);
                let commit = |Position { next, .. }: &Position| Commit {
                    process: event.process,
                    next: next.0,
                    time: event.time,
                };
                commits.extend(here.map(commit));
            }
        }
        for txn in self.txns.values().flatten().filter(|txn| self.is_member(txn.process, group)) {
            if let Some((next, _)) = txn.positions.get(&log).filter(|_| txn.span.how == TxnEnd::Committed) {
                let (process, time) = (txn.process, nanos(txn.span.ended));
                commits.push(Commit { process, next: *next, time });
            }
        }
        commits
    }

    /// Whether a process was found dead, or ended without a word.
    pub(super) fn died(&self, process: Process) -> bool {
        let own = || self.rows.iter().filter(move |event| event.process == process);
        let torn = self.history.facts().processes.get(&process).is_some_and(|facts| facts.torn.is_some());
        let closed = own().any(|event| matches!(event.op, Op::Close));
        own().any(|event| matches!(event.op, Op::Crash { .. })) || (torn && !closed)
    }

    /// Processes that belong to a group.
    pub(super) fn members(&self, group: &str) -> BTreeSet<Process> {
        let processes = self.history.facts().processes.keys().copied();
        processes.filter(|process| self.is_member(*process, group)).collect()
    }
}
