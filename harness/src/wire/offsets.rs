//! Where a log begins and ends, as its leader says.
//!
//! Three ends exist, and confusing them invents losses: the last stable offset (what a `read_committed`
//! consumer may see), the high watermark (what any consumer may see), and the log's end (what the leader has
//! appended). The last is only told to replicas and to Kafka's debugging consumer, replica −2, which is what
//! is claimed here.

use history::ids::{Offset, TopicPartition};
use history::op::Isolation;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::{BrokerId, ListOffsetsRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::client::{Client, WireError};

/// A place in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The first offset that exists.
    Start,
    /// The end that a consumer of this isolation level may read to: last stable offset or high watermark.
    End(Isolation),
    /// The end of what the leader has appended, replicated or not.
    LogEnd,
}

/// Kafka's debugging consumer (`ListOffsetsRequest.DEBUGGING_REPLICA_ID`).
const DEBUGGING_CONSUMER: i32 = -2;
const EARLIEST: i64 = -2;
const LATEST: i64 = -1;

impl Client {
    /// An offset of a log that this broker leads.
    pub async fn offset(&mut self, log: &TopicPartition, at: At) -> Result<Offset, WireError> {
        let (replica, isolation, timestamp) = match at {
            At::Start => (-1, 0, EARLIEST),
            At::End(Isolation::ReadUncommitted) => (-1, 0, LATEST),
            At::End(Isolation::ReadCommitted) => (-1, 1, LATEST),
            At::LogEnd => (DEBUGGING_CONSUMER, 0, LATEST),
        };
        let partition = ListOffsetsPartition::default()
            .with_partition_index(log.partition)
            .with_current_leader_epoch(-1)
            .with_timestamp(timestamp);
        let topic = ListOffsetsTopic::default()
            .with_name(TopicName(StrBytes::from_string(log.topic.clone())))
            .with_partitions(vec![partition]);
        let request = ListOffsetsRequest::default()
            .with_replica_id(BrokerId(replica))
            .with_isolation_level(isolation)
            .with_topics(vec![topic]);
        // From 10 on the request carries a timeout for tiered storage, which is not used here.
        let answer = self.ask("ListOffsets", &request, 9).await?;
        let partition = answer.topics.first().and_then(|topic| topic.partitions.first());
        let partition =
            partition.ok_or_else(|| self.malformed("ListOffsets", format!("no answer about {log}")))?;
        self.accept("ListOffsets", Some(log.to_string()), partition.error_code)?;
        Ok(Offset(partition.offset))
    }
}
