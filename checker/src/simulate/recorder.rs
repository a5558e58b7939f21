//! The recorder: what each process would have written into its journal, merged as it happens.
//!
//! It holds one open chunk for each stream and keeps the history's facts. That a row begins a new segment of a
//! consumer's polls is decided by the same counter that merging uses.

use std::collections::BTreeMap;
use std::io::{self, Write};

use history::ids::{LogId, Nanos, Offset, Process, TopicPartition};
use history::merged::{
    BatchChunk, CHUNK_RECORDS, Facts, FinalReadEnd, PollSpan, ReadChunk, ReadRun, Segments, SendChunk,
    SendRun, TxnChunk, TxnOffset, TxnSpan, Writer,
};
use history::op::{Batch, Cause, Event, Identity, Isolation, Op, Outcome, Phase};

use super::parcel::{End, Parcel};
use super::tail::Piece;

/// A chunk that is not full yet, and how many were before it.
#[derive(Debug, Default)]
struct Open<C> {
    chunk: C,
    ordinal: u32,
}

/// Writes one history.
pub(crate) struct Recorder<'o> {
    out: Writer<&'o mut dyn Write>,
    pub(super) facts: Facts,
    reader: Process,
    segments: Segments,
    sends: BTreeMap<(Process, LogId), Open<SendChunk>>,
    polls: BTreeMap<(Process, LogId), Open<ReadChunk>>,
    finals: BTreeMap<(LogId, Isolation), Open<ReadChunk>>,
    batches: BTreeMap<LogId, Open<BatchChunk>>,
    txns: BTreeMap<Process, Open<TxnChunk>>,
    rows: BTreeMap<Process, Open<Vec<Event>>>,
    next_process: u32,
}

/// When a poll was made, and how many of its records were handed over to processing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Polled {
    pub(super) process: Process,
    pub(super) log: LogId,
    pub(super) invoked: u64,
    pub(super) returned: u64,
    pub(super) handed: u32,
}

/// Rows of one process in a chunk.
const ROWS: usize = 1 << 12;

/// From hand-over to hand-over.
const HANDED_AFTER: u64 = 20;

impl<'o> Recorder<'o> {
    pub(super) fn new(out: &'o mut dyn Write, seed: u64) -> io::Result<Self> {
        let cause = |code, message: &str| Cause { code, message: message.to_owned() };
        let facts = Facts {
            run: Some(seed),
            causes: vec![
                Cause::default(),
                cause(-192, "Local: Message timed out"),
                cause(10, "Broker: Message size too large"),
            ],
            ..Facts::default()
        };
        Ok(Self {
            out: Writer::new(out)?,
            facts,
            reader: Process(0),
            segments: Segments::default(),
            sends: BTreeMap::new(),
            polls: BTreeMap::new(),
            finals: BTreeMap::new(),
            batches: BTreeMap::new(),
            txns: BTreeMap::new(),
            rows: BTreeMap::new(),
            next_process: 0,
        })
    }

    /// Adds a log.
    pub(super) fn log(&mut self, name: TopicPartition) -> LogId {
        self.facts.logs.push(name);
        LogId(u16::try_from(self.facts.logs.len() - 1).unwrap_or(u16::MAX))
    }

    /// A process begins.
    pub(super) fn open(&mut self, identity: Identity, time: u64) -> io::Result<Process> {
        let process = Process(self.next_process);
        self.next_process += 1;
        if identity.role == "reader" {
            self.reader = process;
        }
        self.facts.processes.entry(process).or_default().identity = identity.clone();
        self.moment(process, time, Op::Open(identity))?;
        Ok(process)
    }

    /// Something that happened at one moment.
    pub(super) fn moment(&mut self, process: Process, time: u64, op: Op) -> io::Result<()> {
        self.row(process, Event::moment(Nanos(time * 1000), process, op))
    }

    /// Something that was asked and then answered.
    pub(super) fn asked(
        &mut self,
        process: Process,
        (invoked, completed): (u64, u64),
        (ask, answer): (Op, Op),
        outcome: Outcome,
    ) -> io::Result<()> {
        let event = |time: u64, phase, op| Event { time: Nanos(time * 1000), process, phase, op };
        self.row(process, event(invoked, Phase::Invoke, ask))?;
        self.row(process, event(completed, Phase::Complete(outcome), answer))
    }

