//! How fast transactions are checked: whole histories from a file in page cache, ledger to cycles.
//!
//! `cargo bench -p checker --bench recorded_transactions -- 5000000` prints a line for each shape with that many transactions.
//! `valid`: eight producers, two records a transaction in two of 64 logs, in the order of their commits. `crossed`:
//! every other transaction comes first in one of its logs and second in the other, as Kafka allows. `read`: a consumer
//! that reads committed polls everything as well.

#![expect(clippy::print_stdout, reason = "prints a table")]
#![expect(clippy::unwrap_used, reason = "a benchmark's own input")]
#![expect(clippy::disallowed_methods, reason = "shell: measures time")]
#![expect(clippy::cast_precision_loss, reason = "printed with three digits")]

mod cost;

use std::io::BufWriter;
use std::time::Instant;

use checker::anomaly::Anomaly;
use history::ids::{LogId, Offset, Process, TopicPartition};
use history::merged::{
    CHUNK_RECORDS, Facts, FinalReadEnd, History, PollSpan, ProcessFacts, ReadChunk, SendChunk, SendOutcome,
    SendRun, TxnChunk, TxnEnd, TxnSpan, Writer,
};
use history::op::{Cause, Identity, Isolation};

use cost::{cpu_seconds, peak_mib};

const LOGS: usize = 64;
const PRODUCERS: usize = 8;
const REPEATS: usize = 5;
const READER: Process = Process(100);
const CONSUMER: Process = Process(50);
/// Microseconds from one beginning to the next.
const PACE: u64 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Valid,
    Crossed,
    Read,
}

fn main() {
    let numbers = std::env::args().filter_map(|argument| argument.parse::<usize>().ok());
    let count = numbers.into_iter().next().unwrap_or(200_000);
    println!(
        "{:<8} {:>12} {:>8} {:>8} {:>12} {:>10} {:>10} {:>8}",
        "shape", "transactions", "min s", "median s", "M txn/s", "CPU ns/txn", "bytes/txn", "MiB"
    );
    for (name, shape) in [("valid", Shape::Valid), ("crossed", Shape::Crossed), ("read", Shape::Read)] {
        measure(name, shape, count);
    }
}

fn measure(name: &str, shape: Shape, count: usize) {
    let file = tempfile::NamedTempFile::new().unwrap();
    write(BufWriter::new(file.reopen().unwrap()), shape, count);
    let bytes = file.as_file().metadata().unwrap().len();
    // Resets the peak of resident memory.
    std::fs::write("/proc/self/clear_refs", "5").unwrap();
    let (mut walls, cpu) = (Vec::new(), cpu_seconds());
    for _ in 0..REPEATS {
        let begun = Instant::now();
        let history = History::open(file.path()).unwrap();
        let findings = checker::transaction::check(&history).unwrap();
        walls.push(begun.elapsed().as_secs_f64());
        assert_eq!(findings.transactions.committed, count as u64);
        let cycles = findings.count(Anomaly::DependencyCycle) > 0;
        assert_eq!((cycles, findings.anomalies.len()), (shape == Shape::Crossed, usize::from(cycles)));
    }
    let cpu = (cpu_seconds() - cpu) / REPEATS as f64;
    walls.sort_by(f64::total_cmp);
    println!(
        "{name:<8} {count:>12} {:>8.3} {:>8.3} {:>12.2} {:>10.1} {:>10.1} {:>8}",
        walls[0],
        walls[REPEATS / 2],
        count as f64 / walls[0] / 1e6,
        cpu / count as f64 * 1e9,
        bytes as f64 / count as f64,
        peak_mib(),
    );
}

fn log_id(log: usize) -> LogId {
    LogId(u16::try_from(log).unwrap())
}

