//! The conformance test of the journal: both families, the same script of commands, one real broker.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use harness::cluster::{Cluster, Dirs, Loopback, Prepared};
use harness::fetch::Cache;
use harness::kafka::{KafkaPlan, Source, heap_mib};
use harness::spec::Family;
use harness::wire::TopicPlan;
use history::ids::Offset;
use history::journal::{Entry, Reader, Tail, Unresolved};
use history::op::{Op, Outcome, Phase};
use tokio::sync::mpsc;
use workloads::protocol::{Command, Commit, ConsumerRole, End, ErrorKind, Gate, ProducerRole, Report, Role};
use workloads::step::Step;

use super::conversation::{PARTITIONS, TOPIC, Worker, config};
use crate::NEW;

const FAMILIES: [Family; 2] = [Family::Librdkafka, Family::Java];

/// What a journal holds.
#[derive(Debug, Default, PartialEq)]
struct Content {
    tail: Option<Tail>,
    /// Kinds of entries and events, with how they ended.
    kinds: BTreeSet<String>,
    sent: u64,
    acknowledged: u64,
    unresolved: u64,
    /// Offsets by log of what was polled and of what was handed over.
    polled: BTreeMap<u16, Vec<i64>>,
    handed_over: BTreeMap<u16, i64>,
    generations: BTreeSet<Option<i64>>,
    last_time: u64,
}

fn content(path: &Path) -> Content {
    let mut reader = Reader::open(path).unwrap();
    let mut content = Content::default();
    loop {
        match reader.next_entry().unwrap_or_else(|error| panic!("{}: {error}", path.display())) {
            Entry::End(tail) => {
                content.tail = Some(tail);
                return content;
            }
            Entry::Log { .. } => content.see("log"),
            Entry::Sends { run, time } => {
                content.see("sends");
                content.sent += u64::from(run.count);
                content.last_time = content.last_time.max(time.0);
            }
            Entry::Acked { run, offset, .. } => {
                content.see(if offset.is_some() { "acked" } else { "acked-without-offset" });
                content.acknowledged += u64::from(run.count);
            }
            Entry::Unresolved { run, how, .. } => {
                content.see(match how {
                    Unresolved::Fail => "failed",
                    Unresolved::Info => "unknown",
                });
                content.unresolved += u64::from(run.count);
            }
            Entry::Poll { invoked, returned, runs } => {
                content.see("poll");
                assert!(invoked <= returned);
                for run in runs {
                    let offsets = run.offset.0..run.offset.0 + i64::from(run.count);
                    content.polled.entry(run.log.0).or_default().extend(offsets);
                }
            }
            Entry::HandedOver { spans, .. } => {
                content.see("handed-over");
                for span in spans {
                    content.handed_over.insert(span.log.0, span.last.0);
                }
            }
            Entry::FinalRead { .. } => content.see("final-read"),
            Entry::Event(event) => {
                if let Op::Assigned(assignment) = &event.op {
                    content.generations.insert(assignment.generation);
                }
                let how = match &event.phase {
                    Phase::Invoke => "invoked",
                    Phase::Complete(Outcome::Ok { .. }) => "ok",
                    Phase::Complete(Outcome::Fail { .. }) => "failed",
                    Phase::Complete(Outcome::Info { .. }) => "unknown",
                };
                let mode = if let Op::CommitOffsets { mode, .. } = &event.op {
                    format!(" {mode:?}")
                } else {
                    String::new()
                };
                content.see(&format!("{}{mode} {how}", event.op.name()));
            }
        }
    }
}

impl Content {
    fn see(&mut self, kind: &str) {
        self.kinds.insert(kind.to_owned());
    }
}

fn words(kinds: &[&str]) -> BTreeSet<String> {
    kinds.iter().map(|kind| (*kind).to_owned()).collect()
}

fn topic(name: &str) -> TopicPlan {
    TopicPlan { name: name.into(), partitions: PARTITIONS, replication: 1, config: BTreeMap::new() }
}

/// One broker on loopback, for as long as the test talks to it.
fn with_broker(test: impl FnOnce(&str, &Path)) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let plan = KafkaPlan {
        source: Source::Version(NEW.to_owned()),
        brokers: 1,
        server: BTreeMap::new(),
        features: BTreeMap::new(),
        heap_mib: heap_mib(),
    };
    let prepared = Prepared::from_cache(&Cache::of_user().unwrap(), &plan).unwrap();
    let dirs = Dirs { logs: folder.path().join("logs"), data: folder.path().join("data") };
    let network = (211, u8::try_from(std::process::id() % 250).unwrap());
    runtime.block_on(async {
        let (exits, _) = mpsc::channel(16);
        let mut cluster = Cluster::start(Loopback { network }, plan, prepared, dirs, exits).unwrap();
        cluster.ready(Duration::from_secs(90)).await.unwrap();
        cluster.create_topics(&[topic(TOPIC)], Duration::from_secs(30)).await.unwrap();
        let bootstrap = cluster.bootstrap();
        tokio::task::block_in_place(|| test(&bootstrap, folder.path()));
        cluster.kill_all().await.unwrap();
    });
}

