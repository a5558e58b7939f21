//! From operations to the tasks of the search: what must happen, what may, and until when that matters.
//!
//! An operation of unknown outcome that nobody can have observed is left out: take it out of an order and
//! everything else keeps its place. For registers more can be said. A write (or compare-and-set) of `v` matters only
//! to operations that see `v`; once the last of those has returned it is forgotten (*retired*), because any
//! continuation that still places it is as good without it: until the next write nobody looks. What a
//! compare-and-set of unknown outcome sees matters only as long as what it makes does.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use super::Model;
use super::context::{Context, ended};
use super::object::{Call, Moment, Op, Step};
use super::search::{Duty, Task};
use super::sequential::is_pure;

/// Passes over chains of unknown compare-and-sets before the bound is given up.
const PASSES: usize = 16;

/// The tasks, with the operation of each.
pub(super) fn of(ops: &[Op], context: &Context<'_>) -> (Vec<Task>, Vec<usize>) {
    let mut tasks = Vec::with_capacity(ops.len());
    let mut origins = Vec::with_capacity(ops.len());
    let crashed = ops.iter().any(Op::is_crashed);
    let useful_until = crashed.then(|| useful_until(ops, context));
    for (i, op) in ops.iter().enumerate() {
        let pure = is_pure(op.call, context);
        let (mut end, mut duty) = (op.returned, Duty::Must);
        if op.is_crashed() {
            duty = Duty::Forgettable;
            end = useful_until.as_ref().map_or(end, |until| until(op.call));
            if pure || end < op.invoked {
                continue;
            }
        }
        tasks.push(Task { call: op.call, invoked: op.invoked, end, duty, pure });
        origins.push(i);
    }
    (tasks, origins)
}

/// When an operation of unknown outcome is forgotten; [`Moment::NEVER`] if never.
fn useful_until<'a>(ops: &[Op], context: &'a Context<'_>) -> Box<dyn Fn(Call) -> Moment + 'a> {
    match context.model {
        Model::Register | Model::CasRegister => {
            let seen = last_seen(ops, context.value_count());
            Box::new(move |call| match call {
                Call::Write(value) | Call::Cas { to: value, .. } => seen[value.0 as usize],
                _ => Moment::NEVER,
            })
        }
        Model::MultiRegister => {
            let seen = observed_steps(ops, context);
            Box::new(move |call| {
                let Call::Txn(span) = call else { return Moment::NEVER };
                let observed = |step: &Step| matches!(step, Step::Write(..)) && seen.contains(step);
                if context.history.steps(span).iter().any(observed) { Moment::NEVER } else { Moment(0) }
            })
        }
        Model::Mutex | Model::Queue | Model::Bag | Model::Set | Model::AppendKv => {
            Box::new(|_| Moment::NEVER)
        }
    }
}

/// By value, when the last operation that sees it is over; moment 0 where none does.
fn last_seen(ops: &[Op], values: usize) -> Vec<Moment> {
    let mut seen = vec![Moment(0); values];
    let mut unknown = Vec::new();
    for op in ops {
        match op.call {
            Call::Cas { from, to } if op.is_crashed() => unknown.push((from.0 as usize, to.0 as usize)),
            Call::Read(value) | Call::Cas { from: value, .. } if ended(op) != u64::MAX => {
                let last = &mut seen[value.0 as usize];
                *last = (*last).max(op.returned);
            }
            _ => {}
        }
    }
    unknown.sort_unstable();
    unknown.dedup();
    for _ in 0..PASSES {
        let mut changed = false;
        for (from, to) in unknown.iter().copied() {
            changed |= seen[to] > seen[from];
            seen[from] = seen[from].max(seen[to]);
        }
        if !changed {
            return seen;
        }
    }
    for (from, _) in unknown {
        seen[from] = Moment::NEVER;
    }
    seen
}

/// What transactions read, as the writes that would make it.
fn observed_steps(ops: &[Op], context: &Context<'_>) -> super::hash::IdSet<Step> {
    let mut seen = super::hash::IdSet::default();
    for op in ops.iter().filter(|op| !op.is_crashed()) {
        let Call::Txn(span) = op.call else { continue };
        for step in context.history.steps(span) {
            if let Step::Read(key, value) = *step {
                seen.insert(Step::Write(key, value));
            }
        }
    }
    seen
}
