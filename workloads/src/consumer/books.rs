//! What a group member keeps: journal, counts, the logs it holds, and which positions are committed.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Offset, Process, TopicPartition};
use history::journal::{JournalError, Writer};
use history::op::{Assignment, Cause, CommitMode, Event, Op, Outcome as Ended, Phase, Position};
use rdkafka::TopicPartitionList;
use rdkafka::error::RDKafkaErrorCode as Code;

use crate::clock;
use crate::outcome::{self, Outcome};
use crate::protocol::Progress;

/// One group member's books.
pub(super) struct Books {
    pub(super) journal: Writer,
    pub(super) progress: Progress,
    /// Whether any assignment has arrived, be it empty.
    pub(super) joined: bool,
    process: Process,
    names: Vec<TopicPartition>,
    held: BTreeSet<LogId>,
    /// Logs that were taken away since the last poll was begun.
    taken: BTreeSet<LogId>,
    /// Positions that are to be committed, and those that are known to be.
    wanted: BTreeMap<LogId, Offset>,
    committed: BTreeMap<LogId, Offset>,
    /// Asynchronous commits whose answer has not come.
    pending: Vec<Vec<Position>>,
    failed: Option<JournalError>,
}

/// How logs were taken from a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// In good order.
    Revoked,
    /// The member had lost them before it learned of it.
    Lost,
}

impl Books {
    pub(super) fn new(journal: Writer, process: Process) -> Self {
        Self {
            journal,
            progress: Progress::default(),
            joined: false,
            process,
            names: Vec::new(),
            held: BTreeSet::new(),
            taken: BTreeSet::new(),
            wanted: BTreeMap::new(),
            committed: BTreeMap::new(),
            pending: Vec::new(),
            failed: None,
        }
    }

    /// The journal's number of a log.
    pub(super) fn log(&mut self, topic: &str, partition: i32) -> Result<LogId, JournalError> {
        let known = |name: &TopicPartition| name.partition == partition && name.topic == topic;
        if let Some(index) = self.names.iter().position(known) {
            return Ok(LogId(u16::try_from(index).expect("the journal allows 65,536 logs")));
        }
        let name = TopicPartition::new(topic, partition);
        let id = self.journal.log(&name)?;
        self.names.push(name);
        Ok(id)
    }

    pub(super) fn name(&self, log: LogId) -> &TopicPartition {
        &self.names[usize::from(log.0)]
    }

    /// Something happened at this moment.
    pub(super) fn moment(&mut self, op: Op) -> Result<(), JournalError> {
        self.journal.event(&Event::moment(clock::now(), self.process, op))
    }

    /// Something is about to be asked.
    pub(super) fn invoke(&mut self, op: Op) -> Result<(), JournalError> {
        let event = Event { time: clock::now(), process: self.process, phase: Phase::Invoke, op };
        self.journal.event(&event)
    }

    /// Something was answered.
    pub(super) fn complete(&mut self, op: Op, ended: Ended) -> Result<(), JournalError> {
        let event = Event { time: clock::now(), process: self.process, phase: Phase::Complete(ended), op };
        self.journal.event(&event)
    }

    /// Logs were assigned.
    pub(super) fn assigned(&mut self, list: &TopicPartitionList, generation: Option<i64>) {
        let logs = self.logs(list);
        self.held.extend(&logs);
        self.joined = true;
        self.rebalanced(Op::Assigned(Assignment { logs, generation }));
    }

    /// Logs were taken away: what was wanted of them is somebody else's now. Which they are.
    pub(super) fn taken(
        &mut self,
        list: &TopicPartitionList,
        how: Taken,
        generation: Option<i64>,
    ) -> Vec<LogId> {
        let logs = self.logs(list);
        for log in &logs {
            self.held.remove(log);
            self.wanted.remove(log);
            self.committed.remove(log);
        }
        self.taken.extend(&logs);
        let assignment = Assignment { logs: logs.clone(), generation };
        self.rebalanced(match how {
            Taken::Revoked => Op::Revoked(assignment),
            Taken::Lost => Op::Lost(assignment),
        });
        logs
    }

