//! The schedule: which fault strikes when, and when it is undone.
//!
//! A schedule is a plain list of [`Planned`] faults. It is data, so that it can be printed before a run,
//! performed by an interpreter that decides nothing, and later cut down to the few faults that matter: each
//! entry carries the number that decides its targets, so leaving one out does not change the others.
//! A scripted spec gives the list; a storm draws it from the seed (`storm`).

mod moment;
mod storm;

use history::ids::FaultId;
use serde::{Deserialize, Serialize};

pub use moment::{Condition, HEAL_FORMS, Heal, MOMENT_FORMS, Moment, Steps};
pub use storm::{Draw, Pattern, SHORTHANDS, Storm};

use crate::fault::Fault;

/// One fault of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Planned {
    /// Its number.
    pub id: FaultId,
    /// Its name in the spec, where other faults refer to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// What is done.
    #[serde(flatten)]
    pub fault: Fault,
    /// When it strikes. For lost responses and held requests: when the rule is armed.
    pub at: Moment,
    /// When it is undone.
    pub heal: Heal,
    /// Decides between several candidates for its target when it strikes; drawn from the seed.
    pub choice: Choice,
}

/// The number that decides between candidates, as hexadecimal text: JSON readers keep only 53 bits of a number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Choice(pub u64);

impl TryFrom<String> for Choice {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(text.trim_start_matches("0x"), 16).map(Self)
    }
}

impl From<Choice> for String {
    fn from(choice: Choice) -> Self {
        format!("{:#018x}", choice.0)
    }
}

/// What every draw of a run comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Seed(pub u64);

/// Why a text is no seed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a seed: write a number up to 2^64-1, decimal or as 0x and hexadecimal digits")]
pub struct NotASeed(String);

impl std::str::FromStr for Seed {
    type Err = NotASeed;

    fn from_str(text: &str) -> Result<Self, NotASeed> {
        let parsed = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
            Some(hex) if !hex.starts_with('+') => u64::from_str_radix(hex, 16).ok(),
            Some(_) => None,
            None => crate::phrase::number(text),
        };
        parsed.map(Self).ok_or_else(|| NotASeed(text.to_owned()))
    }
}

impl TryFrom<String> for Seed {
    type Error = NotASeed;

    fn try_from(text: String) -> Result<Self, NotASeed> {
        text.parse()
    }
}

impl From<Seed> for String {
    fn from(seed: Seed) -> Self {
        seed.to_string()
    }
}

impl std::fmt::Display for Seed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Planned {
    /// The fault in words, with which request it is about: `lose 5 responses of Produce to shop[0], from the 3rd on`.
    pub fn words(&self) -> String {
        match &self.fault {
            Fault::LoseResponse { count, nth, .. } => {
                let fault = self.fault.to_string();
                let fault = if *count == 1 {
                    fault
                } else {
                    fault.replacen("response", &format!("{count} responses"), 1)
                };
                if *nth == 1 { fault } else { format!("{fault}, from request {nth} on") }
            }
            Fault::Hold { nth, .. } if *nth != 1 => format!("{}, from request {nth} on", self.fault),
            Fault::Kill { .. }
            | Fault::Pause { .. }
            | Fault::Cut { .. }
            | Fault::Loss { .. }
            | Fault::Delay { .. }
            | Fault::Hold { .. }
            | Fault::Grow { .. } => self.fault.to_string(),
        }
    }
}
