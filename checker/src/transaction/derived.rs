//! Every input has one committed output: for groups that say what their records were made of.
//!
//! A derivation names the records that what a process sends next is made of, one by one. An output counts where the
//! committed final read holds it (or, in a log that no transaction wrote to, any complete final read). That an input has
//! none is known only below a position that was committed, and only where every log is known that the group's
//! processes wrote to.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Offset, Process, Seq};
use history::merged::{Buffer, FinalReadEnd, History, HistoryError, Kind, ReadChunk};
use history::op::{Isolation, Span};

use super::evidence::Evidence;
use super::ledger::Ledger;
use super::pipeline::{Input, Stretch, merge, without};
use super::rows::group_of;
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, KEEP, Sighting};

/// Records that were made of others.
#[derive(Clone, Debug)]
pub(super) struct Derived {
    /// What they were made of, with the sequence number of the first.
    pub(super) spans: Vec<(Span, u32)>,
}

/// All derivations, by the process that made them.
pub(super) type Derivations = BTreeMap<Process, Vec<Derived>>;

impl Derived {
    pub(super) fn new(first: Seq, spans: &[Span]) -> Self {
        let mut next = first.0;
        let spans = spans.iter().map(|span| {
            let first = next;
            let count = span.last.0.saturating_sub(span.first.0).saturating_add(1);
            next = next.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
            (*span, first)
        });
        Self { spans: spans.collect() }
    }
}

/// Which records of the processes that derive are visible.
struct Visible {
    records: BTreeMap<Process, BTreeSet<u32>>,
    /// Processes that wrote to a log of which nobody knows what is visible.
    unknown: BTreeSet<Process>,
}

/// Reports inputs with no committed output, or with more than one.
pub(super) fn check(
    history: &History,
    ledger: &Ledger,
    (derived, inputs): (&Derivations, &BTreeMap<(&str, LogId), Input>),
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    if derived.is_empty() {
        return Ok(());
    }
    let visible = Visible::of(history, ledger, derived)?;
    for ((group, log), input) in inputs {
        let members = || derived.iter().filter(|(process, _)| group_of(history, **process) == Some(group));
        let spans = members().flat_map(|(process, made)| {
            let spans = made.iter().flat_map(|made| &made.spans).filter(|(span, _)| span.log == *log);
            spans.map(|(span, first)| (*process, *span, *first))
        });
        let mut outputs: Vec<(i64, Process, u32)> = Vec::new();
        let mut any = false;
        for (process, span, first) in spans {
            any = true;
            let records = visible.records.get(&process);
            let made = (span.first.0..=span.last.0).zip(first..);
            let seen = made.filter(|(_, seq)| records.is_some_and(|records| records.contains(seq)));
            outputs.extend(seen.map(|(offset, seq)| (offset, process, seq)));
        }
        if !any {
            continue;
        }
        outputs.sort_unstable();
        let evidence = Evidence { history, ledger, log: *log };
        for same in outputs.chunk_by(|a, b| a.0 == b.0).filter(|same| same.len() > 1) {
            let few = findings.anomalies.get(&Anomaly::OutputMismatch).map_or(0, |tally| tally.findings);
            let told = if few < 2 * KEEP as u64 { &same[..2] } else { &[] };
            let sightings = outputs_of(evidence, told)?;
            findings.push(finding(evidence, (group, (same[0].0, same[0].0 + 1)), sightings));
        }
        let all_known = members().all(|(process, _)| !visible.unknown.contains(process));
        if let Some(committed) = input.committed.filter(|_| all_known) {
            let mut held: Vec<Stretch> = outputs.iter().map(|output| (output.0, output.0 + 1)).collect();
            held.push((committed, i64::MAX));
            merge(&mut held);
            for gap in without(&input.there, &held) {
                findings.push(finding(evidence, (group, gap), Vec::new()));
            }
        }
    }
    Ok(())
}

fn finding(evidence: Evidence<'_>, (group, gap): (&str, Stretch), sightings: Vec<Sighting>) -> Finding {
    Finding {
        anomaly: Anomaly::OutputMismatch,
        log: evidence.log,
        group: Some(group.to_owned()),
        count: gap.0.abs_diff(gap.1),
        first: None,
        last: None,
        offsets: Some((Offset(gap.0), Offset(gap.1 - 1))),
        cause: None,
        sightings,
    }
}

/// How outputs were sent.
fn outputs_of(
    evidence: Evidence<'_>,
    outputs: &[(i64, Process, u32)],
) -> Result<Vec<Sighting>, HistoryError> {
    let mut sightings = Vec::new();
    for (_, process, seq) in outputs {
        let logs: BTreeSet<LogId> = evidence
            .history
            .entries()
            .iter()
            .filter(|entry| entry.kind == Kind::Sends && entry.process == *process)
            .filter(|entry| entry.seqs.0 <= *seq && *seq <= entry.seqs.1)
            .map(|entry| entry.log)
            .collect();
        for log in logs {
            let (sent, near) = Evidence { log, ..evidence }.sent(*process, *seq)?;
            if sent.is_empty() {
                continue;
            }
            let value = Evidence::value(*process, *seq);
            let level = match evidence.history.final_read(log, Isolation::ReadCommitted) {
                Some(_) => Isolation::ReadCommitted,
                None => Isolation::ReadUncommitted,
            };
            let found = Evidence { log, ..evidence }.in_final_read(level, (value, near))?;
            // Offsets in these are of the output's log.
            sightings.extend(sent.into_iter().take(1));
            sightings.extend(found.map(|offset| Sighting::InOtherLog { value, log, offset }));
        }
    }
    Ok(sightings)
}

impl Visible {
    fn of(history: &History, ledger: &Ledger, derived: &Derivations) -> Result<Self, HistoryError> {
        let mut visible = Self { records: BTreeMap::new(), unknown: BTreeSet::new() };
        for log in (0u16..).map(LogId).take(history.facts().logs.len()) {
            let senders: BTreeSet<Process> =
                history.chunks(Kind::Sends, log).iter().map(|entry| entry.process).collect();
            let complete = |level| history.final_read(log, level).is_some_and(FinalReadEnd::is_complete);
            let plain = senders.iter().all(|process| ledger.owner(process.0).is_none());
            let level = if complete(Isolation::ReadCommitted) {
                Isolation::ReadCommitted
            } else if plain && complete(Isolation::ReadUncommitted) {
                Isolation::ReadUncommitted
            } else {
                visible.unknown.extend(senders);
                continue;
            };
            visible.read(history, (log, level), derived)?;
        }
        Ok(visible)
    }

    fn read(
        &mut self,
        history: &History,
        (log, level): (LogId, Isolation),
        derived: &Derivations,
    ) -> Result<(), HistoryError> {
        let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
        for entry in history.chunks(Kind::FinalRead(level), log) {
            history.reads(entry, &mut buffer, &mut chunk)?;
            for (at, run) in chunk.runs.iter().enumerate() {
                let process = Process(run.process);
                if derived.contains_key(&process) {
                    let seqs = &chunk.seqs[run.start as usize..chunk.run_end(at)];
                    self.records.entry(process).or_default().extend(seqs);
                }
            }
        }
        Ok(())
    }
}
