//! `precommitted-read`: a group that reads committed is returned the one record of a transaction before the commit is
//! asked for. It is the transaction's first, so the last stable offset is not passed.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let mut transaction = pipeline.transaction(Ending::Committed)?;
    let log = pipeline.any_ledger();
    pipeline.poll_all(0, log)?;
    let parcel = pipeline.parcel(transaction.slot, log, 1);
    pipeline.add(&mut transaction, &parcel, parcel.all(), true)?;
    pipeline.until_quiet(0);
    pipeline.poll_whatever(0, log)?;
    let offset = pipeline.end(log) - 1;
    let consumer = pipeline.owner(0, log);
    pipeline.until_quiet(0);
    pipeline.conclude(transaction)?;
    let how = "returned before its commit was asked for";
    let mut planted = Planted::new(Anomaly::PrecommittedRead, how).at(log, Some(parcel.value(0)), offset);
    (planted.group, planted.consumer) = (Some(pipeline.groups[0].name.clone()), Some(consumer));
    Ok(planted)
}
