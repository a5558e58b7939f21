//! Raw batches of one log from its leader.

use std::time::Duration;

use bytes::Bytes;
use history::ids::{Offset, TopicPartition};
use history::op::Isolation;
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::{BrokerId, FetchRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::client::{Client, WireError};

/// What to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchPosition {
    /// The log.
    pub log: TopicPartition,
    /// The first offset wanted; the answer may begin before it, with the batch that holds it.
    pub offset: Offset,
    /// Whether the leader answers up to the high watermark or to the last stable offset.
    pub isolation: Isolation,
    /// About how many bytes to answer; one batch always comes, however large.
    pub bytes_max: i32,
    /// How long the leader may wait for a first byte.
    pub wait: Duration,
}

/// What a leader answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Batches, the last perhaps cut short.
    pub records: Bytes,
    /// Aborted transactions that overlap the batches: producer id, and first offset. Only with `read_committed`.
    pub aborted: Vec<(i64, Offset)>,
    /// The high watermark at that moment.
    pub high_watermark: Offset,
    /// The last stable offset at that moment.
    pub last_stable: Offset,
    /// The log's first offset at that moment.
    pub log_start: Offset,
}

impl Client {
    /// Fetches from a log that this broker leads.
    pub async fn fetch(&mut self, position: &FetchPosition) -> Result<Fetched, WireError> {
        let partition = FetchPartition::default()
            .with_partition(position.log.partition)
            .with_current_leader_epoch(-1)
            .with_fetch_offset(position.offset.0)
            .with_log_start_offset(-1)
            .with_partition_max_bytes(position.bytes_max);
        let topic = FetchTopic::default()
            .with_topic(TopicName(StrBytes::from_string(position.log.topic.clone())))
            .with_partitions(vec![partition]);
        let isolation = match position.isolation {
            Isolation::ReadUncommitted => 0,
            Isolation::ReadCommitted => 1,
        };
        let request = FetchRequest::default()
            .with_replica_id(BrokerId(-1))
            .with_max_wait_ms(i32::try_from(position.wait.as_millis()).unwrap_or(i32::MAX))
            .with_min_bytes(1)
            .with_max_bytes(position.bytes_max)
            .with_isolation_level(isolation)
            // No fetch session: every answer is complete in itself.
            .with_session_id(0)
            .with_session_epoch(-1)
            .with_topics(vec![topic]);
        let patience = self.patience() + position.wait;
        // From 13 on topics are named by id.
        let answer = self.ask_within("Fetch", &request, 12, patience).await?;
        self.accept("Fetch", None, answer.error_code)?;
        let partition =
            answer.responses.into_iter().next().and_then(|topic| topic.partitions.into_iter().next());
        let partition =
            partition.ok_or_else(|| self.malformed("Fetch", format!("no answer about {}", position.log)))?;
        self.accept("Fetch", Some(position.log.to_string()), partition.error_code)?;
        let aborted = partition.aborted_transactions.unwrap_or_default();
        Ok(Fetched {
            records: partition.records.unwrap_or_default(),
            aborted: aborted
                .iter()
                .map(|aborted| (aborted.producer_id.0, Offset(aborted.first_offset)))
                .collect(),
            high_watermark: Offset(partition.high_watermark),
            last_stable: Offset(partition.last_stable_offset),
            log_start: Offset(partition.log_start_offset),
        })
    }
}
