//! `undelivered`: one record is polled, never handed over to processing, and committed past.

use std::io;

use super::lone;
use crate::anomaly::Anomaly;
use crate::simulate::{Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone(pipeline)?;
    pipeline.poll(lone.group, lone.log, 1, Handed::Nothing)?;
    pipeline.commit(lone.group)?;
    Ok(lone.planted(pipeline, Anomaly::Undelivered, "polled, not handed over, and committed past"))
}
