//! Client workers: started, watched, replaced.
//!
//! Each client instance of the plan is a worker process on a lab node of its own. A worker that is killed (or
//! dies) is replaced by a new process with a new identity in the history, as a service manager would do it; its
//! journal stays. What workers say arrives as [`WorkerEvent`]s on one channel that the run consumes; nothing here
//! decides about the run. A worker that prints what is no report, or dies before it ever worked, is an error that
//! quotes its last words.

mod child;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use history::ids::{FaultId, Process};
use history::op::Identity;
use nemesis::target::{ClientRef, Running};
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use workloads::protocol::{
    Command, End, Gate, ProducerRole, Report, Resend, Role, SinkConfig, Topic, WorkerConfig,
};

use crate::cluster::Site;
use crate::javac::JavaWorker;
use crate::plan::{ClientPlan, Plan};
use crate::progress::Counts;
use crate::spec::Family;
use crate::wire::TopicPlan;
use child::Child;

/// How often one client is replaced before the run gives up on it.
const MOST_REPLACEMENTS: u32 = 20;

/// What a worker did.
#[derive(Debug)]
pub enum WorkerEvent {
    /// It said something.
    Said(ClientRef, Process, Report),
    /// It printed something that is no report.
    Garbage(ClientRef, Process, String),
    /// Its process ended: how, in words.
    Ended(ClientRef, Process, String),
}

/// Why clients cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum SuperviseError {
    /// The process could not be started.
    #[error("cannot start a worker for {client}: {error}")]
    Start {
        /// Which client.
        client: ClientRef,
        /// What went wrong.
        error: std::io::Error,
    },
    /// It gave up, with a reason.
    #[error("{client} gave up: {message} (its log: {log})")]
    GaveUp {
        /// Which client.
        client: ClientRef,
        /// What it said.
        message: String,
        /// Its log.
        log: PathBuf,
    },
    /// It ended before it ever worked.
    #[error("{client} ended with {how} before it was ready; its last words: {said} (its log: {log})")]
    Died {
        /// Which client.
        client: ClientRef,
        /// How it ended.
        how: String,
        /// The end of its log.
        said: String,
        /// Its log.
        log: PathBuf,
    },
    /// It broke the protocol.
    #[error("{client} printed what is no report: {line} (its log: {log})")]
    Garbage {
        /// Which client.
        client: ClientRef,
        /// The line's beginning.
        line: String,
        /// Its log.
        log: PathBuf,
    },
    /// It dies again and again.
    #[error("{client} was replaced {MOST_REPLACEMENTS} times and died again: {how} (its log: {log})")]
    DiesAgain {
        /// Which client.
        client: ClientRef,
        /// How it ended the last time.
        how: String,
        /// Its log.
        log: PathBuf,
    },
    /// No such client.
    #[error("there is no client {0}")]
    Unknown(ClientRef),
    /// A signal was refused or had no effect.
    #[error("{client} (process {pid}): {signal} had no effect: {why}")]
    Signal {
        /// Which client.
        client: ClientRef,
        /// Its process id.
        pid: i32,
        /// The signal.
        signal: Signal,
        /// What was seen instead.
        why: String,
    },
}

/// How a client stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Not started yet.
    Waiting,
    /// Started, not ready yet.
    Starting,
    /// It works.
    Working,
    /// A fault stopped it.
    Paused,
    /// It was killed by a fault and waits for the heal.
    Down,
    /// It answered the drain: complete, or what is missing.
    Drained,
    /// It ended in good order.
    Done,
}

struct Client {
    plan: ClientPlan,
    standing: Standing,
    child: Option<Child>,
    process: Process,
    replacements: u32,
    /// Totals of incarnations that are gone.
    past: Counts,
    now: Counts,
    /// What the drain left undone, in words.
    missing: Option<String>,
    /// Whether its end was asked for by a fault or by the end of the run.
    end_asked: bool,
}

