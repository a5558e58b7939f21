//! Provisioning: from a run directory with its plan to a lab with a cluster and clients about to start; and what a
//! controller can fail with.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use history::ids::{FaultId, Process};
use history::journal::{Header, Writer};
use history::op::Identity;
use nemesis::fault::Fault;
use nemesis::schedule::{Planned, Steps};
use nemesis::target::{ClientRef, Target};
use serde::{Deserialize, Serialize};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;
use workloads::protocol::Gate;

use super::{Controller, Leaders};
use crate::clock;
use crate::cluster::{Archive, Cluster, ClusterError, Dirs, NodeExit, Prepared, Site, ensure_archive};
use crate::fetch::Cache;
use crate::inject::InjectError;
use crate::javac::JavaWorker;
use crate::kafka::jvm::ArchiveUse;
use crate::kafka::{CLIENT_PORT, CONTROLLER_PORT, REPLICATION_PORT};
use crate::lab::{Lab, LabError, LabPlan, NodeSpec};
use crate::observer::Observer;
use crate::plan::{NotAPlan, Plan};
use crate::progress::Progress;
use crate::sink::server::{Place, Server};
use crate::sink::{self, SinkFailure};
use crate::storm::Storm;
use crate::supervise::{Setting, SuperviseError, Supervisor, node_of};
use crate::wire::WireError;

/// How long a broker may take to answer an administrative request.
const ADMIN_PATIENCE: Duration = Duration::from_secs(20);

/// Most events that wait for the controller before their sender does.
const QUEUE: usize = 4096;

/// What `run.json` holds: everything that is not in the plan and is needed to repeat or to continue the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunFile {
    /// Name and version of this document.
    pub schema: String,
    /// The run's id, part of every payload.
    pub run: u64,
    /// Version of this program.
    pub onceproof: String,
    /// When the run began, UTC.
    pub began: String,
    /// The spec as it was read: name and text.
    pub spec: (String, String),
    /// Values changed by `--set`.
    pub set: Vec<String>,
    /// Jars, Java, storage and archive that the nodes run from.
    pub prepared: Prepared,
    /// Workers of the Java family, by the client's version in the plan; an empty one is the broker's.
    #[serde(default)]
    pub java_workers: BTreeMap<String, JavaWorker>,
    /// The cache that they came from.
    pub cache: PathBuf,
    /// Kernel, CPUs and memory of the machine.
    pub machine: BTreeMap<String, String>,
    /// The program that is re-executed for workers.
    pub program: PathBuf,
    /// Whether Kafka's own data is kept in the run directory.
    pub keep_data: bool,
}

/// Name and version of `run.json`.
pub const RUN_SCHEMA: &str = "onceproof/run/v1";

