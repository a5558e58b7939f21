//! `aborted-read`: one record of a batch is reported as refused and is in the log all the same.

use std::io;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{End, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (parcel, at) = victim(pipeline);
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let offset = pipeline.append(&parcel, at..at + 1)?;
    let completed = pipeline.answered();
    pipeline.recorder.sent(&parcel, at..at + 1, End::failed(completed))?;
    pipeline.settle(&parcel, at + 1..parcel.len(), Fate::Acked)?;
    Ok(Planted::new(Anomaly::AbortedRead, "reported as refused and in the log").at(
        parcel.log,
        Some(parcel.value(at)),
        offset,
    ))
}
