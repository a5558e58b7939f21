//! What should have been, for each anomaly, in terms of the records and processes of one instance.

use crate::anomaly::Anomaly;
use crate::findings::{Finding, Sighting};
use crate::scene::Scene;

/// What should have been.
#[expect(clippy::too_many_lines, reason = "a flat list: one sentence for each anomaly")]
pub(super) fn expected(finding: &Finding, scene: &Scene<'_>) -> String {
    let log = scene.log(finding.log);
    let many = finding.count > 1;
    let (it, was, them) = if many { ("they", "were", "them") } else { ("it", "was", "it") };
    let record = match (finding.first, many) {
        (Some(first), false) => scene.value(first),
        (Some(first), true) => format!("{first} and the records after it"),
        (None, _) => "the record".to_owned(),
    };
    let group =
        finding.group.as_ref().map_or_else(|| "the group".to_owned(), |group| format!("group {group}"));
    let acknowledged = finding.sightings.iter().any(|seen| matches!(seen, Sighting::Acknowledged { .. }));
    match finding.anomaly {
        Anomaly::LostWrite if acknowledged => {
            format!("{record} to be in {log} at the end: {it} had been acknowledged")
        }
        Anomaly::LostWrite => format!("{record} to be in {log} at the end: {it} had been read from it"),
        Anomaly::Unseen => format!("{log} to be read to its end, so that it shows whether {record} is there"),
        Anomaly::DuplicateWrite => format!("{record} to be in {log} once: {it} {was} sent once"),
        Anomaly::Phantom => format!("{log} to hold only what somebody sent"),
        Anomaly::Corrupt => format!("the record's bytes in {log} to match the checksum that they carry"),
        Anomaly::Misrouted => format!("{record} to be in the log that {it} {was} sent to, and not in {log}"),
        Anomaly::InconsistentOffsets => {
            format!("one offset of {log} to hold one record, whoever is asked and whenever")
        }
        Anomaly::ReorderedWrite => {
            format!("{record} to lie in {log} before what the same process sent later")
        }
        Anomaly::RealtimeInversion => {
            format!("{record} to lie in {log} before what was sent only after {it} {was} acknowledged")
        }
        Anomaly::StaleEnd => {
            format!("an end offset of {log} to lie behind all that was acknowledged before it was asked for")
        }
        Anomaly::Undelivered => format!("{record} to be handed to {group}, which went past {them} in {log}"),
        Anomaly::Redelivered => format!("{record} to be handed to {group} once"),
        Anomaly::PollSkip => {
            format!("each poll to go on in {log} where the last one of the same assignment had ended")
        }
        Anomaly::NonmonotonicPoll => {
            format!("polls of one assignment never to go back in {log} without a seek")
        }
        Anomaly::AbortedRead => {
            format!("no reader of committed records to be handed {record}: {it} did not commit")
        }
        Anomaly::PrecommittedRead => {
            format!("no reader of committed records to be handed {record} before the commit was asked for")
        }
        Anomaly::LsoBreach => {
            format!("readers of committed records to wait in {log} before the first open transaction")
        }
        Anomaly::TornTransaction => "either all of the transaction to be visible, or none of it".to_owned(),
        Anomaly::LostCommit => "the transaction to be visible: its commit was acknowledged".to_owned(),
        Anomaly::ResurrectedAbort => {
            "the transaction to stay invisible: its abort was acknowledged".to_owned()
        }
        Anomaly::FencingViolation => {
            "the transaction not to commit: a newer epoch had been given to its transactional id".to_owned()
        }
        Anomaly::DependencyCycle => "the transactions to have an order that explains all they saw".to_owned(),
        Anomaly::LostEffect => {
            format!("the sink of {group} to hold the effect of {record}: the group went past {them}")
        }
        Anomaly::DuplicateEffect => format!("the sink of {group} to hold the effect of {record} once"),
        Anomaly::PhantomEffect => format!("the sink of {group} to hold effects only of what {log} holds"),
        Anomaly::MisorderedEffect => {
            format!("the effect of {record} to come before those of later records of {log}")
        }
        Anomaly::ZombieEffect => {
            format!("no effect of records of {log} by a member of {group} after another was given the log")
        }
        Anomaly::OffsetRegression => {
            format!(
                "the position of {group} in {log} not to go back: nobody committed the lower one afterwards"
            )
        }
        Anomaly::SkippedInput => format!("the committed transactions to take every record of {log} as input"),
        Anomaly::DoubleInput => format!("each record of {log} to be the input of one committed transaction"),
        Anomaly::OutputMismatch => format!("each record of {log} to have one committed output"),
        Anomaly::Stall => "operations to complete again after the last fault was undone".to_owned(),
    }
}
