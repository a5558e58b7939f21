//! Where bad luck happens: a store and a temporary folder of its own, and the program running in them.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// Longest wait for anything; only a machine under heavy load comes near it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// A sound run that is as short as one can be: one broker, one producer, one consumer, one pause.
pub(crate) const SHORT: &str = r#"about = "Short, sound, with one pause."
claim = "at-least-once"

[kafka]
version = "4.3.1"
brokers = 1

[topics.orders]
partitions  = 1
replication = 1

[clients.shop]
role   = "producer"
topic  = "orders"
rate   = "200/s"
config = { acks = "all" }

[clients.billing]
role   = "consumer"
topic  = "orders"
config = { "auto.offset.reset" = "earliest" }

[phases]
storm = "3s"
calm  = "500ms"

[[faults]]
at    = "500ms"
pause = "broker 1"
heal  = "after 1s"
"#;

/// One cluster at a time: two of them make each other late on two cores.
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A folder for one test: `store/`, `tmp/` and specs.
pub(crate) struct Stage {
    folder: TempDir,
}

/// A call that came to its end.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Stage {
    /// A folder with the spec in `short.toml`.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("tmp")).unwrap();
        std::fs::write(folder.path().join("short.toml"), SHORT).unwrap();
        Self { folder }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// What the program left in the folder for temporary files.
    pub(crate) fn temporary(&self) -> Vec<PathBuf> {
        std::fs::read_dir(self.path().join("tmp")).unwrap().map(|entry| entry.unwrap().path()).collect()
    }

    /// The run directory that `latest` points at, if a run got so far.
    pub(crate) fn latest(&self) -> Option<PathBuf> {
        self.path().join("store/latest").canonicalize().ok()
    }

    /// The command for a call. Signals are as in a terminal, whatever the test was started by.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/env");
        command.arg("--default-signal=INT").arg(env!("CARGO_BIN_EXE_onceproof")).args(arguments);
        command.current_dir(self.path()).env("TMPDIR", self.path().join("tmp"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Calls it and waits for its end.
    pub(crate) fn call(&self, arguments: &[&str]) -> Ended {
        ended(self.command(arguments))
    }
}

/// Carries out a command.
pub(crate) fn ended(mut command: Command) -> Ended {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Ended { exit: code(output.status), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Exit status as a shell gives it.
fn code(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0))
}

/// The program while it runs, read line by line.
pub(crate) struct Playing {
    child: Child,
    lines: Receiver<String>,
    pub(crate) said: Vec<String>,
}

impl Playing {
    pub(crate) fn start(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.split(b'\n').map_while(Result::ok) {
                if tell.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
        Self { child, lines, said: Vec::new() }
    }

    pub(crate) fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid()), signal).unwrap();
    }

    /// Reads on until a line holds the words; whether it did before the program ended.
    pub(crate) fn reaches(&mut self, words: &str) -> bool {
        let began = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            self.said.push(line);
            if self.said.last().unwrap().contains(words) {
                return true;
            }
        }
        assert!(began.elapsed() < PATIENCE, "never said {words:?}: {:#?}", self.said);
        false
    }

    /// Reads on for a while; whether the program still runs then.
    pub(crate) fn plays_on_for(&mut self, time: Duration) -> bool {
        let began = Instant::now();
        loop {
            match self.lines.recv_timeout(time.saturating_sub(began.elapsed())) {
                Ok(line) => self.said.push(line),
                Err(mpsc::RecvTimeoutError::Timeout) => return self.child.try_wait().unwrap().is_none(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return false,
            }
        }
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> Ended {
        let began = Instant::now();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE.saturating_sub(began.elapsed())) {
            self.said.push(line);
        }
        if began.elapsed() >= PATIENCE {
            self.child.kill().unwrap();
        }
        let mut out = String::new();
        self.child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        Ended { exit: code(self.child.wait().unwrap()), out, err: self.said.join("\n") }
    }
}

impl Drop for Playing {
    fn drop(&mut self) {
        // A test that failed must not leave a cluster behind; one that went on has waited for the end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
