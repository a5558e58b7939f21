//! What the controller and a worker say to each other: JSON lines over the worker's stdin and stdout.
//!
//! The first line on stdin is a [`WorkerConfig`]; every further line is a [`Command`]; end of file means shut
//! down. Every line on stdout is a [`Report`]; the client library's own log goes to stderr. A worker written by
//! somebody else, in any language, joins by speaking the same lines, so the forms are plain data with defaults
//! wherever a default is meaningful, and unknown fields are refused (a typo must not silently change a run).
//!
//! The worker begins its work by itself as soon as it has said `ready`; there is no start command.

mod effects;

use std::collections::BTreeMap;
use std::path::PathBuf;

use history::ids::{Offset, Process};
use history::op::Identity;
use serde::{Deserialize, Serialize};

use crate::step::Step;

pub use effects::{EFFECT_MODES, EffectMode, SinkConfig};

/// Everything that a worker needs to know before it begins.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerConfig {
    /// The run's id, part of every payload.
    pub run: u64,
    /// The process that this incarnation is in the history.
    pub process: Process,
    /// Who it is. `version` may be left empty: the worker fills in its client library's.
    pub identity: Identity,
    /// Where to write the journal. The file must not exist.
    pub journal: PathBuf,
    /// `bootstrap.servers`.
    pub bootstrap: String,
    /// The topics to produce to or to subscribe to.
    pub topics: Vec<Topic>,
    /// The client's properties, verbatim as in the spec. What is not here keeps the library's default.
    #[serde(default)]
    pub properties: BTreeMap<String, String>,
    /// What it does.
    pub role: Role,
    /// Where the effects of a consumer's processing are kept. None: processing has no effect.
    #[serde(default)]
    pub sink: Option<SinkConfig>,
    /// Gates that are armed before the first record.
    #[serde(default)]
    pub gates: Vec<Gate>,
    /// How long a stop may take before the worker ends itself, unfinished.
    #[serde(default = "default_shutdown_ms")]
    pub shutdown_ms: u64,
}

/// A topic, with the number of partitions that it was created with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Number of partitions.
    pub partitions: i32,
}

/// What a worker does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "role", rename_all = "kebab-case")]
pub enum Role {
    /// Sends records.
    Producer(ProducerRole),
    /// Polls, processes and commits as a member of a group (`identity.group`).
    Consumer(ConsumerRole),
}

/// How a producer sends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProducerRole {
    /// Planned records per second; none is as fast as the library takes them.
    #[serde(default)]
    pub rate: Option<f64>,
    /// Size of a record's value in bytes; never smaller than the payload's own header.
    #[serde(default = "default_record_size")]
    pub record_size: u32,
    /// Which log each record goes to.
    #[serde(default)]
    pub spread: Spread,
    /// Stop sending after this many records (warm-up records included); none is until told.
    #[serde(default)]
    pub records: Option<u32>,
    /// When the application sends a record again. None: never; what the library reports is the end of it.
    #[serde(default)]
    pub resend: Option<Resend>,
    /// With [`Resend::Outbox`]: the folder of the client's outbox, which its incarnations share. It exists.
    #[serde(default)]
    pub outbox: Option<PathBuf>,
    /// Before `ready`, a record of every log must be acknowledged within this time. None: no warm-up, as when a
    /// supervisor restarts a client in the middle of a storm.
    #[serde(default)]
    pub warm_up_ms: Option<u64>,
}

/// When an application sends a record again, with the same value. One send in the history then stands for all attempts
/// of one incarnation: it ends as the last attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Resend {
    /// When the library reports a delivery timeout, or any other error after which the record may be in the log.
    AfterTimeout,
    /// After a restart: every record is kept in an outbox until it is acknowledged, and a new incarnation first sends
    /// what it finds there. The sends are those of the incarnation that died, so nothing new is journalled for them.
    Outbox,
}

