//! The definitions of the log stage.

#![expect(clippy::wildcard_enum_match_arm, reason = "each definition speaks of a few events only")]

use history::ids::{LogId, Nanos, Value};
use history::merged::{SendOutcome, TxnEnd};
use history::op::{ForeignRecord, Isolation, Op};

use super::content::View;
use super::facts::Facts;
use super::sightings::words;
use super::{Check, Objection, must};
use crate::findings::{Finding, Sighting};

/// The first and the last record of a finding; of one whose ends are not known, what was acknowledged there.
pub(super) fn ends(finding: &Finding, facts: &Facts<'_>) -> Result<Vec<Value>, Objection> {
    let mut ends: Vec<Value> = [finding.first, finding.last].into_iter().flatten().collect();
    ends.dedup();
    if ends.is_empty()
        && let Some((first, last)) = finding.offsets
    {
        let process = finding.sightings.iter().find_map(Sighting::value).map(|value| value.process);
        let claimed = [first, last].map(|offset| facts.claimed.get(&(finding.log, offset.0)));
        ends.extend(claimed.into_iter().flatten().flatten().filter(|value| Some(value.process) == process));
    }
    if ends.is_empty() {
        return Err(Objection::Argument("the records at its ends have no known values"));
    }
    Ok(ends)
}

/// A record that must have committed and is not in its log at the end.
pub(super) fn lost_write(finding: &Finding, facts: &Facts<'_>) -> Check {
    ends(finding, facts)?.into_iter().try_for_each(|value| match facts.is_transactional(value.process) {
        true => lost_with_transactions(facts, value, finding.log),
        false => lost(facts, value, finding.log),
    })
}

fn lost(facts: &Facts<'_>, value: Value, log: LogId) -> Check {
    let Some(sent) = facts.sent_to(value, log) else {
        return must(false, || format!("{value} was not sent"));
    };
    let view = facts.view(log);
    let start = facts.start(log, view);
    let places = facts.places(log, view, value);
    must(places.is_empty(), || format!("{} holds {value} at {places:?}", words(view)))?;
    let polled = facts.polls_of(log).filter(|polled| polled.value == value);
    match sent.outcome {
        SendOutcome::Failed => must(false, || format!("{value} failed")),
        SendOutcome::Unknown => must(view.is_complete() && was_seen_at(facts, log, value, start), || {
            format!("{value} has an unknown outcome and nobody is known to have read it")
        }),
        SendOutcome::Acked | SendOutcome::AckedWithoutOffset => {
            must(view.is_complete() || polled.count() == 0, || format!("somebody read {value}"))?;
            let reached = facts.reached(log).unwrap_or(i64::MIN);
            must(
                match sent.offset {
                    Some(offset) => offset >= start && (view.is_complete() || offset < reached),
                    None => view.is_complete() && start <= 0,
                },
                || format!("{value} may be deleted, or lie above what was read"),
            )
        }
    }
}

/// Whether somebody read a value at or above an offset.
fn was_seen_at(facts: &Facts<'_>, log: LogId, value: Value, start: i64) -> bool {
    let polled = facts.polls_of(log).map(|polled| (polled.offset, polled.value));
    let held = facts.held.get(&(log, Isolation::ReadCommitted)).into_iter().flatten().copied();
    polled.chain(held).any(|(offset, read)| read == value && offset >= start)
}

fn lost_with_transactions(facts: &Facts<'_>, value: Value, log: LogId) -> Check {
    let sent_here = facts.sent_to(value, log).is_some();
    must(sent_here, || format!("{value} was not sent"))?;
    let must_be = facts.txn_of(value).is_none_or(|txn| facts.must_have_committed(txn));
    must(must_be, || format!("the transaction of {value} need not have committed"))?;
    let level = match facts.complete(log, Isolation::ReadCommitted) {
        Some(_) => Isolation::ReadCommitted,
        None => Isolation::ReadUncommitted,
    };
    must(facts.is_missing(value, level), || format!("{value} is not missing"))
}

