//! A shortest cycle of a class within a component.
//!
//! Every cycle of a class has an edge of a certain kind (an anti-dependency for G-single); from each such edge a
//! breadth-first walk looks for the way back, with the little state that the class needs. In very large components
//! only the first edges are tried, and a cycle of two transactions ends the search: the shortest of those seen is
//! given, and there is always one if the class has any edge on a cycle among them.

use std::collections::VecDeque;

use super::class::{Class, State};
use super::graph::{Dependency, Edge, Graph, Outgoing};

/// Edges visited in one component for one class.
const VISITS: usize = 20_000_000;

/// One step of a cycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The transaction that comes first.
    pub from: u32,
    /// Why it does.
    pub kind: Dependency,
    /// What the maker of the edge noted.
    pub detail: u32,
}

/// A cycle: each link leads to the next, the last to the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// The links.
    pub links: Vec<Link>,
}

impl Cycle {
    /// Each link with where it leads.
    pub fn steps(&self) -> impl Iterator<Item = (Link, u32)> + '_ {
        let next = self.links.iter().cycle().skip(1).map(|link| link.from);
        self.links.iter().copied().zip(next)
    }
}

/// A shortest cycle of the class, in the numbers of the graph.
pub(super) fn shortest(graph: &Graph, component: &[u32], outgoing: &Outgoing, class: Class) -> Option<Cycle> {
    let mut best: Option<Vec<Edge>> = None;
    let mut visits = 0;
    let mut walk = Walk::new(component.len());
    for first in outgoing.all().iter().filter(|edge| class.begins_with(edge.kind)) {
        let longest = best.as_ref().map_or(usize::MAX, Vec::len);
        let way = walk.back(outgoing, class, (*first, longest), &mut visits);
        best = way.filter(|way| way.len() < longest && is_simple(way)).or(best);
        let shortest = best.as_ref().map_or(usize::MAX, Vec::len);
        if shortest <= 2 || visits > VISITS {
            break;
        }
    }
    best.map(|edges| collapse(graph, component, &edges))
}

/// A cycle of any class: the shortest through the first dependency.
pub(super) fn any(graph: &Graph, component: &[u32], outgoing: &Outgoing) -> Option<(Class, Cycle)> {
    let order = |edge: &&Edge| matches!(edge.kind, Dependency::Process | Dependency::Realtime);
    let first = *outgoing.all().iter().find(|edge| !order(edge))?;
    let mut reached: Vec<Option<Edge>> = vec![None; component.len()];
    let mut queue = VecDeque::from([first.to]);
    reached[first.to as usize] = Some(first);
    while let Some(node) = queue.pop_front() {
        for edge in outgoing.from(node) {
            let by = &mut reached[edge.to as usize];
            if by.is_none() {
                *by = Some(*edge);
                queue.push_back(edge.to);
            }
        }
    }
    let mut edges = vec![first];
    let mut node = first.from;
    while node != first.to {
        let edge = reached[node as usize]?;
        edges.push(edge);
        node = edge.from;
    }
    edges[1..].reverse();
    Some((Class::of(edges.iter().map(|edge| edge.kind)), collapse(graph, component, &edges)))
}

/// Whether no node comes twice: a walk with state may cross itself.
fn is_simple(edges: &[Edge]) -> bool {
    let mut nodes: Vec<u32> = edges.iter().map(|edge| edge.from).collect();
    nodes.sort_unstable();
    nodes.windows(2).all(|pair| pair[0] != pair[1])
}

/// Leaves out barriers, beginning with the transaction of the lowest number.
fn collapse(graph: &Graph, component: &[u32], edges: &[Edge]) -> Cycle {
    let mut links: Vec<Link> = edges
        .iter()
        .map(|edge| Link { from: component[edge.from as usize], kind: edge.kind, detail: edge.detail })
        .filter(|link| graph.is_transaction(link.from))
        .collect();
    let first = links.iter().enumerate().min_by_key(|(_, link)| link.from).map_or(0, |(at, _)| at);
    links.rotate_left(first);
    Cycle { links }
}

/// Breadth-first search whose tables are cleared by counting.
struct Walk {
    round: u32,
    seen: Vec<[u32; State::COUNT]>,
    /// (edge taken, index of the step before).
    steps: Vec<(Edge, State, usize)>,
    queue: VecDeque<usize>,
}

impl Walk {
    fn new(nodes: usize) -> Self {
        Self { round: 0, seen: vec![[0; State::COUNT]; nodes], steps: Vec::new(), queue: VecDeque::new() }
    }

    /// The shortest way from the end of `first` to its start, `first` included; only if shorter than `longest`.
    fn back(
        &mut self,
        outgoing: &Outgoing,
        class: Class,
        (first, longest): (Edge, usize),
        visits: &mut usize,
    ) -> Option<Vec<Edge>> {
        self.round += 1;
        self.steps.clear();
        self.queue.clear();
        self.steps.push((first, class.begin(), usize::MAX));
        self.queue.push_back(0);
        while let Some(at) = self.queue.pop_front() {
            let (edge, state, _) = self.steps[at];
            for next in outgoing.from(edge.to) {
                *visits += 1;
                let Some(after) = class.step(state, next.kind) else { continue };
                if next.to == first.from {
                    if class.closes(after) {
                        let way = self.way(at, *next);
                        return (way.len() < longest).then_some(way);
                    }
                    continue;
                }
                let seen = &mut self.seen[next.to as usize][after.index()];
                if *seen != self.round {
                    *seen = self.round;
                    self.queue.push_back(self.steps.len());
                    self.steps.push((*next, after, at));
                }
            }
        }
        None
    }

    fn way(&self, mut at: usize, last: Edge) -> Vec<Edge> {
        let mut way = vec![last];
        while at != usize::MAX {
            let (edge, _, before) = self.steps[at];
            way.push(edge);
            at = before;
        }
        way.reverse();
        way
    }
}

#[cfg(test)]
mod tests {
    use super::super::class::{Extra, Shape};
    use super::*;

    #[test]
    fn some_cycle_is_found_whatever_its_class() {
        let mut graph = Graph::new(vec![1, 2, 3, 4]);
        let edge = |from, to, kind| Edge { from, to, kind, detail: 0 };
        graph.add(edge(0, 1, Dependency::Realtime));
        graph.add(edge(1, 2, Dependency::Rw));
        graph.add(edge(2, 3, Dependency::Ww));
        graph.add(edge(3, 0, Dependency::Rw));
        let component = [0, 1, 2, 3];
        let outgoing = Outgoing::of(4, graph.edges().to_vec().into_iter());
        let (class, cycle) = any(&graph, &component, &outgoing).expect("there is one");
        assert_eq!(class, Class { shape: Shape::G2, extra: Extra::Realtime });
        let nodes: Vec<u32> = cycle.links.iter().map(|link| link.from).collect();
        assert_eq!(nodes, [0, 1, 2, 3]);
    }
}
