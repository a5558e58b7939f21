//! The definitions of the anomalies, over plain lists.

use std::collections::{BTreeMap, BTreeSet};

use checker::findings::Findings;
use history::ids::{LogId, Process, Value};
use history::op::{Event, ForeignRecord, Isolation, Op, Outcome, Phase};

use super::random::Story;

/// Counts by name; without those that are zero.
pub(crate) type Summary = BTreeMap<String, u64>;

/// What the finders found, in the same form.
pub(crate) fn summary(findings: &Findings) -> Summary {
    let mut summary = Summary::new();
    for (anomaly, tally) in &findings.anomalies {
        let name = serde_json::to_value(anomaly).unwrap().as_str().unwrap().to_owned();
        for (cause, count) in &tally.causes {
            let cause = serde_json::to_value(cause).unwrap().as_str().unwrap().to_owned();
            summary.insert(format!("{name}: {cause}"), *count);
        }
        summary.insert(name, tally.count);
    }
    let counts = &findings.counts;
    for (name, count) in [
        ("sent", counts.sent),
        ("acknowledged", counts.acknowledged),
        ("failed", counts.failed),
        ("unknown", counts.unknown),
        ("recovered", counts.recovered),
        ("absent", counts.absent),
        ("failed present", counts.failed_present),
        ("expired", counts.expired),
        ("in log", counts.in_log),
        ("polled", counts.polled),
    ] {
        summary.insert(name.to_owned(), count);
    }
    summary.insert("not drained".to_owned(), findings.groups.values().map(|group| group.not_drained).sum());
    summary.insert("delivered".to_owned(), findings.groups.values().map(|group| group.delivered).sum());
    summary.insert("distinct".to_owned(), findings.groups.values().map(|group| group.distinct).sum());
    summary.retain(|_, count| *count > 0);
    summary
}

#[derive(Clone, Debug)]
struct Send {
    log: LogId,
    invoked: u64,
    end: Option<(u64, Outcome)>,
}

impl Send {
    fn acked(&self) -> bool {
        matches!(self.end, Some((_, Outcome::Ok { .. })))
    }
    fn failed(&self) -> bool {
        matches!(self.end, Some((_, Outcome::Fail { .. })))
    }
    fn unknown(&self) -> bool {
        !self.acked() && !self.failed()
    }
    fn offset(&self) -> Option<i64> {
        match &self.end {
            Some((_, Outcome::Ok { offset } | Outcome::Info { offset, .. })) => offset.map(|offset| offset.0),
            Some((_, Outcome::Fail { .. })) | None => None,
        }
    }
}

/// One record that a process polled, or that was handed over.
#[derive(Clone, Copy, Debug)]
struct Read {
    process: Process,
    segment: u64,
    offset: i64,
    value: Value,
    time: u64,
}

/// Process, segment, first and last offset, time.
type HandOver = (Process, u64, i64, i64, u64);
/// Offset, time, process, segment.
type Delivered = (i64, u64, Process, u64);
/// Process, log, time, position.
type Committed = (Process, LogId, u64, i64);

#[derive(Default)]
struct Facts {
    sends: BTreeMap<Value, Send>,
    finals: BTreeMap<(LogId, Isolation), BTreeMap<i64, Value>>,
    ends: BTreeMap<(LogId, Isolation), (i64, i64, i64)>,
    polls: BTreeMap<LogId, Vec<Read>>,
    hand_overs: BTreeMap<LogId, Vec<HandOver>>,
    groups: BTreeMap<Process, String>,
    handing: BTreeSet<String>,
    transactional: BTreeSet<Process>,
    begins: BTreeMap<(Process, LogId, u64), (u64, Option<i64>)>,
    commits: Vec<Committed>,
    assigned: BTreeSet<(Process, LogId)>,
    crashed: BTreeSet<Process>,
    end_reads: BTreeMap<LogId, Vec<(u64, u64, i64)>>,
    foreign: BTreeMap<(LogId, i64), ForeignRecord>,
}

