//! The definition of a dependency cycle: every transaction must have committed, and every edge holds where it is said to.
//!
//! A write-write edge is two records in the order of their offsets, whatever lies between; a write-read edge is a record of
//! the one that the other polled; a read-write edge is a reader that went up to one offset and no further, and a record
//! of the other behind it.

use history::ids::{LogId, Offset};
use history::merged::TxnEnd;

use super::facts::{Facts, Polled, Txn};
use super::transaction::begun;
use super::{Check, Objection, must};
use crate::findings::{Finding, Sighting};
use crate::transaction::STEPS;

/// An edge as it is told.
struct Edge<'f> {
    /// The transaction, or all that its process began in one microsecond.
    from: Vec<&'f Txn>,
    kind: &'f str,
    place: Option<(LogId, Offset, Offset)>,
}

/// Transactions each of which comes before the next, and the last before the first.
pub(super) fn cycle(finding: &Finding, facts: &Facts<'_>) -> Check {
    let edges = edges(finding, facts)?;
    if edges.len() >= STEPS {
        return Err(Objection::Argument("a cycle is told up to its 24th step"));
    }
    for (at, edge) in edges.iter().enumerate() {
        let to = &edges[(at + 1) % edges.len()].from;
        let committed = edge.from.iter().filter(|txn| facts.must_have_committed(txn));
        let pairs = committed.flat_map(|from| to.iter().map(move |to| (*from, *to)));
        let is = pairs.filter(|(from, to)| !std::ptr::eq(*from, *to)).any(|pair| holds(edge, pair, facts));
        must(is, || format!("nothing shows that {:?} comes before {to:?} ({})", edge.from, edge.kind))?;
    }
    must(!edges.is_empty(), || "no transaction is named".to_owned())
}

/// The edges of a cycle: each transaction, and why it comes before the next.
fn edges<'f>(finding: &'f Finding, facts: &'f Facts<'_>) -> Result<Vec<Edge<'f>>, Objection> {
    let edge = |told: &'f [Sighting]| match told {
        [began, Sighting::Dependency { kind, place, .. }] => {
            let from = begun(began, facts);
            (!from.is_empty()).then_some(Edge { from, kind, place: *place })
        }
        _ => None,
    };
    let edges: Option<Vec<Edge<'f>>> = finding.sightings.chunks(2).map(edge).collect();
    edges.ok_or_else(|| Objection::Refuted("it is not told edge by edge".to_owned()))
}

fn holds(edge: &Edge<'_>, (from, to): (&Txn, &Txn), facts: &Facts<'_>) -> bool {
    match (edge.kind, edge.place) {
        ("ww", Some((log, first, second))) => {
            first < second && wrote(from, (log, first), facts) && wrote(to, (log, second), facts)
        }
        ("wr", Some((log, offset, _))) => {
            polls(to, log, facts).any(|polled| polled.offset == offset.0 && from.holds(polled.value))
        }
        ("rw", Some((log, last, next))) => {
            let greatest = polls(from, log, facts).map(|polled| polled.offset).max();
            greatest == Some(last.0) && last < next && wrote(to, (log, next), facts)
        }
        ("process", None) => from.process == to.process && from.span.invoked < to.span.invoked,
        ("realtime", None) => from.span.how == TxnEnd::Committed && from.span.ended < to.span.invoked,
        _ => false,
    }
}

/// Whether a log holds a record of a transaction at an offset.
fn wrote(txn: &Txn, (log, offset): (LogId, Offset), facts: &Facts<'_>) -> bool {
    facts.at(log, facts.reference(log), offset.0).is_some_and(|value| txn.holds(value))
}

/// What a transaction polled of a log.
fn polls<'f>(txn: &'f Txn, log: LogId, facts: &'f Facts<'_>) -> impl Iterator<Item = &'f Polled> {
    let own = facts.polls_of(log).filter(|polled| polled.reader == txn.process);
    own.filter(|polled| facts.txn_of_poll(polled).is_some_and(|(_, of)| std::ptr::eq(of, txn)))
}
