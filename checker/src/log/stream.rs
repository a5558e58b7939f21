//! What one process sent to one log, consumed from the front while the log is read.
//!
//! Chunks are decoded one at a time. A value that is not next is looked up by its sequence: the directory says which
//! chunk would hold it, and a few decoded chunks are kept. Where a history jumps about so much that chunks would be
//! decoded again and again, more are kept, so that the work stays linear and memory follows the disorder.

use std::ops::Range;

use history::ids::{Nanos, Offset, Process, Seq, Value};
use history::merged::{Buffer, Entry, History, HistoryError, SendChunk, SendOutcome, SendRun};

use super::intervals::{Intervals, OffsetsByIndex};
use crate::findings::Sighting;

/// The sends of one process to one log, and what was found of them.
pub(crate) struct SendStream<'h> {
    history: &'h History,
    pub(crate) process: u32,
    pub(crate) transactional: bool,
    entries: &'h [Entry],
    /// Index of the first record of each chunk in the stream; one more for the end.
    starts: Vec<u64>,
    /// The chunk at the cursor.
    pub(crate) chunk: SendChunk,
    ordinal: usize,
    /// The cursor's place in the chunk, and the run there.
    pub(crate) pos: usize,
    pub(crate) run: usize,
    cache: Vec<(usize, SendChunk)>,
    cache_limit: usize,
    decoded_again: u64,
    buffer: Buffer,
    /// Records before the cursor that were not found at the offset they were acknowledged at (or, without one, at all).
    pub(crate) missing: Intervals,
    /// Records found at another offset than they were acknowledged at, with the first such offset.
    pub(crate) elsewhere: OffsetsByIndex,
    /// Greatest sequence number found so far, and where.
    pub(crate) greatest: Option<(u32, i64)>,
}

/// A record's place in its stream: chunk and index in the chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) chunk: usize,
    pub(crate) at: usize,
}

impl<'h> SendStream<'h> {
    pub(crate) fn new(history: &'h History, entries: &'h [Entry]) -> Result<Self, HistoryError> {
        let process = entries.first().map_or(Process(0), |entry| entry.process);
        let mut starts = vec![0];
        let mut total = 0;
        for entry in entries {
            total += u64::from(entry.records);
            starts.push(total);
        }
        let facts = history.facts().processes.get(&process);
        let mut stream = Self {
            history,
            process: process.0,
            transactional: facts.is_some_and(|facts| facts.transactional),
            entries,
            starts,
            chunk: SendChunk::default(),
            ordinal: 0,
            pos: 0,
            run: 0,
            cache: Vec::new(),
            cache_limit: 2,
            decoded_again: 0,
            buffer: Buffer::default(),
            missing: Intervals::default(),
            elsewhere: OffsetsByIndex::default(),
            greatest: None,
        };
        stream.decode_current()?;
        Ok(stream)
    }

    /// Number of records in the stream.
    pub(crate) fn total(&self) -> u64 {
        self.starts.last().copied().unwrap_or(0)
    }

    /// Index of the record at the cursor.
    pub(crate) fn cursor(&self) -> u64 {
        self.starts[self.ordinal] + self.pos as u64
    }

    pub(crate) fn index(&self, place: Place) -> u64 {
        self.starts[place.chunk] + place.at as u64
    }

    pub(crate) fn current(&self) -> Place {
        Place { chunk: self.ordinal, at: self.pos }
    }

    fn decode_current(&mut self) -> Result<(), HistoryError> {
        match self.entries.get(self.ordinal) {
            Some(entry) => self.history.sends(entry, &mut self.buffer, &mut self.chunk),
            None => {
                self.chunk.clear();
                Ok(())
            }
        }
    }

    /// Moves the cursor over `count` records of the run it is in.
    pub(crate) fn advance(&mut self, count: usize) -> Result<(), HistoryError> {
        self.pos += count;
        if self.pos < self.chunk.run_end(self.run) {
            return Ok(());
        }
        self.run += 1;
        if self.pos == self.chunk.len() && self.ordinal < self.entries.len() {
            self.ordinal += 1;
            (self.pos, self.run) = (0, 0);
            self.decode_current()?;
        }
        Ok(())
    }

