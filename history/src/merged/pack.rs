//! Bit packing of 128 numbers of 0 to 32 bits each.
//!
//! The block is four interleaved lanes: number `i` is the `i / 4`-th of lane `i % 4`, and the lanes' words alternate.
//! So four neighbours are always unpacked by the same shift, which the compiler turns into vector instructions. The
//! width is a constant in each instance of [`unpack_width`], because shifts by constants are what makes this fast.

/// Numbers in a block.
pub(super) const BLOCK: usize = 128;

const LANES: usize = 4;

/// Bytes that a block of this width takes.
pub(super) fn packed_len(width: u32) -> usize {
    16 * width as usize
}

/// Appends the low `width` bits of each number.
pub(super) fn pack(width: u32, numbers: &[u32; BLOCK], out: &mut Vec<u8>) {
    let mut words = [[0u32; LANES]; 32];
    let mask = if width == 32 { u32::MAX } else { (1u32 << width) - 1 };
    for (i, &number) in numbers.iter().enumerate() {
        let (row, lane) = (i / LANES, i % LANES);
        let bit = row * width as usize;
        let (word, shift) = (bit / 32, bit % 32);
        if width == 0 {
            continue;
        }
        let number = number & mask;
        words[word][lane] |= number << shift;
        if shift + width as usize > 32 {
            words[word + 1][lane] |= number >> (32 - shift);
        }
    }
    for word in words.iter().take(width as usize).flatten() {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

/// Unpacks a block. `bytes` must be [`packed_len`] long and `width` at most 32; otherwise the result is of no use.
pub(super) fn unpack(width: u32, bytes: &[u8], out: &mut [u32; BLOCK]) {
    macro_rules! by_width {
        ($($w:literal)*) => {
            match width {
                0 => out.fill(0),
                $($w => unpack_width::<$w>(bytes, out),)*
                _ => {}
            }
        };
    }
    by_width!(1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30 31 32);
}

fn unpack_width<const W: usize>(bytes: &[u8], out: &mut [u32; BLOCK]) {
    // One check of the length, and then the words are read where they lie.
    let (words, _) = bytes.as_chunks::<16>();
    let Some(words) = words.first_chunk::<W>() else { return };
    let word = |at: usize, lane: usize| {
        let bytes = &words[at];
        u32::from_le_bytes([bytes[4 * lane], bytes[4 * lane + 1], bytes[4 * lane + 2], bytes[4 * lane + 3]])
    };
    let mask = if W == 32 { u32::MAX } else { (1u32 << W) - 1 };
    let (rows, _) = out.as_chunks_mut::<LANES>();
    for (row, out) in rows.iter_mut().enumerate() {
        let (at, shift) = (row * W / 32, row * W % 32);
        for (lane, out) in out.iter_mut().enumerate() {
            let mut number = word(at, lane) >> shift;
            if shift + W > 32 {
                number |= word(at + 1, lane) << (32 - shift);
            }
            *out = number & mask;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_packed_is_unpacked(width in 0u32..=32, numbers in prop::array::uniform32(any::<[u32; 4]>())) {
            let mask = if width == 32 { u32::MAX } else { (1u32 << width) - 1 };
            let mut block = [0; BLOCK];
            for (to, from) in block.iter_mut().zip(numbers.iter().flatten()) {
                *to = from & mask;
            }
            let mut bytes = Vec::new();
            pack(width, &block, &mut bytes);
            prop_assert_eq!(bytes.len(), packed_len(width));
            let mut back = [1; BLOCK];
            unpack(width, &bytes, &mut back);
            prop_assert_eq!(back, block);
        }
    }
}
