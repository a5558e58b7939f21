//! An independent look confirms every witness of every vector, and refuses wrong ones.
//!
//! A confirmation that cannot refuse is worthless. So each finding of a vector is held against the other vectors of its
//! anomaly, in which it is not true, and damaged in every way that makes another statement of it: each of these must
//! be refused, and for each anomaly at least one by its definition, not for a sighting that was never recorded.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]

#[path = "random/confirmed.rs"]
mod confirmed;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use checker::anomaly::Anomaly;
use checker::confirm::{Confirmation, confirm_one};
use checker::findings::{Finding, Sighting};
use confirmed::assert_confirmed;
use history::ids::{Offset, Seq, Value};
use history::merged::History;
use history::text::Parsed;

fn histories() -> Vec<(PathBuf, History)> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors");
    let entries = |path: &Path| -> BTreeSet<PathBuf> {
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let files = entries(&vectors).into_iter().flat_map(|directory| entries(&directory));
    let files = files.filter(|path| path.extension().is_some_and(|extension| extension == "history"));
    let read = |path: PathBuf| {
        let parsed = Parsed::parse(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let history = history::merge::events(&parsed.logs, &parsed.events).unwrap();
        (path, history)
    };
    files.map(read).collect()
}

#[test]
fn every_witness_of_every_vector_is_confirmed() {
    for (path, history) in histories() {
        let findings = checker::judge::find(&history).unwrap();
        assert_confirmed(&history, &findings, &|| path.display().to_string());
    }
}

/// Findings that say something else.
fn damaged(finding: &Finding) -> Vec<Finding> {
    let mut damaged = Vec::new();
    let other = |value: Value, by: u32| Value { seq: Seq(value.seq.0.wrapping_add(by)), ..value };
    for by in [1, u32::MAX, 2] {
        // The same about a neighbour: nothing of what is told of the record itself is kept.
        let about = |value: Option<Value>| value.map(|value| other(value, by));
        let near = |offset: Offset| Offset(offset.0 + i64::from(by.cast_signed()));
        let mut shifted = finding.clone();
        (shifted.first, shifted.last) = (about(finding.first), about(finding.last));
        damaged.push(Finding { sightings: Vec::new(), ..shifted.clone() });
        damaged.push(shifted.clone());
        shifted.offsets = finding.offsets.map(|(first, last)| (near(first), near(last)));
        damaged.push(Finding { sightings: Vec::new(), ..shifted.clone() });
        let kept = |sighting: &Sighting| sighting.value().is_none() || sighting.value() != finding.first;
        shifted.sightings.retain(kept);
        damaged.push(shifted);
    }
    for without in 0..finding.sightings.len() {
        let mut less = finding.clone();
        less.sightings.remove(without);
        damaged.push(Finding { first: None, last: None, offsets: None, ..less });
    }
    let mut sightings = finding.sightings.clone();
    sightings.reverse();
    damaged.push(Finding { sightings, ..finding.clone() });
    damaged
}

#[test]
fn wrong_findings_are_refused() {
    let histories = histories();
    let mut refused: BTreeMap<Anomaly, [usize; 2]> = BTreeMap::new();
    let mut seen = BTreeSet::new();
    for (path, history) in &histories {
        let findings = checker::judge::find(history).unwrap();
        let kept = |finding: &Finding| {
            let tallies = findings.anomalies.get(&finding.anomaly);
            tallies.into_iter().flat_map(|tally| tally.witnesses()).any(|kept| says_the_same(kept, finding))
        };
        for finding in findings.anomalies.values().flat_map(|tally| tally.witnesses()) {
            seen.insert(finding.anomaly);
            let mut note = |history: &History, finding: &Finding| {
                let answer = confirm_one(history, finding).unwrap();
                if answer.confirmation == Confirmation::Refuted {
                    let by_definition =
                        !answer.why.unwrap_or_default().starts_with("the history does not say");
                    refused.entry(finding.anomaly).or_default()[usize::from(by_definition)] += 1;
                }
                answer.confirmation
            };
            for damaged in damaged(finding) {
                note(history, &damaged);
            }
            for (other, elsewhere) in &histories {
                let same_folder = other.parent() == path.parent();
                let found = checker::judge::find(elsewhere).unwrap();
                let there = found.anomalies.get(&finding.anomaly);
                if same_folder && there.is_none() {
                    let answer = note(elsewhere, finding);
                    let name = other.display();
                    assert_ne!(answer, Confirmation::BruteForce, "{name}\n{finding:#?}");
                }
            }
            assert!(kept(finding));
        }
    }
    for anomaly in seen {
        let [_, by_definition] = refused.get(&anomaly).copied().unwrap_or_default();
        assert!(by_definition > 0, "{anomaly} is never refused: {refused:?}");
    }
}

/// What is answered to each wrong finding, a letter each: confirmed, argued, refuted for a sighting or by definition.
#[test]
fn answers_to_wrong_findings() {
    let histories = histories();
    let mut lines = Vec::new();
    for (path, history) in &histories {
        let findings = checker::judge::find(history).unwrap();
        for finding in findings.anomalies.values().flat_map(|tally| tally.witnesses()) {
            let neighbours = histories.iter().filter(|(other, _)| other.parent() == path.parent());
            let elsewhere = neighbours.map(|(_, history)| letter(history, finding));
            let damaged = damaged(finding).into_iter().map(|damaged| letter(history, &damaged));
            let (damaged, elsewhere): (String, String) = (damaged.collect(), elsewhere.collect());
            let name = path.iter().rev().take(2).collect::<Vec<_>>();
            let name = format!("{}/{}", name[1].display(), name[0].display());
            lines.push(format!("{name} {}: {damaged} {elsewhere}", finding.anomaly));
        }
    }
    insta::assert_snapshot!(lines.join("\n"));
}

fn letter(history: &History, finding: &Finding) -> char {
    let answer = confirm_one(history, finding).unwrap();
    match (answer.confirmation, answer.why.unwrap_or_default().starts_with("the history does not say")) {
        (Confirmation::BruteForce, _) => 'c',
        (Confirmation::Argument, _) => 'a',
        (Confirmation::Refuted, true) => 's',
        (Confirmation::Refuted, false) => 'd',
    }
}

fn says_the_same(a: &Finding, b: &Finding) -> bool {
    (a.anomaly, a.log, a.first, a.last, a.offsets) == (b.anomaly, b.log, b.first, b.last, b.offsets)
}
