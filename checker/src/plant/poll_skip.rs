//! `poll-skip`: a consumer goes on behind a record that it was not returned. In a group it comes back for the record by a
//! seek, or the record would be undelivered as well; a consumer in no group need not.

use std::io;

use super::lone;
use crate::anomaly::Anomaly;
use crate::simulate::{Fate, Handed, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    if pipeline.options.groups == 0 || pipeline.random.chance(1, 3) {
        return by_observer(pipeline);
    }
    let lone = lone(pipeline)?;
    let (group, log) = (lone.group, lone.log);
    let slot = pipeline.any_producer(None);
    let next = pipeline.parcel(slot, log, 2);
    pipeline.settle(&next, next.all(), Fate::Acked)?;
    let end = pipeline.end(log);
    let rank = pipeline.next_rank(group, log);
    pipeline.poll(group, log, 1, Handed::All)?;
    pipeline.skip(group, log, 1);
    pipeline.poll(group, log, 1, Handed::All)?;
    pipeline.seek(group, log, (rank + 1, end - 2))?;
    pipeline.poll(group, log, 1, Handed::All)?;
    pipeline.seek(group, log, (rank + 3, end))?;
    let planted = lone.planted(pipeline, Anomaly::PollSkip, "left out, and fetched later by a seek");
    Ok(planted.at(log, Some(next.value(0)), end - 2))
}

fn by_observer(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (slot, log) = (pipeline.any_producer(None), pipeline.any_log());
    let parcel = pipeline.parcel(slot, log, 3);
    pipeline.settle(&parcel, parcel.all(), Fate::Acked)?;
    let first = pipeline.end(log) - 3;
    pipeline.look_from(log, first)?;
    for (at, offset) in [(0, first), (2, first + 2)] {
        pipeline.look(log, (parcel.process, parcel.seqs[at]), offset)?;
    }
    let mut planted = Planted::new(Anomaly::PollSkip, "left out by a consumer in no group").at(
        log,
        Some(parcel.value(1)),
        first + 1,
    );
    planted.consumer = Some(pipeline.observer);
    Ok(planted)
}
