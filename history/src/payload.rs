//! What a record's value holds on the wire: its unique value, where it was meant to go, and a checksum.
//!
//! A record found in a log must answer three questions by itself, without any table: who sent it (process and
//! sequence), where it was meant to go (topic and partition), and whether its bytes are those that were sent
//! (crc32c over everything, padding included). The run id tells it from a record of another run in the same
//! cluster. Encoding reuses the caller's buffer, because a producer does it once per record.
//!
//! ```text
//!  0 magic "1ceR" | 4 version u16 | 6 topic length u16 | 8 crc32c u32 over all other bytes | 12 run u64
//! 20 process u32  | 24 sequence u32 | 28 partition i32  | 32 length of the whole u32 | 36 topic | padding
//! ```
//! Little-endian. Magic, version and checksum keep their places in later versions.

use crate::ids::{Process, Seq, TopicPartition, Value};
use crate::op::ForeignRecord;

const MAGIC: [u8; 4] = *b"1ceR";
const VERSION: u16 = 1;
/// Bytes before the topic.
const FIXED: usize = 36;
const CHECKSUM: std::ops::Range<usize> = 8..12;
const PADDING: u8 = b'.';
/// How many bytes of a foreign record its preview shows.
const PREVIEW: usize = 64;

/// The smallest payload for a topic, in bytes: what is encoded when no larger size is wanted.
#[must_use]
pub fn min_size(topic: &str) -> usize {
    FIXED + topic.len()
}

/// Replaces the contents of `out` by the payload of `value`, padded to `size` bytes where that is more than
/// [`min_size`]. Does not allocate once `out` has the capacity.
///
/// # Panics
/// On a topic name above 65,535 bytes or a size above 4 GiB; Kafka's limits are 249 bytes and 2 GiB.
pub fn encode(out: &mut Vec<u8>, run: u64, value: Value, meant_for: &TopicPartition, size: usize) {
    let topic = meant_for.topic.as_bytes();
    let size = size.max(min_size(&meant_for.topic));
    let topic_len = u16::try_from(topic.len()).expect("a topic name has at most 249 bytes");
    let length = u32::try_from(size).expect("a record is smaller than 4 GiB");
    out.clear();
    out.reserve(size);
    out.extend_from_slice(&MAGIC);
    out.extend_from_slice(&VERSION.to_le_bytes());
    out.extend_from_slice(&topic_len.to_le_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&run.to_le_bytes());
    out.extend_from_slice(&value.process.0.to_le_bytes());
    out.extend_from_slice(&value.seq.0.to_le_bytes());
    out.extend_from_slice(&meant_for.partition.to_le_bytes());
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(topic);
    out.resize(size, PADDING);
    let checksum = checksum(out);
    out[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
}

/// The value of a record read from the log `actual` in run `run`.
///
/// # Errors
/// Says what is wrong with a record that is not one of this run's, intact, in the log it was meant for.
/// A payload counts as ours, and so as [`ForeignRecord::Corrupt`] rather than as a phantom, when its magic or
/// its run id is in place: no single damaged bit can make a record of ours look like somebody else's.
pub fn decode(bytes: &[u8], run: u64, actual: &TopicPartition) -> Result<Value, ForeignRecord> {
    let has_our_magic = bytes.starts_with(&MAGIC);
    if bytes.len() < FIXED {
        return Err(if has_our_magic { ForeignRecord::Corrupt } else { phantom(bytes) });
    }
    let found_run = u64::from_le_bytes(field(bytes, 12));
    if u32::from_le_bytes(field(bytes, CHECKSUM.start)) != checksum(bytes) {
        let ours = has_our_magic || found_run == run;
        return Err(if ours { ForeignRecord::Corrupt } else { phantom(bytes) });
    }
    let version = u16::from_le_bytes(field(bytes, 4));
    let length = u32::from_le_bytes(field(bytes, 32));
    let topic_end = FIXED + usize::from(u16::from_le_bytes(field(bytes, 6)));
    // The checksum holds for bytes that are no payload of ours once in 2^32.
    if !has_our_magic || version != VERSION || usize::try_from(length) != Ok(bytes.len()) {
        return Err(phantom(bytes));
    }
    let Some(topic) = bytes.get(FIXED..topic_end) else { return Err(phantom(bytes)) };
    let value = Value {
        process: Process(u32::from_le_bytes(field(bytes, 20))),
        seq: Seq(u32::from_le_bytes(field(bytes, 24))),
    };
    if found_run != run {
        return Err(ForeignRecord::Phantom { preview: format!("value {value} of run {found_run:016x}") });
    }
    let partition = i32::from_le_bytes(field(bytes, 28));
    if topic != actual.topic.as_bytes() || partition != actual.partition {
        let meant_for = format!("{}/{partition}", String::from_utf8_lossy(topic));
        return Err(ForeignRecord::Misrouted { value, meant_for });
    }
    Ok(value)
}

/// crc32c over all bytes but the checksum's own.
fn checksum(payload: &[u8]) -> u32 {
    let head = crc32c::crc32c(&payload[..CHECKSUM.start]);
    crc32c::crc32c_append(head, &payload[CHECKSUM.end..])
}

/// `N` bytes of the fixed part, which the caller knows to be there.
fn field<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut field = [0; N];
    field.copy_from_slice(&bytes[at..at + N]);
    field
}

