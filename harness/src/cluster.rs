//! A cluster of Kafka nodes: one controller and some brokers, each a process on a node of its own.
//!
//! Nodes start side by side and are ready when the protocol says so: every broker's metadata shows every
//! broker, and a record with `acks=all` goes through. A log line or a pause never counts. Whatever is done
//! to a node comes back with proof (a process id, an exit status, a state read from the kernel), because a
//! fault that did nothing must not be believed.
//!
//! The nodes are made by a [`Site`]: the lab in a run, plain loopback in development and benchmarks. The code
//! path is the same.

mod launch;
pub(crate) mod process;
mod ready;
pub mod site;
mod topics;
mod warmup;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use history::ids::NodeId;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::fetch::{Cache, FetchError};
use crate::kafka::java::{Java, JavaError};
use crate::kafka::jvm::ArchiveUse;
use crate::kafka::properties::{self, Refused};
use crate::kafka::release::{Release, ReleaseError};
use crate::kafka::storage::{Storage, StorageError};
use crate::kafka::{CLIENT_PORT, CONTROLLER, KafkaPlan, Member, Role, archive, logging};

use crate::wire::{TopicPlan, WireError};
pub(crate) use process::thread_states;
pub use process::{Exit, How, NodeExit, SignalError};
pub use ready::PROBE_TOPIC;
pub use site::{Loopback, Site};
pub use warmup::{Archive, ensure_archive};

use launch::Launcher;
use process::Process;
use ready::Lacking;

/// How long a signal may take to show its effect.
const SIGNAL_PATIENCE: Duration = Duration::from_secs(10);

/// What is prepared before a cluster can start: made outside the lab, from the cache where possible.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
pub struct Prepared {
    /// The jars.
    pub release: Release,
    /// The Java.
    pub java: Java,
    /// Formatted storage.
    pub storage: Storage,
    /// The class archive.
    pub archive: ArchiveUse,
}

impl Prepared {
    /// Everything that needs no running node: jars, Java, formatted storage. The class archive is left out
    /// unless it is in the cache; [`ensure_archive`] makes it, where nodes can run.
    pub fn from_cache(cache: &Cache, plan: &KafkaPlan) -> Result<Prepared, ClusterError> {
        properties::check(&plan.server)?;
        let java = Java::find()?;
        let (release, _) = cache.release(&plan.source)?;
        let storage = Storage::prepare(cache, &release, &java, plan)?;
        let archive = archive::cached(cache, &release, &java).map_or(ArchiveUse::None, ArchiveUse::Read);
        Ok(Prepared { release, java, storage, archive })
    }
}

/// Where a cluster keeps its files.
#[derive(Clone, Debug)]
pub struct Dirs {
    /// Configuration and logs: `<logs>/<node>/`. Kept with the run.
    pub logs: PathBuf,
    /// Kafka's own data: `<data>/<node>/`. Large; removed with the run's scratch.
    pub data: PathBuf,
}

