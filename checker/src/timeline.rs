//! What happened around the records: who lived when, which phase and which faults were on, who led which log.
//!
//! Read once from the rare events of a history. Verdicts use it for two things: to say what was going on when an
//! anomaly arose, and to notice that a run proves nothing (`vacuity`). It never decides whether a record was lost:
//! observations come from brokers that may be wrong.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{FaultId, LogId, Nanos, NodeId, Process, TopicPartition};
use history::merged::{Entry, History, HistoryError, Kind};
use history::op::{Event, Identity, Observation, Op};

use crate::membership::Membership;
use crate::risk::Risks;
use crate::verdict::{ClusterChange, FaultEntry};

/// The run around the records.
#[derive(Clone, Debug, Default)]
pub struct Timeline {
    /// Time of the first event; sentences count from here.
    pub began: Option<Nanos>,
    /// Time of the last event.
    pub ended: Option<Nanos>,
    /// Every process that opened.
    pub processes: BTreeMap<Process, Life>,
    /// Phases in the order they began.
    pub phases: Vec<(Nanos, String)>,
    /// What each fault did, by its number.
    pub faults: BTreeMap<FaultId, FaultEntry>,
    /// Changes of leadership and in-sync sets, in order of time.
    pub changes: Vec<(LogId, ClusterChange)>,
    /// How often logs were assigned to a member of a group.
    pub assignments: u64,
    /// Groups that had logs assigned.
    pub groups: BTreeSet<String>,
    /// Transactions whose abort was acknowledged, or whose commit failed.
    pub aborted_transactions: u64,
    /// How often effects were at risk.
    pub risks: Risks,
    /// What became of groups when members died.
    pub membership: Membership,
    views: Views,
}

/// The life of one process.
#[derive(Clone, Debug, Default)]
pub struct Life {
    /// Who it was.
    pub identity: Identity,
    /// When and how it was found dead, where it was.
    pub crashed: Option<(Nanos, String)>,
    /// Whether it ended in good order.
    pub closed: bool,
    /// How its journal ended, where that was not in good order.
    pub torn: Option<String>,
    /// Whether its journal was cut, so that what it did may be missing.
    pub truncated: bool,
}

/// What has been seen of leadership so far.
#[derive(Clone, Debug, Default)]
struct Views {
    /// By log: the newest epoch, its leader and the in-sync set last accepted.
    newest: BTreeMap<LogId, Newest>,
    /// By log and broker asked: the in-sync set it reported last.
    reported: BTreeMap<(LogId, NodeId), Vec<NodeId>>,
}

/// The newest state of one log.
#[derive(Clone, Debug)]
struct Newest {
    epoch: i32,
    leader: Option<NodeId>,
    isr: Vec<NodeId>,
    /// In-sync sets already told in this epoch: brokers learn of one change at different times.
    told: BTreeSet<Vec<NodeId>>,
}

impl Timeline {
    /// Reads the rare events of a history.
    ///
    /// # Errors
    /// Whatever the history's chunks refuse.
    pub fn of(history: &History) -> Result<Timeline, HistoryError> {
        let mut timeline = Timeline::default();
        for (process, facts) in &history.facts().processes {
            let life = timeline.processes.entry(*process).or_default();
            life.identity = facts.identity.clone();
            life.torn.clone_from(&facts.torn);
            life.truncated = facts.truncated;
        }
        // Sends and polls are no rows; their chunks know when they begin.
        let timed = |entry: &&Entry| {
            matches!(entry.kind, Kind::Sends | Kind::Polls | Kind::Transactions | Kind::Rows)
        };
        let begins =
            history.entries().iter().filter(timed).map(|entry| Nanos(entry.time.saturating_mul(1_000)));
        timeline.began = begins.clone().min();
        timeline.ended = begins.max();
        for event in history.events()? {
            timeline.add(&event?, &history.facts().logs);
        }
        timeline.aborted_transactions =
            history.transaction_chunks().iter().map(|entry| u64::from(entry.failed)).sum();
        Ok(timeline)
    }