/// How records are spread over the logs. A function of the sequence number, so that the intended log of every
/// record is known without asking the library's partitioner.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "kebab-case")]
pub enum Spread {
    /// One log after the other, this many consecutive records each.
    RoundRobin {
        /// Consecutive records for one log, at least 1.
        run: u32,
    },
    /// A log drawn from the seed for this many consecutive records each.
    Seeded {
        /// The seed.
        seed: u64,
        /// Consecutive records for one log, at least 1.
        run: u32,
    },
}

/// How a group member consumes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsumerRole {
    /// When positions are committed, in relation to processing.
    pub commit: Commit,
    /// Most records that are polled before they are processed. None: 100; with auto-commit and a processing time 1,
    /// because librdkafka stores an offset when it hands the record out, and each record of a batch is at risk then.
    #[serde(default)]
    pub batch: Option<u32>,
    /// How long processing takes for each record, in microseconds.
    #[serde(default)]
    pub processing_us: u64,
    /// Before `ready`, the first assignment must have arrived within this time. None: `ready` at once.
    #[serde(default)]
    pub warm_up_ms: Option<u64>,
    /// What is kept in the sink with each effect. None: no effect.
    #[serde(default)]
    pub effect: Option<EffectMode>,
    /// With `deduplicated-expiring`: how long a key is remembered.
    #[serde(default)]
    pub dedup_ttl_ms: Option<u64>,
}

/// When a consumer commits its positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Commit {
    /// After processing, waiting for the answer (M9).
    AfterSync,
    /// After processing, not waiting (M9).
    AfterAsync,
    /// After processing, not waiting, by an application that works on several records of a log at a time and commits the
    /// highest that is finished (M9): one record of each log takes longer than those behind it, and longer than their commit.
    AfterOutOfOrder,
    /// Before processing, waiting; what is not known to be committed is skipped (M8).
    Before,
    /// By the library's timer, with the library's own defaults (M7).
    Auto,
    /// By the library's timer, while the records wait for another thread that processes them (M7). With the Java client
    /// this differs from [`Commit::Auto`]: it commits, at the next poll, what the previous ones returned. librdkafka
    /// commits what it handed out in either case, so it has no such mode.
    AutoHandedOver,
    /// By the library's timer, and only what the application has stored after processing (M7): librdkafka's
    /// `enable.auto.offset.store = false`. The Java client has no such call.
    AutoStored,
    /// Never to Kafka: the positions are kept in the sink, with the effects (M10).
    InSink,
}

/// Where a client is to be stopped: after `from` and before `to`, for the `nth` time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gate {
    /// Chosen by the controller, repeated in the report.
    pub id: u32,
    /// The step that has been made when the client stops.
    pub from: Step,
    /// A later step, which has not.
    pub to: Step,
    /// Which passage of `from`, from 1, counted from the moment the gate is armed. Steps of records count records.
    pub nth: u32,
}

/// What the controller says after the configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Finish: a producer stops sending and takes every answer that is still to come; a consumer goes on until its
    /// group's committed positions reach `ends`. Answered by `drained`, after which the worker idles until `stop`.
    Drain {
        /// How long it may take.
        deadline_ms: u64,
        /// For a consumer: where the logs end. Empty for a producer.
        #[serde(default)]
        ends: Vec<End>,
    },
    /// A topic has more partitions than before. A producer uses them once its library knows them; a consumer is not told,
    /// because its library finds them by itself.
    Grow {
        /// Topic name.
        topic: String,
        /// Number of partitions from now on.
        partitions: i32,
    },
    /// Leave in good order: flush, leave the group, close the journal, `done`, exit.
    Stop,
    /// Arm a gate.
    Gate(Gate),
    /// Go on: open every gate that the worker waits at.
    Continue,
}

/// Where a log ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct End {
    /// Topic name.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
    /// The offset after the last record.
    pub end: Offset,
}

