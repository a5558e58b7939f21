//! Gates: places between two named steps where a client is stopped, so that it can be killed exactly there.
//!
//! A gate says "after `from`, before `to`, the nth time". The client stops right after `from`: everything that
//! was done up to there is done and journalled, nothing later has begun. It announces that and waits until it is
//! told to go on, or is killed. While nothing is armed a step costs one relaxed load and a branch that is
//! predicted; what happens in the armed case may be slow.
//!
//! The order of the steps belongs to the delivery mode, so a gate is checked against it: "commit-sent..effect-done"
//! exists only for a client that commits first.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use crate::protocol::Gate;
use crate::step::Step;

/// A gate that a client never passes in this order.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no gate {from}..{to}: this client's steps are {steps}, in this order")]
pub struct NoSuchGate {
    from: Step,
    to: Step,
    steps: String,
}

/// Whether a client with these steps, in this order, passes `from` and later `to`.
///
/// # Errors
/// When it does not, or never the nth time because `nth` is 0.
pub fn check(gate: &Gate, steps: &[Step]) -> Result<(), NoSuchGate> {
    let place = |step| steps.iter().position(|of| *of == step);
    match (place(gate.from), place(gate.to)) {
        (Some(from), Some(to)) if from < to && gate.nth > 0 => Ok(()),
        _ => {
            let steps = steps.iter().map(|step| step.name()).collect::<Vec<_>>().join(", ");
            Err(NoSuchGate { from: gate.from, to: gate.to, steps })
        }
    }
}

/// The gates of one client.
#[derive(Debug, Default)]
pub struct Gates {
    armed: AtomicBool,
    state: Mutex<State>,
    opened: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Armed gates, with how often each one's first step was passed since.
    gates: Vec<(Gate, u32)>,
    /// How many times `continue` came.
    continues: u64,
    /// The client is to leave: no gate holds it any more.
    disarmed: bool,
}

impl Gates {
    /// Arms a gate. Passages count from here.
    pub fn arm(&self, gate: Gate) {
        let mut state = self.state();
        if !state.disarmed {
            state.gates.push((gate, 0));
            self.armed.store(true, Ordering::Relaxed);
        }
    }

    /// Lets a client that waits at a gate go on.
    pub fn open(&self) {
        self.state().continues += 1;
        self.opened.notify_all();
    }

    /// Lets the client go on and removes every gate, for good.
    pub fn disarm(&self) {
        let mut state = self.state();
        state.disarmed = true;
        state.gates.clear();
        self.armed.store(false, Ordering::Relaxed);
        drop(state);
        self.opened.notify_all();
    }

    /// Whether any gate is armed: then records are handled one by one, so that each is a passage.
    pub fn armed(&self) -> bool {
        self.armed.load(Ordering::Relaxed)
    }

    /// The client has made `step` for `count` records. Stops it where a gate says so, after `announce` told.
    pub fn pass(&self, step: Step, count: u32, announce: impl Fn(Gate)) {
        if self.armed.load(Ordering::Relaxed) {
            self.pass_armed(step, count, announce);
        }
    }

    #[cold]
    fn pass_armed(&self, step: Step, count: u32, announce: impl Fn(Gate)) {
        let mut reached = Vec::new();
        let mut state = self.state();
        for (gate, passed) in &mut state.gates {
            if gate.from == step {
                *passed = passed.saturating_add(count);
                if *passed >= gate.nth {
                    reached.push(*gate);
                }
            }
        }
        state.gates.retain(|(gate, _)| !reached.contains(gate));
        if state.gates.is_empty() {
            self.armed.store(false, Ordering::Relaxed);
        }
        for gate in reached {
            let before = state.continues;
            // The lock is released first: the announcement may wait for a slow reader.
            drop(state);
            announce(gate);
            state = self.state();
            while state.continues == before && !state.disarmed {
                state = self.opened.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;
    use crate::mode::PRODUCER_STEPS;
    use crate::protocol::Commit;

    fn gate(from: Step, to: Step, nth: u32) -> Gate {
        Gate { id: nth, from, to, nth }
    }

    #[test]
    fn the_client_stops_at_the_nth_passage_and_goes_on_when_told() {
        let gates = Gates::default();
        gates.arm(gate(Step::Polled, Step::EffectDone, 3));
        let (announced, heard) = mpsc::channel();
        let (passed, passages) = mpsc::channel();
        std::thread::scope(|scope| {
            let gates = &gates;
            scope.spawn(move || {
                for passage in 1..=5u32 {
                    gates.pass(Step::EffectDone, 1, |_| panic!("no gate begins here"));
                    gates.pass(Step::Polled, 1, |gate| announced.send(gate.nth).unwrap());
                    passed.send(passage).unwrap();
                }
            });
            assert_eq!(heard.recv(), Ok(3));
            assert_eq!(passages.try_iter().collect::<Vec<_>>(), [1, 2]);
            gates.open();
            assert_eq!(passages.iter().collect::<Vec<_>>(), [3, 4, 5]);
        });
        assert!(!gates.armed());
    }

    #[test]
    fn a_passage_of_many_records_reaches_a_gate_in_their_middle() {
        let gates = Gates::default();
        gates.arm(gate(Step::Polled, Step::EffectDone, 10));
        let reached = std::cell::Cell::new(0);
        let pass = |count| {
            gates.pass(Step::Polled, count, |_| {
                reached.set(reached.get() + 1);
                gates.open();
            });
        };
        pass(9);
        assert_eq!(reached.get(), 0);
        pass(100);
        pass(100);
        assert_eq!(reached.get(), 1);
    }

    #[test]
    fn leaving_opens_every_gate_for_good() {
        let gates = Gates::default();
        gates.arm(gate(Step::Sending, Step::Sent, 1));
        gates.pass(Step::Sending, 1, |_| gates.disarm());
        gates.arm(gate(Step::Sending, Step::Sent, 1));
        gates.pass(Step::Sending, 1, |_| panic!("disarmed"));
    }

    #[test]
    fn a_gate_must_follow_the_order_of_the_mode() {
        let effect_then_commit = gate(Step::EffectDone, Step::CommitSent, 1);
        let commit_then_effect = gate(Step::CommitKnown, Step::EffectBegun, 1);
        assert_eq!(check(&effect_then_commit, Commit::AfterSync.steps()), Ok(()));
        assert_eq!(check(&commit_then_effect, Commit::Before.steps()), Ok(()));
        let refused = check(&commit_then_effect, Commit::AfterSync.steps()).unwrap_err().to_string();
        assert!(refused.starts_with("no gate commit-known..effect-begun"), "{refused}");
        assert!(refused.contains("effect-done, commit-sent"), "{refused}");
        assert!(check(&gate(Step::Polled, Step::Sent, 1), PRODUCER_STEPS).is_err());
        assert!(check(&gate(Step::Sending, Step::Sent, 0), PRODUCER_STEPS).is_err());
    }
}