    /// Adds the next event.
    pub fn add(&mut self, event: &Event, logs: &[TopicPartition]) {
        self.began.get_or_insert(event.time);
        self.ended = self.ended.max(Some(event.time));
        let identity = self.processes.get(&event.process).map(|life| &life.identity);
        self.risks.note(event, identity.and_then(|identity| identity.group.as_deref()));
        if let Some(identity) = identity {
            self.membership.note(event, identity);
        }
        match &event.op {
            Op::Open(identity) => {
                self.processes.entry(event.process).or_default().identity = identity.clone();
            }
            Op::Close => self.processes.entry(event.process).or_default().closed = true,
            Op::Crash { how } => {
                self.processes.entry(event.process).or_default().crashed = Some((event.time, how.clone()));
            }
            Op::Phase { name } => {
                if self.phases.last().is_none_or(|(_, last)| last != name) {
                    self.phases.push((event.time, name.clone()));
                }
            }
            Op::Fault { id, what, targets } => self.strike(event.time, *id, what, targets),
            Op::Heal { id, effect, counters, bit } => {
                let entry = self.fault(*id);
                entry.healed = Some(event.time);
                entry.effect.clone_from(effect);
                entry.counters.clone_from(counters);
                entry.bit = *bit;
            }
            Op::Observe(observation) => self.observe(event.time, observation, logs),
            Op::Assigned(_) => {
                self.assignments += 1;
                let group = self.processes.get(&event.process).and_then(|life| life.identity.group.clone());
                self.groups.extend(group);
            }
            Op::Send { .. }
            | Op::InitTxn { .. }
            | Op::BeginTxn { .. }
            | Op::CommitTxn
            | Op::AbortTxn
            | Op::Revoked(_)
            | Op::Lost(_)
            | Op::Poll { .. }
            | Op::Seek { .. }
            | Op::EffectBegin { .. }
            | Op::Effect { .. }
            | Op::Derive { .. }
            | Op::CommitOffsets { .. }
            | Op::FetchCommitted { .. }
            | Op::EndOffsets { .. }
            | Op::FinalRead { .. }
            | Op::FinalReadEnd { .. }
            | Op::SinkRead { .. }
            | Op::SinkReadEnd { .. }
            | Op::Batch(_)
            | Op::Foreign { .. } => {}
        }
    }

    /// Seconds since the first event, to the millisecond.
    pub fn seconds(&self, time: Nanos) -> String {
        let since = time.0.saturating_sub(self.began.map_or(0, |began| began.0));
        format!("{}.{:03} s", since / 1_000_000_000, since / 1_000_000 % 1_000)
    }

    /// A process by its name and number: `shop[0] (process 3)`.
    pub fn process(&self, process: Process) -> String {
        match self.processes.get(&process) {
            Some(life) if !life.identity.name.is_empty() => {
                format!("{} (process {process})", life.identity.name)
            }
            Some(_) | None => format!("process {process}"),
        }
    }

    /// The client of the spec that a process is an incarnation of: `shop` for `shop[0]`.
    pub fn client(&self, process: Process) -> Option<&str> {
        let name = self.processes.get(&process)?.identity.name.as_str();
        Some(name.split_once('[').map_or(name, |(client, _)| client)).filter(|client| !client.is_empty())
    }

    /// The client library of a process.
    pub fn family(&self, process: Process) -> Option<&str> {
        self.processes.get(&process).map(|life| life.identity.family.as_str())
    }

    /// Leadership changes that gave a log a leader.
    pub fn leader_changes(&self) -> u64 {
        self.changes.iter().filter(|(_, change)| change.is_new_leader()).map(|_| 1).sum()
    }

    /// Processes that were found dead.
    pub fn crashes(&self) -> u64 {
        self.processes.values().filter(|life| life.crashed.is_some()).map(|_| 1).sum()
    }

    /// When the phase of that name first began.
    pub fn phase(&self, name: &str) -> Option<Nanos> {
        self.phases.iter().find(|(_, phase)| phase == name).map(|(time, _)| *time)
    }

    fn fault(&mut self, id: FaultId) -> &mut FaultEntry {
        self.faults.entry(id).or_insert_with(|| FaultEntry::planned(id, String::new()))
    }

