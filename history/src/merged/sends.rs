//! Chunks of sends: what one process sent to one log, in the order it was sent, with the outcomes in runs.
//!
//! Sequence numbers ascend strictly and times of invocation never fall, so their differences are unsigned and small.
//! A run is consecutive records of the stream with the same outcome: acknowledged together at consecutive offsets,
//! or failed, or unknown, for the same cause. A completion is stored relative to the run's last invocation, so it
//! cannot lie before it.

use super::codec::{Input, Malformed, put_column, put_varint, take_column, take_column_u32};
use super::directory::{Entry, Kind};
use crate::ids::{LogId, Process};

/// How a run of sends ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SendOutcome {
    /// Acknowledged; the offset of the first record is known.
    Acked,
    /// Acknowledged without an offset (`acks=0`).
    AckedWithoutOffset,
    /// Unknown, or never completed.
    Unknown,
    /// Failed.
    Failed,
}

/// Consecutive records of a stream of sends with one outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SendRun {
    /// Index of its first record in the chunk. It ends where the next run starts.
    pub start: u32,
    /// How it ended.
    pub outcome: SendOutcome,
    /// Offset of its first record, or [`SendRun::NO_OFFSET`]. An unknown outcome may have one.
    pub offset: i64,
    /// When it was completed, in microseconds, rounded up; [`SendRun::NEVER`] where it never was.
    pub completed: u64,
    /// Index in the history's table of causes; 0 is "none".
    pub cause: u32,
}

impl SendRun {
    /// In place of an offset that is not known.
    pub const NO_OFFSET: i64 = i64::MIN;
    /// In place of the time of a completion that never came.
    pub const NEVER: u64 = u64::MAX;

    /// Whether the application was told that the records are stored (or, with `acks=0`, handed over).
    #[must_use]
    pub fn was_acknowledged(&self) -> bool {
        matches!(self.outcome, SendOutcome::Acked | SendOutcome::AckedWithoutOffset)
    }
}

/// A decoded chunk of sends.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SendChunk {
    /// Sequence numbers, ascending strictly.
    pub seqs: Vec<u32>,
    /// Times of invocation in microseconds, rounded down, never falling.
    pub invoked: Vec<u64>,
    /// Outcomes; the first starts at 0.
    pub runs: Vec<SendRun>,
    columns: Columns,
}

/// Buffers that decoding reuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Columns {
    lengths: Vec<u64>,
    outcomes: Vec<u64>,
    offsets: Vec<u64>,
    times: Vec<u64>,
    causes: Vec<u64>,
}