    /// Moves the cursor forward to a place; what lies between is missing.
    pub(crate) fn skip_to(&mut self, place: Place) -> Result<(), HistoryError> {
        let (from, to) = (self.cursor(), self.index(place));
        self.missing.insert(from..to);
        if place.chunk != self.ordinal {
            self.ordinal = place.chunk;
            match self.cache.iter().position(|(chunk, _)| *chunk == place.chunk) {
                Some(cached) => self.chunk = self.cache.swap_remove(cached).1,
                None => self.decode_current()?,
            }
        }
        self.pos = place.at;
        self.run = self.chunk.run_of(place.at);
        Ok(())
    }

    /// Where a sequence number is, if it was sent to this log.
    pub(crate) fn locate(&mut self, seq: u32) -> Result<Option<Place>, HistoryError> {
        let chunk = self.entries.partition_point(|entry| entry.seqs.1 < seq);
        if self.entries.get(chunk).is_none_or(|entry| entry.seqs.0 > seq) {
            return Ok(None);
        }
        let found = self.chunk_at(chunk)?.seqs.binary_search(&seq);
        Ok(found.ok().map(|at| Place { chunk, at }))
    }

    /// A decoded chunk of the stream.
    pub(crate) fn chunk_at(&mut self, ordinal: usize) -> Result<&SendChunk, HistoryError> {
        if ordinal == self.ordinal {
            return Ok(&self.chunk);
        }
        if let Some(cached) = self.cache.iter().position(|(chunk, _)| *chunk == ordinal) {
            return Ok(&self.cache[cached].1);
        }
        self.decoded_again += 1;
        if self.decoded_again > 8 * (self.cache_limit as u64 + self.ordinal as u64) {
            self.cache_limit *= 2;
        }
        let mut chunk =
            if self.cache.len() >= self.cache_limit { self.cache.remove(0).1 } else { SendChunk::default() };
        self.history.sends(&self.entries[ordinal], &mut self.buffer, &mut chunk)?;
        self.cache.push((ordinal, chunk));
        Ok(&self.cache[self.cache.len() - 1].1)
    }

    /// Chunks that hold records of a range of indexes.
    pub(crate) fn chunks_of(&self, range: &Range<u64>) -> Range<usize> {
        let first = self.starts.partition_point(|&start| start <= range.start).saturating_sub(1);
        let end = self.starts.partition_point(|&start| start < range.end);
        first..end.min(self.entries.len())
    }

    /// Index of the first record of a chunk.
    pub(crate) fn start_of(&self, chunk: usize) -> u64 {
        self.starts[chunk]
    }

    /// Whether a record was found in the log; the cursor must be at the end.
    pub(crate) fn was_found(&self, index: u64) -> bool {
        !self.missing.stretch(index).0 || self.elsewhere.stretch(index).0.is_some()
    }
}

/// The value of a record.
pub(crate) fn value(process: u32, seq: u32) -> Value {
    Value { process: Process(process), seq: Seq(seq) }
}

/// Nanoseconds of a time in microseconds.
pub(crate) fn nanos(micros: u64) -> Nanos {
    Nanos(micros.saturating_mul(1000))
}

/// Offset that a record of a run was acknowledged at.
pub(crate) fn claimed(run: &SendRun, at: usize) -> Option<i64> {
    let place = at as u64 - u64::from(run.start);
    (run.offset != SendRun::NO_OFFSET).then(|| run.offset.saturating_add_unsigned(place))
}

/// When and how a record was sent and completed.
pub(crate) fn sightings(history: &History, process: u32, chunk: &SendChunk, at: usize) -> Vec<Sighting> {
    let value = value(process, chunk.seqs[at]);
    let run = &chunk.runs[chunk.run_of(at)];
    let mut seen = vec![Sighting::Sent { value, time: nanos(chunk.invoked[at]) }];
    let code = || history.facts().causes.get(run.cause as usize).map_or(0, |cause| cause.code);
    let time = nanos(run.completed);
    seen.push(match run.outcome {
        SendOutcome::Acked | SendOutcome::AckedWithoutOffset => {
            Sighting::Acknowledged { value, offset: claimed(run, at).map(Offset), time }
        }
        SendOutcome::Failed => Sighting::Failed { value, code: code(), time },
        SendOutcome::Unknown => {
            let time = (run.completed != SendRun::NEVER).then_some(time);
            Sighting::Unknown { value, code: code(), time }
        }
    });
    seen
}