    fn strike(&mut self, time: Nanos, id: FaultId, what: &str, targets: &[String]) {
        let entry = self.fault(id);
        // A fault that strikes several times (all brokers in turn) is open from its first strike on.
        entry.struck.get_or_insert(time);
        what.clone_into(&mut entry.what);
        for target in targets {
            if !entry.targets.contains(target) {
                entry.targets.push(target.clone());
            }
        }
    }

    /// One broker's answer. A change is told once, when the first broker reports it: epochs only grow, and an in-sync
    /// set counts when one broker's own answer changes to a set that nobody has reported in this epoch.
    fn observe(&mut self, time: Nanos, observation: &Observation, logs: &[TopicPartition]) {
        let log = observation.log;
        let reported = self.views.reported.insert((log, observation.asked), observation.isr.clone());
        let newest = Newest {
            epoch: observation.epoch,
            leader: observation.leader,
            isr: observation.isr.clone(),
            told: BTreeSet::from([observation.isr.clone()]),
        };
        let Some(known) = self.views.newest.get_mut(&log) else {
            self.views.newest.insert(log, newest);
            return;
        };
        let new_epoch = observation.epoch > known.epoch;
        let new_isr = observation.epoch == known.epoch
            && reported.is_some_and(|before| before != observation.isr)
            && !known.told.contains(&observation.isr);
        if !new_epoch && !new_isr {
            return;
        }
        let nodes = |isr: &[NodeId]| isr.iter().map(|node| node.0).collect::<Vec<_>>();
        let change = ClusterChange {
            log: log_name(logs, log),
            seen: time,
            leader_before: known.leader.map(|node| node.0),
            leader: if new_epoch { observation.leader } else { known.leader }.map(|node| node.0),
            epoch: observation.epoch,
            isr_before: nodes(&known.isr),
            isr: nodes(&observation.isr),
        };
        if new_epoch {
            *known = newest;
        } else {
            known.isr.clone_from(&observation.isr);
            known.told.insert(observation.isr.clone());
        }
        // The same leader in a new epoch with the same replicas in sync is no change to anybody.
        if change.leader != change.leader_before || change.isr != change.isr_before {
            self.changes.push((log, change));
        }
    }
}

/// A log by its name; one that the history's table does not have by its number.
pub fn log_name(logs: &[TopicPartition], log: LogId) -> String {
    logs.get(usize::from(log.0)).map_or_else(|| format!("log {log}"), TopicPartition::to_string)
}

#[cfg(test)]
mod tests {
    use history::op::{Outcome, Phase};

    use super::*;

    fn observe(time: u64, asked: i32, leader: Option<i32>, epoch: i32, isr: &[i32]) -> Event {
        let isr = isr.iter().map(|node| NodeId(*node)).collect();
        let observation = Observation {
            asked: NodeId(asked),
            leader: leader.map(NodeId),
            epoch,
            isr,
            ..Default::default()
        };
        Event {
            time: Nanos(time),
            process: Process(0),
            phase: Phase::Complete(Outcome::Ok { offset: None }),
            op: Op::Observe(observation),
        }
    }

    #[test]
    fn a_leader_change_is_told_once_however_many_brokers_report_it() {
        let logs = [TopicPartition::new("t", 0)];
        let events = [
            observe(1, 1, Some(1), 0, &[1, 2, 3]),
            observe(2, 2, Some(1), 0, &[1, 2, 3]),
            observe(3, 2, None, 1, &[2]),
            observe(4, 2, Some(2), 2, &[2]),
            observe(5, 3, Some(2), 2, &[2]),
            observe(6, 1, Some(1), 0, &[1, 2, 3]),
            observe(7, 2, Some(2), 2, &[2, 3]),
            observe(8, 3, Some(2), 2, &[2, 3]),
            observe(9, 1, Some(2), 2, &[2, 3]),
        ];
        let mut timeline = Timeline::default();
        events.iter().for_each(|event| timeline.add(event, &logs));
        let told: Vec<_> =
            timeline.changes.iter().map(|(_, c)| (c.seen.0, c.leader, c.epoch, c.isr.len())).collect();
        assert_eq!(told, [(3, None, 1, 1), (4, Some(2), 2, 1), (7, Some(2), 2, 2)]);
        assert_eq!(timeline.leader_changes(), 1);
    }
}
