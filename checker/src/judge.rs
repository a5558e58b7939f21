//! The verdict on a history: a pure function of what was recorded and what is asked.
//!
//! ```text
//! history ──finders──▶ findings ─┐
//!    └─────rare events─▶ timeline ┼─▶ observed (explained, attributed) ─▶ by stage ─▶ verdict
//! question ──claim, settings─────┘              vacuity ─────────────────────┘
//! ```
//!
//! The same history and question give the same verdict byte for byte. Everything that was observed is in it: the
//! claim decides only what is forbidden. Invalid outranks unknown, unknown outranks valid; so a violation in a run
//! that proves little is still a violation, and a run that proves little is never valid.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{FaultId, Seq, Value};
use history::merged::{History, HistoryError};

use crate::anomaly::{Anomaly, Stage};
use crate::attribute::around;
use crate::confirm::{Confirmation, Confirmations, confirm};
use crate::explain::sentence;
use crate::findings::{Finding, Findings, Tally};
use crate::permission::permission;
use crate::question::Question;
use crate::scene::{Batches, Scene};
use crate::timeline::Timeline;
use crate::vacuity;
use crate::verdict::{
    Counts, Expectation, FaultEntry, Judgement, MAX_LISTED, Observed, Reason, ReasonKind, SCHEMA,
    StageVerdict, Verdict, Witness,
};
use crate::witness::{thousands, witness};

/// The verdict on a history.
///
/// # Errors
/// Whatever the history's chunks refuse; nothing that a well-formed history may say is an error.
pub fn judge(history: &History, question: &Question) -> Result<Verdict, HistoryError> {
    let (findings, timeline) = rayon::join(|| find(history), || Timeline::of(history));
    let findings = findings?;
    let confirmations = confirm(history, &findings)?;
    weigh(history, (&findings, &confirmations, &timeline?), question)
}

/// Everything that the finders find in a history.
///
/// # Errors
/// As [`judge`].
pub fn find(history: &History) -> Result<Findings, HistoryError> {
    // Each has stretches that only one core can work at: the other one fills them.
    let (log, transaction) =
        rayon::join(|| crate::log::check(history), || crate::transaction::check(history));
    let mut findings = log?;
    findings.append(transaction?);
    Ok(findings)
}

/// The verdict on a history in which the finders have found `findings`, which were confirmed as `confirmations` says, and
/// around which went on what `timeline` says.
///
/// # Errors
/// Whatever the history's chunks refuse.
pub fn weigh(
    history: &History,
    (findings, confirmations, timeline): (&Findings, &Confirmations, &Timeline),
    question: &Question,
) -> Result<Verdict, HistoryError> {
    let batches = Batches::of_findings(findings, history)?;
    let scene =
        Scene { logs: &history.facts().logs, timeline, batches: &batches, settings: &question.settings };
    Ok(decide((findings, confirmations), &scene, question))
}

/// Decides from what was found and what went on around it.
fn decide(
    (findings, confirmations): (&Findings, &Confirmations),
    scene: &Scene<'_>,
    question: &Question,
) -> Verdict {
    let faults = faults(scene.timeline, question);
    let mut reasons = vacuity::reasons(findings, scene.timeline, question, &faults);
    let stages = stages_of(findings, question);
    let anomalies = observed((findings, confirmations), scene, question);
    reasons.extend(anomalies.iter().filter(|observed| observed.is_violation()).map(violation));
    reasons.extend(anomalies.iter().filter_map(contradiction));
    reasons.sort();
    reasons.dedup();
    let judged: BTreeMap<Stage, StageVerdict> = stages
        .iter()
        .map(|stage| (*stage, stage_verdict(*stage, (findings, scene), question, &reasons)))
        .collect();
    let verdict = worst(reasons.iter());
    Verdict {
        schema: SCHEMA.to_owned(),
        verdict,
        expectation: None,
        expectation_missed_by: Vec::new(),
        reasons,
        not_judged: not_judged(&judged),
        stages: judged,
        anomalies,
        counts: counts(findings, scene.timeline),
        began: scene.timeline.began.unwrap_or_default(),
        faults,
        leader_changes: scene.timeline.leader_changes(),
        latency: None,
        reproduce: question.reproduce.clone(),
    }
    .with_expectation(question)
}

/// The worst verdict that some reasons allow.
fn worst<'a>(reasons: impl Iterator<Item = &'a Reason>) -> Judgement {
    let weigh = |reason: &Reason| match reason.kind {
        ReasonKind::Violation => Judgement::Invalid,
        ReasonKind::Empty
        | ReasonKind::TooFewRecords
        | ReasonKind::NoWarmUp
        | ReasonKind::IncompleteFinalRead
        | ReasonKind::Unseen
        | ReasonKind::FaultWithoutEffect
        | ReasonKind::NotExercised
        | ReasonKind::NotDrained
        | ReasonKind::EffectsUnknown
        | ReasonKind::Contradiction
        | ReasonKind::TornJournal => Judgement::Unknown,
    };
    reasons.map(weigh).max().unwrap_or(Judgement::Valid)
}