/// What is wrong with a story.
pub(crate) fn of(story: &Story) -> Summary {
    let facts = gather(&story.events);
    let mut summary = Summary::new();
    let mut strays = BTreeSet::new();
    let mut in_logs = BTreeSet::new();
    for log in 0..story.logs.len() {
        let log = LogId(u16::try_from(log).unwrap());
        let (truth, complete, start, level) = truth(&facts, log);
        log_stage(&facts, log, (&truth, complete, start, level), &mut summary);
        claims(&facts, log, (&truth, complete, start, level), &mut summary);
        for (&offset, &value) in &truth {
            if facts.sends.get(&value).is_none_or(|send| send.log != log) {
                strays.insert((value, log, offset));
                in_logs.insert((value, log, offset));
            }
        }
        for (offset, value) in claimed_reads(&facts, log, &truth) {
            if facts.sends.get(&value).is_none_or(|send| send.log != log) {
                strays.insert((value, log, offset));
            }
        }
        delivery(&facts, log, &truth, &mut summary);
        stale(&facts, log, &mut summary);
        add(&mut summary, "in log", truth.len());
        add(&mut summary, "polled", facts.polls.get(&log).map_or(0, Vec::len));
    }
    across(&facts, &strays, &in_logs, &mut summary);
    let count = |wanted: &dyn Fn(&Send) -> bool| facts.sends.values().filter(|send| wanted(send)).count();
    add(&mut summary, "sent", facts.sends.len());
    add(&mut summary, "acknowledged", count(&Send::acked));
    add(&mut summary, "failed", count(&Send::failed));
    add(&mut summary, "unknown", count(&Send::unknown));
    summary.retain(|_, count| *count > 0);
    summary
}

fn add(summary: &mut Summary, name: &str, count: usize) {
    *summary.entry(name.to_owned()).or_default() += count as u64;
}

fn gather(events: &[Event]) -> Facts {
    let mut facts = Facts::default();
    let mut segments: BTreeMap<(Process, LogId), u64> = BTreeMap::new();
    let mut asked = BTreeMap::new();
    for event in events {
        let (time, process) = (event.time.0 / 1000, event.process);
        let done = matches!(event.phase, Phase::Complete(_));
        #[expect(clippy::wildcard_enum_match_arm, reason = "the definitions speak of these operations only")]
        match &event.op {
            Op::Send { log, value } => match &event.phase {
                Phase::Invoke => {
                    facts.sends.insert(*value, Send { log: *log, invoked: time, end: None });
                }
                Phase::Complete(outcome) => {
                    facts.sends.get_mut(value).unwrap().end = Some((time, outcome.clone()));
                }
            },
            Op::Open(identity) => facts.groups.extend(identity.group.clone().map(|group| (process, group))),
            Op::Crash { .. } => {
                facts.crashed.insert(process);
            }
            Op::BeginTxn { .. } => {
                facts.transactional.insert(process);
            }
            Op::FinalRead { isolation, runs } => {
                for run in runs {
                    let reads = facts.finals.entry((run.log, *isolation)).or_default();
                    for nth in 0..run.count {
                        let mut value = run.first;
                        value.seq.0 += nth;
                        reads.insert(run.offset.0 + i64::from(nth), value);
                    }
                }
            }
            Op::FinalReadEnd { isolation, log, start, end, reached } => {
                facts.ends.insert((*log, *isolation), (start.0, end.0, reached.0));
            }
            Op::Assigned(assignment) => {
                for &log in &assignment.logs {
                    let segment = segments.entry((process, log)).or_default();
                    *segment += 1;
                    facts.begins.insert((process, log, *segment), (time, None));
                    facts.assigned.insert((process, log));
                }
            }
            Op::Seek { log, offset } => {
                let segment = segments.entry((process, *log)).or_default();
                *segment += 1;
                facts.begins.insert((process, *log, *segment), (time, Some(offset.0)));
                facts.assigned.insert((process, *log));
            }
            Op::Poll { runs } if done => {
                for run in runs {
                    let segment = segments.get(&(process, run.log)).copied().unwrap_or(0);
                    for nth in 0..run.count {
                        let mut value = run.first;
                        value.seq.0 += nth;
                        let offset = run.offset.0 + i64::from(nth);
                        let read = Read { process, segment, offset, value, time };
                        facts.polls.entry(run.log).or_default().push(read);
                    }
                }
            }
            Op::EffectBegin { spans } => {
                facts.handing.extend(facts.groups.get(&process).cloned());
                for span in spans {
                    let segment = segments.get(&(process, span.log)).copied().unwrap_or(0);
                    let hand_over = (process, segment, span.first.0, span.last.0, time);
                    facts.hand_overs.entry(span.log).or_default().push(hand_over);
                }
            }
            Op::CommitOffsets { positions, .. } if done => {
                for position in positions {
                    facts.commits.push((process, position.log, time, position.next.0));
                }
            }
            Op::EndOffsets { positions } => {
                if !done {
                    asked.insert(process, time);
                } else if let Some(invoked) = asked.remove(&process) {
                    for position in positions {
                        let reads = facts.end_reads.entry(position.log).or_default();
                        reads.push((invoked, time, position.next.0));
                    }
                }
            }
            Op::Foreign { log, offset, why } => {
                facts.foreign.insert((*log, offset.0), why.clone());
            }
            _ => {}
        }
    }
    facts
}

