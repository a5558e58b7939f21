//! What consistency models mean, by trying every order: the definitions, for a handful of transactions.
//!
//! Shares nothing with the checker but the history. A transaction of unknown outcome may have taken effect or not.

use std::collections::BTreeMap;

use checker::cycles::transactions::{Outcome, Part};
use checker::cycles::{Consistency, Transaction, Transactions};
use checker::linear::object::{Key, Val};

type State = BTreeMap<Key, Vec<Val>>;

/// Whether some order of the transactions explains what they read.
pub(crate) fn holds(history: &Transactions, model: Consistency) -> bool {
    let all = history.transactions();
    let unknown: Vec<usize> = with_outcome(all, Outcome::Unknown);
    (0..1u32 << unknown.len()).any(|chosen| {
        let mut included = with_outcome(all, Outcome::Committed);
        included
            .extend(unknown.iter().enumerate().filter(|(bit, _)| chosen >> bit & 1 == 1).map(|(_, i)| *i));
        let trial = Trial { history, model, included };
        match model {
            Consistency::SnapshotIsolation => trial.snapshots(&mut Vec::new()),
            Consistency::Serializable
            | Consistency::StrongSessionSerializable
            | Consistency::StrictSerializable => trial.serial(0, &State::new()),
            Consistency::ReadUncommitted | Consistency::ReadCommitted => {
                panic!("{} is defined by cycles alone", model.name())
            }
        }
    })
}

fn with_outcome(all: &[Transaction], outcome: Outcome) -> Vec<usize> {
    (0..all.len()).filter(|i| all[*i].outcome == outcome).collect()
}

struct Trial<'a> {
    history: &'a Transactions,
    model: Consistency,
    /// What took effect.
    included: Vec<usize>,
}

/// The beginning or the end of the n-th transaction included.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Begin(usize),
    Commit(usize),
}

impl Trial<'_> {
    fn transaction(&self, n: usize) -> &Transaction {
        &self.history.transactions()[self.included[n]]
    }

    fn parts(&self, n: usize) -> &[Part] {
        self.history.parts(self.transaction(n))
    }

    /// One after the other, in an order that the model allows.
    fn serial(&self, placed: u32, state: &State) -> bool {
        if placed.count_ones() as usize == self.included.len() {
            return true;
        }
        (0..self.included.len()).any(|n| {
            let blocked = |m: usize| {
                m != n && placed >> m & 1 == 0 && self.precedes(self.transaction(m), self.transaction(n))
            };
            if placed >> n & 1 == 1 || (0..self.included.len()).any(blocked) {
                return false;
            }
            let mut next = state.clone();
            self.execute(n, &mut next) && self.serial(placed | 1 << n, &next)
        })
    }

    fn precedes(&self, a: &Transaction, b: &Transaction) -> bool {
        let over = a.returned < b.invoked;
        match self.model {
            Consistency::StrictSerializable => over,
            Consistency::StrongSessionSerializable => over && a.process == b.process,
            Consistency::ReadUncommitted
            | Consistency::ReadCommitted
            | Consistency::SnapshotIsolation
            | Consistency::Serializable => false,
        }
    }

    /// Whether every read is answered from this state and the transaction's own writes.
    fn execute(&self, n: usize, state: &mut State) -> bool {
        self.parts(n).iter().all(|part| match *part {
            Part::Append(key, value) | Part::Write(key, value) => {
                state.entry(key).or_default().push(value);
                true
            }
            Part::ReadList(key, span) => {
                state.get(&key).map_or(&[][..], Vec::as_slice) == self.history.elements(span)
            }
            Part::Read(key, value) => {
                state.get(&key).and_then(|list| list.last()).copied().unwrap_or(Val::NIL) == value
            }
        })
    }

    fn keys_written(&self, n: usize) -> Vec<Key> {
        let written = |part: &Part| match *part {
            Part::Append(key, _) | Part::Write(key, _) => Some(key),
            Part::ReadList(..) | Part::Read(..) => None,
        };
        self.parts(n).iter().filter_map(written).collect()
    }

    /// Snapshots at the beginning, all writes at the commit, no two writers of a key at the same time.
    fn snapshots(&self, steps: &mut Vec<Step>) -> bool {
        let count = self.included.len();
        if steps.len() == 2 * count {
            return true;
        }
        (0..count).any(|n| {
            let step = match (steps.contains(&Step::Begin(n)), steps.contains(&Step::Commit(n))) {
                (_, true) => return false,
                (true, false) => Step::Commit(n),
                (false, false) => Step::Begin(n),
            };
            if step == Step::Begin(n) && !self.execute(n, &mut self.committed(steps)) {
                return false;
            }
            if step == Step::Commit(n) && self.is_beaten(n, steps) {
                return false;
            }
            steps.push(step);
            let found = self.snapshots(steps);
            steps.pop();
            found
        })
    }

    fn committed(&self, steps: &[Step]) -> State {
        let mut state = State::new();
        for step in steps {
            let Step::Commit(n) = *step else { continue };
            for part in self.parts(n) {
                if let Part::Append(key, value) | Part::Write(key, value) = *part {
                    state.entry(key).or_default().push(value);
                }
            }
        }
        state
    }

    /// Whether somebody who wrote one of its keys has committed since it began.
    fn is_beaten(&self, n: usize, steps: &[Step]) -> bool {
        let mine = self.keys_written(n);
        let since = steps.iter().skip_while(|step| **step != Step::Begin(n));
        since
            .filter_map(|step| if let Step::Commit(m) = step { Some(*m) } else { None })
            .any(|m| self.keys_written(m).iter().any(|key| mine.contains(key)))
    }
}
