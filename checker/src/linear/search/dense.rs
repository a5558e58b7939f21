//! A frontier as sets of sets, for few pending operations and few states.
//!
//! With `n` slots there are `2^n` sets of placed operations. A state has one bit for each: the configurations in
//! that state. Placing an operation moves all sets that lack it by a constant distance at once, so a handful of machine
//! instructions does what would be a search of its own for each configuration, and equal configurations need not
//! be recognised. Nothing is hidden here (see the parent): a set is the operations placed, hidden ones included.

mod bits;

use bits::Bits;

use super::{Duty, Frontier, Limit, Task};
use crate::linear::object::Call;
use crate::linear::sequential::Sequential;
use crate::linear::verdict::Reason;

/// Sets by state; no state twice.
type Sets<const N: usize> = Vec<(u32, Bits<N>)>;

/// A pending operation that changes the state.
#[derive(Clone, Copy)]
struct Mover {
    slot: usize,
    call: Call,
    duty: Duty,
}

/// The sets, of `N` words each.
pub(super) struct Dense<'a, M, const N: usize> {
    model: &'a mut M,
    /// Blind writes, which lead to one state from wherever they are placed.
    blind: Vec<Mover>,
    /// Other operations that change the state.
    dependent: Vec<Mover>,
    /// Operations that change nothing.
    pure: Vec<(usize, Call)>,
    frontier: Sets<N>,
    /// Everything met before the end that is under way.
    tried: Sets<N>,
    /// To be expanded now, and next.
    rounds: [Round<N>; 2],
    steps: u64,
}

/// Configurations to be expanded.
struct Round<const N: usize> {
    /// With any operation.
    any: Sets<N>,
    /// With dependent ones only: after a blind write that nobody saw another would only hide it.
    dependent: Sets<N>,
}

impl<const N: usize> Round<N> {
    fn new() -> Self {
        Self { any: Vec::new(), dependent: Vec::new() }
    }

    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.dependent.is_empty()
    }

    fn clear(&mut self) {
        self.any.clear();
        self.dependent.clear();
    }
}

#[inline]
fn add<const N: usize>(sets: &mut Sets<N>, state: u32, bits: Bits<N>) {
    if bits.is_empty() {
        return;
    }
    match sets.iter_mut().find(|(known, _)| *known == state) {
        Some((_, known)) => *known = known.or(&bits),
        None => sets.push((state, bits)),
    }
}

impl<'a, M: Sequential, const N: usize> Dense<'a, M, N> {
    /// A frontier of these states, with nothing pending.
    pub(super) fn new(model: &'a mut M, start: &[u32]) -> Self {
        let (blind, dependent, pure) = (Vec::new(), Vec::new(), Vec::new());
        let frontier = start.iter().map(|state| (*state, Bits::NOTHING)).collect();
        let rounds = [Round::new(), Round::new()];
        Self { model, blind, dependent, pure, frontier, tried: Vec::new(), rounds, steps: 0 }
    }

    /// Moves what must still place the operation, or may, to the first round; the rest has forgotten it.
    fn part(&mut self, slot: usize, duty: Duty) {
        let waiting = &mut self.rounds[0];
        waiting.clear();
        self.frontier.retain_mut(|(state, bits)| {
            let lacking = bits.lacking(slot);
            if duty != Duty::Forgettable && !lacking.is_empty() {
                waiting.any.push((*state, lacking));
            }
            let having = bits.having(slot).without(slot);
            *bits = if duty == Duty::Must { having } else { having.or(&lacking) };
            !bits.is_empty()
        });
    }

    /// Places operations until `goal` is among them, in every order that leads somewhere new.
    fn expand(&mut self, goal: usize, limit: &Limit) -> Result<(), Reason> {
        let [mut round, mut next] = std::mem::replace(&mut self.rounds, [Round::new(), Round::new()]);
        self.tried.clear();
        self.tried.extend_from_slice(&round.any);
        let mut outcome = Ok(());
        while !round.is_empty() && outcome.is_ok() {
            next.clear();
            self.place_blind(&round.any, goal, &mut next);
            for (state, bits) in round.any.iter().chain(&round.dependent) {
                self.place_dependent(*state, bits, (goal, &mut next));
            }
            let held = (self.tried.len() + self.frontier.len()) * size_of::<(u32, Bits<N>)>();
            outcome = limit.check(self.steps, held as u64 + self.model.bytes());
            std::mem::swap(&mut round, &mut next);
        }
        self.rounds = [round, next];
        outcome
    }

