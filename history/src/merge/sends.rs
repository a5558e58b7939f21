//! What one process sends to one log, held until it is completed.
//!
//! Completions are matched by sequence number, never by order. Records leave in chunks from the front once all before
//! them are completed, so what is held is what a client has outstanding.

use std::io::Write;

use super::builder::Trouble;
use super::contradiction::Contradiction;
use crate::ids::{LogId, Process, Seq, TopicPartition, Value};
use crate::merged::{SendChunk, SendOutcome, SendRun, Writer};

#[derive(Debug, Default)]
pub(super) struct SendStream {
    seqs: Vec<u32>,
    invoked: Vec<u64>,
    ends: Vec<Option<End>>,
    /// Records from the front that are completed.
    done: usize,
    /// Last sequence number that left.
    written: Option<u32>,
    chunks: u32,
}

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    pub(super) outcome: SendOutcome,
    pub(super) offset: Option<i64>,
    pub(super) completed: u64,
    pub(super) cause: u32,
}

/// Whose stream it is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'t> {
    pub(super) process: Process,
    pub(super) log: LogId,
    pub(super) topic_partition: &'t TopicPartition,
    /// Records in a chunk.
    pub(super) chunk: usize,
}

impl SendStream {
    pub(super) fn sent(&mut self, seqs: std::ops::RangeInclusive<u32>, invoked: u64) {
        for seq in seqs {
            self.seqs.push(seq);
            self.invoked.push(invoked);
            self.ends.push(None);
        }
    }

    pub(super) fn completed(
        &mut self,
        name: Name<'_>,
        (first, count): (Seq, u32),
        end: End,
    ) -> Result<(), Contradiction> {
        let start = self.seqs.partition_point(|&seq| seq < first.0);
        for place in 0..count {
            let index = start + place as usize;
            let seq = first.0 + place;
            let value = Value { process: name.process, seq: Seq(seq) };
            if self.seqs.get(index) != Some(&seq) {
                if self.written.is_some_and(|written| seq <= written) {
                    return Err(Contradiction::CompletedTwice { value });
                }
                let log = name.topic_partition.clone();
                return Err(Contradiction::CompletionWithoutInvocation { value, log });
            }
            if self.ends[index].is_some() {
                return Err(Contradiction::CompletedTwice { value });
            }
            if end.completed < self.invoked[index] {
                let what = format!("{value} was completed before it was sent");
                return Err(Contradiction::TimeWentBack { process: name.process, what });
            }
            let offset = end.offset.map(|offset| offset + i64::from(place));
            self.ends[index] = Some(End { offset, ..end });
        }
        Ok(())
    }

    /// Writes what is complete, where that is worth it.
    pub(super) fn write_done<W: Write>(
        &mut self,
        name: Name<'_>,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        while self.ends.get(self.done).is_some_and(Option::is_some) {
            self.done += 1;
        }
        if self.done < name.chunk || self.done < self.seqs.len() / 2 {
            return Ok(());
        }
        let count = self.done - self.done % name.chunk;
        self.write(name, count, out)
    }

    /// Writes everything; what has not ended is unknown.
    pub(super) fn finish<W: Write>(mut self, name: Name<'_>, out: &mut Writer<W>) -> Result<(), Trouble> {
        let count = self.seqs.len();
        self.write(name, count, out)
    }

    fn write<W: Write>(&mut self, name: Name<'_>, count: usize, out: &mut Writer<W>) -> Result<(), Trouble> {
        let mut chunk = SendChunk::default();
        let mut start = 0;
        while start < count {
            let stop = count.min(start + name.chunk);
            chunk.clear();
            chunk.seqs.extend_from_slice(&self.seqs[start..stop]);
            chunk.invoked.extend_from_slice(&self.invoked[start..stop]);
            for (index, end) in (0u32..).zip(&self.ends[start..stop]) {
                let run = run_at(index, *end);
                let joined = chunk.runs.last().is_some_and(|last| joins(last, &run));
                if !joined {
                    chunk.runs.push(run);
                }
            }
            out.sends(name.process, name.log, self.chunks, &chunk)?;
            self.chunks += 1;
            start = stop;
        }
        self.written = self.seqs[..count].last().copied().or(self.written);
        self.seqs.drain(..count);
        self.invoked.drain(..count);
        self.ends.drain(..count);
        self.done = self.done.saturating_sub(count);
        Ok(())
    }
}

fn run_at(start: u32, end: Option<End>) -> SendRun {
    end.map_or(
        SendRun {
            start,
            outcome: SendOutcome::Unknown,
            offset: SendRun::NO_OFFSET,
            completed: SendRun::NEVER,
            cause: 0,
        },
        |end| SendRun {
            start,
            outcome: end.outcome,
            offset: end.offset.unwrap_or(SendRun::NO_OFFSET),
            completed: end.completed,
            cause: end.cause,
        },
    )
}

/// Whether `next` continues `run`, which is the last one so far.
fn joins(run: &SendRun, next: &SendRun) -> bool {
    let offset = if run.offset == SendRun::NO_OFFSET {
        SendRun::NO_OFFSET
    } else {
        run.offset.saturating_add(i64::from(next.start - run.start))
    };
    (run.outcome, run.completed, run.cause, offset) == (next.outcome, next.completed, next.cause, next.offset)
}
