//! Sequential specifications for the search: from which state may which operation go where.
//!
//! States are small integers. A register's state is its value itself; objects with larger states intern them and
//! remember every transition, so that a step of the search is one lookup. The brute-force checker (`brute`) has
//! its own, deliberately separate specifications.

use super::Model;
use super::context::Context;
use super::explain;
use super::hash::IdMap;
use super::object::{Call, Datum, Key, Step, Val};

/// What the search needs to know about an object.
pub(super) trait Sequential {
    /// Whether an operation may have several successors ([`Call::DequeueUnknown`] of a bag).
    const BRANCHING: bool = false;

    /// Whether there are about as many states as pending operations.
    const FEW_STATES: bool = false;

    /// Whether the call is allowed in every state and leaves nothing of it.
    fn is_blind(call: Call) -> bool;

    /// The successor numbered `choice` of `state` by `call`; none where the operation is not allowed.
    fn step(&mut self, state: u32, call: Call, choice: u32) -> Option<u32>;

    /// The state in words.
    fn describe(&self, state: u32, context: &Context<'_>) -> String;

    /// The state spelled out, for the brute-force check.
    fn content(&self, state: u32) -> Vec<u32>;

    /// Memory held by interned states and transitions.
    fn bytes(&self) -> u64 {
        0
    }
}

/// Whether the operation never changes any state that allows it.
pub(super) fn is_pure(call: Call, context: &Context<'_>) -> bool {
    match call {
        Call::Read(_) | Call::ReadSet(_) | Call::Get(_) | Call::DequeueEmpty => true,
        Call::Txn(span) => context.history.steps(span).iter().all(|step| matches!(step, Step::Read(..))),
        Call::Cas { from, to } => from == to,
        Call::Write(_)
        | Call::Acquire
        | Call::Release
        | Call::Enqueue(_)
        | Call::Dequeue(_)
        | Call::DequeueUnknown
        | Call::Add(_)
        | Call::Put(_)
        | Call::Append(_) => false,
    }
}

/// A register, with or without compare-and-set, and the mutex (a register of 0 and 1).
pub(super) struct Register;

/// The mutex is free.
pub(super) const FREE: u32 = 0;
/// The mutex is held.
pub(super) const HELD: u32 = 1;

impl Sequential for Register {
    const FEW_STATES: bool = true;

    #[inline]
    fn is_blind(call: Call) -> bool {
        matches!(call, Call::Write(_))
    }

    #[inline]
    fn step(&mut self, state: u32, call: Call, _: u32) -> Option<u32> {
        match call {
            Call::Read(value) => (state == value.0).then_some(state),
            Call::Write(value) => Some(value.0),
            Call::Cas { from, to } => (state == from.0).then_some(to.0),
            Call::Acquire => (state == FREE).then_some(HELD),
            Call::Release => (state == HELD).then_some(FREE),
            Call::Enqueue(_)
            | Call::Dequeue(_)
            | Call::DequeueEmpty
            | Call::DequeueUnknown
            | Call::Add(_)
            | Call::ReadSet(_)
            | Call::Get(_)
            | Call::Put(_)
            | Call::Append(_)
            | Call::Txn(_) => None,
        }
    }

    fn describe(&self, state: u32, context: &Context<'_>) -> String {
        match context.model {
            Model::Mutex if state == FREE => "free".to_owned(),
            Model::Mutex => "held".to_owned(),
            Model::Register
            | Model::CasRegister
            | Model::MultiRegister
            | Model::Queue
            | Model::Bag
            | Model::Set
            | Model::AppendKv => context.datum(Val(state)).to_string(),
        }
    }

    fn content(&self, state: u32) -> Vec<u32> {
        vec![state]
    }
}

/// Which collection [`Interned`] states are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shape {
    /// The registers' values, by key.
    Registers,
    /// The queue from its head.
    Fifo,
    /// The bag, sorted.
    Bag,
    /// The set, sorted.
    Set,
    /// The characters of a string.
    Text,
}

/// An object whose states are lists of integers, interned.
pub(super) struct Interned<'a> {
    shape: Shape,
    context: &'a Context<'a>,
    ids: IdMap<Box<[u32]>, u32>,
    states: Vec<Box<[u32]>>,
    known: IdMap<(u32, Call, u32), Option<u32>>,
    held: u64,
}

impl<'a> Interned<'a> {
    /// The object, with no state interned yet.
    pub(super) fn new(shape: Shape, context: &'a Context<'a>) -> Self {
        let (ids, known) = (IdMap::default(), IdMap::default());
        Self { shape, context, ids, states: Vec::new(), known, held: 0 }
    }

    /// The state before the first operation.
    pub(super) fn start(&mut self) -> u32 {
        let initial = self.context.initial;
        let state = match self.shape {
            Shape::Registers => vec![initial.0; self.context.history.keys().len()],
            Shape::Fifo | Shape::Bag | Shape::Set => Vec::new(),
            Shape::Text => self.text(initial),
        };
        self.intern(state)
    }

