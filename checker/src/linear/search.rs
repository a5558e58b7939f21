//! The just-in-time search: complete for every object, exponential only in what is pending at one time.
//!
//! Events are processed in time order. A configuration is a state and what became of the pending operations; the
//! frontier holds every configuration that explains the history so far. Operations are placed only when one returns
//! that is not placed yet, and only until it is. There are two ways to hold a frontier, `dense` where few operations
//! are pending and states are few, `sparse` otherwise. What keeps it small in both, each with its reason:
//!
//! * **Pure operations at once.** An operation that is allowed now and changes no state can be moved to now in
//!   any continuation, and taking it out of its later place changes nothing there.
//! * **Hidden writes.** A blind write is allowed in every state and leaves nothing of it, so whatever blind writes are
//!   pending when one is placed may also have been placed just before it, and nobody could tell. So after a blind
//!   write that nobody saw, placing another leads nowhere new: the first would be hidden.
//! * **Retirement** (`tasks`): an optional write that nobody can observe any more is forgotten.
//!
//! Tasks are taken from an iterator and memory follows what is pending. The budget counts transitions and bytes, so
//! the answer does not depend on the machine.

mod dense;
mod mask;
mod seen;
mod sparse;

use dense::Dense;
use sparse::Sparse;

use super::object::{Call, Moment};
use super::sequential::Sequential;
use super::verdict::Reason;

use std::cmp::Reverse;

/// Whether an operation takes effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Duty {
    /// It does, before its end.
    Must,
    /// It may, until its end.
    May,
    /// It may at any time, but after its end nobody can see whether it did.
    Forgettable,
}

/// An operation as the search needs it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task {
    /// What.
    pub(super) call: Call,
    /// When it may first take effect.
    pub(super) invoked: Moment,
    /// When that is settled.
    pub(super) end: Moment,
    /// Whether it takes effect.
    pub(super) duty: Duty,
    /// Whether it never changes a state that allows it.
    pub(super) pure: bool,
}

/// What a search may spend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Transitions.
    pub(super) steps: u64,
    /// Bytes.
    pub(super) memory: u64,
    /// Whether sets of sets may be used.
    pub(super) dense: bool,
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An order exists.
    Order,
    /// No order; this task, the earliest such to end, cannot be placed in time.
    Stuck {
        /// Its number.
        task: usize,
    },
    /// The budget ended first.
    Cut {
        /// Which part of it.
        reason: Reason,
        /// Obligatory tasks that ended before.
        placed: u64,
        /// Configurations alive.
        configurations: u64,
    },
}

/// States that were possible at recent ends, for explanations.
#[derive(Debug, Default)]
pub(super) struct Trail {
    /// How many ends to remember.
    pub(super) keep: usize,
    /// (end, states possible after it), oldest first.
    pub(super) ends: std::collections::VecDeque<(Moment, Vec<u32>)>,
    /// States that the object can be in when the task that cannot be placed must be.
    pub(super) last: Vec<u32>,
}

/// Searches for an order of `tasks` (numbered, sorted by invocation) from any of `start`. Adds the transitions tried
/// to `spent`.
pub(super) fn run<M: Sequential>(
    tasks: impl Iterator<Item = (usize, Task)> + Clone,
    start: &[u32],
    model: &mut M,
    budget: Budget,
    (spent, trail): (&mut u64, &mut Trail),
) -> Found {
    // Nearly always few operations are pending. Where the slots do not suffice, the search begins again with more.
    let mut again = Walk { tasks, budget, spent, trail };
    let mut found = None;
    if M::FEW_STATES && budget.dense {
        found = again.walk(Dense::<M, 1>::new(model, start));
        found = found.or_else(|| again.walk(Dense::<M, 4>::new(model, start)));
        found = found.or_else(|| again.walk(Dense::<M, 16>::new(model, start)));
    }
    found
        .or_else(|| again.walk(Sparse::<M, 1>::new(model, start)))
        .or_else(|| again.walk(Sparse::<M, 2>::new(model, start)))
        .or_else(|| again.walk(Sparse::<M, 8>::new(model, start)))
        .or_else(|| again.walk(Sparse::<M, 32>::new(model, start)))
        .unwrap_or(Found::Cut { reason: Reason::Pending, placed: 0, configurations: 1 })
}

