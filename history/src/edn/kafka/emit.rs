//! Writes operations as events.
//!
//! An operation is written when it has returned, its invocations with the time of its invocation, so the events of
//! one process are in order. Values read are translated at the end, as a value may be read (wrongly) before the
//! line on which it is sent.

use std::collections::hash_map::Entry;
use std::collections::{BTreeSet, HashMap};

use super::Function;
use super::micro::Micro;
use super::values::{Values, Written};
use crate::edn::operation::Type;
use crate::ids::{LogId, Nanos, Offset, Process, Value};
use crate::op::{Assignment, Cause, Event, ForeignRecord, Identity, Op, Outcome, Phase, Run};

/// Our number for a process of Jepsen's.
pub(super) fn ours(process: Process) -> Process {
    Process(process.0.saturating_add(1))
}

/// What was asked.
pub(super) struct Asked {
    /// Jepsen's number.
    pub(super) process: Process,
    pub(super) f: Function,
    pub(super) time: Nanos,
    pub(super) sends: Vec<(LogId, Value)>,
    pub(super) logs: Vec<LogId>,
}

/// What was answered.
pub(super) struct Done {
    pub(super) kind: Type,
    pub(super) time: Nanos,
    pub(super) micros: Vec<Micro>,
    pub(super) logs: Vec<LogId>,
    pub(super) rebalanced: Vec<LogId>,
    pub(super) seeks_to_beginning: bool,
}

impl Default for Done {
    fn default() -> Self {
        let (micros, logs, rebalanced) = (Vec::new(), Vec::new(), Vec::new());
        Self { kind: Type::Info, time: Nanos(0), micros, logs, rebalanced, seeks_to_beginning: false }
    }
}

/// Operations that returned, then those that did not.
#[derive(Default)]
pub(super) struct Emitter {
    done: Vec<(Asked, Option<Done>)>,
}

impl Emitter {
    pub(super) fn operation(&mut self, asked: Asked, done: Done) {
        self.done.push((asked, Some(done)));
    }

    pub(super) fn unfinished(&mut self, asked: Asked) {
        self.done.push((asked, None));
    }

    /// All events. What a value is and whether operations are transactions is known only now.
    pub(super) fn finish(self, values: &Values, (transactional, subscribed): (bool, bool)) -> Vec<Event> {
        let mut out = Out { events: Vec::new(), held: HashMap::new(), values, transactional, subscribed };
        for (asked, done) in self.done {
            out.operation(&asked, done.as_ref());
        }
        out.events
    }
}

struct Out<'a> {
    events: Vec<Event>,
    /// Logs that each process holds.
    held: HashMap<Process, BTreeSet<LogId>>,
    values: &'a Values,
    transactional: bool,
    subscribed: bool,
}

