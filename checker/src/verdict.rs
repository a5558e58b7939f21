//! The verdict: what `verdict.json` holds and what every report is rendered from.
//!
//! It is plain data with a published JSON Schema (`docs/verdict.schema.json`), versioned by [`SCHEMA`]. Lists that
//! could grow with the run are bounded where they are made: anomalies carry exact counts, the first and last few
//! witnesses and a capped interval string, never a list of everything. Times are nanoseconds on the run's one
//! CLOCK_MONOTONIC; sentences say them relative to the first event. Nothing here judges: see `judge`.

use std::collections::BTreeMap;

use history::ids::{FaultId, Nanos, Offset, Process};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::anomaly::{Anomaly, Stage};
use crate::confirm::Confirmation;

/// Name and version of the document, raised when a field is added or changes its meaning.
pub const SCHEMA: &str = "onceproof/verdict/v1";

/// What is decided about one run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Name and version of this document: [`SCHEMA`].
    pub schema: String,
    /// Whether the claim held.
    pub verdict: Judgement,
    /// Why the verdict is not valid; for a valid verdict empty.
    pub reasons: Vec<Reason>,
    /// Whether the run showed what the spec said it would; null where the spec says nothing.
    pub expectation: Option<Expectation>,
    /// What the spec expected, where the expectation was missed: in words.
    pub expectation_missed_by: Vec<String>,
    /// Each stage of the pipeline that was claimed or judged.
    pub stages: BTreeMap<Stage, StageVerdict>,
    /// Everything observed, forbidden or not; forbidden ones first.
    pub anomalies: Vec<Observed>,
    /// How much the verdict rests on.
    pub counts: Counts,
    /// Time of the first event: reports say times from here on.
    #[schemars(with = "u64")]
    pub began: Nanos,
    /// What each fault did.
    pub faults: Vec<FaultEntry>,
    /// Leader changes that any broker reported during the run, in order of their epochs.
    pub leader_changes: u64,
    /// What was not looked at, and why.
    pub not_judged: Vec<String>,
    /// Time from hand-over to acknowledgement; null where it was not measured.
    pub latency: Option<Latency>,
    /// The command that repeats the run.
    pub reproduce: String,
}

/// The three verdicts. Invalid outranks unknown, unknown outranks valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Judgement {
    /// The claim held, and the run was able to break it.
    Valid,
    /// Not enough evidence either way.
    Unknown,
    /// The claim was violated.
    Invalid,
}

/// Whether a run that was meant to show something showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Expectation {
    /// Everything expected appeared, and no other violation did.
    Met,
    /// Something expected is missing, or something else is violated.
    Missed,
}

/// One reason why a verdict is invalid or unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// What kind of reason.
    pub kind: ReasonKind,
    /// The stage it concerns; null where it concerns the whole run.
    pub stage: Option<Stage>,
    /// It in words.
    pub text: String,
}

/// The kinds of reasons, worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReasonKind {
    /// The claim forbids what was observed.
    Violation,
    /// An independent look at what was found contradicts it: a fault of the checker.
    Contradiction,
    /// Nothing happened that could be judged.
    Empty,
    /// Fewer records acknowledged than the spec's floor.
    TooFewRecords,
    /// The warm-up did not complete.
    NoWarmUp,
    /// The independent reader did not reach every end offset.
    IncompleteFinalRead,
    /// Acknowledged records lie above every position that was read.
    Unseen,
    /// A planned fault did not strike, was not healed, or had no effect.
    FaultWithoutEffect,
    /// Something that the claim speaks of was never exercised.
    NotExercised,
    /// A group, or its sink, did not drain to the end of its logs.
    NotDrained,
    /// Effects that were asked for and never answered, and a sink that was not read back, or only in part.
    EffectsUnknown,
    /// A journal ended in the middle although its process was not killed by the plan.
    TornJournal,
}

/// The verdict on one stage of the pipeline.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageVerdict {
    /// What was claimed here, in words: `at-least-once, ordered`; `nothing` where nothing was.
    pub claim: String,
    /// Whether it held.
    pub verdict: Judgement,
    /// The anomalies that the claim forbids here.
    pub forbidden: Vec<Anomaly>,
    /// One line: "0 of 1,204,331 acknowledged records lost over 42 leader changes".
    pub summary: String,
}