/// What an independent look at some witnesses contradicts, as a reason.
fn contradiction(observed: &Observed) -> Option<Reason> {
    let refuted: Vec<&Witness> =
        observed.witnesses.iter().filter(|witness| witness.confirmed == Confirmation::Refuted).collect();
    let first = refuted.first()?;
    let text = format!(
        "the checker contradicts itself, please report it: {} of the {} instances of {} that it kept do not bear a \
         second look; the first is {}: {}",
        refuted.len(),
        observed.witnesses.len(),
        observed.name,
        first.text,
        first.objection.as_deref().unwrap_or_default(),
    );
    Some(Reason { kind: ReasonKind::Contradiction, stage: Some(observed.stage), text })
}

/// A forbidden anomaly as a reason.
fn violation(observed: &Observed) -> Reason {
    let text = format!("{} × {}", thousands(observed.count), observed.name);
    Reason { kind: ReasonKind::Violation, stage: Some(observed.stage), text }
}

/// The stages that took part, or that the claim names.
fn stages_of(findings: &Findings, question: &Question) -> BTreeSet<Stage> {
    let mut stages = BTreeSet::from([Stage::Log]);
    if !findings.groups.is_empty() || !question.groups.is_empty() || question.claim.names(Stage::Delivery) {
        stages.insert(Stage::Delivery);
    }
    if !findings.sinks.is_empty() || question.claim.names(Stage::Effect) {
        stages.insert(Stage::Effect);
    }
    stages.extend(findings.anomalies.keys().map(|anomaly| anomaly.entry().stage));
    stages
}

/// Everything observed, forbidden first, then in the order of the pipeline.
fn observed(
    (findings, confirmations): (&Findings, &Confirmations),
    scene: &Scene<'_>,
    question: &Question,
) -> Vec<Observed> {
    let seen = findings.anomalies.iter().filter(|(_, tally)| tally.count > 0);
    let mut all: Vec<Observed> =
        seen.map(|(anomaly, tally)| one(*anomaly, (tally, confirmations), scene, question)).collect();
    let place = |name: Anomaly| crate::anomaly::ALL.iter().position(|other| *other == name);
    all.sort_by_key(|observed| (!observed.forbidden, place(observed.name)));
    all
}

/// One anomaly, explained.
fn one(
    anomaly: Anomaly,
    (tally, confirmations): (&Tally, &Confirmations),
    scene: &Scene<'_>,
    question: &Question,
) -> Observed {
    let stage = anomaly.entry().stage;
    let kept = tally.witnesses().enumerate();
    let witnesses: Vec<_> =
        kept.map(|(nth, finding)| witness(finding, confirmations.of(anomaly, nth), scene)).collect();
    let around = around(tally, scene);
    let permitted_by = permission(anomaly, tally, scene);
    let mut logs: Vec<_> = tally.logs.iter().collect();
    logs.sort_by_key(|(log, count)| (std::cmp::Reverse(**count), **log));
    Observed {
        name: anomaly,
        stage,
        count: tally.count,
        forbidden: question.claim.forbidden(stage).contains(&anomaly),
        causes: tally.causes.iter().map(|(cause, count)| (cause.words().to_owned(), *count)).collect(),
        logs: logs.into_iter().take(MAX_LISTED).map(|(log, count)| (scene.log(*log), *count)).collect(),
        intervals: intervals(tally),
        sentence: sentence(anomaly, tally, scene, (&around, &witnesses), permitted_by.as_ref()),
        permitted_by,
        around,
        witnesses,
    }
}

/// The values concerned as intervals: what is kept of them, and how many findings lie between.
fn intervals(tally: &Tally) -> String {
    let first = joined(tally.first.iter());
    let last = joined(tally.last.iter());
    let kept = (tally.first.len() + tally.last.len()) as u64;
    let between = match tally.findings.saturating_sub(kept) {
        0 => None,
        more => Some(format!("… {} more …", thousands(more))),
    };
    first.into_iter().chain(between.filter(|_| !last.is_empty())).chain(last).collect::<Vec<_>>().join(", ")
}

/// Findings as intervals of values; neighbours that follow each other are one.
fn joined<'a>(findings: impl Iterator<Item = &'a Finding>) -> Vec<String> {
    let mut joined: Vec<(Value, Seq)> = Vec::new();
    for finding in findings {
        let Some(first) = finding.first else { continue };
        let last = finding.last.unwrap_or(first).seq;
        match joined.last_mut() {
            Some((before, end))
                if before.process == first.process && end.0.checked_add(1) == Some(first.seq.0) =>
            {
                *end = last;
            }
            Some(_) | None => joined.push((first, last)),
        }
    }
    let text = |(first, last): (Value, Seq)| match first.seq == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    };
    joined.into_iter().map(text).collect()
}

