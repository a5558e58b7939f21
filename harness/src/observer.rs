//! Who says what about leaders and in-sync replicas, asked of every broker separately, all the time.
//!
//! "Any broker" would sooner or later mean the isolated one, whose news is old; so each broker has its own
//! connection, its own deadline and its own column in the view. Only changes are recorded. Where a target has
//! to be resolved ("leader of orders/0"), the answer with the newest leader epoch among all brokers counts,
//! and of answers with equal epoch the latest, because in-sync replicas change within an epoch.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use history::ids::{LogId, Nanos, NodeId, TopicPartition};
use history::op::Observation;
use nemesis::target::LogView;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use crate::clock;
use crate::cluster::PROBE_TOPIC;
use crate::kafka::CONTROLLER;
use crate::wire::{Client, ClusterMetadata, CoordinatorOf, LogMetadata};

/// Between two questions to one broker.
pub const EVERY: Duration = Duration::from_millis(200);
/// How long one broker may take to answer before it counts as silent.
const PATIENCE: Duration = Duration::from_millis(1000);
/// Kafka's own topics, whose leaders are the coordinators.
const GROUPS: &str = "__consumer_offsets";
const TRANSACTIONS: &str = "__transaction_state";
/// News that may wait for the run to take it.
const BACKLOG: usize = 4096;

/// One broker's word about one log changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct News {
    /// When the answer came.
    pub time: Nanos,
    /// The log.
    pub log: TopicPartition,
    /// What the broker says now; its `log` id is to be filled in by [`News::observation`].
    said: Observation,
}

impl News {
    /// The observation, with the journal's own number of the log.
    pub fn observation(&self, log: LogId) -> Observation {
        Observation { log, ..self.said.clone() }
    }

    /// The broker that was asked.
    pub fn asked(&self) -> NodeId {
        self.said.asked
    }
}

/// What the brokers say at this moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    said: BTreeMap<NodeId, Answer>,
}

/// The latest word of one broker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answer {
    /// When it last answered.
    pub answered: Option<Nanos>,
    /// Whether it answered when it was last asked.
    pub is_silent: bool,
    /// What it said.
    pub metadata: ClusterMetadata,
}

impl Observed {
    /// The best knowledge of a log: newest epoch first, then the latest answer.
    pub fn log(&self, log: &TopicPartition) -> Option<&LogMetadata> {
        let known =
            self.said.values().filter_map(|answer| Some((answer.metadata.logs.get(log)?, answer.answered)));
        known.max_by_key(|(known, answered)| (known.epoch, *answered)).map(|(known, _)| known)
    }

    /// The leader of a log.
    pub fn leader(&self, log: &TopicPartition) -> Option<NodeId> {
        self.log(log)?.leader
    }

    /// The replicas of a log in sync with its leader, the leader included.
    pub fn isr(&self, log: &TopicPartition) -> Vec<NodeId> {
        self.log(log).map(|log| log.isr.clone()).unwrap_or_default()
    }

    /// The replicas of a log that do not lead it.
    pub fn followers(&self, log: &TopicPartition) -> Vec<NodeId> {
        let Some(known) = self.log(log) else { return Vec::new() };
        known.replicas.iter().copied().filter(|replica| Some(*replica) != known.leader).collect()
    }

    /// The controller node.
    pub fn controller(&self) -> NodeId {
        CONTROLLER
    }

    /// Every log that any broker knows, as targets need it.
    pub fn logs(&self) -> BTreeMap<TopicPartition, LogView> {
        let names: BTreeSet<_> = self.said.values().flat_map(|answer| answer.metadata.logs.keys()).collect();
        let views = names.into_iter().filter_map(|name| Some((name.clone(), self.log(name)?)));
        let view = |log: &LogMetadata| LogView {
            leader: log.leader,
            replicas: log.replicas.clone(),
            isr: log.isr.clone(),
        };
        views.map(|(name, log)| (name, view(log))).collect()
    }

    /// The coordinator of a group or a transactional id: the leader of the internal log that its name hashes to,
    /// once that topic exists. Better than asking some broker, which may be the isolated one.
    pub fn coordinator(&self, of: &CoordinatorOf) -> Option<NodeId> {
        let (topic, name) = match of {
            CoordinatorOf::Group(group) => (GROUPS, group),
            CoordinatorOf::Transaction(id) => (TRANSACTIONS, id),
        };
        let counts = self
            .said
            .values()
            .map(|answer| answer.metadata.logs.keys().filter(|log| log.topic == topic).count());
        let count = i32::try_from(counts.max()?).ok().filter(|count| *count > 0)?;
        self.leader(&TopicPartition::new(topic, (java_hash(name) & i32::MAX) % count))
    }

    /// Whether every replica of every log that any broker knows is in sync.
    pub fn is_whole(&self) -> bool {
        let logs: BTreeSet<_> = self.said.values().flat_map(|answer| answer.metadata.logs.keys()).collect();
        let whole = |log: &&TopicPartition| {
            self.log(log).is_some_and(|log| log.leader.is_some() && log.isr.len() == log.replicas.len())
        };
        !logs.is_empty() && logs.iter().all(whole)
    }

    /// The latest word of every broker.
    pub fn answers(&self) -> &BTreeMap<NodeId, Answer> {
        &self.said
    }
}

/// Asks all brokers until it is dropped.
#[derive(Debug)]
pub struct Observer {
    /// Changes, in the order in which they were learned.
    pub news: mpsc::Receiver<News>,
    /// The current view; wait on it with `changed` or `wait_for`.
    pub view: watch::Receiver<Observed>,
    _asking: JoinSet<()>,
}

