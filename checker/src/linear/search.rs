//! The just-in-time search: complete for every object, exponential only in what is pending at one time.
//!
//! Events are processed in time order. A configuration is a state and the set of pending operations already
//! placed; the frontier holds every configuration that explains the history so far. Operations are placed only
//! when one returns that is not placed yet, and only until it is. What keeps the frontier small, each with its
//! reason:
//!
//! * **Pure operations at once.** An operation that is allowed now and changes no state can be moved to now in
//!   any continuation, and taking it out of its later place changes nothing there.
//! * **Dominance** (`seen`): fewer optional operations used, and more pure ones done, is at least as good.
//! * **Twins.** Of equal pending operations the one that ends first goes first: in any continuation that does it
//!   the other way round the two can change places. An optional one waits for an obligatory twin only where it
//!   ends no earlier, because only then can it stand in the other's later place.
//! * **Retirement** (`retire`): an optional write that nobody can observe any more is forgotten.
//!
//! The budget counts transitions and bytes, so the answer does not depend on the machine.

mod mask;
mod seen;

use mask::Mask;
use seen::{Config, Roles, Seen, dominates};

use super::object::{Call, Moment};
use super::order::sort_nearly_sorted;
use super::sequential::Sequential;
use super::verdict::Reason;

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
}

/// What a search found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An order exists.
    Order,
    /// No order; this task, the earliest such to end, cannot be placed in time.
    Stuck {
        /// Index of the task.
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

/// Searches for an order of `tasks` (sorted by invocation) from any of `start`. Adds the transitions tried to `spent`.
pub(super) fn run<M: Sequential>(
    tasks: &[Task],
    start: &[u32],
    model: &mut M,
    budget: Budget,
    (spent, trail): (&mut u64, &mut Trail),
) -> Found {
    let ends = ends_of(tasks);
    match most_pending(tasks, &ends) {
        0..=64 => Search::<M, 1>::new(tasks, model, budget).run(&ends, start, (spent, trail)),
        65..=128 => Search::<M, 2>::new(tasks, model, budget).run(&ends, start, (spent, trail)),
        129..=512 => Search::<M, 8>::new(tasks, model, budget).run(&ends, start, (spent, trail)),
        513..=2048 => Search::<M, 32>::new(tasks, model, budget).run(&ends, start, (spent, trail)),
        _ => Found::Cut { reason: Reason::Pending, placed: 0, configurations: 1 },
    }
}

/// Tasks that end, by end; at one moment the obligatory first, which may need what is optional until then.
fn ends_of(tasks: &[Task]) -> Vec<(Moment, u32)> {
    let mut ends: Vec<(Moment, u32)> = (0u32..)
        .zip(tasks)
        .filter(|(_, task)| task.end != Moment::NEVER)
        .map(|(index, task)| (task.end, index))
        .collect();
    sort_nearly_sorted(&mut ends, |(end, task)| (*end, tasks[*task as usize].duty != Duty::Must, *task));
    ends
}

fn most_pending(tasks: &[Task], ends: &[(Moment, u32)]) -> usize {
    let (mut ended, mut most) = (0, 0);
    for (begun, task) in tasks.iter().enumerate() {
        while ends.get(ended).is_some_and(|end| end.0 < task.invoked) {
            ended += 1;
        }
        most = most.max(begun + 1 - ended);
    }
    most
}

/// A pending operation.
#[derive(Clone, Copy)]
struct Slot<const W: usize> {
    call: Call,
    end: Moment,
    duty: Duty,
    /// Equal operations that go first.
    before: Mask<W>,
}

struct Search<'a, M, const W: usize> {
    tasks: &'a [Task],
    model: &'a mut M,
    budget: Budget,
    slots: Vec<Slot<W>>,
    free: Vec<usize>,
    /// Pending operations that change the state.
    movers: Mask<W>,
    roles: Roles<W>,
    frontier: Vec<Config<W>>,
    reached: Seen<W>,
    tried: Seen<W>,
    levels: Vec<Vec<Config<W>>>,
    steps: u64,
}

