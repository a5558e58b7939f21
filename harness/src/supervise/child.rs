//! One worker process: its pipes, its log, its signals.
//!
//! Two tasks watch it: one reads its reports line by line (bounded, because a worker may print anything), one
//! waits for its end. The end is announced only after the last report has been read, so that a worker that says
//! `done` and exits is never seen to have died.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command as StdCommand, ExitStatus, Stdio};
use std::time::Duration;

use history::ids::Process;
use nemesis::target::ClientRef;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::process::{ChildStdin, ChildStdout};
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};
use workloads::protocol::{Command, Report, WorkerConfig, from_line, to_line};

use super::WorkerEvent;

/// Longest line that a worker may print, in bytes.
const LONGEST_LINE: u64 = 64 * 1024;

/// How long a signal may take to show its effect.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a command may wait in the pipe of a worker that does not read.
const PIPE_PATIENCE: Duration = Duration::from_millis(200);

/// Who the child is, and who is told what it does.
pub(super) type Watched = (ClientRef, Process, mpsc::Sender<WorkerEvent>);

/// A running worker.
pub(super) struct Child {
    pub(super) pid: i32,
    stdin: ChildStdin,
    gone: watch::Receiver<bool>,
}

impl Child {
    /// Starts it and gives it its configuration.
    pub(super) async fn start(
        mut command: StdCommand,
        log: &Path,
        config: &WorkerConfig,
        watched: Watched,
    ) -> io::Result<Child> {
        if let Some(folder) = log.parent() {
            fs::create_dir_all(folder)?;
        }
        let log = File::options().create(true).append(true).open(log)?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let mut child = tokio::process::Command::from(command).kill_on_drop(true).spawn()?;
        let pid = child
            .id()
            .and_then(|pid| i32::try_from(pid).ok())
            .ok_or_else(|| io::Error::other("no process id"))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let mut stdin = stdin.ok_or_else(|| io::Error::other("no pipe to the worker"))?;
        let stdout = stdout.ok_or_else(|| io::Error::other("no pipe from the worker"))?;
        let (tell_gone, gone) = watch::channel(false);
        tokio::spawn(async move {
            let (client, process, events) = watched;
            let reading = tokio::spawn(read(stdout, (client.clone(), process, events.clone())));
            let how = child.wait().await.map_or_else(|error| error.to_string(), how);
            tell_gone.send_replace(true);
            // Its reports first: the pipe ends with the process, unless a child of its own keeps it open.
            let _ = timeout(PATIENCE, reading).await;
            let _ = events.send(WorkerEvent::Ended(client, process, how)).await;
        });
        let line = to_line(config).map_err(io::Error::other)?;
        match stdin.write_all(format!("{line}\n").as_bytes()).await {
            Ok(()) => {}
            // It ended before it read anything; its end is announced with what it said, which tells more.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
            Err(error) => return Err(error),
        }
        Ok(Child { pid, stdin, gone })
    }

    /// Sends a command. One that is paused or gone does not hold the run up.
    pub(super) async fn tell(&mut self, command: &Command) {
        if let Ok(line) = to_line(command) {
            let line = format!("{line}\n");
            let _ = timeout(PIPE_PATIENCE, self.stdin.write_all(line.as_bytes())).await;
        }
    }

    /// SIGKILL, until it is gone.
    pub(super) async fn kill(&self) -> Result<(), String> {
        kill(Pid::from_raw(self.pid), Signal::SIGKILL).map_err(|error| error.to_string())?;
        let mut gone = self.gone.clone();
        let end = timeout(PATIENCE, gone.wait_for(|gone| *gone)).await;
        end.map_err(|_| "it is still there".to_owned())?.map(drop).map_err(|error| error.to_string())
    }

    /// A signal, until all threads are (or none is) in the given state.
    pub(super) async fn signal(&self, signal: Signal, state: char, all: bool) -> Result<(), String> {
        if *self.gone.borrow() {
            return Err("its process is gone".to_owned());
        }
        kill(Pid::from_raw(self.pid), signal).map_err(|error| error.to_string())?;
        let seen = async {
            loop {
                let states = crate::cluster::thread_states(self.pid);
                if !states.is_empty() && states.iter().all(|found| (*found == state) == all) {
                    return;
                }
                sleep(Duration::from_millis(1)).await;
            }
        };
        timeout(PATIENCE, seen).await.map_err(|_| "its threads do not show it".to_owned())
    }
}

/// Reads reports until the pipe ends.
async fn read(stdout: ChildStdout, (client, process, events): Watched) {
    let mut reader = BufReader::new(stdout);
    loop {
        let mut line = Vec::new();
        let read = (&mut reader).take(LONGEST_LINE).read_until(b'\n', &mut line).await;
        if line.is_empty() || read.is_err() {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let event = match from_line::<Report>(&text, "report") {
            Ok(report) => WorkerEvent::Said(client.clone(), process, report),
            Err(_) => WorkerEvent::Garbage(
                client.clone(),
                process,
                text.chars().take(120).collect::<String>().trim().to_owned(),
            ),
        };
        if events.send(event).await.is_err() {
            return;
        }
    }
}

fn how(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => {
            Signal::try_from(signal).map_or_else(|_| format!("signal {signal}"), |name| name.to_string())
        }
        (None, Some(code)) => format!("exit status {code}"),
        (None, None) => "an unknown end".to_owned(),
    }
}

/// The last lines of a log, for an error message.
pub(super) fn last_words(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    if lines.is_empty() {
        "nothing".to_owned()
    } else {
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}
