//! From lines to a history: of a text that is in memory, or of one that is read as it comes.
//!
//! What a line means is the business of `parse`; here are their numbers, for whoever has to mend one, and the order of
//! the events, which is that of their times.

use std::io::{BufRead, Read};

use super::arguments::Problem;
use super::parse::{LINE, Parser};
use super::{Parsed, ReadError, TextError, token};
use crate::op::Event;

/// Reads a whole history; returns the line of each event too.
pub(super) fn history(text: &str) -> Result<(Parsed, Vec<usize>), TextError> {
    let mut history = Lines::default();
    text.split('\n').try_for_each(|line| history.take(line))?;
    Ok(history.finish())
}

/// Bytes of the longest line that is read.
const LONGEST: u64 = 1 << 26;

/// As [`history`], line by line: of the text no more than a line is in memory.
pub(super) fn stream(mut source: impl BufRead) -> Result<(Parsed, Vec<usize>), ReadError> {
    let (mut history, mut line) = (Lines::default(), Vec::new());
    loop {
        line.clear();
        let number = history.taken + 1;
        let read = source.by_ref().take(LONGEST).read_until(b'\n', &mut line);
        if read.map_err(|source| ReadError::Io { line: number, source })? == 0 {
            return Ok(history.finish());
        }
        let wrong = |cause: &str, fix: &str| TextError { line: number, cause: cause.into(), fix: fix.into() };
        if line.last() == Some(&b'\n') {
            line.pop();
        } else if line.len() as u64 == LONGEST {
            return Err(wrong("a line of more than 64 MiB", "is it a history in text?").into());
        }
        let text = std::str::from_utf8(&line);
        history.take(text.map_err(|_| wrong("the line is not UTF-8", "write it in UTF-8"))?)?;
    }
}

/// A history that is being read.
#[derive(Default)]
struct Lines {
    parser: Parser,
    /// Lines so far.
    taken: usize,
    /// Of each event, its line.
    lines: Vec<usize>,
}

impl Lines {
    fn take(&mut self, line: &str) -> Result<(), TextError> {
        self.taken += 1;
        let understood = token::tokens(line).and_then(|tokens| self.parser.line(tokens));
        understood.map_err(|Problem { cause, fix }| {
            let fix = if fix.is_empty() { format!("a line is {LINE}") } else { fix };
            TextError { line: self.taken, cause, fix }
        })?;
        self.lines.resize(self.parser.events.len(), self.taken);
        Ok(())
    }

    fn finish(self) -> (Parsed, Vec<usize>) {
        let Parser { logs, events, .. } = self.parser;
        let mut events: Vec<(Event, usize)> = events.into_iter().zip(self.lines).collect();
        // Stable: lines of equal time stay as they stand.
        events.sort_by_key(|(event, _)| event.time);
        let (events, lines) = events.into_iter().unzip();
        (Parsed { logs, events }, lines)
    }
}
