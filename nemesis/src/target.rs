//! Where a fault is aimed: a phrase such as `leader of orders/0`, resolved when the fault strikes.
//!
//! Targets name roles, because roles move: a fault planned against "broker 1" was vacuous in the prototype
//! after an earlier fault had moved the leaders away. So a plan keeps the phrase, and [`resolve`] turns it into
//! concrete places from the cluster's state at that moment and a number drawn from the seed. Resolution is
//! pure; who asks the cluster for its state is somebody else's business.

use std::collections::BTreeMap;

use history::ids::{NodeId, TopicPartition};
use serde::{Deserialize, Serialize};

use crate::phrase::{Grammar, Misunderstood, is_name, log, number};

/// Where a fault is aimed, as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Target {
    /// The broker that leads the log.
    Leader(TopicPartition),
    /// One broker that holds a replica of the log and does not lead it; in sync, if any is.
    Follower(TopicPartition),
    /// All of them.
    Followers(TopicPartition),
    /// The broker with this `node.id`.
    Broker(NodeId),
    /// One running broker.
    AnyBroker,
    /// All brokers, in the order of their ids.
    AllBrokers,
    /// The active controller.
    Controller,
    /// The broker that coordinates this consumer group.
    Coordinator(String),
    /// The node on which the sink's server runs.
    Sink,
    /// One instance of a client.
    Client(ClientRef),
    /// One instance of the clients of this name, or of all where none is given.
    AnyClient(Option<String>),
    /// All instances of the clients of this name, or all clients where none is given.
    AllClients(Option<String>),
}

/// One instance of a client: `shop[0]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClientRef {
    /// Name in the spec.
    pub name: String,
    /// Index among `count`, from 0.
    pub index: u32,
}

/// The forms of a target, for errors and for the reference.
pub const FORMS: &[&str] = &[
    "leader of T/P",
    "follower of T/P",
    "followers of T/P",
    "broker N",
    "any broker",
    "all brokers",
    "controller",
    "coordinator of group G",
    "sink",
    "NAME[i]",
    "any NAME",
    "all NAME",
    "any client",
    "all clients",
];

const GRAMMAR: Grammar<Target> = Grammar {
    what: "target",
    alternatives: FORMS,
    words: &[
        "leader",
        "follower",
        "followers",
        "of",
        "broker",
        "brokers",
        "any",
        "all",
        "controller",
        "coordinator",
        "group",
        "sink",
        "client",
        "clients",
    ],
    read,
};

/// Words that no client may be called, because a phrase would become ambiguous.
pub const RESERVED: &[&str] = &[
    "broker",
    "brokers",
    "client",
    "clients",
    "controller",
    "leader",
    "follower",
    "followers",
    "harness",
    "reader",
    "sink",
    "fault",
];

fn read(phrase: &str) -> Option<Target> {
    let words: Vec<&str> = phrase.split(' ').collect();
    match words.as_slice() {
        ["leader", "of", tp] => log(tp).map(Target::Leader),
        ["follower", "of", tp] => log(tp).map(Target::Follower),
        ["followers", "of", tp] | ["all", "followers", "of", tp] => log(tp).map(Target::Followers),
        ["broker", id] => number(id).map(|id| Target::Broker(NodeId(id))),
        ["any", "broker"] => Some(Target::AnyBroker),
        ["all", "brokers"] => Some(Target::AllBrokers),
        ["controller"] => Some(Target::Controller),
        ["coordinator", "of", "group", group] => {
            is_name(group).then(|| Target::Coordinator((*group).to_owned()))
        }
        ["sink"] => Some(Target::Sink),
        ["any", "client"] => Some(Target::AnyClient(None)),
        ["all", "clients"] => Some(Target::AllClients(None)),
        ["any", name] => is_client_name(name).then(|| Target::AnyClient(Some((*name).to_owned()))),
        ["all", name] => is_client_name(name).then(|| Target::AllClients(Some((*name).to_owned()))),
        [one] => client(one).map(Target::Client),
        _ => None,
    }
}

fn client(text: &str) -> Option<ClientRef> {
    let (name, index) = text.strip_suffix(']')?.split_once('[')?;
    let index = number(index)?;
    is_client_name(name).then(|| ClientRef { name: name.to_owned(), index })
}

/// Whether a client may be called so.
pub fn is_client_name(name: &str) -> bool {
    is_name(name) && name.starts_with(|c: char| c.is_ascii_alphabetic()) && !RESERVED.contains(&name)
}

impl std::str::FromStr for Target {
    type Err = Misunderstood;

