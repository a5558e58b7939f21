//! Why a record was delivered again.
//!
//! Rewind: the later delivery's segment began with a seek to or before the record. Otherwise, if a commit that covers
//! the record was acknowledged before that segment began, nothing legitimate explains it. Otherwise the earlier
//! member's death, or the move of the log, does.

use history::ids::{LogId, Offset, Process};

use super::context::Context;
use crate::findings::{Cause, Sighting};

/// Somebody who was delivered something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Receiver {
    pub(crate) process: Process,
    pub(crate) segment: u32,
}

/// Offset up to which (exclusive) the cause of a second delivery is the same as that of the record at `offset`.
pub(crate) fn same_until(
    context: &Context,
    (group, log): (usize, LogId),
    offset: i64,
    again: Receiver,
) -> i64 {
    let begin = context.begin(again.process, log, again.segment);
    let committed = begin.and_then(|begin| context.committed_by(group, log, begin.time));
    let turns = [begin.and_then(|begin| begin.sought), committed.map(|commit| commit.next)];
    turns.into_iter().flatten().map(|turn| turn.0).filter(|&turn| turn > offset).min().unwrap_or(i64::MAX)
}

/// The cause of a second delivery of the record at `offset`, with the events that show it.
pub(crate) fn cause(
    context: &Context,
    (group, log): (usize, LogId),
    offset: i64,
    first: Receiver,
    again: Receiver,
) -> (Cause, Vec<Sighting>) {
    let begin = context.begin(again.process, log, again.segment);
    let mut seen = Vec::new();
    if let Some(begin) = begin {
        let (process, time) = (again.process, begin.time);
        seen.push(match begin.sought {
            Some(offset) => Sighting::Sought { process, offset, time },
            None => Sighting::Assigned { process, time },
        });
        if begin.sought.is_some_and(|sought| sought <= Offset(offset)) && first != again {
            return (Cause::Rewind, seen);
        }
        let committed =
            context.committed_by(group, log, begin.time).filter(|commit| commit.next > Offset(offset));
        if let Some(commit) = committed {
            seen.push(Sighting::Committed { process: commit.process, next: commit.next, time: commit.time });
            return (Cause::Unexplained, seen);
        }
    }
    if first == again {
        return (Cause::Unexplained, seen);
    }
    if first.process != again.process
        && let Some(noticed) = context.crashed(first.process)
    {
        seen.extend(noticed.map(|time| Sighting::Crashed { process: first.process, time }));
        return (Cause::CrashBeforeCommit, seen);
    }
    (Cause::Rebalance, seen)
}
