//! What a recording may not say, and where it said it.
//!
//! Each of these would otherwise have to be guessed away, and a guess can turn a wrong history green.

use std::fmt;
use std::path::{Path, PathBuf};

use super::builder::Trouble;
use crate::ids::{LogId, Offset, Process, Seq, TopicPartition, Value};
use crate::journal::JournalError;
use crate::merged::HistoryError;

/// Why recordings cannot be merged.
#[derive(Debug, thiserror::Error)]
pub enum MergeError {
    /// A journal cannot be read.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// The history cannot be written.
    #[error("{}: cannot write the history: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The history that was just written cannot be read.
    #[error(transparent)]
    History(#[from] HistoryError),
    /// The recording contradicts itself.
    #[error("{place}: {what}")]
    Contradiction {
        /// Where.
        place: Place,
        /// How.
        what: Contradiction,
    },
}

/// A place in a recording.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// An entry of a journal, counted from 0.
    Journal {
        /// The journal.
        path: PathBuf,
        /// Which entry.
        entry: u64,
    },
    /// An event of a list, counted from 0.
    Event {
        /// Which event.
        index: usize,
    },
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Journal { path, entry } => write!(f, "{}: entry {entry}", path.display()),
            Self::Event { index } => write!(f, "event {index}"),
        }
    }
}

/// How a recording contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Contradiction {
    /// A send was completed that was never invoked.
    #[error("record {value} was completed in {log} without having been sent to it")]
    CompletionWithoutInvocation {
        /// The record.
        value: Value,
        /// The log.
        log: TopicPartition,
    },
    /// A send was completed twice.
    #[error("record {value} was completed twice")]
    CompletedTwice {
        /// The record.
        value: Value,
    },
    /// A value was sent again, or values not in the order of their numbers.
    #[error("process {} sent sequence {} after {after}: each value may be sent once, in order of the sequence", value.process, value.seq)]
    SentAgain {
        /// The record.
        value: Value,
        /// Sequence number that had been sent before.
        after: Seq,
    },
    /// A process sent a value that names another process.
    #[error("process {process} sent {value}, a value of another process")]
    ForeignValue {
        /// Who sent it.
        process: Process,
        /// What.
        value: Value,
    },
    /// Something ended before it began, or began before what the same process did before.
    #[error("time goes back for process {process}: {what}")]
    TimeWentBack {
        /// Whose time.
        process: Process,
        /// Between which events.
        what: String,
    },
    /// A poll was completed that was never invoked.
    #[error("process {process} completed a poll that it had not invoked")]
    PollWithoutInvocation {
        /// Whose poll.
        process: Process,
    },
    /// Something else was completed that was never invoked, or completed once more.
    #[error("process {process} completed a {what} that it had not invoked, or a second time")]
    AnswerWithoutQuestion {
        /// Whose.
        process: Process,
        /// The operation.
        what: &'static str,
    },
    /// A process invoked something before the same was completed.
    #[error("process {process} invoked a poll while another was open")]
    PollWithinPoll {
        /// Whose poll.
        process: Process,
    },
    /// A transaction was to end that was never begun.
    #[error("process {process} ended a transaction that it had not begun")]
    EndWithoutTransaction {
        /// Whose.
        process: Process,
    },
    /// A commit or an abort was answered that was never asked.
    #[error("process {process} completed the end of a transaction that it had not invoked")]
    EndWithoutInvocation {
        /// Whose.
        process: Process,
    },
    /// The independent reader went back, or read an offset twice.
    #[error("the final read of {log} goes back to offset {offset}")]
    FinalReadWentBack {
        /// The log.
        log: TopicPartition,
        /// Where to.
        offset: Offset,
    },
    /// Two readers, or one twice, read the same log at the same isolation level.
    #[error("{log} was read twice by the final read at the same isolation level")]
    TwoFinalReads {
        /// The log.
        log: TopicPartition,
    },
    /// Two journals of one process.
    #[error("there are two journals of process {process}")]
    TwoJournals {
        /// Whose.
        process: Process,
    },
    /// Journals of different runs.
    #[error("journals of two runs, {one:016x} and {other:016x}")]
    TwoRuns {
        /// One.
        one: u64,
        /// The other.
        other: u64,
    },
    /// A log that was never defined.
    #[error("log {log} is not defined")]
    UnknownLog {
        /// Its number.
        log: LogId,
    },
    /// More logs than a history can hold.
    #[error("more than 65536 logs")]
    TooManyLogs,
    /// A run of records, or a span of offsets, that cannot be.
    #[error("{what} is impossible")]
    Impossible {
        /// What.
        what: String,
    },
}

impl Contradiction {
    /// What to do about it.
    #[must_use]
    pub fn fix(&self) -> &'static str {
        match self {
            Self::CompletionWithoutInvocation { .. }
            | Self::PollWithoutInvocation { .. }
            | Self::EndWithoutInvocation { .. }
            | Self::AnswerWithoutQuestion { .. } => {
                "record the invocation before the call is made, to the same log and with the same value"
            }
            Self::EndWithoutTransaction { .. } => {
                "record begin-txn before the records of the transaction are sent"
            }
            Self::CompletedTwice { .. } => "keep the first completion: an operation ends once",
            Self::SentAgain { .. } => {
                "give each record a sequence number of its own, counting up; a record that the application sends \
                 again is a new one"
            }
            Self::ForeignValue { .. } => "a process sends values that carry its own number",
            Self::TimeWentBack { .. } => {
                "take all times from one monotonic clock, that of an invocation before the call and that of a \
                 completion after it"
            }
            Self::PollWithinPoll { .. } => {
                "record what a poll returned, nothing if need be, before the next one"
            }
            Self::FinalReadWentBack { .. } => {
                "list what the final read found in the order of offsets, each once"
            }
            Self::TwoFinalReads { .. } => "keep one final read of each log at each isolation level",
            Self::TwoJournals { .. } => {
                "give each incarnation of a client a process number and a journal of its own"
            }
            Self::TwoRuns { .. } => "check the journals of each run by themselves",
            Self::UnknownLog { .. } => "name every log before it is used",
            Self::TooManyLogs => "split the history by topic",
            Self::Impossible { .. } => "correct the numbers",
        }
    }
}

impl Trouble {
    /// Says where it happened.
    pub(super) fn at(self, place: &Place, out: &Path) -> MergeError {
        match self {
            Self::Contradiction(what) => MergeError::Contradiction { place: place.clone(), what },
            Self::Io(source) => MergeError::Write { path: out.to_owned(), source },
        }
    }
}
