//! `docs/anomalies.md`, generated from the entries.
//!
//! One text for the reference and for `onceproof list anomalies`; a test fails when the file is stale.

use std::fmt::Write;

use super::{ALL, Anomaly, Entry, Stage};
use crate::guarantee::{Claim, Level, Property, StageClaim};

/// The whole reference as Markdown.
pub fn document() -> String {
    let mut text = String::from(
        "# Anomalies\n\n\
         <!-- Generated from checker/src/anomaly.rs; `UPDATE_DOCS=1 cargo test -p checker --test documents` writes it. -->\n\n\
         Every way in which a run can break a promise. Which of them are forbidden depends on what is claimed; what is\n\
         observed and not forbidden is reported all the same. Examples are in the text form of a history\n\
         (`history/src/text.rs`): one event a line.\n",
    );
    guarantees(&mut text);
    for stage in [Stage::Log, Stage::Delivery, Stage::Effect, Stage::Liveness] {
        let _ = write!(text, "\n## Stage: {stage}\n");
        for entry in ALL.map(Anomaly::entry).into_iter().filter(|entry| entry.stage == stage) {
            one(&mut text, entry);
        }
    }
    text
}

/// The table of guarantees: what each forbids in each stage.
fn guarantees(text: &mut String) {
    text.push_str("\n## What a claim forbids\n\n| claim | log | delivery | effect |\n|---|---|---|---|\n");
    let _ = row(text, "always", &Claim::Nothing, &Claim::Nothing);
    for level in [Level::AtMostOnce, Level::AtLeastOnce, Level::ExactlyOnce] {
        let claim = StageClaim { level: Some(level), ..StageClaim::default() };
        let _ = row(text, &level.to_string(), &Claim::Pipeline(claim), &Claim::Nothing);
    }
    for property in
        [Property::Ordered, Property::Transactional, Property::Linearizable, Property::Serializable]
    {
        let claim = StageClaim { level: None, properties: [property].into() };
        let _ = row(text, &property.to_string(), &Claim::Pipeline(claim), &Claim::Nothing);
    }
}

/// One row: what a claim forbids beyond another.
fn row(text: &mut String, name: &str, claim: &Claim, beyond: &Claim) -> std::fmt::Result {
    write!(text, "| {name} |")?;
    for stage in [Stage::Log, Stage::Delivery, Stage::Effect] {
        let already = if claim == beyond { Default::default() } else { beyond.forbidden(stage) };
        let names: Vec<String> = claim
            .forbidden(stage)
            .difference(&already)
            .map(|anomaly| format!("[`{anomaly}`](#{anomaly})"))
            .collect();
        write!(text, " {} |", if names.is_empty() { "–".to_owned() } else { names.join(", ") })?;
    }
    writeln!(text)
}

/// One anomaly.
fn one(text: &mut String, entry: &Entry) {
    let brings: Vec<String> = entry.brings.iter().map(|other| format!("[`{other}`](#{other})")).collect();
    let _ = write!(text, "\n### {}\n\n{}\n\n", entry.name, entry.definition);
    let _ = write!(text, "```text\n{}```\n\n", entry.example);
    let _ = writeln!(text, "* **Usual cause:** {}", entry.cause);
    let _ = writeln!(text, "* **Permitted by:** {}", entry.permitted_by);
    let _ = writeln!(text, "* **Smallest change:** {}", entry.change);
    if !brings.is_empty() {
        let _ = writeln!(text, "* **May show together with:** {}", brings.join(", "));
    }
    let _ = writeln!(text, "* **Source:** {}", entry.source);
}