    fn place_blind(&mut self, from: &Sets<N>, goal: usize, next: &mut Round<N>) {
        let Some((some, _)) = from.first() else { return };
        let mut hidden = from.iter().fold(Bits::EMPTY, |all, (_, bits)| all.or(bits));
        for mover in self.blind.iter().filter(|mover| mover.duty == Duty::Must) {
            hidden = hidden.or(&hidden.with(mover.slot));
        }
        for at in 0..self.blind.len() {
            let Mover { slot, call, .. } = self.blind[at];
            self.steps += 1;
            let placed = hidden.with(slot);
            let Some(state) = self.model.step(*some, call, 0) else { continue };
            let (seen, unseen) = self.place_pure(state, placed);
            self.take(state, seen, (goal, &mut next.any));
            self.take(state, unseen, (goal, &mut next.dependent));
        }
    }

    fn place_dependent(&mut self, from: u32, bits: &Bits<N>, (goal, next): (usize, &mut Round<N>)) {
        for at in 0..self.dependent.len() {
            let Mover { slot, call, duty } = self.dependent[at];
            let mut choice = 0;
            loop {
                self.steps += 1;
                let Some(state) = self.model.step(from, call, choice) else { break };
                if duty == Duty::Must || state != from {
                    let (seen, unseen) = self.place_pure(state, bits.with(slot));
                    self.take(state, seen.or(&unseen), (goal, &mut next.any));
                }
                if !M::BRANCHING {
                    break;
                }
                choice += 1;
            }
        }
    }

    /// Places what is allowed now and changes nothing. Sets to which that added something, and the others.
    #[inline]
    fn place_pure(&mut self, state: u32, bits: Bits<N>) -> (Bits<N>, Bits<N>) {
        let (mut more, mut same) = (Bits::EMPTY, bits);
        for (slot, call) in &self.pure {
            if self.model.step(state, *call, 0).is_some() {
                more = more.having(*slot).or(&more.with(*slot)).or(&same.with(*slot));
                same = same.having(*slot);
            }
        }
        (more, same)
    }

    /// Takes configurations on the way to the goal.
    #[inline]
    fn take(&mut self, state: u32, bits: Bits<N>, way: (usize, &mut Sets<N>)) {
        if !bits.is_empty() {
            self.take_some(state, bits, way);
        }
    }

    fn take_some(&mut self, state: u32, bits: Bits<N>, (goal, next): (usize, &mut Sets<N>)) {
        add(&mut self.frontier, state, bits.having(goal).without(goal));
        let rest = bits.lacking(goal);
        if rest.is_empty() {
            return;
        }
        let new = match self.tried.iter_mut().find(|(known, _)| *known == state) {
            Some((_, known)) => {
                let new = rest.minus(known);
                *known = known.or(&rest);
                new
            }
            None => {
                self.tried.push((state, rest));
                rest
            }
        };
        add(next, state, new);
    }
}

impl<M: Sequential, const N: usize> Frontier for Dense<'_, M, N> {
    const SLOTS: usize = Bits::<N>::SLOTS;

    fn invoke(&mut self, slot: usize, task: Task) {
        let Task { call, duty, .. } = task;
        if !task.pure {
            let list = if M::is_blind(call) { &mut self.blind } else { &mut self.dependent };
            list.push(Mover { slot, call, duty });
            return;
        }
        for (state, bits) in &mut self.frontier {
            if self.model.step(*state, call, 0).is_some() {
                *bits = bits.with(slot);
            }
        }
        self.pure.push((slot, call));
    }

    fn end(&mut self, slot: usize, limit: &Limit) -> Result<(), Reason> {
        let movers = || self.blind.iter().chain(&self.dependent);
        let duty = movers().find(|mover| mover.slot == slot).map_or(Duty::Must, |mover| mover.duty);
        self.part(slot, duty);
        if !self.rounds[0].any.is_empty() {
            self.expand(slot, limit)?;
        }
        self.blind.retain(|mover| mover.slot != slot);
        self.dependent.retain(|mover| mover.slot != slot);
        self.pure.retain(|(other, _)| *other != slot);
        Ok(())
    }

    fn count(&self) -> u64 {
        self.frontier.iter().map(|(_, bits)| bits.count()).sum()
    }

    fn states(&self) -> Vec<u32> {
        self.frontier.iter().map(|(state, _)| *state).collect()
    }

    fn states_before(&self) -> Vec<u32> {
        self.tried.iter().map(|(state, _)| *state).collect()
    }

    fn steps(&self) -> u64 {
        self.steps
    }
}
