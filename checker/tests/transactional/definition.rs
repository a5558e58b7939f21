//! What each anomaly of transactions is, on plain lists: no index, no bitmap, no sorted stream.

use std::collections::{BTreeMap, BTreeSet};

use checker::findings::Findings;
use history::ids::{LogId, Process, Value};
use history::op::{Event, Isolation, Op, Outcome, Phase, Position};

use super::random::Story;

/// How often each was seen.
pub(crate) type Summary = BTreeMap<String, u64>;

/// A walk that is no cycle by itself may hide a cycle with several anti-dependencies from the search. Such a walk falls
/// apart into cycles, one of them with a single anti-dependency, which excludes more: so nothing is missed where none has.
fn comparable(mut summary: Summary) -> Summary {
    if summary.contains_key("cycle G-single") {
        summary.remove("cycle G-nonadjacent");
        summary.remove("cycle G2");
    }
    summary.retain(|_, count| *count > 0);
    summary
}

/// What the finders said.
pub(crate) fn summary(findings: &Findings) -> Summary {
    let mut summary = Summary::new();
    for (anomaly, tally) in &findings.anomalies {
        if anomaly.name() != "dependency-cycle" {
            summary.insert(anomaly.name().to_owned(), tally.count);
        }
        for (cause, count) in &tally.causes {
            summary.insert(format!("cycle {}", cause.words()), *count);
        }
        assert_eq!(tally.logs.values().sum::<u64>(), tally.count, "{}", anomaly.name());
    }
    let counts = &findings.transactions;
    for (name, count) in [
        ("transactions", counts.begun),
        ("transactions committed", counts.committed),
        ("transactions aborted", counts.aborted),
        ("transactions unknown", counts.unknown),
        ("transactions proved", counts.proved),
        ("transactions open", counts.open),
    ] {
        summary.insert(name.to_owned(), count);
    }
    comparable(summary)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    Committed,
    Aborted,
    Failed,
    Unknown,
    Open,
}

/// An attempt to end a transaction.
#[derive(Clone, Debug)]
struct Attempt {
    commit: bool,
    asked: u64,
    answer: Option<(u64, Outcome)>,
}

#[derive(Clone, Debug)]
pub(crate) struct Txn {
    pub(crate) process: Process,
    id: String,
    epoch: Option<i32>,
    pub(crate) begun: u64,
    began: Option<u64>,
    attempts: Vec<Attempt>,
    /// Records sent since it was begun, and how many of them before the last attempt to end it.
    sent: Vec<Value>,
    counted: Option<usize>,
    /// Positions in the order they were sent: log, position, whether it is certain.
    positions: Vec<(LogId, i64, bool)>,
    /// Where the positions begin that were last sent, while they are not answered.
    sending: Option<usize>,
    /// When the same process began another one.
    next: Option<u64>,
}

impl Txn {
    fn ok(&self) -> Option<&Attempt> {
        self.attempts.iter().find(|attempt| matches!(attempt.answer, Some((_, Outcome::Ok { .. }))))
    }

    /// The attempts up to the one that decided it.
    fn considered(&self) -> &[Attempt] {
        let decided = |attempt: &Attempt| matches!(attempt.answer, Some((_, Outcome::Ok { .. })));
        let upto = self.attempts.iter().position(decided).map_or(self.attempts.len(), |at| at + 1);
        &self.attempts[..upto]
    }

    pub(crate) fn how(&self) -> How {
        if let Some(ok) = self.ok() {
            return if ok.commit { How::Committed } else { How::Aborted };
        }
        let fails = |attempt: &&Attempt| matches!(attempt.answer, Some((_, Outcome::Fail { .. })));
        if self.attempts.iter().any(|attempt| !fails(&attempt)) {
            How::Unknown
        } else if self.attempts.iter().any(|attempt| attempt.commit) {
            How::Failed
        } else {
            How::Open
        }
    }

    /// The last position of each log.
    pub(crate) fn positions(&self) -> BTreeMap<LogId, (i64, bool)> {
        self.positions.iter().map(|(log, next, certain)| (*log, (*next, *certain))).collect()
    }

