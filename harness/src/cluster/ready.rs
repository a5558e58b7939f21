//! When a cluster is ready: the protocol says so, on every broker, and a record goes through.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use history::ids::{NodeId, TopicPartition};
use kafka_protocol::records::Compression;
use tokio::time::sleep;

use crate::wire::{Client, TopicPlan, WireError};

/// The topic that the readiness record goes to; removed again, and excluded by its name from everything else.
pub const PROBE_TOPIC: &str = "__onceproof-probe";

/// Between two questions to a broker that is not there yet.
const PAUSE: Duration = Duration::from_millis(40);
/// For one exchange while nodes start: long enough for a JVM that warms up.
const PATIENCE: Duration = Duration::from_secs(3);

/// What a cluster that is not ready still lacks, for the message when patience ends.
#[derive(Clone, Debug, Default)]
pub(super) struct Lacking(pub(super) BTreeMap<String, String>);

/// Waits until this broker's metadata shows exactly these brokers.
pub(super) async fn sees_all(
    broker: SocketAddr,
    all: &BTreeSet<NodeId>,
    report: &tokio::sync::watch::Sender<Lacking>,
) -> Client {
    let key = broker.to_string();
    loop {
        let lack = match looks(broker).await {
            Ok((client, seen)) if seen == *all => {
                report.send_modify(|lacking| drop(lacking.0.remove(&key)));
                return client;
            }
            Ok((_, seen)) => format!("knows only the brokers {seen:?}"),
            Err(error) => error.to_string(),
        };
        report.send_modify(|lacking| drop(lacking.0.insert(key.clone(), lack)));
        sleep(PAUSE).await;
    }
}

async fn looks(broker: SocketAddr) -> Result<(Client, BTreeSet<NodeId>), WireError> {
    let mut client = Client::connect(broker, "onceproof-ready", PATIENCE).await?;
    // A topic that does not exist keeps the answer small.
    let metadata = client.metadata(&[PROBE_TOPIC.to_owned()]).await?;
    Ok((client, metadata.brokers.keys().copied().collect()))
}

/// Writes a record with `acks=all` to a topic with a replica on every broker, and removes the topic.
pub(super) async fn record_goes_through(
    clients: &mut BTreeMap<NodeId, Client>,
    report: &tokio::sync::watch::Sender<Lacking>,
) {
    loop {
        match probe(clients).await {
            Ok(()) => return,
            Err(error) => {
                report.send_modify(|lacking| {
                    drop(lacking.0.insert("probe record".to_owned(), error.to_string()))
                });
                sleep(PAUSE).await;
                for client in clients.values_mut() {
                    // A connection is of no use after an error.
                    if let Ok(fresh) = Client::connect(client.broker(), "onceproof-ready", PATIENCE).await {
                        *client = fresh;
                    }
                }
            }
        }
    }
}

async fn probe(clients: &mut BTreeMap<NodeId, Client>) -> Result<(), WireError> {
    let replication = i16::try_from(clients.len()).unwrap_or(i16::MAX);
    let log = TopicPartition::new(PROBE_TOPIC, 0);
    let config = [("min.insync.replicas".to_owned(), replication.to_string())].into();
    let topic = TopicPlan { name: PROBE_TOPIC.to_owned(), partitions: 1, replication, config };
    let Some(any) = clients.values_mut().next() else { return Ok(()) };
    let known = any.metadata(std::slice::from_ref(&topic.name)).await?;
    if !known.logs.contains_key(&log) {
        any.create_topics(std::slice::from_ref(&topic)).await?;
    }
    let leader = loop {
        let known = any.metadata(std::slice::from_ref(&topic.name)).await?;
        if let Some(leader) = known.logs.get(&log).and_then(|log| log.leader) {
            break leader;
        }
        sleep(Duration::from_millis(10)).await;
    };
    let Some(client) = clients.get_mut(&leader) else { return Ok(()) };
    loop {
        match client.write(&log, &[Bytes::from_static(b"ready")], Compression::None).await {
            Ok(_) => break,
            // The leader has not heard of the topic yet, or its followers have not fetched yet.
            Err(WireError::Refused { .. }) => sleep(Duration::from_millis(10)).await,
            Err(other) => return Err(other),
        }
    }
    client.delete_topic(PROBE_TOPIC).await
}
