//! Planted defects: one for each anomaly that a finder looks for, each so that this anomaly is found and no other.
//!
//! A defect is planted in the middle of a simulated run, by records of its own, so it works in a history of a hundred
//! records as in one of 10^8 and any number fit. What makes it hard is the word *no other*: a record in the wrong log
//! would also be lost if it had been acknowledged, a skipped record would also be undelivered if nobody came back for
//! it. Each plant says in its module how it avoids that.
//!
//! To add one: a file beside the others with `plant` in it, and its line in `how`. An anomaly without one cannot be
//! ordered; it is refused by name.

mod aborted_read;
mod corrupt;
mod dependency_cycle;
mod double_input;
mod duplicate_effect;
mod duplicate_write;
mod fencing_violation;
mod inconsistent_offsets;
mod lost_commit;
mod lost_effect;
mod lost_write;
mod lso_breach;
mod misordered_effect;
mod misrouted;
mod nonmonotonic_poll;
mod offset_regression;
mod output_mismatch;
mod phantom;
mod phantom_effect;
mod poll_skip;
mod precommitted_read;
mod realtime_inversion;
mod redelivered;
mod reordered_write;
mod resurrected_abort;
mod skipped_input;
mod stale_end;
mod torn_transaction;
mod undelivered;
mod unseen;
mod zombie_effect;

use std::io;
use std::str::FromStr;

use history::ids::{LogId, Process};

use crate::anomaly::{ALL, Anomaly};
use crate::simulate::{Fate, Feature, Options, Parcel, Pipeline, Planted};

/// An order for defects: `lost-write=3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Order {
    /// Which.
    pub anomaly: Anomaly,
    /// How many.
    pub count: u32,
}

/// Why a defect cannot be planted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlantError {
    /// No anomaly has this name.
    #[error("unknown anomaly \"{name}\"{}; `onceproof list anomalies` names them all", did_you_mean(nearest))]
    Unknown {
        /// What was written.
        name: String,
        /// A name that is nearly the same.
        nearest: Option<&'static str>,
    },
    /// Not a number.
    #[error("\"{text}\" is not a number of defects in \"{order}\": write for instance lost-write=3")]
    Count {
        /// What stands for the number.
        text: String,
        /// The whole order.
        order: String,
    },
    /// There is no plant for it.
    #[error("{anomaly} cannot be planted yet; what can: {}", can_be_planted())]
    NotYet {
        /// Which.
        anomaly: Anomaly,
    },
    /// The pipeline lacks what the defect needs.
    #[error("{anomaly} needs {needs}")]
    Needs {
        /// Which.
        anomaly: Anomaly,
        /// What of the pipeline.
        needs: &'static str,
    },
}

impl FromStr for Order {
    type Err = PlantError;

    /// Reads `NAME=COUNT`; `NAME` alone means one.
    fn from_str(order: &str) -> Result<Self, PlantError> {
        let (name, count) = order.split_once('=').unwrap_or((order, "1"));
        let (name, count) = (name.trim(), count.trim());
        let anomaly = Anomaly::from_name(name)
            .ok_or_else(|| PlantError::Unknown { name: name.to_owned(), nearest: nearest(name) })?;
        let count = count
            .parse()
            .map_err(|_| PlantError::Count { text: count.to_owned(), order: order.to_owned() })?;
        Ok(Self { anomaly, count })
    }
}

