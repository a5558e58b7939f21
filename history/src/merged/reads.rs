//! Chunks of reads: what the independent reader, or a consumer within one segment, read of one log.
//!
//! A run is records of one process at consecutive offsets; their sequence numbers need not be consecutive (a producer
//! spreads its records over logs), so each is stored as the difference to the last one of the same process. A chunk
//! of polls also says how many records each poll returned from this log, when, and how many of these were handed over
//! to processing: a prefix of the poll. Hand-overs of any other shape are kept as rows.

use std::collections::HashMap;

use super::codec::{Input, Malformed, put_column, put_varint, take_column, take_column_u32};
use super::directory::{Entry, Kind};
use super::sends::small;
use crate::ids::{LogId, Process};

/// Records of one process at consecutive offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadRun {
    /// Offset of its first record.
    pub offset: i64,
    /// The producer.
    pub process: u32,
    /// Index of its first record in the chunk. It ends where the next run starts.
    pub start: u32,
}

/// What one poll returned of one log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PollSpan {
    /// Index of its first record in the chunk. It ends where the next poll starts.
    pub start: u32,
    /// How many of its records, from the first, were handed over to processing.
    pub handed: u32,
    /// When it was asked, in microseconds, rounded down.
    pub invoked: u64,
    /// When it returned, rounded up.
    pub returned: u64,
    /// When records were handed over, rounded up; the time it returned where none were.
    pub handed_at: u64,
}

/// A decoded chunk of reads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadChunk {
    /// Sequence numbers.
    pub seqs: Vec<u32>,
    /// Runs; the first starts at 0.
    pub runs: Vec<ReadRun>,
    /// Polls; the first starts at 0. Empty for a final read.
    pub polls: Vec<PollSpan>,
    columns: Columns,
}

/// Buffers that coding reuses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Columns {
    a: Vec<u64>,
    b: Vec<u64>,
    c: Vec<u64>,
    d: Vec<u64>,
    e: Vec<u64>,
    processes: Vec<(u32, u32)>,
}

impl ReadChunk {
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

    /// Index after the last record of run `run`.
    #[must_use]
    pub fn run_end(&self, run: usize) -> usize {
        self.runs.get(run + 1).map_or(self.seqs.len(), |next| next.start as usize)
    }

    /// Index after the last record of poll `poll`.
    #[must_use]
    pub fn poll_end(&self, poll: usize) -> usize {
        self.polls.get(poll + 1).map_or(self.seqs.len(), |next| next.start as usize)
    }

    /// Index of the poll that returned record `at`.
    #[must_use]
    pub fn poll_of(&self, at: usize) -> usize {
        self.polls.partition_point(|poll| poll.start as usize <= at).saturating_sub(1)
    }

    /// Appends one record, joining it to the last run where it continues it.
    pub fn push(&mut self, offset: i64, process: u32, seq: u32) {
        let continues = self.runs.last().is_some_and(|run| {
            let length = self.seqs.len() - run.start as usize;
            run.process == process && run.offset.checked_add_unsigned(length as u64) == Some(offset)
        });
        if !continues {
            self.runs.push(ReadRun { offset, process, start: small(self.seqs.len()) });
        }
        self.seqs.push(seq);
    }

    /// Forgets its content and keeps its memory.
    pub fn clear(&mut self) {
        self.seqs.clear();
        self.runs.clear();
        self.polls.clear();
    }

    /// Least and greatest offset, and whether offsets ascend strictly.
    fn bounds(&self) -> ((i64, i64), bool) {
        let (mut least, mut greatest, mut ascending) = (i64::MAX, i64::MIN, true);
        for (index, run) in self.runs.iter().enumerate() {
            let count = self.run_end(index) - run.start as usize;
            let last = run.offset.wrapping_add_unsigned(count as u64 - 1);
            ascending &= index == 0 || run.offset > greatest;
            least = least.min(run.offset);
            greatest = greatest.max(last);
        }
        ((least, greatest), ascending)
    }

    /// Appends the chunk's bytes; returns its directory entry, place in the file still unknown.
    pub(super) fn put(&self, kind: Kind, process: Process, log: LogId, out: &mut Vec<u8>) -> Entry {
        let mut entry = Entry::new(kind, log, process);
        entry.records = small(self.seqs.len());
        entry.runs = small(self.runs.len());
        entry.polls = small(self.polls.len());
        (entry.offsets, entry.ascending) = self.bounds();
        self.put_runs(out);
        if let Some(first) = self.polls.first() {
            entry.time = first.invoked;
            entry.handed = self.polls.iter().map(|poll| poll.handed).sum();
            self.put_polls(first.invoked, out);
        }
        entry
    }

    fn put_runs(&self, out: &mut Vec<u8>) {
        let mut columns = Columns::default();
        let Columns { a: lengths, b: names, c: gaps, d: steps, processes, .. } = &mut columns;
        let mut last = Vec::new();
        let mut known = HashMap::new();
        let mut end = 0i64;
        for (index, run) in self.runs.iter().enumerate() {
            let seqs = &self.seqs[run.start as usize..self.run_end(index)];
            lengths.push(seqs.len() as u64 - 1);
            let name = *known.entry(run.process).or_insert_with(|| {
                let before = seqs[0].wrapping_sub(1);
                processes.push((run.process, before));
                last.push(before);
                last.len() - 1
            });
            names.push(name as u64);
            gaps.push(run.offset.wrapping_sub(end).cast_unsigned());
            end = run.offset.wrapping_add_unsigned(seqs.len() as u64);
            for &seq in seqs {
                let step = seq.wrapping_sub(last[name]).wrapping_sub(1);
                steps.push(i64::from(step.cast_signed()).cast_unsigned());
                last[name] = seq;
            }
        }
        put_varint(processes.len() as u64, out);
        for &(process, before) in &*processes {
            put_varint(process.into(), out);
            put_varint(before.into(), out);
        }
        for column in [lengths, names, gaps, steps] {
            put_column(column, out);
        }
    }

