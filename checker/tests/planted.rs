//! Planted defects: every one is found, and nothing else is.
//!
//! Pipelines of random shapes, each with some defects; what the finders count must be what the manifest says, anomaly by
//! anomaly. With it goes that a pipeline without defects is found clean and valid, at every size, and that generating is a
//! function of its options. Many more cases: `cargo bench -p checker --bench planted -- 100`.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]

#[path = "random/compare.rs"]
mod compare;
#[path = "random/shapes.rs"]
mod shapes;

use std::collections::BTreeSet;

use checker::anomaly::{ALL, Anomaly};
use checker::plant::{Order, PlantError, plantable};
use checker::simulate::{FEATURES, GenerateError, Manifest, Options, generate};
use compare::compare;
use shapes::{alone, shape, together};

const SIZES: [u64; 4] = [100, 1_000, 10_000, 100_000];

#[test]
fn each_anomaly_alone_is_found_in_histories_of_every_size() {
    for (nth, anomaly) in (0u64..).zip(plantable()) {
        for (size, records) in (0u64..).zip(SIZES) {
            for case in 0..[4, 3, 2, 1][usize::try_from(size).unwrap()] {
                compare(&alone(nth * 1_000_000 + size * 100_000 + case, records, anomaly));
            }
        }
    }
}

#[test]
fn all_anomalies_together_are_told_apart() {
    for (size, records) in (0u64..).zip(SIZES) {
        for case in 0..[20, 10, 5, 2][usize::try_from(size).unwrap()] {
            compare(&together(77_000_000 + size * 100_000 + case, records));
        }
    }
}

#[test]
fn a_correct_pipeline_is_valid_whatever_its_shape() {
    for (size, records) in (0u64..).zip(SIZES) {
        for case in 0..[40, 20, 5, 2][usize::try_from(size).unwrap()] {
            compare(&shape(99_000_000 + size * 100_000 + case, records));
        }
    }
    compare(&Options { groups: 0, ..Options::default() });
    compare(&Options { partitions: 1, producers: 1, members: 1, batch: 1, ..Options::default() });
    compare(&Options { records: 1, ..Options::default() });
}

#[test]
fn many_defects_are_counted_exactly() {
    let plants = plantable().map(|anomaly| Order { anomaly, count: 700 }).collect();
    compare(&Options { plants, with: BTreeSet::from(FEATURES), ..Options::default() });
}

#[test]
fn the_same_options_give_the_same_bytes() {
    let bytes = |options: &Options| {
        let mut bytes = Vec::new();
        let manifest = generate(options, &mut bytes).unwrap();
        (bytes, serde_json::to_string(&manifest).unwrap())
    };
    let plants: Vec<Order> = plantable().map(|anomaly| Order { anomaly, count: 2 }).collect();
    let options = Options { plants, with: BTreeSet::from(FEATURES), ..Options::default() };
    assert!(bytes(&options) == bytes(&options));
    assert!(bytes(&options).0 != bytes(&Options { seed: 2, ..options.clone() }).0);
}

#[test]
fn what_cannot_be_planted_is_refused_by_name() {
    for anomaly in ALL.into_iter().filter(|anomaly| !plantable().any(|other| other == *anomaly)) {
        let options = Options { plants: vec![Order { anomaly, count: 1 }], ..Options::default() };
        let error = generate(&options, Vec::new()).unwrap_err();
        assert!(matches!(error, GenerateError::Plant(PlantError::NotYet { .. })), "{error}");
        assert!(error.to_string().starts_with(anomaly.name()), "{error}");
    }
    let unknown = "lost-writes=3".parse::<Order>().unwrap_err().to_string();
    assert!(unknown.contains("did you mean lost-write?"), "{unknown}");
    assert!("lost-write=three".parse::<Order>().unwrap_err().to_string().contains("lost-write=3"));
    assert_eq!("lost-write".parse::<Order>(), Ok(Order { anomaly: Anomaly::LostWrite, count: 1 }));
    let alone = Options { groups: 0, plants: vec!["redelivered".parse().unwrap()], ..Options::default() };
    assert_eq!(generate(&alone, Vec::new()).unwrap_err().to_string(), "redelivered needs a consumer group");
    let empty = generate(&Options { records: 0, ..Options::default() }, Vec::new()).unwrap_err();
    assert_eq!(empty.to_string(), "records must be from 1 to 4000000000, not 0");
}

/// Figures that were measured on a generated history can only be repeated as long as its seed means the same.
#[test]
fn a_seed_means_the_same_history_everywhere() {
    let alone = (0u64..).zip(plantable()).map(|(nth, anomaly)| (anomaly.name(), alone(nth, 200, anomaly)));
    let shapes = (0..30).map(|case| ("shape", shape(case, 300)));
    let together = (0..15).map(|case| ("together", together(case, 300)));
    let lines = alone.chain(shapes).chain(together).map(|(name, options)| {
        let mut bytes = Vec::new();
        let manifest = generate(&options, &mut bytes).unwrap();
        bytes.extend(serde_json::to_vec(&manifest).unwrap());
        let hash = xxhash_rust::xxh3::xxh3_64(&bytes);
        let Manifest { seed, records, planted, .. } = manifest;
        format!("{name} {seed}: {records} records, {} planted, {hash:016x}", planted.len())
    });
    insta::assert_snapshot!(lines.collect::<Vec<_>>().join("\n"));
}
