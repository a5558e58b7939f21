//! How a worker begins and ends when there is no Kafka at all: every way out is an exit with words, none is a hang.

#![expect(clippy::disallowed_methods, reason = "shell: starts workers and watches the time they take")]
#![expect(clippy::unwrap_used, reason = "helpers of tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Process, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use history::ids::Process as ProcessId;
use history::journal::{Entry, Reader, Tail};
use history::op::{Identity, Op};
use workloads::protocol::{
    Command, Commit, ConsumerRole, ErrorKind, Gate, ProducerRole, Progress, Report, Role, Topic,
    WorkerConfig, from_line, to_line,
};
use workloads::step::Step;

/// Longer than any worker here may take to end.
const PATIENCE: Duration = Duration::from_secs(15);

struct Running {
    child: Child,
    reports: std::sync::mpsc::Receiver<Report>,
}

fn program() -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    tests.parent().and_then(Path::parent).unwrap().join("examples/worker")
}

fn start(first_line: &str) -> Running {
    let mut child = Process::new(program())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|error| panic!("{}: {error}", program().display()));
    writeln!(child.stdin.as_mut().unwrap(), "{first_line}").unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let (sender, reports) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for line in stdout.lines() {
            let report = from_line::<Report>(&line.unwrap(), "report").unwrap();
            if sender.send(report).is_err() {
                return;
            }
        }
    });
    Running { child, reports }
}

impl Running {
    fn say(&mut self, command: &Command) {
        writeln!(self.child.stdin.as_mut().unwrap(), "{}", to_line(command).unwrap()).unwrap();
    }

    fn until(&self, wanted: impl Fn(&Report) -> bool) -> Report {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let report = self.reports.recv_timeout(left).expect("the worker says something else or nothing");
            if wanted(&report) {
                return report;
            }
        }
    }

    fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        self.child.kill().unwrap();
        panic!("the worker hangs");
    }

    /// Ends with this kind of error and this exit code; its words.
    fn gives_up(&mut self, kind: ErrorKind, code: i32) -> String {
        let report = self.until(|report| matches!(report, Report::Error { .. }));
        let Report::Error { kind: said, message } = report else { unreachable!() };
        assert_eq!((said, self.ended().code()), (kind, Some(code)), "{message}");
        message
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A producer whose cluster does not exist.
fn producer(folder: &Path) -> WorkerConfig {
    WorkerConfig {
        run: 1,
        process: ProcessId(3),
        identity: Identity { name: "shop[0]".into(), role: "producer".into(), ..Default::default() },
        journal: folder.join("3.journal"),
        bootstrap: "127.0.0.1:1".into(),
        topics: vec![Topic { name: "orders".into(), partitions: 2 }],
        properties: BTreeMap::new(),
        role: Role::Producer(ProducerRole { rate: Some(500.0), ..Default::default() }),
        sink: None,
        gates: Vec::new(),
        shutdown_ms: 2000,
    }
}

fn consumer(folder: &Path) -> WorkerConfig {
    let identity = Identity { group: Some("billing".into()), ..producer(folder).identity };
    let role = Role::Consumer(ConsumerRole { commit: Commit::AfterSync, ..Default::default() });
    WorkerConfig { identity, role, ..producer(folder) }
}

fn line(config: &WorkerConfig) -> String {
    to_line(config).unwrap()
}

/// Every entry of a journal that was closed in good order; the kinds in words.
fn operations(path: &Path) -> Vec<String> {
    let mut reader = Reader::open(path).unwrap();
    let mut names = Vec::new();
    loop {
        let entry = reader.next_entry().unwrap();
        if let Entry::End(tail) = entry {
            assert_eq!(tail, Tail::Closed);
            return names;
        }
        if let Entry::Event(event) = entry {
            names.push(event.op.name().to_owned());
            if let Op::Open(identity) = event.op {
                assert!(!identity.version.is_empty(), "the client library's version is filled in");
            }
        }
    }
}

#[test]
fn a_line_that_is_no_configuration_is_answered_by_its_mistake() {
    let message = start("{\"run\": 1}").gives_up(ErrorKind::Config, 64);
    assert!(message.contains("missing field"), "{message}");
    let nothing = start("").gives_up(ErrorKind::Config, 64);
    assert!(nothing.contains("worker configuration"), "{nothing}");
}

#[test]
fn every_wrong_property_is_named_before_anything_starts() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = producer(folder.path());
    config.properties.insert("lingr.ms".into(), "1".into());
    config.properties.insert("group.id".into(), "x".into());
    let message = start(&line(&config)).gives_up(ErrorKind::Config, 64);
    assert!(message.contains("lingr.ms") && message.contains("group.id"), "{message}");
    assert!(!config.journal.exists());
}

