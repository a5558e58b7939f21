//! The producer under test: pipelined, at a planned rate, as a real application with delivery callbacks is.
//!
//! One thread sends and takes the delivery reports between two bursts, as clients of librdkafka in C, Python or
//! Go do. What the application does when something goes wrong is part of the experiment, so it is fixed here:
//! * The library's queue is full: take delivery reports and offer the *same* record again until it is taken. That
//!   is back pressure, not an outcome. A stop in the meantime makes it a fail: it was never handed over.
//! * The call refuses a record: fail, whatever the code; then the next record.
//! * A delivery report with an error: what the outcome table says. Nothing is sent again by the application, unless its
//!   role says so (`again.rs`).
//! * A fatal error (fenced, sequence broken): take what reports come, then end; a supervisor starts a new process.
//! * A stop: wait for reports until a deadline, then purge; what is open after that is unknown.

mod again;
mod books;
mod growth;
mod outbox;

use std::io::Write;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use history::ids::{LogId, Nanos, Offset, Seq, TopicPartition, Value};
use history::journal::{SendRun, Writer};
use history::payload;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};

use crate::clock;
use crate::librdkafka::{self, native};
use crate::outcome::{self, Outcome};
use crate::pace::Pacer;
use crate::protocol::{ProducerRole, Progress, Report, Resend, WorkerConfig};
use crate::spread::Targets;
use crate::step::Step;
use crate::worker::{self, Link, Order, Ticker, Worker, WorkerError};
use again::{Again, Relay};
use books::Books;
use outbox::Outbox;
pub(crate) use outbox::OutboxError;

/// Most records between two looks at delivery reports and commands.
const BURST: u32 = 64;
/// Longest wait for delivery reports between two looks at commands.
const LOOK: Duration = Duration::from_millis(20);

/// Runs a producer until it is told to stop.
pub(crate) fn run<Out: Write + Send + 'static>(
    worker: Worker<Out>,
    role: &ProducerRole,
    mut journal: Writer,
) -> Result<Progress, WorkerError> {
    let targets = Targets::new(&worker.config.topics, role.spread)
        .ok_or_else(|| WorkerError::Config("a producer needs between 1 and 65536 logs to send to".into()))?;
    if role.rate.is_some_and(|rate| !(rate > 0.0 && rate.is_finite())) {
        return Err(WorkerError::Config("rate must be a positive number of records per second".into()));
    }
    let logs = targets.logs().iter().map(|log| journal.log(log)).collect::<Result<Vec<_>, _>>()?;
    let acks = ["acks", "request.required.acks"].map(|name| worker.config.properties.get(name));
    let answered = !acks.into_iter().flatten().any(|acks| acks.trim() == "0");
    let outbox = match (role.resend, &role.outbox) {
        (Some(Resend::Outbox), Some(folder)) => Some(Outbox::create(folder, worker.config.process)?),
        (Some(Resend::Outbox), None) => {
            return Err(WorkerError::Config("resend = \"outbox\" needs the folder of an outbox".into()));
        }
        (Some(Resend::AfterTimeout) | None, _) => None,
    };
    let shared = Arc::new(Shared {
        books: Mutex::new(Books::new(journal, outbox)),
        again: Mutex::new(Again::new(role.resend)),
        relay: Mutex::new(None),
        aims: Mutex::new(Arc::new(Aims { logs, targets })),
        answered,
    });
    let context = Deliveries { shared: Arc::clone(&shared), link: Arc::clone(&worker.link) };
    let producer: BaseProducer<Deliveries<Out>> = worker
        .client
        .create_with_context(context)
        .map_err(|error| WorkerError::Config(format!("librdkafka refuses the configuration: {error}")))?;
    let mut sender = Sender {
        role: role.clone(),
        next: Seq(0),
        payload: Vec::new(),
        ticker: Ticker::default(),
        order: None,
        worker,
        shared,
        producer,
    };
    let ended = sender.work();
    let (progress, journal, config) = sender.finish()?;
    worker::close(journal, &config)?;
    ended.map(|()| progress)
}

/// What the sending code and the delivery callback both use. The callback runs on the same thread, in `poll`; the
/// lock is there because the binding asks for it, and is never contended.
struct Shared {
    books: Mutex<Books>,
    again: Mutex<Again>,
    /// While records of earlier incarnations are sent: which are open. Nothing else is sent meanwhile.
    relay: Mutex<Option<Relay>>,
    /// Replaced as a whole when a topic grows.
    aims: Mutex<Arc<Aims>>,
    /// Whether brokers answer at all (`acks` is not 0).
    answered: bool,
}

