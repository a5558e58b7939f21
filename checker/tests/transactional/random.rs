//! Small random histories of transactions: coordinator, logs and readers that do most things right and anything wrong.

#[path = "../random/splitmix.rs"]
mod splitmix;

use std::collections::BTreeMap;
use std::fmt;

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::op::{
    Assignment, Cause, CommitMode, Event, Identity, Isolation, Op, Outcome, Phase, Position, Run, Span,
};

use splitmix::Random;

/// A history as a list of events, in order of time.
pub(crate) struct Story {
    pub(crate) logs: Vec<TopicPartition>,
    pub(crate) events: Vec<Event>,
}

impl Story {
    pub(crate) fn has_unknown_outcome(&self) -> bool {
        self.events.iter().any(|event| matches!(event.phase, Phase::Complete(Outcome::Info { .. })))
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&history::text::print(&history::text::Parsed {
            logs: self.logs.clone(),
            events: self.events.clone(),
        }))
    }
}

/// A process at work.
#[derive(Clone, Copy, Default)]
struct Worker {
    free_at: u64,
    seq: u32,
    /// Number of its current transaction among all.
    txn: Option<usize>,
    dead: bool,
}

/// What the cluster makes of a transaction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fate {
    Open,
    Visible,
    Hidden,
}

struct Making {
    random: Random,
    damage: u64,
    events: Vec<Event>,
    workers: Vec<Worker>,
    clock: u64,
    fates: Vec<Fate>,
    /// By log: offset, value, the transaction it was sent in.
    logs: Vec<Vec<(i64, Value, Option<usize>)>>,
    next: Vec<i64>,
    /// By log: what is still on its way.
    held: Vec<Option<(Value, Option<usize>)>>,
    /// By process and log: the place in the log that is polled next.
    positions: BTreeMap<(usize, usize), usize>,
    group: bool,
    /// Positions that were sent to transactions: log, position.
    sent: Vec<(usize, i64)>,
}

const PRODUCERS: usize = 4;
const READERS: usize = 2;
const FINAL: u32 = 20;

pub(crate) fn story(seed: u64) -> Story {
    let mut random = Random(seed);
    let damage = [0, 3, 15][random.below(3)];
    let count = 1 + random.below(3);
    let group = random.percent(50);
    let mut making = Making {
        random,
        damage,
        events: Vec::new(),
        workers: vec![Worker { free_at: 1, ..Worker::default() }; PRODUCERS + READERS],
        clock: 1,
        fates: Vec::new(),
        logs: vec![Vec::new(); count],
        next: vec![0; count],
        held: vec![None; count],
        positions: BTreeMap::new(),
        group,
        sent: Vec::new(),
    };
    making.identities();
    for _ in 0..4 + making.random.below(60) {
        making.clock += making.random.below(3) as u64;
        let among = if making.random.percent(75) { PRODUCERS - 1 } else { PRODUCERS + READERS };
        let nth = making.random.below(among);
        making.step(nth);
    }
    for log in 0..count {
        making.final_reads(log);
    }
    let mut events = making.events;
    events.sort_by_key(|event| event.time);
    let logs = (0..count).map(|log| TopicPartition::new("t", i32::try_from(log).unwrap())).collect();
    Story { logs, events }
}

fn log_id(log: usize) -> LogId {
    LogId(u16::try_from(log).unwrap())
}

fn process(nth: usize) -> u32 {
    1 + nth as u32
}

impl Making {
    fn push(&mut self, time: u64, process: u32, phase: Phase, op: Op) {
        self.events.push(Event { time: Nanos(time * 1000), process: Process(process), phase, op });
    }

    fn identities(&mut self) {
        for nth in 0..PRODUCERS + READERS {
            let isolation = match self.random.below(3) {
                0 => None,
                1 => Some(Isolation::ReadUncommitted),
                _ => Some(Isolation::ReadCommitted),
            };
            let group = (self.group && self.random.percent(70)).then(|| "g".to_owned());
            let identity = Identity { isolation, group, ..Identity::default() };
            let done = Phase::Complete(Outcome::Ok { offset: None });
            self.push(0, process(nth), done, Op::Open(identity));
        }
    }

