//! What became of groups when a member died: whether its successor went on where it was, or the others took over.
//!
//! Static membership promises that a member that comes back in time gets its own logs and that nobody else notices;
//! incremental rebalances (cooperative assignors, the consumer group protocol) promise that a member that goes takes
//! no log from those that stay. Neither loses nor repeats a record, so no anomaly tells whether they were in effect.
//! A run that is about them requires these facts (`vacuity`): they are read from the rows alone, and decide nothing else.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Process};
use history::op::{Event, Identity, Op, Outcome, Phase, Position};

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Membership {
    /// Members that died while they held logs.
    pub vacancies: u64,
    /// Of these: those whose successor of the same name was given all their logs back, while no other member was given
    /// or deprived of any.
    pub restarted_quietly: u64,
    /// Of these: those whose logs were all given to other members, while no member that lived was deprived of any.
    pub taken_over_incrementally: u64,
    /// Commits that did not succeed, of a position in a log that another member had been assigned since.
    pub refused_late: u64,
    groups: BTreeMap<String, Group>,
}

/// One group as its members tell of it.
#[derive(Clone, Debug, Default)]
struct Group {
    held: BTreeMap<Process, BTreeSet<LogId>>,
    /// Who was assigned each log last.
    holders: BTreeMap<LogId, Process>,
    vacancies: Vec<Vacancy>,
}

/// What a dead member held, until all of it is somebody's again.
#[derive(Clone, Debug)]
struct Vacancy {
    name: String,
    left: BTreeSet<LogId>,
    /// Given to the member's successor, and to others.
    back: BTreeSet<LogId>,
    elsewhere: BTreeSet<LogId>,
    /// Whether a member that lived was given or deprived of anything.
    given: bool,
    deprived: bool,
}

impl Membership {
    /// Takes note of the next event, of a process that is known as this.
    pub(crate) fn note(&mut self, event: &Event, identity: &Identity) {
        // Most rows are effects, which say nothing of this.
        let speaks = matches!(
            event.op,
            Op::Assigned(_) | Op::Revoked(_) | Op::Lost(_) | Op::CommitOffsets { .. } | Op::Crash { .. }
        );
        let Some(name) = identity.group.as_ref().filter(|_| speaks) else { return };
        let group = self.groups.entry(name.clone()).or_default();
        let process = event.process;
        if let Op::Assigned(assignment) = &event.op {
            let logs: BTreeSet<LogId> = assignment.logs.iter().copied().collect();
            group.holders.extend(logs.iter().map(|log| (*log, process)));
            group.held.entry(process).or_default().extend(&logs);
            group.vacancies.iter_mut().for_each(|vacancy| vacancy.assigned(&identity.name, &logs));
            self.settle(name);
        } else if let Op::Revoked(assignment) | Op::Lost(assignment) = &event.op {
            let held = group.held.entry(process).or_default();
            held.retain(|log| !assignment.logs.contains(log));
            if !assignment.logs.is_empty() {
                group.vacancies.iter_mut().for_each(|vacancy| vacancy.deprived = true);
            }
        } else if let Op::CommitOffsets { positions, .. } = &event.op {
            self.refused_late += u64::from(group.refuses(event, positions));
        } else if let Op::Crash { .. } = &event.op {
            let left = group.held.remove(&process).unwrap_or_default();
            if !left.is_empty() {
                self.vacancies += 1;
                group.vacancies.push(Vacancy::of(&identity.name, left));
            }
        }
    }

    /// Whether every member that died was succeeded without anybody else noticing, and one did.
    pub fn every_restart_was_quiet(&self) -> bool {
        self.vacancies > 0 && self.vacancies == self.restarted_quietly
    }

    /// Whether the logs of every member that died went to others that kept their own, and one did.
    pub fn every_takeover_was_incremental(&self) -> bool {
        self.vacancies > 0 && self.vacancies == self.taken_over_incrementally
    }

    /// Counts the vacancies of a group that are filled.
    fn settle(&mut self, name: &str) {
        let Some(group) = self.groups.get_mut(name) else { return };
        for vacancy in group.vacancies.extract_if(.., |vacancy| vacancy.is_filled()) {
            let quiet = vacancy.elsewhere.is_empty() && !vacancy.given && !vacancy.deprived;
            let incremental = vacancy.back.is_empty() && !vacancy.deprived;
            self.restarted_quietly += u64::from(quiet);
            self.taken_over_incrementally += u64::from(incremental);
        }
    }
}

impl Group {
    /// Whether this is an answer that a commit did not succeed, in a log that is another's by now.
    fn refuses(&self, event: &Event, positions: &[Position]) -> bool {
        let refused = match &event.phase {
            Phase::Complete(Outcome::Fail { .. } | Outcome::Info { .. }) => true,
            Phase::Complete(Outcome::Ok { .. }) | Phase::Invoke => false,
        };
        let anothers = |position: &Position| {
            self.holders.get(&position.log).is_some_and(|holder| *holder != event.process)
        };
        refused && positions.iter().any(anothers)
    }
}

