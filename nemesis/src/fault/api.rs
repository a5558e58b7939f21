//! Kafka requests by the name that Kafka gives them, with their API keys.
//!
//! Only requests that travel between the processes of a run and that a fault can sensibly single out. Keys are
//! those of Kafka's protocol guide ("Api Keys") and never change meaning between versions.

use serde::{Deserialize, Serialize};

macro_rules! apis {
    ($($name:ident = $key:literal),* $(,)?) => {
        /// A Kafka request.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the names are Kafka's own")]
        pub enum Api { $($name),* }

        impl Api {
            /// All of them, by key.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// Kafka's API key.
            pub fn key(self) -> i16 {
                match self { $(Self::$name => $key),* }
            }

            /// Kafka's name.
            pub fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),* }
            }
        }
    };
}

apis! {
    Produce = 0,
    Fetch = 1,
    ListOffsets = 2,
    Metadata = 3,
    OffsetCommit = 8,
    OffsetFetch = 9,
    FindCoordinator = 10,
    JoinGroup = 11,
    Heartbeat = 12,
    LeaveGroup = 13,
    SyncGroup = 14,
    ApiVersions = 18,
    InitProducerId = 22,
    OffsetForLeaderEpoch = 23,
    AddPartitionsToTxn = 24,
    AddOffsetsToTxn = 25,
    EndTxn = 26,
    WriteTxnMarkers = 27,
    TxnOffsetCommit = 28,
    Vote = 52,
    AlterPartition = 56,
    BrokerRegistration = 62,
    BrokerHeartbeat = 63,
    AllocateProducerIds = 67,
    ConsumerGroupHeartbeat = 68,
}

impl Api {
    /// The request of this name, in any capitalisation.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|api| api.name().eq_ignore_ascii_case(name))
    }
}

impl std::fmt::Display for Api {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