    /// Asks and, mostly, answers; returns the outcome as it is recorded.
    fn call(&mut self, nth: usize, (asked, answered): (Op, Op), kinds: [u64; 3]) -> Option<Outcome> {
        let start = self.clock.max(self.workers[nth].free_at) + u64::from(self.random.percent(80));
        self.push(start, process(nth), Phase::Invoke, asked);
        let cause = Cause::default();
        let [ok, info, fail] = kinds;
        let draw = self.random.next() % 100;
        let outcome = if draw < ok {
            Outcome::Ok { offset: None }
        } else if draw < ok + info {
            Outcome::Info { cause, offset: None }
        } else if draw < ok + info + fail {
            Outcome::Fail { cause }
        } else {
            self.workers[nth].free_at = start + 1;
            return None;
        };
        let end = start + self.random.below(6) as u64;
        self.push(end, process(nth), Phase::Complete(outcome.clone()), answered);
        self.workers[nth].free_at = end;
        Some(outcome)
    }

    fn step(&mut self, nth: usize) {
        if self.workers[nth].dead {
            return;
        }
        if nth < PRODUCERS - 1 {
            return self.transactional(nth);
        }
        match self.random.below(20) {
            0 if self.random.percent(20) => self.crash(nth),
            1..=2 => self.moves(nth),
            3 if self.group => self.fetch(nth),
            3..=9 if nth < PRODUCERS => self.send(nth),
            _ => self.poll(nth),
        }
    }

    /// Mostly begins, sends and ends in turn.
    fn transactional(&mut self, nth: usize) {
        let open = self.workers[nth].txn.is_some();
        match self.random.below(24) {
            0 => self.init(nth),
            1 if self.random.percent(20) => self.crash(nth),
            2..=3 if self.group && open => self.positions_sent(nth),
            2 if self.group => self.fetch(nth),
            3 => self.moves(nth),
            4..=6 => self.poll(nth),
            7 => self.send(nth),
            8 => self.begin(nth),
            9..=14 if open => self.end(nth),
            _ if open => self.send(nth),
            _ => self.begin(nth),
        }
    }

    fn crash(&mut self, nth: usize) {
        let time = self.clock.max(self.workers[nth].free_at);
        let done = Phase::Complete(Outcome::Ok { offset: None });
        self.push(time, process(nth), done, Op::Crash { how: "killed".to_owned() });
        self.workers[nth].dead = true;
    }

    fn init(&mut self, nth: usize) {
        let id = format!("id{}", self.random.below(2));
        let epoch = self.random.percent(50).then(|| self.random.below(4) as i32);
        let timeout_ms = match self.random.below(3) {
            0 => None,
            1 => Some(0),
            _ => Some(1),
        };
        let op = Op::InitTxn { id, epoch, timeout_ms };
        self.call(nth, (op.clone(), op), [80, 8, 6]);
    }

    fn begin(&mut self, nth: usize) {
        let id = format!("id{}", self.random.below(2));
        let epoch = self.random.percent(50).then(|| self.random.below(4) as i32);
        let op = Op::BeginTxn { id, epoch };
        let outcome = self.call(nth, (op.clone(), op), [92, 3, 3]);
        if !matches!(outcome, Some(Outcome::Fail { .. })) {
            self.workers[nth].txn = Some(self.fates.len());
            self.fates.push(Fate::Open);
        }
    }

