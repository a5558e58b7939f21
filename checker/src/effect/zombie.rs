//! Effects by members that no longer held the log.
//!
//! The moment that counts is the sink's acknowledgement. A member that is asked to give a log up finishes what it does
//! first, so in a group that works no acknowledgement comes after somebody else's assignment.

use history::ids::Offset;
use history::merged::HistoryError;

use super::place::{Places, records};
use super::sinks::{Made, Turn};
use super::{By, Stage};
use crate::anomaly::Anomaly;
use crate::findings::{Findings, Sighting};

/// Finds them.
pub(super) fn find(stage: &Stage<'_>) -> Result<Findings, HistoryError> {
    let late: Vec<(usize, &Made, Turn, Turn)> = stage
        .made()
        .iter()
        .enumerate()
        .filter(|(_, made)| made.certain)
        .filter_map(|(at, made)| {
            let own = made.turn?;
            Some((at, made, own, taken_over(stage, made, own)?))
        })
        .collect();
    let mut findings = Findings::default();
    if late.is_empty() {
        return Ok(findings);
    }
    let next = |offset: i64| offset.saturating_add(1);
    let offsets = late.iter().flat_map(|(_, made, ..)| [made.first, next(made.last)]).collect();
    let places = Places::of(stage.reference, offsets)?;
    let ranks = |made: &Made| places.rank(made.first)..places.rank(next(made.last));
    let ends = late.iter().map(|(_, made, ..)| ranks(made)).filter(|ranks| !ranks.is_empty());
    let records = records(stage.reference, ends.flat_map(|ranks| [ranks.start, ranks.end - 1]).collect())?;
    for (at, made, own, other) in late {
        let ranks = ranks(made);
        let effect = stage.effect(By::Member(at), 0, (made.first, None));
        let assigned = |turn: Turn| Sighting::Assigned { process: turn.process, time: turn.time };
        // What the log does not hold is no record of it; it is a phantom's effect, and a zombie's all the same.
        let count = (ranks.end - ranks.start).max(1);
        let sightings = vec![assigned(own), assigned(other), effect];
        let mut finding = stage.finding(Anomaly::ZombieEffect, count, sightings);
        let first = records.get(&ranks.start).filter(|_| !ranks.is_empty());
        let last = ranks.end.checked_sub(1).and_then(|rank| records.get(&rank));
        if let Some((&(first, first_value), &(last, last_value))) = first.zip(last) {
            finding.first = Some(first_value);
            finding.last = Some(last_value);
            finding.offsets = Some((Offset(first), Offset(last)));
        }
        findings.push(finding);
    }
    Ok(findings)
}

/// The first assignment of the log to another member after this one's and before its effect.
fn taken_over(stage: &Stage<'_>, made: &Made, own: Turn) -> Option<Turn> {
    let newer = |other: &Turn| match (own.generation, other.generation) {
        (Some(own), Some(other)) => other > own,
        (Some(_) | None, Some(_) | None) => true,
    };
    let turns = stage.context.sinks.turns(stage.group, stage.log);
    let from = turns.partition_point(|turn| turn.time <= own.time);
    let later = turns[from..].iter().take_while(|turn| turn.time < made.time);
    later.copied().find(|turn| turn.process != own.process && newer(turn))
}
