//! A fast hash for interned integers.
//!
//! Keys are small integers of our own making, never text chosen by somebody else, so resistance to crafted
//! collisions buys nothing and SipHash would be half of the search. Iteration order is never used.

use std::hash::{BuildHasherDefault, Hasher};

/// Multiply and rotate, word by word.
#[derive(Clone, Copy, Default)]
pub(crate) struct Mix(u64);

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;

impl Mix {
    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(23) ^ word).wrapping_mul(ODD);
    }
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        let mut words = bytes.chunks_exact(8);
        for word in &mut words {
            self.add(u64::from_le_bytes(word.try_into().expect("eight bytes")));
        }
        let mut last = [0u8; 8];
        let rest = words.remainder();
        last[..rest.len()].copy_from_slice(rest);
        self.add(u64::from_le_bytes(last) ^ (rest.len() as u64) << 56);
    }

    fn write_u8(&mut self, n: u8) {
        self.add(n.into());
    }

    fn write_u32(&mut self, n: u32) {
        self.add(n.into());
    }

    fn write_u64(&mut self, n: u64) {
        self.add(n);
    }

    fn write_usize(&mut self, n: usize) {
        self.add(n as u64);
    }

    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 29)
    }
}

/// A map keyed by interned integers.
pub(crate) type IdMap<K, V> = std::collections::HashMap<K, V, BuildHasherDefault<Mix>>;

/// A set of interned integers.
pub(crate) type IdSet<K> = std::collections::HashSet<K, BuildHasherDefault<Mix>>;
