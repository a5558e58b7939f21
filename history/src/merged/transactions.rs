//! Chunks of transactions: what one process began, how it ended, and the positions it sent to them.
//!
//! A transaction is not a row: there may be one for every few records. Which records belong to it is said by sequence
//! numbers, so that no clock decides it. Of several attempts to end it (a commit that timed out, then another) what
//! matters is kept: when it may first have been committed, when the last attempt was made and answered, and how it
//! ended. The first attempt that is answered ok decides; an error of a commit or of an abort leaves it open which.

use super::codec::{Input, Malformed, put_column, take_column};
use super::directory::{Entry, Kind};
use super::sends::small;
use crate::ids::{LogId, Offset, Process};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TxnEnd {
    /// A commit was acknowledged.
    Committed,
    /// An abort was acknowledged.
    Aborted,
    /// Its commit failed for sure, and nothing that may have committed it was asked.
    Failed,
    /// It was asked to end, and nobody knows how it did.
    Unknown,
    /// Nothing that may have committed it was asked.
    #[default]
    Open,
}

/// One transaction of a process. Times are in microseconds: of a question rounded down, of an answer up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TxnSpan {
    /// The transactional id, as an index into [`super::Facts::transactional_ids`].
    pub id: u32,
    /// Producer epoch; -1 where it is not known.
    pub epoch: i32,
    /// Sequence number of the first record that the process sent in it.
    pub first: u32,
    /// Sequence number after the last one; equal to `first` where it holds no records.
    pub end: u32,
    /// When it was begun.
    pub invoked: u64,
    /// When beginning it was answered, or [`TxnSpan::NEVER`].
    pub began: u64,
    /// When it was first asked to end, in whatever way, or [`TxnSpan::NEVER`].
    pub asked: u64,
    /// The first attempt that may have committed it (of an abort without an ok nobody knows), or [`TxnSpan::NEVER`].
    pub may_commit: u64,
    /// The last attempt to end it, or [`TxnSpan::NEVER`].
    pub closed: u64,
    /// When the last attempt was answered, whatever the answer, or [`TxnSpan::NEVER`].
    pub ended: u64,
    /// How it ended.
    pub how: TxnEnd,
}

/// A position that was sent to a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TxnOffset {
    /// Index of the transaction in the chunk.
    pub txn: u32,
    /// The log.
    pub log: LogId,
    /// The next offset to read once it commits.
    pub next: Offset,
    /// Whether that was acknowledged.
    pub certain: bool,
}

/// A decoded chunk of transactions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TxnChunk {
    /// The transactions, in the order they were begun.
    pub txns: Vec<TxnSpan>,
    /// The positions sent to them, in the order of the transactions.
    pub offsets: Vec<TxnOffset>,
    column: Vec<u64>,
}

const COLUMNS: usize = 11;

impl TxnSpan {
    /// In place of a time that never came.
    pub const NEVER: u64 = u64::MAX;

    /// The numbers of a transaction, relative to the one before.
    fn numbers(&self, before: &Self) -> [u64; COLUMNS] {
        let since = |time: u64, base: u64| {
            if time == Self::NEVER { 0 } else { time.wrapping_sub(base).wrapping_add(1) }
        };
        [
            u64::from(self.id),
            i64::from(self.epoch).wrapping_sub(before.epoch.into()).cast_unsigned(),
            u64::from(self.first.wrapping_sub(before.first)),
            u64::from(self.end.wrapping_sub(self.first)),
            self.invoked.wrapping_sub(before.invoked),
            since(self.began, self.invoked),
            since(self.asked, self.invoked),
            since(self.may_commit, self.asked),
            since(self.closed, self.asked),
            since(self.ended, self.closed),
            code(self.how),
        ]
    }

    fn set(&mut self, before: &Self, column: usize, number: u64) -> Result<(), Malformed> {
        let at = |base: u64| if number == 0 { Self::NEVER } else { base.wrapping_add(number - 1) };
        let small = || u32::try_from(number).map_err(|_| Malformed::Range("transaction"));
        match column {
            0 => self.id = small()?,
            1 => {
                let epoch = i64::from(before.epoch).wrapping_add(number.cast_signed());
                self.epoch = i32::try_from(epoch).map_err(|_| Malformed::Range("epoch"))?;
            }
            2 => self.first = before.first.wrapping_add(small()?),
            3 => self.end = self.first.checked_add(small()?).ok_or(Malformed::Range("sequence"))?,
            4 => self.invoked = before.invoked.wrapping_add(number),
            5 => self.began = at(self.invoked),
            6 => self.asked = at(self.invoked),
            7 => self.may_commit = at(self.asked),
            8 => self.closed = at(self.asked),
            9 => self.ended = at(self.closed),
            _ => self.how = how(number)?,
        }
        Ok(())
    }
}