/// What a worker says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "report", rename_all = "kebab-case")]
pub enum Report {
    /// Everything works: connected, warm-up complete. Work begins now.
    Ready {
        /// Version of the client library.
        version: String,
    },
    /// About five times a second.
    Progress(Progress),
    /// The worker is stopped at a gate and waits for `continue`.
    GateReached {
        /// The gate's id.
        id: u32,
        /// The step it has made.
        step: Step,
        /// Which passage.
        nth: u32,
    },
    /// The answer to `drain`.
    Drained {
        /// Whether everything was finished before the deadline.
        complete: bool,
        /// What is not, in words; empty when complete.
        missing: String,
        /// The figures at that moment.
        progress: Progress,
    },
    /// The worker ended in good order; its journal is complete.
    Done(Progress),
    /// The worker cannot go on and exits.
    Error {
        /// What kind of error.
        kind: ErrorKind,
        /// In words, naming the property, file or step.
        message: String,
    },
}

/// Why a worker gave up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The configuration is wrong: a property is unknown, contradicts the mode or silently breaks the run.
    Config,
    /// The journal cannot be written (disk full, file exists).
    Journal,
    /// The warm-up was not complete in time.
    WarmUp,
    /// The client library declared itself unusable, as after being fenced; a supervisor would restart the client.
    Fatal,
    /// A line on stdin was not understood, or a gate names steps that this client never passes in that order.
    Protocol,
    /// The stop took longer than allowed.
    Hung,
}

/// Counts since the worker began, and latencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Progress {
    /// Producer: records handed to the library.
    pub sent: u64,
    /// Producer: acknowledged, with or without an offset.
    pub acked: u64,
    /// Producer: known not to be in the log.
    pub failed: u64,
    /// Producer: outcome unknown.
    pub unknown: u64,
    /// Producer: times that the application sent a record again.
    pub resent: u64,
    /// Producer: times that the library's queue was full and the application had to wait.
    pub queue_full: u64,
    /// Consumer: records returned by poll.
    pub polled: u64,
    /// Consumer: records whose effect is done.
    pub processed: u64,
    /// Consumer: calls of the sink that failed, were refused, or whose outcome is unknown.
    pub sink_errors: u64,
    /// Consumer: records polled and then skipped, because their commit was not known to have succeeded or their log
    /// was taken away before they were handed over.
    pub skipped: u64,
    /// Consumer: commits that succeeded.
    pub commits: u64,
    /// Consumer: commits that failed or whose outcome is unknown.
    pub commits_failed: u64,
    /// Consumer: logs held now.
    pub assigned: u64,
    /// Consumer: rebalances seen (assignments, revocations and losses).
    pub rebalances: u64,
    /// Producer: time from handing a record to the library to its acknowledgement.
    pub latency: Latency,
}

/// Latency of acknowledged records in microseconds, since the worker began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    /// Median.
    pub p50_us: u64,
    /// 99 % are faster.
    pub p99_us: u64,
    /// 99.9 % are faster.
    pub p999_us: u64,
    /// The slowest.
    pub max_us: u64,
}

/// Why a line was not understood.
#[derive(Debug, thiserror::Error)]
#[error("line is not a {expected}: {cause} (in {preview:?})")]
pub struct LineError {
    /// What was expected.
    pub expected: &'static str,
    /// What the parser says.
    #[source]
    pub cause: serde_json::Error,
    /// The line's beginning.
    pub preview: String,
}

/// Reads one line of the protocol.
///
/// # Errors
/// When the line is not JSON of the expected form.
pub fn from_line<T: serde::de::DeserializeOwned>(line: &str, expected: &'static str) -> Result<T, LineError> {
    serde_json::from_str(line.trim()).map_err(|cause| LineError {
        expected,
        cause,
        preview: line.chars().take(80).collect(),
    })
}

/// Writes one line of the protocol, without its line end.
///
/// # Errors
/// Never for the types of this module; the error is passed on rather than hidden.
pub fn to_line<T: Serialize>(value: &T) -> Result<String, serde_json::Error> {
    serde_json::to_string(value)
}

