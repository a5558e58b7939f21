//! Runs tests of one binary within limits.
//!
//! Time is limited as CPU time, so that a busy machine makes no mutant look endless; only a test that waits for something
//! that never comes runs into the limit by the clock. `prlimit` sets the limits, which programs that the test starts
//! inherit.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::binaries::Binary;
use crate::mutants::Number;

/// What the switch is told.
#[derive(Debug)]
pub(super) enum Switch {
    /// No mutant, but the first panic ends the process as with one.
    Nothing,
    /// To append what is reached to a file.
    Record(PathBuf),
    /// This mutant.
    Mutant(Number),
}

/// What a run may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Limits {
    /// CPU time that every run is given, in seconds.
    pub(super) least_s: u64,
    /// Address space in MiB.
    pub(super) memory_mib: u64,
}

impl Limits {
    /// With enough time for tests that take so long without a mutant.
    pub(super) fn of(self, millis: u64) -> Self {
        Self { least_s: self.least_s.max(millis * 5 / 1000 + 1), ..self }
    }
}

/// How tests ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// All passed.
    Passed,
    /// One failed, or the process died.
    Failed,
    /// The limit was reached.
    TimedOut,
}

/// A run that is over.
#[derive(Debug)]
pub(super) struct Ran {
    pub(super) ended: Ended,
    pub(super) wall_ms: u64,
    /// The test that was begun last.
    pub(super) last_test: Option<String>,
}

/// Runs one process after the other in a scratch folder of its own.
#[derive(Debug)]
pub(super) struct Runner {
    copy: PathBuf,
    scratch: PathBuf,
}

impl Runner {
    pub(super) fn new(copy: &Path, scratch: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&scratch)?;
        Ok(Self { copy: std::path::absolute(copy)?, scratch: std::path::absolute(scratch)? })
    }

    /// Runs the tests named, one after the other, with so many random cases where a variable says how many.
    pub(super) fn run(
        &self,
        binary: &Binary,
        (tests, cases): (&[&str], Option<(&str, &str)>),
        switch: &Switch,
        limits: Limits,
    ) -> anyhow::Result<Ran> {
        let temporary = self.scratch.join("tmp");
        std::fs::create_dir_all(&temporary)?;
        let said = self.scratch.join("stdout");
        let mut command = Command::new("prlimit");
        command
            .arg(format!("--as={}", limits.memory_mib << 20))
            .arg(format!("--cpu={}:{}", limits.least_s, limits.least_s + 5))
            .args(["--core=0", "--"])
            .arg(&binary.path)
            .args(["--exact", "--test-threads", "1"])
            .args(tests)
            .current_dir(&binary.folder)
            .env("TMPDIR", &temporary)
            .env("CARGO_MANIFEST_DIR", &binary.folder)
            .env("INSTA_WORKSPACE_ROOT", &self.copy)
            .env("INSTA_UPDATE", "no")
            .env("CI", "1")
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(File::create(&said)?)
            .stderr(Stdio::null())
            .process_group(0);
        command.envs(cases);
        match switch {
            Switch::Nothing => command.env("ONCEPROOF_MUTANT", "99999999"),
            Switch::Record(path) => command.env("ONCEPROOF_REACHED", path),
            Switch::Mutant(number) => command.env("ONCEPROOF_MUTANT", number.0.to_string()),
        };
        let start = Instant::now();
        let child = command.spawn().context("prlimit (of util-linux)")?;
        let ended = wait(child, Duration::from_secs(30 + 5 * limits.least_s))?;
        let wall_ms = u64::try_from(start.elapsed().as_millis())?;
        let said = std::fs::read(&said)?;
        let said = String::from_utf8_lossy(&said);
        let mut begun = said.lines().filter_map(|line| line.strip_prefix("test ")?.split(" ... ").next());
        let last_test = begun.rfind(|name| tests.contains(name)).map(str::to_owned);
        std::fs::remove_dir_all(&temporary)?;
        Ok(Ran { ended, wall_ms, last_test })
    }
}

/// Waits for the process, and then ends what it has left behind.
fn wait(mut child: Child, limit: Duration) -> anyhow::Result<Ended> {
    let group = Pid::from_raw(i32::try_from(child.id())?);
    let start = Instant::now();
    let mut pause = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if start.elapsed() > limit {
            break None;
        }
        std::thread::sleep(pause);
        pause = (pause * 5 / 4).min(Duration::from_millis(20));
    };
    // Nobody is left in most groups, which is an error of no interest.
    let _ = killpg(group, Signal::SIGKILL);
    if status.is_none() {
        child.wait()?;
    }
    status.map_or(Ok(Ended::TimedOut), read)
}

fn read(status: ExitStatus) -> anyhow::Result<Ended> {
    let is = |signals: &[Signal]| {
        status.signal().is_some_and(|own| signals.iter().any(|signal| *signal as i32 == own))
    };
    ensure!(!is(&[Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP]), "a test was stopped from outside");
    if status.success() {
        Ok(Ended::Passed)
    } else if is(&[Signal::SIGXCPU, Signal::SIGKILL]) {
        Ok(Ended::TimedOut)
    } else {
        Ok(Ended::Failed)
    }
}
