//! Names for the things a history talks about, one newtype each so that no two can be swapped.
//!
//! A record's unique payload is its [`Value`]: the producer process that sent it and that process's
//! sequence number. Values are dense by construction, which is what lets a history be checked by merging
//! sorted streams instead of by hashing. Offsets are Kafka's and may be sparse and huge; nothing in this
//! project may take memory or time in proportion to them.

use serde::{Deserialize, Serialize};

macro_rules! id {
    ($(#[$doc:meta])* $name:ident($inner:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub $inner);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id!(
    /// One incarnation of a client worker (or of the independent reader). A restarted worker is a new process.
    Process(u32)
);
id!(
    /// Position of a record among all records that one producer process sent, over all its logs, from 0.
    Seq(u32)
);
id!(
    /// Index of a log in the history's table of topic-partitions.
    LogId(u16)
);
id!(
    /// Kafka's offset of a record in its log. Never negative; may be sparse and as large as `i64::MAX`.
    Offset(i64)
);
id!(
    /// CLOCK_MONOTONIC in nanoseconds: one clock for every process of a run.
    Nanos(u64)
);
id!(
    /// A planned fault, numbered in the order of the plan, from 0.
    FaultId(u32)
);
id!(
    /// A node of the lab: a broker's or controller's Kafka `node.id`.
    NodeId(i32)
);

/// The unique payload of a record: who sent it, and the how-manieth record of that process it was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Value {
    /// The producer process.
    pub process: Process,
    /// Its sequence number.
    pub seq: Seq,
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.process, self.seq)
    }
}

/// A log: one partition of one topic.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TopicPartition {
    /// Topic name.
    pub topic: String,
    /// Partition number, from 0.
    pub partition: i32,
}

impl TopicPartition {
    /// The log `topic/partition`.
    pub fn new(topic: impl Into<String>, partition: i32) -> Self {
        Self { topic: topic.into(), partition }
    }
}

impl std::fmt::Display for TopicPartition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.topic, self.partition)
    }
}
