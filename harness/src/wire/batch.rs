//! Record batches as they lie in a log: header fields as evidence, values without a copy.
//!
//! Only format 2 (Kafka 0.11 and later) is read; older messages cannot be in a log that a supported broker
//! made. Each batch's own CRC-32C is verified, so that a damaged answer is an error and never a phantom.

use bytes::{Buf, Bytes};
use history::ids::Offset;
use kafka_protocol::compression::{Decompressor, Gzip, Lz4, Snappy, Zstd};

/// Bytes in front of a batch's CRC-protected part: base offset, length, leader epoch, magic, CRC.
const PROTECTED_FROM: usize = 21;
/// Bytes of a whole header.
const HEADER: usize = 61;
/// Bytes of base offset and length, which the length does not count.
const LENGTH_END: usize = 12;

/// The header of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Offset of its first record when it was written.
    pub base_offset: Offset,
    /// Offset of its last record.
    pub last_offset: Offset,
    /// Epoch of the leader that appended it.
    pub leader_epoch: i32,
    /// Producer id, -1 without.
    pub producer_id: i64,
    /// Producer epoch, -1 without.
    pub producer_epoch: i16,
    /// Sequence of its first record, -1 without.
    pub base_sequence: i32,
    /// Number of records.
    pub records: i32,
    /// Whether it holds control records.
    pub control: bool,
    /// Whether it belongs to a transaction.
    pub transactional: bool,
    codec: u8,
}

/// A batch: its header and its records, still compressed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// The header.
    pub header: Header,
    body: Bytes,
}

/// One record of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its offset.
    pub offset: Offset,
    /// Its key.
    pub key: Option<Bytes>,
    /// Its value.
    pub value: Option<Bytes>,
}

/// What is wrong with bytes that should be batches.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBatch {
    /// Another message format.
    #[error("batch at offset {offset}: message format {magic} is not supported")]
    Format {
        /// The batch.
        offset: Offset,
        /// Its magic byte.
        magic: u8,
    },
    /// The checksum does not match.
    #[error("batch at offset {offset}: checksum {found:08x}, header says {stated:08x}")]
    Checksum {
        /// The batch.
        offset: Offset,
        /// What the header says.
        stated: u32,
        /// What the bytes give.
        found: u32,
    },
    /// It cannot be decompressed.
    #[error("batch at offset {offset}: {what}")]
    Compression {
        /// The batch.
        offset: Offset,
        /// What went wrong.
        what: String,
    },
    /// Its fields contradict its length.
    #[error("batch at offset {offset}: {what}")]
    Structure {
        /// The batch.
        offset: Offset,
        /// What is wrong.
        what: &'static str,
    },
}

/// The whole batches of an answer, in order; a last one that is cut short is left out.
#[derive(Clone, Debug)]
pub struct Batches {
    rest: Bytes,
}

impl Batches {
    /// The batches in these bytes.
    pub fn new(records: Bytes) -> Self {
        Batches { rest: records }
    }
}

impl Iterator for Batches {
    type Item = Result<Batch, BadBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.len() < LENGTH_END + 5 {
            return None;
        }
        let mut head = &self.rest[..];
        let base_offset = Offset(head.get_i64());
        let length = usize::try_from(head.get_i32()).unwrap_or(0);
        let _leader_epoch = head.get_i32();
        let magic = head.get_u8();
        let whole = LENGTH_END + length;
        let parsed = if magic != 2 {
            Err(BadBatch::Format { offset: base_offset, magic })
        } else if whole < HEADER {
            Err(BadBatch::Structure { offset: base_offset, what: "shorter than its header" })
        } else if self.rest.len() < whole {
            return None;
        } else {
            parse(self.rest.split_to(whole))
        };
        if parsed.is_err() {
            self.rest.clear();
        }
        Some(parsed)
    }
}

