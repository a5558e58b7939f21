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
    /// Those of which nothing more can be said.
    chunk: TxnChunk,
    current: Option<Current>,
    /// The one before, while the answer to the beginning of the current one is awaited: if that fails, it goes on.
    suspended: Option<Current>,
    chunks: u32,
}

/// A transaction of which more may be said.
#[derive(Debug)]
struct Current {
    span: TxnSpan,
    sent: Vec<TxnOffset>,
    /// Whether its beginning waits for an answer.
    beginning: bool,
    /// The attempt to end it that waits for an answer.
    attempt: Option<(Way, u64)>,
    /// Whether a commit failed for sure.
    commit_failed: bool,
    /// Where the positions begin that were last sent, while they wait for an answer.
    sending: Option<usize>,
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
        let waiting = self.current.as_mut().filter(|current| current.beginning);
        match (phase, waiting) {
            (Phase::Complete(Outcome::Fail { .. }), Some(_)) => self.current = self.suspended.take(),
            (Phase::Complete(Outcome::Fail { .. }), None) => {}
            (Phase::Complete(_), Some(current)) => {
                current.beginning = false;
                current.span.began = ceil(time);
                current.span.epoch = epoch.unwrap_or(current.span.epoch);
                self.settle_suspended();
            }
            (Phase::Invoke, _) | (Phase::Complete(_), None) => {
                let asks = matches!(phase, Phase::Invoke);
                self.settle_suspended();
                if let Some(current) = &mut self.current {
                    current.goes_on_until(next);
                }
                self.suspended = self.current.replace(Current::new(id, epoch, (next, floor(time))));
                if let Some(current) = self.current.as_mut().filter(|_| !asks) {
                    (current.beginning, current.span.began) = (false, ceil(time));
                    self.settle_suspended();
                }
            }
        }
        if self.chunk.txns.len() >= limit || self.chunk.offsets.len() >= limit {
            self.write(process, out)?;
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
        // Whoever ends it takes it to have begun.
        self.settle_suspended();
        let Some(current) = &mut self.current else {
            return Err(Contradiction::EndWithoutTransaction { process });
        };
        current.beginning = false;
        match phase {
            Phase::Invoke => {
                current.asked_to_end((way, floor(time)), next);
                Ok(())
            }
            Phase::Complete(outcome) => match current.attempt.take_if(|(asked, _)| *asked == way) {
                Some((_, asked)) => {
                    current.answered((way, asked), outcome, ceil(time));
                    Ok(())
                }
                None => Err(Contradiction::EndWithoutInvocation { process }),
            },
        }
    }

    /// Takes positions that are sent to the open transaction; false where there is none.
    pub(super) fn sent(&mut self, phase: &Phase, positions: &[Position]) -> bool {
        // Once it is over, nothing can be sent to it.
        let Some(current) = self.current.as_mut().filter(|current| !current.is_decided()) else {
            return false;
        };
        let start = match (phase, current.sending.take()) {
            (Phase::Complete(_), Some(start)) => start,
            (Phase::Invoke, _) | (Phase::Complete(_), None) => {
                let start = current.sent.len();
                let sent = |at: &Position| TxnOffset { txn: 0, log: at.log, next: at.next, certain: false };
                current.sent.extend(positions.iter().map(sent));
                start
            }
        };
        match phase {
            Phase::Invoke => current.sending = Some(start),
            Phase::Complete(Outcome::Ok { .. }) => {
                current.sent[start..].iter_mut().for_each(|sent| sent.certain = true);
            }
            Phase::Complete(Outcome::Fail { .. }) => current.sent.truncate(start),
            Phase::Complete(Outcome::Info { .. }) => {}
        }
        true
    }

    fn settle_suspended(&mut self) {
        if let Some(before) = self.suspended.take() {
            self.settle(before);
        }
    }

