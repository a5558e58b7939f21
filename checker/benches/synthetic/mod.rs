//! A history of any size, correct or damaged throughout, written chunk by chunk.
//!
//! Producers spread their records over the logs as a hash would: of each `logs` consecutive sequence numbers one goes
//! to each log, in an order that changes. In a log, batches follow each other in the order of their last invocation.

use std::io::Write;

use history::ids::{LogId, Nanos, Offset, Process, TopicPartition};
use history::merged::{
    CHUNK_RECORDS, Facts, FinalReadEnd, PollSpan, ProcessFacts, ReadChunk, SendChunk, SendOutcome, SendRun,
    Writer,
};
use history::op::{Assignment, Cause, Event, Identity, Isolation, Op};

/// What a history is like.
pub(crate) struct Shape {
    pub(crate) name: &'static str,
    logs: u32,
    /// Mean number of records in a batch.
    batch: u32,
    damage: Damage,
}

/// What is wrong with every part of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Damage {
    None,
    /// Every tenth record is not in the log.
    Lost,
    /// Every batch is in the log twice.
    Doubled,
    /// Every batch is in the log backwards, and acknowledged so.
    Reversed,
    /// A second member polls everything again.
    PolledAgain,
}

const fn shape(name: &'static str, logs: u32, batch: u32, damage: Damage) -> Shape {
    Shape { name, logs, batch, damage }
}

pub(crate) const SHAPES: &[Shape] = &[
    shape("small", 64, 10, Damage::None),
    shape("large", 64, 1000, Damage::None),
    shape("one-small", 1, 10, Damage::None),
    shape("one-large", 1, 1000, Damage::None),
    shape("lost", 64, 10, Damage::Lost),
    shape("one-lost", 1, 10, Damage::Lost),
    shape("doubled", 64, 10, Damage::Doubled),
    shape("reversed", 64, 10, Damage::Reversed),
    shape("one-reversed", 1, 10, Damage::Reversed),
    shape("again", 64, 10, Damage::PolledAgain),
];

/// What must be found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Planted {
    pub(crate) lost: u64,
    pub(crate) duplicate: u64,
    pub(crate) reordered: u64,
    pub(crate) redelivered: u64,
    /// Records in the log.
    pub(crate) in_log: u64,
}

const PRODUCERS: u32 = 4;
const CONSUMERS: u32 = 3;
const READER: Process = Process(100);
const POLL: usize = 500;
/// Microseconds between two sends of one producer.
const PACE: u64 = 20;

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u32) -> u32 {
        u32::try_from(self.next() % u64::from(limit)).unwrap()
    }
}

impl Shape {
    /// Sequence number of the `nth` record that a producer sends to a log.
    fn seq(&self, log: u32, nth: u32) -> u32 {
        let turn = log.wrapping_mul(5).wrapping_add(nth.wrapping_mul(7919) >> 3) % self.logs;
        nth * self.logs + turn
    }
}

/// One producer's sends to the log.
struct Producer {
    process: Process,
    /// Records so far.
    sent: u32,
    batch: u32,
    chunk: SendChunk,
    chunks: u32,
}

pub(crate) fn write(out: impl Write, shape: &Shape, records: u64) -> Planted {
    let mut planted = Planted::default();
    let mut out = Writer::new(out).unwrap();
    let mut facts = Facts { causes: vec![Cause::default()], ..Facts::default() };
    for log in 0..shape.logs {
        let from = records * u64::from(log) / u64::from(shape.logs);
        let to = records * u64::from(log + 1) / u64::from(shape.logs);
        let end = one_log(&mut out, (shape, log), to - from, &mut planted);
        let log = LogId(u16::try_from(log).unwrap());
        facts.logs.push(TopicPartition::new("orders", i32::from(log.0)));
        let end = Offset(i64::try_from(end).unwrap());
        facts.final_reads.push(FinalReadEnd {
            log,
            isolation: Isolation::ReadUncommitted,
            start: Offset(0),
            reached: end,
            end,
        });
    }
    for consumer in 0..CONSUMERS {
        let process = Process(10 + consumer);
        let identity = Identity { group: Some("group".to_owned()), ..Identity::default() };
        facts
            .processes
            .insert(process, ProcessFacts { identity, hands_over: true, ..ProcessFacts::default() });
        let logs = (0..shape.logs).filter(|log| log % CONSUMERS == consumer);
        let logs = logs.map(|log| LogId(u16::try_from(log).unwrap())).collect();
        let assignment = Assignment { logs, generation: Some(1) };
        out.rows(process, 0, &[Event::moment(Nanos(0), process, Op::Assigned(assignment))]).unwrap();
    }
    out.finish(&facts).unwrap();
    planted
}