    fn from_str(phrase: &str) -> Result<Self, Misunderstood> {
        GRAMMAR.parse(phrase)
    }
}

impl TryFrom<String> for Target {
    type Error = Misunderstood;

    fn try_from(phrase: String) -> Result<Self, Misunderstood> {
        phrase.parse()
    }
}

impl From<Target> for String {
    fn from(target: Target) -> Self {
        target.to_string()
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Leader(tp) => write!(f, "leader of {tp}"),
            Self::Follower(tp) => write!(f, "follower of {tp}"),
            Self::Followers(tp) => write!(f, "followers of {tp}"),
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::AnyBroker => f.write_str("any broker"),
            Self::AllBrokers => f.write_str("all brokers"),
            Self::Controller => f.write_str("controller"),
            Self::Coordinator(group) => write!(f, "coordinator of group {group}"),
            Self::Sink => f.write_str("sink"),
            Self::Client(client) => client.fmt(f),
            Self::AnyClient(None) => f.write_str("any client"),
            Self::AnyClient(Some(name)) => write!(f, "any {name}"),
            Self::AllClients(None) => f.write_str("all clients"),
            Self::AllClients(Some(name)) => write!(f, "all {name}"),
        }
    }
}

impl std::fmt::Display for ClientRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.name, self.index)
    }
}

impl TryFrom<String> for ClientRef {
    type Error = Misunderstood;

    fn try_from(text: String) -> Result<Self, Misunderstood> {
        client(&text).ok_or(Misunderstood {
            what: "client",
            phrase: text,
            alternatives: &["NAME[i]"],
            suggestion: None,
        })
    }
}

impl From<ClientRef> for String {
    fn from(client: ClientRef) -> Self {
        client.to_string()
    }
}

/// A concrete place that a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// A broker node.
    Broker(NodeId),
    /// A controller node.
    Controller(NodeId),
    /// The node of the sink's server.
    Sink,
    /// A client worker's node.
    Client(ClientRef),
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Broker(id) => write!(f, "broker {id}"),
            Self::Controller(id) => write!(f, "controller {id}"),
            Self::Sink => f.write_str("sink"),
            Self::Client(client) => client.fmt(f),
        }
    }
}

/// The state of the cluster and its clients, as far as targets need it, at the moment a fault strikes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClusterView {
    /// Every broker of the plan, and whether its process runs (neither killed nor paused).
    pub brokers: BTreeMap<NodeId, Running>,
    /// The controllers of the plan.
    pub controllers: Vec<NodeId>,
    /// The active one, where known; with a single controller it need not be given.
    pub active_controller: Option<NodeId>,
    /// What the brokers say about each log.
    pub logs: BTreeMap<TopicPartition, LogView>,
    /// Coordinator of each consumer group, where known.
    pub coordinators: BTreeMap<String, NodeId>,
    /// The sink's server where there is one, and whether it runs.
    pub sink: Option<Running>,
    /// Client instances, and whether they run.
    pub clients: BTreeMap<ClientRef, Running>,
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Running {
    /// It does.
    Yes,
    /// It was killed or paused, or has ended.
    No,
}

/// What the brokers say about one log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogView {
    /// Its leader, if it has one.
    pub leader: Option<NodeId>,
    /// Brokers that hold a replica.
    pub replicas: Vec<NodeId>,
    /// In-sync replicas.
    pub isr: Vec<NodeId>,
}

/// Why a target names nothing at this moment. The fault does not strike, and the run is unknown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unresolved {
    /// No such log, or nobody has said anything about it yet.
    #[error("nothing is known about {0}")]
    UnknownLog(TopicPartition),
    /// The log has no leader.
    #[error("{0} has no leader")]
    NoLeader(TopicPartition),
    /// The log has no other replica.
    #[error("{0} has no follower")]
    NoFollower(TopicPartition),
    /// No such broker.
    #[error("there is no broker {0}")]
    NoBroker(NodeId),
    /// No broker runs.
    #[error("no broker is running")]
    NoBrokers,
    /// Nobody knows the active controller.
    #[error("the active controller is not known")]
    NoController,
    /// Nobody knows the coordinator.
    #[error("the coordinator of group {0} is not known")]
    NoCoordinator(String),
    /// The sink has no server, or there is none.
    #[error("there is no sink with a server of its own")]
    NoSink,
    /// No such client runs.
    #[error("no client {0} is running")]
    NoClient(String),
    /// The two ends of a link are the same place.
    #[error("{0} leads nowhere: both ends are the same place")]
    EmptyLink(String),
}

