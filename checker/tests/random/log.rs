//! A partition log as a linearizable object: small random histories of one log, and what it means that they have an
//! order.
//!
//! An append returns its offset, which is at least the end (offsets may be skipped) and moves the end behind it; an end
//! offset that is read is the end; a poll returns what was appended before. Nothing says that a poll sees the
//! newest record.

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::op::{Assignment, Cause, Event, Identity, Isolation, Op, Outcome, Phase, Position, Run};

use super::objects::Random;

/// What an operation on the log did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    /// Its record is at this offset.
    Append(i64),
    /// It saw this end.
    End(i64),
    /// It returned the record at this offset and all before it.
    Poll(i64),
}

/// An operation and when it was under way; one that never returned ends at `u64::MAX`.
#[derive(Clone, Copy, Debug)]
struct Operation {
    call: Call,
    invoked: u64,
    returned: u64,
}

/// A history, once as operations on the log and once as events of a run.
#[derive(Clone, Default)]
pub(crate) struct Story {
    operations: Vec<Operation>,
    pub(crate) events: Vec<Event>,
    /// Whether an outcome is unknown.
    pub(crate) unknown: bool,
}

impl std::fmt::Debug for Story {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.operations.iter().try_for_each(|Operation { call, invoked, returned }| {
            writeln!(f, "{call:?} [{invoked}, {returned}]")
        })
    }
}

const LOG: LogId = LogId(0);

/// The log of every story.
pub(crate) fn logs() -> Vec<TopicPartition> {
    vec![TopicPartition::new("t", 0)]
}

/// A random history of up to `most` appends.
pub(crate) fn story(most: u64, random: &mut Random) -> Story {
    let count = 1 + random.below(most);
    let span = 2 + random.below(3 * count);
    let width = 1 + random.below(span);
    let mut points: Vec<u64> = (0..count).map(|_| random.below(span)).collect();
    points.sort_unstable();
    let mut making = Making { random, story: Story::default(), log: Vec::new(), span, width };
    making.appends(&points);
    for n in 0..making.random.below(3) {
        making.end_read(50 + u32::try_from(n).expect("small"));
    }
    if making.random.chance(50) {
        making.poll(80);
    }
    making.final_read(100);
    making.story.events.sort_by_key(|event| event.time);
    making.story
}

struct Making<'a> {
    random: &'a mut Random,
    story: Story,
    /// Offset, value, and when the record was really appended.
    log: Vec<(i64, Value, u64)>,
    span: u64,
    width: u64,
}

fn nanos(time: u64) -> Nanos {
    Nanos(1000 * (time + 1))
}

fn ok(offset: Option<i64>) -> Phase {
    Phase::Complete(Outcome::Ok { offset: offset.map(Offset) })
}

