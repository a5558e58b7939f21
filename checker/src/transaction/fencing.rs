//! Fencing: once a transactional id was granted anew, no transaction of an older session commits.
//!
//! A session is newer where its epoch is greater, or, where an epoch is not known, where its id was asked for only after
//! the other session's had been granted. That a process began a transaction with an epoch shows that it had been
//! granted by then. A process is not fenced by its own sessions. Epochs wrap around (a new producer id begins at 0
//! again), so one that is very far ahead is not taken to be newer.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::Process;
use history::merged::{History, HistoryError, TxnSpan};
use history::op::Isolation;

use super::evidence::{Evidence, Step};
use super::ledger::{Ledger, Txn, TxnId, index};
use super::records::{Mark, Marks};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting, TxnStep};
use crate::log::stream::nanos;

/// Half of the epochs that there are.
const FAR: i32 = 1 << 14;

/// A session that an id was granted to.
#[derive(Clone, Copy, Debug)]
struct Session {
    process: Process,
    epoch: Option<i32>,
    /// When it was asked for; none where only a transaction shows that it had been granted.
    asked: Option<u64>,
    granted: u64,
}

/// The highest session, and the highest of another process.
#[derive(Clone, Copy, Debug, Default)]
struct Best([Option<(i64, Session)>; 2]);

/// The sessions of one id, by when they were granted.
#[derive(Debug, Default)]
struct Sessions {
    granted: Vec<Session>,
    /// By process: those that it asked for.
    own: BTreeMap<Process, Vec<Session>>,
    /// For each place, of those up to it: by epoch; by when they were asked for; so among those without an epoch.
    best: Vec<[Best; 3]>,
}

/// Reports the transactions that committed after they had been fenced.
pub(super) fn check(
    history: &History,
    (ledger, marks): (&Ledger, &Marks),
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    let mut ids: BTreeMap<u32, Sessions> = BTreeMap::new();
    for grant in &ledger.grants {
        let Some(granted) = grant.granted else { continue };
        let session =
            Session { process: grant.process, epoch: grant.epoch, asked: Some(grant.invoked), granted };
        ids.entry(grant.id).or_default().granted.push(session);
    }
    let mut last = None;
    for Txn { process, span, .. } in ledger.txns.iter().filter(|txn| txn.span.epoch >= 0) {
        // The first transaction of an epoch shows that it was granted; the others say nothing new.
        let this = Some((*process, span.id, span.epoch));
        if span.began == TxnSpan::NEVER || last == this {
            continue;
        }
        last = this;
        let session =
            Session { process: *process, epoch: Some(span.epoch), asked: None, granted: span.began };
        ids.entry(span.id).or_default().granted.push(session);
    }
    // An id that one process alone used fences nobody.
    let mut users: BTreeMap<u32, Process> = BTreeMap::new();
    let mut shared: BTreeSet<u32> = BTreeSet::new();
    let used = ledger.txns.iter().map(|txn| (txn.span.id, txn.process));
    for (id, process) in used.chain(ledger.grants.iter().map(|grant| (grant.id, grant.process))) {
        if *users.entry(id).or_insert(process) != process {
            shared.insert(id);
        }
    }
    ids.retain(|id, _| shared.contains(id));
    ids.values_mut().for_each(Sessions::sort);
    for txn in 0..index(ledger.txns.len()) {
        let Some(sessions) = ids.get(&ledger.txn(txn).span.id) else { continue };
        let Some(shown) = marks.shown(txn).filter(|_| marks.must_have_committed(ledger, txn)) else {
            continue;
        };
        if let Some(newer) = sessions.newer(ledger.txn(txn)) {
            findings.push(finding((history, ledger), (txn, shown), newer)?);
        }
    }
    Ok(())
}

impl Sessions {
    fn sort(&mut self) {
        self.granted.sort_by_key(|session| session.granted);
        let mut best = [Best::default(); 3];
        for session in &self.granted {
            let asked = session.asked.and_then(|asked| i64::try_from(asked).ok());
            let ranks = [session.epoch.map(i64::from), asked, asked.filter(|_| session.epoch.is_none())];
            best.iter_mut().zip(ranks).for_each(|(best, rank)| best.take(rank, *session));
            self.best.push(best);
            if asked.is_some() {
                self.own.entry(session.process).or_default().push(*session);
            }
        }
    }

    /// A newer session of another process that had been granted when the transaction was asked to commit.
    fn newer(&self, txn: &Txn) -> Option<Session> {
        let before = self.granted.partition_point(|session| session.granted < txn.span.may_commit);
        let [by_epoch, by_time, blank] = self.best.get(before.checked_sub(1)?)?;
        let own = self.own.get(&txn.process).map_or(&[][..], Vec::as_slice);
        let began = own.partition_point(|session| session.granted <= txn.span.invoked);
        let own = began.checked_sub(1).map(|at| own[at]);
        let epoch = (txn.span.epoch >= 0).then_some(txn.span.epoch).or(own.and_then(|own| own.epoch));
        let later = |best: &Best| {
            let asked_later = |session: &Session| session.asked > own.map(|own| own.granted);
            best.of_others(txn.process).filter(asked_later).filter(|_| own.is_some())
        };
        let Some(epoch) = epoch else { return later(by_time) };
        let higher = |session: &Session| session.epoch.is_some_and(|e| e > epoch && e - epoch < FAR);
        by_epoch.of_others(txn.process).filter(higher).or_else(|| later(blank))
    }
}

impl Best {
    fn take(&mut self, rank: Option<i64>, session: Session) {
        let Some(rank) = rank else { return };
        let beats = |other: &Option<(i64, Session)>| other.is_none_or(|(other, _)| other < rank);
        let [first, second] = &mut self.0;
        if first.is_some_and(|(_, first)| first.process == session.process) {
            if beats(first) {
                *first = Some((rank, session));
            }
        } else if beats(first) {
            *second = first.replace((rank, session));
        } else if beats(second) {
            *second = Some((rank, session));
        }
    }

    fn of_others(&self, process: Process) -> Option<Session> {
        self.0.iter().flatten().map(|(_, session)| *session).find(|session| session.process != process)
    }
}

fn finding(
    (history, ledger): (&History, &Ledger),
    (txn, shown): (TxnId, Mark),
    newer: Session,
) -> Result<Finding, HistoryError> {
    let evidence = Evidence { history, ledger, log: shown.log };
    let of = ledger.txn(txn);
    let id = history.facts().transactional_ids.get(of.span.id as usize).cloned().unwrap_or_default();
    let value = Evidence::value(of.process, shown.seq);
    let (sent, near) = evidence.sent(of.process, shown.seq)?;
    let found = evidence.in_final_read(Isolation::ReadCommitted, (value, near))?;
    let mut sightings = vec![
        evidence.step(txn, Step::Began),
        Sighting::Transaction {
            process: newer.process,
            id,
            epoch: newer.epoch,
            step: TxnStep::Granted,
            time: Some(nanos(newer.granted)),
        },
        evidence.step(txn, Step::AskedToCommit),
        evidence.step(txn, Step::Ended),
    ];
    sightings.extend(sent);
    sightings.extend(found.map(|offset| Sighting::InLog { value, offset }));
    Ok(Finding {
        anomaly: Anomaly::FencingViolation,
        log: shown.log,
        group: None,
        count: 1,
        first: Some(value),
        last: Some(value),
        offsets: found.map(|offset| (offset, offset)),
        cause: None,
        sightings,
    })
}
