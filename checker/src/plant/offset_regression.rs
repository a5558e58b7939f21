//! `offset-regression`: a group's position is committed, and a lower one is read back.

use std::io;

use super::lone;
use crate::anomaly::Anomaly;
use crate::simulate::{Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone(pipeline)?;
    pipeline.poll(lone.group, lone.log, 1, Handed::All)?;
    pipeline.commit(lone.group)?;
    pipeline.fetch_committed(lone.group, lone.consumer, (lone.log, lone.place.1))?;
    Ok(lone.planted(pipeline, Anomaly::OffsetRegression, "committed, and a lower position read back"))
}
