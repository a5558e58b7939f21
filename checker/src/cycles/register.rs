//! Transactions that read and write registers, every write of a key having its own value.
//!
//! A read names its writer. The order of versions is known in part: nil comes before everything, and a transaction
//! that reads a version and then writes the key replaces just that version, wherever transactions are
//! serializable or snapshots (`Implied`: such edges lie on no cycle that speaks of weaker models).

use super::graph::{Dependency, Edge, Graph};
use super::inference::{self, Writers, conclude, counted};
use super::transactions::{Outcome, Part, Transactions};
use super::{Consistency, Found, Link, realtime};
use crate::linear::hash::IdMap;
use crate::linear::object::{Key, Val};

pub use super::inference::Verdict;

/// The first thing that a transaction saw of a key.
#[derive(Clone, Copy)]
struct Seen {
    reader: u32,
    key: Key,
    value: Val,
    /// Whether it wrote the key afterwards.
    replaces: bool,
}

/// Who read a version, and who must come after those.
#[derive(Default)]
struct Version {
    readers: Vec<u32>,
    after: Vec<u32>,
}

/// Judges a history of register transactions.
pub fn check(history: &Transactions, claim: Consistency) -> Verdict {
    let mut found = Found::default();
    let writers = inference::writers(history);
    let reads = reads(history, &mut found);
    examine(history, &writers, &reads, &mut found);
    let graph = graph(history, &writers, &reads, &mut found);
    conclude(history, &graph, (found, claim), |link, _| explain(history, link))
}

fn reads(history: &Transactions, found: &mut Found) -> Vec<Seen> {
    let mut reads = Vec::new();
    // By key: what it must hold, and which read it was that said so.
    let mut own: Vec<(Key, Val, Option<usize>)> = Vec::new();
    for (reader, transaction) in (0u32..).zip(history.transactions()) {
        if transaction.outcome != Outcome::Committed {
            continue;
        }
        own.clear();
        for part in history.parts(transaction) {
            let (Part::Read(key, value) | Part::Write(key, value)) = *part else { continue };
            let writes = matches!(part, Part::Write(..));
            match own.iter_mut().find(|(known, ..)| *known == key) {
                Some((_, held, read)) if writes => {
                    *held = value;
                    if let Some(read) = *read {
                        reads[read] = Seen { replaces: true, ..reads[read] };
                    }
                }
                Some((_, held, _)) if *held == value => {}
                Some(_) => found.add(("internal", None), Consistency::SnapshotIsolation, || {
                    let key = history.key_name(key);
                    vec![
                        history.describe(reader),
                        format!("what it reads of {key} contradicts what it did and saw before"),
                    ]
                }),
                None if writes => own.push((key, value, None)),
                None => {
                    own.push((key, value, Some(reads.len())));
                    reads.push(Seen { reader, key, value, replaces: false });
                }
            }
        }
    }
    reads
}

fn examine(history: &Transactions, writers: &Writers, reads: &[Seen], found: &mut Found) {
    for Seen { reader, key, value, .. } in reads.iter().copied().filter(|seen| seen.value != Val::NIL) {
        let name = history.value_name(value);
        let Some(writer) = writers.get(&(key, value)) else {
            found.add(("phantom", None), Consistency::ReadUncommitted, || {
                vec![history.describe(reader), format!("nobody wrote {name}")]
            });
            continue;
        };
        if writer.ambiguous {
            continue;
        }
        let both = |why: String| vec![history.describe(reader), history.describe(writer.transaction), why];
        if history.transactions()[writer.transaction as usize].outcome == Outcome::Aborted {
            found.add(("aborted-read", Some("G1a")), Consistency::ReadCommitted, || {
                both(format!("{name} was written by a transaction that failed"))
            });
        } else if writer.intermediate && writer.transaction != reader {
            found.add(("intermediate-read", Some("G1b")), Consistency::ReadCommitted, || {
                both(format!("{name} was not the last that the other transaction wrote to this key"))
            });
        }
    }
}

fn graph(history: &Transactions, writers: &Writers, reads: &[Seen], found: &mut Found) -> Graph {
    let mut graph = realtime::graph(history);
    let known = |key: Key, value: Val| {
        writers.get(&(key, value)).filter(|writer| !writer.ambiguous).map(|writer| writer.transaction)
    };
    let counted = counted(history, reads.iter().filter_map(|seen| known(seen.key, seen.value)));
    let mut by_version: IdMap<(Key, Val), Version> = IdMap::default();
    for Seen { reader, key, value, replaces } in reads.iter().copied() {
        let detail = key.0;
        if let Some(from) = known(key, value).filter(|id| counted[*id as usize]) {
            graph.add(Edge { from, to: reader, kind: Dependency::Wr, detail });
            if replaces {
                graph.add(Edge { from, to: reader, kind: Dependency::Implied, detail });
            }
        }
        let version = by_version.entry((key, value)).or_default();
        version.readers.push(reader);
        if replaces {
            version.after.push(reader);
        }
    }
    // Nobody who saw nil can come after anybody who wrote.
    for ((key, _), writer) in writers.iter() {
        let counts = counted[writer.transaction as usize] && !writer.ambiguous;
        if let Some(version) = by_version.get_mut(&(*key, Val::NIL)).filter(|_| counts) {
            version.after.push(writer.transaction);
        }
    }
    let mut versions: Vec<((Key, Val), Version)> = by_version.into_iter().collect();
    versions.sort_unstable_by_key(|(version, _)| *version);
    let mut updates: IdMap<(Key, u32), Vec<u32>> = IdMap::default();
    for seen in reads.iter().filter(|seen| seen.replaces) {
        updates.entry((seen.key, seen.value.0)).or_default().push(seen.reader);
    }
    for ((key, _), Version { readers, mut after }) in versions {
        inference::add_anti_dependencies(&mut graph, history, (&readers, &mut after), key);
    }
    inference::lost_updates(history, updates, found);
    graph
}

fn explain(history: &Transactions, link: Link) -> String {
    let key = history.key_name(Key(link.detail));
    match link.kind {
        Dependency::Wr => format!("the other read {key} as it wrote it"),
        Dependency::Ww | Dependency::Implied => {
            format!("the other replaced the version of {key} that it wrote")
        }
        Dependency::Rw | Dependency::Process | Dependency::Realtime => {
            format!("it read a version of {key} that is older than what the other wrote")
        }
    }
}
