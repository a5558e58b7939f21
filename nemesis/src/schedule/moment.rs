//! When a fault strikes and when it is undone, in words.
//!
//! A time is the simplest moment and the weakest: what matters is usually a state ("the ISR is down to the
//! leader") or a place in a client's code ("between poll and commit"), and a fault aimed at it works every
//! time. Conditions are polled by the interpreter through its observer; client steps are gates at which the
//! worker itself stops and waits, so that nothing depends on luck.

use std::fmt::{self, Display};
use std::time::Duration;

use history::ids::TopicPartition;
use serde::{Deserialize, Serialize};

use crate::duration;
use crate::phrase::{Grammar, Misunderstood, is_name, log, number};
use crate::target::ClientRef;

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Moment {
    /// This long after the storm phase began.
    Time(Duration),
    /// This long after the condition was first seen to hold.
    When {
        /// The condition.
        condition: Condition,
        /// Delay after it.
        delay: Duration,
    },
    /// While a client stands between two steps of its own.
    Step(Steps),
}

/// Between two named steps of a client: after `after` and before `before`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steps {
    /// The step that has been made.
    pub after: String,
    /// The step that has not been made.
    pub before: String,
    /// Whose steps, where it is not the fault's own target.
    pub client: Option<ClientRef>,
    /// The how-manieth time, from 1.
    pub nth: u32,
}

/// A state that is waited for. Conditions are seen only once the storm phase has begun.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The in-sync replicas of the log are its leader and nobody else.
    IsrLeaderOnly(TopicPartition),
    /// The log has at most so many in-sync replicas.
    IsrAtMost(TopicPartition, u32),
    /// Every replica of the log is in sync.
    IsrFull(TopicPartition),
    /// Every replica of every log is in sync.
    IsrFullEverywhere,
    /// The fault of this name has struck.
    FaultStruck(String),
    /// The fault of this name has been undone.
    FaultHealed(String),
}

/// When a fault is undone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Heal {
    /// This long after it struck.
    After(Duration),
    /// This long after a condition was seen to hold, counted from the strike on.
    When {
        /// The condition.
        condition: Condition,
        /// Delay after it.
        delay: Duration,
    },
    /// When the storm ends.
    AtEnd,
    /// It is over once it has happened.
    Itself,
}

/// The forms of a moment.
pub const MOMENT_FORMS: &[&str] = &[
    "5s",
    "isr of T/P is leader only",
    "isr of T/P <= N",
    "isr of T/P is full",
    "full isr",
    "after fault NAME",
    "after fault NAME heals",
    "2s after CONDITION",
    "STEP..STEP",
    "STEP..STEP of NAME[i]",
];

/// The forms of a heal.
pub const HEAL_FORMS: &[&str] = &[
    "after 3s",
    "at end",
    "by itself",
    "isr of T/P is leader only",
    "isr of T/P <= N",
    "isr of T/P is full",
    "full isr",
    "after fault NAME",
    "after fault NAME heals",
    "2s after CONDITION",
];

const WORDS: &[&str] = &[
    "isr", "of", "is", "leader", "only", "full", "after", "fault", "heals", "at", "end", "by", "itself",
    "when",
];

const MOMENTS: Grammar<Moment> =
    Grammar { what: "moment", alternatives: MOMENT_FORMS, words: WORDS, read: read_moment };

const HEALS: Grammar<Heal> =
    Grammar { what: "heal", alternatives: HEAL_FORMS, words: WORDS, read: read_heal };

fn read_moment(phrase: &str) -> Option<Moment> {
    if let Ok(time) = duration::parse(phrase) {
        return Some(Moment::Time(time));
    }
    if let Some((condition, delay)) = read_delayed(phrase) {
        return Some(Moment::When { condition, delay });
    }
    read_steps(phrase).map(Moment::Step)
}

fn read_steps(phrase: &str) -> Option<Steps> {
    let (steps, client) = match phrase.split_once(" of ") {
        Some((steps, client)) => (steps, Some(ClientRef::try_from(client.to_owned()).ok()?)),
        None => (phrase, None),
    };
    let (steps, nth) = match steps.split_once(" #") {
        Some((steps, nth)) => (steps, number(nth).filter(|nth| *nth > 0)?),
        None => (steps, 1),
    };
    let (after, before) = steps.split_once("..")?;
    let named = is_step(after) && is_step(before);
    named.then(|| Steps { after: after.to_owned(), before: before.to_owned(), client, nth })
}

fn is_step(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_lowercase() || matches!(c, '-' | '_'))
}

fn read_heal(phrase: &str) -> Option<Heal> {
    match phrase {
        "at end" | "at the end" => return Some(Heal::AtEnd),
        "by itself" => return Some(Heal::Itself),
        _ => {}
    }
    if let Some(after) = phrase.strip_prefix("after ").and_then(|rest| duration::parse(rest).ok()) {
        return Some(Heal::After(after));
    }
    read_delayed(phrase).map(|(condition, delay)| Heal::When { condition, delay })
}

