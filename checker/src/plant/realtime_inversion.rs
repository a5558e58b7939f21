//! `realtime-inversion`: one record is acknowledged before another is sent, and stands behind it. They are of two
//! processes, or they would be reordered as well.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{End, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let log = pipeline.any_log();
    let slot = pipeline.any_producer(None);
    let other = pipeline.any_producer(Some(slot));
    let early = pipeline.parcel(slot, log, 1);
    let completed = pipeline.answered();
    pipeline.now = completed + 10;
    pipeline.idle_until_now(other);
    let late = pipeline.parcel(other, log, 1);
    let before = pipeline.append(&late, late.all())?;
    let behind = pipeline.append(&early, early.all())?;
    pipeline.recorder.sent(&early, early.all(), End::acked(behind, completed))?;
    let completed = pipeline.answered();
    pipeline.recorder.sent(&late, late.all(), End::acked(before, completed))?;
    Ok(Planted::new(Anomaly::RealtimeInversion, "acknowledged before the record before it was sent").at(
        log,
        Some(early.value(0)),
        behind,
    ))
}
