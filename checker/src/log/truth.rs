//! What a log holds: the complete final read, or else everything that anybody read of it.
//!
//! With a complete final read the log's content is known. Without one it is put together from every read by whomever,
//! sorted by offset; that costs memory for the log's records, and is the exception (a run cut short, or a history
//! recorded by others). Where such reads contradict each other, the final read is believed before a poll and among
//! polls the smallest value; the others become claims that conflict.

use history::ids::LogId;
use history::merged::{Buffer, CHUNK_RECORDS, Entry, FinalReadEnd, History, HistoryError, Kind, ReadChunk};
use history::op::Isolation;

/// The content of one log.
pub(crate) struct Truth<'h> {
    history: &'h History,
    content: Content<'h>,
    /// How far the final read came, where there is one.
    pub(crate) end: Option<FinalReadEnd>,
    /// Which records it shows.
    pub(crate) isolation: Isolation,
}

enum Content<'h> {
    Chunks(&'h [Entry]),
    Union(Vec<ReadChunk>),
}

/// What a log holds, records of open and aborted transactions included where that is known.
pub(crate) fn truth_of(history: &History, log: LogId) -> Result<Truth<'_>, HistoryError> {
    let complete = |level| Truth::complete(history, log, level);
    match complete(Isolation::ReadUncommitted).or_else(|| complete(Isolation::ReadCommitted)) {
        Some(truth) => Ok(truth),
        None => Truth::union(history, log),
    }
}

impl<'h> Truth<'h> {
    /// The complete final read of a log at this isolation level.
    pub(crate) fn complete(history: &'h History, log: LogId, isolation: Isolation) -> Option<Self> {
        let end = *history.final_read(log, isolation).filter(|end| end.is_complete())?;
        let content = Content::Chunks(history.chunks(Kind::FinalRead(isolation), log));
        Some(Self { history, content, end: Some(end), isolation })
    }

    /// Everything that was read of a log.
    pub(crate) fn union(history: &'h History, log: LogId) -> Result<Self, HistoryError> {
        let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
        let mut records = Vec::new();
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        let finals = levels.iter().map(|&level| history.chunks(Kind::FinalRead(level), log));
        for (rank, entries) in (0u8..).zip(finals.chain([history.chunks(Kind::Polls, log)])) {
            for entry in entries {
                history.reads(entry, &mut buffer, &mut chunk)?;
                for (index, run) in chunk.runs.iter().enumerate() {
                    let seqs = &chunk.seqs[run.start as usize..chunk.run_end(index)];
                    records.extend(
                        (run.offset..).zip(seqs).map(|(offset, &seq)| (offset, rank, run.process, seq)),
                    );
                }
            }
        }
        records.sort_unstable();
        records.dedup_by_key(|record| record.0);
        let mut chunks = vec![ReadChunk::default()];
        for (offset, _, process, seq) in records {
            if chunks[chunks.len() - 1].len() >= CHUNK_RECORDS {
                chunks.push(ReadChunk::default());
            }
            let last = chunks.len() - 1;
            chunks[last].push(offset, process, seq);
        }
        chunks.retain(|chunk| !chunk.is_empty());
        let end = levels.iter().find_map(|&level| history.final_read(log, level)).copied();
        Ok(Self { history, content: Content::Union(chunks), end, isolation: Isolation::ReadUncommitted })
    }

    /// Whether it is the complete final read.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.content, Content::Chunks(_))
    }

    /// First offset that exists in the log, as far as known.
    pub(crate) fn start(&self) -> i64 {
        self.end.map_or(0, |end| end.start.0)
    }

    /// Number of chunks.
    pub(crate) fn len(&self) -> usize {
        match &self.content {
            Content::Chunks(entries) => entries.len(),
            Content::Union(chunks) => chunks.len(),
        }
    }

    /// Number of records of a chunk.
    pub(crate) fn records(&self, chunk: usize) -> u64 {
        match &self.content {
            Content::Chunks(entries) => entries[chunk].records.into(),
            Content::Union(chunks) => chunks[chunk].len() as u64,
        }
    }

    /// First and last offset of a chunk.
    pub(crate) fn bounds(&self, chunk: usize) -> (i64, i64) {
        match &self.content {
            Content::Chunks(entries) => entries[chunk].offsets,
            Content::Union(chunks) => {
                let chunk = &chunks[chunk];
                let (first, last) = (chunk.runs[0], chunk.runs[chunk.runs.len() - 1]);
                let count = chunk.len() - last.start as usize;
                (first.offset, last.offset.saturating_add_unsigned(count as u64 - 1))
            }
        }
    }

    /// Decodes a chunk.
    pub(crate) fn load(
        &self,
        at: usize,
        buffer: &mut Buffer,
        chunk: &mut ReadChunk,
    ) -> Result<(), HistoryError> {
        match &self.content {
            Content::Chunks(entries) => self.history.reads(&entries[at], buffer, chunk),
            Content::Union(chunks) => {
                chunk.clone_from(&chunks[at]);
                Ok(())
            }
        }
    }

    /// Position that reading reached: one more than the greatest offset read.
    pub(crate) fn reached(&self) -> Option<i64> {
        let last = self.len().checked_sub(1).map(|last| self.bounds(last).1.saturating_add(1));
        last.max(self.end.map(|end| end.reached.0))
    }

    /// Whether another truth of the same log is the same, byte for byte.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (&self.content, &other.content) {
            (Content::Chunks(ours), Content::Chunks(theirs)) => {
                ours.len() == theirs.len()
                    && ours.iter().zip(*theirs).all(|(a, b)| {
                        (a.hash, a.length, a.records, a.offsets) == (b.hash, b.length, b.records, b.offsets)
                    })
            }
            (Content::Union(_), _) | (_, Content::Union(_)) => false,
        }
    }

    /// The entries of the chunks, for a final read.
    pub(crate) fn entries(&self) -> &'h [Entry] {
        match self.content {
            Content::Chunks(entries) => entries,
            Content::Union(_) => &[],
        }
    }
}
