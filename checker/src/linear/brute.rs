//! Linearizability by trying every order: the definition, written down once more.
//!
//! It shares nothing with the search or the special cases but the operations themselves: objects are ordinary
//! collections, orders are tried one by one. It confirms small witnesses before they are reported and is the
//! other side of every differential test. Exponential, so [`MAX`] operations and no more.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::Model;
use super::context::Context;
use super::object::{Call, Datum, Op, Step, Val};

/// As many operations as are tried.
pub(super) const MAX: usize = 12;

/// An object in one state.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Object {
    Register(Val),
    Mutex { held: bool },
    Registers(Vec<Val>),
    Queue(VecDeque<Val>),
    Bag(Vec<Val>),
    Set(BTreeSet<Val>),
    Text(String),
}

/// An operation to be ordered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trial {
    pub(super) op: Op,
    /// It may also have taken effect before the first state, or never.
    pub(super) optional: bool,
}

impl Object {
    /// The object before the first operation.
    pub(super) fn initial(context: &Context<'_>) -> Self {
        match context.model {
            Model::Register | Model::CasRegister => Self::Register(context.initial),
            Model::Mutex => Self::Mutex { held: false },
            Model::MultiRegister => Self::Registers(vec![context.initial; context.history.keys().len()]),
            Model::Queue => Self::Queue(VecDeque::new()),
            Model::Bag => Self::Bag(Vec::new()),
            Model::Set => Self::Set(BTreeSet::new()),
            Model::AppendKv => Self::Text(text(context, context.initial)),
        }
    }

    /// The object in the state that the search calls by these numbers.
    pub(super) fn from_content(model: Model, content: &[u32]) -> Self {
        let values = content.iter().copied().map(Val);
        match model {
            Model::Register | Model::CasRegister => Self::Register(Val(content[0])),
            Model::Mutex => Self::Mutex { held: content[0] == 1 },
            Model::MultiRegister => Self::Registers(values.collect()),
            Model::Queue => Self::Queue(values.collect()),
            Model::Bag => Self::Bag(values.collect()),
            Model::Set => Self::Set(values.collect()),
            Model::AppendKv => Self::Text(content.iter().filter_map(|c| char::from_u32(*c)).collect()),
        }
    }

    /// Every state that the call may lead to; none where it is not allowed.
    fn after(&self, call: Call, context: &Context<'_>) -> Vec<Object> {
        let only = |allowed: bool, next: Object| if allowed { vec![next] } else { Vec::new() };
        match (self, call) {
            (Self::Register(held), Call::Read(value)) => only(*held == value, self.clone()),
            (Self::Register(_), Call::Write(value)) => vec![Self::Register(value)],
            (Self::Register(held), Call::Cas { from, to }) => only(*held == from, Self::Register(to)),
            (Self::Mutex { held }, Call::Acquire) => only(!held, Self::Mutex { held: true }),
            (Self::Mutex { held }, Call::Release) => only(*held, Self::Mutex { held: false }),
            (Self::Registers(held), Call::Txn(span)) => transact(held, context.history.steps(span)),
            (Self::Queue(held), call) => queue(held, call),
            (Self::Bag(held), call) => bag(held, call),
            (Self::Set(held), Call::Add(value)) => {
                let mut next = held.clone();
                next.insert(value);
                vec![Self::Set(next)]
            }
            (Self::Set(held), Call::ReadSet(span)) => {
                let read: BTreeSet<Val> = context.history.list(span).iter().copied().collect();
                only(read == *held, self.clone())
            }
            (Self::Text(held), Call::Get(value)) => only(*held == text(context, value), self.clone()),
            (Self::Text(_), Call::Put(value)) => vec![Self::Text(text(context, value))],
            (Self::Text(held), Call::Append(value)) => {
                vec![Self::Text(format!("{held}{}", text(context, value)))]
            }
            (
                Self::Register(_) | Self::Mutex { .. } | Self::Registers(_) | Self::Set(_) | Self::Text(_),
                _,
            ) => Vec::new(),
        }
    }
}

