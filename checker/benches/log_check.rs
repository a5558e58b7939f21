//! How fast the log and delivery stages are: a synthetic history is written to a file and checked from page cache.
//!
//! ```text
//! cargo bench -p checker --bench log_check                      10^7 records, all shapes
//! cargo bench -p checker --bench log_check -- 100000000 small   10^8 records, one shape
//! ```
//! A record is sent, acknowledged, found by the final read and polled by one group. Shapes: `small` and `large` batches
//! over 64 logs, and the same with `one` log that holds everything; and histories in which millions of records are
//! `lost`, `doubled`, `reversed` or polled `again`: what is found must be exactly what was planted. Prints wall time, records per second, CPU
//! nanoseconds per record, bytes per record and the peak of resident memory.

#![expect(clippy::disallowed_methods, reason = "shell: a benchmark reads the clock")]
#![expect(clippy::unwrap_used, reason = "a benchmark may stop where its machine fails it")]
#![expect(clippy::print_stdout, reason = "what it is for")]

mod cost;
mod synthetic;

use std::fs::File;
use std::io::BufWriter;
use std::time::Instant;

use checker::anomaly::Anomaly;
use history::merged::History;
use synthetic::{Planted, Shape};

use cost::{cpu_seconds, peak_mib};

const REPEATS: usize = 5;

fn main() {
    let mut records = 10_000_000;
    let mut wanted = Vec::new();
    for argument in std::env::args().skip(1).filter(|argument| !argument.starts_with("--")) {
        match argument.parse() {
            Ok(number) => records = number,
            Err(_) => wanted.push(argument),
        }
    }
    println!("{records} records, {} threads, {REPEATS} repeats", rayon::current_num_threads());
    println!(
        "shape        wall min   median   M records/s   CPU ns/record   bytes/record   peak MiB   write s"
    );
    for shape in synthetic::SHAPES {
        if wanted.is_empty() || wanted.iter().any(|name| name == shape.name) {
            measure(shape, records);
        }
    }
}

fn measure(shape: &Shape, records: u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history");
    let begun = Instant::now();
    let file = BufWriter::with_capacity(1 << 20, File::create(&path).unwrap());
    let planted = synthetic::write(file, shape, records);
    let written = begun.elapsed().as_secs_f64();
    let bytes = std::fs::metadata(&path).unwrap().len();
    std::fs::write("/proc/self/clear_refs", "5").ok();
    let mut walls = Vec::new();
    let cpu = cpu_seconds();
    for _ in 0..REPEATS {
        let begun = Instant::now();
        let history = History::open(&path).unwrap();
        let findings = checker::log::check(&history).unwrap();
        walls.push(begun.elapsed().as_secs_f64());
        let found = Planted {
            lost: findings.count(Anomaly::LostWrite),
            duplicate: findings.count(Anomaly::DuplicateWrite),
            reordered: findings.count(Anomaly::ReorderedWrite),
            redelivered: findings.count(Anomaly::Redelivered),
            in_log: findings.counts.in_log,
        };
        let kinds = [planted.lost, planted.duplicate, planted.reordered, planted.redelivered];
        let kinds = kinds.iter().filter(|&&count| count > 0).count();
        assert_eq!((found, findings.anomalies.len()), (planted, kinds), "{}: found and planted", shape.name);
    }
    #[expect(clippy::cast_precision_loss, reason = "printed with three digits")]
    let (count, repeats) = (records as f64, REPEATS as f64);
    let cpu = (cpu_seconds() - cpu) / repeats;
    walls.sort_by(f64::total_cmp);
    #[expect(clippy::cast_precision_loss, reason = "printed with three digits")]
    let size = bytes as f64 / count;
    println!(
        "{:<12} {:>8.3} {:>8.3} {:>13.1} {:>15.1} {:>14.2} {:>10} {:>9.1}",
        shape.name,
        walls[0],
        walls[REPEATS / 2],
        count / walls[0] / 1e6,
        cpu / count * 1e9,
        size,
        peak_mib(),
        written,
    );
}
