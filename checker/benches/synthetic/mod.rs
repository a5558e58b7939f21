//! A correct history of any size, written chunk by chunk.
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
}

pub(crate) const SHAPES: &[Shape] = &[
    Shape { name: "small", logs: 64, batch: 10 },
    Shape { name: "large", logs: 64, batch: 1000 },
    Shape { name: "one-small", logs: 1, batch: 10 },
    Shape { name: "one-large", logs: 1, batch: 1000 },
];

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

pub(crate) fn write(out: impl Write, shape: &Shape, records: u64) {
    let mut out = Writer::new(out).unwrap();
    let mut facts = Facts { causes: vec![Cause::default()], ..Facts::default() };
    for log in 0..shape.logs {
        let from = records * u64::from(log) / u64::from(shape.logs);
        let to = records * u64::from(log + 1) / u64::from(shape.logs);
        one_log(&mut out, shape, log, to - from);
        let log = LogId(u16::try_from(log).unwrap());
        facts.logs.push(TopicPartition::new("orders", i32::from(log.0)));
        let end = Offset(i64::try_from(to - from).unwrap());
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
}

fn one_log(out: &mut Writer<impl Write>, shape: &Shape, log: u32, records: u64) {
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
    let mut reads =
        Reads { out, log: LogId(u16::try_from(log).unwrap()), chunk: ReadChunk::default(), chunks: 0 };
    let mut offset = 0;
    while offset < records {
        // The batch whose last record was sent first.
        let next = (0..producers.len()).min_by_key(|&at| producers[at].sent + producers[at].batch).unwrap();
        let producer = &mut producers[next];
        let count = u64::from(producer.batch).min(records - offset);
        let mut start = producer.chunk.seqs.len();
        let sent_last = shape.seq(log, producer.sent + producer.batch - 1);
        let acked = u64::from(sent_last) * PACE + 1000 + u64::from(random.below(3000));
        for place in 0..count {
            let seq = shape.seq(log, producer.sent);
            producer.sent += 1;
            producer.chunk.seqs.push(seq);
            producer.chunk.invoked.push(u64::from(seq) * PACE);
            reads.record(offset + place, producer.process.0, seq);
            let last = place + 1 == count;
            if last || producer.chunk.seqs.len() >= CHUNK_RECORDS {
                let done = producer.chunk.seqs.len() - start;
                producer.chunk.runs.push(SendRun {
                    start: u32::try_from(start).unwrap(),
                    outcome: SendOutcome::Acked,
                    offset: i64::try_from(offset + place + 1 - done as u64).unwrap(),
                    completed: acked,
                    cause: 0,
                });
                start = producer.chunk.seqs.len();
            }
            if producer.chunk.seqs.len() >= CHUNK_RECORDS {
                producer.write(reads.out, reads.log);
                start = 0;
            }
        }
        producer.batch = 1 + random.below(2 * shape.batch - 1);
        offset += count;
    }
    reads.write();
    for producer in &mut producers {
        producer.write(out, LogId(u16::try_from(log).unwrap()));
    }
}

impl Producer {
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
}

impl<W: Write> Reads<'_, W> {
    fn record(&mut self, offset: u64, process: u32, seq: u32) {
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
        self.chunks += 1;
        self.chunk.clear();
    }
}
