//! What one broker believes about the cluster: its brokers, and each log's leader, epoch and replicas.

use std::collections::BTreeMap;

use history::ids::{NodeId, TopicPartition};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::MetadataResponseTopic;
use kafka_protocol::messages::{BrokerId, MetadataRequest, TopicName};
use kafka_protocol::protocol::StrBytes;

use super::client::{Client, WireError};

/// One broker's view of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterMetadata {
    /// The brokers that are alive in its eyes, with host and port for clients.
    pub brokers: BTreeMap<NodeId, (String, u16)>,
    /// The logs that were asked for.
    pub logs: BTreeMap<TopicPartition, LogMetadata>,
}

/// One broker's view of one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogMetadata {
    /// Its leader, or none.
    pub leader: Option<NodeId>,
    /// The leader's epoch.
    pub epoch: i32,
    /// All replicas.
    pub replicas: Vec<NodeId>,
    /// The replicas in sync, in ascending order.
    pub isr: Vec<NodeId>,
    /// The replicas that are offline, in ascending order.
    pub offline: Vec<NodeId>,
    /// Why there is no leader, where there is none.
    pub error: Option<ResponseError>,
}

impl Client {
    /// What this broker believes about these topics; about all topics where none is named. A topic that it
    /// does not know is missing from the answer.
    pub async fn metadata(&mut self, topics: &[String]) -> Result<ClusterMetadata, WireError> {
        let named = topics.iter().map(|topic| {
            let name = TopicName(StrBytes::from_string(topic.clone()));
            MetadataRequestTopic::default().with_name(Some(name))
        });
        let named = (!topics.is_empty()).then(|| named.collect());
        let request = MetadataRequest::default().with_topics(named).with_allow_auto_topic_creation(false);
        let answer = self.ask("Metadata", &request, 12).await?;
        let mut metadata = ClusterMetadata::default();
        for broker in answer.brokers {
            let port = u16::try_from(broker.port).map_err(|error| self.malformed("Metadata", error))?;
            metadata.brokers.insert(NodeId(broker.node_id.0), (broker.host.to_string(), port));
        }
        for topic in answer.topics {
            add(&mut metadata, topic);
        }
        Ok(metadata)
    }
}

fn add(metadata: &mut ClusterMetadata, topic: MetadataResponseTopic) {
    let Some(name) = topic.name else { return };
    for partition in topic.partitions {
        let log = LogMetadata {
            leader: (partition.leader_id.0 >= 0).then_some(NodeId(partition.leader_id.0)),
            epoch: partition.leader_epoch,
            replicas: partition.replica_nodes.iter().map(|id| NodeId(id.0)).collect(),
            isr: ascending(&partition.isr_nodes),
            offline: ascending(&partition.offline_replicas),
            error: ResponseError::try_from_code(partition.error_code),
        };
        metadata.logs.insert(TopicPartition::new(name.0.as_str(), partition.partition_index), log);
    }
}

fn ascending(ids: &[BrokerId]) -> Vec<NodeId> {
    let mut ids: Vec<NodeId> = ids.iter().map(|id| NodeId(id.0)).collect();
    ids.sort_unstable();
    ids
}
