//! What happened beside a witness: the records sent just before and after, what was polled around the same offsets,
//! what the log holds there, and what the processes concerned did in the meantime.

use std::collections::BTreeSet;

use history::ids::{LogId, Nanos, Offset, Process, Value};
use history::merged::{Buffer, Entry, History, HistoryError, Kind, ReadChunk, SendChunk};
use history::op::{Isolation, Op};

use super::{Moment, Part, words};
use crate::findings::{Finding, Sighting};
use crate::log::stream::{nanos, sightings, value};
use crate::scene::Scene;

/// How many records before and after are shown.
const NEAR: u32 = 2;

/// How many polls are shown.
const POLLS: usize = 12;

/// Everything beside a finding.
pub(super) fn of(
    finding: &Finding,
    history: &History,
    scene: &Scene<'_>,
) -> Result<Vec<Moment>, HistoryError> {
    let mut beside = Vec::new();
    if let Some(first) = finding.first {
        beside.extend(sends(finding.log, first, history)?);
    }
    let offsets = offsets(finding);
    beside.extend(held(finding.log, &offsets, history)?);
    beside.extend(polls(finding, &offsets, (history, scene))?);
    let mut moments: Vec<Moment> =
        beside.iter().map(|sighting| words::moment(sighting, Part::Beside, scene)).collect();
    moments.extend(rows(finding, history, scene)?);
    Ok(moments)
}

/// The offsets that the witness speaks of, and their neighbours.
fn offsets(finding: &Finding) -> BTreeSet<i64> {
    let named = finding.sightings.iter().filter(|seen| !matches!(seen, Sighting::ReadUpTo { .. }));
    let named = named.filter_map(Sighting::offset).map(|offset| offset.0);
    let near = i64::from(NEAR);
    named.take(4).flat_map(|offset| offset.saturating_sub(near)..=offset.saturating_add(near)).collect()
}

fn overlaps(entry: &Entry, offsets: &BTreeSet<i64>) -> bool {
    let (first, last) = entry.offsets;
    entry.records > 0 && first <= last && offsets.range(first..=last).next().is_some()
}

/// What the same process sent to the log just before and after.
fn sends(log: LogId, around: Value, history: &History) -> Result<Vec<Sighting>, HistoryError> {
    let (first, last) = (around.seq.0.saturating_sub(NEAR), around.seq.0.saturating_add(NEAR));
    let (mut buffer, mut chunk, mut found) = (Buffer::default(), SendChunk::default(), Vec::new());
    for entry in history.chunks(Kind::Sends, log) {
        if entry.process != around.process || entry.seqs.1 < first || entry.seqs.0 > last {
            continue;
        }
        history.sends(entry, &mut buffer, &mut chunk)?;
        let from = chunk.seqs.partition_point(|seq| *seq < first);
        for at in from..chunk.len() {
            if chunk.seqs[at] > last {
                break;
            }
            found.extend(sightings(history, entry.process.0, &chunk, at));
        }
    }
    Ok(found)
}

/// What the log holds around some offsets.
fn held(log: LogId, offsets: &BTreeSet<i64>, history: &History) -> Result<Vec<Sighting>, HistoryError> {
    let (mut buffer, mut chunk, mut found) = (Buffer::default(), ReadChunk::default(), Vec::new());
    for level in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        for entry in
            history.chunks(Kind::FinalRead(level), log).iter().filter(|entry| overlaps(entry, offsets))
        {
            history.reads(entry, &mut buffer, &mut chunk)?;
            each(&chunk, offsets, |_, offset, value| {
                found.push(Sighting::InLog { value, offset: Offset(offset) });
            });
        }
        if !found.is_empty() {
            break;
        }
    }
    Ok(found)
}

