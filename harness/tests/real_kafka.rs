//! Real brokers, old and new: the cluster starts, obeys and proves it; the final read and the observer tell what
//! Kafka's own log dumper tells.
//!
//! The releases must be in the cache (`onceproof fetch 3.9.1 4.3.1`, as `./test` does). Everything runs on
//! loopback addresses of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;
use harness::clock;
use harness::cluster::{Cluster, ClusterError, Dirs, How, Loopback, NodeExit, Prepared, ensure_archive};
use harness::fetch::Cache;
use harness::kafka::dump::Dump;
use harness::kafka::{KafkaPlan, Source, heap_mib};
use harness::observer::Observer;
use harness::reader::{LogRead, Question, final_read};
use harness::wire::{Client, CoordinatorOf, TopicPlan};
use history::ids::{Nanos, NodeId, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Entry, Header, Reader, Tail, Writer};
use history::op::{Identity, Isolation, Op, Run};
use history::payload;
use kafka_protocol::records::Compression;
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use tokio::sync::mpsc;

/// One cluster at a time: a small machine starts four JVMs slowly enough.
static TURN: Mutex<()> = Mutex::new(());
const RUN: u64 = 0x1234_5678_9abc_def0;
const PATIENCE: Duration = Duration::from_secs(120);

fn plan(version: &str, brokers: u8) -> KafkaPlan {
    KafkaPlan {
        source: Source::Version(version.to_owned()),
        brokers,
        server: BTreeMap::new(),
        features: BTreeMap::new(),
        heap_mib: heap_mib(),
    }
}

fn dirs(folder: &Path) -> Dirs {
    Dirs { logs: folder.join("logs"), data: folder.join("data") }
}

fn in_turn<F: Future<Output = ()>>(test: F) {
    // A test that failed has said so itself.
    let _turn = TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(test);
}

/// A loopback network that no other test process uses at the same time.
fn site() -> Loopback {
    let id = std::process::id();
    Loopback { network: (u8::try_from(id / 250 % 200 + 20).unwrap(), u8::try_from(id % 250).unwrap()) }
}

struct Bench {
    folder: tempfile::TempDir,
    prepared: Prepared,
    cluster: Cluster<Loopback>,
    exits: mpsc::Receiver<NodeExit>,
}

async fn ready(version: &str) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache::of_user().unwrap();
    let plan = plan(version, 3);
    let mut prepared = Prepared::from_cache(&cache, &plan).unwrap();
    ensure_archive(&site(), &cache, &plan, &mut prepared, folder.path().join("warm-up")).await.unwrap();
    let (send, exits) = mpsc::channel(64);
    let cluster = Cluster::start(site(), plan, prepared.clone(), dirs(folder.path()), send).unwrap();
    cluster.ready(PATIENCE).await.unwrap();
    Bench { folder, prepared, cluster, exits }
}

async fn connect(bench: &Bench, node: NodeId) -> Client {
    Client::connect(bench.cluster.brokers()[&node], "test", Duration::from_secs(10)).await.unwrap()
}

fn log(partition: i32) -> TopicPartition {
    TopicPartition::new("orders", partition)
}

fn value(process: u32, seq: u32) -> Value {
    Value { process: Process(process), seq: Seq(seq) }
}

fn encoded(process: u32, seq: u32, meant_for: &TopicPartition) -> Bytes {
    let mut bytes = Vec::new();
    payload::encode(&mut bytes, RUN, value(process, seq), meant_for, 100);
    bytes.into()
}

async fn observed(bench: &Bench) -> Observer {
    let mut observer = Observer::start(&bench.cluster.brokers(), &["orders".to_owned()]);
    let whole = observer.view.wait_for(|view| view.is_whole() && view.logs().contains_key(&log(2)));
    tokio::time::timeout(PATIENCE, whole).await.expect("the topic becomes whole").unwrap();
    observer
}

