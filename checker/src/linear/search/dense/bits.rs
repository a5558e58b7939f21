//! A set of sets of slots: bit `m` says that the set with the binary digits of `m` is in it.
//!
//! Sets that lack a slot below 6 and those that have it alternate in blocks of bits within each word; for slots from 6
//! they alternate in blocks of words.

/// Sets of slots, in `N` words; `N` is a power of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bits<const N: usize>([u64; N]);

/// Bits whose index lacks the slot; padded, so that no index can be out of bounds.
const LACKING: [u64; 8] = [
    0x5555_5555_5555_5555,
    0x3333_3333_3333_3333,
    0x0f0f_0f0f_0f0f_0f0f,
    0x00ff_00ff_00ff_00ff,
    0x0000_ffff_0000_ffff,
    0x0000_0000_ffff_ffff,
    0,
    0,
];

/// All ones for words whose sets lack a slot from 6.
#[inline]
fn lacks(word: usize, slot: usize) -> u64 {
    (word as u64 >> (slot - 6) & 1).wrapping_sub(1)
}

impl<const N: usize> Bits<N> {
    /// Slots that there are.
    pub(super) const SLOTS: usize = 6 + N.ilog2() as usize;

    /// No set.
    pub(super) const EMPTY: Self = Self([0; N]);

    /// The empty set alone.
    pub(super) const NOTHING: Self = {
        let mut words = [0; N];
        words[0] = 1;
        Self(words)
    };

    /// For slots within a word. With a single word there are no others, and nothing to decide at run time.
    #[inline]
    fn lacking_within(slot: usize) -> Option<u64> {
        (N == 1 || slot < 6).then_some(LACKING[slot % 8])
    }

    #[inline]
    fn words(f: impl Fn(usize) -> u64) -> Self {
        Self(std::array::from_fn(f))
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().fold(0, |all, word| all | word) == 0
    }

    #[inline]
    pub(super) fn or(&self, other: &Self) -> Self {
        Self::words(|at| self.0[at] | other.0[at])
    }

    /// What is not in the other.
    #[inline]
    pub(super) fn minus(&self, other: &Self) -> Self {
        Self::words(|at| self.0[at] & !other.0[at])
    }

    /// The sets that lack the slot.
    #[inline]
    pub(super) fn lacking(&self, slot: usize) -> Self {
        match Self::lacking_within(slot) {
            Some(mask) => Self::words(|at| self.0[at] & mask),
            None => Self::words(|at| self.0[at] & lacks(at, slot)),
        }
    }

    /// The sets that have it.
    #[inline]
    pub(super) fn having(&self, slot: usize) -> Self {
        match Self::lacking_within(slot) {
            Some(mask) => Self::words(|at| self.0[at] & !mask),
            None => Self::words(|at| self.0[at] & !lacks(at, slot)),
        }
    }

    /// The sets that lack the slot, each with it.
    #[inline]
    pub(super) fn with(&self, slot: usize) -> Self {
        match Self::lacking_within(slot) {
            Some(mask) => Self::words(|at| (self.0[at] & mask) << (1 << slot)),
            None => match slot {
                // With a constant distance the compiler moves whole registers.
                6 => self.up::<1>(),
                7 => self.up::<2>(),
                8 => self.up::<4>(),
                _ => self.up::<8>(),
            },
        }
    }

    /// The sets that have the slot, each without it.
    #[inline]
    pub(super) fn without(&self, slot: usize) -> Self {
        match Self::lacking_within(slot) {
            Some(mask) => Self::words(|at| (self.0[at] & !mask) >> (1 << slot)),
            None => match slot {
                6 => self.down::<1>(),
                7 => self.down::<2>(),
                8 => self.down::<4>(),
                _ => self.down::<8>(),
            },
        }
    }

    #[inline]
    fn up<const DISTANCE: usize>(&self) -> Self {
        Self::words(|at| if at & DISTANCE != 0 { self.0[at ^ DISTANCE] } else { 0 })
    }

    #[inline]
    fn down<const DISTANCE: usize>(&self) -> Self {
        Self::words(|at| if at & DISTANCE == 0 { self.0[(at | DISTANCE) % N] } else { 0 })
    }

    /// How many sets there are.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|word| u64::from(word.count_ones())).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::Bits;

    #[test]
    fn slots_are_put_into_every_set_and_taken_out_again() {
        let mut all = Bits::<4>::NOTHING;
        for slot in 0..Bits::<4>::SLOTS {
            assert!(all.having(slot).is_empty());
            let with = all.with(slot);
            assert_eq!(with.count(), all.count());
            assert_eq!((with.having(slot), with.lacking(slot)), (with, Bits::EMPTY));
            assert_eq!(with.without(slot), all);
            all = all.or(&with);
        }
        assert_eq!(all.count(), 256);
        assert_eq!(all.minus(&all.having(7)), all.lacking(7));
    }
}
