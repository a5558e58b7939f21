//! Everything that was read of a log, by the final readers and by consumers, in order of offsets, each offset once.
//!
//! A merge of all chunks: a chunk joins when its least offset comes up and leaves when it is used up, so memory is what
//! overlaps.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::rc::Rc;

use history::ids::LogId;
use history::merged::{Buffer, CHUNK_RECORDS, Entry, History, HistoryError, Kind, ReadChunk};
use history::op::Isolation;

use crate::delivery::piece::cuts;

/// The merge of all reads of one log.
pub(crate) struct Union<'h> {
    history: &'h History,
    /// Chunks that have not joined, the one with the least offset last, each with its rank: lower is believed first.
    waiting: Vec<(&'h Entry, u8)>,
    pieces: Vec<Piece>,
    free: Vec<usize>,
    /// The next record of each piece.
    heads: BinaryHeap<Reverse<Head>>,
    last: Option<i64>,
}

/// Offset, rank, process, sequence and piece of a record.
type Head = (i64, u8, u32, u32, usize);

/// Records of a chunk with ascending offsets.
struct Piece {
    chunk: Rc<ReadChunk>,
    rank: u8,
    pos: usize,
    run: usize,
    end: usize,
}

impl<'h> Union<'h> {
    /// The chunks of every read of a log, those that are believed first in front.
    pub(crate) fn reads(history: &'h History, log: LogId) -> [&'h [Entry]; 3] {
        let finals = [Isolation::ReadUncommitted, Isolation::ReadCommitted].map(Kind::FinalRead);
        [finals[0], finals[1], Kind::Polls].map(|kind| history.chunks(kind, log))
    }

    pub(crate) fn new(history: &'h History, log: LogId) -> Self {
        let ranked = (0u8..).zip(Self::reads(history, log));
        let mut waiting: Vec<(&Entry, u8)> = ranked
            .flat_map(|(rank, entries)| entries.iter().map(move |entry| (entry, rank)))
            .filter(|(entry, _)| entry.records > 0)
            .collect();
        waiting.sort_by_key(|(entry, _)| Reverse(entry.offsets.0));
        let (pieces, free, heads) = (Vec::new(), Vec::new(), BinaryHeap::new());
        Self { history, waiting, pieces, free, heads, last: None }
    }

    /// Appends the next records to a window.
    pub(crate) fn next(&mut self, buffer: &mut Buffer, window: &mut ReadChunk) -> Result<(), HistoryError> {
        while window.len() < CHUNK_RECORDS {
            let head = self.heads.peek().map(|Reverse(head)| head.0);
            let due = |entry: &Entry| head.is_none_or(|offset| entry.offsets.0 <= offset);
            if let Some((entry, rank)) = self.waiting.pop_if(|(entry, _)| due(entry)) {
                self.join(entry, rank, buffer)?;
                continue;
            }
            let Some(Reverse((offset, _, process, seq, piece))) = self.heads.pop() else { return Ok(()) };
            if self.last != Some(offset) {
                self.last = Some(offset);
                window.push(offset, process, seq);
            }
            self.advance(piece);
        }
        Ok(())
    }

    fn join(&mut self, entry: &Entry, rank: u8, buffer: &mut Buffer) -> Result<(), HistoryError> {
        let mut chunk = ReadChunk::default();
        self.history.reads(entry, buffer, &mut chunk)?;
        let chunk = Rc::new(chunk);
        for (pos, run, end) in cuts(&chunk) {
            let piece = Piece { chunk: Rc::clone(&chunk), rank, pos, run, end };
            let slot = self.free.pop().unwrap_or(self.pieces.len());
            if slot == self.pieces.len() {
                self.pieces.push(piece);
            } else {
                self.pieces[slot] = piece;
            }
            self.head(slot);
        }
        Ok(())
    }

    fn head(&mut self, slot: usize) {
        let piece = &self.pieces[slot];
        let run = &piece.chunk.runs[piece.run];
        let offset = run.offset.saturating_add_unsigned(piece.pos as u64 - u64::from(run.start));
        self.heads.push(Reverse((offset, piece.rank, run.process, piece.chunk.seqs[piece.pos], slot)));
    }

    fn advance(&mut self, slot: usize) {
        let piece = &mut self.pieces[slot];
        piece.pos += 1;
        if piece.pos >= piece.chunk.run_end(piece.run) {
            piece.run += 1;
        }
        if piece.pos < piece.end {
            self.head(slot);
        } else {
            piece.chunk = Rc::default();
            self.free.push(slot);
        }
    }
}
