//! What transactional processes sent to one log, with what was seen of it: one bit a record for each way of seeing.
//!
//! Records are told apart by their sequence number, so nothing here depends on offsets, and memory is two bits for each
//! number between the first and the last record that a process sent to the log.

use history::ids::{LogId, Process};
use history::merged::{
    Buffer, Entry, FinalReadEnd, History, HistoryError, Kind, ReadChunk, SendChunk, SendOutcome, SendRun,
};
use history::op::Isolation;

use super::bits::Bits;
use super::ledger::{Ledger, Owner, TxnId};
use crate::linear::hash::IdMap;
use crate::log::stream::claimed;

/// The sends of all transactional processes to one log.
pub(super) struct Streams<'h> {
    history: &'h History,
    ledger: &'h Ledger,
    /// The complete final read that says what is in the log, and its isolation level.
    pub(super) end: Option<FinalReadEnd>,
    /// Whether the log goes on above the end of the committed read.
    hides: bool,
    list: Vec<Stream<'h>>,
    by_process: IdMap<u32, usize>,
}

/// The sends of one process.
struct Stream<'h> {
    owner: &'h Owner,
    entries: &'h [Entry],
    /// In the final read that says what is in the log.
    read: Bits,
    /// Returned by a poll of a consumer that reads committed.
    polled: Bits,
    /// In the log above the end of the committed read, where there is anything above it.
    above: Option<Bits>,
}

/// What was seen of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// The final read holds it.
    InRead,
    /// A poll returned it.
    Polled,
    /// It lies above the end of the committed read.
    Above,
}

/// Something about records that were sent.
pub(super) enum Visited<'c> {
    /// A record of a transaction lies at this offset.
    Appended { txn: TxnId, offset: i64 },
    /// These records, by their place in the chunk, should be in the log if their transaction committed, and are not.
    Gone { txn: Option<TxnId>, committed: bool, process: Process, chunk: &'c SendChunk, places: &'c [usize] },
    /// The send of this record failed, and a committed reader was shown it.
    FailedAndShown { process: Process, chunk: &'c SendChunk, place: usize },
}

impl<'h> Streams<'h> {
    pub(super) fn new(history: &'h History, ledger: &'h Ledger, log: LogId) -> Result<Self, HistoryError> {
        let complete = |level| history.final_read(log, level).copied().filter(FinalReadEnd::is_complete);
        let [committed, all] = [Isolation::ReadCommitted, Isolation::ReadUncommitted].map(complete);
        let hides = committed.zip(all).is_some_and(|(committed, all)| all.end > committed.end);
        let mut streams = Self {
            history,
            ledger,
            end: committed.or(all),
            hides,
            list: Vec::new(),
            by_process: IdMap::default(),
        };
        for entries in history.chunks(Kind::Sends, log).chunk_by(|a, b| a.process == b.process) {
            let (Some(first), Some(last)) = (entries.first(), entries.last()) else { continue };
            let Some(owner) = ledger.owner(first.process.0) else { continue };
            let span = (first.seqs.0, last.seqs.1);
            streams.by_process.insert(first.process.0, streams.list.len());
            streams.list.push(Stream {
                owner,
                entries,
                read: Bits::new(span),
                polled: Bits::new(span),
                above: hides.then(|| Bits::new(span)),
            });
        }
        let Some(end) = streams.end else { return Ok(streams) };
        if end.isolation == Isolation::ReadUncommitted {
            streams.uncommitted((log, i64::MIN), Seen::InRead)?;
        } else if hides {
            streams.uncommitted((log, end.end.0), Seen::Above)?;
        }
        Ok(streams)
    }