/// Every configuration that explains the history so far.
trait Frontier {
    /// Operations that may be pending at one time.
    const SLOTS: usize;

    /// An operation becomes pending.
    fn invoke(&mut self, slot: usize, task: Task);

    /// A pending operation ends: configurations that cannot have placed it as its duty demands are gone.
    fn end(&mut self, slot: usize, limit: &Limit) -> Result<(), Reason>;

    /// How many configurations there are.
    fn count(&self) -> u64;

    /// States that are possible, in any order.
    fn states(&self) -> Vec<u32>;

    /// States that were possible while the last end was under way, in any order.
    fn states_before(&self) -> Vec<u32>;

    /// Transitions tried.
    fn steps(&self) -> u64;
}

/// What is left of the budget.
struct Limit {
    steps: u64,
    memory: u64,
}

impl Limit {
    fn check(&self, steps: u64, bytes: u64) -> Result<(), Reason> {
        if steps > self.steps {
            return Err(Reason::Steps);
        }
        if bytes > self.memory {
            return Err(Reason::Memory);
        }
        Ok(())
    }
}

/// The end of a pending operation. Ordered so that the next to come is the greatest: by moment, and at one moment the
/// obligatory first, which may need what is optional until then.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    end: Reverse<(Moment, bool, usize)>,
    slot: usize,
}

/// The events of a history in their order, for one frontier after the other.
struct Walk<'a, T> {
    tasks: T,
    budget: Budget,
    spent: &'a mut u64,
    trail: &'a mut Trail,
}

impl<T: Iterator<Item = (usize, Task)> + Clone> Walk<'_, T> {
    /// None where more operations are pending at one time than the frontier has slots.
    fn walk<F: Frontier>(&mut self, mut frontier: F) -> Option<Found> {
        let limit = Limit { steps: self.budget.steps, memory: self.budget.memory };
        self.trail.ends.clear();
        let mut slots = Slots::new(F::SLOTS);
        // What will end, the next last.
        let mut due: Vec<Due> = Vec::new();
        let mut placed = 0;
        let mut tasks = self.tasks.clone().peekable();
        let found = loop {
            let now = tasks.peek().map_or(Moment::NEVER, |(_, task)| task.invoked);
            if let Some(Due { end: Reverse((end, optional, number)), slot }) =
                due.pop_if(|due| due.end.0.0 < now)
            {
                if let Err(reason) = frontier.end(slot, &limit) {
                    break Found::Cut { reason, placed, configurations: frontier.count().max(1) };
                }
                if frontier.count() == 0 {
                    self.trail.last = ascending(frontier.states_before());
                    break Found::Stuck { task: number };
                }
                slots.give_back(slot);
                placed += u64::from(!optional);
                self.note(end, &frontier);
                continue;
            }
            let Some((number, task)) = tasks.next() else { break Found::Order };
            let Some(slot) = slots.take() else {
                *self.spent += frontier.steps();
                return None;
            };
            frontier.invoke(slot, task);
            if task.end != Moment::NEVER {
                let new = Due { end: Reverse((task.end, task.duty != Duty::Must, number)), slot };
                let at = due.iter().rposition(|other| *other < new).map_or(0, |before| before + 1);
                due.insert(at, new);
            }
        };
        *self.spent += frontier.steps();
        Some(found)
    }

    fn note(&mut self, end: Moment, frontier: &impl Frontier) {
        let trail = &mut self.trail;
        if trail.keep == 0 {
            return;
        }
        if trail.ends.len() == trail.keep {
            trail.ends.pop_front();
        }
        trail.ends.push_back((end, ascending(frontier.states())));
    }
}

fn ascending(mut states: Vec<u32>) -> Vec<u32> {
    states.sort_unstable();
    states.dedup();
    states
}

/// Which slots are free; the lowest is taken first.
struct Slots {
    most: usize,
    used: usize,
    free: Vec<usize>,
}

impl Slots {
    fn new(most: usize) -> Self {
        Self { most, used: 0, free: Vec::new() }
    }

    fn take(&mut self) -> Option<usize> {
        if let Some(slot) = self.free.pop() {
            return Some(slot);
        }
        let slot = self.used;
        self.used += 1;
        (slot < self.most).then_some(slot)
    }

    fn give_back(&mut self, slot: usize) {
        let at = self.free.partition_point(|other| *other > slot);
        self.free.insert(at, slot);
    }
}
