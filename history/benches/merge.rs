//! What merging costs: journals of four producers, a consumer and the reader, as clients write them.
//!
//! ```text
//! cargo bench -p history --bench merge              10^6 records
//! cargo bench -p history --bench merge -- 10000000  more
//! ```
//! Prints nanoseconds of CPU per record (sent, acknowledged, read, polled, handed over) and the peak of resident memory.

#![expect(clippy::disallowed_methods, reason = "shell: a benchmark reads the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop where its machine fails it")]
#![expect(clippy::print_stdout, reason = "what it is for")]

use std::path::{Path, PathBuf};
use std::time::Instant;

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Header, SendRun, Writer};
use history::merge;
use history::op::{Event, Identity, Isolation, Op, Run, Span};

const PRODUCERS: u32 = 4;
const LOGS: u32 = 16;
const BATCH: u32 = 10;

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u32>().ok());
    let records = numbers.next().unwrap_or(1_000_000);
    let directory = tempfile::tempdir().unwrap();
    let paths = journals(directory.path(), records);
    std::fs::write("/proc/self/clear_refs", "5").ok();
    let out = directory.path().join("history");
    let (begun, cpu) = (Instant::now(), cpu_seconds());
    let report = merge::journals(&paths, &out).unwrap();
    let (seconds, cpu) = (begun.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let sent: u64 = report.facts.processes.values().map(|process| process.sent).sum();
    let bytes = std::fs::metadata(&out).unwrap().len();
    #[expect(clippy::cast_precision_loss, reason = "printed with two digits")]
    let (per_record, size) = (cpu * 1e9 / sent as f64, bytes as f64 / sent as f64);
    println!(
        "{sent} records merged in {seconds:.2} s: {per_record:.0} ns of CPU and {size:.2} bytes per record"
    );
    println!("peak {} MiB", peak_mib());
}

/// Writes the journals of a correct run: records go round the logs in batches.
fn journals(directory: &Path, records: u32) -> Vec<PathBuf> {
    let mut paths = Vec::new();
    let mut writer = |process: u32| {
        let path = directory.join(format!("{process}.journal"));
        paths.push(path.clone());
        let header = Header { run: 1, process: Process(process), identity: Identity::default() };
        let mut writer = Writer::create(&path, &header).unwrap();
        for log in 0..LOGS {
            writer.log(&TopicPartition::new("orders", i32::try_from(log).unwrap())).unwrap();
        }
        writer
    };
    let mut reads: Vec<Vec<Run>> = vec![Vec::new(); LOGS as usize];
    let mut ends = vec![0i64; LOGS as usize];
    for producer in 0..PRODUCERS {
        let mut journal = writer(1 + producer);
        for first in (0..records / PRODUCERS).step_by(BATCH as usize) {
            let place = first / BATCH % LOGS;
            let (log, at) = (LogId(u16::try_from(place).unwrap()), place as usize);
            let run = SendRun { log, first: Seq(first), count: BATCH };
            for seq in first..first + BATCH {
                journal.send(log, Seq(seq), Nanos(u64::from(seq) * 1000)).unwrap();
            }
            let offset = Offset(ends[at]);
            journal.acked(run, Some(offset), Nanos(u64::from(first + BATCH) * 1000 + 5_000_000)).unwrap();
            let value = Value { process: Process(1 + producer), seq: Seq(first) };
            reads[at].push(Run { log, offset, first: value, count: BATCH });
            ends[at] += i64::from(BATCH);
        }
        journal.close().unwrap();
    }
    let (mut consumer, mut reader) = (writer(10), writer(11));
    let mut time = 1;
    for (log, runs) in (0u16..).zip(&reads) {
        for runs in runs.chunks(50) {
            time += 1_000_000;
            consumer.poll(Nanos(time), Nanos(time + 1000), runs).unwrap();
            let (first, last) = (runs[0].offset, runs[runs.len() - 1].offset);
            let span = Span { log: LogId(log), first, last: Offset(last.0 + i64::from(BATCH) - 1) };
            consumer.handed_over(&[span], Nanos(time + 2000)).unwrap();
            reader.final_read(Isolation::ReadUncommitted, runs, Nanos(time)).unwrap();
        }
        let end = Offset(ends[usize::from(log)]);
        let op = Op::FinalReadEnd {
            isolation: Isolation::ReadUncommitted,
            log: LogId(log),
            start: Offset(0),
            end,
            reached: end,
        };
        reader.event(&Event::moment(Nanos(time), Process(11), op)).unwrap();
    }
    consumer.close().unwrap();
    reader.close().unwrap();
    paths
}

/// CPU time of this process so far.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks: f64 = fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap();
    ticks / 100.0
}

/// Peak of resident memory since it was reset.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}
