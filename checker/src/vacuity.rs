//! When a run says nothing: too little happened, or what was meant to go wrong did not.
//!
//! A vacuous run is never valid. Each reason here is a way in which a green light would be a lie: nothing was
//! acknowledged, the final read stopped short, a fault struck a process that was already dead, a group never handed a
//! record over. A violation found in such a run still stands: invalid outranks unknown.

use history::op::Isolation;

use crate::anomaly::{Anomaly, Stage};
use crate::findings::Findings;
use crate::guarantee::Property;
use crate::question::{Exercise, Question};
use crate::timeline::Timeline;
use crate::verdict::{FaultEntry, Reason, ReasonKind};
use crate::witness::thousands;

/// Every reason why the absence of violations would prove nothing.
pub fn reasons(
    findings: &Findings,
    timeline: &Timeline,
    question: &Question,
    faults: &[FaultEntry],
) -> Vec<Reason> {
    let mut reasons = Vec::new();
    reasons.extend(too_few(findings, question));
    reasons.extend(no_warm_up(timeline, question));
    reasons.extend(final_read(findings, question));
    reasons.extend(faults.iter().filter_map(without_effect));
    reasons.extend(torn(timeline));
    reasons.extend(question.exercises.iter().filter_map(|exercise| not_exercised(*exercise, timeline)));
    reasons.extend(delivery(findings, question));
    reasons.extend(transactions(findings, timeline, question));
    reasons.extend(effects(findings, question));
    reasons
}

/// A reason that concerns the whole run or one stage.
fn reason(kind: ReasonKind, stage: Option<Stage>, text: String) -> Reason {
    Reason { kind, stage, text }
}

/// Nothing, or not enough, was acknowledged.
fn too_few(findings: &Findings, question: &Question) -> Option<Reason> {
    let acknowledged = findings.counts.acknowledged;
    if findings.counts.sent == 0 {
        return Some(reason(ReasonKind::Empty, None, "no record was sent".to_owned()));
    }
    (acknowledged < question.floor.max(1)).then(|| {
        let text = format!(
            "{} of {} records sent were acknowledged, fewer than the {} that make a verdict",
            thousands(acknowledged),
            thousands(findings.counts.sent),
            thousands(question.floor.max(1))
        );
        reason(ReasonKind::TooFewRecords, None, text)
    })
}

/// The storm never began, so nothing is known to have worked before it.
fn no_warm_up(timeline: &Timeline, question: &Question) -> Option<Reason> {
    (question.warm_up && timeline.phase("storm").is_none())
        .then(|| reason(ReasonKind::NoWarmUp, None, "the warm-up did not complete".to_owned()))
}

/// The ground truth is incomplete.
fn final_read(findings: &Findings, question: &Question) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let short = findings.counts.logs_not_read_to_the_end;
    if short > 0 && !question.polls_are_the_end {
        let text =
            format!("the final read did not reach the end of {short} of {} logs", findings.counts.logs);
        reasons.push(reason(ReasonKind::IncompleteFinalRead, Some(Stage::Log), text));
    }
    let unseen = findings.count(Anomaly::Unseen);
    if unseen > 0 && question.claim.forbidden(Stage::Log).contains(&Anomaly::LostWrite) {
        let text = format!(
            "{} acknowledged record{} above everything that was read: kept or lost, nobody knows",
            thousands(unseen),
            if unseen == 1 { " lies" } else { "s lie" }
        );
        reasons.push(reason(ReasonKind::Unseen, Some(Stage::Log), text));
    }
    reasons
}

/// A fault that did not strike, was not undone, or did nothing.
fn without_effect(fault: &FaultEntry) -> Option<Reason> {
    let why = match (fault.struck, fault.healed, fault.bit) {
        (None, _, _) => "never struck".to_owned(),
        (Some(_), None, _) => "was never undone, so its effect is not known".to_owned(),
        (Some(_), Some(_), false) if fault.effect.is_empty() => "had no effect".to_owned(),
        (Some(_), Some(_), false) => format!("had no effect ({})", fault.effect),
        (Some(_), Some(_), true) => return None,
    };
    let text = format!("fault {} ({}) {why}", fault.id, fault.what);
    Some(reason(ReasonKind::FaultWithoutEffect, None, text))
}

/// A journal that was cut, or one that stops in the middle although nobody was seen to die. (That of a client that
/// was killed may: what it wrote is all there.)
fn torn(timeline: &Timeline) -> Option<Reason> {
    let torn: Vec<String> = timeline
        .processes
        .iter()
        .filter(|(_, life)| life.truncated || life.crashed.is_none())
        .filter_map(|(process, life)| {
            Some(format!("{} ({})", timeline.process(*process), life.torn.as_ref()?))
        })
        .collect();
    let (first, rest) = torn.split_first()?;
    let others = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
    let text =
        format!("the journal of {first}{others} stops in the middle, and its process was not found dead");
    Some(reason(ReasonKind::TornJournal, None, text))
}

