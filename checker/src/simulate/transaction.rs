//! The transactional producer: one transaction after another, over several turns.
//!
//! What becomes of a transaction is decided when it begins, so that its records can be written for committed readers at
//! once; consumers see them when it has ended. There is one transactional id, so no two transactions depend on each
//! other in a circle.

use std::io;
use std::ops::Range;

use history::ids::{LogId, Offset, Process};
use history::merged::{TxnEnd, TxnSpan};
use history::op::{Op, Outcome};

use super::parcel::{Fate, Parcel};
use super::pipeline::Pipeline;

/// A transaction that is open.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) process: Process,
    pub(crate) slot: usize,
    epoch: i16,
    span: TxnSpan,
    pub(super) end: Ending,
    turns: u32,
    logs: Vec<LogId>,
    /// Positions that are sent to it.
    pub(super) offsets: Vec<(LogId, Offset)>,
}

/// How a transaction will end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Committed,
    Aborted,
    /// The answer to the commit is lost.
    Unknown {
        committed: bool,
    },
}

impl Ending {
    pub(crate) fn is_visible(self) -> bool {
        match self {
            Ending::Committed => true,
            Ending::Aborted => false,
            Ending::Unknown { committed } => committed,
        }
    }
}

/// After how many milliseconds a transaction that is left open is aborted; none lasts so long.
const TIMEOUT_MS: u64 = 900_000;

