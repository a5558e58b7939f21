//! What this machine can do, with evidence and fixes.
//!
//! Each capability is probed by doing the thing, not by reading about it, and keeps what was seen and the one
//! line that would help. The result is data; [`table`] is for people, and what a missing capability means for
//! the exit status is the command's business. Nothing is changed or installed.

mod machine;
mod namespaces;
mod programs;

use std::path::PathBuf;

use comfy_table::{ContentArrangement, Table, presets};
use serde::{Deserialize, Serialize};

/// One thing that a run needs or profits from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// What it is called.
    pub name: String,
    /// Whether it is there.
    pub state: State,
    /// What was seen.
    pub evidence: String,
    /// What to do about it, where something is to be done.
    pub fix: Option<String>,
}

/// Whether a capability is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is there.
    Ok,
    /// Runs work without it, or with less of it, but not as well.
    Degraded,
    /// Runs do not work without it.
    Missing,
}

/// The folders that a run writes to.
#[derive(Clone, Debug)]
pub struct Places {
    /// Where run directories are kept.
    pub store: PathBuf,
    /// Where Kafka's jars are kept.
    pub cache: PathBuf,
}

impl Capability {
    fn new(name: &str, state: State, evidence: impl Into<String>, fix: Option<&str>) -> Self {
        let fix = fix.filter(|_| state != State::Ok).map(str::to_owned);
        Self { name: name.to_owned(), state, evidence: evidence.into(), fix }
    }
}

/// Probes everything. The process must have one thread, as for entering a lab.
pub fn examine(places: &Places) -> Vec<Capability> {
    let mut all = namespaces::examine();
    all.extend(programs::examine());
    all.extend(machine::examine(places));
    all
}

/// Whether nothing is missing that a run needs.
pub fn is_ready(capabilities: &[Capability]) -> bool {
    capabilities.iter().all(|capability| capability.state != State::Missing)
}

/// The capabilities as a table for people, no wider than `width` columns.
pub fn table(capabilities: &[Capability], width: u16) -> String {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(["capability", "state", "evidence", "fix"]);
    for capability in capabilities {
        let state = match capability.state {
            State::Ok => "ok",
            State::Degraded => "degraded",
            State::Missing => "missing",
        };
        let fix = capability.fix.as_deref().unwrap_or("");
        table.add_row([capability.name.as_str(), state, capability.evidence.as_str(), fix]);
    }
    table.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_is_ready_only_if_nothing_is_missing() {
        let with = |state| Capability::new("java", state, "seen", Some("install it"));
        assert!(is_ready(&[with(State::Ok), with(State::Degraded)]));
        assert!(!is_ready(&[with(State::Ok), with(State::Missing)]));
    }

    #[test]
    fn the_table_shows_evidence_and_the_fix_of_what_is_not_ok() {
        let capabilities = [
            Capability::new("java", State::Ok, "17.0.9 at /usr/bin/java", Some("unneeded advice")),
            Capability::new("maven", State::Degraded, "mvn: not found", Some("apt-get install maven")),
        ];
        let table = table(&capabilities, 100);
        assert!(table.contains("17.0.9") && table.contains("apt-get install maven"), "{table}");
        assert!(!table.contains("unneeded advice"), "{table}");
        assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    }
}
