//! Whole runs of the program on real Kafka: what each built-in spec promises, judged, and counted again by others.
//!
//! Every run is the released program's own, with its data kept, and its verdict is held against two witnesses that
//! share no code with the checker: Kafka's `DumpLogSegments` on the stopped brokers' files, and the clients'
//! journals read entry by entry. The releases must be in the cache (`./test` fetches them).

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "shell: runs the program and tells what it did"
)]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod acceptance {
    mod families;
    mod modes;
    pub(crate) mod program;
    pub(crate) mod sinks;
    pub(crate) mod witness;
}

use std::collections::BTreeMap;

use acceptance::program::{Program, Ran};
use acceptance::sinks;
use acceptance::witness::{acknowledged, dumped};

/// The oldest and the newest release that every change is tested with.
const OLD: &str = "3.9.1";
const NEW: &str = "4.3.1";

/// The verdict's counts of lost and duplicated records are those of the dump, log by log.
fn agrees_with_the_dump(ran: &Ran) {
    let dumps = dumped(ran);
    let acknowledged = acknowledged(ran);
    let (mut lost, mut duplicates, mut records) = (0, 0, 0);
    for (log, dump) in &dumps {
        let values = dump.values();
        records += dump.records.len();
        duplicates += dump.duplicates();
        let known = acknowledged.get(log).cloned().unwrap_or_default();
        lost += known.iter().filter(|value| !values.contains_key(value)).count();
    }
    assert_eq!(ran.count("lost-write"), lost, "lost records: verdict and dump, {}", ran.place());
    assert_eq!(ran.count("duplicate-write"), duplicates, "duplicates: verdict and dump, {}", ran.place());
    assert_eq!(ran.number(&["counts", "final_read"]), records, "records: verdict and dump, {}", ran.place());
    assert!(records > 100, "the dump holds records, {}", ran.place());
}

fn run(spec: &str, version: &str) -> Ran {
    Program::new().run(spec, version, 1)
}

/// What the headline specs are run with: the old release once, the new one with as many seeds as
/// `ONCEPROOF_SEEDS` says (once in the test command; more for a statement about chance).
fn rounds() -> Vec<(&'static str, u64)> {
    let seeds = std::env::var("ONCEPROOF_SEEDS").ok().and_then(|seeds| seeds.parse().ok()).unwrap_or(1);
    std::iter::once((OLD, 1)).chain((1..=seeds).map(|seed| (NEW, seed))).collect()
}

/// The same with Java consumers.
fn run_java(spec: &str, version: &str) -> Ran {
    Program::new().run_set(spec, version, 1, &["clients.billing.family=java".to_owned()])
}

fn run_with(spec: &str, (version, seed): (&str, u64)) -> Ran {
    let ran = Program::new().run(spec, version, seed);
    println!(
        "{spec} on {version}, seed {seed}: {}, {} lost, {} written twice, {} acknowledged",
        ran.text("verdict"),
        ran.count("lost-write"),
        ran.count("duplicate-write"),
        ran.number(&["counts", "acknowledged"]),
    );
    ran
}

#[track_caller]
fn shows(ran: &Ran, verdict: &str, exit: i32, forbidden: &[&str]) {
    assert_eq!((ran.text("verdict"), ran.exit), (verdict.to_owned(), exit), "{}", ran.told());
    let found: Vec<String> = ran.forbidden();
    for name in forbidden {
        assert!(found.iter().any(|found| found == name), "{name} is missing: {}", ran.told());
    }
    assert_eq!(found.is_empty(), forbidden.is_empty(), "{}", ran.told());
}

#[test]
fn acks_1_loses_acknowledged_records_when_the_leader_dies() {
    for round in rounds() {
        let ran = run_with("acks-1-leader-crash", round);
        shows(&ran, "invalid", 0, &["lost-write"]);
        assert_eq!(ran.text("expectation"), "met");
        assert!(ran.count("lost-write") > 0);
        agrees_with_the_dump(&ran);
    }
}

