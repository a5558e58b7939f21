//! Pairs what was asked with what was answered, process by process.

use std::collections::BTreeMap;
use std::io::Read;

use history::edn::operation::{Actor, Operation, Type};
use history::edn::{EdnError, Reader};
use history::ids::Process;
use serde::{Deserialize, Serialize};

use crate::linear::hash::IdMap;
use crate::linear::object::Moment;

/// What was read, whatever it meant.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notes {
    /// Records of the file.
    pub records: u64,
    /// Operations that happened, by function.
    pub ok: BTreeMap<String, u64>,
    /// Operations that failed: they did not happen.
    pub failed: u64,
    /// Operations of unknown outcome, those that never returned included.
    pub unknown: u64,
    /// Operations without meaning for the model, by function; the nemesis's under `nemesis`.
    pub ignored: BTreeMap<String, u64>,
}

/// How an operation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Happened,
    Failed,
    Unknown,
}

/// An operation that has ended, or never did.
pub(super) struct Pair<'a, T> {
    pub(super) asked: T,
    /// The completion; none where there was none.
    pub(super) answer: Option<&'a Operation<'a>>,
    pub(super) end: End,
    pub(super) process: Process,
    pub(super) invoked: Moment,
    /// [`Moment::NEVER`] where the outcome is unknown.
    pub(super) returned: Moment,
}

/// What a kind of history makes of its operations.
pub(super) trait Meaning {
    /// What is kept of an invocation.
    type Asked;

    /// The functions that mean something.
    fn functions(&self) -> &'static [&'static str];

    /// Reads an invocation.
    fn ask(&mut self, operation: &Operation<'_>) -> Result<Self::Asked, EdnError>;

    /// Takes an operation that has ended.
    fn end(&mut self, pair: Pair<'_, Self::Asked>) -> Result<(), EdnError>;
}

struct Open<T> {
    line: u64,
    f: usize,
    invoked: Moment,
    asked: T,
}

/// Reads a history. The order of its lines is the order of its events.
pub(super) fn read<M: Meaning>(source: impl Read, meaning: &mut M) -> Result<Notes, EdnError> {
    let mut reader = Reader::new(source);
    let mut notes = Notes::default();
    let mut open: IdMap<Process, Open<M::Asked>> = IdMap::default();
    let functions = meaning.functions();
    let mut happened = vec![0; functions.len()];
    while let Some(record) = reader.record()? {
        notes.records += 1;
        let operation = Operation::of(record)?;
        let Actor::Client(process) = operation.actor else {
            count(&mut notes.ignored, "nemesis");
            continue;
        };
        let Some(f) = functions.iter().position(|f| *f == operation.f) else {
            count(&mut notes.ignored, operation.f);
            continue;
        };
        let now = Moment(notes.records);
        if operation.kind == Type::Invoke {
            let asked = meaning.ask(&operation)?;
            let begun = Open { line: operation.line, f, invoked: now, asked };
            if let Some(other) = open.insert(process, begun) {
                let cause =
                    format!("process {process} invokes while its operation of line {} is open", other.line);
                return Err(EdnError::meaningless(operation.line, cause));
            }
            continue;
        }
        let Some(begun) = open.remove(&process) else {
            let cause = format!("process {process} completes an operation that it did not invoke");
            return Err(EdnError::meaningless(operation.line, cause));
        };
        if begun.f != f {
            let (f, asked) = (operation.f, functions[begun.f]);
            let cause = format!("process {process} invoked {asked} on line {} and completes {f}", begun.line);
            return Err(EdnError::meaningless(operation.line, cause));
        }
        let end = match operation.kind {
            Type::Ok => End::Happened,
            Type::Fail => End::Failed,
            Type::Info | Type::Invoke => End::Unknown,
        };
        match end {
            End::Happened => happened[f] += 1,
            End::Failed => notes.failed += 1,
            End::Unknown => notes.unknown += 1,
        }
        let returned = if end == End::Unknown { Moment::NEVER } else { now };
        let (asked, invoked) = (begun.asked, begun.invoked);
        meaning.end(Pair { asked, answer: Some(&operation), end, process, invoked, returned })?;
    }
    let named = functions.iter().zip(happened).filter(|(_, count)| *count > 0);
    notes.ok = named.map(|(f, count)| ((*f).to_owned(), count)).collect();
    let mut unfinished: Vec<(Process, Open<M::Asked>)> = open.into_iter().collect();
    unfinished.sort_by_key(|(_, open)| open.line);
    for (process, Open { invoked, asked, .. }) in unfinished {
        notes.unknown += 1;
        let (end, returned) = (End::Unknown, Moment::NEVER);
        meaning.end(Pair { asked, answer: None, end, process, invoked, returned })?;
    }
    Ok(notes)
}

fn count(counts: &mut BTreeMap<String, u64>, f: &str) {
    match counts.get_mut(f) {
        Some(count) => *count += 1,
        None => {
            counts.insert(f.to_owned(), 1);
        }
    }
}
