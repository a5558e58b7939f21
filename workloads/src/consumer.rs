//! The consumer under test: a member of a group that polls, processes and commits in its delivery mode.
//!
//! What the application does in each situation is part of the experiment, so it is fixed here:
//! * After processing (M9): poll a batch, process all of it, commit its positions, poll again.
//! * Before processing (M8): poll, commit, and process only what is *known* to be committed. A batch whose commit
//!   failed or is unknown is skipped: at most once leaves no other choice (Kafka design, section 4.6).
//! * Auto-commit (M7): poll and process; the library's timer commits what it has handed out.
//!   Or it commits what the application has stored, which it does after processing.
//! * Out of order (M9): see `consumer/out_of_order.rs`.
//! * A log is taken away while a batch of it waits: with explicit commits its records are dropped, the new owner
//!   reads them again. With auto-commit they are processed, because their offsets are stored already.
//! * A commit of processed records fails: the next one covers it; when nothing comes any more it is tried again
//!   twice a second.
//! * Positions in the sink (M10): go to the sink's position when a log is assigned, store the next one with each
//!   effect, commit nothing. What the sink does when it fails or refuses is in `consumer/effects.rs`.
//! * A stop: finish what was begun, commit it (also when commits are not waited for otherwise), leave the group.
//!
//! Without processing time and without an armed gate a batch is handed over and takes effect as a whole (in one
//! transaction of the sink for each log), because nothing could be observed in between; otherwise record by record.

mod batch;
mod books;
mod drain;
mod effects;
mod group;
mod out_of_order;

use std::collections::BTreeMap;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use history::ids::{LogId, Nanos, Offset};
use history::journal::{JournalError, Writer};
use history::op::{Cause, CommitMode, Op, Outcome, Position, Span};
use history::payload;
use rdkafka::TopicPartitionList;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode as Wait, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message};

use crate::clock;
use crate::librdkafka::{self, native};
use crate::protocol::{Commit, ConsumerRole, Progress, Report, WorkerConfig};
use crate::sink::{Answer, Doubt, SinkError};
use crate::step::Step;
use crate::worker::{self, Order, Ticker, Worker, WorkerError};
use batch::{Record, positions, runs, spans};
use books::Books;
use drain::Draining;
use effects::Effects;
use group::{Callbacks, Shared, code_of};

/// Longest wait for records between two looks at commands.
const LOOK: Duration = Duration::from_millis(100);
/// How soon a commit that did not succeed is tried again when no further record comes.
const COMMIT_AGAIN: Nanos = Nanos(500_000_000);
/// How soon a sink that failed is asked again.
const SINK_AGAIN: Duration = Duration::from_millis(100);
/// How long going to another position may take before it is tried again.
const SEEK: Duration = Duration::from_secs(1);
/// Records in a batch, unless the spec says otherwise.
const BATCH: u32 = 100;

/// Runs a group member until it is told to stop.
pub(crate) fn run<Out: Write + Send + 'static>(
    worker: Worker<Out>,
    role: &ConsumerRole,
    journal: Writer,
) -> Result<Progress, WorkerError> {
    let refused = |error: &dyn std::fmt::Display| {
        WorkerError::Config(format!("librdkafka refuses the configuration: {error}"))
    };
    if worker.config.identity.group.as_deref().unwrap_or_default().is_empty() {
        return Err(WorkerError::Config("a consumer needs a group".into()));
    }
    let effects = Effects::open(&worker.config, role)?;
    let shared = Arc::new(Shared::new(Books::new(journal, worker.config.process), effects));
    let callbacks =
        Callbacks { shared: Arc::clone(&shared), link: Arc::clone(&worker.link), commit: role.commit };
    let consumer: BaseConsumer<Callbacks<Out>> =
        worker.client.create_with_context(callbacks).map_err(|error| refused(&error))?;
    let topics: Vec<_> = worker.config.topics.iter().map(|topic| topic.name.as_str()).collect();
    consumer.subscribe(&topics).map_err(|error| refused(&error))?;
    let mut member = Member {
        batch: batch_size(role),
        role: role.clone(),
        ticker: Ticker::default(),
        committed_at: Nanos(0),
        draining: None,
        slow: BTreeMap::new(),
        sink_said: String::new(),
        worker,
        shared,
        consumer,
    };
    let ended = member.work();
    let (progress, journal, config) = member.finish()?;
    worker::close(journal, &config)?;
    ended.map(|()| progress)
}

