//! Every transaction of a history in one array, by process and in the order it was begun.
//!
//! A record's transaction is found by its sequence number ([`Index`]).

use std::ops::Range;

use history::ids::{LogId, Offset, Process};
use history::merged::{Buffer, History, HistoryError, TxnChunk, TxnEnd, TxnSpan};
use history::op::{Op, Outcome, Phase};

use super::index::Index;
use crate::linear::hash::IdMap;

/// Index of a transaction in the ledger.
pub(crate) type TxnId = u32;

/// One transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Txn {
    /// Whose.
    pub(crate) process: Process,
    /// What is recorded of it.
    pub(crate) span: TxnSpan,
    /// Until when it was undecided for sure, in microseconds; 0 where nobody knows.
    pub(crate) undecided: u64,
    /// Until when the process's polls belong to it.
    pub(crate) until: u64,
}

/// The transactions of one process.
#[derive(Clone, Debug)]
pub(crate) struct Owner {
    pub(crate) process: Process,
    pub(crate) txns: Range<u32>,
    by_seq: Index,
}

impl Owner {
    /// The transaction that a record of this process belongs to, with the sequence numbers that do.
    pub(crate) fn of_record(&self, seq: u32) -> Option<(TxnId, Range<u32>)> {
        let (at, (first, end)) = self.by_seq.ending_after(seq)?;
        (first <= seq).then(|| (self.txns.start + index(at), first..end))
    }
}

/// A position that was sent to a transaction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sent {
    pub(crate) txn: TxnId,
    pub(crate) log: LogId,
    pub(crate) next: Offset,
    pub(crate) certain: bool,
}

/// A transactional id that was granted to a process.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) process: Process,
    pub(crate) id: u32,
    pub(crate) epoch: Option<i32>,
    pub(crate) timeout_ms: Option<u64>,
    /// When it was asked, in microseconds, rounded down.
    pub(crate) invoked: u64,
    /// When it was answered ok, rounded up; none where it was not.
    pub(crate) granted: Option<u64>,
}

/// All transactions.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) txns: Vec<Txn>,
    pub(crate) owners: Vec<Owner>,
    /// In the order of the transactions.
    pub(crate) sent: Vec<Sent>,
    /// In the order of the questions.
    pub(crate) grants: Vec<Grant>,
    by_process: IdMap<u32, u32>,
    /// By transaction: how it ended, dense, because every record asks.
    hows: Vec<TxnEnd>,
}

impl Ledger {
    pub(crate) fn of(history: &History) -> Result<Self, HistoryError> {
        let mut ledger = Self::default();
        let (mut buffer, mut chunk) = (Buffer::default(), TxnChunk::default());
        for entry in history.transaction_chunks() {
            let process = entry.process;
            if ledger.owners.last().is_none_or(|owner| owner.process != process) {
                let start = index(ledger.txns.len());
                ledger.by_process.insert(process.0, index(ledger.owners.len()));
                ledger.owners.push(Owner { process, txns: start..start, by_seq: Index::default() });
            }
            history.transactions(entry, &mut buffer, &mut chunk)?;
            let first = index(ledger.txns.len());
            ledger.txns.extend(chunk.txns.iter().map(|span| Txn {
                process,
                span: *span,
                undecided: 0,
                until: 0,
            }));
            ledger.sent.extend(chunk.offsets.iter().map(|sent| Sent {
                txn: first + sent.txn,
                log: sent.log,
                next: sent.next,
                certain: sent.certain,
            }));
            if let Some(owner) = ledger.owners.last_mut() {
                owner.txns.end = index(ledger.txns.len());
            }
        }
        for owner in &mut ledger.owners {
            let txns = &ledger.txns[owner.txns.start as usize..owner.txns.end as usize];
            owner.by_seq = Index::new(txns.iter().map(|txn| (txn.span.first, txn.span.end)).collect());
        }
        if !ledger.txns.is_empty() {
            ledger.grants = grants(history)?;
            ledger.complete(history);
        }
        ledger.hows = ledger.txns.iter().map(|txn| txn.span.how).collect();
        Ok(ledger)
    }

    /// Fills in what follows from the transactions around one and from the grants of its id.
    fn complete(&mut self, history: &History) {
        let mut asked: Vec<Vec<u64>> = vec![Vec::new(); history.facts().transactional_ids.len()];
        for grant in &self.grants {
            asked[grant.id as usize].push(grant.invoked);
        }
        asked.iter_mut().for_each(|times| times.sort_unstable());
        let mut timeouts: Vec<&Grant> = self.grants.iter().filter(|grant| grant.granted.is_some()).collect();
        timeouts.sort_by_key(|grant| (grant.process, grant.id, grant.invoked));
        for owner in &self.owners {
            let facts = history.facts().processes.get(&owner.process);
            let truncated = facts.is_some_and(|facts| facts.truncated);
            let txns = &mut self.txns[owner.txns.start as usize..owner.txns.end as usize];
            let mut next = None;
            for txn in txns.iter_mut().rev() {
                let cut = next.is_none() && truncated;
                let span = &mut txn.span;
                if cut && matches!(span.how, TxnEnd::Open | TxnEnd::Failed) {
                    // What ended it may be in the part that was cut off.
                    (span.how, span.may_commit) = (TxnEnd::Unknown, span.invoked);
                }
                let open = next.map_or(TxnSpan::NEVER, |next: u64| next.saturating_sub(1));
                txn.until = if span.closed == TxnSpan::NEVER { open } else { span.closed };
                next = Some(span.invoked);
                let before = timeouts.partition_point(|grant| {
                    (grant.process, grant.id, grant.invoked) <= (owner.process, span.id, span.invoked)
                });
                let session = timeouts[..before].last();
                let session = session.filter(|grant| (grant.process, grant.id) == (owner.process, span.id));
                let timeout = session.and_then(|grant| grant.timeout_ms);
                let others = asked.get(span.id as usize).map_or(&[][..], Vec::as_slice);
                txn.undecided = undecided(span, timeout, others);
            }
        }
    }