/// Puts a defect into a pipeline.
pub(crate) type How = fn(&mut Pipeline<'_>) -> io::Result<Planted>;

/// How an anomaly is planted.
pub(crate) fn how(anomaly: Anomaly) -> Option<How> {
    Some(match anomaly {
        Anomaly::LostWrite => lost_write::plant,
        Anomaly::Unseen => unseen::plant,
        Anomaly::DuplicateWrite => duplicate_write::plant,
        Anomaly::Phantom => phantom::plant,
        Anomaly::Corrupt => corrupt::plant,
        Anomaly::Misrouted => misrouted::plant,
        Anomaly::InconsistentOffsets => inconsistent_offsets::plant,
        Anomaly::ReorderedWrite => reordered_write::plant,
        Anomaly::RealtimeInversion => realtime_inversion::plant,
        Anomaly::StaleEnd => stale_end::plant,
        Anomaly::Undelivered => undelivered::plant,
        Anomaly::Redelivered => redelivered::plant,
        Anomaly::PollSkip => poll_skip::plant,
        Anomaly::NonmonotonicPoll => nonmonotonic_poll::plant,
        Anomaly::AbortedRead => aborted_read::plant,
        Anomaly::PrecommittedRead => precommitted_read::plant,
        Anomaly::LsoBreach => lso_breach::plant,
        Anomaly::TornTransaction => torn_transaction::plant,
        Anomaly::LostCommit => lost_commit::plant,
        Anomaly::ResurrectedAbort => resurrected_abort::plant,
        Anomaly::FencingViolation => fencing_violation::plant,
        Anomaly::DependencyCycle => dependency_cycle::plant,
        Anomaly::SkippedInput => skipped_input::plant,
        Anomaly::DoubleInput => double_input::plant,
        Anomaly::OutputMismatch => output_mismatch::plant,
        Anomaly::OffsetRegression => offset_regression::plant,
        Anomaly::LostEffect => lost_effect::plant,
        Anomaly::DuplicateEffect => duplicate_effect::plant,
        Anomaly::PhantomEffect => phantom_effect::plant,
        Anomaly::MisorderedEffect => misordered_effect::plant,
        Anomaly::ZombieEffect => zombie_effect::plant,
        Anomaly::Stall => return None,
    })
}

/// The anomalies that can be planted, in the order of the pipeline.
pub fn plantable() -> impl Iterator<Item = Anomaly> {
    ALL.into_iter().filter(|anomaly| how(*anomaly).is_some())
}

/// What a pipeline must have for an anomaly to be planted in it.
pub fn feature(anomaly: Anomaly) -> Option<Feature> {
    let of_transactions = [
        Anomaly::PrecommittedRead,
        Anomaly::LsoBreach,
        Anomaly::TornTransaction,
        Anomaly::LostCommit,
        Anomaly::ResurrectedAbort,
        Anomaly::FencingViolation,
        Anomaly::DependencyCycle,
    ];
    let of_transformers = [Anomaly::SkippedInput, Anomaly::DoubleInput, Anomaly::OutputMismatch];
    let of_sinks = [
        Anomaly::LostEffect,
        Anomaly::DuplicateEffect,
        Anomaly::PhantomEffect,
        Anomaly::MisorderedEffect,
        Anomaly::ZombieEffect,
    ];
    if of_sinks.contains(&anomaly) {
        return Some(Feature::Effects);
    }
    if of_transformers.contains(&anomaly) {
        return Some(Feature::Transform);
    }
    of_transactions.contains(&anomaly).then_some(Feature::Transactions)
}

/// Checks that every order can be carried out in the pipeline that is asked for.
pub(crate) fn check(orders: &[Order], options: &Options) -> Result<(), PlantError> {
    for &Order { anomaly, .. } in orders.iter().filter(|order| order.count > 0) {
        if how(anomaly).is_none() {
            return Err(PlantError::NotYet { anomaly });
        }
        let by_group = [
            Anomaly::Undelivered,
            Anomaly::Redelivered,
            Anomaly::NonmonotonicPoll,
            Anomaly::PrecommittedRead,
            Anomaly::LsoBreach,
            Anomaly::OffsetRegression,
        ];
        let missing = feature(anomaly).filter(|feature| !options.has(*feature));
        let needs = if anomaly == Anomaly::Misrouted && options.partitions < 2 {
            "two partitions"
        } else if missing == Some(Feature::Transactions) {
            "transactions"
        } else if missing == Some(Feature::Transform) {
            "a transformer: --with transform"
        } else if missing.is_some() {
            "a sink: --with effects"
        } else if anomaly == Anomaly::ZombieEffect && options.members < 2 {
            "two members"
        } else if anomaly == Anomaly::RealtimeInversion && options.producers < 2 {
            "two producers"
        } else if by_group.contains(&anomaly) && options.groups < 1 {
            "a consumer group"
        } else {
            continue;
        };
        return Err(PlantError::Needs { anomaly, needs });
    }
    Ok(())
}

fn nearest(name: &str) -> Option<&'static str> {
    let names = ALL.into_iter().map(|anomaly| (strsim::jaro_winkler(name, anomaly.name()), anomaly.name()));
    let best = names.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > 0.75).then_some(best.1)
}

fn did_you_mean(nearest: &Option<&'static str>) -> String {
    nearest.map_or_else(String::new, |name| format!(", did you mean {name}?"))
}

fn can_be_planted() -> String {
    plantable().map(Anomaly::name).collect::<Vec<_>>().join(", ")
}

/// Some records of some producer for some log, and which of them is to suffer.
fn victim(pipeline: &mut Pipeline<'_>) -> (Parcel, usize) {
    let (slot, log) = (pipeline.any_producer(None), pipeline.any_log());
    let size = pipeline.random.count(1, 8);
    let parcel = pipeline.parcel(slot, log, size);
    let at = pipeline.random.index(parcel.len());
    (parcel, at)
}

/// A record that is the next that a group will be returned of its log.
struct Lone {
    parcel: Parcel,
    group: usize,
    log: LogId,
    /// Its rank and offset.
    place: (u64, i64),
    consumer: Process,
}

/// Stores one record when a group has read all that is before it.
fn lone(pipeline: &mut Pipeline<'_>) -> io::Result<Lone> {
    let group = pipeline.random.index(usize::from(pipeline.options.groups));
    lone_of(pipeline, group)
}

/// The group that has a sink.
fn sink(pipeline: &Pipeline<'_>) -> usize {
    usize::from(pipeline.options.groups)
}

/// The same for one group.
fn lone_of(pipeline: &mut Pipeline<'_>, group: usize) -> io::Result<Lone> {
    let (slot, log) = (pipeline.any_producer(None), pipeline.any_log());
    pipeline.poll_all(group, log)?;
    let parcel = pipeline.parcel(slot, log, 1);
    pipeline.settle(&parcel, parcel.all(), Fate::Acked)?;
    pipeline.until_quiet(group);
    let place = (pipeline.next_rank(group, log), pipeline.end(log) - 1);
    Ok(Lone { parcel, group, log, place, consumer: pipeline.owner(group, log) })
}

impl Lone {
    fn planted(&self, pipeline: &Pipeline<'_>, anomaly: Anomaly, how: &'static str) -> Planted {
        let mut planted = Planted::new(anomaly, how).at(self.log, Some(self.parcel.value(0)), self.place.1);
        planted.group = Some(pipeline.groups[self.group].name.clone());
        planted.consumer = Some(self.consumer);
        planted
    }
}
