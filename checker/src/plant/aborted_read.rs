//! `aborted-read`: one record of a batch is reported as refused and is in the log all the same; or a group that reads
//! committed is returned a record of an aborted transaction.

use std::io;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{End, Ending, Fate, Feature, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let transactional = pipeline.options.has(Feature::Transactions) && pipeline.options.groups > 0;
    if transactional && pipeline.random.chance(1, 2) {
        return of_transaction(pipeline);
    }
    let (parcel, at) = victim(pipeline);
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let offset = pipeline.append(&parcel, at..at + 1)?;
    let completed = pipeline.answered();
    pipeline.recorder.sent(&parcel, at..at + 1, End::failed(completed))?;
    pipeline.settle(&parcel, at + 1..parcel.len(), Fate::Acked)?;
    Ok(Planted::new(Anomaly::AbortedRead, "reported as refused and in the log").at(
        parcel.log,
        Some(parcel.value(at)),
        offset,
    ))
}

fn of_transaction(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let mut transaction = pipeline.transaction(Ending::Aborted)?;
    let log = pipeline.any_ledger();
    pipeline.poll_all(0, log)?;
    let parcel = pipeline.parcel(transaction.slot, log, 1);
    pipeline.add(&mut transaction, &parcel, parcel.all(), false)?;
    let offset = pipeline.end(log) - 1;
    pipeline.conclude_unread(transaction)?;
    pipeline.until_quiet(0);
    pipeline.poll_whatever(0, log)?;
    let how = "returned although its transaction was aborted";
    let mut planted = Planted::new(Anomaly::AbortedRead, how).at(log, Some(parcel.value(0)), offset);
    planted.group = Some(pipeline.groups[0].name.clone());
    planted.consumer = Some(pipeline.owner(0, log));
    Ok(planted)
}