#[test]
fn a_journal_is_never_overwritten() {
    let folder = tempfile::tempdir().unwrap();
    let config = producer(folder.path());
    std::fs::write(&config.journal, "precious").unwrap();
    let message = start(&line(&config)).gives_up(ErrorKind::Journal, 70);
    assert!(message.contains("3.journal"), "{message}");
    assert_eq!(std::fs::read(&config.journal).unwrap(), b"precious");
}

#[test]
fn a_stop_without_any_broker_accounts_for_every_record() {
    let folder = tempfile::tempdir().unwrap();
    let config = producer(folder.path());
    let mut worker = start(&line(&config));
    worker.until(|report| matches!(report, Report::Ready { .. }));
    worker.until(|report| matches!(report, Report::Progress(Progress { sent: 50.., .. })));
    worker.say(&Command::Stop);
    let Report::Done(end) = worker.until(|report| matches!(report, Report::Done(_))) else { unreachable!() };
    assert_eq!(end.sent, end.acked + end.failed + end.unknown);
    // Nothing was ever sent to anybody: these records are known not to be in a log.
    assert_eq!(end.acked + end.unknown, 0);
    assert!(worker.ended().success());
    assert_eq!(operations(&config.journal), ["open", "close"]);
}

#[test]
fn a_drain_without_any_broker_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = start(&line(&producer(folder.path())));
    worker.until(|report| matches!(report, Report::Progress(Progress { sent: 50.., .. })));
    worker.say(&Command::Drain { deadline_ms: 100, ends: Vec::new() });
    let drained = worker.until(|report| matches!(report, Report::Drained { .. }));
    let Report::Drained { complete, missing, .. } = drained else { unreachable!() };
    assert!(!complete && missing.ends_with("records without an answer"), "{missing}");
}

#[test]
fn a_warm_up_without_any_broker_names_the_logs_that_are_cold() {
    let folder = tempfile::tempdir().unwrap();
    let role = Role::Producer(ProducerRole { warm_up_ms: Some(100), ..Default::default() });
    let config = WorkerConfig { role, ..producer(folder.path()) };
    let message = start(&line(&config)).gives_up(ErrorKind::WarmUp, 70);
    assert!(message.ends_with("by orders/0, orders/1"), "{message}");
    operations(&config.journal);

    let role = Role::Consumer(ConsumerRole { warm_up_ms: Some(100), ..Default::default() });
    let config = WorkerConfig { role, journal: folder.path().join("4.journal"), ..consumer(folder.path()) };
    let message = start(&line(&config)).gives_up(ErrorKind::WarmUp, 70);
    assert!(message.contains("no assignment within 100 ms"), "{message}");
}

#[test]
fn a_controller_that_is_gone_takes_its_workers_with_it() {
    let folder = tempfile::tempdir().unwrap();
    for (journal, config) in [("5", producer(folder.path())), ("6", consumer(folder.path()))] {
        let config = WorkerConfig { journal: folder.path().join(journal), ..config };
        let mut worker = start(&line(&config));
        worker.until(|report| matches!(report, Report::Ready { .. }));
        drop(worker.child.stdin.take());
        let begun = Instant::now();
        assert!(worker.ended().success());
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
        operations(&config.journal);
    }
}

#[test]
fn a_closed_stdout_is_a_shutdown() {
    let folder = tempfile::tempdir().unwrap();
    let config = producer(folder.path());
    let mut worker = start(&line(&config));
    worker.until(|report| matches!(report, Report::Ready { .. }));
    // The reading thread ends at its next report, and with it the pipe.
    worker.reports = std::sync::mpsc::channel().1;
    assert!(worker.ended().success());
    operations(&config.journal);
}

#[test]
fn a_client_stands_at_its_gate_until_it_is_told_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let gate = Gate { id: 9, from: Step::Sending, to: Step::Sent, nth: 20 };
    let config = WorkerConfig { gates: vec![gate], ..producer(folder.path()) };
    let mut worker = start(&line(&config));
    let reached = worker.until(|report| matches!(report, Report::GateReached { .. }));
    assert_eq!(reached, Report::GateReached { id: 9, step: Step::Sending, nth: 20 });
    assert!(worker.reports.recv_timeout(Duration::from_millis(500)).is_err(), "it stands still");
    worker.say(&Command::Continue);
    worker.until(|report| matches!(report, Report::Progress(Progress { sent: 21.., .. })));
}

#[test]
fn a_gate_that_this_client_never_passes_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut worker = start(&line(&producer(folder.path())));
    worker.until(|report| matches!(report, Report::Ready { .. }));
    worker.say(&Command::Gate(Gate { id: 1, from: Step::Polled, to: Step::EffectDone, nth: 1 }));
    let refused = worker.until(|report| matches!(report, Report::Error { .. }));
    let Report::Error { kind, message } = refused else { unreachable!() };
    assert_eq!(kind, ErrorKind::Protocol);
    assert!(message.contains("no gate polled..effect-done"), "{message}");
    worker.ended();
}
