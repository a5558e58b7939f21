//! The plan: a spec with every question answered, before anything is started.
//!
//! A plan is a pure function of (spec, seed) and is written into the run directory, so that a run can be
//! repeated and a stored history judged again. It holds what is given to each process verbatim, the schedule
//! with every draw made, and the question that the verdict answers. Only who holds a role when a fault strikes is
//! left open. The same spec and seed give the same bytes.

mod defaults;
mod print;
mod resolve;

use std::collections::BTreeMap;
use std::time::Duration;

use checker::question::Question;
use history::ids::TopicPartition;
use history::op::Isolation;
use nemesis::schedule::{Planned, Seed};
use nemesis::target::ClientRef;
use serde::{Deserialize, Serialize};

use crate::kafka::KafkaPlan;
use crate::sink::SinkPlan;
use crate::spec::Family;
use crate::wire::TopicPlan;

pub use print::{Look, print};
pub use resolve::{DEFAULT_VERSION, plan};

/// Name and version of the document.
pub const SCHEMA: &str = "onceproof/plan/v1";

/// A resolved spec.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Plan {
    /// [`SCHEMA`].
    pub schema: String,
    /// Name of the spec.
    pub spec: String,
    /// What it shows.
    pub about: String,
    /// What every draw came from.
    pub seed: Seed,
    /// The cluster.
    pub kafka: KafkaPlan,
    /// Properties of a server or client file that belong to the lab and were left out, by file key.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub left_out: BTreeMap<String, Vec<String>>,
    /// Topics, in the order of their names.
    pub topics: Vec<TopicPlan>,
    /// Clients, one entry for each name and family.
    pub clients: Vec<ClientPlan>,
    /// Where effects are kept, if anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sink: Option<SinkPlan>,
    /// Faults in the order of their numbers.
    pub faults: Vec<Planned>,
    /// How long the parts of the run take.
    pub phases: Phases,
    /// Deadlines.
    pub limits: Limits,
    /// What the verdict answers.
    pub question: Question,
}

/// Clients of one name and family.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ClientPlan {
    /// Name in the spec.
    pub name: String,
    /// Client library.
    pub family: Family,
    /// Version of the Java client, where it is one; none is the broker's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The instances, in order.
    pub instances: Vec<ClientRef>,
    /// The topic they work on.
    pub topic: String,
    /// Consumer group, where they consume.
    pub group: Option<String>,
    /// Whether each instance's name is its `group.instance.id`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub static_member: bool,
    /// What they do: given to the worker as it is, for its first incarnation. A replacement has no warm-up.
    pub role: workloads::protocol::Role,
    /// The library's properties: given to the worker as they are.
    pub properties: BTreeMap<String, String>,
}

/// How long the parts of a run take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Phases {
    /// How long clients run undisturbed once everything has been seen to work.
    #[serde(with = "nemesis::duration")]
    pub warm_up: Duration,
    /// Least time of the phase in which faults strike.
    #[serde(with = "nemesis::duration")]
    pub storm: Duration,
    /// How long clients go on after the last fault is undone.
    #[serde(with = "nemesis::duration")]
    pub calm: Duration,
}

/// Deadlines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Limits {
    /// Until the cluster is ready and every client works.
    #[serde(with = "nemesis::duration")]
    pub start: Duration,
    /// Until a condition holds or a client reaches its step, from the moment it is first waited for.
    #[serde(with = "nemesis::duration")]
    pub condition: Duration,
    /// After the last fault, until the cluster is whole again.
    #[serde(with = "nemesis::duration")]
    pub heal: Duration,
    /// Until producers have flushed and groups have read to the end.
    #[serde(with = "nemesis::duration")]
    pub drain: Duration,
}

impl ClientPlan {
    /// The group whose effects it makes, if it makes any.
    pub fn sink_group(&self) -> Option<String> {
        match &self.role {
            workloads::protocol::Role::Consumer(consumer) if consumer.effect.is_some() => self.group.clone(),
            workloads::protocol::Role::Consumer(_) | workloads::protocol::Role::Producer(_) => None,
        }
    }

    /// Whether it consumes, and where nothing is committed begins behind what is there: `auto.offset.reset` as it is given,
    /// else both libraries' default.
    pub fn begins_at_the_end(&self) -> bool {
        let workloads::protocol::Role::Consumer(_) = self.role else { return false };
        let reset = self.properties.get("auto.offset.reset").map_or("latest", String::as_str);
        ["latest", "largest", "end"].contains(&reset.to_ascii_lowercase().as_str())
    }

    /// Which records its polls return, where it polls: what it is given, else its library's default.
    pub fn isolation(&self) -> Option<Isolation> {
        let workloads::protocol::Role::Consumer(_) = self.role else { return None };
        let defaults = defaults::of(self.family, crate::spec::Role::Consumer).iter();
        let default = defaults.copied().find(|(name, _)| *name == "isolation.level").map(|(_, level)| level);
        match self.properties.get("isolation.level").map(String::as_str).or(default)? {
            "read_committed" => Some(Isolation::ReadCommitted),
            _ => Some(Isolation::ReadUncommitted),
        }
    }
}

impl Plan {
    /// Every log of the plan, in order.
    pub fn logs(&self) -> Vec<TopicPartition> {
        let logs = |topic: &TopicPlan| {
            let name = topic.name.clone();
            (0..topic.partitions).map(move |partition| TopicPartition::new(name.clone(), partition))
        };
        self.topics.iter().flat_map(logs).collect()
    }

    /// A topic has this many partitions from now on.
    pub fn grow(&mut self, name: &str, partitions: u16) {
        for topic in self.topics.iter_mut().filter(|topic| topic.name == name) {
            topic.partitions = i32::from(partitions);
        }
    }

    /// Every client instance, with its plan.
    pub fn instances(&self) -> impl Iterator<Item = (&ClientRef, &ClientPlan)> {
        self.clients.iter().flat_map(|client| client.instances.iter().map(move |instance| (instance, client)))
    }

    /// The document, as it is written to `plan.json`.
    pub fn json(&self) -> String {
        let mut text = serde_json::to_string_pretty(self)
            .unwrap_or_else(|error| panic!("a plan cannot be written: {error}"));
        text.push('\n');
        text
    }

    /// Reads a `plan.json`.
    ///
    /// # Errors
    /// When it is not a plan of this version.
    pub fn from_json(text: &str) -> Result<Self, NotAPlan> {
        let head: Head = serde_json::from_str(text).map_err(NotAPlan::Json)?;
        if head.schema != SCHEMA {
            return Err(NotAPlan::Version(head.schema));
        }
        serde_json::from_str(text).map_err(NotAPlan::Json)
    }
}

#[derive(Deserialize)]
struct Head {
    schema: String,
}

/// Why a text is no plan.
#[derive(Debug, thiserror::Error)]
pub enum NotAPlan {
    /// Not the JSON of a plan.
    #[error("not the JSON of a plan: {0}")]
    Json(#[source] serde_json::Error),
    /// Another version of the document.
    #[error("a plan of another version, {0}; this program reads {SCHEMA}")]
    Version(String),
}
