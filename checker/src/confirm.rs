//! A second opinion on every witness: the definition of its anomaly, evaluated in the plainest words on what was recorded.
//!
//! Finders are clever: they merge sorted streams, keep intervals and marks, and read as little as they can. A mistake in one
//! would be a false alarm, told with confidence. So whatever is kept of the findings is looked up again: `facts` collects,
//! by plain passes that share nothing with the finders, everything recorded about the values, offsets, processes and
//! transactions that a witness names, and a definition of a few lines says whether that is the anomaly.
//!
//! ```text
//! findings ──wanted──▶ passes over the chunks and rows concerned ──facts──▶ each sighting is as recorded?
//!                                                                           the definition holds?
//! ```
//! An interval is confirmed at its first and last record. Where nothing was found nothing is read. What is not confirmed:
//! how often an anomaly was seen, and that nothing else was (the differential tests are for that).

mod content;
mod cycle;
mod delivery;
mod effect;
mod facts;
mod gather;
mod log;
mod moved;
mod pipeline;
mod rows;
mod sightings;
mod transaction;
mod wanted;

use std::collections::BTreeMap;

use history::merged::{History, HistoryError};
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::facts::Facts;
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings};

/// How a witness was confirmed before it was reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Confirmation {
    /// An independent program came to the same conclusion: it tried every order of these operations, or looked up
    /// everything that was recorded of these records and found the definition of the anomaly met.
    BruteForce,
    /// Too much for that: the finder's argument alone stands.
    #[default]
    Argument,
    /// An independent program came to the opposite conclusion: the checker contradicts itself.
    Refuted,
}

/// What was answered for one witness.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// How it was confirmed, if it was.
    pub confirmation: Confirmation,
    /// Why not, where it was not: in words.
    pub why: Option<String>,
}

/// The answers for everything that is kept of some findings.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confirmations {
    answers: BTreeMap<Anomaly, Vec<Answer>>,
}

/// What speaks against a witness.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Objection {
    /// The definition cannot be evaluated on what the witness names.
    Argument(&'static str),
    /// It was, and does not hold.
    Refuted(String),
}

/// Characters of an objection that are kept: what speaks against a witness may name as much as was recorded.
const LONGEST: usize = 400;

/// What a definition answers.
type Check = Result<(), Objection>;

/// Refutes unless something holds.
fn must(holds: bool, what: impl FnOnce() -> String) -> Check {
    if holds { Ok(()) } else { Err(Objection::Refuted(what())) }
}

/// Confirms everything that is kept of some findings.
///
/// # Errors
/// Whatever the history's chunks refuse.
pub fn confirm(history: &History, findings: &Findings) -> Result<Confirmations, HistoryError> {
    let kept: Vec<&Finding> = findings.anomalies.values().flat_map(|tally| tally.witnesses()).collect();
    if kept.is_empty() {
        return Ok(Confirmations::default());
    }
    let facts = gather::facts(history, &kept)?;
    let answered: Vec<(Anomaly, Answer)> =
        kept.par_iter().map(|finding| (finding.anomaly, answer(finding, &facts))).collect();
    let mut confirmations = Confirmations::default();
    for (anomaly, answer) in answered {
        confirmations.answers.entry(anomaly).or_default().push(answer);
    }
    Ok(confirmations)
}

/// Confirms one finding.
///
/// # Errors
/// As [`confirm`].
pub fn confirm_one(history: &History, finding: &Finding) -> Result<Answer, HistoryError> {
    Ok(answer(finding, &gather::facts(history, &[finding])?))
}

impl Confirmations {
    /// The answer for the `nth` of the witnesses that are kept of an anomaly, from 0.
    pub fn of(&self, anomaly: Anomaly, nth: usize) -> Answer {
        let none = || Answer { confirmation: Confirmation::Argument, why: None };
        self.answers.get(&anomaly).and_then(|answers| answers.get(nth)).cloned().unwrap_or_else(none)
    }

    /// Every answer, anomaly by anomaly, in the order of the witnesses.
    pub fn all(&self) -> impl Iterator<Item = (Anomaly, &Answer)> {
        self.answers.iter().flat_map(|(anomaly, answers)| answers.iter().map(|answer| (*anomaly, answer)))
    }
}

/// Looks at one witness.
fn answer(finding: &Finding, facts: &Facts<'_>) -> Answer {
    match sightings::check(finding, facts).and_then(|()| definition(finding, facts)) {
        Ok(()) => Answer { confirmation: Confirmation::BruteForce, why: None },
        Err(Objection::Argument(why)) => {
            Answer { confirmation: Confirmation::Argument, why: Some(why.to_owned()) }
        }
        Err(Objection::Refuted(why)) => {
            let why = Some(why.chars().take(LONGEST).collect());
            Answer { confirmation: Confirmation::Refuted, why }
        }
    }
}

/// The definition of the anomaly that a finding shows, evaluated on it.
fn definition(finding: &Finding, facts: &Facts<'_>) -> Check {
    match finding.anomaly {
        Anomaly::LostWrite => log::lost_write(finding, facts),
        Anomaly::Unseen => log::unseen(finding, facts),
        Anomaly::DuplicateWrite => log::duplicate_write(finding, facts),
        Anomaly::Phantom => log::phantom(finding, facts),
        Anomaly::Corrupt => log::corrupt(finding, facts),
        Anomaly::Misrouted => log::misrouted(finding, facts),
        Anomaly::InconsistentOffsets => log::inconsistent_offsets(finding, facts),
        Anomaly::ReorderedWrite => log::reordered_write(finding, facts),
        Anomaly::RealtimeInversion => log::realtime_inversion(finding, facts),
        Anomaly::StaleEnd => log::stale_end(finding, facts),
        Anomaly::Undelivered => delivery::undelivered(finding, facts),
        Anomaly::Redelivered => delivery::redelivered(finding, facts),
        Anomaly::PollSkip => delivery::poll_skip(finding, facts),
        Anomaly::NonmonotonicPoll => delivery::nonmonotonic_poll(finding, facts),
        Anomaly::AbortedRead => transaction::aborted_read(finding, facts),
        Anomaly::PrecommittedRead => transaction::precommitted_read(finding, facts),
        Anomaly::LsoBreach => transaction::lso_breach(finding, facts),
        Anomaly::TornTransaction => transaction::torn(finding, facts),
        Anomaly::LostCommit => transaction::lost_commit(finding, facts),
        Anomaly::ResurrectedAbort => transaction::resurrected_abort(finding, facts),
        Anomaly::FencingViolation => transaction::fencing_violation(finding, facts),
        Anomaly::DependencyCycle => cycle::cycle(finding, facts),
        Anomaly::LostEffect => effect::lost(finding, facts),
        Anomaly::DuplicateEffect => effect::duplicate(finding, facts),
        Anomaly::PhantomEffect => effect::phantom(finding, facts),
        Anomaly::MisorderedEffect => effect::misordered(finding, facts),
        Anomaly::ZombieEffect => effect::zombie(finding, facts),
        Anomaly::OffsetRegression => moved::offset_regression(finding, facts),
        Anomaly::SkippedInput => pipeline::skipped(finding, facts),
        Anomaly::DoubleInput => pipeline::doubled(finding, facts),
        Anomaly::OutputMismatch => pipeline::mismatched(finding, facts),
        Anomaly::Stall => Err(Objection::Argument("no history says that nothing moved")),
    }
}
