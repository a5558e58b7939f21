//! Whether the parts of a spec fit together: what types alone cannot say.
//!
//! Everything found is reported at once, each at its place. A spec that passes can be planned without any
//! further question; what depends on the machine (a version that does not exist, too little memory) is not
//! looked at here.

mod clients;
mod faults;
mod groups;
mod sink;

use std::collections::BTreeMap;

use checker::anomaly::Stage;
use nemesis::target::is_client_name;

use super::Spec;
use super::client::Role;
use super::problem::Problem;
use super::read::offer;
use super::tree::Tree;
use crate::kafka::properties::OWNED;

pub use clients::{OWNED as CLIENT_OWNED, foreign as foreign_to_client, owned as owned_by_lab};

/// A spec being checked.
struct Check<'s> {
    spec: &'s Spec,
    tree: &'s Tree,
    problems: Vec<Problem>,
}

/// Everything that is wrong with a spec, apart from its properties files.
pub(super) fn all(spec: &Spec, tree: &Tree) -> Vec<Problem> {
    let mut check = Check { spec, tree, problems: Vec::new() };
    check.claim();
    check.cluster();
    check.topics();
    check.clients();
    check.sink();
    check.locks();
    check.faults();
    check.problems
}

/// Everything that is wrong with the properties files of a spec.
pub(super) fn files(
    spec: &Spec,
    files: &BTreeMap<String, BTreeMap<String, String>>,
    tree: &Tree,
) -> Vec<Problem> {
    let mut check = Check { spec, tree, problems: Vec::new() };
    check.properties(files);
    check.problems
}

/// Most brokers of one cluster: each is a JVM on the same machine.
const MOST_BROKERS: u8 = 9;

