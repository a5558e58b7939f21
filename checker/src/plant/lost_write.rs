//! `lost-write`: one record of a batch is acknowledged and not stored. Its offset stays empty, as after a truncation that
//! nothing was written over; were it taken by another record, that would be inconsistent as well.

use std::io;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{End, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (parcel, at) = victim(pipeline);
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let offset = pipeline.leave_out(parcel.log);
    let completed = pipeline.answered();
    let (end, how) = if pipeline.random.chance(3, 4) {
        (End::acked(offset, completed), "acknowledged and not in the log")
    } else {
        (End::blind(completed), "handed over with acks=0 and not in the log")
    };
    pipeline.recorder.sent(&parcel, at..at + 1, end)?;
    pipeline.settle(&parcel, at + 1..parcel.len(), Fate::Acked)?;
    Ok(Planted::new(Anomaly::LostWrite, how).at(parcel.log, Some(parcel.value(at)), offset))
}
