//! One record written by the harness itself, to learn whether the cluster takes records at all.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use history::ids::{Offset, TopicPartition};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::{ProduceRequest, TopicName};
use kafka_protocol::protocol::StrBytes;
use kafka_protocol::records::{
    Compression, NO_PARTITION_LEADER_EPOCH, NO_PRODUCER_EPOCH, NO_PRODUCER_ID, NO_SEQUENCE, Record,
    RecordBatchEncoder, RecordEncodeOptions, TimestampType,
};

use super::client::{Client, WireError};
use crate::clock;

impl Client {
    /// Writes values to a log that this broker leads, with `acks=all`; returns the first one's offset.
    pub async fn write(
        &mut self,
        log: &TopicPartition,
        values: &[Bytes],
        compression: Compression,
    ) -> Result<Offset, WireError> {
        let now = clock::wall_ms();
        let records: Vec<Record> = (0..).zip(values).map(|(n, value)| record(n, now, value)).collect();
        let mut batch = BytesMut::new();
        let options = RecordEncodeOptions { version: 2, compression };
        RecordBatchEncoder::encode(&mut batch, &records, &options)
            .map_err(|error| self.malformed("Produce", error))?;
        let partition =
            PartitionProduceData::default().with_index(log.partition).with_records(Some(batch.freeze()));
        let topic = TopicProduceData::default()
            .with_name(TopicName(StrBytes::from_string(log.topic.clone())))
            .with_partition_data(vec![partition]);
        let wait = Duration::from_secs(5);
        let request = ProduceRequest::default()
            .with_acks(-1)
            .with_timeout_ms(i32::try_from(wait.as_millis()).unwrap_or(i32::MAX))
            .with_topic_data(vec![topic]);
        // From 13 on topics are named by id.
        let answer = self.ask_within("Produce", &request, 12, self.patience() + wait).await?;
        let partition = answer
            .responses
            .into_iter()
            .next()
            .and_then(|topic| topic.partition_responses.into_iter().next());
        let partition =
            partition.ok_or_else(|| self.malformed("Produce", format!("no answer about {log}")))?;
        self.accept("Produce", Some(log.to_string()), partition.error_code)?;
        Ok(Offset(partition.base_offset))
    }
}

/// A record without producer id. The encoder makes a batch of neighbours whose sequences go up with their
/// offsets, and takes the first one's as the batch's; so they count up from the -1 that says "none". The timestamp
/// is the time: a broker that starts deletes segments whose records are older than the retention.
fn record(n: i32, timestamp: i64, value: &Bytes) -> Record {
    Record {
        transactional: false,
        control: false,
        delete_horizon: false,
        partition_leader_epoch: NO_PARTITION_LEADER_EPOCH,
        producer_id: NO_PRODUCER_ID,
        producer_epoch: NO_PRODUCER_EPOCH,
        timestamp_type: TimestampType::Creation,
        offset: n.into(),
        sequence: NO_SEQUENCE + n,
        timestamp,
        key: None,
        value: Some(value.clone()),
        headers: kafka_protocol::indexmap::IndexMap::new(),
    }
}
