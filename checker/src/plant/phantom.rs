//! `phantom`: a record that nobody sent stands in the middle of a batch: of a process that does not exist, of one that
//! never sent it, or of no form at all.

use std::io;

use history::ids::{Offset, Process, Seq, Value};
use history::op::ForeignRecord;

use super::victim;
use crate::anomaly::Anomaly;
use crate::simulate::{Fate, Parcel, Pipeline, Planted};

pub(super) fn plant(pipeline: &mut Pipeline<'_>) -> io::Result<Planted> {
    let (parcel, at) = victim(pipeline);
    pipeline.settle(&parcel, 0..at, Fate::Acked)?;
    let (value, how) = match pipeline.random.below(3) {
        0 => {
            let seq = pipeline.random.count(0, 1 << 20);
            (Some((Process(u32::MAX - seq), seq)), "of a process that does not exist")
        }
        1 => {
            let slot = pipeline.any_producer(None);
            (Some(pipeline.unused_value(slot)), "never sent by the process that it names")
        }
        _ => (None, "not of this run's form"),
    };
    let offset = match value {
        Some((process, seq)) => {
            let phantom = Parcel { process, log: parcel.log, seqs: vec![seq], ..Parcel::default() };
            pipeline.append(&phantom, 0..1)?
        }
        None => {
            let offset = pipeline.leave_out(parcel.log);
            let why = ForeignRecord::Phantom { preview: "hello".to_owned() };
            pipeline.foreign.push((parcel.log, Offset(offset), why));
            offset
        }
    };
    pipeline.settle(&parcel, at..parcel.len(), Fate::Acked)?;
    let value = value.map(|(process, seq)| Value { process, seq: Seq(seq) });
    Ok(Planted::new(Anomaly::Phantom, how).at(parcel.log, value, offset))
}
