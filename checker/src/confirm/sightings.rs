//! Whether each thing that a witness says was seen is what was recorded.

use history::ids::{LogId, Nanos, Offset, Process, Value};
use history::merged::{SendOutcome, TxnEnd, TxnSpan};
use history::op::{Event, Isolation, Op, Outcome, Phase};

use super::content::View;
use super::facts::{Facts, Txn, nanos};
use super::log::was_found;
use super::rows::ok;
use super::{Check, must};
use crate::findings::{Finding, Sighting, TxnStep};

/// Looks up every sighting of a finding.
pub(super) fn check(finding: &Finding, facts: &Facts<'_>) -> Check {
    finding.sightings.iter().try_for_each(|sighting| {
        let told = was_recorded(sighting, finding, facts) && is_of_the_group(sighting, finding, facts);
        must(told, || format!("the history does not say that {sighting:?}"))
    })
}

/// Whether a consumer that is named belongs to the group that the finding is about, where it is about one.
fn is_of_the_group(sighting: &Sighting, finding: &Finding, facts: &Facts<'_>) -> bool {
    let Some(group) = finding.group.as_deref() else { return true };
    // Producers need belong to none, nor whoever asks where a log ends.
    let is_of_any = matches!(
        sighting,
        Sighting::Sent { .. }
            | Sighting::Acknowledged { .. }
            | Sighting::Failed { .. }
            | Sighting::Unknown { .. }
            | Sighting::EndRead { .. }
            | Sighting::Transaction { .. }
    );
    is_of_any || sighting.process().is_none_or(|process| facts.is_member(process, group))
}

fn was_recorded(sighting: &Sighting, finding: &Finding, facts: &Facts<'_>) -> bool {
    let log = finding.log;
    match sighting {
        Sighting::Sent { value, time } => facts.sent.get(value).is_some_and(|sent| sent.invoked == *time),
        Sighting::Acknowledged { value, offset, time } => facts.sent.get(value).is_some_and(|sent| {
            let acknowledged = match sent.outcome {
                SendOutcome::Acked | SendOutcome::AckedWithoutOffset => true,
                SendOutcome::Unknown | SendOutcome::Failed => false,
            };
            acknowledged && sent.offset == offset.map(|offset| offset.0) && sent.completed == Some(*time)
        }),
        Sighting::Failed { value, code, time } => facts.sent.get(value).is_some_and(|sent| {
            (sent.outcome, sent.code, sent.completed) == (SendOutcome::Failed, *code, Some(*time))
        }),
        Sighting::Unknown { value, code, time } => facts.sent.get(value).is_some_and(|sent| {
            (sent.outcome, sent.code, sent.completed) == (SendOutcome::Unknown, *code, *time)
        }),
        Sighting::InLog { value, offset } => was_found(facts, log, offset.0, *value),
        Sighting::InOtherLog { value, log, offset } => facts.was_read(*log, *value, Some(offset.0)),
        Sighting::NotInLog { offset } => facts.at(log, facts.reference(log), offset.0).is_none(),
        Sighting::ReadUpTo { start, reached, end } => read_up_to(facts, log, (*start, *reached, *end)),
        Sighting::Polled { process, value, offset, time } => {
            polled(facts, log, (*process, *value, offset.0, *time))
        }
        Sighting::HandedOver { process, offset, time } => {
            handed_over(facts, log, (*process, offset.0, *time))
        }
        Sighting::EndRead { process, end, invoked, returned } => {
            let same = |read: &super::rows::EndRead| {
                (read.process, read.end, read.invoked, read.returned)
                    == (*process, end.0, *invoked, *returned)
            };
            facts.end_reads(log).iter().any(same)
        }
        Sighting::Transaction { process, id, epoch, step, time } => {
            transaction(facts, log, (*process, id, *epoch), (*step, *time))
        }
        // The definition of a cycle looks at its edges, that of a foreign record at its row.
        Sighting::Dependency { .. } | Sighting::Foreign { .. } => true,
        Sighting::Assigned { .. }
        | Sighting::Sought { .. }
        | Sighting::Crashed { .. }
        | Sighting::Committed { .. }
        | Sighting::Fetched { .. }
        | Sighting::Effected { .. }
        | Sighting::InSink { .. }
        | Sighting::NotInSink { .. } => row(sighting, finding, facts),
    }
}

