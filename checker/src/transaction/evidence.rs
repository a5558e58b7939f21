//! What is told of a transaction: its steps, and how a record of it was sent and seen.

use history::ids::{LogId, Offset, Process, Seq, Value};
use history::merged::{Buffer, History, HistoryError, Kind, ReadChunk, SendChunk, TxnEnd, TxnSpan};
use history::op::Isolation;

use super::ledger::{Ledger, TxnId};
use crate::findings::{Sighting, TxnStep};
use crate::log::stream::{claimed, nanos, sightings};

/// Where evidence comes from.
#[derive(Clone, Copy)]
pub(super) struct Evidence<'h> {
    pub(super) history: &'h History,
    pub(super) ledger: &'h Ledger,
    pub(super) log: LogId,
}

/// A step of a transaction that is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// Its beginning.
    Began,
    /// One of its records lies at this offset.
    Holds(Offset),
    /// The first attempt that may have committed it.
    AskedToCommit,
    /// The first attempt to end it.
    AskedToEnd,
    /// How it ended.
    Ended,
    /// Nothing ended it.
    NeverEnded,
}

impl Evidence<'_> {
    /// A step of a transaction.
    pub(super) fn step(&self, txn: TxnId, step: Step) -> Sighting {
        let txn = self.ledger.txn(txn);
        let TxnSpan { id, epoch, invoked, asked, may_commit, ended, how, .. } = txn.span;
        let known = |time: u64| (time != TxnSpan::NEVER).then(|| nanos(time));
        let (step, time) = match step {
            Step::Began => (TxnStep::Began, Some(nanos(invoked))),
            Step::Holds(offset) => (TxnStep::Holds { offset }, None),
            Step::AskedToCommit => (TxnStep::AskedToCommit, known(may_commit)),
            Step::AskedToEnd => (TxnStep::AskedToEnd, known(asked)),
            Step::NeverEnded => (TxnStep::NeverEnded, None),
            Step::Ended => match how {
                TxnEnd::Committed => (TxnStep::Committed, known(ended)),
                TxnEnd::Aborted => (TxnStep::Aborted, known(ended)),
                TxnEnd::Failed => (TxnStep::CommitFailed, known(ended)),
                TxnEnd::Unknown => (TxnStep::Unknown, known(ended)),
                TxnEnd::Open => (TxnStep::NeverEnded, None),
            },
        };
        let id = self.history.facts().transactional_ids.get(id as usize).cloned().unwrap_or_default();
        Sighting::Transaction { process: txn.process, id, epoch: (epoch >= 0).then_some(epoch), step, time }
    }

    /// What a transaction took in, and how it ended.
    pub(super) fn took(&self, txn: TxnId, (from, next): (Offset, Offset)) -> [Sighting; 2] {
        let mut took = self.step(txn, Step::Began);
        if let Sighting::Transaction { step, .. } = &mut took {
            *step = TxnStep::Took { from, next };
        }
        [took, self.step(txn, Step::Ended)]
    }

    /// A transaction in a sentence: `shop-1 #3 of process 1` is the third that the process began.
    pub(super) fn name(&self, txn: TxnId) -> String {
        let of = self.ledger.txn(txn);
        let id = self.history.facts().transactional_ids.get(of.span.id as usize).map_or("", String::as_str);
        let nth = self.ledger.owner(of.process.0).map_or(0, |owner| txn - owner.txns.start) + 1;
        format!("{id} #{nth} of process {}", of.process)
    }

    /// The name of a log.
    pub(super) fn log_name(&self, log: LogId) -> String {
        crate::timeline::log_name(&self.history.facts().logs, log)
    }

    /// The group of a process.
    pub(super) fn group(&self, process: Process) -> Option<String> {
        self.history.facts().processes.get(&process)?.identity.group.clone()
    }

    /// How a record was sent, and the offset it was acknowledged at.
    pub(super) fn sent(
        &self,
        process: Process,
        seq: u32,
    ) -> Result<(Vec<Sighting>, Option<i64>), HistoryError> {
        let (mut buffer, mut chunk) = (Buffer::default(), SendChunk::default());
        let entries = self.history.chunks(Kind::Sends, self.log).iter();
        let holds = |entry: &&history::merged::Entry| {
            entry.process == process && entry.seqs.0 <= seq && seq <= entry.seqs.1
        };
        for entry in entries.filter(holds) {
            self.history.sends(entry, &mut buffer, &mut chunk)?;
            if let Ok(at) = chunk.seqs.binary_search(&seq) {
                let offset = claimed(&chunk.runs[chunk.run_of(at)], at);
                return Ok((sightings(self.history, process.0, &chunk, at), offset));
            }
        }
        Ok((Vec::new(), None))
    }

    /// Where a final read holds a record, looked for first where it was acknowledged.
    pub(super) fn in_final_read(
        &self,
        level: Isolation,
        (value, near): (Value, Option<i64>),
    ) -> Result<Option<Offset>, HistoryError> {
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        let entries = self.history.chunks(Kind::FinalRead(level), self.log);
        let is_near = |entry: &history::merged::Entry| {
            near.is_some_and(|near| entry.offsets.0 <= near && near <= entry.offsets.1)
        };
        let (first, rest): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| is_near(entry));
        for entry in first.into_iter().chain(rest) {
            self.history.reads(entry, &mut buffer, &mut chunk)?;
            for (index, run) in
                chunk.runs.iter().enumerate().filter(|(_, run)| run.process == value.process.0)
            {
                let seqs = &chunk.seqs[run.start as usize..chunk.run_end(index)];
                if let Some(at) = seqs.iter().position(|seq| *seq == value.seq.0) {
                    return Ok(Some(Offset(run.offset.saturating_add_unsigned(at as u64))));
                }
            }
        }
        Ok(None)
    }

    /// A record of a process.
    pub(super) fn value(process: Process, seq: u32) -> Value {
        Value { process, seq: Seq(seq) }
    }
}