type Content = BTreeMap<i64, Value>;
type Truth<'t> = (&'t Content, bool, i64, Isolation);

fn complete_read(facts: &Facts, log: LogId, level: Isolation) -> Option<(Content, i64)> {
    let &(start, end, reached) = facts.ends.get(&(log, level))?;
    (reached >= end).then(|| (facts.finals.get(&(log, level)).cloned().unwrap_or_default(), start))
}

fn truth(facts: &Facts, log: LogId) -> (Content, bool, i64, Isolation) {
    let levels = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
    for level in levels {
        if let Some((content, start)) = complete_read(facts, log, level) {
            return (content, true, start, level);
        }
    }
    let mut content = Content::new();
    for level in levels {
        for (&offset, &value) in facts.finals.get(&(log, level)).into_iter().flatten() {
            content.entry(offset).or_insert(value);
        }
    }
    let mut polled = Content::new();
    for read in facts.polls.get(&log).into_iter().flatten() {
        let value = polled.entry(read.offset).or_insert(read.value);
        *value = (*value).min(read.value);
    }
    for (offset, value) in polled {
        content.entry(offset).or_insert(value);
    }
    let start = levels.iter().find_map(|&level| facts.ends.get(&(log, level))).map_or(0, |end| end.0);
    (content, false, start, Isolation::ReadUncommitted)
}

fn places(truth: &Content, value: Value) -> Vec<i64> {
    truth.iter().filter(|(_, held)| **held == value).map(|(offset, _)| *offset).collect()
}

fn own(facts: &Facts, log: LogId) -> impl Iterator<Item = (&Value, &Send)> {
    facts.sends.iter().filter(move |(_, send)| send.log == log)
}

/// Pairs of offset and value that somebody read and the log does not hold.
fn claimed_reads(facts: &Facts, log: LogId, truth: &Content) -> BTreeSet<(i64, Value)> {
    let polled = facts.polls.get(&log).into_iter().flatten().map(|read| (read.offset, read.value));
    let mut claims: BTreeSet<(i64, Value)> = polled.collect();
    for level in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
        // Incomplete final reads count only where there is no complete one: they are then part of the truth.
        if let Some((content, _)) = complete_read(facts, log, level) {
            claims.extend(content);
        }
    }
    claims.retain(|(offset, value)| truth.get(offset) != Some(value));
    claims
}