/// Acknowledged, above every position read, and the final read is incomplete.
pub(super) fn unseen(finding: &Finding, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    let view = facts.view(log);
    let hidden = |value: Value| {
        facts.is_transactional(value.process) && view == View::Complete(Isolation::ReadCommitted)
    };
    ends(finding, facts)?.into_iter().try_for_each(|value| {
        let Some(sent) = facts.sent_to(value, log) else {
            return must(false, || format!("{value} was not sent"));
        };
        let acknowledged = matches!(sent.outcome, SendOutcome::Acked | SendOutcome::AckedWithoutOffset);
        must(acknowledged && !hidden(value), || format!("{value} was not acknowledged"))?;
        // What a complete read does not hold and somebody polled may have been deleted since.
        let read = !facts.places(log, view, value).is_empty()
            || (!view.is_complete() && facts.was_read(log, value, None));
        must(!read, || format!("somebody read {value}"))?;
        let start = facts.start(log, view);
        let reached = facts.reached(log).unwrap_or(0);
        must(
            match sent.offset {
                Some(offset) => !view.is_complete() && offset >= reached && offset >= start,
                None => !(view.is_complete() && start <= 0),
            },
            || format!("what was read shows whether {value} is there"),
        )
    })
}

/// One value at two or more offsets, of one log or of two.
pub(super) fn duplicate_write(finding: &Finding, facts: &Facts<'_>) -> Check {
    ends(finding, facts)?.into_iter().try_for_each(|value| {
        let logs = facts.polls.keys();
        let places: Vec<(LogId, i64)> = logs
            .flat_map(|log| {
                let places = facts.places(*log, facts.view(*log), value);
                places.into_iter().map(|offset| (*log, offset))
            })
            .chain(strayed(facts, value))
            .collect();
        let here = places.iter().any(|(log, _)| *log == finding.log);
        must(here && places.len() > 1, || format!("{value} lies at {places:?}"))
    })?;
    must(is_at_its_ends(finding, facts), || "it does not lie where it is said to".to_owned())
}

/// Whether the log holds the first and last value at the first and last offset.
fn is_at_its_ends(finding: &Finding, facts: &Facts<'_>) -> bool {
    let (Some((first, last)), log) = (finding.offsets, finding.log) else { return true };
    let view = facts.view(log);
    let at = |offset: i64, value: Option<Value>| {
        let holds = |value| facts.at(log, view, offset) == Some(value);
        value.is_none_or(|value| holds(value) || strayed(facts, value).any(|place| place == (log, offset)))
    };
    at(first.0, finding.first) && at(last.0, finding.last)
}

/// Where a value was found in logs that it says that it was not meant for.
fn strayed<'f>(facts: &'f Facts<'_>, value: Value) -> impl Iterator<Item = (LogId, i64)> + 'f {
    facts.rows.iter().filter_map(move |event| match &event.op {
        Op::Foreign { log, offset, why: ForeignRecord::Misrouted { value: other, .. } } => {
            (*other == value).then_some((*log, offset.0))
        }
        _ => None,
    })
}

/// Records that are not ours, at an offset.
fn foreign<'f>(facts: &'f Facts<'_>, log: LogId, offset: i64) -> impl Iterator<Item = &'f ForeignRecord> {
    facts.rows.iter().filter_map(move |event| match &event.op {
        Op::Foreign { log: other, offset: place, why } => ((*other, place.0) == (log, offset)).then_some(why),
        _ => None,
    })
}

/// Whether a value was found at an offset: by a final read, by a poll, or as another log's.
pub(super) fn was_found(facts: &Facts<'_>, log: LogId, offset: i64, value: Value) -> bool {
    let named = |why: &ForeignRecord| match why {
        ForeignRecord::Misrouted { value: other, .. } => *other == value,
        ForeignRecord::Corrupt | ForeignRecord::Phantom { .. } => false,
    };
    facts.was_read(log, value, Some(offset)) || foreign(facts, log, offset).any(named)
}

/// A record whose value was never sent.
pub(super) fn phantom(finding: &Finding, facts: &Facts<'_>) -> Check {
    let Some((first, last)) = finding.offsets else { return must(false, || "it lies nowhere".to_owned()) };
    if finding.first.is_none() {
        let mut found = foreign(facts, finding.log, first.0);
        let is = found.any(|why| matches!(why, ForeignRecord::Phantom { .. }));
        return must(is, || format!("offset {first} holds nothing that is not ours"));
    }
    let ends = [(first, finding.first), (last, finding.last)];
    ends.into_iter().filter_map(|(offset, value)| Some((offset, value?))).try_for_each(|(offset, value)| {
        must(!facts.sent.contains_key(&value), || format!("{value} was sent"))?;
        must(!facts.is_truncated(value.process), || format!("{value} may have been sent"))?;
        must(was_found(facts, finding.log, offset.0, value), || format!("nobody found {value} at {offset}"))
    })
}

