//! Sets of slots: a fixed number of machine words, chosen by how many operations are ever pending at once.

/// A set of up to `64 * W` slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Mask<const W: usize>([u64; W]);

impl<const W: usize> Mask<W> {
    pub(super) const EMPTY: Self = Self([0; W]);

    #[inline]
    pub(super) fn set(&mut self, slot: usize) {
        self.0[slot / 64] |= 1 << (slot % 64);
    }

    #[inline]
    pub(super) fn clear(&mut self, slot: usize) {
        self.0[slot / 64] &= !(1 << (slot % 64));
    }

    #[inline]
    pub(super) fn has(&self, slot: usize) -> bool {
        self.0[slot / 64] >> (slot % 64) & 1 == 1
    }

    #[inline]
    pub(super) fn count(&self) -> u32 {
        self.0.iter().map(|word| word.count_ones()).sum()
    }

    #[inline]
    pub(super) fn and(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= other);
        self
    }

    #[inline]
    pub(super) fn or(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word |= other);
        self
    }

    #[inline]
    pub(super) fn without(mut self, other: &Self) -> Self {
        self.0.iter_mut().zip(&other.0).for_each(|(word, other)| *word &= !other);
        self
    }

    #[inline]
    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.0.iter().zip(&other.0).fold(0, |outside, (word, other)| outside | word & !other) == 0
    }

    /// The slots, ascending.
    #[inline]
    pub(super) fn slots(self) -> Slots<W> {
        Slots { rest: self, word: 0 }
    }

    #[inline]
    pub(super) fn hash(&self, seed: u32) -> u64 {
        let mut hash = u64::from(seed).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        for word in self.0 {
            hash = (hash.rotate_left(26) ^ word).wrapping_mul(0xd6e8_feb8_6659_fd93);
        }
        hash ^ (hash >> 32)
    }
}

/// The slots of a mask, ascending.
pub(super) struct Slots<const W: usize> {
    rest: Mask<W>,
    word: usize,
}

impl<const W: usize> Iterator for Slots<W> {
    type Item = usize;

    #[inline]
    fn next(&mut self) -> Option<usize> {
        while self.word < W {
            let word = &mut self.rest.0[self.word];
            if *word != 0 {
                let slot = word.trailing_zeros() as usize;
                *word &= *word - 1;
                return Some(64 * self.word + slot);
            }
            self.word += 1;
        }
        None
    }
}
