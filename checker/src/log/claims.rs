//! Claims: a value was acknowledged at an offset, or polled there, and the log does not hold it there.
//!
//! A claim is contradicted (`inconsistent-offsets`) where the log holds another value at that offset, where the log
//! holds the value elsewhere, or where nothing is left at the offset and another value was claimed for it as well.
//! There may be as many claims as lost records, so they are small, and of what is found only the first and last few
//! are kept.

use std::collections::VecDeque;
use std::ops::Range;

use history::ids::{Nanos, Process, Value};
use history::merged::{Buffer, HistoryError, ReadChunk};

use super::stream::value;
use super::truth::Truth;
use crate::findings::KEEP;

/// Values of one process claimed for consecutive offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claimed {
    pub(super) start: i64,
    pub(super) count: u32,
    pub(super) process: u32,
    /// First and last sequence number.
    pub(super) seqs: (u32, u32),
    /// Who polled it and when; none for an acknowledgement.
    pub(super) polled: Option<(Process, Nanos)>,
    pub(super) standing: Standing,
}

/// What is known of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It was reported already; it still contradicts others.
    Reported,
    /// The log holds the values elsewhere, so that nothing at the offsets contradicts the claim.
    Elsewhere,
    /// The log does not hold the values anywhere.
    Absent,
    /// The log holds the value somewhere, maybe even there, because it was compared with another truth.
    MayAgree,
}

/// A claim that is contradicted, and by what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Conflict {
    pub(super) claim: Claimed,
    /// The part of the claim's offsets.
    pub(super) offsets: (i64, i64),
    /// What the log holds at the first of them.
    pub(super) holder: Option<Value>,
    /// Another claim for the first of them.
    pub(super) other: Option<Claimed>,
}

/// Conflicts: their exact number, and the first and last of them.
#[derive(Debug, Default)]
pub(super) struct Conflicts {
    /// Number of values claimed in vain.
    pub(super) count: u64,
    /// Number of conflicts, each an interval.
    pub(super) conflicts: u64,
    pub(super) first: Vec<Conflict>,
    pub(super) last: VecDeque<Conflict>,
}

impl Claimed {
    fn end(&self) -> i64 {
        self.start.saturating_add(self.count.into())
    }

    pub(super) fn first(&self) -> Value {
        value(self.process, self.seqs.0)
    }

    pub(super) fn last(&self) -> Value {
        value(self.process, self.seqs.1)
    }
}

impl Conflicts {
    fn push(&mut self, claim: &Claimed, offsets: Range<i64>, holder: Option<Value>, other: Option<&Claimed>) {
        self.count += offsets.start.abs_diff(offsets.end);
        self.conflicts += 1;
        let offsets = (offsets.start, offsets.end - 1);
        let conflict = Conflict { claim: *claim, offsets, holder, other: other.copied() };
        if self.first.len() < KEEP {
            self.first.push(conflict);
            return;
        }
        if self.last.len() == KEEP {
            self.last.pop_front();
        }
        self.last.push_back(conflict);
    }
}

/// Offsets of a claim at which the log holds nothing.
type Empty<'c> = (Range<i64>, &'c Claimed);

/// Finds contradictions between claims and the log, and among claims.
pub(super) fn contradictions(truth: &Truth<'_>, mut claims: Vec<Claimed>) -> Result<Conflicts, HistoryError> {
    let mut conflicts = Conflicts::default();
    if claims.is_empty() {
        return Ok(conflicts);
    }
    claims.sort_unstable_by_key(|claim| (claim.start, claim.process, claim.seqs));
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    let mut empty = Vec::new();
    let mut waiting = claims.iter().peekable();
    let mut open: Vec<(&Claimed, i64)> = Vec::new();
    let mut scan = truth.scan();
    loop {
        let mut bounds = None;
        let more = scan.next(&mut buffer, &mut chunk, |first, last| {
            bounds = Some(last);
            while let Some(claim) = waiting.next_if(|claim| claim.start <= last) {
                open.push((claim, claim.start));
            }
            open.iter().any(|(claim, _)| claim.end() > first)
        })?;
        for (claim, from) in &mut open {
            *from = compare(claim, *from, &chunk, (&mut empty, &mut conflicts));
        }
        let last = if more { bounds.unwrap_or(i64::MIN) } else { i64::MAX };
        open.retain(|&(claim, from)| {
            let done = claim.end() <= last.saturating_add(1);
            if done && from < claim.end() {
                empty.push((from..claim.end(), claim));
            }
            !done
        });
        if !more {
            break;
        }
    }
    empty.extend(waiting.map(|claim| (claim.start..claim.end(), claim)));
    among(empty, &mut conflicts);
    Ok(conflicts)
}

/// Compares a claim with a chunk of the log, from an offset on; returns up to where it was compared.
fn compare<'c>(
    claim: &'c Claimed,
    mut from: i64,
    chunk: &ReadChunk,
    (empty, conflicts): (&mut Vec<Empty<'c>>, &mut Conflicts),
) -> i64 {
    let run_end = |index: usize| {
        let count = chunk.run_end(index) - chunk.runs[index].start as usize;
        chunk.runs[index].offset.saturating_add_unsigned(count as u64)
    };
    let mut index = partition(chunk.runs.len(), |index| run_end(index) <= from);
    while from < claim.end()
        && let Some(run) = chunk.runs.get(index)
    {
        if run.offset > from {
            let until = run.offset.min(claim.end());
            empty.push((from..until, claim));
            from = until;
            continue;
        }
        let until = run_end(index).min(claim.end());
        let place = run.start as usize + usize::try_from(from - run.offset).unwrap_or(0);
        let holder = value(run.process, chunk.seqs[place]);
        let agrees = claim.standing == Standing::MayAgree && holder == claim.first();
        if claim.standing != Standing::Reported && !agrees {
            conflicts.push(claim, from..until, Some(holder), None);
        }
        from = until;
        index += 1;
    }
    from
}

/// Finds offsets at which the log holds nothing: contradicted are claims for values that it holds elsewhere, and all
/// where more than one value is claimed.
fn among(mut empty: Vec<Empty<'_>>, conflicts: &mut Conflicts) {
    empty.sort_unstable_by_key(|(range, claim)| (range.start, range.end, claim.process, claim.seqs));
    for (range, claim) in &empty {
        if matches!(claim.standing, Standing::Elsewhere | Standing::MayAgree) {
            conflicts.push(claim, range.clone(), None, None);
        }
    }
    let mut cuts: Vec<i64> = empty.iter().flat_map(|(range, _)| [range.start, range.end]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut next = empty.iter().peekable();
    let mut active: Vec<&Empty<'_>> = Vec::new();
    for cut in cuts.windows(2) {
        active.retain(|(range, _)| range.end > cut[0]);
        while let Some(claim) = next.next_if(|(range, _)| range.start == cut[0]) {
            active.push(claim);
        }
        if active.len() < 2 {
            continue;
        }
        for (at, (_, claim)) in active.iter().enumerate() {
            if claim.standing != Standing::Absent {
                continue;
            }
            let other = active[usize::from(at == 0)].1;
            conflicts.push(claim, cut[0]..cut[1], None, Some(other));
        }
    }
}

fn partition(length: usize, below: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low.midpoint(high);
        if below(middle) { low = middle + 1 } else { high = middle }
    }
    low
}