/// Where records go.
struct Aims {
    /// The journal's numbers of the logs, in the order of the targets.
    logs: Vec<LogId>,
    targets: Targets,
}

impl Aims {
    fn of(&self, seq: Seq) -> (LogId, &TopicPartition) {
        let index = self.targets.of(seq);
        (self.logs[index], &self.targets.logs()[index])
    }
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn again(&self) -> MutexGuard<'_, Again> {
        self.again.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn relay(&self) -> MutexGuard<'_, Option<Relay>> {
        self.relay.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn aims(&self) -> Arc<Aims> {
        Arc::clone(&self.aims.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn log(&self, seq: Seq) -> LogId {
        self.aims().of(seq).0
    }
}

/// The callbacks of the client library.
struct Deliveries<Out: Write> {
    shared: Arc<Shared>,
    link: Arc<Link<Out>>,
}

impl<Out: Write + Send> ClientContext for Deliveries<Out> {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        librdkafka::log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        librdkafka::log(RDKafkaLogLevel::Error, "ERROR", &format!("{error}: {reason}"));
    }
}

impl<Out: Write + Send> ProducerContext for Deliveries<Out> {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, opaque: usize) {
        if let Some(relay) = self.shared.relay().as_mut() {
            relay.answered(opaque, result.is_ok());
            return;
        }
        let (seq, handed_over) = unpack(opaque);
        let log = self.shared.log(seq);
        let mut books = self.shared.books();
        match result {
            Ok(message) => {
                // Without an offset where the protocol gives none: acks=0, or a resend that the broker knew already.
                // With acks=0 the library counts records up from its mark for "no offset" (-1001), so that from the
                // 1002nd record of a batch on the sum looks like an offset.
                let offset =
                    Some(message.offset()).filter(|offset| self.shared.answered && *offset >= 0).map(Offset);
                books.acked(log, seq, offset, u64::from(micros(clock::now()).wrapping_sub(handed_over)));
            }
            Err((error, message)) => {
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
                let outcome = outcome::of_send(code, native::persisted(message));
                let wanted = outcome == Outcome::Info && !self.link.leaving();
                if !(wanted && self.shared.again().take(seq, code)) {
                    books.unresolved(log, seq, (outcome, code as i32));
                }
            }
        }
        if self.link.gates().armed() {
            // What a client at a gate knows is in its journal. An error of the journal shows at the next settling.
            books.write_run();
            drop(books);
            self.link.pass(Step::Acknowledged, 1);
        }
    }
}

/// The application: sends at its rate and takes what answers come.
struct Sender<Out: Write + Send + 'static> {
    role: ProducerRole,
    next: Seq,
    payload: Vec<u8>,
    ticker: Ticker,
    /// An order that came while a record waited for room in the queue.
    order: Option<Order>,
    worker: Worker<Out>,
    shared: Arc<Shared>,
    producer: BaseProducer<Deliveries<Out>>,
}

/// What became of the attempt to hand a record over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum HandOver {
    Taken,
    /// The call refused it.
    Refused(RDKafkaErrorCode),
    /// There was no room until something else was to be done.
    GivenUp,
}

