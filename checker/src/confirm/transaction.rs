//! The definitions that speak of transactions.

#![expect(clippy::wildcard_enum_match_arm, reason = "each definition speaks of a few events only")]

use std::collections::{BTreeMap, VecDeque};

use history::ids::{Nanos, Process, Value};
use history::merged::{SendOutcome, TxnEnd, TxnSpan};
use history::op::{Isolation, Op, Outcome, Phase, Position};

use super::facts::{Facts, Txn, nanos};
use super::log::ends;
use super::rows::{failed, ok};
use super::sightings::is_called;
use super::{Check, must};
use crate::findings::{Finding, Sighting, TxnStep};

/// Epochs that lie further apart have wrapped around.
const FAR: i32 = 1 << 14;

/// A transactional id that was asked for. Times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) process: Process,
    pub(super) epoch: Option<i32>,
    timeout_ms: Option<u64>,
    asked: u64,
    pub(super) granted: Option<u64>,
}

impl Facts<'_> {
    /// Everybody who asked for an id.
    pub(super) fn grants(&self, id: &str) -> Vec<Grant> {
        let mut grants: Vec<(bool, Grant)> = Vec::new();
        for event in &self.rows {
            let Op::InitTxn { id: other, epoch, timeout_ms } = &event.op else { continue };
            if other != id {
                continue;
            }
            let open = grants.iter().rposition(|(open, grant)| *open && grant.process == event.process);
            let open = open.filter(|_| event.phase != Phase::Invoke);
            let at = open.unwrap_or_else(|| {
                let (process, asked) = (event.process, event.time.0 / 1000);
                let grant = Grant { process, epoch: None, timeout_ms: None, asked, granted: None };
                grants.push((true, grant));
                grants.len() - 1
            });
            let (open, grant) = &mut grants[at];
            grant.epoch = epoch.or(grant.epoch);
            grant.timeout_ms = timeout_ms.or(grant.timeout_ms);
            *open = event.phase == Phase::Invoke;
            if matches!(event.phase, Phase::Complete(Outcome::Ok { .. })) {
                grant.granted = Some(event.time.0.div_ceil(1000));
            }
        }
        grants.into_iter().map(|(_, grant)| grant).collect()
    }

    fn id(&self, txn: &Txn) -> &str {
        self.history.facts().transactional_ids.get(txn.span.id as usize).map_or("", String::as_str)
    }

    /// Until when a transaction was undecided for sure, in microseconds: one that committed until that was asked, any
    /// other until it was asked to end, its time-out ran out, or its id was claimed anew.
    fn undecided(&self, txn: &Txn) -> u64 {
        if txn.span.how == TxnEnd::Committed {
            return txn.span.may_commit;
        }
        let grants = self.grants(self.id(txn));
        let own = grants.iter().filter(|grant| {
            grant.process == txn.process && grant.granted.is_some() && grant.asked <= txn.span.invoked
        });
        let Some(timeout) = own.max_by_key(|grant| grant.asked).and_then(|grant| grant.timeout_ms) else {
            return 0;
        };
        let claimed = grants.iter().map(|grant| grant.asked).filter(|asked| *asked >= txn.span.invoked).min();
        let expires = txn.span.invoked.saturating_add(timeout.saturating_mul(1000));
        txn.span.asked.min(expires).min(claimed.unwrap_or(u64::MAX))
    }

    /// Whether a committed reader was shown a record: by a poll, or by a complete final read.
    fn was_shown(&self, value: Value, finding: &Finding) -> bool {
        let log = finding.log;
        let polled =
            self.polls_of(log).any(|polled| polled.value == value && self.reads_committed(polled.reader));
        let held = self.held.get(&(log, Isolation::ReadCommitted)).into_iter().flatten();
        let complete = self.complete(log, Isolation::ReadCommitted).is_some();
        polled || (complete && held.into_iter().any(|(_, other)| *other == value))
    }
}

/// A committed reader was handed a record of an aborted or failed transaction; or anybody one whose send failed.
pub(super) fn aborted_read(finding: &Finding, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    ends(finding, facts)?.into_iter().try_for_each(|value| {
        let failed = facts.sent_to(value, log).is_some_and(|sent| sent.outcome == SendOutcome::Failed);
        if !facts.is_transactional(value.process) {
            let read = facts.was_read(log, value, None);
            return must(failed && read, || format!("{value} did not fail, or nobody read it"));
        }
        let dead = facts.txn_of(value).is_some_and(Txn::is_dead);
        let polled =
            facts.polls_of(log).any(|polled| polled.value == value && facts.reads_committed(polled.reader));
        must((dead && polled) || (failed && !dead && facts.was_shown(value, finding)), || {
            format!("{value} was not aborted, or no committed reader was handed it")
        })
    })
}

