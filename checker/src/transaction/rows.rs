//! What the rows of a history say of the positions of groups, and of what was made of what: one pass over them.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};

use history::ids::{LogId, Nanos, Process};
use history::merged::{History, HistoryError};
use history::op::{CommitMode, Event, Op, Outcome, Phase, Position};

use super::derived::Derived;

/// What they say.
#[derive(Default)]
pub(super) struct Rows {
    /// The greatest position that a group committed outside of transactions: perhaps, and for sure.
    pub(super) plain: BTreeMap<(String, LogId), (i64, i64)>,
    pub(super) derived: BTreeMap<Process, Vec<Derived>>,
    /// Of the positions that were asked about.
    pub(super) watched: HashMap<Watched, Uses>,
}

/// A group's position in a log.
pub(super) type Watched = (String, LogId, i64);

/// How a position was used outside of transactions.
#[derive(Clone, Debug, Default)]
pub(super) struct Uses {
    /// When it was first asked to be committed, whatever came of it.
    pub(super) asked: Option<Nanos>,
    /// Who read it back.
    pub(super) fetches: Vec<Fetch>,
}

/// A committed position that was read back.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fetch {
    pub(super) process: Process,
    pub(super) invoked: Nanos,
    pub(super) returned: Nanos,
}

impl Rows {
    /// Reads them; `watched` are the positions of which it matters who committed them and who read them back.
    pub(super) fn of(history: &History, watched: &HashSet<(LogId, i64)>) -> Result<Self, HistoryError> {
        let mut rows = Self::default();
        let mut asked: HashMap<Process, VecDeque<Nanos>> = HashMap::new();
        for event in history.events()? {
            let event = event?;
            match (&event.op, &event.phase) {
                (Op::CommitOffsets { .. }, Phase::Complete(Outcome::Fail { .. })) => {}
                (Op::CommitOffsets { mode, positions }, phase) => {
                    let ok = matches!(phase, Phase::Complete(Outcome::Ok { .. })) && *mode != CommitMode::Txn;
                    let Some(group) = group_of(history, event.process) else { continue };
                    for Position { log, next } in positions {
                        let none = (i64::MIN, i64::MIN);
                        let known = rows.plain.entry((group.to_owned(), *log)).or_insert(none);
                        known.0 = known.0.max(next.0);
                        known.1 = if ok { known.1.max(next.0) } else { known.1 };
                        if watched.contains(&(*log, next.0)) {
                            let uses = rows.watched.entry((group.to_owned(), *log, next.0)).or_default();
                            uses.asked.get_or_insert(event.time);
                        }
                    }
                }
                (Op::FetchCommitted { .. }, Phase::Invoke) if !watched.is_empty() => {
                    asked.entry(event.process).or_default().push_back(event.time);
                }
                (Op::FetchCommitted { .. }, Phase::Complete(_)) if !watched.is_empty() => {
                    let invoked = asked.get_mut(&event.process).and_then(VecDeque::pop_front);
                    rows.fetched(history, &event, invoked, watched);
                }
                (Op::Derive { first, spans }, _) => {
                    rows.derived.entry(event.process).or_default().push(Derived::new(*first, spans));
                }
                _ => {}
            }
        }
        Ok(rows)
    }

    fn fetched(
        &mut self,
        history: &History,
        event: &Event,
        invoked: Option<Nanos>,
        watched: &HashSet<(LogId, i64)>,
    ) {
        let (Op::FetchCommitted { positions }, Phase::Complete(Outcome::Ok { .. })) =
            (&event.op, &event.phase)
        else {
            return;
        };
        let Some((invoked, group)) = invoked.zip(group_of(history, event.process)) else { return };
        for Position { log, next } in positions.iter().filter(|at| watched.contains(&(at.log, at.next.0))) {
            let fetch = Fetch { process: event.process, invoked, returned: event.time };
            self.watched.entry((group.to_owned(), *log, next.0)).or_default().fetches.push(fetch);
        }
    }
}

/// The group of a process.
pub(super) fn group_of(history: &History, process: Process) -> Option<&str> {
    history.facts().processes.get(&process)?.identity.group.as_deref()
}
