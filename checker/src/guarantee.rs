//! What a configuration promises: a set of forbidden anomalies for each stage of the pipeline.
//!
//! A claim is a level (at most, at least or exactly once) with optional properties (ordered, transactional,
//! linearizable), for the whole pipeline or stage by stage. Some anomalies are forbidden whatever is claimed: no
//! configuration allows a log to hold what nobody sent. Naming guarantees rather than anomaly flags keeps the two
//! questions apart that a user asks: "what did I promise?" and "what happened?". What is observed and not forbidden
//! is still reported.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::anomaly::{Anomaly, Stage};

/// How often a record may come out of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Never twice, perhaps never.
    AtMostOnce,
    /// At least once, perhaps more often.
    AtLeastOnce,
    /// Once.
    ExactlyOnce,
}

/// A property claimed on top of a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Property {
    /// Records of one process keep their order. Claimed when the settings give it (idempotence, or one request in
    /// flight).
    Ordered,
    /// Transactions are all or nothing, and committed readers see only committed data.
    Transactional,
    /// Logs and committed offsets behave as if there were one copy of them.
    Linearizable,
    /// Transactions behave as if they ran one after another. No setting of Kafka's gives it: its transactions are
    /// atomic, not isolated.
    Serializable,
}

/// What is claimed about one stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageClaim {
    /// How often a record may come out; without it only what always holds is claimed.
    pub level: Option<Level>,
    /// Properties claimed on top.
    pub properties: BTreeSet<Property>,
}

/// What is claimed about a run.
///
/// Written as words, `"exactly-once, ordered"`, for the whole pipeline, or as a table of such words by stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Claim {
    /// Nothing but what always holds.
    #[default]
    Nothing,
    /// The same for every stage that takes part in the run.
    Pipeline(StageClaim),
    /// Stage by stage; a stage that is named must take part in the run, one that is not claims nothing.
    ByStage(BTreeMap<Stage, StageClaim>),
}

/// A claim that could not be understood.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClaimError {
    /// No such level or property.
    #[error(
        "unknown guarantee \"{word}\": expected at-most-once, at-least-once, exactly-once, ordered, transactional, linearizable or serializable"
    )]
    UnknownWord {
        /// What was written.
        word: String,
    },
    /// Two levels for one stage.
    #[error("two levels in one claim, {first} and {second}")]
    TwoLevels {
        /// The first.
        first: Level,
        /// The second.
        second: Level,
    },
    /// A stage that claims are not made about.
    #[error("unknown stage \"{stage}\": expected log, delivery or effect")]
    UnknownStage {
        /// What was written.
        stage: String,
    },
}

/// The stages that a claim can speak about, in the order of the pipeline.
pub const CLAIMED_STAGES: [Stage; 3] = [Stage::Log, Stage::Delivery, Stage::Effect];

/// The claim about a stage that says nothing.
static SILENT: StageClaim = StageClaim { level: None, properties: BTreeSet::new() };

impl Claim {
    /// What is claimed about one stage.
    pub fn stage(&self, stage: Stage) -> &StageClaim {
        match self {
            Claim::Nothing => &SILENT,
            Claim::Pipeline(claim) if CLAIMED_STAGES.contains(&stage) => claim,
            Claim::Pipeline(_) => &SILENT,
            Claim::ByStage(stages) => stages.get(&stage).unwrap_or(&SILENT),
        }
    }

    /// Whether the claim names this stage itself, so that a run without it says nothing.
    pub fn names(&self, stage: Stage) -> bool {
        match self {
            Claim::Nothing => false,
            // Every run has a log; consumers and sinks take part where the spec has them.
            Claim::Pipeline(_) => stage == Stage::Log,
            Claim::ByStage(stages) => stages.contains_key(&stage),
        }
    }

    /// The anomalies that the claim forbids in one stage.
    pub fn forbidden(&self, stage: Stage) -> BTreeSet<Anomaly> {
        let claim = self.stage(stage);
        let mut forbidden = BTreeSet::from_iter(always(stage).iter().copied());
        if let Some(level) = claim.level {
            forbidden.extend(by_level(stage, level));
        }
        for property in &claim.properties {
            forbidden.extend(by_property(stage, *property));
        }
        forbidden
    }

    /// Adds a property to every stage that has a level: for what the settings give without being claimed in words.
    pub fn add(&mut self, property: Property) {
        match self {
            Claim::Nothing => {}
            Claim::Pipeline(claim) => drop(claim.properties.insert(property)),
            Claim::ByStage(stages) => {
                for claim in stages.values_mut().filter(|claim| claim.level.is_some()) {
                    claim.properties.insert(property);
                }
            }
        }
    }
}

