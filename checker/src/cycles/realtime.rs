//! Real time and process order as edges, O(n) of them.
//!
//! A transaction that is over leads to the barrier that the next invocation makes; barriers lead to their
//! successors and to what is invoked after them. So one transaction reaches another through barriers exactly when
//! it returned before the other was invoked.

use super::graph::{Dependency, Edge, Graph};
use super::transactions::{Outcome, Transactions};
use crate::linear::object::Moment;
use crate::linear::order::sort_nearly_sorted;

/// The order of completion, and the graph of the orders: every transaction has two places, so that a barrier
/// finds one between them.
pub(super) fn graph(history: &Transactions) -> Graph {
    let transactions = history.transactions();
    let mut ends: Vec<(Moment, u32)> =
        (0u32..).zip(transactions).map(|(id, transaction)| (transaction.returned, id)).collect();
    sort_nearly_sorted(&mut ends, |end| *end);
    let mut order = vec![0; transactions.len()];
    for (place, (_, id)) in (1u32..).step_by(2).zip(&ends) {
        order[*id as usize] = place;
    }
    let mut graph = Graph::new(order);
    // Transactions of unknown outcome never return; what they may have done counts, their end does not.
    let returned = ends.iter().filter(|(end, _)| *end != Moment::NEVER);
    let mut returned = returned.zip((1u32..).step_by(2)).peekable();
    let (mut barrier, mut over) = (None, Vec::new());
    let mut last_place = 0;
    for (id, transaction) in (0u32..).zip(transactions) {
        while let Some(((_, ended), place)) = returned.next_if(|((end, _), _)| *end < transaction.invoked) {
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
        if transaction.outcome != Outcome::Aborted {
            barrier.into_iter().for_each(|from| graph.add(realtime(from, id)));
        }
    }
    process_order(history, &mut graph);
    graph
}

fn process_order(history: &Transactions, graph: &mut Graph) {
    let mut last = crate::linear::hash::IdMap::default();
    for (id, transaction) in (0u32..).zip(history.transactions()) {
        if transaction.outcome == Outcome::Aborted {
            continue;
        }
        let process = transaction.process.0;
        if let Some(from) = last.get(&process).copied() {
            graph.add(Edge { from, to: id, kind: Dependency::Process, detail: 0 });
        }
        // What has an unknown outcome may take effect after what its process does next.
        if transaction.outcome == Outcome::Committed {
            last.insert(process, id);
        }
    }
}
