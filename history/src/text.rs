//! The one-line text form of a history, for people and for tests.
//!
//! ```text
//! log t/0                                         # declare logs (all or none; else: in order of mention)
//! process p2 consumer name=shop[0] group=g        # short for: 0 p2 open consumer name=shop[0] group=g
//! 3     p1 invoke send t/0 v7                     # TIME PROCESS [invoke|ok|fail|info] OPERATION …
//! 4.5us p1 ok send t/0 v7 @12                     # milliseconds, or ns, us, ms, s; @12 is an offset
//! 5..9  p1 send t/0 v8..10 @13                    # invoked at 5 and ok at 9: three sends, offsets 13 to 15
//! 5..9  p1 info send t/0 v11 error=-185 message="timed out"
//! 10..11 p2 poll t/0 p1:7..8 @12 p1:9 @14 t/1 p1:4 @0    # runs; v7 is the line's own process, p1:7 another's
//! 12    p2 assigned t/0 t/1 generation=3          # what happens at one moment needs no invoke or ok
//! 13..14 p2 commit-offsets sync t/0 @15             # txn for sync: sent to the transaction that p2 has begun
//! 15    p3 final-read t/0 p1:7..10 @12 end=16     # end= adds: 15 p3 final-read-end t/0 end=16
//! 16    harness fault 0 "kill the leader" b1      # harness is p0; quotes as in JSON
//! ```
//! [`Parsed::parse`] and [`print()`] are inverse for every history whose events are ordered by time: lines may
//! come in any order and are sorted by time, those of equal time as they stand. Every operation has an example
//! in [`examples`]. There is no short form for what cannot be seen in the line itself.

mod arguments;
mod lines;
mod parse;
mod printing;
mod token;

use crate::ids::TopicPartition;
use crate::op::Event;

pub use parse::examples;
pub use printing::{event, print};

/// A history in memory: the table of its logs and its events, ordered by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The logs; a [`crate::ids::LogId`] is an index into them.
    pub logs: Vec<TopicPartition>,
    /// The events. Process 0 is the harness.
    pub events: Vec<Event>,
}

impl Parsed {
    /// Reads a history in its text form.
    ///
    /// # Errors
    /// The first line that cannot be understood, with what to write instead.
    pub fn parse(text: &str) -> Result<Self, TextError> {
        Self::parse_with_lines(text).map(|(parsed, _)| parsed)
    }

    /// Reads a history in its text form, and says on which line each event stands, from 1.
    ///
    /// # Errors
    /// As [`Parsed::parse`].
    pub fn parse_with_lines(text: &str) -> Result<(Self, Vec<usize>), TextError> {
        lines::history(text)
    }

    /// As [`Parsed::parse_with_lines`], from any source: memory follows the events and the longest line, not the text.
    ///
    /// # Errors
    /// As [`Parsed::parse`], or that the source cannot be read.
    pub fn read(source: impl std::io::BufRead) -> Result<(Self, Vec<usize>), ReadError> {
        lines::stream(source)
    }
}

/// A line that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {cause}; {fix}")]
pub struct TextError {
    /// Its number, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub cause: String,
    /// What to write instead.
    pub fix: String,
}

/// Why a history in text cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// A line cannot be understood.
    #[error(transparent)]
    Text(#[from] TextError),
    /// The source cannot be read.
    #[error("line {line}: {source}")]
    Io {
        /// Line reached, from 1.
        line: usize,
        /// Why.
        source: std::io::Error,
    },
}
