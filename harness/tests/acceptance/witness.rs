//! The two witnesses that a verdict is held against: the brokers' files, and the clients' journals.

use std::collections::{BTreeMap, BTreeSet};

use harness::controller::RunFile;
use harness::kafka::dump::Dump;
use harness::plan::Plan;
use history::ids::{LogId, Seq, TopicPartition, Value};
use history::journal::{Entry, Reader};

use super::program::Ran;

/// What Kafka's own dumper finds in the files of each log: of the broker that holds the most, which is the leader's
/// copy or one equal to it.
pub(crate) fn dumped(ran: &Ran) -> BTreeMap<TopicPartition, Dump> {
    let file: RunFile = serde_json::from_str(&ran.read("run.json")).unwrap();
    let plan = Plan::from_json(&ran.read("plan.json")).unwrap();
    let mut dumps = BTreeMap::new();
    for log in plan.logs() {
        for broker in 1..=plan.kafka.brokers {
            let data = ran.folder.join("data").join(format!("broker{broker}"));
            if !data.join(format!("{}-{}", log.topic, log.partition)).is_dir() {
                continue;
            }
            let dump = Dump::of(&file.prepared.release, &file.prepared.java, &data, &log, file.run).unwrap();
            let known = dumps.get(&log).map_or(0, |known: &Dump| known.records.len());
            if dump.records.len() > known {
                dumps.insert(log.clone(), dump);
            }
        }
    }
    dumps
}

/// What producers were told is written, from their journals: every value that was acknowledged, with or without an
/// offset.
pub(crate) fn acknowledged(ran: &Ran) -> BTreeMap<TopicPartition, BTreeSet<Value>> {
    let mut all: BTreeMap<TopicPartition, BTreeSet<Value>> = BTreeMap::new();
    for file in std::fs::read_dir(ran.folder.join("journals")).unwrap() {
        let mut reader = Reader::open(file.unwrap().path()).unwrap();
        let process = reader.header().process;
        let mut logs: BTreeMap<LogId, TopicPartition> = BTreeMap::new();
        loop {
            match reader.next_entry().unwrap() {
                Entry::Log { id, log } => drop(logs.insert(id, log.clone())),
                Entry::Acked { run, .. } => {
                    let seqs = run.first.0..run.first.0 + run.count;
                    all.entry(logs[&run.log].clone())
                        .or_default()
                        .extend(seqs.map(|seq| Value { process, seq: Seq(seq) }));
                }
                Entry::End(_) => break,
                Entry::Sends { .. }
                | Entry::Unresolved { .. }
                | Entry::Poll { .. }
                | Entry::HandedOver { .. }
                | Entry::FinalRead { .. }
                | Entry::Event(_) => {}
            }
        }
    }
    all
}