/// Everything that is the same for all workers of a run.
#[derive(Clone, Debug)]
pub struct Setting {
    /// The run's folder.
    pub run_dir: PathBuf,
    /// The run's id, part of every payload.
    pub run: u64,
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The program that is re-executed as `worker`.
    pub program: PathBuf,
    /// Workers of the Java family, by the client's version in the plan.
    pub java_workers: BTreeMap<String, JavaWorker>,
    /// Where the effects of consumers are kept, if anywhere.
    pub sink: Option<SinkConfig>,
}

/// All client workers of a run.
pub struct Supervisor {
    site: Arc<dyn Site>,
    setting: Setting,
    topics: BTreeMap<String, Topic>,
    clients: BTreeMap<ClientRef, Client>,
    next: u32,
    events: mpsc::Sender<WorkerEvent>,
}

/// Name of the lab node of a client: a host name, so without brackets.
pub fn node_of(client: &ClientRef) -> String {
    format!("{}-{}", client.name, client.index)
}

impl Supervisor {
    /// Workers of a plan, none started yet. Process 0 is the harness; clients count from 1.
    pub fn new(
        plan: &Plan,
        setting: Setting,
        site: Arc<dyn Site>,
        events: mpsc::Sender<WorkerEvent>,
    ) -> Self {
        let topic = |topic: &TopicPlan| {
            (topic.name.clone(), Topic { name: topic.name.clone(), partitions: topic.partitions })
        };
        let client = |(instance, plan): (&ClientRef, &ClientPlan)| {
            let client = Client {
                plan: plan.clone(),
                standing: Standing::Waiting,
                child: None,
                process: Process(0),
                replacements: 0,
                past: Counts::default(),
                now: Counts::default(),
                missing: None,
                end_asked: false,
            };
            (instance.clone(), client)
        };
        Self {
            site,
            setting,
            topics: plan.topics.iter().map(topic).collect(),
            clients: plan.instances().map(client).collect(),
            next: 1,
            events,
        }
    }

    /// All clients, in order.
    pub fn all(&self) -> Vec<ClientRef> {
        self.clients.keys().cloned().collect()
    }

    /// A process id that no worker has: for the reader.
    pub fn next_process(&mut self) -> Process {
        let process = Process(self.next);
        self.next += 1;
        process
    }

