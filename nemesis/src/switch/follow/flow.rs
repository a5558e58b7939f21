//! One followed connection.

use std::collections::VecDeque;

use history::ids::Nanos;

use super::hold::Held;
use super::rules::Rules;
use super::{Arrival, Step};
use crate::switch::kafka::{Batch, Side};
use crate::switch::rule::Api;
use crate::switch::tcp::Stream;

/// A request whose answer is awaited.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) correlation: i32,
    pub(super) api: Api,
    pub(super) version: i16,
    /// Whether its answer is to be lost.
    pub(super) grouped: bool,
    /// What it carries, if its answer is to be lost.
    pub(super) batches: Vec<Batch>,
}

/// The requests of a connection whose answers are to be lost.
#[derive(Debug)]
pub(super) struct Group {
    /// For which rule.
    pub(super) rule: usize,
    /// Requests not yet answered.
    pub(super) in_flight: u32,
    /// When the first joined.
    since: Nanos,
    phase: Phase,
    /// The client has given the connection up.
    pub(super) client_gone: bool,
    /// The broker has; what it has not answered yet it never will.
    pub(super) broker_gone: bool,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Requests join and are answered.
    Collecting,
    /// All are answered; the client is to read what came before.
    Draining {
        since: Nanos,
        /// When it had acknowledged all of that.
        acked: Option<Nanos>,
    },
}

/// A connection that was reset. Resets may be lost on their way like any frame, and an end that has nothing
/// to send would never ask for another, so they are repeated a few times.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grave {
    /// When they are repeated next.
    next: Nanos,
    /// How often they were sent.
    sent: u32,
    /// The client needs none, having given up by itself.
    client_gone: bool,
}

/// How often resets are sent, the time between them growing threefold from the first 20 ms.
const RESETS: u32 = 6;
const RESET_PAUSE: u64 = 20_000_000;

/// Everything about one connection.
#[derive(Debug)]
pub(super) struct Flow {
    pub(super) requests: Stream,
    pub(super) responses: Stream,
    /// The broker has agreed to the connection.
    pub(super) open: bool,
    /// It is not Kafka, or too much is missing: it passes as it is.
    pub(super) blind: bool,
    /// It was reset.
    pub(super) grave: Option<Grave>,
    pub(super) pending: VecDeque<Pending>,
    /// The request whose answer is being read.
    pub(super) current: Option<Pending>,
    pub(super) group: Option<Group>,
    pub(super) hold: Option<Held>,
}

impl Flow {
    pub(super) fn new(isn: u32) -> Self {
        Self {
            requests: Stream::new(Side::Requests, isn),
            responses: Stream::new(Side::Responses, 0),
            open: false,
            blind: false,
            grave: None,
            pending: VecDeque::new(),
            current: None,
            group: None,
            hold: None,
        }
    }

    pub(super) fn opened(&mut self, isn: u32) {
        if !self.open {
            self.responses = Stream::new(Side::Responses, isn);
            self.open = true;
        }
    }

    /// Takes notes from a frame: acknowledgements and what forged frames need.
    pub(super) fn note(&mut self, at: Arrival<'_>, rules: bool) {
        let (own, other) = match at.side {
            Side::Requests => (&mut self.requests, &mut self.responses),
            Side::Responses => (&mut self.responses, &mut self.requests),
        };
        own.note(at.tcp, rules);
        if at.tcp.has(crate::switch::frame::flag::ACK) {
            other.acked = other.acked.max(other.position(at.tcp.ack()));
        }
        let drained = self.responses.barrier.is_some_and(|barrier| self.responses.acked >= barrier);
        if let Some(Group { phase: Phase::Draining { acked: acked @ None, .. }, .. }) = &mut self.group
            && drained
        {
            *acked = Some(at.now);
        }
    }

    /// Whether this connection does something for a rule.
    pub(super) fn obeys(&self, rule: usize) -> bool {
        let group = self.group.as_ref().is_some_and(|group| group.rule == rule);
        self.grave.is_none() && (group || self.hold.as_ref().is_some_and(|held| held.rule == rule))
    }

    /// The answer of the newest request is to be lost.
    pub(super) fn join(&mut self, rule: usize, now: Nanos) {
        let group = self.group.get_or_insert(Group {
            rule,
            in_flight: 0,
            since: now,
            phase: Phase::Collecting,
            client_gone: false,
            broker_gone: false,
        });
        group.in_flight += 1;
        if let Some(newest) = self.pending.back_mut() {
            newest.grouped = true;
        }
    }

