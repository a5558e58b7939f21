//! Rows: events that are too rare or too varied for columns, one JSON document per line.
//!
//! Each process's rows are in order of time; [`Events`] merges the processes, holding one chunk of each.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::codec::Malformed;
use super::directory::Entry;
use super::history::{Buffer, History, HistoryError};
use crate::op::Event;

/// Appends a row.
pub(super) fn put(event: &Event, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
    serde_json::to_writer(&mut *out, event)?;
    out.push(b'\n');
    Ok(())
}

/// Decodes a chunk of rows.
pub(super) fn take(entry: &Entry, bytes: &[u8]) -> Result<Vec<Event>, Malformed> {
    let mut rows = Vec::new();
    let mut lines = bytes.split(|&byte| byte == b'\n');
    for _ in 0..entry.records {
        let line = lines.next().ok_or(Malformed::Short)?;
        rows.push(serde_json::from_slice(line).map_err(|_| Malformed::Range("row"))?);
    }
    let rest: usize = lines.map(<[u8]>::len).sum();
    if rest == 0 { Ok(rows) } else { Err(Malformed::Long(rest)) }
}

/// All rows of a history in order of time; rows of the same time by process, then as they were recorded.
pub struct Events<'h> {
    history: &'h History,
    streams: Vec<Stream<'h>>,
    heads: BinaryHeap<Reverse<(u64, usize)>>,
    buffer: Buffer,
}

struct Stream<'h> {
    chunks: &'h [Entry],
    rows: std::vec::IntoIter<Event>,
    head: Option<Event>,
}

impl<'h> Events<'h> {
    pub(super) fn new(history: &'h History) -> Result<Self, HistoryError> {
        let chunks = history.row_chunks();
        let mut streams: Vec<_> = chunks
            .chunk_by(|a, b| a.process == b.process)
            .map(|chunks| Stream { chunks, rows: Vec::new().into_iter(), head: None })
            .collect();
        let (mut heads, mut buffer) = (BinaryHeap::new(), Buffer::default());
        for (index, stream) in streams.iter_mut().enumerate() {
            stream.advance(history, &mut buffer)?;
            heads.extend(stream.head.as_ref().map(|event| Reverse((event.time.0, index))));
        }
        Ok(Self { history, streams, heads, buffer })
    }
}

impl Stream<'_> {
    fn advance(&mut self, history: &History, buffer: &mut Buffer) -> Result<(), HistoryError> {
        loop {
            self.head = self.rows.next();
            let Some((chunk, rest)) = self.chunks.split_first().filter(|_| self.head.is_none()) else {
                return Ok(());
            };
            self.rows = history.rows(chunk, buffer)?.into_iter();
            self.chunks = rest;
        }
    }
}

impl Iterator for Events<'_> {
    type Item = Result<Event, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        let Reverse((_, index)) = self.heads.pop()?;
        let stream = &mut self.streams[index];
        let event = stream.head.take()?;
        if let Err(error) = stream.advance(self.history, &mut self.buffer) {
            self.heads.clear();
            return Some(Err(error));
        }
        self.heads.extend(stream.head.as_ref().map(|event| Reverse((event.time.0, index))));
        Some(Ok(event))
    }
}
