//! `dependency-cycle`: two transactions write to two logs in opposite orders (G0).

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let mut one = pipeline.transaction(Ending::Committed)?;
    let slot = pipeline.second_bank()?;
    let mut other = pipeline.begin(slot, Ending::Committed)?;
    let [log, second] = pipeline.two_ledgers();
    for (of_other, log) in [(false, log), (true, log), (true, second), (false, second)] {
        let transaction = if of_other { &mut other } else { &mut one };
        let parcel = pipeline.parcel(transaction.slot, log, 1);
        pipeline.add(transaction, &parcel, parcel.all(), true)?;
    }
    let offset = pipeline.end(log) - 1;
    let how = "two transactions write to two logs in opposite orders";
    let planted = Planted::new(Anomaly::DependencyCycle, how).at(log, None, offset);
    pipeline.conclude_both(one, other)?;
    pipeline.leave(slot)?;
    Ok(planted)
}
