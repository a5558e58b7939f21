//! `reordered-write`: two neighbours of a batch are stored in the wrong order, each acknowledged where it is. Both are on
//! their way at the same time, or the log would not be linearizable either.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{End, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (slot, log) = (pipeline.any_producer(None), pipeline.any_log());
    let size = pipeline.random.count(2, 8);
    let parcel = pipeline.parcel(slot, log, size);
    let at = pipeline.random.index(parcel.len() - 1);
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let second = pipeline.append(&parcel, at + 1..at + 2)?;
    let first = pipeline.append(&parcel, at..at + 1)?;
    let completed = pipeline.answered();
    pipeline.recorder.sent(&parcel, at..at + 1, End::acked(first, completed))?;
    pipeline.recorder.sent(&parcel, at + 1..at + 2, End::acked(second, completed))?;
    pipeline.settle(&parcel, at + 2..parcel.len(), Fate::Acked)?;
    Ok(Planted::new(Anomaly::ReorderedWrite, "stored behind the record that was sent after it").at(
        log,
        Some(parcel.value(at)),
        first,
    ))
}
