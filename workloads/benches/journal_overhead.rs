//! What journalling costs a client: the same producer and the same consumer with and without a journal, in turn.
//!
//! `cargo bench -p workloads --bench journal_overhead -- <bootstrap> <topic>` against a running broker; the topic
//! must exist or be created on demand. The clients are the worker's loops without pacing, gates and reports:
//! everything that is left is done in both variants, so the difference is the journal. On a busy machine the broker
//! decides the throughput, so CPU time per record of the client's process is printed beside it.

#![expect(clippy::disallowed_methods, reason = "shell: measures time and CPU")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot go on may stop")]
#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::cell::RefCell;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Header, SendRun, Writer};
use history::op::{Event, Op, Run, Span};
use history::payload;
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset as Position, TopicPartitionList};

const RECORDS: u32 = 400_000;
const ROUNDS: usize = 7;
const SIZE: usize = 100;
const RUN: u64 = 1;
/// Consecutive records for one log, as in the default spread.
const BURST: u32 = 16;
const BATCH: usize = 100;

/// One measured run.
#[derive(Clone, Copy)]
struct Cost {
    wall: Duration,
    cpu: Duration,
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let [bootstrap, topic] = arguments.as_slice() else {
        println!("journal_overhead: skipped, no broker given: -- <bootstrap> <topic>");
        return;
    };
    let log = TopicPartition::new(topic.as_str(), 0);
    produce(bootstrap, &log, None);
    compare("producer", |journal| produce(bootstrap, &log, journal));
    compare("consumer", |journal| consume(bootstrap, &log, journal));
}

/// Runs both variants in turn, so that what else the machine does hits both.
fn compare(name: &str, run: impl Fn(Option<Writer>) -> Cost) {
    let folder = tempfile::tempdir().unwrap();
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        without.push(run(None));
        let header = Header { run: RUN, process: Process(0), identity: Default::default() };
        with.push(run(Some(Writer::create(folder.path().join(round.to_string()), &header).unwrap())));
    }
    let (without, with) = (best(&without), best(&with));
    for (variant, cost) in [("without", without), ("with", with)] {
        let rate = f64::from(RECORDS) / cost.wall.as_secs_f64();
        println!(
            "{name} {variant:>7} a journal: {rate:>9.0} records/s, {:>5.0} ns of CPU per record",
            nanos(cost)
        );
    }
    let share = |with: f64, without: f64| (with / without - 1.0) * 100.0;
    println!(
        "{name}: journalling costs {:.1} % of CPU ({:.0} ns per record) and {:.1} % of time",
        share(nanos(with), nanos(without)),
        nanos(with) - nanos(without),
        share(with.wall.as_secs_f64(), without.wall.as_secs_f64()),
    );
}

/// The least of each: noise only adds.
fn best(costs: &[Cost]) -> Cost {
    let wall = costs.iter().map(|cost| cost.wall).min().unwrap();
    let cpu = costs.iter().map(|cost| cost.cpu).min().unwrap();
    Cost { wall, cpu }
}

fn nanos(cost: Cost) -> f64 {
    cost.cpu.as_secs_f64() * 1e9 / f64::from(RECORDS)
}

fn measured(work: impl FnOnce()) -> Cost {
    let cpu = || {
        let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
        usage.user_time().num_microseconds() + usage.system_time().num_microseconds()
    };
    let (begun, before) = (Instant::now(), cpu());
    work();
    Cost { wall: begun.elapsed(), cpu: Duration::from_micros(u64::try_from(cpu() - before).unwrap()) }
}

fn now() -> Nanos {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC).unwrap();
    let part = |part: i64| u64::try_from(part).unwrap();
    Nanos(part(time.tv_sec()) * 1_000_000_000 + part(time.tv_nsec()))
}

/// Acknowledgements as the worker takes them: runs, written when they break and after each poll.
#[derive(Default)]
struct Acks {
    journal: Option<Writer>,
    run: Option<(SendRun, Offset)>,
    count: u32,
}

impl Acks {
    fn take(&mut self, seq: u32, offset: i64) {
        self.count += 1;
        if self.journal.is_none() {
            return;
        }
        if let Some((run, first)) = &mut self.run
            && run.first.0 + run.count == seq
            && first.0 + i64::from(run.count) == offset
        {
            run.count += 1;
            return;
        }
        self.write();
        self.run = Some((SendRun { log: LogId(0), first: Seq(seq), count: 1 }, Offset(offset)));
    }

    fn write(&mut self) {
        if let (Some((run, offset)), Some(journal)) = (self.run.take(), &mut self.journal) {
            journal.acked(run, Some(offset), now()).unwrap();
        }
    }
}

