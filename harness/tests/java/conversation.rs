//! A worker of either family, spoken to as the controller does.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use harness::spec::Family;
use history::ids::Process;
use history::op::Identity;
use workloads::protocol::{Command, Report, Role, Topic, WorkerConfig, from_line, to_line};

use crate::compiled;

/// Longer than any step of a conversation here may take.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const TOPIC: &str = "orders";
pub(crate) const PARTITIONS: i32 = 2;

/// A running worker.
pub(crate) struct Worker {
    pub(crate) child: Child,
    pub(crate) journal: PathBuf,
    reports: Receiver<Report>,
}

/// What a worker is told first.
pub(crate) fn config(
    folder: &Path,
    bootstrap: &str,
    (family, process): (Family, u32),
    role: Role,
) -> WorkerConfig {
    let (name, group) = match &role {
        Role::Producer(_) => ("producer", None),
        Role::Consumer(_) => ("consumer", Some(format!("group-{process}"))),
    };
    let identity = Identity {
        name: format!("client-{process}"),
        role: name.into(),
        family: family.name().into(),
        group,
        ..Default::default()
    };
    WorkerConfig {
        run: 5,
        process: Process(process),
        identity,
        journal: folder.join(format!("{process}.journal")),
        bootstrap: bootstrap.to_owned(),
        topics: vec![Topic { name: TOPIC.into(), partitions: PARTITIONS }],
        properties: Default::default(),
        role,
        sink: None,
        gates: Vec::new(),
        shutdown_ms: 10_000,
    }
}

impl Worker {
    pub(crate) fn start(family: Family, config: &WorkerConfig) -> Self {
        let mut program = match family {
            Family::Librdkafka => {
                let mut program = Program::new(env!("CARGO_BIN_EXE_onceproof"));
                program.arg("worker");
                program
            }
            Family::Java => {
                let (worker, _) = compiled();
                let mut program = Program::new(worker.program);
                program.args(worker.arguments);
                program
            }
        };
        let log = config.journal.with_extension("log");
        program.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = program.stderr(std::fs::File::create(log).unwrap()).spawn().unwrap();
        let line = to_line(config).unwrap();
        writeln!(child.stdin.as_mut().unwrap(), "{line}").unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let (sender, reports) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let report = from_line::<Report>(&line, "report").unwrap();
                if sender.send(report).is_err() {
                    return;
                }
            }
        });
        Self { child, journal: config.journal.clone(), reports }
    }

    pub(crate) fn say(&mut self, command: &Command) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{}", to_line(command).unwrap()).unwrap();
    }

    /// The next report of a kind; those before it are not looked at.
    pub(crate) fn until(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let report = self.reports.recv_timeout(left).unwrap_or_else(|error| {
                let log = std::fs::read_to_string(self.journal.with_extension("log")).unwrap_or_default();
                let end: Vec<&str> = log.lines().rev().take(8).collect();
                panic!("the worker says nothing of it ({error}); its log ends with {end:#?}")
            });
            if wanted(&report) {
                return report;
            }
            assert!(!matches!(report, Report::Error { .. }), "{report:?}");
        }
    }

    pub(crate) fn kill(mut self) -> PathBuf {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.journal.clone()
    }

    /// Leaves in good order.
    pub(crate) fn stop(mut self) -> (PathBuf, ExitStatus) {
        self.say(&Command::Stop);
        self.until(|report| matches!(report, Report::Done(_)));
        let status = self.child.wait().unwrap();
        (self.journal.clone(), status)
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