impl Pipeline<'_> {
    /// A turn of the transactional producer.
    pub(super) fn transactional_turn(&mut self, slot: usize, most: u32) -> io::Result<()> {
        let mut transaction = match self.transaction.take() {
            Some(transaction) => transaction,
            None => {
                let end = self.any_ending();
                let turns = self.random.count(1, 5);
                Transaction { turns, ..self.begin(slot, end)? }
            }
        };
        let size = self.random.count(1, self.options.batch * 2).min(most.max(1));
        let log = self.any_ledger();
        let parcel = self.parcel(slot, log, size);
        let visible = transaction.end.is_visible();
        self.add(&mut transaction, &parcel, parcel.all(), visible)?;
        transaction.turns = transaction.turns.saturating_sub(1);
        let over = transaction.turns == 0;
        self.transaction = Some(transaction);
        if over { self.end_transaction() } else { Ok(()) }
    }

    fn any_ending(&mut self) -> Ending {
        let end = match self.random.below(20) {
            0..=2 => Ending::Aborted,
            3 => Ending::Unknown { committed: self.random.chance(1, 2) },
            _ => Ending::Committed,
        };
        // The first is aborted, so that even a small history has one that is.
        if self.aborted > 0 { end } else { Ending::Aborted }
    }

    /// Any log of the topic that transactions are written to.
    pub(crate) fn any_ledger(&mut self) -> LogId {
        let log = self.transactional_from + self.random.index(self.ledgers.max(1));
        LogId(u16::try_from(log).unwrap_or(0))
    }

    /// A transaction of its own, after the one that is open has ended.
    pub(crate) fn transaction(&mut self, end: Ending) -> io::Result<Transaction> {
        self.end_transaction()?;
        self.begin(self.bank(), end)
    }

    /// Two logs that transactions are written to.
    pub(crate) fn two_ledgers(&self) -> [LogId; 2] {
        let ledger = |nth: usize| self.logs[self.transactional_from + nth].id;
        [ledger(0), ledger(1)]
    }

    pub(crate) fn begin(&mut self, slot: usize, end: Ending) -> io::Result<Transaction> {
        let producer = &mut self.producers[slot];
        self.now = self.now.max(producer.last + 1);
        let (process, epoch) = (producer.process, producer.epoch);
        let span = TxnSpan {
            id: self.recorder.transactional_id(&producer.name),
            epoch: epoch.into(),
            first: producer.next_seq,
            end: producer.next_seq,
            invoked: self.now,
            began: self.now + 2,
            asked: TxnSpan::NEVER,
            may_commit: TxnSpan::NEVER,
            closed: TxnSpan::NEVER,
            ended: TxnSpan::NEVER,
            how: TxnEnd::Open,
        };
        self.now += 3;
        producer.last = self.now;
        Ok(Transaction { process, slot, epoch, span, end, turns: 1, logs: Vec::new(), offsets: Vec::new() })
    }

    /// Part of a parcel is sent in a transaction and acknowledged; whether committed readers will see it is said here.
    pub(crate) fn add(
        &mut self,
        transaction: &mut Transaction,
        parcel: &Parcel,
        range: Range<usize>,
        visible: bool,
    ) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        transaction.span.end = parcel.seqs[range.end - 1] + 1;
        let log = &mut self.logs[usize::from(parcel.log.0)];
        log.undecided.get_or_insert(log.tail.end());
        if !transaction.logs.contains(&parcel.log) {
            transaction.logs.push(parcel.log);
        }
        self.settle_as(parcel, range, Fate::Acked, visible)
    }

    /// Ends the transaction that is open, where one is.
    pub(super) fn end_transaction(&mut self) -> io::Result<()> {
        match self.transaction.take() {
            Some(transaction) => self.conclude(transaction),
            None => Ok(()),
        }
    }

    /// Ends a transaction as it was meant to end; groups are told at once.
    pub(crate) fn conclude(&mut self, transaction: Transaction) -> io::Result<()> {
        self.decide(&transaction)?;
        self.mark(&transaction)
    }

    /// Ends two transactions that are open at the same time.
    pub(crate) fn conclude_both(&mut self, one: Transaction, other: Transaction) -> io::Result<()> {
        self.decide(&one)?;
        for &log in &one.logs {
            self.marker(log, one.epoch)?;
        }
        self.conclude(other)
    }

    /// Ends a transaction, and no group polls its logs yet.
    pub(crate) fn conclude_unread(&mut self, transaction: Transaction) -> io::Result<()> {
        self.decide(&transaction)?;
        for &log in &transaction.logs {
            self.marker(log, transaction.epoch)?;
            self.logs[usize::from(log.0)].undecided = None;
        }
        Ok(())
    }

    fn decide(&mut self, transaction: &Transaction) -> io::Result<()> {
        let how = match transaction.end {
            Ending::Committed => TxnEnd::Committed,
            Ending::Aborted => TxnEnd::Aborted,
            Ending::Unknown { .. } => TxnEnd::Unknown,
        };
        self.aborted += u64::from(transaction.end == Ending::Aborted);
        self.committed += u64::from(transaction.end == Ending::Committed);
        // Every record has been acknowledged by then.
        self.now += 5_001;
        let answered = self.now + self.random.between(300, 5_000);
        let may_commit = if how == TxnEnd::Aborted { TxnSpan::NEVER } else { self.now };
        let (asked, ended) = (self.now, answered);
        let span = TxnSpan { asked, closed: asked, may_commit, ended, how, ..transaction.span };
        self.recorder.transaction(transaction.process, span, &transaction.offsets)?;
        self.now += 1;
        let producer = &mut self.producers[transaction.slot];
        producer.last = producer.last.max(answered + 1);
        Ok(())
    }

    /// Ends the open transaction, unless it is one that its producer's death may end.
    pub(super) fn commit_what_will_be(&mut self) -> io::Result<()> {
        let visible = self.transaction.as_ref().is_some_and(|open| open.end.is_visible());
        if visible { self.end_transaction() } else { Ok(()) }
    }

    /// Nothing more is heard of the open transaction, because its producer dies.
    pub(super) fn abandon(&mut self) -> io::Result<Option<Transaction>> {
        let transaction = self.transaction.take();
        if let Some(transaction) = &transaction {
            self.recorder.transaction(transaction.process, transaction.span, &[])?;
        }
        Ok(transaction)
    }

    /// A process claims the transactional id that it will use.
    pub(super) fn claim(&mut self, slot: usize) -> io::Result<()> {
        let producer = &self.producers[slot];
        let claim = |epoch| Op::InitTxn { id: producer.name.clone(), epoch, timeout_ms: Some(TIMEOUT_MS) };
        let (process, granted, at) =
            (producer.process, Some(producer.epoch.into()), (self.now, self.now + 100));
        self.recorder.asked(process, at, (claim(None), claim(granted)), Outcome::Ok { offset: None })?;
        self.now += 101;
        self.producers[slot].last = self.now;
        Ok(())
    }

    /// Writes the markers that decide a transaction.
    pub(super) fn mark(&mut self, transaction: &Transaction) -> io::Result<()> {
        for &log in &transaction.logs {
            self.marker(log, transaction.epoch)?;
            self.logs[usize::from(log.0)].undecided = None;
            self.consume(log)?;
        }
        Ok(())
    }
}
