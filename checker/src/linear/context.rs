//! What every part of a check knows: the history, the object, the value it starts with.

use super::Model;
use super::object::{Datum, History, Op, Val};
use super::verdict::Pattern;

/// The question, borrowed by all who help to answer it.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) history: &'a History,
    pub(super) model: Model,
    /// The value before the first write; one past the interned values where no operation mentions it.
    pub(super) initial: Val,
    initial_datum: &'a Datum,
}

impl<'a> Context<'a> {
    pub(super) fn new(history: &'a History, model: Model, initial: &'a Datum) -> Self {
        let values = history.values();
        let at = values.iter().position(|value| value == initial).unwrap_or(values.len());
        let at = Val(u32::try_from(at).expect("fewer than 2^32 interned things"));
        Self { history, model, initial: at, initial_datum: initial }
    }

    /// The value as it was written.
    pub(super) fn datum(&self, value: Val) -> &Datum {
        self.history.values().get(value.0 as usize).unwrap_or(self.initial_datum)
    }

    /// How many values there are, the initial one included.
    pub(super) fn value_count(&self) -> usize {
        self.history.values().len() + 1
    }
}

/// What a special case says about the operations on one object.
pub(super) enum Decision {
    /// An order exists.
    Linearizable,
    /// None exists.
    Violated(Violation),
    /// Not in the class of histories that the special case understands.
    NotInClass,
}

impl Decision {
    /// The other special case, where this one has nothing to say.
    pub(super) fn or_else(self, other: impl FnOnce() -> Decision) -> Decision {
        match self {
            Decision::NotInClass => other(),
            Decision::Linearizable | Decision::Violated(_) => self,
        }
    }
}

/// A contradiction as a finder states it; operations are indices into the slice that it was given.
#[derive(Clone, Debug)]
pub(super) struct Violation {
    pub(super) pattern: Pattern,
    /// The operations that contradict each other.
    pub(super) ops: Vec<usize>,
    /// The argument, in sentences.
    pub(super) why: Vec<String>,
}

impl Violation {
    pub(super) fn new(pattern: Pattern, ops: impl Into<Vec<usize>>, why: impl Into<Vec<String>>) -> Self {
        let mut ops = ops.into();
        ops.sort_unstable();
        ops.dedup();
        Self { pattern, ops, why: why.into() }
    }
}

/// Times with room for an event before all others: moment `t` is `t + 1`, the virtual first write is at 0.
pub(super) fn began(op: &Op) -> u64 {
    op.invoked.0.saturating_add(1)
}

/// See [`began`]; an operation that never returned ends at `u64::MAX`.
pub(super) fn ended(op: &Op) -> u64 {
    op.returned.0.saturating_add(1)
}
