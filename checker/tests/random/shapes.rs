//! Pipelines of random shapes with planted defects.

use checker::anomaly::Anomaly;
use checker::plant::{Order, feature, plantable};
use checker::simulate::{FEATURES, Manifest, Options, generate};
use history::merged::History;

/// A pipeline's history.
pub(crate) fn generated(options: &Options) -> (History, Manifest) {
    let mut bytes = Vec::new();
    let manifest = generate(options, &mut bytes).unwrap();
    let history = History::from_bytes(bytes).unwrap();
    history.verify().unwrap();
    (history, manifest)
}

/// A small number that the case decides.
pub(crate) fn draw(case: u64, salt: u64, limit: u64) -> u64 {
    let mixed = (case ^ salt.rotate_left(32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (mixed ^ (mixed >> 29)).wrapping_mul(0xbf58_476d_1ce4_e5b9) % limit
}

/// A pipeline of some shape, large enough for every defect.
pub(crate) fn shape(case: u64, records: u64) -> Options {
    let small = |salt, least: u16, most: u16| {
        let range = u64::from(most - least) + 1;
        least + u16::try_from(draw(case, salt, range)).unwrap()
    };
    Options {
        records,
        seed: case,
        partitions: small(1, 2, 20),
        producers: small(2, 2, 7),
        groups: small(3, 1, 3),
        members: small(4, 1, 4),
        batch: u32::from(small(5, 1, 300)),
        with: FEATURES
            .into_iter()
            .zip(6..)
            .filter(|(_, salt)| draw(case, *salt, 2) == 0)
            .map(|(one, _)| one)
            .collect(),
        plants: Vec::new(),
    }
}

/// Each anomaly alone: some of it in a pipeline of any shape.
pub(crate) fn alone(case: u64, records: u64, anomaly: Anomaly) -> Options {
    let count = u32::try_from(1 + draw(case, 10, 9)).unwrap();
    let mut options = Options { plants: vec![Order { anomaly, count }], ..shape(case, records) };
    options.with.extend(feature(anomaly));
    options.members = options.members.max(2);
    options
}

/// All anomalies together: some of each, or none.
pub(crate) fn together(case: u64, records: u64) -> Options {
    let count = |nth: u64| u32::try_from(draw(case, 100 + nth, 6)).unwrap();
    let mut options = shape(case, records);
    options.members = options.members.max(2);
    let fits = |anomaly: &Anomaly| feature(*anomaly).is_none_or(|feature| options.with.contains(&feature));
    let plants = (0u64..).zip(plantable().filter(fits));
    options.plants = plants.map(|(nth, anomaly)| Order { anomaly, count: count(nth) }).collect();
    options
}
