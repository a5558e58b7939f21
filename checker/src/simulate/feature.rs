//! What a simulated pipeline may have besides producers, logs and groups.

use std::fmt;
use std::str::FromStr;

/// Something that a pipeline has or has not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Feature {
    /// One producer uses transactions, on a topic of its own that the others write to as well.
    Transactions,
    /// A further group writes the effects of what it is handed into a sink.
    Effects,
    /// A consumer makes one record of each that it takes in from a log, and sends it to another log, in transactions.
    Transform,
    /// Half of the logs have gaps in their offsets.
    Sparse,
    /// One log ends with a record at offset 2^62.
    HugeOffset,
    /// What the wire protocol says of each batch is recorded as evidence, as a run does.
    Batches,
}

/// All of them.
pub const FEATURES: [Feature; 6] = [
    Feature::Transactions,
    Feature::Effects,
    Feature::Transform,
    Feature::Sparse,
    Feature::HugeOffset,
    Feature::Batches,
];

/// No feature has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{name}\" is no feature of a pipeline: write {}", FEATURES.map(|feature| feature.to_string()).join(", "))]
pub struct FeatureError {
    /// What was written.
    name: String,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Feature::Transactions => "transactions",
            Feature::Effects => "effects",
            Feature::Transform => "transform",
            Feature::Sparse => "sparse",
            Feature::HugeOffset => "huge-offset",
            Feature::Batches => "batches",
        })
    }
}

impl FromStr for Feature {
    type Err = FeatureError;

    fn from_str(name: &str) -> Result<Self, FeatureError> {
        let known = FEATURES.into_iter().find(|feature| feature.to_string() == name);
        known.ok_or_else(|| FeatureError { name: name.to_owned() })
    }
}
