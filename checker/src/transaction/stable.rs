//! The last stable offset: a committed reader may not pass the first record of a transaction that is still undecided.
//!
//! Records of one log by offset, with the time until which their transaction was undecided for sure; the maximum over
//! all lower offsets says at once whether a poll came too early. A record counts where it was acknowledged.

use history::ids::{LogId, Offset, Process, Value};
use history::merged::History;

use super::evidence::{Evidence, Step};
use super::ledger::{Ledger, TxnId};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};
use crate::linear::order::sort_nearly_sorted;
use crate::log::stream::nanos;

/// A poll of one log by a consumer that reads committed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Passed {
    pub(super) process: Process,
    /// When it returned, in microseconds, rounded up.
    pub(super) returned: u64,
    /// The record at the greatest offset that it returned.
    pub(super) greatest: (i64, Value),
}

/// What one log shows.
#[derive(Debug, Default)]
pub(super) struct Stable {
    pub(super) passed: Vec<Passed>,
    /// Offset of a record, until when its transaction was undecided, which.
    appended: Vec<(i64, u64, TxnId)>,
}

impl Stable {
    /// Takes the offset of a record of a transaction.
    pub(super) fn appended(&mut self, ledger: &Ledger, txn: TxnId, offset: i64) {
        if self.passed.is_empty() {
            // Nobody asks: polls are read before.
            return;
        }
        let undecided = ledger.txn(txn).undecided;
        let known = self.appended.last().is_some_and(|last| last.2 == txn && last.0 <= offset);
        if undecided > 0 && !known {
            self.appended.push((offset, undecided, txn));
        }
    }

    /// Reports the polls that passed an undecided transaction.
    pub(super) fn judge(
        mut self,
        (history, ledger): (&History, &Ledger),
        log: LogId,
        findings: &mut Findings,
    ) {
        if self.passed.is_empty() {
            return;
        }
        sort_nearly_sorted(&mut self.appended, |at| *at);
        // Each with the latest decision of those at lower offsets, its own included.
        let mut latest = (0, 0, 0);
        let latest: Vec<(i64, u64, TxnId)> = self
            .appended
            .iter()
            .map(|at| {
                latest = if at.1 > latest.1 { *at } else { latest };
                latest
            })
            .collect();
        let evidence = Evidence { history, ledger, log };
        for Passed { process, returned, greatest: (offset, value) } in self.passed {
            let below = self.appended.partition_point(|at| at.0 < offset);
            let Some(&(first, undecided, txn)) = below.checked_sub(1).map(|at| &latest[at]) else { continue };
            if returned >= undecided {
                continue;
            }
            let ends =
                if ledger.txn(txn).span.asked == u64::MAX { Step::NeverEnded } else { Step::AskedToEnd };
            findings.push(Finding {
                anomaly: Anomaly::LsoBreach,
                log,
                group: evidence.group(process),
                count: 1,
                first: Some(value),
                last: Some(value),
                offsets: Some((Offset(offset), Offset(offset))),
                cause: None,
                sightings: vec![
                    evidence.step(txn, Step::Began),
                    evidence.step(txn, Step::Holds(Offset(first))),
                    Sighting::Polled { process, value, offset: Offset(offset), time: nanos(returned) },
                    evidence.step(txn, ends),
                ],
            });
        }
    }
}
