//! The definitions of consume-transform-produce, offset by offset.
//!
//! What a transaction took in is played through as the application would: what it polled and had not yet taken in, up to
//! the position that it sent; after an abort without a position, what was polled is tried again only by a transaction
//! that polls nothing new.

use std::collections::BTreeSet;

use history::ids::{LogId, Process, Seq, Value};
use history::merged::{History, Kind, TxnEnd};
use history::op::{CommitMode, Event, Isolation, Op, Outcome, Phase};

use super::facts::{Facts, Polled, Txn, group_of};
use super::{Check, Objection, must};
use crate::findings::Finding;

/// What one transaction took in of a log.
struct Intake<'f> {
    txn: &'f Txn,
    offsets: BTreeSet<i64>,
    /// Whether it must have committed, with its position.
    certain: bool,
}

/// A finding's group, and its first and last offset.
fn ends(finding: &Finding) -> Result<(&str, BTreeSet<i64>), Objection> {
    let refuted = || Objection::Refuted("no group, or no offset, is named".to_owned());
    let (first, last) = finding.offsets.ok_or_else(refuted)?;
    Ok((finding.group.as_deref().ok_or_else(refuted)?, BTreeSet::from([first.0, last.0])))
}

/// Inputs that two transactions of a group took in.
pub(super) fn doubled(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (group, ends) = ends(finding)?;
    let intakes = facts.intakes(group, finding.log);
    ends.into_iter().try_for_each(|offset| {
        let took = intakes.iter().filter(|intake| intake.certain && intake.offsets.contains(&offset));
        let txns: Vec<&Txn> = took.map(|intake| intake.txn).collect();
        must(txns.len() > 1, || format!("offset {offset} was taken in by {txns:?}"))
    })
}

/// Inputs that the transactions of a group passed over.
pub(super) fn skipped(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (group, ends) = ends(finding)?;
    let log = finding.log;
    let intakes = facts.intakes(group, log);
    let next = facts.sent_positions(group, log).max();
    let apart = facts.plain_commits(group, log).map(|(next, _)| next).max();
    ends.into_iter().try_for_each(|offset| {
        must(facts.is_input(group, log, offset), || format!("offset {offset} is no input of the group"))?;
        let passed = next.is_some_and(|next| offset < next) && apart.is_none_or(|apart| apart <= offset);
        must(passed, || format!("transactions committed up to {next:?}, others up to {apart:?}"))?;
        let took: Vec<&Txn> = intakes
            .iter()
            .filter(|intake| intake.offsets.contains(&offset))
            .map(|intake| intake.txn)
            .collect();
        must(took.is_empty(), || format!("offset {offset} may have been taken in by {took:?}"))
    })
}

/// Inputs with no committed output, or with several.
pub(super) fn mismatched(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (group, ends) = ends(finding)?;
    let log = finding.log;
    let sure = facts.plain_commits(group, log).filter(|(_, sure)| *sure).map(|(next, _)| next);
    let committed = facts.sent_positions(group, log).chain(sure).max();
    must(facts.derives(group, log), || "nothing is said of what the group made".to_owned())?;
    ends.into_iter().try_for_each(|offset| {
        let made: Vec<Value> = derived(facts.history, &facts.rows, (group, log, offset)).collect();
        let seen: Vec<&Value> = made.iter().filter(|value| facts.is_visible(**value)).collect();
        if seen.len() > 1 {
            return Ok(());
        }
        must(seen.is_empty(), || format!("offset {offset} has one output: {seen:?}"))?;
        let due = committed.is_some_and(|committed| offset < committed);
        must(due && facts.is_input(group, log, offset), || {
            format!("offset {offset} needs no output: committed is {committed:?}")
        })?;
        must(facts.knows_outputs(group), || "what the group's processes wrote is not all known".to_owned())
    })
}

/// The outputs that a finding is about. They may be in any log: that they were sent need not be recorded.
pub(super) fn outputs(history: &History, rows: &[Event], finding: &Finding) -> Vec<Value> {
    let Ok((group, ends)) = ends(finding) else { return Vec::new() };
    let made = |offset: i64| derived(history, rows, (group, finding.log, offset));
    ends.into_iter().flat_map(made).collect()
}

/// What members of a group made of a record.
fn derived<'r>(
    history: &'r History,
    rows: &'r [Event],
    (group, log, offset): (&'r str, LogId, i64),
) -> impl Iterator<Item = Value> + 'r {
    let own = rows.iter().filter(move |event| group_of(history, event.process) == Some(group));
    own.flat_map(move |event| {
        let Op::Derive { first, spans } = &event.op else { return Vec::new() };
        let (mut made, mut seq) = (Vec::new(), first.0);
        for span in spans {
            for at in span.first.0..=span.last.0 {
                if (span.log, at) == (log, offset) {
                    made.push(Value { process: event.process, seq: Seq(seq) });
                }
                seq = seq.saturating_add(1);
            }
        }
        made
    })
}

/// The logs that a process sent records to.
fn written(history: &History, process: Process) -> BTreeSet<LogId> {
    let sends = history.entries().iter().filter(|entry| entry.kind == Kind::Sends);
    sends.filter(|entry| entry.process == process).map(|entry| entry.log).collect()
}

