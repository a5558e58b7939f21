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