    fn records(&self) -> &[Value] {
        self.counted.map_or(&self.sent, |counted| &self.sent[..counted])
    }

    /// When it may first have been committed.
    fn may_commit(&self) -> Option<u64> {
        let may = self.considered().iter().filter(|attempt| match (&attempt.answer, attempt.commit) {
            (Some((_, Outcome::Fail { .. })), _) | (Some((_, Outcome::Ok { .. })), false) => false,
            (Some((_, Outcome::Ok { .. })), true) | (Some((_, Outcome::Info { .. })) | None, _) => true,
        });
        may.map(|attempt| attempt.asked).min()
    }

    fn asked(&self) -> Option<u64> {
        self.attempts.first().map(|attempt| attempt.asked)
    }

    /// When it was over: the answer that decided it.
    pub(crate) fn returned(&self) -> Option<u64> {
        self.ok().filter(|ok| ok.commit).and_then(|ok| ok.answer.as_ref()).map(|(time, _)| *time)
    }

    /// Whether a poll of its process belongs to it or to one before it.
    fn is_not_over(&self, asked: u64, returned: u64) -> bool {
        let Some(last) = self.considered().last() else {
            return self.next.is_none_or(|next| asked < next);
        };
        asked <= last.asked || last.answer.as_ref().is_some_and(|(time, _)| returned <= *time)
    }
}

#[derive(Clone, Debug)]
struct Sent {
    log: LogId,
    outcome: Option<Outcome>,
}

impl Sent {
    fn offset(&self) -> Option<i64> {
        match self.outcome {
            Some(Outcome::Ok { offset } | Outcome::Info { offset, .. }) => offset.map(|offset| offset.0),
            Some(Outcome::Fail { .. }) | None => None,
        }
    }

    fn acked(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Ok { .. }))
    }

    fn failed(&self) -> bool {
        matches!(self.outcome, Some(Outcome::Fail { .. }))
    }
}

pub(crate) struct Poll {
    pub(crate) process: Process,
    pub(crate) asked: u64,
    pub(crate) returned: u64,
    pub(crate) log: LogId,
    /// How often the log had been assigned to the process, or the process had moved in it.
    pub(crate) segment: usize,
    pub(crate) records: Vec<(i64, Value)>,
}

struct Fetch {
    process: Process,
    log: LogId,
    next: i64,
    asked: u64,
    returned: u64,
}

struct Grant {
    process: Process,
    id: String,
    epoch: Option<i32>,
    timeout_ms: Option<u64>,
    asked: u64,
    granted: Option<u64>,
}

#[derive(Default)]
pub(crate) struct Facts {
    pub(crate) txns: Vec<Txn>,
    sent: BTreeMap<Value, Sent>,
    pub(crate) polls: Vec<Poll>,
    committed: BTreeSet<Process>,
    pub(crate) groups: BTreeMap<Process, String>,
    /// Positions outside of transactions: by whom, log, position, whether for sure.
    pub(crate) plain: Vec<(Process, LogId, i64, bool)>,
    /// The same with when it was asked, whatever came of it.
    asked: Vec<(Process, LogId, i64, u64)>,
    /// Positions that were read back.
    fetches: Vec<Fetch>,
    /// By whom, from which record, into which sequence number.
    pub(crate) derived: Vec<(Process, LogId, i64, u32)>,
    moves: BTreeMap<(Process, LogId), usize>,
    grants: Vec<Grant>,
    finals: BTreeMap<(LogId, Isolation), BTreeMap<i64, Value>>,
    /// Start, end, and whether it was reached.
    ends: BTreeMap<(LogId, Isolation), (i64, i64, bool)>,
}

fn micros(event: &Event) -> u64 {
    assert_eq!(event.time.0 % 1000, 0, "times are whole microseconds");
    event.time.0 / 1000
}