    /// Closes a transaction: nothing more is said of it. Of positions of one log the last ones count.
    fn settle(&mut self, mut closed: Current) {
        closed.unanswered();
        if closed.span.how == TxnEnd::Open && closed.commit_failed {
            closed.span.how = TxnEnd::Failed;
        }
        let txn = u32::try_from(self.chunk.txns.len()).unwrap_or(u32::MAX);
        closed.sent.reverse();
        closed.sent.sort_by_key(|sent| sent.log);
        closed.sent.dedup_by_key(|sent| sent.log);
        self.chunk.offsets.extend(closed.sent.iter().map(|sent| TxnOffset { txn, ..*sent }));
        self.chunk.txns.push(closed.span);
    }

    /// Writes what is left; `next` is the sequence number that the process would send next.
    pub(super) fn finish<W: Write>(
        mut self,
        process: Process,
        next: u32,
        out: &mut Writer<W>,
    ) -> Result<(), Trouble> {
        self.settle_suspended();
        if let Some(mut current) = self.current.take() {
            current.goes_on_until(next);
            self.settle(current);
        }
        if self.chunk.txns.is_empty() { Ok(()) } else { self.write(process, out) }
    }

    fn write<W: Write>(&mut self, process: Process, out: &mut Writer<W>) -> Result<(), Trouble> {
        out.transactions(process, self.chunks, &self.chunk)?;
        self.chunks += 1;
        self.chunk.clear();
        Ok(())
    }
}

impl Current {
    fn new(id: u32, epoch: Option<i32>, (next, invoked): (u32, u64)) -> Self {
        let span = TxnSpan {
            id,
            epoch: epoch.unwrap_or(-1),
            first: next,
            end: next,
            invoked,
            began: TxnSpan::NEVER,
            asked: TxnSpan::NEVER,
            may_commit: TxnSpan::NEVER,
            closed: TxnSpan::NEVER,
            ended: TxnSpan::NEVER,
            how: TxnEnd::Open,
        };
        Self { span, sent: Vec::new(), beginning: true, attempt: None, commit_failed: false, sending: None }
    }

    /// Without an attempt to end it, everything that was sent belongs to it.
    fn goes_on_until(&mut self, next: u32) {
        if self.span.closed == TxnSpan::NEVER {
            self.span.end = next;
        }
    }

    fn is_decided(&self) -> bool {
        matches!(self.span.how, TxnEnd::Committed | TxnEnd::Aborted)
    }

    fn asked_to_end(&mut self, attempt: (Way, u64), next: u32) {
        self.unanswered();
        self.attempt = Some(attempt);
        if !self.is_decided() {
            let span = &mut self.span;
            (span.closed, span.ended, span.end) = (attempt.1, TxnSpan::NEVER, next);
            span.asked = span.asked.min(attempt.1);
        }
    }

    /// What is not answered by now may have been done.
    fn unanswered(&mut self) {
        let attempt = self.attempt.take();
        if let Some((_, asked)) = attempt.filter(|_| !self.is_decided()) {
            self.span.may_commit = self.span.may_commit.min(asked);
            self.span.how = TxnEnd::Unknown;
        }
    }

    fn answered(&mut self, (way, asked): (Way, u64), outcome: &Outcome, time: u64) {
        if self.is_decided() {
            return;
        }
        let span = &mut self.span;
        span.ended = time.max(asked);
        match (outcome, way) {
            (Outcome::Ok { .. }, Way::Commit) => span.how = TxnEnd::Committed,
            (Outcome::Ok { .. }, Way::Abort) => span.how = TxnEnd::Aborted,
            (Outcome::Fail { .. }, Way::Commit) => self.commit_failed = true,
            (Outcome::Fail { .. }, Way::Abort) => {}
            (Outcome::Info { .. }, _) => span.how = TxnEnd::Unknown,
        }
        let may = match (outcome, way) {
            (Outcome::Fail { .. }, _) | (Outcome::Ok { .. }, Way::Abort) => TxnSpan::NEVER,
            (Outcome::Ok { .. }, Way::Commit) | (Outcome::Info { .. }, _) => asked,
        };
        span.may_commit = span.may_commit.min(may);
    }
}
