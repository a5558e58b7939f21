//! The agenda: what happens besides sending and reading, and after how many records.

use super::Options;
use super::random::Random;
use crate::anomaly::Anomaly;

/// Something that happens once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Happening {
    /// A phase of the run begins.
    Phase(&'static str),
    /// A fault strikes a broker.
    Strike,
    /// The fault is undone.
    Heal,
    /// A producer is killed.
    ProducerDies,
    /// A member of a group is killed.
    MemberDies,
    /// A group's logs move.
    Rebalance,
    /// End offsets are read.
    EndOffsets,
    /// A defect is planted.
    Plant(Anomaly),
}

/// What is to happen, latest first.
#[derive(Debug)]
pub(super) struct Agenda(Vec<(u64, Happening)>);

impl Agenda {
    pub(super) fn new(options: &Options, random: &mut Random) -> Self {
        let records = options.records;
        let (storm, heal) = (records / 10, records / 10 * 8);
        let mut during: Vec<(u64, Happening)> = Vec::new();
        let faults = (records / 1_000_000).clamp(1, 8);
        for fault in 0..faults {
            let from = storm + (heal - storm) / faults * fault;
            during.push((from, Happening::Strike));
            during.push((from + (heal - storm) / faults / 2, Happening::Heal));
        }
        let often = (records / 100_000).clamp(1, 40);
        for happening in [Happening::ProducerDies, Happening::MemberDies, Happening::Rebalance] {
            during.extend((0..often).map(|_| (random.between(storm, heal), happening.clone())));
        }
        let reads = (records / 20_000).clamp(2, 500);
        during.extend((0..reads).map(|_| (random.below(records), Happening::EndOffsets)));
        let mut plants: Vec<Anomaly> = Vec::new();
        for order in &options.plants {
            plants.extend(std::iter::repeat_n(order.anomaly, usize::try_from(order.count).unwrap_or(0)));
        }
        random.shuffle(&mut plants);
        let at = |random: &mut Random| random.between(records / 20, records - records / 20);
        let mut all: Vec<(u64, Happening)> =
            plants.into_iter().map(|anomaly| (at(random), Happening::Plant(anomaly))).collect();
        all.extend(during);
        all.sort_by_key(|(at, _)| *at);
        // What begins a phase comes before what happens in it.
        let place = |all: &[(u64, Happening)], at| all.partition_point(|(other, _)| *other < at);
        all.insert(place(&all, storm), (storm, Happening::Phase("storm")));
        let place = all.partition_point(|(other, _)| *other <= heal);
        all.insert(place, (heal, Happening::Phase("heal")));
        all.reverse();
        Self(all)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What is due after this many records.
    pub(super) fn due(&mut self, sent: u64) -> Option<Happening> {
        self.0.pop_if(|(at, _)| *at <= sent).map(|(_, happening)| happening)
    }
}