impl<'a, M: Sequential, const W: usize> Search<'a, M, W> {
    fn new(tasks: &'a [Task], model: &'a mut M, budget: Budget) -> Self {
        Self {
            tasks,
            model,
            budget,
            slots: Vec::new(),
            free: Vec::new(),
            movers: Mask::EMPTY,
            roles: Roles { optional: Mask::EMPTY, pure: Mask::EMPTY },
            frontier: Vec::new(),
            reached: Seen::new(),
            tried: Seen::new(),
            levels: vec![Vec::new()],
            steps: 0,
        }
    }

    fn run(mut self, ends: &[(Moment, u32)], start: &[u32], (spent, trail): (&mut u64, &mut Trail)) -> Found {
        self.frontier.extend(start.iter().map(|state| Config { state: *state, placed: Mask::EMPTY }));
        let mut slot_of = vec![0u32; self.tasks.len()];
        let (mut next, mut placed) = (0, 0);
        for (end, task) in ends {
            while self.tasks.get(next).is_some_and(|task| task.invoked <= *end) {
                slot_of[next] = u32::try_from(self.invoke(self.tasks[next])).expect("few slots");
                next += 1;
            }
            let slot = slot_of[*task as usize] as usize;
            if let Err(reason) = self.end(slot) {
                *spent += self.steps;
                let configurations = self.frontier.len().max(1) as u64;
                return Found::Cut { reason, placed, configurations };
            }
            if self.frontier.is_empty() {
                *spent += self.steps;
                trail.last = self.tried.states();
                return Found::Stuck { task: *task as usize };
            }
            placed += u64::from(self.slots[slot].duty == Duty::Must);
            self.release(slot);
            self.note(*end, trail);
        }
        *spent += self.steps;
        Found::Order
    }

    fn note(&self, end: Moment, trail: &mut Trail) {
        if trail.keep == 0 {
            return;
        }
        if trail.ends.len() == trail.keep {
            trail.ends.pop_front();
        }
        let mut states: Vec<u32> = self.frontier.iter().map(|config| config.state).collect();
        states.sort_unstable();
        states.dedup();
        trail.ends.push_back((end, states));
    }

