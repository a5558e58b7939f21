//! A parcel: records that one process sends to one log together, and what becomes of them.

use std::ops::Range;

use history::ids::{LogId, Process, Seq, Value};
use history::merged::{SendOutcome, SendRun};

/// Records on their way: one batch, as long as nothing is planted in it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Parcel {
    pub(crate) process: Process,
    pub(crate) log: LogId,
    /// Producer epoch, in a transaction.
    pub(crate) epoch: Option<i16>,
    pub(crate) seqs: Vec<u32>,
    /// Times of invocation in microseconds.
    pub(crate) invoked: Vec<u64>,
}

impl Parcel {
    pub(crate) fn len(&self) -> usize {
        self.seqs.len()
    }

    pub(crate) fn all(&self) -> Range<usize> {
        0..self.len()
    }

    pub(crate) fn value(&self, at: usize) -> Value {
        Value { process: self.process, seq: Seq(self.seqs[at]) }
    }

    pub(super) fn clear(&mut self) {
        self.seqs.clear();
        self.invoked.clear();
    }
}

/// What becomes of a batch in a correct system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Stored and acknowledged.
    Acked,
    /// Stored; the application was told so without being told where (`acks=0`).
    Blind,
    /// Stored, and the response was lost; the client may know the offset all the same.
    Recovered {
        /// Whether the offset was learned.
        learned: bool,
    },
    /// Not stored, and nobody knows.
    Absent,
    /// Refused.
    Refused,
    /// Never completed, because the client died.
    Orphaned {
        /// Whether it was stored.
        stored: bool,
    },
}

impl Fate {
    pub(super) fn is_stored(self) -> bool {
        match self {
            Fate::Acked | Fate::Blind | Fate::Recovered { .. } => true,
            Fate::Orphaned { stored } => stored,
            Fate::Absent | Fate::Refused => false,
        }
    }
}

/// How sends are recorded to have ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct End {
    pub(crate) outcome: SendOutcome,
    pub(crate) offset: i64,
    pub(crate) completed: u64,
    pub(crate) cause: u32,
}

/// Index of the cause of a time-out in the table of causes.
pub(crate) const TIMED_OUT: u32 = 1;
/// Index of the cause of a refusal.
pub(crate) const TOO_LARGE: u32 = 2;

impl End {
    pub(crate) fn acked(offset: i64, completed: u64) -> Self {
        Self { outcome: SendOutcome::Acked, offset, completed, cause: 0 }
    }

    pub(crate) fn blind(completed: u64) -> Self {
        Self { outcome: SendOutcome::AckedWithoutOffset, offset: SendRun::NO_OFFSET, completed, cause: 0 }
    }

    pub(crate) fn unknown(offset: Option<i64>, completed: u64) -> Self {
        let offset = offset.unwrap_or(SendRun::NO_OFFSET);
        Self { outcome: SendOutcome::Unknown, offset, completed, cause: TIMED_OUT }
    }

    pub(crate) fn failed(completed: u64) -> Self {
        let offset = SendRun::NO_OFFSET;
        Self { outcome: SendOutcome::Failed, offset, completed, cause: TOO_LARGE }
    }

    pub(crate) fn never() -> Self {
        let (offset, completed) = (SendRun::NO_OFFSET, SendRun::NEVER);
        Self { outcome: SendOutcome::Unknown, offset, completed, cause: 0 }
    }
}
