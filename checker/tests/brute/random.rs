//! Small random histories: producers, logs and consumers that do most things right and anything wrong.

#[path = "../random/splitmix.rs"]
mod splitmix;

use std::collections::BTreeMap;
use std::fmt;

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::op::{
    Assignment, Cause, CommitMode, Event, ForeignRecord, Identity, Isolation, Op, Outcome, Phase, Position,
    Run, Span,
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
            writeln!(f, "{:6} p{} {:?} {:?}", event.time.0 / 1000, event.process, event.phase, event.op)?;
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

pub(crate) fn story(seed: u64) -> Story {
    let mut random = Random(seed);
    let damage = [0, 2, 10, 30][random.below(4)];
    let mut making = Making { random, damage, events: Vec::new(), clock: 1 };
    let logs = 1 + making.random.below(3);
    let sent = making.sends(logs);
    let contents: Vec<Vec<Record>> = (0..logs).map(|log| making.content(log, &sent)).collect();
    making.completions(&sent, &contents);
    making.early_polls(&contents);
    for (log, content) in contents.iter().enumerate() {
        making.final_reads(log, content);
        making.end_reads(log, content);
    }
    making.consumers(&contents);
    let logs = (0..logs).map(|log| TopicPartition::new("t", i32::try_from(log).unwrap())).collect();
    Story { logs, events: making.events }
}

#[derive(Clone, Copy)]
struct Sent {
    value: Value,
    log: usize,
    time: u64,
}

fn log_id(log: usize) -> LogId {
    LogId(u16::try_from(log).unwrap())
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

    fn push(&mut self, time: Nanos, process: u32, phase: Phase, op: Op) {
        self.events.push(Event { time, process: Process(process), phase, op });
    }

    fn moment(&mut self, process: u32, op: Op) {
        let time = self.tick();
        self.events.push(Event::moment(time, Process(process), op));
    }

    fn sends(&mut self, logs: usize) -> Vec<Sent> {
        let producers = 1 + self.random.below(3);
        let mut seqs = vec![0u32; producers];
        for producer in 0..producers {
            if self.random.percent(10) {
                let begin = Op::BeginTxn { id: "t".to_owned(), epoch: None };
                let time = self.tick();
                self.push(time, u32::try_from(producer).unwrap(), Phase::Invoke, begin);
            }
        }
        let mut sent = Vec::new();
        for _ in 0..self.random.below(24) {
            let producer = self.random.below(producers);
            let log = self.random.below(logs);
            let value =
                Value { process: Process(u32::try_from(producer).unwrap()), seq: Seq(seqs[producer]) };
            seqs[producer] += 1;
            let time = if self.random.percent(60) { self.tick() } else { Nanos(self.clock * 1000) };
            self.push(time, value.process.0, Phase::Invoke, Op::Send { log: log_id(log), value });
            sent.push(Sent { value, log, time: time.0 / 1000 });
        }
        sent
    }

    /// What a log holds in the end.
    fn content(&mut self, log: usize, sent: &[Sent]) -> Vec<Record> {
        let mut values: Vec<Value> =
            sent.iter().filter(|sent| sent.log == log).map(|sent| sent.value).collect();
        let count = values.len();
        for _ in 0..count {
            if !self.wrong() {
                continue;
            }
            let (at, to) = (self.random.below(values.len()), self.random.below(values.len() + 1));
            match self.random.below(6) {
                0 | 1 if !values.is_empty() => {
                    let lost = 1 + self.random.below(3);
                    values.drain(at..values.len().min(at + lost));
                }
                2 | 3 if !values.is_empty() => {
                    let copied = values[at..values.len().min(at + 1 + self.random.below(4))].to_vec();
                    let place = to.max(at);
                    values.splice(place..place, copied);
                }
                4 if !values.is_empty() => {
                    let other = self.random.below(values.len());
                    values.swap(at, other);
                }
                _ => {
                    let stray = if sent.is_empty() || self.random.percent(40) {
                        let process = Process(self.random.below(4) as u32);
                        Value { process, seq: Seq(90 + self.random.below(3) as u32) }
                    } else {
                        sent[self.random.below(sent.len())].value
                    };
                    values.insert(to.min(values.len()), stray);
                }
            }
        }
        let mut offset = [0, 0, 7, (1 << 62) - 9][self.random.below(4)];
        let gaps = self.random.percent(30);
        let mut content = Vec::new();
        for value in values {
            content.push((offset, value));
            offset += 1;
            if gaps && self.random.percent(30) {
                offset += 1 + self.random.below(3) as i64;
            }
        }
        content
    }

    fn completions(&mut self, sent: &[Sent], contents: &[Vec<Record>]) {
        let mut order: Vec<usize> = (0..sent.len()).collect();
        for at in 1..order.len() {
            let other = self.random.below(at + 1);
            order.swap(at, other);
        }
        let shy = self.random.percent(20);
        for at in order {
            let Sent { value, log, time } = sent[at];
            let places: Vec<i64> =
                contents[log].iter().filter(|record| record.1 == value).map(|record| record.0).collect();
            let mut offset = match places.as_slice() {
                [] => 1 + self.random.below(30) as i64,
                places => places[self.random.below(places.len())],
            };
            if self.wrong() {
                offset = contents[log].get(self.random.below(12)).map_or(3, |record| record.0) + 1;
            }
            let cause = Cause { code: 1 + self.random.below(2) as i32, message: String::new() };
            let lost = places.is_empty() && !self.random.percent(30);
            let outcome = match self.random.below(20) {
                0 => Outcome::Info { cause, offset: Some(Offset(offset)) },
                1 | 2 => Outcome::Info { cause, offset: None },
                3 if lost || self.wrong() => Outcome::Fail { cause },
                4 => continue,
                _ if shy => Outcome::Ok { offset: None },
                _ if lost && !self.wrong() => Outcome::Info { cause, offset: None },
                _ => Outcome::Ok { offset: Some(Offset(offset)) },
            };
            let done = Nanos((time + self.random.below(40) as u64) * 1000);
            let op = Op::Send { log: log_id(log), value };
            self.push(done, value.process.0, Phase::Complete(outcome), op);
        }
    }

    fn final_reads(&mut self, log: usize, content: &[Record]) {
        let kind = self.random.below(10);
        let levels: &[Isolation] = match kind {
            0 => return,
            1 => &[Isolation::ReadCommitted],
            2 | 3 => &[Isolation::ReadUncommitted, Isolation::ReadCommitted],
            _ => &[Isolation::ReadUncommitted],
        };
        for &isolation in levels {
            let mut records = content.to_vec();
            if isolation == Isolation::ReadCommitted && self.random.percent(50) {
                records.retain(|_| !self.random.percent(20));
            }
            let end = records.last().map_or(0, |record| record.0 + 1);
            let mut start = 0;
            if self.random.percent(10) {
                start = records.first().map_or(0, |record| record.0) + 1;
                records.retain(|record| record.0 >= start);
            }
            let complete = self.random.percent(85);
            if !complete {
                records.truncate(self.random.below(records.len() + 1));
            }
            let reached = if complete { end } else { records.last().map_or(start, |record| record.0 + 1) };
            let reached = if !complete && reached >= end { end - 1 } else { reached };
            for chunk in records.chunks(1 + self.random.below(5)) {
                self.moment(100, Op::FinalRead { isolation, runs: runs(log, chunk) });
            }
            if complete || self.random.percent(50) {
                let (start, end, reached) = (Offset(start), Offset(end), Offset(reached));
                self.moment(100, Op::FinalReadEnd { isolation, log: log_id(log), start, end, reached });
            }
        }
        if self.random.percent(10) {
            let why = [ForeignRecord::Corrupt, ForeignRecord::Phantom { preview: "?".to_owned() }];
            let why = why[self.random.below(2)].clone();
            self.moment(100, Op::Foreign { log: log_id(log), offset: Offset(5000), why });
        }
    }

    fn end_reads(&mut self, log: usize, content: &[Record]) {
        for _ in 0..self.random.below(3) {
            let end = content.get(self.random.below(content.len() + 3)).map_or(0, |record| record.0);
            let positions = vec![Position { log: log_id(log), next: Offset(end) }];
            let op = Op::EndOffsets { positions };
            let process = 50 + self.random.below(2) as u32;
            let invoked = Nanos((1 + self.random.below(100) as u64) * 1000);
            let returned = Nanos(invoked.0 + 1000 * self.random.below(20) as u64);
            // Rows are sorted by time, so question and answer of one process must not be interleaved with another's.
            let clash = |event: &Event| {
                event.process.0 == process
                    && event.time.0 + 30_000 > invoked.0
                    && event.time.0 < returned.0 + 30_000
            };
            if self.events.iter().any(clash) {
                continue;
            }
            self.push(invoked, process, Phase::Invoke, op.clone());
            self.push(returned, process, Phase::Complete(Outcome::Ok { offset: None }), op);
        }
    }

    /// Somebody of no group reads while records are still being sent.
    fn early_polls(&mut self, contents: &[Vec<Record>]) {
        if !self.random.percent(40) {
            return;
        }
        let (mut time, end) = (self.random.below(10) as u64, self.clock);
        while time < end {
            let log = self.random.below(contents.len());
            let content = &contents[log];
            let at = self.random.below(content.len() + 1);
            let until = content.len().min(at + 1 + self.random.below(3));
            let polled = Op::Poll { runs: runs(log, &content[at..until]) };
            self.push(Nanos(time * 1000), 70, Phase::Invoke, Op::Poll { runs: Vec::new() });
            time += self.random.below(3) as u64;
            self.push(Nanos(time * 1000), 70, Phase::Complete(Outcome::Ok { offset: None }), polled);
            time += 1 + self.random.below(12) as u64;
        }
    }

    fn consumers(&mut self, contents: &[Vec<Record>]) {
        let count = self.random.below(4);
        let hands_over: Vec<bool> = (0..2).map(|_| self.random.percent(50)).collect();
        let mut consumers = Vec::new();
        let odd = self.random.percent(30);
        for nth in 0..count {
            let group = self.random.below(3);
            let process = 20 + nth as u32;
            let name = (group < 2).then(|| format!("g{group}"));
            let identity = Identity { group: name, role: "consumer".to_owned(), ..Identity::default() };
            self.moment(process, Op::Open(identity));
            let hands_over = group < 2 && hands_over[group];
            consumers.push(Consumer { process, hands_over, at: BTreeMap::new(), odd, alive: true });
        }
        if consumers.is_empty() {
            return;
        }
        for _ in 0..self.random.below(30) {
            let nth = self.random.below(consumers.len());
            let log = self.random.below(contents.len());
            if consumers[nth].alive {
                let mut consumer = consumers[nth].clone();
                self.consume(&mut consumer, log, &contents[log]);
                consumers[nth] = consumer;
            }
        }
    }

    fn consume(&mut self, consumer: &mut Consumer, log: usize, content: &[Record]) {
        let process = consumer.process;
        match self.random.below(14) {
            0 | 1 => {
                let assignment = Assignment { logs: vec![log_id(log)], generation: None };
                self.moment(process, Op::Assigned(assignment));
                let at = self.random.below(content.len() + 1) / 2;
                consumer.at.insert(log, at);
            }
            2 => {
                let at = self.random.below(content.len() + 1);
                let offset = Offset(content.get(at).map_or(0, |record| record.0));
                self.moment(process, Op::Seek { log: log_id(log), offset });
                consumer.at.insert(log, at);
            }
            3 => {
                let at = consumer.at.get(&log).copied().unwrap_or(0);
                let next = Offset(content.get(at).map_or(0, |record| record.0));
                let positions = vec![Position { log: log_id(log), next }];
                let op = Op::CommitOffsets { mode: CommitMode::Sync, positions };
                let time = self.tick();
                self.push(time, process, Phase::Invoke, op.clone());
                let time = self.tick();
                self.push(time, process, Phase::Complete(Outcome::Ok { offset: None }), op);
            }
            4 => {
                self.moment(process, Op::Crash { how: "killed".to_owned() });
                consumer.alive = false;
            }
            _ => self.poll(consumer, log, content),
        }
    }

    fn poll(&mut self, consumer: &mut Consumer, log: usize, content: &[Record]) {
        let at = *consumer.at.entry(log).or_insert(0);
        let count = self.random.below(6);
        let mut records: Vec<Record> = content.iter().skip(at).take(count).copied().collect();
        consumer.at.insert(log, at + records.len());
        if !records.is_empty() && self.wrong() {
            let at = self.random.below(records.len());
            match self.random.below(4) {
                0 => {
                    records.remove(at);
                }
                1 => {
                    let copy = records[self.random.below(records.len())];
                    records.insert(at, copy);
                }
                2 if !consumer.odd => {
                    records[at].1 = Value {
                        process: Process(self.random.below(3) as u32),
                        seq: Seq(self.random.below(14) as u32),
                    };
                }
                _ if !consumer.odd => records[at].0 += 1 + self.random.below(3) as i64,
                _ => {}
            }
        }
        let (process, invoked) = (consumer.process, self.tick());
        self.push(invoked, process, Phase::Invoke, Op::Poll { runs: Vec::new() });
        let returned = self.tick();
        let polled = Op::Poll { runs: runs(log, &records) };
        self.push(returned, process, Phase::Complete(Outcome::Ok { offset: None }), polled);
        // A span of offsets does not say which of two records polled at one offset is meant.
        let ascends = records.windows(2).all(|pair| pair[0].0 < pair[1].0);
        if consumer.hands_over && ascends {
            self.hand_over(consumer, log, &records);
        }
    }

    fn hand_over(&mut self, consumer: &Consumer, log: usize, records: &[Record]) {
        let mut handed = records.to_vec();
        if self.random.percent(15) {
            handed.truncate(self.random.below(records.len() + 1));
        }
        let spans: Vec<Span> = runs(log, &handed).iter().map(span).collect();
        if !spans.is_empty() {
            self.moment(consumer.process, Op::EffectBegin { spans });
        }
        // Out of order or again: only where every consumer polls what the log holds, because such a hand-over is kept
        // as offsets, without the values that were polled there.
        if consumer.odd && !records.is_empty() && self.random.percent(30) {
            let record = records[self.random.below(records.len())];
            let span = Span { log: log_id(log), first: Offset(record.0), last: Offset(record.0) };
            self.moment(consumer.process, Op::EffectBegin { spans: vec![span] });
        }
    }
}

#[derive(Clone)]
struct Consumer {
    process: u32,
    hands_over: bool,
    at: BTreeMap<usize, usize>,
    /// Hands over out of order, but polls nothing that is not there.
    odd: bool,
    alive: bool,
}

fn span(run: &Run) -> Span {
    Span { log: run.log, first: run.offset, last: Offset(run.offset.0 + i64::from(run.count) - 1) }
}

/// Records as runs.
fn runs(log: usize, records: &[Record]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for &(offset, value) in records {
        if let Some(last) = runs.last_mut()
            && last.first.process == value.process
            && last.first.seq.0 + last.count == value.seq.0
            && last.offset.0 + i64::from(last.count) == offset
        {
            last.count += 1;
            continue;
        }
        runs.push(Run { log: log_id(log), offset: Offset(offset), first: value, count: 1 });
    }
    runs
}
