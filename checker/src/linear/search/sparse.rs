//! A frontier as a list of configurations, for many pending operations or many states.
//!
//! A configuration stands for an interval of sets: `used` has been placed where it shows, and of what is in `done` but
//! not in `used` (hidden writes) any part may have been placed, or none. What keeps the list small:
//!
//! * **Dominance** (`seen`): one interval within another, fewer optional operations used, more pure ones done.
//! * **Twins.** Of equal pending operations the one that ends first goes first: in any continuation that does it
//!   the other way round the two can change places. An optional one waits for an obligatory twin only where it
//!   ends no earlier, because only then can it stand in the other's later place.

use super::mask::Mask;
use super::seen::{Config, Seen, dominates};
use super::{Duty, Frontier, Limit, Task};
use crate::linear::object::{Call, Moment};
use crate::linear::sequential::Sequential;
use crate::linear::verdict::Reason;

/// A pending operation.
#[derive(Clone, Copy)]
struct Slot<const W: usize> {
    call: Call,
    end: Moment,
    duty: Duty,
    /// Equal operations that go first.
    before: Mask<W>,
}

/// A configuration to be expanded.
#[derive(Clone, Copy)]
struct Waiting<const W: usize> {
    config: Config<W>,
    /// Whether only operations that are not allowed everywhere need be placed next.
    only_dependent: bool,
}

/// The list, with masks of `W` words.
pub(super) struct Sparse<'a, M, const W: usize> {
    model: &'a mut M,
    slots: Vec<Slot<W>>,
    /// Pending operations that change the state.
    movers: Mask<W>,
    /// Those of them that need not be placed.
    optional: Mask<W>,
    /// Those of them that can be hidden: obligatory blind writes.
    blind: Mask<W>,
    /// Pending operations that change nothing.
    pure: Mask<W>,
    frontier: Vec<Config<W>>,
    reached: Seen<W>,
    tried: Seen<W>,
    /// Configurations to be expanded, by how many operations they have used.
    levels: Vec<Vec<Waiting<W>>>,
    steps: u64,
}

impl<'a, M: Sequential, const W: usize> Sparse<'a, M, W> {
    /// A frontier of these states, with nothing pending.
    pub(super) fn new(model: &'a mut M, start: &[u32]) -> Self {
        let config = |state: &u32| Config { state: *state, used: Mask::EMPTY, done: Mask::EMPTY };
        Self {
            model,
            slots: Vec::new(),
            movers: Mask::EMPTY,
            optional: Mask::EMPTY,
            blind: Mask::EMPTY,
            pure: Mask::EMPTY,
            frontier: start.iter().map(config).collect(),
            reached: Seen::new(),
            tried: Seen::new(),
            levels: vec![Vec::new()],
            steps: 0,
        }
    }

    fn end_in_frontier(&mut self, slot: usize, limit: &Limit) -> Result<(), Reason> {
        let duty = self.slots[slot].duty;
        let mut waits = false;
        let mut at = 0;
        while at < self.frontier.len() {
            let config = &mut self.frontier[at];
            let before = *config;
            config.forget(slot);
            at += 1;
            if before.used.has(slot) || duty == Duty::Forgettable {
                continue;
            }
            waits = true;
            if duty == Duty::Must && !before.done.has(slot) {
                at -= 1;
                self.frontier.swap_remove(at);
            }
            // What may have been hidden may also still be to come.
            self.push(Waiting { config: before, only_dependent: false });
        }
        let mut outcome = Ok(());
        if waits {
            self.prune();
            let distinct = self.distinct();
            self.reached.clear();
            self.reached.fill(self.frontier.iter().copied(), &distinct);
            self.tried.clear();
            for level in &self.levels {
                self.tried.fill(level.iter().map(|waiting| waiting.config), &distinct);
            }
            outcome = self.expand(slot, limit);
            self.levels.iter_mut().for_each(Vec::clear);
        }
        self.prune();
        outcome
    }

    fn push(&mut self, waiting: Waiting<W>) {
        let level = waiting.config.used.count() as usize;
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.levels[level].push(waiting);
    }

    /// Operations that two configurations must agree on to be comparable: neither optional, nor hidden, nor pure.
    fn distinct(&self) -> Mask<W> {
        self.movers.without(&self.optional).without(&self.blind)
    }

    fn expand(&mut self, goal: usize, limit: &Limit) -> Result<(), Reason> {
        let distinct = self.distinct();
        let mut level = 0;
        while level < self.levels.len() {
            let Some(Waiting { config, only_dependent }) = self.levels[level].pop() else {
                level += 1;
                continue;
            };
            if self.tried.is_outdone(&config, &distinct) {
                continue;
            }
            let candidates = if only_dependent { self.movers.without(&self.blind) } else { self.movers };
            for slot in candidates.without(&config.used).slots() {
                if self.slots[slot].before.is_within(&config.used) {
                    self.place(config, slot, (goal, &distinct));
                }
            }
            limit.check(self.steps, self.bytes())?;
        }
        Ok(())
    }

