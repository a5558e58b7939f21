//! What one process does with transactions, from single events to what is kept of each.
//!
//! Which records belong to a transaction is decided here, where the order of what a process recorded is at hand: those
//! sent after it was begun and before the last attempt to end it. An end without a beginning, or an answer without a
//! question, is a contradiction; a beginning that never ends, or a question that is never answered, is not.

use std::io::Write;

use super::builder::Trouble;
use super::contradiction::Contradiction;
use super::{ceil, floor};
use crate::ids::{Nanos, Process};
use crate::merged::{TxnChunk, TxnEnd, TxnOffset, TxnSpan, Writer};
use crate::op::{Outcome, Phase, Position};

/// The two ways to end a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Commit,
    Abort,
}

/// The transactions of one process.
#[derive(Debug, Default)]
pub(super) struct TxnStream {
    chunk: TxnChunk,
    /// Whether the last transaction's beginning waits for its answer.
    beginning: bool,
    /// The attempt to end it that waits for its answer.
    attempt: Option<(Way, u64)>,
    /// Whether its commit failed for sure.
    commit_failed: bool,
    /// Where the positions begin that were last sent and not yet answered.
    sending: Option<usize>,
    chunks: u32,
}

impl TxnStream {
    /// Takes a beginning; `next` is the sequence number that the process sends next.
    pub(super) fn begin<W: Write>(
        &mut self,
        (process, time, limit): (Process, Nanos, usize),
        phase: &Phase,
        (id, epoch, next): (u32, Option<i32>, u32),
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        match phase {
            Phase::Complete(outcome) if self.beginning => {
                self.beginning = false;
                let Some(last) = self.chunk.txns.last_mut() else { return Ok(()) };
                if matches!(outcome, Outcome::Fail { .. }) {
                    self.chunk.txns.pop();
                    return Ok(());
                }
                last.began = ceil(time);
                last.epoch = epoch.unwrap_or(last.epoch);
            }
            Phase::Complete(Outcome::Fail { .. }) => {}
            Phase::Invoke | Phase::Complete(_) => {
                self.settle(next);
                if self.chunk.txns.len() >= limit || self.chunk.offsets.len() >= limit {
                    self.write(process, out)?;
                }
                let asked = matches!(phase, Phase::Invoke);
                self.chunk.txns.push(TxnSpan {
                    id,
                    epoch: epoch.unwrap_or(-1),
                    first: next,
                    end: next,
                    invoked: floor(time),
                    began: if asked { TxnSpan::NEVER } else { ceil(time) },
                    asked: TxnSpan::NEVER,
                    may_commit: TxnSpan::NEVER,
                    closed: TxnSpan::NEVER,
                    ended: TxnSpan::NEVER,
                    how: TxnEnd::Open,
                });
                self.beginning = asked;
            }
        }
        Ok(())
    }

    /// Takes an attempt to end the transaction, or its answer.
    pub(super) fn end(
        &mut self,
        (process, time): (Process, Nanos),
        (way, phase): (Way, &Phase),
        next: u32,
    ) -> Result<(), Contradiction> {
        let Some(last) = self.chunk.txns.last_mut() else {
            return Err(Contradiction::EndWithoutTransaction { process });
        };
        let decided = matches!(last.how, TxnEnd::Committed | TxnEnd::Aborted);
        match phase {
            Phase::Invoke => {
                self.unanswered();
                self.attempt = Some((way, floor(time)));
                let Some(last) = self.chunk.txns.last_mut().filter(|_| !decided) else { return Ok(()) };
                last.asked = last.asked.min(floor(time));
                last.closed = floor(time);
                last.ended = TxnSpan::NEVER;
                last.end = next;
            }
            Phase::Complete(outcome) => {
                let Some((_, asked)) = self.attempt.take_if(|(asked, _)| *asked == way) else {
                    return Err(Contradiction::EndWithoutInvocation { process });
                };
                if decided {
                    return Ok(());
                }
                last.ended = ceil(time).max(asked);
                match (outcome, way) {
                    (Outcome::Ok { .. }, Way::Commit) => last.how = TxnEnd::Committed,
                    (Outcome::Ok { .. }, Way::Abort) => last.how = TxnEnd::Aborted,
                    (Outcome::Fail { .. }, Way::Commit) => self.commit_failed = true,
                    (Outcome::Fail { .. }, Way::Abort) => {}
                    (Outcome::Info { .. }, _) => last.how = TxnEnd::Unknown,
                }
                let may = match (outcome, way) {
                    (Outcome::Fail { .. }, _) | (Outcome::Ok { .. }, Way::Abort) => TxnSpan::NEVER,
                    (Outcome::Ok { .. }, Way::Commit) | (Outcome::Info { .. }, _) => asked,
                };
                last.may_commit = last.may_commit.min(may);
            }
        }
        Ok(())
    }

