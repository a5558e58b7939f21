//! The process of one node: started, watched, signalled, with proof of each.
//!
//! The process is waited for by one task, which announces its end to whoever looks at the node and to the
//! run. A signal counts only when the kernel shows its effect: gone, stopped, or running again.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use history::ids::{Nanos, NodeId};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use crate::clock;

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// It ended by itself or was asked to.
    Status(i32),
    /// A signal ended it.
    Signal(i32),
}

impl std::fmt::Display for How {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            How::Status(status) => write!(f, "exit status {status}"),
            How::Signal(signal) => match Signal::try_from(*signal) {
                Ok(name) => write!(f, "{name}"),
                Err(_) => write!(f, "signal {signal}"),
            },
        }
    }
}

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// Its process id.
    pub pid: i32,
    /// How it ended.
    pub how: How,
    /// When its end was noticed.
    pub at: Nanos,
}

/// A node's process ended; sent to the run for every end, planned or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NodeExit {
    /// The node.
    pub node: NodeId,
    /// Which start of the node it was, from 1.
    pub life: u32,
    /// The end.
    pub exit: Exit,
}

/// A process that was told to do something and did not.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The kernel refused.
    #[error("{signal} to {node} (process {pid}): {error}")]
    Refused {
        /// The node's name.
        node: String,
        /// The process.
        pid: i32,
        /// The signal.
        signal: Signal,
        /// What the kernel said.
        error: nix::errno::Errno,
    },
    /// Nothing runs there.
    #[error("{node} does not run")]
    NotRunning {
        /// The node's name.
        node: String,
    },
    /// The effect did not show in time.
    #[error("{node} (process {pid}) did not obey {signal} within {waited:?}")]
    NoEffect {
        /// The node's name.
        node: String,
        /// The process.
        pid: i32,
        /// The signal.
        signal: Signal,
        /// How long was waited.
        waited: Duration,
    },
}

/// A node's running (or ended) process.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    pid: Pid,
    exit: watch::Receiver<Option<Exit>>,
}

/// What identifies a start of a node.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// The node.
    pub(crate) node: NodeId,
    /// Its name.
    pub(crate) name: String,
    /// Which start it is, from 1.
    pub(crate) life: u32,
    /// Where standard output and error go.
    pub(crate) console: PathBuf,
    /// Who is told of its end.
    pub(crate) exits: mpsc::Sender<NodeExit>,
}

impl Process {
    /// Starts the command. Must be called in a task and not on a blocking thread: the process may be bound to
    /// the life of the thread that made it.
    pub(crate) fn start(mut command: Command, start: Start) -> io::Result<Process> {
        let console = append(&start.console)?;
        command.stdin(Stdio::null()).stdout(console.try_clone()?).stderr(console);
        let mut command = tokio::process::Command::from(command);
        let mut child = command.kill_on_drop(true).spawn()?;
        let number = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .ok_or_else(|| io::Error::other("a process without id"))?;
        let (announce, exit) = watch::channel(None);
        tokio::spawn(async move {
            let how = match child.wait().await {
                Ok(status) => how(status),
                // It cannot be waited for, so it is not our child any more.
                Err(_) => How::Status(-1),
            };
            let end = Exit { pid: number, how, at: clock::now() };
            announce.send_replace(Some(end));
            // The run may have ended before its nodes.
            let _ = start.exits.send(NodeExit { node: start.node, life: start.life, exit: end }).await;
        });
        Ok(Process { name: start.name, pid: Pid::from_raw(number), exit })
    }

    pub(crate) fn pid(&self) -> i32 {
        self.pid.as_raw()
    }

    pub(crate) fn ended(&self) -> Option<Exit> {
        *self.exit.borrow()
    }

    /// Waits for its end.
    pub(crate) async fn end(&self) -> Exit {
        let mut exit = self.exit.clone();
        match exit.wait_for(Option::is_some).await {
            Ok(end) => end.unwrap_or(Exit { pid: self.pid(), how: How::Status(-1), at: Nanos(0) }),
            // The watching task is gone only when the whole runtime ends.
            Err(_) => std::future::pending().await,
        }
    }

    pub(crate) fn signal(&self, signal: Signal) -> Result<(), SignalError> {
        if self.ended().is_some() {
            return Err(SignalError::NotRunning { node: self.name.clone() });
        }
        kill(self.pid, signal).map_err(|error| SignalError::Refused {
            node: self.name.clone(),
            pid: self.pid(),
            signal,
            error,
        })
    }

    /// Sends a signal and waits until the process is gone.
    pub(crate) async fn signal_and_end(
        &self,
        signal: Signal,
        patience: Duration,
    ) -> Result<Exit, SignalError> {
        self.signal(signal)?;
        timeout(patience, self.end()).await.map_err(|_| self.no_effect(signal, patience))
    }

    /// Stops the process and waits until every thread of it stands still.
    pub(crate) async fn stop(&self, patience: Duration) -> Result<(), SignalError> {
        self.signal(Signal::SIGSTOP)?;
        self.until(Signal::SIGSTOP, patience, |states| states.iter().all(|state| *state == 'T')).await
    }

    /// Lets the process go on and waits until no thread of it stands still.
    pub(crate) async fn resume(&self, patience: Duration) -> Result<(), SignalError> {
        self.signal(Signal::SIGCONT)?;
        self.until(Signal::SIGCONT, patience, |states| states.iter().all(|state| *state != 'T')).await
    }

    async fn until(
        &self,
        signal: Signal,
        patience: Duration,
        done: fn(&[char]) -> bool,
    ) -> Result<(), SignalError> {
        let look = async {
            loop {
                let states = thread_states(self.pid());
                if !states.is_empty() && done(&states) {
                    return;
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(patience, look).await.map_err(|_| self.no_effect(signal, patience))
    }

    pub(crate) fn no_effect(&self, signal: Signal, waited: Duration) -> SignalError {
        SignalError::NoEffect { node: self.name.clone(), pid: self.pid(), signal, waited }
    }
}

fn append(path: &Path) -> io::Result<File> {
    File::options().create(true).append(true).open(path)
}

fn how(status: std::process::ExitStatus) -> How {
    use std::os::unix::process::ExitStatusExt;
    match (status.signal(), status.code()) {
        (Some(signal), _) => How::Signal(signal),
        (None, Some(code)) => How::Status(code),
        (None, None) => How::Status(-1),
    }
}

/// The state letter of every thread of a process, as the kernel shows it; empty when it is gone.
pub(crate) fn thread_states(pid: i32) -> Vec<char> {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let stats =
        threads.flatten().filter_map(|thread| std::fs::read_to_string(thread.path().join("stat")).ok());
    // The name in parentheses may hold anything, so the state is looked for behind the last one.
    stats.filter_map(|stat| stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next())).collect()
}