    /// Places `slot` next, in every way that the object allows.
    #[inline]
    fn place(&mut self, config: Config<W>, slot: usize, (goal, distinct): (usize, &Mask<W>)) {
        let Slot { call, duty, .. } = self.slots[slot];
        let blind = M::is_blind(call);
        let mut choice = 0;
        loop {
            self.steps += 1;
            let Some(state) = self.model.step(config.state, call, choice) else { return };
            if duty == Duty::Must || state != config.state {
                let mut next = Config { state, ..config };
                next.used.set(slot);
                let pure = state != config.state && self.place_pure(&mut next);
                if duty == Duty::Must {
                    next.done.set(slot);
                }
                if blind {
                    next.done = next.done.or(&self.blind);
                }
                self.take(next, blind && !pure, (goal, distinct));
            }
            if !M::BRANCHING {
                return;
            }
            choice += 1;
        }
    }

    /// Takes a configuration on the way to the goal. After a blind write that nobody saw another would only hide it.
    #[inline]
    fn take(&mut self, next: Config<W>, only_dependent: bool, (goal, distinct): (usize, &Mask<W>)) {
        if next.used.has(goal) || next.done.has(goal) {
            let mut arrived = next;
            arrived.forget(goal);
            if self.reached.insert(arrived, distinct) {
                self.frontier.push(arrived);
            }
            if next.used.has(goal) || self.pure.has(goal) {
                return;
            }
        }
        if only_dependent && !self.is_depended_on(&next) {
            return;
        }
        if self.tried.insert(next, distinct) {
            self.push(Waiting { config: next, only_dependent });
        }
    }

    /// Whether an operation that is not allowed everywhere is allowed now.
    #[inline]
    fn is_depended_on(&mut self, config: &Config<W>) -> bool {
        let candidates = self.movers.without(&self.blind).without(&config.used);
        candidates.slots().any(|slot| self.model.step(config.state, self.slots[slot].call, 0).is_some())
    }

    /// Places what is allowed now and changes nothing; whether there was anything.
    #[inline]
    fn place_pure(&mut self, config: &mut Config<W>) -> bool {
        let mut any = false;
        for slot in self.pure.without(&config.done).slots() {
            if self.model.step(config.state, self.slots[slot].call, 0).is_some() {
                config.done.set(slot);
                any = true;
            }
        }
        any
    }

    /// Drops configurations that another dominates.
    fn prune(&mut self) {
        if self.frontier.len() <= FEW {
            let mut at = 0;
            while at < self.frontier.len() {
                let config = self.frontier[at];
                let better = |(other, known): (usize, &Config<W>)| {
                    // Of two equal ones the first stays.
                    other != at && dominates(known, &config) && (*known != config || other < at)
                };
                if self.frontier.iter().enumerate().any(better) {
                    self.frontier.swap_remove(at);
                } else {
                    at += 1;
                }
            }
            return;
        }
        let mut frontier = std::mem::take(&mut self.frontier);
        // What dominates comes first.
        frontier.sort_unstable_by_key(|config| {
            (config.used.count(), std::cmp::Reverse(config.done.count()), *config)
        });
        let distinct = self.distinct();
        self.reached.clear();
        frontier.retain(|config| self.reached.insert(*config, &distinct));
        self.frontier = frontier;
    }

    fn bytes(&self) -> u64 {
        let waiting = self.tried.len() + self.frontier.len();
        let held = self.tried.bytes() + self.reached.bytes() + self.model.bytes();
        held + (waiting * size_of::<Config<W>>()) as u64
    }
}

impl<M: Sequential, const W: usize> Frontier for Sparse<'_, M, W> {
    const SLOTS: usize = 64 * W;

    fn invoke(&mut self, slot: usize, task: Task) {
        let mut entry = Slot { call: task.call, end: task.end, duty: task.duty, before: Mask::EMPTY };
        if task.pure {
            self.pure.set(slot);
            for config in &mut self.frontier {
                if self.model.step(config.state, task.call, 0).is_some() {
                    config.done.set(slot);
                }
            }
        } else {
            for other in self.movers.slots() {
                let twin = &mut self.slots[other];
                if twin.call != task.call {
                    continue;
                }
                if goes_first((twin.duty, twin.end), (task.duty, task.end)) {
                    entry.before.set(other);
                } else if goes_first((task.duty, task.end), (twin.duty, twin.end)) {
                    twin.before.set(slot);
                }
            }
            self.movers.set(slot);
            if task.duty != Duty::Must {
                self.optional.set(slot);
            } else if M::is_blind(task.call) {
                self.blind.set(slot);
            }
        }
        if slot == self.slots.len() { self.slots.push(entry) } else { self.slots[slot] = entry }
    }

    fn end(&mut self, slot: usize, limit: &Limit) -> Result<(), Reason> {
        self.end_in_frontier(slot, limit)?;
        for mask in [&mut self.movers, &mut self.pure, &mut self.optional, &mut self.blind] {
            mask.clear(slot);
        }
        for other in self.movers.slots() {
            self.slots[other].before.clear(slot);
        }
        Ok(())
    }

    fn count(&self) -> u64 {
        self.frontier.len() as u64
    }

    fn states(&self) -> Vec<u32> {
        self.frontier.iter().map(|config| config.state).collect()
    }

    fn states_before(&self) -> Vec<u32> {
        self.tried.states()
    }

    fn steps(&self) -> u64 {
        self.steps
    }
}

/// As many configurations are compared pair by pair.
const FEW: usize = 12;

/// Whether of two equal pending operations the first must be placed before the second (see the module's reasons).
fn goes_first((duty, end): (Duty, Moment), (other, other_end): (Duty, Moment)) -> bool {
    (duty == Duty::Must || other != Duty::Must) && end <= other_end
}