/// Something that had to happen for the claim to be at risk, and did not.
fn not_exercised(exercise: Exercise, timeline: &Timeline) -> Option<Reason> {
    let (happened, text) = match exercise {
        Exercise::LeaderChange => (timeline.leader_changes() > 0, "no log changed its leader"),
        Exercise::ClientCrash => (timeline.crashes() > 0, "no client process died"),
        Exercise::Rebalance => {
            (timeline.assignments > timeline.groups.len() as u64, "no group was rebalanced")
        }
        Exercise::AbortedTransaction => (timeline.aborted_transactions > 0, "no transaction was aborted"),
        Exercise::CrashBetweenSteps => (
            timeline.risks.died_between > 0,
            "no client died between an effect and the commit of its position",
        ),
        Exercise::Zombie => {
            (timeline.risks.overtaken > 0, "no client went on in a log that another had been assigned")
        }
        Exercise::EffectAtRisk => (
            timeline.risks.any(),
            "no effect was at risk: no client died between its steps or was overtaken, and the sink always answered",
        ),
        Exercise::QuietRestart => (
            timeline.membership.every_restart_was_quiet(),
            "no member died and had all its logs back without any other member being given or deprived of one",
        ),
        Exercise::IncrementalRebalance => (
            timeline.membership.every_takeover_was_incremental(),
            "no dead member's logs were all given to others that kept their own meanwhile",
        ),
        Exercise::LateCommitRefused => (
            timeline.membership.refused_late > 0,
            "no commit was refused to a member whose log was another's by then",
        ),
    };
    (!happened).then(|| reason(ReasonKind::NotExercised, None, text.to_owned()))
}

/// Groups that took no part, or that stopped before the end of their logs.
fn delivery(findings: &Findings, question: &Question) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let stage = Some(Stage::Delivery);
    for group in &question.groups {
        if findings.groups.get(group).is_none_or(|counts| counts.delivered == 0) {
            let text = format!("group {group} was never handed a record");
            reasons.push(reason(ReasonKind::NotExercised, stage, text));
        }
    }
    if question.claim.names(Stage::Delivery) && question.groups.is_empty() && findings.groups.is_empty() {
        let text = "delivery is claimed and no consumer group took part".to_owned();
        reasons.push(reason(ReasonKind::NotExercised, stage, text));
    }
    if question.claim.forbidden(Stage::Delivery).contains(&Anomaly::Undelivered) {
        for (group, counts) in findings.groups.iter().filter(|(_, counts)| counts.not_drained > 0) {
            let text = format!(
                "group {group} stopped before the end of its logs: {} records lie above its positions",
                thousands(counts.not_drained)
            );
            reasons.push(reason(ReasonKind::NotDrained, stage, text));
        }
    }
    reasons
}

/// Transactions are claimed, and nothing put that at risk or shows how it went.
fn transactions(findings: &Findings, timeline: &Timeline, question: &Question) -> Vec<Reason> {
    let mut reasons = Vec::new();
    let claims = |stage: Stage| question.claim.stage(stage).properties.contains(&Property::Transactional);
    let stage = match (claims(Stage::Log), claims(Stage::Delivery)) {
        _ if question.claimed_by_default || question.polls_are_the_end => return reasons,
        (false, false) => return reasons,
        (true, _) => Stage::Log,
        (false, true) => Stage::Delivery,
    };
    let counts = &findings.transactions;
    let mut missing = |what: &str| {
        reasons.push(reason(ReasonKind::NotExercised, Some(stage), what.to_owned()));
    };
    if counts.committed + counts.proved == 0 {
        missing("transactions are claimed and none committed");
    }
    if counts.aborted + counts.unknown + counts.open == 0 {
        missing("transactions are claimed and none was aborted or left open");
    }
    let reads_committed =
        |life: &crate::timeline::Life| life.identity.isolation == Some(Isolation::ReadCommitted);
    if claims(Stage::Delivery)
        && !findings.groups.is_empty()
        && !timeline.processes.values().any(reads_committed)
    {
        let text = "no consumer says that it reads committed".to_owned();
        reasons.push(reason(ReasonKind::NotExercised, Some(Stage::Delivery), text));
    }
    let unread = counts.logs_not_read;
    if claims(Stage::Log) && unread > 0 {
        let text = format!(
            "{unread} log{} that transactions wrote to ha{} no complete committed final read",
            if unread == 1 { "" } else { "s" },
            if unread == 1 { "s" } else { "ve" }
        );
        reasons.push(reason(ReasonKind::IncompleteFinalRead, Some(Stage::Log), text));
    }
    reasons
}

/// Effects are claimed and none is recorded, or it is not known what became of them.
fn effects(findings: &Findings, question: &Question) -> Vec<Reason> {
    let stage = Some(Stage::Effect);
    let mut reasons = Vec::new();
    if question.claim.names(Stage::Effect) && findings.sinks.is_empty() {
        let text = "effects are claimed and the history holds none".to_owned();
        reasons.push(reason(ReasonKind::NotExercised, stage, text));
    }
    if question.claim.stage(Stage::Effect).level.is_none() {
        return reasons;
    }
    let must_be_there = question.claim.forbidden(Stage::Effect).contains(&Anomaly::LostEffect);
    for (group, sink) in &findings.sinks {
        let mut say = |kind, text| reasons.push(reason(kind, stage, text));
        if sink.effects == 0 && !question.claimed_by_default {
            say(ReasonKind::NotExercised, format!("the sink of group {group} holds no effect"));
        }
        if sink.read_in_part {
            let text = format!("the sink of group {group} was read back, but not to its end");
            say(ReasonKind::EffectsUnknown, text);
        }
        if must_be_there && sink.unknown > 0 {
            let text = format!(
                "{} record{} of group {group} may have taken effect or not: the sink never answered, and was not \
                 read back",
                thousands(sink.unknown),
                if sink.unknown == 1 { "" } else { "s" }
            );
            say(ReasonKind::EffectsUnknown, text);
        }
        if must_be_there && sink.not_drained > 0 {
            let text = format!(
                "the sink of group {group} stopped before the end of its logs: {} records lie above its positions",
                thousands(sink.not_drained)
            );
            say(ReasonKind::NotDrained, text);
        }
    }
    reasons
}