    fn put_polls(&self, first: u64, out: &mut Vec<u8>) {
        let mut columns = Columns::default();
        let mut before = first;
        for (index, poll) in self.polls.iter().enumerate() {
            let count = self.poll_end(index) - poll.start as usize;
            columns.a.push(count as u64);
            columns.b.push((count as u64).wrapping_sub(poll.handed.into()));
            columns.c.push(poll.invoked.wrapping_sub(before));
            columns.d.push(poll.returned.wrapping_sub(poll.invoked));
            columns.e.push(poll.handed_at.wrapping_sub(poll.returned));
            before = poll.invoked;
        }
        for column in [&columns.a, &columns.b, &columns.c, &columns.d, &columns.e] {
            put_column(column, out);
        }
    }

    /// The processes whose records a chunk holds, from its first bytes; none where these do not reach so far.
    pub(super) fn senders(head: &[u8]) -> Option<Vec<u32>> {
        let mut input = Input(head);
        let known = usize::try_from(input.varint().ok()?).ok()?;
        let mut processes = Vec::new();
        for _ in 0..known {
            processes.push(u32::try_from(input.varint().ok()?).ok()?);
            input.varint().ok()?;
        }
        Some(processes)
    }

    /// Decodes a chunk in place of what was here.
    pub(super) fn take(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), Malformed> {
        let mut input = Input(bytes);
        let (records, runs, polls) = (entry.records as usize, entry.runs as usize, entry.polls as usize);
        self.polls.clear();
        self.take_runs(&mut input, records, runs)?;
        if matches!(entry.kind, Kind::Polls) {
            self.take_polls(&mut input, polls, entry.time)?;
            if self.polls.iter().map(|poll| u64::from(poll.handed)).sum::<u64>() != u64::from(entry.handed) {
                return Err(Malformed::Sum("records handed over"));
            }
        }
        input.end()?;
        if self.bounds() == (entry.offsets, entry.ascending) || self.runs.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Sum("offsets"))
        }
    }

    fn take_runs(&mut self, input: &mut Input<'_>, records: usize, runs: usize) -> Result<(), Malformed> {
        let Columns { a: lengths, b: names, c: gaps, processes, .. } = &mut self.columns;
        let known = usize::try_from(input.varint()?).unwrap_or(usize::MAX);
        if known > runs {
            return Err(Malformed::Range("number of processes"));
        }
        processes.clear();
        for _ in 0..known {
            let process = u32::try_from(input.varint()?).map_err(|_| Malformed::Range("process"))?;
            let before = u32::try_from(input.varint()?).map_err(|_| Malformed::Range("sequence"))?;
            processes.push((process, before));
        }
        for column in [&mut *lengths, &mut *names, &mut *gaps] {
            take_column(input, runs, column)?;
        }
        take_column_u32(input, records, &mut self.seqs)?;
        self.runs.clear();
        self.runs.reserve(runs);
        let (mut start, mut end) = (0usize, 0i64);
        for ((&length, &name), &gap) in lengths.iter().zip(names.iter()).zip(gaps.iter()) {
            let stop = usize::try_from(length).ok().and_then(|n| start.checked_add(n)?.checked_add(1));
            let stop = stop.filter(|&stop| stop <= records).ok_or(Malformed::Sum("runs"))?;
            let name = usize::try_from(name).unwrap_or(usize::MAX);
            let (process, last) = processes.get_mut(name).ok_or(Malformed::Range("process"))?;
            let offset = end.wrapping_add_unsigned(gap);
            end = offset.checked_add_unsigned((stop - start) as u64).ok_or(Malformed::Range("offset"))?;
            self.runs.push(ReadRun { offset, process: *process, start: small(start) });
            let mut seq = *last;
            for to in &mut self.seqs[start..stop] {
                seq = seq.wrapping_add(*to).wrapping_add(1);
                *to = seq;
            }
            *last = seq;
            start = stop;
        }
        if start == records { Ok(()) } else { Err(Malformed::Sum("runs")) }
    }

    fn take_polls(&mut self, input: &mut Input<'_>, polls: usize, first: u64) -> Result<(), Malformed> {
        let Columns { a: counts, b: kept, c: waits, d: lasted, e: delays, .. } = &mut self.columns;
        for column in [&mut *counts, &mut *kept, &mut *waits, &mut *lasted, &mut *delays] {
            take_column(input, polls, column)?;
        }
        let (mut start, mut invoked) = (0usize, first);
        for index in 0..polls {
            let count = counts[index];
            invoked = invoked.wrapping_add(waits[index]);
            let returned = invoked.wrapping_add(lasted[index]);
            let handed = count.checked_sub(kept[index]).ok_or(Malformed::Range("records handed over"))?;
            let stop = usize::try_from(count).ok().and_then(|n| start.checked_add(n));
            let stop = stop.filter(|&stop| stop <= self.seqs.len()).ok_or(Malformed::Sum("polls"))?;
            self.polls.push(PollSpan {
                start: small(start),
                handed: u32::try_from(handed).map_err(|_| Malformed::Range("records handed over"))?,
                invoked,
                returned,
                handed_at: returned.wrapping_add(delays[index]),
            });
            start = stop;
        }
        if start == self.seqs.len() { Ok(()) } else { Err(Malformed::Sum("polls")) }
    }
}
