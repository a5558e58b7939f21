//! The spec: what a user writes. What is set up, what goes wrong, what is claimed.
//!
//! A spec is TOML that fits on a screen. It is read in three steps, each of which can say exactly what is wrong
//! and where: text to a tree of values that remember their place (`tree`), tree to the types below (`read`), types
//! to a spec whose parts fit together (`check`). Nothing here decides anything: defaults that depend on other
//! parts, the seed's draws and the concrete schedule belong to the plan.

mod builtin;
mod check;
mod client;
mod fault;
mod load;
mod problem;
mod properties;
mod read;
mod sink;
mod time;
mod tree;

use std::collections::{BTreeMap, BTreeSet};

use checker::guarantee::Claim;
use checker::question::{Exercise, Expect};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use builtin::{BUILT_IN, BuiltIn};
pub use check::{CLIENT_OWNED, foreign_to_client, owned_by_lab};
pub use client::{COMMITS, Client, Families, Family, Role};
pub use fault::{FaultSpec, Storm, default_lasting};
pub use load::{Loaded, load};
pub use problem::{Fancy, Problem, SpecError};
pub use properties::{Properties, parse_file};
pub use sink::{SINKS, SinkKind, SinkSpec};
pub use time::{PerSecond, Time};
pub use tree::{Origin, Source, SourceKind};

/// A spec as it is written.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Spec {
    /// One sentence: what this spec shows.
    pub about: String,
    /// The spec that this one starts from, by name or path: tables are merged key by key, everything else is replaced.
    pub from: Option<String>,
    /// What is claimed: `at-most-once`, `at-least-once` or `exactly-once`, with `ordered` where the settings give it;
    /// for the whole pipeline, or a table by stage (`log`, `delivery`, `effect`).
    pub claim: Claim,
    /// For a demonstration: the anomalies that the run must show. Without it a violation is exit code 1.
    #[serde(default)]
    pub expect: Option<Expect>,
    /// What must have happened for the run to say anything; else its verdict is unknown. Deaths of clients that the
    /// spec plans are required by themselves.
    #[serde(default)]
    pub require: BTreeSet<Exercise>,
    /// The cluster.
    #[serde(default)]
    pub kafka: Kafka,
    /// Topics by name.
    pub topics: BTreeMap<String, Topic>,
    /// Clients by name.
    pub clients: BTreeMap<String, Client>,
    /// Where the effects of consumers are kept; without it processing has no effect.
    pub sink: Option<SinkSpec>,
    /// Faults drawn from the seed.
    #[serde(default)]
    pub storm: Option<Storm>,
    /// Faults by script.
    #[serde(default)]
    pub faults: Vec<FaultSpec>,
    /// How long the parts of the run take.
    #[serde(default)]
    pub phases: Phases,
    /// Floors and deadlines.
    #[serde(default)]
    pub limits: Limits,
}

/// The Kafka cluster: one controller node and some brokers, each a process on a node of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Kafka {
    /// A released version; it is fetched once.
    pub version: Option<String>,
    /// An unpacked distribution to use instead. Relative to the spec's folder.
    pub home: Option<String>,
    /// Number of brokers, with ids 1, 2, 3…
    pub brokers: Option<u8>,
    /// Broker properties, verbatim. They override the fast values that a run otherwise uses.
    #[serde(default)]
    pub server: Properties,
    /// A `server.properties` taken as it is: what belongs to the lab (ids, listeners, folders, security) is left out and
    /// listed in the plan; `server` overrides it. Relative to the spec's folder.
    pub server_file: Option<String>,
}

/// Brokers of a cluster unless the spec says otherwise.
pub const DEFAULT_BROKERS: u8 = 3;

/// A topic.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Topic {
    /// Number of partitions.
    #[serde(default = "one")]
    pub partitions: u16,
    /// Number of replicas. Default: 3, or the number of brokers if that is less.
    pub replication: Option<u8>,
    /// Topic properties, verbatim.
    #[serde(default)]
    pub config: Properties,
}

fn one() -> u16 {
    1
}

/// How long the parts of a run take.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Phases {
    /// How long clients run undisturbed once everything has been seen to work. Default 1s.
    pub warm_up: Option<Time>,
    /// The least time of the phase in which faults strike. It lasts longer where faults do, and as long as the storm's
    /// own `for`. Default 5s.
    pub storm: Option<Time>,
    /// How long clients go on after the last fault is undone. Default 2s.
    pub calm: Option<Time>,
}

/// Floors and deadlines.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Limits {
    /// Fewest acknowledged records (handed-over ones with `acks=0`) for a verdict to mean something. Default 100.
    pub acknowledged: Option<u64>,
    /// Until the cluster is ready and every client works. Default 90s.
    pub start: Option<Time>,
    /// Until a condition that a fault waits for holds, or a client reaches its step. Default 30s.
    pub condition: Option<Time>,
    /// After the last fault, until the cluster is whole again. Default 60s.
    pub heal: Option<Time>,
    /// Until producers have flushed and groups have read to the end. Default 60s.
    pub drain: Option<Time>,
}
