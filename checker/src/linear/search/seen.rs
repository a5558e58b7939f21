//! Configurations met so far, with dominance.
//!
//! Of two configurations in the same state one is at least as good if its interval contains the other's: it has
//! used nothing that the other has not, and everything that may be done in the other may be done in it. That covers
//! optional operations (never in `done`: fewer used is better) and pure ones (never in `used`: more done is
//! better). The other is dropped. Up to a handful of configurations are compared one by one, beyond that a hash table
//! keyed by the state and by what comparable configurations must agree on leads to a chain of those that differ in
//! the rest.

use super::mask::Mask;

/// A state of the object, and what became of the pending operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Config<const W: usize> {
    pub(super) state: u32,
    /// Placed where it shows: not to be placed again.
    pub(super) used: Mask<W>,
    /// Duties that are or may be done.
    pub(super) done: Mask<W>,
}

impl<const W: usize> Config<W> {
    /// A pending operation is no more.
    #[inline]
    pub(super) fn forget(&mut self, slot: usize) {
        self.used.clear(slot);
        self.done.clear(slot);
    }
}

const END: u32 = u32::MAX;
const SMALL: usize = 12;

struct Entry<const W: usize> {
    config: Config<W>,
    next: u32,
}

pub(super) struct Seen<const W: usize> {
    entries: Vec<Entry<W>>,
    heads: Vec<u32>,
    hashed: bool,
}

impl<const W: usize> Seen<W> {
    pub(super) fn new() -> Self {
        Self { entries: Vec::new(), heads: Vec::new(), hashed: false }
    }

    pub(super) fn clear(&mut self) {
        if self.hashed {
            self.heads.fill(END);
            if self.heads.len() > 1 << 12 && self.entries.len() * 16 < self.heads.len() {
                self.heads = Vec::new();
            }
            self.hashed = false;
        }
        self.entries.clear();
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The states met.
    pub(super) fn states(&self) -> Vec<u32> {
        self.entries.iter().map(|entry| entry.config.state).collect()
    }

    /// Bytes held for this many entries.
    pub(super) fn bytes(&self) -> u64 {
        (self.entries.capacity() * size_of::<Entry<W>>() + self.heads.capacity() * 4) as u64
    }

    /// Adds a configuration; false where one that is at least as good is there.
    #[inline]
    pub(super) fn insert(&mut self, config: Config<W>, distinct: &Mask<W>) -> bool {
        if self.hashed {
            return self.insert_hashed(config, distinct);
        }
        if self.entries.iter().any(|entry| dominates(&entry.config, &config)) {
            return false;
        }
        self.entries.push(Entry { config, next: END });
        if self.entries.len() > SMALL {
            self.rehash(8 * SMALL, distinct);
        }
        true
    }

    /// Adds configurations of which none is better than another or than those that are there.
    pub(super) fn fill(&mut self, configs: impl Iterator<Item = Config<W>>, distinct: &Mask<W>) {
        self.entries.extend(configs.map(|config| Entry { config, next: END }));
        if self.entries.len() > SMALL {
            self.rehash(4 * self.entries.len(), distinct);
        }
    }

    /// Whether a better configuration is there.
    #[inline]
    pub(super) fn is_outdone(&self, config: &Config<W>, distinct: &Mask<W>) -> bool {
        let better = |entry: &Entry<W>| entry.config != *config && dominates(&entry.config, config);
        if !self.hashed {
            return self.entries.iter().any(better);
        }
        let mut at = self.heads[self.bucket(config, distinct)];
        while at != END {
            let entry = &self.entries[at as usize];
            if better(entry) {
                return true;
            }
            at = entry.next;
        }
        false
    }

    fn bucket(&self, config: &Config<W>, distinct: &Mask<W>) -> usize {
        let hash = config.used.and(distinct).hash(config.state);
        usize::try_from(hash & (self.heads.len() as u64 - 1)).expect("within the table")
    }

    fn insert_hashed(&mut self, config: Config<W>, distinct: &Mask<W>) -> bool {
        let bucket = self.bucket(&config, distinct);
        let mut at = self.heads[bucket];
        while at != END {
            let entry = &self.entries[at as usize];
            if dominates(&entry.config, &config) {
                return false;
            }
            at = entry.next;
        }
        let id = u32::try_from(self.entries.len()).expect("memory ends before 2^32 configurations");
        self.entries.push(Entry { config, next: self.heads[bucket] });
        self.heads[bucket] = id;
        if self.entries.len() * 2 > self.heads.len() {
            self.rehash(self.heads.len() * 4, distinct);
        }
        true
    }

    fn rehash(&mut self, size: usize, distinct: &Mask<W>) {
        let size = size.next_power_of_two().max(self.heads.len());
        self.heads.clear();
        self.heads.resize(size, END);
        self.hashed = true;
        for id in 0..self.entries.len() {
            let bucket = self.bucket(&self.entries[id].config, distinct);
            self.entries[id].next = self.heads[bucket];
            self.heads[bucket] = u32::try_from(id).expect("memory ends before 2^32 configurations");
        }
    }
}

/// Whether the first is at least as good as the second.
#[inline]
pub(super) fn dominates<const W: usize>(a: &Config<W>, b: &Config<W>) -> bool {
    // Not short-circuited: which of the three fails cannot be predicted.
    (a.state == b.state) & a.used.is_within(&b.used) & b.done.is_within(&a.done)
}