/// Forbidden whatever is claimed (semantics: "always").
fn always(stage: Stage) -> &'static [Anomaly] {
    match stage {
        Stage::Log => &[Anomaly::Phantom, Anomaly::Corrupt, Anomaly::Misrouted, Anomaly::InconsistentOffsets],
        Stage::Delivery => &[Anomaly::Phantom, Anomaly::PollSkip, Anomaly::NonmonotonicPoll],
        Stage::Effect => &[Anomaly::PhantomEffect],
        Stage::Liveness => &[],
    }
}

/// Forbidden by a level. Exactly-once delivery may repeat: what must happen once is the effect.
fn by_level(stage: Stage, level: Level) -> &'static [Anomaly] {
    match (stage, level) {
        (Stage::Log, Level::AtMostOnce) => &[Anomaly::DuplicateWrite],
        (Stage::Log, Level::AtLeastOnce) => &[Anomaly::LostWrite],
        (Stage::Log, Level::ExactlyOnce) => &[Anomaly::LostWrite, Anomaly::DuplicateWrite],
        (Stage::Delivery, Level::AtMostOnce) => &[Anomaly::Redelivered],
        (Stage::Delivery, Level::AtLeastOnce | Level::ExactlyOnce) => &[Anomaly::Undelivered],
        (Stage::Effect, Level::AtMostOnce) => &[Anomaly::DuplicateEffect],
        (Stage::Effect, Level::AtLeastOnce) => &[Anomaly::LostEffect],
        (Stage::Effect, Level::ExactlyOnce) => &[Anomaly::LostEffect, Anomaly::DuplicateEffect],
        (Stage::Liveness, Level::AtMostOnce | Level::AtLeastOnce | Level::ExactlyOnce) => &[],
    }
}

/// Forbidden by a property. Order of delivery is monotonicity within an assignment, which always holds.
fn by_property(stage: Stage, property: Property) -> &'static [Anomaly] {
    match (stage, property) {
        (Stage::Log, Property::Ordered) => &[Anomaly::ReorderedWrite],
        (Stage::Log, Property::Transactional) => &[
            Anomaly::TornTransaction,
            Anomaly::LostCommit,
            Anomaly::ResurrectedAbort,
            Anomaly::FencingViolation,
        ],
        (Stage::Log, Property::Serializable) => &[Anomaly::DependencyCycle],
        (Stage::Log, Property::Linearizable) => &[Anomaly::RealtimeInversion, Anomaly::StaleEnd],
        (Stage::Delivery, Property::Ordered) => &[Anomaly::NonmonotonicPoll],
        (Stage::Delivery, Property::Transactional) => {
            &[Anomaly::AbortedRead, Anomaly::PrecommittedRead, Anomaly::LsoBreach]
        }
        (Stage::Delivery, Property::Linearizable) => &[Anomaly::OffsetRegression],
        (Stage::Effect, Property::Ordered) => &[Anomaly::MisorderedEffect],
        (Stage::Effect, Property::Transactional) => {
            &[Anomaly::SkippedInput, Anomaly::DoubleInput, Anomaly::OutputMismatch]
        }
        (Stage::Delivery | Stage::Effect, Property::Serializable)
        | (Stage::Effect, Property::Linearizable)
        | (Stage::Liveness, _) => &[],
    }
}

/// The words of a level.
const LEVELS: [(Level, &str); 3] = [
    (Level::AtMostOnce, "at-most-once"),
    (Level::AtLeastOnce, "at-least-once"),
    (Level::ExactlyOnce, "exactly-once"),
];

/// The words of a property.
const PROPERTIES: [(Property, &str); 4] = [
    (Property::Ordered, "ordered"),
    (Property::Transactional, "transactional"),
    (Property::Linearizable, "linearizable"),
    (Property::Serializable, "serializable"),
];

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = LEVELS.iter().find(|(level, _)| level == self).map_or("", |(_, word)| word);
        f.write_str(word)
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = PROPERTIES.iter().find(|(property, _)| property == self).map_or("", |(_, word)| word);
        f.write_str(word)
    }
}

impl fmt::Display for StageClaim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = self.level.map(|level| level.to_string());
        let properties = self.properties.iter().map(Property::to_string);
        let words: Vec<String> = level.into_iter().chain(properties).collect();
        if words.is_empty() { f.write_str("nothing") } else { f.write_str(&words.join(", ")) }
    }
}

impl fmt::Display for Claim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Claim::Nothing => f.write_str("nothing"),
            Claim::Pipeline(claim) => claim.fmt(f),
            Claim::ByStage(stages) => {
                let words: Vec<String> =
                    stages.iter().map(|(stage, claim)| format!("{stage} {claim}")).collect();
                f.write_str(&words.join("; "))
            }
        }
    }
}

impl FromStr for StageClaim {
    type Err = ClaimError;