    fn end(&mut self, nth: usize) {
        let Some(txn) = self.workers[nth].txn else { return };
        let commit = self.random.percent(70);
        let op = if commit { Op::CommitTxn } else { Op::AbortTxn };
        let outcome = self.call(nth, (op.clone(), op), [70, 16, 8]);
        let wrong = self.random.next() % 100 < self.damage;
        let ends = match outcome {
            Some(Outcome::Ok { .. }) => commit != wrong,
            Some(Outcome::Fail { .. }) => wrong,
            Some(Outcome::Info { .. }) | None => self.random.percent(50),
        };
        self.fates[txn] = if ends { Fate::Visible } else { Fate::Hidden };
        if !self.random.percent(15) {
            self.workers[nth].txn = None;
        }
    }

    fn positions_sent(&mut self, nth: usize) {
        let log = self.random.below(self.logs.len());
        let at = match self.positions.get(&(nth, log)) {
            Some(at) if self.random.percent(80) => *at,
            Some(_) | None => self.random.below(self.logs[log].len() + 1),
        };
        let next = self.logs[log].get(at).map_or(self.next[log], |record| record.0);
        self.sent.push((log, next));
        let op = Op::CommitOffsets {
            mode: CommitMode::Txn,
            positions: vec![Position { log: log_id(log), next: Offset(next) }],
        };
        self.call(nth, (op.clone(), op), [85, 5, 5]);
    }

    /// Reads back what was sent last as a rule, whatever became of it.
    fn fetch(&mut self, nth: usize) {
        if self.sent.is_empty() {
            return;
        }
        let last = self.sent.len() - 1;
        let at = if self.random.percent(70) { last } else { self.random.below(last + 1) };
        let (log, next) = self.sent[at];
        let positions = vec![Position { log: log_id(log), next: Offset(next) }];
        let asked = Op::FetchCommitted { positions: Vec::new() };
        self.call(nth, (asked, Op::FetchCommitted { positions }), [90, 4, 4]);
    }

    fn send(&mut self, nth: usize) {
        let log = self.random.below(self.logs.len());
        let value = Value { process: Process(process(nth)), seq: Seq(self.workers[nth].seq) };
        self.workers[nth].seq += 1;
        let start = self.clock.max(self.workers[nth].free_at) + u64::from(self.random.percent(80));
        self.workers[nth].free_at = start;
        let op = Op::Send { log: log_id(log), value };
        self.push(start, process(nth), Phase::Invoke, op.clone());
        let appended = self.random.percent(92);
        let offset = self.next[log];
        if appended {
            self.logs[log].push((offset, value, self.workers[nth].txn));
            self.next[log] += 1 + i64::from(self.random.percent(15));
            if let Some((value, txn)) = self.held[log].take() {
                self.logs[log].push((self.next[log], value, txn));
                self.next[log] += 1;
            }
        } else if self.random.percent(60) && self.held[log].is_none() {
            // It lands after what is sent next.
            self.held[log] = Some((value, self.workers[nth].txn));
        }
        let place = appended.then_some(Offset(offset));
        let wrong = self.random.next() % 100 < self.damage;
        let cause = Cause::default();
        let outcome = match self.random.below(16) {
            0 => Outcome::Info { cause, offset: place },
            1 => Outcome::Info { cause, offset: None },
            2 if !appended || wrong => Outcome::Fail { cause },
            3 => return,
            4 => Outcome::Ok { offset: None },
            _ if !appended && !wrong => Outcome::Info { cause, offset: None },
            _ => Outcome::Ok { offset: place },
        };
        let end = start + self.random.below(8) as u64;
        self.push(end, process(nth), Phase::Complete(outcome), op);
    }

    fn is_visible(&mut self, txn: Option<usize>) -> bool {
        let wrong = self.random.next() % 100 < self.damage;
        let visible = txn.is_none_or(|txn| self.fates[txn] == Fate::Visible);
        visible != wrong
    }

    fn moves(&mut self, nth: usize) {
        let log = self.random.below(self.logs.len());
        let at = self.random.below(self.logs[log].len() + 1);
        self.positions.insert((nth, log), at);
        let time = self.clock.max(self.workers[nth].free_at);
        let done = Phase::Complete(Outcome::Ok { offset: None });
        let op = if self.random.percent(50) {
            let offset = Offset(self.logs[log].get(at).map_or(0, |record| record.0));
            Op::Seek { log: log_id(log), offset }
        } else {
            Op::Assigned(Assignment { logs: vec![log_id(log)], generation: None })
        };
        self.push(time, process(nth), done, op);
        self.workers[nth].free_at = time;
    }

