//! Whole runs of both client families side by side: what each mode promises and where it breaks, for each of them.
//!
//! What a family did is counted by Kafka's own dumper and the journals' headers, which share no code with the checker.

use std::collections::BTreeMap;

use history::ids::Process;
use history::journal::Reader;

use super::program::{Program, Ran};
use super::witness::{acknowledged, dumped};
use crate::{NEW, OLD};

/// What one family's producers did.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    acknowledged: usize,
    /// Acknowledged and not in the log.
    lost: usize,
    /// Copies beyond the first.
    twice: usize,
}

/// Counted without the checker, by family.
fn counted(ran: &Ran) -> BTreeMap<String, Counts> {
    let mut families: BTreeMap<Process, String> = BTreeMap::new();
    for file in std::fs::read_dir(ran.folder.join("journals")).unwrap() {
        let reader = Reader::open(file.unwrap().path()).unwrap();
        families.insert(reader.header().process, reader.header().identity.family.clone());
    }
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    let acknowledged = acknowledged(ran);
    for (log, dump) in dumped(ran) {
        let values = dump.values();
        for (value, offsets) in &values {
            counts.entry(families[&value.process].clone()).or_default().twice += offsets.len() - 1;
        }
        for value in acknowledged.get(&log).into_iter().flatten() {
            let of = counts.entry(families[&value.process].clone()).or_default();
            of.acknowledged += 1;
            of.lost += usize::from(!values.contains_key(value));
        }
    }
    counts
}

/// Runs a spec and counts; the checker's totals are the dump's.
fn run(spec: &str, version: &str) -> (Ran, BTreeMap<String, Counts>) {
    let ran = Program::new().run(spec, version, 1);
    let counts = counted(&ran);
    let sum = |of: fn(&Counts) -> usize| counts.values().map(of).sum::<usize>();
    assert_eq!(ran.count("duplicate-write"), sum(|counts| counts.twice), "{}", ran.told());
    assert_eq!(ran.count("lost-write"), sum(|counts| counts.lost), "{}", ran.told());
    for family in ["java", "librdkafka"] {
        assert!(counts[family].acknowledged > 100, "{family}: {counts:?}: {}", ran.told());
    }
    (ran, counts)
}

#[track_caller]
fn shows(ran: &Ran, verdict: &str) {
    assert_eq!((ran.text("verdict"), ran.exit), (verdict.to_owned(), 0), "{}", ran.told());
}

#[test]
fn idempotent_producers_of_both_families_store_everything_once() {
    let (ran, counts) = run("m05-exactly-once", NEW);
    shows(&ran, "valid");
    assert!(counts.values().all(|counts| (counts.lost, counts.twice) == (0, 0)), "{counts:?}");
}

#[test]
fn an_application_that_sends_again_after_a_timeout_stores_twice_with_both_families() {
    let (ran, counts) = run("m05-sent-again-after-timeout", NEW);
    shows(&ran, "invalid");
    assert!(counts.values().all(|counts| counts.twice > 0 && counts.lost == 0), "{counts:?}");
}

#[test]
fn the_same_faults_duplicate_with_librdkafkas_defaults_and_not_with_javas() {
    let (ran, counts) = run("default-face-off", NEW);
    shows(&ran, "invalid");
    assert_eq!((counts["java"].lost, counts["java"].twice), (0, 0), "{counts:?}");
    assert!(counts["librdkafka"].twice > 0, "{counts:?}");
}

#[test]
fn an_older_java_client_and_librdkafka_work_side_by_side_in_groups_of_their_own() {
    let (ran, counts) = run("mixed-versions-and-families", NEW);
    shows(&ran, "valid");
    assert!(counts.values().all(|counts| (counts.lost, counts.twice) == (0, 0)), "{counts:?}");
    let versions: Vec<String> = std::fs::read_dir(ran.folder.join("journals"))
        .unwrap()
        .map(|file| Reader::open(file.unwrap().path()).unwrap().header().identity.clone())
        .filter(|identity| identity.family == "java")
        .map(|identity| identity.version)
        .collect();
    assert_eq!(versions, [OLD, OLD], "producer and consumer are of the older version");
}
