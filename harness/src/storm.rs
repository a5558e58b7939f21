//! The storm: which planned fault is due to strike, and which is due to be undone.
//!
//! A state machine over the plan's faults. It is told the time, what the cluster looks like and what happened
//! (a gate reached, a fault performed), and answers what is due; it performs nothing itself (`inject` does) and
//! never waits. So the whole behaviour of a schedule can be tested without a cluster. Everything that becomes of
//! a fault is kept in its ledger entry.

use std::collections::BTreeMap;
use std::time::Duration;

use history::ids::{FaultId, Nanos};
use nemesis::ledger::{Entry, State, Struck};
use nemesis::schedule::{Condition, Heal, Moment, Planned, Steps};
use nemesis::target::ClusterView;

/// One thing to be done now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// The fault's moment has come; it was due at this time.
    Strike(FaultId, Nanos),
    /// The fault is to be undone.
    Heal(FaultId),
}

/// One planned fault and what is known about its moment.
struct Slot {
    entry: Entry,
    /// When its condition, or its gate, was first seen.
    seen: Option<Nanos>,
    /// When its heal's condition was first seen after it struck.
    heal_seen: Option<Nanos>,
    /// Whether it has been handed out by `due` and waits to be performed.
    handed_out: bool,
    /// Whether it said by itself that it is over.
    finished: bool,
}

/// The faults of a run, and how far each has come.
pub struct Storm {
    slots: Vec<Slot>,
    began: Option<Nanos>,
    ending: bool,
}

impl Storm {
    /// A storm that has not begun.
    pub fn new(schedule: Vec<Planned>) -> Self {
        let slot = |planned| Slot {
            entry: Entry::waiting(planned),
            seen: None,
            heal_seen: None,
            handed_out: false,
            finished: false,
        };
        Self { slots: schedule.into_iter().map(slot).collect(), began: None, ending: false }
    }

    /// The storm phase begins: times and conditions count from now on.
    pub fn begin(&mut self, now: Nanos) {
        self.began = Some(now);
    }

    /// The storm phase ends: nothing strikes any more, everything that is on is to be undone.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// Faults that wait for a client between two steps, with those steps: gates to be armed when the storm begins.
    pub fn gates(&self) -> Vec<(FaultId, Planned, Steps)> {
        let step = |slot: &Slot| match &slot.entry.planned.at {
            Moment::Step(steps) => Some((slot.entry.id(), slot.entry.planned.clone(), steps.clone())),
            Moment::Time(_) | Moment::When { .. } => None,
        };
        self.slots.iter().filter_map(step).collect()
    }

    /// A client stands at the gate of this fault.
    pub fn gate_reached(&mut self, id: FaultId, now: Nanos) {
        if let Some(slot) = self.slot(id) {
            slot.seen.get_or_insert(now);
        }
    }

    /// What is due now, in the order of the plan. Each strike and each heal is handed out once; tell the outcome
    /// with [`Storm::struck`], [`Storm::failed`] or [`Storm::healed`].
    pub fn due(&mut self, now: Nanos, view: &ClusterView) -> Vec<Due> {
        let Some(began) = self.began else { return Vec::new() };
        let mut due = Vec::new();
        for index in 0..self.slots.len() {
            let next = match &self.slots[index].entry.state {
                State::Waiting if self.ending => None,
                State::Waiting => self
                    .strikes_at(index, began, now, view)
                    .filter(|at| *at <= now)
                    .map(|at| Due::Strike(self.slots[index].entry.id(), at)),
                State::Struck(struck) => {
                    let struck = struck.at;
                    let over = self.ending || self.heals(index, struck, now, view);
                    over.then(|| Due::Heal(self.slots[index].entry.id()))
                }
                State::Failed { .. } | State::Healed { .. } => None,
            };
            if let (Some(next), false) = (next, self.slots[index].handed_out) {
                self.slots[index].handed_out = true;
                due.push(next);
            }
        }
        due
    }

    /// The fault was performed.
    pub fn struck(&mut self, id: FaultId, struck: Struck) {
        self.set(id, State::Struck(struck));
    }

    /// The fault could not be performed.
    pub fn failed(&mut self, id: FaultId, at: Nanos, why: String) {
        self.set(id, State::Failed { at, why });
    }

    /// The fault was undone, and this is what it did.
    pub fn healed(&mut self, id: FaultId, at: Nanos, counters: BTreeMap<String, u64>) {
        let struck = match self.entry(id).map(|entry| &entry.state) {
            Some(State::Struck(struck)) => struck.clone(),
            Some(State::Waiting | State::Failed { .. } | State::Healed { .. }) | None => return,
        };
        self.set(id, State::Healed { struck, at, counters });
    }

