//! Findings as witnesses: the events that show an anomaly, as references into the history and as one line of text.
//!
//! Nothing is concluded here that the finder has not seen; a phrase says one sighting.

use history::ids::{Nanos, Offset, Process, Value};

use crate::anomaly::Anomaly;
use crate::confirm::Answer;
use crate::findings::{Finding, Sighting, TxnStep};
use crate::scene::Scene;
use crate::verdict::{Witness, WitnessEvent};

/// The witness that a finding is, with how it was confirmed.
pub fn witness(finding: &Finding, answer: Answer, scene: &Scene<'_>) -> Witness {
    // In order of time; what has none (the log at the end) comes last.
    let mut sightings: Vec<&Sighting> = finding.sightings.iter().collect();
    sightings.sort_by_key(|sighting| sighting.time().unwrap_or(Nanos(u64::MAX)));
    let phrases: Vec<String> = sightings.iter().map(|sighting| phrase(sighting, scene)).collect();
    let events = sightings.into_iter().map(event).collect();
    let text = match phrases.is_empty() {
        true => subject(finding, scene),
        false => format!("{}: {}", subject(finding, scene), phrases.join(", ")),
    };
    Witness {
        log: scene.log(finding.log),
        value: finding.first.map(|value| value.to_string()),
        events,
        text,
        confirmed: answer.confirmation,
        objection: answer.why,
    }
}

/// What the finding is about: `3:17 to 3:116 of shop[0] (100 records) in orders/0 at offsets 1234 to 1333`.
fn subject(finding: &Finding, scene: &Scene<'_>) -> String {
    if let (Anomaly::OffsetRegression | Anomaly::ResurrectedAbort, Some(group)) =
        (finding.anomaly, &finding.group)
    {
        return format!("the committed position of group {group} in {}", scene.log(finding.log));
    }
    let what = if finding.anomaly == Anomaly::DependencyCycle { "a cycle" } else { "a record" };
    let mut text = match (finding.first, finding.last) {
        (Some(first), Some(last)) if last != first => format!("{first} to {}", scene.value(last)),
        (Some(first), Some(_) | None) => scene.value(first),
        (None, Some(last)) => format!("up to {}", scene.value(last)),
        (None, None) if finding.count == 1 => what.to_owned(),
        (None, None) => "records".to_owned(),
    };
    if finding.count > 1 {
        text = format!("{text} ({} records)", thousands(finding.count));
    }
    text = format!("{text} in {}", scene.log(finding.log));
    match finding.offsets {
        Some((first, last)) if first == last => format!("{text} at offset {first}"),
        Some((first, last)) => format!("{text} at offsets {first} to {last}"),
        None => text,
    }
}