impl Check<'_> {
    /// A problem with the value at a path.
    fn value(&mut self, path: &[&str], message: impl Into<String>, help: impl Into<String>) {
        let origin = self.tree.nearest(path).origin.clone();
        self.problems.push(Problem::at(message.into(), origin).help(help));
    }

    /// A problem with the key at a path.
    fn key(&mut self, path: &[&str], message: impl Into<String>, help: impl Into<String>) {
        let origin = self.tree.key(path).clone();
        self.problems.push(Problem::at(message.into(), origin).help(help));
    }

    fn brokers(&self) -> u8 {
        self.spec.kafka.brokers.unwrap_or(super::DEFAULT_BROKERS)
    }

    fn claim(&mut self) {
        let consumers = self.spec.clients.values().any(|client| client.role == Role::Consumer);
        if self.spec.claim.names(Stage::Delivery) && !consumers {
            self.value(
                &["claim"],
                "the claim speaks of delivery, and no client consumes",
                "add a client with role = \"consumer\"",
            );
        }
        if self.spec.claim.names(Stage::Effect) && self.spec.sink.is_none() {
            self.value(
                &["claim"],
                "the claim speaks of effects, and there is no sink",
                "for instance [sink] with kind = \"sqlite\"; or claim the stages log and delivery",
            );
        }
        let Some(expect) = &self.spec.expect else { return };
        if expect.violated.is_empty() {
            self.value(
                &["expect"],
                "an expectation without anomalies expects nothing",
                "leave expect out where the claim should hold",
            );
        }
        let mut stages = vec![Stage::Log];
        stages.extend(consumers.then_some(Stage::Delivery));
        stages.extend(self.spec.sink.is_some().then_some(Stage::Effect));
        for anomaly in &expect.violated {
            let forbidden = stages.iter().any(|stage| self.spec.claim.forbidden(*stage).contains(anomaly));
            if !forbidden {
                let message = format!(
                    "{} cannot be violated: the claim \"{}\" allows it",
                    anomaly.name(),
                    self.spec.claim
                );
                self.value(
                    &["expect", "violated"],
                    message,
                    "claim more, or expect something that the claim forbids",
                );
            }
        }
    }

    fn cluster(&mut self) {
        let kafka = &self.spec.kafka;
        if let (Some(_), Some(_)) = (&kafka.version, &kafka.home) {
            self.key(
                &["kafka", "home"],
                "both a version and a home are given",
                "a home is one version already: leave one of them out",
            );
        }
        if kafka.version.as_ref().is_some_and(|version| !is_version(version)) {
            self.value(&["kafka", "version"], "this is not a version of Kafka", "three numbers, as in 4.1.1");
        }
        if !(1..=MOST_BROKERS).contains(&self.brokers()) {
            let message = format!("a cluster has 1 to {MOST_BROKERS} brokers");
            self.value(&["kafka", "brokers"], message, "each broker is a JVM on this machine; 3 are usual");
        }
        for name in kafka.server.0.keys() {
            if let Some((_, why)) = OWNED.iter().find(|(owned, _)| owned == name) {
                let message = format!("\"{name}\" is decided by the harness: {why}");
                self.property(
                    &["kafka", "server"],
                    name,
                    message,
                    "leave it out; a server-file may hold it, it is left out there",
                );
            }
        }
    }

    /// A problem with one property of a table, which may be written as nested tables.
    fn property(&mut self, table: &[&str], name: &str, message: impl Into<String>, help: impl Into<String>) {
        let whole: Vec<&str> = table.iter().copied().chain([name]).collect();
        let found = self.tree.nearest(&whole).origin != self.tree.nearest(table).origin;
        if found {
            return self.key(&whole, message, help);
        }
        let parts: Vec<&str> = table.iter().copied().chain(name.split('.')).collect();
        self.key(&parts, message, help);
    }

    fn topics(&mut self) {
        if self.spec.topics.is_empty() {
            self.value(&["topics"], "a spec needs at least one topic", "for instance [topics.orders]");
        }
        let brokers = self.brokers();
        for (name, topic) in &self.spec.topics {
            let path = ["topics", name.as_str()];
            if !is_topic_name(name) {
                self.key(
                    &path,
                    format!("\"{name}\" is not a topic name"),
                    "letters, digits, \".\", \"_\" and \"-\", at most 249, not starting with \"__\"",
                );
            }
            if !(1..=MOST_PARTITIONS).contains(&topic.partitions) {
                let message = format!("a topic has 1 to {MOST_PARTITIONS} partitions here");
                self.value(&["topics", name, "partitions"], message, "a few are enough to see every anomaly");
            }
            match topic.replication {
                Some(0) => self.value(
                    &["topics", name, "replication"],
                    "a topic has at least one replica",
                    "3 is usual",
                ),
                Some(copies) if copies > brokers => {
                    let message = format!("{copies} replicas need {copies} brokers, and there are {brokers}");
                    self.value(
                        &["topics", name, "replication"],
                        message,
                        "raise kafka.brokers or lower replication",
                    );
                }
                Some(_) | None => {}
            }
            let copies = topic.replication.unwrap_or(brokers.min(3));
            let least = topic.config.0.get("min.insync.replicas").and_then(|text| text.parse::<u8>().ok());
            if let Some(least) = least.filter(|least| *least > copies) {
                let message =
                    format!("min.insync.replicas = {least} can never be met with {copies} replicas");
                self.property(
                    &["topics", name, "config"],
                    "min.insync.replicas",
                    message,
                    "every write with acks=all would fail",
                );
            }
        }
    }

    /// The topic that something refers to, or a problem at that place.
    fn topic_known(&mut self, path: &[&str], topic: &str) -> bool {
        let known = self.spec.topics.contains_key(topic);
        if !known {
            let names: Vec<&str> = self.spec.topics.keys().map(String::as_str).collect();
            self.value(path, format!("there is no topic \"{topic}\""), offer(topic, &names, "topics"));
        }
        known
    }
}

/// Most partitions of one topic: a run proves something about few logs or about many, and many cost time only.
const MOST_PARTITIONS: u16 = 1000;

fn is_version(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 3
        && parts
            .iter()
            .all(|part| !part.is_empty() && part.len() < 6 && part.chars().all(|c| c.is_ascii_digit()))
}

fn is_topic_name(name: &str) -> bool {
    let legal = name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'));
    legal && (1..=249).contains(&name.len()) && !matches!(name, "." | "..") && !name.starts_with("__")
}
