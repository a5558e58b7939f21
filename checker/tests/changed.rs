//! The finders and the independent look at their findings agree in histories that differ from a vector in one event.
//!
//! In each vector a single event is left out, doubled, moved in time, moved to another process, or answered otherwise, and
//! in a sample another one as well. Two things must hold of what comes out, and neither program knows what was changed:
//! * Everything that the finders find there is confirmed: no false alarm.
//! * What they had found in the vector and is confirmed in the changed history all the same is found there by the
//!   finders, which share nothing with the confirmation: it is not refuted only where it should be.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]

#[expect(dead_code, reason = "here a contradiction is collected, not a panic")]
#[path = "random/confirmed.rs"]
mod confirmed;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use checker::confirm::{Confirmation, confirm_one};
use checker::findings::{Finding, Findings};
use confirmed::contradiction;
use history::ids::Process;
use history::op::{Cause, Event, Outcome, Phase};
use history::text::Parsed;
use rayon::prelude::*;

/// How many second changes of each first one are tried.
const PAIRS: usize = 8;

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

/// The events with one of them changed, in every way.
fn changed(events: &[Event]) -> Vec<(String, Vec<Event>)> {
    let processes: BTreeSet<Process> = events.iter().map(|event| event.process).collect();
    let mut changed = Vec::new();
    for at in 0..events.len() {
        let mut with = |what: String, change: &dyn Fn(&mut Vec<Event>)| {
            let mut events = events.to_vec();
            change(&mut events);
            events.sort_by_key(|event| event.time);
            changed.push((format!("{what} of event {at}, {:?}", events.get(at)), events));
        };
        with("without".to_owned(), &|events| drop(events.remove(at)));
        with("twice".to_owned(), &|events| events.insert(at, events[at].clone()));
        if at + 1 < events.len() {
            with("later".to_owned(), &|events| {
                let (one, next) = (events[at].time, events[at + 1].time);
                (events[at].time, events[at + 1].time) = (next, one);
            });
            with("last".to_owned(), &|events| events[at].time = events[events.len() - 1].time);
        }
        for other in processes.iter().filter(|other| **other != events[at].process) {
            with(format!("by {other}"), &|events| events[at].process = *other);
        }
        for phase in outcomes(&events[at].phase) {
            with(format!("{phase:?}"), &|events| events[at].phase = phase.clone());
        }
    }
    changed
}

/// Whether two findings speak of the same records.
fn meet(a: &Finding, b: &Finding) -> bool {
    let overlap = match (a.offsets, b.offsets) {
        (Some(a), Some(b)) => a.0 <= b.1 && b.0 <= a.1,
        (None, None) => true,
        // Of what the log does not hold, no place is told.
        (Some(_), None) => b.first.is_none() || a.first == b.first,
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
    fn all(&self) -> Vec<(String, Vec<Event>)> {
        let mut all = changed(&self.parsed.events);
        for nth in 0..all.len() {
            let next = changed(&all[nth].1);
            let some = (0..PAIRS.min(next.len())).map(|more| (more * 7_919 + nth * 104_729) % next.len());
            let pairs = some.map(|at| (format!("{}, {}", all[nth].0, next[at].0), next[at].1.clone()));
            all.extend(pairs.collect::<Vec<_>>());
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
                Some(format!("{}, {what}: {why}\n{text}", vector.path.display()))
            })
        })
        .collect();
    assert!(wrong.is_empty(), "{} disagreements:\n{}", wrong.len(), wrong.join("\n"));
}
