//! The fault ledger: what each fault was meant to do, and what it did.
//!
//! A fault that did nothing proves nothing, so each kind of fault says here what it takes to have *bitten*:
//! a process found gone, a frame dropped, exactly the planned responses lost. The interpreter fills in
//! counters; whether they suffice is decided by [`Entry::bit`], from the planned fault and the counters alone,
//! so that a stored run can be judged again. A run with a fault that did not bite is unknown, never valid.

use std::collections::BTreeMap;

use history::ids::{FaultId, Nanos};
use serde::{Deserialize, Serialize};

use crate::fault::Fault;
use crate::schedule::Planned;

/// Names of the counters that faults are judged by.
pub mod counter {
    /// Processes that were found gone after SIGKILL.
    pub const PROCESSES_GONE: &str = "processes-gone";
    /// Processes that were found stopped after SIGSTOP.
    pub const PROCESSES_STOPPED: &str = "processes-stopped";
    /// Frames dropped by the rule.
    pub const FRAMES_DROPPED: &str = "frames-dropped";
    /// Frames delayed by the rule.
    pub const FRAMES_DELAYED: &str = "frames-delayed";
    /// Frames that the rule let pass.
    pub const FRAMES_PASSED: &str = "frames-passed";
    /// Responses that were answered and lost, as planned.
    pub const RESPONSES_LOST: &str = "responses-lost";
    /// Records in the requests whose responses were lost.
    pub const RECORDS_IN_LOST_RESPONSES: &str = "records-in-lost-responses";
    /// Lost responses whose request the broker had refused: executed, but not successfully.
    pub const LOST_RESPONSES_WITH_ERROR: &str = "lost-responses-with-error";
    /// Responses of other requests on the same connections that were lost with them.
    pub const ALSO_LOST: &str = "also-lost";
    /// Groups of requests that were given up because an answer never came.
    pub const GROUP_TIMEOUTS: &str = "group-timeouts";
    /// Requests that were held.
    pub const REQUESTS_HELD: &str = "requests-held";
    /// Partitions of a topic that every broker shows, with a leader.
    pub const PARTITIONS_SHOWN: &str = "partitions-shown";
    /// Leadership changes seen between the strike and the heal.
    pub const LEADER_CHANGES: &str = "leader-changes";
}

/// What became of one planned fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Entry {
    /// What was planned.
    pub planned: Planned,
    /// What became of it.
    pub state: State,
}

/// How far a fault has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum State {
    /// Its moment has not come; at the end of a run: it never came.
    Waiting,
    /// Its moment came, and it could not strike.
    Failed {
        /// When.
        at: Nanos,
        /// Why, in words.
        why: String,
    },
    /// It is on.
    Struck(Struck),
    /// It has been undone.
    Healed {
        /// How it struck.
        struck: Struck,
        /// When it was undone.
        at: Nanos,
        /// What it did, in numbers.
        counters: BTreeMap<String, u64>,
    },
}

/// How a fault struck.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Struck {
    /// When.
    pub at: Nanos,
    /// How long after its moment.
    pub lateness: Nanos,
    /// Whom, by name, in the order in which they were struck.
    pub targets: Vec<String>,
}

/// Whether a fault had an effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bite {
    /// It did.
    Bit,
    /// It did not, or not as planned, and why.
    Missed(String),
}

impl Entry {
    /// The entry of a fault that has not struck yet.
    pub fn waiting(planned: Planned) -> Self {
        Self { planned, state: State::Waiting }
    }

    /// Its number.
    pub fn id(&self) -> FaultId {
        self.planned.id
    }

    /// Whether it had an effect, judged from what was counted.
    pub fn bit(&self) -> Bite {
        match &self.state {
            State::Waiting => Bite::Missed(format!("its moment never came: {}", self.planned.at)),
            State::Failed { why, .. } => Bite::Missed(why.clone()),
            State::Struck(_) => Bite::Missed("it was never undone, so nothing was counted".to_owned()),
            State::Healed { struck, counters, .. } => bit(&self.planned.fault, &struck.targets, counters),
        }
    }

    /// What it did, in words: the counters that are above zero.
    pub fn effect(&self) -> String {
        match &self.state {
            State::Waiting => "did not strike".to_owned(),
            State::Failed { why, .. } => format!("could not strike: {why}"),
            State::Struck(_) => "still on".to_owned(),
            State::Healed { counters, .. } => effect(counters),
        }
    }
}

/// Counters in words: `2 processes gone, 1 leader changes`.
pub fn effect(counters: &BTreeMap<String, u64>) -> String {
    let said: Vec<String> = counters
        .iter()
        .filter(|(_, count)| **count > 0)
        .map(|(name, count)| format!("{count} {}", name.replace('-', " ")))
        .collect();
    if said.is_empty() { "nothing".to_owned() } else { said.join(", ") }
}

/// Whether a fault that struck these targets and counted this had an effect.
pub fn bit(fault: &Fault, targets: &[String], counters: &BTreeMap<String, u64>) -> Bite {
    let count = |name: &str| counters.get(name).copied().unwrap_or(0);
    let all_targets = u64::try_from(targets.len()).unwrap_or(u64::MAX);
    match fault {
        Fault::Kill { .. } => {
            exactly(count(counter::PROCESSES_GONE), all_targets, "processes were found gone")
        }
        Fault::Pause { .. } => {
            exactly(count(counter::PROCESSES_STOPPED), all_targets, "processes were found stopped")
        }
        Fault::Cut { .. } | Fault::Loss { .. } => {
            some(count(counter::FRAMES_DROPPED), "no frame was dropped")
        }
        Fault::Delay { .. } => some(count(counter::FRAMES_DELAYED), "no frame was delayed"),
        Fault::LoseResponse { count: planned, .. } => {
            if count(counter::GROUP_TIMEOUTS) > 0 {
                return Bite::Missed("an answer that was to be lost never came".to_owned());
            }
            if count(counter::LOST_RESPONSES_WITH_ERROR) > 0 {
                return Bite::Missed(
                    "a request whose answer was lost had been refused by the broker".to_owned(),
                );
            }
            exactly(count(counter::RESPONSES_LOST), u64::from(*planned), "responses were lost")
        }
        Fault::Hold { .. } => some(count(counter::REQUESTS_HELD), "no request was held"),
        Fault::Grow { partitions, .. } => exactly(
            count(counter::PARTITIONS_SHOWN),
            u64::from(*partitions),
            "partitions were shown by every broker",
        ),
    }
}

fn exactly(counted: u64, planned: u64, what: &str) -> Bite {
    if counted == planned && planned > 0 {
        Bite::Bit
    } else {
        Bite::Missed(format!("{counted} of {planned} {what}"))
    }
}

fn some(counted: u64, otherwise: &str) -> Bite {
    if counted > 0 { Bite::Bit } else { Bite::Missed(otherwise.to_owned()) }
}
