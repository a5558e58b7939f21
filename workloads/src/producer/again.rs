//! What the application sends again: records that may not have arrived, and records of an incarnation that died.
//!
//! A record that is sent again keeps its value, so that a log which holds it twice shows it; in the history it is one
//! send, which ends as its last attempt does. What an outbox held is sent before anything new, in its old order, and
//! nothing of it is journalled: it belongs to the sends of the incarnation that died, whose outcome stays unknown.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use history::ids::Seq;
use history::payload;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::BaseRecord;

use super::outbox::{Left, Outbox};
use super::{HandOver, Sender};
use crate::clock;
use crate::outcome::Outcome;
use crate::protocol::Resend;
use crate::worker::WorkerError;

/// Records that are to be sent again, with the code of their last error.
#[derive(Debug)]
pub(super) struct Again {
    wanted: bool,
    records: VecDeque<(Seq, RDKafkaErrorCode)>,
}

impl Again {
    pub(super) fn new(resend: Option<Resend>) -> Self {
        Self { wanted: resend == Some(Resend::AfterTimeout), records: VecDeque::new() }
    }

    /// Takes a record whose fate is unknown, if the application sends such again.
    pub(super) fn take(&mut self, seq: Seq, code: RDKafkaErrorCode) -> bool {
        if self.wanted {
            self.records.push_back((seq, code));
        }
        self.wanted
    }
}

/// Records of earlier incarnations, being sent.
#[derive(Debug)]
pub(super) struct Relay {
    left: Vec<Left>,
    /// Acknowledged and not yet settled, by index.
    acknowledged: Vec<usize>,
    open: usize,
}

impl Relay {
    /// The record at this index was acknowledged, or it was not and stays where it is.
    pub(super) fn answered(&mut self, index: usize, acknowledged: bool) {
        self.open -= 1;
        if acknowledged {
            self.acknowledged.push(index);
        }
    }
}

impl<Out: Write + Send + 'static> Sender<Out> {
    /// Sends again what may not have arrived.
    pub(super) fn send_again(&mut self) -> Result<(), WorkerError> {
        loop {
            let next = self.shared.again().records.pop_front();
            let Some((seq, last)) = next else { return Ok(()) };
            self.shared.books().again();
            let mut now = clock::now();
            match self.hand_over(seq, &mut now)? {
                HandOver::Taken => {}
                // An earlier attempt may have landed, so that a refusal of this one decides nothing.
                HandOver::Refused(code) => self.unknown(seq, code),
                HandOver::GivenUp => {
                    self.shared.again().records.push_front((seq, last));
                    return Ok(());
                }
            }
        }
    }

    /// The application is to leave: what it would have sent again ends as it stands.
    pub(super) fn give_up_again(&self) {
        let records = std::mem::take(&mut self.shared.again().records);
        self.shared.again().wanted = false;
        records.into_iter().for_each(|(seq, code)| self.unknown(seq, code));
    }

    fn unknown(&self, seq: Seq, code: RDKafkaErrorCode) {
        let log = self.shared.log(seq);
        self.shared.books().unresolved(log, seq, (Outcome::Info, code as i32));
    }

    /// Sends what earlier incarnations undertook and have no acknowledgement of, and waits for the answers.
    pub(super) fn send_what_was_left(&mut self) -> Result<(), WorkerError> {
        let Some(folder) = self.role.outbox.clone().filter(|_| self.role.resend == Some(Resend::Outbox))
        else {
            return Ok(());
        };
        let left = Outbox::left(&folder, self.worker.config.process)?;
        if left.is_empty() {
            return Ok(());
        }
        let open = left.len();
        *self.shared.relay() = Some(Relay { left: left.clone(), acknowledged: Vec::new(), open });
        for (index, left) in left.iter().enumerate() {
            self.relay(index, left)?;
        }
        while !self.worker.link.leaving() && self.shared.relay().as_ref().is_some_and(|relay| relay.open > 0)
        {
            self.take_reports(Duration::from_millis(1))?;
            self.tick()?;
        }
        let Some(relay) = self.shared.relay().take() else { return Ok(()) };
        for left in relay.acknowledged.iter().filter_map(|index| relay.left.get(*index)) {
            Outbox::open(&folder, left.value.process)?.settle(left.value.seq, 1)?;
        }
        Ok(())
    }

    fn relay(&mut self, index: usize, left: &Left) -> Result<(), WorkerError> {
        let shared = Arc::clone(&self.shared);
        let aims = shared.aims();
        let Some(target) = aims.targets.logs().get(usize::from(left.log.0)) else {
            return Err(WorkerError::Config("the outbox names a log that is not the client's".into()));
        };
        let size = usize::try_from(self.role.record_size).unwrap_or(usize::MAX);
        payload::encode(&mut self.payload, self.worker.config.run, left.value, target, size);
        shared.books().again();
        while !self.worker.link.leaving() {
            let record = BaseRecord::<(), [u8], usize>::with_opaque_to(&target.topic, index)
                .partition(target.partition)
                .payload(&self.payload);
            let Err((error, _)) = self.producer.send(record) else { return Ok(()) };
            if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
                break;
            }
            self.take_reports(Duration::from_millis(1))?;
        }
        // Not taken: it stays in the outbox.
        if let Some(relay) = shared.relay().as_mut() {
            relay.answered(index, false);
        }
        Ok(())
    }
}