#[test]
fn acks_all_keeps_every_acknowledged_record_when_the_leader_dies() {
    for round in rounds() {
        let ran = run_with("acks-all-leader-crash", round);
        shows(&ran, "valid", 0, &[]);
        assert!(ran.number(&["leader_changes"]) > 0, "{}", ran.told());
        agrees_with_the_dump(&ran);
    }
}

#[test]
fn a_lost_acknowledgement_duplicates_exactly_the_records_it_was_for() {
    for round in rounds() {
        let ran = run_with("lost-acknowledgement", round);
        shows(&ran, "invalid", 0, &["duplicate-write"]);
        assert_eq!(ran.counter("responses-lost"), 5, "{}", ran.told());
        assert_eq!(ran.count("duplicate-write"), ran.counter("records-in-lost-responses"), "{}", ran.told());
        agrees_with_the_dump(&ran);
    }
}

#[test]
fn an_idempotent_producer_survives_a_lost_acknowledgement() {
    for round in rounds() {
        let ran = run_with("lost-acknowledgement-idempotent", round);
        shows(&ran, "valid", 0, &[]);
        assert_eq!(ran.counter("responses-lost"), 5, "{}", ran.told());
        assert_eq!(ran.count("duplicate-write"), 0);
        agrees_with_the_dump(&ran);
    }
}

#[test]
fn without_retries_the_record_is_there_although_the_application_saw_an_error() {
    let ran = run("retries-0-lost-acknowledgement", NEW);
    shows(&ran, "valid", 0, &[]);
    let recovered = ran.number(&["counts", "recovered"]);
    assert!(recovered > 0, "records of unknown outcome are in the log: {}", ran.told());
    assert_eq!(ran.count("duplicate-write"), 0);
    agrees_with_the_dump(&ran);
}

#[test]
fn with_acks_0_the_loss_is_counted_and_allowed() {
    let ran = run("acks-0-leader-crash", NEW);
    shows(&ran, "valid", 0, &[]);
    assert!(ran.count("lost-write") > 0, "{}", ran.told());
    agrees_with_the_dump(&ran);
}

#[test]
fn all_brokers_in_turn_and_all_at_once_lose_nothing_with_acks_all() {
    let ran = run("acks-all-rolling-kill", NEW);
    shows(&ran, "valid", 0, &[]);
    agrees_with_the_dump(&ran);
}

#[test]
fn an_unclean_election_loses_and_a_clean_one_waits() {
    let unclean = run("unclean-election", NEW);
    shows(&unclean, "invalid", 0, &["lost-write"]);
    agrees_with_the_dump(&unclean);
    let clean = run("clean-election", NEW);
    shows(&clean, "valid", 0, &[]);
    assert_eq!(clean.count("lost-write"), 0);
    let gap = clean.number(&["latency", "longest_gap"]);
    assert!(gap > 2_000_000_000, "the partition was unavailable meanwhile: {}", clean.told());
    agrees_with_the_dump(&clean);
}

#[test]
fn a_consumer_that_dies_between_commit_and_processing_gives_records_away() {
    let ran = run("commit-before-crash", NEW);
    shows(&ran, "invalid", 0, &["undelivered"]);
}

#[test]
fn a_consumer_that_dies_between_processing_and_commit_repeats_records() {
    let ran = run("commit-after-crash", NEW);
    shows(&ran, "invalid", 0, &["redelivered"]);
}

// Each kind of sink is counted for both families: promises with Java consumers, limits with librdkafka's.

#[test]
fn what_is_committed_before_its_effect_is_lost_and_never_repeated() {
    let promise = run_java("m08-commit-before-effect", OLD);
    shows(&promise, "valid", 0, &[]);
    sinks::agrees(&promise, &sinks::sqlite(&promise));
    let limit = run("m08-commit-before-effect-lost", NEW);
    shows(&limit, "invalid", 0, &["lost-effect"]);
    sinks::agrees(&limit, &sinks::sqlite(&limit));
}

