//! Cycles of dependencies between transactions, and the other anomalies of Adya's that show in them.
//!
//! [`Graph`] is the engine: transactions are nodes, dependencies are edges with a kind, and [`Graph::anomalies`]
//! finds for every strongly connected component a short cycle of each class. It does not care where the edges come
//! from: lists that are appended to (`append`), registers with unique values (`register`), or Kafka's offsets,
//! where the version order is given. A history whose edges all follow one order (of completion, say) has no
//! cycle, and comparing two numbers per edge proves it; only the stretches that backward edges span are searched.
//!
//! Classes and what they exclude follow Adya's thesis (1999) and Elle's names. Realtime order costs O(n) edges: it
//! goes through barriers between completions and later invocations.

pub mod append;
pub mod class;
pub mod transactions;

mod components;
mod cycle;
mod graph;
mod inference;
pub(crate) mod realtime;
pub mod register;

pub use class::{Class, Consistency};
pub use cycle::{Cycle, Link};
pub use graph::{Dependency, Edge, Graph};
pub use transactions::{Transaction, Transactions};

use serde::{Deserialize, Serialize};

/// Something wrong with the transactions of a history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Anomaly {
    /// Its name: `dependency-cycle`, `aborted-read`, `lost-update`…
    pub name: String,
    /// For a dependency cycle its class: `G-single-realtime`.
    pub variant: Option<String>,
    /// The weakest model that it excludes, and with it all stronger ones.
    pub excludes: Consistency,
    /// How many were found; for cycles, components with one of this class.
    pub count: u64,
    /// The first few, each in sentences.
    pub witnesses: Vec<Vec<String>>,
}

/// As many witnesses are kept of each anomaly.
const KEPT: usize = 5;

/// Collects anomalies, with exact counts and the first few witnesses.
#[derive(Debug, Default)]
pub(crate) struct Found {
    anomalies: Vec<Anomaly>,
}

impl Found {
    pub(crate) fn add(
        &mut self,
        (name, variant): (&str, Option<&str>),
        excludes: Consistency,
        witness: impl FnOnce() -> Vec<String>,
    ) {
        let same = |anomaly: &&mut Anomaly| anomaly.name == name && anomaly.variant.as_deref() == variant;
        if let Some(known) = self.anomalies.iter_mut().find(same) {
            known.count += 1;
            if known.witnesses.len() < KEPT {
                known.witnesses.push(witness());
            }
            return;
        }
        let (name, variant) = (name.to_owned(), variant.map(str::to_owned));
        self.anomalies.push(Anomaly { name, variant, excludes, count: 1, witnesses: vec![witness()] });
    }

    /// All of them, what excludes most models first.
    pub(crate) fn finish(mut self) -> Vec<Anomaly> {
        self.anomalies
            .sort_by(|a, b| (a.excludes, &a.name, &a.variant).cmp(&(b.excludes, &b.name, &b.variant)));
        self.anomalies
    }
}
