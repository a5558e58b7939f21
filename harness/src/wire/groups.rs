//! Who coordinates a group or a transactional id, and what a group has committed.

use std::collections::BTreeMap;

use history::ids::{NodeId, Offset, TopicPartition};
use kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestGroup;
use kafka_protocol::messages::{FindCoordinatorRequest, GroupId, OffsetFetchRequest};
use kafka_protocol::protocol::StrBytes;

use super::client::{Client, WireError};

/// Whose coordinator is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CoordinatorOf {
    /// Of a consumer group.
    Group(String),
    /// Of a transactional id.
    Transaction(String),
}

impl Client {
    /// The coordinator, in this broker's eyes. Creates Kafka's internal topic if it does not exist yet.
    pub async fn coordinator(&mut self, of: &CoordinatorOf) -> Result<NodeId, WireError> {
        let (key, kind) = match of {
            CoordinatorOf::Group(group) => (group, 0),
            CoordinatorOf::Transaction(id) => (id, 1),
        };
        let name = StrBytes::from_string(key.clone());
        let request = FindCoordinatorRequest::default().with_key_type(kind).with_coordinator_keys(vec![name]);
        let answer = self.ask("FindCoordinator", &request, 6).await?;
        let found = answer.coordinators.first();
        let found =
            found.ok_or_else(|| self.malformed("FindCoordinator", format!("no answer about {key}")))?;
        self.accept("FindCoordinator", Some(key.clone()), found.error_code)?;
        Ok(NodeId(found.node_id.0))
    }

    /// All positions that a group has committed. This broker must be the group's coordinator.
    pub async fn committed(&mut self, group: &str) -> Result<BTreeMap<TopicPartition, Offset>, WireError> {
        let name = GroupId(StrBytes::from_string(group.to_owned()));
        let asked =
            OffsetFetchRequestGroup::default().with_group_id(name).with_member_epoch(-1).with_topics(None);
        // Positions of transactions that are still open are waited for, not skipped.
        let request = OffsetFetchRequest::default().with_groups(vec![asked]).with_require_stable(true);
        let answer = self.ask("OffsetFetch", &request, 9).await?;
        let found = answer.groups.into_iter().next();
        let found = found.ok_or_else(|| self.malformed("OffsetFetch", format!("no answer about {group}")))?;
        self.accept("OffsetFetch", Some(group.to_owned()), found.error_code)?;
        let mut positions = BTreeMap::new();
        for topic in found.topics {
            for partition in topic.partitions {
                let log = TopicPartition::new(topic.name.0.as_str(), partition.partition_index);
                self.accept("OffsetFetch", Some(log.to_string()), partition.error_code)?;
                positions.insert(log, Offset(partition.committed_offset));
            }
        }
        Ok(positions)
    }
}
