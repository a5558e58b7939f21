//! Small random histories: members of groups that do most things right and anything wrong, and a sink behind each.

#[path = "../random/splitmix.rs"]
mod splitmix;

use std::fmt;

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::op::{
    Assignment, Cause, CommitMode, Event, Identity, Isolation, Op, Outcome, Phase, Position, Run, Span,
};

use splitmix::Random;

/// A history as a list of events.
pub(crate) struct Story {
    pub(crate) logs: Vec<TopicPartition>,
    pub(crate) events: Vec<Event>,
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for event in &self.events {
            writeln!(f, "{}", history::text::event(event, &self.logs))?;
        }
        Ok(())
    }
}

type Record = (i64, Value);

struct Making {
    random: Random,
    /// How often something goes wrong, in percent.
    damage: u64,
    events: Vec<Event>,
    clock: u64,
}

/// One member of a group.
#[derive(Clone)]
struct Member {
    process: u32,
    hands_over: bool,
    /// Where it reads next, by log.
    at: Vec<usize>,
    /// What it polled and made no effect of, by log.
    held: Vec<Vec<Record>>,
    alive: bool,
}

pub(crate) fn story(seed: u64) -> Story {
    let mut random = Random(seed);
    let damage = [0, 3, 15, 40][random.below(4)];
    let mut making = Making { random, damage, events: Vec::new(), clock: 1 };
    let logs = 1 + making.random.below(2);
    let contents: Vec<Vec<Record>> = (0..logs).map(|log| making.content(log)).collect();
    for group in 0..1 + making.random.below(2) {
        making.group(group, &contents);
    }
    for (log, content) in contents.iter().enumerate() {
        making.final_read(log, content);
    }
    let logs = (0..logs).map(|log| TopicPartition::new("t", i32::try_from(log).unwrap())).collect();
    // Groups act at the same time.
    making.events.sort_by_key(|event| event.time);
    Story { logs, events: making.events }
}

fn log_id(log: usize) -> LogId {
    LogId(u16::try_from(log).unwrap())
}

fn ok() -> Phase {
    Phase::Complete(Outcome::Ok { offset: None })
}

impl Making {
    fn wrong(&mut self) -> bool {
        let damage = self.damage;
        self.random.percent(damage)
    }

    fn tick(&mut self) -> Nanos {
        self.clock += 1 + self.random.below(4) as u64;
        Nanos(self.clock * 1000)
    }

    fn push(&mut self, process: u32, phase: Phase, op: Op) {
        let time = self.tick();
        self.events.push(Event { time, process: Process(process), phase, op });
    }

    fn moment(&mut self, process: u32, op: Op) {
        self.push(process, ok(), op);
    }

    /// What a log holds: sent by one process each, at offsets with gaps.
    fn content(&mut self, log: usize) -> Vec<Record> {
        let mut offset = [0, 0, 5, 1 << 40][self.random.below(4)];
        let process = Process(1 + log as u32);
        let mut content = Vec::new();
        for seq in 0..self.random.below(9) as u32 {
            let value = Value { process, seq: Seq(seq) };
            content.push((offset, value));
            offset += 1 + i64::from(self.random.percent(25));
            let send = Op::Send { log: log_id(log), value };
            self.push(process.0, Phase::Invoke, send.clone());
            self.push(process.0, Phase::Complete(Outcome::Ok { offset: None }), send);
        }
        content
    }

    fn final_read(&mut self, log: usize, content: &[Record]) {
        let mut records = content.to_vec();
        let end = records.last().map_or(0, |record| record.0 + 1);
        let start =
            if self.random.percent(15) { records.first().map_or(0, |record| record.0) + 1 } else { 0 };
        records.retain(|record| record.0 >= start);
        let complete = self.random.percent(85) || end == 0;
        if !complete {
            records.truncate(self.random.below(records.len() + 1));
        }
        let reached = if complete { end } else { end - 1 };
        records.retain(|record| record.0 < reached);
        let isolation = Isolation::ReadUncommitted;
        self.moment(100, Op::FinalRead { isolation, runs: runs(log, &records) });
        let (log, start, end) = (log_id(log), Offset(start), Offset(end));
        self.moment(100, Op::FinalReadEnd { isolation, log, start, end, reached: Offset(reached) });
    }