impl Vacancy {
    fn of(name: &str, left: BTreeSet<LogId>) -> Self {
        Self {
            name: name.to_owned(),
            left,
            back: BTreeSet::new(),
            elsewhere: BTreeSet::new(),
            given: false,
            deprived: false,
        }
    }

    fn assigned(&mut self, to: &str, logs: &BTreeSet<LogId>) {
        let own = self.left.intersection(logs).copied();
        if to == self.name {
            self.back.extend(own);
        } else {
            self.given |= !logs.is_empty();
            self.elsewhere.extend(own);
        }
    }

    fn is_filled(&self) -> bool {
        self.left.iter().all(|log| self.back.contains(log) || self.elsewhere.contains(log))
    }
}

#[cfg(test)]
mod tests {
    use history::ids::{Nanos, Offset};
    use history::op::{Assignment, Cause, CommitMode};

    use super::*;

    fn logs(logs: &[u16]) -> Assignment {
        Assignment { logs: logs.iter().copied().map(LogId).collect(), generation: None }
    }

    fn given(to: &[u16]) -> Op {
        Op::Assigned(logs(to))
    }

    fn crash() -> Op {
        Op::Crash { how: "SIGKILL".to_owned() }
    }

    fn ok() -> Phase {
        Phase::Complete(Outcome::Ok { offset: None })
    }

    /// Processes 1 and 3 are incarnations of `a`, process 2 is `b`.
    fn membership(events: Vec<(u32, Phase, Op)>) -> Membership {
        let mut membership = Membership::default();
        for (process, phase, op) in events {
            let name = if process == 2 { "b" } else { "a" };
            let identity =
                Identity { name: name.to_owned(), group: Some("g".to_owned()), ..Identity::default() };
            membership.note(&Event { time: Nanos(0), process: Process(process), phase, op }, &identity);
        }
        membership
    }

    fn facts(events: Vec<(u32, Op)>) -> (bool, bool) {
        let start = [(1, given(&[0, 1])), (2, given(&[2])), (1, crash())];
        let events = start.into_iter().chain(events).map(|(process, op)| (process, ok(), op)).collect();
        let seen = membership(events);
        (seen.every_restart_was_quiet(), seen.every_takeover_was_incremental())
    }

    #[test]
    fn a_successor_that_gets_all_logs_back_while_nobody_else_notices_is_quiet() {
        assert_eq!(facts(vec![(3, given(&[0, 1]))]), (true, false));
        assert_eq!(facts(vec![(3, given(&[0]))]), (false, false), "not all of them");
        let rebalanced = vec![(2, Op::Revoked(logs(&[2]))), (3, given(&[0, 1])), (2, given(&[2]))];
        assert_eq!(facts(rebalanced), (false, false), "another member was deprived");
        assert_eq!(facts(vec![(2, given(&[1])), (3, given(&[0]))]), (false, false), "another was given one");
    }

    #[test]
    fn a_takeover_is_incremental_when_those_that_live_keep_their_logs() {
        assert_eq!(facts(vec![(2, given(&[0, 1]))]), (false, true));
        let eager = vec![(2, Op::Revoked(logs(&[2]))), (2, given(&[0, 1, 2]))];
        assert_eq!(facts(eager), (false, false));
        let back = vec![(2, given(&[0, 1])), (2, Op::Revoked(logs(&[0]))), (3, given(&[0]))];
        assert_eq!(facts(back), (false, true), "what comes after the takeover is another rebalance");
    }

    #[test]
    fn every_death_counts() {
        let again = vec![(3, given(&[0, 1])), (3, crash())];
        assert_eq!(facts(again), (false, false), "the second vacancy was never filled");
        let none = membership(vec![(1, ok(), crash())]);
        assert!(!none.every_restart_was_quiet() && none.vacancies == 0, "it held nothing");
    }

    #[test]
    fn a_commit_is_refused_late_when_its_log_is_anothers() {
        let refused = || Phase::Complete(Outcome::Info { cause: Cause::default(), offset: None });
        let commit = || Op::CommitOffsets {
            mode: CommitMode::Sync,
            positions: vec![Position { log: LogId(0), next: Offset(5) }],
        };
        let own = vec![(1, ok(), given(&[0])), (1, refused(), commit())];
        assert_eq!(membership(own).refused_late, 0);
        let late = vec![(1, ok(), given(&[0])), (2, ok(), given(&[0])), (1, refused(), commit())];
        assert_eq!(membership(late).refused_late, 1);
        let accepted = vec![(1, ok(), given(&[0])), (2, ok(), given(&[0])), (1, ok(), commit())];
        assert_eq!(membership(accepted).refused_late, 0);
    }
}
