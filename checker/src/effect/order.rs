//! Effects out of the log's order, judged at the first effect of each record: a repeated one is no matter of order.
//!
//! A sink that was read back has an order of its own. Acknowledgements have one within a process; between two, the
//! earlier is surely first only if it was acknowledged before the other's process was even given the log.

use std::collections::BTreeMap;
use std::ops::Range;

use history::ids::{Nanos, Process};

use super::{By, Piece, Stage};

/// Records whose first effect came after that of a later one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Late {
    pub(super) ranks: Range<u64>,
    pub(super) by: Piece,
    /// The effects of later records that came before.
    pub(super) overtaken_by: Piece,
}

/// Finds them. The pieces are in the sink's order.
pub(super) fn late(stage: &Stage<'_>, pieces: &[Piece]) -> Vec<Late> {
    let mut late = Vec::new();
    let mut covered = Intervals::default();
    let mut own: BTreeMap<Option<Process>, Piece> = BTreeMap::new();
    // The piece that reaches furthest among those up to each.
    let mut furthest: Vec<(Nanos, Piece)> = Vec::new();
    for piece in pieces {
        let made = match piece.by {
            By::Member(at) => Some(stage.made()[at]),
            By::Sink(_) => None,
        };
        let process = made.map(|made| made.process);
        let began = made.and_then(|made| made.turn).map(|turn| turn.time);
        let others = began.and_then(|began| {
            let until = furthest.partition_point(|(time, _)| *time < began);
            until.checked_sub(1).map(|at| furthest[at].1)
        });
        let before = own.get(&process).copied().into_iter().chain(others).max_by_key(|piece| piece.end);
        for fresh in covered.insert(piece.start..piece.end) {
            if let Some(before) = before.filter(|before| before.end > fresh.start) {
                let ranks = fresh.start..fresh.end.min(before.end);
                late.push(Late { ranks, by: *piece, overtaken_by: before });
            }
        }
        let reach = own.entry(process).or_insert(*piece);
        if piece.end > reach.end {
            *reach = *piece;
        }
        let time = made.map_or(Nanos(0), |made| made.time);
        let reach = furthest.last().map(|(_, reach)| *reach).filter(|reach| reach.end >= piece.end);
        furthest.push((time, reach.unwrap_or(*piece)));
    }
    late
}

/// A set of ranks.
#[derive(Debug, Default)]
struct Intervals(BTreeMap<u64, u64>);

impl Intervals {
    /// Adds a range; returns the parts of it that were not there.
    fn insert(&mut self, range: Range<u64>) -> Vec<Range<u64>> {
        let (mut fresh, mut start) = (Vec::new(), range.start);
        let mut union = range.clone();
        let mut touched = Vec::new();
        let from = self.0.range(..=range.start).next_back().map_or(range.start, |(start, _)| *start);
        for (&known, &end) in self.0.range(from..=range.end).filter(|(_, end)| **end >= range.start) {
            if known > start {
                fresh.push(start..known.min(range.end));
            }
            start = start.max(end);
            union = union.start.min(known)..union.end.max(end);
            touched.push(known);
        }
        if start < range.end {
            fresh.push(start..range.end);
        }
        for known in touched {
            self.0.remove(&known);
        }
        self.0.insert(union.start, union.end);
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::Intervals;

    #[test]
    fn a_set_of_ranks_tells_what_is_new() {
        let mut set = Intervals::default();
        let mut new = |range| set.insert(range).iter().map(|new| (new.start, new.end)).collect::<Vec<_>>();
        assert_eq!(new(5..8), [(5, 8)]);
        assert_eq!(new(0..2), [(0, 2)]);
        assert_eq!(new(1..9), [(2, 5), (8, 9)]);
        assert_eq!(new(0..9), []);
        assert_eq!(new(9..10), [(9, 10)]);
        assert_eq!(set.0.len(), 1);
    }
}