/// One sighting in words.
#[expect(clippy::too_many_lines, reason = "a flat list: one phrase for each kind of sighting")]
pub(crate) fn phrase(sighting: &Sighting, scene: &Scene<'_>) -> String {
    let at = |time: Nanos| scene.timeline.seconds(time);
    match sighting {
        Sighting::Sent { value, time } => format!("{value} sent at {}", at(*time)),
        Sighting::Acknowledged { value, offset: Some(offset), time } => {
            format!("{value} acknowledged with offset {offset} at {}", at(*time))
        }
        Sighting::Acknowledged { value, offset: None, time } => {
            format!("{value} acknowledged without an offset at {}", at(*time))
        }
        Sighting::Failed { value, code, time } => format!("{value} failed (code {code}) at {}", at(*time)),
        Sighting::Unknown { value, code, time: Some(time) } => {
            format!("{value} ended with an unknown outcome (code {code}) at {}", at(*time))
        }
        Sighting::Unknown { value, code: _, time: None } => format!("{value} never completed"),
        Sighting::InLog { value, offset } => format!("the final read found {value} at offset {offset}"),
        Sighting::NotInLog { offset } => {
            format!("the final read passed offset {offset} and found nothing there")
        }
        Sighting::ReadUpTo { start, reached, end } => {
            format!("the final read went from {start} to {reached} of {end}")
        }
        Sighting::Polled { process, value, offset, time } => {
            format!("{} polled {value} at offset {offset} at {}", scene.process(*process), at(*time))
        }
        Sighting::HandedOver { process, offset, time } => {
            format!("{} handed offset {offset} over to processing at {}", scene.process(*process), at(*time))
        }
        Sighting::Assigned { process, time } => {
            format!("{} was assigned the log at {}", scene.process(*process), at(*time))
        }
        Sighting::Sought { process, offset, time } => {
            format!("{} went to offset {offset} at {}", scene.process(*process), at(*time))
        }
        Sighting::Crashed { process, time } => {
            format!("{} was found dead at {}", scene.process(*process), at(*time))
        }
        Sighting::Committed { process, next, time } => {
            format!("{} committed position {next} at {}", scene.process(*process), at(*time))
        }
        Sighting::Fetched { process, next, time } => {
            format!("{} read back the committed position {next} at {}", scene.process(*process), at(*time))
        }
        Sighting::Effected { process, offset, time } => {
            let process = scene.process(*process);
            format!(
                "{process} was told by the sink at {} that it holds the effect of offset {offset}",
                at(*time)
            )
        }
        Sighting::InSink { value, offset, place } => {
            format!(
                "the sink holds the effect of {value} at offset {offset} as number {}",
                thousands(*place + 1)
            )
        }
        Sighting::NotInSink { offset } => {
            format!("the sink was read to its end and holds no effect of offset {offset}")
        }
        Sighting::EndRead { process, end, invoked, returned } => {
            let (process, from, to) = (scene.process(*process), at(*invoked), at(*returned));
            format!("{process} read the end offset {end} between {from} and {to}")
        }
        Sighting::InOtherLog { value, log, offset } => {
            format!("the final read of {} found {value} at offset {offset}", scene.log(*log))
        }
        Sighting::Transaction { process, id, epoch, step, time } => {
            let epoch = epoch.map_or(String::new(), |epoch| format!(" (epoch {epoch})"));
            let name = format!("transaction {id}{epoch} of {}", scene.process(*process));
            let at = time.map_or(String::new(), |time| format!(" at {}", at(time)));
            step_words(*step, &name, &at)
        }
        Sighting::Dependency { kind, because, .. } => format!("{because} ({kind})"),
        Sighting::Foreign { offset, why } => format!("offset {offset} holds {why}"),
    }
}

/// A step of a transaction in words.
pub(crate) fn step_words(step: TxnStep, name: &str, at: &str) -> String {
    match step {
        TxnStep::Granted => format!("{name}: the id was granted{at}"),
        TxnStep::Began => format!("{name} began{at}"),
        TxnStep::Holds { offset } => format!("{name} wrote offset {offset}"),
        TxnStep::Took { from, next } => format!("{name} took in the log from offset {from} to before {next}"),
        TxnStep::AskedToCommit => format!("{name} was asked to commit{at}"),
        TxnStep::AskedToEnd => format!("{name} was asked to end{at}"),
        TxnStep::Committed => format!("{name} was acknowledged as committed{at}"),
        TxnStep::Aborted => format!("{name} was acknowledged as aborted{at}"),
        TxnStep::CommitFailed => format!("{name} failed to commit{at}"),
        TxnStep::Unknown => format!("{name} ended nobody knows how{at}"),
        TxnStep::NeverEnded => format!("{name} was never asked to commit"),
    }
}

/// A sighting as a reference into the history.
fn event(sighting: &Sighting) -> WitnessEvent {
    WitnessEvent {
        what: sighting.what().to_owned(),
        process: sighting.process(),
        time: sighting.time(),
        offset: sighting.offset(),
        value: sighting.value().map(|value| value.to_string()),
    }
}

