//! Jepsen's Kafka workload, as our own events.
//!
//! A key is a log, a value is unique in its key; the n-th record that a process sends becomes its value `n`, and what
//! was read is translated back. Jepsen's process p is our process p + 1, because 0 is the harness. The order of
//! lines is the order of events: a time that goes back is raised to the latest before it, and where times are
//! absent a line takes a microsecond.
//!
//! What such a history cannot say is not invented: there is no final read, no group, no effect ([`Notes::not_judged`]).
//! With subscriptions a rebalance may lie between any two operations, so each begins a new assignment; logs in a
//! `:rebalance-log` were rebalanced within the operation, so each run of theirs does.

mod emit;
mod micro;
mod values;

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use super::operation::{Actor, Operation, Type};
use super::{EdnError, Reader};
use crate::ids::{LogId, Nanos, Process, TopicPartition};
use crate::op::Event;
use emit::{Asked, Done, Emitter};
use micro::Micro;
use values::Values;

/// A history read from EDN.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    /// The logs; a [`LogId`] is an index into them.
    pub logs: Vec<TopicPartition>,
    /// The events, those of each process in its order.
    pub events: Vec<Event>,
    /// What is to be known about them.
    pub notes: Notes,
}

/// What the events do not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// Records of the file.
    pub records: u64,
    /// Operations of clients that returned, by function.
    pub operations: BTreeMap<String, u64>,
    /// Operations without meaning for any check, by function; the nemesis's under `nemesis`.
    pub ignored: BTreeMap<String, u64>,
    /// Operations that never returned.
    pub unfinished: u64,
    /// Whether operations were transactions.
    pub transactional: bool,
    /// Whether logs were assigned by subscription.
    pub subscribed: bool,
    /// Times that went back and were raised.
    pub raised_times: u64,
    /// What a history in this form cannot show, in words.
    pub not_judged: Vec<&'static str>,
}

/// Reads a whole history.
///
/// # Errors
/// The first record that is malformed or contradicts those before it.
pub fn read(source: impl Read) -> Result<Imported, EdnError> {
    let mut reader = Reader::new(source);
    let mut import = Import::default();
    while let Some(record) = reader.record()? {
        import.notes.records += 1;
        let operation = Operation::of(record)?;
        import.take(&operation)?;
    }
    Ok(import.finish())
}

/// The functions that mean something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Function {
    Send,
    Poll,
    Txn,
    Assign,
    Subscribe,
    Crash,
}

impl Function {
    const ALL: [(&'static str, Function); 6] = [
        ("send", Function::Send),
        ("poll", Function::Poll),
        ("txn", Function::Txn),
        ("assign", Function::Assign),
        ("subscribe", Function::Subscribe),
        ("crash", Function::Crash),
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, f)| *f)
    }

    fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, known)| *known == self).map_or("", |(name, _)| name)
    }
}

/// An operation that has not returned.
struct Open {
    line: u64,
    asked: Asked,
}

#[derive(Default)]
struct Import {
    values: Values,
    open: HashMap<Process, Open>,
    emitter: Emitter,
    notes: Notes,
    now: Nanos,
}

impl Import {
    fn take(&mut self, operation: &Operation<'_>) -> Result<(), EdnError> {
        let time = self.time(operation);
        let Actor::Client(process) = operation.actor else {
            count(&mut self.notes.ignored, "nemesis");
            return Ok(());
        };
        let Some(f) = Function::named(operation.f) else {
            count(&mut self.notes.ignored, operation.f);
            return Ok(());
        };
        match operation.kind {
            Type::Invoke => self.invoke((process, f), operation, time),
            Type::Ok | Type::Fail | Type::Info => self.complete((process, f), operation, time),
        }
    }

    /// Never goes back.
    fn time(&mut self, operation: &Operation<'_>) -> Nanos {
        let time = operation.time.unwrap_or(Nanos(1_000 * self.notes.records));
        self.notes.raised_times += u64::from(time < self.now);
        self.now = self.now.max(time);
        self.now
    }