/// Values 0.. of process 1 in `orders/0`, one batch per codec; and one record that is meant for another log.
async fn write_every_codec(bench: &Bench, leader: NodeId) -> u32 {
    let mut client = connect(bench, leader).await;
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    let mut seq = 0;
    for codec in codecs {
        let values: Vec<Bytes> = (0..100).map(|n| encoded(1, seq + n, &log(0))).collect();
        let first = client.write(&log(0), &values, codec).await.unwrap();
        assert_eq!(first, Offset(i64::from(seq)), "{codec:?}");
        seq += 100;
    }
    client.write(&log(0), &[encoded(9, 0, &log(1))], Compression::None).await.unwrap();
    client.write(&log(0), &[Bytes::from_static(b"not ours")], Compression::None).await.unwrap();
    seq
}

/// Three transactions to `orders/1` by librdkafka: committed, aborted, committed.
fn write_transactions(bootstrap: &str) {
    let producer: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", bootstrap)
        .set("transactional.id", "test")
        .set("compression.type", "lz4")
        .create()
        .unwrap();
    let wait = Duration::from_secs(60);
    producer.init_transactions(wait).unwrap();
    for (n, commits) in [(0, true), (1, false), (2, true)] {
        producer.begin_transaction().unwrap();
        for seq in n * 10..n * 10 + 10 {
            let bytes = encoded(2, seq, &log(1));
            producer.send(BaseRecord::<(), [u8]>::to("orders").partition(1).payload(&bytes)).unwrap();
        }
        producer.flush(wait).unwrap();
        if commits {
            producer.commit_transaction(wait).unwrap()
        } else {
            producer.abort_transaction(wait).unwrap()
        }
    }
}

async fn read(bench: &Bench, path: &Path, patience: Duration) -> Vec<LogRead> {
    let question = Question {
        brokers: bench.cluster.brokers(),
        logs: (0..3).map(log).collect(),
        isolations: vec![Isolation::ReadUncommitted, Isolation::ReadCommitted],
        run: RUN,
        deadline: Nanos(clock::now().0 + u64::try_from(patience.as_nanos()).unwrap()),
    };
    let header = Header { run: RUN, process: Process(7), identity: Identity::default() };
    let mut journal = Writer::create(path, &header).unwrap();
    let reads = final_read(&question, Process(7), &mut journal).await.unwrap();
    journal.close().unwrap();
    reads
}

#[derive(Default)]
struct Journalled {
    runs: Vec<(Isolation, Run)>,
    ops: Vec<Op>,
}

fn journalled(path: &Path) -> Journalled {
    let mut journal = Reader::open(path).unwrap();
    let mut found = Journalled::default();
    loop {
        match journal.next_entry().unwrap() {
            Entry::FinalRead { isolation, runs, .. } => {
                found.runs.extend(runs.iter().map(|run| (isolation, *run)))
            }
            Entry::Event(event) => found.ops.push(event.op.clone()),
            Entry::End(tail) => {
                assert_eq!(tail, Tail::Closed);
                return found;
            }
            Entry::Log { .. } => {}
            Entry::Sends { .. }
            | Entry::Acked { .. }
            | Entry::Unresolved { .. }
            | Entry::Poll { .. }
            | Entry::HandedOver { .. } => panic!("a reader writes none of these"),
        }
    }
}

fn whole_story(version: &'static str) {
    in_turn(async move {
        let mut bench = ready(version).await;
        let brokers: BTreeSet<NodeId> = bench.cluster.brokers().into_keys().collect();
        assert_eq!(brokers, [1, 2, 3].map(NodeId).into());
        let config = [("min.insync.replicas".to_owned(), "2".to_owned())].into();
        let topic = TopicPlan { name: "orders".to_owned(), partitions: 3, replication: 3, config };
        bench.cluster.create_topics(&[topic], PATIENCE).await.unwrap();
        let mut observer = observed(&bench).await;
        let leader = observer.view.borrow().leader(&log(0)).unwrap();
        let written = write_every_codec(&bench, leader).await;
        let bootstrap = bench.cluster.bootstrap();
        tokio::task::spawn_blocking(move || write_transactions(&bootstrap)).await.unwrap();
        the_coordinator_is_found_by_hash(&bench, &mut observer).await;
        a_paused_node_stands_still_and_goes_on(&bench, leader).await;
        a_killed_leader_is_replaced_and_comes_back(&mut bench, &mut observer, leader).await;
        let path = bench.folder.path().join("reader.journal");
        let reads = read(&bench, &path, PATIENCE).await;
        the_read_holds_what_was_written(&reads, &journalled(&path), written);
        drop(observer);
        bench.cluster.kill_all().await.unwrap();
        the_dump_agrees(&bench, written);
        let path = bench.folder.path().join("late.journal");
        let reads = read(&bench, &path, Duration::from_secs(2)).await;
        assert!(reads.iter().all(|read| !read.is_complete() && read.trouble.is_some()), "{reads:?}");
        assert!(journalled(&path).ops.is_empty(), "nothing is claimed about logs that nobody told of");
    });
}

