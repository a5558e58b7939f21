//! Transactions that append to lists and read them whole.
//!
//! A list shows its own history: the longest read of a key is a prefix of the order of its versions, and every
//! other read must be a prefix of it. Elements that committed and that nobody saw come after all that were seen;
//! among themselves they have no known order. A transaction's own appends at the end of a list that it reads are
//! set aside before: what was there before them is the version that it read.

use super::graph::{Dependency, Edge, Graph};
use super::inference::{self, Writers, conclude, counted};
use super::transactions::{Outcome, Part, Transaction, Transactions};
use super::{Consistency, Found, Link, realtime};
use crate::linear::hash::{IdMap, IdSet};
use crate::linear::object::{Key, Span, Val};

pub use super::inference::Verdict;

/// A read as the version that it shows.
#[derive(Clone, Copy)]
struct Version {
    reader: u32,
    key: Key,
    /// Without the reader's own elements.
    list: Span,
}

/// Transactions by a key of theirs.
type ByKey = IdMap<Key, Vec<u32>>;

/// Judges a history of list transactions.
pub fn check(history: &Transactions, claim: Consistency) -> Verdict {
    let mut found = Found::default();
    let writers = inference::writers(history);
    let versions = versions(history, &mut found);
    let orders = orders(history, &versions, &mut found);
    examine(history, &writers, (&versions, &orders), &mut found);
    let graph = graph(history, &writers, (&versions, &orders), &mut found);
    conclude(history, &graph, (found, claim), |link, to| explain(history, &orders, &writers, (link, to)))
}

/// What committed transactions read, and whether each agrees with itself.
fn versions(history: &Transactions, found: &mut Found) -> Vec<Version> {
    let mut versions = Vec::new();
    let mut own: Vec<(Key, Vec<Val>, Option<Span>)> = Vec::new();
    for (reader, transaction) in (0u32..).zip(history.transactions()) {
        if transaction.outcome != Outcome::Committed {
            continue;
        }
        own.clear();
        for part in history.parts(transaction) {
            let (Part::ReadList(key, _) | Part::Append(key, _)) = *part else { continue };
            let at = own.iter().position(|(known, ..)| *known == key).unwrap_or_else(|| {
                own.push((key, Vec::new(), None));
                own.len() - 1
            });
            let (_, appended, before) = &mut own[at];
            match *part {
                Part::Append(_, value) => appended.push(value),
                Part::ReadList(_, list) => {
                    let elements = history.elements(list);
                    let outside = elements.len().checked_sub(appended.len());
                    let outside = outside.filter(|outside| elements[*outside..] == appended[..]);
                    let Some(outside) = outside.and_then(|outside| u32::try_from(outside).ok()) else {
                        internal(history, reader, key, found);
                        continue;
                    };
                    let list = Span { len: outside, ..list };
                    match before {
                        Some(before) if history.elements(*before) != history.elements(list) => {
                            internal(history, reader, key, found);
                        }
                        Some(_) => {}
                        None => {
                            *before = Some(list);
                            versions.push(Version { reader, key, list });
                        }
                    }
                }
                Part::Read(..) | Part::Write(..) => {}
            }
        }
    }
    versions
}

fn internal(history: &Transactions, reader: u32, key: Key, found: &mut Found) {
    found.add(("internal", None), Consistency::SnapshotIsolation, || {
        let key = history.key_name(key);
        vec![
            history.describe(reader),
            format!("what it reads of {key} contradicts what it itself did and saw before"),
        ]
    });
}

/// The longest read of each key, where all others are prefixes of it.
fn orders(history: &Transactions, versions: &[Version], found: &mut Found) -> Vec<Option<Version>> {
    let mut orders: Vec<Option<Version>> = vec![None; history.key_count()];
    for version in versions {
        let longest = &mut orders[version.key.0 as usize];
        if longest.is_none_or(|longest| longest.list.len < version.list.len) {
            *longest = Some(*version);
        }
    }
    let mut broken = IdSet::default();
    for version in versions {
        let Some(longest) = orders[version.key.0 as usize] else { continue };
        let (list, whole) = (history.elements(version.list), history.elements(longest.list));
        if whole.starts_with(list) {
            continue;
        }
        broken.insert(version.key);
        found.add(("incompatible-order", None), Consistency::ReadUncommitted, || {
            let key = history.key_name(version.key);
            let why = format!(
                "neither list of {key} is the beginning of the other, so no order of appends explains both"
            );
            vec![history.describe(version.reader), history.describe(longest.reader), why]
        });
    }
    for key in broken {
        orders[key.0 as usize] = None;
    }
    orders
}

