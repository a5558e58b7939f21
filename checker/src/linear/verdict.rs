//! What a linearizability check answers, and the evidence for it.
//!
//! A violation is a [`Witness`]: the smallest set of operations found that has no order, a sentence that says
//! why, and how the witness was confirmed. Nothing here depends on which thread found it first.

use history::ids::Process;
use serde::{Deserialize, Serialize};

use super::object::Moment;
pub use crate::confirm::Confirmation;

/// The answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// There is an order of all operations that the object and real time allow.
    Valid,
    /// There is none; here is why.
    Invalid(Box<Witness>),
    /// The search was cut, or there was nothing to judge.
    Unknown {
        /// What ended it.
        reason: Reason,
        /// What was proved until then.
        verified: Prefix,
    },
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No operation returned: any object allows that.
    Vacuous,
    /// The step budget is spent.
    Steps,
    /// The memory budget is spent.
    Memory,
    /// More operations are pending at one time than the search can hold.
    Pending,
}

impl std::fmt::Display for Reason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Vacuous => "no operation returned",
            Self::Steps => "the step budget is spent",
            Self::Memory => "the memory budget is spent",
            Self::Pending => "too many operations are pending at one time",
        })
    }
}

/// How far a search came.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Prefix {
    /// Objects (keys) proved linearizable from end to end.
    pub keys: u64,
    /// Objects not decided.
    pub undecided: u64,
    /// The first undecided object.
    pub key: Option<String>,
    /// Returned operations of that object that were placed before the search ended.
    pub operations: u64,
    /// All its returned operations.
    pub of: u64,
    /// Configurations alive when the search ended.
    pub configurations: u64,
}

/// Operations that no order explains.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Witness {
    /// The shape of the contradiction.
    pub pattern: Pattern,
    /// The object, where operations name keys.
    pub key: Option<String>,
    /// The states that the object may have been in before the first operation; one where it is the initial one.
    pub from: Vec<String>,
    /// The operations, by invocation.
    pub operations: Vec<Line>,
    /// Why they have no order, a sentence per step of the argument.
    pub why: Vec<String>,
    /// Who else agrees.
    pub confirmed: Confirmation,
}

/// One operation of a witness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// Its number among the operations of the history, by invocation, from 0.
    pub op: u64,
    /// Who asked.
    pub process: Process,
    /// What, in words.
    pub call: String,
    /// When it was invoked.
    pub invoked: Moment,
    /// When it returned; absent where the outcome is unknown.
    pub returned: Option<Moment>,
    /// Whether it may have taken effect before the witness begins, or never.
    pub optional: bool,
}

/// The shape of a contradiction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// A value was read that nobody wrote.
    NeverWritten,
    /// A value was read before its write was invoked.
    FutureRead,
    /// Within one value: a compare-and-set or read is out of order.
    BrokenChain,
    /// Two compare-and-sets took the same unique value.
    ForkedChain,
    /// Two values must each come before the other.
    CrossedValues,
    /// A value was dequeued that nobody enqueued, or before it was enqueued (VFresh).
    DequeuedFresh,
    /// A value was dequeued more often than it was enqueued (VRepet).
    DequeuedTwice,
    /// Two values left a FIFO queue in the wrong order (VOrd).
    DequeuedOutOfOrder,
    /// A queue was found empty while it surely held something (VWit).
    FalselyEmpty,
    /// Two reads of a set, neither of which contains the other.
    IncomparableReads,
    /// Operations that the values read put in one order and real time in the other.
    OrderInverted,
    /// A mutex was taken while held, or given back while free.
    MutexBroken,
    /// No order exists (found by search).
    NoOrder,
}

impl Pattern {
    /// The name in reports: `crossed-values`.
    pub fn name(self) -> &'static str {
        match self {
            Self::NeverWritten => "never-written",
            Self::FutureRead => "future-read",
            Self::BrokenChain => "broken-chain",
            Self::ForkedChain => "forked-chain",
            Self::CrossedValues => "crossed-values",
            Self::DequeuedFresh => "dequeued-fresh",
            Self::DequeuedTwice => "dequeued-twice",
            Self::DequeuedOutOfOrder => "dequeued-out-of-order",
            Self::FalselyEmpty => "falsely-empty",
            Self::IncomparableReads => "incomparable-reads",
            Self::OrderInverted => "order-inverted",
            Self::MutexBroken => "mutex-broken",
            Self::NoOrder => "no-order",
        }
    }
}

/// An anomaly as verdict files list it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Its name.
    pub name: String,
    /// How often; a search that stops at the first violation says 1.
    pub count: u64,
    /// Whether the model forbids it.
    pub forbidden: bool,
}

impl Verdict {
    /// The anomalies as verdict files list them: `nonlinearizable`, and the precise pattern.
    pub fn anomalies(&self) -> Vec<Observed> {
        let Self::Invalid(witness) = self else { return Vec::new() };
        ["nonlinearizable", witness.pattern.name()]
            .map(|name| Observed { name: name.to_owned(), count: 1, forbidden: true })
            .to_vec()
    }
}