impl Observer {
    /// Starts to ask these brokers about these topics. The internal topics are
    /// always asked about, for the sake of coordinators, but make no news unless they are named.
    pub fn start(brokers: &BTreeMap<NodeId, SocketAddr>, topics: &[String]) -> Observer {
        let (tell, news) = mpsc::channel(BACKLOG);
        let (show, view) = watch::channel(Observed::default());
        let mut asking = JoinSet::new();
        for (broker, address) in brokers {
            let one = Ask {
                broker: *broker,
                address: *address,
                topics: topics.to_vec(),
                tell: tell.clone(),
                show: show.clone(),
            };
            asking.spawn(one.for_ever());
        }
        Observer { news, view, _asking: asking }
    }
}

struct Ask {
    broker: NodeId,
    address: SocketAddr,
    topics: Vec<String>,
    tell: mpsc::Sender<News>,
    show: watch::Sender<Observed>,
}

impl Ask {
    async fn for_ever(self) {
        let mut ticks = interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut connection = None;
        let mut known = ClusterMetadata::default();
        loop {
            ticks.tick().await;
            let answer = self.once(&mut connection).await;
            if answer.is_none() {
                connection = None;
            }
            let time = clock::now();
            // The news come first, so that whoever acts on the view finds them recorded.
            if let Some(metadata) = &answer {
                self.tell_changes(time, &known, metadata).await;
                known = metadata.clone();
            }
            self.show(time, answer);
        }
    }

    async fn once(&self, connection: &mut Option<Client>) -> Option<ClusterMetadata> {
        let client = match connection {
            Some(client) => client,
            None => {
                connection.insert(Client::connect(self.address, "onceproof-observer", PATIENCE).await.ok()?)
            }
        };
        let internal = [GROUPS, TRANSACTIONS].map(str::to_owned);
        let topics: Vec<String> = self.topics.iter().cloned().chain(internal).collect();
        let mut metadata = client.metadata(&topics).await.ok()?;
        metadata.logs.retain(|log, _| log.topic != PROBE_TOPIC);
        Some(metadata)
    }

    fn show(&self, time: Nanos, answer: Option<ClusterMetadata>) {
        self.show.send_if_modified(|view| {
            let said = view.said.entry(self.broker).or_default();
            match answer {
                None => !std::mem::replace(&mut said.is_silent, true),
                Some(metadata) => {
                    let is_new = said.is_silent || said.answered.is_none() || said.metadata != metadata;
                    *said = Answer { answered: Some(time), is_silent: false, metadata };
                    is_new
                }
            }
        });
    }

    async fn tell_changes(&self, time: Nanos, before: &ClusterMetadata, now: &ClusterMetadata) {
        for (log, known) in now.logs.iter().filter(|(log, _)| self.topics.contains(&log.topic)) {
            if before.logs.get(log).is_some_and(|before| same(before, known)) {
                continue;
            }
            let said = Observation {
                asked: self.broker,
                log: LogId::default(),
                leader: known.leader,
                epoch: known.epoch,
                isr: known.isr.clone(),
                offline: known.offline.clone(),
            };
            // Nobody listens any more when the run is over.
            let _ = self.tell.send(News { time, log: log.clone(), said }).await;
        }
    }
}

fn same(before: &LogMetadata, now: &LogMetadata) -> bool {
    (before.leader, before.epoch, &before.isr, &before.offline)
        == (now.leader, now.epoch, &now.isr, &now.offline)
}

/// Java's `String.hashCode`, by which Kafka spreads groups and transactional ids over its internal logs.
fn java_hash(name: &str) -> i32 {
    name.encode_utf16().fold(0, |hash: i32, unit| hash.wrapping_mul(31).wrapping_add(i32::from(unit)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(answered: u64, epoch: i32, leader: i32, isr: &[i32]) -> Answer {
        let log = LogMetadata {
            leader: Some(NodeId(leader)),
            epoch,
            replicas: vec![NodeId(1), NodeId(2), NodeId(3)],
            isr: isr.iter().map(|id| NodeId(*id)).collect(),
            ..Default::default()
        };
        let logs = [(TopicPartition::new("t", 0), log)].into();
        Answer {
            answered: Some(Nanos(answered)),
            is_silent: false,
            metadata: ClusterMetadata { logs, ..Default::default() },
        }
    }

    #[test]
    fn the_newest_epoch_wins_over_a_later_answer_from_an_isolated_broker() {
        let said = [(NodeId(1), answer(90, 4, 1, &[1])), (NodeId(2), answer(50, 5, 2, &[2, 3]))].into();
        let view = Observed { said };
        let log = TopicPartition::new("t", 0);
        assert_eq!(view.leader(&log), Some(NodeId(2)));
        assert_eq!(view.followers(&log), [NodeId(1), NodeId(3)]);
        assert!(!view.is_whole());
    }

    #[test]
    fn names_hash_as_in_java() {
        assert_eq!(java_hash("hello"), 99_162_322);
        assert_eq!(java_hash("polygenelubricants"), i32::MIN);
    }

    #[test]
    fn within_an_epoch_the_latest_answer_counts() {
        let said = [(NodeId(1), answer(90, 5, 2, &[1, 2, 3])), (NodeId(2), answer(50, 5, 2, &[2, 3]))].into();
        let view = Observed { said };
        assert_eq!(view.isr(&TopicPartition::new("t", 0)).len(), 3);
        assert!(view.is_whole());
    }
}
