//! Log by log: what transactions sent to it, against what committed reads of it showed.
//!
//! Three passes over a log, each linear: its committed final read, its polls by consumers that read committed, and the
//! sends to it. The first two mark what was seen by sequence number, one bit a record; the third counts, transaction by
//! transaction, what must be there and is not. Whether that is an anomaly depends on the other logs too and is decided
//! afterwards (`outcome`). What a poll may not have returned is known at once.

use std::collections::{BTreeSet, HashSet};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use history::ids::{LogId, Offset, Process};
use history::merged::{Buffer, Entry, History, HistoryError, Kind, ReadChunk, TxnEnd};
use history::op::Isolation;
use rayon::prelude::*;

use super::evidence::{Evidence, Step};
use super::ledger::{Ledger, TxnId};
use super::stable::{Passed, Stable};
use super::streams::{Seen, Streams, Visited};
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};
use crate::linear::hash::IdSet;
use crate::log::stream::{claimed, nanos, sightings};

/// In place of a record that was not seen.
const NONE: u64 = u64::MAX;

/// A record that stands for others: the first of its kind in its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) seq: u32,
    pub(super) log: LogId,
}

/// What is known of each transaction once all logs are read.
pub(super) struct Marks {
    missing: Vec<AtomicU64>,
    in_final_read: Vec<AtomicU64>,
    polled: Vec<AtomicU64>,
}

impl Marks {
    fn new(txns: usize) -> Self {
        let none = || (0..txns).map(|_| AtomicU64::new(NONE)).collect();
        Self { missing: none(), in_final_read: none(), polled: none() }
    }

    /// The first record that is not in the committed read of the log it was sent to, and would be if all had committed.
    pub(super) fn first_missing(&self, txn: TxnId) -> Option<Mark> {
        mark(&self.missing[txn as usize])
    }

    /// The first record that a committed final read holds.
    pub(super) fn in_final_read(&self, txn: TxnId) -> Option<Mark> {
        mark(&self.in_final_read[txn as usize])
    }

    /// The first record that a committed reader was shown, at the end or by a poll.
    pub(super) fn shown(&self, txn: TxnId) -> Option<Mark> {
        self.in_final_read(txn).or_else(|| mark(&self.polled[txn as usize]))
    }

    /// Whether a transaction must have committed.
    pub(super) fn must_have_committed(&self, ledger: &Ledger, txn: TxnId) -> bool {
        match ledger.how(txn) {
            TxnEnd::Committed => true,
            TxnEnd::Unknown => self.shown(txn).is_some(),
            TxnEnd::Aborted | TxnEnd::Failed | TxnEnd::Open => false,
        }
    }
}

fn mark(of: &AtomicU64) -> Option<Mark> {
    let packed = of.load(Ordering::Relaxed);
    let (seq, log) = (packed >> 16, packed & 0xffff);
    let mark = || Some(Mark { seq: u32::try_from(seq).ok()?, log: LogId(u16::try_from(log).ok()?) });
    if packed == NONE { None } else { mark() }
}

fn note(of: &AtomicU64, seq: u32, log: LogId) {
    let mark = u64::from(seq) << 16 | u64::from(log.0);
    // Most marks are made by the first record: a look is cheaper than an exchange.
    if mark < of.load(Ordering::Relaxed) {
        of.fetch_min(mark, Ordering::Relaxed);
    }
}

/// Consecutive records of one transaction among all that a committed reader sees of any.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stretch {
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) txn: TxnId,
}

/// What reading every log showed.
pub(super) struct Shown {
    pub(super) findings: Findings,
    pub(super) marks: Marks,
    /// By log: what its committed final read holds of transactions, in order.
    pub(super) stretches: Vec<Vec<Stretch>>,
}

