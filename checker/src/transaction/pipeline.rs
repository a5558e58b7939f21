//! Consume-transform-produce: what the transactions of a group took in must tile the log.
//!
//! A transaction takes in what its process polled and had not yet taken in, up to the position that was sent to it. What
//! was polled in an aborted transaction that was sent no position counts as taken in by it: to be processed, it has to
//! be polled again, after a seek or a new assignment, or be tried again by a transaction that polls nothing new. So the
//! intervals of committed transactions leave a gap where an application went on after an abort (KAFKA-17582), and
//! overlap where two members processed the same records.
//!
//! A transaction of unknown outcome may have filled a gap and is not taken to overlap; nor is a position that was
//! committed outside of transactions.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Offset, Process};
use history::merged::{Buffer, History, HistoryError, Kind, ReadChunk, TxnEnd};
use history::op::Isolation;

use super::derived;
use super::evidence::Evidence;
use super::ledger::{Ledger, Sent, TxnId};
use super::records::Marks;
use super::rows::{Rows, group_of};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};

/// Offsets from the first up to before the second.
pub(super) type Stretch = (i64, i64);

/// Reports what was skipped, taken in twice, or came out wrong.
pub(super) fn check(
    history: &History,
    (ledger, marks, rows): (&Ledger, &Marks, &Rows),
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    if ledger.sent.is_empty() && rows.derived.is_empty() {
        return Ok(());
    }
    let mut inputs: BTreeMap<(&str, LogId), Input> = BTreeMap::new();
    let mut sent: BTreeMap<(Process, LogId), Vec<Sent>> = BTreeMap::new();
    for one in &ledger.sent {
        sent.entry((ledger.txn(one.txn).process, one.log)).or_default().push(*one);
    }
    for ((process, log), sent) in &sent {
        if let Some(group) = group_of(history, *process) {
            inputs.entry((group, *log)).or_default().positions(sent, (ledger, marks));
        }
    }
    for (process, derived) in &rows.derived {
        let Some(group) = group_of(history, *process) else { continue };
        for (span, _) in derived.iter().flat_map(|made| &made.spans) {
            inputs.entry((group, span.log)).or_default();
        }
    }
    for ((group, log), input) in &mut inputs {
        let members = history.facts().processes.iter();
        for (process, _) in members.filter(|(_, facts)| facts.identity.group.as_deref() == Some(*group)) {
            let sent = sent.get(&(*process, *log)).map_or(&[][..], Vec::as_slice);
            input.read(history, (ledger, marks), (*process, *log, sent))?;
        }
        input.finish(history, *log, rows.plain.get(&((*group).to_owned(), *log)).copied())?;
        let evidence = Evidence { history, ledger, log: *log };
        input.doubled(evidence, group, findings);
        input.skipped(evidence, group, findings);
    }
    derived::check(history, ledger, (&rows.derived, &inputs), findings)
}

/// Records that a transaction took in.
#[derive(Clone, Copy, Debug)]
struct Taken {
    stretch: Stretch,
    txn: TxnId,
    /// Whether it committed for sure, and the position with it.
    certain: bool,
}

/// One log as the input of one group.
#[derive(Default)]
pub(super) struct Input {
    taken: Vec<Taken>,
    /// What members polled.
    polled: Vec<Stretch>,
    /// What is in the log, from the first record that a member polled.
    pub(super) there: Vec<Stretch>,
    /// The greatest position that committed with a transaction.
    next: Option<i64>,
    /// The greatest position that was committed for sure, in whatever way.
    pub(super) committed: Option<i64>,
    /// The greatest that may have been committed outside of transactions.
    plain: i64,
}

/// What of a log one process took in, transaction by transaction.
struct Intake<'i> {
    ledger: &'i Ledger,
    marks: &'i Marks,
    /// Positions still to come.
    sent: std::iter::Peekable<std::slice::Iter<'i, Sent>>,
    /// The transaction that polled last.
    polling: Option<TxnId>,
    segment: u32,
    /// Polled and not yet taken in.
    pending: Vec<Stretch>,
    /// Taken in by a transaction that was aborted, and perhaps kept to be tried again.
    kept: Vec<Stretch>,
    taken: &'i mut Vec<Taken>,
}

