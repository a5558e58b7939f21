//! Bags: what goes in comes out once, in any order.
//!
//! Values do not disturb each other, so each is decided alone (locality), and a value may go in many times: all
//! enqueues are placed as early as they can be, all dequeues as late as they can be, and the count must never be
//! negative. That is exact, because enqueues only help and dequeues only hurt. A dequeue of unknown outcome takes
//! something away and need not have happened; it is left out.
//!
//! A bag found empty is decided like the queue's (`queue::empty`) where values are unique: a moment at which no
//! value is surely inside can be chosen for every such dequeue, each value then being taken before or put in
//! after it; two moments never ask for the opposite of one value, since what was taken before the first was
//! taken before the second. With repeated values, or dequeues of unknown outcome that might excuse it, the
//! search decides.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use super::context::{Context, Decision, Violation, began, ended};
use super::explain;
use super::object::{Call, Op};
use super::queue;
use super::verdict::Pattern;

/// Decides a bag.
pub(super) fn decide(ops: &[Op], context: &Context<'_>) -> Decision {
    let traffic = match queue::traffic(ops, context) {
        Ok(traffic) => traffic,
        Err(Decision::NotInClass) => return repeated(ops, context),
        Err(decided) => return decided,
    };
    if let Some(violation) = queue::fresh(ops, context, &traffic.passages) {
        return Decision::Violated(violation);
    }
    match queue::empty::find(ops, context, &traffic) {
        None => Decision::Linearizable,
        Some(violation) if traffic.unknown.is_empty() => Decision::Violated(violation),
        Some(_) => Decision::NotInClass,
    }
}

/// Decides a bag into which values go several times.
fn repeated(ops: &[Op], context: &Context<'_>) -> Decision {
    match overdrawn(ops, context) {
        Some(violation) => Decision::Violated(violation),
        None if ops.iter().any(|op| op.call == Call::DequeueEmpty) => Decision::NotInClass,
        None => Decision::Linearizable,
    }
}

/// A value that came out more often than it had gone in.
fn overdrawn(ops: &[Op], context: &Context<'_>) -> Option<Violation> {
    // Three words per operation, sorted: value, time (enqueues before dequeues at one time), which.
    let mut events: Vec<(u32, u64, bool, usize)> = Vec::with_capacity(ops.len());
    for (i, op) in ops.iter().enumerate() {
        match op.call {
            Call::Enqueue(value) => events.push((value.0, began(op), false, i)),
            Call::Dequeue(value) => events.push((value.0, ended(op), true, i)),
            _ => {}
        }
    }
    super::order::sort_nearly_sorted(&mut events, |event| *event);
    for of_value in events.chunk_by(|a, b| a.0 == b.0) {
        let mut inside = 0u64;
        for (at, (.., takes, i)) in of_value.iter().enumerate() {
            if !takes {
                inside += 1;
                continue;
            }
            if let Some(left) = inside.checked_sub(1) {
                inside = left;
                continue;
            }
            let involved: Vec<usize> = of_value[..=at].iter().map(|event| event.3).collect();
            return Some(explain_overdrawn(ops, context, *i, &involved, of_value.get(at + 1..)));
        }
    }
    None
}

fn explain_overdrawn(
    ops: &[Op],
    context: &Context<'_>,
    taken: usize,
    involved: &[usize],
    later: Option<&[(u32, u64, bool, usize)]>,
) -> Violation {
    let what = explain::op(context, &ops[taken]);
    let put = involved.len() / 2;
    if put > 0 {
        let why =
            format!("{what} took out a value for the {}. time that had gone in {put} times by then", put + 1);
        return Violation::new(Pattern::DequeuedTwice, involved, [why]);
    }
    match later.into_iter().flatten().find(|(_, _, takes, _)| !takes) {
        Some((.., put)) => {
            let why = format!("{what} was over before {} began", explain::op(context, &ops[*put]));
            Violation::new(Pattern::DequeuedFresh, [taken, *put], [why])
        }
        None => {
            let why = format!("{what} took out a value that nobody put in");
            Violation::new(Pattern::DequeuedFresh, [taken], [why])
        }
    }
}