    fn rebalanced(&mut self, op: Op) {
        self.progress.rebalances += 1;
        self.progress.assigned = self.held.len() as u64;
        let written = self.moment(op);
        self.note(written);
    }

    /// Logs that were taken away since the last call.
    pub(super) fn take_taken(&mut self) -> BTreeSet<LogId> {
        std::mem::take(&mut self.taken)
    }

    /// Positions are about to be committed by the application.
    pub(super) fn committing(
        &mut self,
        positions: &[Position],
        mode: CommitMode,
    ) -> Result<(), JournalError> {
        self.wanted.extend(positions.iter().map(|position| (position.log, position.next)));
        match mode {
            CommitMode::Async => self.pending.push(positions.to_vec()),
            CommitMode::Sync | CommitMode::Auto | CommitMode::Txn => {}
        }
        self.invoke(Op::CommitOffsets { mode, positions: positions.to_vec() })
    }

    /// A commit was answered. Whether it succeeded.
    pub(super) fn committed(
        &mut self,
        positions: &[Position],
        mode: CommitMode,
        result: Result<(), Code>,
    ) -> Result<bool, JournalError> {
        match result {
            Ok(()) => {
                self.progress.commits += 1;
                self.committed.extend(positions.iter().map(|position| (position.log, position.next)));
            }
            Err(_) => self.progress.commits_failed += 1,
        }
        self.complete(Op::CommitOffsets { mode, positions: positions.to_vec() }, ended(result))?;
        Ok(result.is_ok())
    }

    /// An asynchronous commit of just these positions was waiting for its answer, and waits no more.
    pub(super) fn was_pending(&mut self, positions: &[Position]) -> bool {
        let found = self.pending.iter().position(|pending| pending == positions);
        found.map(|index| self.pending.remove(index)).is_some()
    }

    pub(super) fn awaits_answers(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Whether a position behind a record is known to be committed, or the log is not this member's any more.
    pub(super) fn has_committed_past(&self, log: LogId, offset: Offset) -> bool {
        !self.held.contains(&log) || self.committed.get(&log).is_some_and(|next| *next > offset)
    }

    /// Whether a position behind a record is to be committed, or the log is not this member's any more.
    pub(super) fn wants_past(&self, log: LogId, offset: Offset) -> bool {
        !self.held.contains(&log) || self.wanted.get(&log).is_some_and(|next| *next > offset)
    }

    /// Positions that are wanted and not known to be committed.
    pub(super) fn uncommitted(&self) -> Vec<Position> {
        let open = self.wanted.iter().filter(|(log, next)| self.committed.get(log) != Some(next));
        open.map(|(log, next)| Position { log: *log, next: *next }).collect()
    }

    /// Remembers the journal's first error in a callback, which cannot return it.
    pub(super) fn note(&mut self, written: Result<(), JournalError>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }

    /// The journal's first error since the last call.
    pub(super) fn settle(&mut self) -> Result<(), JournalError> {
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Numbers of the listed logs.
    fn logs(&mut self, list: &TopicPartitionList) -> Vec<LogId> {
        let mut logs = Vec::new();
        for element in list.elements() {
            match self.log(element.topic(), element.partition()) {
                Ok(log) => logs.push(log),
                Err(error) => self.note(Err(error)),
            }
        }
        logs
    }

    /// The positions in a list of the client library that hold an offset.
    pub(super) fn positions(&mut self, list: &TopicPartitionList) -> Vec<Position> {
        let mut positions = Vec::new();
        for element in list.elements() {
            let Some(next) = element.offset().to_raw().filter(|offset| *offset >= 0) else { continue };
            match self.log(element.topic(), element.partition()) {
                Ok(log) => positions.push(Position { log, next: Offset(next) }),
                Err(error) => self.note(Err(error)),
            }
        }
        positions.sort_by_key(|position| position.log);
        positions
    }
}

fn ended(result: Result<(), Code>) -> Ended {
    let Err(code) = result else { return Ended::Ok { offset: None } };
    let cause = Cause { code: code as i32, message: format!("{code:?}") };
    match outcome::of_offset_commit(code) {
        Outcome::Fail => Ended::Fail { cause },
        Outcome::Info => Ended::Info { cause, offset: None },
    }
}