fn gather(events: &[Event]) -> Facts {
    let mut facts = Facts::default();
    let mut current: BTreeMap<Process, usize> = BTreeMap::new();
    let mut asked: BTreeMap<Process, u64> = BTreeMap::new();
    let mut fetching: BTreeMap<Process, Vec<u64>> = BTreeMap::new();
    for event in events {
        let (time, process) = (micros(event), event.process);
        match (&event.op, &event.phase) {
            (Op::Open(identity), _) => {
                if identity.isolation == Some(Isolation::ReadCommitted) {
                    facts.committed.insert(process);
                }
                facts.groups.extend(identity.group.clone().map(|group| (process, group)));
            }
            (Op::Assigned(assignment), _) => {
                for log in &assignment.logs {
                    *facts.moves.entry((process, *log)).or_default() += 1;
                }
            }
            (Op::Seek { log, .. }, _) => *facts.moves.entry((process, *log)).or_default() += 1,
            (Op::CommitOffsets { positions, .. }, phase) => {
                let txn = current.get(&process).filter(|txn| facts.txns[**txn].ok().is_none());
                match (txn.map(|txn| &mut facts.txns[*txn]), phase) {
                    (Some(txn), Phase::Invoke) => {
                        txn.sending = Some(txn.positions.len());
                        txn.positions.extend(positions.iter().map(|at| (at.log, at.next.0, false)));
                    }
                    (Some(txn), Phase::Complete(outcome)) => {
                        let start = txn.sending.take().unwrap();
                        match outcome {
                            Outcome::Ok { .. } => {
                                txn.positions[start..].iter_mut().for_each(|at| at.2 = true)
                            }
                            Outcome::Fail { .. } => txn.positions.truncate(start),
                            Outcome::Info { .. } => {}
                        }
                    }
                    (None, Phase::Complete(Outcome::Fail { .. })) => {}
                    // The generator commits positions in transactions only; outside of one nothing is certain.
                    (None, _) => {
                        facts.plain.extend(positions.iter().map(|at| (process, at.log, at.next.0, false)));
                        facts.asked.extend(positions.iter().map(|at| (process, at.log, at.next.0, time)));
                    }
                }
            }
            (Op::FetchCommitted { .. }, Phase::Invoke) => fetching.entry(process).or_default().push(time),
            (Op::FetchCommitted { positions }, Phase::Complete(outcome)) => {
                // Of several that are open it may be any: the first is the one that says least.
                let asked = fetching.get_mut(&process).unwrap().remove(0);
                if !matches!(outcome, Outcome::Ok { .. }) {
                    continue;
                }
                let fetch =
                    |at: &Position| Fetch { process, log: at.log, next: at.next.0, asked, returned: time };
                facts.fetches.extend(positions.iter().map(fetch));
            }
            (Op::Derive { first, spans }, _) => {
                let offsets =
                    spans.iter().flat_map(|span| (span.first.0..=span.last.0).map(|at| (span.log, at)));
                let made = offsets.zip(first.0..).map(|((log, offset), seq)| (process, log, offset, seq));
                facts.derived.extend(made);
            }
            (Op::InitTxn { id, epoch, timeout_ms }, Phase::Invoke) => facts.grants.push(Grant {
                process,
                id: id.clone(),
                epoch: *epoch,
                timeout_ms: *timeout_ms,
                asked: time,
                granted: None,
            }),
            (Op::InitTxn { .. }, Phase::Complete(Outcome::Ok { .. })) => {
                facts.grants.iter_mut().rfind(|grant| grant.process == process).unwrap().granted = Some(time);
            }
            (Op::BeginTxn { id, epoch }, Phase::Invoke) => {
                if let Some(&before) = current.get(&process) {
                    facts.txns[before].next = Some(time);
                }
                current.insert(process, facts.txns.len());
                facts.txns.push(Txn {
                    process,
                    id: id.clone(),
                    epoch: *epoch,
                    begun: time,
                    began: None,
                    attempts: Vec::new(),
                    sent: Vec::new(),
                    counted: None,
                    positions: Vec::new(),
                    sending: None,
                    next: None,
                });
            }
            (Op::BeginTxn { .. }, Phase::Complete(Outcome::Fail { .. })) => {
                let at = current.remove(&process).unwrap();
                facts.txns.remove(at);
                current.values_mut().filter(|other| **other > at).for_each(|other| *other -= 1);
                // What it does next, it does in the transaction before.
                if let Some(before) = facts.txns.iter().rposition(|txn| txn.process == process) {
                    facts.txns[before].next = None;
                    current.insert(process, before);
                }
            }
            (Op::BeginTxn { .. }, Phase::Complete(_)) => facts.txns[current[&process]].began = Some(time),
            (Op::CommitTxn | Op::AbortTxn, Phase::Invoke) => {
                let txn = &mut facts.txns[current[&process]];
                if txn.ok().is_none() {
                    txn.counted = Some(txn.sent.len());
                }
                let commit = event.op == Op::CommitTxn;
                txn.attempts.push(Attempt { commit, asked: time, answer: None });
            }
            (Op::CommitTxn | Op::AbortTxn, Phase::Complete(outcome)) => {
                let txn = &mut facts.txns[current[&process]];
                txn.attempts.last_mut().unwrap().answer = Some((time, outcome.clone()));
            }
            (Op::Send { log, value }, Phase::Invoke) => {
                facts.sent.insert(*value, Sent { log: *log, outcome: None });
                if let Some(&txn) = current.get(&process) {
                    facts.txns[txn].sent.push(*value);
                }
            }
            (Op::Send { value, .. }, Phase::Complete(outcome)) => {
                facts.sent.get_mut(value).unwrap().outcome = Some(outcome.clone());
            }
            (Op::Poll { .. }, Phase::Invoke) => drop(asked.insert(process, time)),
            (Op::Poll { runs }, Phase::Complete(_)) => {
                let logs: BTreeSet<LogId> = runs.iter().map(|run| run.log).collect();
                for log in logs {
                    let records = runs.iter().filter(|run| run.log == log);
                    let records = records.map(|run| (run.offset.0, run.first)).collect();
                    let segment = facts.moves.get(&(process, log)).copied().unwrap_or(0);
                    let asked = asked[&process];
                    facts.polls.push(Poll { process, asked, returned: time, log, segment, records });
                }
            }
            (Op::FinalRead { isolation, runs }, _) => {
                for run in runs {
                    let read = facts.finals.entry((run.log, *isolation)).or_default();
                    read.insert(run.offset.0, run.first);
                }
            }
            (Op::FinalReadEnd { isolation, log, start, end, reached }, _) => {
                facts.ends.insert((*log, *isolation), (start.0, end.0, reached >= end));
            }
            _ => {}
        }
    }
    facts
}