impl Intake<'_> {
    /// Takes a poll of a transaction, or of none where none comes any more.
    fn poll(&mut self, txn: Option<TxnId>, segment: u32, stretches: &[Stretch]) {
        self.settle(txn.unwrap_or(TxnId::MAX));
        if segment != self.segment {
            self.pending.clear();
            self.kept.clear();
            self.segment = segment;
        }
        self.pending.extend(stretches);
        self.polling = txn;
    }

    /// Ends the transactions before another.
    fn settle(&mut self, before: TxnId) {
        loop {
            let sent = self.sent.peek().map(|sent| sent.txn);
            let next = [sent, self.polling].into_iter().flatten().min();
            let Some(txn) = next.filter(|txn| *txn < before) else { return };
            self.polling = self.polling.filter(|polling| *polling != txn);
            let how = self.ledger.txn(txn).span.how;
            let ended_otherwise = matches!(how, TxnEnd::Aborted | TxnEnd::Failed | TxnEnd::Open);
            match self.sent.next_if(|sent| sent.txn == txn) {
                Some(sent) => self.take(sent),
                None if ended_otherwise => self.kept.append(&mut self.pending),
                None => {}
            }
        }
    }

    fn take(&mut self, sent: &Sent) {
        let (txn, next) = (sent.txn, sent.next.0);
        let must = self.marks.must_have_committed(self.ledger, txn);
        let may = must || self.ledger.txn(txn).span.how == TxnEnd::Unknown;
        // An application that polled nothing new has tried again what it had.
        let mut kept = std::mem::take(&mut self.kept);
        if !self.pending.iter().any(|stretch| stretch.0 < next) {
            self.pending.append(&mut kept);
        }
        for (from, to) in std::mem::take(&mut self.pending) {
            if from < next && may {
                let stretch = (from, to.min(next));
                self.taken.push(Taken { stretch, txn, certain: must && sent.certain });
            }
            if to > next {
                self.pending.push((from.max(next), to));
            }
        }
    }
}

impl Input {
    /// Takes the positions that a process sent to its transactions.
    fn positions(&mut self, sent: &[Sent], (ledger, marks): (&Ledger, &Marks)) {
        let certain = |sent: &&Sent| sent.certain && marks.must_have_committed(ledger, sent.txn);
        self.next = self.next.max(sent.iter().filter(certain).map(|sent| sent.next.0).max());
    }

    /// Takes what a member polled.
    fn read(
        &mut self,
        history: &History,
        (ledger, marks): (&Ledger, &Marks),
        (process, log, sent): (Process, LogId, &[Sent]),
    ) -> Result<(), HistoryError> {
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        let mut intake = Intake {
            ledger,
            marks,
            sent: sent.iter().peekable(),
            polling: None,
            segment: 0,
            pending: Vec::new(),
            kept: Vec::new(),
            taken: &mut self.taken,
        };
        let owner = ledger.owner(process.0);
        let mut stretches = Vec::new();
        for entry in history.chunks(Kind::Polls, log).iter().filter(|entry| entry.process == process) {
            history.reads(entry, &mut buffer, &mut chunk)?;
            for (at, poll) in chunk.polls.iter().enumerate() {
                polled(&chunk, (poll.start as usize, chunk.poll_end(at)), &mut stretches);
                self.polled.extend(&stretches);
                if let Some(owner) = owner {
                    let txn = ledger.of_poll(owner, poll.invoked, poll.returned);
                    intake.poll(txn, entry.segment, &stretches);
                }
            }
        }
        intake.settle(TxnId::MAX);
        Ok(())
    }

    /// Adds what is known of the log and of positions outside of transactions.
    fn finish(
        &mut self,
        history: &History,
        log: LogId,
        plain: Option<(i64, i64)>,
    ) -> Result<(), HistoryError> {
        let (perhaps, surely) = plain.unwrap_or((i64::MIN, i64::MIN));
        self.plain = perhaps;
        self.committed = self.next.max(Some(surely).filter(|next| *next > i64::MIN));
        merge(&mut self.polled);
        let Some(&(first, _)) = self.polled.first() else { return Ok(()) };
        let complete = history.final_read(log, Isolation::ReadCommitted).is_some_and(|end| end.is_complete());
        if !complete {
            self.there.clone_from(&self.polled);
            return Ok(());
        }
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        for entry in history.chunks(Kind::FinalRead(Isolation::ReadCommitted), log) {
            history.reads(entry, &mut buffer, &mut chunk)?;
            let mut stretches = Vec::new();
            polled(&chunk, (0, chunk.len()), &mut stretches);
            self.there.extend(stretches.iter().filter(|s| s.1 > first).map(|s| (s.0.max(first), s.1)));
        }
        merge(&mut self.there);
        Ok(())
    }

