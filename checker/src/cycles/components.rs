//! Strongly connected components, searched only where there can be any.
//!
//! Every node has a place in an order that most edges follow. A cycle must come back, so each step between
//! neighbouring places inside its span is crossed by a backward edge: a cycle lies within one stretch of
//! overlapping backward edges. Without backward edges there is none, and that takes one comparison per edge.
//! Within the stretches: Tarjan's algorithm with an explicit stack.

use super::graph::{Edge, Graph, Outgoing};

/// Components of at least two nodes, each sorted by node, in the order of their first nodes.
pub(super) fn components(graph: &Graph) -> Vec<Vec<u32>> {
    let backward = graph.edges().iter().filter(|edge| graph.place(edge.to) <= graph.place(edge.from));
    let mut stretches: Vec<(u32, u32)> =
        backward.map(|edge| (graph.place(edge.to), graph.place(edge.from))).collect();
    if stretches.is_empty() {
        return Vec::new();
    }
    stretches.sort_unstable();
    let mut merged: Vec<(u32, u32)> = Vec::new();
    for (from, to) in stretches {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ => merged.push((from, to)),
        }
    }
    let stretch = |node: u32| {
        let place = graph.place(node);
        let at = merged.partition_point(|(from, _)| *from <= place).checked_sub(1)?;
        (place <= merged[at].1).then_some(at)
    };
    let stretch_of: Vec<Option<usize>> = (0u32..).take(graph.node_count()).map(stretch).collect();
    let inside = |edge: &&Edge| {
        let from = stretch_of[edge.from as usize];
        from.is_some() && from == stretch_of[edge.to as usize]
    };
    let edges: Vec<Edge> = graph.edges().iter().filter(inside).copied().collect();
    let outgoing = Outgoing::of(graph.node_count(), edges.into_iter());
    let mut found = tarjan(graph.node_count(), &outgoing);
    found.iter_mut().for_each(|component| component.sort_unstable());
    found.sort_unstable();
    found
}

const UNSEEN: u32 = u32::MAX;

fn tarjan(nodes: usize, outgoing: &Outgoing) -> Vec<Vec<u32>> {
    let mut found = Vec::new();
    let mut number = vec![UNSEEN; nodes];
    let mut low = vec![0u32; nodes];
    let mut on_stack = vec![false; nodes];
    let (mut stack, mut work): (Vec<u32>, Vec<(u32, u32)>) = (Vec::new(), Vec::new());
    let mut next = 0;
    for root in (0u32..).take(nodes) {
        if number[root as usize] != UNSEEN || outgoing.from(root).is_empty() {
            continue;
        }
        work.push((root, 0));
        while let Some((node, at)) = work.pop() {
            let here = node as usize;
            if at == 0 {
                (number[here], low[here]) = (next, next);
                next += 1;
                stack.push(node);
                on_stack[here] = true;
            }
            let edges = outgoing.from(node);
            if at > 0 {
                let child = edges[at as usize - 1].to as usize;
                low[here] = low[here].min(low[child]);
            }
            let mut at = at as usize;
            let mut descended = false;
            while at < edges.len() {
                let to = edges[at].to;
                at += 1;
                if number[to as usize] == UNSEEN {
                    work.push((node, u32::try_from(at).expect("few edges")));
                    work.push((to, 0));
                    descended = true;
                    break;
                }
                if on_stack[to as usize] {
                    low[here] = low[here].min(number[to as usize]);
                }
            }
            if descended || low[here] != number[here] {
                continue;
            }
            let from =
                stack.iter().rposition(|on| *on == node).expect("a node is on the stack until its end");
            let component = stack.split_off(from);
            component.iter().for_each(|node| on_stack[*node as usize] = false);
            if component.len() > 1 {
                found.push(component);
            }
        }
    }
    found
}
