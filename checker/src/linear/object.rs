//! Operations on one object, as the linearizability checker sees them.
//!
//! Values, keys and lists are interned once, so an operation is 40 bytes and every check runs over dense small
//! integers. An operation that failed did not happen and is not in a history; one whose outcome is unknown has
//! no return ([`Moment::NEVER`]) and may take effect at any time after its invocation, or never. A read whose
//! result is unknown says nothing and is left out by whoever builds the history.
//!
//! Moments only order events: they may be nanoseconds or line numbers. An operation precedes another when it
//! returned strictly before the other was invoked; equal moments are concurrent, which is the weaker reading.

use history::ids::Process;
use serde::{Deserialize, Serialize};

/// A point in the real-time order of a history: nanoseconds or the position of a line, only order matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Moment(pub u64);

impl Moment {
    /// Later than every event: the return of an operation whose outcome is unknown.
    pub const NEVER: Moment = Moment(u64::MAX);
}

/// Index of an interned value. [`Val::NIL`] is `nil`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Val(pub u32);

impl Val {
    /// `nil`, which every history interns first.
    pub const NIL: Val = Val(0);
}

/// Index of an independent object (`[key v]` tuples), or of a register of a multi-register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Key(pub u32);

/// A stretch of [`History::list`] or [`History::steps`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Span {
    /// First element.
    pub start: u32,
    /// Number of elements.
    pub len: u32,
}

/// A value or a key as it was written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Datum {
    /// `nil`.
    #[default]
    Nil,
    /// A whole number.
    Int(i64),
    /// A string, a keyword, or any other value in its written form.
    Text(Box<str>),
}

impl Datum {
    /// A value as it is written on a command line: `nil`, a whole number, or a text.
    pub fn parse(text: &str) -> Self {
        match text.parse() {
            Ok(int) => Self::Int(int),
            Err(_) if text == "nil" => Self::Nil,
            Err(_) => Self::Text(text.into()),
        }
    }
}

impl std::fmt::Display for Datum {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::Int(int) => int.fmt(f),
            Self::Text(text) => write!(f, "{}", text.escape_debug()),
        }
    }
}

/// What was asked and, for an operation that returned, what came back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// A register held this value.
    Read(Val),
    /// A register was set.
    Write(Val),
    /// A register was compared and set, with success.
    Cas {
        /// The value that it held.
        from: Val,
        /// The value that it holds afterwards.
        to: Val,
    },
    /// The mutex was taken.
    Acquire,
    /// The mutex was given back.
    Release,
    /// A value went into a queue or bag.
    Enqueue(Val),
    /// A value came out.
    Dequeue(Val),
    /// The queue or bag was found empty.
    DequeueEmpty,
    /// A dequeue of unknown outcome: it may have taken a value.
    DequeueUnknown,
    /// An element went into a set.
    Add(Val),
    /// The whole set was read; elements are in [`History::list`], ascending by id and without repetition.
    ReadSet(Span),
    /// The string under a key was read.
    Get(Val),
    /// The string under a key was replaced.
    Put(Val),
    /// Text was appended to the string under a key.
    Append(Val),
    /// Registers were read and written atomically; the parts are in [`History::steps`].
    Txn(Span),
}

/// One part of a multi-register transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// This register held this value.
    Read(Key, Val),
    /// This register was set.
    Write(Key, Val),
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// When it was invoked.
    pub invoked: Moment,
    /// When it returned; [`Moment::NEVER`] where the outcome is unknown.
    pub returned: Moment,
    /// Who asked.
    pub process: Process,
    /// Which object.
    pub key: Key,
    /// What.
    pub call: Call,
}

impl Op {
    /// Whether the outcome is unknown: it may have taken effect at any time after its invocation, or never.
    pub fn is_crashed(&self) -> bool {
        self.returned == Moment::NEVER
    }

    /// Whether this operation was over before the other began.
    pub fn precedes(&self, other: &Op) -> bool {
        self.returned < other.invoked
    }
}

/// A history of operations on independent objects of one kind, in the order of their invocations.
#[derive(Clone, Debug)]
pub struct History {
    ops: Vec<Op>,
    keys: Vec<Datum>,
    values: Vec<Datum>,
    list: Vec<Val>,
    steps: Vec<Step>,
    keyed: bool,
}

impl Default for History {
    fn default() -> Self {
        Self {
            ops: Vec::new(),
            keys: vec![Datum::Nil],
            values: vec![Datum::Nil],
            list: Vec::new(),
            steps: Vec::new(),
            keyed: false,
        }
    }
}

impl History {
    /// The operations, by invocation.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The interned values; the first is `nil`.
    pub fn values(&self) -> &[Datum] {
        &self.values
    }

    /// The interned keys. A history of a single object has one, `nil`.
    pub fn keys(&self) -> &[Datum] {
        &self.keys
    }

    /// Whether operations name keys.
    pub fn is_keyed(&self) -> bool {
        self.keyed
    }

    /// The elements of a set read.
    pub fn list(&self, span: Span) -> &[Val] {
        &self.list[span.start as usize..][..span.len as usize]
    }

    /// The parts of a multi-register transaction.
    pub fn steps(&self, span: Span) -> &[Step] {
        &self.steps[span.start as usize..][..span.len as usize]
    }
}

/// Collects operations; [`Recorder::finish`] orders them.
///
/// Interning is the caller's, who knows how its values look: the n-th call of [`Recorder::value`] names the
/// value `Val(n)`.
#[derive(Debug, Default)]
pub struct Recorder {
    history: History,
}

impl Recorder {
    /// A history without operations, in which only `nil` is interned.
    pub fn new() -> Self {
        Self::default()
    }

    /// Interns a value that was not interned before.
    pub fn value(&mut self, datum: Datum) -> Val {
        self.history.values.push(datum);
        Val(index(self.history.values.len() - 1))
    }

    /// Interns a key that was not interned before. The key `nil` exists from the start.
    pub fn key(&mut self, datum: Datum) -> Key {
        self.history.keyed = true;
        self.history.keys.push(datum);
        Key(index(self.history.keys.len() - 1))
    }

    /// Stores the elements of a set read; sorts them and drops repetitions.
    pub fn elements(&mut self, elements: &[Val]) -> Span {
        let start = self.history.list.len();
        self.history.list.extend_from_slice(elements);
        self.history.list[start..].sort_unstable();
        let mut kept = start;
        for i in start..self.history.list.len() {
            if kept == start || self.history.list[kept - 1] != self.history.list[i] {
                self.history.list[kept] = self.history.list[i];
                kept += 1;
            }
        }
        self.history.list.truncate(kept);
        Span { start: index(start), len: index(kept - start) }
    }

    /// Stores the parts of a transaction.
    pub fn steps(&mut self, steps: &[Step]) -> Span {
        let start = self.history.steps.len();
        self.history.steps.extend_from_slice(steps);
        Span { start: index(start), len: index(steps.len()) }
    }

    /// Adds an operation.
    pub fn push(&mut self, op: Op) {
        assert!(op.invoked <= op.returned, "an operation returns after its invocation");
        self.history.ops.push(op);
    }

    /// The history, its operations ordered by invocation.
    pub fn finish(mut self) -> History {
        if !self.history.ops.is_sorted_by_key(|op| op.invoked) {
            self.history.ops.sort_by_key(|op| op.invoked);
        }
        self.history
    }
}

/// Histories are bounded by 2^32 distinct values, keys and elements; beyond that memory ends first.
fn index(n: usize) -> u32 {
    u32::try_from(n).expect("fewer than 2^32 interned things")
}
