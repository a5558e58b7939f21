//! The server of a sink: a process on the lab's node `sink`, started, killed, stopped and resumed like a broker.
//!
//! All its processes are one thing: killed together, as when a machine dies, and found again by what they left on the disk.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use history::ids::NodeId;
use nemesis::target::Running;
use nix::sys::signal::Signal;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{NODE, SERVICE_PORT, SinkFailure, SinkPlan, folder, postgres, service, tree};
use crate::cluster::process::{NodeExit, Process, Start};
use crate::cluster::{SignalError, Site};
use crate::spec::SinkKind;

/// How long a server may take until it answers. The first start makes the database.
const READY: Duration = Duration::from_secs(60);
/// How long a signal may take to show its effect.
const OBEY: Duration = Duration::from_secs(10);

/// Where a sink's server runs and what it runs from.
#[derive(Clone)]
pub struct Place {
    /// The lab.
    pub site: Arc<dyn Site>,
    /// This program.
    pub program: PathBuf,
    /// The run directory.
    pub run_dir: PathBuf,
}

/// A server that was started.
pub struct Server {
    kind: SinkKind,
    place: Place,
    exits: mpsc::Sender<NodeExit>,
    process: Process,
    life: u32,
    paused: bool,
    /// Lives that were ended on purpose.
    asked: BTreeSet<u32>,
}

impl Server {
    /// Starts the server of a sink and waits until it serves; none where the sink has no server.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer in time.
    pub async fn start(
        plan: &SinkPlan,
        place: Place,
        exits: mpsc::Sender<NodeExit>,
    ) -> Result<Option<Self>, SinkFailure> {
        if !plan.kind.has_server() {
            return Ok(None);
        }
        let process = launch(plan.kind, &place, 1, exits.clone())?;
        let asked = BTreeSet::new();
        let server = Self { kind: plan.kind, place, exits, process, life: 1, paused: false, asked };
        server.ready(&["postgres"]).await?;
        if plan.kind == SinkKind::Postgres {
            postgres::make_tables(&server.host()).await?;
        }
        Ok(Some(server))
    }

    /// Whether it runs: neither killed nor stopped.
    pub fn running(&self) -> Running {
        if self.paused || self.process.ended().is_some() { Running::No } else { Running::Yes }
    }

    /// Whether an end was brought about on purpose.
    pub fn was_asked(&self, exit: &NodeExit) -> bool {
        self.asked.contains(&exit.life)
    }

    /// Where its console goes.
    pub fn console(&self) -> PathBuf {
        console(&self.place)
    }

    /// SIGKILL to all its processes at once.
    ///
    /// # Errors
    /// When they are not gone in time.
    pub async fn kill(&mut self) -> Result<(), SinkFailure> {
        self.asked.insert(self.life);
        match tree::end(self.process.pid(), OBEY).await && timeout(OBEY, self.process.end()).await.is_ok() {
            true => Ok(()),
            false => Err(self.no_effect(Signal::SIGKILL)),
        }
    }

    /// SIGSTOP to all its processes.
    ///
    /// # Errors
    /// When they do not stand still in time.
    pub async fn pause(&mut self) -> Result<(), SinkFailure> {
        self.paused = true;
        match tree::stop(self.process.pid(), OBEY).await {
            Some(_) if self.process.ended().is_none() => Ok(()),
            Some(_) | None => Err(self.no_effect(Signal::SIGSTOP)),
        }
    }

    /// SIGCONT to all its processes.
    ///
    /// # Errors
    /// When they do not go on in time.
    pub async fn resume(&mut self) -> Result<(), SinkFailure> {
        self.paused = false;
        match tree::resume(self.process.pid(), OBEY).await {
            true => Ok(()),
            false => Err(self.no_effect(Signal::SIGCONT)),
        }
    }

    /// Starts it again, and waits until it serves.
    ///
    /// # Errors
    /// When it cannot be started, or does not answer in time.
    pub async fn restart(&mut self) -> Result<(), SinkFailure> {
        self.life += 1;
        self.process = launch(self.kind, &self.place, self.life, self.exits.clone())?;
        self.ready(&[super::DATABASE]).await
    }

    fn host(&self) -> String {
        self.place.site.address(NODE).to_string()
    }

    /// Waits until it answers.
    async fn ready(&self, databases: &[&str]) -> Result<(), SinkFailure> {
        let failed = SinkFailure::of(self.kind, "started");
        let waiting = async {
            loop {
                if self.process.ended().is_some() {
                    return Err(format!("it ended (its console: {})", self.console().display()));
                }
                if self.answers(databases).await {
                    return Ok(());
                }
                sleep(Duration::from_millis(20)).await;
            }
        };
        match timeout(READY, waiting).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(why)) => Err(failed(why)),
            Err(_) => Err(failed(format!("no answer within {READY:?}"))),
        }
    }

    async fn answers(&self, databases: &[&str]) -> bool {
        let host = self.host();
        match self.kind {
            SinkKind::Postgres => {
                for database in databases {
                    if postgres::connect(&host, database).await.is_err() {
                        return false;
                    }
                }
                true
            }
            SinkKind::Http => tokio::net::TcpStream::connect((host.as_str(), SERVICE_PORT)).await.is_ok(),
            SinkKind::Sqlite | SinkKind::File => true,
        }
    }

    fn no_effect(&self, signal: Signal) -> SinkFailure {
        let (node, pid) = (NODE.to_owned(), self.process.pid());
        SinkFailure::Signal(SignalError::NoEffect { node, pid, signal, waited: OBEY })
    }
}

fn console(place: &Place) -> PathBuf {
    place.run_dir.join("logs").join(NODE).join("console.log")
}

fn launch(
    kind: SinkKind,
    place: &Place,
    life: u32,
    exits: mpsc::Sender<NodeExit>,
) -> Result<Process, SinkFailure> {
    let program: &OsStr = place.program.as_os_str();
    let mut command = place.site.command(NODE, program);
    match kind {
        SinkKind::Postgres => {
            let data = place.run_dir.join("data").join(NODE);
            command.arg(postgres::HIDDEN).arg(postgres::binaries()?).arg(data);
        }
        SinkKind::Http | SinkKind::Sqlite | SinkKind::File => {
            command.arg(service::HIDDEN).arg(folder(&place.run_dir).join("sink.db"));
        }
    }
    let console = console(place);
    let failed = || SinkFailure::of::<std::io::Error>(kind, "started");
    for folder in [console.parent(), Some(&*place.run_dir.join("data"))].into_iter().flatten() {
        std::fs::create_dir_all(folder).map_err(failed())?;
    }
    let start = Start { node: NodeId(0), name: NODE.to_owned(), life, console, exits };
    Process::start(command, start).map_err(failed())
}
