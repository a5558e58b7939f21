//! Transactions against their definitions, word by word and in quadratic time, on small random damaged histories.
//!
//! The definitions work on the plain list of events and share nothing with the finders. A difference prints its seed.
//! The default run is short; `ONCEPROOF_TXN_CASES=1000000 cargo test --release -p checker --test transactions` is the
//! long one.

#![expect(clippy::disallowed_methods, reason = "shell: the number of cases comes from the environment")]
#![expect(clippy::unwrap_used, reason = "a test's own input")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers drawn from a range")]
#![expect(clippy::too_many_lines, reason = "definitions and generators are flat lists")]

#[path = "random/confirmed.rs"]
mod confirmed;
#[path = "transactional/cycles.rs"]
mod cycles;
#[path = "transactional/definition.rs"]
mod definition;
#[path = "transactional/pipeline.rs"]
mod pipeline;
#[path = "transactional/random.rs"]
mod random;

use confirmed::assert_confirmed;

/// Everything that must come up often enough for the comparison to mean something.
const EXPECTED: [&str; 18] = [
    "aborted-read",
    "precommitted-read",
    "lso-breach",
    "torn-transaction",
    "lost-commit",
    "resurrected-abort",
    "fencing-violation",
    "lost-write",
    "skipped-input",
    "double-input",
    "output-mismatch",
    "cycle G0",
    "cycle G1c",
    "cycle G0 with process or real-time order",
    "cycle G1c with process or real-time order",
    "cycle G-single",
    "cycle G2",
    "transactions proved",
];

#[test]
fn the_fast_path_agrees_with_the_definition() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let cases = number("ONCEPROOF_TXN_CASES").unwrap_or(20_000);
    let first = number("ONCEPROOF_TXN_SEED").unwrap_or(1);
    let (mut seen, mut crashed) = (std::collections::BTreeMap::new(), 0u64);
    for seed in first..first + cases {
        let story = random::story(seed);
        crashed += u64::from(story.has_unknown_outcome());
        // Small chunks, so that a small history crosses many.
        let chunk = [1, 2, 3, 7, 1000][usize::try_from(seed % 5).unwrap()];
        let history = history::merge::events_in_chunks(&story.logs, &story.events, chunk)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{story}"));
        history.verify().unwrap();
        let findings = checker::transaction::check(&history).unwrap();
        assert_confirmed(&history, &findings, &|| format!("seed {seed}\n{story}"));
        let fast = definition::summary(&findings);
        let slow = definition::of(&story);
        assert_eq!(fast, slow, "seed {seed}: fast (left) and definition (right) differ\n{story}");
        for (name, count) in slow {
            *seen.entry(name).or_insert(0u64) += u64::from(count > 0);
        }
    }
    println!("{cases} histories, {crashed} with unknown outcomes; with at least one of each:");
    for (name, count) in &seen {
        println!("{count:9} {name}");
    }
    if cases >= 10_000 {
        for name in EXPECTED {
            assert!(seen.get(name).is_some_and(|&count| count > 0), "{name} was hardly ever generated");
        }
    }
}
