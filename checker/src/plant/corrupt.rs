//! `corrupt`: the bytes of one record of a batch do not match their checksum. Nobody knows which record it was: the one
//! that was sent there is of unknown outcome, or it would be lost as well.

use std::io;

use history::ids::Offset;
use history::op::ForeignRecord;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{End, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (parcel, at) = victim(pipeline);
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let offset = pipeline.leave_out(parcel.log);
    pipeline.foreign.push((parcel.log, Offset(offset), ForeignRecord::Corrupt));
    let completed = pipeline.answered();
    pipeline.recorder.sent(&parcel, at..at + 1, End::unknown(None, completed))?;
    pipeline.settle(&parcel, at + 1..parcel.len(), Fate::Acked)?;
    let how = "its checksum does not match";
    Ok(Planted::new(Anomaly::Corrupt, how).at(parcel.log, Some(parcel.value(at)), offset))
}
