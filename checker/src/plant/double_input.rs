//! `double-input`: two processes of the transformer's group take the same record in and both commit that. It is returned
//! to both, so it is also redelivered; only one makes something of it.

use std::io;

use crate::anomaly::Anomaly;
use crate::simulate::{Ending, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    pipeline.transform_all()?;
    let (slot, transformer, log) = pipeline.transformer();
    let parcel = pipeline.parcel(slot, log, 1);
    pipeline.settle(&parcel, parcel.all(), Fate::Acked)?;
    let offset = pipeline.end(log) - 1;
    let second = pipeline.start_transformer_process()?;
    let mut one = pipeline.begin(transformer, Ending::Committed)?;
    let taken = pipeline.take_in(one.process)?;
    let mut other = pipeline.begin(second, Ending::Committed)?;
    if let Some(again) = pipeline.take_in_again(other.process, 1)? {
        pipeline.send_position(&mut other, &again);
    }
    if let Some(taken) = taken {
        pipeline.produce(&mut one, &taken)?;
        pipeline.send_position(&mut one, &taken);
    }
    pipeline.conclude(one)?;
    pipeline.conclude(other)?;
    pipeline.leave(second)?;
    let how = "taken in by two transactions";
    let planted = Planted::new(Anomaly::DoubleInput, how).at(log, Some(parcel.value(0)), offset);
    Ok(planted.bringing(Anomaly::Redelivered, 1))
}