fn read_up_to(facts: &Facts<'_>, log: LogId, (start, reached, end): (Offset, Offset, Offset)) -> bool {
    let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
    let mut known = levels.into_iter().filter_map(|level| facts.end(log, level)).peekable();
    if known.peek().is_none() {
        return start == Offset(0) && facts.reached(log).unwrap_or(0) == reached.0;
    }
    let most = facts.reached(log);
    known.any(|known| {
        let further = known.reached == reached || most == Some(reached.0);
        (known.start, known.end) == (start, end) && further
    })
}

fn polled(
    facts: &Facts<'_>,
    log: LogId,
    (process, value, offset, time): (Process, Value, i64, Nanos),
) -> bool {
    // A final read that is compared with another says no time.
    let finally = || time == Nanos(0) && facts.was_read(log, value, Some(offset));
    facts.polls_of(log).any(|polled| {
        (polled.reader, polled.value, polled.offset, polled.returned) == (process, value, offset, time)
    }) || finally()
}

fn handed_over(facts: &Facts<'_>, log: LogId, (process, offset, time): (Process, i64, Nanos)) -> bool {
    let with_a_poll = facts
        .polls_of(log)
        .any(|polled| (polled.reader, polled.offset, polled.handed) == (process, offset, Some(time)));
    let spans = |event: &&Event| {
        let Op::EffectBegin { spans } = &event.op else { return false };
        (event.process, event.time) == (process, time)
            && spans.iter().any(|span| span.log == log && (span.first.0..=span.last.0).contains(&offset))
    };
    with_a_poll || facts.rows.iter().any(|event| spans(&event))
}

/// Whether a row, or the end of a transaction, says it.
fn row(sighting: &Sighting, finding: &Finding, facts: &Facts<'_>) -> bool {
    let log = finding.log;
    let at = |process: Process, time: Nanos| {
        let same = move |event: &&Event| (event.process, event.time) == (process, time);
        facts.rows.iter().filter(same)
    };
    if let Sighting::Assigned { process, time } = sighting {
        let gives = |event: &Event| matches!(&event.op, Op::Assigned(given) if given.logs.contains(&log));
        return at(*process, *time).any(gives);
    }
    if let Sighting::Sought { process, offset, time } = sighting {
        let seek = Op::Seek { log, offset: *offset };
        return at(*process, *time).any(|event| event.op == seek);
    }
    if let Sighting::Crashed { process, time } = sighting {
        return at(*process, *time).any(|event| matches!(event.op, Op::Crash { .. }));
    }
    if let Sighting::Committed { process, next, time } = sighting {
        let commits = finding.group.as_deref().map(|group| facts.commits(group, log)).unwrap_or_default();
        let same = |commit: &super::rows::Commit| {
            (commit.process, commit.next, commit.time) == (*process, next.0, *time)
        };
        return commits.iter().any(same);
    }
    if let Sighting::Fetched { process, next, time } = sighting {
        let says = |event: &Event| {
            let Op::FetchCommitted { positions } = &event.op else { return false };
            ok(event) && positions.iter().any(|position| (position.log, position.next) == (log, *next))
        };
        return at(*process, *time).any(says);
    }
    if let Sighting::Effected { process, offset, time } = sighting {
        let holds = |event: &Event| {
            let Op::Effect { spans } = &event.op else { return false };
            let covers =
                |span: &history::op::Span| span.log == log && (span.first..=span.last).contains(offset);
            event.phase == Phase::Complete(Outcome::Ok { offset: None }) && spans.iter().any(covers)
        };
        return at(*process, *time).any(holds);
    }
    let Some(group) = finding.group.as_deref() else { return false };
    let Some(reading) = facts.sink(group) else { return false };
    if let Sighting::InSink { value, offset, place } = sighting {
        let held = reading.effects.iter().find(|effect| effect.place == *place);
        return held.is_some_and(|held| (held.log, held.offset, held.value) == (log, offset.0, *value));
    }
    if let Sighting::NotInSink { offset } = sighting {
        let held = facts.at(log, facts.reference(log), offset.0);
        let same = |effect: &super::effect::Held| {
            (effect.log, effect.offset) == (log, offset.0) && Some(effect.value) == held
        };
        return reading.complete && !reading.effects.iter().any(same);
    }
    false
}

