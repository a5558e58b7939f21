//! Operations on generic objects, model by model (the table is in `docs`: register, mutex, queue…).
//!
//! A read that is answered with nil saw the initial value. A value may be a tuple `[key v]`, or the operation may
//! carry a `:key`. Only what an unknown operation asked for is kept of it: a read says nothing then, a dequeue may
//! have taken anything, a drain any number of values.

use std::io::Read;

use history::edn::operation::Operation;
use history::edn::{EdnError, View};

use super::names::Names;
use super::pairing::{self, End, Meaning, Notes, Pair};
use crate::linear::object::{Call, Datum, Key, Op, Step, Val};
use crate::linear::{History, Model, Recorder};

/// Reads a history of objects of one kind. The initial value is what a read of nil saw.
///
/// # Errors
/// The first record that is malformed, or makes no sense for the model.
pub fn read(source: impl Read, model: Model, initial: &Datum) -> Result<(History, Notes), EdnError> {
    let mut objects = Objects::new(model, initial);
    let notes = pairing::read(source, &mut objects)?;
    Ok((objects.finish(), notes))
}

struct Objects {
    model: Model,
    recorder: Recorder,
    values: Names<Val>,
    keys: Names<Key>,
    initial: Val,
    /// Drains of unknown outcome, and how many values they can have taken at most.
    drains: Vec<Op>,
    inside: usize,
}

/// An invocation: what an unknown outcome leaves of it.
struct Asked {
    key: Key,
    call: Wanted,
}

enum Wanted {
    /// It changes the object in this way.
    Change(Call),
    /// It asks; unanswered, it says nothing.
    Question,
    /// It takes values out until none is left.
    Drain,
}

impl Objects {
    fn new(model: Model, initial: &Datum) -> Self {
        let mut recorder = Recorder::new();
        let mut values = Names::default();
        let datum = initial;
        let initial = match datum {
            Datum::Nil => Val::NIL,
            Datum::Int(_) | Datum::Text(_) => recorder.value(datum.clone()),
        };
        values.preset(datum, initial);
        Self { model, recorder, values, keys: Names::default(), initial, drains: Vec::new(), inside: 0 }
    }

    fn value(&mut self, value: View<'_>) -> Val {
        let nil = if self.model == Model::AppendKv { Val::NIL } else { self.initial };
        let recorder = &mut self.recorder;
        if self.model == Model::AppendKv {
            return self.values.content(value, nil, |datum| recorder.value(datum));
        }
        self.values.id(value, nil, |datum| recorder.value(datum))
    }

    fn key(&mut self, key: View<'_>) -> Key {
        let recorder = &mut self.recorder;
        self.keys.id(key, Key::default(), |datum| recorder.key(datum))
    }

