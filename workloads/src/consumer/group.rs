//! The callbacks of a group member: rebalances and answers to commits, journalled when they happen.
//!
//! They run on the application's own thread, within poll. The assignment itself is left to the client library's
//! default, eager or cooperative. Records that were polled and not yet handed over when their log is taken away
//! are dropped by the application (`consumer.rs`), as the new owner reads them again.

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use history::op::{CommitMode, Op};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientContext, TopicPartitionList};

use super::books::{Books, Taken};
use crate::librdkafka::{self, native};
use crate::protocol::Commit;
use crate::step::Step;
use crate::worker::Link;

/// What the application's code and the callbacks both use. Never contended: both run on one thread, but the
/// binding asks for a type that could be shared.
pub(super) struct Shared {
    books: Mutex<Books>,
}

impl Shared {
    pub(super) fn new(books: Books) -> Self {
        Self { books: Mutex::new(books) }
    }

    pub(super) fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
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
            Rebalance::Assign(list) => self.shared.books().assigned(list, generation),
            Rebalance::Revoke(list) => {
                let how = if consumer.assignment_lost() { Taken::Lost } else { Taken::Revoked };
                self.shared.books().taken(list, how, generation);
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
            Commit::AfterAsync if books.was_pending(&positions) => {
                books.committed(&positions, CommitMode::Async, result)
            }
            // When the library's timer asked is not visible; that it did is known from the answer.
            Commit::Auto | Commit::AutoHandedOver if !positions.is_empty() => books
                .invoke(Op::CommitOffsets { mode: CommitMode::Auto, positions: positions.clone() })
                .and_then(|()| books.committed(&positions, CommitMode::Auto, result)),
            // The answer to a synchronous commit comes from the call itself.
            Commit::AfterAsync
            | Commit::Auto
            | Commit::AutoHandedOver
            | Commit::AfterSync
            | Commit::Before
            | Commit::InSink => return,
        };
        books.note(written.map(|_| ()));
        drop(books);
        if self.commit == Commit::AfterAsync {
            self.link.pass(Step::CommitKnown, 1);
        }
    }
}

/// The client library's code of an error; unknown where it has none.
pub(super) fn code_of(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown)
}
