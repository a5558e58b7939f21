//! Events as one line of the picture: who did what, without the time, which stands beside it.

use history::ids::{Nanos, Offset};
use history::op::{Event, Op, Outcome, Phase, Position, Span};

use super::{Moment, Part};
use crate::findings::{Finding, Sighting};
use crate::scene::Scene;
use crate::verdict::{ClusterChange, FaultEntry};
use crate::witness::{step_words, thousands};

/// The events that show an anomaly, each as a sentence, in order of time.
pub(super) fn seen(finding: &Finding, scene: &Scene<'_>) -> Vec<String> {
    let mut sightings: Vec<&Sighting> = finding.sightings.iter().collect();
    sightings.sort_by_key(|sighting| sighting.time().unwrap_or(Nanos(u64::MAX)));
    sightings.into_iter().map(|sighting| crate::witness::phrase(sighting, scene)).collect()
}

/// The same as moments.
pub(super) fn witness(finding: &Finding, scene: &Scene<'_>) -> Vec<Moment> {
    finding.sightings.iter().map(|sighting| moment(sighting, Part::Witness, scene)).collect()
}

/// A sighting as a moment.
pub(super) fn moment(sighting: &Sighting, part: Part, scene: &Scene<'_>) -> Moment {
    let who = match sighting {
        Sighting::InSink { .. } | Sighting::NotInSink { .. } => "sink".to_owned(),
        Sighting::InLog { .. } | Sighting::NotInLog { .. } | Sighting::ReadUpTo { .. } => {
            "final read".to_owned()
        }
        Sighting::Foreign { .. } => "log".to_owned(),
        Sighting::Dependency { .. } => "order".to_owned(),
        Sighting::InOtherLog { log, .. } => scene.log(*log),
        Sighting::Sent { .. }
        | Sighting::Acknowledged { .. }
        | Sighting::Failed { .. }
        | Sighting::Unknown { .. }
        | Sighting::Polled { .. }
        | Sighting::HandedOver { .. }
        | Sighting::Assigned { .. }
        | Sighting::Sought { .. }
        | Sighting::Crashed { .. }
        | Sighting::Committed { .. }
        | Sighting::Fetched { .. }
        | Sighting::Effected { .. }
        | Sighting::Transaction { .. }
        | Sighting::EndRead { .. } => {
            sighting.process().map_or_else(|| "log".to_owned(), |process| scene.process(process))
        }
    };
    Moment { time: sighting.time(), who, what: what(sighting), part }
}

fn what(sighting: &Sighting) -> String {
    match sighting {
        Sighting::InOtherLog { value, offset, .. } => format!("offset {offset} holds {value}"),
        Sighting::Transaction { id, epoch, step, .. } => {
            let epoch = epoch.map_or(String::new(), |epoch| format!(" (epoch {epoch})"));
            let name = format!("transaction {id}{epoch}");
            step_words(*step, &name, "")
        }
        Sighting::Dependency { kind, because, .. } => format!("{because} ({kind})"),
        Sighting::Sent { value, .. } => format!("sends {value}"),
        Sighting::Acknowledged { value, offset: Some(offset), .. } => {
            format!("{value} is acknowledged at offset {offset}")
        }
        Sighting::Acknowledged { value, offset: None, .. } => {
            format!("{value} is acknowledged without an offset")
        }
        Sighting::Failed { value, code, .. } => format!("{value} fails (code {code})"),
        Sighting::Unknown { value, code, time: Some(_) } => format!("{value} ends unknown (code {code})"),
        Sighting::Unknown { value, time: None, .. } => format!("{value} never completes"),
        Sighting::InLog { value, offset } => format!("offset {offset} holds {value}"),
        Sighting::NotInLog { offset } => format!("offset {offset} holds nothing"),
        Sighting::ReadUpTo { start, reached, end } => format!("reads from {start} to {reached} of {end}"),
        Sighting::Polled { value, offset, .. } => format!("polls {value} at offset {offset}"),
        Sighting::HandedOver { offset, .. } => format!("hands offset {offset} to processing"),
        Sighting::Assigned { .. } => "is assigned the log".to_owned(),
        Sighting::Sought { offset, .. } => format!("goes to offset {offset}"),
        Sighting::Crashed { .. } => "is found dead".to_owned(),
        Sighting::Committed { next, .. } => format!("has committed position {next}"),
        Sighting::Fetched { next, .. } => format!("reads back the committed position {next}"),
        Sighting::Effected { offset, .. } => format!("the sink holds the effect of offset {offset}"),
        Sighting::InSink { value, offset, place } => {
            format!("effect {} is that of {value} at offset {offset}", thousands(*place + 1))
        }
        Sighting::NotInSink { offset } => format!("holds no effect of offset {offset}"),
        Sighting::EndRead { end, .. } => format!("reads the end offset {end}"),
        Sighting::Foreign { offset, why } => format!("offset {offset} holds {why}"),
    }
}

/// A fault's two ends.
pub(super) fn fault(fault: &FaultEntry) -> Vec<Moment> {
    let moment = |time: Nanos, what: String| Moment {
        time: Some(time),
        who: "harness".to_owned(),
        what,
        part: Part::Fault(fault.id),
    };
    let targets =
        if fault.targets.is_empty() { String::new() } else { format!(" [{}]", fault.targets.join(", ")) };
    let strikes =
        fault.struck.map(|time| moment(time, format!("fault {}: {}{targets}", fault.id, fault.what)));
    let heals = fault.healed.map(|time| {
        let effect = if fault.effect.is_empty() { "undone".to_owned() } else { fault.effect.clone() };
        moment(time, format!("fault {} is undone: {effect}", fault.id))
    });
    strikes.into_iter().chain(heals).collect()
}

