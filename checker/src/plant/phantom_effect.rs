//! `phantom-effect`: the sink acknowledges the effect of an offset that holds no record.

use std::io;

use super::{lone_of, sink};
use crate::anomaly::Anomaly;
use crate::simulate::{Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone_of(pipeline, sink(pipeline))?;
    let empty = pipeline.leave_out(lone.log);
    pipeline.poll(lone.group, lone.log, 1, Handed::All)?;
    pipeline.effect(lone.group, lone.consumer, (lone.log, empty))?;
    let planted = lone.planted(pipeline, Anomaly::PhantomEffect, "an effect of what the log does not hold");
    Ok(planted.at(lone.log, None, empty))
}
