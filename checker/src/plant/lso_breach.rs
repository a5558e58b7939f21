//! `lso-breach`: a group that reads committed is returned a record behind one of a transaction that is undecided. That
//! transaction is aborted in the end, or the group would also have skipped its record.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let mut transaction = pipeline.transaction(Ending::Aborted)?;
    let log = pipeline.any_ledger();
    pipeline.poll_all(0, log)?;
    let undecided = pipeline.parcel(transaction.slot, log, 1);
    pipeline.add(&mut transaction, &undecided, undecided.all(), false)?;
    let slot = pipeline.any_producer(None);
    let behind = pipeline.parcel(slot, log, 1);
    pipeline.settle(&behind, behind.all(), Fate::Acked)?;
    pipeline.until_quiet(0);
    pipeline.poll_past(0, log)?;
    let offset = pipeline.end(log) - 1;
    let consumer = pipeline.owner(0, log);
    pipeline.until_quiet(0);
    pipeline.conclude(transaction)?;
    let how = "returned while a transaction before it was undecided";
    let mut planted = Planted::new(Anomaly::LsoBreach, how).at(log, Some(behind.value(0)), offset);
    (planted.group, planted.consumer) = (Some(pipeline.groups[0].name.clone()), Some(consumer));
    Ok(planted)
}