fn producer(records: Option<u32>) -> Role {
    Role::Producer(ProducerRole {
        rate: Some(2000.0),
        records,
        warm_up_ms: Some(60_000),
        ..Default::default()
    })
}

fn ready(worker: &Worker) {
    worker.until(|report| matches!(report, Report::Ready { version } if !version.is_empty()));
}

fn now() -> u64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    u64::try_from(time.tv_sec() * 1_000_000_000 + time.tv_nsec()).unwrap()
}

/// Sends a number of records, drains, stops: every record is acknowledged at an offset.
fn produces(folder: &Path, bootstrap: &str, family: Family, process: u32) {
    let config = config(folder, bootstrap, (family, process), producer(Some(3000)));
    let before = now();
    let mut worker = Worker::start(family, &config);
    ready(&worker);
    worker.until(|report| matches!(report, Report::Progress(progress) if progress.sent == 3000));
    worker.say(&Command::Drain { deadline_ms: 30_000, ends: Vec::new() });
    let drained = worker.until(|report| matches!(report, Report::Drained { .. }));
    assert!(matches!(drained, Report::Drained { complete: true, .. }), "{drained:?}");
    let (journal, status) = worker.stop();
    let found = content(&journal);
    assert!(status.success());
    assert_eq!(found.kinds, words(&["log", "open ok", "sends", "acked", "close ok"]), "{family:?}");
    assert_eq!((found.tail, found.sent, found.acknowledged), (Some(Tail::Closed), 3000, 3000), "{family:?}");
    assert!((before..now()).contains(&found.last_time), "{family:?} uses another clock");
}

/// Killed at a gate between two steps: what is before it is in the journal, what is after it is not.
fn is_killed_at_a_gate(folder: &Path, bootstrap: &str, family: Family, process: u32) {
    let mut config = config(folder, bootstrap, (family, process), producer(None));
    config.gates = vec![Gate { id: 9, from: Step::Sending, to: Step::Sent, nth: 50 }];
    let worker = Worker::start(family, &config);
    let reached = worker.until(|report| matches!(report, Report::GateReached { .. }));
    assert_eq!(reached, Report::GateReached { id: 9, step: Step::Sending, nth: 50 });
    let found = content(&worker.kill());
    assert_eq!(found.sent, 50, "{family:?}: each record is a passage, and its send is journalled first");
    assert!(found.acknowledged < 50 && found.tail == Some(Tail::Open), "{family:?}: {found:?}");
}

/// Reads everything after-sync, drains, stops: polled once, handed over, committed.
fn consumes(folder: &Path, bootstrap: &str, (family, process): (Family, u32), commit: Commit) -> Content {
    let role = Role::Consumer(ConsumerRole { commit, warm_up_ms: Some(60_000), ..Default::default() });
    let mut config = config(folder, bootstrap, (family, process), role);
    config.properties = BTreeMap::from([("auto.offset.reset".into(), "earliest".into())]);
    if commit.is_automatic() {
        config.properties.insert("auto.commit.interval.ms".into(), "200".into());
    }
    let mut worker = Worker::start(family, &config);
    ready(&worker);
    let ends = (0..PARTITIONS).map(|partition| End { topic: TOPIC.into(), partition, end: Offset(1000) });
    worker.say(&Command::Drain { deadline_ms: 30_000, ends: ends.collect() });
    let drained = worker.until(|report| matches!(report, Report::Drained { .. }));
    assert!(matches!(drained, Report::Drained { complete: true, .. }), "{drained:?}");
    let (journal, status) = worker.stop();
    assert!(status.success());
    let found = content(&journal);
    for (log, offsets) in &found.polled {
        let expected: Vec<i64> = (0..i64::try_from(offsets.len()).unwrap()).collect();
        assert_eq!(offsets, &expected, "{family:?} {commit:?}: every record of log {log}, once and in order");
        // What is polled while the client leaves is handed over to nobody.
        let (last, handed_over) = (offsets.last().unwrap(), found.handed_over.get(log).unwrap());
        assert!((999..=*last).contains(handed_over), "{family:?} {commit:?}: {handed_over} of {last}");
    }
    assert_eq!(found.polled.len(), 2, "{family:?} {commit:?}");
    let known = |generation: &Option<i64>| generation.is_some_and(|number| number > 0);
    assert!(found.generations.iter().all(known), "{family:?}: {:?}", found.generations);
    assert_eq!(found.tail, Some(Tail::Closed));
    found
}

