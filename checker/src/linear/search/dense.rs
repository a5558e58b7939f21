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
    /// By state; no state twice.
    places: Vec<Place<N>>,
    steps: u64,
}

/// The configurations in one state.
#[derive(Clone, Copy)]
struct Place<const N: usize> {
    state: u32,
    /// The frontier.
    here: Bits<N>,
    /// Everything met before the end that is under way.
    tried: Bits<N>,
    /// To be expanded now.
    now: Round<N>,
    /// To be expanded next.
    next: Round<N>,
}

/// Configurations to be expanded.
#[derive(Clone, Copy)]
struct Round<const N: usize> {
    /// With any operation.
    any: Bits<N>,
    /// With dependent ones only: after a blind write that nobody saw another would only hide it.
    dependent: Bits<N>,
}

impl<const N: usize> Round<N> {
    const EMPTY: Self = Self { any: Bits::EMPTY, dependent: Bits::EMPTY };
}

impl<const N: usize> Place<N> {
    fn new(state: u32, here: Bits<N>) -> Self {
        Self { state, here, tried: Bits::EMPTY, now: Round::EMPTY, next: Round::EMPTY }
    }

    /// Takes configurations on the way to the goal; those that are new, if not arrived.
    #[inline]
    fn take(&mut self, bits: &Bits<N>, goal: usize) -> Bits<N> {
        self.here = self.here.or(&bits.having(goal).without(goal));
        let new = bits.lacking(goal).minus(&self.tried);
        self.tried = self.tried.or(&new);
        new
    }
}

impl<'a, M: Sequential, const N: usize> Dense<'a, M, N> {
    /// A frontier of these states, with nothing pending.
    pub(super) fn new(model: &'a mut M, start: &[u32]) -> Self {
        let (blind, dependent, pure) = (Vec::new(), Vec::new(), Vec::new());
        let places = start.iter().map(|state| Place::new(*state, Bits::NOTHING)).collect();
        Self { model, blind, dependent, pure, places, steps: 0 }
    }

    /// The configurations in a state.
    #[inline]
    fn place(&mut self, state: u32) -> &mut Place<N> {
        let at = self.places.iter().position(|place| place.state == state).unwrap_or_else(|| {
            self.places.push(Place::new(state, Bits::EMPTY));
            self.places.len() - 1
        });
        &mut self.places[at]
    }

    /// Sets apart what must still place the operation, or may; the rest forgets it. Whether there is anything.
    fn part(&mut self, slot: usize, duty: Duty) -> bool {
        self.places.retain(|place| !place.here.is_empty());
        let mut waits = false;
        for place in &mut self.places {
            let (lacking, having) = (place.here.lacking(slot), place.here.having(slot).without(slot));
            place.now = Round::EMPTY;
            place.here = if duty == Duty::Must { having } else { having.or(&lacking) };
            place.tried = Bits::EMPTY;
            if duty != Duty::Forgettable {
                place.now.any = lacking;
                place.tried = lacking;
                waits |= !lacking.is_empty();
            }
        }
        waits
    }

    /// Places operations until `goal` is among them, in every order that leads somewhere new.
    fn expand(&mut self, goal: usize, limit: &Limit) -> Result<(), Reason> {
        let mut more = true;
        while more {
            self.place_blind(goal);
            for at in 0..self.places.len() {
                let Place { state, now: Round { any, dependent }, .. } = self.places[at];
                let from = any.or(&dependent);
                if !from.is_empty() {
                    self.place_dependent(state, &from, goal);
                }
            }
            more = false;
            for place in &mut self.places {
                place.now = std::mem::replace(&mut place.next, Round::EMPTY);
                more |= !place.now.any.or(&place.now.dependent).is_empty();
            }
            let held = self.places.len() * size_of::<Place<N>>();
            limit.check(self.steps, held as u64 + self.model.bytes())?;
        }
        Ok(())
    }

    fn place_blind(&mut self, goal: usize) {
        let mut hidden = Bits::EMPTY;
        for place in &self.places {
            hidden = hidden.or(&place.now.any);
        }
        if hidden.is_empty() || self.blind.is_empty() {
            return;
        }
        for mover in self.blind.iter().filter(|mover| mover.duty == Duty::Must) {
            hidden = hidden.or(&hidden.with(mover.slot));
        }
        for at in 0..self.blind.len() {
            let Mover { slot, call, .. } = self.blind[at];
            self.steps += 1;
            // It is allowed in any state and leads to the same.
            let Some(state) = self.model.step(self.places[0].state, call, 0) else { continue };
            let (seen, unseen) = self.place_pure(state, hidden.with(slot));
            let depended_on = self.is_depended_on(state);
            let place = self.place(state);
            let new = place.take(&seen, goal);
            place.next.any = place.next.any.or(&new);
            let new = place.take(&unseen, goal);
            if depended_on {
                place.next.dependent = place.next.dependent.or(&new);
            }
        }
    }

    fn place_dependent(&mut self, from: u32, bits: &Bits<N>, goal: usize) {
        for at in 0..self.dependent.len() {
            let Mover { slot, call, duty } = self.dependent[at];
            let mut choice = 0;
            loop {
                self.steps += 1;
                let Some(state) = self.model.step(from, call, choice) else { break };
                if duty == Duty::Must || state != from {
                    let (seen, unseen) = self.place_pure(state, bits.with(slot));
                    let place = self.place(state);
                    let new = place.take(&seen.or(&unseen), goal);
                    place.next.any = place.next.any.or(&new);
                }
                if !M::BRANCHING {
                    break;
                }
                choice += 1;
            }
        }
    }

    /// Whether an operation that is not allowed everywhere is allowed in this state.
    fn is_depended_on(&mut self, state: u32) -> bool {
        self.dependent.iter().any(|mover| self.model.step(state, mover.call, 0).is_some())
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
        for place in &mut self.places {
            if self.model.step(place.state, call, 0).is_some() {
                place.here = place.here.with(slot);
            }
        }
        self.pure.push((slot, call));
    }

    fn end(&mut self, slot: usize, limit: &Limit) -> Result<(), Reason> {
        let movers = || self.blind.iter().chain(&self.dependent);
        let duty = movers().find(|mover| mover.slot == slot).map_or(Duty::Must, |mover| mover.duty);
        if self.part(slot, duty) {
            self.expand(slot, limit)?;
        }
        self.blind.retain(|mover| mover.slot != slot);
        self.dependent.retain(|mover| mover.slot != slot);
        self.pure.retain(|(other, _)| *other != slot);
        Ok(())
    }

    fn count(&self) -> u64 {
        self.places.iter().map(|place| place.here.count()).sum()
    }

    fn states(&self) -> Vec<u32> {
        self.places.iter().filter(|place| !place.here.is_empty()).map(|place| place.state).collect()
    }

    fn states_before(&self) -> Vec<u32> {
        self.places.iter().filter(|place| !place.tried.is_empty()).map(|place| place.state).collect()
    }

    fn steps(&self) -> u64 {
        self.steps
    }
}
