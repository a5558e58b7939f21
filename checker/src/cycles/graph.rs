//! The dependency graph: nodes are transactions, and barriers of real time behind them.

use super::class::{Class, EXTRAS, SHAPES};
use super::components::components;
use super::cycle::{self, Cycle};

/// Why one transaction must come before another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dependency {
    /// It wrote the version before.
    Ww,
    /// The other read what it wrote.
    Wr,
    /// It read a version that the other replaced (an anti-dependency).
    Rw,
    /// It wrote the version before, provided that a transaction that reads and then writes replaces what it read.
    Implied,
    /// The same process ran it before.
    Process,
    /// It was over before the other began.
    Realtime,
}

impl Dependency {
    /// The name in reports: `ww`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ww | Self::Implied => "ww",
            Self::Wr => "wr",
            Self::Rw => "rw",
            Self::Process => "process",
            Self::Realtime => "realtime",
        }
    }
}

/// A dependency between two nodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// What comes first.
    pub from: u32,
    /// What comes after.
    pub to: u32,
    /// Why.
    pub kind: Dependency,
    /// Whatever the maker of the edge needs to explain it: a key, a log.
    pub detail: u32,
}

/// Dependencies between transactions.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    transactions: u32,
    nodes: u32,
    edges: Vec<Edge>,
    /// By node: its place in an order that most edges follow.
    order: Vec<u32>,
}

/// Edges sorted by where they begin.
pub(super) struct Outgoing {
    starts: Vec<u32>,
    edges: Vec<Edge>,
}

impl Graph {
    /// A graph of transactions; `order` gives each its place in an order that most dependencies should follow,
    /// such as that of completion.
    pub fn new(order: Vec<u32>) -> Self {
        let nodes = u32::try_from(order.len()).expect("fewer than 2^32 transactions");
        Self { transactions: nodes, nodes, edges: Vec::new(), order }
    }

    /// Adds a dependency; one on itself is none.
    pub fn add(&mut self, edge: Edge) {
        if edge.from != edge.to {
            self.edges.push(edge);
        }
    }

    /// Adds a node that is not a transaction.
    pub(super) fn barrier(&mut self, order: u32) -> u32 {
        self.order.push(order);
        self.nodes += 1;
        self.nodes - 1
    }

    /// Whether a node is a transaction.
    pub(super) fn is_transaction(&self, node: u32) -> bool {
        node < self.transactions
    }

    /// The edges added so far.
    pub fn edges(&self) -> &[Edge] {
        &self.edges
    }

    pub(super) fn node_count(&self) -> usize {
        self.nodes as usize
    }

    pub(super) fn place(&self, node: u32) -> u32 {
        self.order[node as usize]
    }

    /// For every component with cycles, in the order of its first transaction, a short cycle of each class.
    ///
    /// Of one shape only the variant that needs least is looked for: a `G1c` makes `G1c-realtime` no news.
    pub fn anomalies(&self) -> Vec<(Class, Cycle)> {
        let mut found = Vec::new();
        let components = components(self);
        for (component, edges) in components.iter().zip(self.inside(&components)) {
            let outgoing = Outgoing::of(component.len(), edges.iter().copied());
            let before = found.len();
            for shape in SHAPES {
                let variants = EXTRAS.iter().map(|extra| Class { shape, extra: *extra });
                let first = variants
                    .map(|class| (class, cycle::shortest(self, component, &outgoing, class)))
                    .find_map(|(class, cycle)| cycle.map(|cycle| (class, cycle)));
                found.extend(first);
            }
            if found.len() == before {
                // The walks are bounded; that there is a cycle must be said all the same.
                found.extend(cycle::any(self, component, &outgoing));
            }
        }
        found
    }

    /// The edges within each component (sorted by node), whose nodes are renumbered from 0. One pass over all edges,
    /// because there may be as many components as transactions.
    fn inside(&self, components: &[Vec<u32>]) -> Vec<Vec<Edge>> {
        let mut home = vec![(u32::MAX, 0); if components.is_empty() { 0 } else { self.node_count() }];
        for (at, component) in (0u32..).zip(components) {
            for (local, node) in (0u32..).zip(component) {
                home[*node as usize] = (at, local);
            }
        }
        let mut inside = vec![Vec::new(); components.len()];
        for edge in self.edges.iter().filter(|_| !components.is_empty()) {
            let ((from, a), (to, b)) = (home[edge.from as usize], home[edge.to as usize]);
            if from == to && from != u32::MAX {
                inside[from as usize].push(Edge { from: a, to: b, ..*edge });
            }
        }
        inside
    }
}

impl Outgoing {
    /// All edges.
    pub(super) fn of(nodes: usize, edges: impl Iterator<Item = Edge> + Clone) -> Self {
        let mut starts = vec![0u32; nodes + 1];
        for edge in edges.clone() {
            starts[edge.from as usize + 1] += 1;
        }
        for node in 0..nodes {
            starts[node + 1] += starts[node];
        }
        let mut next = starts.clone();
        let blank = Edge { from: 0, to: 0, kind: Dependency::Ww, detail: 0 };
        let mut sorted = vec![blank; starts[nodes] as usize];
        for edge in edges {
            let at = &mut next[edge.from as usize];
            sorted[*at as usize] = edge;
            *at += 1;
        }
        Self { starts, edges: sorted }
    }

    pub(super) fn from(&self, node: u32) -> &[Edge] {
        let node = node as usize;
        &self.edges[self.starts[node] as usize..self.starts[node + 1] as usize]
    }

    pub(super) fn all(&self) -> &[Edge] {
        &self.edges
    }
}
