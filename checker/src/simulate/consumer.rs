//! Consumer groups: who owns which log, polls, hand-overs, commits, and what happens when a member goes.
//!
//! Groups read committed records, poll when enough has piled up, and commit after processing. A member that is killed
//! has committed what it handed over, but not what it had just polled: its successor polls that again, which is no
//! redelivery, because nothing of it had been handed over.

use std::io;

use history::ids::{LogId, Nanos, Offset, Process};
use history::op::{Assignment, CommitMode, Event, Identity, Isolation, Op, Outcome, Position, Span};

use super::feature::Feature;
use super::pipeline::Pipeline;
use super::recorder::Polled;
use super::tail::Piece;

/// One consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Whether its members write the effects of what they are handed into a sink.
    sink: bool,
    isolation: Isolation,
    members: Vec<Member>,
    /// By log.
    pub(super) readings: Vec<Reading>,
    generation: i64,
    polls: u32,
}

/// One member in its present incarnation.
#[derive(Clone, Copy, Debug)]
struct Member {
    process: Process,
    /// Time of its last return.
    last: u64,
}

/// How far a group has read one log.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Reading {
    /// Index of the member that owns the log.
    owner: usize,
    /// Rank of the next record.
    next: u64,
    /// Offset after the last record that was polled.
    position: i64,
    /// What is committed, as rank and offset.
    committed: (u64, i64),
    /// Poll when this many records have piled up.
    patience: u64,
}

/// What becomes of the records of a poll.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Handed {
    /// All are handed over and take effect, where there is a sink.
    All,
    /// All are handed over, and the sink does not hear of them.
    WithoutEffect,
    /// None.
    Nothing,
}

/// Most records of a poll (Kafka's `max.poll.records`).
const POLL: u64 = 500;
/// From the return of a poll to its effect; the member is free again after 100.
const EFFECT_AFTER: u64 = 60;
/// Polls between commits.
const POLLS_PER_COMMIT: u32 = 64;

/// The offsets of pieces, neighbours joined.
pub(super) fn spans<'t>(log: LogId, pieces: impl Iterator<Item = Piece<'t>>) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for piece in pieces {
        let last = Offset(piece.offset.saturating_add_unsigned(piece.seqs.len() as u64 - 1));
        match spans.last_mut() {
            Some(span) if span.last.0 + 1 == piece.offset => span.last = last,
            _ => spans.push(Span { log, first: Offset(piece.offset), last }),
        }
    }
    spans
}