/// Why a cluster did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum ClusterError {
    /// The spec sets what the harness decides.
    #[error(transparent)]
    Refused(#[from] Refused),
    /// No usable Java.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// The release is not to be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The jars.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// Formatting or copying storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A file of the run, or the start of a process.
    #[error("{what}: {error}")]
    File {
        /// The file or program.
        what: String,
        /// What went wrong.
        error: io::Error,
    },
    /// A node ended while it was waited for.
    #[error("{node} ended with {how} before the cluster was ready; its last words: {said} (logs in {logs})")]
    Died {
        /// The node's name.
        node: String,
        /// How it ended.
        how: How,
        /// The last error of its log.
        said: String,
        /// Its folder of logs.
        logs: PathBuf,
    },
    /// Patience ended.
    #[error("the cluster was not ready within {waited:?}: {}", .lacking.iter().map(|(who, what)| format!("{who}: {what}")).collect::<Vec<_>>().join("; "))]
    NotReady {
        /// How long was waited.
        waited: Duration,
        /// What was missing at the end.
        lacking: BTreeMap<String, String>,
    },
    /// A broker did not do what was asked by protocol.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A signal without effect.
    #[error(transparent)]
    Signal(#[from] SignalError),
    /// No such node in this cluster.
    #[error("the cluster has no node {0}")]
    NoNode(NodeId),
}

/// A running cluster. Dropping it kills its nodes.
#[derive(Debug)]
pub struct Cluster<S> {
    launcher: Launcher<S>,
    nodes: BTreeMap<NodeId, Node>,
}

#[derive(Debug)]
struct Node {
    member: Member,
    life: u32,
    /// Whether the harness itself asked this life to end.
    asked: bool,
    process: Process,
}

impl<S: Site> Cluster<S> {
    /// Starts all nodes side by side, without waiting for them: see [`Cluster::ready`].
    ///
    /// The end of every node, planned or not, is sent to `exits`. Must run in a task, not on a blocking
    /// thread.
    pub fn start(
        site: S,
        plan: KafkaPlan,
        prepared: Prepared,
        dirs: Dirs,
        exits: mpsc::Sender<NodeExit>,
    ) -> Result<Self, ClusterError> {
        properties::check(&plan.server)?;
        let members = plan.members();
        let launcher = Launcher::new(site, plan, prepared, dirs, exits);
        let mut cluster = Cluster { launcher, nodes: BTreeMap::new() };
        for member in members {
            let launcher = &cluster.launcher;
            let data = launcher.dirs.data.join(member.name());
            launcher
                .provision(member, &properties::text(&launcher.plan, member, &launcher.addresses, &data))?;
            let process = launcher.spawn(member, 1, &launcher.prepared.archive)?;
            cluster.nodes.insert(member.id, Node { member, life: 1, asked: false, process });
        }
        Ok(cluster)
    }

    /// Waits until every broker's metadata shows every broker and a record with `acks=all` has gone through.
    pub async fn ready(&self, patience: Duration) -> Result<(), ClusterError> {
        let (report, lacking) = watch::channel(Lacking::default());
        let getting_ready = async {
            let brokers = self.brokers();
            let all: BTreeSet<NodeId> = brokers.keys().copied().collect();
            let mut looking = JoinSet::new();
            for (id, address) in brokers {
                let (all, report) = (all.clone(), report.clone());
                looking.spawn(async move { (id, ready::sees_all(address, &all, &report).await) });
            }
            let mut clients: BTreeMap<_, _> = looking.join_all().await.into_iter().collect();
            ready::record_goes_through(&mut clients, &report).await;
        };
        tokio::select! {
            biased;
            died = self.first_end() => Err(died),
            ready = timeout(patience, getting_ready) => ready.map_err(|_| {
                let lacking = lacking.borrow().0.clone();
                ClusterError::NotReady { waited: patience, lacking }
            }),
        }
    }

    /// Makes topics and waits until each of their logs takes requests, with every replica in sync. All brokers
    /// must run.
    pub async fn create_topics(&self, plans: &[TopicPlan], patience: Duration) -> Result<(), ClusterError> {
        topics::create(&self.brokers(), plans, patience).await
    }

    /// Gives a topic more partitions; how many every broker that answers then shows, each with a leader.
    ///
    /// # Errors
    /// When no broker takes the request.
    pub async fn grow(&self, topic: &str, partitions: u16, patience: Duration) -> Result<u16, WireError> {
        topics::grow(&self.brokers(), (topic, partitions), patience).await
    }

    /// Client addresses of all brokers, running or not.
    pub fn brokers(&self) -> BTreeMap<NodeId, SocketAddr> {
        let brokers = self.nodes.values().filter(|node| node.member.role == Role::Broker);
        brokers
            .map(|node| {
                (node.member.id, SocketAddr::new(self.launcher.addresses[&node.member.id], CLIENT_PORT))
            })
            .collect()
    }

    /// `bootstrap.servers` of this cluster.
    pub fn bootstrap(&self) -> String {
        self.brokers().values().map(SocketAddr::to_string).collect::<Vec<_>>().join(",")
    }

    /// The node's address.
    pub fn address(&self, node: NodeId) -> Option<IpAddr> {
        self.launcher.addresses.get(&node).copied()
    }

    /// The controller node.
    pub fn controller(&self) -> NodeId {
        CONTROLLER
    }

    /// The node's name in the lab.
    pub fn name(&self, node: NodeId) -> Option<String> {
        self.nodes.get(&node).map(|node| node.member.name())
    }

    /// The node's process id, if it runs.
    pub fn pid(&self, node: NodeId) -> Option<i32> {
        self.nodes.get(&node).filter(|node| node.process.ended().is_none()).map(|node| node.process.pid())
    }

    /// Whether the node's process has not ended. A stopped process runs.
    pub fn runs(&self, node: NodeId) -> bool {
        self.pid(node).is_some()
    }

    /// Whether the harness itself asked for this end.
    pub fn was_asked(&self, exit: &NodeExit) -> bool {
        self.nodes.get(&exit.node).is_some_and(|node| node.life > exit.life || node.asked)
    }

    /// The node's folder of Kafka data.
    pub fn data_dir(&self, node: NodeId) -> Option<PathBuf> {
        self.name(node).map(|name| self.launcher.dirs.data.join(name))
    }

    /// The last error that a node logged, or the last lines that its JVM printed.
    pub fn last_error(&self, node: NodeId) -> Option<String> {
        logging::last_error(&self.launcher.dirs.logs.join(self.name(node)?))
    }

    /// SIGKILL; returns when the process is gone.
    pub async fn kill(&mut self, node: NodeId) -> Result<Exit, ClusterError> {
        self.end(node, Signal::SIGKILL, SIGNAL_PATIENCE).await
    }

    /// SIGTERM: a controlled shutdown, which moves leaders away first. Returns when the process is gone.
    pub async fn terminate(&mut self, node: NodeId, patience: Duration) -> Result<Exit, ClusterError> {
        self.end(node, Signal::SIGTERM, patience).await
    }

    /// SIGSTOP; returns when every thread of the process stands still.
    pub async fn pause(&self, node: NodeId) -> Result<i32, ClusterError> {
        let process = self.process(node)?;
        process.stop(SIGNAL_PATIENCE).await?;
        Ok(process.pid())
    }

    /// SIGCONT; returns when no thread of the process stands still.
    pub async fn resume(&self, node: NodeId) -> Result<i32, ClusterError> {
        let process = self.process(node)?;
        process.resume(SIGNAL_PATIENCE).await?;
        Ok(process.pid())
    }

    /// Starts a node again that has ended; returns its new process id without waiting for it to serve.
    pub fn restart(&mut self, node: NodeId) -> Result<i32, ClusterError> {
        let old = self.nodes.get(&node).ok_or(ClusterError::NoNode(node))?;
        if old.process.ended().is_none() {
            return Ok(old.process.pid());
        }
        let (member, life) = (old.member, old.life + 1);
        let process = self.launcher.spawn(member, life, &self.launcher.prepared.archive)?;
        let pid = process.pid();
        self.nodes.insert(node, Node { member, life, asked: false, process });
        Ok(pid)
    }

    /// Kills every node, and returns when all are gone. Data stays for the dump.
    pub async fn kill_all(&mut self) -> Result<(), ClusterError> {
        let running: Vec<NodeId> = self.nodes.keys().copied().filter(|node| self.runs(*node)).collect();
        for node in &running {
            let node = self.nodes.get_mut(node).ok_or(ClusterError::NoNode(*node))?;
            node.asked = true;
            node.process.signal(Signal::SIGKILL)?;
        }
        for node in running {
            let process = &self.nodes[&node].process;
            timeout(SIGNAL_PATIENCE, process.end())
                .await
                .map_err(|_| process.no_effect(Signal::SIGKILL, SIGNAL_PATIENCE))?;
        }
        Ok(())
    }

    async fn end(&mut self, node: NodeId, signal: Signal, patience: Duration) -> Result<Exit, ClusterError> {
        let node = self.nodes.get_mut(&node).ok_or(ClusterError::NoNode(node))?;
        node.asked = true;
        Ok(node.process.signal_and_end(signal, patience).await?)
    }

    fn process(&self, node: NodeId) -> Result<&Process, ClusterError> {
        self.nodes.get(&node).map(|node| &node.process).ok_or(ClusterError::NoNode(node))
    }

    /// The first node that ends, as an error.
    async fn first_end(&self) -> ClusterError {
        let ends = self.nodes.values().map(|node| Box::pin(async move { (node, node.process.end().await) }));
        let (node, exit) = first_of(ends.collect()).await;
        self.launcher.died(node.member, exit.how)
    }
}

/// The first of some futures; never ends when there is none.
async fn first_of<F: Future + Unpin>(mut futures: Vec<F>) -> F::Output {
    std::future::poll_fn(|context| {
        for future in &mut futures {
            if let std::task::Poll::Ready(output) = std::pin::Pin::new(future).poll(context) {
                return std::task::Poll::Ready(output);
            }
        }
        std::task::Poll::Pending
    })
    .await
}