/// The verdict on one stage.
fn stage_verdict(
    stage: Stage,
    (findings, scene): (&Findings, &Scene<'_>),
    question: &Question,
    reasons: &[Reason],
) -> StageVerdict {
    // What concerns the whole run concerns each of its stages.
    let concerning = reasons.iter().filter(|reason| reason.stage.is_none_or(|other| other == stage));
    StageVerdict {
        claim: question.claim.stage(stage).to_string(),
        verdict: worst(concerning),
        forbidden: question.claim.forbidden(stage).into_iter().collect(),
        summary: summary(stage, findings, scene.timeline),
    }
}

/// What a stage rests on, said statistically: how many of how many, over how much trouble.
fn summary(stage: Stage, findings: &Findings, timeline: &Timeline) -> String {
    let count = |anomaly| thousands(findings.count(anomaly));
    let changes = timeline.leader_changes();
    let over = format!("over {} leader change{}", thousands(changes), if changes == 1 { "" } else { "s" });
    match stage {
        Stage::Log => format!(
            "{} of {} acknowledged records lost and {} written twice {over}{}",
            count(Anomaly::LostWrite),
            thousands(findings.counts.acknowledged),
            count(Anomaly::DuplicateWrite),
            transactions(findings),
        ),
        Stage::Delivery => {
            let crashes = timeline.crashes();
            format!(
                "{} of {} committed records undelivered and {} redelivered over {} client crash{}",
                count(Anomaly::Undelivered),
                thousands(findings.counts.in_log),
                count(Anomaly::Redelivered),
                thousands(crashes),
                if crashes == 1 { "" } else { "es" },
            )
        }
        Stage::Effect if findings.sinks.is_empty() => "no sink was recorded".to_owned(),
        Stage::Effect => format!(
            "{} of {} committed records without an effect, {} of {} effects repeated and {} of no committed record",
            count(Anomaly::LostEffect),
            thousands(findings.counts.in_log),
            count(Anomaly::DuplicateEffect),
            thousands(findings.sinks.values().map(|sink| sink.effects).sum()),
            count(Anomaly::PhantomEffect),
        ),
        Stage::Liveness => format!("{} stalls", count(Anomaly::Stall)),
    }
}

/// How transactions went, where there were any.
fn transactions(findings: &Findings) -> String {
    let counts = &findings.transactions;
    if counts.begun == 0 {
        return String::new();
    }
    format!(
        "; of {} transactions {} committed, {} were aborted and {} torn",
        thousands(counts.begun),
        thousands(counts.committed + counts.proved),
        thousands(counts.aborted),
        thousands(findings.count(Anomaly::TornTransaction)),
    )
}

/// The stages that nothing is known about.
fn not_judged(stages: &BTreeMap<Stage, StageVerdict>) -> Vec<String> {
    let missing = |stage: Stage| !stages.contains_key(&stage);
    let mut lines = Vec::new();
    if missing(Stage::Delivery) {
        lines.push("delivery: no consumer group took part".to_owned());
    }
    if missing(Stage::Effect) {
        lines.push("effect: no sink was recorded".to_owned());
    }
    lines
}

/// The faults in the order of the plan; those that never struck too.
#[must_use]
pub fn faults(timeline: &Timeline, question: &Question) -> Vec<FaultEntry> {
    let mut faults = timeline.faults.clone();
    for (id, what) in (0..).map(FaultId).zip(&question.faults) {
        faults.entry(id).or_insert_with(|| FaultEntry::planned(id, what.clone()));
    }
    faults.into_values().collect()
}

/// How much the verdict rests on.
fn counts(findings: &Findings, timeline: &Timeline) -> Counts {
    let counts = &findings.counts;
    Counts {
        sent: counts.sent,
        acknowledged: counts.acknowledged - counts.without_offset,
        handed_over: counts.without_offset,
        failed: counts.failed,
        unknown: counts.unknown,
        recovered: counts.recovered,
        final_read: counts.in_log,
        polled: counts.polled,
        delivered: findings.groups.values().map(|group| group.delivered).sum(),
        logs: counts.logs,
        processes: timeline.processes.len() as u64,
    }
}

impl Verdict {
    /// Compares the verdict with what the spec expected.
    fn with_expectation(mut self, question: &Question) -> Verdict {
        let Some(expect) = &question.expect else { return self };
        let forbidden: BTreeSet<Anomaly> = self
            .anomalies
            .iter()
            .filter(|observed| observed.is_violation())
            .map(|observed| observed.name)
            .collect();
        let missed = &mut self.expectation_missed_by;
        for name in expect.violated.difference(&forbidden) {
            let seen = self.anomalies.iter().any(|observed| observed.name == *name);
            missed.push(match seen {
                true => format!("{name} was observed, but the claim allows it"),
                false => format!("{name} was expected and not observed"),
            });
        }
        if expect.violated.is_empty() {
            // Any violation will do.
            missed.extend(
                forbidden.is_empty().then(|| "a violation was expected and none was observed".to_owned()),
            );
        } else {
            // What one cause shows together with an expected anomaly does not spoil the demonstration.
            let brought =
                |name: &Anomaly| expect.violated.iter().any(|cause| cause.entry().brings.contains(name));
            for name in forbidden.difference(&expect.violated).filter(|name| !brought(name)) {
                missed.push(format!("{name} was observed, forbidden and not expected"));
            }
        }
        self.expectation = Some(if missed.is_empty() { Expectation::Met } else { Expectation::Missed });
        self
    }
}
