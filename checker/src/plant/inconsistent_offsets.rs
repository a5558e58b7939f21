//! `inconsistent-offsets`: one record of a batch is acknowledged at an offset where it is not, empty or taken; or a
//! consumer is shown it at the offset of another. That consumer belongs to no group: in a group, the record that it
//! was not shown would be undelivered as well.

use std::io;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{End, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (parcel, at) = victim(pipeline);
    let (value, log) = (parcel.value(at), parcel.log);
    if pipeline.random.chance(1, 3) {
        let first = pipeline.append(&parcel, parcel.all())?;
        let completed = pipeline.answered();
        pipeline.recorder.sent(&parcel, parcel.all(), End::acked(first, completed))?;
        let (slot, offset) =
            (pipeline.any_producer(None), first.saturating_add_unsigned(parcel.len() as u64));
        let other = pipeline.parcel(slot, log, 1);
        pipeline.settle(&other, other.all(), Fate::Acked)?;
        pipeline.look_from(log, offset)?;
        // Where that other record is, gaps included.
        let offset = pipeline.end(log) - 1;
        pipeline.look(log, (value.process, value.seq.0), offset)?;
        return Ok(Planted::new(Anomaly::InconsistentOffsets, "polled at the offset of another record").at(
            log,
            Some(value),
            offset,
        ));
    }
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let offset = pipeline.append(&parcel, at..at + 1)?;
    // Before the batch may be an offset that another plant left empty: claimed twice, it would count twice.
    let (told, how) = if at > 0 && pipeline.random.chance(1, 2) {
        (offset - 1, "acknowledged at the offset before its own")
    } else {
        (pipeline.leave_out(log), "acknowledged at an offset that holds nothing")
    };
    let completed = pipeline.answered();
    pipeline.recorder.sent(&parcel, at..at + 1, End::acked(told, completed))?;
    pipeline.settle(&parcel, at + 1..parcel.len(), Fate::Acked)?;
    Ok(Planted::new(Anomaly::InconsistentOffsets, how).at(log, Some(value), told))
}
