//! Topics made and removed, and the feature levels that the cluster runs at.

use std::collections::BTreeMap;
use std::time::Duration;

use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{CreatableTopic, CreatableTopicConfig};
use kafka_protocol::messages::{
    ApiVersionsRequest, CreatePartitionsRequest, CreateTopicsRequest, DeleteTopicsRequest, TopicName,
};
use kafka_protocol::protocol::StrBytes;
use serde::{Deserialize, Serialize};

use super::client::{Client, WireError};

/// How long a broker may take to make or remove a topic.
const TOPIC_PATIENCE: Duration = Duration::from_secs(10);

/// A topic to be made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TopicPlan {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
    /// Replicas of each.
    pub replication: i16,
    /// Its configuration, Kafka's own keys.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
}

fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

impl Client {
    /// Makes topics. One that exists already is an error, as for everybody else.
    pub async fn create_topics(&mut self, topics: &[TopicPlan]) -> Result<(), WireError> {
        let wanted = topics.iter().map(|topic| {
            let configs = topic.config.iter().map(|(key, value)| {
                CreatableTopicConfig::default().with_name(text(key)).with_value(Some(text(value)))
            });
            CreatableTopic::default()
                .with_name(TopicName(text(&topic.name)))
                .with_num_partitions(topic.partitions)
                .with_replication_factor(topic.replication)
                .with_configs(configs.collect())
        });
        let request = CreateTopicsRequest::default()
            .with_topics(wanted.collect())
            .with_timeout_ms(milliseconds(TOPIC_PATIENCE));
        let answer = self.ask_within("CreateTopics", &request, 7, TOPIC_PATIENCE * 2).await?;
        for topic in answer.topics {
            let said =
                topic.error_message.as_ref().map(|said| format!(": {}", said.as_str())).unwrap_or_default();
            self.accept("CreateTopics", Some(format!("{}{said}", topic.name.0.as_str())), topic.error_code)?;
        }
        Ok(())
    }

    /// Gives a topic this many partitions, which must be more than it has. Brokers learn of them a little later.
    pub async fn create_partitions(&mut self, topic: &str, partitions: u16) -> Result<(), WireError> {
        let wanted = CreatePartitionsTopic::default()
            .with_name(TopicName(text(topic)))
            .with_count(i32::from(partitions))
            .with_assignments(None);
        let request = CreatePartitionsRequest::default()
            .with_topics(vec![wanted])
            .with_timeout_ms(milliseconds(TOPIC_PATIENCE));
        let answer = self.ask_within("CreatePartitions", &request, 3, TOPIC_PATIENCE * 2).await?;
        for result in answer.results {
            self.accept("CreatePartitions", Some(topic.to_owned()), result.error_code)?;
        }
        Ok(())
    }

    /// Removes a topic; its files go later.
    pub async fn delete_topic(&mut self, name: &str) -> Result<(), WireError> {
        let request = DeleteTopicsRequest::default()
            .with_topic_names(vec![TopicName(text(name))])
            .with_timeout_ms(milliseconds(TOPIC_PATIENCE));
        // From 6 on topics may be named by id.
        let answer = self.ask_within("DeleteTopics", &request, 5, TOPIC_PATIENCE * 2).await?;
        for topic in answer.responses {
            self.accept("DeleteTopics", Some(name.to_owned()), topic.error_code)?;
        }
        Ok(())
    }

    /// Feature levels that the cluster runs at (`transaction.version`, `eligible.leader.replicas.version`…).
    pub async fn features(&mut self) -> Result<BTreeMap<String, i16>, WireError> {
        let request = ApiVersionsRequest::default()
            .with_client_software_name(text("onceproof"))
            .with_client_software_version(text(env!("CARGO_PKG_VERSION")));
        let answer = self.ask("ApiVersions", &request, 4).await?;
        self.accept("ApiVersions", None, answer.error_code)?;
        let levels = answer.finalized_features;
        Ok(levels.into_iter().map(|level| (level.name.to_string(), level.max_version_level)).collect())
    }
}

fn milliseconds(duration: Duration) -> i32 {
    i32::try_from(duration.as_millis()).unwrap_or(i32::MAX)
}
