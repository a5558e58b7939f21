//! End offsets that were read: `stale-end`.
//!
//! An end offset must lie behind every record that was acknowledged before it was asked for, and may not lie before one
//! that was read earlier. With transactions the end that a committed reader sees is the last stable offset, which
//! rightly ignores open transactions; then only the second half is judged.

use history::ids::{LogId, Nanos, Offset, Value};
use history::merged::{Buffer, History, HistoryError, Kind, SendChunk, SendOutcome};

use super::stream::{claimed, nanos, value};
use crate::anomaly::Anomaly;
use crate::delivery::context::{Context, EndRead};
use crate::findings::{Finding, Findings, Sighting};

/// The greatest offset acknowledged before some moment.
#[derive(Clone, Copy)]
struct Acked {
    offset: i64,
    value: Value,
    time: Nanos,
}

/// Judges the end offsets that were read of one log.
pub(super) fn judge(
    history: &History,
    context: &Context,
    log: LogId,
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    let Some(reads) = context.end_reads.get(&log) else { return Ok(()) };
    let mut reads = reads.clone();
    reads.sort_by_key(|read| (read.invoked, read.returned, read.process));
    let acked =
        if context.transactional { vec![None; reads.len()] } else { acknowledged(history, log, &reads)? };
    let mut by_return: Vec<&EndRead> = reads.iter().collect();
    by_return.sort_by_key(|read| read.returned);
    let mut returned = by_return.into_iter().peekable();
    let mut greatest: Option<&EndRead> = None;
    for (read, acked) in reads.iter().zip(acked) {
        while let Some(earlier) = returned.next_if(|earlier| earlier.returned < read.invoked) {
            if greatest.is_none_or(|greatest| greatest.end < earlier.end) {
                greatest = Some(earlier);
            }
        }
        let ignored = acked.filter(|acked| acked.offset >= read.end);
        let back = greatest.filter(|earlier| earlier.end > read.end);
        if ignored.is_some() || back.is_some() {
            findings.push(stale(log, read, ignored, back));
        }
    }
    Ok(())
}

/// For each read the greatest offset acknowledged before it was asked for.
fn acknowledged(
    history: &History,
    log: LogId,
    reads: &[EndRead],
) -> Result<Vec<Option<Acked>>, HistoryError> {
    let mut greatest: Vec<Option<Acked>> = vec![None; reads.len()];
    let (mut buffer, mut chunk) = (Buffer::default(), SendChunk::default());
    for entry in history.chunks(Kind::Sends, log) {
        history.sends(entry, &mut buffer, &mut chunk)?;
        for (index, run) in chunk.runs.iter().enumerate().filter(|(_, run)| run.outcome == SendOutcome::Acked)
        {
            let time = nanos(run.completed);
            let last = chunk.run_end(index) - 1;
            let first_after = reads.partition_point(|read| read.invoked <= time);
            let (Some(slot), Some(offset)) = (greatest.get_mut(first_after), claimed(run, last)) else {
                continue;
            };
            if slot.is_none_or(|acked| acked.offset < offset) {
                *slot = Some(Acked { offset, value: value(entry.process.0, chunk.seqs[last]), time });
            }
        }
    }
    for at in 1..greatest.len() {
        let before = greatest[at - 1];
        if before.is_some_and(|before| greatest[at].is_none_or(|acked| acked.offset < before.offset)) {
            greatest[at] = before;
        }
    }
    Ok(greatest)
}

fn stale(log: LogId, read: &EndRead, ignored: Option<Acked>, back: Option<&EndRead>) -> Finding {
    let seen = |read: &EndRead| Sighting::EndRead {
        process: read.process,
        end: Offset(read.end),
        invoked: read.invoked,
        returned: read.returned,
    };
    let acknowledged = ignored.map(|acked| Sighting::Acknowledged {
        value: acked.value,
        offset: Some(Offset(acked.offset)),
        time: acked.time,
    });
    let mut sightings: Vec<Sighting> = acknowledged.into_iter().chain(back.map(seen)).collect();
    sightings.push(seen(read));
    Finding {
        anomaly: Anomaly::StaleEnd,
        log,
        group: None,
        count: 1,
        first: ignored.map(|acked| acked.value),
        last: ignored.map(|acked| acked.value),
        offsets: Some((Offset(read.end), Offset(read.end))),
        cause: None,
        sightings,
    }
}