impl<Out: Write + Send + 'static> Sender<Out> {
    fn work(&mut self) -> Result<(), WorkerError> {
        if let Some(within) = self.role.warm_up_ms {
            self.warm_up(Duration::from_millis(within))?;
        }
        self.send_what_was_left()?;
        self.worker.link.report(&Report::Ready { version: librdkafka::version() });
        let mut pacer = Pacer::new(self.role.rate, clock::now());
        let mut sending = true;
        while !self.worker.link.leaving() {
            match self.order() {
                Some(Order::Drain { deadline, .. }) => {
                    sending = false;
                    self.drain(deadline)?;
                }
                Some(Order::Grow { topic, partitions }) => self.grow(&topic, partitions)?,
                None => {}
            }
            self.send_again()?;
            let wanted = if sending { pacer.take(clock::now(), self.burst()) } else { 0 };
            self.send(wanted)?;
            let idle = wanted == 0;
            self.take_reports(if idle { self.nap(&pacer, sending) } else { Duration::ZERO })?;
            self.tick()?;
        }
        Ok(())
    }

    /// Sends a record to every log, again and again, until each log has acknowledged one.
    fn warm_up(&mut self, within: Duration) -> Result<(), WorkerError> {
        let deadline = after(clock::now(), within);
        let aims = self.shared.aims();
        while !self.worker.link.leaving() {
            let (cold, open) = {
                let books = self.shared.books();
                let cold = aims.logs.iter().zip(aims.targets.logs());
                let cold = cold.filter(|(log, _)| !books.has_acknowledged(**log)).map(|(_, name)| name);
                (worker::names(cold), books.outstanding())
            };
            if cold.is_empty() {
                return Ok(());
            }
            if clock::now() > deadline {
                let message =
                    format!("no record was acknowledged within {} ms by {cold}", within.as_millis());
                return Err(WorkerError::WarmUp(message));
            }
            if open == 0 {
                for _ in 0..aims.logs.len() {
                    aims.targets.warm_up();
                    self.send(1)?;
                }
            }
            self.send_again()?;
            self.take_reports(LOOK)?;
            self.tick()?;
        }
        Ok(())
    }

    /// Hands `count` records to the library, fewer where the call refuses one or has no room for too long.
    fn send(&mut self, count: u32) -> Result<(), WorkerError> {
        let mut left = count;
        while left > 0 {
            let burst = self.burst_to_one_log(left)?;
            left -= burst.count;
            // One frame for the burst: whatever of it is not handed over before a kill is unknown, which is true.
            let mut now = clock::now();
            self.shared.books().sending(burst, now)?;
            for seq in (burst.first.0..burst.first.0 + burst.count).map(Seq) {
                match self.hand_over(seq, &mut now)? {
                    HandOver::Taken => {}
                    // An application that gets errors without delay would otherwise spin.
                    HandOver::Refused(code) => {
                        self.never_taken(seq, code);
                        clock::wait(Duration::from_millis(10));
                    }
                    HandOver::GivenUp => {
                        // Neither this record nor the rest of the burst ever reached the library.
                        for seq in (seq.0..burst.first.0 + burst.count).map(Seq) {
                            self.never_taken(seq, RDKafkaErrorCode::QueueFull);
                        }
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The next records that go to one log, at most `most`; one where a gate counts them.
    fn burst_to_one_log(&mut self, most: u32) -> Result<SendRun, WorkerError> {
        let most = if self.worker.link.gates().armed() { 1 } else { most };
        let first = self.next;
        let aims = self.shared.aims();
        let (log, _) = aims.of(first);
        let mut count = 1;
        while count < most && first.0.checked_add(count).is_some_and(|seq| aims.of(Seq(seq)).0 == log) {
            count += 1;
        }
        let next = first.0.checked_add(count);
        self.next = Seq(next.ok_or_else(|| {
            WorkerError::Config("a producer process sends at most 2^32 - 1 records".into())
        })?);
        Ok(SendRun { log, first, count })
    }

    /// Hands one journalled record to the library; `now` is when, and is moved on when that takes time.
    fn hand_over(&mut self, seq: Seq, now: &mut Nanos) -> Result<HandOver, WorkerError> {
        let shared = Arc::clone(&self.shared);
        let aims = shared.aims();
        let (_, target) = aims.of(seq);
        let value = Value { process: self.worker.config.process, seq };
        let size = usize::try_from(self.role.record_size).unwrap_or(usize::MAX);
        payload::encode(&mut self.payload, self.worker.config.run, value, target, size);
        self.worker.link.pass(Step::Sending, 1);
        loop {
            let record = BaseRecord::<(), [u8], usize>::with_opaque_to(&target.topic, pack(seq, *now))
                .partition(target.partition)
                .payload(&self.payload);
            let Err((error, _)) = self.producer.send(record) else {
                self.worker.link.pass(Step::Sent, 1);
                return Ok(HandOver::Taken);
            };
            let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::InvalidArgument);
            if code != RDKafkaErrorCode::QueueFull {
                return Ok(HandOver::Refused(code));
            }
            if self.is_wanted_elsewhere() {
                return Ok(HandOver::GivenUp);
            }
            shared.books().queue_was_full();
            self.take_reports(Duration::from_millis(1))?;
            self.tick()?;
            *now = clock::now();
        }
    }

    /// The library did not take a record, so it is not in a log and never will be, whatever the code.
    fn never_taken(&self, seq: Seq, code: RDKafkaErrorCode) {
        let log = self.shared.log(seq);
        self.shared.books().unresolved(log, seq, (Outcome::Fail, code as i32));
    }

    /// Whether an order or a stop waits for the sending to end.
    fn is_wanted_elsewhere(&mut self) -> bool {
        self.order = self.order.take().or_else(|| self.worker.orders.try_recv().ok());
        self.order.is_some() || self.worker.link.leaving()
    }

    fn order(&mut self) -> Option<Order> {
        self.order.take().or_else(|| self.worker.orders.try_recv().ok())
    }

    /// Takes delivery reports: those that are there, or, with a `nap`, those that are there after it.
    fn take_reports(&self, nap: Duration) -> Result<(), WorkerError> {
        // The library's own wait spins through its last millisecond, so the waiting is done here.
        if !nap.is_zero() {
            clock::wait(nap);
        }
        // One poll serves one event, which is one batch; a few rounds keep up with any rate.
        for _ in 0..64 {
            let before = self.producer.in_flight_count();
            self.producer.poll(Duration::ZERO);
            if self.producer.in_flight_count() == before {
                break;
            }
        }
        self.shared.books().settle()
    }

    /// How long nothing has to be done.
    fn nap(&self, pacer: &Pacer, sending: bool) -> Duration {
        let until_due = if sending { Duration::from_nanos(pacer.wait(clock::now()).0) } else { LOOK };
        // Reports are taken every millisecond while some are to come, so that latencies are right.
        let look = if self.shared.books().outstanding() > 0 { Duration::from_millis(1) } else { LOOK };
        until_due.clamp(Duration::from_millis(1), look)
    }

    /// The most records to send before the next look around.
    fn burst(&self) -> u32 {
        let left = self.role.records.map_or(u32::MAX, |records| records.saturating_sub(self.next.0));
        BURST.min(left)
    }

    fn tick(&mut self) -> Result<(), WorkerError> {
        if self.ticker.is_due(clock::now()) {
            let progress = self.shared.books().progress();
            self.worker.link.report(&Report::Progress(progress));
            if let Some((code, why)) = self.producer.client().fatal_error() {
                return Err(WorkerError::Fatal(format!("the producer is unusable: {code:?}: {why}")));
            }
        }
        Ok(())
    }

    /// Takes every report that is to come.
    fn drain(&mut self, within: Duration) -> Result<(), WorkerError> {
        self.await_reports(within, Self::tick)?;
        let (progress, open) = {
            let books = self.shared.books();
            (books.progress(), books.outstanding())
        };
        let missing = if open == 0 { String::new() } else { format!("{open} records without an answer") };
        self.worker.link.report(&Report::Drained { complete: open == 0, missing, progress });
        Ok(())
    }

    fn await_reports(
        &mut self,
        within: Duration,
        mut meanwhile: impl FnMut(&mut Self) -> Result<(), WorkerError>,
    ) -> Result<(), WorkerError> {
        let deadline = after(clock::now(), within);
        while self.shared.books().outstanding() > 0 && clock::now() < deadline {
            if !self.worker.link.leaving() {
                self.send_again()?;
            }
            self.take_reports(Duration::from_millis(1))?;
            meanwhile(self)?;
        }
        Ok(())
    }

    /// Ends every send that is open, and the client.
    fn finish(mut self) -> Result<(Progress, Writer, WorkerConfig), WorkerError> {
        let patience = self.worker.link.patience();
        self.give_up_again();
        self.await_reports(patience, |_| Ok(()))?;
        if self.shared.books().outstanding() > 0 {
            self.producer.purge(PurgeConfig::default().queue().inflight());
            self.await_reports(Duration::from_millis(500), |_| Ok(()))?;
        }
        let open = self.shared.books().open_sends();
        for seq in open {
            let log = self.shared.log(seq);
            self.shared.books().unresolved(log, seq, (Outcome::Info, 0));
        }
        self.shared.books().settle()?;
        let Self { worker, shared, producer, .. } = self;
        drop(producer);
        let shared = Arc::into_inner(shared).expect("the client library is gone, and its callbacks with it");
        let books = shared.books.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok((books.progress(), books.into_journal(), worker.config))
    }
}

/// Puts a record's number and the time of its hand-over into what the library hands back with the report: 32 bits
/// each, the time in microseconds, of which differences up to 71 minutes are right.
fn pack(seq: Seq, handed_over: Nanos) -> usize {
    let word = u64::from(seq.0) << 32 | u64::from(micros(handed_over));
    usize::try_from(word).expect("the workers run on machines with 64-bit pointers")
}

fn unpack(opaque: usize) -> (Seq, u32) {
    let half = |word: usize| u32::try_from(word & 0xffff_ffff).expect("32 bits");
    (Seq(half(opaque >> 32)), half(opaque))
}

fn micros(time: Nanos) -> u32 {
    u32::try_from((time.0 / 1000) & 0xffff_ffff).expect("32 bits")
}

fn after(now: Nanos, time: Duration) -> Nanos {
    Nanos(now.0.saturating_add(u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)))
}