async fn the_coordinator_is_found_by_hash(bench: &Bench, observer: &mut Observer) {
    let of = CoordinatorOf::Transaction("test".to_owned());
    let seen =
        tokio::time::timeout(PATIENCE, observer.view.wait_for(|view| view.coordinator(&of).is_some())).await;
    let by_hash = seen.expect("the internal topic is seen").unwrap().coordinator(&of);
    let told = connect(bench, NodeId(1)).await.coordinator(&of).await.unwrap();
    assert_eq!(by_hash, Some(told));
}

async fn a_paused_node_stands_still_and_goes_on(bench: &Bench, node: NodeId) {
    bench.cluster.pause(node).await.unwrap();
    let address: SocketAddr = bench.cluster.brokers()[&node];
    assert!(
        Client::connect(address, "test", Duration::from_millis(300)).await.is_err(),
        "a paused broker is silent"
    );
    bench.cluster.resume(node).await.unwrap();
    connect(bench, node).await;
}

async fn a_killed_leader_is_replaced_and_comes_back(
    bench: &mut Bench,
    observer: &mut Observer,
    leader: NodeId,
) {
    while observer.news.try_recv().is_ok() {}
    let pid = bench.cluster.pid(leader).unwrap();
    let exit = bench.cluster.kill(leader).await.unwrap();
    assert_eq!((exit.pid, exit.how), (pid, How::Signal(9)));
    assert!(!bench.cluster.runs(leader));
    let told = bench.exits.recv().await.unwrap();
    assert_eq!((told.node, told.exit), (leader, exit));
    assert!(bench.cluster.was_asked(&told));
    assert!(bench.cluster.kill(leader).await.is_err(), "a dead node cannot be killed");
    let moved = observer.view.wait_for(|view| view.leader(&log(0)).is_some_and(|now| now != leader));
    tokio::time::timeout(PATIENCE, moved).await.expect("another broker leads").unwrap();
    let news = observer.news.recv().await.expect("the change is news");
    assert_ne!(news.asked(), leader);
    let life = bench.cluster.restart(leader).unwrap();
    assert_ne!(life, pid);
    let whole = observer.view.wait_for(|view| view.is_whole() && !view.answers()[&leader].is_silent);
    tokio::time::timeout(PATIENCE, whole).await.expect("every replica is in sync again").unwrap();
}

fn the_read_holds_what_was_written(reads: &[LogRead], found: &Journalled, written: u32) {
    assert!(reads.iter().all(LogRead::is_complete), "{reads:?}");
    let records = |partition: i32, isolation: Isolation| {
        let read =
            reads.iter().find(|read| read.log == log(partition) && read.isolation == isolation).unwrap();
        (read.records, read.foreign)
    };
    for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        assert_eq!(records(0, isolation), (u64::from(written), 2), "{isolation:?}");
    }
    assert_eq!(records(1, Isolation::ReadUncommitted), (30, 0));
    assert_eq!(records(1, Isolation::ReadCommitted), (20, 0), "the aborted transaction is hidden");
    let of = |isolation: Isolation, process: u32| {
        let runs = found
            .runs
            .iter()
            .filter(move |(at, run)| *at == isolation && run.first.process == Process(process));
        runs.flat_map(|(_, run)| (0..run.count).map(|n| run.first.seq.0 + n)).collect::<Vec<u32>>()
    };
    assert_eq!(of(Isolation::ReadUncommitted, 1), (0..written).collect::<Vec<_>>());
    assert_eq!(of(Isolation::ReadCommitted, 2), (0..10).chain(20..30).collect::<Vec<_>>());
    let ends =
        found.ops.iter().filter(|op| matches!(op, Op::FinalReadEnd { end, reached, .. } if end == reached));
    assert_eq!(ends.count(), 6);
    assert_eq!(shape_of_transactions(&found.ops), ["data", "marker", "data", "marker", "data", "marker"]);
    let foreign = found.ops.iter().filter(|op| matches!(op, Op::Foreign { .. }));
    assert_eq!(foreign.count(), 4);
}

