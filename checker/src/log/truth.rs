//! What a log holds: the complete final read, or else everything that anybody read of it.
//!
//! With a complete final read the log's content is known. Without one it is put together from every read by whomever,
//! in order of offsets ([`Union`]); that is the exception (a run cut short, or a history recorded by others). Where such
//! reads contradict each other, the final read is believed before a poll and among polls the smallest value; the
//! others become claims that conflict.

use history::ids::LogId;
use history::merged::{Buffer, Entry, FinalReadEnd, History, HistoryError, Kind, ReadChunk};
use history::op::Isolation;

use super::union::Union;

/// The content of one log.
pub(crate) struct Truth<'h> {
    history: &'h History,
    log: LogId,
    /// The chunks of a complete final read.
    complete: Option<&'h [Entry]>,
    /// How far the final read came, where there is one.
    pub(crate) end: Option<FinalReadEnd>,
    /// Which records it shows.
    pub(crate) isolation: Isolation,
}

/// What a log holds, records of open and aborted transactions included where that is known.
pub(crate) fn truth_of(history: &History, log: LogId) -> Truth<'_> {
    let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
    levels.iter().find_map(|&level| Truth::complete(history, log, level)).unwrap_or_else(|| Truth {
        history,
        log,
        complete: None,
        end: levels.iter().find_map(|&level| history.final_read(log, level)).copied(),
        isolation: Isolation::ReadUncommitted,
    })
}

impl<'h> Truth<'h> {
    /// The complete final read of a log at this isolation level.
    pub(crate) fn complete(history: &'h History, log: LogId, isolation: Isolation) -> Option<Self> {
        let end = *history.final_read(log, isolation).filter(|end| end.is_complete())?;
        let complete = Some(history.chunks(Kind::FinalRead(isolation), log));
        Some(Self { history, log, complete, end: Some(end), isolation })
    }

    /// Whether it is the complete final read.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete.is_some()
    }

    /// First offset that exists in the log, as far as known.
    pub(crate) fn start(&self) -> i64 {
        self.end.map_or(0, |end| end.start.0)
    }

    /// Position that reading reached: one more than the greatest offset read.
    pub(crate) fn reached(&self) -> Option<i64> {
        let read = |entries: &[Entry]| {
            let last = entries.iter().filter(|entry| entry.records > 0).map(|entry| entry.offsets.1).max();
            last.map(|last| last.saturating_add(1))
        };
        let read = match self.complete {
            Some(entries) => read(entries),
            None => Union::reads(self.history, self.log).into_iter().filter_map(read).max(),
        };
        read.max(self.end.map(|end| end.reached.0))
    }

    /// Whether another truth of the same log is the same, byte for byte.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        let same = |a: &Entry, b: &Entry| {
            (a.hash, a.length, a.records, a.offsets) == (b.hash, b.length, b.records, b.offsets)
        };
        self.complete.zip(other.complete).is_some_and(|(ours, theirs)| {
            ours.len() == theirs.len() && ours.iter().zip(theirs).all(|(a, b)| same(a, b))
        })
    }

    /// The entries of the chunks, for a final read.
    pub(crate) fn entries(&self) -> &'h [Entry] {
        self.complete.unwrap_or_default()
    }

    /// Reads the log from its start.
    pub(crate) fn scan(&self) -> Scan<'h> {
        let history = self.history;
        match self.complete {
            Some(entries) => Scan::Chunks { history, entries },
            None => Scan::Union(Box::new(Union::new(history, self.log))),
        }
    }
}

/// A log being read, window by window.
pub(crate) enum Scan<'h> {
    /// The chunks of a final read that are left.
    Chunks { history: &'h History, entries: &'h [Entry] },
    /// All reads.
    Union(Box<Union<'h>>),
}

impl Scan<'_> {
    /// Reads the next window, where `wanted` says so of its first and last offset; false at the end.
    pub(crate) fn next(
        &mut self,
        buffer: &mut Buffer,
        chunk: &mut ReadChunk,
        wanted: impl FnOnce(i64, i64) -> bool,
    ) -> Result<bool, HistoryError> {
        match self {
            Self::Chunks { history, entries } => {
                let next = entries.split_first();
                if let Some((_, rest)) = next {
                    *entries = rest;
                }
                match next.filter(|(entry, _)| entry.records > 0 && wanted(entry.offsets.0, entry.offsets.1))
                {
                    Some((entry, _)) => history.reads(entry, buffer, chunk)?,
                    None => chunk.clear(),
                }
                Ok(next.is_some())
            }
            Self::Union(union) => {
                chunk.clear();
                union.next(buffer, chunk)?;
                if let Some((first, last)) = bounds(chunk) {
                    wanted(first, last);
                    return Ok(true);
                }
                Ok(false)
            }
        }
    }
}

/// First and last offset of a window.
fn bounds(chunk: &ReadChunk) -> Option<(i64, i64)> {
    let (first, last) = (chunk.runs.first()?, chunk.runs.last()?);
    let count = chunk.len() as u64 - u64::from(last.start);
    Some((first.offset, last.offset.saturating_add_unsigned(count - 1)))
}
