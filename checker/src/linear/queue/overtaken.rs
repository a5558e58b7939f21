//! VOrd: b went in after a was in, and came out before a was taken.
//!
//! For enqueues by invocation, those already over are kept with the invocation of their value's dequeue: if b's
//! dequeue returned before the latest of these began, b overtook that value. What is pending is kept ordered by
//! return; it is as long as there are concurrent clients.

use std::cmp::Reverse;

use super::{NOBODY, Passage};
use crate::linear::context::{Context, Violation};
use crate::linear::explain;
use crate::linear::object::{Moment, Op};
use crate::linear::verdict::Pattern;

/// A value that was overtaken; indices of operations.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair {
    /// Enqueue of the overtaken value.
    pub(super) overtaken: u32,
    /// Its dequeue, if any.
    pub(super) dequeued: u32,
    /// Enqueue of the value that overtook it.
    pub(super) by: u32,
    /// Dequeue of that value.
    pub(super) by_dequeued: u32,
    /// Return of that dequeue.
    pub(super) deadline: Moment,
}

/// Everything that was overtaken.
pub(super) struct Overtaken {
    /// One whose own dequeue is known: nothing excuses it.
    pub(super) by_dequeued: Option<Pair>,
    /// Those never dequeued, each with its earliest deadline.
    pub(super) left_behind: Vec<Pair>,
}

/// Finds them; enqueues come by invocation.
pub(super) fn find(
    ops: &[Op],
    enqueues: impl DoubleEndedIterator<Item = (u32, Passage)> + Clone,
) -> Overtaken {
    // (return of the enqueue, it, invocation of the dequeue, it), the next to return last.
    let mut pending: Vec<(Moment, u32, Moment, u32)> = Vec::new();
    // Among values surely in: the one dequeued that is taken last.
    let mut latest: Option<(Moment, u32, u32)> = None;
    let mut left = Vec::new();
    for (enqueued, passage) in enqueues.clone() {
        while let Some((_, a, begun, taken)) =
            pending.pop_if(|(returned, ..)| *returned < ops[enqueued as usize].invoked)
        {
            if latest.is_none_or(|(known, ..)| begun > known) {
                latest = Some((begun, a, taken));
            }
        }
        if passage.dequeued == NOBODY {
            left.push(enqueued);
            continue;
        }
        let deadline = ops[passage.dequeued as usize].returned;
        if let Some((_, a, taken)) = latest.filter(|(begun, ..)| deadline < *begun) {
            let by_dequeued = passage.dequeued;
            let pair = Pair { overtaken: a, dequeued: taken, by: enqueued, by_dequeued, deadline };
            return Overtaken { by_dequeued: Some(pair), left_behind: Vec::new() };
        }
        let returned = ops[enqueued as usize].returned;
        if returned != Moment::NEVER {
            let at = pending.partition_point(|(known, ..)| *known > returned);
            pending
                .insert(at, (returned, enqueued, ops[passage.dequeued as usize].invoked, passage.dequeued));
        }
    }
    Overtaken { by_dequeued: None, left_behind: left_behind(ops, left, enqueues) }
}

/// Values never dequeued: who overtook each first? Enqueues by invocation, from the last to the first.
fn left_behind(
    ops: &[Op],
    mut left: Vec<u32>,
    enqueues: impl DoubleEndedIterator<Item = (u32, Passage)>,
) -> Vec<Pair> {
    left.retain(|i| !ops[*i as usize].is_crashed());
    if left.is_empty() {
        return Vec::new();
    }
    // By return, latest first; meanwhile the enqueues invoked after that return come in, latest first.
    left.sort_by_key(|i| Reverse(ops[*i as usize].returned));
    let mut others = enqueues.rev().filter(|(_, passage)| passage.dequeued != NOBODY).peekable();
    let mut earliest: Option<(Moment, u32, u32)> = None;
    let mut found = Vec::new();
    for a in left {
        while let Some((by, passage)) =
            others.next_if(|(by, _)| ops[*by as usize].invoked > ops[a as usize].returned)
        {
            let returned = ops[passage.dequeued as usize].returned;
            if earliest.is_none_or(|(known, ..)| returned < known) {
                earliest = Some((returned, by, passage.dequeued));
            }
        }
        if let Some((deadline, by, by_dequeued)) = earliest.filter(|(end, ..)| *end != Moment::NEVER) {
            found.push(Pair { overtaken: a, dequeued: NOBODY, by, by_dequeued, deadline });
        }
    }
    found
}

/// Says who overtook whom.
pub(super) fn explain(ops: &[Op], context: &Context<'_>, pair: Pair) -> Violation {
    let name = |i: u32| explain::op(context, &ops[i as usize]);
    let mut involved = vec![pair.overtaken, pair.by, pair.by_dequeued];
    let mut why = vec![
        format!(
            "{} was over before {} began, so it is ahead in the queue",
            name(pair.overtaken),
            name(pair.by)
        ),
        format!("{} was over at {}", name(pair.by_dequeued), pair.deadline.0),
    ];
    if pair.dequeued == NOBODY {
        why.push("the value ahead was never taken out, and no dequeue of unknown outcome can have taken it in time".to_owned());
    } else {
        involved.push(pair.dequeued);
        why.push(format!("but the value ahead was only taken by {}", name(pair.dequeued)));
    }
    let involved: Vec<usize> = involved.into_iter().map(|i| i as usize).collect();
    Violation::new(Pattern::DequeuedOutOfOrder, involved, why)
}
