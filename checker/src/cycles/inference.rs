//! What lists and registers have in common: who wrote what, who counts as committed, the verdict.

use serde::{Deserialize, Serialize};

use super::graph::{Dependency, Edge, Graph};
use super::transactions::{Outcome, Part, Transactions};
use super::{Anomaly, Consistency, Cycle, Found, Link};
use crate::linear::hash::IdMap;
use crate::linear::object::{Key, Val};

/// The answer about a history of transactions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// Nothing that the claim forbids was found.
    Valid {
        /// What was found and is allowed.
        anomalies: Vec<Anomaly>,
    },
    /// Something that it forbids was.
    Invalid {
        /// Everything that was found.
        anomalies: Vec<Anomaly>,
    },
    /// No transaction is known to have happened.
    Vacuous,
}

impl Verdict {
    /// Everything that was found.
    pub fn anomalies(&self) -> &[Anomaly] {
        match self {
            Self::Valid { anomalies } | Self::Invalid { anomalies } => anomalies,
            Self::Vacuous => &[],
        }
    }
}

/// Who wrote a version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Writer {
    pub(super) transaction: u32,
    /// Whether the same transaction wrote the key again later.
    pub(super) intermediate: bool,
    /// Whether the value was written more than once, so that nobody can say by whom.
    pub(super) ambiguous: bool,
}

/// Who wrote each version of each key.
pub(super) type Writers = IdMap<(Key, Val), Writer>;

/// Everything written, by anybody.
pub(super) fn writers(history: &Transactions) -> Writers {
    let mut writers = Writers::default();
    let mut last: Vec<(Key, Val)> = Vec::new();
    for (transaction, entry) in (0u32..).zip(history.transactions()) {
        last.clear();
        for part in history.parts(entry).iter().rev() {
            let (Part::Append(key, value) | Part::Write(key, value)) = *part else { continue };
            let intermediate = last.iter().any(|(written, _)| *written == key);
            last.push((key, value));
            let writer = Writer { transaction, intermediate, ambiguous: false };
            writers.entry((key, value)).and_modify(|known| known.ambiguous = true).or_insert(writer);
        }
    }
    writers
}

/// Which transactions count: those that committed, and those of unknown outcome that somebody saw.
pub(super) fn counted(history: &Transactions, seen: impl Iterator<Item = u32>) -> Vec<bool> {
    let committed = |outcome| outcome == Outcome::Committed;
    let mut counted: Vec<bool> = history.transactions().iter().map(|t| committed(t.outcome)).collect();
    for id in seen {
        counted[id as usize] |= history.transactions()[id as usize].outcome == Outcome::Unknown;
    }
    counted
}

/// As many pairs of readers and writers of one version are all linked.
const ALL_PAIRS: usize = 4096;

/// Adds anti-dependencies from every reader of a version to every transaction that must have come later. Where that
/// would be too many, each reader is linked to those that were over first, which real time contradicts soonest.
pub(super) fn add_anti_dependencies(
    graph: &mut Graph,
    history: &Transactions,
    (readers, writers): (&[u32], &mut Vec<u32>),
    key: Key,
) {
    writers.sort_unstable_by_key(|id| (history.transactions()[*id as usize].returned, *id));
    writers.dedup();
    let each = if readers.len() * writers.len() <= ALL_PAIRS { writers.len() } else { 2 };
    for reader in readers {
        for writer in writers.iter().take(each) {
            graph.add(Edge { from: *reader, to: *writer, kind: Dependency::Rw, detail: key.0 });
        }
    }
}

/// Transactions that replaced the same version of a key: (key, version, transactions).
pub(super) fn lost_updates(history: &Transactions, updates: IdMap<(Key, u32), Vec<u32>>, found: &mut Found) {
    let mut lost: Vec<((Key, u32), Vec<u32>)> =
        updates.into_iter().filter(|(_, rivals)| rivals.len() > 1).collect();
    lost.sort_unstable();
    for ((key, _), rivals) in lost {
        found.add(("lost-update", None), Consistency::SnapshotIsolation, || {
            let mut lines: Vec<String> = rivals.iter().take(4).map(|id| history.describe(*id)).collect();
            let key = history.key_name(key);
            lines.push(format!(
                "{} transactions read the same version of {key} and replaced it",
                rivals.len()
            ));
            lines
        });
    }
}

/// Reports the cycles of a graph, each edge explained, and closes the verdict.
pub(super) fn conclude(
    history: &Transactions,
    graph: &Graph,
    (mut found, claim): (Found, Consistency),
    explain: impl Fn(Link, u32) -> String,
) -> Verdict {
    for (class, cycle) in graph.anomalies() {
        found.add(("dependency-cycle", Some(class.name())), class.excludes(), || {
            describe(history, &cycle, &explain)
        });
    }
    let anomalies = found.finish();
    if anomalies.iter().any(|anomaly| anomaly.excludes <= claim) {
        Verdict::Invalid { anomalies }
    } else if history.transactions().iter().any(|transaction| transaction.outcome == Outcome::Committed) {
        Verdict::Valid { anomalies }
    } else {
        Verdict::Vacuous
    }
}

/// At most this many steps of a cycle are told.
const TOLD: usize = 24;

fn describe(history: &Transactions, cycle: &Cycle, explain: &impl Fn(Link, u32) -> String) -> Vec<String> {
    let told = cycle.links.len().min(TOLD);
    let mut lines: Vec<String> = cycle.links[..told].iter().map(|link| history.describe(link.from)).collect();
    for (link, to) in cycle.steps().take(TOLD) {
        let why = match link.kind {
            Dependency::Process => "the same process ran it before".to_owned(),
            Dependency::Realtime => {
                let [before, after] = [link.from, to].map(|id| history.transactions()[id as usize]);
                format!("it was over at {}, before the other began at {}", before.returned.0, after.invoked.0)
            }
            Dependency::Ww | Dependency::Wr | Dependency::Rw | Dependency::Implied => explain(link, to),
        };
        lines.push(format!("T{} comes before T{to} ({}): {why}", link.from, link.kind.name()));
    }
    if cycle.links.len() > TOLD {
        lines.push(format!("… {} steps more, back to T{}", cycle.links.len() - TOLD, cycle.links[0].from));
    } else {
        lines.push(format!("so T{} comes before itself", cycle.links[0].from));
    }
    lines
}
