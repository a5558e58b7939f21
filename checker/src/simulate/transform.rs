//! The transformer: takes records in from one log and sends one made of each to another, a transaction at a time.
//!
//! What it took in is sent to the transaction as a position, so a committed transaction takes in exactly the records
//! whose outputs it holds. It is alone in its group, and lives as long as the run.

use std::io;

use history::ids::{LogId, Offset, Process, Seq};
use history::op::{Isolation, Op, Span};

use super::consumer::spans;
use super::pipeline::Pipeline;
use super::recorder::Polled;
use super::transaction::{Ending, Transaction};

/// Where the transformer takes records in, and how far it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Intake {
    /// Its place among the producers.
    slot: usize,
    /// The log that it takes in.
    pub(super) log: LogId,
    /// The log that it produces to.
    out: LogId,
    /// Rank of the next record.
    pub(super) rank: u64,
}

/// Records that were taken in.
#[derive(Clone, Debug)]
pub(crate) struct Taken {
    spans: Vec<Span>,
    count: u32,
    next: Offset,
}

/// Most records of a transaction.
const TAKE: u64 = 500;

impl Pipeline<'_> {
    /// The transformer begins, on the last two logs.
    pub(super) fn start_transformer(&mut self, slot: usize) {
        let [.., log, out] = self.logs.as_slice() else { return };
        self.intake = Some(Intake { slot, log: log.id, out: out.id, rank: 0 });
    }

    /// Any producer, the transformer's place among the producers, and the log that it takes in.
    pub(crate) fn transformer(&mut self) -> (usize, usize, LogId) {
        let (slot, log) = self.intake.map_or((0, LogId(0)), |intake| (intake.slot, intake.log));
        (self.any_producer(None), slot, log)
    }

    /// The transformer takes in everything there is.
    pub(crate) fn transform_all(&mut self) -> io::Result<()> {
        while self.transform()? {}
        Ok(())
    }

    /// A turn of the transformer; whether there was anything to take in.
    pub(super) fn transform(&mut self) -> io::Result<bool> {
        let Some(intake) = self.intake else { return Ok(false) };
        if self.logs[usize::from(intake.log.0)].readable(Isolation::ReadCommitted) <= intake.rank {
            return Ok(false);
        }
        let mut transaction = self.begin(intake.slot, Ending::Committed)?;
        if let Some(taken) = self.take_in(transaction.process)? {
            self.produce(&mut transaction, &taken)?;
            self.send_position(&mut transaction, &taken);
        }
        self.conclude(transaction)?;
        if self.groups.is_empty() {
            let rank = self.intake.map_or(0, |intake| intake.rank);
            self.logs[usize::from(intake.log.0)].tail.forget(rank);
        }
        Ok(true)
    }

    /// A process of the transformer's group polls what comes next.
    pub(crate) fn take_in(&mut self, process: Process) -> io::Result<Option<Taken>> {
        let Some(intake) = &mut self.intake else { return Ok(None) };
        let log = &self.logs[usize::from(intake.log.0)];
        let until = log.readable(Isolation::ReadCommitted).min(intake.rank + TAKE);
        let pieces = || log.tail.pieces(intake.rank, until).filter(|piece| piece.visible);
        let spans = spans(intake.log, pieces());
        let (invoked, returned) = (self.now, self.now + 50);
        self.now += 60;
        let polled = Polled { process, log: intake.log, invoked, returned, handed: 0 };
        let count: usize = pieces().map(|piece| piece.seqs.len()).sum();
        let next = spans.last().map(|span| Offset(span.last.0 + 1));
        if count > 0 {
            self.recorder.polled(polled, pieces())?;
        }
        intake.rank = until.max(intake.rank);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        Ok(next.map(|next| Taken { spans, count, next }))
    }

    /// The transformer's next poll begins where it did before, in a new segment of another process.
    pub(crate) fn take_in_again(&mut self, process: Process, count: u64) -> io::Result<Option<Taken>> {
        if let Some(intake) = &mut self.intake {
            intake.rank = intake.rank.saturating_sub(count);
        }
        self.take_in(process)
    }

    /// What was made of records is sent, in a transaction.
    pub(crate) fn produce(&mut self, transaction: &mut Transaction, taken: &Taken) -> io::Result<()> {
        let Some(intake) = self.intake else { return Ok(()) };
        let visible = transaction.end.is_visible();
        self.producers[transaction.slot].last = self.now;
        let parcel = self.parcel(transaction.slot, intake.out, taken.count);
        let first = Seq(parcel.seqs[0]);
        let made = Op::Derive { first, spans: taken.spans.clone() };
        self.recorder.moment(transaction.process, parcel.invoked[0], made)?;
        self.add(transaction, &parcel, parcel.all(), visible)
    }

    /// The position behind what was taken in is sent to a transaction.
    pub(crate) fn send_position(&mut self, transaction: &mut Transaction, taken: &Taken) {
        let log = self.intake.map_or(LogId(0), |intake| intake.log);
        transaction.offsets.push((log, taken.next));
    }
}
