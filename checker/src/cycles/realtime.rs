//! Real time and process order as edges, O(n) of them.
//!
//! A transaction that is over leads to the barrier that the next invocation makes; barriers lead to their
//! successors and to what is invoked after them. So one transaction reaches another through barriers exactly when
//! it returned before the other was invoked.

use history::ids::Process;

use super::graph::{Dependency, Edge, Graph};
use super::transactions::{Outcome, Transaction, Transactions};
use crate::linear::object::Moment;
use crate::linear::order::sort_nearly_sorted;

/// When a transaction ran.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Interval {
    /// Who ran it.
    pub(crate) process: Process,
    /// When it was begun.
    pub(crate) invoked: Moment,
    /// When it was over; [`Moment::NEVER`] where the outcome is unknown.
    pub(crate) returned: Moment,
    /// Whether it took effect, or may have.
    pub(crate) happened: bool,
    /// Whether it certainly did.
    pub(crate) known: bool,
}

/// The order of completion, and the graph of the orders.
pub(super) fn graph(history: &Transactions) -> Graph {
    let interval = |transaction: &Transaction| Interval {
        process: transaction.process,
        invoked: transaction.invoked,
        returned: transaction.returned,
        happened: transaction.outcome != Outcome::Aborted,
        known: transaction.outcome == Outcome::Committed,
    };
    graph_of(&history.transactions().iter().map(interval).collect::<Vec<_>>())
}

/// When each was over, in order.
fn ends(intervals: &[Interval]) -> Vec<(Moment, u32)> {
    let mut ends: Vec<(Moment, u32)> =
        (0u32..).zip(intervals).map(|(id, interval)| (interval.returned, id)).collect();
    sort_nearly_sorted(&mut ends, |end| *end);
    ends
}

fn places_of(ends: &[(Moment, u32)]) -> Vec<u32> {
    let mut order = vec![0; ends.len()];
    for (place, (_, id)) in (1u32..).step_by(2).zip(ends) {
        order[*id as usize] = place;
    }
    order
}

/// The place of each in the order of completion.
pub(crate) fn places(intervals: &[Interval]) -> Vec<u32> {
    places_of(&ends(intervals))
}

/// The order of completion, and the graph of the orders, of transactions in order of invocation: every transaction has
/// two places, so that a barrier finds one between them.
pub(crate) fn graph_of(intervals: &[Interval]) -> Graph {
    let ends = ends(intervals);
    let mut graph = Graph::new(places_of(&ends));
    // Transactions of unknown outcome never return; what they may have done counts, their end does not.
    let returned = ends.iter().filter(|(end, _)| *end != Moment::NEVER);
    let mut returned = returned.zip((1u32..).step_by(2)).peekable();
    let (mut barrier, mut over) = (None, Vec::new());
    let mut last_place = 0;
    for (id, interval) in (0u32..).zip(intervals) {
        while let Some(((_, ended), place)) = returned.next_if(|((end, _), _)| *end < interval.invoked) {
            over.push(*ended);
            last_place = place;
        }
        let realtime = |from, to| Edge { from, to, kind: Dependency::Realtime, detail: 0 };
        if !over.is_empty() {
            // Behind everything that is over, before everything that is not.
            let next = graph.barrier(last_place + 1);
            over.drain(..).chain(barrier).for_each(|from| graph.add(realtime(from, next)));
            barrier = Some(next);
        }
        if interval.happened {
            barrier.into_iter().for_each(|from| graph.add(realtime(from, id)));
        }
    }
    for (from, to) in process_order(intervals) {
        graph.add(Edge { from, to, kind: Dependency::Process, detail: 0 });
    }
    graph
}

/// Whether the order within each process follows `order`, that of completion, as real time does by itself.
pub(crate) fn processes_ascend(intervals: &[Interval], order: &[u32]) -> bool {
    process_order(intervals).all(|(from, to)| order[from as usize] < order[to as usize])
}

/// What each process ran one after the other.
fn process_order(intervals: &[Interval]) -> impl Iterator<Item = (u32, u32)> {
    let mut last = crate::linear::hash::IdMap::default();
    let happened = (0u32..).zip(intervals).filter(|(_, interval)| interval.happened);
    happened.filter_map(move |(id, interval)| {
        let process = interval.process.0;
        // What has an unknown outcome may take effect after what its process does next.
        let before = if interval.known { last.insert(process, id) } else { last.get(&process).copied() };
        before.map(|before| (before, id))
    })
}
