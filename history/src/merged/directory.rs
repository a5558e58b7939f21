//! The directory: what each chunk holds and where it is.
//!
//! An entry is a fixed 112 bytes, so that the number of entries is known from the directory's length and a damaged
//! file cannot make a reader allocate more than it holds. Entries are sorted by stream and by place in the stream; a
//! stream's chunks are a slice of the directory.

use super::CHUNK_RECORDS_MAX;
use super::codec::{Input, Malformed};
use crate::ids::{LogId, Process};
use crate::op::Isolation;

/// Bytes of an entry in the file.
pub(super) const ENTRY_LEN: usize = 112;

/// What a chunk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// What a process sent to a log, by sequence.
    Sends,
    /// What the independent reader read of a log.
    FinalRead(Isolation),
    /// What a consumer polled from a log within one segment.
    Polls,
    /// What the independent reader saw of a log's record batches.
    Batches,
    /// What a process did with transactions.
    Transactions,
    /// Other events of a process, in order of time.
    Rows,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Self::Sends => 1,
            Self::FinalRead(Isolation::ReadUncommitted) => 2,
            Self::FinalRead(Isolation::ReadCommitted) => 3,
            Self::Polls => 4,
            Self::Batches => 5,
            Self::Rows => 6,
            Self::Transactions => 7,
        }
    }

    fn of_code(code: u8) -> Option<Self> {
        match code {
            1 => Some(Self::Sends),
            2 => Some(Self::FinalRead(Isolation::ReadUncommitted)),
            3 => Some(Self::FinalRead(Isolation::ReadCommitted)),
            4 => Some(Self::Polls),
            5 => Some(Self::Batches),
            6 => Some(Self::Rows),
            7 => Some(Self::Transactions),
            _ => None,
        }
    }
}

/// One chunk: its stream, its counts and bounds, its place in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What it holds.
    pub kind: Kind,
    /// The log; 0 for transactions and rows.
    pub log: LogId,
    /// The producer, the reader, or the process whose rows they are.
    pub process: Process,
    /// For polls: the segment, counted per process and log (see [`super::Segments`]); else 0.
    pub segment: u32,
    /// Place of the chunk within its stream.
    pub ordinal: u32,
    /// Records (for rows: events; for batches: batches; for transactions: transactions).
    pub records: u32,
    /// Runs of records; for transactions: positions sent to them.
    pub runs: u32,
    /// For polls: polls. For sends: records acknowledged with an offset. For transactions: committed.
    pub polls: u32,
    /// For polls: records handed over to processing. For sends: records acknowledged without an offset. For
    /// transactions: ended nobody knows how, or not at all.
    pub handed: u32,
    /// For sends: records that failed. For transactions: aborted, or failed to commit.
    pub failed: u32,
    /// For sends: first and last sequence number. For transactions: the first record's, and the one after the last.
    pub seqs: (u32, u32),
    /// For reads: least and greatest offset.
    pub offsets: (i64, i64),
    /// Whether the offsets ascend strictly.
    pub ascending: bool,
    /// First time in microseconds.
    pub time: u64,
    /// Position in the file.
    pub position: u64,
    /// Length in the file.
    pub length: u32,
    /// xxh3 of its bytes.
    pub hash: u64,
}

impl Entry {
    /// An entry of which only the stream is known.
    pub(super) fn new(kind: Kind, log: LogId, process: Process) -> Self {
        Self {
            kind,
            log,
            process,
            segment: 0,
            ordinal: 0,
            records: 0,
            runs: 0,
            polls: 0,
            handed: 0,
            failed: 0,
            seqs: (0, 0),
            offsets: (0, 0),
            ascending: true,
            time: 0,
            position: 0,
            length: 0,
            hash: 0,
        }
    }

    /// The order of the directory.
    pub(super) fn order(&self) -> (Kind, LogId, Process, u32, u32) {
        (self.kind, self.log, self.process, self.segment, self.ordinal)
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend_from_slice(&[self.kind.code(), u8::from(self.ascending)]);
        out.extend_from_slice(&self.log.0.to_le_bytes());
        for number in
            [self.process.0, self.segment, self.ordinal, self.records, self.runs, self.polls, self.handed]
        {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.failed, self.seqs.0, self.seqs.1, self.length] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.offsets.0, self.offsets.1] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        for number in [self.time, self.position, self.hash] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.resize(start + ENTRY_LEN, 0);
    }

    pub(super) fn take(input: &mut Input<'_>) -> Result<Self, Malformed> {
        let mut fields = Input(input.take(ENTRY_LEN)?);
        let kind = Kind::of_code(fields.byte()?).ok_or(Malformed::Range("kind of chunk"))?;
        let ascending = fields.byte()? != 0;
        let log = LogId(u16::from_le_bytes(fields.array()?));
        let mut number = || fields.array().map(u32::from_le_bytes);
        let entry = Self {
            kind,
            log,
            process: Process(number()?),
            segment: number()?,
            ordinal: number()?,
            records: number()?,
            runs: number()?,
            polls: number()?,
            handed: number()?,
            failed: number()?,
            seqs: (number()?, number()?),
            length: number()?,
            offsets: (i64::from_le_bytes(fields.array()?), i64::from_le_bytes(fields.array()?)),
            ascending,
            time: u64::from_le_bytes(fields.array()?),
            position: u64::from_le_bytes(fields.array()?),
            hash: u64::from_le_bytes(fields.array()?),
        };
        let counts = [entry.records, entry.runs, entry.polls, entry.handed, entry.failed];
        if counts.iter().any(|&count| usize::try_from(count).is_ok_and(|count| count > CHUNK_RECORDS_MAX)) {
            return Err(Malformed::Range("number of records in a chunk"));
        }
        Ok(entry)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_comes_back() {
        for code in 1..=7 {
            let mut entry = Entry::new(Kind::of_code(code).unwrap(), LogId(513), Process(70_000));
            entry.segment = 1;
            entry.ordinal = 2;
            entry.records = 3;
            entry.runs = 4;
            entry.polls = 5;
            entry.handed = 6;
            entry.failed = 7;
            entry.seqs = (8, u32::MAX);
            entry.offsets = (-1, i64::MAX);
            entry.ascending = false;
            entry.time = u64::MAX;
            entry.position = 9;
            entry.length = 10;
            entry.hash = 11;
            let mut bytes = Vec::new();
            entry.put(&mut bytes);
            assert_eq!(bytes.len(), ENTRY_LEN);
            assert_eq!(Entry::take(&mut Input(&bytes)), Ok(entry));
        }
    }
}