impl TxnChunk {
    /// Forgets its content and keeps its memory.
    pub fn clear(&mut self) {
        self.txns.clear();
        self.offsets.clear();
    }

    /// Appends the chunk's bytes; returns its directory entry, place in the file still unknown.
    pub(super) fn put(&self, process: Process, out: &mut Vec<u8>) -> Entry {
        let mut entry = Entry::new(Kind::Transactions, LogId(0), process);
        entry.records = small(self.txns.len());
        entry.runs = small(self.offsets.len());
        for txn in &self.txns {
            match txn.how {
                TxnEnd::Committed => entry.polls += 1,
                TxnEnd::Aborted | TxnEnd::Failed => entry.failed += 1,
                TxnEnd::Unknown | TxnEnd::Open => entry.handed += 1,
            }
        }
        let first = self.txns.first().copied().unwrap_or_default();
        entry.time = first.invoked;
        entry.seqs = (first.first, self.txns.last().map_or(0, |last| last.end));
        let mut column = Vec::with_capacity(self.txns.len());
        for nth in 0..COLUMNS {
            column.clear();
            let mut before = origin(&entry);
            for txn in &self.txns {
                column.push(txn.numbers(&before)[nth]);
                before = *txn;
            }
            put_column(&column, out);
        }
        let mut before = TxnOffset { txn: 0, log: LogId(0), next: Offset(0), certain: true };
        let (mut txns, mut logs, mut nexts) = (Vec::new(), Vec::new(), Vec::new());
        for offset in &self.offsets {
            txns.push(u64::from(offset.txn.wrapping_sub(before.txn)));
            logs.push(u64::from(offset.log.0) << 1 | u64::from(offset.certain));
            nexts.push(offset.next.0.wrapping_sub(before.next.0).cast_unsigned());
            before = *offset;
        }
        for column in [&txns, &logs, &nexts] {
            put_column(column, out);
        }
        entry
    }

    /// Decodes a chunk in place of what was here.
    pub(super) fn take(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), Malformed> {
        let mut input = Input(bytes);
        let (count, offsets) = (entry.records as usize, entry.runs as usize);
        self.clear();
        self.txns.resize(count, TxnSpan::default());
        for nth in 0..COLUMNS {
            take_column(&mut input, count, &mut self.column)?;
            let mut before = origin(entry);
            for (txn, &number) in self.txns.iter_mut().zip(&self.column) {
                txn.set(&before, nth, number)?;
                before = *txn;
            }
        }
        let mut txn = 0u32;
        take_column(&mut input, offsets, &mut self.column)?;
        for &step in &self.column {
            txn = txn.wrapping_add(u32::try_from(step).map_err(|_| Malformed::Range("transaction"))?);
            if txn >= entry.records {
                return Err(Malformed::Range("transaction"));
            }
            self.offsets.push(TxnOffset { txn, log: LogId(0), next: Offset(0), certain: false });
        }
        take_column(&mut input, offsets, &mut self.column)?;
        for (offset, &number) in self.offsets.iter_mut().zip(&self.column) {
            offset.log = LogId(u16::try_from(number >> 1).map_err(|_| Malformed::Range("log"))?);
            offset.certain = number & 1 != 0;
        }
        take_column(&mut input, offsets, &mut self.column)?;
        let mut next = 0i64;
        for (offset, &step) in self.offsets.iter_mut().zip(&self.column) {
            next = next.wrapping_add(step.cast_signed());
            offset.next = Offset(next);
        }
        input.end()
    }
}

/// What the first transaction of a chunk is relative to.
fn origin(entry: &Entry) -> TxnSpan {
    TxnSpan { first: entry.seqs.0, invoked: entry.time, ..TxnSpan::default() }
}

fn code(how: TxnEnd) -> u64 {
    match how {
        TxnEnd::Committed => 0,
        TxnEnd::Aborted => 1,
        TxnEnd::Failed => 2,
        TxnEnd::Unknown => 3,
        TxnEnd::Open => 4,
    }
}

fn how(code: u64) -> Result<TxnEnd, Malformed> {
    match code {
        0 => Ok(TxnEnd::Committed),
        1 => Ok(TxnEnd::Aborted),
        2 => Ok(TxnEnd::Failed),
        3 => Ok(TxnEnd::Unknown),
        4 => Ok(TxnEnd::Open),
        _ => Err(Malformed::Range("end of a transaction")),
    }
}
