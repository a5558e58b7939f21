//! One object: necessary conditions, the special case, the search, in this order.

use super::context::{Context, Decision, Violation};
use super::object::{Call, Moment, Op};
use super::search::{self, Budget, Found, Trail};
use super::sequential::{FREE, Interned, Register, Sequential, Shape};
use super::shrink;
use super::tasks::Tasks;
use super::verdict::{Reason, Witness};
use super::{Model, bag, blocks, chain, kv, mutex, queue, register, set};

/// Which operations of the whole history these are; `None` where they are all of them.
pub(super) type Numbers<'a> = Option<&'a [u32]>;

/// What was found out about one object.
#[derive(Clone, Debug)]
pub(super) enum Outcome {
    /// An order exists.
    Linearizable,
    /// None exists.
    Violated(Box<Witness>),
    /// The budget was spent.
    Undecided {
        /// Which part of it.
        reason: Reason,
        /// Returned operations placed before.
        placed: u64,
        /// Configurations alive then.
        configurations: u64,
    },
}

/// The polynomial part: cheap and final, or not in a class that it knows.
pub(super) fn special_case(ops: &[Op], context: &Context<'_>) -> Decision {
    match context.model {
        Model::Register | Model::CasRegister => {
            let necessary =
                || blocks::unwritten(ops, context).map_or(Decision::NotInClass, Decision::Violated);
            register::decide(ops, context).or_else(|| chain::decide(ops, context)).or_else(necessary)
        }
        Model::Mutex => mutex::decide(ops, context),
        Model::Queue => queue::decide(ops, context),
        Model::Bag => bag::decide(ops, context),
        Model::Set => set::decide(ops, context),
        Model::AppendKv => kv::decide(ops, context),
        Model::MultiRegister => Decision::NotInClass,
    }
}

/// Decides the operations on one object, which are numbered by `numbers` in the whole history. Returns the
/// transitions tried as well.
pub(super) fn decide(
    ops: &[Op],
    numbers: Numbers<'_>,
    context: &Context<'_>,
    budget: Budget,
) -> (Outcome, u64) {
    match special_case(ops, context) {
        Decision::Linearizable => return (Outcome::Linearizable, 0),
        Decision::Violated(violation) if context.model == Model::Mutex => {
            return broken_mutex(ops, numbers, context, &violation);
        }
        Decision::Violated(violation) => {
            // A finder's claim that its own witness does not bear out is not reported; the search decides.
            if let Some(witness) = shrink::confirm(ops, numbers, context, &violation) {
                return (Outcome::Violated(Box::new(witness)), 0);
            }
        }
        Decision::NotInClass => {}
    }
    search(ops, numbers, context, budget)
}

/// What a mutex did wrong is shown best by the few operations around it, which the search knows to find.
fn broken_mutex(
    ops: &[Op],
    numbers: Numbers<'_>,
    context: &Context<'_>,
    violation: &Violation,
) -> (Outcome, u64) {
    let (outcome, spent) = search(ops, numbers, context, MUTEX_WITNESS);
    let violated = |witness| Outcome::Violated(Box::new(witness));
    match outcome {
        Outcome::Violated(witness) => (violated(Witness { pattern: violation.pattern, ..*witness }), spent),
        Outcome::Linearizable => (outcome, spent),
        Outcome::Undecided { .. } => match shrink::confirm(ops, numbers, context, violation) {
            Some(witness) => (violated(witness), spent),
            None => (outcome, spent),
        },
    }
}

/// What finding the operations around a broken mutex may cost.
const MUTEX_WITNESS: Budget = Budget { steps: 20_000_000, memory: 256 << 20, dense: true };

/// The complete search.
pub(super) fn search(
    ops: &[Op],
    numbers: Numbers<'_>,
    context: &Context<'_>,
    budget: Budget,
) -> (Outcome, u64) {
    match shape(context.model) {
        None => {
            let start = if context.model == Model::Mutex { FREE } else { context.initial.0 };
            search_with(&mut Register, start, (ops, numbers), context, budget)
        }
        Some(shape) => {
            let mut model = Interned::new(shape, context);
            let start = model.start();
            search_with(&mut model, start, (ops, numbers), context, budget)
        }
    }
}

fn shape(model: Model) -> Option<Shape> {
    match model {
        Model::Register | Model::CasRegister | Model::Mutex => None,
        Model::MultiRegister => Some(Shape::Registers),
        Model::Queue => Some(Shape::Fifo),
        Model::Bag => Some(Shape::Bag),
        Model::Set => Some(Shape::Set),
        Model::AppendKv => Some(Shape::Text),
    }
}

fn search_with<M: Sequential>(
    model: &mut M,
    start: u32,
    (ops, numbers): (&[Op], Numbers<'_>),
    context: &Context<'_>,
    budget: Budget,
) -> (Outcome, u64) {
    let tasks = Tasks::new(ops, context);
    let mut spent = 0;
    match search::run(tasks.iter(), &[start], model, budget, (&mut spent, &mut Trail::default())) {
        Found::Order => (Outcome::Linearizable, spent),
        Found::Cut { reason, placed, configurations } => {
            (Outcome::Undecided { reason, placed, configurations }, spent)
        }
        Found::Stuck { task } => {
            let stuck = shrink::Stuck { task, tasks: &tasks, start };
            let witness = shrink::from_search(model, &stuck, (ops, numbers), context, &mut spent);
            (Outcome::Violated(Box::new(witness)), spent)
        }
    }
}

/// Leaves out what says nothing, and weakens what a dequeue of unknown outcome seems to know.
pub(super) fn normalise(op: &Op) -> Option<Op> {
    if op.returned != Moment::NEVER {
        return Some(*op);
    }
    match op.call {
        Call::Read(_) | Call::ReadSet(_) | Call::Get(_) | Call::DequeueEmpty => None,
        Call::Dequeue(_) => Some(Op { call: Call::DequeueUnknown, ..*op }),
        Call::Write(_)
        | Call::Cas { .. }
        | Call::Acquire
        | Call::Release
        | Call::Enqueue(_)
        | Call::DequeueUnknown
        | Call::Add(_)
        | Call::Put(_)
        | Call::Append(_)
        | Call::Txn(_) => Some(*op),
    }
}
