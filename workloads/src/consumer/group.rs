//! The callbacks of a group member: rebalances and answers to commits, journalled when they happen.
//!
//! They run on the application's own thread, within poll. The assignment itself is left to the client library's
//! default, eager or cooperative. Records that were polled and not yet handed over when their log is taken away
//! are dropped by the application (`consumer.rs`), as the new owner reads them again.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use history::ids::{LogId, Offset, TopicPartition};
use history::op::{CommitMode, Op};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientContext, TopicPartitionList};

use super::SINK_AGAIN;
use super::books::{Books, Taken};
use super::effects::Effects;
use crate::clock;
use crate::librdkafka::{self, native};
use crate::protocol::Commit;
use crate::step::Step;
use crate::worker::Link;

/// What the application's code and the callbacks both use. Never contended: both run on one thread, but the
/// binding asks for a type that could be shared.
pub(super) struct Shared {
    books: Mutex<Books>,
    effects: Mutex<Option<Effects>>,
}

impl Shared {
    pub(super) fn new(books: Books, effects: Option<Effects>) -> Self {
        Self { books: Mutex::new(books), effects: Mutex::new(effects) }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The sink, where there is one.
    pub(super) fn effects(&self) -> MutexGuard<'_, Option<Effects>> {
        self.effects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn into_books(self) -> Books {
        self.books.into_inner().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The callbacks of the client library.
pub(super) struct Callbacks<Out: Write> {
    pub(super) shared: Arc<Shared>,
    pub(super) link: Arc<Link<Out>>,
    pub(super) commit: Commit,
}

impl<Out: Write + Send> ClientContext for Callbacks<Out> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        librdkafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        librdkafka::log(RDKafkaLogLevel::Error, "ERROR", &format!("{error}: {reason}"));
    }
}

impl<Out: Write + Send> ConsumerContext for Callbacks<Out> {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let generation = native::generation(consumer.client());
        match rebalance {
            Rebalance::Assign(list) => {
                let sought = self.go_to_the_sinks_positions(list);
                let mut books = self.shared.books();
                books.assigned(list, generation);
                for (log, offset) in sought {
                    let written = books.moment(Op::Seek { log, offset });
                    books.note(written);
                }
            }
            Rebalance::Revoke(list) => {
                let how = if consumer.assignment_lost() { Taken::Lost } else { Taken::Revoked };
                let taken = self.shared.books().taken(list, how, generation);
                for effects in self.shared.effects().iter_mut() {
                    taken.iter().for_each(|log| effects.ends(*log));
                }
            }
            Rebalance::Error(error) => {
                librdkafka::log(RDKafkaLogLevel::Error, "REBALANCE", &error.to_string());
            }
        }
    }

    fn commit_callback(&self, result: KafkaResult<()>, offsets: &TopicPartitionList) {
        let result = result.map_err(|error| code_of(&error));
        let mut books = self.shared.books();
        let positions = books.positions(offsets);
        let written = match self.commit {
            Commit::AfterAsync | Commit::AfterOutOfOrder if books.was_pending(&positions) => {
                books.committed(&positions, CommitMode::Async, result)
            }
            // When the library's timer asked is not visible; that it did is known from the answer.
            Commit::Auto | Commit::AutoHandedOver | Commit::AutoStored if !positions.is_empty() => books
                .invoke(Op::CommitOffsets { mode: CommitMode::Auto, positions: positions.clone() })
                .and_then(|()| books.committed(&positions, CommitMode::Auto, result)),
            // The answer to a synchronous commit comes from the call itself.
            Commit::AfterAsync
            | Commit::AfterOutOfOrder
            | Commit::Auto
            | Commit::AutoHandedOver
            | Commit::AutoStored
            | Commit::AfterSync
            | Commit::Before
            | Commit::InSink => return,
        };
        books.note(written.map(|_| ()));
        drop(books);
        if matches!(self.commit, Commit::AfterAsync | Commit::AfterOutOfOrder) {
            self.link.pass(Step::CommitKnown, 1);
        }
    }
}

impl<Out: Write + Send> Callbacks<Out> {
    /// Lets the logs of an assignment begin where the sink says, if positions are kept there; which, and where. A sink
    /// that does not answer is asked again until it does: from anywhere else records would be lost or repeated.
    fn go_to_the_sinks_positions(&self, list: &TopicPartitionList) -> Vec<(LogId, Offset)> {
        let mut sought = Vec::new();
        if !self.shared.effects().as_ref().is_some_and(Effects::keeps_positions) {
            return sought;
        }
        for mut element in list.elements() {
            let name = TopicPartition::new(element.topic(), element.partition());
            let Some(at) = self.position(&name) else { return sought };
            let offset = match at {
                Offset(0) => rdkafka::Offset::Beginning,
                Offset(at) => rdkafka::Offset::Offset(at),
            };
            if let Err(error) = element.set_offset(offset) {
                librdkafka::log(RDKafkaLogLevel::Error, "SEEK", &error.to_string());
            }
            let log = self.shared.books().log(&name.topic, name.partition);
            match log {
                Ok(log) => {
                    self.shared.effects().iter_mut().for_each(|effects| effects.begins(log, at));
                    sought.push((log, at));
                }
                Err(error) => self.shared.books().note(Err(error)),
            }
        }
        sought
    }

    /// The sink's position in a log; none when the worker is to leave.
    fn position(&self, log: &TopicPartition) -> Option<Offset> {
        let mut said = String::new();
        loop {
            let asked = self.shared.effects().as_mut()?.position(log);
            match asked {
                Ok(position) => return Some(position),
                Err(error) if error.to_string() != said => {
                    said = error.to_string();
                    librdkafka::log(RDKafkaLogLevel::Error, "SINK", &said);
                }
                Err(_) => {}
            }
            if self.link.leaving() {
                return None;
            }
            clock::wait(SINK_AGAIN);
        }
    }
}

/// The client library's code of an error; unknown where it has none.
pub(super) fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}
