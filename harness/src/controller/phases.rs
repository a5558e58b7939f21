//! The phases of a run: warm-up, storm, heal, drain, final read, stop. Each waits for a state that can be seen, with a
//! deadline from the plan, and says in the history when it began.
//!
//! A phase that does not reach its state in time does not end the run: what could not be reached (a cluster that
//! is not whole again, a group that did not catch up, a log that could not be read to its end) is for the checker
//! to find in the history, where it makes the verdict unknown or is the very thing that was claimed.

use std::collections::BTreeSet;
use std::time::Duration;

use history::ids::Nanos;
use history::journal::{Header, Writer};
use history::op::{Identity, Isolation, Op};
use nemesis::ledger::State;
use nemesis::schedule::{Heal, Moment};
use nemesis::target::ClientRef;
use workloads::protocol::End;

use super::{Controller, RunError, nanos};
use crate::clock;
use crate::plan::ClientPlan;
use crate::reader;
use crate::sink;
use crate::supervise::Standing;
use crate::wire::{At, Client};

/// How long workers may take to leave in good order.
const STOP_PATIENCE: Duration = Duration::from_secs(15);

/// How long a consumer that has its assignment may take to find the ends of its logs.
const END_FOUND: Duration = Duration::from_secs(1);

/// How long a leader may take to say where its log ends.
const ENDS_PATIENCE: Duration = Duration::from_secs(10);

/// How long a client that was just restarted may take to work again before the drain.
const BACK_PATIENCE: Duration = Duration::from_secs(20);

impl Controller {
    /// Every client works, and has done so undisturbed for a while.
    pub(super) async fn warm_up(&mut self) -> Result<(), RunError> {
        let phases = self.plan.phases;
        self.enter("warm-up", phases.warm_up + phases.storm + phases.calm)?;
        let patience = self.plan.limits.start;
        self.begin_at_the_end(patience).await?;
        for client in self.workers.all() {
            if self.workers.standing(&client) == Some(Standing::Waiting) {
                self.workers.start(&client).await?;
            }
        }
        let working = |run: &mut Self| run.interrupted || run.workers.all_are(&[Standing::Working]);
        if !self.until(patience, working).await? {
            let who = self.workers.not_yet(&[Standing::Working]);
            return Err(RunError::NotWarm { waited: patience, who });
        }
        self.until(phases.warm_up, |run| run.interrupted).await?;
        Ok(())
    }

    /// Consumers that begin at the end of a log start before anybody writes: what was written before them would be lost to
    /// them, whatever the run is about.
    async fn begin_at_the_end(&mut self, patience: Duration) -> Result<(), RunError> {
        let first: Vec<ClientRef> = self
            .plan
            .instances()
            .filter(|(_, plan)| plan.begins_at_the_end())
            .map(|(client, _)| client.clone())
            .collect();
        if first.is_empty() {
            return Ok(());
        }
        for client in &first {
            self.workers.start(client).await?;
        }
        let there = |run: &mut Self| {
            let works = |client| run.workers.standing(client) == Some(Standing::Working);
            run.interrupted || first.iter().all(works)
        };
        if self.until(patience, there).await? {
            self.until(END_FOUND, |run| run.interrupted).await?;
        }
        Ok(())
    }

    /// Faults strike and are undone. Lasts as planned, and longer while faults are still to come or to be undone.
    pub(super) async fn storm(&mut self) -> Result<(), RunError> {
        let phases = self.plan.phases;
        self.enter("storm", phases.storm + phases.calm)?;
        self.arm_gates().await?;
        self.last_change = clock::now();
        self.storm.begin(self.last_change);
        self.until(phases.storm, |run| run.interrupted).await?;
        // A condition or a step may take its time: as long as something happens, patience begins anew.
        while self.is_pending() && !self.interrupted {
            let give_up = self.last_change.0.saturating_add(nanos(self.plan.limits.condition));
            if clock::now().0.max(self.storm_planned_end().0) > give_up && clock::now().0 > give_up {
                self.progress.say("a fault's moment did not come in time; going on without it");
                break;
            }
            self.step().await?;
        }
        Ok(())
    }

    /// Whether a fault has yet to strike, or to be undone otherwise than by the end of the storm.
    fn is_pending(&self) -> bool {
        self.storm.ledger().any(|entry| match (&entry.state, &entry.planned.heal) {
            (State::Waiting, _) => true,
            (State::Struck(_), Heal::AtEnd) => false,
            (State::Struck(_), Heal::After(_) | Heal::When { .. } | Heal::Itself) => true,
            (State::Failed { .. } | State::Healed { .. }, _) => false,
        })
    }

    /// When the last fault with a fixed time strikes.
    fn storm_planned_end(&self) -> history::ids::Nanos {
        let times = self.plan.faults.iter().filter_map(|fault| match fault.at {
            Moment::Time(after) => Some(nanos(after)),
            Moment::When { .. } | Moment::Step(_) => None,
        });
        history::ids::Nanos(times.max().unwrap_or(0))
    }