/// Whether a step of a transaction is one of one that the process began.
fn transaction(
    facts: &Facts<'_>,
    log: LogId,
    (process, id, epoch): (Process, &str, Option<i32>),
    (step, time): (TxnStep, Option<Nanos>),
) -> bool {
    if step == TxnStep::Granted {
        return was_granted(facts, (process, id, epoch), time);
    }
    let own = facts.txns.get(&process).into_iter().flatten();
    let mut named = own.filter(|txn| is_called(facts, txn, (id, epoch)));
    named.any(|txn| takes(facts, txn, log, (step, time)))
}

/// Whether a transaction has this id and epoch.
pub(super) fn is_called(facts: &Facts<'_>, txn: &Txn, (id, epoch): (&str, Option<i32>)) -> bool {
    let known = facts.history.facts().transactional_ids.get(txn.span.id as usize);
    known.is_some_and(|known| known == id) && (txn.span.epoch >= 0).then_some(txn.span.epoch) == epoch
}

/// Whether a transaction took a step.
fn takes(facts: &Facts<'_>, txn: &Txn, log: LogId, (step, time): (TxnStep, Option<Nanos>)) -> bool {
    let known = |micros: u64| (micros != TxnSpan::NEVER).then(|| nanos(micros));
    let TxnSpan { invoked, asked, may_commit, ended, how, .. } = txn.span;
    match step {
        TxnStep::Granted => false,
        TxnStep::Began => time == Some(nanos(invoked)),
        TxnStep::Holds { offset } => {
            let claims = facts.claimed.get(&(log, offset.0));
            claims.is_some_and(|claims| claims.iter().any(|value| txn.holds(*value)))
        }
        TxnStep::Took { .. } => time == Some(nanos(invoked)),
        TxnStep::AskedToCommit => time == known(may_commit),
        TxnStep::AskedToEnd => time == known(asked),
        TxnStep::Committed => how == TxnEnd::Committed && time == known(ended),
        TxnStep::Aborted => how == TxnEnd::Aborted && time == known(ended),
        TxnStep::CommitFailed => how == TxnEnd::Failed && time == known(ended),
        TxnStep::Unknown => how == TxnEnd::Unknown && time == known(ended),
        TxnStep::NeverEnded => time.is_none() && (how == TxnEnd::Open || asked == TxnSpan::NEVER),
    }
}

/// Whether an id was granted to a process, or it began a transaction by then, which shows it.
fn was_granted(
    facts: &Facts<'_>,
    (process, id, epoch): (Process, &str, Option<i32>),
    time: Option<Nanos>,
) -> bool {
    let granted = facts.grants(id).into_iter().any(|grant| {
        (grant.process, grant.epoch) == (process, epoch) && grant.granted == time.map(|time| time.0 / 1000)
    });
    let began = facts
        .txns
        .get(&process)
        .into_iter()
        .flatten()
        .any(|txn| is_called(facts, txn, (id, epoch)) && time == Some(nanos(txn.span.began)));
    granted || began
}

/// What a reader that may see everything may see of a log: for messages.
pub(super) fn words(view: View) -> &'static str {
    match view {
        View::Complete(Isolation::ReadUncommitted) => "the final read",
        View::Complete(Isolation::ReadCommitted) => "the committed final read",
        View::Union => "all that was read",
    }
}
