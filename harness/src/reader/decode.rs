//! From fetched bytes to runs of values: what a consumer of an isolation level would be handed.
//!
//! The leader tells a `read_committed` consumer which aborted transactions overlap its answer and still sends
//! their records; leaving them out is the consumer's work, done here as Kafka's own client does it: an aborted
//! transaction is active from its first offset to its abort marker, and transactional batches of an active
//! producer id are dropped. Pure: no clock, no network.

use std::collections::{BTreeSet, VecDeque};

use history::ids::{Offset, Seq, TopicPartition, Value};
use history::op::{ForeignRecord, Isolation};
use history::payload;

use crate::wire::Fetched;
use crate::wire::batch::{BadBatch, Batch, Batches, Header};

/// What one answer held.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Piece {
    /// Values and foreign records, in the order of the log.
    pub(super) parts: Vec<Part>,
    /// The headers of the batches.
    pub(super) batches: Vec<Header>,
}

/// Part of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// Consecutive values at consecutive offsets.
    Run {
        /// Offset of the first.
        offset: Offset,
        /// The first.
        first: Value,
        /// Number of records.
        count: u32,
    },
    /// A record that is not one of this run's.
    Foreign {
        /// Its offset.
        offset: Offset,
        /// What is wrong with it.
        why: ForeignRecord,
    },
}

/// Reads one log from answer to answer.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    log: TopicPartition,
    run: u64,
    isolation: Isolation,
    end: Offset,
    position: Offset,
    aborted: BTreeSet<i64>,
}

impl Decoder {
    /// Reads from `start` up to, and without, `end`.
    pub(super) fn new(
        log: TopicPartition,
        run: u64,
        isolation: Isolation,
        start: Offset,
        end: Offset,
    ) -> Self {
        Decoder { log, run, isolation, end, position: start, aborted: BTreeSet::new() }
    }

    /// The next offset to ask for.
    pub(super) fn position(&self) -> Offset {
        self.position
    }

    /// Takes an answer. What was read before a bad batch is kept, and the position stays in front of that.
    pub(super) fn take(&mut self, fetched: Fetched) -> (Piece, Result<(), BadBatch>) {
        let mut piece = Piece::default();
        let mut starting: VecDeque<(Offset, i64)> =
            fetched.aborted.iter().map(|(producer, first)| (*first, *producer)).collect();
        starting.make_contiguous().sort_unstable();
        for batch in Batches::new(fetched.records) {
            if self.position >= self.end {
                break;
            }
            if let Err(bad) = batch.and_then(|batch| self.batch(&batch, &mut starting, &mut piece)) {
                return (piece, Err(bad));
            }
        }
        (piece, Ok(()))
    }

    fn batch(
        &mut self,
        batch: &Batch,
        starting: &mut VecDeque<(Offset, i64)>,
        piece: &mut Piece,
    ) -> Result<(), BadBatch> {
        let header = batch.header;
        if header.last_offset < self.position {
            return Ok(());
        }
        while starting.front().is_some_and(|(first, _)| *first <= header.last_offset) {
            if let Some((_, producer)) = starting.pop_front() {
                self.aborted.insert(producer);
            }
        }
        let hidden = header.transactional && self.aborted.contains(&header.producer_id);
        if header.control {
            if batch.is_abort_marker()? {
                self.aborted.remove(&header.producer_id);
            }
        } else if self.isolation == Isolation::ReadUncommitted || !hidden {
            // All of a batch or nothing, so that a batch that turns out bad is not half told.
            let mut parts = Parts { parts: Vec::new() };
            for record in batch.records()? {
                let record = record?;
                if record.offset >= self.position && record.offset < self.end {
                    let value = record.value.as_deref().unwrap_or_default();
                    parts.add(record.offset, payload::decode(value, self.run, &self.log));
                }
            }
            piece.parts.append(&mut parts.parts);
        }
        piece.batches.push(header);
        self.position = Offset(header.last_offset.0 + 1).min(self.end);
        Ok(())
    }
}

/// Joins records to runs.
struct Parts {
    parts: Vec<Part>,
}