/// One kind of anomaly as it was observed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Observed {
    /// Which.
    pub name: Anomaly,
    /// Where in the pipeline.
    pub stage: Stage,
    /// How many records (or reads) show it: exact.
    pub count: u64,
    /// Whether the claim forbids it.
    pub forbidden: bool,
    /// The same count split by cause, where causes are told apart (`crash-before-commit`, `client-resend`…).
    pub causes: BTreeMap<String, u64>,
    /// Sub-count by log (`topic/partition`), at most [`MAX_LISTED`] logs with the most.
    pub logs: BTreeMap<String, u64>,
    /// The values concerned as intervals, capped: `2:10-19, 2:31, … 40 more …, 2:99`; empty where none are kept.
    pub intervals: String,
    /// What happened, in one English sentence.
    pub sentence: String,
    /// The setting that permits it and the smallest change that would forbid it; null where none is known.
    pub permitted_by: Option<Permission>,
    /// What was going on between the earliest and the latest witness.
    pub around: Around,
    /// The first and last few, each the smallest set of events that shows it.
    pub witnesses: Vec<Witness>,
}

/// How many entries a bounded list of the verdict may hold.
pub const MAX_LISTED: usize = 20;

/// A setting that permits an anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Permission {
    /// Whether the setting was in effect, or is only what usually permits it.
    pub basis: Basis,
    /// The setting as it was in effect: `acks=1`.
    pub setting: String,
    /// Why that permits it.
    pub because: String,
    /// The smallest change that forbids it.
    pub change: String,
}

/// What a permission rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Basis {
    /// The setting was in effect for a client, topic or broker concerned.
    InEffect,
    /// Nothing is known of the settings, or no single one decides: this is what usually permits it.
    Usual,
}

/// What was going on around an anomaly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Around {
    /// Time of the earliest event of any witness.
    #[schemars(with = "Option<u64>")]
    pub from: Option<Nanos>,
    /// Time of the latest event of any witness.
    #[schemars(with = "Option<u64>")]
    pub to: Option<Nanos>,
    /// Faults open between the two (their numbers in the plan), at most [`MAX_LISTED`].
    #[schemars(with = "Vec<u32>")]
    pub faults: Vec<FaultId>,
    /// Changes of leaders and in-sync sets of the logs concerned between the two, at most [`MAX_LISTED`].
    pub cluster: Vec<ClusterChange>,
    /// How many there were in all.
    pub cluster_changes: u64,
    /// What the record batches say (leader epoch, producer id, epoch and base sequence), in words.
    pub batches: Vec<String>,
}

/// One change of a log's leader or in-sync set, as a broker reported it first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ClusterChange {
    /// `topic/partition`.
    pub log: String,
    /// When it was first seen.
    #[schemars(with = "u64")]
    pub seen: Nanos,
    /// Leader before; null where there was none.
    pub leader_before: Option<i32>,
    /// Leader after; null where there is none.
    pub leader: Option<i32>,
    /// Leader epoch after.
    pub epoch: i32,
    /// In-sync replicas before.
    pub isr_before: Vec<i32>,
    /// In-sync replicas after.
    pub isr: Vec<i32>,
}

/// One instance of an anomaly: the smallest set of events that shows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Witness {
    /// `topic/partition`.
    pub log: String,
    /// The record's value (`process:sequence`), where there is one.
    pub value: Option<String>,
    /// The events, in order of time.
    pub events: Vec<WitnessEvent>,
    /// It in one line.
    pub text: String,
    /// Whether an independent look at what was recorded came to the same conclusion.
    #[serde(default)]
    pub confirmed: Confirmation,
    /// Why it did not, or could not; null where it did.
    #[serde(default)]
    pub objection: Option<String>,
}