/// The first bytes, escaped so that they can be printed anywhere.
fn phantom(bytes: &[u8]) -> ForeignRecord {
    let shown = &bytes[..bytes.len().min(PREVIEW)];
    let ellipsis = if bytes.len() > PREVIEW { "…" } else { "" };
    ForeignRecord::Phantom { preview: format!("{}{ellipsis}", shown.escape_ascii()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const RUN: u64 = 0x0123_4567_89ab_cdef;

    fn value(process: u32, seq: u32) -> Value {
        Value { process: Process(process), seq: Seq(seq) }
    }

    fn encoded(value: Value, log: &TopicPartition, size: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        encode(&mut bytes, RUN, value, log, size);
        bytes
    }

    #[test]
    fn buffer_is_reused_without_growing() {
        let log = TopicPartition::new("orders", 3);
        let mut out = encoded(value(1, 1), &log, 200);
        let (capacity, place) = (out.capacity(), out.as_ptr());
        encode(&mut out, RUN, value(1, 2), &log, 200);
        assert_eq!((out.capacity(), out.as_ptr(), out.len()), (capacity, place, 200));
        assert_eq!(decode(&out, RUN, &log), Ok(value(1, 2)));
    }

    #[test]
    fn a_record_of_another_run_is_a_phantom_that_names_both() {
        let log = TopicPartition::new("orders", 3);
        let why = decode(&encoded(value(7, 9), &log, 0), RUN + 1, &log).unwrap_err();
        assert_eq!(why, ForeignRecord::Phantom { preview: "value 7:9 of run 0123456789abcdef".into() });
    }

    #[test]
    fn a_record_in_another_log_is_misrouted_and_keeps_its_value() {
        let log = TopicPartition::new("orders", 3);
        let bytes = encoded(value(7, 9), &log, 100);
        for actual in [TopicPartition::new("orders", 2), TopicPartition::new("order", 3)] {
            let meant_for = "orders/3".to_owned();
            let misrouted = ForeignRecord::Misrouted { value: value(7, 9), meant_for };
            assert_eq!(decode(&bytes, RUN, &actual), Err(misrouted));
        }
    }

    #[test]
    fn foreign_bytes_are_a_phantom_with_an_escaped_preview() {
        let log = TopicPartition::new("orders", 0);
        let phantom = |preview: &str| Err(ForeignRecord::Phantom { preview: preview.into() });
        assert_eq!(decode(b"hello\n\xff", RUN, &log), phantom(r"hello\n\xff"));
        assert_eq!(decode(b"", RUN, &log), phantom(""));
        assert_eq!(decode(&[b'x'; 80], RUN, &log), phantom(&format!("{}…", "x".repeat(64))));
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            process: u32, seq: u32, partition in 0..i32::MAX, topic in "[a-zA-Z0-9._-]{1,249}", size in 0usize..2000,
        ) {
            let log = TopicPartition::new(topic, partition);
            let bytes = encoded(value(process, seq), &log, size);
            prop_assert_eq!(bytes.len(), size.max(min_size(&log.topic)));
            prop_assert_eq!(decode(&bytes, RUN, &log), Ok(value(process, seq)));
        }

        #[test]
        fn any_flipped_bit_is_corrupt(process: u32, seq: u32, topic in "[a-z]{1,20}", size in 0usize..120) {
            let log = TopicPartition::new(topic, 5);
            let mut bytes = encoded(value(process, seq), &log, size);
            for bit in 0..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                prop_assert_eq!(decode(&bytes, RUN, &log), Err(ForeignRecord::Corrupt), "bit {}", bit);
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }

        #[test]
        fn a_truncated_or_extended_record_is_never_accepted(seq: u32, size in 0usize..120, more in 1usize..40) {
            let log = TopicPartition::new("t", 0);
            let mut bytes = encoded(value(0, seq), &log, size);
            for length in 0..bytes.len() {
                prop_assert!(decode(&bytes[..length], RUN, &log).is_err(), "length {}", length);
            }
            bytes.resize(bytes.len() + more, 0);
            prop_assert_eq!(decode(&bytes, RUN, &log), Err(ForeignRecord::Corrupt));
        }

        #[test]
        fn foreign_bytes_are_never_accepted(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(decode(&bytes, RUN, &TopicPartition::new("t", 0)).is_err());
        }
    }
}