/// `CONDITION`, `when CONDITION` or `2s after CONDITION`.
fn read_delayed(phrase: &str) -> Option<(Condition, Duration)> {
    let phrase = phrase.strip_prefix("when ").unwrap_or(phrase);
    if let Some(condition) = read_condition(phrase) {
        return Some((condition, Duration::ZERO));
    }
    let (delay, condition) = phrase.split_once(" after ")?;
    let delay = duration::parse(delay).ok()?;
    // "2s after fault x" reads better than "2s after after fault x"; both are understood.
    let condition = read_condition(condition).or_else(|| read_condition(&format!("after {condition}")))?;
    Some((condition, delay))
}

fn read_condition(phrase: &str) -> Option<Condition> {
    let words: Vec<&str> = phrase.split(' ').collect();
    match words.as_slice() {
        ["isr", "of", tp, "is", "leader", "only"] => log(tp).map(Condition::IsrLeaderOnly),
        ["isr", "of", tp, "is", "full"] | ["full", "isr", "of", tp] => log(tp).map(Condition::IsrFull),
        ["isr", "of", tp, "<=", count] => Some(Condition::IsrAtMost(log(tp)?, number(count)?)),
        ["full", "isr"] => Some(Condition::IsrFullEverywhere),
        ["after", "fault", name] => is_name(name).then(|| Condition::FaultStruck((*name).to_owned())),
        ["after", "fault", name, "heals" | "healed"] => {
            is_name(name).then(|| Condition::FaultHealed((*name).to_owned()))
        }
        _ => None,
    }
}

impl Condition {
    /// The log it speaks of.
    pub fn log(&self) -> Option<&TopicPartition> {
        match self {
            Self::IsrLeaderOnly(tp) | Self::IsrAtMost(tp, _) | Self::IsrFull(tp) => Some(tp),
            Self::IsrFullEverywhere | Self::FaultStruck(_) | Self::FaultHealed(_) => None,
        }
    }

    /// The fault it speaks of.
    pub fn fault(&self) -> Option<&str> {
        match self {
            Self::FaultStruck(name) | Self::FaultHealed(name) => Some(name),
            Self::IsrLeaderOnly(_) | Self::IsrAtMost(..) | Self::IsrFull(_) | Self::IsrFullEverywhere => None,
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::IsrLeaderOnly(tp) => write!(f, "isr of {tp} is leader only"),
            Self::IsrAtMost(tp, count) => write!(f, "isr of {tp} <= {count}"),
            Self::IsrFull(tp) => write!(f, "isr of {tp} is full"),
            Self::IsrFullEverywhere => f.write_str("full isr"),
            Self::FaultStruck(name) => write!(f, "after fault {name}"),
            Self::FaultHealed(name) => write!(f, "after fault {name} heals"),
        }
    }
}

fn delayed(f: &mut fmt::Formatter<'_>, condition: &Condition, delay: Duration) -> fmt::Result {
    if delay.is_zero() {
        return condition.fmt(f);
    }
    let condition = condition.to_string();
    write!(f, "{} after {}", duration::words(delay), condition.strip_prefix("after ").unwrap_or(&condition))
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => f.write_str(&duration::words(*time)),
            Self::When { condition, delay } => delayed(f, condition, *delay),
            Self::Step(steps) => steps.fmt(f),
        }
    }
}

impl fmt::Display for Steps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}..{}", self.after, self.before)?;
        if self.nth != 1 {
            write!(f, " #{}", self.nth)?;
        }
        self.client.as_ref().map_or(Ok(()), |client| write!(f, " of {client}"))
    }
}

impl fmt::Display for Heal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(time) => write!(f, "after {}", duration::words(*time)),
            Self::When { condition, delay } => delayed(f, condition, *delay),
            Self::AtEnd => f.write_str("at end"),
            Self::Itself => f.write_str("by itself"),
        }
    }
}

impl std::str::FromStr for Moment {
    type Err = Misunderstood;

    fn from_str(phrase: &str) -> Result<Self, Misunderstood> {
        MOMENTS.parse(phrase)
    }
}

impl std::str::FromStr for Heal {
    type Err = Misunderstood;

    fn from_str(phrase: &str) -> Result<Self, Misunderstood> {
        HEALS.parse(phrase)
    }
}

impl TryFrom<String> for Moment {
    type Error = Misunderstood;

    fn try_from(phrase: String) -> Result<Self, Misunderstood> {
        phrase.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> Self {
        moment.to_string()
    }
}

impl TryFrom<String> for Heal {
    type Error = Misunderstood;

    fn try_from(phrase: String) -> Result<Self, Misunderstood> {
        phrase.parse()
    }
}

impl From<Heal> for String {
    fn from(heal: Heal) -> Self {
        heal.to_string()
    }
}
