//! The final read of one log, cut into chunks as it comes.

use std::io::Write;

use super::builder::Trouble;
use super::contradiction::Contradiction;
use crate::ids::{LogId, Offset, Process, TopicPartition};
use crate::merged::{BatchChunk, CHUNK_RECORDS, ReadChunk, Writer};
use crate::op::{Batch, Isolation, Run};

/// The final read of one log at one isolation level.
#[derive(Debug)]
pub(super) struct FinalStream {
    pub(super) reader: Process,
    chunk: ReadChunk,
    last: Option<i64>,
    chunks: u32,
    /// Records in a chunk.
    limit: usize,
}

impl FinalStream {
    pub(super) fn new(reader: Process, limit: usize) -> Self {
        Self { reader, chunk: ReadChunk::default(), last: None, chunks: 0, limit }
    }

    pub(super) fn push<W: Write>(
        &mut self,
        run: &Run,
        (topic_partition, isolation): (&TopicPartition, Isolation),
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        if self.last.is_some_and(|last| run.offset.0 <= last) {
            let log = topic_partition.clone();
            return Err(Contradiction::FinalReadWentBack { log, offset: run.offset }.into());
        }
        for place in 0..run.count {
            let offset = run.offset.0 + i64::from(place);
            self.chunk.push(offset, run.first.process.0, run.first.seq.0 + place);
            self.last = Some(offset);
            if self.chunk.len() >= self.limit {
                self.write(run.log, isolation, out)?;
            }
        }
        Ok(())
    }

    pub(super) fn finish<W: Write>(
        mut self,
        log: LogId,
        isolation: Isolation,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        if self.chunk.is_empty() { Ok(()) } else { self.write(log, isolation, out) }
    }

    fn write<W: Write>(
        &mut self,
        log: LogId,
        isolation: Isolation,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        out.final_read((self.reader, log, isolation), self.chunks, &self.chunk)?;
        self.chunks += 1;
        self.chunk.clear();
        Ok(())
    }
}

/// The record batches that one reader saw of one log.
#[derive(Debug, Default)]
pub(super) struct BatchStream {
    chunk: BatchChunk,
    chunks: u32,
}

impl BatchStream {
    pub(super) fn push<W: Write>(
        &mut self,
        reader: Process,
        batch: &Batch,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        self.chunk.batches.push(*batch);
        if self.chunk.batches.len() >= CHUNK_RECORDS { self.write(reader, batch.log, out) } else { Ok(()) }
    }

    pub(super) fn finish<W: Write>(
        mut self,
        reader: Process,
        log: LogId,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        if self.chunk.batches.is_empty() { Ok(()) } else { self.write(reader, log, out) }
    }

    fn write<W: Write>(&mut self, reader: Process, log: LogId, out: &mut Writer<W>) -> Result<(), Trouble> {
        out.batches(reader, log, self.chunks, &self.chunk)?;
        self.chunks += 1;
        self.chunk.batches.clear();
        Ok(())
    }
}

/// Checks that the offsets and sequence numbers of a run exist.
pub(super) fn check_run(run: &Run) -> Result<(), Contradiction> {
    let more = run.count.checked_sub(1);
    let seqs = more.and_then(|more| run.first.seq.0.checked_add(more));
    let offsets = run.offset.0.checked_add(i64::from(run.count));
    if seqs.is_some() && offsets.is_some() && run.offset >= Offset(0) {
        Ok(())
    } else {
        let what = format!("a run of {} records from {} at offset {}", run.count, run.first, run.offset);
        Err(Contradiction::Impossible { what })
    }
}
