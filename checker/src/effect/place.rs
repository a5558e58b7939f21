//! From offsets to ranks, and back: one pass over the log for as many of either as are asked.

use std::collections::BTreeMap;

use history::ids::Value;
use history::merged::{Buffer, HistoryError, ReadChunk};

use crate::delivery::coverage::Window;
use crate::log::truth::Truth;

/// Ranks of offsets: how many records of the log lie below.
#[derive(Debug, Default)]
pub(super) struct Places {
    ranks: Vec<(i64, u64)>,
    total: u64,
}

impl Places {
    /// Finds the ranks of some offsets.
    pub(super) fn of(log: &Truth<'_>, mut offsets: Vec<i64>) -> Result<Self, HistoryError> {
        offsets.sort_unstable();
        offsets.dedup();
        let mut ranks = Vec::with_capacity(offsets.len());
        let mut left = offsets.into_iter().peekable();
        let total = windows(log, |window, last| {
            while let Some(offset) = left.next_if(|offset| *offset <= last) {
                ranks.push((offset, window.base + window.place(offset) as u64));
            }
        })?;
        ranks.extend(left.map(|offset| (offset, total)));
        Ok(Self { ranks, total })
    }

    /// How many records lie below an offset that was asked for.
    pub(super) fn rank(&self, offset: i64) -> u64 {
        let at = self.ranks.partition_point(|(known, _)| *known < offset);
        self.ranks.get(at).map_or(self.total, |(_, rank)| *rank)
    }

    /// Number of records in the log.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

/// Offsets and values of records, by rank.
pub(super) type Records = BTreeMap<u64, (i64, Value)>;

/// Finds the records of some ranks.
pub(super) fn records(log: &Truth<'_>, mut ranks: Vec<u64>) -> Result<Records, HistoryError> {
    ranks.sort_unstable();
    ranks.dedup();
    let mut records = Records::new();
    if ranks.is_empty() {
        return Ok(records);
    }
    let mut left = ranks.into_iter().peekable();
    windows(log, |window, _| {
        let end = window.base + window.chunk.len() as u64;
        while let Some(rank) = left.next_if(|rank| *rank < end) {
            if let Ok(at) = usize::try_from(rank - window.base) {
                records.insert(rank, window.record(at));
            }
        }
    })?;
    Ok(records)
}

/// Reads a log once, window by window, each with its last offset; returns how many records it holds.
pub(super) fn windows(log: &Truth<'_>, mut each: impl FnMut(Window<'_>, i64)) -> Result<u64, HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    let (mut scan, mut base) = (log.scan(), 0);
    while scan.next(&mut buffer, &mut chunk, |_, _| true)? {
        let Some(run) = chunk.runs.last() else { continue };
        let count = chunk.len() as u64 - u64::from(run.start);
        each(Window { chunk: &chunk, base }, run.offset.saturating_add_unsigned(count - 1));
        base += chunk.len() as u64;
    }
    Ok(base)
}
