//! Transactions as a whole: all or nothing, as acknowledged.
//!
//! | how it ended | nothing in the final read, something missing | something in it, something missing | something in it |
//! |---|---|---|---|
//! | committed | lost-commit | torn-transaction | as it should be |
//! | unknown | may have been aborted | torn-transaction | proved committed |
//! | aborted | as it should be | torn-transaction, resurrected-abort | resurrected-abort |

use std::collections::VecDeque;

use history::ids::LogId;
use history::merged::{History, HistoryError, TxnEnd};
use history::op::Isolation;

use super::evidence::{Evidence, Step};
use super::ledger::{Ledger, TxnId, index};
use super::records::{Mark, Marks};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, KEEP, Sighting, TransactionCounts};

/// Judges every transaction.
pub(super) fn check(
    history: &History,
    (ledger, marks): (&Ledger, &Marks),
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    let mut judged =
        [Anomaly::TornTransaction, Anomaly::LostCommit, Anomaly::ResurrectedAbort].map(Kept::new);
    for txn in 0..index(ledger.txns.len()) {
        let (missing, shown) = (marks.first_missing(txn), marks.in_final_read(txn));
        let how = ledger.txn(txn).span.how;
        let [torn, lost, resurrected] = &mut judged;
        match (missing, shown) {
            (Some(missing), Some(_)) => torn.add(txn, missing.log, findings),
            (Some(missing), None) if how == TxnEnd::Committed => lost.add(txn, missing.log, findings),
            (Some(_) | None, None) | (None, Some(_)) => {}
        }
        if let Some(shown) = shown.filter(|_| ledger.is_aborted(txn)) {
            resurrected.add(txn, shown.log, findings);
        }
    }
    for kept in judged {
        kept.tell((history, ledger, marks), findings)?;
    }
    Ok(())
}

/// The first and last few transactions that show an anomaly; of those between only the number is kept.
struct Kept {
    anomaly: Anomaly,
    first: Vec<TxnId>,
    last: VecDeque<(TxnId, LogId)>,
}

impl Kept {
    fn new(anomaly: Anomaly) -> Self {
        Self { anomaly, first: Vec::new(), last: VecDeque::new() }
    }

    fn add(&mut self, txn: TxnId, log: LogId, findings: &mut Findings) {
        if self.first.len() < KEEP {
            return self.first.push(txn);
        }
        if self.last.len() == KEEP {
            let between = self.last.pop_front().map(|(_, log)| log);
            findings.count_more(self.anomaly, between.unwrap_or(log), (1, 1));
        }
        self.last.push_back((txn, log));
    }

    fn tell(
        self,
        (history, ledger, marks): (&History, &Ledger, &Marks),
        findings: &mut Findings,
    ) -> Result<(), HistoryError> {
        for txn in self.first.into_iter().chain(self.last.into_iter().map(|(txn, _)| txn)) {
            if let Some(finding) = finding(self.anomaly, txn, (history, ledger, marks))? {
                findings.push(finding);
            }
        }
        Ok(())
    }
}

/// What shows it: how the transaction went, one record that is missing, one that is there.
fn finding(
    anomaly: Anomaly,
    txn: TxnId,
    (history, ledger, marks): (&History, &Ledger, &Marks),
) -> Result<Option<Finding>, HistoryError> {
    let process = ledger.txn(txn).process;
    let (missing, shown) = (marks.first_missing(txn), marks.in_final_read(txn));
    let of = if anomaly == Anomaly::ResurrectedAbort { shown } else { missing };
    let Some(of) = of else { return Ok(None) };
    let here = |mark: Mark| Evidence { history, ledger, log: mark.log };
    let mut sightings = vec![here(of).step(txn, Step::Began), here(of).step(txn, Step::Ended)];
    let mut offsets = None;
    if let Some(missing) = missing.filter(|_| anomaly != Anomaly::ResurrectedAbort) {
        let (sent, offset) = here(missing).sent(process, missing.seq)?;
        sightings.extend(sent);
        let end = history.final_read(missing.log, Isolation::ReadCommitted);
        sightings.extend(end.map(|end| Sighting::ReadUpTo {
            start: end.start,
            reached: end.reached,
            end: end.end,
        }));
        offsets = offset.map(history::ids::Offset);
    }
    if let Some(shown) = shown {
        let value = Evidence::value(process, shown.seq);
        let (sent, near) = here(shown).sent(process, shown.seq)?;
        let found = here(shown).in_final_read(Isolation::ReadCommitted, (value, near))?;
        if anomaly == Anomaly::ResurrectedAbort {
            sightings.extend(sent);
            offsets = found;
        }
        let log = Some(shown.log).filter(|log| *log != of.log);
        sightings.extend(found.map(|offset| match log {
            None => Sighting::InLog { value, offset },
            Some(log) => Sighting::InOtherLog { value, log, offset },
        }));
    }
    let value = Some(Evidence::value(process, of.seq));
    Ok(Some(Finding {
        anomaly,
        log: of.log,
        group: None,
        count: 1,
        first: value,
        last: value,
        offsets: offsets.map(|offset| (offset, offset)),
        cause: None,
        sightings,
    }))
}

/// How transactions ended, and what is known of them.
pub(super) fn counts(ledger: &Ledger, marks: &Marks, logs_not_read: u64) -> TransactionCounts {
    let mut counts = TransactionCounts { logs_not_read, ..TransactionCounts::default() };
    for (txn, of) in (0..).zip(&ledger.txns) {
        counts.begun += 1;
        match of.span.how {
            TxnEnd::Committed => counts.committed += 1,
            TxnEnd::Aborted | TxnEnd::Failed => counts.aborted += 1,
            TxnEnd::Unknown => counts.unknown += 1,
            TxnEnd::Open => counts.open += 1,
        }
        let proved = of.span.how == TxnEnd::Unknown && marks.must_have_committed(ledger, txn);
        counts.proved += u64::from(proved);
    }
    counts
}
