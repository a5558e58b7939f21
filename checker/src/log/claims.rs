//! Claims: a value was acknowledged at an offset, or polled there, and the log does not hold it there.
//!
//! A claim is contradicted (`inconsistent-offsets`) where the log holds another value at that offset, where the log
//! holds the value elsewhere, or where nothing is left at the offset and another value was claimed for it as well.

use std::ops::Range;

use history::ids::{LogId, Offset, Value};
use history::merged::{Buffer, HistoryError, ReadChunk};

use super::stream::value;
use super::truth::Truth;
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};

/// Values of one process claimed for consecutive offsets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claimed {
    pub(super) offsets: Range<i64>,
    /// First and last value.
    pub(super) first: Value,
    pub(super) last: Value,
    /// What is known of the first.
    pub(super) sightings: Vec<Sighting>,
    /// Whether it was reported already.
    pub(super) reported: bool,
    /// Whether the log holds the values elsewhere, so that nothing at the offsets contradicts the claim.
    pub(super) found: bool,
    /// Whether the log itself may hold the value there: then it is no claim after all.
    pub(super) may_agree: bool,
}

/// Finds contradictions between claims and the log, and among claims.
pub(super) fn contradictions(
    truth: &Truth<'_>,
    log: LogId,
    mut claims: Vec<Claimed>,
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    claims.sort_by_key(|claim| (claim.offsets.start, claim.first, claim.offsets.end));
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    let mut empty = Vec::new();
    let mut waiting = claims.iter().peekable();
    let mut open: Vec<(&Claimed, i64)> = Vec::new();
    for at in 0..truth.len() {
        let (first, last) = truth.bounds(at);
        while let Some(claim) = waiting.next_if(|claim| claim.offsets.start <= last) {
            open.push((claim, claim.offsets.start));
        }
        if open.iter().any(|(claim, _)| claim.offsets.end > first) {
            truth.load(at, &mut buffer, &mut chunk)?;
            for (claim, from) in &mut open {
                *from = compare(claim, *from, &chunk, (log, &mut empty, findings));
            }
        }
        open.retain(|(claim, from)| {
            let done = claim.offsets.end <= last.saturating_add(1);
            if done && *from < claim.offsets.end {
                empty.push((*from..claim.offsets.end, *claim));
            }
            !done
        });
    }
    empty.extend(open.into_iter().map(|(claim, from)| (from..claim.offsets.end, claim)));
    empty.extend(waiting.map(|claim| (claim.offsets.clone(), claim)));
    among(log, empty, findings);
    Ok(())
}

type Found<'f, 'c> = (LogId, &'f mut Vec<(Range<i64>, &'c Claimed)>, &'f mut Findings);

/// Compares a claim with a chunk of the log, from an offset on; returns up to where it was compared.
fn compare<'c>(claim: &'c Claimed, mut from: i64, chunk: &ReadChunk, found: Found<'_, 'c>) -> i64 {
    let (log, empty, findings) = found;
    let run_end = |index: usize| {
        let count = chunk.run_end(index) - chunk.runs[index].start as usize;
        chunk.runs[index].offset.saturating_add_unsigned(count as u64)
    };
    let mut index = partition(chunk.runs.len(), |index| run_end(index) <= from);
    while from < claim.offsets.end
        && let Some(run) = chunk.runs.get(index)
    {
        if run.offset > from {
            let until = run.offset.min(claim.offsets.end);
            empty.push((from..until, claim));
            from = until;
            continue;
        }
        let until = run_end(index).min(claim.offsets.end);
        let place = run.start as usize + usize::try_from(from - run.offset).unwrap_or(0);
        let holder = value(run.process, chunk.seqs[place]);
        let agrees = claim.may_agree && holder == claim.first;
        if !claim.reported && !agrees {
            let mut finding = conflict(log, claim, from..until);
            finding.sightings.push(Sighting::InLog { value: holder, offset: Offset(from) });
            findings.push(finding);
        }
        from = until;
        index += 1;
    }
    from
}

/// Finds offsets at which the log holds nothing and more than one value is claimed.
fn among(log: LogId, mut empty: Vec<(Range<i64>, &Claimed)>, findings: &mut Findings) {
    empty.retain(|(range, _)| !range.is_empty());
    empty.sort_by_key(|(range, claim)| (range.start, claim.first));
    for (range, claim) in empty.iter().filter(|(_, claim)| claim.found && !claim.reported) {
        findings.push(conflict(log, claim, range.clone()));
    }
    let mut cuts: Vec<i64> = empty.iter().flat_map(|(range, _)| [range.start, range.end]).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut next = empty.iter().peekable();
    let mut active: Vec<&(Range<i64>, &Claimed)> = Vec::new();
    for cut in cuts.windows(2) {
        active.retain(|(range, _)| range.end > cut[0]);
        while let Some(claim) = next.next_if(|(range, _)| range.start == cut[0]) {
            active.push(claim);
        }
        if active.len() < 2 {
            continue;
        }
        for (at, (_, claim)) in
            active.iter().enumerate().filter(|(_, (_, claim))| !claim.reported && !claim.found)
        {
            let mut finding = conflict(log, claim, cut[0]..cut[1]);
            let other = active[usize::from(at == 0)].1;
            finding.sightings.extend(other.sightings.iter().cloned());
            findings.push(finding);
        }
    }
}

fn conflict(log: LogId, claim: &Claimed, offsets: Range<i64>) -> Finding {
    // The values within an interval are known at its ends only.
    let (first, last) = (offsets.start == claim.offsets.start, offsets.end == claim.offsets.end);
    Finding {
        anomaly: Anomaly::InconsistentOffsets,
        log,
        group: None,
        count: offsets.start.abs_diff(offsets.end),
        first: first.then_some(claim.first),
        last: last.then_some(claim.last),
        offsets: Some((Offset(offsets.start), Offset(offsets.end - 1))),
        cause: None,
        sightings: claim.sightings.clone(),
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