impl Facts {
    pub(crate) fn txn_of(&self, value: Value) -> Option<usize> {
        self.txns.iter().position(|txn| txn.records().contains(&value))
    }

    /// The transaction that a poll belongs to.
    pub(crate) fn reader(&self, poll: &Poll) -> Option<usize> {
        let own = |txn: &Txn| txn.process == poll.process && txn.is_not_over(poll.asked, poll.returned);
        self.txns.iter().position(own)
    }

    pub(crate) fn final_read(&self, log: LogId, isolation: Isolation) -> Vec<(i64, Value)> {
        let read = self.finals.get(&(log, isolation));
        read.map_or(Vec::new(), |read| read.iter().map(|(offset, value)| (*offset, *value)).collect())
    }

    /// Where the complete read of a log starts.
    pub(crate) fn complete(&self, log: LogId, isolation: Isolation) -> Option<i64> {
        self.ends.get(&(log, isolation)).filter(|(.., complete)| *complete).map(|(start, ..)| *start)
    }

    pub(crate) fn logs(&self) -> BTreeSet<LogId> {
        let sent = self.sent.values().map(|sent| sent.log);
        sent.chain(self.finals.keys().map(|(log, _)| *log))
            .chain(self.ends.keys().map(|(log, _)| *log))
            .collect()
    }

