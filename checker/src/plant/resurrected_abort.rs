//! `resurrected-abort`: a transaction is acknowledged as aborted, and committed readers are shown its records. A group
//! that reads committed is shown them too, each of them an aborted read.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let mut transaction = pipeline.transaction(Ending::Aborted)?;
    let log = pipeline.any_ledger();
    let size = pipeline.random.count(1, 5);
    let parcel = pipeline.parcel(transaction.slot, log, size);
    pipeline.add(&mut transaction, &parcel, parcel.all(), true)?;
    let offset = pipeline.end(log) - i64::from(size);
    pipeline.conclude(transaction)?;
    let how = "acknowledged as aborted, and visible";
    let planted = Planted::new(Anomaly::ResurrectedAbort, how).at(log, Some(parcel.value(0)), offset);
    let read = !pipeline.groups.is_empty();
    Ok(if read { planted.bringing(Anomaly::AbortedRead, size.into()) } else { planted })
}
