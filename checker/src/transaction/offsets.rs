//! Positions that only aborted transactions sent, and that were read back as committed: `resurrected-abort`.
//!
//! A position belongs to its transaction as its records do (KIP-98): once the abort is acknowledged, no fetch may return it.
//! What may have committed it otherwise clears it: whoever asked for it outside of transactions before the fetch
//! returned, whatever came of that; a transaction begun by then that did not abort; an earlier fetch that was asked
//! before the abort was known; and a member whose journal was cut. A transaction whose records are shown as well is
//! told of by these.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use history::ids::{LogId, Nanos, Offset};
use history::merged::{History, TxnSpan};

use super::evidence::{Evidence, Step};
use super::ledger::{Ledger, Sent, TxnId};
use super::records::Marks;
use super::rows::{Fetch, Rows, Watched, group_of};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};
use crate::log::stream::nanos;

/// The positions that transactions sent which are known to be aborted, and show nothing else.
pub(super) fn watched(ledger: &Ledger, marks: &Marks) -> HashSet<(LogId, i64)> {
    let aborted = ledger.sent.iter().filter(|sent| is_candidate(ledger, marks, sent.txn));
    aborted.map(|sent| (sent.log, sent.next.0)).collect()
}

fn is_candidate(ledger: &Ledger, marks: &Marks, txn: TxnId) -> bool {
    let known = ledger.txn(txn).span.ended != TxnSpan::NEVER;
    known && ledger.is_aborted(txn) && marks.in_final_read(txn).is_none()
}

/// Reports them.
pub(super) fn check(
    history: &History,
    (ledger, marks, rows): (&Ledger, &Marks, &Rows),
    findings: &mut Findings,
) {
    if rows.watched.values().all(|uses| uses.fetches.is_empty()) {
        return;
    }
    let position = |sent: &Sent| -> Option<Watched> {
        let group = group_of(history, ledger.txn(sent.txn).process)?;
        Some((group.to_owned(), sent.log, sent.next.0))
    };
    // When a transaction that may have committed a position was begun first.
    let mut begun: BTreeMap<Watched, Nanos> = BTreeMap::new();
    for sent in ledger.sent.iter().filter(|sent| !ledger.is_aborted(sent.txn)) {
        let Some(at) = position(sent).filter(|at| rows.watched.contains_key(at)) else { continue };
        let time = nanos(ledger.txn(sent.txn).span.invoked);
        let first = begun.entry(at).or_insert(time);
        *first = time.min(*first);
    }
    let cut = history.facts().processes.values().filter(|facts| facts.truncated);
    let cut: BTreeSet<Option<&str>> = cut.map(|facts| facts.identity.group.as_deref()).collect();
    let mut told = BTreeSet::new();
    for sent in ledger.sent.iter().filter(|sent| is_candidate(ledger, marks, sent.txn)) {
        let Some(at) = position(sent).filter(|at| !cut.contains(&Some(at.0.as_str()))) else { continue };
        let Some(uses) = rows.watched.get(&at) else { continue };
        let otherwise = uses.asked.into_iter().chain(begun.get(&at).copied()).min();
        let ended = nanos(ledger.txn(sent.txn).span.ended);
        let was_there = uses.fetches.iter().any(|fetch| fetch.invoked <= ended);
        let fetch = uses.fetches.iter().find(|fetch| otherwise.is_none_or(|time| fetch.returned <= time));
        let Some(fetch) = fetch.filter(|_| !was_there && !told.contains(&sent.txn)) else { continue };
        told.insert(sent.txn);
        findings.push(finding(Evidence { history, ledger, log: sent.log }, sent, at.0, fetch));
    }
}

fn finding(evidence: Evidence<'_>, sent: &Sent, group: String, fetch: &Fetch) -> Finding {
    let Fetch { process, returned, .. } = *fetch;
    let read = Sighting::Fetched { process, next: Offset(sent.next.0), time: returned };
    let [began, ended] = [Step::Began, Step::Ended].map(|step| evidence.step(sent.txn, step));
    Finding {
        anomaly: Anomaly::ResurrectedAbort,
        log: evidence.log,
        group: Some(group),
        count: 1,
        first: None,
        last: None,
        offsets: None,
        cause: None,
        sightings: vec![began, ended, read],
    }
}
