//! VWit: a dequeue found nothing although at every moment of it something was surely inside.
//!
//! A value is surely inside from the return of its enqueue to the invocation of its dequeue. Stays that overlap
//! are merged into runs; a dequeue that lies within one run found the queue empty at no moment when it can have
//! been. Stays that only touch leave a gap: the one value can be taken before the other goes in.

use super::{Passage, Traffic, stay};
use crate::linear::context::{Context, Violation};
use crate::linear::explain;
use crate::linear::object::{Moment, Op};
use crate::linear::order::sort_nearly_sorted;
use crate::linear::verdict::Pattern;

/// Finds such a dequeue in a queue or bag.
pub(in crate::linear) fn find(ops: &[Op], context: &Context<'_>, traffic: &Traffic) -> Option<Violation> {
    if traffic.empty.is_empty() {
        return None;
    }
    let mut stays: Vec<(Moment, Moment)> =
        traffic.passages.iter().filter_map(|passage| stay(ops, *passage)).collect();
    sort_nearly_sorted(&mut stays, |stay| *stay);
    let mut runs: Vec<(Moment, Moment)> = Vec::new();
    for (from, to) in stays {
        match runs.last_mut() {
            Some(run) if from < run.1 => run.1 = run.1.max(to),
            _ => runs.push((from, to)),
        }
    }
    // Both are ordered by time.
    let mut before = 0;
    for i in traffic.empty.iter().map(|i| *i as usize) {
        let op = &ops[i];
        while runs.get(before).is_some_and(|(from, _)| *from < op.invoked) {
            before += 1;
        }
        let Some((from, to)) = before.checked_sub(1).map(|last| runs[last]) else { continue };
        if op.returned < to {
            return Some(explain(ops, context, (i, from, to), &traffic.passages));
        }
    }
    None
}

fn explain(
    ops: &[Op],
    context: &Context<'_>,
    (found, from, to): (usize, Moment, Moment),
    passages: &[Passage],
) -> Violation {
    // The fewest stays that cover the dequeue: always the one that reaches furthest.
    let stays: Vec<(Moment, Moment, Passage)> = passages
        .iter()
        .filter_map(|passage| stay(ops, *passage).map(|(from, to)| (from, to, *passage)))
        .filter(|(start, end, _)| *start >= from && *end <= to)
        .collect();
    let (mut at, mut involved) = (ops[found].invoked, vec![found]);
    let mut names = Vec::new();
    while at <= ops[found].returned || names.is_empty() {
        let next =
            stays.iter().filter(|(start, end, _)| *start < at && *end > at).max_by_key(|(_, end, _)| *end);
        let Some((_, end, passage)) = next else { break };
        at = *end;
        let [into, out] = [passage.enqueued, passage.dequeued].map(|i| i as usize);
        involved.push(into);
        names.push(explain::op(context, &ops[into]));
        if out < ops.len() {
            involved.push(out);
        }
    }
    let what = explain::op(context, &ops[found]);
    let why = [
        format!("{what} found nothing"),
        format!(
            "but at every moment of it a value was inside that had gone in and was not yet being taken: {}",
            explain::list(names.into_iter())
        ),
    ];
    Violation::new(Pattern::FalselyEmpty, involved, why)
}