/// Why a run could not be done.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A document of the run directory.
    #[error("{path}: {why}")]
    Document {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The plan.
    #[error("plan.json: {0}")]
    Plan(#[from] NotAPlan),
    /// The lab.
    #[error(transparent)]
    Lab(#[from] LabError),
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// A broker did not do what the harness asked for.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The sink.
    #[error(transparent)]
    Sink(#[from] SinkFailure),
    /// A client.
    #[error(transparent)]
    Client(#[from] SuperviseError),
    /// A fault could not be undone.
    #[error("a fault could not be undone: {0}")]
    Heal(#[from] InjectError),
    /// The packet switch does not answer.
    #[error(transparent)]
    Switch(#[from] nemesis::switch::SwitchError),
    /// The harness's journal.
    #[error(transparent)]
    Journal(#[from] history::journal::JournalError),
    /// No space left, whatever failed because of it.
    #[error("no space left on device ({} KiB left for {}), and so: {error}; free some, and `onceproof check` judges what was recorded", .left >> 10, .path.display())]
    DiskFull {
        /// The run directory.
        path: PathBuf,
        /// Bytes left.
        left: u64,
        /// What failed first.
        error: Box<RunError>,
    },
    /// Clients that never worked.
    #[error("not every client worked within {waited:?}: {}", .who.join(", "))]
    NotWarm {
        /// How long was waited.
        waited: Duration,
        /// Who did not, and how it stands.
        who: Vec<String>,
    },
    /// A node that nobody killed is gone.
    #[error("{node} ended with {how} although no fault killed it; its last words: {said}")]
    NodeDied {
        /// The node.
        node: String,
        /// How.
        how: String,
        /// The last error of its log.
        said: String,
    },
    /// A gate needs one client.
    #[error("fault {0} waits for a step, but names no single client whose step it is")]
    NoClientForGate(FaultId),
    /// A step that no client makes.
    #[error("there is no step {0} that a client makes")]
    Step(String),
    /// The system refused something.
    #[error("{what}: {error}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
}

impl Site for Lab {
    fn command(&self, node: &str, program: &std::ffi::OsStr) -> std::process::Command {
        Lab::command(self, node, program)
    }

    fn address(&self, node: &str) -> IpAddr {
        // The lab is made from the same plan that names the nodes.
        IpAddr::V4(self.ip(node).unwrap_or(Ipv4Addr::UNSPECIFIED))
    }
}

impl Controller {
    /// The lab, a ready cluster with its topics, and everything that watches them; none when interrupted meanwhile.
    pub(super) async fn provision(run_dir: &Path) -> Result<Option<Self>, RunError> {
        let file: RunFile = document(&run_dir.join("run.json"))?;
        let plan_file = run_dir.join("plan.json");
        let text = std::fs::read_to_string(&plan_file)
            .map_err(|error| RunError::Document { path: plan_file, why: error.to_string() })?;
        let plan = Plan::from_json(&text)?;
        let mut interrupt = signal(SignalKind::interrupt())
            .map_err(|error| RunError::System { what: "listen for interrupts", error })?;
        let mut progress = Progress::new();
        let expected = plan.phases.warm_up + plan.phases.storm + plan.phases.calm + Duration::from_secs(15);
        progress.phase("provision", expected);
        let journal = own_journal(run_dir, file.run)?;
        let lab = Arc::new(Lab::start(&lab_plan(&plan))?);
        let (node_exits, from_nodes) = mpsc::channel(QUEUE);
        let cluster = tokio::select! {
            biased;
            _ = interrupt.recv() => {
                progress.say("interrupted before the cluster was ready");
                return Ok(None);
            }
            cluster = ready_cluster(run_dir, &file, &plan, (&lab, &mut progress), node_exits) => cluster?,
        };
        progress.say("the cluster is ready");
        let topics: Vec<String> = plan.topics.iter().map(|topic| topic.name.clone()).collect();
        let observer = Observer::start(&cluster.brokers(), &topics);
        let (worker_events, from_workers) = mpsc::channel(QUEUE);
        let setting = Setting {
            run_dir: run_dir.to_owned(),
            run: file.run,
            bootstrap: cluster.bootstrap(),
            program: file.program.clone(),
            java_workers: file.java_workers.clone(),
            sink: plan.sink.as_ref().map(|sink| sink.config(run_dir)),
        };
        let site: Arc<dyn Site> = Arc::new(Arc::clone(&lab));
        let (sink_exits, from_sink) = mpsc::channel(QUEUE);
        let sink = ready_sink(run_dir, &file, &plan, (Arc::clone(&site), sink_exits)).await?;
        let workers = Supervisor::new(&plan, setting, site, worker_events);
        Ok(Some(Self {
            run_dir: run_dir.to_owned(),
            storm: Storm::new(plan.faults.clone()),
            file,
            plan,
            lab,
            cluster,
            workers,
            sink,
            from_sink,
            observer,
            active: BTreeMap::new(),
            changes_at: BTreeMap::new(),
            paused: BTreeSet::new(),
            journal,
            progress,
            from_workers,
            from_nodes,
            leaders: Leaders::default(),
            interrupt,
            interrupted: false,
            last_change: clock::now(),
        }))
    }

    /// Removes what a run leaves in its directory and nobody needs: Kafka's own data, unless it is to be kept.
    pub(super) fn clean_up(&self) {
        if !self.file.keep_data {
            // What cannot be removed now is only disk space.
            let _ = std::fs::remove_dir_all(self.run_dir.join("data"));
        }
    }
}

/// A cluster that takes records, with the plan's topics.
async fn ready_cluster(
    run_dir: &Path,
    file: &RunFile,
    plan: &Plan,
    (lab, progress): (&Arc<Lab>, &mut Progress),
    exits: mpsc::Sender<NodeExit>,
) -> Result<Cluster<Arc<Lab>>, RunError> {
    let mut prepared = file.prepared.clone();
    if prepared.archive == ArchiveUse::None {
        progress.say("making the class archive of this Kafka release, once");
    }
    let cache = Cache { root: file.cache.clone() };
    let became = ensure_archive(lab, &cache, &plan.kafka, &mut prepared, run_dir.join("warm-up")).await?;
    if let Archive::Impossible(why) = became {
        progress.say(&format!("no class archive, so nodes start more slowly: {why}"));
    }
    let dirs = Dirs { logs: run_dir.join("logs"), data: run_dir.join("data") };
    let cluster = Cluster::start(Arc::clone(lab), plan.kafka.clone(), prepared, dirs, exits)?;
    cluster.ready(plan.limits.start).await?;
    create_topics(&cluster, plan).await?;
    Ok(cluster)
}

/// The plan's sink, with its server where it has one.
async fn ready_sink(
    run_dir: &Path,
    file: &RunFile,
    plan: &Plan,
    (site, exits): (Arc<dyn Site>, mpsc::Sender<NodeExit>),
) -> Result<Option<Server>, RunError> {
    let Some(sink) = &plan.sink else { return Ok(None) };
    sink::make(sink, run_dir)?;
    let place = Place { site, program: file.program.clone(), run_dir: run_dir.to_owned() };
    Ok(Server::start(sink, place, exits).await?)
}

/// The harness's own journal.
fn own_journal(run_dir: &Path, run: u64) -> Result<Writer, RunError> {
    let identity = Identity {
        name: "harness".to_owned(),
        role: "harness".to_owned(),
        family: "onceproof".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        group: None,
        isolation: None,
    };
    let header = Header { run, process: Process(0), identity };
    Ok(Writer::create(run_dir.join("journals").join("0-harness.journal"), &header)?)
}

fn document<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, RunError> {
    let failed = |why: String| RunError::Document { path: path.to_owned(), why };
    let text = std::fs::read_to_string(path).map_err(|error| failed(error.to_string()))?;
    serde_json::from_str(&text).map_err(|error| failed(error.to_string()))
}

/// A lab node for every Kafka node, for the sink's server, and for every client instance.
fn lab_plan(plan: &Plan) -> LabPlan {
    let kafka = plan.kafka.members().into_iter().map(|member| member.name());
    let clients = plan.instances().map(|(client, _)| node_of(client));
    let sink = plan.sink.as_ref().filter(|sink| sink.kind.has_server()).map(|_| sink::NODE.to_owned());
    let names = kafka.chain(sink).chain(clients);
    let nodes = (1_u8..).zip(names).map(|(last, name)| NodeSpec { name, ip: Ipv4Addr::new(10, 77, 0, last) });
    LabPlan {
        nodes: nodes.collect(),
        kafka_ports: vec![CLIENT_PORT, REPLICATION_PORT, CONTROLLER_PORT],
        seed: plan.seed.0,
        device: None,
    }
}

async fn create_topics(cluster: &Cluster<Arc<Lab>>, plan: &Plan) -> Result<(), RunError> {
    let Some(broker) = cluster.brokers().values().next().copied() else { return Ok(()) };
    let mut client = crate::wire::Client::connect(broker, "onceproof-harness", ADMIN_PATIENCE).await?;
    Ok(client.create_topics(&plan.topics).await?)
}

/// Whose step a fault waits for: the client that the moment names, or the fault's own target.
pub(super) fn client_of(planned: &Planned, steps: &Steps) -> Option<ClientRef> {
    let target = match &planned.fault {
        Fault::Kill { target } | Fault::Pause { target } => Some(target),
        Fault::Cut { .. }
        | Fault::Loss { .. }
        | Fault::Delay { .. }
        | Fault::LoseResponse { .. }
        | Fault::Hold { .. }
        | Fault::Grow { .. } => None,
    };
    let own = target.and_then(|target| match target {
        Target::Client(client) => Some(client.clone()),
        Target::Leader(_)
        | Target::Follower(_)
        | Target::Followers(_)
        | Target::Broker(_)
        | Target::AnyBroker
        | Target::AllBrokers
        | Target::Controller
        | Target::Coordinator(_)
        | Target::Sink
        | Target::AnyClient(_)
        | Target::AllClients(_) => None,
    });
    steps.client.clone().or(own)
}

/// The gate for a moment between two steps.
pub(super) fn gate(steps: &Steps) -> Result<Gate, String> {
    let step = |name: &str| {
        serde_json::from_value(serde_json::Value::String(name.to_owned())).map_err(|_| name.to_owned())
    };
    Ok(Gate { id: 0, from: step(&steps.after)?, to: step(&steps.before)?, nth: steps.nth })
}
