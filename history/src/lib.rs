//! The shared vocabulary: operations, outcomes, ids, the crash-safe journal, the merged history and its text
//! form.
//!
//! Every other crate speaks in these types and none of them is imported here. The crate is pure but for the
//! readers and writers of its own files: no clock, no randomness, no network, no Kafka client.

pub mod edn;
pub mod ids;
pub mod journal;
pub mod merge;
pub mod merged;
pub mod op;
pub mod payload;
pub mod text;
