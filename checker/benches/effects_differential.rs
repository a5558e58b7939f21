//! The long differential run of the effect stage: finders against definitions, on as many random histories as asked.
//!
//! `cargo bench -p checker --bench effects_differential -- 1000000 [seed]` ends with an error at the first
//! disagreement. The same comparison runs in the tests with a small count.

#![expect(clippy::print_stdout, reason = "prints what it counted")]
#![expect(clippy::unwrap_used, reason = "a test's own input")]

#[path = "../tests/effects/mod.rs"]
mod effects;

use std::collections::BTreeMap;

use rayon::prelude::*;

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let count = numbers.first().copied().unwrap_or(1_000);
    let first = numbers.get(1).copied().unwrap_or(1 << 32);
    let add = |mut all: BTreeMap<String, u64>, one: BTreeMap<String, u64>| {
        one.into_iter().for_each(|(name, count)| *all.entry(name).or_default() += count);
        all
    };
    let seen = (0..count).into_par_iter().map(|nth| {
        let summary = effects::compare(first + nth);
        summary.into_iter().map(|(name, count)| (name, u64::from(count > 0))).collect()
    });
    let seen = seen.reduce(BTreeMap::new, add);
    println!("{count} histories, 0 differences; with at least one of each:");
    for (name, count) in seen {
        println!("{count:9} {name}");
    }
}
