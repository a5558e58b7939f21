//! Cycles of dependencies by trying every way round.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Value};
use history::op::Isolation;

use super::definition::Facts;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Ww,
    Wr,
    Rw,
    Process,
    Realtime,
}

type Edges = BTreeSet<(usize, usize, Kind)>;

/// How many components show a cycle of each kind.
pub(crate) fn of(facts: &Facts) -> BTreeMap<&'static str, usize> {
    let nodes: Vec<usize> =
        (0..facts.txns.len()).filter(|txn| facts.must_have_committed(&facts.txns[*txn])).collect();
    let edges = edges(facts, &nodes);
    let mut found = BTreeMap::new();
    let plain: Edges = edges.iter().copied().filter(|edge| edge.2 != Kind::Rw).collect();
    for component in components(&nodes, &plain) {
        let cycles = cycles(&component, &plain);
        let has = |needs: Kind, allowed: &[Kind]| {
            cycles
                .iter()
                .any(|kinds| kinds.contains(&needs) && kinds.iter().all(|kind| allowed.contains(kind)))
        };
        let all = [Kind::Ww, Kind::Wr, Kind::Process, Kind::Realtime];
        let g0 = [
            ("G0", has(Kind::Ww, &[Kind::Ww])),
            ("G0 with process or real-time order", has(Kind::Ww, &[Kind::Ww, Kind::Process, Kind::Realtime])),
        ];
        let g1c = [
            ("G1c", has(Kind::Wr, &[Kind::Ww, Kind::Wr])),
            ("G1c with process or real-time order", has(Kind::Wr, &all)),
        ];
        for shape in [g0, g1c] {
            if let Some((name, _)) = shape.into_iter().find(|(_, has)| *has) {
                *found.entry(name).or_insert(0) += 1;
            }
        }
    }
    let dependencies: Edges = edges.iter().copied().filter(|edge| edge.2 <= Kind::Rw).collect();
    for component in components(&nodes, &dependencies) {
        let cycles = cycles(&component, &dependencies);
        let anti = |kinds: &Vec<Kind>| kinds.iter().filter(|kind| **kind == Kind::Rw).count();
        let apart = |kinds: &Vec<Kind>| {
            let next = kinds.iter().cycle().skip(1);
            kinds.iter().zip(next).all(|(a, b)| (*a, *b) != (Kind::Rw, Kind::Rw))
        };
        for (name, has) in [
            ("G-single", cycles.iter().any(|kinds| anti(kinds) == 1)),
            ("G-nonadjacent", cycles.iter().any(|kinds| anti(kinds) > 1 && apart(kinds))),
            ("G2", cycles.iter().any(|kinds| anti(kinds) > 1)),
        ] {
            if has {
                *found.entry(name).or_insert(0) += 1;
            }
        }
    }
    found
}

/// The records of one log by offset: its committed content where a committed read shows it, else whatever is known.
fn versions(facts: &Facts, log: LogId) -> BTreeMap<i64, Value> {
    for level in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
        if facts.complete(log, level).is_some() {
            return facts.final_read(log, level).into_iter().collect();
        }
    }
    let mut known = BTreeMap::new();
    for level in [Isolation::ReadCommitted, Isolation::ReadUncommitted] {
        known.extend(facts.final_read(log, level));
    }
    known.extend(
        facts.polls.iter().filter(|poll| poll.log == log).flat_map(|poll| poll.records.iter().copied()),
    );
    known
}

fn edges(facts: &Facts, nodes: &[usize]) -> Edges {
    let mut edges = Edges::new();
    let node = |value: Value| facts.txn_of(value).filter(|txn| nodes.contains(txn));
    for log in facts.logs() {
        let versions: Vec<(i64, usize)> = versions(facts, log)
            .into_iter()
            .filter_map(|(offset, value)| Some((offset, node(value)?)))
            .collect();
        edges.extend(versions.windows(2).map(|pair| (pair[0].1, pair[1].1, Kind::Ww)));
        for reader in nodes {
            let own =
                |poll: &&super::definition::Poll| poll.log == log && facts.reader(poll) == Some(*reader);
            let records = || facts.polls.iter().filter(own).flat_map(|poll| &poll.records);
            for (_, value) in records() {
                edges.extend(node(*value).map(|writer| (writer, *reader, Kind::Wr)));
            }
            let Some(greatest) = records().map(|(offset, _)| *offset).max() else { continue };
            let next = versions.iter().find(|(offset, _)| *offset > greatest);
            edges.extend(next.map(|(_, writer)| (*reader, *writer, Kind::Rw)));
        }
    }
    for a in nodes {
        for b in nodes {
            let [before, after] = [&facts.txns[*a], &facts.txns[*b]];
            let Some(returned) = before.returned() else { continue };
            if before.process == after.process && a < b {
                edges.insert((*a, *b, Kind::Process));
            }
            if returned < after.begun {
                edges.insert((*a, *b, Kind::Realtime));
            }
        }
    }
    edges.retain(|(from, to, _)| from != to);
    edges
}

fn components(nodes: &[usize], edges: &Edges) -> Vec<Vec<usize>> {
    let mut reaches: BTreeSet<(usize, usize)> = edges.iter().map(|(from, to, _)| (*from, *to)).collect();
    for via in nodes {
        for from in nodes {
            for to in nodes {
                if reaches.contains(&(*from, *via)) && reaches.contains(&(*via, *to)) {
                    reaches.insert((*from, *to));
                }
            }
        }
    }
    let with = |a: usize, b: usize| reaches.contains(&(a, b)) && reaches.contains(&(b, a));
    let mut components: Vec<Vec<usize>> = nodes
        .iter()
        .map(|a| nodes.iter().copied().filter(|b| with(*a, *b)).collect::<Vec<_>>())
        .filter(|component: &Vec<usize>| component.len() > 1)
        .collect();
    components.sort();
    components.dedup();
    components
}

/// The kinds of the edges of every cycle that passes no node twice.
fn cycles(component: &[usize], edges: &Edges) -> BTreeSet<Vec<Kind>> {
    let mut found = BTreeSet::new();
    for first in component {
        walk(*first, (*first, &mut vec![*first], &mut Vec::new()), edges, &mut found);
    }
    found
}

fn walk(
    first: usize,
    (at, path, kinds): (usize, &mut Vec<usize>, &mut Vec<Kind>),
    edges: &Edges,
    found: &mut BTreeSet<Vec<Kind>>,
) {
    for (_, to, kind) in edges.iter().filter(|(from, ..)| *from == at) {
        kinds.push(*kind);
        if *to == first {
            found.insert(kinds.clone());
        } else if *to > first && !path.contains(to) {
            path.push(*to);
            walk(first, (*to, path, kinds), edges, found);
            path.pop();
        }
        kinds.pop();
    }
}
