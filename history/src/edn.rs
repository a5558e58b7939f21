//! EDN, the notation in which Jepsen writes histories, read as a stream of records.
//!
//! A file is one map after the other, or one vector (or list) of maps; either way [`Reader::record`] yields one
//! element at a time, so memory follows the largest record and never the file. A record is a flat tape of nodes
//! (`tape`) over the text it was read from: no tree, no allocation per value. Tags are ignored and their value is
//! read, discards and comments are skipped, nesting is bounded; whatever is malformed is an error with its line.
//!
//! What the maps mean is the business of [`operation`] and of [`kafka`]; histories of generic objects are
//! understood by the checker.

pub mod kafka;
pub mod operation;
mod scan;
mod tape;

use std::io::Read;

pub use tape::{Entries, Form, Items, View};

use scan::{Fault, Scanned};
use tape::Node;

/// Bytes asked for at once.
const CHUNK: usize = 1 << 18;

/// The longest record that is read.
const LONGEST: usize = 1 << 28;

/// Why a history in EDN cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum EdnError {
    /// The text is not EDN.
    #[error("line {line}: {cause}")]
    Malformed {
        /// Line, from 1.
        line: u64,
        /// What is wrong.
        cause: &'static str,
    },
    /// The text is EDN, but not an operation that makes sense here.
    #[error("line {line}: {cause}")]
    Meaningless {
        /// Line on which the record begins, from 1.
        line: u64,
        /// What is wrong.
        cause: String,
    },
    /// The file cannot be read.
    #[error("line {line}: {source}")]
    Io {
        /// Line reached, from 1.
        line: u64,
        /// Why.
        source: std::io::Error,
    },
}

impl EdnError {
    /// An operation without meaning.
    pub fn meaningless(line: u64, cause: impl Into<String>) -> Self {
        Self::Meaningless { line, cause: cause.into() }
    }
}

/// Where the records are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    /// Nothing read yet.
    Unknown,
    /// One after the other.
    Bare,
    /// In a vector or list that this byte closes.
    Within(u8),
    /// The vector or list is closed.
    Closed,
}

/// Reads records from any source.
pub struct Reader<R> {
    source: R,
    buffer: Vec<u8>,
    /// The unread part of the buffer begins here.
    start: usize,
    /// The source has ended.
    ended: bool,
    line: u64,
    layout: Layout,
    tape: Vec<Node>,
    read: u64,
}

/// One top-level value.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    /// The line it begins on, from 1.
    pub line: u64,
    /// The value.
    pub value: View<'a>,
}

impl<R: Read> Reader<R> {
    /// A reader at the start of `source`.
    pub fn new(source: R) -> Self {
        let (buffer, tape) = (Vec::new(), Vec::new());
        Self { source, buffer, start: 0, ended: false, line: 1, layout: Layout::Unknown, tape, read: 0 }
    }

    /// Bytes consumed so far.
    pub fn position(&self) -> u64 {
        self.read
    }

    /// The next record; none at the end.
    pub fn record(&mut self) -> Result<Option<Record<'_>>, EdnError> {
        let (start, length) = loop {
            let text = &self.buffer[self.start..];
            let scanned = match self.layout {
                Layout::Unknown => scan::opening(text, self.ended),
                Layout::Bare => scan::record(text, (self.ended, None), &mut self.tape),
                Layout::Within(close) => scan::record(text, (self.ended, Some(close)), &mut self.tape),
                Layout::Closed => scan::nothing(text, self.ended),
            };
            match scanned {
                Ok(Scanned::Opening(within, at)) => {
                    self.layout = within.map_or(Layout::Bare, Layout::Within);
                    self.consume(at);
                }
                Ok(Scanned::Record(begin, end)) => {
                    self.consume(begin);
                    break (self.start, end - begin);
                }
                Ok(Scanned::Closed(at)) => {
                    self.layout = Layout::Closed;
                    self.consume(at);
                }
                Ok(Scanned::Nothing) => return Ok(None),
                Ok(Scanned::More) => self.more()?,
                Err(Fault { at, cause }) => {
                    self.consume(at);
                    return Err(EdnError::Malformed { line: self.line, cause });
                }
            }
        };
        let line = self.line;
        self.consume(length);
        let text = &self.buffer[start..start + length];
        let text = std::str::from_utf8(text)
            .map_err(|_| EdnError::Malformed { line, cause: "the record is not UTF-8" })?;
        Ok(Some(Record { line, value: View::new(&self.tape, text) }))
    }

    fn consume(&mut self, bytes: usize) {
        let consumed = &self.buffer[self.start..self.start + bytes];
        self.line += consumed.iter().map(|byte| u64::from(*byte == b'\n')).sum::<u64>();
        self.start += bytes;
        self.read += bytes as u64;
    }

    /// Reads on: a record is not complete yet.
    fn more(&mut self) -> Result<(), EdnError> {
        let line = self.line;
        if self.buffer.len() - self.start > LONGEST {
            return Err(EdnError::Malformed { line, cause: "a record of more than 256 MiB" });
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let kept = self.buffer.len();
        // Doubling, so that a long record is scanned again only a few times.
        let wanted = CHUNK.max(kept);
        self.buffer.resize(kept + wanted, 0);
        let mut filled = kept;
        while filled < self.buffer.len() {
            match self.source.read(&mut self.buffer[filled..]) {
                Ok(0) => {
                    self.ended = true;
                    break;
                }
                Ok(read) => filled += read,
                Err(source) if source.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => return Err(EdnError::Io { line, source }),
            }
        }
        self.buffer.truncate(filled);
        Ok(())
    }
}