/// A record whose checksum does not match.
pub(super) fn corrupt(finding: &Finding, facts: &Facts<'_>) -> Check {
    let offset = finding.offsets.map_or(-1, |(offset, _)| offset.0);
    let is = foreign(facts, finding.log, offset).any(|why| *why == ForeignRecord::Corrupt);
    must(is, || format!("no record at {offset} is damaged"))
}

/// A record in another log than it was sent to.
pub(super) fn misrouted(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (Some(value), Some((offset, _))) = (finding.first, finding.offsets) else {
        return must(false, || "it has no value".to_owned());
    };
    let sent = facts.sent.get(&value);
    must(sent.is_some_and(|sent| sent.log != finding.log), || {
        format!("{value} was sent to this log, or to none")
    })?;
    must(was_found(facts, finding.log, offset.0, value), || format!("nobody found {value} at {offset}"))
}

/// One offset of one log with two values.
pub(super) fn inconsistent_offsets(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (log, Some((offset, _))) = (finding.log, finding.offsets) else {
        return must(false, || "it has no offset".to_owned());
    };
    let view = facts.view(log);
    let content = facts.content(log, view);
    let acknowledged = facts.claimed.get(&(log, offset.0)).into_iter().flatten().copied();
    let polled = facts.polls_of(log).filter(|polled| polled.offset == offset.0).map(|polled| polled.value);
    let committed = facts.held.get(&(log, Isolation::ReadCommitted)).into_iter().flatten();
    let read = committed.filter(|(at, _)| *at == offset.0).map(|(_, value)| *value);
    let mut claims: Vec<Value> = acknowledged.chain(polled).chain(read).collect();
    claims.sort_unstable();
    claims.dedup();
    let in_vain = |value: &Value| {
        let holds = content.get(&offset.0);
        let contradicted = holds.is_some() || content.values().any(|held| held == value) || claims.len() > 1;
        holds != Some(value) && contradicted
    };
    let named = finding.first.map_or_else(|| claims.clone(), |value| vec![value]);
    let is = named.iter().any(|value| claims.contains(value) && in_vain(value));
    must(is, || format!("of {claims:?}, claimed for offset {offset}, none is contradicted"))
}

/// a sent before b by one process to one log, both in the log, a behind b.
pub(super) fn reordered_write(finding: &Finding, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    let view = facts.view(log);
    let ends = ends(finding, facts)?;
    let Some((_, at)) = other_in_log(finding, |other| {
        ends.iter().all(|value| other.process == value.process && other.seq > value.seq)
    }) else {
        return must(false, || "nothing that was sent later is named".to_owned());
    };
    ends.into_iter().try_for_each(|value| {
        must(facts.sent_to(value, log).is_some(), || format!("{value} was not sent to this log"))?;
        let first = facts.places(log, view, value).first().copied();
        must(first.is_some_and(|first| first > at), || format!("{value} lies at {first:?}, before {at}"))
    })?;
    let other = other_in_log(finding, |_| true).map(|(other, _)| other);
    must(other.is_some_and(|other| facts.sent_to(other, log).is_some()), || {
        "the later one was not sent".to_owned()
    })
}

/// Another record that the witness says lies in the log.
fn other_in_log(finding: &Finding, is: impl Fn(&Value) -> bool) -> Option<(Value, i64)> {
    finding.sightings.iter().find_map(|seen| match seen {
        Sighting::InLog { value, offset } if Some(*value) != finding.first && is(value) => {
            Some((*value, offset.0))
        }
        _ => None,
    })
}

/// a acknowledged before b was invoked, a behind b.
pub(super) fn realtime_inversion(finding: &Finding, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    let view = facts.view(log);
    let Some((other, at)) = other_in_log(finding, |_| true) else {
        return must(false, || "nothing that was sent later is named".to_owned());
    };
    let Some(later) = facts.sent_to(other, log).copied() else {
        return must(false, || format!("{other} was not sent to this log"));
    };
    ends(finding, facts)?.into_iter().try_for_each(|value| {
        let first = facts.places(log, view, value).first().copied();
        must(first.is_some_and(|first| first > at), || format!("{value} lies at {first:?}, before {at}"))?;
        let there = first.and_then(|first| was_there(facts, log, (value, first)));
        let before = there.is_some_and(|there| there < later.invoked);
        must(before, || format!("{value} was there at {there:?}, {other} was sent at {}", later.invoked))
    })
}