impl Out<'_> {
    fn push(&mut self, process: Process, time: Nanos, phase: Phase, op: Op) {
        self.events.push(Event { time, process, phase, op });
    }

    fn operation(&mut self, asked: &Asked, done: Option<&Done>) {
        let process = ours(asked.process);
        if let Entry::Vacant(unknown) = self.held.entry(process) {
            unknown.insert(BTreeSet::new());
            let name = format!("process {}", asked.process);
            let identity =
                Identity { name, role: "client".into(), family: "edn".into(), ..Identity::default() };
            self.push(process, asked.time, complete(None), Op::Open(identity));
        }
        match (asked.f, done) {
            (Function::Assign | Function::Subscribe, Some(done)) => self.assigned(process, asked, done),
            (Function::Assign | Function::Subscribe, None) => {}
            (Function::Crash, done) => {
                let time = done.map_or(asked.time, |done| done.time);
                self.push(process, time, complete(None), Op::Crash { how: "crash".to_owned() });
            }
            (Function::Send | Function::Poll | Function::Txn, done) => self.transfer(process, asked, done),
        }
    }

    /// Logs that stay keep their assignment, unless it begins anew or may have.
    fn assigned(&mut self, process: Process, asked: &Asked, done: &Done) {
        let certain = done.kind == Type::Ok && !done.seeks_to_beginning && asked.f == Function::Assign;
        if done.kind == Type::Fail {
            return;
        }
        let logs = if done.logs.is_empty() { &asked.logs } else { &done.logs };
        let now: BTreeSet<LogId> = logs.iter().copied().collect();
        let before = self.held.insert(process, now.clone()).unwrap_or_default();
        let kept: BTreeSet<LogId> =
            if certain { before.intersection(&now).copied().collect() } else { BTreeSet::new() };
        let revoked: Vec<LogId> = before.difference(&kept).copied().collect();
        let assigned: Vec<LogId> = now.difference(&kept).copied().collect();
        if !revoked.is_empty() {
            self.push(process, done.time, complete(None), Op::Revoked(assignment(revoked)));
        }
        if !assigned.is_empty() {
            self.push(process, done.time, complete(None), Op::Assigned(assignment(assigned)));
        }
    }

    /// Sends and polls, as a transaction where there are transactions.
    fn transfer(&mut self, process: Process, asked: &Asked, done: Option<&Done>) {
        let kind = done.map(|done| done.kind);
        if self.transactional {
            let id = format!("process-{}", asked.process);
            self.push(process, asked.time, complete(None), Op::BeginTxn { id, epoch: None });
        }
        for (log, value) in &asked.sends {
            self.push(process, asked.time, Phase::Invoke, Op::Send { log: *log, value: *value });
        }
        let ends = if kind == Some(Type::Fail) { Op::AbortTxn } else { Op::CommitTxn };
        if self.transactional {
            self.push(process, asked.time, Phase::Invoke, ends.clone());
        }
        let Some(done) = done else { return };
        let mut asks = false;
        if done.micros.iter().any(|micro| matches!(micro, Micro::Poll(_))) {
            if self.subscribed {
                let logs: BTreeSet<LogId> = done.micros.iter().flat_map(logs_of).collect();
                self.begin_anew(process, asked.time, logs.into_iter().collect());
            }
            self.push(process, asked.time, Phase::Invoke, Op::Poll { runs: Vec::new() });
            asks = true;
        }
        let sends = done.micros.iter().filter_map(|micro| match micro {
            Micro::Send { acknowledged, .. } => Some(*acknowledged),
            Micro::Poll(_) => None,
        });
        let unanswered = std::iter::repeat(None);
        for ((log, value), acknowledged) in asked.sends.iter().zip(sends.chain(unanswered)) {
            let outcome = outcome(done.kind, acknowledged);
            self.push(process, done.time, Phase::Complete(outcome), Op::Send { log: *log, value: *value });
        }
        for micro in &done.micros {
            let Micro::Poll(records) = micro else { continue };
            self.poll(process, done, (records, &mut asks));
        }
        if self.transactional {
            self.push(process, done.time, Phase::Complete(outcome(done.kind, Some(None))), ends);
        }
    }

    /// One poll of an operation; the first was asked with the operation.
    fn poll(
        &mut self,
        process: Process,
        done: &Done,
        (records, asks): (&[(LogId, Offset, Written)], &mut bool),
    ) {
        let mut runs: Vec<Run> = Vec::new();
        let mut apart: Vec<Run> = Vec::new();
        for (log, offset, written) in records.iter().copied() {
            let Some(value) = self.values.value(written) else {
                let why = ForeignRecord::Phantom { preview: "a value that nobody sent".to_owned() };
                self.push(process, done.time, complete(None), Op::Foreign { log, offset, why });
                continue;
            };
            let into = if done.rebalanced.contains(&log) { &mut apart } else { &mut runs };
            extend(into, Run { log, offset, first: value, count: 1 });
        }
        self.polled(process, done, (runs, asks));
        for run in apart {
            self.begin_anew(process, done.time, vec![run.log]);
            self.polled(process, done, (vec![run], asks));
        }
    }

    fn polled(&mut self, process: Process, done: &Done, (runs, asks): (Vec<Run>, &mut bool)) {
        if !std::mem::take(asks) {
            self.push(process, done.time, Phase::Invoke, Op::Poll { runs: Vec::new() });
        }
        let outcome = outcome(done.kind, Some(None));
        // What a failed or unknown operation returned was returned all the same.
        let outcome = if matches!(outcome, Outcome::Fail { .. }) { info(None) } else { outcome };
        self.push(process, done.time, Phase::Complete(outcome), Op::Poll { runs });
    }

    fn begin_anew(&mut self, process: Process, time: Nanos, logs: Vec<LogId>) {
        if !logs.is_empty() {
            self.push(process, time, complete(None), Op::Revoked(assignment(logs.clone())));
            self.push(process, time, complete(None), Op::Assigned(assignment(logs)));
        }
    }
}

fn logs_of(micro: &Micro) -> Vec<LogId> {
    match micro {
        Micro::Poll(records) => records.iter().map(|(log, ..)| *log).collect(),
        Micro::Send { .. } => Vec::new(),
    }
}

/// Joins a record to the run before it where offset and sequence both count on.
fn extend(runs: &mut Vec<Run>, next: Run) {
    if let Some(last) = runs.last_mut() {
        let offset = last.offset.0.checked_add(i64::from(last.count));
        let seq = last.first.seq.0.checked_add(last.count);
        let follows = last.log == next.log
            && last.first.process == next.first.process
            && offset == Some(next.offset.0)
            && seq == Some(next.first.seq.0);
        if follows {
            last.count += 1;
            return;
        }
    }
    runs.push(next);
}

fn assignment(logs: Vec<LogId>) -> Assignment {
    Assignment { logs, generation: None }
}

fn complete(offset: Option<Offset>) -> Phase {
    Phase::Complete(Outcome::Ok { offset })
}

fn info(offset: Option<Offset>) -> Outcome {
    Outcome::Info { cause: Cause::default(), offset }
}

/// The outcome of a part: one that was not acknowledged within an operation that succeeded is unknown.
fn outcome(kind: Type, acknowledged: Option<Option<Offset>>) -> Outcome {
    match (kind, acknowledged) {
        (Type::Ok, Some(offset)) => Outcome::Ok { offset },
        (Type::Fail, _) => Outcome::Fail { cause: Cause::default() },
        (Type::Ok | Type::Info | Type::Invoke, offset) => info(offset.flatten()),
    }
}
