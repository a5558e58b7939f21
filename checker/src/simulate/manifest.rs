//! What was generated: the manifest beside a history, against which a verdict can be compared.

use std::collections::BTreeMap;

use history::ids::{LogId, Offset, Process, TopicPartition, Value};
use serde::Serialize;

use crate::anomaly::Anomaly;
use crate::question::Question;

/// Name and version of the manifest's form.
pub const SCHEMA: &str = "onceproof-manifest-1";

/// What a generated history holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Manifest {
    /// [`SCHEMA`].
    pub schema: &'static str,
    /// The seed.
    pub seed: u64,
    /// Records sent.
    pub records: u64,
    /// The logs.
    pub logs: Vec<TopicPartition>,
    /// Number of processes.
    pub processes: u64,
    /// What a checker must find, and nothing else: the number of each anomaly.
    pub expected: BTreeMap<Anomaly, u64>,
    /// Each defect, in the order in which it was planted.
    pub planted: Vec<Planted>,
    /// What to ask about the history.
    pub question: Question,
}

impl Manifest {
    /// What defects show: each one of its own, and what they bring.
    pub(super) fn expected(planted: &[Planted]) -> BTreeMap<Anomaly, u64> {
        let mut expected = BTreeMap::new();
        for defect in planted {
            *expected.entry(defect.anomaly).or_default() += 1;
            for (&anomaly, &count) in &defect.brings {
                *expected.entry(anomaly).or_default() += count;
            }
        }
        expected
    }
}

/// One defect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planted {
    /// What it is.
    pub anomaly: Anomaly,
    /// How it came about, in words.
    pub how: &'static str,
    /// The log that shows it: its place in the manifest's list.
    pub log: LogId,
    /// The record that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// The offset that shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<Offset>,
    /// The group that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The consumer that it concerns.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub consumer: Option<Process>,
    /// When, in microseconds since the run began.
    pub at_us: u64,
    /// What it cannot be without, by the definitions: a record that a torn transaction misses is also a lost one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub brings: BTreeMap<Anomaly, u64>,
}

impl Planted {
    /// A defect that is yet to be placed.
    pub(crate) fn new(anomaly: Anomaly, how: &'static str) -> Self {
        Self {
            anomaly,
            how,
            log: LogId(0),
            value: None,
            offset: None,
            group: None,
            consumer: None,
            at_us: 0,
            brings: BTreeMap::new(),
        }
    }

    /// With so many of another anomaly.
    pub(crate) fn bringing(mut self, anomaly: Anomaly, count: u64) -> Self {
        self.brings.insert(anomaly, count);
        self
    }

    /// With the log, the record and the offset that show it.
    pub(crate) fn at(mut self, log: LogId, value: Option<Value>, offset: i64) -> Self {
        self.log = log;
        self.value = value;
        self.offset = Some(Offset(offset));
        self
    }
}