    fn from_str(text: &str) -> Result<Self, ClaimError> {
        let mut claim = StageClaim::default();
        for word in
            text.split([',', '+']).map(str::trim).filter(|word| !word.is_empty() && *word != "nothing")
        {
            if let Some((level, _)) = LEVELS.iter().find(|(_, name)| *name == word) {
                if let Some(first) = claim.level.replace(*level) {
                    return Err(ClaimError::TwoLevels { first, second: *level });
                }
            } else if let Some((property, _)) = PROPERTIES.iter().find(|(_, name)| *name == word) {
                claim.properties.insert(*property);
            } else {
                return Err(ClaimError::UnknownWord { word: word.to_owned() });
            }
        }
        Ok(claim)
    }
}

impl FromStr for Claim {
    type Err = ClaimError;

    /// Words for the whole pipeline (`exactly-once, ordered`), or by stage (`log=at-least-once; delivery=…`).
    fn from_str(text: &str) -> Result<Self, ClaimError> {
        if !text.contains('=') {
            let claim: StageClaim = text.parse()?;
            return Ok(if claim == SILENT { Claim::Nothing } else { Claim::Pipeline(claim) });
        }
        let mut stages = BTreeMap::new();
        for part in text.split(';').map(str::trim).filter(|part| !part.is_empty()) {
            let (stage, words) = part.split_once('=').unwrap_or((part, ""));
            stages.insert(claimed_stage(stage.trim())?, words.parse()?);
        }
        Ok(Claim::ByStage(stages))
    }
}

/// The stage of that name, if claims can be made about it.
fn claimed_stage(name: &str) -> Result<Stage, ClaimError> {
    CLAIMED_STAGES
        .into_iter()
        .find(|stage| stage.to_string() == name)
        .ok_or_else(|| ClaimError::UnknownStage { stage: name.to_owned() })
}

/// The two ways of writing a claim.
#[derive(Deserialize, JsonSchema)]
#[serde(untagged, expecting = "a guarantee such as \"at-least-once\", or a table of them by stage")]
enum Written {
    /// For the whole pipeline.
    Words(String),
    /// By stage.
    Table(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for Claim {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let parsed = match Written::deserialize(deserializer)? {
            Written::Words(words) => words.parse(),
            Written::Table(table) => table
                .into_iter()
                .map(|(stage, words)| Ok((claimed_stage(&stage)?, words.parse()?)))
                .collect::<Result<BTreeMap<_, _>, ClaimError>>()
                .map(Claim::ByStage),
        };
        parsed.map_err(serde::de::Error::custom)
    }
}

impl Serialize for Claim {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Claim::Nothing | Claim::Pipeline(_) => serializer.serialize_str(&self.to_string()),
            Claim::ByStage(stages) => {
                serializer.collect_map(stages.iter().map(|(stage, claim)| (stage, claim.to_string())))
            }
        }
    }
}

impl JsonSchema for Claim {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Claim".into()
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Written::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_once_forbids_loss_and_duplication_in_the_log_but_lets_delivery_repeat() {
        let claim: Claim = "exactly-once".parse().unwrap();
        let log = claim.forbidden(Stage::Log);
        assert!(log.contains(&Anomaly::LostWrite) && log.contains(&Anomaly::DuplicateWrite));
        assert!(!log.contains(&Anomaly::ReorderedWrite), "order is a property of its own");
        let delivery = claim.forbidden(Stage::Delivery);
        assert!(delivery.contains(&Anomaly::Undelivered) && !delivery.contains(&Anomaly::Redelivered));
    }

    #[test]
    fn some_anomalies_are_forbidden_whatever_is_claimed() {
        for text in ["nothing", "at-most-once", "at-least-once", "exactly-once"] {
            let claim: Claim = text.parse().unwrap();
            for anomaly in
                [Anomaly::Phantom, Anomaly::Corrupt, Anomaly::Misrouted, Anomaly::InconsistentOffsets]
            {
                assert!(claim.forbidden(Stage::Log).contains(&anomaly), "{text}: {anomaly:?}");
            }
        }
    }

    #[test]
    fn the_two_forms_of_a_claim_survive_a_round_trip() {
        for json in [
            r#""exactly-once, ordered""#,
            r#""nothing""#,
            r#"{"log":"at-most-once","delivery":"at-least-once, transactional"}"#,
        ] {
            let claim: Claim = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&claim).unwrap(), json);
        }
        let claim: Claim = "log=at-most-once; delivery=at-least-once, transactional".parse().unwrap();
        assert!(claim.names(Stage::Delivery) && !claim.names(Stage::Effect));
    }

    #[test]
    fn a_claim_that_cannot_be_understood_says_what_could_be() {
        let unknown = "exactly-twice".parse::<Claim>().unwrap_err();
        assert!(unknown.to_string().contains("at-least-once"), "{unknown}");
        let two = "at-most-once, at-least-once".parse::<Claim>().unwrap_err();
        assert_eq!(two.to_string(), "two levels in one claim, at-most-once and at-least-once");
        let stage = serde_json::from_str::<Claim>(r#"{"sink":"exactly-once"}"#).unwrap_err();
        assert!(stage.to_string().contains("unknown stage \"sink\""), "{stage}");
    }
}
