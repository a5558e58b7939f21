//! One English sentence for each anomaly: what, how many, where, the first instance, what was going on, and why it
//! was possible.
//!
//! A sentence is built from clauses that each say one fact the verdict also holds as data, and its length is bounded
//! whatever the size of the history: a few logs, the first instance, a few faults and changes, exact counts.

use history::ids::FaultId;

use crate::anomaly::Anomaly;
use crate::attribute::{open_faults, window};
use crate::findings::{Finding, Tally};
use crate::scene::Scene;
use crate::verdict::{Around, Basis, ClusterChange, Permission, Witness};
use crate::witness::thousands;

/// How many things of a kind a sentence names before it counts the rest.
const NAMED: usize = 3;

/// The sentence for one anomaly.
pub fn sentence(
    anomaly: Anomaly,
    tally: &Tally,
    scene: &Scene<'_>,
    (around, witnesses): (&Around, &[Witness]),
    permission: Option<&Permission>,
) -> String {
    let mut clauses = vec![headline(anomaly, tally, scene)];
    if let (Some(finding), Some(witness)) = (tally.first.first(), witnesses.first()) {
        let which = if tally.findings > 1 { "the first is " } else { "it is " };
        clauses.push(format!("{which}{}", witness.text));
        clauses.extend(context(finding, scene));
    }
    clauses.extend(around.batches.iter().cloned());
    clauses.extend(permission.map(permission_words));
    let mut text = clauses.join("; ");
    text.push('.');
    text
}

/// The setting that permits it, and what to change.
fn permission_words(permission: &Permission) -> String {
    let Permission { basis, setting, because, change } = permission;
    match basis {
        Basis::InEffect => format!("{setting} permits it ({because}): {change}"),
        Basis::Usual => {
            format!("usually permitted by {}: {}", alternatives(setting), alternatives(change))
        }
    }
}

/// A list of alternatives as a part of a sentence.
fn alternatives(list: &str) -> String {
    list.replace("; or ", "; ").replace("; ", ", or ")
}

