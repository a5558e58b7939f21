//! Mutexes: acquisitions and releases alternate.
//!
//! All acquisitions are alike, and so are all releases, so it only matters how many of each are placed and which
//! remain. A pending operation is placed when it returns, preceded by one of the other kind if the mutex is in
//! the wrong state; of several alike the one that returns first is taken. Nothing better exists: exchanging two
//! pending operations of one kind so that the earlier to return goes first keeps any order valid, and placing a
//! pair (acquire, release) early, only to be rid of it, can as well be done later, as both stay pending and
//! the pair leaves the state as it was. Operations of unknown outcome return last of all and need not be placed.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::context::{Context, Decision, Violation};
use super::explain;
use super::object::{Call, Op};
use super::verdict::Pattern;

/// Pending operations of one kind, by return.
type Pending = BinaryHeap<Reverse<(u64, usize)>>;

/// Decides a mutex.
pub(super) fn decide(ops: &[Op], context: &Context<'_>) -> Decision {
    let mut pending = [Pending::new(), Pending::new()];
    let mut held = false;
    let mut done: Vec<bool> = vec![false; ops.len()];
    let mut next = 0;
    let mut ends = Pending::new();
    loop {
        let end = ends.peek().map_or(u64::MAX, |Reverse((end, _))| *end);
        if let Some(op) = ops.get(next).filter(|op| op.invoked.0 <= end) {
            let kind = match op.call {
                Call::Acquire => 0,
                Call::Release => 1,
                _ => return Decision::NotInClass,
            };
            pending[kind].push(Reverse((op.returned.0, next)));
            if !op.is_crashed() {
                ends.push(Reverse((op.returned.0, next)));
            }
            next += 1;
            continue;
        }
        let Some(Reverse((_, i))) = ends.pop() else { return Decision::Linearizable };
        if done[i] {
            continue;
        }
        let kind = usize::from(ops[i].call == Call::Release);
        let wanted = kind == 1;
        if held != wanted {
            let Some(other) = take(&mut pending[1 - kind], &done) else {
                return Decision::Violated(stuck(ops, context, (i, held), &done));
            };
            done[other] = true;
            held = !held;
        }
        // The operation itself is the first to return among its kind: all earlier returns are placed.
        let placed = take(&mut pending[kind], &done).unwrap_or(i);
        done[placed] = true;
        held = !held;
        if placed != i {
            // An equal return time; the other one is due at the same moment.
            ends.push(Reverse((ops[i].returned.0, i)));
        }
    }
}

fn take(pending: &mut Pending, done: &[bool]) -> Option<usize> {
    while let Some(Reverse((_, i))) = pending.pop() {
        if !done[i] {
            return Some(i);
        }
    }
    None
}

fn stuck(ops: &[Op], context: &Context<'_>, (i, held): (usize, bool), done: &[bool]) -> Violation {
    let what = explain::op(context, &ops[i]);
    let state = if held { "held" } else { "free" };
    let missing = if held { "release" } else { "acquisition" };
    let placed = done.iter().filter(|done| **done).count();
    let why = [
        format!(
            "after the {placed} operations that can be placed before, the mutex is {state} when {what} must take effect"
        ),
        format!("no {missing} was invoked in time that could come before it"),
    ];
    let involved: Vec<usize> = (0..ops.len()).filter(|j| ops[*j].invoked <= ops[i].returned).collect();
    Violation::new(Pattern::MutexBroken, involved, why)
}