    /// The fault says that it is over (all its responses are lost).
    pub fn finished(&mut self, id: FaultId) {
        if let Some(slot) = self.slot(id) {
            slot.finished = true;
        }
    }

    /// The ledger entry of a fault.
    pub fn entry(&self, id: FaultId) -> Option<&Entry> {
        self.slots.iter().map(|slot| &slot.entry).find(|entry| entry.id() == id)
    }

    /// The whole ledger, in the order of the plan.
    pub fn ledger(&self) -> impl Iterator<Item = &Entry> {
        self.slots.iter().map(|slot| &slot.entry)
    }

    /// Faults that are on.
    pub fn active(&self) -> Vec<FaultId> {
        let on = |entry: &&Entry| matches!(entry.state, State::Struck(_));
        self.ledger().filter(on).map(Entry::id).collect()
    }

    /// Whether every fault has struck and been undone, or never will.
    pub fn is_over(&self) -> bool {
        self.ledger().all(|entry| matches!(entry.state, State::Failed { .. } | State::Healed { .. }))
    }

    /// When the fault strikes, as far as is known now.
    fn strikes_at(&mut self, index: usize, began: Nanos, now: Nanos, view: &ClusterView) -> Option<Nanos> {
        let slot = &self.slots[index];
        match slot.entry.planned.at.clone() {
            Moment::Time(after) => Some(later(began, after)),
            Moment::Step(_) => slot.seen,
            Moment::When { condition, delay } => {
                let seen = slot.seen.or_else(|| self.holds(&condition, began, now, view));
                self.slots[index].seen = seen;
                seen.map(|seen| later(seen, delay))
            }
        }
    }

    fn heals(&mut self, index: usize, struck: Nanos, now: Nanos, view: &ClusterView) -> bool {
        let slot = &self.slots[index];
        match slot.entry.planned.heal.clone() {
            Heal::After(after) => later(struck, after) <= now,
            Heal::AtEnd => false,
            Heal::Itself => slot.finished,
            Heal::When { condition, delay } => {
                let seen = slot.heal_seen.or_else(|| self.holds(&condition, struck, now, view));
                self.slots[index].heal_seen = seen;
                seen.is_some_and(|seen| later(seen, delay) <= now)
            }
        }
    }

    /// When the condition came to hold, if it does. States of the cluster hold from the moment they are seen.
    fn holds(&self, condition: &Condition, since: Nanos, now: Nanos, view: &ClusterView) -> Option<Nanos> {
        let seen = |holds: bool| holds.then_some(now.max(since));
        match condition {
            Condition::IsrLeaderOnly(log) => seen(
                view.logs
                    .get(log)
                    .is_some_and(|log| log.isr.len() == 1 && log.leader == log.isr.first().copied()),
            ),
            Condition::IsrAtMost(log, most) => {
                let within = |isr: usize| u32::try_from(isr).is_ok_and(|isr| isr <= *most);
                seen(view.logs.get(log).is_some_and(|log| within(log.isr.len())))
            }
            Condition::IsrFull(log) => seen(
                view.logs
                    .get(log)
                    .is_some_and(|log| !log.isr.is_empty() && log.isr.len() == log.replicas.len()),
            ),
            Condition::IsrFullEverywhere => {
                let full = view.logs.values().all(|log| log.isr.len() == log.replicas.len());
                seen(!view.logs.is_empty() && full)
            }
            Condition::FaultStruck(name) => match self.named(name).map(|entry| &entry.state)? {
                State::Struck(struck) | State::Healed { struck, .. } => Some(struck.at),
                State::Waiting | State::Failed { .. } => None,
            },
            Condition::FaultHealed(name) => match self.named(name).map(|entry| &entry.state)? {
                State::Healed { at, .. } => Some(*at),
                State::Waiting | State::Failed { .. } | State::Struck(_) => None,
            },
        }
    }

    fn named(&self, name: &str) -> Option<&Entry> {
        self.ledger().find(|entry| entry.planned.name.as_deref() == Some(name))
    }

    fn slot(&mut self, id: FaultId) -> Option<&mut Slot> {
        self.slots.iter_mut().find(|slot| slot.entry.id() == id)
    }

    fn set(&mut self, id: FaultId, state: State) {
        if let Some(slot) = self.slot(id) {
            slot.entry.state = state;
            slot.handed_out = false;
        }
    }
}