    /// Gives up a group of which no answer was touched yet; false if one was.
    pub(super) fn leave_group(&mut self) -> bool {
        let gone = self.group.as_ref().is_some_and(|group| group.client_gone);
        if self.responses.barrier.is_some() || gone || self.group.is_none() {
            return false;
        }
        self.group = None;
        self.requests.barrier = None;
        self.pending.iter_mut().for_each(|pending| pending.grouped = false);
        true
    }

    /// Nothing more reaches the broker.
    pub(super) fn freeze_requests(&mut self) {
        let seen = self.requests.seen;
        self.requests.barrier.get_or_insert(seen);
    }

    /// A request of the group was answered; after the last the client is frozen.
    pub(super) fn answered(&mut self, now: Nanos) {
        let drained = self.responses.barrier.is_none_or(|barrier| self.responses.acked >= barrier);
        let Some(group) = &mut self.group else { return };
        group.in_flight = group.in_flight.saturating_sub(1);
        if group.in_flight == 0 {
            group.phase = Phase::Draining { since: now, acked: drained.then_some(now) };
            self.freeze_requests();
        }
    }

    /// Whether nothing is waited for any more.
    pub(super) fn is_drained(&self) -> bool {
        self.group.as_ref().is_some_and(|group| group.client_gone && group.in_flight == 0)
    }

    /// When the group ends at the latest, or resets are repeated.
    pub(super) fn deadline(&self, rules: &Rules) -> Option<Nanos> {
        if let Some(grave) = &self.grave {
            return Some(grave.next);
        }
        let group = self.group.as_ref()?;
        let (grace, patience) = rules.patience(group.rule)?;
        Some(Nanos(match group.phase {
            Phase::Collecting if group.broker_gone => group.since.0,
            Phase::Collecting => group.since.0 + patience,
            Phase::Draining { since, .. } if group.client_gone => since.0,
            Phase::Draining { acked: Some(acked), .. } => acked.0 + grace,
            Phase::Draining { since, acked: None } => since.0 + patience,
        }))
    }

    /// An acknowledgement of the swallowed answers on the client's behalf, once the client itself has
    /// acknowledged everything before them: earlier, the broker would stop repeating what it has not got.
    pub(super) fn acknowledge_swallowed(&self) -> Option<Step> {
        let barrier = self.responses.barrier?;
        let gone = self.group.as_ref().is_some_and(|group| group.client_gone);
        if self.responses.seen <= barrier || (self.responses.acked < barrier && !gone) {
            return None;
        }
        let ack = self.requests.acknowledge(self.responses.seq(self.responses.seen))?;
        Some(Step::Forge(Side::Requests, ack))
    }

    /// Resets both ends, or repeats it; false when it was repeated often enough.
    pub(super) fn reset(&mut self, rules: &mut Rules, now: Nanos, steps: &mut Vec<Step>) -> bool {
        let gone = self.group.as_ref().is_some_and(|group| group.client_gone);
        let mut grave = self.grave.unwrap_or(Grave { next: now, sent: 0, client_gone: gone });
        let before = steps.len();
        let to_broker = self.requests.reset(self.responses.seq(self.responses.seen));
        steps.extend(to_broker.map(|packet| Step::Forge(Side::Requests, packet)));
        if !grave.client_gone {
            let to_client = self.responses.reset(self.requests.seq(self.requests.delivered()));
            steps.extend(to_client.map(|packet| Step::Forge(Side::Responses, packet)));
        }
        if let Some(group) = self.group.take() {
            rules.reset(group.rule, u64::try_from(steps.len() - before).unwrap_or(0));
            rules.timed_out(&group);
            if matches!(group.phase, Phase::Draining { acked: None, .. }) && !group.client_gone {
                rules.unacked(group.rule);
            }
        }
        grave.next = Nanos(now.0 + RESET_PAUSE * 3_u64.pow(grave.sent));
        grave.sent += 1;
        self.grave = Some(grave);
        grave.sent < RESETS
    }

    /// Ends the hold.
    pub(super) fn unhold(&mut self) -> Option<Held> {
        let held = self.hold.take()?;
        self.requests.barrier = None;
        Some(held)
    }
}
