//! FIFO queues whose values are enqueued at most once.
//!
//! A complete history of such a queue is linearizable iff it shows none of four patterns (Henzinger, Sezgin &
//! Vafeiadis, CONCUR 2013; Bouajjani et al., ICALP 2015): a value dequeued that was not enqueued before (VFresh), a
//! value dequeued twice (VRepet), two values in the wrong order (VOrd), a queue found empty while it surely held
//! something (VWit). Each is one sweep.
//!
//! Unknown outcomes: an enqueue whose value nobody saw is left out, one whose value was dequeued happened and
//! returns after everything else. A dequeue of unknown outcome may have taken any one value that is still in the
//! queue, and that can only excuse a VOrd or VWit in which the value was *never* dequeued: a value a excused in
//! this way needs a dequeue invoked before its deadline, the earliest return of a dequeue that overtook it. Values
//! and dequeues are matched by earliest deadline, which finds a matching if there is one; a dequeue without
//! return constrains nothing else. Where a queue was also found empty the assignment is tried, and if it does
//! not explain everything, the search decides.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

pub(super) mod empty;
mod overtaken;

use super::context::{Context, Decision, Violation};
use super::explain;
use super::object::{Call, Moment, Op};
use super::verdict::Pattern;

/// Where a value went in and came out; indices of operations.
#[derive(Clone, Copy)]
pub(super) struct Passage {
    pub(super) enqueued: u32,
    pub(super) dequeued: u32,
}

/// No operation.
pub(super) const NOBODY: u32 = u32::MAX;

const NOWHERE: Passage = Passage { enqueued: NOBODY, dequeued: NOBODY };

/// What went through a queue or bag.
pub(super) struct Traffic {
    /// By value.
    pub(super) passages: Vec<Passage>,
    /// Dequeues that found nothing.
    pub(super) empty: Vec<u32>,
    /// Dequeues of unknown outcome.
    pub(super) unknown: Vec<u32>,
}

/// Decides a queue.
pub(super) fn decide(ops: &[Op], context: &Context<'_>) -> Decision {
    let mut traffic = match traffic(ops, context) {
        Ok(traffic) => traffic,
        Err(decision) => return decision,
    };
    if let Some(violation) = fresh(ops, context, &traffic.passages) {
        return Decision::Violated(violation);
    }
    let count = u32::try_from(ops.len()).expect("fewer than 2^32 operations");
    let enqueues = || {
        (0..count).zip(ops).filter_map(|(i, op)| match op.call {
            Call::Enqueue(value) => Some((i, traffic.passages[value.0 as usize])),
            _ => None,
        })
    };
    let find_overtaken = || overtaken::find(ops, enqueues());
    // Dequeues of unknown outcome change what was inside; without them the two questions have nothing in common.
    let (overtaken, found_empty) = if traffic.unknown.is_empty() {
        rayon::join(find_overtaken, || empty::find(ops, context, &traffic))
    } else {
        (find_overtaken(), None)
    };
    if let Some(pair) = overtaken.by_dequeued {
        return Decision::Violated(overtaken::explain(ops, context, pair));
    }
    match assign(ops, &overtaken.left_behind, &traffic.unknown) {
        Ok(assigned) => {
            for (enqueued, dequeue) in assigned {
                if let Call::Enqueue(value) = ops[enqueued as usize].call {
                    traffic.passages[value.0 as usize].dequeued = dequeue;
                }
            }
        }
        Err(pair) => return Decision::Violated(overtaken::explain(ops, context, pair)),
    }
    if traffic.unknown.is_empty() {
        return found_empty.map_or(Decision::Linearizable, Decision::Violated);
    }
    match empty::find(ops, context, &traffic) {
        None => Decision::Linearizable,
        Some(_) => Decision::NotInClass,
    }
}

/// Sorts operations by value; `Err` where that already decides.
pub(super) fn traffic(ops: &[Op], context: &Context<'_>) -> Result<Traffic, Decision> {
    let mut passages = vec![NOWHERE; context.value_count()];
    let (mut empty, mut unknown) = (Vec::new(), Vec::new());
    let mut twice = None;
    for (i, op) in (0u32..).zip(ops) {
        match op.call {
            Call::Enqueue(value) => {
                let passage = &mut passages[value.0 as usize];
                if passage.enqueued != NOBODY {
                    return Err(Decision::NotInClass);
                }
                passage.enqueued = i;
            }
            Call::Dequeue(value) => {
                let passage = &mut passages[value.0 as usize];
                if passage.dequeued != NOBODY {
                    twice = twice.or(Some((passage.dequeued, i, value)));
                }
                passage.dequeued = i;
            }
            Call::DequeueEmpty => empty.push(i),
            Call::DequeueUnknown => unknown.push(i),
            _ => return Err(Decision::NotInClass),
        }
    }
    if let Some((a, b, value)) = twice {
        let enqueued = passages[value.0 as usize].enqueued;
        let [first, second] = [a, b].map(|i| explain::op(context, &ops[i as usize]));
        let why = format!("{first} and {second} both took out what was put in at most once");
        let involved = [a, b, enqueued].into_iter().filter(|i| *i != NOBODY).map(|i| i as usize);
        let involved: Vec<usize> = involved.collect();
        return Err(Decision::Violated(Violation::new(Pattern::DequeuedTwice, involved, [why])));
    }
    Ok(Traffic { passages, empty, unknown })
}

/// VFresh: a value came out that had not gone in.
pub(super) fn fresh(ops: &[Op], context: &Context<'_>, passages: &[Passage]) -> Option<Violation> {
    let out = passages.iter().filter(|passage| passage.dequeued != NOBODY);
    for Passage { enqueued, dequeued } in out.copied() {
        let what = || explain::op(context, &ops[dequeued as usize]);
        if enqueued == NOBODY {
            let why = format!("{} took out a value that nobody put in", what());
            return Some(Violation::new(Pattern::DequeuedFresh, [dequeued as usize], [why]));
        }
        let [into, out] = [enqueued, dequeued].map(|i| i as usize);
        if ops[out].precedes(&ops[into]) {
            let why = format!("{} was over before {} began", what(), explain::op(context, &ops[into]));
            return Some(Violation::new(Pattern::DequeuedFresh, [into, out], [why]));
        }
    }
    None
}

/// Matches values that were overtaken and never seen again with dequeues of unknown outcome.
fn assign(
    ops: &[Op],
    left_behind: &[overtaken::Pair],
    unknown: &[u32],
) -> Result<Vec<(u32, u32)>, overtaken::Pair> {
    let mut behind: Vec<&overtaken::Pair> = left_behind.iter().collect();
    behind.sort_by_key(|pair| pair.deadline);
    let mut assigned = Vec::with_capacity(behind.len());
    // `unknown` is ordered by invocation: the k-th most urgent value needs k dequeues invoked in time.
    for (pair, dequeue) in behind.iter().zip(unknown) {
        if ops[*dequeue as usize].invoked > pair.deadline {
            return Err(**pair);
        }
        assigned.push((pair.overtaken, *dequeue));
    }
    match behind.get(assigned.len()) {
        Some(pair) => Err(**pair),
        None => Ok(assigned),
    }
}

/// When the value surely was inside: from the return of its enqueue to the invocation of its dequeue.
pub(super) fn stay(ops: &[Op], passage: Passage) -> Option<(Moment, Moment)> {
    let from = ops.get(passage.enqueued as usize)?.returned;
    let to = ops.get(passage.dequeued as usize).map_or(Moment::NEVER, |op| op.invoked);
    (from < to).then_some((from, to))
}
