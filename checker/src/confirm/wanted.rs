//! What findings name: the records, places, readers and transactions that facts are collected about.

#![expect(clippy::wildcard_enum_match_arm, reason = "each definition speaks of a few events only")]

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Process, Seq, Value};

use crate::anomaly::Anomaly;
use crate::findings::{Finding, Sighting, TxnStep};

/// What to look for.
#[derive(Clone, Debug, Default)]
pub(super) struct Wanted {
    /// Records by value: by process, first and last sequence number of stretches.
    pub(super) values: BTreeMap<Process, BTreeSet<(u32, u32)>>,
    /// Places in logs.
    pub(super) places: BTreeSet<(LogId, i64)>,
    /// Stretches of a log, both ends excluded, of which it matters whether anything lies there.
    pub(super) between: BTreeSet<(LogId, i64, i64)>,
    /// Logs of which every final read must be searched for the values.
    pub(super) searched: BTreeSet<LogId>,
    /// Logs of which every poll must be.
    pub(super) polls_searched: BTreeSet<LogId>,
    /// Readers whose polls of a log are wanted from the first to the last.
    pub(super) readers: BTreeSet<(Process, LogId)>,
    /// Groups of which all members' polls of a log are.
    pub(super) groups: BTreeSet<(String, LogId)>,
    /// Processes whose transactions are wanted.
    pub(super) transactions: BTreeSet<Process>,
    /// Transactions all of whose records are wanted: whose, and when they were begun, in microseconds.
    pub(super) begun: BTreeSet<(Process, u64)>,
    /// Transactions whose records must be looked for in whatever their processes wrote to.
    pub(super) outcomes: BTreeSet<Process>,
    /// Groups of whose members it matters what they handed over last.
    pub(super) last: BTreeSet<String>,
    /// Whether rows are wanted.
    pub(super) rows: bool,
}

impl Wanted {
    pub(super) fn of(findings: &[&Finding]) -> Self {
        let mut wanted = Self::default();
        for finding in findings {
            wanted.finding(finding);
        }
        wanted
    }

    /// The logs that something is wanted of.
    pub(super) fn logs(&self) -> BTreeSet<LogId> {
        let places = self.places.iter().map(|(log, _)| *log);
        let readers = self.readers.iter().map(|(_, log)| *log);
        let groups = self.groups.iter().map(|(_, log)| *log);
        let searched = self.searched.iter().chain(&self.polls_searched).copied();
        places.chain(readers).chain(groups).chain(searched).collect()
    }

    pub(super) fn value(&mut self, value: Value) {
        let Value { process, seq: Seq(seq) } = value;
        self.values.entry(process).or_default().insert((seq, seq));
        self.transactions.insert(process);
    }

    fn finding(&mut self, finding: &Finding) {
        let log = finding.log;
        let ends = finding.offsets.map(|(first, last)| [first, last]);
        self.places.extend(ends.into_iter().flatten().map(|offset| (log, offset.0)));
        [finding.first, finding.last].into_iter().flatten().for_each(|value| self.value(value));
        for sighting in &finding.sightings {
            self.sighting(log, sighting);
        }
        match finding.anomaly {
            Anomaly::LostWrite
            | Anomaly::Unseen
            | Anomaly::ReorderedWrite
            | Anomaly::RealtimeInversion
            | Anomaly::InconsistentOffsets
            | Anomaly::DuplicateWrite => {
                self.searched.insert(log);
            }
            Anomaly::TornTransaction
            | Anomaly::LostCommit
            | Anomaly::ResurrectedAbort
            | Anomaly::FencingViolation
            | Anomaly::AbortedRead => {
                self.searched.insert(log);
                self.polls_searched.insert(log);
                self.outcomes.extend(finding.first.map(|value| value.process));
            }
            Anomaly::PollSkip | Anomaly::NonmonotonicPoll => {
                let polled = finding.sightings.iter().filter_map(|seen| match seen {
                    Sighting::Polled { process, offset, .. } => Some((*process, offset.0)),
                    _ => None,
                });
                let polled: Vec<_> = polled.collect();
                self.readers.extend(polled.iter().map(|(process, _)| (*process, log)));
                self.between.extend(polled.windows(2).map(|pair| (log, pair[0].1, pair[1].1)));
            }
            Anomaly::SkippedInput | Anomaly::DoubleInput | Anomaly::OutputMismatch => {
                self.groups.extend(finding.group.clone().map(|group| (group, log)));
            }
            Anomaly::DependencyCycle => self.cycle(finding),
            Anomaly::LostEffect => self.last.extend(finding.group.clone()),
            Anomaly::Phantom
            | Anomaly::Corrupt
            | Anomaly::Misrouted
            | Anomaly::StaleEnd
            | Anomaly::Undelivered
            | Anomaly::Redelivered
            | Anomaly::PrecommittedRead
            | Anomaly::LsoBreach
            | Anomaly::DuplicateEffect
            | Anomaly::PhantomEffect
            | Anomaly::MisorderedEffect
            | Anomaly::ZombieEffect
            | Anomaly::OffsetRegression
            | Anomaly::Stall => {}
        }
        // A record in a log that it was not sent to is told of by a row.
        let strayed = |seen: &Sighting| matches!(seen, Sighting::InOtherLog { .. });
        self.rows |= finding.sightings.iter().any(strayed);
        // Of a lost or doubled record of a plain producer, the columns say everything.
        self.rows |= !matches!(
            finding.anomaly,
            Anomaly::LostWrite | Anomaly::DuplicateWrite | Anomaly::Unseen | Anomaly::ReorderedWrite
        );
    }

    /// The places that make the edges of a cycle, and what its transactions read there.
    fn cycle(&mut self, finding: &Finding) {
        let processes: BTreeSet<Process> = finding
            .sightings
            .iter()
            .filter_map(|seen| match seen {
                Sighting::Transaction { process, .. } => Some(*process),
                _ => None,
            })
            .collect();
        for seen in &finding.sightings {
            let Sighting::Dependency { place: Some((log, from, to)), .. } = seen else { continue };
            self.places.extend([(*log, from.0), (*log, to.0)]);
            self.readers.extend(processes.iter().map(|process| (*process, *log)));
        }
        self.outcomes.extend(processes);
    }

    fn sighting(&mut self, log: LogId, sighting: &Sighting) {
        if let Some(value) = sighting.value() {
            self.value(value);
        }
        if let Some(offset) = sighting.offset() {
            self.places.insert((log, offset.0));
        }
        match sighting {
            Sighting::InOtherLog { log, offset, .. } => drop(self.places.insert((*log, offset.0))),
            Sighting::Transaction { process, step, time, .. } => {
                self.transactions.insert(*process);
                if let TxnStep::Holds { offset } = step {
                    self.places.insert((log, offset.0));
                }
                if let (TxnStep::Began, Some(time)) = (step, time) {
                    self.begun.insert((*process, time.0 / 1000));
                }
            }
            _ => {}
        }
    }
}
