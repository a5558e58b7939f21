//! The long run of planted defects, and how fast histories are generated.
//!
//! `cargo bench -p checker --bench planted -- 100 [records] [first case]` generates and checks that many pipelines with
//! each anomaly alone, with all together and with none, up to `records` records (a million unless said otherwise), and
//! ends with a panic at the first difference. `… -- speed RECORDS [NAME=COUNT…]` writes one history to a scratch file and
//! says how long generating and checking it took.

#![expect(clippy::print_stdout, reason = "prints what it counted")]
#![expect(clippy::unwrap_used, reason = "a failure is a panic")]
#![expect(clippy::disallowed_methods, reason = "shell: measures")]

#[path = "../tests/random/compare.rs"]
mod compare;
#[path = "../tests/random/shapes.rs"]
mod shapes;

use std::io::BufWriter;
use std::time::Instant;

use checker::plant::plantable;
use checker::simulate::{Options, generate};
use compare::compare;
use history::merged::History;
use rayon::prelude::*;
use shapes::{alone, draw, shape, together};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    if arguments.first().is_some_and(|first| first == "speed") {
        return speed(&arguments[1..]);
    }
    let numbers: Vec<u64> = arguments.iter().filter_map(|argument| argument.parse().ok()).collect();
    let count = numbers.first().copied().unwrap_or(1);
    let most = numbers.get(1).copied().unwrap_or(1_000_000);
    let first = numbers.get(2).copied().unwrap_or(1 << 40);
    let anomalies: Vec<_> = plantable().collect();
    (first..first + count).into_par_iter().for_each(|case| {
        // From a hundred on, as many small ones as large ones.
        let records = |salt| (100 << draw(case, salt, 1 + u64::from((most / 100).max(1).ilog2()))).min(most);
        for (nth, anomaly) in (0u64..).zip(&anomalies) {
            compare(&alone(case, records(20 + nth), *anomaly));
        }
        compare(&together(case, records(18)));
        compare(&shape(case, records(19)));
    });
    let histories = count * (anomalies.len() as u64 + 2);
    println!("{histories} histories of 100 to {most} records, {} anomalies, 0 differences", anomalies.len());
}

fn speed(arguments: &[String]) {
    let (records, plants) = arguments.split_first().unwrap();
    let plants = plants.iter().map(|order| order.parse().unwrap()).collect();
    let options = Options { records: records.parse().unwrap(), plants, ..Options::default() };
    let file = tempfile::NamedTempFile::new().unwrap();
    let begun = Instant::now();
    let manifest = generate(&options, BufWriter::with_capacity(1 << 20, file.reopen().unwrap())).unwrap();
    let generated = begun.elapsed();
    let size = file.as_file().metadata().unwrap().len();
    let begun = Instant::now();
    let findings = checker::judge::find(&History::open(file.path()).unwrap()).unwrap();
    let checked = begun.elapsed();
    let found = findings.anomalies.iter().map(|(anomaly, tally)| (*anomaly, tally.count)).collect();
    assert_eq!(manifest.expected, found);
    let rate = |time: std::time::Duration| {
        (u128::from(manifest.records) * 1000 / time.as_nanos().max(1)).to_string() + " million records/s"
    };
    println!(
        "{} records, {size} bytes ({} a thousand records): generated in {generated:.2?} ({}), checked in \
         {checked:.2?} ({}); found what was planted: {found:?}",
        manifest.records,
        size * 1000 / manifest.records,
        rate(generated),
        rate(checked),
    );
}
