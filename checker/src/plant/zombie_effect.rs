//! `zombie-effect`: one record is handed over and committed, its log moves to another member, and then the first member's
//! effect arrives.

use std::io;

use super::{lone_of, sink};
use crate::anomaly::Anomaly;
use crate::simulate::{Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone_of(pipeline, sink(pipeline))?;
    pipeline.poll(lone.group, lone.log, 1, Handed::WithoutEffect)?;
    pipeline.commit(lone.group)?;
    pipeline.reassign(lone.group)?;
    pipeline.effect(lone.group, lone.consumer, (lone.log, lone.place.1))?;
    let how = "took effect after the log had gone over to another member";
    Ok(lone.planted(pipeline, Anomaly::ZombieEffect, how))
}