/// … of a transaction whose commit had not been asked for when the poll returned.
pub(super) fn precommitted_read(finding: &Finding, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    let places = finding.offsets.map(|(first, last)| [(first.0, finding.first), (last.0, finding.last)]);
    places.into_iter().flatten().filter_map(|(offset, value)| Some((offset, value?))).try_for_each(
        |(offset, value)| {
            let Some(txn) = facts.txn_of(value) else {
                return must(false, || format!("{value} is of no transaction"));
            };
            let polls = facts.polls_of(log).filter(|polled| {
                (polled.offset, polled.value) == (offset, value) && facts.reads_committed(polled.reader)
            });
            let asked = nanos(txn.span.may_commit);
            let early = polls.into_iter().any(|polled| match txn.span.how {
                TxnEnd::Open => true,
                TxnEnd::Committed | TxnEnd::Unknown => polled.returned < asked,
                TxnEnd::Aborted | TxnEnd::Failed => false,
            });
            let held = facts.held.get(&(log, Isolation::ReadCommitted)).into_iter().flatten();
            let finally = txn.span.how == TxnEnd::Open
                && held.into_iter().any(|(at, other)| (*at, *other) == (offset, value));
            must(early || finally, || format!("the transaction of {value} had been asked to commit"))
        },
    )
}

/// The transactions that a process began in the one microsecond in which a witness says that it began one: as a rule, one.
pub(super) fn begun<'f>(named: &Sighting, facts: &'f Facts<'_>) -> Vec<&'f Txn> {
    match named {
        Sighting::Transaction { process, id, epoch, step: TxnStep::Began, time: Some(time) } => {
            let own = facts.txns.get(process).into_iter().flatten();
            let called = own.filter(|txn| is_called(facts, txn, (id, *epoch)));
            called.filter(|txn| nanos(txn.span.invoked) == *time).collect()
        }
        _ => Vec::new(),
    }
}

/// A committed poll passed an offset while an earlier transaction in that log was undecided.
pub(super) fn lso_breach(finding: &Finding, facts: &Facts<'_>) -> Check {
    let txns = finding.sightings.iter().map(|seen| begun(seen, facts)).find(|txns| !txns.is_empty());
    let mut answer = must(false, || "no transaction is named".to_owned());
    for txn in txns.into_iter().flatten() {
        answer = passed_by(finding, txn, facts);
        if answer.is_ok() {
            break;
        }
    }
    answer
}

/// Whether a committed poll went past a transaction that was undecided.
fn passed_by(finding: &Finding, txn: &Txn, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    let own = |value: &Value| {
        let sent = facts.sent_to(*value, log).filter(|sent| sent.outcome != SendOutcome::Failed);
        if txn.holds(*value) { sent.and_then(|sent| sent.offset) } else { None }
    };
    let Some(held) = facts.sent.keys().filter_map(own).min() else {
        return must(false, || "it wrote nothing to the log".to_owned());
    };
    let passes = finding.sightings.iter().find_map(|seen| match seen {
        Sighting::Polled { process, offset, time, .. } => Some((*process, offset.0, *time)),
        _ => None,
    });
    let undecided = facts.undecided(txn);
    must(
        passes.is_some_and(|(process, offset, returned)| {
            facts.reads_committed(process) && offset > held && returned < nanos(undecided)
        }),
        || format!("the transaction at offset {held} was undecided until {undecided} only: {passes:?}"),
    )
}

/// The transaction of the record that a finding is about, with its missing record.
fn of_first<'f>(finding: &Finding, facts: &'f Facts<'_>) -> Result<(&'f Txn, Value), super::Objection> {
    let value = finding.first.unwrap_or_default();
    let refuted = || super::Objection::Refuted(format!("{value} is of no transaction"));
    facts.txn_of(value).map(|txn| (txn, value)).ok_or_else(refuted)
}

/// After the final read, some records of one transaction are visible and others are not.
pub(super) fn torn(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (txn, value) = of_first(finding, facts)?;
    must(facts.is_missing(value, Isolation::ReadCommitted), || format!("{value} is not missing"))?;
    must(facts.is_in_a_final_read(txn), || "nothing of the transaction is visible".to_owned())
}

/// A transaction acknowledged as committed shows nothing.
pub(super) fn lost_commit(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (txn, value) = of_first(finding, facts)?;
    must(txn.span.how == TxnEnd::Committed, || "its commit was not acknowledged".to_owned())?;
    must(facts.is_missing(value, Isolation::ReadCommitted), || format!("{value} is not missing"))?;
    must(!facts.is_in_a_final_read(txn), || "something of the transaction is visible".to_owned())
}

