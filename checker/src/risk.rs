//! How often effects were at risk: what shows that a way of making effects was tried and not only used.
//!
//! A consumer that never dies between its steps, is never overtaken and whose sink always answers makes every effect
//! once, whatever it promises. So a run that claims something of effects counts these moments, and proves nothing where
//! there are none (`vacuity`). They are read from the rows of the history alone, and decide nothing else.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Process};
use history::op::{Event, Op, Outcome, Phase, Position, Span};

/// What has been seen so far.
#[derive(Clone, Debug, Default)]
pub struct Risks {
    /// Effects that a member asked for in a log that another member had been assigned since.
    pub overtaken: u64,
    /// Members that died while what they had committed and what they had done differed, or whose position is
    /// in the sink with the effects.
    pub died_between: u64,
    /// Calls of a sink that were not answered.
    pub unanswered: u64,
    /// Who was assigned each log of each group last.
    holders: BTreeMap<(String, LogId), Process>,
    /// Behind the last effect that each member asked for, by log.
    done: BTreeMap<(Process, LogId), i64>,
    /// The last position that each member asked to be committed, and that it was told is committed.
    asked: BTreeMap<(Process, LogId), i64>,
    committed: BTreeMap<(Process, LogId), i64>,
    actors: BTreeSet<Process>,
}

impl Risks {
    /// Takes note of the next event, of a process of this group.
    pub(crate) fn note(&mut self, event: &Event, group: Option<&str>) {
        let process = event.process;
        if let Op::Assigned(assignment) = &event.op {
            for log in &assignment.logs {
                self.holders.insert((group.unwrap_or_default().to_owned(), *log), process);
                self.forget(process, *log);
            }
        } else if let Op::Effect { spans } = &event.op {
            self.effect(event, group, spans);
        } else if let Op::CommitOffsets { positions, .. } = &event.op {
            self.commit(event, positions);
        } else if let Op::Crash { .. } = &event.op {
            self.died_between += u64::from(self.differs(process));
        }
    }

    /// Whether any of it happened.
    pub fn any(&self) -> bool {
        self.overtaken + self.died_between + self.unanswered > 0
    }

    /// A log that comes to a member again is begun anew.
    fn forget(&mut self, process: Process, log: LogId) {
        self.done.remove(&(process, log));
        self.asked.remove(&(process, log));
        self.committed.remove(&(process, log));
    }

    fn effect(&mut self, event: &Event, group: Option<&str>, spans: &[Span]) {
        let process = event.process;
        self.actors.insert(process);
        let (failed, unknown) = match &event.phase {
            Phase::Complete(Outcome::Fail { .. }) => (true, false),
            Phase::Complete(Outcome::Info { .. }) => (false, true),
            Phase::Complete(Outcome::Ok { .. }) | Phase::Invoke => (false, false),
        };
        self.unanswered += u64::from(unknown);
        for span in spans {
            let holder = self.holders.get(&(group.unwrap_or_default().to_owned(), span.log));
            self.overtaken += u64::from(holder.is_some_and(|holder| *holder != process));
            if !failed {
                self.done.insert((process, span.log), span.last.0.saturating_add(1));
            }
        }
    }

    fn commit(&mut self, event: &Event, positions: &[Position]) {
        let known = matches!(event.phase, Phase::Complete(Outcome::Ok { .. }));
        let list = if known { &mut self.committed } else { &mut self.asked };
        list.extend(positions.iter().map(|position| ((event.process, position.log), position.next.0)));
    }

    /// Whether a member that makes effects has done more than is known to be committed, or asked for more to be
    /// committed than it has done.
    fn differs(&self, process: Process) -> bool {
        let of = |(key, _): &(&(Process, LogId), &i64)| key.0 == process;
        let undone = |(key, next): (&(Process, LogId), &i64)| self.done.get(key) < Some(next);
        let uncommitted = |(key, next): (&(Process, LogId), &i64)| self.committed.get(key) < Some(next);
        self.actors.contains(&process)
            && (self.done.iter().filter(of).any(uncommitted)
                || self.asked.iter().chain(&self.committed).filter(of).any(undone))
    }
}

#[cfg(test)]
mod tests {
    use history::ids::{Nanos, Offset};
    use history::op::{Assignment, Cause, CommitMode};

    use super::*;

    fn risks(events: Vec<(u32, Phase, Op)>) -> (u64, u64, u64) {
        let mut risks = Risks::default();
        for (process, phase, op) in events {
            risks.note(&Event { time: Nanos(0), process: Process(process), phase, op }, Some("g"));
        }
        (risks.overtaken, risks.died_between, risks.unanswered)
    }

    fn ok() -> Phase {
        Phase::Complete(Outcome::Ok { offset: None })
    }

    fn assigned() -> Op {
        Op::Assigned(Assignment { logs: vec![LogId(0)], generation: None })
    }

    fn effect(first: i64, last: i64) -> Op {
        Op::Effect { spans: vec![Span { log: LogId(0), first: Offset(first), last: Offset(last) }] }
    }

    fn commit(next: i64) -> Op {
        let positions = vec![Position { log: LogId(0), next: Offset(next) }];
        Op::CommitOffsets { mode: CommitMode::Sync, positions }
    }

    fn crash() -> Op {
        Op::Crash { how: "SIGKILL".to_owned() }
    }

    #[test]
    fn a_death_between_effect_and_commit_counts_in_either_order() {
        let after = vec![(1, ok(), effect(0, 4)), (1, Phase::Invoke, commit(5)), (1, ok(), crash())];
        assert_eq!(risks(after), (0, 1, 0));
        let before =
            vec![(1, ok(), effect(0, 4)), (1, ok(), commit(5)), (1, ok(), commit(9)), (1, ok(), crash())];
        assert_eq!(risks(before), (0, 1, 0));
        let even = vec![(1, ok(), effect(0, 4)), (1, ok(), commit(5)), (1, ok(), crash())];
        assert_eq!(risks(even), (0, 0, 0));
        let no_sink = vec![(1, ok(), commit(5)), (1, ok(), crash())];
        assert_eq!(risks(no_sink), (0, 0, 0));
    }

    #[test]
    fn a_member_is_overtaken_when_it_acts_after_anothers_assignment_whatever_the_sink_says() {
        let refused = Phase::Complete(Outcome::Fail { cause: Cause::default() });
        let doubt = Phase::Complete(Outcome::Info { cause: Cause::default(), offset: None });
        let events = vec![
            (1, ok(), assigned()),
            (1, ok(), effect(0, 4)),
            (2, ok(), assigned()),
            (1, refused, effect(5, 5)),
            (2, doubt, effect(5, 5)),
        ];
        assert_eq!(risks(events), (1, 0, 1));
    }
}
