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

/// The tasks of a history.
pub(super) struct Tasks<'a> {
    ops: &'a [Op],
    context: &'a Context<'a>,
    useful: Useful,
}

/// Until when operations of unknown outcome matter.
enum Useful {
    /// For ever, or there are none.
    Always,
    /// Until the value that they make was seen for the last time.
    UntilSeen(Vec<Moment>),
    /// If one of these steps is among them.
    If(super::hash::IdSet<Step>),
}

impl<'a> Tasks<'a> {
    /// What the operations demand.
    pub(super) fn new(ops: &'a [Op], context: &'a Context<'a>) -> Self {
        let useful = match context.model {
            Model::Register | Model::CasRegister | Model::MultiRegister
                if !ops.iter().any(Op::is_crashed) =>
            {
                Useful::Always
            }
            Model::Register | Model::CasRegister => Useful::UntilSeen(last_seen(ops, context.value_count())),
            Model::MultiRegister => Useful::If(observed_steps(ops, context)),
            Model::Mutex | Model::Queue | Model::Bag | Model::Set | Model::AppendKv => Useful::Always,
        };
        Self { ops, context, useful }
    }

    /// The tasks by invocation, each with the index of its operation.
    pub(super) fn iter(&self) -> impl Iterator<Item = (usize, Task)> + Clone {
        self.ops.iter().enumerate().filter_map(|(i, op)| Some((i, self.task(op)?)))
    }

    fn task(&self, op: &Op) -> Option<Task> {
        let pure = is_pure(op.call, self.context);
        let (call, invoked) = (op.call, op.invoked);
        if !op.is_crashed() {
            return Some(Task { call, invoked, end: op.returned, duty: Duty::Must, pure });
        }
        let end = self.useful_until(call);
        (!pure && end >= invoked).then_some(Task { call, invoked, end, duty: Duty::Forgettable, pure })
    }

    /// When an operation of unknown outcome is forgotten; [`Moment::NEVER`] if never.
    fn useful_until(&self, call: Call) -> Moment {
        match (&self.useful, call) {
            (Useful::UntilSeen(seen), Call::Write(value) | Call::Cas { to: value, .. }) => {
                seen[value.0 as usize]
            }
            (Useful::If(seen), Call::Txn(span)) => {
                let observed = |step: &Step| matches!(step, Step::Write(..)) && seen.contains(step);
                let any = self.context.history.steps(span).iter().any(observed);
                if any { Moment::NEVER } else { Moment(0) }
            }
            _ => Moment::NEVER,
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
