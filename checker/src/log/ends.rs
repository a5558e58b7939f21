//! End offsets that were read: `stale-end`.
//!
//! An end offset must lie behind every record that was acknowledged or polled before it was asked for, and may not lie
//! before one that was read earlier. With transactions the end that a committed reader sees is the last stable offset, which
//! rightly ignores open transactions; then only the second half is judged.

use history::ids::{LogId, Nanos, Offset, Process, Value};
use history::merged::{Buffer, History, HistoryError, Kind, ReadChunk, SendChunk, SendOutcome};

use super::stream::{claimed, nanos, value};
use crate::anomaly::Anomaly;
use crate::delivery::context::{Context, EndRead};
use crate::findings::{Finding, Findings, Sighting};

/// A record at the greatest offset that was acknowledged or polled before some moment.
#[derive(Clone, Copy)]
struct Known {
    offset: i64,
    value: Value,
    time: Nanos,
    /// Who polled it; none where it was acknowledged.
    polled_by: Option<Process>,
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
    let known = if context.transactional { vec![None; reads.len()] } else { known(history, log, &reads)? };
    let mut by_return: Vec<&EndRead> = reads.iter().collect();
    by_return.sort_by_key(|read| read.returned);
    let mut returned = by_return.into_iter().peekable();
    let mut greatest: Option<&EndRead> = None;
    for (read, known) in reads.iter().zip(known) {
        while let Some(earlier) = returned.next_if(|earlier| earlier.returned < read.invoked) {
            if greatest.is_none_or(|greatest| greatest.end < earlier.end) {
                greatest = Some(earlier);
            }
        }
        let ignored = known.filter(|known| known.offset >= read.end);
        let back = greatest.filter(|earlier| earlier.end > read.end);
        if ignored.is_some() || back.is_some() {
            findings.push(stale(log, read, ignored, back));
        }
    }
    Ok(())
}

/// For each read the greatest offset known to hold a record before it was asked for.
fn known(history: &History, log: LogId, reads: &[EndRead]) -> Result<Vec<Option<Known>>, HistoryError> {
    let mut greatest: Vec<Option<Known>> = vec![None; reads.len()];
    let mut note = |known: Known| {
        let first_after = reads.partition_point(|read| read.invoked <= known.time);
        if let Some(slot) = greatest.get_mut(first_after)
            && slot.is_none_or(|other| other.offset < known.offset)
        {
            *slot = Some(known);
        }
    };
    acknowledged(history, log, &mut note)?;
    polled(history, log, &mut note)?;
    for at in 1..greatest.len() {
        let before = greatest[at - 1];
        if before.is_some_and(|before| greatest[at].is_none_or(|known| known.offset < before.offset)) {
            greatest[at] = before;
        }
    }
    Ok(greatest)
}

fn acknowledged(history: &History, log: LogId, note: &mut impl FnMut(Known)) -> Result<(), HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), SendChunk::default());
    for entry in history.chunks(Kind::Sends, log) {
        history.sends(entry, &mut buffer, &mut chunk)?;
        for (index, run) in chunk.runs.iter().enumerate().filter(|(_, run)| run.outcome == SendOutcome::Acked)
        {
            let last = chunk.run_end(index) - 1;
            let Some(offset) = claimed(run, last) else { continue };
            let value = value(entry.process.0, chunk.seqs[last]);
            note(Known { offset, value, time: nanos(run.completed), polled_by: None });
        }
    }
    Ok(())
}

fn polled(history: &History, log: LogId, note: &mut impl FnMut(Known)) -> Result<(), HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    for entry in history.chunks(Kind::Polls, log) {
        history.reads(entry, &mut buffer, &mut chunk)?;
        for (index, run) in chunk.runs.iter().enumerate() {
            let (start, end) = (run.start as usize, chunk.run_end(index));
            // The last record of the run that each poll returned.
            let polls = chunk.poll_of(start)..=chunk.poll_of(end - 1);
            for poll in polls {
                let last = chunk.poll_end(poll).min(end) - 1;
                note(Known {
                    offset: run.offset.saturating_add_unsigned((last - start) as u64),
                    value: value(run.process, chunk.seqs[last]),
                    time: nanos(chunk.polls[poll].returned),
                    polled_by: Some(entry.process),
                });
            }
        }
    }
    Ok(())
}

fn stale(log: LogId, read: &EndRead, ignored: Option<Known>, back: Option<&EndRead>) -> Finding {
    let seen = |read: &EndRead| Sighting::EndRead {
        process: read.process,
        end: Offset(read.end),
        invoked: read.invoked,
        returned: read.returned,
    };
    let known = ignored.map(|Known { offset, value, time, polled_by }| match polled_by {
        Some(process) => Sighting::Polled { process, value, offset: Offset(offset), time },
        None => Sighting::Acknowledged { value, offset: Some(Offset(offset)), time },
    });
    let mut sightings: Vec<Sighting> = known.into_iter().chain(back.map(seen)).collect();
    sightings.push(seen(read));
    Finding {
        anomaly: Anomaly::StaleEnd,
        log,
        group: None,
        count: 1,
        first: ignored.map(|known| known.value),
        last: ignored.map(|known| known.value),
        offsets: Some((Offset(read.end), Offset(read.end))),
        cause: None,
        sightings,
    }
}