/// Who polled what around some offsets.
fn polls(
    finding: &Finding,
    offsets: &BTreeSet<i64>,
    (history, scene): (&History, &Scene<'_>),
) -> Result<Vec<Sighting>, HistoryError> {
    let (mut buffer, mut chunk, mut found) = (Buffer::default(), ReadChunk::default(), Vec::new());
    let concerns = |process: Process| {
        let of_group = |group: &String| {
            let life = scene.timeline.processes.get(&process);
            life.and_then(|life| life.identity.group.as_ref()) == Some(group)
        };
        finding.group.as_ref().is_none_or(of_group)
    };
    for entry in history.chunks(Kind::Polls, finding.log) {
        if found.len() >= POLLS || !overlaps(entry, offsets) || !concerns(entry.process) {
            continue;
        }
        history.reads(entry, &mut buffer, &mut chunk)?;
        each(&chunk, offsets, |at, offset, value| {
            let time = chunk.polls.get(chunk.poll_of(at)).map_or(Nanos(0), |poll| nanos(poll.returned));
            found.push(Sighting::Polled { process: entry.process, value, offset: Offset(offset), time });
        });
    }
    found.truncate(POLLS);
    Ok(found)
}

/// Calls with the index, offset and value of each record of a chunk at one of some offsets.
fn each(chunk: &ReadChunk, offsets: &BTreeSet<i64>, mut found: impl FnMut(usize, i64, Value)) {
    for (index, run) in chunk.runs.iter().enumerate() {
        let start = run.start as usize;
        let count = (chunk.run_end(index) - start) as u64;
        let last = run.offset.saturating_add_unsigned(count.saturating_sub(1));
        for &offset in offsets.range(run.offset..=last.max(run.offset)) {
            let Ok(more) = usize::try_from(offset.abs_diff(run.offset)) else { continue };
            if let Some(seq) = chunk.seqs.get(start + more).filter(|_| (more as u64) < count) {
                found(start + more, offset, value(run.process, *seq));
            }
        }
    }
}

/// What the processes of the witness, and their group where it is one of a group, did in the meantime.
fn rows(finding: &Finding, history: &History, scene: &Scene<'_>) -> Result<Vec<Moment>, HistoryError> {
    let times = || finding.sightings.iter().filter_map(Sighting::time);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Ok(Vec::new()) };
    let margin = (last.0 - first.0) / 4 + 1_000_000;
    let (from, to) = (first.0.saturating_sub(margin), last.0.saturating_add(margin));
    let mut named: BTreeSet<Process> = finding.sightings.iter().filter_map(Sighting::process).collect();
    let group = |process: &Process| scene.timeline.processes[process].identity.group.as_ref();
    let members = scene.timeline.processes.keys();
    named.extend(
        members.filter(|process| finding.group.is_some() && group(process) == finding.group.as_ref()),
    );
    // What the witness says already needs no second line.
    let said = |process: Process, time: Nanos| {
        finding
            .sightings
            .iter()
            .filter(|seen| is_row(seen))
            .any(|seen| (seen.process(), seen.time()) == (Some(process), Some(time)))
    };
    let mut moments = Vec::new();
    for event in history.events()? {
        let event = event?;
        if event.time.0 > to {
            break;
        }
        if event.time.0 >= from
            && named.contains(&event.process)
            && concerns(&event.op, finding.log)
            && !said(event.process, event.time)
        {
            moments.extend(words::row(&event, scene));
        }
    }
    Ok(moments)
}

/// Whether a sighting is a row of the history, with its very time.
fn is_row(sighting: &Sighting) -> bool {
    matches!(
        sighting,
        Sighting::Assigned { .. }
            | Sighting::Sought { .. }
            | Sighting::Crashed { .. }
            | Sighting::Committed { .. }
            | Sighting::Fetched { .. }
            | Sighting::Effected { .. }
    )
}

/// Whether an operation has to do with a log; what names none has.
fn concerns(op: &Op, log: LogId) -> bool {
    match op {
        Op::Assigned(assignment) | Op::Revoked(assignment) | Op::Lost(assignment) => {
            assignment.logs.contains(&log)
        }
        Op::Seek { log: other, .. } => *other == log,
        Op::EffectBegin { spans } | Op::Effect { spans } | Op::Derive { spans, .. } => {
            spans.iter().any(|span| span.log == log)
        }
        Op::CommitOffsets { positions, .. }
        | Op::FetchCommitted { positions }
        | Op::EndOffsets { positions } => positions.iter().any(|position| position.log == log),
        Op::Open(_)
        | Op::Close
        | Op::Crash { .. }
        | Op::Send { .. }
        | Op::InitTxn { .. }
        | Op::BeginTxn { .. }
        | Op::CommitTxn
        | Op::AbortTxn
        | Op::Poll { .. }
        | Op::FinalRead { .. }
        | Op::FinalReadEnd { .. }
        | Op::SinkRead { .. }
        | Op::SinkReadEnd { .. }
        | Op::Batch(_)
        | Op::Foreign { .. }
        | Op::Fault { .. }
        | Op::Heal { .. }
        | Op::Observe(_)
        | Op::Phase { .. } => true,
    }
}
