//! `stale-end`: after a record's offset is known to be below the end, an end offset is read that lies at it.

use std::io;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (parcel, _) = victim(pipeline);
    let log = parcel.log;
    pipeline.settle(&parcel, parcel.all(), Fate::Acked)?;
    let end = pipeline.end(log);
    pipeline.read_end(log, end)?;
    pipeline.wait(10_000, 20_000);
    pipeline.read_end(log, end - 1)?;
    let last = parcel.value(parcel.len() - 1);
    Ok(Planted::new(Anomaly::StaleEnd, "an end offset went back").at(log, Some(last), end - 1))
}