    /// Starts a worker for the client; a replacement has no warm-up, because a service manager gives none.
    ///
    /// # Errors
    /// When the process cannot be made.
    pub async fn start(&mut self, client: &ClientRef) -> Result<Process, SuperviseError> {
        let process = self.next_process();
        let config = self.config(client, process)?;
        let log = self.log(client, process);
        let failed = |error| SuperviseError::Start { client: client.clone(), error };
        if let Role::Producer(ProducerRole { outbox: Some(folder), .. }) = &config.role {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        let command = self.command(client)?;
        let child = Child::start(command, &log, &config, (client.clone(), process, self.events.clone()))
            .await
            .map_err(failed)?;
        let state = self.get_mut(client)?;
        state.past = state.past.plus(std::mem::take(&mut state.now));
        (state.child, state.process) = (Some(child), process);
        (state.standing, state.end_asked) = (Standing::Starting, false);
        Ok(process)
    }

    /// Takes note of what a worker said. An error is the end of the run.
    ///
    /// # Errors
    /// When the worker gave up.
    pub fn said(
        &mut self,
        client: &ClientRef,
        process: Process,
        report: &Report,
    ) -> Result<(), SuperviseError> {
        let log = self.log(client, process);
        let state = self.get_mut(client)?;
        if state.process != process {
            return Ok(());
        }
        match report {
            Report::Ready { .. } => state.standing = Standing::Working,
            Report::Progress(progress) => state.now = Counts::from(progress),
            Report::GateReached { .. } => {}
            Report::Drained { complete, missing, progress } => {
                state.now = Counts::from(progress);
                state.standing = Standing::Drained;
                state.missing = (!complete).then(|| missing.clone());
            }
            Report::Done(progress) => {
                state.now = Counts::from(progress);
                state.standing = Standing::Done;
            }
            Report::Error { kind, message } => {
                // A fenced or otherwise unusable client ends and is replaced, as a service manager would do it.
                if *kind != workloads::protocol::ErrorKind::Fatal && !state.end_asked {
                    let message = message.clone();
                    return Err(SuperviseError::GaveUp { client: client.clone(), message, log });
                }
            }
        }
        Ok(())
    }

    /// Takes note of the end of a worker's process. `Ok(true)`: it should be replaced now.
    ///
    /// # Errors
    /// When it never worked, or dies again and again.
    pub fn ended(&mut self, client: &ClientRef, process: Process, how: &str) -> Result<bool, SuperviseError> {
        let log = self.log(client, process);
        let state = self.get_mut(client)?;
        if state.process != process {
            return Ok(false);
        }
        state.child = None;
        if state.end_asked || state.standing == Standing::Done {
            if state.standing != Standing::Done {
                state.standing = Standing::Down;
            }
            return Ok(false);
        }
        let (client, how) = (client.clone(), how.to_owned());
        if state.standing == Standing::Starting && state.replacements == 0 {
            let said = child::last_words(&log);
            return Err(SuperviseError::Died { client, how, said, log });
        }
        state.replacements += 1;
        if state.replacements > MOST_REPLACEMENTS {
            return Err(SuperviseError::DiesAgain { client, how, log });
        }
        Ok(true)
    }

    /// The error that a worker's garbage is: it quotes the line and names the log.
    pub fn garbage(&self, client: &ClientRef, process: Process, line: String) -> SuperviseError {
        SuperviseError::Garbage { client: client.clone(), line, log: self.log(client, process) }
    }

    /// Whether any client consumes.
    pub fn has_consumers(&self) -> bool {
        self.clients.keys().any(|client| self.is_consumer(client))
    }

    /// Sends a command; a worker that is gone hears nothing, and its end is reported elsewhere.
    pub async fn tell(&mut self, client: &ClientRef, command: &Command) {
        if let Some(child) = self.clients.get_mut(client).and_then(|client| client.child.as_mut()) {
            child.tell(command).await;
        }
    }

    /// A topic has more partitions: its producers are told, and whoever starts from now on knows it.
    pub async fn grown(&mut self, topic: &str, partitions: u16) {
        let Some(known) = self.topics.get_mut(topic) else { return };
        known.partitions = i32::from(partitions);
        let grow = Command::Grow { topic: topic.to_owned(), partitions: known.partitions };
        for client in self.all() {
            if !self.is_consumer(&client) && self.clients[&client].plan.topic == topic {
                self.tell(&client, &grow).await;
            }
        }
    }

    /// Arms the gate of a fault.
    pub async fn arm(&mut self, client: &ClientRef, id: FaultId, gate: Gate) {
        self.tell(client, &Command::Gate(Gate { id: id.0, ..gate })).await;
    }

    /// SIGKILL; returns when the process is gone, with its process id.
    ///
    /// # Errors
    /// When it does not run or does not go.
    pub async fn kill(&mut self, client: &ClientRef) -> Result<Process, SuperviseError> {
        let state = self.get_mut(client)?;
        state.end_asked = true;
        let (process, child) = (state.process, state.child.as_ref());
        let child = child.ok_or_else(|| SuperviseError::Unknown(client.clone()))?;
        child.kill().await.map_err(|why| Self::no_effect(client, child.pid, Signal::SIGKILL, why))?;
        state.standing = Standing::Down;
        Ok(process)
    }

    /// SIGSTOP; returns when every thread stands still.
    ///
    /// # Errors
    /// When it does not run or does not stop.
    pub async fn pause(&mut self, client: &ClientRef) -> Result<(), SuperviseError> {
        self.signal(client, Signal::SIGSTOP, 'T', true).await?;
        self.get_mut(client)?.standing = Standing::Paused;
        Ok(())
    }

    /// SIGCONT; returns when no thread stands still.
    ///
    /// # Errors
    /// When it does not run or does not go on.
    pub async fn resume(&mut self, client: &ClientRef) -> Result<(), SuperviseError> {
        self.signal(client, Signal::SIGCONT, 'T', false).await?;
        self.get_mut(client)?.standing = Standing::Working;
        Ok(())
    }

    /// Whether each client runs, for target resolution.
    pub fn running(&self) -> BTreeMap<ClientRef, Running> {
        let running = |state: &Client| match state.standing {
            Standing::Starting | Standing::Working | Standing::Drained => Running::Yes,
            Standing::Waiting | Standing::Paused | Standing::Down | Standing::Done => Running::No,
        };
        self.clients.iter().map(|(client, state)| (client.clone(), running(state))).collect()
    }

    /// How a client stands.
    pub fn standing(&self, client: &ClientRef) -> Option<Standing> {
        self.clients.get(client).map(|state| state.standing)
    }

    /// Whether every client that could be there stands so.
    pub fn all_are(&self, standing: &[Standing]) -> bool {
        self.clients.values().all(|client| standing.contains(&client.standing))
    }

    /// Clients that stand otherwise, for error messages.
    pub fn not_yet(&self, standing: &[Standing]) -> Vec<String> {
        let others = self.clients.iter().filter(|(_, client)| !standing.contains(&client.standing));
        others.map(|(name, client)| format!("{name} is {:?}", client.standing).to_lowercase()).collect()
    }

    /// What drains left undone.
    pub fn missing(&self) -> Vec<String> {
        let missing = |(name, client): (&ClientRef, &Client)| {
            client.missing.as_ref().map(|missing| format!("{name}: {missing}"))
        };
        self.clients.iter().filter_map(missing).collect()
    }

    /// Tells every client of a kind to drain: producers flush, consumers read up to `ends`.
    pub async fn drain(&mut self, consumers: bool, deadline: Duration, ends: &[End]) {
        let deadline_ms = u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX);
        for client in self.all() {
            if self.is_consumer(&client) == consumers {
                let topic = self.clients[&client].plan.topic.clone();
                let ends = ends.iter().filter(|end| consumers && end.topic == topic).cloned().collect();
                self.tell(&client, &Command::Drain { deadline_ms, ends }).await;
            }
        }
    }

