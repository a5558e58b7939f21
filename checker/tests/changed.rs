//! The finders and the independent look at their findings agree in histories that differ from a vector in one event.
//!
//! In each vector a single event is left out, doubled, moved in time, moved to another process, or answered otherwise, and
//! in a sample another one as well. Two things must hold of what comes out, and neither program knows what was changed:
//! * Everything that the finders find there is confirmed: no false alarm.
//! * What they had found in the vector and is confirmed in the changed history all the same is found there by the
//!   finders, which share nothing with the confirmation: it is not refuted only where it should be.
//!
//! `ONCEPROOF_CHANGED_PAIRS` sets how many second changes go with each first one.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]
#![expect(clippy::wildcard_enum_match_arm, reason = "what has no numbers is left as it is")]
#![expect(clippy::disallowed_methods, reason = "shell: reads how many cases are wanted")]

#[expect(dead_code, reason = "here a contradiction is collected, not a panic")]
#[path = "random/confirmed.rs"]
mod confirmed;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use checker::confirm::{Confirmation, confirm_one};
use checker::findings::{Finding, Findings};
use confirmed::contradiction;
use history::ids::Process;
use history::op::{Cause, Event, Isolation, Op, Outcome, Phase};
use history::text::Parsed;
use rayon::prelude::*;

/// How many second changes of each first one are tried.
fn pairs() -> usize {
    std::env::var("ONCEPROOF_CHANGED_PAIRS").ok().map_or(8, |text| text.parse().unwrap())
}

fn vectors() -> Vec<(PathBuf, Parsed)> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let entries = |path: &Path| -> BTreeSet<PathBuf> {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let files = entries(&vectors).into_iter().flat_map(|directory| entries(&directory));
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "history"));
    files
        .map(|path| (path.clone(), Parsed::parse(&std::fs::read_to_string(&path).unwrap()).unwrap()))
        .collect()
}

/// What may be said of the same thing.
fn outcomes(phase: &Phase) -> Vec<Phase> {
    let Phase::Complete(outcome) = phase else { return Vec::new() };
    let offset = match outcome {
        Outcome::Ok { offset } | Outcome::Info { offset, .. } => *offset,
        Outcome::Fail { .. } => None,
    };
    let cause = Cause::default();
    let all =
        [Outcome::Ok { offset }, Outcome::Info { cause: cause.clone(), offset }, Outcome::Fail { cause }];
    all.into_iter().filter(|other| other != outcome).map(Phase::Complete).collect()
}

/// Operations that say nearly the same.
fn otherwise(op: &Op) -> Vec<Op> {
    let mut others = Vec::new();
    for by in [-1, 1] {
        let mut other = op.clone();
        match &mut other {
            Op::Open(identity) if by < 0 => identity.group = None,
            Op::Open(identity) => {
                identity.isolation = match identity.isolation {
                    Some(Isolation::ReadCommitted) => None,
                    Some(Isolation::ReadUncommitted) | None => Some(Isolation::ReadCommitted),
                };
            }
            Op::CommitOffsets { positions, .. }
            | Op::FetchCommitted { positions }
            | Op::EndOffsets { positions } => positions.iter_mut().for_each(|at| at.next.0 += by),
            Op::Poll { runs } | Op::FinalRead { runs, .. } | Op::SinkRead { runs } if by < 0 => {
                runs.iter_mut().for_each(|run| run.offset.0 += 1);
            }
            Op::Poll { runs } | Op::FinalRead { runs, .. } | Op::SinkRead { runs } => {
                runs.iter_mut().for_each(|run| run.first.seq.0 += 1);
            }
            Op::FinalReadEnd { end, reached, .. } if by < 0 => {
                reached.0 = (reached.0 - 1).max(0);
                end.0 = end.0.max(reached.0);
            }
            Op::FinalReadEnd { end, reached, .. } => (end.0, reached.0) = (end.0 + 1, end.0 + 1),
            Op::SinkReadEnd { effects } => *effects = effects.saturating_add_signed(by),
            Op::Assigned(given) | Op::Revoked(given) | Op::Lost(given) => {
                given.generation = given.generation.map(|generation| generation + by);
            }
            Op::Seek { offset, .. } => offset.0 += by,
            Op::Effect { spans } | Op::EffectBegin { spans } | Op::Derive { spans, .. } => {
                spans
                    .iter_mut()
                    .for_each(|span| (span.first.0, span.last.0) = (span.first.0 + by, span.last.0 + by));
            }
            Op::InitTxn { epoch, .. } | Op::BeginTxn { epoch, .. } => {
                *epoch = epoch.map(|epoch| if by < 0 { epoch - 1 } else { epoch + 1 });
            }
            _ => {}
        }
        others.extend((other != *op).then_some(other));
    }
    others
}

