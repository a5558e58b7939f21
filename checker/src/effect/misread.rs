//! What members had polled at offsets where the log holds something else in the end.
//!
//! A log that was truncated and written again shows two records at one offset; an effect is of what its member had
//! polled there last. Only offsets at which somebody polled otherwise are looked at.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use history::ids::{LogId, Nanos, Process, Value};
use history::merged::{Buffer, History, HistoryError, Kind, ReadChunk};

use super::sinks::Made;
use crate::delivery::sweep::Claim;
use crate::log::stream::{nanos, value};

/// Polls of one process at such offsets, in order.
type Polls = BTreeMap<i64, Vec<Poll>>;

#[derive(Clone, Copy, Debug)]
struct Poll {
    /// When it returned, rounded up to a microsecond.
    time: Nanos,
    value: Value,
    /// Whether the log holds that.
    agrees: bool,
}

#[derive(Debug, Default)]
pub(super) struct Misread {
    polls: HashMap<Process, Polls>,
}

impl Misread {
    /// Reads again what the readers of some claims polled at their offsets.
    pub(super) fn of(history: &History, log: LogId, claims: &[Claim]) -> Result<Self, HistoryError> {
        let mut wrong: HashMap<Process, BTreeSet<(i64, Value)>> = HashMap::new();
        for claim in claims {
            let held = (claim.offset, value(claim.process, claim.seq));
            wrong.entry(claim.reader).or_default().insert(held);
        }
        let mut misread = Self::default();
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        for entry in history.chunks(Kind::Polls, log) {
            let Some(wrong) = wrong.get(&entry.process) else { continue };
            let (first, last) = entry.offsets;
            let lowest = Value::default();
            let within = wrong.range((first, lowest)..).next().is_some_and(|(offset, _)| *offset <= last);
            if within && entry.records > 0 {
                history.reads(entry, &mut buffer, &mut chunk)?;
                read(&chunk, wrong, misread.polls.entry(entry.process).or_default());
            }
        }
        Ok(misread)
    }

    /// The offsets of a span at which its member had last polled what the log does not hold, with that and when.
    pub(super) fn within(&self, made: &Made) -> Vec<(i64, Value, Nanos)> {
        let Some(polls) = self.polls.get(&made.process) else { return Vec::new() };
        // The times of polls are rounded up.
        let until = nanos(made.time.0.div_ceil(1_000));
        let last = |polls: &Vec<Poll>| polls.iter().rev().find(|poll| poll.time <= until).copied();
        let polls = polls.range(made.first..=made.last);
        let polls = polls.filter_map(|(offset, polls)| Some((*offset, last(polls)?)));
        polls.filter(|(_, poll)| !poll.agrees).map(|(offset, poll)| (offset, poll.value, poll.time)).collect()
    }
}

/// Notes what a chunk of polls returned at the offsets that matter.
fn read(chunk: &ReadChunk, wrong: &BTreeSet<(i64, Value)>, polls: &mut Polls) {
    for (index, run) in chunk.runs.iter().enumerate() {
        let count = chunk.run_end(index) - run.start as usize;
        let last = run.offset.saturating_add_unsigned(count as u64 - 1);
        let mut before = None;
        for &(offset, _) in wrong.range((run.offset, Value::default())..) {
            if offset > last {
                break;
            }
            if before.replace(offset) == Some(offset) {
                continue;
            }
            let Ok(more) = usize::try_from(offset.abs_diff(run.offset)) else { continue };
            let at = run.start as usize + more;
            let value = value(run.process, chunk.seqs[at]);
            let time = chunk.polls.get(chunk.poll_of(at)).map_or(Nanos(0), |poll| nanos(poll.returned));
            let agrees = !wrong.contains(&(offset, value));
            polls.entry(offset).or_default().push(Poll { time, value, agrees });
        }
    }
}