    /// Whether every client of a kind has answered the drain (or is gone for good).
    pub fn drained(&self, consumers: bool) -> bool {
        let done =
            |client: &Client| matches!(client.standing, Standing::Drained | Standing::Done | Standing::Down);
        self.clients
            .iter()
            .filter(|(name, _)| self.is_consumer(name) == consumers)
            .all(|(_, client)| done(client))
    }

    /// Tells everybody to leave in good order.
    pub async fn stop(&mut self) {
        for client in self.all() {
            if let Some(state) = self.clients.get_mut(&client) {
                state.end_asked = true;
            }
            self.tell(&client, &Command::Stop).await;
        }
    }

    /// Sums over all clients and all their incarnations.
    pub fn counts(&self) -> Counts {
        self.clients.values().fold(Counts::default(), |sum, client| sum.plus(client.past).plus(client.now))
    }

    fn is_consumer(&self, client: &ClientRef) -> bool {
        matches!(self.clients.get(client).map(|client| &client.plan.role), Some(Role::Consumer(_)))
    }

    async fn signal(
        &mut self,
        client: &ClientRef,
        signal: Signal,
        state: char,
        all: bool,
    ) -> Result<(), SuperviseError> {
        let child =
            self.get_mut(client)?.child.as_ref().ok_or_else(|| SuperviseError::Unknown(client.clone()))?;
        child.signal(signal, state, all).await.map_err(|why| Self::no_effect(client, child.pid, signal, why))
    }

    fn no_effect(client: &ClientRef, pid: i32, signal: Signal, why: String) -> SuperviseError {
        SuperviseError::Signal { client: client.clone(), pid, signal, why }
    }