fn parse(bytes: Bytes) -> Result<Batch, BadBatch> {
    let mut head = &bytes[..];
    let base_offset = Offset(head.get_i64());
    let _length = head.get_i32();
    let leader_epoch = head.get_i32();
    let _magic = head.get_u8();
    let stated = head.get_u32();
    let found = crc32c::crc32c(&bytes[PROTECTED_FROM..]);
    if found != stated {
        return Err(BadBatch::Checksum { offset: base_offset, stated, found });
    }
    let attributes = head.get_u16();
    let last_delta = head.get_i32();
    head.advance(16);
    let header = Header {
        base_offset,
        last_offset: Offset(base_offset.0 + i64::from(last_delta)),
        leader_epoch,
        producer_id: head.get_i64(),
        producer_epoch: head.get_i16(),
        base_sequence: head.get_i32(),
        records: head.get_i32(),
        control: attributes & 0x20 != 0,
        transactional: attributes & 0x10 != 0,
        codec: u8::try_from(attributes & 7).unwrap_or(7),
    };
    Ok(Batch { header, body: bytes.slice(HEADER..) })
}

impl Batch {
    /// Its records, decompressed.
    pub fn records(&self) -> Result<Records, BadBatch> {
        let offset = self.header.base_offset;
        let mut body = self.body.clone();
        let take = |body: &mut Bytes| Ok(std::mem::take(body));
        let plain = match self.header.codec {
            0 => Ok(body),
            1 => Gzip::decompress(&mut body, take),
            2 => Snappy::decompress(&mut body, take),
            3 => Lz4::decompress(&mut body, take),
            4 => Zstd::decompress(&mut body, take),
            other => Err(anyhow::anyhow!("unknown codec {other}")),
        };
        let rest = plain.map_err(|error| BadBatch::Compression { offset, what: error.to_string() })?;
        Ok(Records { base: offset, rest, left: self.header.records })
    }

    /// Whether this is the marker of an aborted transaction (else, if control, of a committed one or other).
    pub fn is_abort_marker(&self) -> Result<bool, BadBatch> {
        if !self.header.control {
            return Ok(false);
        }
        let Some(record) = self.records()?.next() else { return Ok(false) };
        // The key of a control record is its version (i16) and its type (i16): 0 aborts, 1 commits.
        let key = record?.key.unwrap_or_default();
        Ok(key.get(2..4) == Some(&[0, 0]))
    }
}

/// The records of a batch, in order.
#[derive(Clone, Debug)]
pub struct Records {
    base: Offset,
    rest: Bytes,
    left: i32,
}

impl Iterator for Records {
    type Item = Result<Record, BadBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.left <= 0 {
            return None;
        }
        self.left -= 1;
        let record = self.record();
        if record.is_none() {
            self.left = 0;
        }
        Some(record.ok_or(BadBatch::Structure { offset: self.base, what: "a record runs over its end" }))
    }
}

impl Records {
    fn record(&mut self) -> Option<Record> {
        let length = self.varint()?;
        let length = usize::try_from(length).ok().filter(|length| *length <= self.rest.len())?;
        let after = self.rest.slice(length..);
        self.rest.truncate(length);
        let _attributes = self.varint_byte()?;
        let _timestamp_delta = self.varint()?;
        let delta = self.varint()?;
        let key = self.bytes()?;
        let value = self.bytes()?;
        // Headers are of no interest here.
        self.rest = after;
        Some(Record { offset: Offset(self.base.0 + delta), key, value })
    }

    /// A length and as many bytes; `Some(None)` for null.
    fn bytes(&mut self) -> Option<Option<Bytes>> {
        let length = self.varint()?;
        if length < 0 {
            return Some(None);
        }
        let length = usize::try_from(length).ok().filter(|length| *length <= self.rest.len())?;
        Some(Some(self.rest.split_to(length)))
    }

    fn varint_byte(&mut self) -> Option<u8> {
        let byte = *self.rest.first()?;
        self.rest.advance(1);
        Some(byte)
    }

