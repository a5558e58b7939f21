//! `redelivered`: one record is handed over twice, for each of the four causes there are. Everything else that the members
//! hold is committed before, so that nothing else comes again.

use std::io;

use super::lone;
use crate::anomaly::Anomaly;
use crate::simulate::{Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let lone = lone(pipeline)?;
    let (group, log) = (lone.group, lone.log);
    pipeline.commit(group)?;
    pipeline.poll(group, log, 1, Handed::All)?;
    let how = match pipeline.random.below(4) {
        0 => {
            pipeline.seek(group, log, lone.place)?;
            "the member set its position back"
        }
        1 => {
            let member = pipeline.owning_member(group, log);
            pipeline.replace(group, member)?;
            "the member died before it committed"
        }
        2 => {
            pipeline.reassign(group)?;
            "the log moved to another member before it was committed"
        }
        _ => {
            pipeline.commit(group)?;
            pipeline.forget_commit(group, log, lone.place);
            pipeline.reassign(group)?;
            "the log moved to another member, which did not honour the commit"
        }
    };
    pipeline.poll(group, log, 1, Handed::All)?;
    Ok(lone.planted(pipeline, Anomaly::Redelivered, how))
}
