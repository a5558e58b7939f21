//! Kafka's wire protocol: the harness's own client.
//!
//! What the harness itself must know (is the cluster ready, who leads, what does a log hold at the end) it
//! asks one named broker at a time and does not leave to a client library that may retry, cache or fail over
//! on its own: a client under test cannot be its own witness. Encoding is the crate `kafka-protocol`; the
//! record batches are parsed here, because their headers are evidence.

mod admin;
pub mod batch;
mod client;
mod fetch;
mod groups;
mod metadata;
mod offsets;
mod probe;

pub use admin::TopicPlan;
pub use client::{Client, WireError};
pub use fetch::{FetchPosition, Fetched};
pub use groups::CoordinatorOf;
pub use metadata::{ClusterMetadata, LogMetadata};
pub use offsets::At;