/// One event of a witness: a reference into the history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WitnessEvent {
    /// What it was: `sent`, `acknowledged`, `in-log`, `polled`, `assigned`…
    pub what: String,
    /// Whose event, where it is a client's.
    #[schemars(with = "Option<u32>")]
    pub process: Option<Process>,
    /// When it was invoked or, for reads, returned; null where the history keeps no time for it.
    #[schemars(with = "Option<u64>")]
    pub time: Option<Nanos>,
    /// The offset concerned.
    #[schemars(with = "Option<i64>")]
    pub offset: Option<Offset>,
    /// The value concerned (`process:sequence`).
    pub value: Option<String>,
}

/// How much the verdict rests on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Counts {
    /// Records handed to producers.
    pub sent: u64,
    /// Sends acknowledged with an offset.
    pub acknowledged: u64,
    /// Sends acknowledged to the application without an offset (`acks=0`).
    pub handed_over: u64,
    /// Sends that failed for sure.
    pub failed: u64,
    /// Sends with an unknown outcome.
    pub unknown: u64,
    /// Of those with an unknown outcome, how many are in the log.
    pub recovered: u64,
    /// Records found by the final read.
    pub final_read: u64,
    /// Records returned by polls, all groups together.
    pub polled: u64,
    /// Records handed over to processing, all groups together.
    pub delivered: u64,
    /// Logs.
    pub logs: u64,
    /// Processes (client incarnations, the reader and the harness).
    pub processes: u64,
}

/// One line of the fault ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FaultEntry {
    /// Its number in the plan.
    #[schemars(with = "u32")]
    pub id: FaultId,
    /// In words, with the concrete targets.
    pub what: String,
    /// Nodes and clients it struck.
    pub targets: Vec<String>,
    /// When it struck; null: it never did.
    #[schemars(with = "Option<u64>")]
    pub struck: Option<Nanos>,
    /// When it was undone; null: it never was.
    #[schemars(with = "Option<u64>")]
    pub healed: Option<Nanos>,
    /// What it did, in words.
    pub effect: String,
    /// What it did, in numbers.
    pub counters: BTreeMap<String, u64>,
    /// Whether it had any effect.
    pub bit: bool,
    /// Latency and gaps while it was open; null where not measured.
    pub latency: Option<Percentiles>,
    /// The longest time without an acknowledgement that overlaps the fault, in nanoseconds.
    pub longest_gap: Option<u64>,
}

/// Time from hand-over to acknowledgement over the whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// All acknowledged sends.
    pub overall: Percentiles,
    /// The longest time without any acknowledgement between the first and the last, in nanoseconds.
    pub longest_gap: u64,
    /// When that gap began.
    #[schemars(with = "u64")]
    pub longest_gap_from: Nanos,
}

/// Percentiles of acknowledgement latency, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Percentiles {
    /// How many sends.
    pub count: u64,
    /// Median.
    pub p50: u64,
    /// 99th percentile.
    pub p99: u64,
    /// Largest.
    pub max: u64,
}

impl Verdict {
    /// The anomaly of that name, if it was observed.
    pub fn observed(&self, name: Anomaly) -> Option<&Observed> {
        self.anomalies.iter().find(|observed| observed.name == name)
    }
}

impl Observed {
    /// Whether it breaks the claim: it is forbidden, and not everything that is known of it was refuted.
    pub fn is_violation(&self) -> bool {
        let refuted = |witness: &Witness| witness.confirmed == Confirmation::Refuted;
        self.forbidden && (self.witnesses.is_empty() || !self.witnesses.iter().all(refuted))
    }
}

impl ClusterChange {
    /// Whether the log has a leader that it did not have before.
    pub fn is_new_leader(&self) -> bool {
        self.leader.is_some() && self.leader != self.leader_before
    }
}

impl FaultEntry {
    /// A fault of which nothing but the plan is known.
    pub fn planned(id: FaultId, what: String) -> FaultEntry {
        FaultEntry {
            id,
            what,
            targets: Vec::new(),
            struck: None,
            healed: None,
            effect: String::new(),
            counters: BTreeMap::new(),
            bit: false,
            latency: None,
            longest_gap: None,
        }
    }

    /// Whether it was open at some time between two moments; one that was never undone stays open.
    pub fn was_open(&self, from: Nanos, to: Nanos) -> bool {
        self.struck.is_some_and(|struck| struck <= to) && self.healed.is_none_or(|healed| healed >= from)
    }
}