impl Pipeline<'_> {
    pub(super) fn start_groups(&mut self) -> io::Result<()> {
        const NAMES: [&str; 4] = ["billing", "shipping", "audit", "search"];
        let groups = usize::from(self.options.groups);
        for index in 0..groups + usize::from(self.options.has(Feature::Effects)) {
            let sink = index == groups;
            let name = NAMES.get(index).map_or_else(|| format!("group-{index}"), ToString::to_string);
            let name = if sink { "warehouse".to_owned() } else { name };
            let count = usize::from(self.options.members);
            let readings =
                (0..self.logs.len()).map(|log| Reading { owner: log % count, ..Reading::default() });
            // The second group reads whatever is there.
            let isolation =
                if index == 1 && !sink { Isolation::ReadUncommitted } else { Isolation::ReadCommitted };
            let (members, readings) = (Vec::new(), readings.collect());
            let group = Group { name, sink, isolation, members, readings, generation: 1, polls: 0 };
            self.groups.push(group);
            for member in 0..count {
                let process = self.open_member(index, member)?;
                self.groups[index].members.push(Member { process, last: self.now });
            }
            for member in 0..count {
                self.assigned(index, member)?;
            }
        }
        Ok(())
    }

    fn open_member(&mut self, group: usize, member: usize) -> io::Result<Process> {
        let group = &self.groups[group];
        let identity = Identity {
            name: format!("{}[{member}]", group.name),
            role: "consumer".to_owned(),
            family: "simulated".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            group: Some(group.name.clone()),
            isolation: Some(group.isolation),
        };
        self.recorder.open(identity, self.now)
    }

    fn logs_of(&self, group: usize, member: usize) -> Vec<LogId> {
        let readings = self.groups[group].readings.iter().zip(&self.logs);
        readings.filter(|(reading, _)| reading.owner == member).map(|(_, log)| log.id).collect()
    }

    /// A member is given its logs.
    fn assigned(&mut self, group: usize, member: usize) -> io::Result<()> {
        let logs = self.logs_of(group, member);
        let op = Op::Assigned(Assignment { logs, generation: Some(self.groups[group].generation) });
        self.recorder.moment(self.groups[group].members[member].process, self.now, op)
    }

    /// Each group polls a log in which enough has piled up.
    pub(super) fn consume(&mut self, log: LogId) -> io::Result<()> {
        for group in 0..self.groups.len() {
            let stable = self.logs[usize::from(log.0)].readable(self.groups[group].isolation);
            let reading = self.groups[group].readings[usize::from(log.0)];
            if stable.saturating_sub(reading.next) > reading.patience {
                self.poll_all(group, log)?;
                self.groups[group].readings[usize::from(log.0)].patience = self.random.below(400);
                self.groups[group].polls += 1;
                if self.groups[group].polls.is_multiple_of(POLLS_PER_COMMIT) {
                    self.commit(group)?;
                }
            }
        }
        Ok(())
    }

    /// A group polls a log until nothing is left, and hands everything over.
    pub(crate) fn poll_all(&mut self, group: usize, log: LogId) -> io::Result<()> {
        while self.poll(group, log, POLL, Handed::All)? > 0 {}
        Ok(())
    }

    /// A group polls a log once; returns how many records there were.
    pub(crate) fn poll(&mut self, group: usize, log: LogId, most: u64, handed: Handed) -> io::Result<u64> {
        let from = &self.logs[usize::from(log.0)];
        let group = &mut self.groups[group];
        let all = group.isolation == Isolation::ReadUncommitted;
        let (tail, stable) = (&from.tail, from.readable(group.isolation));
        let reading = &mut group.readings[usize::from(log.0)];
        let until = stable.min(reading.next + most);
        let next = reading.next;
        let pieces = || tail.pieces(next, until).filter(|piece| piece.visible || all);
        let count: usize = pieces().map(|piece| piece.seqs.len()).sum();
        let last = pieces().last().map(|piece| piece.offset.saturating_add_unsigned(piece.seqs.len() as u64));
        let taken = until.saturating_sub(reading.next);
        if let Some(last) = last {
            let member = &mut group.members[reading.owner];
            let invoked = self.now.max(member.last);
            let returned = invoked + 50 + taken;
            // The next poll comes after this one's records are handed over.
            member.last = returned + 100;
            let count = u32::try_from(count).unwrap_or(u32::MAX);
            let takes_effect = group.sink && handed == Handed::All;
            let handed = match handed {
                Handed::All | Handed::WithoutEffect => count,
                Handed::Nothing => 0,
            };
            let process = member.process;
            self.recorder.polled(Polled { process, log, invoked, returned, handed }, pieces())?;
            if takes_effect {
                let op = Op::Effect { spans: spans(log, pieces()) };
                self.recorder.moment(process, returned + EFFECT_AFTER, op)?;
            }
            reading.position = last;
        }
        reading.next = until.max(reading.next);
        Ok(taken)
    }

    /// The sink acknowledges the effect of one offset to a process.
    pub(crate) fn effect(
        &mut self,
        group: usize,
        process: Process,
        (log, offset): (LogId, i64),
    ) -> io::Result<()> {
        self.until_quiet(group);
        let span = Span { log, first: Offset(offset), last: Offset(offset) };
        self.recorder.moment(process, self.now, Op::Effect { spans: vec![span] })?;
        self.now += 10;
        Ok(())
    }

    /// A process reads a committed position back and is told `next`.
    pub(crate) fn fetch_committed(
        &mut self,
        group: usize,
        process: Process,
        (log, next): (LogId, i64),
    ) -> io::Result<()> {
        self.until_quiet(group);
        let answer = Op::FetchCommitted { positions: vec![Position { log, next: Offset(next) }] };
        let ask = Op::FetchCommitted { positions: Vec::new() };
        let at = (self.now, self.now + 20);
        self.now += 21;
        self.recorder.asked(process, at, (ask, answer), Outcome::Ok { offset: None })
    }

    /// A group is returned what it should not be yet, or ever: everything there is.
    pub(crate) fn poll_whatever(&mut self, group: usize, log: LogId) -> io::Result<u64> {
        let isolation = std::mem::replace(&mut self.groups[group].isolation, Isolation::ReadUncommitted);
        let polled = self.poll(group, log, POLL, Handed::All);
        self.groups[group].isolation = isolation;
        polled
    }

    /// A group is returned what is visible behind an undecided transaction.
    pub(crate) fn poll_past(&mut self, group: usize, log: LogId) -> io::Result<u64> {
        let undecided = self.logs[usize::from(log.0)].undecided.take();
        let polled = self.poll(group, log, POLL, Handed::All);
        self.logs[usize::from(log.0)].undecided = undecided;
        polled
    }

    /// The members of a group commit how far they are.
    pub(crate) fn commit(&mut self, group: usize) -> io::Result<()> {
        for member in 0..self.groups[group].members.len() {
            let logs = self.logs_of(group, member);
            let group = &mut self.groups[group];
            let positions: Vec<Position> = logs
                .iter()
                .map(|&log| Position { log, next: Offset(group.readings[usize::from(log.0)].position) })
                .filter(|position| position.next > Offset(0))
                .collect();
            if positions.is_empty() {
                continue;
            }
            let begin = self.now.max(group.members[member].last);
            let at = (begin, begin + 400);
            group.members[member].last = at.1 + 1;
            let op = || Op::CommitOffsets { mode: CommitMode::Sync, positions: positions.clone() };
            let process = group.members[member].process;
            self.recorder.asked(process, at, (op(), op()), Outcome::Ok { offset: None })?;
        }
        for log in 0..self.logs.len() {
            let reading = &mut self.groups[group].readings[log];
            reading.committed = (reading.next, reading.position);
            let taken =
                self.intake.filter(|intake| intake.log == self.logs[log].id).map(|intake| intake.rank);
            let committed = self.groups.iter().map(|group| group.readings[log].committed.0);
            let forget = committed.chain(taken).min();
            self.logs[log].tail.forget(forget.unwrap_or(0));
        }
        Ok(())
    }

    /// A group goes back to what it has committed.
    fn go_back(&mut self, group: usize, member: usize) {
        for reading in self.groups[group].readings.iter_mut().filter(|reading| reading.owner == member) {
            (reading.next, reading.position) = reading.committed;
        }
    }

    /// A member is killed after everything it handed over was committed; a successor takes its place.
    pub(super) fn member_dies(&mut self) -> io::Result<()> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let group = self.random.index(self.groups.len());
        let member = self.random.index(self.groups[group].members.len());
        self.commit(group)?;
        for log in self.logs_of(group, member) {
            self.poll(group, log, POLL, Handed::Nothing)?;
        }
        self.replace(group, member)
    }

    /// A member is killed, and a new process takes its logs over from what is committed.
    pub(crate) fn replace(&mut self, group: usize, member: usize) -> io::Result<()> {
        self.until_quiet(group);
        let dead = self.groups[group].members[member].process;
        self.found_dead(dead)?;
        self.go_back(group, member);
        let process = self.open_member(group, member)?;
        self.groups[group].members[member] = Member { process, last: self.now };
        self.groups[group].generation += 1;
        self.assigned(group, member)
    }

    /// A rebalance moves every log of a group to the next member.
    pub(super) fn rebalance(&mut self) -> io::Result<()> {
        if self.groups.is_empty() {
            return Ok(());
        }
        let group = self.random.index(self.groups.len());
        self.commit(group)?;
        self.reassign(group)
    }

    /// Moves every log of a group to the next member; the positions are what was committed.
    pub(crate) fn reassign(&mut self, group: usize) -> io::Result<()> {
        self.until_quiet(group);
        let members = self.groups[group].members.len();
        for member in 0..members {
            let logs = self.logs_of(group, member);
            let generation = Some(self.groups[group].generation);
            let op = Op::Revoked(Assignment { logs, generation });
            self.recorder.moment(self.groups[group].members[member].process, self.now, op)?;
            self.go_back(group, member);
        }
        self.now += 1_000;
        self.groups[group].generation += 1;
        for reading in &mut self.groups[group].readings {
            reading.owner = (reading.owner + 1) % members;
        }
        (0..members).try_for_each(|member| self.assigned(group, member))
    }

    /// Waits until a group's members have nothing on their hands.
    pub(crate) fn until_quiet(&mut self, group: usize) {
        let last = self.groups[group].members.iter().map(|member| member.last).max();
        self.now = self.now.max(last.unwrap_or(0)) + 1;
    }

    /// The owner of a log sets its position to the record of a rank, at an offset.
    pub(crate) fn seek(&mut self, group: usize, log: LogId, (rank, offset): (u64, i64)) -> io::Result<()> {
        self.until_quiet(group);
        let process = self.owner(group, log);
        let reading = &mut self.groups[group].readings[usize::from(log.0)];
        (reading.next, reading.position) = (rank, offset);
        self.recorder.moment(process, self.now, Op::Seek { log, offset: Offset(offset) })
    }

    /// The process that owns a log.
    pub(crate) fn owner(&self, group: usize, log: LogId) -> Process {
        let group = &self.groups[group];
        group.members[group.readings[usize::from(log.0)].owner].process
    }

    /// The member that owns a log.
    pub(crate) fn owning_member(&self, group: usize, log: LogId) -> usize {
        self.groups[group].readings[usize::from(log.0)].owner
    }

    /// Rank of the record that a group reads next.
    pub(crate) fn next_rank(&self, group: usize, log: LogId) -> u64 {
        self.groups[group].readings[usize::from(log.0)].next
    }

    /// The broker forgets that a group committed a log further than to a record.
    pub(crate) fn forget_commit(&mut self, group: usize, log: LogId, place: (u64, i64)) {
        self.groups[group].readings[usize::from(log.0)].committed = place;
    }

    /// A group's position goes back to a record without anybody asking.
    pub(crate) fn go_back_silently(&mut self, group: usize, log: LogId, (rank, offset): (u64, i64)) {
        let reading = &mut self.groups[group].readings[usize::from(log.0)];
        (reading.next, reading.position) = (rank, offset);
    }

    /// A group's position passes records that it is not returned.
    pub(crate) fn skip(&mut self, group: usize, log: LogId, count: u64) {
        self.groups[group].readings[usize::from(log.0)].next += count;
    }

    /// A consumer that belongs to no group looks at one record of a log, told it is `value`.
    pub(crate) fn look(&mut self, log: LogId, (process, seq): (Process, u32), offset: i64) -> io::Result<()> {
        self.now += 10;
        let polled =
            Polled { process: self.observer, log, invoked: self.now, returned: self.now + 5, handed: 0 };
        self.now += 10;
        let piece = Piece { offset, process: process.0, seqs: &[seq], visible: true };
        self.recorder.polled(polled, std::iter::once(piece))
    }

    /// The same consumer goes to an offset.
    pub(crate) fn look_from(&mut self, log: LogId, offset: i64) -> io::Result<()> {
        self.now += 1;
        self.recorder.moment(self.observer, self.now, Op::Seek { log, offset: Offset(offset) })
    }

    /// Everybody reads and commits to the end, and goes home.
    pub(super) fn close_groups(&mut self) -> io::Result<()> {
        for group in 0..self.groups.len() {
            for log in 0..self.logs.len() {
                let id = self.logs[log].id;
                self.poll_all(group, id)?;
            }
            self.commit(group)?;
            self.until_quiet(group);
            for member in 0..self.groups[group].members.len() {
                let process = self.groups[group].members[member].process;
                let close = Event::moment(Nanos(self.now * 1000), process, Op::Close);
                self.recorder.row(process, close)?;
            }
        }
        Ok(())
    }
}