impl Making<'_> {
    fn times(&mut self, point: u64) -> (u64, u64) {
        let before = self.random.below(self.width);
        ((point + self.span).saturating_sub(before), point + self.span + self.random.below(self.width))
    }

    fn push(&mut self, time: u64, process: u32, phase: Phase, op: Op) {
        self.story.events.push(Event { time: nanos(time), process: Process(process), phase, op });
    }

    fn appends(&mut self, points: &[u64]) {
        let mut order: Vec<usize> = (0..points.len()).collect();
        if order.len() > 1 && self.random.chance(25) {
            let at = self.random.pick(order.len() - 1);
            order.swap(at, at + 1);
        }
        let mut next = 0;
        for (n, at) in (0u32..).zip(order) {
            let (invoked, returned) = self.times(points[at]);
            let value = Value { process: Process(n), seq: Seq(0) };
            let send = Op::Send { log: LOG, value };
            self.push(invoked, n, Phase::Invoke, send.clone());
            let unknown = self.random.chance(25);
            self.story.unknown |= unknown;
            if unknown && self.random.chance(70) {
                let info = Outcome::Info { cause: Cause::default(), offset: None };
                self.push(returned, n, Phase::Complete(info), send.clone());
            }
            if unknown && self.random.chance(50) {
                continue;
            }
            next += i64::from(self.random.chance(20));
            let offset = next;
            next += 1;
            self.log.push((offset, value, points[at]));
            if !unknown {
                self.push(returned, n, ok(Some(offset)), send);
            }
            let returned = if unknown { u64::MAX } else { returned };
            self.story.operations.push(Operation { call: Call::Append(offset), invoked, returned });
        }
    }

    /// How many records there are at a moment, or now and then one more or less.
    fn length(&mut self, point: u64) -> usize {
        let right = self.log.iter().filter(|record| record.2 <= point).count();
        match self.random.below(10) {
            0 => right.saturating_sub(1),
            1 => (right + 1).min(self.log.len()),
            _ => right,
        }
    }

    fn end_read(&mut self, process: u32) {
        let point = self.random.below(self.span);
        let (invoked, returned) = self.times(point);
        let length = self.length(point);
        let end = length.checked_sub(1).map_or(0, |last| self.log[last].0 + 1);
        let op = Op::EndOffsets { positions: vec![Position { log: LOG, next: Offset(end) }] };
        self.push(invoked, process, Phase::Invoke, op.clone());
        self.push(returned, process, ok(None), op);
        self.story.operations.push(Operation { call: Call::End(end), invoked, returned });
    }

    fn poll(&mut self, process: u32) {
        let point = self.random.below(self.span);
        let (invoked, returned) = self.times(point);
        let length = self.length(point);
        let identity = Identity { role: "consumer".to_owned(), ..Identity::default() };
        self.push(0, process, ok(None), Op::Open(identity));
        self.push(0, process, ok(None), Op::Assigned(Assignment { logs: vec![LOG], generation: None }));
        self.push(invoked, process, Phase::Invoke, Op::Poll { runs: Vec::new() });
        let runs = self.log[..length].iter().map(run).collect();
        self.push(returned, process, ok(None), Op::Poll { runs });
        if let Some(last) = length.checked_sub(1) {
            let call = Call::Poll(self.log[last].0);
            self.story.operations.push(Operation { call, invoked, returned });
        }
    }

    fn final_read(&mut self, process: u32) {
        let time = 4 * self.span;
        let isolation = Isolation::ReadUncommitted;
        let runs = self.log.iter().map(run).collect();
        self.push(time, process, ok(None), Op::FinalRead { isolation, runs });
        let end = Offset(self.log.last().map_or(0, |record| record.0 + 1));
        let whole = Op::FinalReadEnd { isolation, log: LOG, start: Offset(0), end, reached: end };
        self.push(time, process, ok(None), whole);
    }
}

fn run((offset, value, _): &(i64, Value, u64)) -> Run {
    Run { log: LOG, offset: Offset(*offset), first: *value, count: 1 }
}

impl Story {
    /// Whether the operations have an order, by trying every one.
    pub(crate) fn is_linearizable(&self) -> bool {
        self.order(0, 0)
    }

    /// Whether what a reader saw contradicts what came after it: a record sent, or an end read, below what a poll had
    /// returned before; a record sent below an end that was read before. The log stage takes its evidence from
    /// acknowledgements and ends, not from polls, and does not look for records that were read before they were sent.
    pub(crate) fn contradicts_a_reader(&self) -> bool {
        self.operations.iter().any(|seen| {
            let later = self.operations.iter().filter(|later| seen.returned < later.invoked);
            later.into_iter().any(|later| match (seen.call, later.call) {
                (Call::End(end), Call::Append(offset)) => offset < end,
                (Call::Poll(last), Call::Append(offset)) => offset <= last,
                (Call::Poll(last), Call::End(end)) => end <= last,
                (Call::Append(_), _) | (_, Call::Poll(_)) | (Call::End(_), Call::End(_)) => false,
            })
        })
    }

    fn order(&self, placed: u32, end: i64) -> bool {
        let is_placed = |i: usize| placed >> i & 1 == 1;
        if (0..self.operations.len()).all(is_placed) {
            return true;
        }
        let open = || self.operations.iter().enumerate().filter(|(i, _)| !is_placed(*i));
        open().any(|(i, operation)| {
            if open().any(|(_, other)| other.returned < operation.invoked) {
                return false;
            }
            let next = match operation.call {
                Call::Append(offset) if end <= offset => offset + 1,
                Call::End(seen) if end <= seen => seen,
                Call::Poll(last) => {
                    let appended = |(_, other): (usize, &Operation)| other.call == Call::Append(last);
                    if open().any(appended) {
                        return false;
                    }
                    end
                }
                Call::Append(_) | Call::End(_) => return false,
            };
            self.order(placed | 1 << i, next)
        })
    }
}
