//! The controller: the run from the inside of the lab.
//!
//! One task owns the run. It consumes events (a worker reported or ended, a node ended, a broker said something
//! new about the cluster, the user interrupted, a tick), and after each asks the storm what is due. The phases in
//! `controller::phases` are waits for a state, each with a deadline. The controller is never on the data path:
//! frames pass through the switch's own thread, clients pace themselves.
//!
//! What happens is written to the harness's own journal (process 0) as it happens, so that a run that is cut off
//! at any moment can still be judged by what was recorded.

mod disk;
mod phases;
mod setting;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use history::ids::{FaultId, Nanos, NodeId, Process, TopicPartition};
use history::journal::Writer;
use history::op::{Event, Op, Outcome, Phase};
use nemesis::ledger::{self, Bite, Struck, counter};
use nemesis::target::{ClusterView, LogView, Running};
use tokio::signal::unix::Signal;
use tokio::sync::mpsc;
use tokio::time::sleep;
use workloads::protocol::{Command, Gate, Report};

use crate::clock;
use crate::cluster::{Cluster, NodeExit};
use crate::inject::{Active, Targets};
use crate::lab::Lab;
use crate::observer::{News, Observer};
use crate::plan::Plan;
use crate::progress::Progress;
use crate::sink::server::Server;
use crate::storm::{Due, Storm};
use crate::supervise::{Supervisor, WorkerEvent};
pub use setting::{RUN_SCHEMA, RunError, RunFile};

/// How often the storm is asked what is due when nothing else happens.
const TICK: Duration = Duration::from_millis(5);

/// A run from its provisioning to its end.
pub struct Controller {
    run_dir: PathBuf,
    file: RunFile,
    plan: Plan,
    lab: Arc<Lab>,
    cluster: Cluster<Arc<Lab>>,
    workers: Supervisor,
    /// The sink's server, where it has one.
    sink: Option<Server>,
    observer: Observer,
    storm: Storm,
    active: BTreeMap<FaultId, Active>,
    /// Leader changes seen when each active fault struck.
    changes_at: BTreeMap<FaultId, u64>,
    paused: BTreeSet<NodeId>,
    journal: Writer,
    progress: Progress,
    from_workers: mpsc::Receiver<WorkerEvent>,
    from_nodes: mpsc::Receiver<NodeExit>,
    from_sink: mpsc::Receiver<NodeExit>,
    leaders: Leaders,
    interrupt: Signal,
    interrupted: bool,
    /// When a fault last struck or was undone.
    last_change: Nanos,
}

/// Who led each log last, to count changes: a broker that repeats old news changes nothing.
#[derive(Debug, Default)]
struct Leaders {
    known: BTreeMap<TopicPartition, (i32, NodeId)>,
    changes: u64,
}

impl Leaders {
    fn note(&mut self, log: TopicPartition, epoch: i32, leader: Option<NodeId>) {
        let Some(leader) = leader else { return };
        match self.known.get(&log) {
            Some((known, _)) if *known >= epoch => {}
            Some((_, before)) => {
                self.changes += u64::from(*before != leader);
                self.known.insert(log, (epoch, leader));
            }
            None => drop(self.known.insert(log, (epoch, leader))),
        }
    }
}

/// How a run ended, as far as the controller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// All phases were gone through.
    Complete,
    /// The user asked for its end; it was healed and drained.
    Interrupted,
}

/// Runs the plan in a run directory. Must be called in the lab, on a runtime whose threads live as long as the run.
///
/// # Errors
/// When the run could not be done; what was recorded until then stays.
pub async fn run(run_dir: &Path) -> Result<Ending, RunError> {
    let mut controller = match Controller::provision(run_dir).await {
        Ok(Some(controller)) => controller,
        Ok(None) => return Ok(Ending::Interrupted),
        Err(error) => return Err(disk::blamed(run_dir, error)),
    };
    // Before the clean-up, which may give the space back that was missing.
    let result = controller.phases().await.map_err(|error| disk::blamed(run_dir, error));
    controller.progress.finish();
    let ending = if controller.interrupted { Ending::Interrupted } else { Ending::Complete };
    // Killing comes first, so that an error of the run is not hidden by one of its end.
    let killed = controller.cluster.kill_all().await;
    if let Some(sink) = &mut controller.sink {
        // The lab ends it otherwise.
        let _ = sink.kill().await;
    }
    controller.clean_up();
    result?;
    killed?;
    // Only now: a journal that is closed says that the run went through.
    controller.journal.close()?;
    Ok(ending)
}

