//! One instance of an anomaly, close up: what was expected, what was seen, and what went on around it.
//!
//! The witness alone says what went wrong; an engineer believes it when the operations beside it, the faults that were
//! on and the changes of leadership stand in one picture, in order of time. The picture is bounded whatever the size
//! of the history: the witness's own events always, then the nearest others. Nothing is judged here.

mod expected;
mod surroundings;
mod words;

use history::ids::{FaultId, LogId, Nanos};
use history::merged::{History, HistoryError};
use serde::Serialize;

use crate::anomaly::Anomaly;
use crate::attribute::{open_faults, window};
use crate::confirm::{Confirmation, confirm_one};
use crate::findings::{Finding, Findings};
use crate::permission::permission;
use crate::question::Question;
use crate::scene::{Batches, Scene};
use crate::timeline::Timeline;
use crate::verdict::{FaultEntry, Permission};
use crate::witness::witness;

/// How many moments a picture holds at most.
const MOMENTS: usize = 36;

/// One instance of an anomaly.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CloseUp {
    /// Which anomaly.
    pub anomaly: Anomaly,
    /// Which of the instances that are kept, from 1.
    pub number: usize,
    /// How many instances are kept.
    pub kept: usize,
    /// How many there are.
    pub instances: u64,
    /// How many records show the anomaly in all.
    pub count: u64,
    /// Whether the claim forbids it.
    pub forbidden: bool,
    /// What it is about: records, log, offsets.
    pub subject: String,
    /// What should have been.
    pub expected: String,
    /// What was, event by event, in order of time.
    pub seen: Vec<String>,
    /// Whether an independent look at what was recorded came to the same conclusion.
    pub confirmed: Confirmation,
    /// Why it did not, or could not.
    pub objection: Option<String>,
    /// The setting that permits it, where one is known.
    pub permitted_by: Option<Permission>,
    /// Faults that were on.
    pub faults: Vec<FaultEntry>,
    /// Time of the first event of the history: times are told from here on.
    pub began: Nanos,
    /// The picture, in order of time; what has no time comes last.
    pub moments: Vec<Moment>,
    /// How many moments there were no room for.
    pub left_out: usize,
}

/// One line of the picture.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Moment {
    /// When; none for what the log holds in the end.
    pub time: Option<Nanos>,
    /// Who.
    pub who: String,
    /// What.
    pub what: String,
    /// What it is to the anomaly.
    pub part: Part,
}

/// What a moment is to the anomaly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Part {
    /// It shows it.
    Witness,
    /// A fault strikes or is undone.
    Fault(FaultId),
    /// Leadership or the in-sync set changes.
    Cluster,
    /// It happened beside it.
    Beside,
}

/// The `number`-th kept instance of an anomaly, from 1; none where there is no such instance.
///
/// # Errors
/// Whatever the history's chunks refuse.
pub fn close_up(
    history: &History,
    findings: &Findings,
    question: &Question,
    (anomaly, number): (Anomaly, usize),
) -> Result<Option<CloseUp>, HistoryError> {
    let Some(tally) = findings.anomalies.get(&anomaly) else { return Ok(None) };
    let Some(finding) = number.checked_sub(1).and_then(|nth| tally.witnesses().nth(nth)) else {
        return Ok(None);
    };
    let timeline = Timeline::of(history)?;
    let batches = Batches::of_findings(findings, history)?;
    let scene = Scene {
        logs: &history.facts().logs,
        timeline: &timeline,
        batches: &batches,
        settings: &question.settings,
    };
    let (moments, left_out) = picture(finding, history, &scene)?;
    let answer = confirm_one(history, finding)?;
    let witness = witness(finding, answer, &scene);
    let subject = witness.text.split_once(": ").map_or(witness.text.as_str(), |(subject, _)| subject);
    Ok(Some(CloseUp {
        anomaly,
        number,
        kept: tally.witnesses().count(),
        instances: tally.findings,
        count: tally.count,
        forbidden: question.claim.forbidden(anomaly.entry().stage).contains(&anomaly),
        subject: subject.to_owned(),
        expected: expected::expected(finding, &scene),
        seen: words::seen(finding, &scene),
        confirmed: witness.confirmed,
        objection: witness.objection.clone(),
        permitted_by: permission(anomaly, tally, &scene),
        faults: faults(finding, &scene),
        began: timeline.began.unwrap_or_default(),
        moments,
        left_out,
    }))
}

/// The faults that were on around a finding.
fn faults(finding: &Finding, scene: &Scene<'_>) -> Vec<FaultEntry> {
    let Some(window) = window(finding, scene) else { return Vec::new() };
    let open = open_faults(&window, scene);
    open.iter().filter_map(|id| scene.timeline.faults.get(id).cloned()).collect()
}

/// Everything that belongs into the picture, as much as there is room for.
fn picture(
    finding: &Finding,
    history: &History,
    scene: &Scene<'_>,
) -> Result<(Vec<Moment>, usize), HistoryError> {
    let mut moments = words::witness(finding, scene);
    let mut others = cluster(finding, scene);
    others.extend(surroundings::of(finding, history, scene)?);
    others
        .retain(|other| !moments.iter().any(|known| (known.time, &known.what) == (other.time, &other.what)));
    // What is nearest to the witness in time stays.
    let times: Vec<u64> = moments.iter().filter_map(|moment| Some(moment.time?.0)).collect();
    let distance = |moment: &Moment| match moment.time {
        Some(time) => times.iter().map(|known| known.abs_diff(time.0)).min().unwrap_or(0),
        None => 0,
    };
    others.sort_by_key(|moment| (moment.part, distance(moment)));
    let room = MOMENTS.saturating_sub(moments.len());
    let left_out = others.len().saturating_sub(room);
    others.truncate(room);
    moments.extend(others);
    moments.sort_by_key(|moment| (moment.time.is_none(), moment.time));
    Ok((moments, left_out))
}

/// Faults and changes of leadership of the log around a finding.
fn cluster(finding: &Finding, scene: &Scene<'_>) -> Vec<Moment> {
    let Some(window) = window(finding, scene) else { return Vec::new() };
    let mut moments = Vec::new();
    for fault in faults(finding, scene) {
        moments.extend(words::fault(&fault));
    }
    let of_log = |log: LogId, time: Nanos| window.holds(log, time);
    let changes = scene.timeline.changes.iter().filter(|(log, change)| of_log(*log, change.seen));
    moments.extend(changes.map(|(_, change)| words::change(change)));
    moments
}
