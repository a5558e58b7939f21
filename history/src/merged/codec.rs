//! Columns of numbers: blocks of 128, each a frame of reference, bit-packed, with patched exceptions.
//!
//! A block stores its numbers relative to a base, in as many bits as pay off; the few that need more are patched in
//! from a list behind it. Without the patches one late acknowledgement would widen 127 neighbours (12 times larger on
//! real data). Arithmetic wraps, so that a column may hold differences of either sign. The last, incomplete block is
//! plain varints. There is no compression on top: it saves little and decodes at a tenth of the speed.

use super::pack::{BLOCK, pack, packed_len, unpack};

/// What is wrong with the bytes of a chunk, a directory or a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// Bytes are missing.
    #[error("it ends too early")]
    Short,
    /// Bytes are left over.
    #[error("{0} bytes are left over")]
    Long(usize),
    /// A number is out of its range.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// Two counts that must agree do not.
    #[error("{0} does not add up")]
    Sum(&'static str),
}

/// Bytes still to be decoded.
pub(super) struct Input<'b>(pub(super) &'b [u8]);

impl<'b> Input<'b> {
    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Result<&'b [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(len).ok_or(Malformed::Short)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, Malformed> {
        let (&head, tail) = self.0.split_first().ok_or(Malformed::Short)?;
        self.0 = tail;
        Ok(head)
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (head, tail) = self.0.split_first_chunk::<N>().ok_or(Malformed::Short)?;
        self.0 = tail;
        Ok(*head)
    }

    /// The next varint (LEB128).
    pub(super) fn varint(&mut self) -> Result<u64, Malformed> {
        let mut number = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return if shift == 63 && byte > 1 { Err(Malformed::Range("varint")) } else { Ok(number) };
            }
        }
        Err(Malformed::Range("varint"))
    }

    /// Succeeds where nothing is left.
    pub(super) fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Long(self.0.len())) }
    }
}

/// Appends a varint.
pub(super) fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push((number & 0x7f) as u8 | 0x80);
        number >>= 7;
    }
    out.push((number & 0x7f) as u8);
}

/// Appends a column. How many numbers it holds must be known to the decoder.
pub(super) fn put_column(numbers: &[u64], out: &mut Vec<u8>) {
    let (blocks, tail) = numbers.as_chunks::<BLOCK>();
    for block in blocks {
        put_block(block, out);
    }
    if !tail.is_empty() {
        let base = base_of(tail);
        put_varint(base, out);
        for number in tail {
            put_varint(number.wrapping_sub(base), out);
        }
    }
}

/// The smallest number; small negative ones are left to the patches where they are few.
fn base_of(numbers: &[u64]) -> u64 {
    const FEW: usize = 12;
    let negative = numbers.iter().filter(|&&n| n.cast_signed() < 0).count();
    let least = if negative <= FEW.min(numbers.len() / 2) {
        numbers.iter().map(|n| n.cast_signed()).filter(|&n| n >= 0).min()
    } else {
        numbers.iter().map(|n| n.cast_signed()).min()
    };
    least.unwrap_or_default().cast_unsigned()
}

fn put_block(numbers: &[u64; BLOCK], out: &mut Vec<u8>) {
    let base = base_of(numbers);
    let mut bits = [0usize; 65];
    for number in numbers {
        bits[(64 - number.wrapping_sub(base).leading_zeros()) as usize] += 1;
    }
    let width = cheapest_width(&bits);
    let mut low = [0u32; BLOCK];
    let mut patches = 0u8;
    for (low, number) in low.iter_mut().zip(numbers) {
        let rest = number.wrapping_sub(base);
        *low = (rest & 0xffff_ffff) as u32;
        patches += u8::from(rest >> width != 0);
    }
    out.push(width);
    out.push(patches);
    put_varint(base, out);
    pack(width.into(), &low, out);
    for (at, number) in (0u8..).zip(numbers) {
        let high = number.wrapping_sub(base) >> width;
        if high != 0 {
            out.push(at);
            put_varint(high, out);
        }
    }
}

/// The width that takes the fewest bytes, given how many numbers need each number of bits.
fn cheapest_width(bits: &[usize; 65]) -> u8 {
    // Usually a handful of lengths occur.
    let mut lengths = [(0, 0); 65];
    let mut found = 0;
    for (length, &count) in bits.iter().enumerate().filter(|&(_, &count)| count > 0) {
        lengths[found] = (length, count);
        found += 1;
    }
    let lengths = &lengths[..found];
    let greatest = lengths.last().map_or(0, |last| last.0).min(32);
    let cost = |width: usize| {
        let longer = lengths.iter().rev().take_while(|&&(length, _)| length > width);
        let patches: usize = longer.map(|&(length, count)| count * (1 + (length - width).div_ceil(7))).sum();
        16 * width + patches
    };
    (0u8..=32)
        .take_while(|&width| usize::from(width) <= greatest)
        .min_by_key(|&width| cost(width.into()))
        .unwrap_or(32)
}

