//! `output-mismatch`: the transformer takes a record in and commits that, and makes nothing of it. That it makes something
//! of others is what says that it should have.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (slot, transformer, log) = pipeline.transformer();
    let other = pipeline.parcel(slot, log, 1);
    pipeline.settle(&other, other.all(), Fate::Acked)?;
    pipeline.transform_all()?;
    let parcel = pipeline.parcel(slot, log, 1);
    pipeline.settle(&parcel, parcel.all(), Fate::Acked)?;
    let offset = pipeline.end(log) - 1;
    let mut transaction = pipeline.begin(transformer, Ending::Committed)?;
    if let Some(taken) = pipeline.take_in(transaction.process)? {
        pipeline.send_position(&mut transaction, &taken);
    }
    pipeline.conclude(transaction)?;
    Ok(Planted::new(Anomaly::OutputMismatch, "taken in, and nothing was made of it").at(
        log,
        Some(parcel.value(0)),
        offset,
    ))
}