/// A change of leadership or of the in-sync set.
pub(super) fn change(change: &ClusterChange) -> Moment {
    let isr: Vec<String> = change.isr.iter().map(i32::to_string).collect();
    let isr = isr.join(",");
    let what = match change.leader {
        None => format!("has no leader (epoch {})", change.epoch),
        Some(leader) if change.is_new_leader() => {
            format!("broker {leader} leads (epoch {}, in sync {isr})", change.epoch)
        }
        Some(_) => format!("{isr} in sync (epoch {})", change.epoch),
    };
    Moment { time: Some(change.seen), who: change.log.clone(), what, part: Part::Cluster }
}

/// A rare event as a moment, where it belongs into a picture of clients.
pub(super) fn row(event: &Event, scene: &Scene<'_>) -> Option<Moment> {
    let asks = event.phase == Phase::Invoke;
    let ended = match &event.phase {
        Phase::Invoke | Phase::Complete(Outcome::Ok { .. }) => String::new(),
        Phase::Complete(Outcome::Fail { cause }) => format!(" and fails (code {})", cause.code),
        Phase::Complete(Outcome::Info { .. }) => " and does not learn what came of it".to_owned(),
    };
    let said =
        |asked: &str, answered: &str| if asks { asked.to_owned() } else { format!("{answered}{ended}") };
    let logs =
        |logs: &[history::ids::LogId]| logs.iter().map(|log| scene.log(*log)).collect::<Vec<_>>().join(", ");
    let what = match &event.op {
        Op::Open(_) => "begins".to_owned(),
        Op::Close => "ends in good order".to_owned(),
        Op::Crash { how } if how.is_empty() => "is found dead".to_owned(),
        Op::Crash { how } => format!("is found dead: {how}"),
        Op::InitTxn { id, epoch: Some(epoch), .. } if !asks => format!("holds {id} in epoch {epoch}{ended}"),
        Op::InitTxn { id, .. } => said(&format!("claims {id}"), &format!("holds {id}")),
        Op::Derive { first, spans } => {
            format!("makes its records from {first} on of {}", offsets(spans, scene))
        }
        Op::BeginTxn { id, .. } => {
            said(&format!("begins transaction {id}"), &format!("has begun transaction {id}"))
        }
        Op::CommitTxn => said("asks for the commit of its transaction", "has committed its transaction"),
        Op::AbortTxn => said("asks for the abort of its transaction", "has aborted its transaction"),
        Op::Assigned(assignment) => format!("is assigned {}", logs(&assignment.logs)),
        Op::Revoked(assignment) => format!("gives up {}", logs(&assignment.logs)),
        Op::Lost(assignment) => format!("has lost {}", logs(&assignment.logs)),
        Op::Seek { log, offset } => format!("goes to offset {offset} of {}", scene.log(*log)),
        Op::EffectBegin { spans } => format!("hands {} to processing", offsets(spans, scene)),
        Op::Effect { spans } => format!("the sink answers for {}{ended}", offsets(spans, scene)),
        Op::CommitOffsets { positions: at, .. } => {
            let at = positions(at, scene);
            said(&format!("commits {at}"), &format!("has committed {at}"))
        }
        Op::FetchCommitted { positions: at } if !asks => {
            format!("reads back {}{ended}", positions(at, scene))
        }
        Op::EndOffsets { positions: at } if !asks => {
            format!("reads the ends {}{ended}", positions(at, scene))
        }
        Op::FetchCommitted { .. }
        | Op::EndOffsets { .. }
        | Op::Send { .. }
        | Op::Poll { .. }
        | Op::FinalRead { .. }
        | Op::FinalReadEnd { .. }
        | Op::SinkRead { .. }
        | Op::SinkReadEnd { .. }
        | Op::Batch(_)
        | Op::Foreign { .. }
        | Op::Fault { .. }
        | Op::Heal { .. }
        | Op::Observe(_)
        | Op::Phase { .. } => return None,
    };
    Some(Moment { time: Some(event.time), who: scene.process(event.process), what, part: Part::Beside })
}

fn positions(positions: &[Position], scene: &Scene<'_>) -> String {
    let words: Vec<String> =
        positions.iter().take(3).map(|at| format!("position {} of {}", at.next, scene.log(at.log))).collect();
    more(words, positions.len())
}

fn offsets(spans: &[Span], scene: &Scene<'_>) -> String {
    let interval = |first: Offset, last: Offset| match first == last {
        true => format!("offset {first}"),
        false => format!("offsets {first} to {last}"),
    };
    let words: Vec<String> = spans
        .iter()
        .take(3)
        .map(|span| format!("{} of {}", interval(span.first, span.last), scene.log(span.log)))
        .collect();
    more(words, spans.len())
}

/// The first few of many, and how many more there are.
fn more(words: Vec<String>, of: usize) -> String {
    let left = of - words.len();
    let words = words.join(", ");
    if left == 0 { words } else { format!("{words} and {left} more") }
}
