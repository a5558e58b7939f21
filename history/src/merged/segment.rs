//! Segments: the stretches of a consumer's reading within which its position may only move on by itself.
//!
//! A segment of a (process, log) ends where the log is assigned to the process again or where the process seeks in
//! it. Skipping or going back is an anomaly within a segment and the consumer's right between two. The merge numbers
//! polls with this counter and the checker runs the same counter over the rows, so both mean the same thing.

use std::collections::HashMap;

use crate::ids::{LogId, Process};
use crate::op::{Event, Op, Outcome, Phase};

/// Counts segments by (process, log).
#[derive(Clone, Debug, Default)]
pub struct Segments {
    current: HashMap<(Process, LogId), u32>,
}

impl Segments {
    /// The segment that a poll of this log by this process belongs to, from 0.
    #[must_use]
    pub fn current(&self, process: Process, log: LogId) -> u32 {
        self.current.get(&(process, log)).copied().unwrap_or(0)
    }

    /// Takes note of an event; returns the logs in which it begins a new segment.
    pub fn note(&mut self, event: &Event) -> Vec<LogId> {
        let begins = match (&event.op, &event.phase) {
            (Op::Assigned(_) | Op::Seek { .. }, Phase::Complete(Outcome::Fail { .. })) => Vec::new(),
            (Op::Assigned(assignment), _) => assignment.logs.clone(),
            (Op::Seek { log, .. }, _) => vec![*log],
            _ => Vec::new(),
        };
        for &log in &begins {
            *self.current.entry((event.process, log)).or_default() += 1;
        }
        begins
    }
}
