//! Transactions: what is written together appears together, once, and only when committed.
//!
//! ```text
//!  ledger    every transaction of every process, dense, with the sequence numbers of its records
//!     │
//!  records   log by log, in parallel: what was sent to it against the committed reads of it
//!     │        aborted-read, precommitted-read, lso-breach; per transaction what is missing and what was shown
//!     ├─ outcome    torn-transaction, lost-commit, resurrected-abort, and lost-write of what must have committed
//!     ├─ fencing    fencing-violation
//!     ├─ offsets    resurrected-abort of positions: sent to what was aborted, and read back as committed
//!     ├─ order      dependency-cycle, with the version order that offsets give
//!     └─ pipeline   skipped-input, double-input, output-mismatch
//! ```
//! Which records belong to a transaction is known from sequence numbers, so every pass is linear in what it reads. An
//! end whose outcome is unknown may have been either; a transaction **must have committed** when its commit was
//! acknowledged, or when its outcome is unknown and a committed reader saw one of its records. What is not known is not
//! held against anybody: a log without a complete committed read shows nothing missing, a consumer that does not say
//! that it reads committed is not judged, and an open transaction whose time-out is not known may have been aborted.
//!
//! | count of | is the number of |
//! |---|---|
//! | `aborted-read`, `precommitted-read` | records, each place in a log once |
//! | `lso-breach` | polls, by log |
//! | `torn-transaction`, `lost-commit`, `resurrected-abort`, `fencing-violation` | transactions |
//! | `dependency-cycle` | groups of transactions that depend on each other in a circle, once for each class |
//! | `lost-write` | records sent |
//! | `skipped-input`, `double-input`, `output-mismatch` | records of the input |

mod bits;
mod derived;
mod evidence;
mod fencing;
mod index;
mod ledger;
mod offsets;
mod order;
mod outcome;
mod pipeline;
mod records;
mod rows;
mod stable;
mod streams;

use std::collections::BTreeSet;

use history::merged::{History, HistoryError, Kind};

use self::ledger::Ledger;
pub(crate) use self::order::STEPS;
use self::records::Shown;
use self::rows::Rows;
use crate::findings::Findings;

/// Checks the transactions of a history.
///
/// # Errors
/// Whatever the history's chunks refuse; nothing that a history may say is an error.
pub fn check(history: &History) -> Result<Findings, HistoryError> {
    let ledger = Ledger::of(history)?;
    if ledger.txns.is_empty() && !may_derive(history) {
        return Ok(Findings::default());
    }
    let Shown { mut findings, marks, stretches } = records::check(history, &ledger)?;
    let cycles = || order::check(history, (&ledger, &marks, &stretches));
    let others = || {
        outcome::check(history, (&ledger, &marks), &mut findings)?;
        fencing::check(history, (&ledger, &marks), &mut findings)?;
        let rows = Rows::of(history, &offsets::watched(&ledger, &marks))?;
        offsets::check(history, (&ledger, &marks, &rows), &mut findings);
        pipeline::check(history, (&ledger, &marks, &rows), &mut findings)
    };
    let (cycles, others) = rayon::join(cycles, others);
    others?;
    findings.append(cycles?);
    findings.transactions = outcome::counts(&ledger, &marks, findings.transactions.logs_not_read);
    Ok(findings)
}

/// Whether any process both reads and writes, so that what it writes may be made of what it read.
fn may_derive(history: &History) -> bool {
    let of = |kind: Kind| {
        let entries = history.entries().iter().filter(move |entry| entry.kind == kind);
        entries.map(|entry| entry.process).collect::<BTreeSet<_>>()
    };
    !of(Kind::Polls).is_disjoint(&of(Kind::Sends))
}
