//! `misordered-effect`: one of two records that are polled together takes effect after the other.

use std::io;

use super::{lone_of, sink};
use crate::anomaly::Anomaly;
use crate::simulate::{Fate, Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone_of(pipeline, sink(pipeline))?;
    let slot = pipeline.any_producer(None);
    let behind = pipeline.parcel(slot, lone.log, 1);
    pipeline.settle(&behind, behind.all(), Fate::Acked)?;
    let offset = pipeline.end(lone.log) - 1;
    pipeline.poll(lone.group, lone.log, 2, Handed::WithoutEffect)?;
    pipeline.effect(lone.group, lone.consumer, (lone.log, offset))?;
    pipeline.effect(lone.group, lone.consumer, (lone.log, lone.place.1))?;
    Ok(lone.planted(pipeline, Anomaly::MisorderedEffect, "took effect after the record behind it"))
}
