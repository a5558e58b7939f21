//! One Kafka node: its properties, storage, logging, JVM and class archive.
//!
//! A node is a plain released Kafka JVM in KRaft mode, either a broker or the controller, never both:
//! a fault that stops a broker must not take the quorum with it. Everything the harness needs to decide
//! (ids, addresses, folders) is decided here and refused in a spec; everything else is Kafka's own
//! property, verbatim. Nothing here speaks Kafka's protocol (`wire`) or knows of more than one node
//! (`cluster`).

pub mod archive;
pub mod dump;
pub mod java;
pub mod jvm;
pub mod logging;
pub mod properties;
pub mod release;
pub mod storage;

use std::collections::BTreeMap;
use std::path::PathBuf;

use history::ids::NodeId;
use serde::{Deserialize, Serialize};

/// Port of the listener for clients on every broker.
pub const CLIENT_PORT: u16 = 9092;
/// Port of the listener for replication (and all other traffic between brokers).
pub const REPLICATION_PORT: u16 = 9093;
/// Port of the controller's listener.
pub const CONTROLLER_PORT: u16 = 9094;
/// `node.id` of the controller; brokers are 1, 2, 3…
pub const CONTROLLER: NodeId = NodeId(100);

/// The Kafka cluster of a plan: fully resolved, so that printing it shows what will run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KafkaPlan {
    /// Where the jars come from.
    pub source: Source,
    /// Number of brokers; a controller node is added.
    pub brokers: u8,
    /// The spec's own broker properties, verbatim; they override the harness's fast values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub server: BTreeMap<String, String>,
    /// Feature levels to format with (`transaction.version`, `eligible.leader.replicas.version`…); others
    /// are what the release chooses.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub features: BTreeMap<String, i16>,
    /// Largest heap of each node, in MiB.
    #[serde(default = "heap_mib")]
    pub heap_mib: u32,
}

/// Where a release's jars come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// A released version, resolved by Maven into the cache.
    Version(String),
    /// An unpacked distribution: a folder that holds `libs/*.jar`.
    Home(PathBuf),
}

/// The heap that a node gets unless a plan says otherwise, in MiB.
pub fn heap_mib() -> u32 {
    256
}

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Keeps logs and serves clients.
    Broker,
    /// Keeps the cluster's metadata.
    Controller,
}

/// One node of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Member {
    /// Kafka's `node.id`.
    pub id: NodeId,
    /// What it is.
    pub role: Role,
}

impl Member {
    /// Its name in the lab: `broker1`, `controller`.
    pub fn name(&self) -> String {
        match self.role {
            Role::Broker => format!("broker{}", self.id),
            Role::Controller => "controller".to_owned(),
        }
    }
}

impl KafkaPlan {
    /// All nodes, the controller first.
    pub fn members(&self) -> Vec<Member> {
        let brokers = (1..=i32::from(self.brokers)).map(|id| Member { id: NodeId(id), role: Role::Broker });
        std::iter::once(Member { id: CONTROLLER, role: Role::Controller }).chain(brokers).collect()
    }
}
