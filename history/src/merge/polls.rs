//! What one process polls from one log within one segment, held until it is handed over to processing.
//!
//! Usually each poll is handed over whole, or a prefix of it is before the process dies; that is one number per poll.
//! A hand-over of any other shape (out of order, again, of records that were not polled, or long after) is refused
//! here and kept as a row, so nothing is lost.

use std::io::Write;

use super::builder::Trouble;
use crate::ids::{LogId, Process};
use crate::merged::{CHUNK_RECORDS, PollSpan, ReadChunk, Writer};
use crate::op::{Run, Span};

/// The most records of one log that one poll of a chunk holds; a larger poll is stored as two.
const POLL_MAX: usize = 4 * CHUNK_RECORDS;

/// How many polls a hand-over may leave out.
const LOOK_AHEAD: usize = 64;

#[derive(Debug)]
pub(super) struct PollStream {
    pub(super) segment: u32,
    chunk: ReadChunk,
    /// The poll from which records are handed over next.
    next: usize,
    chunks: u32,
}

/// When a poll was asked and answered, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Asked {
    pub(super) invoked: u64,
    pub(super) returned: u64,
}

/// Which poll stream it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name {
    pub(super) process: Process,
    pub(super) log: LogId,
    pub(super) hands_over: bool,
    /// Records in a chunk.
    pub(super) chunk: usize,
}

impl PollStream {
    pub(super) fn new(segment: u32) -> Self {
        Self { segment, chunk: ReadChunk::default(), next: 0, chunks: 0 }
    }

    /// Begins a poll that returned something of this log.
    pub(super) fn begin<W: Write>(
        &mut self,
        name: Name,
        asked: Asked,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        let held = self.chunk.len();
        let limit = if self.all_handed() {
            name.chunk
        } else if name.hands_over {
            4 * name.chunk
        } else {
            2 * name.chunk
        };
        if held >= limit {
            self.write(name, out)?;
        }
        self.span(asked);
        Ok(())
    }

    /// Adds records to the poll that was begun.
    pub(super) fn push(&mut self, run: &Run, asked: Asked) {
        for place in 0..run.count {
            let begun = self.chunk.polls.last().map_or(0, |poll| poll.start as usize);
            if self.chunk.len() - begun >= POLL_MAX {
                self.span(asked);
            }
            self.chunk.push(run.offset.0 + i64::from(place), run.first.process.0, run.first.seq.0 + place);
        }
    }

    fn span(&mut self, Asked { invoked, returned }: Asked) {
        let start = u32::try_from(self.chunk.len()).unwrap_or(u32::MAX);
        self.chunk.polls.push(PollSpan { start, handed: 0, invoked, returned, handed_at: returned });
    }

    fn all_handed(&self) -> bool {
        let last = self.chunk.polls.len().wrapping_sub(1);
        self.chunk
            .polls
            .last()
            .is_none_or(|poll| self.handed_end(last) == self.chunk.poll_end(last) && poll.handed > 0)
    }

    /// Index after the last record of a poll that was handed over.
    fn handed_end(&self, poll: usize) -> usize {
        let poll = &self.chunk.polls[poll];
        poll.start as usize + poll.handed as usize
    }

    /// Takes note of a hand-over; false where it is not the next records of the polls.
    pub(super) fn handed_over(&mut self, span: Span, time: u64) -> bool {
        let Some(start) = self.place_of(span.first.0) else { return false };
        let Some(stop) = self.end_of(start, span.last.0) else { return false };
        let mut poll = self.chunk.poll_of(start);
        while poll < self.chunk.polls.len() && (self.chunk.polls[poll].start as usize) < stop {
            let end = self.chunk.poll_end(poll).min(stop);
            let span = &mut self.chunk.polls[poll];
            span.handed = u32::try_from(end).unwrap_or(u32::MAX) - span.start;
            span.handed_at = span.returned.max(time);
            self.next = poll;
            poll += 1;
        }
        true
    }

    /// Index of the record at `offset`, where it is the next of the current poll or the first of a later one. Where an
    /// offset was polled twice, what is handed over is what was polled last.
    fn place_of(&self, offset: i64) -> Option<usize> {
        let until = self.chunk.polls.len().min(self.next + LOOK_AHEAD);
        (self.next..until)
            .rev()
            .map(|poll| (self.handed_end(poll), self.chunk.poll_end(poll)))
            .filter(|(place, end)| place < end)
            .map(|(place, _)| place)
            .find(|&place| self.offset_of(place) == offset)
    }

    fn offset_of(&self, place: usize) -> i64 {
        let run = self.chunk.runs.partition_point(|run| run.start as usize <= place) - 1;
        let run = &self.chunk.runs[run];
        run.offset + i64::try_from(place - run.start as usize).unwrap_or(0)
    }

    /// Index after the record at offset `last`, where offsets ascend from record `start` to it and it is there.
    fn end_of(&self, start: usize, last: i64) -> Option<usize> {
        let first_run = self.chunk.runs.partition_point(|run| run.start as usize <= start) - 1;
        let mut before = i64::MIN;
        for run in first_run..self.chunk.runs.len() {
            let from = start.max(self.chunk.runs[run].start as usize);
            let offset = self.offset_of(from);
            if offset <= before || offset > last {
                return None;
            }
            let count = self.chunk.run_end(run) - from;
            before = offset + i64::try_from(count).unwrap_or(i64::MAX) - 1;
            if last <= before {
                return usize::try_from(last - offset).ok().map(|more| from + more + 1);
            }
        }
        None
    }

    pub(super) fn finish<W: Write>(&mut self, name: Name, out: &mut Writer<W>) -> Result<(), Trouble> {
        if self.chunk.is_empty() { Ok(()) } else { self.write(name, out) }
    }

    fn write<W: Write>(&mut self, name: Name, out: &mut Writer<W>) -> Result<(), Trouble> {
        out.polls((name.process, name.log, self.segment), self.chunks, &self.chunk)?;
        self.chunks += 1;
        self.chunk.clear();
        self.next = 0;
        Ok(())
    }
}