    /// The read that shows which records of a log are visible.
    fn visible_level(&self, log: LogId) -> Option<Isolation> {
        let mut senders =
            self.sent.iter().filter(|(_, sent)| sent.log == log).map(|(value, _)| value.process);
        let plain = !senders.any(|process| self.txns.iter().any(|txn| txn.process == process));
        let levels = [Isolation::ReadCommitted, Isolation::ReadUncommitted];
        levels.into_iter().find(|level| {
            (plain || *level == Isolation::ReadCommitted) && self.complete(log, *level).is_some()
        })
    }

    pub(crate) fn is_output_visible(&self, value: Value) -> bool {
        let levels = self.logs().into_iter().filter_map(|log| Some((log, self.visible_level(log)?)));
        levels
            .into_iter()
            .any(|(log, level)| self.final_read(log, level).iter().any(|(_, other)| *other == value))
    }

    /// Whether a process wrote to a log of which nobody knows what is visible.
    pub(crate) fn writes_unread(&self, process: Process) -> bool {
        let own = self.sent.iter().filter(|(value, _)| value.process == process);
        own.into_iter().any(|(_, sent)| self.visible_level(sent.log).is_none())
    }

    fn committed_polls(&self) -> impl Iterator<Item = &Poll> {
        self.polls.iter().filter(|poll| self.committed.contains(&poll.process))
    }

    fn in_a_final_read(&self, value: Value) -> bool {
        let committed = self.finals.iter().filter(|((_, level), _)| *level == Isolation::ReadCommitted);
        committed.flat_map(|(_, read)| read.values()).any(|other| *other == value)
    }

    fn shown(&self, value: Value) -> bool {
        let polled = self.committed_polls().flat_map(|poll| &poll.records).any(|(_, other)| *other == value);
        polled || self.in_a_final_read(value)
    }

    pub(crate) fn must_have_committed(&self, txn: &Txn) -> bool {
        match txn.how() {
            How::Committed => true,
            How::Unknown => txn.records().iter().any(|value| self.shown(*value)),
            How::Aborted | How::Failed | How::Open => false,
        }
    }

    /// Whether a record was appended for sure and is not in the complete read of its log at this level.
    fn is_missing(&self, value: Value, isolation: Isolation) -> bool {
        let sent = &self.sent[&value];
        let Some(start) = self.complete(sent.log, isolation) else { return false };
        let mut polls = self.committed_polls().filter(|poll| poll.log == sent.log);
        let polled = polls.any(|poll| poll.records.iter().any(|(_, other)| *other == value));
        let appended = sent.acked() || (polled && !sent.failed());
        let kept = sent.offset().map_or(start <= 0, |offset| offset >= start);
        // What an incomplete committed read found is there, whatever another read says.
        let mut found = self.final_read(sent.log, isolation);
        found.extend(self.final_read(sent.log, Isolation::ReadCommitted));
        let there = found.iter().any(|(_, other)| *other == value);
        // Above the end of the committed read, whoever reads everything finds what is only hidden.
        let end = self.ends[&(sent.log, isolation)].1;
        let all = self.complete(sent.log, Isolation::ReadUncommitted).is_some();
        let mut all = self.final_read(sent.log, Isolation::ReadUncommitted).into_iter().filter(|_| all);
        let hidden =
            isolation == Isolation::ReadCommitted && all.any(|(at, other)| other == value && at >= end);
        appended && kept && !there && !hidden
    }
}