fn text(context: &Context<'_>, value: Val) -> String {
    match context.datum(value) {
        Datum::Nil => String::new(),
        Datum::Int(int) => int.to_string(),
        Datum::Text(text) => text.to_string(),
    }
}

fn transact(held: &[Val], steps: &[Step]) -> Vec<Object> {
    let mut next = held.to_vec();
    for step in steps {
        match *step {
            Step::Read(key, value) => {
                if next[key.0 as usize] != value {
                    return Vec::new();
                }
            }
            Step::Write(key, value) => next[key.0 as usize] = value,
        }
    }
    vec![Object::Registers(next)]
}

fn queue(held: &VecDeque<Val>, call: Call) -> Vec<Object> {
    let mut next = held.clone();
    let allowed = match call {
        Call::Enqueue(value) => {
            next.push_back(value);
            true
        }
        Call::Dequeue(value) => next.pop_front() == Some(value),
        Call::DequeueUnknown => next.pop_front().is_some(),
        call => call == Call::DequeueEmpty && held.is_empty(),
    };
    if allowed { vec![Object::Queue(next)] } else { Vec::new() }
}

fn bag(held: &[Val], call: Call) -> Vec<Object> {
    let without = |at: usize| {
        let mut next = held.to_vec();
        next.remove(at);
        Object::Bag(next)
    };
    match call {
        Call::Enqueue(value) => {
            let mut next = held.to_vec();
            next.push(value);
            next.sort_unstable();
            vec![Object::Bag(next)]
        }
        Call::Dequeue(value) => held.iter().position(|v| *v == value).map(without).into_iter().collect(),
        Call::DequeueUnknown => (0..held.len()).map(without).collect(),
        call if call == Call::DequeueEmpty && held.is_empty() => vec![Object::Bag(Vec::new())],
        _ => Vec::new(),
    }
}

/// Whether every object of a small history has an order.
pub(super) fn check(context: &Context<'_>) -> Option<bool> {
    let unknown_read = |op: &Op| {
        matches!(op.call, Call::Read(_) | Call::ReadSet(_) | Call::Get(_) | Call::DequeueEmpty)
            && op.is_crashed()
    };
    let mut linearizable = true;
    for key in 0..context.history.keys().len() {
        let of_key = context.history.ops().iter().filter(|op| op.key.0 as usize == key && !unknown_read(op));
        let trials: Vec<Trial> = of_key.map(|op| Trial { op: *op, optional: false }).collect();
        if trials.len() > MAX {
            return None;
        }
        linearizable &= has_order(context, &trials, &[Object::initial(context)]);
    }
    Some(linearizable)
}

/// Whether some order of the trials, begun in one of these states, obeys the object and real time.
pub(super) fn has_order(context: &Context<'_>, trials: &[Trial], starts: &[Object]) -> bool {
    assert!(trials.len() <= 32, "every order of {} operations is too many", trials.len());
    let mut tried = HashSet::new();
    starts.iter().any(|start| order(context, trials, (0, start), &mut tried))
}

fn order(
    context: &Context<'_>,
    trials: &[Trial],
    (placed, object): (u32, &Object),
    tried: &mut HashSet<(u32, Object)>,
) -> bool {
    let is_placed = |i: usize| placed >> i & 1 == 1;
    let optional = |trial: &Trial| trial.optional || trial.op.is_crashed();
    if trials.iter().enumerate().all(|(i, trial)| is_placed(i) || optional(trial)) {
        return true;
    }
    if trials.len() > 8 && !tried.insert((placed, object.clone())) {
        return false;
    }
    for (i, trial) in trials.iter().enumerate().filter(|(i, _)| !is_placed(*i)) {
        let too_early = |(j, other): (usize, &Trial)| {
            !is_placed(j) && !optional(other) && other.op.returned < trial.op.invoked
        };
        let too_late = |(j, other): (usize, &Trial)| is_placed(j) && trial.op.returned < other.op.invoked;
        if trials.iter().enumerate().any(|pair| too_early(pair) || too_late(pair)) {
            continue;
        }
        for next in object.after(trial.op.call, context) {
            if order(context, trials, (placed | 1 << i, &next), tried) {
                return true;
            }
        }
    }
    false
}