/// The concrete places that a target names now, in a fixed order. `choice` decides where there are several
/// candidates; the same view and choice give the same places.
///
/// # Errors
/// When the target names nothing now.
pub fn resolve(target: &Target, view: &ClusterView, choice: u64) -> Result<Vec<Place>, Unresolved> {
    match target {
        Target::Leader(tp) => leader(view, tp).map(|id| vec![Place::Broker(id)]),
        Target::Follower(tp) => {
            let followers = followers(view, tp)?;
            let in_sync: Vec<_> =
                followers.iter().copied().filter(|id| view.logs[tp].isr.contains(id)).collect();
            let candidates = if in_sync.is_empty() { followers } else { in_sync };
            pick(candidates, choice)
                .map(|id| vec![Place::Broker(id)])
                .ok_or_else(|| Unresolved::NoFollower(tp.clone()))
        }
        Target::Followers(tp) => Ok(followers(view, tp)?.into_iter().map(Place::Broker).collect()),
        Target::Broker(id) => {
            view.brokers.contains_key(id).then(|| vec![Place::Broker(*id)]).ok_or(Unresolved::NoBroker(*id))
        }
        Target::AnyBroker => pick(running(&view.brokers), choice)
            .map(|id| vec![Place::Broker(id)])
            .ok_or(Unresolved::NoBrokers),
        Target::AllBrokers => Ok(view.brokers.keys().copied().map(Place::Broker).collect()),
        Target::Controller => controller(view).map(|id| vec![Place::Controller(id)]),
        Target::Coordinator(group) => {
            let known =
                view.coordinators.get(group).ok_or_else(|| Unresolved::NoCoordinator(group.clone()))?;
            Ok(vec![Place::Broker(*known)])
        }
        Target::Sink => view.sink.map(|_| vec![Place::Sink]).ok_or(Unresolved::NoSink),
        Target::Client(client) => match view.clients.get(client) {
            Some(Running::Yes | Running::No) => Ok(vec![Place::Client(client.clone())]),
            None => Err(Unresolved::NoClient(client.to_string())),
        },
        Target::AnyClient(name) => pick(clients(view, name.as_deref())?, choice)
            .map(|client| vec![Place::Client(client)])
            .ok_or_else(|| Unresolved::NoClient(name.clone().unwrap_or_default())),
        Target::AllClients(name) => {
            Ok(clients(view, name.as_deref())?.into_iter().map(Place::Client).collect())
        }
    }
}

fn leader(view: &ClusterView, tp: &TopicPartition) -> Result<NodeId, Unresolved> {
    let log = view.logs.get(tp).ok_or_else(|| Unresolved::UnknownLog(tp.clone()))?;
    log.leader.ok_or_else(|| Unresolved::NoLeader(tp.clone()))
}

fn followers(view: &ClusterView, tp: &TopicPartition) -> Result<Vec<NodeId>, Unresolved> {
    let leader = leader(view, tp)?;
    let mut followers: Vec<_> = view.logs[tp].replicas.iter().copied().filter(|id| *id != leader).collect();
    followers.sort_unstable();
    if followers.is_empty() { Err(Unresolved::NoFollower(tp.clone())) } else { Ok(followers) }
}

fn controller(view: &ClusterView) -> Result<NodeId, Unresolved> {
    match (view.active_controller, view.controllers.as_slice()) {
        (Some(id), _) => Ok(id),
        (None, [only]) => Ok(*only),
        (None, _) => Err(Unresolved::NoController),
    }
}

fn clients(view: &ClusterView, name: Option<&str>) -> Result<Vec<ClientRef>, Unresolved> {
    let mut named = running(&view.clients);
    named.retain(|client| name.is_none_or(|name| client.name == name));
    if named.is_empty() { Err(Unresolved::NoClient(name.unwrap_or("at all").to_owned())) } else { Ok(named) }
}

fn running<K: Clone + Ord>(all: &BTreeMap<K, Running>) -> Vec<K> {
    all.iter().filter(|(_, running)| **running == Running::Yes).map(|(key, _)| key.clone()).collect()
}

/// The candidate that `choice` names; every candidate is about equally likely for a uniform choice.
fn pick<T>(mut candidates: Vec<T>, choice: u64) -> Option<T> {
    let count = u128::try_from(candidates.len()).ok()?;
    let index = usize::try_from((u128::from(choice) * count) >> 64).ok()?;
    (index < candidates.len()).then(|| candidates.swap_remove(index))
}