/// Whether a position that nobody else can have committed was read back once the transaction had ended.
fn is_read_back(facts: &Facts, txn: &Txn) -> bool {
    let Some(group) = facts.groups.get(&txn.process) else { return false };
    let deciding = txn.ok().or(txn.attempts.last()).and_then(|attempt| attempt.answer.as_ref());
    let Some((ended, _)) = deciding else { return false };
    let own = |process: &Process| facts.groups.get(process) == Some(group);
    txn.positions().iter().any(|(log, (next, _))| {
        let here = |process: &Process, at: (LogId, i64)| own(process) && at == (*log, *next);
        let fetches: Vec<&Fetch> =
            facts.fetches.iter().filter(|fetch| here(&fetch.process, (fetch.log, fetch.next))).collect();
        let others = facts.txns.iter().filter(|other| !matches!(other.how(), How::Aborted | How::Failed));
        let others = others.filter(|other| {
            own(&other.process) && other.positions().get(log).is_some_and(|(other, _)| other == next)
        });
        let asked = facts.asked.iter().filter(|(process, log, next, _)| here(process, (*log, *next)));
        let first = others.map(|other| other.begun).chain(asked.map(|asked| asked.3)).min();
        fetches.iter().all(|fetch| fetch.asked > *ended)
            && fetches.iter().any(|fetch| first.is_none_or(|first| fetch.returned <= first))
    })
}

/// What is wrong with a story.
pub(crate) fn of(story: &Story) -> Summary {
    let facts = gather(&story.events);
    let mut summary = Summary::new();
    let mut add = |name: &str, count: usize| *summary.entry(name.to_owned()).or_insert(0) += count as u64;
    for txn in &facts.txns {
        add("transactions", 1);
        match txn.how() {
            How::Committed => add("transactions committed", 1),
            How::Aborted | How::Failed => add("transactions aborted", 1),
            How::Unknown => add("transactions unknown", 1),
            How::Open => add("transactions open", 1),
        }
        if txn.how() == How::Unknown && facts.must_have_committed(txn) {
            add("transactions proved", 1);
        }
        let missing = txn.records().iter().any(|value| facts.is_missing(*value, Isolation::ReadCommitted));
        let shown = txn.records().iter().any(|value| facts.in_a_final_read(*value));
        let ended = matches!(txn.how(), How::Aborted | How::Failed);
        add("torn-transaction", usize::from(missing && shown));
        add("lost-commit", usize::from(missing && !shown && txn.how() == How::Committed));
        add("resurrected-abort", usize::from((shown || is_read_back(&facts, txn)) && ended));
        add("fencing-violation", usize::from(is_fenced(&facts, txn)));
    }
    let (aborted, early) = early_reads(&facts);
    add("aborted-read", aborted.len());
    add("precommitted-read", early.len());
    add("lso-breach", facts.committed_polls().filter(|poll| is_breach(&facts, poll)).count());
    add("lost-write", facts.sent.keys().filter(|value| is_lost(&facts, **value)).count());
    let [skipped, doubled, mismatched] = super::pipeline::of(&facts);
    add("skipped-input", skipped);
    add("double-input", doubled);
    add("output-mismatch", mismatched);
    for (name, count) in super::cycles::of(&facts) {
        add(&format!("cycle {name}"), count);
    }
    comparable(summary)
}

fn is_lost(facts: &Facts, value: Value) -> bool {
    if !facts.txns.iter().any(|txn| txn.process == value.process) {
        return false;
    }
    let must = facts.txn_of(value).is_none_or(|txn| facts.must_have_committed(&facts.txns[txn]));
    let log = facts.sent[&value].log;
    let level = match facts.complete(log, Isolation::ReadCommitted) {
        Some(_) => Isolation::ReadCommitted,
        None => Isolation::ReadUncommitted,
    };
    must && facts.is_missing(value, level)
}

/// Places in a log that a committed reader was shown too early: after an abort, and before a commit.
type Places = BTreeSet<(LogId, Value)>;

