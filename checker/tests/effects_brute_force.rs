//! The effect stage and committed positions against their definitions, word by word and in quadratic time, on small
//! random damaged histories.
//!
//! The definitions here work on plain lists and share nothing with the finders. A difference prints its seed. The long
//! run is a bench: `cargo bench -p checker --bench effects_differential -- 1000000`.

#![expect(clippy::unwrap_used, reason = "a test's own input")]
#![expect(clippy::disallowed_methods, reason = "shell: reads how many cases are wanted")]

mod effects;

#[test]
fn the_fast_path_agrees_with_the_definition() {
    let cases = std::env::var("ONCEPROOF_EFFECT_CASES").ok().map_or(20_000, |text| text.parse().unwrap());
    let mut seen = std::collections::BTreeMap::new();
    for seed in 1..=cases {
        for (name, count) in effects::compare(seed) {
            *seen.entry(name).or_insert(0u64) += u64::from(count > 0);
        }
    }
    // Of fewer cases it says nothing that some anomaly is not among them.
    for name in effects::EXPECTED.iter().filter(|_| cases >= 20_000) {
        assert!(
            seen.get(*name).is_some_and(|&count| count > 20),
            "{name} was hardly ever generated: {seen:?}"
        );
    }
}