    fn group(&mut self, group: usize, contents: &[Vec<Record>]) {
        self.clock = 200 + self.random.below(20) as u64;
        let name = Some(format!("g{group}"));
        let identity = Identity { group: name, role: "consumer".to_owned(), ..Identity::default() };
        let mut members = Vec::new();
        let hands_over = self.random.percent(60);
        for nth in 0..1 + self.random.below(3) {
            let process = 20 + 10 * group as u32 + nth as u32;
            self.moment(process, Op::Open(identity.clone()));
            let (at, held) = (vec![0; contents.len()], vec![Vec::new(); contents.len()]);
            members.push(Member { process, hands_over, at, held, alive: true });
        }
        for step in 0..self.random.below(40) {
            let nth = self.random.below(members.len());
            let log = self.random.below(contents.len());
            let mut member = members[nth].clone();
            if member.alive {
                self.act(&mut member, (log, &contents[log]), step);
            }
            members[nth] = member;
        }
        for member in members.iter().filter(|member| member.alive) {
            if self.random.percent(70) {
                self.moment(member.process, Op::Close);
            }
        }
        if self.random.percent(40) {
            self.sink(29 + 10 * group as u32, identity, contents);
        }
    }

    fn act(&mut self, member: &mut Member, (log, content): (usize, &[Record]), step: usize) {
        let process = member.process;
        match self.random.below(14) {
            0 | 1 => {
                let generation = self.random.percent(60).then_some((step / 4) as i64);
                let assignment = Assignment { logs: vec![log_id(log)], generation };
                self.moment(process, Op::Assigned(assignment));
                member.at[log] = self.random.below(content.len() + 1);
                member.held[log].clear();
            }
            2 => self.commit(member, log, content),
            3 => self.fetch(process, log, content),
            4 if self.random.percent(30) => {
                self.moment(process, Op::Crash { how: "killed".to_owned() });
                member.alive = false;
            }
            4..=8 => self.poll(member, log, content),
            _ => self.effect(member, log),
        }
    }

    fn position(&mut self, at: usize, content: &[Record]) -> Offset {
        let end = content.last().map_or(0, |record| record.0 + 1);
        Offset(content.get(at).map_or(end, |record| record.0))
    }

    fn commit(&mut self, member: &Member, log: usize, content: &[Record]) {
        let at = if self.wrong() { self.random.below(content.len() + 1) } else { member.at[log] };
        let next = self.position(at, content);
        let op = Op::CommitOffsets {
            mode: CommitMode::Sync,
            positions: vec![Position { log: log_id(log), next }],
        };
        self.push(member.process, Phase::Invoke, op.clone());
        let cause = Cause::default();
        let outcome = match self.random.below(10) {
            0 => Outcome::Fail { cause },
            1 | 2 => Outcome::Info { cause, offset: None },
            _ => Outcome::Ok { offset: None },
        };
        self.push(member.process, Phase::Complete(outcome), op);
    }

    fn fetch(&mut self, process: u32, log: usize, content: &[Record]) {
        let at = self.random.below(content.len() + 1);
        let positions = vec![Position { log: log_id(log), next: self.position(at, content) }];
        self.push(process, Phase::Invoke, Op::FetchCommitted { positions: Vec::new() });
        self.push(process, ok(), Op::FetchCommitted { positions });
    }

    fn poll(&mut self, member: &mut Member, log: usize, content: &[Record]) {
        let count = self.random.below(4);
        let at = member.at[log];
        let mut records: Vec<Record> = content.iter().skip(at).take(count).copied().collect();
        member.at[log] = at + records.len();
        if !records.is_empty() && self.wrong() {
            let wrong = self.random.below(records.len());
            match self.random.below(3) {
                0 => records[wrong].1.seq = Seq(90),
                1 => {
                    records.remove(wrong);
                }
                _ => {
                    // What a truncated log no longer holds.
                    let offset = records[records.len() - 1].0 + 1;
                    let value = Value { process: Process(1), seq: Seq(80 + self.random.below(4) as u32) };
                    records.push((offset, value));
                }
            }
        }
        self.push(member.process, Phase::Invoke, Op::Poll { runs: Vec::new() });
        self.push(member.process, ok(), Op::Poll { runs: runs(log, &records) });
        if member.hands_over && !records.is_empty() {
            if self.random.percent(20) {
                records.truncate(self.random.below(records.len()) + 1);
            }
            self.moment(member.process, Op::EffectBegin { spans: spans(log, &records, 0) });
        }
        member.held[log].extend(records);
    }