impl SendChunk {
    /// Number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.seqs.len()
    }

    /// Whether it holds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seqs.is_empty()
    }

    /// Index of the run that holds record `at`.
    #[must_use]
    pub fn run_of(&self, at: usize) -> usize {
        self.runs.partition_point(|run| run.start as usize <= at).saturating_sub(1)
    }

    /// Index after the last record of run `run`.
    #[must_use]
    pub fn run_end(&self, run: usize) -> usize {
        self.runs.get(run + 1).map_or(self.seqs.len(), |next| next.start as usize)
    }

    /// Forgets its content and keeps its memory.
    pub fn clear(&mut self) {
        self.seqs.clear();
        self.invoked.clear();
        self.runs.clear();
    }

    /// Appends the chunk's bytes; returns its directory entry, place in the file still unknown.
    pub(super) fn put(&self, process: Process, log: LogId, out: &mut Vec<u8>) -> Entry {
        let mut entry = Entry::new(Kind::Sends, log, process);
        entry.records = small(self.seqs.len());
        entry.runs = small(self.runs.len());
        if let (Some(&first), Some(&last), Some(&time)) =
            (self.seqs.first(), self.seqs.last(), self.invoked.first())
        {
            entry.seqs = (first, last);
            entry.time = time;
        }
        let mut columns = Columns::default();
        let mut end = 0i64;
        for (index, run) in self.runs.iter().enumerate() {
            let (start, stop) = (run.start as usize, self.run_end(index));
            let count = stop - start;
            columns.lengths.push(count as u64 - 1);
            let has_offset = run.offset != SendRun::NO_OFFSET;
            let completed = run.completed != SendRun::NEVER;
            columns.outcomes.push(code(run.outcome) | u64::from(has_offset) << 2 | u64::from(completed) << 3);
            if has_offset {
                columns.offsets.push(run.offset.wrapping_sub(end).cast_unsigned());
                end = run.offset.wrapping_add_unsigned(count as u64);
            }
            if completed {
                columns.times.push(run.completed.wrapping_sub(self.invoked[stop - 1]));
            }
            if run.outcome >= SendOutcome::Unknown {
                columns.causes.push(run.cause.into());
            }
        }
        (entry.polls, entry.handed, entry.failed) = self.tally();
        let (mut seq, mut time) = (entry.seqs.0.wrapping_sub(1), entry.time);
        let (mut gaps, mut waits) = (Vec::with_capacity(self.len()), Vec::with_capacity(self.len()));
        for (&next, &invoked) in self.seqs.iter().zip(&self.invoked) {
            gaps.push(u64::from(next.wrapping_sub(seq).wrapping_sub(1)));
            waits.push(invoked.wrapping_sub(time));
            (seq, time) = (next, invoked);
        }
        put_column(&gaps, out);
        put_column(&waits, out);
        for column in [&columns.lengths, &columns.outcomes] {
            put_column(column, out);
        }
        for column in [&columns.offsets, &columns.times, &columns.causes] {
            put_varint(column.len() as u64, out);
            put_column(column, out);
        }
        entry
    }

    /// Decodes a chunk in place of what was here.
    pub(super) fn take(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), Malformed> {
        let mut input = Input(bytes);
        let (records, runs) = (entry.records as usize, entry.runs as usize);
        take_column_u32(&mut input, records, &mut self.seqs)?;
        let mut seq = entry.seqs.0.wrapping_sub(1);
        for to in &mut self.seqs {
            seq = seq.wrapping_add(*to).wrapping_add(1);
            *to = seq;
        }
        if records > 0 && seq != entry.seqs.1 {
            return Err(Malformed::Sum("sequence numbers"));
        }
        take_column(&mut input, records, &mut self.invoked)?;
        let mut time = entry.time;
        for to in &mut self.invoked {
            time = time.wrapping_add(*to);
            *to = time;
        }
        let columns = &mut self.columns;
        take_column(&mut input, runs, &mut columns.lengths)?;
        take_column(&mut input, runs, &mut columns.outcomes)?;
        for column in [&mut columns.offsets, &mut columns.times, &mut columns.causes] {
            let count = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
            if count > runs {
                return Err(Malformed::Range("number of outcomes"));
            }
            take_column(&mut input, count, column)?;
        }
        input.end()?;
        self.assemble()?;
        // The directory is counted from without decoding, so it must say what the chunk says.
        if self.tally() == (entry.polls, entry.handed, entry.failed) {
            Ok(())
        } else {
            Err(Malformed::Sum("outcomes"))
        }
    }

    /// Records acknowledged with an offset, acknowledged without one, and failed.
    fn tally(&self) -> (u32, u32, u32) {
        let (mut acked, mut without, mut failed) = (0, 0, 0);
        for (index, run) in self.runs.iter().enumerate() {
            let count = small(self.run_end(index)) - run.start;
            match run.outcome {
                SendOutcome::Acked => acked += count,
                SendOutcome::AckedWithoutOffset => without += count,
                SendOutcome::Unknown => {}
                SendOutcome::Failed => failed += count,
            }
        }
        (acked, without, failed)
    }

    fn assemble(&mut self) -> Result<(), Malformed> {
        self.runs.clear();
        let Columns { lengths, outcomes, offsets, times, causes } = &self.columns;
        let (mut offsets, mut times, mut causes) = (offsets.iter(), times.iter(), causes.iter());
        let (mut start, mut end) = (0usize, 0i64);
        for (&length, &flags) in lengths.iter().zip(outcomes) {
            let count = usize::try_from(length)
                .ok()
                .and_then(|length| length.checked_add(1))
                .ok_or(Malformed::Range("run"))?;
            let stop = start
                .checked_add(count)
                .filter(|&stop| stop <= self.seqs.len())
                .ok_or(Malformed::Sum("runs"))?;
            let mut run = SendRun {
                start: small(start),
                outcome: outcome(flags & 3),
                offset: SendRun::NO_OFFSET,
                completed: SendRun::NEVER,
                cause: 0,
            };
            if flags & 4 != 0 {
                run.offset = end.wrapping_add_unsigned(*offsets.next().ok_or(Malformed::Sum("offsets"))?);
                end = run.offset.checked_add_unsigned(count as u64).ok_or(Malformed::Range("offset"))?;
            }
            if flags & 8 != 0 {
                run.completed =
                    self.invoked[stop - 1].wrapping_add(*times.next().ok_or(Malformed::Sum("times"))?);
            }
            if run.outcome >= SendOutcome::Unknown {
                let cause = *causes.next().ok_or(Malformed::Sum("causes"))?;
                run.cause = u32::try_from(cause).map_err(|_| Malformed::Range("cause"))?;
            }
            self.runs.push(run);
            start = stop;
        }
        if start == self.seqs.len() { Ok(()) } else { Err(Malformed::Sum("runs")) }
    }
}

fn code(outcome: SendOutcome) -> u64 {
    match outcome {
        SendOutcome::Acked => 0,
        SendOutcome::AckedWithoutOffset => 1,
        SendOutcome::Unknown => 2,
        SendOutcome::Failed => 3,
    }
}

fn outcome(code: u64) -> SendOutcome {
    match code {
        0 => SendOutcome::Acked,
        1 => SendOutcome::AckedWithoutOffset,
        2 => SendOutcome::Unknown,
        _ => SendOutcome::Failed,
    }
}

/// Numbers within a chunk are below [`super::CHUNK_RECORDS_MAX`].
pub(super) fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