/// The transactional batches in the order of their log, neighbours of one kind as one. Markers are written at least
/// once: a coordinator that loses the answer of a partition's leader, or is replaced before it noted the end of
/// the transaction, writes the same marker again (KIP-98, section 5.2), with nothing between the two.
fn shape_of_transactions(ops: &[Op]) -> Vec<&'static str> {
    let kind = |op: &Op| {
        let Op::Batch(batch) = op else { return None };
        let transactional = batch.transactional && batch.producer_id >= 0;
        transactional.then_some(if batch.control { "marker" } else { "data" })
    };
    let mut shape: Vec<_> = ops.iter().filter_map(kind).collect();
    shape.dedup();
    shape
}

fn the_dump_agrees(bench: &Bench, written: u32) {
    let Prepared { release, java, .. } = &bench.prepared;
    let data = bench.cluster.data_dir(NodeId(3)).unwrap();
    let dump = Dump::of(release, java, &data, &log(0), RUN).unwrap();
    assert_eq!(dump.records.len(), usize::try_from(written).unwrap() + 2, "{}", files(bench, &log(0)));
    let values = dump.values();
    assert_eq!(
        values.into_keys().collect::<Vec<_>>(),
        (0..written).map(|seq| value(1, seq)).collect::<Vec<_>>()
    );
    assert_eq!(dump.duplicates(), 0);
    let dump = Dump::of(release, java, &data, &log(1), RUN).unwrap();
    assert_eq!(dump.values().len(), 30, "the dump shows aborted records too");
}

/// What every broker keeps of a log: for the message of a failure.
fn files(bench: &Bench, log: &TopicPartition) -> String {
    let mut text = String::new();
    for node in [1, 2, 3].map(NodeId) {
        let folder = bench.cluster.data_dir(node).unwrap().join(format!("{}-{}", log.topic, log.partition));
        for file in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let length = file.metadata().map_or(0, |metadata| metadata.len());
            text.push_str(&format!("{node:?} {}: {length} bytes\n", file.file_name().display()));
        }
    }
    text
}

#[test]
fn the_oldest_supported_line_does_everything_that_a_run_asks_of_it() {
    whole_story("3.9.1");
}

#[test]
fn the_newest_release_does_everything_that_a_run_asks_of_it() {
    whole_story("4.3.1");
}

#[test]
fn a_broker_that_does_not_start_says_why() {
    in_turn(async {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::of_user().unwrap();
        let mut plan = plan("4.3.1", 1);
        let prepared = Prepared::from_cache(&cache, &plan).unwrap();
        plan.server.insert("num.io.threads".to_owned(), "-3".to_owned());
        let (exits, _ends) = mpsc::channel(64);
        let cluster = Cluster::start(site(), plan, prepared, dirs(folder.path()), exits).unwrap();
        let error = cluster.ready(PATIENCE).await.unwrap_err();
        assert!(matches!(error, ClusterError::Died { .. }), "{error}");
        assert!(error.to_string().contains("num.io.threads"), "{error}");
    });
}

#[test]
fn properties_that_the_harness_decides_are_refused() {
    let mut plan = plan("4.3.1", 3);
    plan.server.insert("log.dirs".to_owned(), "/elsewhere".to_owned());
    let error = Prepared::from_cache(&Cache::of_user().unwrap(), &plan).unwrap_err();
    assert!(error.to_string().contains("`log.dirs`"), "{error}");
}