fn log_stage(facts: &Facts, log: LogId, truth: Truth<'_>, summary: &mut Summary) {
    let (content, complete, start, level) = truth;
    let ends = [Isolation::ReadUncommitted, Isolation::ReadCommitted];
    let ended = ends.iter().find_map(|&level| facts.ends.get(&(log, level))).map(|end| end.2);
    let reached = content.keys().next_back().map(|last| last + 1).max(ended);
    let gone = claimed_reads(facts, log, content);
    for (value, send) in own(facts, log) {
        let places = places(content, *value);
        let transactional = facts.transactional.contains(&value.process);
        let polled: Vec<i64> =
            gone.iter().filter(|(_, claimed)| claimed == value).map(|(offset, _)| *offset).collect();
        let judged = !(transactional && level == Isolation::ReadCommitted);
        let Some(&first) = places.first() else {
            if send.unknown() {
                add(summary, "absent", 1);
                if complete && judged && !transactional && polled.iter().any(|&offset| offset >= start) {
                    add(summary, "lost-write", 1);
                }
            }
            if send.failed() && !transactional && !polled.is_empty() {
                add(summary, "aborted-read", 1);
            }
            if send.acked() && judged {
                let was_read = !complete && !polled.is_empty();
                match send.offset() {
                    _ if was_read => {}
                    Some(offset) if offset < start => add(summary, "expired", 1),
                    // Whether a transaction's record must be there is defined in `transactions`.
                    Some(_) if complete => add(summary, "lost-write", usize::from(!transactional)),
                    Some(offset) if reached.is_some_and(|reached| offset < reached) => {
                        add(summary, "lost-write", usize::from(!transactional));
                    }
                    None if complete && start <= 0 => {
                        add(summary, "lost-write", usize::from(!transactional));
                    }
                    Some(_) | None => add(summary, "unseen", 1),
                }
            }
            continue;
        };
        add(summary, "duplicate-write", places.len() - 1);
        if send.unknown() {
            add(summary, "recovered", 1);
        }
        if send.failed() {
            add(summary, "failed present", 1);
            add(summary, "aborted-read", usize::from(!transactional));
        }
        let before = |other: &Value| self::places(content, *other).iter().any(|&offset| offset < first);
        let overtaken = own(facts, log)
            .any(|(other, _)| other.process == value.process && other.seq > value.seq && before(other));
        add(summary, "reordered-write", usize::from(overtaken));
        let there = match &send.end {
            Some((done, Outcome::Ok { .. })) => Some(*done),
            Some((_, Outcome::Fail { .. })) => None,
            Some((_, Outcome::Info { .. })) | None => {
                let polls = facts.polls.get(&log).into_iter().flatten();
                polls.filter(|read| (read.offset, read.value) == (first, *value)).map(|read| read.time).min()
            }
        };
        let inverted = own(facts, log)
            .any(|(other, sent)| before(other) && there.is_some_and(|there| there < sent.invoked));
        add(summary, "realtime-inversion", usize::from(inverted));
    }
}

fn claims(facts: &Facts, log: LogId, truth: Truth<'_>, summary: &mut Summary) {
    let (content, ..) = truth;
    let mut claims = claimed_reads(facts, log, content);
    claims.retain(|(_, value)| facts.sends.get(value).is_some_and(|send| send.log == log));
    for (value, send) in own(facts, log) {
        claims.extend(send.offset().map(|offset| (offset, *value)));
    }
    claims.retain(|(offset, value)| content.get(offset) != Some(value));
    for (offset, value) in &claims {
        let holds_other = content.contains_key(offset);
        let elsewhere = !places(content, *value).is_empty();
        let disputed = claims.iter().any(|(place, other)| place == offset && other != value);
        add(summary, "inconsistent-offsets", usize::from(holds_other || elsewhere || disputed));
    }
}

fn across(
    facts: &Facts,
    strays: &BTreeSet<(Value, LogId, i64)>,
    in_logs: &BTreeSet<(Value, LogId, i64)>,
    summary: &mut Summary,
) {
    for (value, ..) in strays {
        add(summary, if facts.sends.contains_key(value) { "misrouted" } else { "phantom" }, 1);
    }
    for why in facts.foreign.values() {
        match why {
            ForeignRecord::Corrupt => add(summary, "corrupt", 1),
            ForeignRecord::Phantom { .. } => add(summary, "phantom", 1),
            ForeignRecord::Misrouted { .. } => unreachable!(),
        }
    }
    let values: BTreeSet<Value> = in_logs.iter().map(|stray| stray.0).collect();
    for value in values {
        let Some(send) = facts.sends.get(&value) else { continue };
        let abroad = in_logs.iter().filter(|stray| stray.0 == value).count();
        let at_home = !places(&truth(facts, send.log).0, value).is_empty();
        add(summary, "duplicate-write", if at_home { abroad } else { abroad - 1 });
    }
}

fn delivery(facts: &Facts, log: LogId, truth: &Content, summary: &mut Summary) {
    let committed = complete_read(facts, log, Isolation::ReadCommitted);
    let gaps = committed.is_some() || facts.transactional.is_empty();
    let reference = committed.map_or_else(|| truth.clone(), |(content, _)| content);
    let polls: &[Read] = facts.polls.get(&log).map_or(&[], Vec::as_slice);
    for (at, next) in polls.iter().enumerate() {
        let same = |read: &&Read| (read.process, read.segment) == (next.process, next.segment);
        let Some(before) = polls[..at].iter().rev().find(same) else { continue };
        if next.offset <= before.offset {
            add(summary, "nonmonotonic-poll", 1);
        } else if gaps && reference.range(before.offset + 1..next.offset).next().is_some() {
            add(summary, "poll-skip", 1);
        }
    }
    let groups: BTreeSet<&String> = facts.groups.values().collect();
    for group in groups {
        group_delivery(facts, log, (group, &reference, gaps), summary);
    }
}