impl Parts {
    fn add(&mut self, at: Offset, value: Result<Value, ForeignRecord>) {
        let value = match value {
            Ok(value) => value,
            Err(why) => return self.parts.push(Part::Foreign { offset: at, why }),
        };
        if let Some(Part::Run { offset, first, count }) = self.parts.last_mut()
            && first.process == value.process
            && at.0 == offset.0 + i64::from(*count)
            && Some(value.seq) == first.seq.0.checked_add(*count).map(Seq)
        {
            *count += 1;
        } else {
            self.parts.push(Part::Run { offset: at, first: value, count: 1 });
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::{Bytes, BytesMut};
    use history::ids::Process;
    use kafka_protocol::indexmap::IndexMap;
    use kafka_protocol::records::{
        Compression, Record, RecordBatchEncoder, RecordEncodeOptions, TimestampType,
    };

    use super::*;

    const RUN: u64 = 77;
    const PRODUCER: i64 = 4000;

    fn log() -> TopicPartition {
        TopicPartition::new("orders", 0)
    }

    /// One batch; `key` makes it a control batch, `producer` a transactional one.
    fn batch(base: i64, values: &[Bytes], producer: Option<i64>, marker: Option<[u8; 4]>) -> Bytes {
        let records = (base..).zip(values).map(|(offset, value)| Record {
            transactional: producer.is_some(),
            control: marker.is_some(),
            delete_horizon: false,
            partition_leader_epoch: 3,
            producer_id: producer.unwrap_or(-1),
            producer_epoch: 0,
            timestamp_type: TimestampType::Creation,
            offset,
            sequence: i32::try_from(offset).unwrap(),
            timestamp: 0,
            key: marker.map(|marker| Bytes::copy_from_slice(&marker)),
            value: Some(value.clone()),
            headers: IndexMap::new(),
        });
        let records: Vec<Record> = records.collect();
        let mut bytes = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression: Compression::None };
        RecordBatchEncoder::encode(&mut bytes, &records, &options).unwrap();
        bytes.freeze()
    }

    fn values(first: u32, count: u32) -> Vec<Bytes> {
        let one = |seq| {
            let mut bytes = Vec::new();
            payload::encode(&mut bytes, RUN, Value { process: Process(5), seq: Seq(seq) }, &log(), 0);
            Bytes::from(bytes)
        };
        (first..first + count).map(one).collect()
    }

    fn run(offset: i64, seq: u32, count: u32) -> Part {
        Part::Run { offset: Offset(offset), first: Value { process: Process(5), seq: Seq(seq) }, count }
    }

    /// 0–4 aborted, 5 its marker, 6–8 committed by the same producer, 9 its marker, 10–11 without transaction.
    fn transactions() -> Bytes {
        let parts = [
            batch(0, &values(0, 5), Some(PRODUCER), None),
            batch(5, &values(0, 1), Some(PRODUCER), Some([0, 0, 0, 0])),
            batch(6, &values(5, 3), Some(PRODUCER), None),
            batch(9, &values(0, 1), Some(PRODUCER), Some([0, 0, 0, 1])),
            batch(10, &values(8, 2), None, None),
        ];
        parts.concat().into()
    }

    fn take(isolation: Isolation, start: i64, end: i64, fetched: Fetched) -> (Piece, Offset) {
        let mut decoder = Decoder::new(log(), RUN, isolation, Offset(start), Offset(end));
        let (piece, result) = decoder.take(fetched);
        assert_eq!(result, Ok(()));
        (piece, decoder.position())
    }

    #[test]
    fn everybody_sees_everything_uncommitted_and_only_the_committed_otherwise() {
        let fetched =
            Fetched { records: transactions(), aborted: vec![(PRODUCER, Offset(0))], ..Default::default() };
        let (piece, position) = take(Isolation::ReadUncommitted, 0, 12, fetched.clone());
        assert_eq!(piece.parts, [run(0, 0, 5), run(6, 5, 3), run(10, 8, 2)]);
        assert_eq!((piece.batches.len(), position), (5, Offset(12)));
        let (piece, position) = take(Isolation::ReadCommitted, 0, 12, fetched);
        assert_eq!(piece.parts, [run(6, 5, 3), run(10, 8, 2)]);
        assert_eq!((piece.batches.len(), position), (5, Offset(12)));
    }

    #[test]
    fn an_aborted_transaction_stays_hidden_from_answer_to_answer() {
        let whole = transactions();
        let first = batch(0, &values(0, 5), Some(PRODUCER), None).len();
        let mut decoder = Decoder::new(log(), RUN, Isolation::ReadCommitted, Offset(0), Offset(12));
        let aborted = vec![(PRODUCER, Offset(0))];
        let one = Fetched { records: whole.slice(..first), aborted: aborted.clone(), ..Default::default() };
        assert_eq!(decoder.take(one).0.parts, []);
        let two = Fetched { records: whole.slice(first..), aborted, ..Default::default() };
        assert_eq!(decoder.take(two).0.parts, [run(6, 5, 3), run(10, 8, 2)]);
    }

    #[test]
    fn records_before_the_position_and_from_the_end_on_are_left_out() {
        let fetched = Fetched { records: transactions(), ..Default::default() };
        let (piece, position) = take(Isolation::ReadUncommitted, 7, 11, fetched);
        assert_eq!(piece.parts, [run(7, 6, 2), run(10, 8, 1)]);
        assert_eq!(position, Offset(11));
    }

    #[test]
    fn a_batch_cut_short_or_damaged_is_not_half_told() {
        let whole = transactions();
        let first = batch(0, &values(0, 5), Some(PRODUCER), None).len();
        for cut in first..whole.len() {
            let fetched = Fetched { records: whole.slice(..cut), ..Default::default() };
            let (piece, position) = take(Isolation::ReadUncommitted, 0, 12, fetched);
            assert!(piece.parts.first() == Some(&run(0, 0, 5)) && position >= Offset(5), "cut at {cut}");
        }
        let mut damaged = whole.to_vec();
        damaged[first + 70] ^= 1;
        let mut decoder = Decoder::new(log(), RUN, Isolation::ReadUncommitted, Offset(0), Offset(12));
        let (piece, result) = decoder.take(Fetched { records: damaged.into(), ..Default::default() });
        assert_eq!((piece.parts, decoder.position()), (vec![run(0, 0, 5)], Offset(5)));
        assert!(matches!(result, Err(BadBatch::Checksum { offset: Offset(5), .. })), "{result:?}");
    }

    #[test]
    fn foreign_records_break_a_run() {
        let mut mixed = values(0, 4);
        mixed[2] = Bytes::from_static(b"not ours");
        let fetched = Fetched { records: batch(0, &mixed, None, None), ..Default::default() };
        let (piece, _) = take(Isolation::ReadUncommitted, 0, 4, fetched);
        assert!(matches!(&piece.parts[..], [first, Part::Foreign { offset: Offset(2), .. }, last]
            if *first == run(0, 0, 2) && *last == run(3, 3, 1)));
    }
}