    /// Splits `[key v]`, where the operation is one on an independent key.
    fn split<'a>(&mut self, operation: &Operation<'a>) -> (Key, Option<View<'a>>) {
        if let Some(key) = operation.key {
            return (self.key(key), operation.value);
        }
        let Some(value) = operation.value.filter(|_| self.model != Model::MultiRegister) else {
            return (Key::default(), operation.value);
        };
        let mut items = value.items();
        let (Some(key), Some(inner), None) = (items.next(), items.next(), items.next()) else {
            return (Key::default(), Some(value));
        };
        let keyed = value.is_sequence()
            && match operation.f {
                // `[a b]` and `[v …]` are values themselves; their keyed forms hold a collection.
                "cas" | "drain" => inner.is_sequence(),
                "read" if self.model == Model::Set => {
                    inner.items().len() > 0 || inner.is_nil() || inner.is_set()
                }
                _ => true,
            };
        if !keyed {
            return (Key::default(), Some(value));
        }
        (self.key(key), Some(inner).filter(|inner| !inner.is_nil()))
    }

    /// The call of an operation that changes the object, from what was asked.
    fn change(&mut self, f: &str, value: Option<View<'_>>, line: u64) -> Result<Call, EdnError> {
        let wrong = |cause: &str| EdnError::meaningless(line, cause);
        if let "acquire" | "release" = f {
            return Ok(if f == "acquire" { Call::Acquire } else { Call::Release });
        }
        if f == "cas" {
            let mut items = value.into_iter().flat_map(|value| value.items());
            let (Some(from), Some(to), None) = (items.next(), items.next(), items.next()) else {
                return Err(wrong("a cas is [from to]"));
            };
            return Ok(Call::Cas { from: self.value(from), to: self.value(to) });
        }
        let value = match value {
            Some(value) => self.value(value),
            None if matches!(f, "write" | "put" | "append") => Val::NIL,
            None => return Err(wrong("an operation without :value")),
        };
        Ok(match f {
            "write" => Call::Write(value),
            "enqueue" => Call::Enqueue(value),
            "add" => Call::Add(value),
            "put" => Call::Put(value),
            _ => Call::Append(value),
        })
    }

    /// The call of an operation that asks, from its answer.
    fn answer(&mut self, f: &str, value: Option<View<'_>>) -> Call {
        match (f, value) {
            ("dequeue", None) => Call::DequeueEmpty,
            ("dequeue", Some(value)) => Call::Dequeue(self.value(value)),
            ("read", value) if self.model == Model::Set => {
                let elements: Vec<Val> = value
                    .into_iter()
                    .flat_map(|set| set.items())
                    .map(|element| self.value(element))
                    .collect();
                Call::ReadSet(self.recorder.elements(&elements))
            }
            ("get", value) => Call::Get(value.map_or(self.initial, |value| self.value(value))),
            (_, value) => Call::Read(value.map_or(self.initial, |value| self.value(value))),
        }
    }

    /// The parts of a transaction; without answers, only its writes.
    fn steps(&mut self, value: Option<View<'_>>, answered: bool, line: u64) -> Result<Call, EdnError> {
        let mut steps = Vec::new();
        for part in value.into_iter().flat_map(|value| value.items()) {
            let mut items = part.items();
            let (Some(f), Some(key), Some(value)) = (items.next(), items.next(), items.next()) else {
                return Err(EdnError::meaningless(line, "a part of a transaction is [f key value]"));
            };
            let key = self.key(key);
            match f.word() {
                Some("read" | "r") if answered => steps.push(Step::Read(key, self.value(value))),
                Some("read" | "r") => {}
                Some("write" | "w") => steps.push(Step::Write(key, self.value(value))),
                _ => return Err(EdnError::meaningless(line, "a part of a transaction reads or writes")),
            }
        }
        Ok(Call::Txn(self.recorder.steps(&steps)))
    }

    fn finish(mut self) -> History {
        // A drain may have taken everything that is not known to have come out.
        for drain in std::mem::take(&mut self.drains) {
            for _ in 0..self.inside {
                self.recorder.push(drain);
            }
        }
        self.recorder.finish()
    }
}

impl Meaning for Objects {
    type Asked = Asked;

    fn functions(&self) -> &'static [&'static str] {
        match self.model {
            Model::Register => &["read", "write"],
            Model::CasRegister => &["read", "write", "cas"],
            Model::Mutex => &["acquire", "release"],
            Model::MultiRegister => &["txn"],
            Model::Queue | Model::Bag => &["enqueue", "dequeue", "drain"],
            Model::Set => &["add", "read"],
            Model::AppendKv => &["get", "put", "append"],
        }
    }

    fn ask(&mut self, operation: &Operation<'_>) -> Result<Asked, EdnError> {
        let (key, value) = self.split(operation);
        let call = match operation.f {
            "read" | "get" | "dequeue" => Wanted::Question,
            "drain" => Wanted::Drain,
            "txn" => Wanted::Change(self.steps(value, false, operation.line)?),
            f => Wanted::Change(self.change(f, value, operation.line)?),
        };
        Ok(Asked { key, call })
    }

    fn end(&mut self, pair: Pair<'_, Asked>) -> Result<(), EdnError> {
        let Pair { asked: Asked { key, call }, answer, end, process, invoked, returned } = pair;
        let op = |call| Op { invoked, returned, process, key, call };
        let happened = answer.filter(|_| end == End::Happened);
        match (call, happened) {
            _ if end == End::Failed => return Ok(()),
            (Wanted::Drain, None) => self.drains.push(op(Call::DequeueUnknown)),
            (Wanted::Drain, Some(answer)) => {
                let (_, value) = self.split(answer);
                for value in value.into_iter().flat_map(|value| value.items()) {
                    let call = Call::Dequeue(self.value(value));
                    self.inside = self.inside.saturating_sub(1);
                    self.recorder.push(op(call));
                }
            }
            (Wanted::Question, Some(answer)) => {
                let (_, value) = self.split(answer);
                let call = self.answer(answer.f, value);
                self.inside = self.inside.saturating_sub(usize::from(matches!(call, Call::Dequeue(_))));
                self.recorder.push(op(call));
            }
            (Wanted::Question, None) if matches!(self.model, Model::Queue | Model::Bag) => {
                self.recorder.push(op(Call::DequeueUnknown));
            }
            (Wanted::Question, None) => {}
            (Wanted::Change(Call::Txn(_)), Some(answer)) => {
                let call = self.steps(answer.value, true, answer.line)?;
                self.recorder.push(op(call));
            }
            (Wanted::Change(call), _) => {
                self.inside += usize::from(matches!(call, Call::Enqueue(_)));
                self.recorder.push(op(call));
            }
        }
        Ok(())
    }
}