    /// The transactions of a process.
    pub(crate) fn owner(&self, process: u32) -> Option<&Owner> {
        self.by_process.get(&process).map(|&at| &self.owners[at as usize])
    }

    pub(crate) fn txn(&self, id: TxnId) -> &Txn {
        &self.txns[id as usize]
    }

    /// How a transaction ended.
    pub(crate) fn how(&self, id: TxnId) -> TxnEnd {
        self.hows[id as usize]
    }

    /// Whether a transaction certainly did not commit: its abort was acknowledged, or its commit failed.
    pub(crate) fn is_aborted(&self, id: TxnId) -> bool {
        matches!(self.how(id), TxnEnd::Aborted | TxnEnd::Failed)
    }

    /// Splits records of one process into stretches of one transaction, or of none.
    pub(crate) fn segments(
        &self,
        owner: &Owner,
        seqs: &[u32],
        mut each: impl FnMut(Option<TxnId>, Range<usize>),
    ) {
        let mut at = 0;
        while at < seqs.len() {
            let found = owner.of_record(seqs[at]);
            let same = |seq: u32| found.as_ref().is_some_and(|(_, span)| span.contains(&seq));
            let end = at + 1 + seqs[at + 1..].iter().take_while(|seq| same(**seq)).count();
            each(found.map(|(txn, _)| txn), at..end);
            at = end;
        }
    }

    /// The transaction that a poll of a process belongs to: the first that was not yet over.
    pub(crate) fn of_poll(&self, owner: &Owner, invoked: u64, returned: u64) -> Option<TxnId> {
        let txns = &self.txns[owner.txns.start as usize..owner.txns.end as usize];
        let at = txns.partition_point(|txn| txn.until < invoked);
        let before = at.checked_sub(1).filter(|&at| {
            let span = &txns[at].span;
            span.ended != TxnSpan::NEVER && returned <= span.ended
        });
        before.or((at < txns.len()).then_some(at)).map(|at| owner.txns.start + index(at))
    }
}

/// Until when a transaction was undecided for sure. One that committed was until its commit was asked; any other may
/// have been aborted by the coordinator: when its time-out ran out, or when its id was claimed anew.
fn undecided(span: &TxnSpan, timeout_ms: Option<u64>, claimed: &[u64]) -> u64 {
    if span.how == TxnEnd::Committed {
        return span.may_commit;
    }
    let Some(timeout) = timeout_ms else { return 0 };
    let expires = span.invoked.saturating_add(timeout.saturating_mul(1000));
    let after = claimed.partition_point(|&time| time < span.invoked);
    let claimed = claimed.get(after).copied().unwrap_or(u64::MAX);
    span.asked.min(expires).min(claimed)
}

fn grants(history: &History) -> Result<Vec<Grant>, HistoryError> {
    let ids = &history.facts().transactional_ids;
    let ids: std::collections::HashMap<&str, u32> = ids.iter().map(String::as_str).zip(0u32..).collect();
    let mut grants: Vec<Grant> = Vec::new();
    let mut open: IdMap<u32, usize> = IdMap::default();
    for event in history.events()? {
        let event = event?;
        let Op::InitTxn { id, epoch, timeout_ms } = &event.op else { continue };
        let Some(&id) = ids.get(id.as_str()) else { continue };
        let micros = event.time.0 / 1000;
        let begun = match &event.phase {
            Phase::Invoke => None,
            Phase::Complete(_) => open.remove(&event.process.0),
        };
        let at = begun.unwrap_or_else(|| {
            grants.push(Grant {
                process: event.process,
                id,
                epoch: None,
                timeout_ms: None,
                invoked: micros,
                granted: None,
            });
            grants.len() - 1
        });
        let grant = &mut grants[at];
        grant.epoch = epoch.or(grant.epoch);
        grant.timeout_ms = timeout_ms.or(grant.timeout_ms);
        match &event.phase {
            Phase::Invoke => drop(open.insert(event.process.0, at)),
            Phase::Complete(Outcome::Ok { .. }) => grant.granted = Some(event.time.0.div_ceil(1000)),
            Phase::Complete(_) => {}
        }
    }
    Ok(grants)
}

/// There are fewer than 2^32 transactions: each takes two events of a process, which a history numbers so.
pub(crate) fn index(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
