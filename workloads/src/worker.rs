//! A worker: one incarnation of a client, as a process of its own.
//!
//! `onceproof worker` reads its configuration and its commands from stdin and reports on stdout (`protocol.rs`). The
//! main thread *is* the application under test: it alone calls the client library and writes the journal, so that
//! pausing or killing the process means what it means in production. A second thread listens to the controller.
//! A worker never restarts anything and never repeats anything by itself: what dies is replaced from outside, by a
//! new process with a new identity.

mod inbox;
mod link;

use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use history::ids::{Nanos, TopicPartition};
use history::journal::{Header, JournalError, Writer};
use history::op::{Event, Op};

use crate::clock;
use crate::consumer;
use crate::gate;
use crate::librdkafka;
use crate::mode::PRODUCER_STEPS;
use crate::producer;
use crate::protocol::{End, ErrorKind, Progress, Report, Role, WorkerConfig, from_line};
use crate::step::Step;
use inbox::Inbox;
pub(crate) use link::Link;

/// How often progress is reported.
const PROGRESS: Nanos = Nanos(200_000_000);

/// Runs a worker to its end: reads stdin, writes stdout and the journal, talks to Kafka.
#[must_use]
pub fn main() -> ExitCode {
    let stdin = std::io::stdin();
    let mut first = String::new();
    if stdin.lock().read_line(&mut first).unwrap_or(0) == 0 {
        return Exit::Config.into();
    }
    let link = Arc::new(Link::new(std::io::stdout()));
    let ended = run(&first, &link, || std::io::stdin().lock());
    match ended {
        Ok(progress) => {
            link.report(&Report::Done(progress));
            Exit::Done.into()
        }
        Err(error) => {
            link.report(&Report::Error { kind: error.kind(), message: error.to_string() });
            Exit::of(error.kind()).into()
        }
    }
}

/// How a worker's process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// In good order.
    Done,
    /// The configuration or a command is wrong.
    Config,
    /// It could not go on.
    Failed,
}

impl Exit {
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Config => 64,
            Self::Failed => 70,
        }
    }

    fn of(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Config | ErrorKind::Protocol => Self::Config,
            ErrorKind::Journal | ErrorKind::WarmUp | ErrorKind::Fatal | ErrorKind::Hung => Self::Failed,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a worker cannot go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WorkerError {
    #[error("{0}")]
    Config(String),
    #[error(transparent)]
    Journal(#[from] JournalError),
    #[error(transparent)]
    Outbox(#[from] producer::OutboxError),
    #[error("{0}")]
    WarmUp(String),
    #[error("{0}")]
    Fatal(String),
}

impl WorkerError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Config(_) => ErrorKind::Config,
            Self::Journal(_) | Self::Outbox(_) => ErrorKind::Journal,
            Self::WarmUp(_) => ErrorKind::WarmUp,
            Self::Fatal(_) => ErrorKind::Fatal,
        }
    }
}

/// What the controller ordered and the worker's own thread has to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Finish what can be finished.
    Drain {
        /// How long it may take.
        deadline: Duration,
        /// For a consumer: where the logs end.
        ends: Vec<End>,
    },
    /// A topic has more partitions.
    Grow {
        /// Topic name.
        topic: String,
        /// Number of partitions from now on.
        partitions: i32,
    },
}

/// What a producer or consumer works with: its configuration, its journal, its controller.
pub(crate) struct Worker<Out: Write> {
    pub(crate) config: WorkerConfig,
    pub(crate) client: rdkafka::ClientConfig,
    pub(crate) link: Arc<Link<Out>>,
    pub(crate) orders: Receiver<Order>,
}

/// Runs the worker that `first`, the first line of stdin, describes.
fn run<Out, In, Lock>(first: &str, link: &Arc<Link<Out>>, stdin: In) -> Result<Progress, WorkerError>
where
    Out: Write + Send + 'static,
    In: FnOnce() -> Lock + Send + 'static,
    Lock: BufRead,
{
    let mut config: WorkerConfig =
        from_line(first, "worker configuration").map_err(|error| WorkerError::Config(error.to_string()))?;
    let client = librdkafka::configuration(&config)
        .map_err(|errors| WorkerError::Config(join(errors.iter().map(ToString::to_string))))?;
    let steps = steps(&config.role);
    for gate in &config.gates {
        gate::check(gate, steps).map_err(|error| WorkerError::Config(error.to_string()))?;
        link.gates().arm(*gate);
    }
    if config.identity.version.is_empty() {
        config.identity.version = librdkafka::version();
    }
    let header = Header { run: config.run, process: config.process, identity: config.identity.clone() };
    let mut journal = Writer::create(&config.journal, &header)?;
    journal.event(&Event::moment(clock::now(), config.process, Op::Open(config.identity.clone())))?;

    let (orders, receiver) = mpsc::channel();
    let shutdown = Duration::from_millis(config.shutdown_ms);
    let inbox = Inbox { link: Arc::clone(link), orders, steps, shutdown };
    std::thread::spawn(move || inbox.listen(stdin()));
    let role = config.role.clone();
    let worker = Worker { config, client, link: Arc::clone(link), orders: receiver };
    match role {
        Role::Producer(role) => producer::run(worker, &role, journal),
        Role::Consumer(role) => consumer::run(worker, &role, journal),
    }
}

fn steps(role: &Role) -> &'static [Step] {
    match role {
        Role::Producer(_) => PRODUCER_STEPS,
        Role::Consumer(role) => role.commit.steps(),
    }
}

fn join(mut parts: impl Iterator<Item = String>) -> String {
    let first = parts.next().unwrap_or_default();
    parts.fold(first, |all, part| all + "; " + &part)
}

/// Says five times a second how far the worker is.
#[derive(Debug, Default)]
pub(crate) struct Ticker {
    next: Nanos,
}

impl Ticker {
    /// Whether it is time.
    pub(crate) fn is_due(&mut self, now: Nanos) -> bool {
        let due = now >= self.next;
        if due {
            self.next = Nanos(now.0 + PROGRESS.0);
        }
        due
    }
}

/// Closes the journal in good order.
pub(crate) fn close(mut journal: Writer, config: &WorkerConfig) -> Result<(), JournalError> {
    journal.event(&Event::moment(clock::now(), config.process, Op::Close))?;
    journal.close()
}

/// `topic/partition` of logs, for people.
pub(crate) fn names<'a>(logs: impl Iterator<Item = &'a TopicPartition>) -> String {
    logs.map(ToString::to_string).collect::<Vec<_>>().join(", ")
}