impl Controller {
    /// The story of a run.
    async fn phases(&mut self) -> Result<(), RunError> {
        self.warm_up().await?;
        self.storm().await?;
        self.heal().await?;
        self.drain().await?;
        self.final_read().await?;
        self.stop().await
    }

    /// Goes on until `done`, handling everything that happens meanwhile; `Ok(false)` when `patience` ended first.
    async fn until(
        &mut self,
        patience: Duration,
        done: impl Fn(&mut Self) -> bool,
    ) -> Result<bool, RunError> {
        let deadline = clock::now().0.saturating_add(nanos(patience));
        while !done(self) {
            if clock::now().0 >= deadline {
                return Ok(false);
            }
            self.step().await?;
        }
        Ok(true)
    }

    /// One event, or a tick; then whatever is due.
    async fn step(&mut self) -> Result<(), RunError> {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => {
                self.interrupted = true;
                self.progress.say("interrupted: healing, draining and checking what there is; interrupt again to stop at once");
            }
            Some(event) = self.from_workers.recv() => self.worker(event).await?,
            Some(exit) = self.from_nodes.recv() => self.node(exit)?,
            Some(exit) = self.from_sink.recv() => self.sink_ended(&exit)?,
            Some(news) = self.observer.news.recv() => self.observed(&news)?,
            () = sleep(TICK) => {}
        }
        self.weather().await?;
        self.progress.counts(self.workers.counts());
        Ok(())
    }

    async fn worker(&mut self, event: WorkerEvent) -> Result<(), RunError> {
        match event {
            WorkerEvent::Said(client, process, report) => {
                self.workers.said(&client, process, &report)?;
                if let Report::GateReached { id, .. } = report {
                    self.storm.gate_reached(FaultId(id), clock::now());
                }
            }
            WorkerEvent::Garbage(client, process, line) => {
                return Err(self.workers.garbage(&client, process, line).into());
            }
            WorkerEvent::Ended(client, process, how) => {
                if self.workers.ended(&client, process, &how)? {
                    self.crashed(process, &how)?;
                    self.progress.say(&format!("{client} ended with {how} and is replaced"));
                    self.workers.start(&client).await?;
                }
            }
        }
        Ok(())
    }

    fn node(&mut self, exit: NodeExit) -> Result<(), RunError> {
        if self.cluster.was_asked(&exit) {
            return Ok(());
        }
        let name = self.cluster.name(exit.node).unwrap_or_default();
        let said = self.cluster.last_error(exit.node).unwrap_or_else(|| "nothing".to_owned());
        Err(RunError::NodeDied { node: name, how: exit.exit.how.to_string(), said })
    }

    fn sink_ended(&self, exit: &NodeExit) -> Result<(), RunError> {
        let Some(sink) = self.sink.as_ref().filter(|sink| !sink.was_asked(exit)) else { return Ok(()) };
        let said = std::fs::read_to_string(sink.console()).unwrap_or_default();
        let said = said.lines().last().unwrap_or("nothing").to_owned();
        Err(RunError::NodeDied { node: crate::sink::NODE.to_owned(), how: exit.exit.how.to_string(), said })
    }

    /// One broker's word about one log changed.
    fn observed(&mut self, news: &News) -> Result<(), RunError> {
        let log = self.journal.log(&news.log)?;
        let observation = news.observation(log);
        self.leaders.note(news.log.clone(), observation.epoch, observation.leader);
        self.record(Op::Observe(observation), news.time)
    }

    /// What is known best about every log.
    fn logs(&self) -> BTreeMap<TopicPartition, LogView> {
        let view = self.observer.view.borrow();
        let known = |log: TopicPartition| {
            let known = view.log(&log)?;
            let (leader, replicas, isr) = (known.leader, known.replicas.clone(), known.isr.clone());
            Some((log, LogView { leader, replicas, isr }))
        };
        self.plan.logs().into_iter().filter_map(known).collect()
    }

    /// Whether every broker serves and every log has all its replicas in sync.
    fn is_whole(&self) -> bool {
        let view = self.observer.view.borrow();
        let serves = |id: &NodeId| {
            self.cluster.runs(*id) && view.answers().get(id).is_some_and(|answer| !answer.is_silent)
        };
        self.cluster.brokers().keys().all(serves) && view.is_whole()
    }

    /// Performs what is due.
    async fn weather(&mut self) -> Result<(), RunError> {
        let finished: Vec<FaultId> = self.finished()?;
        finished.into_iter().for_each(|id| self.storm.finished(id));
        let view = self.view();
        for due in self.storm.due(clock::now(), &view) {
            match due {
                Due::Strike(id, at) => self.strike(id, at).await?,
                Due::Heal(id) => self.undo(id).await?,
            }
        }
        Ok(())
    }

    fn finished(&self) -> Result<Vec<FaultId>, RunError> {
        let mut finished = Vec::new();
        for (id, active) in &self.active {
            let Some(entry) = self.storm.entry(*id) else { continue };
            if active.is_finished(&entry.planned.fault)? {
                finished.push(*id);
            }
        }
        Ok(finished)
    }

    async fn strike(&mut self, id: FaultId, due: Nanos) -> Result<(), RunError> {
        let Some(planned) = self.storm.entry(id).map(|entry| entry.planned.clone()) else { return Ok(()) };
        let view = self.view();
        let strike = match planned.fault.strike(&view, planned.choice.0) {
            Ok(strike) => strike,
            Err(unresolved) => return self.could_not(id, &unresolved.to_string()),
        };
        let places = strike.places();
        let targets: Vec<String> = places.iter().map(ToString::to_string).collect();
        let what = planned.words();
        let at = clock::now();
        // Before it strikes: a consequence is never older than its cause in the history.
        self.record(Op::Fault { id, what: what.clone(), targets: targets.clone() }, at)?;
        let lab = Arc::clone(&self.lab);
        let (cluster, workers, sink) = (&mut self.cluster, &mut self.workers, self.sink.as_mut());
        let mut on = Targets { cluster, workers, sink, switch: lab.switch() };
        let active = match on.strike(strike).await {
            Ok(active) => active,
            Err(error) => return self.could_not(id, &error.to_string()),
        };
        for (_, process) in active.crashed.clone() {
            self.crashed(process, "SIGKILL")?;
        }
        self.note_paused(&planned.fault, &places, true);
        if let nemesis::fault::Fault::Grow { topic, partitions } = &planned.fault {
            self.plan.grow(topic, *partitions);
        }
        let lateness = Nanos(at.0.saturating_sub(due.0));
        self.storm.struck(id, Struck { at, lateness, targets: targets.clone() });
        self.changes_at.insert(id, self.leaders.changes);
        self.active.insert(id, active);
        self.last_change = at;
        let aimed = if targets.is_empty() { String::new() } else { format!(" ({})", targets.join(", ")) };
        self.progress.struck(id, &format!("{what}{aimed}"));
        self.open_gate(id).await;
        Ok(())
    }

    fn could_not(&mut self, id: FaultId, why: &str) -> Result<(), RunError> {
        let now = clock::now();
        self.storm.failed(id, now, why.to_owned());
        self.last_change = now;
        let effect = format!("could not strike: {why}");
        self.progress.healed(id, &effect);
        self.record(Op::Heal { id, effect, counters: BTreeMap::new(), bit: false }, now)
    }

    async fn undo(&mut self, id: FaultId) -> Result<(), RunError> {
        let Some(active) = self.active.remove(&id) else { return Ok(()) };
        let lab = Arc::clone(&self.lab);
        let (cluster, workers, sink) = (&mut self.cluster, &mut self.workers, self.sink.as_mut());
        let mut on = Targets { cluster, workers, sink, switch: lab.switch() };
        let mut counters = on.heal(active).await?;
        let at = clock::now();
        let before = self.changes_at.remove(&id).unwrap_or(0);
        counters.insert(counter::LEADER_CHANGES.to_owned(), self.leaders.changes - before);
        self.storm.healed(id, at, counters.clone());
        self.last_change = at;
        let Some(entry) = self.storm.entry(id).cloned() else { return Ok(()) };
        self.note_paused(&entry.planned.fault, &[], false);
        let (bit, effect) = match entry.bit() {
            Bite::Bit => (true, ledger::effect(&counters)),
            Bite::Missed(why) => (false, format!("{} ({why})", ledger::effect(&counters))),
        };
        self.progress.healed(id, &effect);
        self.record(Op::Heal { id, effect, counters, bit }, at)
    }

    /// Remembers which brokers stand still, so that targets such as `any broker` pass them over.
    fn note_paused(&mut self, fault: &nemesis::fault::Fault, places: &[nemesis::target::Place], on: bool) {
        use nemesis::target::Place;
        if !matches!(fault, nemesis::fault::Fault::Pause { .. }) {
            return;
        }
        if on {
            self.paused.extend(places.iter().filter_map(|place| match place {
                Place::Broker(id) | Place::Controller(id) => Some(*id),
                Place::Sink | Place::Client(_) => None,
            }));
        } else {
            // Pauses may overlap on different nodes: what another active pause holds stays.
            let active: Vec<String> = self
                .storm
                .active()
                .into_iter()
                .filter_map(|id| self.storm.entry(id))
                .filter(|entry| matches!(entry.planned.fault, nemesis::fault::Fault::Pause { .. }))
                .flat_map(|entry| match &entry.state {
                    ledger::State::Struck(struck) => struck.targets.clone(),
                    ledger::State::Waiting | ledger::State::Failed { .. } | ledger::State::Healed { .. } => {
                        Vec::new()
                    }
                })
                .collect();
            self.paused.retain(|id| {
                active.contains(&Place::Broker(*id).to_string())
                    || active.contains(&Place::Controller(*id).to_string())
            });
        }
    }

    /// A client that waited at a gate for this fault goes on (when it is paused: as soon as it can).
    async fn open_gate(&mut self, id: FaultId) {
        let gates = self.storm.gates();
        let gate = gates.into_iter().find(|(gate, _, _)| *gate == id);
        if let Some(client) = gate.and_then(|(_, planned, steps)| setting::client_of(&planned, &steps)) {
            self.workers.tell(&client, &Command::Continue).await;
        }
    }

    /// Arms the gates of all faults that wait for a client's step.
    async fn arm_gates(&mut self) -> Result<(), RunError> {
        for (id, planned, steps) in self.storm.gates() {
            let client = setting::client_of(&planned, &steps).ok_or(RunError::NoClientForGate(id))?;
            let gate: Gate = setting::gate(&steps).map_err(RunError::Step)?;
            self.workers.arm(&client, id, gate).await;
        }
        Ok(())
    }

    /// What targets and conditions are resolved against.
    fn view(&self) -> ClusterView {
        let running = |id: NodeId| match self.cluster.runs(id) && !self.paused.contains(&id) {
            true => Running::Yes,
            false => Running::No,
        };
        ClusterView {
            brokers: self.cluster.brokers().keys().map(|id| (*id, running(*id))).collect(),
            controllers: vec![self.cluster.controller()],
            active_controller: None,
            logs: self.logs(),
            coordinators: BTreeMap::new(),
            sink: self.sink.as_ref().map(Server::running),
            clients: self.workers.running(),
        }
    }

    /// Writes one event of the harness.
    fn record(&mut self, op: Op, at: Nanos) -> Result<(), RunError> {
        let phase = Phase::Complete(Outcome::Ok { offset: None });
        Ok(self.journal.event(&Event { time: at, process: Process(0), phase, op })?)
    }

    /// Writes that a client's process was found dead. The event belongs to that process.
    fn crashed(&mut self, process: Process, how: &str) -> Result<(), RunError> {
        let phase = Phase::Complete(Outcome::Ok { offset: None });
        let op = Op::Crash { how: how.to_owned() };
        Ok(self.journal.event(&Event { time: clock::now(), process, phase, op })?)
    }

    fn enter(&mut self, phase: &'static str, remaining: Duration) -> Result<(), RunError> {
        self.progress.phase(phase, remaining);
        self.record(Op::Phase { name: phase.to_owned() }, clock::now())
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
