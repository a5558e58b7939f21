//! `skipped-input`: the transformer takes a record in, aborts, and goes on with the next instead of going back. What was
//! made of the record is aborted with it, so it has no output either.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    pipeline.transform_all()?;
    let (slot, transformer, log) = pipeline.transformer();
    let parcel = pipeline.parcel(slot, log, 1);
    pipeline.settle(&parcel, parcel.all(), Fate::Acked)?;
    let offset = pipeline.end(log) - 1;
    let mut transaction = pipeline.begin(transformer, Ending::Aborted)?;
    if let Some(taken) = pipeline.take_in(transaction.process)? {
        pipeline.produce(&mut transaction, &taken)?;
    }
    pipeline.conclude(transaction)?;
    let next = pipeline.parcel(slot, log, 1);
    pipeline.settle(&next, next.all(), Fate::Acked)?;
    pipeline.transform_all()?;
    let how = "taken in by an aborted transaction, and not again";
    let planted = Planted::new(Anomaly::SkippedInput, how).at(log, Some(parcel.value(0)), offset);
    Ok(planted.bringing(Anomaly::OutputMismatch, 1))
}
