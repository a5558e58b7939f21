//! Sets and maps of numbers that come in runs, stored as intervals.
//!
//! What is wrong with a log is usually wrong with stretches of it, so memory follows the number of stretches.

use std::collections::BTreeMap;
use std::ops::Range;

/// A set of numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Intervals {
    /// Start to end (exclusive); neither empty, overlapping nor adjacent.
    ends: BTreeMap<u64, u64>,
}

impl Intervals {
    pub(crate) fn insert(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        let (mut start, mut end) = (range.start, range.end);
        while let Some((&from, &to)) = self.ends.range(..=end).next_back().filter(|&(_, &to)| to >= start) {
            self.ends.remove(&from);
            start = start.min(from);
            end = end.max(to);
        }
        self.ends.insert(start, end);
    }

    pub(crate) fn remove(&mut self, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        while let Some((&from, &to)) =
            self.ends.range(..range.end).next_back().filter(|&(_, &to)| to > range.start)
        {
            self.ends.remove(&from);
            if from < range.start {
                self.ends.insert(from, range.start);
            }
            if to > range.end {
                self.ends.insert(range.end, to);
            }
        }
    }

    /// Whether `at` is in the set, and up to where (exclusive) that stays so.
    pub(crate) fn stretch(&self, at: u64) -> (bool, u64) {
        match self.ends.range(..=at).next_back().filter(|&(_, &to)| to > at) {
            Some((_, &to)) => (true, to),
            None => (false, self.ends.range(at..).next().map_or(u64::MAX, |(&from, _)| from)),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Range<u64>> + '_ {
        self.ends.iter().map(|(&start, &end)| start..end)
    }
}

/// A map from numbers to offsets that count up within an interval.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct OffsetsByIndex {
    /// Start to end (exclusive) and the offset of the start; neither empty nor overlapping.
    parts: BTreeMap<u64, (u64, i64)>,
    /// One more than the greatest number in it.
    end: u64,
}

impl OffsetsByIndex {
    /// Adds numbers that are not in it yet.
    pub(crate) fn insert(&mut self, range: Range<u64>, offset: i64) {
        self.end = self.end.max(range.end);
        let before = self.parts.range_mut(..range.start).next_back();
        if let Some((&start, (end, first))) = before
            && *end == range.start
            && first.checked_add_unsigned(range.start - start) == Some(offset)
        {
            *end = range.end;
            return;
        }
        self.parts.insert(range.start, (range.end, offset));
    }

    /// The offset of `at`, if it is in it, and up to where (exclusive) that stays so.
    pub(crate) fn stretch(&self, at: u64) -> (Option<i64>, u64) {
        match self.parts.range(..=at).next_back().filter(|(_, (to, _))| *to > at) {
            Some((&from, &(to, offset))) => (Some(offset.saturating_add_unsigned(at - from)), to),
            None => (None, self.parts.range(at..).next().map_or(u64::MAX, |(&from, _)| from)),
        }
    }

    /// One more than the greatest number in it.
    pub(crate) fn end(&self) -> u64 {
        self.end
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn intervals_are_a_set(steps in prop::collection::vec((any::<bool>(), 0u64..40, 0u64..12), 0..60)) {
            let (mut fast, mut slow) = (Intervals::default(), BTreeSet::new());
            for (insert, start, len) in steps {
                if insert {
                    fast.insert(start..start + len);
                    slow.extend(start..start + len);
                } else {
                    fast.remove(start..start + len);
                    slow.retain(|at| !(start..start + len).contains(at));
                }
                prop_assert_eq!(fast.iter().flatten().collect::<BTreeSet<_>>(), slow.clone());
                let ranges: Vec<_> = fast.iter().collect();
                prop_assert!(ranges.windows(2).all(|pair| pair[0].end < pair[1].start));
                for at in 0..60 {
                    let (inside, until) = fast.stretch(at);
                    prop_assert_eq!(inside, slow.contains(&at));
                    prop_assert!(until > at);
                    prop_assert!((at..until.min(60)).all(|next| slow.contains(&next) == inside));
                }
            }
        }

        #[test]
        fn offsets_are_a_map(steps in prop::collection::vec((0u64..40, 1u64..6, 0i64..90), 0..40)) {
            let (mut fast, mut slow) = (OffsetsByIndex::default(), BTreeMap::new());
            for (start, len, offset) in steps {
                if (start..start + len).any(|at| slow.contains_key(&at)) {
                    continue;
                }
                fast.insert(start..start + len, offset);
                slow.extend((start..start + len).zip(offset..));
                for at in 0..50 {
                    let (found, until) = fast.stretch(at);
                    prop_assert_eq!(found, slow.get(&at).copied());
                    prop_assert!((at..until.min(50)).all(|next| slow.contains_key(&next) == found.is_some()));
                }
            }
        }
    }
}
