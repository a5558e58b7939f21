//! What Produce requests carry and what their answers say, by topic and partition.

use super::reader::Reader;
use super::{request_body, response_body};

/// Offset of the record count in a record batch (magic 2), and the batch's shortest length.
const COUNT_AT: usize = 57;
/// Bytes before the part that a batch's length field counts.
const PREFIX: usize = 12;

/// The records of a request for one partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Batch {
    /// Topic name or, from version 13, topic id.
    topic: Vec<u8>,
    partition: i32,
    /// Number of records.
    pub(crate) records: u64,
}

fn topic<'a>(reader: &mut Reader<'a>, version: i16) -> Option<&'a [u8]> {
    if version >= 13 { reader.skip(16) } else { reader.string(version >= 9) }
}

/// What a whole Produce request carries.
pub(crate) fn records(message: &[u8], version: i16) -> Option<Vec<Batch>> {
    let compact = version >= 9;
    let mut reader = request_body(message, compact)?;
    reader.string(compact)?;
    reader.skip(2 + 4)?;
    let mut batches = Vec::new();
    for _ in 0..reader.count(compact)? {
        let topic = topic(&mut reader, version)?.to_vec();
        for _ in 0..reader.count(compact)? {
            let partition = reader.i32()?;
            let records = count(reader.bytes(compact)?)?;
            batches.push(Batch { topic: topic.clone(), partition, records });
            if compact {
                reader.tags()?;
            }
        }
        if compact {
            reader.tags()?;
        }
    }
    Some(batches)
}

/// Number of records in consecutive record batches.
fn count(mut bytes: &[u8]) -> Option<u64> {
    let mut records = 0;
    while !bytes.is_empty() {
        let len = bytes.get(PREFIX - 4..PREFIX)?.first_chunk().map(|len| i32::from_be_bytes(*len))?;
        let count = bytes.get(COUNT_AT..)?.first_chunk().map(|count| i32::from_be_bytes(*count))?;
        records += u64::try_from(count).ok()?;
        bytes = bytes.get(PREFIX + usize::try_from(len).ok()?..)?;
    }
    Some(records)
}

/// What a whole Produce response says about the batches of its request: the error code of each, in their
/// order; `None` for a batch it does not speak of.
pub(crate) fn answers(message: &[u8], version: i16, batches: &[Batch]) -> Option<Vec<Option<i16>>> {
    let compact = version >= 9;
    let mut reader = response_body(message, compact)?;
    let mut codes = vec![None; batches.len()];
    for _ in 0..reader.count(compact)? {
        let topic = topic(&mut reader, version)?;
        for _ in 0..reader.count(compact)? {
            let (partition, code) = (reader.i32()?, reader.i16()?);
            let times = if version >= 2 { 8 } else { 0 } + if version >= 5 { 8 } else { 0 };
            reader.skip(8 + times)?;
            if version >= 8 {
                for _ in 0..reader.count(compact)? {
                    reader.skip(4)?;
                    reader.string(compact)?;
                    if compact {
                        reader.tags()?;
                    }
                }
                reader.string(compact)?;
            }
            if compact {
                reader.tags()?;
            }
            let batch = batches.iter().position(|batch| batch.topic == topic && batch.partition == partition);
            if let Some(slot) = batch.and_then(|batch| codes.get_mut(batch)) {
                *slot = Some(code);
            }
        }
        if compact {
            reader.tags()?;
        }
    }
    Some(codes)
}