/// Reads every log once; twice, where something is gone that must have been committed.
pub(super) fn check(history: &History, ledger: &Ledger) -> Result<Shown, HistoryError> {
    let marks = Marks::new(ledger.txns.len());
    let processes = history.facts().processes.iter();
    let committed = processes.filter(|(_, facts)| facts.identity.isolation == Some(Isolation::ReadCommitted));
    let readers: HashSet<Process> = committed.map(|(process, _)| *process).collect();
    let logs: Vec<LogId> = (0u16..).map(LogId).take(history.facts().logs.len()).collect();
    let one = |log: &LogId| OneLog::new(history, (ledger, &marks, &readers), *log);
    let judged: Vec<Judged> =
        logs.par_iter().map(|log| one(log)?.judge()).collect::<Result<_, HistoryError>>()?;
    let lost = |(log, judged): (&LogId, &Judged)| match judged.gone.is_certain(ledger, &marks) {
        true => one(log)?.lost(),
        false => Ok(Findings::default()),
    };
    let lost: Vec<Findings> = logs.par_iter().zip(&judged).map(lost).collect::<Result<_, HistoryError>>()?;
    let (mut findings, mut stretches) = (Findings::default(), Vec::new());
    for log in judged {
        findings.append(log.findings);
        stretches.push(log.stretches);
    }
    lost.into_iter().for_each(|log| findings.append(log));
    Ok(Shown { findings, marks, stretches })
}

/// What one log showed.
struct Judged {
    findings: Findings,
    gone: Gone,
    stretches: Vec<Stretch>,
}

/// Whether anything of transactional processes is gone from a log that must be there.
#[derive(Default)]
struct Gone {
    /// Something is: it belongs to no transaction, or to one whose commit was acknowledged.
    certain: bool,
    /// What belongs to these is, if they committed: a reader of another log may have been shown so.
    perhaps: BTreeSet<TxnId>,
}

impl Gone {
    fn note(&mut self, ledger: &Ledger, txn: Option<TxnId>) {
        match txn.map(|txn| (txn, ledger.how(txn))) {
            None | Some((_, TxnEnd::Committed)) => self.certain = true,
            Some((txn, TxnEnd::Unknown)) => drop(self.perhaps.insert(txn)),
            Some((_, TxnEnd::Aborted | TxnEnd::Failed | TxnEnd::Open)) => {}
        }
    }

    fn is_certain(&self, ledger: &Ledger, marks: &Marks) -> bool {
        self.certain || self.perhaps.iter().any(|txn| marks.must_have_committed(ledger, *txn))
    }
}

/// One log being judged.
struct OneLog<'h> {
    evidence: Evidence<'h>,
    marks: &'h Marks,
    readers: &'h HashSet<Process>,
    streams: Streams<'h>,
    /// Records that were told of as read after an abort, and as read before a commit.
    told: [IdSet<(u32, u32)>; 2],
    findings: Findings,
    stretches: Vec<Stretch>,
}

/// A poll of a consumer that reads committed.
#[derive(Clone, Copy)]
struct Poll {
    process: Process,
    /// In microseconds, rounded up.
    returned: u64,
}

