//! `unseen`: one record is acknowledged in a log that the final read does not get into. The log is one of its own, so that
//! evidence is missing for nothing else.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{End, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let slot = pipeline.any_producer(None);
    let (log, next) = pipeline.unread_log();
    let (log, offset) = (*log, *next);
    *next += 1;
    let parcel = pipeline.parcel(slot, log, 1);
    let completed = pipeline.answered();
    pipeline.recorder.sent(&parcel, parcel.all(), End::acked(offset, completed))?;
    Ok(Planted::new(Anomaly::Unseen, "acknowledged above everything that was read").at(
        log,
        Some(parcel.value(0)),
        offset,
    ))
}
