//! What journalling costs a client: nanoseconds per record, for realistic bursts, against copying the same
//! number of bytes to memory.
//!
//! A record is a frame for its send and its part of a frame for the run of acknowledgements that it came back
//! in. Small batches are what a slow or hashed producer gets, large ones what a fast one gets. `payload` is what
//! making and checking the record's value costs beside. Run: `cargo bench -p history --bench journal`.
#![expect(clippy::unwrap_used, reason = "a benchmark's own set-up may fail only by panicking")]

use std::hint::black_box;

use divan::Bencher;
use divan::counter::ItemsCount;
use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Entry, Header, Reader, SendRun, Writer};
use history::op::{Identity, Run, Span};
use history::payload;

const RECORDS: u32 = 100_000;
const BATCHES: [u32; 3] = [1, 10, 500];

fn main() {
    divan::main();
}

fn writer(dir: &tempfile::TempDir) -> (Writer, LogId) {
    let path = dir.path().join("bench.journal");
    let _ = std::fs::remove_file(&path);
    let header = Header { run: 1, process: Process(1), identity: Identity::default() };
    let mut writer = Writer::create(path, &header).unwrap();
    let log = writer.log(&TopicPartition::new("orders", 0)).unwrap();
    (writer, log)
}

fn send_and_acknowledge(writer: &mut Writer, log: LogId, batch: u32) {
    for first in (0..RECORDS).step_by(batch as usize) {
        for seq in first..first + batch {
            writer.send(log, Seq(seq), Nanos(seq.into())).unwrap();
        }
        let run = SendRun { log, first: Seq(first), count: batch };
        writer.acked(run, Some(Offset(first.into())), Nanos(first.into())).unwrap();
    }
}

/// Send and acknowledgement of each record, by records per acknowledgement.
#[divan::bench(args = BATCHES, sample_count = 40)]
fn send_acked(bencher: Bencher<'_, '_>, batch: u32) {
    let dir = tempfile::tempdir().unwrap();
    bencher.counter(ItemsCount::new(RECORDS)).with_inputs(|| writer(&dir)).bench_refs(|(writer, log)| {
        send_and_acknowledge(writer, *log, batch);
    });
}

/// The same frames copied into memory that is there already: no file, no checksum.
#[divan::bench(args = BATCHES, sample_count = 40)]
fn memcpy_baseline(bencher: Bencher<'_, '_>, batch: u32) {
    let frames = RECORDS + RECORDS / batch;
    let mut memory = vec![0_u8; frames as usize * 32];
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        let source = black_box([7_u8; 32]);
        for frame in memory.chunks_exact_mut(32) {
            frame.copy_from_slice(&source);
        }
        black_box(memory.as_slice()).len()
    });
}

/// Polls of 500 records in runs of `batch`, and their hand-over.
#[divan::bench(args = BATCHES, sample_count = 40)]
fn poll_handed_over(bencher: Bencher<'_, '_>, batch: u32) {
    const POLL: u32 = 500;
    let dir = tempfile::tempdir().unwrap();
    let runs: Vec<Run> = (0..POLL)
        .step_by(batch as usize)
        .map(|at| Run {
            log: LogId(0),
            offset: Offset(at.into()),
            first: Value { process: Process(1), seq: Seq(at) },
            count: batch,
        })
        .collect();
    let span = Span { log: LogId(0), first: Offset(0), last: Offset(i64::from(POLL) - 1) };
    bencher.counter(ItemsCount::new(RECORDS)).with_inputs(|| writer(&dir)).bench_refs(|(writer, _)| {
        for poll in 0..u64::from(RECORDS / POLL) {
            writer.poll(Nanos(poll), Nanos(poll + 1), &runs).unwrap();
            writer.handed_over(&[span], Nanos(poll)).unwrap();
        }
    });
}

/// Reading back what `send_acked` wrote, checksums verified.
#[divan::bench(args = BATCHES, sample_count = 40)]
fn read_back(bencher: Bencher<'_, '_>, batch: u32) {
    let dir = tempfile::tempdir().unwrap();
    let (mut writer, log) = writer(&dir);
    send_and_acknowledge(&mut writer, log, batch);
    writer.close().unwrap();
    bencher.counter(ItemsCount::new(RECORDS)).bench_local(|| {
        let mut reader = Reader::open(dir.path().join("bench.journal")).unwrap();
        let mut entries = 0_u32;
        while !matches!(reader.next_entry().unwrap(), Entry::End(_)) {
            entries += 1;
        }
        entries
    });
}

/// Making a record's value, by its size in bytes.
#[divan::bench(args = [0, 100, 1024])]
fn payload_encode(bencher: Bencher<'_, '_>, size: usize) {
    let log = TopicPartition::new("orders", 3);
    let mut out = Vec::new();
    let mut seq = 0;
    bencher.counter(ItemsCount::new(1_u32)).bench_local(|| {
        seq += 1;
        payload::encode(&mut out, 1, Value { process: Process(1), seq: Seq(seq) }, &log, size);
        black_box(out.as_slice()).len()
    });
}

/// Checking a record's value, by its size in bytes.
#[divan::bench(args = [0, 100, 1024])]
fn payload_decode(bencher: Bencher<'_, '_>, size: usize) {
    let log = TopicPartition::new("orders", 3);
    let mut bytes = Vec::new();
    payload::encode(&mut bytes, 1, Value { process: Process(1), seq: Seq(1) }, &log, size);
    bencher
        .counter(ItemsCount::new(1_u32))
        .bench_local(|| payload::decode(black_box(&bytes), 1, &log).is_ok());
}