/// Elements that should not have been there to be seen.
fn examine(
    history: &Transactions,
    writers: &Writers,
    (versions, orders): (&[Version], &[Option<Version>]),
    found: &mut Found,
) {
    let mut met = IdSet::default();
    for longest in orders.iter().flatten() {
        met.clear();
        let whole = history.elements(longest.list);
        let described = || history.describe(longest.reader);
        for value in whole {
            let name = history.value_name(*value);
            if !met.insert(*value) {
                found.add(("duplicate-elements", None), Consistency::ReadUncommitted, || {
                    vec![described(), format!("{name} is in the list twice and was appended once")]
                });
            }
            match writers.get(&(longest.key, *value)) {
                None => found.add(("phantom", None), Consistency::ReadUncommitted, || {
                    vec![described(), format!("nobody appended {name}")]
                }),
                Some(writer) if is_aborted(history, writer.transaction) => {
                    found.add(("aborted-read", Some("G1a")), Consistency::ReadCommitted, || {
                        let why = format!("{name} was appended by a transaction that failed");
                        vec![described(), history.describe(writer.transaction), why]
                    });
                }
                Some(_) => {}
            }
        }
    }
    for version in versions {
        let Some(value) = history.elements(version.list).last() else { continue };
        let Some(writer) = writers.get(&(version.key, *value)) else { continue };
        if writer.intermediate && !writer.ambiguous && writer.transaction != version.reader {
            found.add(("intermediate-read", Some("G1b")), Consistency::ReadCommitted, || {
                let name = history.value_name(*value);
                let why = format!("{name} was not the last that the other transaction appended to this list");
                vec![history.describe(version.reader), history.describe(writer.transaction), why]
            });
        }
    }
}

fn is_aborted(history: &Transactions, id: u32) -> bool {
    history.transactions()[id as usize].outcome == Outcome::Aborted
}

/// All dependencies.
fn graph(
    history: &Transactions,
    writers: &Writers,
    (versions, orders): (&[Version], &[Option<Version>]),
    found: &mut Found,
) -> Graph {
    let mut graph = realtime::graph(history);
    let known = |key: Key, value: Val| {
        writers.get(&(key, value)).filter(|writer| !writer.ambiguous).map(|writer| writer.transaction)
    };
    let whole = |key: Key| orders[key.0 as usize].map_or(&[][..], |order| history.elements(order.list));
    let seen = orders
        .iter()
        .flatten()
        .flat_map(|order| history.elements(order.list).iter().filter_map(|value| known(order.key, *value)));
    let counted = counted(history, seen);
    let writer = |key, value| known(key, value).filter(|id| counted[*id as usize]);
    for order in orders.iter().flatten() {
        let ids = whole(order.key).iter().filter_map(|value| writer(order.key, *value));
        let ids: Vec<u32> = ids.collect();
        for pair in ids.windows(2) {
            graph.add(Edge { from: pair[0], to: pair[1], kind: Dependency::Ww, detail: order.key.0 });
        }
    }
    let unseen = unseen(history, (writers, &counted), &whole);
    let mut up_to_date = ByKey::default();
    let mut updates: IdMap<(Key, u32), Vec<u32>> = IdMap::default();
    for Version { reader, key, list } in versions.iter().copied() {
        if orders[key.0 as usize].is_none() {
            continue;
        }
        let detail = key.0;
        if let Some(from) = history.elements(list).last().and_then(|value| writer(key, *value)) {
            graph.add(Edge { from, to: reader, kind: Dependency::Wr, detail });
        }
        // A transaction that nobody can tell to have happened is no version; the next one is.
        match whole(key)[list.len as usize..].iter().find_map(|value| writer(key, *value)) {
            Some(to) => graph.add(Edge { from: reader, to, kind: Dependency::Rw, detail }),
            None if unseen.contains_key(&key) => up_to_date.entry(key).or_default().push(reader),
            None => {}
        }
        if appends(history, &history.transactions()[reader as usize], key) {
            updates.entry((key, list.len)).or_default().push(reader);
        }
    }
    inference::lost_updates(history, updates, found);
    add_unseen(&mut graph, history, (unseen, &up_to_date), |key| {
        whole(key).iter().rev().find_map(|value| writer(key, *value))
    });
    graph
}

