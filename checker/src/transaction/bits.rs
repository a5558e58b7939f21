//! One bit for each sequence number of a stream, set and asked for in stretches.
//!
//! Records are nearly always sent and read with consecutive numbers, so a stretch of them is a few whole words. That
//! a stretch is consecutive is checked (the compiler compares several numbers at once); where it is not, each number
//! goes its own way and the answer is the same.

/// A set of sequence numbers between a first and a last one.
pub(super) struct Bits {
    base: u32,
    words: Vec<u64>,
}

impl Bits {
    /// An empty set that can hold the numbers from `first` to `last`.
    pub(super) fn new((first, last): (u32, u32)) -> Self {
        Self { base: first, words: vec![0; (last.saturating_sub(first) / 64 + 1) as usize] }
    }

    /// Adds numbers; those that cannot be held are left out.
    pub(super) fn set(&mut self, seqs: &[u32]) {
        if let Some((from, to)) = self.stretch(seqs) {
            for (word, mask) in masks(from, to) {
                self.words[word] |= mask;
            }
            return;
        }
        for seq in seqs {
            let Some(at) = seq.checked_sub(self.base) else { continue };
            if let Some(word) = self.words.get_mut((at / 64) as usize) {
                *word |= 1 << (at % 64);
            }
        }
    }

    /// Whether a number is in the set.
    pub(super) fn has(&self, seq: u32) -> bool {
        let at = seq.wrapping_sub(self.base);
        self.words.get((at / 64) as usize).is_some_and(|word| word >> (at % 64) & 1 != 0)
    }

    /// Whether all numbers are in the set.
    pub(super) fn has_all(&self, seqs: &[u32]) -> bool {
        match self.stretch(seqs) {
            Some((from, to)) => masks(from, to).all(|(word, mask)| self.words[word] & mask == mask),
            None => seqs.iter().all(|seq| self.has(*seq)),
        }
    }

    /// Places of the first and the last number, where they are consecutive and all can be held.
    fn stretch(&self, seqs: &[u32]) -> Option<(usize, usize)> {
        let (&first, &last) = (seqs.first()?, seqs.last()?);
        let (from, to) = (first.checked_sub(self.base)? as usize, last.checked_sub(self.base)? as usize);
        let consecutive = to.checked_sub(from)? + 1 == seqs.len()
            && (first..).zip(seqs).fold(true, |all, (expected, seq)| all & (expected == *seq));
        (consecutive && to / 64 < self.words.len()).then_some((from, to))
    }
}

/// The words that hold the places from `from` to `to`, each with the bits of these places.
fn masks(from: usize, to: usize) -> impl Iterator<Item = (usize, u64)> {
    let (first, last) = (from / 64, to / 64);
    (first..=last).map(move |word| {
        let low = if word == first { u64::MAX << (from % 64) } else { u64::MAX };
        let high = if word == last { u64::MAX >> (63 - to % 64) } else { u64::MAX };
        (word, low & high)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn stretches_are_what_single_numbers_are(
            base in prop_oneof![Just(0u32), 0u32..100, Just(u32::MAX - 300)],
            stretches in prop::collection::vec((0u32..300, 1u32..150, any::<bool>()), 0..8),
            asked in prop::collection::vec((0u32..300, 1u32..150), 1..8),
        ) {
            let mut bits = Bits::new((base, base + 299));
            let mut model = BTreeSet::new();
            let held = |number: &u32| u64::from(*number) < u64::from(base) + 320;
            for (from, count, backwards) in stretches {
                let from = base + from;
                let mut seqs: Vec<u32> = (0..count).filter_map(|n| from.checked_add(n)).filter(held).collect();
                if backwards {
                    seqs.reverse();
                }
                bits.set(&seqs);
                model.extend(seqs);
            }
            for (from, count) in asked {
                let seqs: Vec<u32> =
                    (0..count).filter_map(|n| (base + from).checked_add(n)).filter(held).collect();
                prop_assert_eq!(bits.has_all(&seqs), seqs.iter().all(|seq| model.contains(seq)));
                prop_assert!(seqs.iter().all(|seq| bits.has(*seq) == model.contains(seq)));
            }
        }
    }

    #[test]
    fn numbers_outside_are_never_in() {
        let mut bits = Bits::new((100, 163));
        bits.set(&[99, 164, 163, 100]);
        bits.set(&[160, 161, 162, 163, 164]);
        assert!(bits.has(100) && bits.has(163) && bits.has(160));
        assert!(!bits.has(99) && !bits.has(164) && !bits.has_all(&[163, 164]));
        assert!(bits.has_all(&[]));
    }
}
