//! Records of unknown outcome that were read: they were in the log when the first poll returned them.
//!
//! The client never learned when such a record was appended, so real time would say nothing about it. Its reader did: a
//! record invoked after that poll must not lie before it. Which records of unknown outcome the log holds is known
//! once it was read; then only those polls are looked at that may have returned one of them.

use history::ids::{Nanos, Process};
use history::merged::{Buffer, Entry, History, HistoryError, ReadChunk};

use super::stream::Place;

/// Consecutive records of one process and of unknown outcome, found in the log for the first time.
#[derive(Clone, Debug)]
pub(super) struct Unanswered {
    /// Index of the process's stream.
    pub(super) stream: usize,
    pub(super) process: u32,
    pub(super) place: Place,
    /// Their sequence numbers and times of invocation: decoding their chunks again would cost more than these.
    pub(super) seqs: Box<[u32]>,
    pub(super) invoked: Box<[u64]>,
    /// Offset of the first.
    pub(super) offset: i64,
    pub(super) before: Latest,
}

/// The record invoked last among those at lower offsets.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Latest {
    pub(super) invoked: u64,
    pub(super) process: u32,
    pub(super) seq: u32,
    pub(super) offset: i64,
}

/// The first poll that returned a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FirstRead {
    pub(super) returned: Nanos,
    pub(super) reader: Process,
}

/// For each of the records, which are in order of offsets, the first poll that returned it where the log holds it.
pub(super) fn first_reads(
    history: &History,
    polls: &[Entry],
    records: &[Unanswered],
) -> Result<Vec<Vec<Option<FirstRead>>>, HistoryError> {
    let mut reads: Vec<Vec<Option<FirstRead>>> =
        records.iter().map(|one| vec![None; one.seqs.len()]).collect();
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    for entry in polls {
        let (from, to) = entry.offsets;
        let first = records.partition_point(|record| record.end() <= from);
        if records.get(first).is_none_or(|record| record.offset > to) {
            continue;
        }
        history.reads(entry, &mut buffer, &mut chunk)?;
        for (index, run) in chunk.runs.iter().enumerate() {
            let (start, stop) = (run.start as usize, chunk.run_end(index));
            let behind = run.offset.saturating_add_unsigned((stop - start) as u64);
            let first = records.partition_point(|record| record.end() <= run.offset);
            for (at, record) in (first..).zip(&records[first..]).take_while(|(_, one)| one.offset < behind) {
                if record.process != run.process {
                    continue;
                }
                for (nth, (read, seq)) in reads[at].iter_mut().zip(&record.seqs).enumerate() {
                    let offset = record.offset.saturating_add_unsigned(nth as u64);
                    let place = offset.checked_sub(run.offset).and_then(|place| usize::try_from(place).ok());
                    let place = place.map(|place| start + place).filter(|place| *place < stop);
                    let Some(place) = place.filter(|place| chunk.seqs[*place] == *seq) else { continue };
                    let poll = chunk.polls[chunk.poll_of(place)];
                    let seen =
                        FirstRead { returned: super::stream::nanos(poll.returned), reader: entry.process };
                    *read = Some(read.map_or(seen, |known| known.min(seen)));
                }
            }
        }
    }
    Ok(reads)
}

impl Unanswered {
    /// The offset behind the last of them.
    fn end(&self) -> i64 {
        self.offset.saturating_add_unsigned(self.seqs.len() as u64)
    }
}