fn appends(history: &Transactions, transaction: &Transaction, key: Key) -> bool {
    history.parts(transaction).iter().any(|part| matches!(part, Part::Append(at, _) if *at == key))
}

/// Transactions that happened and whose appends to a key nobody saw, for keys that were read.
fn unseen<'a>(
    history: &Transactions,
    (writers, counted): (&Writers, &[bool]),
    whole: &impl Fn(Key) -> &'a [Val],
) -> ByKey {
    let mut seen = IdSet::default();
    for key in (0u32..).take(history.key_count()).map(Key) {
        seen.extend(whole(key).iter().map(|value| (key, *value)));
    }
    let mut unseen = ByKey::default();
    for (id, transaction) in (0u32..).zip(history.transactions()) {
        if !counted[id as usize] {
            continue;
        }
        for part in history.parts(transaction) {
            let Part::Append(key, value) = *part else { continue };
            let unique = writers.get(&(key, value)).is_some_and(|writer| !writer.ambiguous);
            if unique && !seen.contains(&(key, value)) {
                unseen.entry(key).or_default().push(id);
            }
        }
    }
    unseen
}

/// What nobody saw comes after everything that was seen, and after all who saw it.
fn add_unseen(
    graph: &mut Graph,
    history: &Transactions,
    (unseen, up_to_date): (ByKey, &ByKey),
    last: impl Fn(Key) -> Option<u32>,
) {
    let mut unseen: Vec<(Key, Vec<u32>)> = unseen.into_iter().collect();
    unseen.sort_unstable();
    for (key, mut ids) in unseen {
        if let Some(from) = last(key) {
            for to in &ids {
                graph.add(Edge { from, to: *to, kind: Dependency::Ww, detail: key.0 });
            }
        }
        if let Some(readers) = up_to_date.get(&key) {
            inference::add_anti_dependencies(graph, history, (readers, &mut ids), key);
        }
    }
}

/// What the two transactions did to the key.
fn explain(
    history: &Transactions,
    orders: &[Option<Version>],
    writers: &Writers,
    (link, to): (Link, u32),
) -> String {
    let key = Key(link.detail);
    let whole = orders[key.0 as usize].map_or(&[][..], |order| history.elements(order.list));
    let by =
        |id: u32, value: &Val| writers.get(&(key, *value)).is_some_and(|writer| writer.transaction == id);
    let name = |value: Option<&Val>| {
        value.map_or("an element".to_owned(), |value| history.value_name(*value).to_string())
    };
    let list = history.key_name(key);
    let next = |after: usize| {
        let later = whole[after..].iter().find(|value| by(to, value));
        name(later.or(appended(history, to, key).as_ref()))
    };
    match link.kind {
        Dependency::Ww | Dependency::Implied => {
            let at = whole.iter().position(|value| by(link.from, value)).unwrap_or(0);
            format!("it appended {} to {list} and the other {} behind it", name(whole.get(at)), next(at))
        }
        Dependency::Wr => {
            format!(
                "the other saw {} in {list}, which it appended",
                name(whole.iter().rfind(|value| by(link.from, value)))
            )
        }
        Dependency::Rw | Dependency::Process | Dependency::Realtime => {
            format!("it read {list} without {}, which the other appended", next(0))
        }
    }
}

fn appended(history: &Transactions, id: u32, key: Key) -> Option<Val> {
    history.parts(&history.transactions()[id as usize]).iter().find_map(|part| match *part {
        Part::Append(at, value) if at == key => Some(value),
        Part::Append(..) | Part::ReadList(..) | Part::Read(..) | Part::Write(..) => None,
    })
}
