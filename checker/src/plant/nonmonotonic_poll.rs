//! `nonmonotonic-poll`: one record is returned by two polls in a row. It is handed over once, or it would be redelivered
//! as well.

use std::io;

use super::lone;
use crate::anomaly::Anomaly;
use crate::simulate::{Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone(pipeline)?;
    let (group, log) = (lone.group, lone.log);
    pipeline.poll(group, log, 1, Handed::All)?;
    pipeline.go_back_silently(group, log, lone.place);
    pipeline.poll(group, log, 1, Handed::Nothing)?;
    Ok(lone.planted(pipeline, Anomaly::NonmonotonicPoll, "returned again by the next poll"))
}
