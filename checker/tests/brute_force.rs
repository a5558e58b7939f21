//! The log and delivery stages against their definitions, word by word and in quadratic time, on small random damaged
//! histories.
//!
//! The definitions here work on plain lists and share nothing with the finders. A difference prints its seed. The
//! default run is short; `ONCEPROOF_BRUTE_CASES=1000000 cargo test --release -p checker --test brute_force` is the
//! long one.

#![expect(clippy::disallowed_methods, reason = "shell: the number of cases comes from the environment")]
#![expect(clippy::unwrap_used, reason = "a test's own input")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers drawn from a range")]
#![expect(clippy::too_many_lines, reason = "definitions and generators are flat lists")]

mod brute;
#[path = "random/confirmed.rs"]
mod confirmed;

use brute::{definition, random};
use confirmed::assert_confirmed;

#[test]
fn the_fast_path_agrees_with_the_definition() {
    let cases: u64 = std::env::var("ONCEPROOF_BRUTE_CASES").ok().map_or(20_000, |text| text.parse().unwrap());
    let first: u64 = std::env::var("ONCEPROOF_BRUTE_SEED").ok().map_or(1, |text| text.parse().unwrap());
    let mut seen = std::collections::BTreeMap::new();
    for seed in first..first + cases {
        let story = random::story(seed);
        // Small chunks, so that a small history crosses many.
        let chunk = [1, 2, 3, 7, 1000][usize::try_from(seed % 5).unwrap()];
        let history = history::merge::events_in_chunks(&story.logs, &story.events, chunk)
            .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{story}"));
        history.verify().unwrap();
        let findings = checker::log::check(&history).unwrap();
        assert_confirmed(&history, &findings, &|| format!("seed {seed}\n{story}"));
        let fast = definition::summary(&findings);
        let slow = definition::of(&story);
        assert_eq!(fast, slow, "seed {seed}: fast (left) and definition (right) differ\n{story}");
        for (name, count) in slow {
            *seen.entry(name).or_insert(0u64) += u64::from(count > 0);
        }
    }
    println!("{cases} histories; with at least one of each:");
    for (name, count) in &seen {
        println!("{count:9} {name}");
    }
    if cases >= 10_000 {
        for name in brute::EXPECTED {
            assert!(seen.get(*name).is_some_and(|&count| count > 10), "{name} was hardly ever generated");
        }
    }
}