    fn intern(&mut self, state: Vec<u32>) -> u32 {
        if let Some(id) = self.ids.get(state.as_slice()) {
            return *id;
        }
        let id = u32::try_from(self.states.len()).expect("memory ends before 2^32 states");
        let state = state.into_boxed_slice();
        self.held += 2 * (32 + 4 * state.len() as u64);
        self.states.push(state.clone());
        self.ids.insert(state, id);
        id
    }

    /// The characters of a string value, `nil` being empty.
    fn text(&self, value: Val) -> Vec<u32> {
        match self.context.datum(value) {
            Datum::Nil => Vec::new(),
            Datum::Int(int) => int.to_string().chars().map(u32::from).collect(),
            Datum::Text(text) => text.chars().map(u32::from).collect(),
        }
    }

    fn successor(&self, state: &[u32], call: Call, choice: u32) -> Option<Vec<u32>> {
        match call {
            Call::Txn(span) => transact(state.to_vec(), self.context.history.steps(span)),
            Call::Enqueue(value) if self.shape == Shape::Fifo => Some([state, &[value.0]].concat()),
            Call::Enqueue(value) => {
                let at = state.partition_point(|held| *held <= value.0);
                Some([&state[..at], &[value.0], &state[at..]].concat())
            }
            Call::Dequeue(value) if self.shape == Shape::Fifo => {
                (state.first() == Some(&value.0)).then(|| state[1..].to_vec())
            }
            Call::Dequeue(value) => {
                let at = state.binary_search(&value.0).ok()?;
                Some([&state[..at], &state[at + 1..]].concat())
            }
            Call::DequeueEmpty => state.is_empty().then(Vec::new),
            Call::DequeueUnknown if self.shape == Shape::Fifo => state.get(1..).map(<[u32]>::to_vec),
            Call::DequeueUnknown => {
                let at = choice as usize;
                (at < state.len()).then(|| [&state[..at], &state[at + 1..]].concat())
            }
            Call::Add(value) => Some(match state.binary_search(&value.0) {
                Ok(_) => state.to_vec(),
                Err(at) => [&state[..at], &[value.0], &state[at..]].concat(),
            }),
            Call::ReadSet(span) => state
                .iter()
                .copied()
                .eq(self.context.history.list(span).iter().map(|v| v.0))
                .then(|| state.to_vec()),
            Call::Get(value) => (state == self.text(value)).then(|| state.to_vec()),
            Call::Put(value) => Some(self.text(value)),
            Call::Append(value) => Some([state, &self.text(value)].concat()),
            Call::Read(_) | Call::Write(_) | Call::Cas { .. } | Call::Acquire | Call::Release => None,
        }
    }
}

fn transact(mut registers: Vec<u32>, steps: &[Step]) -> Option<Vec<u32>> {
    for step in steps {
        match *step {
            Step::Read(Key(key), value) if registers[key as usize] != value.0 => return None,
            Step::Read(..) => {}
            Step::Write(Key(key), value) => registers[key as usize] = value.0,
        }
    }
    Some(registers)
}

impl Sequential for Interned<'_> {
    const BRANCHING: bool = true;

    fn is_blind(call: Call) -> bool {
        matches!(call, Call::Put(_))
    }

    fn step(&mut self, state: u32, call: Call, choice: u32) -> Option<u32> {
        if choice > 0 && (self.shape != Shape::Bag || call != Call::DequeueUnknown) {
            return None;
        }
        if let Some(known) = self.known.get(&(state, call, choice)) {
            return *known;
        }
        let next = self.successor(&self.states[state as usize], call, choice);
        let next = next.map(|next| self.intern(next));
        self.known.insert((state, call, choice), next);
        self.held += 48;
        next
    }

    fn describe(&self, state: u32, context: &Context<'_>) -> String {
        let held = &self.states[state as usize];
        let name = |value: &u32| context.datum(Val(*value)).to_string();
        match self.shape {
            Shape::Text => {
                let text: String = held.iter().filter_map(|c| char::from_u32(*c)).collect();
                format!("{:?}", explain::abridged(&text))
            }
            Shape::Registers => {
                let registers = context.history.keys().iter().zip(held).skip(1);
                let named: Vec<String> =
                    registers.map(|(key, value)| format!("{key}={}", name(value))).collect();
                format!("{{{}}}", named.join(" "))
            }
            Shape::Fifo | Shape::Bag | Shape::Set => {
                format!("[{}]", explain::list(held.iter().map(name)))
            }
        }
    }

    fn content(&self, state: u32) -> Vec<u32> {
        self.states[state as usize].to_vec()
    }

    fn bytes(&self) -> u64 {
        self.held
    }
}