fn early_reads(facts: &Facts) -> (Places, Places) {
    let (mut aborted, mut early) = (Places::new(), Places::new());
    for poll in facts.committed_polls() {
        for (_, value) in &poll.records {
            let Some(txn) = facts.txn_of(*value).map(|txn| &facts.txns[txn]) else { continue };
            match txn.how() {
                How::Aborted | How::Failed => drop(aborted.insert((poll.log, *value))),
                How::Open => drop(early.insert((poll.log, *value))),
                How::Committed | How::Unknown => {
                    if poll.returned < txn.may_commit().unwrap() {
                        early.insert((poll.log, *value));
                    }
                }
            }
        }
    }
    for ((log, _), read) in facts.finals.iter().filter(|((_, level), _)| *level == Isolation::ReadCommitted) {
        for value in read.values() {
            let open = |txn: usize| facts.txns[txn].how() == How::Open;
            if facts.txn_of(*value).is_some_and(open) {
                early.insert((*log, *value));
            }
        }
    }
    let transactional = |value: &Value| facts.txns.iter().any(|txn| txn.process == value.process);
    for (value, sent) in facts.sent.iter().filter(|(value, sent)| sent.failed() && transactional(value)) {
        let dead = |txn: usize| matches!(facts.txns[txn].how(), How::Aborted | How::Failed);
        let polled = facts.committed_polls().filter(|poll| poll.log == sent.log);
        let polled = polled.flat_map(|poll| &poll.records).any(|(_, other)| other == value);
        let read = facts.complete(sent.log, Isolation::ReadCommitted).is_some()
            && facts.final_read(sent.log, Isolation::ReadCommitted).iter().any(|(_, other)| other == value);
        if (polled || read) && !facts.txn_of(*value).is_some_and(dead) {
            aborted.insert((sent.log, *value));
        }
    }
    (aborted, early)
}

/// Until when a transaction was undecided for sure.
fn undecided(facts: &Facts, txn: &Txn) -> u64 {
    if txn.how() == How::Committed {
        return txn.may_commit().unwrap();
    }
    let mut own = facts.grants.iter().filter(|grant| {
        (grant.process, &grant.id) == (txn.process, &txn.id)
            && grant.granted.is_some()
            && grant.asked <= txn.begun
    });
    let Some(timeout) = own.next_back().and_then(|grant| grant.timeout_ms) else { return 0 };
    let claimed = facts.grants.iter().filter(|grant| grant.id == txn.id && grant.asked >= txn.begun);
    let claimed = claimed.map(|grant| grant.asked).min();
    let known = [txn.asked(), claimed, Some(txn.begun + timeout * 1000)];
    known.into_iter().flatten().min().unwrap()
}

fn is_breach(facts: &Facts, poll: &Poll) -> bool {
    let Some(greatest) = poll.records.iter().map(|(offset, _)| *offset).max() else { return false };
    facts.txns.iter().filter(|txn| undecided(facts, txn) > poll.returned).any(|txn| {
        let here = txn.records().iter().map(|value| &facts.sent[value]).filter(|sent| sent.log == poll.log);
        here.filter(|sent| !sent.failed()).filter_map(Sent::offset).any(|offset| offset < greatest)
    })
}

fn is_fenced(facts: &Facts, txn: &Txn) -> bool {
    let shown = txn.records().iter().any(|value| facts.shown(*value));
    let Some(commit) = txn.may_commit().filter(|_| shown && facts.must_have_committed(txn)) else {
        return false;
    };
    let own = facts.grants.iter().rfind(|grant| {
        let granted = grant.granted.is_some_and(|granted| granted <= txn.begun);
        granted && (grant.process, &grant.id) == (txn.process, &txn.id)
    });
    let epoch = txn.epoch.or(own.and_then(|own| own.epoch));
    let by_epoch = |other: Option<i32>| epoch.zip(other).is_some_and(|(own, other)| other > own);
    let granted = facts.grants.iter().any(|grant| {
        let concerns = grant.id == txn.id && grant.process != txn.process;
        let in_time = grant.granted.is_some_and(|granted| granted < commit);
        let by_time = own.is_some_and(|own| grant.asked > own.granted.unwrap());
        let newer = if epoch.is_some() && grant.epoch.is_some() { by_epoch(grant.epoch) } else { by_time };
        concerns && in_time && newer
    });
    let begun = facts.txns.iter().any(|other| {
        let concerns = other.id == txn.id && other.process != txn.process;
        concerns && other.began.is_some_and(|began| began < commit) && by_epoch(other.epoch)
    });
    granted || begun
}