impl<'h> OneLog<'h> {
    fn new(
        history: &'h History,
        (ledger, marks, readers): (&'h Ledger, &'h Marks, &'h HashSet<Process>),
        log: LogId,
    ) -> Result<Self, HistoryError> {
        Ok(Self {
            evidence: Evidence { history, ledger, log },
            marks,
            readers,
            streams: Streams::new(history, ledger, log)?,
            told: [IdSet::default(), IdSet::default()],
            findings: Findings::default(),
            stretches: Vec::new(),
        })
    }

    fn judge(mut self) -> Result<Judged, HistoryError> {
        let mut gone = Gone::default();
        let mut stable = Stable::default();
        self.see(&mut stable)?;
        let Evidence { history, ledger, log } = self.evidence;
        let (marks, evidence, findings) = (self.marks, self.evidence, &mut self.findings);
        self.streams.visit(|visited| match visited {
            Visited::Appended { txn, offset } => stable.appended(ledger, txn, offset),
            Visited::Gone { txn, committed, chunk, places, .. } => {
                gone.note(ledger, txn);
                if let (Some(txn), Some(first)) = (txn.filter(|_| committed), places.first()) {
                    note(&marks.missing[txn as usize], chunk.seqs[*first], log);
                }
            }
            Visited::FailedAndShown { process, chunk, place } => {
                let value = Evidence::value(process, chunk.seqs[place]);
                findings.push(Finding {
                    anomaly: Anomaly::AbortedRead,
                    log,
                    group: None,
                    count: 1,
                    first: Some(value),
                    last: Some(value),
                    offsets: None,
                    cause: None,
                    sightings: sightings(evidence.history, process.0, chunk, place),
                });
            }
        })?;
        stable.judge((history, ledger), log, &mut self.findings);
        self.findings.transactions.logs_not_read = u64::from(self.streams.is_unread());
        Ok(Judged { findings: self.findings, gone, stretches: self.stretches })
    }

    /// What must have committed and is not where it was sent to.
    fn lost(mut self) -> Result<Findings, HistoryError> {
        self.see(&mut Stable::default())?;
        let (marks, evidence) = (self.marks, self.evidence);
        let end = self.streams.end;
        let mut findings = Findings::default();
        self.streams.visit(|visited| {
            let Visited::Gone { txn, process, chunk, places, .. } = visited else { return };
            let (Some(&first), Some(&last)) = (places.first(), places.last()) else { return };
            if txn.is_some_and(|txn| !marks.must_have_committed(evidence.ledger, txn)) {
                return;
            }
            let mut seen = sightings(evidence.history, process.0, chunk, first);
            seen.extend(
                txn.into_iter()
                    .flat_map(|txn| [Step::Began, Step::Ended].map(|step| evidence.step(txn, step))),
            );
            seen.extend(end.map(|end| Sighting::ReadUpTo {
                start: end.start,
                reached: end.reached,
                end: end.end,
            }));
            let offset = |place: usize| claimed(&chunk.runs[chunk.run_of(place)], place).map(Offset);
            findings.push(Finding {
                anomaly: Anomaly::LostWrite,
                log: evidence.log,
                group: None,
                count: places.len() as u64,
                first: Some(Evidence::value(process, chunk.seqs[first])),
                last: Some(Evidence::value(process, chunk.seqs[last])),
                offsets: offset(first).zip(offset(last)),
                cause: None,
                sightings: seen,
            });
        })?;
        Ok(findings)
    }

    /// Reads what committed readers were shown.
    fn see(&mut self, stable: &mut Stable) -> Result<(), HistoryError> {
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        let Evidence { history, log, .. } = self.evidence;
        for entry in history.chunks(Kind::FinalRead(Isolation::ReadCommitted), log) {
            history.reads(entry, &mut buffer, &mut chunk)?;
            for (index, run) in chunk.runs.iter().enumerate() {
                let seqs = &chunk.seqs[run.start as usize..chunk.run_end(index)];
                self.read((run.process, run.offset), seqs, None);
            }
        }
        let readers = self.readers;
        for entry in history.chunks(Kind::Polls, log).iter().filter(|entry| readers.contains(&entry.process))
        {
            history.reads(entry, &mut buffer, &mut chunk)?;
            self.polled(entry, &chunk, stable);
        }
        Ok(())
    }

    fn polled(&mut self, entry: &Entry, chunk: &ReadChunk, stable: &mut Stable) {
        let mut run = 0;
        for (at, poll) in chunk.polls.iter().enumerate() {
            let (mut from, end) = (poll.start as usize, chunk.poll_end(at));
            let by = Poll { process: entry.process, returned: poll.returned };
            let mut greatest = None;
            while from < end {
                while chunk.run_end(run) <= from {
                    run += 1;
                }
                let to = chunk.run_end(run).min(end);
                let skipped = (from - chunk.runs[run].start as usize) as u64;
                let offset = chunk.runs[run].offset.saturating_add_unsigned(skipped);
                let process = chunk.runs[run].process;
                self.read((process, offset), &chunk.seqs[from..to], Some(by));
                let last = offset.saturating_add_unsigned((to - from) as u64 - 1);
                let last = (last, Evidence::value(Process(process), chunk.seqs[to - 1]));
                greatest = greatest.max(Some(last));
                from = to;
            }
            let passed =
                greatest.map(|greatest| Passed { process: by.process, returned: by.returned, greatest });
            stable.passed.extend(passed);
        }
    }

    /// Takes what a committed reader was shown: records of one process at consecutive offsets.
    fn read(&mut self, (process, offset): (u32, i64), seqs: &[u32], poll: Option<Poll>) {
        let ledger = self.evidence.ledger;
        let Some(owner) = ledger.owner(process) else { return };
        let seen = if poll.is_some() { Seen::Polled } else { Seen::InRead };
        self.streams.see(process, seqs, seen);
        let marks = if poll.is_some() { &self.marks.polled } else { &self.marks.in_final_read };
        let mut early: Vec<(Anomaly, TxnId, Range<usize>)> = Vec::new();
        ledger.segments(owner, seqs, |txn, part| {
            let Some(txn) = txn else { return };
            let first = seqs[part.clone()].iter().copied().min().unwrap_or(u32::MAX);
            note(&marks[txn as usize], first, self.evidence.log);
            if poll.is_none() {
                let place = |at: usize| offset.saturating_add_unsigned(at as u64);
                let (first, last) = (place(part.start), place(part.end - 1));
                match self.stretches.last_mut().filter(|last| last.txn == txn) {
                    Some(same) => same.last = last,
                    None => self.stretches.push(Stretch { first, last, txn }),
                }
            }
            early.extend(too_early(ledger, txn, poll).map(|anomaly| (anomaly, txn, part)));
        });
        for (anomaly, txn, part) in early {
            self.tell((anomaly, txn), (process, offset), (seqs, part), poll);
        }
    }

    /// Reports records that nobody should have been shown, those not reported yet.
    fn tell(
        &mut self,
        (anomaly, txn): (Anomaly, TxnId),
        (process, offset): (u32, i64),
        (seqs, part): (&[u32], Range<usize>),
        poll: Option<Poll>,
    ) {
        let told = &mut self.told[usize::from(anomaly == Anomaly::AbortedRead)];
        let new: Vec<usize> = part.filter(|&at| told.insert((process, seqs[at]))).collect();
        let (Some(&first), Some(&last)) = (new.first(), new.last()) else { return };
        let evidence = self.evidence;
        let value = |at: usize| Evidence::value(Process(process), seqs[at]);
        let place = |at: usize| Offset(offset.saturating_add_unsigned(at as u64));
        let ends = match evidence.ledger.how(txn) {
            TxnEnd::Aborted | TxnEnd::Failed | TxnEnd::Open => Step::Ended,
            TxnEnd::Committed | TxnEnd::Unknown => Step::AskedToCommit,
        };
        let (value_of, at) = (value(first), place(first));
        self.findings.push(Finding {
            anomaly,
            log: evidence.log,
            group: poll.and_then(|poll| evidence.group(poll.process)),
            count: new.len() as u64,
            first: Some(value_of),
            last: Some(value(last)),
            offsets: Some((at, place(last))),
            cause: None,
            sightings: vec![
                evidence.step(txn, Step::Began),
                match poll {
                    Some(Poll { process, returned }) => {
                        Sighting::Polled { process, value: value_of, offset: at, time: nanos(returned) }
                    }
                    None => Sighting::InLog { value: value_of, offset: at },
                },
                evidence.step(txn, ends),
            ],
        });
    }
}

/// What is wrong with showing a record of this transaction, by a poll or at the end.
fn too_early(ledger: &Ledger, txn: TxnId, poll: Option<Poll>) -> Option<Anomaly> {
    match (ledger.how(txn), poll) {
        // What a final read shows of an aborted transaction is judged as a whole: resurrected-abort.
        (TxnEnd::Aborted | TxnEnd::Failed, None) => None,
        (TxnEnd::Aborted | TxnEnd::Failed, Some(_)) => Some(Anomaly::AbortedRead),
        (TxnEnd::Open, _) => Some(Anomaly::PrecommittedRead),
        (TxnEnd::Committed | TxnEnd::Unknown, None) => None,
        (TxnEnd::Committed | TxnEnd::Unknown, Some(poll)) => {
            (poll.returned < ledger.txn(txn).span.may_commit).then_some(Anomaly::PrecommittedRead)
        }
    }
}