fn group_delivery(facts: &Facts, log: LogId, group: (&String, &Content, bool), summary: &mut Summary) {
    let (group, reference, gaps) = group;
    let member = |process: &Process| facts.groups.get(process) == Some(group);
    let polls: Vec<&Read> =
        facts.polls.get(&log).into_iter().flatten().filter(|read| member(&read.process)).collect();
    let commits: Vec<&Committed> =
        facts.commits.iter().filter(|commit| member(&commit.0) && commit.1 == log).collect();
    let assigned = facts.assigned.iter().any(|(process, assigned)| member(process) && *assigned == log);
    if polls.is_empty() && commits.is_empty() && !assigned {
        return;
    }
    let mut deliveries: Vec<Delivered> = Vec::new();
    if facts.handing.contains(group) {
        for (process, segment, first, last, time) in facts.hand_overs.get(&log).into_iter().flatten() {
            // What is handed over at an offset is what the process polled there last.
            let was_polled = |offset: i64, value: Value| {
                let here =
                    |read: &&&Read| (read.process, read.offset) == (*process, offset) && read.time <= *time;
                polls.iter().rev().find(here).is_some_and(|read| read.value == value)
            };
            if member(process) {
                let handed =
                    reference.range(*first..=*last).filter(|(offset, value)| was_polled(**offset, **value));
                deliveries.extend(handed.map(|(offset, _)| (*offset, *time, *process, *segment)));
            }
        }
    } else {
        let seen = polls.iter().filter(|read| reference.get(&read.offset) == Some(&read.value));
        deliveries.extend(seen.map(|read| (read.offset, read.time, read.process, read.segment)));
    }
    deliveries.sort_unstable();
    add(summary, "delivered", deliveries.len());
    let delivered: BTreeSet<i64> = deliveries.iter().map(|delivery| delivery.0).collect();
    add(summary, "distinct", delivered.len());
    let committed = commits.iter().map(|commit| commit.3).max().unwrap_or(i64::MIN);
    let drained = delivered.last().map_or(i64::MIN, |last| last + 1).max(committed);
    for offset in reference.keys().filter(|offset| !delivered.contains(offset)) {
        if *offset >= drained {
            add(summary, "not drained", 1);
        } else if gaps {
            add(summary, "undelivered", 1);
        }
    }
    for pair in deliveries.windows(2).filter(|pair| pair[0].0 == pair[1].0) {
        let cause = cause(facts, log, &commits, &pair[0], &pair[1]);
        add(summary, "redelivered", 1);
        add(summary, &format!("redelivered: {cause}"), 1);
    }
}

fn cause(
    facts: &Facts,
    log: LogId,
    commits: &[&Committed],
    first: &Delivered,
    again: &Delivered,
) -> &'static str {
    let offset = first.0;
    let same = (first.2, first.3) == (again.2, again.3);
    if let Some((began, sought)) = facts.begins.get(&(again.2, log, again.3)) {
        if !same && sought.is_some_and(|sought| sought <= offset) {
            return "rewind";
        }
        if commits.iter().any(|commit| commit.2 <= *began && commit.3 > offset) {
            return "unexplained";
        }
    }
    if same {
        "unexplained"
    } else if first.2 != again.2 && facts.crashed.contains(&first.2) {
        "crash-before-commit"
    } else {
        "rebalance"
    }
}

fn stale(facts: &Facts, log: LogId, summary: &mut Summary) {
    let reads: &[(u64, u64, i64)] = facts.end_reads.get(&log).map_or(&[], Vec::as_slice);
    for (invoked, _, end) in reads {
        let ignored = facts.transactional.is_empty()
            && own(facts, log).any(|(_, send)| {
                let done = send.end.as_ref().is_some_and(|(done, _)| done < invoked);
                send.acked() && done && send.offset().is_some_and(|offset| offset >= *end)
            });
        let polls = facts.polls.get(&log).into_iter().flatten();
        let polled = facts.transactional.is_empty()
            && polls.into_iter().any(|read| read.time < *invoked && read.offset >= *end);
        let back = reads.iter().any(|(_, returned, earlier)| returned < invoked && earlier > end);
        add(summary, "stale-end", usize::from(ignored || polled || back));
    }
}
