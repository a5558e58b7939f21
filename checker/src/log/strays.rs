//! Values found in a log that nobody sent to that log, judged across logs: `phantom` or `misrouted`.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Offset, Process, Value};
use history::merged::{Buffer, History, HistoryError, Kind, ReadChunk, SendChunk};
use history::op::ForeignRecord;

use super::matching::Stray;
use super::stream::{sightings, value};
use super::truth::truth_of;
use crate::anomaly::Anomaly;
use crate::delivery::context::Context;
use crate::findings::{Finding, Findings, Sighting};

/// Where a value was sent, with how.
type Homes = BTreeMap<Value, (LogId, Vec<Sighting>)>;

/// Judges the strays of all logs and the records that are not ours.
pub(super) fn judge(
    history: &History,
    context: &Context,
    mut strays: Vec<Stray>,
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    for (&(log, offset), why) in &context.foreign {
        match why {
            ForeignRecord::Corrupt => {
                findings.push(foreign(
                    Anomaly::Corrupt,
                    (log, offset),
                    "a record whose checksum does not match".to_owned(),
                ));
            }
            ForeignRecord::Phantom { preview } => {
                findings.push(foreign(
                    Anomaly::Phantom,
                    (log, offset),
                    format!("what is not ours: {preview}"),
                ));
            }
            ForeignRecord::Misrouted { value, .. } => {
                strays.push(Stray { value: *value, log, offset: offset.0, polled_by: None });
            }
        }
    }
    strays.sort_unstable();
    strays.dedup_by_key(|stray| (stray.value, stray.log, stray.offset));
    let homes = homes(history, &strays)?;
    copies(history, &strays, &homes, findings)?;
    strays.sort_unstable_by_key(|stray| (stray.log, stray.offset, stray.value));
    for stray in &strays {
        match homes.get(&stray.value) {
            Some((home, sent)) => findings.push(misrouted(history, stray, *home, sent)),
            None if may_be_missing(history, stray.value.process) => {}
            None => findings.push(stray_finding(Anomaly::Phantom, stray, Vec::new())),
        }
    }
    Ok(())
}

/// Whether a process's journal was cut, so that it may have sent what is not in it.
fn may_be_missing(history: &History, process: Process) -> bool {
    history.facts().processes.get(&process).is_some_and(|facts| facts.truncated)
}

/// Finds where each value was sent.
fn homes(history: &History, strays: &[Stray]) -> Result<Homes, HistoryError> {
    let mut homes = Homes::new();
    let (mut buffer, mut chunk) = (Buffer::default(), SendChunk::default());
    if strays.is_empty() {
        return Ok(homes);
    }
    for entry in history.entries().iter().filter(|entry| entry.kind == Kind::Sends) {
        let (first, last) = (value(entry.process.0, entry.seqs.0), value(entry.process.0, entry.seqs.1));
        let from = strays.partition_point(|stray| stray.value < first);
        let wanted = &strays[from..];
        let wanted = &wanted[..wanted.partition_point(|stray| stray.value <= last)];
        if wanted.is_empty() {
            continue;
        }
        history.sends(entry, &mut buffer, &mut chunk)?;
        for stray in wanted {
            if let Ok(at) = chunk.seqs.binary_search(&stray.value.seq.0) {
                let sent = sightings(history, entry.process.0, &chunk, at);
                homes.insert(stray.value, (entry.log, sent));
            }
        }
    }
    Ok(homes)
}

/// Copies of one value in several logs.
fn copies(
    history: &History,
    strays: &[Stray],
    homes: &Homes,
    findings: &mut Findings,
) -> Result<(), HistoryError> {
    let in_logs: Vec<&Stray> = strays.iter().filter(|stray| stray.polled_by.is_none()).collect();
    let mut wanted: BTreeMap<LogId, BTreeSet<Value>> = BTreeMap::new();
    for stray in &in_logs {
        if let Some((home, _)) = homes.get(&stray.value) {
            wanted.entry(*home).or_default().insert(stray.value);
        }
    }
    let mut at_home = BTreeMap::new();
    for (log, values) in wanted {
        find(history, log, &values, &mut at_home)?;
    }
    for copies in in_logs.chunk_by(|a, b| a.value == b.value) {
        let value = copies[0].value;
        let Some((log, sent)) = homes.get(&value) else { continue };
        let home = at_home.get(&value).map(|offset| (*log, *offset));
        let (log, first) = home.unwrap_or((copies[0].log, copies[0].offset));
        let later = if home.is_some() { copies } else { &copies[1..] };
        for copy in later {
            let mut sightings = sent.clone();
            let offset = Offset(first);
            sightings.push(match log == copy.log {
                true => Sighting::InLog { value, offset },
                false => Sighting::InOtherLog { value, log, offset },
            });
            findings.push(stray_finding(Anomaly::DuplicateWrite, copy, sightings));
        }
    }
    Ok(())
}

/// Finds the first offset of some values in a log.
fn find(
    history: &History,
    log: LogId,
    values: &BTreeSet<Value>,
    found: &mut BTreeMap<Value, i64>,
) -> Result<(), HistoryError> {
    let mut scan = truth_of(history, log).scan();
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    while scan.next(&mut buffer, &mut chunk, |_, _| true)? {
        for (index, run) in chunk.runs.iter().enumerate() {
            let seqs = &chunk.seqs[run.start as usize..chunk.run_end(index)];
            for (&seq, offset) in seqs.iter().zip(run.offset..) {
                let value = value(run.process, seq);
                if values.contains(&value) {
                    found.entry(value).or_insert(offset);
                }
            }
        }
    }
    Ok(())
}

fn misrouted(history: &History, stray: &Stray, home: LogId, sent: &[Sighting]) -> Finding {
    let mut finding = stray_finding(Anomaly::Misrouted, stray, sent.to_vec());
    let meant_for = history.log(home).map_or_else(|| home.to_string(), ToString::to_string);
    let why = format!("a record that was sent to {meant_for}");
    finding.sightings.push(Sighting::Foreign { offset: Offset(stray.offset), why });
    finding
}

fn stray_finding(anomaly: Anomaly, stray: &Stray, mut sightings: Vec<Sighting>) -> Finding {
    let (value, offset) = (stray.value, Offset(stray.offset));
    sightings.push(match stray.polled_by {
        None => Sighting::InLog { value, offset },
        Some((process, time)) => Sighting::Polled { process, value, offset, time },
    });
    Finding {
        anomaly,
        log: stray.log,
        group: None,
        count: 1,
        first: Some(value),
        last: Some(value),
        offsets: Some((offset, offset)),
        cause: None,
        sightings,
    }
}

fn foreign(anomaly: Anomaly, (log, offset): (LogId, Offset), why: String) -> Finding {
    Finding {
        anomaly,
        log,
        group: None,
        count: 1,
        first: None,
        last: None,
        offsets: Some((offset, offset)),
        cause: None,
        sightings: vec![Sighting::Foreign { offset, why }],
    }
}