/// What is changed: the event at a place…
#[derive(Clone, Debug)]
enum Change {
    /// … is left out,
    Without(usize),
    /// recorded twice,
    Twice(usize),
    /// changes its time with the next,
    Later(usize),
    /// happens last,
    Last(usize),
    /// is another process's,
    By(usize, Process),
    /// is answered otherwise,
    Answered(usize, Phase),
    /// or says something else.
    Says(usize, Op),
}

impl Change {
    /// All changes of some events.
    fn all(events: &[Event]) -> Vec<Change> {
        let processes: BTreeSet<Process> = events.iter().map(|event| event.process).collect();
        let mut all = Vec::new();
        for (at, event) in events.iter().enumerate() {
            all.extend([Change::Without(at), Change::Twice(at), Change::Later(at), Change::Last(at)]);
            let others = processes.iter().filter(|other| **other != event.process);
            all.extend(others.map(|other| Change::By(at, *other)));
            all.extend(outcomes(&event.phase).into_iter().map(|phase| Change::Answered(at, phase)));
            all.extend(otherwise(&event.op).into_iter().map(|op| Change::Says(at, op)));
        }
        all
    }

    /// The events with this change.
    fn of(&self, events: &[Event]) -> Vec<Event> {
        let mut events = events.to_vec();
        match self {
            Change::Without(at) => drop(events.remove(*at)),
            Change::Twice(at) => events.insert(*at, events[*at].clone()),
            Change::Later(at) => {
                let next = (at + 1).min(events.len() - 1);
                (events[*at].time, events[next].time) = (events[next].time, events[*at].time);
            }
            Change::Last(at) => events[*at].time = events[events.len() - 1].time,
            Change::By(at, other) => events[*at].process = *other,
            Change::Answered(at, phase) => events[*at].phase = phase.clone(),
            Change::Says(at, op) => events[*at].op = op.clone(),
        }
        events.sort_by_key(|event| event.time);
        events
    }
}

/// Whether two findings speak of the same records.
fn meet(a: &Finding, b: &Finding) -> bool {
    let same = a.first.is_some() && a.first == b.first;
    let overlap = same
        || match (a.offsets, b.offsets) {
            (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
            (None, None) => true,
            // Of what the log does not hold, no place is told.
            (Some(_), None) => b.first.is_none(),
            (None, Some(_)) => false,
        };
    (a.anomaly, a.log, &a.group) == (b.anomaly, b.log, &b.group) && overlap
}

/// A vector and the histories that are made of it.
struct Changes {
    path: PathBuf,
    parsed: Parsed,
    findings: Findings,
}

impl Changes {
    fn of((path, parsed): (PathBuf, Parsed)) -> Self {
        let history = history::merge::events(&parsed.logs, &parsed.events).unwrap();
        Self { path, findings: checker::judge::find(&history).unwrap(), parsed }
    }

    /// Every change, with a sample of all pairs, the same in every run.
    fn all(&self) -> Vec<(Vec<Change>, Vec<Event>)> {
        let mut all = Vec::new();
        for (nth, first) in Change::all(&self.parsed.events).into_iter().enumerate() {
            let events = first.of(&self.parsed.events);
            let next = if pairs() == 0 { Vec::new() } else { Change::all(&events) };
            for more in 0..pairs().min(next.len()) {
                let second = &next[(more * 7_919 + nth * 104_729) % next.len()];
                all.push((vec![first.clone(), second.clone()], second.of(&events)));
            }
            all.push((vec![first], events));
        }
        all
    }

    /// What the two programs disagree about in one of these histories.
    fn disagreement(&self, events: &[Event]) -> Option<String> {
        // What contradicts itself is no history.
        let history = history::merge::events(&self.parsed.logs, events).ok()?;
        let found = checker::judge::find(&history).unwrap();
        if let Some((anomaly, nth, answer)) = contradiction(&history, &found) {
            return Some(format!("{anomaly} #{} is found and not confirmed: {answer:?}", nth + 1));
        }
        let kept = self.findings.anomalies.values().flat_map(|tally| tally.witnesses());
        let is_found = |finding: &Finding| {
            let there = found.anomalies.get(&finding.anomaly);
            there.is_some_and(|tally| tally.witnesses().any(|other| meet(finding, other)))
        };
        let mut not_found = kept.filter(|finding| !is_found(finding));
        let wrong = not_found
            .find(|finding| confirm_one(&history, finding).unwrap().confirmation == Confirmation::BruteForce);
        wrong.map(|finding| format!("{} is confirmed and not found: {finding:#?}", finding.anomaly))
    }
}

#[test]
fn finders_and_confirmation_agree() {
    let changes: Vec<Changes> = vectors().into_iter().map(Changes::of).collect();
    let wrong: Vec<String> = changes
        .par_iter()
        .flat_map_iter(|vector| {
            vector.all().into_iter().filter_map(|(what, events)| {
                let why = vector.disagreement(&events)?;
                let text = history::text::print(&Parsed { logs: vector.parsed.logs.clone(), events });
                Some(format!("{}, {what:?}: {why}\n{text}", vector.path.display()))
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{} disagreements:\n{}", wrong.len(), wrong.join("\n"));
}
