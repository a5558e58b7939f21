//! Records whose effect may have been made although the sink never said so.
//!
//! A process does one thing after the other, so an effect that was begun and not answered was refused, unless it was
//! the last thing that the process began before it died. Where the sink was read back, nobody needs to guess.

use std::ops::Range;

use history::ids::{LogId, Process};
use history::merged::{Buffer, Entry, HistoryError, Kind, ReadChunk};

use super::Stage;
use super::place::{Places, records};

/// Of the records in some gaps, those that a member handed over last before it ended otherwise than in good order.
pub(super) fn ranks(stage: &Stage<'_>, gaps: &[Range<u64>]) -> Result<Vec<Range<u64>>, HistoryError> {
    let ends = gaps.iter().flat_map(|gap| [gap.start, gap.end - 1]).collect();
    let ends = records(stage.reference, ends)?;
    let offset = |rank: u64| ends.get(&rank).map_or(i64::MAX, |(offset, _)| *offset);
    let gaps: Vec<(i64, i64)> = gaps.iter().map(|gap| (offset(gap.start), offset(gap.end - 1))).collect();
    let mut intervals = Vec::new();
    let facts = &stage.history.facts().processes;
    for (&process, _) in facts.iter().filter(|(_, facts)| facts.hands_over) {
        let member = stage.context.group_of.get(&process) == Some(&stage.group);
        if member && !stage.context.sinks.closed(process) {
            intervals.extend(last_hand_over(stage, process)?);
        }
    }
    intervals.retain(|interval| gaps.iter().any(|gap| gap.0 <= interval.1 && interval.0 <= gap.1));
    let next = |offset: i64| offset.saturating_add(1);
    let places = Places::of(
        stage.reference,
        intervals.iter().flat_map(|&(first, last)| [first, next(last)]).collect(),
    )?;
    let ranks = intervals.iter().map(|&(first, last)| places.rank(first)..places.rank(next(last)));
    Ok(ranks.filter(|ranks| !ranks.is_empty()).collect())
}

/// What a process handed over last, of the log in question.
fn last_hand_over(stage: &Stage<'_>, process: Process) -> Result<Vec<(i64, i64)>, HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    let (mut latest, mut intervals) = (0, Vec::new());
    for log in (0u16..).zip(&stage.history.facts().logs).map(|(log, _)| LogId(log)) {
        let of_process = |entry: &&Entry| entry.process == process && entry.handed > 0;
        // Hand-overs of one log are in the order of its polls, so the last chunk holds the last.
        if let Some(entry) = stage.history.chunks(Kind::Polls, log).iter().rfind(of_process) {
            stage.history.reads(entry, &mut buffer, &mut chunk)?;
            for (poll, span) in chunk.polls.iter().enumerate().filter(|(_, span)| span.handed > 0) {
                if span.handed_at > latest {
                    (latest, intervals) = (span.handed_at, Vec::new());
                }
                if span.handed_at == latest && log == stage.log {
                    intervals.extend(offsets(&chunk, poll));
                }
            }
        }
        let of_process = |over: &&crate::delivery::context::HandOver| over.receiver.process == process;
        for over in stage.context.hand_overs_of(log).iter().filter(of_process) {
            let time = over.time.0.div_ceil(1_000);
            if time > latest {
                (latest, intervals) = (time, Vec::new());
            }
            if time == latest && log == stage.log {
                intervals.push((over.first, over.last));
            }
        }
    }
    Ok(intervals)
}

/// The offsets that one poll handed over, as intervals.
fn offsets(chunk: &ReadChunk, poll: usize) -> Vec<(i64, i64)> {
    let span = &chunk.polls[poll];
    let (from, until) = (span.start as usize, span.start as usize + span.handed as usize);
    let mut intervals = Vec::new();
    for (index, run) in chunk.runs.iter().enumerate() {
        let (start, end) = (from.max(run.start as usize), until.min(chunk.run_end(index)));
        if start < end {
            let first = run.offset.saturating_add_unsigned((start - run.start as usize) as u64);
            intervals.push((first, first.saturating_add_unsigned((end - start) as u64 - 1)));
        }
    }
    intervals
}

/// What is left of some gaps without what may be filled, and how many records of them may be.
pub(super) fn without(gaps: &[Range<u64>], mut filled: Vec<Range<u64>>) -> (Vec<Range<u64>>, u64) {
    filled.sort_by_key(|range| range.start);
    let (mut left, mut taken) = (Vec::new(), 0);
    for gap in gaps {
        let mut start = gap.start;
        for range in filled.iter().filter(|range| range.start < gap.end && range.end > gap.start) {
            if range.start > start {
                left.push(start..range.start);
            }
            let end = range.end.min(gap.end);
            taken += end.saturating_sub(start.max(range.start));
            start = start.max(end);
        }
        if start < gap.end {
            left.push(start..gap.end);
        }
    }
    (left, taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_filled_is_taken_from_the_gaps_once() {
        let (left, taken) = without(&[0..10, 20..22], vec![3..5, 4..6, 9..21]);
        assert_eq!((left, taken), (vec![0..3, 6..9, 21..22], 5));
    }
}
