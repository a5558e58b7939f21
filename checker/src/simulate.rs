//! A simulated, correct Kafka pipeline that writes its own history, with any number of planted defects.
//!
//! The checker's proving ground: whoever doubts a verdict generates a history in which what is wrong is known, and
//! compares. Nothing of it is random in the sense that matters: the same [`Options`] give the same bytes. Records
//! leave as chunks while the simulation goes on, so memory follows the number of logs and clients and never the number
//! of records.
//!
//! ```text
//! agenda (what happens when) ─▶ pipeline ─▶ recorder ─▶ merged history
//!    plants ─────────────────────┘ producers, logs, groups, cluster
//! ```
//! What keeps it correct is one clock: a record is invoked before the clock's moment at which it is appended and completed
//! after it, and batches are appended in the order of that moment; so no acknowledged record can stand behind one that
//! was invoked later. It does not imitate timing, only what a correct system may do.

mod agenda;
mod cluster;
mod consumer;
mod feature;
mod finish;
mod manifest;
mod parcel;
mod pipeline;
mod producer;
mod random;
mod recorder;
mod storm;
mod tail;
mod transaction;
mod transform;

use std::collections::BTreeSet;
use std::io::{self, Write};

pub(crate) use consumer::Handed;
pub use feature::{FEATURES, Feature, FeatureError};
pub use manifest::{Manifest, Planted, SCHEMA};
pub(crate) use parcel::{End, Fate, Parcel};
pub(crate) use pipeline::Pipeline;
pub(crate) use transaction::Ending;

use crate::plant::{Order, PlantError};

/// What to simulate. Build it from [`Options::default`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// How many records are sent; a few more where many defects are planted in few records.
    pub records: u64,
    /// Decides every draw.
    pub seed: u64,
    /// Partitions of the topic that is written without transactions.
    pub partitions: u16,
    /// Producers at a time.
    pub producers: u16,
    /// Consumer groups.
    pub groups: u16,
    /// Members of each group.
    pub members: u16,
    /// Most records of one batch.
    pub batch: u32,
    /// What there is besides.
    pub with: BTreeSet<Feature>,
    /// Defects.
    pub plants: Vec<Order>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            records: 10_000,
            seed: 1,
            partitions: 8,
            producers: 4,
            groups: 1,
            members: 3,
            batch: 100,
            with: BTreeSet::from([Feature::Transactions, Feature::Sparse, Feature::HugeOffset]),
            plants: Vec::new(),
        }
    }
}

/// Why nothing was generated.
#[derive(Debug, thiserror::Error)]
pub enum GenerateError {
    /// Where it is written to refused.
    #[error("cannot write the history: {0}")]
    Io(#[from] io::Error),
    /// A number that makes no pipeline.
    #[error("{what} must be from {least} to {most}, not {given}")]
    Range {
        /// Which option.
        what: &'static str,
        /// What was given.
        given: u64,
        /// Least value.
        least: u64,
        /// Greatest value.
        most: u64,
    },
    /// A defect that cannot be planted.
    #[error(transparent)]
    Plant(#[from] PlantError),
}

/// Simulates a pipeline and writes its history to `out`.
///
/// # Errors
/// [`GenerateError`]; what was written until then is no history.
pub fn generate(options: &Options, mut out: impl Write) -> Result<Manifest, GenerateError> {
    options.check()?;
    crate::plant::check(&options.plants, options)?;
    Ok(Pipeline::new(options, &mut out)?.run()?)
}

impl Options {
    /// Whether the pipeline has something.
    pub(crate) fn has(&self, feature: Feature) -> bool {
        self.with.contains(&feature)
    }

    fn check(&self) -> Result<(), GenerateError> {
        let ranges = [
            ("records", self.records, 1, 4_000_000_000),
            ("partitions", self.partitions.into(), 1, 4096),
            ("producers", self.producers.into(), 1, 256),
            ("groups", self.groups.into(), 0, 16),
            ("members", self.members.into(), 1, 256),
            ("batch", self.batch.into(), 1, 4096),
        ];
        for (what, given, least, most) in ranges {
            if !(least..=most).contains(&given) {
                return Err(GenerateError::Range { what, given, least, most });
            }
        }
        Ok(())
    }
}