    /// A signed number in zigzag form, at most ten bytes.
    fn varint(&mut self) -> Option<i64> {
        let mut raw: u64 = 0;
        for (n, byte) in self.rest.iter().take(10).enumerate() {
            raw |= u64::from(byte & 0x7f) << (7 * n);
            if byte & 0x80 == 0 {
                self.rest.advance(n + 1);
                let magnitude = i64::try_from(raw >> 1).ok()?;
                return Some(if raw & 1 == 0 { magnitude } else { -magnitude - 1 });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use kafka_protocol::indexmap::IndexMap;
    use kafka_protocol::records::{
        Compression, Record as Encoded, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };
    use proptest::prelude::*;

    use super::*;

    fn encode(values: &[Option<Vec<u8>>], base: i64, compression: Compression) -> Bytes {
        let records = (base..).zip(values).zip(0..).map(|((offset, value), n)| Encoded {
            transactional: false,
            control: false,
            delete_horizon: false,
            partition_leader_epoch: 9,
            producer_id: 12,
            producer_epoch: 3,
            timestamp_type: TimestampType::Creation,
            offset,
            sequence: n,
            timestamp: 1_000 + i64::from(n),
            key: (n % 2 == 0).then(|| Bytes::from_static(b"key")),
            value: value.clone().map(Bytes::from),
            headers: IndexMap::from([("header".into(), Some(Bytes::from_static(b"worth")))]),
        });
        let records: Vec<Encoded> = records.collect();
        let mut bytes = bytes::BytesMut::new();
        RecordBatchEncoder::encode(&mut bytes, &records, &RecordEncodeOptions { version: 2, compression })
            .unwrap();
        bytes.freeze()
    }

    fn codec() -> impl Strategy<Value = Compression> {
        let all =
            [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
        proptest::sample::select(all.to_vec())
    }

    fn values() -> impl Strategy<Value = Vec<Option<Vec<u8>>>> {
        proptest::collection::vec(proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)), 1..40)
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(values in values(), base in 0..i64::MAX / 2, codec in codec()) {
            let mut batches = Batches::new(encode(&values, base, codec));
            let batch = batches.next().unwrap().unwrap();
            prop_assert!(batches.next().is_none());
            let last = base + i64::try_from(values.len()).unwrap() - 1;
            let header = batch.header;
            prop_assert_eq!((header.base_offset, header.last_offset), (Offset(base), Offset(last)));
            prop_assert_eq!((header.leader_epoch, header.producer_id, header.producer_epoch), (9, 12, 3));
            prop_assert_eq!(header.base_sequence, 0);
            let records: Vec<Record> = batch.records().unwrap().collect::<Result<_, _>>().unwrap();
            prop_assert_eq!(records.len(), values.len());
            for ((record, value), offset) in records.iter().zip(&values).zip(base..) {
                prop_assert_eq!(record.offset, Offset(offset));
                prop_assert_eq!(record.value.as_deref(), value.as_deref());
            }
        }

        #[test]
        fn a_changed_byte_is_noticed_or_harmless_and_never_a_panic(
            values in values(), codec in codec(), at in any::<prop::sample::Index>(), flip in 1..=255_u8,
        ) {
            let good = encode(&values, 5, codec);
            let mut bytes = good.to_vec();
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let read = Batches::new(bytes.into()).next();
            // The base offset and the leader's epoch are the broker's own and outside the checksum.
            let outside = at < 8 || (12..16).contains(&at);
            prop_assert!(outside || !matches!(read, Some(Ok(_))), "byte {}", at);
        }

        #[test]
        fn noise_is_never_a_panic(noise in proptest::collection::vec(any::<u8>(), 0..300)) {
            for batch in Batches::new(noise.into()) {
                if let Ok(batch) = batch
                    && let Ok(records) = batch.records()
                {
                    for record in records {
                        let _ = record;
                    }
                }
            }
        }
    }

    #[test]
    fn record_fields_that_contradict_each_other_are_an_error() {
        // A length of -1, a length beyond the end, an endless number.
        for body in [&[1_u8][..], &[100, 0, 0], &[0xff; 12]] {
            let mut records = Records { base: Offset(0), rest: Bytes::copy_from_slice(body), left: 2 };
            assert!(matches!(records.next(), Some(Err(BadBatch::Structure { .. }))), "{body:?}");
            assert!(records.next().is_none());
        }
    }
}
