//! Effects as the sink was found to hold them: each names a record by offset and value.

use history::ids::{Offset, Seq, Value};
use history::merged::HistoryError;
use history::op::Run;

use super::place::{Places, windows};
use super::sinks::Reading;
use super::{By, Content, Piece, Stage, Stray};
use crate::delivery::coverage::Window;

/// A run of the sink with its place, what is left of it to be found in the log.
#[derive(Clone, Copy)]
struct Left {
    place: u64,
    run: Run,
}

impl Left {
    /// Takes the first record from it.
    fn advance(&mut self) {
        self.place += 1;
        self.run.count -= 1;
        // A run's last offset and sequence are known to be numbers.
        self.run.offset = Offset(self.run.offset.0.saturating_add(1));
        self.run.first.seq = Seq(self.run.first.seq.0.saturating_add(1));
    }
}

/// Compares what the sink holds with the log.
pub(super) fn content(stage: &Stage<'_>, reading: &Reading) -> Result<Content, HistoryError> {
    let mut waiting: Vec<Left> =
        reading.runs(stage.log).iter().map(|&(place, run)| Left { place, run }).collect();
    waiting.sort_by_key(|left| std::cmp::Reverse(left.run.offset));
    let mut content = Content::default();
    let mut active: Vec<Left> = Vec::new();
    windows(stage.reference, |window, last| {
        while let Some(left) = waiting.pop_if(|left| left.run.offset.0 <= last) {
            active.push(left);
        }
        for left in &mut active {
            compare(left, window, last, &mut content);
        }
        active.retain(|left| left.run.count > 0);
    })?;
    for mut left in active.into_iter().chain(waiting) {
        while left.run.count > 0 {
            content.strays.push(stray(&left));
            left.advance();
        }
    }
    content.pieces.sort_by_key(|piece| place(piece.by));
    content.strays.sort_by_key(|stray| place(stray.by));
    let commit = stage.context.committed_by(stage.group, stage.log, history::ids::Nanos(u64::MAX));
    let strays = content.strays.iter().flat_map(|stray| [stray.offset, stray.offset.saturating_add(1)]);
    let offsets = strays.chain(commit.map(|commit| commit.next.0)).collect();
    content.places = Places::of(stage.reference, offsets)?;
    Ok(content)
}

/// Finds the records of a run up to an offset in a window of the log.
fn compare(left: &mut Left, window: Window<'_>, last: i64, content: &mut Content) {
    while left.run.count > 0 && left.run.offset.0 <= last {
        let at = window.place(left.run.offset.0);
        let value = Value { process: left.run.first.process, seq: left.run.first.seq };
        if at < window.chunk.len() && window.record(at) == (left.run.offset.0, value) {
            found(content, left.place, window.base + at as u64);
        } else {
            content.strays.push(stray(left));
        }
        left.advance();
    }
}

/// Adds the effect of a record that the log holds.
fn found(content: &mut Content, place: u64, rank: u64) {
    if let Some(Piece { start, end, by: By::Sink(first) }) = content.pieces.last_mut()
        && *end == rank
        && *first + (*end - *start) == place
    {
        *end += 1;
        return;
    }
    content.pieces.push(Piece { start: rank, end: rank + 1, by: By::Sink(place) });
}

fn stray(left: &Left) -> Stray {
    let value = Some(left.run.first);
    Stray { offset: left.run.offset.0, value, polled: None, by: By::Sink(left.place) }
}

fn place(by: By) -> u64 {
    match by {
        By::Sink(place) => place,
        By::Member(at) => at as u64,
    }
}
