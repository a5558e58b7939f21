//! `torn-transaction`: a committed transaction of which one record is not visible. It was acknowledged and must be there
//! because the transaction committed, so it is also lost: one is not to be had without the other.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (end, how) = if pipeline.random.chance(2, 3) {
        (Ending::Committed, "acknowledged as committed, and one record is not visible")
    } else {
        (Ending::Unknown { committed: true }, "visible although the commit timed out, but for one record")
    };
    let mut transaction = pipeline.transaction(end)?;
    let (log, other) = (pipeline.any_ledger(), pipeline.any_ledger());
    let kept = pipeline.parcel(transaction.slot, log, 3);
    pipeline.add(&mut transaction, &kept, kept.all(), true)?;
    let torn = pipeline.parcel(transaction.slot, other, 1);
    pipeline.add(&mut transaction, &torn, torn.all(), false)?;
    let offset = pipeline.end(other) - 1;
    pipeline.conclude(transaction)?;
    let planted = Planted::new(Anomaly::TornTransaction, how).at(other, Some(torn.value(0)), offset);
    Ok(planted.bringing(Anomaly::LostWrite, 1))
}
