//! The 32 bytes that everything in a journal is made of.
//!
//! ```text
//! kind 8 | flags 8 | log 16 | sequence 32 || time ns 64 || offset 64 || count 32 | crc32c 32
//! kind 8 | 27 bytes of a blob                                          ||          crc32c 32
//! ```
//! Little-endian. The checksum covers all 32 bytes, with the journal's salt and the place of the frame in its own
//! four. A kind has at least two bits set, so that no single flipped bit turns a published first word
//! into the zero that ends a journal. Groups (a poll and its runs, a blob and its bytes) are a leading frame and
//! followers; followers are written first and the leading frame is published last, so a group is there whole or
//! not at all. Followers are of kinds of their own, which is how a torn group is told from a lost frame.

/// Size of a frame in bytes.
pub(super) const FRAME: usize = 32;
/// Bytes of a blob that one follower carries.
pub(super) const BLOB: usize = 27;
/// The half of the last word that is not the checksum.
const LOW: u64 = 0xffff_ffff;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// A log's name; a blob follows.
    Log = b'L',
    /// Records handed to the client library.
    Sends = b'S',
    /// Acknowledgements.
    Acked = b'A',
    /// Sends that failed or whose fate is unknown.
    Unresolved = b'U',
    /// A poll; runs follow.
    Poll = b'P',
    /// Records handed over to processing; spans follow.
    HandedOver = b'H',
    /// Records read by the independent reader; runs follow.
    FinalRead = b'F',
    /// A rare event as JSON; a blob follows.
    Event = b'E',
    /// The end mark of a closed journal.
    End = b'Z',
    /// Follower: consecutive values at consecutive offsets.
    Run = b'r',
    /// Follower: an interval of offsets.
    Span = b's',
    /// Follower: bytes of a blob.
    Blob = b'm',
}

impl Kind {
    /// The kind of a frame by its first byte.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            b'L' => Self::Log,
            b'S' => Self::Sends,
            b'A' => Self::Acked,
            b'U' => Self::Unresolved,
            b'P' => Self::Poll,
            b'H' => Self::HandedOver,
            b'F' => Self::FinalRead,
            b'E' => Self::Event,
            b'Z' => Self::End,
            b'r' => Self::Run,
            b's' => Self::Span,
            b'm' => Self::Blob,
            _ => return None,
        })
    }

    /// Whether it belongs to the leading frame before it.
    pub(super) fn is_follower(self) -> bool {
        matches!(self, Self::Run | Self::Span | Self::Blob)
    }
}

/// Words in a frame.
pub(super) const WORDS: usize = FRAME / size_of::<u64>();

/// The four words of a frame. They are put together in registers: writing single fields to memory and loading
/// them again as words cost as much as all the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Raw(pub(super) [u64; WORDS]);

/// A frame's bytes, aligned so that a checksum takes four instructions.
#[repr(align(32))]
struct Bytes([u8; FRAME]);

impl Raw {
    /// What a place holds that was never used.
    pub(super) const FREE: Self = Self([0; WORDS]);

    /// The words of 32 bytes of the file.
    pub(super) fn from_bytes(bytes: &[u8; FRAME]) -> Self {
        Self(std::array::from_fn(|at| u64::from_le_bytes(field(bytes, at * size_of::<u64>()))))
    }

    fn bytes(self) -> Bytes {
        let mut bytes = [0; FRAME];
        for (word, place) in self.0.into_iter().zip(bytes.chunks_exact_mut(size_of::<u64>())) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        Bytes(bytes)
    }
}

/// A frame's fields; what they mean depends on the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) flags: u8,
    pub(super) log: u16,
    pub(super) seq: u32,
    pub(super) time: u64,
    pub(super) offset: i64,
    pub(super) count: u32,
}

impl Frame {
    /// A frame with nothing but its kind.
    pub(super) fn of(kind: Kind) -> Self {
        Self { kind, flags: 0, log: 0, seq: 0, time: 0, offset: 0, count: 0 }
    }

    /// Its words, without checksum.
    pub(super) fn raw(&self) -> Raw {
        let first = u64::from(self.kind as u8)
            | u64::from(self.flags) << 8
            | u64::from(self.log) << 16
            | u64::from(self.seq) << 32;
        Raw([first, self.time, self.offset.cast_unsigned(), self.count.into()])
    }

    /// The fields of a frame whose checksum holds, unless its kind is unknown.
    pub(super) fn parse(Raw([first, time, offset, last]): &Raw) -> Option<Self> {
        let [kind, flags, l0, l1, s0, s1, s2, s3] = first.to_le_bytes();
        let [c0, c1, c2, c3, ..] = last.to_le_bytes();
        Some(Self {
            kind: Kind::from_byte(kind)?,
            flags,
            log: u16::from_le_bytes([l0, l1]),
            seq: u32::from_le_bytes([s0, s1, s2, s3]),
            time: *time,
            offset: offset.cast_signed(),
            count: u32::from_le_bytes([c0, c1, c2, c3]),
        })
    }
}

/// A follower that carries up to [`BLOB`] bytes, without checksum.
pub(super) fn blob(part: &[u8]) -> Raw {
    let mut bytes = [0; FRAME];
    bytes[0] = Kind::Blob as u8;
    bytes[1..=part.len()].copy_from_slice(part);
    Raw::from_bytes(&bytes)
}

/// The bytes that a blob's follower carries.
pub(super) fn blob_part(raw: Raw) -> [u8; BLOB] {
    field(&raw.bytes().0, 1)
}

/// What a journal's checksums are salted with: the checksum of its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Salt(pub(super) u32);

impl Salt {
    /// The checksum of the frame at `index`, counted in frames from the start of the file.
    fn checksum(self, index: u64, Raw([first, second, third, fourth]): Raw) -> u32 {
        let salt = (index << 32) ^ (u64::from(self.0) << 32);
        crc32c::crc32c(&Raw([first, second, third, (fourth & LOW) | salt]).bytes().0)
    }

    /// The frame with its checksum.
    pub(super) fn seal(self, index: u64, raw: Raw) -> Raw {
        let Raw([first, second, third, fourth]) = raw;
        Raw([first, second, third, (fourth & LOW) | u64::from(self.checksum(index, raw)) << 32])
    }

    /// Whether the checksum holds.
    pub(super) fn holds(self, index: u64, raw: Raw) -> bool {
        raw.0[WORDS - 1] >> 32 == u64::from(self.checksum(index, raw))
    }
}

/// `N` bytes at a place that is there.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_turns_a_first_byte_into_zero() {
        let kinds: Vec<Kind> = (0..=u8::MAX).filter_map(Kind::from_byte).collect();
        assert_eq!(kinds.len(), 12);
        for kind in kinds {
            assert!((kind as u8).count_ones() >= 2, "{kind:?}");
            assert_eq!(Kind::from_byte(kind as u8), Some(kind));
        }
    }

    #[test]
    fn a_checksum_holds_only_for_its_place_and_its_journal() {
        let raw = Salt(1).seal(9, Frame { seq: 7, ..Frame::of(Kind::Sends) }.raw());
        assert!(Salt(1).holds(9, raw));
        assert!(!Salt(1).holds(10, raw));
        assert!(!Salt(2).holds(9, raw));
    }
}