struct Deliveries(Mutex<Acks>);

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, seq: usize) {
        let offset = result.as_ref().map_err(|(error, _)| error.clone()).unwrap().offset();
        self.0.lock().unwrap().take(u32::try_from(seq).unwrap(), offset);
    }
}

fn produce(bootstrap: &str, log: &TopicPartition, mut journal: Option<Writer>) -> Cost {
    if let Some(journal) = &mut journal {
        journal.log(log).unwrap();
    }
    let context = Deliveries(Mutex::new(Acks { journal, ..Default::default() }));
    let producer: BaseProducer<Deliveries> =
        ClientConfig::new().set("bootstrap.servers", bootstrap).create_with_context(context).unwrap();
    let mut bytes = Vec::new();
    measured(|| {
        for seq in 0..RECORDS {
            if seq % BURST == 0
                && let Some(journal) = &mut producer.context().0.lock().unwrap().journal
            {
                journal.sends(SendRun { log: LogId(0), first: Seq(seq), count: BURST }, now()).unwrap();
            }
            payload::encode(&mut bytes, RUN, Value { process: Process(0), seq: Seq(seq) }, log, SIZE);
            send(&producer, log, (seq, &bytes));
            if seq % 64 == 0 {
                take_reports(&producer);
            }
        }
        while producer.context().0.lock().unwrap().count < RECORDS {
            take_reports(&producer);
            std::thread::sleep(Duration::from_millis(1));
        }
    })
}

fn send(producer: &BaseProducer<Deliveries>, log: &TopicPartition, (seq, bytes): (u32, &[u8])) {
    loop {
        let opaque = usize::try_from(seq).unwrap();
        let record = BaseRecord::<(), [u8], usize>::with_opaque_to(&log.topic, opaque);
        if producer.send(record.partition(log.partition).payload(bytes)).is_ok() {
            return;
        }
        take_reports(producer);
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn take_reports(producer: &BaseProducer<Deliveries>) {
    loop {
        let before = producer.in_flight_count();
        producer.poll(Duration::ZERO);
        if producer.in_flight_count() == before {
            break;
        }
    }
    producer.context().0.lock().unwrap().write();
}

fn consume(bootstrap: &str, log: &TopicPartition, journal: Option<Writer>) -> Cost {
    let journal = RefCell::new(journal);
    if let Some(journal) = &mut *journal.borrow_mut() {
        journal.log(log).unwrap();
    }
    let consumer: BaseConsumer =
        ClientConfig::new().set("bootstrap.servers", bootstrap).set("group.id", "bench").create().unwrap();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&log.topic, log.partition, Position::Beginning).unwrap();
    consumer.assign(&list).unwrap();
    // The first record is not measured: the connection is.
    while consumer.poll(Duration::from_millis(100)).is_none() {}
    measured(|| {
        let mut left = RECORDS - 1;
        while left > 0 {
            let invoked = now();
            let mut runs: Vec<Run> = Vec::new();
            let mut polled = 0;
            while polled < BATCH.min(left as usize) {
                let wait = if polled == 0 { Duration::from_millis(100) } else { Duration::ZERO };
                let Some(message) = consumer.poll(wait) else { break };
                let message = message.unwrap();
                let value = payload::decode(message.payload().unwrap(), RUN, log).unwrap();
                polled += 1;
                note(&mut runs, value, Offset(message.offset()));
            }
            left -= u32::try_from(polled).unwrap();
            if let (Some(journal), false) = (&mut *journal.borrow_mut(), runs.is_empty()) {
                write(journal, invoked, runs);
            }
        }
    })
}

fn note(runs: &mut Vec<Run>, value: Value, offset: Offset) {
    if let Some(run) = runs.last_mut()
        && run.first.seq.0 + run.count == value.seq.0
        && run.offset.0 + i64::from(run.count) == offset.0
    {
        run.count += 1;
        return;
    }
    runs.push(Run { log: LogId(0), offset, first: value, count: 1 });
}

/// A poll, its hand-over and its effect, as the worker writes them for a batch.
fn write(journal: &mut Writer, invoked: Nanos, runs: Vec<Run>) {
    let last = |run: &Run| Offset(run.offset.0 + i64::from(run.count) - 1);
    let spans: Vec<Span> =
        runs.iter().map(|run| Span { log: run.log, first: run.offset, last: last(run) }).collect();
    journal.poll(invoked, now(), &runs).unwrap();
    journal.handed_over(&spans, now()).unwrap();
    journal.event(&Event::moment(now(), Process(0), Op::Effect { spans })).unwrap();
}
