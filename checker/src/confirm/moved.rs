//! The definition of a committed position that was read back too low.

#![expect(clippy::wildcard_enum_match_arm, reason = "each definition speaks of a few events only")]

use std::collections::BTreeMap;

use history::ids::{LogId, Nanos, Process};
use history::merged::TxnEnd;
use history::op::{Op, Phase, Position};

use super::facts::{Facts, nanos};
use super::rows::{failed, ok};
use super::{Check, must};
use crate::findings::{Finding, Sighting};

/// A position that was committed, or read back: from when to when it was asked for. Without an answer, until ever.
#[derive(Clone, Copy, Debug)]
struct Asked {
    next: i64,
    from: Nanos,
    to: Nanos,
}

/// All that is known of one group's position in one log.
#[derive(Debug, Default)]
struct Register {
    /// Commits that may have happened.
    written: Vec<Asked>,
    /// What commits acknowledged and fetches returned.
    known: Vec<Asked>,
    fetched: Vec<(Process, Asked)>,
}

/// What was asked and is not answered: positions to be committed, or none for a fetch; and when.
type Open = (Option<Vec<Position>>, Nanos);

const EVER: Nanos = Nanos(u64::MAX);

/// A committed position, once known, is later read back lower without a commit of it in between.
pub(super) fn offset_regression(finding: &Finding, facts: &Facts<'_>) -> Check {
    let (log, Some(group)) = (finding.log, finding.group.as_deref()) else {
        return must(false, || "no group is named".to_owned());
    };
    let Some(Sighting::Fetched { process, next, time }) = finding.sightings.last() else {
        return must(false, || "no position was read back".to_owned());
    };
    let register = register(facts, group, log);
    let same = |(by, asked): &&(Process, Asked)| (*by, asked.next, asked.to) == (*process, next.0, *time);
    let fetched = register.fetched.iter().filter(same).map(|(_, asked)| asked);
    let is_regression = |read: &Asked| {
        register.known.iter().filter(|known| known.next > read.next && known.to < read.from).any(|known| {
            let again =
                |write: &Asked| write.next == read.next && write.from < read.to && write.to >= known.from;
            !register.written.iter().any(again)
        })
    };
    must(fetched.into_iter().any(is_regression), || format!("{next} may have been committed in between"))
}

fn register(facts: &Facts<'_>, group: &str, log: LogId) -> Register {
    let mut register = Register::default();
    // What was asked and is not answered: by process, and what exactly.
    let mut open: BTreeMap<Process, Vec<Open>> = BTreeMap::new();
    for event in facts.rows.iter().filter(|event| facts.is_member(event.process, group)) {
        let (positions, commit) = match &event.op {
            Op::CommitOffsets { positions, .. } => (positions, true),
            Op::FetchCommitted { positions } => (positions, false),
            _ => continue,
        };
        let what = commit.then(|| positions.clone());
        let own = open.entry(event.process).or_default();
        if event.phase == Phase::Invoke {
            own.push((what, event.time));
            continue;
        }
        let at = own.iter().position(|(asked, _)| *asked == what);
        let asked = at.map(|at| own.remove(at).1);
        for position in positions.iter().filter(|position| position.log == log) {
            let next = position.next.0;
            let answered = Asked { next, from: asked.unwrap_or_default(), to: event.time };
            if commit && !failed(event) {
                let to = if ok(event) { event.time } else { EVER };
                register.written.push(Asked { to, ..answered });
            }
            if ok(event) && (commit || asked.is_some()) {
                register.known.push(answered);
            }
            if ok(event) && !commit && asked.is_some() {
                register.fetched.push((event.process, answered));
            }
        }
    }
    for (positions, from) in open.into_values().flatten() {
        let here = positions.into_iter().flatten().filter(|position| position.log == log);
        register.written.extend(here.map(|position| Asked { next: position.next.0, from, to: EVER }));
    }
    for txn in facts.txns.values().flatten().filter(|txn| facts.is_member(txn.process, group)) {
        let Some((next, certain)) = txn.positions.get(&log).copied() else { continue };
        let from = nanos(txn.span.invoked);
        match txn.span.how {
            TxnEnd::Committed if certain => {
                let asked = Asked { next, from, to: nanos(txn.span.ended) };
                register.written.push(asked);
                register.known.push(asked);
            }
            TxnEnd::Committed | TxnEnd::Unknown => register.written.push(Asked { next, from, to: EVER }),
            TxnEnd::Aborted | TxnEnd::Failed | TxnEnd::Open => {}
        }
    }
    register
}