/// What and how many and where.
#[expect(clippy::too_many_lines, reason = "a flat list: one phrase for each anomaly")]
fn headline(anomaly: Anomaly, tally: &Tally, scene: &Scene<'_>) -> String {
    let n = tally.count;
    let number = thousands(n);
    let (s, is, them) = if n == 1 { ("", "is", "its") } else { ("s", "are", "their") };
    let logs = logs(tally, scene);
    match anomaly {
        Anomaly::LostWrite => {
            format!("{number} record{s} that must have committed {is} not in {logs} at the end of the run")
        }
        Anomaly::Unseen => {
            format!(
                "{number} acknowledged record{s} of {logs} lie{} above everything that was read",
                third(n)
            )
        }
        Anomaly::DuplicateWrite => {
            format!("{number} extra cop{} of records {is} in {logs}", if n == 1 { "y" } else { "ies" })
        }
        Anomaly::Phantom => format!("{number} record{s} in {logs} {} never sent", was(n)),
        Anomaly::Corrupt => format!(
            "{number} record{s} in {logs} do{} not match {them} checksum",
            if n == 1 { "es" } else { "" }
        ),
        Anomaly::Misrouted => format!("{number} record{s} in {logs} {} sent to another log", was(n)),
        Anomaly::InconsistentOffsets => format!(
            "{number} acknowledgement{s} or poll{s} of {logs} name{} an offset at which something else was seen",
            third(n)
        ),
        Anomaly::ReorderedWrite => {
            format!(
                "{number} record{s} in {logs} lie{} behind one that the same process sent later",
                third(n)
            )
        }
        Anomaly::RealtimeInversion => format!(
            "{number} record{s} in {logs} lie{} behind one that was sent only after {} acknowledged",
            third(n),
            if n == 1 { "it was" } else { "they were" }
        ),
        Anomaly::StaleEnd => format!(
            "{number} end offset{s} read of {logs} ignore{} an acknowledged append or go{} back",
            third(n),
            if n == 1 { "es" } else { "" }
        ),
        Anomaly::Undelivered => {
            format!("{number} committed record{s} of {logs} {} never handed to {}", was(n), groups(tally))
        }
        Anomaly::Redelivered => {
            format!(
                "{number} record{s} of {logs} {} handed to {} again{}",
                was(n),
                groups(tally),
                causes(tally)
            )
        }
        Anomaly::PollSkip => {
            format!(
                "{number} poll step{s} of {logs} by {} left out records within one assignment",
                groups(tally)
            )
        }
        Anomaly::NonmonotonicPoll => {
            format!("{number} poll step{s} of {logs} by {} went back within one assignment", groups(tally))
        }
        Anomaly::AbortedRead => {
            format!(
                "{number} record{s} of {logs} whose transaction was aborted, or whose send failed, {} read",
                was(n)
            )
        }
        Anomaly::PrecommittedRead => {
            format!(
                "{number} record{s} of {logs} {} read before the commit of {} transaction was asked for",
                was(n),
                if n == 1 { "its" } else { "their" }
            )
        }
        Anomaly::LsoBreach => {
            format!("{number} committed poll{s} of {logs} passed a transaction that was still undecided")
        }
        Anomaly::TornTransaction => {
            format!("of {number} transaction{s}, a part is visible and a part is missing, in {logs}")
        }
        Anomaly::LostCommit => {
            format!("{number} committed transaction{s} show{} nothing in {logs}", third(n))
        }
        Anomaly::ResurrectedAbort => {
            format!("{number} aborted transaction{s} show{} something in {logs}", third(n))
        }
        Anomaly::FencingViolation => {
            format!(
                "{number} transaction{s} of an older session committed in {logs} after {} fenced",
                if n == 1 { "it was" } else { "they were" }
            )
        }
        Anomaly::DependencyCycle => {
            format!("{number} cycle{s} of dependencies between transactions, in {logs}{}", causes(tally))
        }
        Anomaly::SkippedInput => {
            format!(
                "{number} input record{s} of {logs} {} passed over by the transactions of {}",
                was(n),
                groups(tally)
            )
        }
        Anomaly::DoubleInput => {
            format!(
                "{number} input record{s} of {logs} {} taken in by two transactions of {}",
                was(n),
                groups(tally)
            )
        }
        Anomaly::OutputMismatch => {
            format!(
                "{number} input record{s} of {logs} ha{} no committed output, or more than one",
                if n == 1 { "s" } else { "ve" }
            )
        }
        Anomaly::LostEffect => format!(
            "{number} committed record{s} of {logs} {} no effect in the sink of {}, which went past {}",
            if n == 1 { "has" } else { "have" },
            groups(tally),
            if n == 1 { "it" } else { "them" }
        ),
        Anomaly::DuplicateEffect => {
            format!(
                "{number} effect{s} in the sink of {} repeat{} one of the same record of {logs}",
                groups(tally),
                third(n)
            )
        }
        Anomaly::PhantomEffect => format!(
            "{number} effect{s} in the sink of {} {is} of a record that {logs} do{} not hold",
            groups(tally),
            if tally.logs.len() == 1 { "es" } else { "" }
        ),
        Anomaly::MisorderedEffect => format!(
            "{number} record{s} of {logs} took effect in the sink of {} only after a later record had",
            groups(tally)
        ),
        Anomaly::ZombieEffect => format!(
            "{number} effect{s} of records of {logs} {} made in {} by a member after another had taken over",
            was(n),
            groups(tally)
        ),
        Anomaly::OffsetRegression => format!(
            "{number} time{s} the committed position of {} in {logs} was read back lower than it had been, without a commit of the lower one",
            groups(tally)
        ),
        Anomaly::Stall => {
            format!("{number} instance{s} of {} in {logs}", anomaly.name().replace('-', " "))
        }
    }
}

/// The ending of a verb in the third person.
fn third(n: u64) -> &'static str {
    if n == 1 { "s" } else { "" }
}

/// Was or were.
fn was(n: u64) -> &'static str {
    if n == 1 { "was" } else { "were" }
}

/// The logs with the most instances, by name.
fn logs(tally: &Tally, scene: &Scene<'_>) -> String {
    let mut logs: Vec<_> = tally.logs.iter().collect();
    logs.sort_by_key(|(log, count)| (std::cmp::Reverse(**count), **log));
    list(logs.iter().map(|(log, _)| scene.log(**log)), "log")
}