    fn invoke(&mut self, task: Task) -> usize {
        let slot = self.free.pop().unwrap_or(self.slots.len());
        let mut entry = Slot { call: task.call, end: task.end, duty: task.duty, before: Mask::EMPTY };
        if task.pure {
            self.roles.pure.set(slot);
            for config in &mut self.frontier {
                if self.model.step(config.state, task.call, 0).is_some() {
                    config.placed.set(slot);
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
        }
        if task.duty != Duty::Must {
            self.roles.optional.set(slot);
        }
        if slot == self.slots.len() {
            self.slots.push(entry)
        } else {
            self.slots[slot] = entry
        }
        slot
    }

    fn release(&mut self, slot: usize) {
        self.movers.clear(slot);
        self.roles.pure.clear(slot);
        self.roles.optional.clear(slot);
        for other in self.movers.slots() {
            self.slots[other].before.clear(slot);
        }
        self.free.push(slot);
    }

    /// An operation's end: keep what has placed it; place it elsewhere as its duty demands.
    fn end(&mut self, slot: usize) -> Result<(), Reason> {
        let duty = self.slots[slot].duty;
        let mut waiting = false;
        for config in &mut self.frontier {
            if config.placed.has(slot) {
                config.placed.clear(slot);
                continue;
            }
            waiting = true;
            match duty {
                Duty::Must => {
                    self.levels[0].push(*config);
                    config.state = GONE;
                }
                Duty::May => self.levels[0].push(*config),
                Duty::Forgettable => {}
            }
        }
        if duty != Duty::Must {
            self.roles.optional.clear(slot);
        } else if !waiting {
            return Ok(());
        }
        let mut outcome = Ok(());
        if duty != Duty::Forgettable && waiting {
            self.frontier.retain(|config| config.state != GONE);
            self.reached.clear();
            self.tried.clear();
            // What had placed it and differed before still differs.
            self.reached.fill(&self.frontier, &self.roles);
            self.sort_waiting();
            outcome = self.expand(slot);
            self.levels.iter_mut().for_each(Vec::clear);
        }
        self.prune();
        outcome
    }

    /// Puts the configurations that wait into levels by the number of optional operations used.
    fn sort_waiting(&mut self) {
        let mut waiting = std::mem::take(&mut self.levels[0]);
        if self.roles.optional.is_empty() {
            waiting.retain(|config| self.tried.insert(*config, &self.roles));
            self.levels[0] = waiting;
            return;
        }
        waiting.sort_unstable_by_key(|config| self.rank(config));
        for config in waiting {
            if self.tried.insert(config, &self.roles) {
                self.push(config);
            }
        }
    }

    fn push(&mut self, config: Config<W>) {
        let level = config.placed.and(&self.roles.optional).count() as usize;
        if self.levels.len() <= level {
            self.levels.resize_with(level + 1, Vec::new);
        }
        self.levels[level].push(config);
    }

    fn expand(&mut self, goal: usize) -> Result<(), Reason> {
        let mut level = 0;
        while level < self.levels.len() {
            let Some(config) = self.levels[level].pop() else {
                level += 1;
                continue;
            };
            if self.tried.is_outdone(&config, &self.roles) {
                continue;
            }
            for slot in self.movers.without(&config.placed).slots() {
                if self.slots[slot].before.is_within(&config.placed) {
                    self.place(config, slot, goal);
                }
            }
            self.check_budget()?;
        }
        Ok(())
    }

    /// Places `slot` next, in every way that the object allows.
    #[inline]
    fn place(&mut self, config: Config<W>, slot: usize, goal: usize) {
        let Slot { call, duty, .. } = self.slots[slot];
        let mut choice = 0;
        loop {
            self.steps += 1;
            let Some(state) = self.model.step(config.state, call, choice) else { return };
            if duty == Duty::Must || state != config.state {
                let mut next = Config { state, placed: config.placed };
                next.placed.set(slot);
                if state != config.state {
                    self.place_pure(&mut next);
                }
                if next.placed.has(goal) {
                    next.placed.clear(goal);
                    if self.reached.insert(next, &self.roles) {
                        self.frontier.push(next);
                    }
                } else if self.tried.insert(next, &self.roles) {
                    if self.roles.optional.is_empty() { self.levels[0].push(next) } else { self.push(next) }
                }
            }
            if !M::BRANCHING {
                return;
            }
            choice += 1;
        }
    }

    #[inline]
    fn place_pure(&mut self, config: &mut Config<W>) {
        for slot in self.roles.pure.without(&config.placed).slots() {
            if self.model.step(config.state, self.slots[slot].call, 0).is_some() {
                config.placed.set(slot);
            }
        }
    }

    /// Drops configurations that another dominates.
    fn prune(&mut self) {
        let roles = self.roles;
        if self.frontier.len() <= FEW {
            let mut at = 0;
            while at < self.frontier.len() {
                let config = self.frontier[at];
                let better = |(other, known): (usize, &Config<W>)| {
                    // Of two equal ones the first stays.
                    other != at && dominates(known, &config, &roles) && (*known != config || other < at)
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
        frontier.sort_unstable_by_key(|config| self.rank(config));
        self.reached.clear();
        frontier.retain(|config| self.reached.insert(*config, &roles));
        self.frontier = frontier;
    }

    /// What dominates comes first.
    fn rank(&self, config: &Config<W>) -> (u32, std::cmp::Reverse<u32>, Config<W>) {
        let count = |mask: &Mask<W>| config.placed.and(mask).count();
        (count(&self.roles.optional), std::cmp::Reverse(count(&self.roles.pure)), *config)
    }

    fn check_budget(&self) -> Result<(), Reason> {
        if self.steps > self.budget.steps {
            return Err(Reason::Steps);
        }
        let waiting = self.tried.len() + self.frontier.len();
        let held = self.tried.bytes() + self.reached.bytes() + self.model.bytes();
        if held + (waiting * size_of::<Config<W>>()) as u64 > self.budget.memory {
            return Err(Reason::Memory);
        }
        Ok(())
    }
}

/// As many configurations are compared pair by pair.
const FEW: usize = 12;

/// Marks a configuration of the frontier as moved away; no state has this number.
const GONE: u32 = u32::MAX;

/// Whether of two equal pending operations the first must be placed before the second (see the module's reasons).
fn goes_first((duty, end): (Duty, Moment), (other, other_end): (Duty, Moment)) -> bool {
    (duty == Duty::Must || other != Duty::Must) && end <= other_end
}