/// When a record was in its log for sure.
fn was_there(facts: &Facts<'_>, log: LogId, (value, offset): (Value, i64)) -> Option<Nanos> {
    let sent = facts.sent_to(value, log)?;
    match sent.outcome {
        SendOutcome::Acked | SendOutcome::AckedWithoutOffset => sent.completed,
        SendOutcome::Failed => None,
        SendOutcome::Unknown => {
            let polls = facts.polls_of(log).filter(|polled| (polled.offset, polled.value) == (offset, value));
            polls.map(|polled| polled.returned).min()
        }
    }
}

/// An end offset read that ignores a record known before, or goes back in real time.
pub(super) fn stale_end(finding: &Finding, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    let Some(Sighting::EndRead { end, invoked, .. }) = finding.sightings.last() else {
        return must(false, || "no end offset was read".to_owned());
    };
    let back = facts.end_reads(log).iter().any(|read| read.returned < *invoked && read.end > end.0);
    let plain = !facts.any_transactional();
    let acknowledged = facts.sent.values().any(|sent| {
        let before = sent.completed.is_some_and(|completed| completed < *invoked);
        let above = sent.offset.is_some_and(|offset| offset >= end.0);
        sent.log == log && sent.outcome == SendOutcome::Acked && before && above
    });
    let polled = facts.polls_of(log).any(|polled| polled.returned < *invoked && polled.offset >= end.0);
    must(back || (plain && (acknowledged || polled)), || format!("the end {end} ignores nothing known"))
}

impl Facts<'_> {
    /// Whether a transaction must have committed: it was acknowledged, or its outcome is unknown and it was shown.
    pub(super) fn must_have_committed(&self, txn: &super::facts::Txn) -> bool {
        match txn.span.how {
            TxnEnd::Committed => true,
            TxnEnd::Unknown => self.is_shown(txn),
            TxnEnd::Aborted | TxnEnd::Failed | TxnEnd::Open => false,
        }
    }

    /// Whether a committed reader was shown any record of a transaction.
    pub(super) fn is_shown(&self, txn: &super::facts::Txn) -> bool {
        let mut polled = self.polls.values().flatten().filter(|polled| self.reads_committed(polled.reader));
        self.is_in_a_final_read(txn) || polled.any(|polled| txn.holds(polled.value))
    }

    /// Whether a committed final read holds any record of a transaction.
    pub(super) fn is_in_a_final_read(&self, txn: &super::facts::Txn) -> bool {
        let held = self.held.iter().filter(|((_, level), _)| *level == Isolation::ReadCommitted);
        held.flat_map(|(_, held)| held).any(|(_, value)| txn.holds(*value))
    }

    /// Whether a record was appended for sure and is not in the complete read of its log at this level.
    pub(super) fn is_missing(&self, value: Value, level: Isolation) -> bool {
        let Some(sent) = self.sent.get(&value) else { return false };
        let Some(end) = self.complete(sent.log, level) else { return false };
        let polled = self
            .polls_of(sent.log)
            .any(|polled| polled.value == value && self.reads_committed(polled.reader));
        let appended = match sent.outcome {
            SendOutcome::Acked | SendOutcome::AckedWithoutOffset => true,
            SendOutcome::Unknown => polled,
            SendOutcome::Failed => false,
        };
        let kept = sent.offset.map_or(end.start.0 <= 0, |offset| offset >= end.start.0);
        let held = |level| self.held.get(&(sent.log, level)).into_iter().flatten();
        let there = held(level).chain(held(Isolation::ReadCommitted)).any(|(_, other)| *other == value);
        // Above the end of the committed read, whoever reads everything finds what is only hidden.
        let everything = self.complete(sent.log, Isolation::ReadUncommitted).is_some();
        let above = |(at, other): &(i64, Value)| *other == value && *at >= end.end.0;
        let hidden =
            level == Isolation::ReadCommitted && everything && held(Isolation::ReadUncommitted).any(above);
        appended && kept && !there && !hidden
    }
}