    /// Every fault is undone and the cluster is whole again: every broker serves, every log has all its replicas.
    pub(super) async fn heal(&mut self) -> Result<(), RunError> {
        let calm = self.plan.phases.calm;
        self.enter("heal", calm)?;
        self.storm.end();
        self.until(self.plan.limits.heal, |run| run.storm.active().is_empty()).await?;
        let whole = |run: &mut Self| run.is_whole();
        if !self.until(self.plan.limits.heal, whole).await? {
            self.progress.say("the cluster is not whole again in time; reading what can be read");
        }
        self.until(BACK_PATIENCE, |run| run.workers.all_are(&[Standing::Working])).await?;
        if !self.interrupted {
            self.until(calm, |run| run.interrupted).await?;
        }
        Ok(())
    }

    /// Producers take every answer that is still to come; then groups read to the end of every log.
    pub(super) async fn drain(&mut self) -> Result<(), RunError> {
        let patience = self.plan.limits.drain;
        self.enter("drain", patience / 4)?;
        self.workers.drain(false, patience, &[]).await;
        self.until(patience + Duration::from_secs(2), |run| run.workers.drained(false)).await?;
        if self.workers.has_consumers() {
            let ends = self.ends().await?;
            self.workers.drain(true, patience, &ends).await;
            self.until(patience + Duration::from_secs(2), |run| run.workers.drained(true)).await?;
        }
        for missing in self.workers.missing() {
            self.progress.say(&format!("not drained: {missing}"));
        }
        Ok(())
    }

    /// Where every log ends now, as its leader says.
    async fn ends(&mut self) -> Result<Vec<End>, RunError> {
        let mut ends = Vec::new();
        for log in self.plan.logs() {
            let leader = self.logs().get(&log).and_then(|log| log.leader);
            let address = leader.and_then(|leader| self.cluster.brokers().get(&leader).copied());
            let Some(address) = address else { continue };
            let mut client = Client::connect(address, "onceproof-harness", ENDS_PATIENCE).await?;
            let end = client.offset(&log, At::LogEnd).await?;
            ends.push(End { topic: log.topic, partition: log.partition, end });
        }
        Ok(ends)
    }

    /// The independent reader reads every log from its start to its end, in both isolation levels.
    pub(super) async fn final_read(&mut self) -> Result<(), RunError> {
        self.enter("final-read", Duration::from_secs(2))?;
        let process = self.workers.next_process();
        let identity = Identity {
            name: "reader".to_owned(),
            role: "reader".to_owned(),
            family: "wire".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            group: None,
            isolation: None,
        };
        let header = Header { run: self.file.run, process, identity };
        let path = self.run_dir.join("journals").join(format!("{process}-reader.journal"));
        let mut journal = Writer::create(path, &header)?;
        let question = reader::Question {
            brokers: self.cluster.brokers(),
            logs: self.plan.logs(),
            isolations: vec![Isolation::ReadUncommitted, Isolation::ReadCommitted],
            run: self.file.run,
            deadline: Nanos(clock::now().0.saturating_add(nanos(self.plan.limits.drain))),
        };
        // Events of workers wait in their channel meanwhile; nothing is due any more.
        let reads = reader::final_read(&question, process, &mut journal).await?;
        journal.close()?;
        for read in reads.iter().filter(|read| !read.is_complete()) {
            let why = read.trouble.clone().unwrap_or_else(|| "no reason known".to_owned());
            self.progress.say(&format!("the final read of {} did not reach its end: {why}", read.log));
        }
        Ok(())
    }

    /// What the sink holds, for each group that has effects in it, once nobody writes any more.
    async fn read_sink(&mut self) -> Result<(), RunError> {
        let Some(config) = self.plan.sink.as_ref().map(|sink| sink.config(&self.run_dir)) else {
            return Ok(());
        };
        let content = sink::read::content(&config).await;
        if let Some(why) = &content.trouble {
            self.progress.say(&format!("the sink could not be read back: {why}"));
        }
        let groups: BTreeSet<String> = self.plan.clients.iter().filter_map(ClientPlan::sink_group).collect();
        for group in groups {
            let process = self.workers.next_process();
            let path = self.run_dir.join("journals").join(format!("{process}-sink.journal"));
            sink::read::record(&content, (&group, self.file.run, process), (&path, clock::now()))?;
        }
        Ok(())
    }

    /// Clients leave in good order; whoever does not is ended with the lab.
    pub(super) async fn stop(&mut self) -> Result<(), RunError> {
        self.enter("stop", Duration::from_secs(2))?;
        self.workers.stop().await;
        let gone = |run: &mut Self| run.workers.all_are(&[Standing::Done, Standing::Down]);
        if !self.until(STOP_PATIENCE, gone).await? {
            let who = self.workers.not_yet(&[Standing::Done, Standing::Down]).join(", ");
            self.progress.say(&format!("did not leave in good order: {who}"));
        }
        self.read_sink().await?;
        self.record(Op::Close, clock::now())
    }
}
