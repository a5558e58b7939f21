//! What `onceproof list` prints: the same data that the generated documents are made of.

use clap::ValueEnum;
use serde_json::{Value, json};

use crate::kafka::properties;
use crate::reference;
use crate::spec::BUILT_IN;

/// What can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Topic {
    /// Built-in specs.
    Specs,
    /// Faults, targets and moments.
    Faults,
    /// Anomalies, with their definitions.
    Anomalies,
    /// Delivery modes.
    Modes,
    /// Named steps of clients, at which faults can be aimed.
    Steps,
    /// The keys of a spec.
    Spec,
    /// Properties that the harness decides or sets.
    Properties,
}

/// The list for people, as Markdown: it reads as it is.
pub(super) fn human(topic: Topic) -> String {
    match topic {
        Topic::Specs => reference::specs(),
        Topic::Faults => reference::faults(),
        Topic::Anomalies => checker::anomaly::document(),
        Topic::Modes => reference::modes(),
        Topic::Steps => reference::steps(),
        Topic::Spec => reference::spec(),
        Topic::Properties => reference::properties(),
    }
}

/// The list as one JSON document.
pub(super) fn json(topic: Topic) -> Value {
    match topic {
        Topic::Specs => BUILT_IN.iter().map(|spec| json!({ "name": spec.name, "about": spec.about() })).collect(),
        Topic::Faults => nemesis::fault::KINDS
            .iter()
            .map(|kind| {
                json!({
                    "key": kind.key, "forms": kind.forms, "does": kind.does, "heals": kind.heals,
                    "bites": kind.bites, "example": kind.example,
                })
            })
            .collect(),
        Topic::Anomalies => checker::anomaly::ALL
            .iter()
            .map(|anomaly| json!({ "name": anomaly.name(), "definition": anomaly.entry().definition }))
            .collect(),
        Topic::Modes => workloads::mode::MODES
            .iter()
            .map(|mode| json!({ "id": mode.id, "name": mode.name, "promises": mode.promises, "limit": mode.limit }))
            .collect(),
        Topic::Steps => {
            workloads::step::STEPS.iter().map(|step| json!({ "name": step.name, "meaning": step.meaning })).collect()
        }
        Topic::Spec => serde_json::from_str(&reference::json_schema()).unwrap_or_default(),
        Topic::Properties => json!({
            "decided": properties::OWNED.iter().map(|(name, why)| json!({ "name": name, "why": why })).collect::<Value>(),
            "set": properties::fast(crate::spec::DEFAULT_BROKERS),
        }),
    }
}