/// Writes a history of `count` transactions.
#[expect(clippy::too_many_lines, reason = "one loop over transactions with all the streams they go to")]
fn write(out: impl std::io::Write, shape: Shape, count: usize) {
    let mut out = Writer::new(out).unwrap();
    let mut facts = Facts { causes: vec![Cause::default()], ..Facts::default() };
    let mut next = vec![0i64; LOGS];
    let mut sends = vec![SendChunk::default(); PRODUCERS * LOGS];
    let mut written = vec![0u32; PRODUCERS * LOGS];
    let mut reads = vec![ReadChunk::default(); LOGS];
    let mut read = vec![0u32; LOGS];
    let mut txns: Vec<TxnChunk> = vec![TxnChunk::default(); PRODUCERS];
    let mut txn_chunks = [0u32; PRODUCERS];
    let mut appended: Vec<(usize, usize, u32, usize)> = Vec::new();
    for pair in 0..count.div_ceil(2) {
        appended.clear();
        let both = [2 * pair, 2 * pair + 1];
        let logs = [pair.wrapping_mul(31) % LOGS, (pair.wrapping_mul(31) + 17) % LOGS];
        for (place, log) in logs.into_iter().enumerate() {
            let crossed = shape == Shape::Crossed && place == 1 && pair % 2 == 1;
            let order = if crossed { [both[1], both[0]] } else { both };
            for nth in order.into_iter().filter(|nth| *nth < count) {
                let seq = u32::try_from(2 * (nth / PRODUCERS) + place).unwrap();
                appended.push((nth, log, seq, place));
            }
        }
        for (nth, log, seq, place) in appended.iter().copied() {
            let (producer, begun) = (nth % PRODUCERS, nth as u64 * PACE);
            let at = producer * LOGS + log;
            send(&mut sends[at], seq, (begun + 5 + place as u64, begun + 20), next[log]);
            if sends[at].seqs.len() >= CHUNK_RECORDS {
                out.sends(process(producer), log_id(log), written[at], &sends[at]).unwrap();
                written[at] += 1;
                sends[at].clear();
            }
            reads[log].push(next[log], process(producer).0, seq);
            next[log] += 2;
            if reads[log].len() >= CHUNK_RECORDS {
                flush(&mut out, log, (&mut reads[log], &mut read[log]), (shape, begun + 1000));
            }
        }
        for nth in both.into_iter().filter(|nth| *nth < count) {
            let (producer, begun) = (nth % PRODUCERS, nth as u64 * PACE);
            txns[producer].txns.push(span(u32::try_from(2 * (nth / PRODUCERS)).unwrap(), producer, begun));
            if txns[producer].txns.len() >= CHUNK_RECORDS {
                out.transactions(process(producer), txn_chunks[producer], &txns[producer]).unwrap();
                txn_chunks[producer] += 1;
                txns[producer].clear();
            }
        }
    }
    for producer in 0..PRODUCERS {
        out.transactions(process(producer), txn_chunks[producer], &txns[producer]).unwrap();
        facts.transactional_ids.push(format!("shop-{producer}"));
        facts.processes.insert(process(producer), ProcessFacts { transactional: true, ..Default::default() });
        for log in 0..LOGS {
            let at = producer * LOGS + log;
            if !sends[at].is_empty() {
                out.sends(process(producer), log_id(log), written[at], &sends[at]).unwrap();
            }
        }
    }
    let isolation = Some(Isolation::ReadCommitted);
    let identity = Identity { isolation, group: Some("g".to_owned()), ..Identity::default() };
    facts.processes.insert(CONSUMER, ProcessFacts { identity, ..Default::default() });
    for log in 0..LOGS {
        if !reads[log].is_empty() {
            flush(&mut out, log, (&mut reads[log], &mut read[log]), (shape, count as u64 * PACE + 1000));
        }
        facts.logs.push(TopicPartition::new("orders", i32::try_from(log).unwrap()));
        let end = Offset(next[log]);
        let isolation = Isolation::ReadCommitted;
        let read = FinalReadEnd { log: log_id(log), isolation, start: Offset(0), reached: end, end };
        facts.final_reads.push(read);
    }
    out.finish(&facts).unwrap();
}

fn process(producer: usize) -> Process {
    Process(1 + u32::try_from(producer).unwrap())
}

fn span(first: u32, producer: usize, begun: u64) -> TxnSpan {
    TxnSpan {
        id: u32::try_from(producer).unwrap(),
        epoch: 0,
        first,
        end: first + 2,
        invoked: begun,
        began: begun + 1,
        asked: begun + 30,
        may_commit: begun + 30,
        closed: begun + 30,
        ended: begun + 70,
        how: TxnEnd::Committed,
    }
}

fn send(chunk: &mut SendChunk, seq: u32, (invoked, completed): (u64, u64), offset: i64) {
    let start = u32::try_from(chunk.seqs.len()).unwrap();
    chunk.seqs.push(seq);
    chunk.invoked.push(invoked);
    chunk.runs.push(SendRun { start, outcome: SendOutcome::Acked, offset, completed, cause: 0 });
}

fn flush(
    out: &mut Writer<impl std::io::Write>,
    log: usize,
    (chunk, ordinal): (&mut ReadChunk, &mut u32),
    (shape, time): (Shape, u64),
) {
    let log = log_id(log);
    out.final_read((READER, log, Isolation::ReadCommitted), *ordinal, chunk).unwrap();
    if shape == Shape::Read {
        for start in (0..chunk.len()).step_by(500) {
            let start = u32::try_from(start).unwrap();
            let span = PollSpan { start, handed: 0, invoked: time, returned: time + 9, handed_at: time + 9 };
            chunk.polls.push(span);
        }
        out.polls((CONSUMER, log, 0), *ordinal, chunk).unwrap();
    }
    *ordinal += 1;
    chunk.clear();
}
