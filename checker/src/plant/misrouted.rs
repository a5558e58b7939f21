//! `misrouted`: one record of a batch is stored in another log. Its outcome is unknown, or it would be lost from its own
//! log as well; it may be there in its own bytes, or reported by the reader.

use std::io;

use history::ids::Offset;
use history::op::ForeignRecord;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{End, Fate, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (parcel, at) = victim(pipeline);
    let mut other = pipeline.any_log();
    while other == parcel.log {
        other = pipeline.any_log();
    }
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let offset = if pipeline.random.chance(2, 3) {
        pipeline.append_to(other, &parcel, at..at + 1, true)?
    } else {
        let offset = pipeline.leave_out(other);
        let meant_for = pipeline.name(parcel.log).to_string();
        let why = ForeignRecord::Misrouted { value: parcel.value(at), meant_for };
        pipeline.foreign.push((other, Offset(offset), why));
        offset
    };
    let completed = pipeline.answered();
    pipeline.recorder.sent(&parcel, at..at + 1, End::unknown(None, completed))?;
    pipeline.settle(&parcel, at + 1..parcel.len(), Fate::Acked)?;
    let how = "sent to another log";
    Ok(Planted::new(Anomaly::Misrouted, how).at(other, Some(parcel.value(at)), offset))
}
