//! Random histories of sinks and committed positions, and what is wrong with them by definition.

#![expect(clippy::cast_possible_truncation, reason = "small numbers drawn from a range")]

#[path = "../random/confirmed.rs"]
mod confirmed;
mod definition;
mod random;

use std::collections::BTreeMap;

use confirmed::assert_confirmed;

/// Counts by name; without those that are zero.
pub(crate) type Summary = BTreeMap<String, u64>;

/// What must turn up in a run of some length, so that a comparison compares something.
pub(crate) const EXPECTED: &[&str] = &[
    "lost-effect",
    "duplicate-effect",
    "phantom-effect",
    "misordered-effect",
    "zombie-effect",
    "offset-regression",
    "effects",
    "distinct",
    "unknown",
    "not drained",
    "read back",
    "read in part",
];

/// Compares the finders with the definitions on one random history; returns what it showed.
pub(crate) fn compare(seed: u64) -> Summary {
    let story = random::story(seed);
    let chunk = [1, 2, 3, 7, 1000][usize::try_from(seed % 5).unwrap()];
    let history = history::merge::events_in_chunks(&story.logs, &story.events, chunk)
        .unwrap_or_else(|error| panic!("seed {seed}: {error}\n{story}"));
    let findings = checker::log::check(&history).unwrap();
    assert_confirmed(&history, &findings, &|| format!("seed {seed}\n{story}"));
    let mut fast = Summary::new();
    for (anomaly, tally) in &findings.anomalies {
        if EXPECTED.contains(&anomaly.name()) {
            fast.insert(anomaly.name().to_owned(), tally.count);
        }
    }
    for sink in findings.sinks.values() {
        let mut add = |name: &str, count: u64| *fast.entry(name.to_owned()).or_default() += count;
        add("effects", sink.effects);
        add("distinct", sink.distinct);
        add("unknown", sink.unknown);
        add("not drained", sink.not_drained);
        add("read back", u64::from(sink.read_back));
        add("read in part", u64::from(sink.read_in_part));
    }
    fast.retain(|_, count| *count > 0);
    let slow = definition::of(&story);
    assert_eq!(fast, slow, "seed {seed}: fast (left) and definition (right) differ\n{story}");
    slow
}
