//! `fencing-violation`: a transaction is open when a successor claims its transactional id, and commits all the same.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let mut transaction = pipeline.transaction(Ending::Committed)?;
    let log = pipeline.any_ledger();
    let parcel = pipeline.parcel(transaction.slot, log, 2);
    pipeline.add(&mut transaction, &parcel, parcel.all(), true)?;
    let offset = pipeline.end(log) - 2;
    let zombie = transaction.process;
    pipeline.succeed(transaction.slot)?;
    pipeline.conclude(transaction)?;
    pipeline.goes_home(zombie)?;
    let how = "committed after a successor had been granted the transactional id";
    Ok(Planted::new(Anomaly::FencingViolation, how).at(log, Some(parcel.value(0)), offset))
}
