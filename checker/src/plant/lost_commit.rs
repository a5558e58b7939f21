//! `lost-commit`: a transaction is acknowledged as committed, and no committed reader is shown any of its records. Each of
//! them is lost by that.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let mut transaction = pipeline.transaction(Ending::Committed)?;
    let log = pipeline.any_ledger();
    let size = pipeline.random.count(1, 5);
    let parcel = pipeline.parcel(transaction.slot, log, size);
    pipeline.add(&mut transaction, &parcel, parcel.all(), false)?;
    let offset = pipeline.end(log) - i64::from(size);
    pipeline.conclude(transaction)?;
    let how = "acknowledged as committed, and nothing of it is visible";
    let planted = Planted::new(Anomaly::LostCommit, how).at(log, Some(parcel.value(0)), offset);
    Ok(planted.bringing(Anomaly::LostWrite, size.into()))
}
