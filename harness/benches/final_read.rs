//! How fast the independent final read is: small records from one broker into a journal.
//! `cargo bench -p harness --bench final_read -- 4.3.1`

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "shell: measures time and prints it")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use harness::clock;
use harness::cluster::{Cluster, Dirs, Loopback, Prepared};
use harness::fetch::Cache;
use harness::kafka::{KafkaPlan, Source, heap_mib};
use harness::reader::{Question, final_read};
use harness::wire::{Client, TopicPlan};
use history::ids::{Nanos, NodeId, Process, Seq, TopicPartition, Value};
use history::journal::{Header, Writer};
use history::op::{Identity, Isolation};
use history::payload;
use kafka_protocol::records::Compression;
use tokio::sync::mpsc;

const PARTITIONS: i32 = 4;
const BATCHES: u32 = 400;
const PER_BATCH: u32 = 1000;

fn main() -> anyhow::Result<()> {
    let version = std::env::args().skip(1).find(|argument| !argument.starts_with('-'));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(version.unwrap_or_else(|| "4.3.1".to_owned())))
}

async fn measure(version: String) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let dirs = Dirs { logs: folder.path().join("logs"), data: folder.path().join("data") };
    let source = Source::Version(version);
    let plan = KafkaPlan {
        source,
        brokers: 1,
        server: BTreeMap::new(),
        features: BTreeMap::new(),
        heap_mib: heap_mib(),
    };
    let prepared = Prepared::from_cache(&Cache::of_user()?, &plan)?;
    let (exits, _ends) = mpsc::channel(16);
    let mut cluster = Cluster::start(Loopback { network: (19, 1) }, plan, prepared, dirs, exits)?;
    cluster.ready(Duration::from_secs(60)).await?;
    let topic =
        TopicPlan { name: "t".to_owned(), partitions: PARTITIONS, replication: 1, config: BTreeMap::new() };
    cluster.create_topics(&[topic], Duration::from_secs(30)).await?;
    let mut client = Client::connect(cluster.brokers()[&NodeId(1)], "bench", Duration::from_secs(30)).await?;
    let logs: Vec<TopicPartition> = (0..PARTITIONS).map(|n| TopicPartition::new("t", n)).collect();
    for log in &logs {
        for batch in 0..BATCHES {
            client.write(log, &values(log, batch * PER_BATCH), Compression::None).await?;
        }
    }
    let question = Question {
        brokers: cluster.brokers(),
        logs,
        isolations: vec![Isolation::ReadUncommitted],
        run: 1,
        deadline: Nanos(clock::now().0 + 60_000_000_000),
    };
    let header = Header { run: 1, process: Process(9), identity: Identity::default() };
    let mut journal = Writer::create(folder.path().join("reader.journal"), &header)?;
    for _ in 0..3 {
        let begun = Instant::now();
        let reads = final_read(&question, Process(9), &mut journal).await?;
        let took = begun.elapsed();
        let records: u64 = reads.iter().map(|read| read.records).sum();
        let per_second = u128::from(records) * 1000 / took.as_millis().max(1);
        println!("{records} records of 100 bytes read in {took:.2?}: {per_second}/s");
    }
    cluster.kill_all().await?;
    Ok(())
}

fn values(log: &TopicPartition, first: u32) -> Vec<Bytes> {
    let one = |seq| {
        let mut bytes = Vec::new();
        payload::encode(&mut bytes, 1, Value { process: Process(1), seq: Seq(seq) }, log, 100);
        Bytes::from(bytes)
    };
    (first..first + PER_BATCH).map(one).collect()
}
