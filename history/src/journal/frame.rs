//! The 32 bytes that everything in a journal is made of.
//!
//! ```text
//! kind 8 | flags 8 | log 16 | sequence 32 || time ns 64 || offset 64 || count 32 | crc32c 32
//! kind 8 | 27 bytes of a blob                                          ||          crc32c 32
//! ```
//! Little-endian. A kind has at least two bits set, so that no single flipped bit turns a published first word
//! into the zero that ends a journal. Groups (a poll and its runs, a blob and its bytes) are a leading frame and
//! followers; followers are written first and the leading frame is published last, so a group is there whole or
//! not at all. Followers are of kinds of their own, which is how a torn group is told from a lost frame.

/// Size of a frame in bytes.
pub(super) const FRAME: usize = 32;
/// Bytes of a blob that one follower carries.
pub(super) const BLOB: usize = 27;
/// Where the checksum is.
const CHECKSUM: usize = 28;

/// First bytes of every journal, of any version.
pub(super) const MAGIC: [u8; 8] = *b"1ceJrnl\n";
/// The version this program writes and reads.
pub(super) const VERSION: u32 = 1;
/// The part of the header whose place no version changes: magic, version, length of the header, its checksum.
pub(super) const FIXED_HEADER: usize = 20;
/// Where the checksum of the header is: over all of the header but itself.
pub(super) const HEADER_CHECKSUM: std::ops::Range<usize> = 16..20;

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
    const ALL: [Self; 12] = [
        Self::Log,
        Self::Sends,
        Self::Acked,
        Self::Unresolved,
        Self::Poll,
        Self::HandedOver,
        Self::FinalRead,
        Self::Event,
        Self::End,
        Self::Run,
        Self::Span,
        Self::Blob,
    ];

    /// The kind of a frame by its first byte.
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether it belongs to the leading frame before it.
    pub(super) fn is_follower(self) -> bool {
        matches!(self, Self::Run | Self::Span | Self::Blob)
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

    /// Its bytes, without checksum.
    pub(super) fn bytes(&self) -> [u8; FRAME] {
        let mut bytes = [0; FRAME];
        bytes[0] = self.kind as u8;
        bytes[1] = self.flags;
        bytes[2..4].copy_from_slice(&self.log.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.seq.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.time.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.offset.to_le_bytes());
        bytes[24..28].copy_from_slice(&self.count.to_le_bytes());
        bytes
    }

    /// The fields of a frame whose checksum holds, unless its kind is unknown.
    pub(super) fn parse(bytes: &[u8; FRAME]) -> Option<Self> {
        let [_, flags, l0, l1, s0, s1, s2, s3, ..] = *bytes;
        Some(Self {
            kind: Kind::from_byte(bytes[0])?,
            flags,
            log: u16::from_le_bytes([l0, l1]),
            seq: u32::from_le_bytes([s0, s1, s2, s3]),
            time: u64::from_le_bytes(field(bytes, 8)),
            offset: i64::from_le_bytes(field(bytes, 16)),
            count: u32::from_le_bytes(field(bytes, 24)),
        })
    }
}

/// A follower that carries up to [`BLOB`] bytes, without checksum.
pub(super) fn blob(part: &[u8]) -> [u8; FRAME] {
    let mut bytes = [0; FRAME];
    bytes[0] = Kind::Blob as u8;
    bytes[1..=part.len()].copy_from_slice(part);
    bytes
}

/// The bytes that a blob's follower carries.
pub(super) fn blob_part(bytes: &[u8; FRAME]) -> &[u8] {
    &bytes[1..=BLOB]
}

/// What a journal's checksums are salted with: the checksum of its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Salt(pub(super) u32);

impl Salt {
    /// The checksum of the frame at `index`, counted in frames from the start of the file.
    fn checksum(self, index: u64, bytes: &[u8; FRAME]) -> u32 {
        let [i0, i1, i2, i3, ..] = index.to_le_bytes();
        crc32c::crc32c_append(self.0 ^ u32::from_le_bytes([i0, i1, i2, i3]), &bytes[..CHECKSUM])
    }

    /// Puts the checksum in its place.
    pub(super) fn seal(self, index: u64, bytes: &mut [u8; FRAME]) {
        let checksum = self.checksum(index, bytes);
        bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
    }

    /// Whether the checksum holds.
    pub(super) fn holds(self, index: u64, bytes: &[u8; FRAME]) -> bool {
        u32::from_le_bytes(field(bytes, CHECKSUM)) == self.checksum(index, bytes)
    }
}

/// `N` bytes at a place that is there.
pub(super) fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

/// The checksum of a whole header.
pub(super) fn header_checksum(header: &[u8]) -> u32 {
    let head = crc32c::crc32c(&header[..HEADER_CHECKSUM.start]);
    crc32c::crc32c_append(head, &header[HEADER_CHECKSUM.end..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_flipped_bit_turns_a_first_byte_into_zero() {
        for kind in Kind::ALL {
            assert!((kind as u8).count_ones() >= 2, "{kind:?}");
            assert_eq!(Kind::from_byte(kind as u8), Some(kind));
        }
    }

    #[test]
    fn a_checksum_holds_only_for_its_place_and_its_journal() {
        let mut bytes = Frame { seq: 7, ..Frame::of(Kind::Sends) }.bytes();
        Salt(1).seal(9, &mut bytes);
        assert!(Salt(1).holds(9, &bytes));
        assert!(!Salt(1).holds(10, &bytes));
        assert!(!Salt(2).holds(9, &bytes));
    }
}
