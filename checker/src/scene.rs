//! What explanations draw on: the names of logs and processes, what went on around them, and the record batches.
//!
//! A scene is put together for the few records that findings point to; of the record batches (there may be millions)
//! it keeps those that hold such a record.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Offset, Process, TopicPartition, Value};
use history::merged::{BatchChunk, Buffer, History, HistoryError, Kind};
use history::op::Batch;

use crate::findings::{Finding, Findings, Sighting};
use crate::question::Settings;
use crate::timeline::{Timeline, log_name};

/// What explanations draw on.
#[derive(Clone, Copy, Debug)]
pub struct Scene<'a> {
    /// The logs by their number.
    pub logs: &'a [TopicPartition],
    /// The run around the records.
    pub timeline: &'a Timeline,
    /// Batches that hold the records of findings.
    pub batches: &'a Batches,
    /// The settings that were in effect.
    pub settings: &'a Settings,
}

/// Record batches by log and offset.
#[derive(Clone, Debug, Default)]
pub struct Batches {
    by_base: BTreeMap<(LogId, Offset), Batch>,
}

impl Batches {
    /// Reads those batches of a history that hold a record of a finding.
    ///
    /// # Errors
    /// Whatever the history's chunks refuse.
    pub fn of_findings(findings: &Findings, history: &History) -> Result<Batches, HistoryError> {
        let kept = findings.anomalies.values().flat_map(|tally| tally.witnesses());
        let wanted: BTreeSet<(LogId, Offset)> = kept.flat_map(offsets).collect();
        let logs: BTreeSet<LogId> = wanted.iter().map(|(log, _)| *log).collect();
        let holds_one = |log: LogId, first: Offset, last: Offset| {
            first <= last && wanted.range((log, first)..=(log, last)).next().is_some()
        };
        let (mut batches, mut buffer, mut chunk) =
            (Batches::default(), Buffer::default(), BatchChunk::default());
        for log in logs {
            for entry in history.chunks(Kind::Batches, log) {
                let (first, last) = entry.offsets;
                if holds_one(log, Offset(first), Offset(last)) {
                    history.batches(entry, &mut buffer, &mut chunk)?;
                    let held = chunk.batches.iter();
                    let held = held.filter(|batch| holds_one(log, batch.base_offset, batch.last_offset));
                    batches.by_base.extend(held.map(|batch| ((log, batch.base_offset), *batch)));
                }
            }
        }
        Ok(batches)
    }

    /// The batch that holds an offset.
    pub fn at(&self, log: LogId, offset: Offset) -> Option<&Batch> {
        let (_, batch) = self.by_base.range(..=(log, offset)).next_back()?;
        (batch.log == log && batch.last_offset >= offset).then_some(batch)
    }
}

/// Every offset that a finding's sightings name.
fn offsets(finding: &Finding) -> impl Iterator<Item = (LogId, Offset)> {
    finding.sightings.iter().filter_map(Sighting::offset).map(|offset| (finding.log, offset))
}

impl Scene<'_> {
    /// A log by its name.
    pub fn log(&self, log: LogId) -> String {
        log_name(self.logs, log)
    }

    /// A process by its name and number.
    pub fn process(&self, process: Process) -> String {
        self.timeline.process(process)
    }

    /// A value with the name of its sender: `3:17 of shop[0]`.
    pub fn value(&self, value: Value) -> String {
        match self.timeline.processes.get(&value.process) {
            Some(life) if !life.identity.name.is_empty() => format!("{value} of {}", life.identity.name),
            Some(_) | None => value.to_string(),
        }
    }
}
