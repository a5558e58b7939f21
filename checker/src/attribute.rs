//! What was going on around an anomaly: fault windows, changes in the cluster, and what the record batches say.
//!
//! The window of a witness reaches from its earliest to its latest event. A lost record was lost after its
//! acknowledgement and before the final read, which may be minutes later; its window ends at the first new leader of
//! its log after the acknowledgement, because it is an election that decides which tail survives. A record that was
//! never delivered was skipped before the group went past it; its window begins at the first death of a member. Batches tell a
//! client's resend (no producer id, or another sequence) from a broker's duplicate (same producer id, epoch and
//! sequence, twice).

use std::collections::BTreeSet;

use history::ids::{FaultId, LogId, Nanos, Offset};
use history::op::Batch;

use crate::anomaly::Anomaly;
use crate::findings::{Finding, Sighting, Tally};
use crate::scene::Scene;
use crate::verdict::{Around, ClusterChange, MAX_LISTED};

/// A stretch of time of one log.
#[derive(Clone, Copy, Debug)]
pub struct Window {
    /// The log.
    pub log: LogId,
    /// Its beginning.
    pub from: Nanos,
    /// Its end, inclusive.
    pub to: Nanos,
}

/// What was going on around the kept witnesses of an anomaly.
pub fn around(tally: &Tally, scene: &Scene<'_>) -> Around {
    let windows: Vec<Window> = tally.witnesses().filter_map(|finding| window(finding, scene)).collect();
    let mut faults: BTreeSet<FaultId> = BTreeSet::new();
    for window in &windows {
        faults.extend(open_faults(window, scene));
    }
    let cluster: Vec<&ClusterChange> = scene
        .timeline
        .changes
        .iter()
        .filter(|(log, change)| windows.iter().any(|window| window.holds(*log, change.seen)))
        .map(|(_, change)| change)
        .collect();
    Around {
        from: windows.iter().map(|window| window.from).min(),
        to: windows.iter().map(|window| window.to).max(),
        faults: faults.into_iter().take(MAX_LISTED).collect(),
        cluster_changes: cluster.len() as u64,
        cluster: cluster.into_iter().take(MAX_LISTED).cloned().collect(),
        batches: tally.first.first().map(|finding| batch_words(finding, scene)).unwrap_or_default(),
    }
}

/// The faults that were open at some time of a window.
pub fn open_faults(window: &Window, scene: &Scene<'_>) -> Vec<FaultId> {
    let faults = scene.timeline.faults.values();
    faults.filter(|fault| fault.was_open(window.from, window.to)).map(|fault| fault.id).collect()
}

/// The window of one witness; none where the history keeps no time for any of its events.
pub fn window(finding: &Finding, scene: &Scene<'_>) -> Option<Window> {
    let times = || finding.sightings.iter().filter_map(Sighting::time);
    let (first, last) = (times().min()?, times().max()?);
    let from =
        if finding.anomaly == Anomaly::Undelivered { skip_began(finding, first, scene) } else { first };
    let to = if lies_open(finding.anomaly) { loss_ends(finding.log, last, scene) } else { last };
    Some(Window { log: finding.log, from, to })
}

/// Whether what went wrong happened after the last event that witnesses it.
fn lies_open(anomaly: Anomaly) -> bool {
    matches!(
        anomaly,
        Anomaly::LostWrite
            | Anomaly::Unseen
            | Anomaly::InconsistentOffsets
            | Anomaly::LostCommit
            | Anomaly::Stall
    )
}

/// When a record that was there at `since` was certainly gone, if an election took it: the first new leader seen
/// afterwards; without one, the end of the run.
fn loss_ends(log: LogId, since: Nanos, scene: &Scene<'_>) -> Nanos {
    let elected = scene
        .timeline
        .changes
        .iter()
        .find(|(changed, change)| *changed == log && change.seen >= since && change.is_new_leader());
    elected.map(|(_, change)| change.seen).or(scene.timeline.ended).unwrap_or(since)
}

/// When records that a group went past before `until` may first have been skipped: at the first death of one of its
/// members, which is what takes records out of hands that had them.
fn skip_began(finding: &Finding, until: Nanos, scene: &Scene<'_>) -> Nanos {
    let members = scene.timeline.processes.values().filter(|life| life.identity.group == finding.group);
    let deaths = members.filter_map(|life| life.crashed.as_ref().map(|(time, _)| *time));
    deaths.min().map_or(until, |death| death.min(until))
}

impl Window {
    /// Whether something that happened to a log falls into it.
    pub fn holds(&self, log: LogId, time: Nanos) -> bool {
        self.log == log && self.from <= time && time <= self.to
    }
}

/// What the record batches say about a finding, in words.
fn batch_words(finding: &Finding, scene: &Scene<'_>) -> Vec<String> {
    let copies: Vec<(Offset, &Batch)> = finding
        .sightings
        .iter()
        .filter_map(|sighting| match (sighting, finding.anomaly) {
            (Sighting::InLog { offset, .. }, _) => Some(*offset),
            (Sighting::Acknowledged { offset, .. }, Anomaly::LostWrite) => *offset,
            (_, _) => None,
        })
        .filter_map(|offset| Some((offset, scene.batches.at(finding.log, offset)?)))
        .collect();
    let is_lost = finding.anomaly == Anomaly::LostWrite;
    let said = copies.iter().take(4).map(|(offset, batch)| describe(*offset, batch, is_lost));
    let mut words: Vec<String> = said.collect();
    if let ([(first, a), (second, b), ..], Anomaly::DuplicateWrite) = (copies.as_slice(), finding.anomaly) {
        words.push(whose_copy(&Copied::new(*first, a), &Copied::new(*second, b)).to_owned());
    }
    words
}

/// What a batch says of one of its records; of one that took a lost record's offset, that it did.
fn describe(offset: Offset, batch: &Batch, is_lost: bool) -> String {
    let record = match is_lost {
        true => format!("what is now at offset {offset}"),
        false => format!("the record at offset {offset}"),
    };
    let base = format!("{record} was appended in leader epoch {}", batch.leader_epoch);
    if batch.producer_id < 0 {
        return format!("{base} without a producer id");
    }
    let sequence = Copied::new(offset, batch).sequence;
    format!(
        "{base} by producer id {}, epoch {}, sequence {sequence}",
        batch.producer_id, batch.producer_epoch
    )
}

/// How an idempotent producer identifies a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Copied {
    producer: i64,
    epoch: i16,
    sequence: i64,
}

impl Copied {
    fn new(offset: Offset, batch: &Batch) -> Copied {
        let within = offset.0.saturating_sub(batch.base_offset.0);
        // Sequences wrap to 0 after the largest 32-bit number.
        let sequence = i64::from(batch.base_sequence).saturating_add(within) % (i64::from(i32::MAX) + 1);
        Copied { producer: batch.producer_id, epoch: batch.producer_epoch, sequence }
    }
}

/// Who made the second copy.
fn whose_copy(first: &Copied, second: &Copied) -> &'static str {
    if first.producer < 0 || second.producer < 0 {
        "without producer ids a broker cannot recognise a batch that is sent again: the client's resend made the copy"
    } else if first == second {
        "both copies carry the same producer id, epoch and sequence: the broker appended one batch twice"
    } else if first.producer != second.producer {
        "the copies carry two producer ids: a later producer session sent the record again"
    } else {
        "the copies carry different sequences of one producer id: the client sent the record again as a new one"
    }
}