/// Writes one log; returns its end offset.
fn one_log(
    out: &mut Writer<impl Write>,
    (shape, log): (&Shape, u32),
    records: u64,
    planted: &mut Planted,
) -> u64 {
    let mut random = Random(0x1234_5678_9abc_def1 + u64::from(log));
    let mut producers: Vec<Producer> = (0..PRODUCERS)
        .map(|producer| Producer {
            process: Process(1 + producer),
            sent: 0,
            batch: 1 + random.below(2 * shape.batch - 1),
            chunk: SendChunk::default(),
            chunks: 0,
        })
        .collect();
    let again = shape.damage == Damage::PolledAgain;
    let log_id = LogId(u16::try_from(log).unwrap());
    let mut reads = Reads { out, log: log_id, chunk: ReadChunk::default(), chunks: 0, again, in_log: 0 };
    let (mut offset, mut sent) = (0, 0);
    while sent < records {
        // The batch whose last record was sent first.
        let next = (0..producers.len()).min_by_key(|&at| producers[at].sent + producers[at].batch).unwrap();
        let producer = &mut producers[next];
        let count = u64::from(producer.batch).min(records - sent);
        let sent_last = shape.seq(log, producer.sent + producer.batch - 1);
        let acked = u64::from(sent_last) * PACE + 1000 + u64::from(random.below(3000));
        let first = producer.sent;
        let mut seqs: Vec<u32> =
            (0..u32::try_from(count).unwrap()).map(|place| shape.seq(log, first + place)).collect();
        let reversed = shape.damage == Damage::Reversed;
        for (place, &seq) in (0..).zip(&seqs) {
            let at = if reversed { offset + count - 1 - place } else { offset + place };
            producer.send(seq, at, acked);
            if producer.chunk.seqs.len() >= CHUNK_RECORDS {
                producer.write(reads.out, reads.log);
            }
        }
        producer.sent += u32::try_from(count).unwrap();
        producer.batch = 1 + random.below(2 * shape.batch - 1);
        let name = producer.process.0;
        if reversed {
            seqs.reverse();
            planted.reordered += count - 1;
        }
        let copies = if shape.damage == Damage::Doubled { 2 } else { 1 };
        for _ in 0..copies {
            for (place, &seq) in (0..).zip(&seqs) {
                if shape.damage == Damage::Lost && (sent + place) % 10 == 3 {
                    planted.lost += 1;
                } else {
                    reads.record(offset + place, name, seq);
                }
            }
            offset += count;
        }
        planted.duplicate += (copies - 1) * count;
        sent += count;
    }
    reads.write();
    planted.in_log += reads.in_log;
    planted.redelivered += if again { reads.in_log } else { 0 };
    for producer in &mut producers {
        producer.write(out, log_id);
    }
    // A lost last record leaves the end where it would have been.
    offset
}

impl Producer {
    fn send(&mut self, seq: u32, offset: u64, acked: u64) {
        let start = u32::try_from(self.chunk.seqs.len()).unwrap();
        let offset = i64::try_from(offset).unwrap();
        let joins =
            self.chunk.runs.last().is_some_and(|run| {
                run.completed == acked && run.offset + i64::from(start - run.start) == offset
            });
        if !joins {
            let outcome = SendOutcome::Acked;
            self.chunk.runs.push(SendRun { start, outcome, offset, completed: acked, cause: 0 });
        }
        self.chunk.seqs.push(seq);
        self.chunk.invoked.push(u64::from(seq) * PACE);
    }

    fn write(&mut self, out: &mut Writer<impl Write>, log: LogId) {
        if !self.chunk.is_empty() {
            out.sends(self.process, log, self.chunks, &self.chunk).unwrap();
            self.chunks += 1;
            self.chunk.clear();
        }
    }
}

/// The final read and the polls of one log.
struct Reads<'o, W> {
    out: &'o mut Writer<W>,
    log: LogId,
    chunk: ReadChunk,
    chunks: u32,
    /// Whether another member polls everything again.
    again: bool,
    in_log: u64,
}

impl<W: Write> Reads<'_, W> {
    fn record(&mut self, offset: u64, process: u32, seq: u32) {
        self.in_log += 1;
        self.chunk.push(i64::try_from(offset).unwrap(), process, seq);
        if self.chunk.len() >= CHUNK_RECORDS {
            self.write();
        }
    }

    fn write(&mut self) {
        if self.chunk.is_empty() {
            return;
        }
        let stream = (READER, self.log, Isolation::ReadUncommitted);
        self.out.final_read(stream, self.chunks, &self.chunk).unwrap();
        for start in (0..self.chunk.len()).step_by(POLL) {
            let count = POLL.min(self.chunk.len() - start);
            let last = u64::from(self.chunk.seqs[start + count - 1]) * PACE;
            self.chunk.polls.push(PollSpan {
                start: u32::try_from(start).unwrap(),
                handed: u32::try_from(count).unwrap(),
                invoked: last + 5000,
                returned: last + 6000,
                handed_at: last + 6100,
            });
        }
        let consumer = Process(10 + u32::from(self.log.0) % CONSUMERS);
        self.out.polls((consumer, self.log, 1), self.chunks, &self.chunk).unwrap();
        if self.again {
            let other = Process(10 + (u32::from(self.log.0) + 1) % CONSUMERS);
            self.out.polls((other, self.log, 0), self.chunks, &self.chunk).unwrap();
        }
        self.chunks += 1;
        self.chunk.clear();
    }
}
