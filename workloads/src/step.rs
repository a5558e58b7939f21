//! The named steps of a client: the places between which a fault can be aimed.
//!
//! A spec says `at = "polled..effect-done"`, and the client is stopped exactly there, the nth time, before it
//! is killed or paused. The names and their order belong to the delivery mode (`mode.rs`), because a client
//! that commits before it processes passes the same steps in another order. What a step costs when nobody
//! waits for it is in `gate.rs`.

use serde::{Deserialize, Serialize};

/// A place in a client's work that a fault can be aimed at. A client *is at* a step once the thing named is
/// done and journalled, and before the next one begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// Producer: the send is journalled, the client library has not been called.
    #[serde(alias = "send")]
    Sending,
    /// Producer: the client library has taken the record.
    Sent,
    /// Producer: the delivery report is known and journalled.
    #[serde(alias = "acked")]
    Acknowledged,
    /// Consumer: poll returned records, and that is journalled.
    #[serde(alias = "poll")]
    Polled,
    /// Consumer: records are handed over to processing, and that is journalled.
    #[serde(alias = "handed-over")]
    Processing,
    /// Consumer: processing is over, the sink is about to be called.
    EffectBegun,
    /// Consumer: the sink holds the effect, and that is journalled.
    #[serde(alias = "effect")]
    EffectDone,
    /// Consumer: the commit of positions is journalled and handed to the client library; the answer is not known.
    #[serde(alias = "commit_offsets", alias = "commit-offsets")]
    CommitSent,
    /// Consumer: the answer to the commit is known and journalled.
    CommitKnown,
}

/// All steps with their names, other spellings accepted in a spec, and a line of documentation each.
pub const STEPS: [StepName; 9] = [
    StepName::new(Step::Sending, "sending", &["send"], "the send is journalled, the library not yet called"),
    StepName::new(Step::Sent, "sent", &[], "the library has taken the record"),
    StepName::new(Step::Acknowledged, "acknowledged", &["acked"], "the delivery report is known"),
    StepName::new(Step::Polled, "polled", &["poll"], "poll returned records"),
    StepName::new(Step::Processing, "processing", &["handed-over"], "records are handed over to processing"),
    StepName::new(
        Step::EffectBegun,
        "effect-begun",
        &[],
        "processing is over, the sink is about to be called",
    ),
    StepName::new(Step::EffectDone, "effect-done", &["effect"], "the sink holds the effect"),
    StepName::new(
        Step::CommitSent,
        "commit-sent",
        &["commit_offsets", "commit-offsets"],
        "the commit is handed to the library, its answer unknown",
    ),
    StepName::new(Step::CommitKnown, "commit-known", &[], "the answer to the commit is known"),
];

/// A step's name and its documentation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepName {
    /// The step.
    pub step: Step,
    /// Its name in specs, commands and reports.
    pub name: &'static str,
    /// Other spellings that are understood.
    pub aliases: &'static [&'static str],
    /// What has been done when a client is at this step.
    pub meaning: &'static str,
}

impl StepName {
    const fn new(
        step: Step,
        name: &'static str,
        aliases: &'static [&'static str],
        meaning: &'static str,
    ) -> Self {
        Self { step, name, aliases, meaning }
    }
}

impl Step {
    /// The step of this name or one of its other spellings.
    pub fn parse(text: &str) -> Option<Self> {
        STEPS.iter().find(|row| row.name == text || row.aliases.contains(&text)).map(|row| row.step)
    }

    /// Its name in specs, commands and reports.
    pub fn name(self) -> &'static str {
        STEPS.iter().find(|row| row.step == self).map_or("", |row| row.name)
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_means_the_same_in_a_spec_and_in_the_protocol() {
        for row in STEPS {
            assert_eq!(serde_json::to_string(&row.step).unwrap(), format!("\"{}\"", row.name));
            for spelling in row.aliases.iter().chain([&row.name]) {
                assert_eq!(Step::parse(spelling), Some(row.step));
                assert_eq!(serde_json::from_str::<Step>(&format!("\"{spelling}\"")).unwrap(), row.step);
            }
            assert_eq!(row.step.to_string(), row.name);
        }
        assert_eq!(Step::parse("commit"), None);
    }
}
