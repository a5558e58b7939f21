//! What was recorded about the things that findings name, as plain lists.
//!
//! Nothing is concluded here but what a row says by itself. Times are as recorded: of a question rounded down, of an
//! answer rounded up to a microsecond.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Nanos, Process, Value};
use history::merged::{FinalReadEnd, History, SendOutcome, TxnEnd, TxnSpan};
use history::op::{Event, Isolation};

/// Everything that is known of what findings name.
#[derive(Debug)]
pub(super) struct Facts<'h> {
    pub(super) history: &'h History,
    /// How records were sent; a value is sent once in a history.
    pub(super) sent: BTreeMap<Value, Sent>,
    /// Records that acknowledgements claim for wanted places.
    pub(super) claimed: BTreeMap<(LogId, i64), BTreeSet<Value>>,
    /// What final reads hold.
    pub(super) held: BTreeMap<(LogId, Isolation), BTreeSet<(i64, Value)>>,
    /// What polls returned: by reader, segment and order.
    pub(super) polls: BTreeMap<LogId, BTreeSet<Polled>>,
    /// Transactions of processes in the order in which they were begun.
    pub(super) txns: BTreeMap<Process, Vec<Txn>>,
    /// When members of groups handed over last, with a poll; where that matters.
    pub(super) last_handed: BTreeMap<Process, Nanos>,
    /// Rows in order of time, where any are wanted.
    pub(super) rows: Vec<Event>,
}

/// How a record was sent, and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    pub(super) log: LogId,
    pub(super) invoked: Nanos,
    pub(super) outcome: SendOutcome,
    pub(super) offset: Option<i64>,
    pub(super) completed: Option<Nanos>,
    pub(super) code: i32,
}

/// A record that a poll returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Polled {
    pub(super) reader: Process,
    pub(super) segment: u32,
    /// Chunk, and place in it.
    pub(super) place: (u32, usize),
    pub(super) offset: i64,
    pub(super) value: Value,
    pub(super) invoked: Nanos,
    pub(super) returned: Nanos,
    /// When it was handed over to processing, where that was recorded with the poll.
    pub(super) handed: Option<Nanos>,
}

/// A transaction, with the positions that were sent to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Txn {
    pub(super) process: Process,
    pub(super) span: TxnSpan,
    /// The last position for each log, and whether it was acknowledged.
    pub(super) positions: BTreeMap<LogId, (i64, bool)>,
}

impl Facts<'_> {
    /// How a record was sent to a log.
    pub(super) fn sent_to(&self, value: Value, log: LogId) -> Option<&Sent> {
        self.sent.get(&value).filter(|sent| sent.log == log)
    }

    pub(super) fn end(&self, log: LogId, level: Isolation) -> Option<&FinalReadEnd> {
        self.history.final_read(log, level)
    }

    /// The complete final read of a log, if it is.
    pub(super) fn complete(&self, log: LogId, level: Isolation) -> Option<&FinalReadEnd> {
        self.end(log, level).filter(|end| end.reached >= end.end)
    }

    pub(super) fn is_transactional(&self, process: Process) -> bool {
        self.history.facts().processes.get(&process).is_some_and(|facts| facts.transactional)
    }

    pub(super) fn is_truncated(&self, process: Process) -> bool {
        self.history.facts().processes.get(&process).is_some_and(|facts| facts.truncated)
    }

    pub(super) fn any_transactional(&self) -> bool {
        self.history.facts().processes.values().any(|facts| facts.transactional)
    }

    /// Whether a process says that it reads committed.
    pub(super) fn reads_committed(&self, process: Process) -> bool {
        let facts = self.history.facts().processes.get(&process);
        facts.is_some_and(|facts| facts.identity.isolation == Some(Isolation::ReadCommitted))
    }

    pub(super) fn group_of(&self, process: Process) -> Option<&str> {
        group_of(self.history, process)
    }

    /// Whether a process belongs to a group.
    pub(super) fn is_member(&self, process: Process, group: &str) -> bool {
        self.group_of(process) == Some(group)
    }

    /// Whether any member of a group says what it hands over.
    pub(super) fn hands_over(&self, group: &str) -> bool {
        let members = self.history.facts().processes.values();
        members.into_iter().any(|facts| facts.identity.group.as_deref() == Some(group) && facts.hands_over)
    }

    /// What was polled of a log.
    pub(super) fn polls_of(&self, log: LogId) -> impl Iterator<Item = &Polled> {
        self.polls.get(&log).into_iter().flatten()
    }

    /// The transaction that a record belongs to.
    pub(super) fn txn_of(&self, value: Value) -> Option<&Txn> {
        let own = self.txns.get(&value.process)?;
        own.iter().find(|txn| txn.span.first <= value.seq.0 && value.seq.0 < txn.span.end)
    }
}

impl Facts<'_> {
    /// Which of the transactions of its reader a poll belongs to: the first that was not yet over.
    pub(super) fn txn_of_poll(&self, polled: &Polled) -> Option<(usize, &Txn)> {
        let own = self.txns.get(&polled.reader)?;
        own.iter().enumerate().find(|(at, Txn { span, .. })| {
            let next = own.get(at + 1).map_or(TxnSpan::NEVER, |next| next.span.invoked.saturating_sub(1));
            let until = if span.closed == TxnSpan::NEVER { next } else { span.closed };
            let within = span.ended != TxnSpan::NEVER && polled.returned <= nanos(span.ended);
            within || polled.invoked <= nanos(until)
        })
    }
}

impl Txn {
    /// Whether it certainly did not commit.
    pub(super) fn is_dead(&self) -> bool {
        matches!(self.span.how, TxnEnd::Aborted | TxnEnd::Failed)
    }

    /// Whether a record belongs to it.
    pub(super) fn holds(&self, value: Value) -> bool {
        value.process == self.process && self.span.first <= value.seq.0 && value.seq.0 < self.span.end
    }
}

/// The group that a process belongs to.
pub(super) fn group_of(history: &History, process: Process) -> Option<&str> {
    history.facts().processes.get(&process)?.identity.group.as_deref()
}

/// Nanoseconds of a time in microseconds.
pub(super) fn nanos(micros: u64) -> Nanos {
    Nanos(micros.saturating_mul(1000))
}
