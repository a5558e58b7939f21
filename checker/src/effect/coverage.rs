//! Which records took effect, and how often: gaps and overlaps of intervals.

use std::collections::BTreeSet;
use std::ops::Range;

use super::Piece;

/// What the effects of one log cover.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// Records with an effect.
    pub(super) distinct: u64,
    /// Records without, below the position that the group drained to.
    pub(super) gaps: Vec<Range<u64>>,
    /// Records without, at or above it.
    pub(super) not_drained: u64,
    /// Records with two, pair by pair.
    pub(super) again: Vec<Again>,
}

/// Consecutive records that took effect by one piece and then, next in the sink's order, by another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Again {
    pub(super) ranks: Range<u64>,
    pub(super) first: Piece,
    pub(super) again: Piece,
}

impl Covered {
    /// Lays the pieces, given in the sink's order, over a log of `total` records of which `drained` were reached.
    pub(super) fn of(pieces: &[Piece], drained: u64, total: u64) -> Self {
        let mut covered = Self::default();
        let mut order: Vec<usize> = (0..pieces.len()).collect();
        order.sort_by_key(|&at| pieces[at].start);
        let mut cuts: Vec<u64> = pieces.iter().flat_map(|piece| [piece.start, piece.end]).collect();
        cuts.extend([0, drained.min(total), total]);
        cuts.sort_unstable();
        cuts.dedup();
        let (mut next, mut active) = (order.into_iter().peekable(), BTreeSet::new());
        for cut in cuts.windows(2) {
            let (start, end) = (cut[0], cut[1]);
            active.retain(|&at: &usize| pieces[at].end > start);
            while let Some(at) = next.next_if(|&at| pieces[at].start <= start) {
                active.insert(at);
            }
            covered.stretch(start..end, (pieces, &active), drained);
        }
        covered
    }

    /// Takes a stretch over which the same pieces lie.
    fn stretch(&mut self, ranks: Range<u64>, (pieces, active): (&[Piece], &BTreeSet<usize>), drained: u64) {
        let count = ranks.end - ranks.start;
        if active.is_empty() {
            match self.gaps.last_mut() {
                _ if ranks.start >= drained => self.not_drained += count,
                Some(gap) if gap.end == ranks.start => gap.end = ranks.end,
                Some(_) | None => self.gaps.push(ranks),
            }
            return;
        }
        self.distinct += count;
        for (&first, &again) in active.iter().zip(active.iter().skip(1)) {
            let pair = Again { ranks: ranks.clone(), first: pieces[first], again: pieces[again] };
            self.again.push(pair);
        }
    }
}