#[test]
fn what_is_committed_after_its_effect_is_repeated_and_never_lost() {
    let promise = run_java("m09-commit-after-effect", NEW);
    shows(&promise, "valid", 0, &[]);
    assert!(promise.count("duplicate-effect") > 0, "allowed, and there: {}", promise.told());
    sinks::agrees(&promise, &sinks::files(&promise));
    let limit = run_with("m09-commit-after-effect-twice", (OLD, 1));
    shows(&limit, "invalid", 0, &["duplicate-effect"]);
    sinks::agrees(&limit, &sinks::files(&limit));
}

#[test]
fn a_checked_offset_in_the_sink_refuses_a_zombie_and_an_unchecked_one_does_not() {
    let promise = run_java("m10-offset-in-sink", NEW);
    shows(&promise, "valid", 0, &[]);
    sinks::agrees(&promise, &sinks::postgres(&promise));
    let limit = run("m10-offset-in-sink-zombie", NEW);
    shows(&limit, "invalid", 0, &["duplicate-effect"]);
    sinks::agrees(&limit, &sinks::postgres(&limit));
}

#[test]
fn keys_in_the_sink_make_effects_once_and_keys_that_are_forgotten_do_not() {
    let promise = run_java("m11-deduplicated", NEW);
    shows(&promise, "valid", 0, &[]);
    sinks::agrees(&promise, &sinks::sqlite(&promise));
    for spec in ["m11-deduplicated-in-memory", "m11-deduplicated-expiring"] {
        let limit = run(spec, NEW);
        shows(&limit, "invalid", 0, &["duplicate-effect"]);
        sinks::agrees(&limit, &sinks::sqlite(&limit));
    }
}

#[test]
fn a_sink_that_stands_still_loses_and_repeats_no_effect() {
    let ran = run("m10-sink-stands-still", NEW);
    shows(&ran, "valid", 0, &[]);
    assert_eq!((ran.count("lost-effect"), ran.count("duplicate-effect")), (0, 0), "{}", ran.told());
    sinks::agrees(&ran, &sinks::sqlite(&ran));
}

#[test]
fn what_is_written_to_new_partitions_before_consumers_see_them_is_lost_with_latest() {
    let ran = run("partition-expansion-latest", NEW);
    shows(&ran, "invalid", 0, &["undelivered"]);
    assert_eq!(ran.counter("partitions-shown"), 4, "{}", ran.told());
}

#[test]
fn a_static_member_that_is_back_in_time_is_noticed_by_nobody() {
    let ran = run("static-membership", NEW);
    shows(&ran, "valid", 0, &[]);
}

#[test]
fn without_a_fault_at_the_right_moment_a_claim_about_effects_is_unknown() {
    let ran = Program::new().run_set("m09-commit-after-effect", NEW, 1, &["faults=[]".to_owned()]);
    assert_eq!((ran.text("verdict").as_str(), ran.exit), ("unknown", 2), "{}", ran.told());
    assert!(ran.read("report.txt").contains("no effect was at risk"), "{}", ran.told());
}

#[test]
fn the_quickstart_is_valid_and_its_verdict_can_be_had_again_byte_for_byte() {
    let program = Program::new();
    let ran = program.run("quickstart", NEW, 7);
    shows(&ran, "valid", 0, &[]);
    let stored = ran.read("verdict.json");
    for _ in 0..2 {
        let (exit, said) = program.call(&["check", &ran.place(), "--message-format", "json"]);
        assert_eq!(exit, 0, "{said}");
        assert_eq!(ran.read("verdict.json"), stored, "the same history gives the same bytes");
        let line: serde_json::Value = serde_json::from_str(said.trim().lines().last().unwrap()).unwrap();
        assert_eq!(line["verdict"], "valid");
    }
    agrees_with_the_dump(&ran);
}

#[test]
fn the_same_spec_and_seed_give_the_same_plan_byte_for_byte() {
    let program = Program::new();
    let mut plans = BTreeMap::new();
    for seed in ["7", "0x7", "8"] {
        let (exit, said) = program.call(&["plan", "quickstart", "--seed", seed, "--message-format", "json"]);
        assert_eq!(exit, 0);
        plans.insert(seed, said);
    }
    assert_eq!(plans["7"], plans["0x7"]);
    assert_ne!(plans["7"], plans["8"]);
}