    /// What anybody at all can read from an offset on: without a complete committed read, the rest is gone; above the
    /// end of one, records are hidden by a transaction that is still undecided.
    fn uncommitted(&mut self, (log, from): (LogId, i64), seen: Seen) -> Result<(), HistoryError> {
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        let entries = self.history.chunks(Kind::FinalRead(Isolation::ReadUncommitted), log);
        for entry in entries.iter().filter(|entry| entry.offsets.1 >= from) {
            self.history.reads(entry, &mut buffer, &mut chunk)?;
            for (index, run) in chunk.runs.iter().enumerate() {
                let seqs = &chunk.seqs[run.start as usize..chunk.run_end(index)];
                let below = usize::try_from(from.saturating_sub(run.offset).max(0)).unwrap_or(usize::MAX);
                self.see(run.process, seqs.get(below..).unwrap_or_default(), seen);
            }
        }
        Ok(())
    }

    /// Whether transactions wrote to the log and no complete committed read shows what of all of it is visible.
    pub(super) fn is_unread(&self) -> bool {
        !self.list.is_empty() && (!self.is_committed() || self.hides)
    }

    fn is_committed(&self) -> bool {
        self.end.is_some_and(|end| end.isolation == Isolation::ReadCommitted)
    }

    /// Marks records of a process as seen.
    pub(super) fn see(&mut self, process: u32, seqs: &[u32], seen: Seen) {
        let Some(&at) = self.by_process.get(&process) else { return };
        let stream = &mut self.list[at];
        match seen {
            Seen::InRead => stream.read.set(seqs),
            Seen::Polled => stream.polled.set(seqs),
            Seen::Above => stream.above.iter_mut().for_each(|above| above.set(seqs)),
        }
    }

    /// Goes through everything that was sent.
    pub(super) fn visit(&self, mut each: impl FnMut(Visited<'_>)) -> Result<(), HistoryError> {
        let (mut buffer, mut chunk, mut places) = (Buffer::default(), SendChunk::default(), Vec::new());
        let committed = self.is_committed();
        let start = self.end.map(|end| end.start.0);
        for stream in &self.list {
            for entry in stream.entries {
                self.history.sends(entry, &mut buffer, &mut chunk)?;
                for index in 0..chunk.runs.len() {
                    let run = &chunk.runs[index];
                    let (from, to) = (run.start as usize, chunk.run_end(index));
                    self.ledger.segments(stream.owner, &chunk.seqs[from..to], |txn, part| {
                        let part = from + part.start..from + part.end;
                        if let (Some(txn), Some(offset)) = (txn, claimed(run, part.start)) {
                            each(Visited::Appended { txn, offset });
                        }
                        let process = stream.owner.process;
                        if run.outcome == SendOutcome::Failed {
                            let dead = |txn: TxnId| self.ledger.is_aborted(txn);
                            let shown = |place: &usize| stream.is_shown(chunk.seqs[*place], committed);
                            for place in part.filter(shown).filter(|_| !txn.is_some_and(dead)) {
                                each(Visited::FailedAndShown { process, chunk: &chunk, place });
                            }
                            return;
                        }
                        let Some(start) = start else { return };
                        if stream.read.has_all(&chunk.seqs[part.clone()]) {
                            return;
                        }
                        places.clear();
                        places.extend(part.filter(|&place| stream.is_gone(&chunk, (run, place), start)));
                        if !places.is_empty() {
                            each(Visited::Gone { txn, committed, process, chunk: &chunk, places: &places });
                        }
                    });
                }
            }
        }
        Ok(())
    }
}

impl Stream<'_> {
    fn is_shown(&self, seq: u32, committed: bool) -> bool {
        self.polled.has(seq) || (committed && self.read.has(seq))
    }

    /// Whether a record was appended for sure, is not deleted by retention, and is not in the final read.
    fn is_gone(&self, chunk: &SendChunk, (run, place): (&SendRun, usize), start: i64) -> bool {
        let seq = chunk.seqs[place];
        if self.read.has(seq) || self.above.as_ref().is_some_and(|above| above.has(seq)) {
            return false;
        }
        let appended = run.was_acknowledged() || self.polled.has(seq);
        appended && claimed(run, place).map_or(start <= 0, |offset| offset >= start)
    }
}
