//! The definitions of the delivery stage.

#![expect(clippy::wildcard_enum_match_arm, reason = "each definition speaks of a few events only")]

use history::ids::{LogId, Value};

use super::content::Delivery;
use super::facts::{Facts, Polled};
use super::{Check, must};
use crate::findings::{Cause, Finding, Sighting};

/// The first and the last record of a finding, with where they lie in the log that groups must be delivered.
pub(super) fn ends(finding: &Finding) -> Vec<(i64, Value)> {
    let Some((first, last)) = finding.offsets else { return Vec::new() };
    let ends = [(first.0, finding.first), (last.0, finding.last)];
    let mut ends: Vec<(i64, Value)> =
        ends.into_iter().filter_map(|(offset, value)| Some((offset, value?))).collect();
    ends.dedup();
    ends
}

/// Whether it is known which records a group must be delivered.
pub(super) fn knows_gaps(facts: &Facts<'_>, log: LogId) -> bool {
    let committed = history::op::Isolation::ReadCommitted;
    facts.complete(log, committed).is_some() || !facts.any_transactional()
}

/// In the committed log, and never handed to any member of the group although the group drained past it.
pub(super) fn undelivered(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (log, Some(group)) = (finding.log, finding.group.as_deref()) else {
        return must(false, || "no group is named".to_owned());
    };
    let ends = ends(finding);
    must(!ends.is_empty(), || "no record is named".to_owned())?;
    must(knows_gaps(facts, log), || "what the group should have seen is not known".to_owned())?;
    let cut = facts.members(group).into_iter().any(|member| facts.is_truncated(member));
    must(!cut, || "a member's journal was cut".to_owned())?;
    let view = facts.reference(log);
    for (offset, value) in ends {
        let held = facts.at(log, view, offset);
        must(held == Some(value), || format!("the log holds {held:?} at offset {offset}"))?;
        let deliveries = facts.deliveries(group, log, (offset, value));
        must(deliveries.is_empty(), || format!("{value} was delivered: {deliveries:?}"))?;
        let passed = finding.sightings.iter().any(|seen| went_past(facts, seen, group, offset));
        must(passed, || format!("nothing shows that the group went past offset {offset}"))?;
    }
    Ok(())
}

/// Whether a sighting shows that a group went past an offset.
pub(super) fn went_past(facts: &Facts<'_>, seen: &Sighting, group: &str, offset: i64) -> bool {
    let by_hand_over = facts.hands_over(group);
    match (seen, by_hand_over) {
        (Sighting::Committed { next, .. }, _) => next.0 > offset,
        (Sighting::HandedOver { process, offset: at, .. }, true)
        | (Sighting::Polled { process, offset: at, .. }, false) => {
            facts.is_member(*process, group) && at.0 > offset
        }
        _ => false,
    }
}

/// Handed to the group more than once, and for that reason.
pub(super) fn redelivered(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (log, Some(group)) = (finding.log, finding.group.as_deref()) else {
        return must(false, || "no group is named".to_owned());
    };
    let ends = ends(finding);
    must(!ends.is_empty(), || "no record is named".to_owned())?;
    for (offset, value) in &ends {
        let held = facts.at(log, facts.reference(log), *offset);
        must(held == Some(*value), || format!("the log holds {held:?} at offset {offset}"))?;
        let deliveries = facts.deliveries(group, log, (*offset, *value));
        let causes: Vec<Cause> = deliveries
            .windows(2)
            .map(|pair| cause(facts, (group, log, *offset), &pair[0], &pair[1]))
            .collect();
        let is = finding.cause.is_some_and(|cause| causes.contains(&cause));
        must(is, || format!("{value} was delivered {} times: {causes:?}", deliveries.len()))?;
    }
    Ok(())
}

/// Why a record was delivered again.
fn cause(
    facts: &Facts<'_>,
    (group, log, offset): (&str, LogId, i64),
    first: &Delivery,
    again: &Delivery,
) -> Cause {
    let same = (first.process, first.segment) == (again.process, again.segment);
    let begins = facts.begins(again.process, log);
    if let Some(begin) = begins.iter().find(|begin| begin.segment == again.segment) {
        if !same && begin.sought.is_some_and(|sought| sought <= offset) {
            return Cause::Rewind;
        }
        let commits = facts.commits(group, log);
        if commits.iter().any(|commit| commit.time <= begin.time && commit.next > offset) {
            return Cause::Unexplained;
        }
    }
    if same {
        Cause::Unexplained
    } else if first.process != again.process && facts.died(first.process) {
        Cause::CrashBeforeCommit
    } else {
        Cause::Rebalance
    }
}

/// Two records that a witness says were polled one after the other, as they were: within one segment of one reader.
fn steps<'f>(finding: &Finding, facts: &'f Facts<'_>) -> Vec<(&'f Polled, &'f Polled)> {
    let mut named = finding.sightings.iter().filter_map(|seen| match seen {
        Sighting::Polled { process, value, offset, time } => Some((*process, *value, offset.0, *time)),
        _ => None,
    });
    let (Some(before), Some(next)) = (named.next(), named.next()) else { return Vec::new() };
    let is = |polled: &Polled, named| (polled.reader, polled.value, polled.offset, polled.returned) == named;
    let polls: Vec<&Polled> =
        facts.polls_of(finding.log).filter(|polled| polled.reader == before.0).collect();
    let pairs = polls.windows(2).filter(|pair| pair[0].segment == pair[1].segment);
    pairs.filter(|pair| is(pair[0], before) && is(pair[1], next)).map(|pair| (pair[0], pair[1])).collect()
}

/// Within one segment the next polled offset skips an existing record.
pub(super) fn poll_skip(finding: &Finding, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    must(knows_gaps(facts, log), || "what the group should have seen is not known".to_owned())?;
    let content = facts.content(log, facts.reference(log));
    let skips = |(before, next): &(&Polled, &Polled)| {
        let between = before.offset.saturating_add(1)..next.offset.max(before.offset.saturating_add(1));
        content.range(between).next().is_some()
    };
    let steps = steps(finding, facts);
    must(steps.iter().any(skips), || format!("no record lies between: {steps:?}"))
}

/// Within one segment the next polled offset goes back.
pub(super) fn nonmonotonic_poll(finding: &Finding, facts: &Facts<'_>) -> Check {
    let steps = steps(finding, facts);
    must(steps.iter().any(|(before, next)| next.offset <= before.offset), || {
        format!("the poll does not go back: {steps:?}")
    })
}