    /// Takes positions that are sent to the open transaction; false where there is none.
    pub(super) fn sent(&mut self, phase: &Phase, positions: &[Position]) -> bool {
        let Some(txn) = self.chunk.txns.len().checked_sub(1) else { return false };
        let txn = u32::try_from(txn).unwrap_or(u32::MAX);
        let start = match (phase, self.sending.take()) {
            (Phase::Complete(_), Some(start)) => start,
            (Phase::Invoke, _) | (Phase::Complete(_), None) => {
                let start = self.chunk.offsets.len();
                let sent =
                    positions.iter().map(|at| TxnOffset { txn, log: at.log, next: at.next, certain: false });
                self.chunk.offsets.extend(sent);
                start
            }
        };
        match phase {
            Phase::Invoke => self.sending = Some(start),
            Phase::Complete(Outcome::Ok { .. }) => {
                self.chunk.offsets[start..].iter_mut().for_each(|offset| offset.certain = true);
            }
            Phase::Complete(Outcome::Fail { .. }) => self.chunk.offsets.truncate(start),
            Phase::Complete(Outcome::Info { .. }) => {}
        }
        true
    }

    /// What is not answered by now may have been done.
    fn unanswered(&mut self) {
        let attempt = self.attempt.take();
        let Some(last) = self.chunk.txns.last_mut() else { return };
        if let Some((_, asked)) = attempt.filter(|_| !matches!(last.how, TxnEnd::Committed | TxnEnd::Aborted))
        {
            last.may_commit = last.may_commit.min(asked);
            last.how = TxnEnd::Unknown;
        }
    }

    /// Closes the last transaction: nothing more is said of it. Of positions of one log the last ones count.
    fn settle(&mut self, next: u32) {
        self.unanswered();
        (self.beginning, self.sending) = (false, None);
        let failed = std::mem::take(&mut self.commit_failed);
        let Some(last) = self.chunk.txns.last_mut() else { return };
        if last.how == TxnEnd::Open && failed {
            last.how = TxnEnd::Failed;
        }
        if last.closed == TxnSpan::NEVER {
            last.end = next;
        }
        let txn = u32::try_from(self.chunk.txns.len() - 1).unwrap_or(u32::MAX);
        let start = self.chunk.offsets.partition_point(|offset| offset.txn < txn);
        let mut sent = self.chunk.offsets.split_off(start);
        sent.reverse();
        sent.sort_by_key(|offset| offset.log);
        sent.dedup_by_key(|offset| offset.log);
        self.chunk.offsets.extend(sent);
    }

    /// Writes what is left.
    pub(super) fn finish<W: Write>(
        mut self,
        process: Process,
        next: u32,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        self.settle(next);
        if self.chunk.txns.is_empty() { Ok(()) } else { self.write(process, out) }
    }

    fn write<W: Write>(&mut self, process: Process, out: &mut Writer<W>) -> Result<(), Trouble> {
        out.transactions(process, self.chunks, &self.chunk)?;
        self.chunks += 1;
        self.chunk.clear();
        Ok(())
    }
}