    fn get_mut(&mut self, client: &ClientRef) -> Result<&mut Client, SuperviseError> {
        self.clients.get_mut(client).ok_or_else(|| SuperviseError::Unknown(client.clone()))
    }

    /// The program that a client's worker is, on the client's node.
    fn command(&self, client: &ClientRef) -> Result<std::process::Command, SuperviseError> {
        let node = node_of(client);
        let state = self.clients.get(client).ok_or_else(|| SuperviseError::Unknown(client.clone()))?;
        match state.plan.family {
            Family::Librdkafka => {
                let mut command = self.site.command(&node, self.setting.program.as_os_str());
                command.arg("worker");
                Ok(command)
            }
            Family::Java => {
                let version = state.plan.version.clone().unwrap_or_default();
                let worker = self.setting.java_workers.get(&version).ok_or_else(|| {
                    let error = std::io::Error::other(format!("no Java worker was compiled for {version:?}"));
                    SuperviseError::Start { client: client.clone(), error }
                })?;
                let mut command = self.site.command(&node, worker.program.as_os_str());
                command.args(&worker.arguments);
                Ok(command)
            }
        }
    }

    fn log(&self, client: &ClientRef, process: Process) -> PathBuf {
        self.setting.run_dir.join("logs").join(node_of(client)).join(format!("{process}.log"))
    }

    fn config(&self, client: &ClientRef, process: Process) -> Result<WorkerConfig, SuperviseError> {
        let state = self.clients.get(client).ok_or_else(|| SuperviseError::Unknown(client.clone()))?;
        let plan = &state.plan;
        let mut role = plan.role.clone();
        let first = state.process == Process(0);
        let role_name = match &mut role {
            Role::Producer(producer) => {
                producer.warm_up_ms = producer.warm_up_ms.filter(|_| first);
                let folder = || self.setting.run_dir.join("outbox").join(node_of(client));
                producer.outbox = (producer.resend == Some(Resend::Outbox)).then(folder);
                "producer"
            }
            Role::Consumer(consumer) => {
                consumer.warm_up_ms = consumer.warm_up_ms.filter(|_| first);
                "consumer"
            }
        };
        let identity = Identity {
            name: client.to_string(),
            role: role_name.to_owned(),
            family: plan.family.name().to_owned(),
            version: String::new(),
            group: plan.group.clone(),
            isolation: plan.isolation(),
        };
        Ok(WorkerConfig {
            run: self.setting.run,
            process,
            identity,
            journal: self
                .setting
                .run_dir
                .join("journals")
                .join(format!("{process}-{}.journal", node_of(client))),
            bootstrap: self.setting.bootstrap.clone(),
            topics: self.topics.get(&plan.topic).into_iter().cloned().collect(),
            properties: properties(plan, client),
            role,
            sink: self.setting.sink.clone().filter(|_| has_effect(&plan.role)),
            gates: Vec::new(),
            shutdown_ms: 30_000,
        })
    }
}

/// The plan's properties, with the instance's own identity in its group where it has one.
fn properties(plan: &ClientPlan, client: &ClientRef) -> BTreeMap<String, String> {
    let own = plan.static_member.then(|| ("group.instance.id".to_owned(), node_of(client)));
    plan.properties.clone().into_iter().chain(own).collect()
}

fn has_effect(role: &Role) -> bool {
    match role {
        Role::Producer(_) => false,
        Role::Consumer(consumer) => consumer.effect.is_some(),
    }
}

impl Counts {
    fn plus(self, other: Counts) -> Counts {
        Counts {
            acknowledged: self.acknowledged + other.acknowledged,
            failed: self.failed + other.failed,
            unknown: self.unknown + other.unknown,
            polled: self.polled + other.polled,
        }
    }
}

impl From<&workloads::protocol::Progress> for Counts {
    fn from(progress: &workloads::protocol::Progress) -> Self {
        Self {
            acknowledged: progress.acked,
            failed: progress.failed,
            unknown: progress.unknown,
            polled: progress.polled,
        }
    }
}
