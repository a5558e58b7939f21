//! The long differential run: the checker against the definitions, on as many random histories as asked.
//!
//! `cargo bench -p checker --bench differential -- 1000000 [seed] [name…]` checks that many histories of every object
//! (or of those named) and ends with an error at the first disagreement. The same comparison runs in the tests with a
//! small count.

#![expect(clippy::print_stdout, reason = "prints what it counted")]

#[path = "../tests/random/agreement.rs"]
mod agreement;
#[path = "../tests/random/log.rs"]
mod log;
#[path = "../tests/random/objects.rs"]
mod objects;
#[path = "../tests/random/serial.rs"]
mod serial;
#[path = "../tests/random/transactions.rs"]
mod transactions;

use agreement::Tally;
use rayon::prelude::*;

fn main() {
    let arguments = || std::env::args().skip(1).filter(|argument| !argument.starts_with('-'));
    let numbers: Vec<u64> = arguments().filter_map(|argument| argument.parse().ok()).collect();
    let names: Vec<String> = arguments().filter(|argument| argument.parse::<u64>().is_err()).collect();
    let count = numbers.first().copied().unwrap_or(1_000);
    let first = numbers.get(1).copied().unwrap_or(1 << 32);
    let wanted = |name: &str| names.is_empty() || names.iter().any(|wanted| name.contains(wanted.as_str()));
    let run = |name: String, compare: &(dyn Fn(u64) -> Tally + Sync)| {
        if !wanted(&name) {
            return;
        }
        let tally = (first..first + count).into_par_iter().map(compare).reduce(Tally::default, Tally::add);
        println!(
            "{name}: {} histories, {} with unknown outcomes, {} refused, {} witnesses too large for brute force, \
             {} refusals out of reach, 0 differences",
            tally.histories, tally.crashed, tally.invalid, tally.unconfirmed, tally.missed
        );
    };
    for family in objects::FAMILIES {
        run(format!("{family:?}"), &|seed| agreement::object(family, 8, seed));
    }
    run("Log".to_owned(), &|seed| agreement::log(6, seed));
    for workload in transactions::WORKLOADS {
        run(format!("Transactions{workload:?}"), &|seed| agreement::transactions(workload, 4, seed));
    }
}
