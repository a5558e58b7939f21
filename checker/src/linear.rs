//! Linearizability of objects: is there one order of all operations that real time and the object allow?
//!
//! [`check`] splits a history by key, decides the easy classes with polynomial algorithms, each with its proof
//! beside it, and searches the rest within a budget. The budget counts steps and bytes, never seconds, so a
//! verdict is a function of the history alone. A violation comes with a small witness that an independent
//! brute-force checker has confirmed.
//!
//! Not here: logs of Kafka, where offsets give the order (`log`), and transactions (`cycles`).

pub mod object;
pub mod verdict;

mod context;
mod dispatch;
mod keys;

mod bag;
mod blocks;
mod chain;
mod kv;
mod mutex;
mod queue;
mod register;
mod set;
mod zones;

mod search;
mod sequential;
mod tasks;

mod brute;
pub(crate) mod explain;
mod shrink;

pub(crate) mod hash;
pub(crate) mod order;

pub use object::{History, Recorder};
pub use verdict::{Verdict, Witness};

use object::Datum;
use serde::{Deserialize, Serialize};

/// The kind of object that a history speaks of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Read, write.
    Register,
    /// Read, write, compare-and-set.
    CasRegister,
    /// Acquire, release.
    Mutex,
    /// Transactions that read and write several registers.
    MultiRegister,
    /// First in, first out.
    Queue,
    /// In and out in any order.
    Bag,
    /// Add an element, read all.
    Set,
    /// Strings under keys: get, put, append.
    AppendKv,
}

/// What a check may assume and spend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// What a register holds before the first write.
    pub initial: Datum,
    /// Transitions that the search may try. 10^9 take about a minute on one core.
    pub steps: u64,
    /// Bytes that one search may hold.
    pub memory: u64,
    /// How to decide.
    pub solver: Solver,
}

/// How a history is decided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Solver {
    /// By the special case where there is one, by search otherwise.
    #[default]
    Best,
    /// By search alone.
    Search,
    /// By the search over lists of configurations, also where sets of sets are faster.
    Lists,
}

impl Default for Options {
    fn default() -> Self {
        Self { initial: Datum::Nil, steps: 1_000_000_000, memory: 2 << 30, solver: Solver::Best }
    }
}

/// Whether the history is linearizable.
pub fn check(history: &History, model: Model, options: &Options) -> Verdict {
    keys::check(&context::Context::new(history, model, &options.initial), options)
}

/// Whether the history is linearizable, by trying every order: the definition itself, for small histories.
///
/// `None` where there are too many operations on one object. Shares nothing with [`check`] but the history.
pub fn check_by_brute_force(history: &History, model: Model, options: &Options) -> Option<bool> {
    brute::check(&context::Context::new(history, model, &options.initial))
}