    /// Records that two committed transactions took in.
    fn doubled(&self, evidence: Evidence<'_>, group: &str, findings: &mut Findings) {
        let mut by_txn: BTreeMap<TxnId, Vec<Stretch>> = BTreeMap::new();
        for taken in self.taken.iter().filter(|taken| taken.certain) {
            by_txn.entry(taken.txn).or_default().push(taken.stretch);
        }
        let mut steps: Vec<(i64, bool, TxnId)> = Vec::new();
        for (txn, stretches) in &mut by_txn {
            merge(stretches);
            steps.extend(stretches.iter().flat_map(|(from, to)| [(*from, true, *txn), (*to, false, *txn)]));
        }
        steps.sort_unstable();
        let (mut active, mut since) = (BTreeSet::new(), i64::MIN);
        let mut at = 0;
        while at < steps.len() {
            let place = steps[at].0;
            if active.len() > 1 && since < place {
                let both: Vec<TxnId> = active.iter().copied().take(2).collect();
                findings.push(self.finding(Anomaly::DoubleInput, evidence, (group, (since, place)), &both));
            }
            while let Some((_, begins, txn)) = steps.get(at).filter(|step| step.0 == place) {
                if *begins {
                    active.insert(*txn);
                } else {
                    active.remove(txn);
                }
                at += 1;
            }
            since = place;
        }
    }

    /// Records that no committed transaction took in although a later position was committed.
    fn skipped(&self, evidence: Evidence<'_>, group: &str, findings: &mut Findings) {
        let Some(next) = self.next else { return };
        let mut covered: Vec<Stretch> = self.taken.iter().map(|taken| taken.stretch).collect();
        covered.push((i64::MIN, self.plain));
        covered.push((next, i64::MAX));
        merge(&mut covered);
        let mut certain: Vec<&Taken> = self.taken.iter().filter(|taken| taken.certain).collect();
        certain.sort_by_key(|taken| taken.stretch);
        for gap in without(&self.there, &covered) {
            let after = certain.partition_point(|taken| taken.stretch.0 < gap.0);
            let around = [after.checked_sub(1).map(|at| certain[at]), certain.get(after).copied()];
            let around: Vec<TxnId> = around.into_iter().flatten().map(|taken| taken.txn).collect();
            findings.push(self.finding(Anomaly::SkippedInput, evidence, (group, gap), &around));
        }
    }

    fn finding(
        &self,
        anomaly: Anomaly,
        evidence: Evidence<'_>,
        (group, (from, to)): (&str, Stretch),
        txns: &[TxnId],
    ) -> Finding {
        let took = |txn: &TxnId| {
            let own = self.taken.iter().filter(|taken| taken.txn == *txn).map(|taken| taken.stretch);
            let from = own.clone().map(|stretch| stretch.0).min().unwrap_or(0);
            evidence.took(*txn, (Offset(from), Offset(own.map(|stretch| stretch.1).max().unwrap_or(0))))
        };
        let told: Vec<Sighting> = txns.iter().flat_map(took).collect();
        Finding {
            anomaly,
            log: evidence.log,
            group: Some(group.to_owned()),
            count: from.abs_diff(to),
            first: None,
            last: None,
            offsets: Some((Offset(from), Offset(to - 1))),
            cause: None,
            sightings: told,
        }
    }
}

/// The offsets of some records of a chunk.
fn polled(chunk: &ReadChunk, (mut from, end): (usize, usize), stretches: &mut Vec<Stretch>) {
    stretches.clear();
    let mut run = chunk.runs.partition_point(|run| run.start as usize <= from).saturating_sub(1);
    while from < end {
        let to = chunk.run_end(run).min(end);
        let offset = |place: usize| {
            let within = (place - chunk.runs[run].start as usize) as u64;
            chunk.runs[run].offset.saturating_add_unsigned(within)
        };
        let stretch = (offset(from), offset(to - 1).saturating_add(1));
        match stretches.last_mut().filter(|last: &&mut Stretch| last.1 == stretch.0) {
            Some(last) => last.1 = stretch.1,
            None => stretches.push(stretch),
        }
        from = to;
        run += 1;
    }
}

/// Sorts stretches and joins those that touch.
pub(super) fn merge(stretches: &mut Vec<Stretch>) {
    stretches.retain(|(from, to)| from < to);
    stretches.sort_unstable();
    let mut merged: Vec<Stretch> = Vec::new();
    for stretch in stretches.drain(..) {
        match merged.last_mut().filter(|last| stretch.0 <= last.1) {
            Some(last) => last.1 = last.1.max(stretch.1),
            None => merged.push(stretch),
        }
    }
    *stretches = merged;
}

/// What of some stretches others do not hold; both are merged.
pub(super) fn without(all: &[Stretch], held: &[Stretch]) -> Vec<Stretch> {
    let mut rest = Vec::new();
    for &(mut from, to) in all {
        let first = held.partition_point(|stretch| stretch.1 <= from);
        for &(start, end) in held[first..].iter().take_while(|stretch| stretch.0 < to) {
            if from < start {
                rest.push((from, start));
            }
            from = from.max(end);
        }
        if from < to {
            rest.push((from, to));
        }
    }
    rest
}
