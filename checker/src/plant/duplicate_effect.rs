//! `duplicate-effect`: the sink acknowledges one record twice. It is handed over once, or it would be redelivered as well.

use std::io;

use super::{lone_of, sink};
use crate::anomaly::Anomaly;
use crate::simulate::{Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone_of(pipeline, sink(pipeline))?;
    pipeline.poll(lone.group, lone.log, 1, Handed::All)?;
    pipeline.effect(lone.group, lone.consumer, (lone.log, lone.place.1))?;
    Ok(lone.planted(pipeline, Anomaly::DuplicateEffect, "acknowledged twice by the sink"))
}
