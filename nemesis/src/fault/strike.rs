//! From a planned fault to what is really done: concrete places and directed links.
//!
//! Pure: the same fault, view and choice give the same strike, which is what makes a ledger entry
//! reproducible from a plan and an observed cluster.

use std::collections::BTreeSet;
use std::time::Duration;

use history::ids::NodeId;
use serde::{Deserialize, Serialize};

use super::{Api, Fault, Rate, Scope};
use crate::target::{ClusterView, Place, Target, Unresolved, resolve};

/// What is done when a fault strikes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "strike", rename_all = "kebab-case")]
pub enum Strike {
    /// SIGKILL to these, in this order.
    Kill {
        /// Whose processes.
        places: Vec<Place>,
    },
    /// SIGSTOP to these, in this order.
    Pause {
        /// Whose processes.
        places: Vec<Place>,
    },
    /// A rule on these links.
    Network {
        /// What happens to frames.
        effect: NetworkEffect,
        /// On which links, each with its direction.
        links: Vec<Link>,
    },
    /// Responses are lost.
    LoseResponse {
        /// To which request.
        api: Api,
        /// To which clients; to all where empty.
        clients: Vec<Place>,
        /// The first, counted from 1.
        nth: u32,
        /// How many.
        count: u32,
    },
    /// Requests are held.
    Hold {
        /// Which.
        api: Api,
        /// Whose.
        from: Vec<Place>,
        /// The first, counted from 1.
        nth: u32,
    },
    /// A topic gets more partitions.
    Grow {
        /// Which.
        topic: String,
        /// How many it has from then on.
        partitions: u16,
    },
}

/// What happens to the frames of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "effect", rename_all = "kebab-case")]
pub enum NetworkEffect {
    /// All are dropped.
    Cut,
    /// Each is dropped with this probability.
    Loss {
        /// Probability.
        rate: Rate,
    },
    /// Each is delayed.
    Delay {
        /// By this much on average.
        #[serde(with = "crate::duration")]
        delay: Duration,
        /// More or less, uniformly.
        #[serde(with = "crate::duration")]
        jitter: Duration,
    },
}

/// One direction between two nodes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Link {
    /// Sender of the frames.
    pub from: Place,
    /// Receiver.
    pub to: Place,
}

impl Fault {
    /// What this fault does, struck now.
    ///
    /// # Errors
    /// When a target names nothing now.
    pub fn strike(&self, view: &ClusterView, choice: u64) -> Result<Strike, Unresolved> {
        match self {
            Self::Kill { target } => Ok(Strike::Kill { places: resolve(target, view, choice)? }),
            Self::Pause { target } => Ok(Strike::Pause { places: resolve(target, view, choice)? }),
            Self::Cut { scope } => network(NetworkEffect::Cut, scope, view, choice),
            Self::Loss { rate, scope } => network(NetworkEffect::Loss { rate: *rate }, scope, view, choice),
            Self::Delay { delay, jitter, scope } => {
                network(NetworkEffect::Delay { delay: *delay, jitter: *jitter }, scope, view, choice)
            }
            Self::LoseResponse { api, client, nth, count } => {
                let clients =
                    client.as_ref().map_or(Ok(Vec::new()), |client| resolve(client, view, choice))?;
                Ok(Strike::LoseResponse { api: *api, clients, nth: *nth, count: *count })
            }
            Self::Hold { api, from, nth } => {
                Ok(Strike::Hold { api: *api, from: resolve(from, view, choice)?, nth: *nth })
            }
            Self::Grow { topic, partitions } => {
                Ok(Strike::Grow { topic: topic.clone(), partitions: *partitions })
            }
        }
    }
}

impl Strike {
    /// Every place that is struck, once each, for the history.
    pub fn places(&self) -> Vec<Place> {
        match self {
            Self::Kill { places } | Self::Pause { places } => places.clone(),
            Self::LoseResponse { clients, .. } => clients.clone(),
            Self::Hold { from, .. } => from.clone(),
            Self::Grow { .. } => Vec::new(),
            Self::Network { links, .. } => links
                .iter()
                .flat_map(|link| [link.from.clone(), link.to.clone()])
                .collect::<BTreeSet<_>>()
                .into_iter()
                .collect(),
        }
    }
}

fn network(
    effect: NetworkEffect,
    scope: &Scope,
    view: &ClusterView,
    choice: u64,
) -> Result<Strike, Unresolved> {
    let links = match scope {
        Scope::Around(target) => {
            let inside = resolve(target, view, choice)?;
            let outside: Vec<_> =
                everybody(view).into_iter().filter(|place| !inside.contains(place)).collect();
            both_ways(&inside, &outside)
        }
        Scope::Between(a, b) => {
            let (a, b) = ends(a, b, view, choice)?;
            both_ways(&a, &b)
        }
        Scope::OneWay(a, b) => {
            let (a, b) = ends(a, b, view, choice)?;
            one_way(&a, &b)
        }
        Scope::Halves => {
            let (smaller, larger) = halves(view, choice)?;
            both_ways(&smaller, &larger)
        }
    };
    if links.is_empty() {
        return Err(Unresolved::EmptyLink(scope.to_string()));
    }
    Ok(Strike::Network { effect, links })
}

/// Both ends of a link. The same choice serves both, so that "any shop <-> any shop" is empty rather than
/// arbitrary; ends that name the same place at this moment leave no link.
fn ends(
    a: &Target,
    b: &Target,
    view: &ClusterView,
    choice: u64,
) -> Result<(Vec<Place>, Vec<Place>), Unresolved> {
    Ok((resolve(a, view, choice)?, resolve(b, view, choice)?))
}

fn one_way(from: &[Place], to: &[Place]) -> Vec<Link> {
    let links: BTreeSet<Link> = from
        .iter()
        .flat_map(|from| {
            to.iter().filter(move |to| *to != from).map(move |to| Link { from: from.clone(), to: to.clone() })
        })
        .collect();
    links.into_iter().collect()
}

fn both_ways(a: &[Place], b: &[Place]) -> Vec<Link> {
    let links: BTreeSet<Link> = one_way(a, b).into_iter().chain(one_way(b, a)).collect();
    links.into_iter().collect()
}

fn everybody(view: &ClusterView) -> Vec<Place> {
    let brokers = view.brokers.keys().copied().map(Place::Broker);
    let controllers = view.controllers.iter().copied().map(Place::Controller);
    let clients = view.clients.keys().cloned().map(Place::Client);
    let sink = view.sink.map(|_| Place::Sink);
    brokers.chain(controllers).chain(sink).chain(clients).collect()
}

/// The brokers in two halves, the smaller one first; controllers belong to the larger one.
fn halves(view: &ClusterView, choice: u64) -> Result<(Vec<Place>, Vec<Place>), Unresolved> {
    let mut rest: Vec<NodeId> = view.brokers.keys().copied().collect();
    if rest.len() < 2 {
        return Err(Unresolved::EmptyLink(Scope::Halves.to_string()));
    }
    let mut smaller = Vec::new();
    let mut choice = choice;
    for _ in 0..rest.len() / 2 {
        let left = u64::try_from(rest.len()).unwrap_or(u64::MAX);
        smaller.push(rest.remove(usize::try_from(choice % left).unwrap_or(0)));
        choice /= left;
    }
    let larger =
        rest.into_iter().map(Place::Broker).chain(view.controllers.iter().copied().map(Place::Controller));
    Ok((smaller.into_iter().map(Place::Broker).collect(), larger.collect()))
}
