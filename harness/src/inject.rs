//! Faults performed: a strike becomes signals and rules of the packet switch, and is undone again.
//!
//! This is the only place where a planned fault touches anything. It decides nothing: whom to strike was resolved
//! by `nemesis::fault`, when by `storm`. Every strike leaves an [`Active`] value that knows how to undo it and what
//! it did so far, in the counters that the ledger judges by.

use std::collections::BTreeMap;
use std::time::Duration;

use history::ids::Process;
use nemesis::fault::{Fault, Link, NetworkEffect, Strike};
use nemesis::ledger::counter;
use nemesis::switch::{
    Api, Guard, HoldRequest, Links, LoseResponse, Requests, Rule, SwitchError, SwitchHandle,
};
use nemesis::target::{ClientRef, Place};

use crate::cluster::{Cluster, ClusterError, Site};
use crate::sink::SinkFailure;
use crate::sink::server::Server;
use crate::supervise::{SuperviseError, Supervisor, node_of};
use crate::wire::WireError;

/// Why a fault could not be performed or undone.
#[derive(Debug, thiserror::Error)]
pub enum InjectError {
    /// A broker or controller did not obey.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A client did not obey.
    #[error(transparent)]
    Client(#[from] SuperviseError),
    /// The sink's server did not obey.
    #[error(transparent)]
    Sink(#[from] SinkFailure),
    /// A broker did not add partitions.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A sink without a server of its own.
    #[error("there is no sink with a server of its own")]
    NoSink,
    /// The packet switch refused.
    #[error(transparent)]
    Switch(#[from] SwitchError),
    /// Lost responses are counted on one client's connections.
    #[error("responses can be lost for one client or for all of them, not for {0}")]
    SeveralClients(usize),
}

/// How long brokers may take to show partitions that were added.
const GROWTH: Duration = Duration::from_secs(10);

/// A fault that is on.
#[derive(Debug)]
pub struct Active {
    strike: Strike,
    guards: Vec<Guard>,
    counters: BTreeMap<String, u64>,
    /// Clients that were killed, with the process that died: to be recorded as crashes.
    pub crashed: Vec<(ClientRef, Process)>,
}

/// What faults act on.
pub struct Targets<'a, S> {
    /// Brokers and controller.
    pub cluster: &'a mut Cluster<S>,
    /// Client workers.
    pub workers: &'a mut Supervisor,
    /// The sink's server, where it has one.
    pub sink: Option<&'a mut Server>,
    /// The network.
    pub switch: &'a SwitchHandle,
}

impl<S: Site> Targets<'_, S> {
    /// Performs a strike.
    ///
    /// # Errors
    /// When anything did not obey; what was done until then stays done and is healed with the rest of the run.
    pub async fn strike(&mut self, strike: Strike) -> Result<Active, InjectError> {
        let mut active = Active {
            strike: strike.clone(),
            guards: Vec::new(),
            counters: BTreeMap::new(),
            crashed: Vec::new(),
        };
        match strike {
            Strike::Kill { places } => self.kill(&places, &mut active).await?,
            Strike::Pause { places } => self.pause(&places, &mut active).await?,
            Strike::Network { effect, links } => {
                active.guards.push(self.switch.install(rule(effect, &links))?);
            }
            Strike::LoseResponse { api, clients, nth, count } => {
                if clients.len() > 1 {
                    return Err(InjectError::SeveralClients(clients.len()));
                }
                let requests = Requests { client: clients.first().map(node), ..Requests::of(Api(api.key())) };
                let rule = LoseResponse { nth, count, ..LoseResponse::first(requests) };
                active.guards.push(self.switch.install(Rule::LoseResponse(rule))?);
            }
            Strike::Hold { api, from, nth } => {
                for place in &from {
                    let requests = Requests { client: Some(node(place)), ..Requests::of(Api(api.key())) };
                    let rule = HoldRequest { requests, nth, count: u32::MAX };
                    active.guards.push(self.switch.install(Rule::HoldRequest(rule))?);
                }
            }
            Strike::Grow { topic, partitions } => {
                let shown = self.cluster.grow(&topic, partitions, GROWTH).await?;
                self.workers.grown(&topic, shown).await;
                active.counters.insert(counter::PARTITIONS_SHOWN.to_owned(), u64::from(shown));
            }
        }
        Ok(active)
    }

    /// Undoes a strike and says what it did.
    ///
    /// # Errors
    /// When anything did not obey.
    pub async fn heal(&mut self, active: Active) -> Result<BTreeMap<String, u64>, InjectError> {
        let Active { strike, guards, mut counters, .. } = active;
        for guard in guards {
            add(&mut counters, guard.remove()?.named());
        }
        match strike {
            Strike::Kill { places } => {
                for place in &places {
                    match place {
                        Place::Broker(id) | Place::Controller(id) => drop(self.cluster.restart(*id)?),
                        Place::Sink => self.sink()?.restart().await?,
                        Place::Client(client) => drop(self.workers.start(client).await?),
                    }
                }
            }
            Strike::Pause { places } => {
                for place in &places {
                    match place {
                        Place::Broker(id) | Place::Controller(id) => drop(self.cluster.resume(*id).await?),
                        Place::Sink => self.sink()?.resume().await?,
                        Place::Client(client) => self.workers.resume(client).await?,
                    }
                }
            }
            Strike::Network { .. }
            | Strike::LoseResponse { .. }
            | Strike::Hold { .. }
            | Strike::Grow { .. } => {}
        }
        Ok(counters)
    }

    fn sink(&mut self) -> Result<&mut Server, InjectError> {
        self.sink.as_deref_mut().ok_or(InjectError::NoSink)
    }

    async fn kill(&mut self, places: &[Place], active: &mut Active) -> Result<(), InjectError> {
        for place in places {
            match place {
                Place::Broker(id) | Place::Controller(id) => drop(self.cluster.kill(*id).await?),
                Place::Sink => self.sink()?.kill().await?,
                Place::Client(client) => {
                    active.crashed.push((client.clone(), self.workers.kill(client).await?));
                }
            }
            *active.counters.entry(counter::PROCESSES_GONE.to_owned()).or_default() += 1;
        }
        Ok(())
    }

    async fn pause(&mut self, places: &[Place], active: &mut Active) -> Result<(), InjectError> {
        for place in places {
            match place {
                Place::Broker(id) | Place::Controller(id) => drop(self.cluster.pause(*id).await?),
                Place::Sink => self.sink()?.pause().await?,
                Place::Client(client) => self.workers.pause(client).await?,
            }
            *active.counters.entry(counter::PROCESSES_STOPPED.to_owned()).or_default() += 1;
        }
        Ok(())
    }
}

impl Active {
    /// Whether a fault that ends by itself has done all it was planned to do.
    ///
    /// # Errors
    /// When the switch does not answer.
    pub fn is_finished(&self, fault: &Fault) -> Result<bool, SwitchError> {
        if let Fault::Grow { .. } = fault {
            return Ok(true);
        }
        let Fault::LoseResponse { count, .. } = fault else { return Ok(false) };
        let mut lost = 0;
        for guard in &self.guards {
            let counters = guard.counters()?;
            // The reset of both ends comes after the grace, and is the last thing that the rule does.
            if counters.resets > 0 {
                lost += counters.kafka.responses_lost;
            }
        }
        Ok(lost >= u64::from(*count))
    }
}

/// Name of a place in the lab.
pub fn node(place: &Place) -> String {
    match place {
        Place::Broker(id) => format!("broker{id}"),
        Place::Controller(_) => "controller".to_owned(),
        Place::Sink => crate::sink::NODE.to_owned(),
        Place::Client(client) => node_of(client),
    }
}

fn rule(effect: NetworkEffect, links: &[Link]) -> Rule {
    let links = links
        .iter()
        .map(|link| nemesis::switch::Link { from: node(&link.from), to: node(&link.to) })
        .collect();
    let links = Links(links);
    match effect {
        NetworkEffect::Cut => Rule::drop(links),
        NetworkEffect::Loss { rate } => Rule::loss(links, f64::from(rate.0) / 1e6),
        NetworkEffect::Delay { delay, jitter } => Rule::delay(links, delay, jitter),
    }
}

/// Adds counters up; lateness is a maximum, not a sum.
fn add(all: &mut BTreeMap<String, u64>, more: BTreeMap<String, u64>) {
    for (name, count) in more {
        let entry = all.entry(name.clone()).or_default();
        *entry = if name.starts_with("lateness") { (*entry).max(count) } else { *entry + count };
    }
}
