//! Configurations met so far, with dominance.
//!
//! Of two configurations in the same state with the same changes placed, one is at least as good if it has used
//! no optional operation (unknown outcome) that the other has not, since those need never be placed, and has
//! placed every pure operation that the other has, since those are duties done that left nothing behind. The other
//! is dropped. Up to a handful of configurations are compared one by one, beyond that a hash table keyed by
//! state and changes leads to a chain of those that differ in the rest.

use super::mask::Mask;

/// A state of the object, and which pending operations are already placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Config<const W: usize> {
    pub(super) state: u32,
    pub(super) placed: Mask<W>,
}

/// Which pending operations are of a special kind.
#[derive(Clone, Copy)]
pub(super) struct Roles<const W: usize> {
    /// They need not be placed.
    pub(super) optional: Mask<W>,
    /// They change nothing.
    pub(super) pure: Mask<W>,
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

    /// The states met, ascending.
    pub(super) fn states(&self) -> Vec<u32> {
        let mut states: Vec<u32> = self.entries.iter().map(|entry| entry.config.state).collect();
        states.sort_unstable();
        states.dedup();
        states
    }

    /// Bytes held for this many entries.
    pub(super) fn bytes(&self) -> u64 {
        (self.entries.capacity() * size_of::<Entry<W>>() + self.heads.capacity() * 4) as u64
    }

    /// Adds a configuration; false where one that is at least as good is there.
    #[inline]
    pub(super) fn insert(&mut self, config: Config<W>, roles: &Roles<W>) -> bool {
        if self.hashed {
            return self.insert_hashed(config, roles);
        }
        if self.entries.iter().any(|entry| dominates(&entry.config, &config, roles)) {
            return false;
        }
        self.entries.push(Entry { config, next: END });
        if self.entries.len() > SMALL {
            self.rehash(8 * SMALL, roles);
        }
        true
    }

    /// Fills an empty set with configurations known to differ.
    pub(super) fn fill(&mut self, configs: &[Config<W>], roles: &Roles<W>) {
        self.entries.extend(configs.iter().map(|config| Entry { config: *config, next: END }));
        if self.entries.len() > SMALL {
            self.rehash(4 * self.entries.len(), roles);
        }
    }

    /// Whether a better configuration is there.
    pub(super) fn is_outdone(&self, config: &Config<W>, roles: &Roles<W>) -> bool {
        let better = |entry: &Entry<W>| entry.config != *config && dominates(&entry.config, config, roles);
        if !self.hashed {
            return self.entries.iter().any(better);
        }
        let mut at = self.heads[self.bucket(config, roles)];
        while at != END {
            let entry = &self.entries[at as usize];
            if better(entry) {
                return true;
            }
            at = entry.next;
        }
        false
    }

    fn bucket(&self, config: &Config<W>, roles: &Roles<W>) -> usize {
        let hash = config.placed.without(&roles.optional).without(&roles.pure).hash(config.state);
        usize::try_from(hash & (self.heads.len() as u64 - 1)).expect("within the table")
    }

    fn insert_hashed(&mut self, config: Config<W>, roles: &Roles<W>) -> bool {
        let bucket = self.bucket(&config, roles);
        let mut at = self.heads[bucket];
        while at != END {
            let entry = &self.entries[at as usize];
            if dominates(&entry.config, &config, roles) {
                return false;
            }
            at = entry.next;
        }
        let id = u32::try_from(self.entries.len()).expect("memory ends before 2^32 configurations");
        self.entries.push(Entry { config, next: self.heads[bucket] });
        self.heads[bucket] = id;
        if self.entries.len() * 2 > self.heads.len() {
            self.rehash(self.heads.len() * 4, roles);
        }
        true
    }

    fn rehash(&mut self, size: usize, roles: &Roles<W>) {
        let size = size.next_power_of_two().max(self.heads.len());
        self.heads.clear();
        self.heads.resize(size, END);
        self.hashed = true;
        for id in 0..self.entries.len() {
            let bucket = self.bucket(&self.entries[id].config, roles);
            self.entries[id].next = self.heads[bucket];
            self.heads[bucket] = u32::try_from(id).expect("memory ends before 2^32 configurations");
        }
    }
}

#[inline]
pub(super) fn dominates<const W: usize>(a: &Config<W>, b: &Config<W>, roles: &Roles<W>) -> bool {
    // What only one of them has placed must be optional if it is b, and pure if it is a.
    a.state == b.state
        && a.placed.without(&b.placed).is_within(&roles.pure)
        && b.placed.without(&a.placed).is_within(&roles.optional)
}