impl Facts<'_> {
    /// What the transactions of a group may have taken in of a log.
    fn intakes(&self, group: &str, log: LogId) -> Vec<Intake<'_>> {
        self.members(group).into_iter().flat_map(|process| self.played(process, log)).collect()
    }

    /// Plays through what one process polled and sent positions for.
    fn played(&self, process: Process, log: LogId) -> Vec<Intake<'_>> {
        let mut polls = self.polls_of(log).filter(|polled| polled.reader == process).peekable();
        let (mut pending, mut kept, mut segment) = (BTreeSet::new(), BTreeSet::new(), 0);
        let mut intakes = Vec::new();
        for (at, txn) in self.txns.get(&process).into_iter().flatten().enumerate() {
            let of = |polled: &Polled| self.txn_of_poll(polled).is_some_and(|(of, _)| of <= at);
            let mut polled_here = false;
            while let Some(polled) = polls.next_if(|polled| of(polled)) {
                if polled.segment != segment {
                    segment = polled.segment;
                    pending.clear();
                    kept.clear();
                }
                pending.insert(polled.offset);
                polled_here = true;
            }
            let Some((next, certain)) = txn.positions.get(&log).copied() else {
                let ended_otherwise = txn.is_dead() || txn.span.how == TxnEnd::Open;
                if polled_here && ended_otherwise {
                    kept.append(&mut pending);
                }
                continue;
            };
            if pending.range(..next).next().is_none() {
                pending.append(&mut kept);
            }
            kept.clear();
            let later = pending.split_off(&next);
            let offsets = std::mem::replace(&mut pending, later);
            let must = self.must_have_committed(txn);
            if must || txn.span.how == TxnEnd::Unknown {
                intakes.push(Intake { txn, offsets, certain: must && certain });
            }
        }
        intakes
    }

    /// Positions that certainly were committed with transactions of a group.
    fn sent_positions(&self, group: &str, log: LogId) -> impl Iterator<Item = i64> {
        let own = self.members(group).into_iter().filter_map(|process| self.txns.get(&process)).flatten();
        let committed = own.filter(|txn| self.must_have_committed(txn));
        committed
            .filter_map(move |txn| txn.positions.get(&log))
            .filter(|(_, sure)| *sure)
            .map(|(next, _)| *next)
    }

    /// Positions that a group may have committed outside of transactions, and whether it surely did.
    fn plain_commits(&self, group: &str, log: LogId) -> impl Iterator<Item = (i64, bool)> {
        let own = self.rows.iter().filter(move |event| self.is_member(event.process, group));
        own.flat_map(move |event| match (&event.op, &event.phase) {
            (Op::CommitOffsets { .. }, Phase::Complete(Outcome::Fail { .. })) => Vec::new(),
            (Op::CommitOffsets { mode, positions }, phase) => {
                let ok = matches!(phase, Phase::Complete(Outcome::Ok { .. })) && *mode != CommitMode::Txn;
                let here = positions.iter().filter(|position| position.log == log);
                here.map(|position| (position.next.0, ok)).collect()
            }
            _ => Vec::new(),
        })
    }

    /// Whether a log holds a record at an offset, not before the first that the group polled.
    fn is_input(&self, group: &str, log: LogId, offset: i64) -> bool {
        let polled = || self.polls_of(log).filter(|polled| self.is_member(polled.reader, group));
        let view = self.reference(log);
        let complete = self.complete(log, Isolation::ReadCommitted).is_some();
        let there = if complete {
            self.at(log, view, offset).is_some()
        } else {
            polled().any(|polled| polled.offset == offset)
        };
        there && polled().any(|polled| polled.offset <= offset)
    }

    /// How what is visible of a log is known, if it is.
    fn visible_in(&self, log: LogId) -> Option<Isolation> {
        let is_plain = || {
            let senders = self.history.chunks(Kind::Sends, log).iter().map(|entry| entry.process);
            let transactional = self.history.transaction_chunks();
            senders.into_iter().all(|process| transactional.iter().all(|entry| entry.process != process))
        };
        if self.complete(log, Isolation::ReadCommitted).is_some() {
            return Some(Isolation::ReadCommitted);
        }
        let uncommitted = self.complete(log, Isolation::ReadUncommitted).is_some();
        (uncommitted && is_plain()).then_some(Isolation::ReadUncommitted)
    }

    /// Whether an output counts.
    fn is_visible(&self, value: Value) -> bool {
        self.held.iter().any(|((log, level), held)| {
            self.visible_in(*log) == Some(*level) && held.iter().any(|(_, other)| *other == value)
        })
    }

    /// Whether members of a group say what they made of records of a log.
    fn derives(&self, group: &str, log: LogId) -> bool {
        self.rows.iter().any(|event| {
            let Op::Derive { spans, .. } = &event.op else { return false };
            self.is_member(event.process, group) && spans.iter().any(|span| span.log == log)
        })
    }

    /// Whether everything that the deriving members of a group wrote is known to be visible or not.
    fn knows_outputs(&self, group: &str) -> bool {
        let deriving = self.rows.iter().filter(|event| matches!(event.op, Op::Derive { .. }));
        let members: BTreeSet<Process> =
            deriving.map(|event| event.process).filter(|process| self.is_member(*process, group)).collect();
        members
            .into_iter()
            .flat_map(|process| written(self.history, process))
            .all(|log| self.visible_in(log).is_some())
    }
}
