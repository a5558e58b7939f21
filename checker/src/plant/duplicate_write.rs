//! `duplicate-write`: one record of a batch is stored again at the batch's end. It is acknowledged at the first place, or,
//! as after a lost response, at the second.

use std::io;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{End, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (parcel, at) = victim(pipeline);
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let first = pipeline.append(&parcel, at..at + 1)?;
    let rest = at + 1..parcel.len();
    let offset = pipeline.append(&parcel, rest.clone())?;
    let again = pipeline.append(&parcel, at..at + 1)?;
    let completed = pipeline.answered();
    let (told, how) = if pipeline.random.chance(1, 2) {
        (first, "stored again after it was acknowledged")
    } else {
        (again, "stored, the response lost, stored again and acknowledged there")
    };
    pipeline.recorder.sent(&parcel, at..at + 1, End::acked(told, completed))?;
    pipeline.recorder.sent(&parcel, rest, End::acked(offset, completed))?;
    Ok(Planted::new(Anomaly::DuplicateWrite, how).at(parcel.log, Some(parcel.value(at)), again))
}