    fn poll(&mut self, nth: usize) {
        let mut runs = Vec::new();
        for log in 0..self.logs.len() {
            let at = *self.positions.entry((nth, log)).or_insert(0);
            let count = self.random.below(5);
            let records: Vec<(i64, Value, Option<usize>)> =
                self.logs[log].iter().skip(at).take(count).copied().collect();
            self.positions.insert((nth, log), at + records.len());
            let everything = self.random.percent(30);
            for (offset, value, txn) in records {
                if everything || self.is_visible(txn) {
                    runs.push(Run { log: log_id(log), offset: Offset(offset), first: value, count: 1 });
                }
            }
        }
        let start = self.clock.max(self.workers[nth].free_at) + u64::from(self.random.percent(80));
        let end = start + self.random.below(6) as u64;
        self.push(start, process(nth), Phase::Invoke, Op::Poll { runs: Vec::new() });
        let done = Phase::Complete(Outcome::Ok { offset: None });
        self.push(end, process(nth), done.clone(), Op::Poll { runs: runs.clone() });
        self.workers[nth].free_at = end;
        let first = Seq(self.workers[nth].seq);
        if nth < PRODUCERS && !runs.is_empty() && self.random.percent(50) {
            let spans = runs.iter().map(|run| Span { log: run.log, first: run.offset, last: run.offset });
            self.push(end, process(nth), done, Op::Derive { first, spans: spans.collect() });
            for _ in 0..runs.len() {
                self.send(nth);
            }
        }
    }

    fn final_reads(&mut self, log: usize) {
        let fates: BTreeMap<usize, bool> =
            (0..self.fates.len()).map(|txn| (txn, self.fates[txn] == Fate::Visible)).collect();
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            if self.random.percent(if isolation == Isolation::ReadCommitted { 15 } else { 50 }) {
                continue;
            }
            let mut records = self.logs[log].clone();
            let damage = self.damage;
            records.retain(|(_, _, txn)| {
                let visible = txn.is_none_or(|txn| fates[&txn]);
                let hidden = isolation == Isolation::ReadCommitted && !visible;
                let wrong = self.random.next() % 100 < damage / 2;
                hidden == wrong
            });
            let mut end = self.next[log];
            if isolation == Isolation::ReadCommitted && self.random.percent(15) {
                end = self.random.below(usize::try_from(end).unwrap() + 1) as i64;
                records.retain(|record| record.0 < end);
            }
            let mut start = 0;
            if self.random.percent(10) {
                start = self.random.below(usize::try_from(end).unwrap() + 1) as i64;
                records.retain(|record| record.0 >= start);
            }
            let complete = self.random.percent(90);
            if !complete {
                records.truncate(self.random.below(records.len() + 1));
            }
            let reached =
                if complete { end } else { records.last().map_or(start, |last| last.0 + 1).min(end - 1) };
            let done = Phase::Complete(Outcome::Ok { offset: None });
            let runs: Vec<Run> = records
                .iter()
                .map(|(offset, value, _)| Run {
                    log: log_id(log),
                    offset: Offset(*offset),
                    first: *value,
                    count: 1,
                })
                .collect();
            for runs in runs.chunks(1 + self.random.below(4)) {
                self.push(5000, FINAL, done.clone(), Op::FinalRead { isolation, runs: runs.to_vec() });
            }
            if complete || self.random.percent(50) {
                let (start, end, reached) = (Offset(start), Offset(end), Offset(reached));
                let op = Op::FinalReadEnd { isolation, log: log_id(log), start, end, reached };
                self.push(5000, FINAL, done, op);
            }
        }
    }
}