/// A number with separators: `1,204,331`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Sighting {
    /// What kind of event it was.
    pub fn what(&self) -> &'static str {
        match self {
            Sighting::Sent { .. } => "sent",
            Sighting::Acknowledged { .. } => "acknowledged",
            Sighting::Failed { .. } => "failed",
            Sighting::Unknown { .. } => "unknown",
            Sighting::InLog { .. } => "in-log",
            Sighting::NotInLog { .. } => "not-in-log",
            Sighting::ReadUpTo { .. } => "read-up-to",
            Sighting::Polled { .. } => "polled",
            Sighting::HandedOver { .. } => "handed-over",
            Sighting::Assigned { .. } => "assigned",
            Sighting::Sought { .. } => "sought",
            Sighting::Crashed { .. } => "crashed",
            Sighting::Committed { .. } => "committed",
            Sighting::Fetched { .. } => "fetched",
            Sighting::Effected { .. } => "effect",
            Sighting::InSink { .. } => "in-sink",
            Sighting::NotInSink { .. } => "not-in-sink",
            Sighting::EndRead { .. } => "end-read",
            Sighting::InOtherLog { .. } => "in-other-log",
            Sighting::Transaction { .. } => "transaction",
            Sighting::Dependency { .. } => "dependency",
            Sighting::Foreign { .. } => "foreign",
        }
    }

    /// When, where the history says so; for an interval its end.
    pub fn time(&self) -> Option<Nanos> {
        match self {
            Sighting::Sent { time, .. }
            | Sighting::Acknowledged { time, .. }
            | Sighting::Failed { time, .. }
            | Sighting::Polled { time, .. }
            | Sighting::HandedOver { time, .. }
            | Sighting::Assigned { time, .. }
            | Sighting::Sought { time, .. }
            | Sighting::Crashed { time, .. }
            | Sighting::Committed { time, .. }
            | Sighting::Fetched { time, .. }
            | Sighting::Effected { time, .. }
            | Sighting::EndRead { returned: time, .. } => Some(*time),
            Sighting::Unknown { time, .. } | Sighting::Transaction { time, .. } => *time,
            Sighting::InLog { .. }
            | Sighting::InOtherLog { .. }
            | Sighting::Dependency { .. }
            | Sighting::NotInLog { .. }
            | Sighting::ReadUpTo { .. }
            | Sighting::InSink { .. }
            | Sighting::NotInSink { .. }
            | Sighting::Foreign { .. } => None,
        }
    }

    /// Whose event, where it is a client's.
    pub fn process(&self) -> Option<Process> {
        match self {
            Sighting::Sent { value, .. }
            | Sighting::Acknowledged { value, .. }
            | Sighting::Failed { value, .. }
            | Sighting::Unknown { value, .. } => Some(value.process),
            Sighting::Polled { process, .. }
            | Sighting::HandedOver { process, .. }
            | Sighting::Assigned { process, .. }
            | Sighting::Sought { process, .. }
            | Sighting::Crashed { process, .. }
            | Sighting::Committed { process, .. }
            | Sighting::Fetched { process, .. }
            | Sighting::Effected { process, .. }
            | Sighting::EndRead { process, .. }
            | Sighting::Transaction { process, .. } => Some(*process),
            Sighting::InLog { .. }
            | Sighting::InOtherLog { .. }
            | Sighting::Dependency { .. }
            | Sighting::NotInLog { .. }
            | Sighting::ReadUpTo { .. }
            | Sighting::InSink { .. }
            | Sighting::NotInSink { .. }
            | Sighting::Foreign { .. } => None,
        }
    }

    /// The offset concerned.
    pub fn offset(&self) -> Option<Offset> {
        match self {
            Sighting::Acknowledged { offset, .. } => *offset,
            Sighting::InLog { offset, .. }
            | Sighting::NotInLog { offset }
            | Sighting::Polled { offset, .. }
            | Sighting::HandedOver { offset, .. }
            | Sighting::Sought { offset, .. }
            | Sighting::Committed { next: offset, .. }
            | Sighting::Fetched { next: offset, .. }
            | Sighting::Effected { offset, .. }
            | Sighting::InSink { offset, .. }
            | Sighting::NotInSink { offset }
            | Sighting::EndRead { end: offset, .. }
            | Sighting::ReadUpTo { reached: offset, .. }
            | Sighting::Foreign { offset, .. } => Some(*offset),
            // An offset of another log would be taken for one of this.
            Sighting::InOtherLog { .. }
            | Sighting::Transaction { .. }
            | Sighting::Dependency { .. }
            | Sighting::Sent { .. }
            | Sighting::Failed { .. }
            | Sighting::Unknown { .. }
            | Sighting::Assigned { .. }
            | Sighting::Crashed { .. } => None,
        }
    }

    /// The value concerned.
    pub fn value(&self) -> Option<Value> {
        match self {
            Sighting::Sent { value, .. }
            | Sighting::Acknowledged { value, .. }
            | Sighting::Failed { value, .. }
            | Sighting::Unknown { value, .. }
            | Sighting::InLog { value, .. }
            | Sighting::InOtherLog { value, .. }
            | Sighting::InSink { value, .. }
            | Sighting::Polled { value, .. } => Some(*value),
            Sighting::NotInLog { .. }
            | Sighting::Transaction { .. }
            | Sighting::Dependency { .. }
            | Sighting::ReadUpTo { .. }
            | Sighting::HandedOver { .. }
            | Sighting::Assigned { .. }
            | Sighting::Sought { .. }
            | Sighting::Crashed { .. }
            | Sighting::Committed { .. }
            | Sighting::Fetched { .. }
            | Sighting::Effected { .. }
            | Sighting::NotInSink { .. }
            | Sighting::EndRead { .. }
            | Sighting::Foreign { .. } => None,
        }
    }
}