struct Head {
    width: u32,
    patches: u8,
    base: u64,
}

fn head(input: &mut Input<'_>) -> Result<Head, Malformed> {
    let width = u32::from(input.byte()?);
    let patches = input.byte()?;
    if width > 32 || usize::from(patches) > BLOCK {
        return Err(Malformed::Range("block"));
    }
    Ok(Head { width, patches, base: input.varint()? })
}

fn patch(input: &mut Input<'_>, width: u32) -> Result<(usize, u64), Malformed> {
    let at = usize::from(input.byte()?);
    if at >= BLOCK {
        return Err(Malformed::Range("patch"));
    }
    Ok((at, input.varint()?.wrapping_shl(width)))
}

/// Makes room for `count` numbers that are all about to be written: what is there already is not zeroed again.
fn resize<T: Copy + Default>(out: &mut Vec<T>, count: usize) {
    if out.len() < count {
        out.resize(count, T::default());
    }
    out.truncate(count);
}

/// Decodes a column of `count` numbers into `out`, whose old content is dropped.
pub(super) fn take_column(input: &mut Input<'_>, count: usize, out: &mut Vec<u64>) -> Result<(), Malformed> {
    resize(out, count);
    let (blocks, tail) = out.as_chunks_mut::<BLOCK>();
    let mut low = [0u32; BLOCK];
    for block in blocks {
        let head = head(input)?;
        unpack(head.width, input.take(packed_len(head.width))?, &mut low);
        for (to, &low) in block.iter_mut().zip(&low) {
            *to = head.base.wrapping_add(u64::from(low));
        }
        for _ in 0..head.patches {
            let (at, high) = patch(input, head.width)?;
            block[at] = block[at].wrapping_add(high);
        }
    }
    if !tail.is_empty() {
        let base = input.varint()?;
        for to in tail {
            *to = base.wrapping_add(input.varint()?);
        }
    }
    Ok(())
}

/// The same for a column of which only the low 32 bits matter.
pub(super) fn take_column_u32(
    input: &mut Input<'_>,
    count: usize,
    out: &mut Vec<u32>,
) -> Result<(), Malformed> {
    resize(out, count);
    let (blocks, tail) = out.as_chunks_mut::<BLOCK>();
    for block in blocks {
        let head = head(input)?;
        unpack(head.width, input.take(packed_len(head.width))?, block);
        let base = low_half(head.base);
        for to in block.iter_mut() {
            *to = to.wrapping_add(base);
        }
        for _ in 0..head.patches {
            let (at, high) = patch(input, head.width)?;
            block[at] = block[at].wrapping_add(low_half(high));
        }
    }
    if !tail.is_empty() {
        let base = input.varint()?;
        for to in tail {
            *to = low_half(base.wrapping_add(input.varint()?));
        }
    }
    Ok(())
}

fn low_half(number: u64) -> u32 {
    (number & 0xffff_ffff) as u32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_number() -> impl Strategy<Value = u64> {
        prop_oneof![10 => 0u64..200, 2 => 0u64..1 << 40, 1 => any::<u64>(), 1 => (-300i64..0).prop_map(i64::cast_unsigned)]
    }

    proptest! {
        #[test]
        fn a_column_comes_back(numbers in prop::collection::vec(any_number(), 0..700)) {
            let mut bytes = Vec::new();
            put_column(&numbers, &mut bytes);
            let mut back = Vec::new();
            let mut input = Input(&bytes);
            take_column(&mut input, numbers.len(), &mut back).unwrap();
            prop_assert!(input.end().is_ok());
            prop_assert_eq!(&back, &numbers);
            let mut low = Vec::new();
            take_column_u32(&mut Input(&bytes), numbers.len(), &mut low).unwrap();
            prop_assert!(low.iter().zip(&numbers).all(|(&low, &full)| low == low_half(full)));
        }

        #[test]
        fn a_damaged_column_is_an_error_or_other_numbers(
            bytes in prop::collection::vec(any::<u8>(), 0..600),
            count in 0usize..1000,
        ) {
            let mut out = Vec::new();
            let _ = take_column(&mut Input(&bytes), count, &mut out);
            let mut out = Vec::new();
            let _ = take_column_u32(&mut Input(&bytes), count, &mut out);
        }

        #[test]
        fn a_varint_comes_back(number in any::<u64>()) {
            let mut bytes = Vec::new();
            put_varint(number, &mut bytes);
            prop_assert_eq!(Input(&bytes).varint(), Ok(number));
        }
    }

    #[test]
    fn one_late_number_does_not_widen_its_neighbours() {
        let mut numbers = vec![3u64; 128];
        numbers[77] = 1 << 40;
        let mut bytes = Vec::new();
        put_column(&numbers, &mut bytes);
        assert!(bytes.len() < 16, "{} bytes", bytes.len());
    }
}
