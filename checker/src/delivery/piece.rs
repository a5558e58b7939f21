//! A stretch of polled records whose offsets ascend, merged with the log window by window.

use std::rc::Rc;

use history::ids::{Nanos, Value};
use history::merged::ReadChunk;

use super::cause::Receiver;
use crate::log::stream::{nanos, value};

/// Records of one chunk of polls (or of another final read) with ascending offsets.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) chunk: Rc<ReadChunk>,
    pub(super) receiver: Receiver,
    /// Its place in the order of the segment: chunk, and place in the chunk.
    pub(super) place: (u32, u32),
    /// Place of its group among the groups of this log.
    pub(super) group: Option<usize>,
    /// Whether every record was handed over.
    pub(super) all_handed: bool,
    /// The next record, its run, and the end.
    pub(super) pos: usize,
    pub(super) run: usize,
    pub(super) end: usize,
    /// Rank of the first record of the log at or behind the piece's first record, and that one.
    pub(super) first: Option<(u64, i64, Value)>,
    /// What came before the next record.
    pub(super) before: Option<Before>,
}

/// The record that a step starts from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Before {
    pub(super) offset: i64,
    pub(super) value: Value,
    /// Its index in the chunk.
    pub(super) at: usize,
    /// When the poll that returned it did.
    pub(super) time: Nanos,
    /// Rank of the first record of the log behind it.
    pub(super) after: u64,
    /// That record, where it was passed.
    pub(super) next: Option<(i64, Value)>,
}

/// Two ends of a finished piece.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) receiver: Receiver,
    pub(super) place: (u32, u32),
    /// Rank of the first record of the log at or behind its first record, that record's offset and value, its time.
    pub(super) first: (u64, i64, Value, Nanos),
    pub(super) last: Before,
}

impl Piece {
    /// Offset of the next record.
    pub(super) fn offset(&self) -> i64 {
        let run = &self.chunk.runs[self.run];
        run.offset.saturating_add_unsigned(self.pos as u64 - u64::from(run.start))
    }

    /// Records left in the run of the next record.
    pub(super) fn left(&self) -> usize {
        self.chunk.run_end(self.run).min(self.end) - self.pos
    }

    /// Producer of the next record.
    pub(super) fn process(&self) -> u32 {
        self.chunk.runs[self.run].process
    }

    /// Value of the next record.
    pub(super) fn value(&self) -> Value {
        value(self.process(), self.chunk.seqs[self.pos])
    }

    /// When the poll of a record returned; 0 for a final read.
    pub(super) fn time(&self, at: usize) -> Nanos {
        self.chunk.polls.get(self.chunk.poll_of(at)).map_or(Nanos(0), |poll| nanos(poll.returned))
    }

    /// Moves over `count` records of the run, behind which `after` is the rank of the log's next record.
    pub(super) fn advance(&mut self, count: usize, after: u64) {
        let at = self.pos + count - 1;
        let offset = self.offset().saturating_add_unsigned(count as u64 - 1);
        let value = value(self.process(), self.chunk.seqs[at]);
        self.before = Some(Before { offset, value, at, time: Nanos(0), after, next: None });
        self.pos += count;
        if self.pos >= self.chunk.run_end(self.run) {
            self.run += 1;
        }
    }

    /// Its ends, once it is finished.
    pub(super) fn ends(&self, start: usize) -> Option<Ends> {
        let (rank, offset, value) = self.first?;
        let last = self.before?;
        let last = Before { time: self.time(last.at), ..last };
        let first = (rank, offset, value, self.time(start));
        Some(Ends { receiver: self.receiver, place: self.place, first, last })
    }
}

/// Cuts a chunk where its offsets do not ascend; returns first record, run and end of each piece.
pub(crate) fn cuts(chunk: &ReadChunk) -> Vec<(usize, usize, usize)> {
    let mut pieces = Vec::new();
    let (mut start, mut start_run, mut last) = (0, 0, i64::MIN);
    for (index, run) in chunk.runs.iter().enumerate() {
        if run.offset <= last {
            pieces.push((start, start_run, run.start as usize));
            (start, start_run) = (run.start as usize, index);
        }
        let count = chunk.run_end(index) - run.start as usize;
        last = run.offset.saturating_add_unsigned(count as u64 - 1);
    }
    if start < chunk.len() {
        pieces.push((start, start_run, chunk.len()));
    }
    pieces
}
