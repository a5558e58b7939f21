//! `lost-effect`: one record is handed over, and the sink never hears of it. The member goes on with the next: were this
//! the last that it was handed before it dies, its effect might be there although nobody was told.

use std::io;

use super::{lone_of, sink};
use crate::anomaly::Anomaly;
use crate::simulate::{Fate, Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone_of(pipeline, sink(pipeline))?;
    pipeline.poll(lone.group, lone.log, 1, Handed::WithoutEffect)?;
    let slot = pipeline.any_producer(None);
    let next = pipeline.parcel(slot, lone.log, 1);
    pipeline.settle(&next, next.all(), Fate::Acked)?;
    pipeline.poll(lone.group, lone.log, 1, Handed::All)?;
    pipeline.commit(lone.group)?;
    Ok(lone.planted(pipeline, Anomaly::LostEffect, "handed over, and not in the sink"))
}
