//! What a verdict answers: the claim, and what the run must have shown for the answer to mean something.
//!
//! The plan holds it (`plan.json`), so that a stored run can be judged again at any time, by a stronger checker too.
//! It carries the settings that were in effect, not to judge by them (a checker that knows what was meant would
//! excuse what was done) but to name the one that permits what was found.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::anomaly::Anomaly;
use crate::guarantee::Claim;

/// What is asked about a history.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Question {
    /// What is claimed.
    pub claim: Claim,
    /// The anomalies that the run is meant to show; `None` where it is meant to be valid or nothing is said.
    pub expect: Option<Expect>,
    /// Fewest acknowledged records (handed-over ones with `acks=0`) for a verdict to mean something.
    pub floor: u64,
    /// Whether the run had a warm-up that must have ended (a `storm` phase must follow it).
    pub warm_up: bool,
    /// The planned faults in the plan's order, in words; each must have struck and had an effect.
    pub faults: Vec<String>,
    /// Consumer groups that took part and must have handed records over.
    pub groups: BTreeSet<String>,
    /// Whether the last polls stand for the end of the logs, as in histories recorded elsewhere, which have no independent
    /// final read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub polls_are_the_end: bool,
    /// Whether nobody claimed this: it is the strictest there is, and what it speaks of need not have happened.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub claimed_by_default: bool,
    /// What must have happened at least once for the claim to have been at risk.
    pub exercises: BTreeSet<Exercise>,
    /// What was in effect.
    pub settings: Settings,
    /// The command that repeats the run.
    pub reproduce: String,
}

/// What a demonstration must show.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Each must be observed and forbidden by the claim, and no other forbidden anomaly may be.
    pub violated: BTreeSet<Anomaly>,
}

/// Something that must have happened for a claim to have been at risk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Exercise {
    /// The leader of a log changed.
    LeaderChange,
    /// A client process died.
    ClientCrash,
    /// A group's logs were assigned a second time.
    Rebalance,
    /// A transaction was aborted.
    AbortedTransaction,
    /// A member died with effects whose position was not committed, or with a position committed before its effects.
    CrashBetweenSteps,
    /// A member asked its sink for an effect in a log that another had been assigned since.
    Zombie,
    /// Any of these two, or a sink that did not answer. Where a spec claims something of effects it is required by itself.
    EffectAtRisk,
    /// Every member of a group that died was succeeded by itself: its logs came back to it, and no other member was given or
    /// deprived of any meanwhile. At least one died.
    QuietRestart,
    /// The logs of every member that died were given to others, and none of these was deprived of any meanwhile. At least
    /// one died.
    IncrementalRebalance,
    /// A member's commit of a position was refused, or not known to have succeeded, after its log had been assigned to another.
    LateCommitRefused,
}

/// Effective settings, Kafka's own names, defaults resolved where the harness knows them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// By the client's name in the spec (`shop`); where it runs on several families, `shop/java`.
    pub clients: BTreeMap<String, ClientSettings>,
    /// By topic.
    pub topics: BTreeMap<String, BTreeMap<String, String>>,
    /// Of every broker.
    pub brokers: BTreeMap<String, String>,
}

/// One client's effective settings.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ClientSettings {
    /// `producer`, `consumer`…
    pub role: String,
    /// `librdkafka`, `java`…
    pub family: String,
    /// Topic it works on.
    pub topic: String,
    /// Consumer group, where there is one.
    pub group: Option<String>,
    /// How it commits its positions, where it consumes: `commit-after`, `commit-before`, `auto-commit`,
    /// `offset-in-sink`.
    pub commit: Option<String>,
    /// Properties by Kafka's names.
    pub properties: BTreeMap<String, String>,
}