/// Killed at any moment: the journal is readable and holds no more than was sent.
fn is_killed_at_any_moment(folder: &Path, bootstrap: &str, family: Family, first: u32) {
    for process in first..first + 6 {
        let mut role = ProducerRole { warm_up_ms: Some(60_000), ..Default::default() };
        role.record_size = 50;
        let config = config(folder, bootstrap, (family, process), Role::Producer(role));
        let worker = Worker::start(family, &config);
        ready(&worker);
        std::thread::sleep(Duration::from_millis(u64::from(process % 7) * 37));
        let found = content(&worker.kill());
        assert!(found.sent > 0 && found.acknowledged <= found.sent, "{family:?}: {found:?}");
        assert!(matches!(found.tail, Some(Tail::Open | Tail::Torn { .. })), "{family:?}: {:?}", found.tail);
    }
}

#[test]
fn both_families_record_the_same_operations_in_the_same_situations() {
    with_broker(|bootstrap, folder| {
        for (family, process) in FAMILIES.into_iter().zip([10, 20]) {
            produces(folder, bootstrap, family, process);
            is_killed_at_a_gate(folder, bootstrap, family, process + 1);
        }
        let commits = [
            (Commit::AfterSync, "commit-offsets Sync"),
            (Commit::AfterAsync, "commit-offsets Async"),
            (Commit::AfterOutOfOrder, "commit-offsets Async"),
            (Commit::Before, "commit-offsets Sync"),
            (Commit::Auto, "commit-offsets Auto"),
        ];
        for ((commit, recorded), step) in commits.into_iter().zip(0..) {
            let found = FAMILIES.map(|family| {
                let process = 100 + 10 * step + u32::from(family == Family::Java);
                consumes(folder, bootstrap, (family, process), commit)
            });
            let mut expected = words(&[
                "log",
                "open ok",
                "assigned ok",
                "poll",
                "handed-over",
                "fetch-committed invoked",
                "fetch-committed ok",
                "revoked ok",
                "close ok",
            ]);
            expected.insert(format!("{recorded} invoked"));
            expected.insert(format!("{recorded} ok"));
            for (found, family) in found.iter().zip(FAMILIES) {
                // What is committed on leaving is waited for.
                let mut kinds = found.kinds.clone();
                // A broker of a busy machine may answer too late; it is asked again.
                kinds.remove("fetch-committed unknown");
                let waits = ![Commit::AfterAsync, Commit::AfterOutOfOrder].contains(&commit);
                kinds.retain(|kind| waits || !kind.contains("Sync"));
                assert_eq!(kinds, expected, "{family:?} {commit:?}");
            }
        }
        consumes(folder, bootstrap, (Family::Java, 180), Commit::AutoHandedOver);
        consumes(folder, bootstrap, (Family::Librdkafka, 181), Commit::AutoStored);
        for (family, process) in FAMILIES.into_iter().zip([200, 300]) {
            is_killed_at_any_moment(folder, bootstrap, family, process);
        }
    });
}

#[test]
fn both_families_give_up_with_the_same_kind_of_error() {
    for (family, process) in FAMILIES.into_iter().zip([1, 2]) {
        let folder = tempfile::tempdir().unwrap();
        let role = ProducerRole { warm_up_ms: Some(300), ..Default::default() };
        let mut config = config(folder.path(), "127.0.0.1:1", (family, process), Role::Producer(role));
        let gives_up = |config: &_, wanted: ErrorKind| {
            let mut worker = Worker::start(family, config);
            let report = worker.until(|report| matches!(report, Report::Error { .. }));
            let Report::Error { kind, message } = report else { unreachable!() };
            assert_eq!(kind, wanted, "{family:?}: {message}");
            let expected = if wanted == ErrorKind::Config { 64 } else { 70 };
            assert_eq!(worker.child.wait().unwrap().code(), Some(expected), "{family:?}: {message}");
        };
        gives_up(&config, ErrorKind::WarmUp);
        gives_up(&config, ErrorKind::Journal);
        config.journal = folder.path().join("another");
        config.gates = vec![Gate { id: 1, from: Step::Polled, to: Step::EffectDone, nth: 1 }];
        gives_up(&config, ErrorKind::Config);
    }
}
