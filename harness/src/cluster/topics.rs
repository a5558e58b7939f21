//! Topics of a run: made, and then waited for until every log takes requests.
//!
//! A topic that was created exists for the controller; a broker learns of it a little later, and its leader
//! later still. Whoever acts in between gets an unknown topic, so the wait ends only when each log's leader
//! itself answers for it and all replicas are in sync.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use history::ids::{NodeId, TopicPartition};
use tokio::time::{sleep, timeout};

use super::ClusterError;
use crate::wire::{At, Client, TopicPlan, WireError};

const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(20);

/// Makes topics and waits until each of their logs takes requests, with every replica in sync.
pub(super) async fn create(
    brokers: &BTreeMap<NodeId, SocketAddr>,
    topics: &[TopicPlan],
    patience: Duration,
) -> Result<(), ClusterError> {
    let mut clients = BTreeMap::new();
    for (id, address) in brokers {
        clients.insert(*id, Client::connect(*address, "onceproof-topics", PATIENCE).await?);
    }
    if let Some(any) = clients.values_mut().next() {
        any.create_topics(topics).await?;
    }
    let logs =
        topics.iter().flat_map(|topic| (0..topic.partitions).map(|n| TopicPartition::new(&*topic.name, n)));
    let mut missing: BTreeSet<TopicPartition> = logs.collect();
    let waiting = async {
        while !missing.is_empty() {
            forget_ready(&mut clients, &mut missing).await?;
            sleep(PAUSE).await;
        }
        Ok::<(), WireError>(())
    };
    match timeout(patience, waiting).await {
        Ok(done) => Ok(done?),
        Err(_) => {
            let lacking =
                missing.iter().map(|log| (log.to_string(), "takes no requests".to_owned())).collect();
            Err(ClusterError::NotReady { waited: patience, lacking })
        }
    }
}

/// Gives a topic more partitions and waits until every broker that answers shows them; how many it does.
pub(super) async fn grow(
    brokers: &BTreeMap<NodeId, SocketAddr>,
    (topic, partitions): (&str, u16),
    patience: Duration,
) -> Result<u16, WireError> {
    let mut refused = None;
    for address in brokers.values() {
        let asked = async {
            Client::connect(*address, "onceproof-topics", PATIENCE)
                .await?
                .create_partitions(topic, partitions)
                .await
        };
        // Another broker may be reachable.
        refused = asked.await.err();
        if refused.is_none() {
            break;
        }
    }
    if let Some(error) = refused {
        return Err(error);
    }
    let mut shown = 0;
    let waiting = async {
        while shown < partitions {
            shown = shown_by_all(brokers, topic).await;
            sleep(PAUSE).await;
        }
    };
    // What is shown when patience ends is what the ledger says.
    let _ = timeout(patience, waiting).await;
    Ok(shown)
}

/// Partitions with a leader, as the broker that shows the fewest has it.
async fn shown_by_all(brokers: &BTreeMap<NodeId, SocketAddr>, topic: &str) -> u16 {
    let mut least = None;
    for address in brokers.values() {
        let Ok(mut client) = Client::connect(*address, "onceproof-topics", PATIENCE).await else { continue };
        let Ok(metadata) = client.metadata(&[topic.to_owned()]).await else { continue };
        let led = metadata.logs.values().filter(|log| log.leader.is_some()).count();
        let led = u16::try_from(led).unwrap_or(u16::MAX);
        least = Some(least.map_or(led, |least: u16| least.min(led)));
    }
    least.unwrap_or(0)
}

async fn forget_ready(
    clients: &mut BTreeMap<NodeId, Client>,
    missing: &mut BTreeSet<TopicPartition>,
) -> Result<(), WireError> {
    let topics: BTreeSet<String> = missing.iter().map(|log| log.topic.clone()).collect();
    let topics: Vec<String> = topics.into_iter().collect();
    let mut known = BTreeMap::new();
    for client in clients.values_mut() {
        known.extend(client.metadata(&topics).await?.logs);
    }
    for (log, metadata) in known {
        let whole = metadata.isr.len() == metadata.replicas.len();
        let Some(client) = metadata.leader.filter(|_| whole).and_then(|leader| clients.get_mut(&leader))
        else {
            continue;
        };
        match client.offset(&log, At::LogEnd).await {
            Ok(_) => drop(missing.remove(&log)),
            // It does not know yet that it leads.
            Err(WireError::Refused { .. }) => {}
            Err(other) => return Err(other),
        }
    }
    Ok(())
}