    fn invoke(
        &mut self,
        (process, f): (Process, Function),
        operation: &Operation<'_>,
        time: Nanos,
    ) -> Result<(), EdnError> {
        self.notes.transactional |= f == Function::Txn;
        self.notes.subscribed |= f == Function::Subscribe;
        let (logs, micros) = self.read_value(f, operation)?;
        let mut sends = Vec::new();
        for micro in micros {
            let Micro::Send { log, value, .. } = micro else { continue };
            let value = self.values.sent((log, value), process, operation.line)?;
            sends.push((log, value));
        }
        let asked = Asked { process, f, time, sends, logs };
        let open = Open { line: operation.line, asked };
        if let Some(other) = self.open.insert(process, open) {
            let cause =
                format!("process {process} invokes while its operation of line {} is open", other.line);
            return Err(EdnError::meaningless(operation.line, cause));
        }
        Ok(())
    }

    fn complete(
        &mut self,
        (process, f): (Process, Function),
        operation: &Operation<'_>,
        time: Nanos,
    ) -> Result<(), EdnError> {
        let wrong = |cause: String| Err(EdnError::meaningless(operation.line, cause));
        let Some(open) = self.open.remove(&process) else {
            return wrong(format!("process {process} completes an operation that it did not invoke"));
        };
        if open.asked.f != f {
            let (asked, line) = (open.asked.f.name(), open.line);
            return wrong(format!(
                "process {process} invoked {asked} on line {line} and completes {}",
                f.name()
            ));
        }
        count(&mut self.notes.operations, operation.f);
        let (logs, micros) = self.read_value(f, operation)?;
        let sent = micros.iter().filter(|micro| matches!(micro, Micro::Send { .. })).count();
        if sent != 0 && sent != open.asked.sends.len() {
            let asked = open.asked.sends.len();
            return wrong(format!("{sent} sends complete the {asked} of line {}", open.line));
        }
        let mut done = Done { kind: operation.kind, time, micros, logs, ..Done::default() };
        done.seeks_to_beginning = operation.seeks_to_beginning;
        for entry in operation.rebalances.into_iter().flat_map(|entries| entries.items()) {
            let keys = entry.entries().find(|(key, _)| key.word() == Some("keys"));
            for key in keys.into_iter().flat_map(|(_, keys)| keys.items()) {
                done.rebalanced.push(self.values.log(key, operation.line)?);
            }
        }
        self.check_sends(&open, &done, operation.line)?;
        self.emitter.operation(open.asked, done);
        Ok(())
    }

    /// Sends come back in the order in which they were asked, to the same logs and with the same values.
    fn check_sends(&self, open: &Open, done: &Done, line: u64) -> Result<(), EdnError> {
        let answered = done.micros.iter().filter_map(|micro| match micro {
            Micro::Send { log, value, .. } => Some((*log, *value)),
            Micro::Poll(_) => None,
        });
        for ((log, value), (asked_log, asked)) in answered.zip(&open.asked.sends) {
            if log != *asked_log || self.values.value(value) != Some(*asked) {
                let cause =
                    format!("a send is completed that line {} did not ask for in this place", open.line);
                return Err(EdnError::meaningless(line, cause));
            }
        }
        Ok(())
    }

    /// The logs of an assignment, or the parts of any other operation.
    fn read_value(
        &mut self,
        f: Function,
        operation: &Operation<'_>,
    ) -> Result<(Vec<LogId>, Vec<Micro>), EdnError> {
        let (mut logs, mut micros) = (Vec::new(), Vec::new());
        let items = operation.value.into_iter().flat_map(|value| value.items());
        match f {
            Function::Assign | Function::Subscribe => {
                for key in items {
                    logs.push(self.values.log(key, operation.line)?);
                }
            }
            Function::Crash => {}
            Function::Send | Function::Poll | Function::Txn => {
                for part in items {
                    micros.push(micro::read(part, &mut self.values, operation.line)?);
                }
            }
        }
        Ok((logs, micros))
    }

    fn finish(mut self) -> Imported {
        let mut unfinished: Vec<Open> = self.open.into_values().collect();
        unfinished.sort_by_key(|open| open.line);
        self.notes.unfinished = unfinished.len() as u64;
        for open in unfinished {
            self.emitter.unfinished(open.asked);
        }
        self.notes.not_judged = vec![
            "the end of the logs: there is no independent final read",
            "delivery to groups: no group and no committed offset is recorded",
            "effects: no sink is recorded",
        ];
        let events = self.emitter.finish(&self.values, (self.notes.transactional, self.notes.subscribed));
        Imported { logs: self.values.into_logs(), events, notes: self.notes }
    }
}

fn count(counts: &mut BTreeMap<String, u64>, f: &str) {
    match counts.get_mut(f) {
        Some(count) => *count += 1,
        None => {
            counts.insert(f.to_owned(), 1);
        }
    }
}