    fn effect(&mut self, member: &mut Member, log: usize) {
        let mut records = std::mem::take(&mut member.held[log]);
        if records.is_empty() {
            return;
        }
        match self.random.below(6) {
            0 if self.wrong() => records.reverse(),
            1 if self.wrong() => drop(records.remove(self.random.below(records.len()))),
            2 if self.wrong() => {
                member.held[log].clone_from(&records);
                if self.random.percent(50) {
                    // An effect of a record that nobody polled.
                    records.push((records[records.len() - 1].0 + 3, records[0].1));
                }
            }
            _ => {}
        }
        let cause = Cause { code: 7, message: String::new() };
        let outcome = match self.random.below(12) {
            0 => Outcome::Info { cause, offset: None },
            1 if self.wrong() => Outcome::Fail { cause },
            _ => Outcome::Ok { offset: None },
        };
        let spans = spans(log, &records, 1);
        if !spans.is_empty() {
            self.push(member.process, Phase::Complete(outcome), Op::Effect { spans });
        }
    }

    /// A sink that was read back: roughly what was acknowledged, with anything wrong.
    fn sink(&mut self, process: u32, identity: Identity, contents: &[Vec<Record>]) {
        self.moment(process, Op::Open(identity));
        let mut effects: Vec<(usize, Record)> = Vec::new();
        for (log, content) in contents.iter().enumerate() {
            let count = self.random.below(content.len() + 1);
            effects.extend(content.iter().take(count).map(|record| (log, *record)));
        }
        for _ in 0..effects.len() {
            if !self.wrong() {
                continue;
            }
            let (at, to) = (self.random.below(effects.len()), self.random.below(effects.len()));
            match self.random.below(5) {
                0 if effects.len() > 1 => drop(effects.remove(at)),
                1 => effects.insert(to, effects[at]),
                2 => effects.swap(at, to),
                3 => effects[at].1.0 += 1,
                _ => effects[at].1.1.seq.0 += 70,
            }
        }
        let told = effects.len() as u64 + u64::from(self.random.percent(25));
        for part in effects.chunks(1 + self.random.below(5)) {
            let mut all = Vec::new();
            for (log, record) in part {
                all.extend(runs(*log, &[*record]));
            }
            self.moment(process, Op::SinkRead { runs: joined(all) });
        }
        if self.random.percent(90) {
            self.moment(process, Op::SinkReadEnd { effects: told });
        }
    }
}

/// Records as spans, each of ascending offsets with gaps of at most so many offsets: a transaction's marker, say.
fn spans(log: usize, records: &[Record], gap: i64) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    for &(offset, _) in records {
        match spans.last_mut() {
            Some(span) if offset > span.last.0 && offset <= span.last.0 + 1 + gap => {
                span.last = Offset(offset)
            }
            _ => spans.push(Span { log: log_id(log), first: Offset(offset), last: Offset(offset) }),
        }
    }
    spans
}

/// Records as runs.
fn runs(log: usize, records: &[Record]) -> Vec<Run> {
    let run = |&(offset, first): &Record| Run { log: log_id(log), offset: Offset(offset), first, count: 1 };
    joined(records.iter().map(run).collect())
}

/// Runs that continue each other are one.
fn joined(all: Vec<Run>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for run in all {
        if let Some(last) = runs.last_mut()
            && (last.log, last.first.process) == (run.log, run.first.process)
            && last.first.seq.0 + last.count == run.first.seq.0
            && last.offset.0 + i64::from(last.count) == run.offset.0
        {
            last.count += run.count;
            continue;
        }
        runs.push(run);
    }
    runs
}
