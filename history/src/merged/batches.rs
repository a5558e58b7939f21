//! Chunks of record batches: what the wire protocol says about the batches of one log.
//!
//! Evidence, and potentially one batch for every few records, so it is stored by columns and not as rows.

use super::codec::{Input, Malformed, put_column, take_column};
use super::directory::{Entry, Kind};
use super::sends::small;
use crate::ids::{LogId, Offset, Process};
use crate::op::Batch;

/// A decoded chunk of batches, in the order they were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchChunk {
    /// The batches.
    pub batches: Vec<Batch>,
    column: Vec<u64>,
}

const COLUMNS: usize = 7;

/// The numbers of a batch, relative to the one before.
fn numbers(batch: &Batch, before: &Batch) -> [i64; COLUMNS] {
    let flags = i64::from(batch.control) | i64::from(batch.transactional) << 1;
    [
        batch.base_offset.0.wrapping_sub(before.last_offset.0),
        batch.last_offset.0.wrapping_sub(batch.base_offset.0),
        i64::from(batch.leader_epoch).wrapping_sub(before.leader_epoch.into()),
        batch.producer_id.wrapping_sub(before.producer_id),
        i64::from(batch.producer_epoch).wrapping_sub(before.producer_epoch.into()),
        i64::from(batch.base_sequence).wrapping_sub(before.base_sequence.into()),
        flags,
    ]
}

fn origin(log: LogId) -> Batch {
    Batch {
        log,
        base_offset: Offset(0),
        last_offset: Offset(0),
        leader_epoch: 0,
        producer_id: 0,
        producer_epoch: 0,
        base_sequence: 0,
        control: false,
        transactional: false,
    }
}

impl BatchChunk {
    /// Appends the chunk's bytes; returns its directory entry, place in the file still unknown.
    pub(super) fn put(&self, process: Process, log: LogId, out: &mut Vec<u8>) -> Entry {
        let mut entry = Entry::new(Kind::Batches, log, process);
        entry.records = small(self.batches.len());
        for column in 0..COLUMNS {
            let mut before = origin(log);
            let mut values = Vec::with_capacity(self.batches.len());
            for batch in &self.batches {
                values.push(numbers(batch, &before)[column].cast_unsigned());
                before = *batch;
            }
            put_column(&values, out);
        }
        if let (Some(first), Some(last)) = (self.batches.first(), self.batches.last()) {
            entry.offsets = (first.base_offset.0, last.last_offset.0);
        }
        entry
    }

    /// Decodes a chunk in place of what was here.
    pub(super) fn take(&mut self, entry: &Entry, bytes: &[u8]) -> Result<(), Malformed> {
        let mut input = Input(bytes);
        let count = entry.records as usize;
        self.batches.clear();
        self.batches.resize(count, origin(entry.log));
        for column in 0..COLUMNS {
            take_column(&mut input, count, &mut self.column)?;
            let mut before = origin(entry.log);
            for (batch, &number) in self.batches.iter_mut().zip(&self.column) {
                set(batch, &before, column, number.cast_signed())?;
                before = *batch;
            }
        }
        input.end()
    }
}

fn set(batch: &mut Batch, before: &Batch, column: usize, number: i64) -> Result<(), Malformed> {
    let range = || Malformed::Range("batch");
    match column {
        // Relative to the last offset of the batch before, which only the next column knows.
        0 => batch.base_offset.0 = number,
        1 => {
            batch.base_offset.0 = batch.base_offset.0.wrapping_add(before.last_offset.0);
            batch.last_offset.0 = batch.base_offset.0.wrapping_add(number);
        }
        2 => {
            batch.leader_epoch =
                i32::try_from(number.wrapping_add(before.leader_epoch.into())).map_err(|_| range())?
        }
        3 => batch.producer_id = number.wrapping_add(before.producer_id),
        4 => {
            batch.producer_epoch =
                i16::try_from(number.wrapping_add(before.producer_epoch.into())).map_err(|_| range())?;
        }
        5 => {
            batch.base_sequence =
                i32::try_from(number.wrapping_add(before.base_sequence.into())).map_err(|_| range())?;
        }
        _ => {
            batch.control = number & 1 != 0;
            batch.transactional = number & 2 != 0;
        }
    }
    Ok(())
}
