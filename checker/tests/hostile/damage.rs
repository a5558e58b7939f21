//! Damage to bytes, drawn from a fixed seed: what files suffer, and what attackers of number parsers write.

/// Values at which arithmetic breaks.
const EDGES: [u64; 10] = [
    0,
    1,
    0x7f,
    0xff,
    0xffff,
    0x7fff_ffff,
    0xffff_ffff,
    0x7fff_ffff_ffff_ffff,
    0x8000_0000_0000_0000,
    0xffff_ffff_ffff_ffff,
];
/// The same for text, with what opens and does not close.
const WORDS: [&str; 14] = [
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "-1",
    "0",
    "1e308",
    "[[[[[[[[",
    "{",
    "}",
    "\"",
    "nil",
    ":ok",
    "\n",
    "\u{1f4a5}",
];

pub(crate) struct Damage<'a> {
    seeds: &'a [Vec<u8>],
    state: u64,
    turn: usize,
}

impl<'a> Damage<'a> {
    pub(crate) fn new(seeds: &'a [Vec<u8>]) -> Self {
        assert!(!seeds.is_empty(), "nothing to damage");
        Self { seeds, state: 7, turn: 0 }
    }

    fn draw(&mut self, below: usize) -> usize {
        // SplitMix64.
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.state;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((n ^ (n >> 31)) % u64::try_from(below.max(1)).unwrap()).unwrap()
    }

    /// The next seed with one to four injuries.
    pub(crate) fn next(&mut self) -> Vec<u8> {
        let mut bytes = self.seeds[self.turn % self.seeds.len()].clone();
        self.turn += 1;
        for _ in 0..=self.draw(4) {
            self.injure(&mut bytes);
        }
        bytes
    }

    fn injure(&mut self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            bytes.push(b'{');
        }
        let at = self.draw(bytes.len());
        let end = (at + 1 + self.draw(64)).min(bytes.len());
        match self.draw(8) {
            0 => bytes[at] ^= 1 << self.draw(8),
            1 => bytes.truncate(at),
            2 => drop(bytes.drain(at..end)),
            3 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            4 => {
                let edge = EDGES[self.draw(EDGES.len())].to_le_bytes();
                let width = [1, 2, 4, 8][self.draw(4)].min(bytes.len() - at);
                bytes[at..at + width].copy_from_slice(&edge[..width]);
            }
            5 => {
                let word = WORDS[self.draw(WORDS.len())];
                drop(bytes.splice(at..at, word.bytes()));
            }
            6 => self.renumber(bytes, at),
            _ => {
                let other = &self.seeds[self.draw(self.seeds.len())];
                let from = self.draw(other.len());
                let to = (from + 1 + self.draw(256)).min(other.len());
                drop(bytes.splice(at..end, other[from..to].to_vec()));
            }
        }
    }

    /// Puts an edge in the place of the next number that is written in digits.
    fn renumber(&mut self, bytes: &mut Vec<u8>, at: usize) {
        let Some(start) = bytes[at..].iter().position(u8::is_ascii_digit).map(|found| at + found) else {
            return;
        };
        let length = bytes[start..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let word = WORDS[self.draw(5)];
        drop(bytes.splice(start..start + length, word.bytes()));
    }
}