fn later(from: Nanos, by: Duration) -> Nanos {
    Nanos(from.0.saturating_add(u64::try_from(by.as_nanos()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use history::ids::{NodeId, TopicPartition};
    use nemesis::fault::Fault;
    use nemesis::schedule::Choice;
    use nemesis::target::LogView;

    const SECOND: u64 = 1_000_000_000;

    fn planned(id: u32, at: &str, heal: &str) -> Planned {
        Planned {
            id: FaultId(id),
            name: Some(format!("f{id}")),
            fault: Fault::Kill { target: "leader of t/0".parse().unwrap() },
            at: at.parse().unwrap(),
            heal: heal.parse().unwrap(),
            choice: Choice(0),
        }
    }

    fn view(isr: &[i32]) -> ClusterView {
        let log = LogView {
            leader: Some(NodeId(1)),
            replicas: vec![NodeId(1), NodeId(2)],
            isr: isr.iter().copied().map(NodeId).collect(),
        };
        ClusterView { logs: BTreeMap::from([(TopicPartition::new("t", 0), log)]), ..Default::default() }
    }

    fn struck(storm: &mut Storm, id: u32, at: u64) {
        let struck = Struck { at: Nanos(at), lateness: Nanos(0), targets: vec!["broker 1".into()] };
        storm.struck(FaultId(id), struck);
    }

    #[test]
    fn a_timed_fault_strikes_once_and_heals_once() {
        let mut storm = Storm::new(vec![planned(0, "2s", "after 3s")]);
        assert!(storm.due(Nanos(9 * SECOND), &view(&[1])).is_empty(), "nothing before the storm begins");
        storm.begin(Nanos(10 * SECOND));
        assert!(storm.due(Nanos(11 * SECOND), &view(&[1])).is_empty());
        let due = storm.due(Nanos(12 * SECOND), &view(&[1]));
        assert_eq!(due, [Due::Strike(FaultId(0), Nanos(12 * SECOND))]);
        assert!(storm.due(Nanos(12 * SECOND), &view(&[1])).is_empty(), "handed out once");
        struck(&mut storm, 0, 12 * SECOND);
        assert!(storm.due(Nanos(14 * SECOND), &view(&[1])).is_empty());
        assert_eq!(storm.due(Nanos(15 * SECOND), &view(&[1])), [Due::Heal(FaultId(0))]);
        storm.healed(FaultId(0), Nanos(15 * SECOND), BTreeMap::new());
        assert!(storm.is_over());
    }

    #[test]
    fn a_condition_counts_only_from_the_storm_on_and_is_remembered() {
        let mut storm = Storm::new(vec![planned(0, "1s after isr of t/0 is leader only", "at end")]);
        storm.begin(Nanos(0));
        assert!(storm.due(Nanos(SECOND), &view(&[1, 2])).is_empty());
        assert!(storm.due(Nanos(2 * SECOND), &view(&[1])).is_empty());
        assert_eq!(
            storm.due(Nanos(3 * SECOND), &view(&[1, 2])),
            [Due::Strike(FaultId(0), Nanos(3 * SECOND))]
        );
    }

    #[test]
    fn one_fault_waits_for_another_and_the_end_heals_what_is_on() {
        let mut storm =
            Storm::new(vec![planned(0, "1s", "at end"), planned(1, "1s after fault f0", "at end")]);
        storm.begin(Nanos(0));
        storm.due(Nanos(SECOND), &view(&[1]));
        struck(&mut storm, 0, SECOND);
        assert!(storm.due(Nanos(SECOND), &view(&[1])).is_empty());
        storm.end();
        assert_eq!(storm.due(Nanos(2 * SECOND), &view(&[1])), [Due::Heal(FaultId(0))]);
        storm.healed(FaultId(0), Nanos(2 * SECOND), BTreeMap::new());
        assert!(!storm.is_over(), "the second fault never struck, and the ledger says so");
    }

    #[test]
    fn a_gate_is_a_moment() {
        let mut storm = Storm::new(vec![planned(0, "polled..committed of shop[0]", "at end")]);
        storm.begin(Nanos(0));
        assert_eq!(storm.gates().len(), 1);
        assert!(storm.due(Nanos(SECOND), &view(&[1])).is_empty());
        storm.gate_reached(FaultId(0), Nanos(SECOND));
        assert_eq!(storm.due(Nanos(SECOND), &view(&[1])), [Due::Strike(FaultId(0), Nanos(SECOND))]);
    }
}