/// The application: polls, processes, commits.
struct Member<Out: Write + Send + 'static> {
    role: ConsumerRole,
    batch: usize,
    ticker: Ticker,
    /// When positions were last committed.
    committed_at: Nanos,
    draining: Option<Draining>,
    /// With `after-out-of-order`: the record of each log that takes longer than those behind it.
    slow: BTreeMap<LogId, Record>,
    /// The last error of the sink that was logged.
    sink_said: String,
    worker: Worker<Out>,
    shared: Arc<Shared>,
    consumer: BaseConsumer<Callbacks<Out>>,
}

impl<Out: Write + Send + 'static> Member<Out> {
    fn work(&mut self) -> Result<(), WorkerError> {
        let began = clock::now();
        let mut ready = false;
        while !self.worker.link.leaving() {
            if !ready {
                ready = self.is_ready(began)?;
            }
            match self.worker.orders.try_recv() {
                Ok(Order::Drain { deadline, ends }) => {
                    self.draining = Some(Draining::new(ends, clock::now(), deadline));
                }
                // The library finds new partitions by itself.
                Ok(Order::Grow { .. }) | Err(_) => {}
            }
            self.find_the_way()?;
            let records = self.poll()?;
            self.end_what_took_long(records.is_empty())?;
            if records.is_empty() {
                self.commit_again()?;
            } else {
                self.handle(&records)?;
            }
            self.drain()?;
            self.tick();
        }
        Ok(())
    }

    /// Says that the member works, once it does.
    fn is_ready(&self, began: Nanos) -> Result<bool, WorkerError> {
        if let Some(within) = self.role.warm_up_ms
            && !self.shared.books().joined
        {
            if clock::now().0.saturating_sub(began.0) / 1_000_000 > within {
                let message = format!("the group gave no assignment within {within} ms");
                return Err(WorkerError::WarmUp(message));
            }
            return Ok(false);
        }
        self.worker.link.report(&Report::Ready { version: librdkafka::version() });
        Ok(true)
    }

    /// Polls a batch: waits for the first record and takes what else is there.
    fn poll(&mut self) -> Result<Vec<Record>, WorkerError> {
        let mut records = Vec::new();
        let mut invoked = clock::now();
        self.shared.books().take_taken();
        while records.len() < self.batch {
            let asked = clock::now();
            let wait = if records.is_empty() { LOOK } else { Duration::ZERO };
            match self.consumer.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    if records.is_empty() {
                        invoked = asked;
                    }
                    records.push(self.record(&message)?);
                }
                Some(Err(error)) => {
                    report_error(error)?;
                    break;
                }
            }
        }
        let mut books = self.shared.books();
        books.settle()?;
        let taken = books.take_taken();
        if !self.role.commit.commits_what_is_handed_out() && !taken.is_empty() {
            let before = records.len();
            records.retain(|record| !taken.contains(&record.log));
            books.progress.skipped += (before - records.len()) as u64;
        }
        let astray = self.shared.effects().as_ref().map(Effects::astray).unwrap_or_default();
        if !astray.is_empty() {
            let before = records.len();
            records.retain(|record| !astray.iter().any(|(log, _)| *log == record.log));
            books.progress.skipped += (before - records.len()) as u64;
        }
        if !records.is_empty() {
            books.journal.poll(invoked, clock::now(), &runs(&records))?;
            books.progress.polled += records.len() as u64;
            drop(books);
            self.worker.link.pass(Step::Polled, count(&records));
        }
        Ok(records)
    }

    fn record(&self, message: &BorrowedMessage<'_>) -> Result<Record, JournalError> {
        let mut books = self.shared.books();
        let log = books.log(message.topic(), message.partition())?;
        let offset = Offset(message.offset());
        let bytes = message.payload().unwrap_or_default();
        let value = match payload::decode(bytes, self.worker.config.run, books.name(log)) {
            Ok(value) => Some(value),
            Err(why) => {
                books.moment(Op::Foreign { log, offset, why })?;
                None
            }
        };
        Ok(Record { log, offset, value })
    }

    /// Does with a batch what the delivery mode says.
    fn handle(&mut self, records: &[Record]) -> Result<(), WorkerError> {
        match self.role.commit {
            Commit::AfterSync => {
                let done = self.process(records)?;
                self.commit_and_wait(&positions(&done))?;
            }
            Commit::AfterAsync => {
                let done = self.process(records)?;
                self.commit_without_waiting(&positions(&done))?;
            }
            Commit::AfterOutOfOrder => self.out_of_order(records)?,
            Commit::AutoStored => {
                let done = self.process(records)?;
                self.store_positions(&positions(&done));
            }
            Commit::Before => {
                if self.commit_and_wait(&positions(records))? {
                    self.process(records)?;
                } else {
                    self.shared.books().progress.skipped += records.len() as u64;
                }
            }
            Commit::Auto | Commit::AutoHandedOver | Commit::InSink => {
                self.process(records)?;
            }
        }
        Ok(())
    }

    /// Processes records; those that were. All of them, unless the worker is to leave and they can be read again, or the
    /// sink would not have them.
    fn process(&mut self, records: &[Record]) -> Result<Vec<Record>, WorkerError> {
        if self.role.processing_us == 0 && !self.worker.link.gates().armed() {
            return self.effect(records);
        }
        let can_stop = self.role.commit != Commit::Before && !self.role.commit.commits_what_is_handed_out();
        let mut done = Vec::with_capacity(records.len());
        for record in records {
            if can_stop && self.worker.link.leaving() {
                break;
            }
            let astray = self.shared.effects().as_ref().is_some_and(|effects| effects.is_astray(record.log));
            if astray {
                self.shared.books().progress.skipped += 1;
                continue;
            }
            done.extend(self.effect(std::slice::from_ref(record))?);
            self.tick();
        }
        Ok(done)
    }

    /// Hands records over and makes their effects; those whose effect is made, or must not be tried again.
    fn effect(&mut self, records: &[Record]) -> Result<Vec<Record>, WorkerError> {
        let link = &self.worker.link;
        self.shared.books().journal.handed_over(&spans(records), clock::now())?;
        link.pass(Step::Processing, count(records));
        if self.role.processing_us > 0 {
            clock::wait(Duration::from_micros(self.role.processing_us));
        }
        link.pass(Step::EffectBegun, count(records));
        let done = self.store(records)?;
        self.shared.books().progress.processed += done.len() as u64;
        self.shared.books().progress.skipped += (records.len() - done.len()) as u64;
        self.worker.link.pass(Step::EffectDone, count(records));
        Ok(done)
    }

    /// Makes the effects of records in the sink. Without a sink there are none, and no `effect` is recorded.
    fn store(&mut self, records: &[Record]) -> Result<Vec<Record>, WorkerError> {
        let slices = match self.shared.effects().as_ref() {
            Some(effects) => effects.slices(records),
            None => return Ok(records.to_vec()),
        };
        let mut done = Vec::with_capacity(records.len());
        for slice in slices {
            let refused = |effects: &Effects| slice.iter().any(|record| effects.is_astray(record.log));
            let refused = self.shared.effects().as_ref().is_some_and(refused);
            if !refused && self.store_slice(slice)? {
                done.extend_from_slice(slice);
            }
        }
        Ok(done)
    }

    /// Whether the slice is dealt with: the sink holds its effects, or they must not be tried again.
    fn store_slice(&mut self, slice: &[Record]) -> Result<bool, WorkerError> {
        let Some(log) = slice.first().map(|record| record.log) else { return Ok(true) };
        let name = self.shared.books().name(log).clone();
        loop {
            let answer = match self.shared.effects().as_mut() {
                Some(effects) => effects.make(&name, slice),
                None => return Ok(true),
            };
            let spans: Vec<_> =
                spans(slice).into_iter().filter(|_| slice.iter().any(|r| r.value.is_some())).collect();
            match answer {
                Ok(Answer::Held { .. }) => {
                    if !spans.is_empty() {
                        self.shared.books().moment(Op::Effect { spans })?;
                    }
                    return Ok(true);
                }
                Ok(Answer::Refused { position }) => {
                    let message = format!("the position is {position}");
                    let ended = Outcome::Fail { cause: Cause { code: 0, message } };
                    self.shared.books().complete(Op::Effect { spans }, ended)?;
                    self.shared.books().progress.sink_errors += 1;
                    self.shared.effects().iter_mut().for_each(|effects| effects.overtaken(log, position));
                    return Ok(false);
                }
                Err(error) => {
                    let again = self.sink_failed(&error, spans)?;
                    if !again || self.worker.link.leaving() {
                        return Ok(!again);
                    }
                    clock::wait(SINK_AGAIN);
                    self.tick();
                }
            }
        }
    }

    /// The sink did not answer. Whether it is to be asked again.
    fn sink_failed(&mut self, error: &SinkError, spans: Vec<Span>) -> Result<bool, WorkerError> {
        let said = error.to_string();
        if said != self.sink_said {
            librdkafka::log(RDKafkaLogLevel::Error, "SINK", &said);
            self.sink_said.clone_from(&said);
        }
        let mut books = self.shared.books();
        books.progress.sink_errors += 1;
        if error.doubt == Doubt::Unknown {
            let cause = Cause { code: 0, message: said };
            books.complete(Op::Effect { spans }, Outcome::Info { cause, offset: None })?;
        }
        drop(books);
        Ok(self.shared.effects().as_ref().is_none_or(|effects| effects.tries_again(error.doubt)))
    }

    /// Goes to the sink's position in the logs where somebody else has moved it.
    fn find_the_way(&mut self) -> Result<(), WorkerError> {
        let astray = self.shared.effects().as_ref().map(Effects::astray).unwrap_or_default();
        for (log, position) in astray {
            let name = self.shared.books().name(log).clone();
            let offset = rdkafka::Offset::Offset(position.0);
            match self.consumer.seek(&name.topic, name.partition, offset, SEEK) {
                Ok(()) => {
                    self.shared.effects().iter_mut().for_each(|effects| effects.begins(log, position));
                    self.shared.books().moment(Op::Seek { log, offset: position })?;
                }
                // The log is not ours any more, or not yet fetched: the next poll tells.
                Err(error) => librdkafka::log(RDKafkaLogLevel::Error, "SEEK", &error.to_string()),
            }
        }
        Ok(())
    }

    /// Commits and waits for the answer. Whether the positions are known to be committed.
    fn commit_and_wait(&mut self, positions: &[Position]) -> Result<bool, WorkerError> {
        if positions.is_empty() {
            return Ok(true);
        }
        self.committed_at = clock::now();
        self.shared.books().committing(positions, CommitMode::Sync)?;
        let list = self.list(positions);
        let link = &self.worker.link;
        let commit = || self.consumer.commit(&list, Wait::Sync);
        let result = if link.gates().armed() {
            // The call is under way while the application stands at the gate.
            std::thread::scope(|scope| {
                let call = scope.spawn(commit);
                link.pass(Step::CommitSent, 1);
                call.join().expect("the client library does not unwind")
            })
        } else {
            commit()
        };
        let result = result.map_err(|error| code_of(&error));
        let known = self.shared.books().committed(positions, CommitMode::Sync, result)?;
        link.pass(Step::CommitKnown, 1);
        Ok(known)
    }

    fn commit_without_waiting(&mut self, positions: &[Position]) -> Result<(), WorkerError> {
        if positions.is_empty() {
            return Ok(());
        }
        self.committed_at = clock::now();
        self.shared.books().committing(positions, CommitMode::Async)?;
        let list = self.list(positions);
        if let Err(code) = native::commit_without_waiting(self.consumer.client(), &list) {
            let mut books = self.shared.books();
            books.was_pending(positions);
            books.committed(positions, CommitMode::Async, Err(code))?;
        }
        self.worker.link.pass(Step::CommitSent, 1);
        Ok(())
    }

    /// Commits what is not committed, when no record comes that would bring the next commit.
    fn commit_again(&mut self) -> Result<(), WorkerError> {
        if clock::now().0 < self.committed_at.0 + COMMIT_AGAIN.0 {
            return Ok(());
        }
        let open = self.shared.books().uncommitted();
        match self.role.commit {
            Commit::AfterSync | Commit::Before => self.commit_and_wait(&open).map(|_| ()),
            Commit::AfterAsync | Commit::AfterOutOfOrder if self.shared.books().awaits_answers() => Ok(()),
            Commit::AfterAsync | Commit::AfterOutOfOrder => self.commit_without_waiting(&open),
            Commit::Auto | Commit::AutoHandedOver | Commit::AutoStored | Commit::InSink => Ok(()),
        }
    }

    /// Stores positions where the library's timer finds them. A log that is not ours any more is not stored: its new
    /// owner reads the records again.
    fn store_positions(&self, positions: &[Position]) {
        if positions.is_empty() {
            return;
        }
        if let Err(error) = self.consumer.store_offsets(&self.list(positions)) {
            librdkafka::log(RDKafkaLogLevel::Error, "STORE", &error.to_string());
        }
    }

    fn list(&self, positions: &[Position]) -> TopicPartitionList {
        let books = self.shared.books();
        let mut list = TopicPartitionList::with_capacity(positions.len());
        for position in positions {
            let name = books.name(position.log);
            let offset = rdkafka::Offset::Offset(position.next.0);
            list.add_partition_offset(&name.topic, name.partition, offset)
                .expect("a position is an offset that exists");
        }
        list
    }

    /// Looks whether the group is done, while it is to drain.
    fn drain(&mut self) -> Result<(), WorkerError> {
        let Some(draining) = &mut self.draining else { return Ok(()) };
        let now = clock::now();
        if !draining.is_due(now) {
            return Ok(());
        }
        let missing = draining.missing(&self.consumer, &self.shared)?;
        if missing.is_empty() || draining.is_over(now) {
            let progress = self.shared.books().progress;
            self.worker.link.report(&Report::Drained { complete: missing.is_empty(), missing, progress });
            self.draining = None;
        }
        Ok(())
    }

    fn tick(&mut self) {
        if self.ticker.is_due(clock::now()) {
            let progress = self.shared.books().progress;
            self.worker.link.report(&Report::Progress(progress));
        }
    }

    /// Commits what was processed, leaves the group and ends the client.
    fn finish(mut self) -> Result<(Progress, Writer, WorkerConfig), WorkerError> {
        self.end_what_took_long(true)?;
        let open = self.shared.books().uncommitted();
        match self.role.commit {
            Commit::AfterSync | Commit::AfterAsync | Commit::AfterOutOfOrder | Commit::Before => {
                self.commit_and_wait(&open)?;
            }
            Commit::Auto | Commit::AutoHandedOver | Commit::AutoStored | Commit::InSink => {}
        }
        // What poll still returns here was handed out by the library and never reaches the application.
        if self.consumer.close_queue().is_ok() {
            while !self.consumer.closed() {
                let invoked = clock::now();
                if let Some(Ok(message)) = self.consumer.poll(LOOK) {
                    let record = self.record(&message)?;
                    let mut books = self.shared.books();
                    books.journal.poll(invoked, clock::now(), &runs(&[record]))?;
                    books.progress.polled += 1;
                    books.progress.skipped += 1;
                }
            }
        }
        let Self { worker, shared, consumer, .. } = self;
        drop(consumer);
        let shared = Arc::into_inner(shared).expect("the client library is gone, and its callbacks with it");
        let mut books = shared.into_books();
        books.settle()?;
        Ok((books.progress, books.journal, worker.config))
    }
}

/// An error of poll: mostly news of a connection that the library repairs by itself.
fn report_error(error: KafkaError) -> Result<(), WorkerError> {
    if let KafkaError::MessageConsumptionFatal(code) = error {
        return Err(WorkerError::Fatal(format!("the consumer is unusable: {code}")));
    }
    if !matches!(error, KafkaError::PartitionEOF(_)) {
        librdkafka::log(RDKafkaLogLevel::Error, "POLL", &error.to_string());
    }
    Ok(())
}

/// How many records are polled before they are processed.
fn batch_size(role: &ConsumerRole) -> usize {
    let one_by_one = role.commit.commits_what_is_handed_out() && role.processing_us > 0;
    let batch = role.batch.unwrap_or(if one_by_one { 1 } else { BATCH });
    usize::try_from(batch.max(1)).unwrap_or(usize::MAX)
}

fn count(records: &[Record]) -> u32 {
    u32::try_from(records.len()).unwrap_or(u32::MAX)
}