/// A transaction acknowledged as aborted shows something.
pub(super) fn resurrected_abort(finding: &Finding, facts: &Facts<'_>) -> Check {
    if let (None, Some(group)) = (finding.first, &finding.group) {
        return resurrected_position(finding, group, facts);
    }
    let (txn, value) = of_first(finding, facts)?;
    must(txn.is_dead(), || "it was not aborted".to_owned())?;
    let held = facts.held.get(&(finding.log, Isolation::ReadCommitted)).into_iter().flatten();
    let shown = held.into_iter().any(|(_, other)| *other == value);
    must(shown, || format!("the committed final read does not hold {value}"))
}

/// … or a position that only it had sent is read back as committed.
fn resurrected_position(finding: &Finding, group: &str, facts: &Facts<'_>) -> Check {
    let log = finding.log;
    let fetched = finding.sightings.iter().find_map(|seen| match seen {
        Sighting::Fetched { next, time, .. } => Some((next.0, *time)),
        _ => None,
    });
    let (next, returned) = fetched.unwrap_or((i64::MIN, Nanos(0)));
    let at = |positions: &[Position]| positions.iter().any(|at| (at.log, at.next.0) == (log, next));
    let sent = |txn: &&Txn| txn.positions.get(&log).is_some_and(|(sent, _)| *sent == next);
    let txns = finding.sightings.iter().flat_map(|seen| begun(seen, facts));
    let txns = txns.filter(|txn| txn.is_dead() && facts.is_member(txn.process, group));
    let ended = txns.filter(sent).map(|txn| nanos(txn.span.ended)).min();
    must(ended.is_some(), || format!("it was not aborted, or had not sent position {next}"))?;
    let members = || facts.rows.iter().filter(|event| facts.is_member(event.process, group));
    let asked = members().find(|event| match &event.op {
        Op::CommitOffsets { positions, .. } => event.time < returned && at(positions) && !failed(event),
        _ => false,
    });
    must(asked.is_none(), || format!("position {next} was committed otherwise: {asked:?}"))?;
    let own = facts.txns.values().flatten().filter(|txn| facts.is_member(txn.process, group));
    let other = own.filter(sent).find(|txn| !txn.is_dead() && nanos(txn.span.invoked) < returned);
    must(other.is_none(), || format!("position {next} may have been committed by {other:?}"))?;
    let mut open: BTreeMap<Process, VecDeque<Nanos>> = BTreeMap::new();
    let mut asked_first = Nanos(u64::MAX);
    for event in members().filter(|event| matches!(event.op, Op::FetchCommitted { .. })) {
        let open = open.entry(event.process).or_default();
        if event.phase == Phase::Invoke {
            open.push_back(event.time);
        } else if let (Some(asked), Op::FetchCommitted { positions }) = (open.pop_front(), &event.op)
            && ok(event)
            && at(positions)
        {
            asked_first = asked_first.min(asked);
        }
    }
    must(ended.is_some_and(|ended| ended < asked_first), || {
        format!("position {next} was asked for at {asked_first} already")
    })?;
    let cut = facts.members(group).into_iter().find(|process| facts.is_truncated(*process));
    must(cut.is_none(), || format!("the journal of {cut:?} was cut"))
}

/// After a newer session was granted, a transaction of an older one commits visibly.
pub(super) fn fencing_violation(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (txn, _) = of_first(finding, facts)?;
    must(facts.must_have_committed(txn), || "it need not have committed".to_owned())?;
    must(facts.is_shown(txn), || "nobody was shown anything of it".to_owned())?;
    let grants = facts.grants(facts.id(txn));
    let own = grants.iter().filter(|grant| {
        grant.process == txn.process && grant.granted.is_some_and(|granted| granted <= txn.span.invoked)
    });
    let own = own.max_by_key(|grant| grant.granted);
    let epoch = (txn.span.epoch >= 0).then_some(txn.span.epoch).or(own.and_then(|own| own.epoch));
    let higher =
        |other: Option<i32>| epoch.zip(other).is_some_and(|(own, other)| other > own && other - own < FAR);
    let commit = txn.span.may_commit;
    let granted = grants.iter().any(|grant| {
        let in_time = grant.granted.is_some_and(|granted| granted < commit);
        let later = own.is_some_and(|own| own.granted.is_some_and(|granted| grant.asked > granted));
        let newer = if epoch.is_some() && grant.epoch.is_some() { higher(grant.epoch) } else { later };
        grant.process != txn.process && in_time && newer
    });
    let begun = facts.txns.values().flatten().any(|other| {
        let in_time = other.span.began != TxnSpan::NEVER && other.span.began < commit;
        let epoch = (other.span.epoch >= 0).then_some(other.span.epoch);
        other.span.id == txn.span.id && other.process != txn.process && in_time && higher(epoch)
    });
    must(granted || begun, || {
        format!("no newer session had been granted by {}", Nanos(commit.saturating_mul(1000)))
    })
}