impl Default for Spread {
    /// Blocks of 16: a batch stays together, as with the sticky partitioners of both client families.
    fn default() -> Self {
        Self::RoundRobin { run: 16 }
    }
}

impl Default for ProducerRole {
    fn default() -> Self {
        Self {
            rate: None,
            record_size: default_record_size(),
            spread: Spread::default(),
            records: None,
            resend: None,
            outbox: None,
            warm_up_ms: None,
        }
    }
}

impl Default for ConsumerRole {
    fn default() -> Self {
        Self {
            commit: Commit::AfterSync,
            batch: None,
            processing_us: 0,
            warm_up_ms: None,
            effect: None,
            dedup_ttl_ms: None,
        }
    }
}

fn default_shutdown_ms() -> u64 {
    30_000
}

fn default_record_size() -> u32 {
    100
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> WorkerConfig {
        WorkerConfig {
            run: u64::MAX,
            process: Process(7),
            identity: Identity { name: "shop[0]".into(), role: "producer".into(), ..Default::default() },
            journal: "journals/7-shop[0].journal".into(),
            bootstrap: "broker-1:9092".into(),
            topics: vec![Topic { name: "orders".into(), partitions: 3 }],
            properties: BTreeMap::from([("acks".into(), "1".into())]),
            role: Role::Producer(ProducerRole { rate: Some(2000.0), ..Default::default() }),
            sink: None,
            gates: vec![Gate { id: 1, from: Step::Sent, to: Step::Acknowledged, nth: 100 }],
            shutdown_ms: 5,
        }
    }

    #[test]
    fn a_configuration_survives_the_way_through_one_line() {
        let role = ConsumerRole { effect: Some(EffectMode::OffsetInSink), ..Default::default() };
        let consumer = WorkerConfig {
            role: Role::Consumer(ConsumerRole { commit: Commit::InSink, ..role }),
            sink: Some(SinkConfig::Http { url: "http://sink:8080".into() }),
            ..config()
        };
        for written in [config(), consumer] {
            let line = to_line(&written).unwrap();
            assert!(!line.contains('\n'));
            assert_eq!(from_line::<WorkerConfig>(&line, "configuration").unwrap(), written);
        }
    }

    #[test]
    fn commands_and_reports_are_what_the_documentation_shows() {
        let drain = Command::Drain {
            deadline_ms: 9,
            ends: vec![End { topic: "t".into(), partition: 0, end: Offset(5) }],
        };
        assert_eq!(
            to_line(&drain).unwrap(),
            r#"{"command":"drain","deadline_ms":9,"ends":[{"topic":"t","partition":0,"end":5}]}"#
        );
        let gate: Command =
            from_line(r#"{"command":"gate","id":1,"from":"polled","to":"effect","nth":100}"#, "command")
                .unwrap();
        assert_eq!(gate, Command::Gate(Gate { id: 1, from: Step::Polled, to: Step::EffectDone, nth: 100 }));
        let reached = Report::GateReached { id: 1, step: Step::Polled, nth: 100 };
        let line = r#"{"report":"gate-reached","id":1,"step":"polled","nth":100}"#;
        assert_eq!(to_line(&reached).unwrap(), line);
        assert_eq!(from_line::<Report>(line, "report").unwrap(), reached);
        let done = Report::Done(Progress { acked: 3, ..Default::default() });
        assert_eq!(from_line::<Report>(&to_line(&done).unwrap(), "report").unwrap(), done);
        assert_eq!(from_line::<Command>("{\"command\":\"stop\"}\n", "command").unwrap(), Command::Stop);
    }

    #[test]
    fn a_misspelt_field_is_an_error_that_shows_the_line() {
        let line = to_line(&config()).unwrap().replace("record_size", "record_sise");
        let error = from_line::<WorkerConfig>(&line, "configuration").unwrap_err().to_string();
        assert!(error.contains("record_sise"), "{error}");
    }
}