/// The groups that the witnesses name.
fn groups(tally: &Tally) -> String {
    let names: std::collections::BTreeSet<&str> =
        tally.witnesses().filter_map(|finding| finding.group.as_deref()).collect();
    match names.len() {
        0 => "its group".to_owned(),
        1 => format!("group {}", list(names.into_iter().map(str::to_owned), "group")),
        _ => format!("groups {}", list(names.into_iter().map(str::to_owned), "group")),
    }
}

/// The causes with their counts.
fn causes(tally: &Tally) -> String {
    let causes = tally.causes.iter().map(|(cause, count)| format!("{} {}", thousands(*count), cause.words()));
    let causes: Vec<String> = causes.collect();
    if causes.is_empty() { String::new() } else { format!(" ({})", causes.join(", ")) }
}

/// The first few by name and the rest by number: `a, b, c and 4 more logs`.
fn list(names: impl ExactSizeIterator<Item = String>, noun: &str) -> String {
    let more = names.len().saturating_sub(NAMED);
    let named: Vec<String> = names.take(NAMED).collect();
    let plural = if more == 1 { "" } else { "s" };
    match (more, named.split_last()) {
        (0, Some((last, rest))) if !rest.is_empty() => format!("{} and {last}", rest.join(", ")),
        (0, _) => named.join(""),
        (_, _) => format!("{} and {more} more {noun}{plural}", named.join(", ")),
    }
}

/// What was going on around one instance.
fn context(finding: &Finding, scene: &Scene<'_>) -> Option<String> {
    let window = window(finding, scene)?;
    let at = |time| scene.timeline.seconds(time);
    let faults = open_faults(&window, scene);
    let changes: Vec<&ClusterChange> = scene
        .timeline
        .changes
        .iter()
        .filter(|(log, change)| window.holds(*log, change.seen))
        .map(|(_, change)| change)
        .collect();
    if faults.is_empty() && changes.is_empty() {
        return Some(format!(
            "no fault was on and no leader changed between {} and {}",
            at(window.from),
            at(window.to)
        ));
    }
    let mut clauses = Vec::new();
    if !faults.is_empty() {
        let names: Vec<String> = faults.iter().map(|id| fault_words(*id, scene)).collect();
        clauses.push(format!("with {} on", list(names.into_iter(), "fault")));
    }
    if !changes.is_empty() {
        let words: Vec<String> = changes.iter().map(|change| change_words(change, scene)).collect();
        clauses.push(list(words.into_iter(), "change"));
    }
    Some(format!("between {} and {}, {}", at(window.from), at(window.to), clauses.join(", ")))
}

/// A fault with its number and its window.
fn fault_words(id: FaultId, scene: &Scene<'_>) -> String {
    let Some(fault) = scene.timeline.faults.get(&id) else { return format!("fault {id}") };
    let struck = fault.struck.map_or_else(|| "?".to_owned(), |time| scene.timeline.seconds(time));
    let healed = fault.healed.map_or_else(|| "the end".to_owned(), |time| scene.timeline.seconds(time));
    format!("fault {id} ({}, {struck} to {healed})", fault.what)
}

/// A change of leadership or of the in-sync set in words.
fn change_words(change: &ClusterChange, scene: &Scene<'_>) -> String {
    let at = scene.timeline.seconds(change.seen);
    let isr: Vec<String> = change.isr.iter().map(i32::to_string).collect();
    let isr = isr.join(",");
    match change.leader {
        None => format!("{} was without a leader at {at} (epoch {})", change.log, change.epoch),
        Some(leader) if change.is_new_leader() => {
            format!("broker {leader} led {} from {at} (epoch {}, in sync {isr})", change.log, change.epoch)
        }
        Some(_) => format!("{} had {isr} in sync from {at} (epoch {})", change.log, change.epoch),
    }
}

impl crate::findings::Cause {
    /// The cause, as verdicts name it.
    pub fn words(self) -> &'static str {
        match self {
            Self::CrashBeforeCommit => "crash-before-commit",
            Self::Rebalance => "rebalance",
            Self::Rewind => "rewind",
            Self::Unexplained => "unexplained",
            Self::G0 => "G0",
            Self::G1c => "G1c",
            Self::GSingle => "G-single",
            Self::GNonadjacent => "G-nonadjacent",
            Self::G2 => "G2",
            Self::G0Ordered => "G0 with process or real-time order",
            Self::G1cOrdered => "G1c with process or real-time order",
        }
    }
}