    /// A row of `recorder`, which may be about another process.
    pub(super) fn row(&mut self, recorder: Process, event: Event) -> io::Result<()> {
        for log in self.segments.note(&event) {
            self.end_polls((event.process, log))?;
        }
        let open = self.rows.entry(recorder).or_default();
        open.chunk.push(event);
        if open.chunk.len() >= ROWS {
            self.out.rows(recorder, open.ordinal, &open.chunk)?;
            open.ordinal += 1;
            open.chunk.clear();
        }
        Ok(())
    }

    /// Part of a parcel was sent and ended.
    pub(crate) fn sent(
        &mut self,
        parcel: &Parcel,
        range: std::ops::Range<usize>,
        end: End,
    ) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let Parcel { process, log, .. } = *parcel;
        self.facts.processes.entry(process).or_default().sent += range.len() as u64;
        let open = self.sends.entry((process, log)).or_default();
        if open.chunk.len() >= CHUNK_RECORDS {
            self.out.sends(process, log, open.ordinal, &open.chunk)?;
            open.ordinal += 1;
            open.chunk.clear();
        }
        let End { outcome, offset, completed, cause } = end;
        open.chunk.runs.push(SendRun { start: small(open.chunk.len()), outcome, offset, completed, cause });
        open.chunk.seqs.extend_from_slice(&parcel.seqs[range.clone()]);
        open.chunk.invoked.extend_from_slice(&parcel.invoked[range]);
        Ok(())
    }

    /// The number of a transactional id.
    pub(super) fn transactional_id(&mut self, name: &str) -> u32 {
        let known = &mut self.facts.transactional_ids;
        let at = known.iter().position(|other| other == name).unwrap_or_else(|| {
            known.push(name.to_owned());
            known.len() - 1
        });
        small(at)
    }

    /// A transaction of a process is over, or nothing more will be heard of it.
    pub(super) fn transaction(
        &mut self,
        process: Process,
        span: TxnSpan,
        offsets: &[(LogId, Offset)],
    ) -> io::Result<()> {
        self.facts.processes.entry(process).or_default().transactional = true;
        let open = self.txns.entry(process).or_default();
        let txn = small(open.chunk.txns.len());
        open.chunk.txns.push(span);
        let sent = offsets.iter().map(|&(log, next)| TxnOffset { txn, log, next, certain: true });
        open.chunk.offsets.extend(sent);
        if open.chunk.txns.len() >= CHUNK_RECORDS {
            self.out.transactions(process, open.ordinal, &open.chunk)?;
            open.ordinal += 1;
            open.chunk.clear();
        }
        Ok(())
    }

    /// Records are in the log for good.
    pub(super) fn stored(&mut self, log: LogId, piece: Piece<'_>) -> io::Result<()> {
        let levels: &[Isolation] = if piece.visible {
            &[Isolation::ReadUncommitted, Isolation::ReadCommitted]
        } else {
            &[Isolation::ReadUncommitted]
        };
        for &isolation in levels {
            let open = self.finals.entry((log, isolation)).or_default();
            let mut rest = piece;
            while !rest.seqs.is_empty() {
                if open.chunk.len() >= CHUNK_RECORDS {
                    self.out.final_read((self.reader, log, isolation), open.ordinal, &open.chunk)?;
                    open.ordinal += 1;
                    open.chunk.clear();
                }
                let count = rest.seqs.len().min(CHUNK_RECORDS - open.chunk.len());
                let (now, later) = rest.seqs.split_at(count);
                extend(&mut open.chunk, Piece { seqs: now, ..rest });
                rest.offset = rest.offset.saturating_add_unsigned(count as u64);
                rest.seqs = later;
            }
        }
        Ok(())
    }

    /// The reader saw the header of a batch.
    pub(super) fn batch(&mut self, batch: Batch) -> io::Result<()> {
        let open = self.batches.entry(batch.log).or_default();
        open.chunk.batches.push(batch);
        if open.chunk.batches.len() >= CHUNK_RECORDS {
            self.out.batches(self.reader, batch.log, open.ordinal, &open.chunk)?;
            open.ordinal += 1;
            open.chunk.batches.clear();
        }
        Ok(())
    }

    /// A poll returned records of one log.
    pub(super) fn polled<'t>(
        &mut self,
        polled: Polled,
        pieces: impl Iterator<Item = Piece<'t>>,
    ) -> io::Result<()> {
        let Polled { process, log, invoked, returned, handed } = polled;
        let open = self.polls.entry((process, log)).or_default();
        if open.chunk.len() >= CHUNK_RECORDS {
            let segment = self.segments.current(process, log);
            self.out.polls((process, log, segment), open.ordinal, &open.chunk)?;
            open.ordinal += 1;
            open.chunk.clear();
        }
        let start = open.chunk.len();
        let handed_at = if handed == 0 { returned } else { returned + HANDED_AFTER };
        open.chunk.polls.push(PollSpan { start: small(start), handed, invoked, returned, handed_at });
        for piece in pieces {
            extend(&mut open.chunk, piece);
        }
        let facts = self.facts.processes.entry(process).or_default();
        facts.polled += (open.chunk.len() - start) as u64;
        facts.hands_over |= handed > 0;
        Ok(())
    }

    fn end_polls(&mut self, (process, log): (Process, LogId)) -> io::Result<()> {
        let Some(open) = self.polls.remove(&(process, log)) else { return Ok(()) };
        // The counter has moved on already: what is written here was polled in the segment before.
        let segment = self.segments.current(process, log).saturating_sub(1);
        self.out.polls((process, log, segment), open.ordinal, &open.chunk)
    }

    /// A process ends; what it left open is written.
    pub(super) fn close(&mut self, process: Process) -> io::Result<()> {
        let logs = (0u16..).map(LogId).take(self.facts.logs.len());
        for log in logs {
            if let Some(open) = self.sends.remove(&(process, log)) {
                self.out.sends(process, log, open.ordinal, &open.chunk)?;
            }
            if let Some(open) = self.polls.remove(&(process, log)) {
                let segment = self.segments.current(process, log);
                self.out.polls((process, log, segment), open.ordinal, &open.chunk)?;
            }
        }
        if let Some(open) = self.txns.remove(&process).filter(|open| !open.chunk.txns.is_empty()) {
            self.out.transactions(process, open.ordinal, &open.chunk)?;
        }
        match self.rows.remove(&process).filter(|open| !open.chunk.is_empty()) {
            Some(open) => self.out.rows(process, open.ordinal, &open.chunk),
            None => Ok(()),
        }
    }

    /// The independent reader finished a log.
    pub(super) fn final_read_end(&mut self, end: FinalReadEnd, time: u64) -> io::Result<()> {
        self.facts.final_reads.push(end);
        let FinalReadEnd { log, isolation, start, reached, end } = end;
        self.moment(self.reader, time, Op::FinalReadEnd { isolation, log, start, end, reached })
    }

    /// A record that is not ours is found by the independent reader.
    pub(super) fn foreign(
        &mut self,
        (log, offset): (LogId, Offset),
        why: history::op::ForeignRecord,
        time: u64,
    ) -> io::Result<()> {
        self.moment(self.reader, time, Op::Foreign { log, offset, why })
    }

    /// Writes what is left.
    pub(super) fn finish(mut self) -> io::Result<Facts> {
        let processes: Vec<Process> = self.facts.processes.keys().copied().collect();
        for process in processes {
            self.close(process)?;
        }
        for ((log, isolation), open) in self.finals {
            if !open.chunk.is_empty() {
                self.out.final_read((self.reader, log, isolation), open.ordinal, &open.chunk)?;
            }
        }
        for (log, open) in self.batches {
            if !open.chunk.batches.is_empty() {
                self.out.batches(self.reader, log, open.ordinal, &open.chunk)?;
            }
        }
        self.facts.final_reads.sort();
        self.out.finish(&self.facts)?;
        Ok(self.facts)
    }
}

/// Appends records to a chunk, joined to its last run where they continue it.
fn extend(chunk: &mut ReadChunk, piece: Piece<'_>) {
    let continues = chunk.runs.last().is_some_and(|run| {
        let length = chunk.seqs.len() as u64 - u64::from(run.start);
        run.process == piece.process && run.offset.checked_add_unsigned(length) == Some(piece.offset)
    });
    if !continues {
        let (offset, process) = (piece.offset, piece.process);
        chunk.runs.push(ReadRun { offset, process, start: small(chunk.seqs.len()) });
    }
    chunk.seqs.extend_from_slice(piece.seqs);
}

/// Places in a chunk are below `CHUNK_RECORDS_MAX`.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
