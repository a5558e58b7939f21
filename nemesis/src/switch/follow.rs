//! Follows Kafka connections and acts on single requests: loses their answers, or holds them back.
//!
//! Every connection to a Kafka port is followed from its SYN, because a rule may come at any time and framing
//! cannot start in the middle of a stream. A fault is a byte barrier in one direction, never a decision about
//! a frame: frames are cut at it, rebuilt, or turned into bare acknowledgements, so that neither
//! retransmission nor segmentation changes what the fault means.
//!
//! *Losing a response* means: the requests of a group were executed and answered, the answers never reached
//! the client, earlier answers did, and later requests never reached the broker. To get there:
//!
//! ```text
//! the last request of the group joins     client barrier = its end: nothing later reaches the broker
//! the first answer of the group           broker barrier = its start: neither it nor later ones get through
//! swallowed answers                       acknowledged to the broker, once the client has all before them
//! the group's last answer                 freeze, let the client read what it has, reset both ends
//! ```
//!
//! TLS cannot be followed. A request is never altered and never answered falsely: that would be a proxy.

mod flow;
mod hold;
mod requests;
mod responses;
mod rules;

use std::collections::{BTreeSet, HashMap};

use history::ids::Nanos;

use super::counters::Counters;
use super::frame::{self, Frame, Packet, Tcp, flag};
use super::kafka::Side;
use flow::Flow;
use rules::Rules;
pub(crate) use rules::{Filter, KafkaRule};

/// A connection to a Kafka port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(crate) client: usize,
    client_port: u16,
    pub(crate) broker: usize,
    broker_port: u16,
}

/// A frame of a followed connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival<'a> {
    pub(crate) key: Key,
    pub(crate) side: Side,
    pub(crate) frame: Frame<'a>,
    pub(crate) tcp: Tcp<'a>,
    pub(crate) now: Nanos,
}

/// What is to be done for a frame, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// The frame goes on as it is.
    Forward,
    /// A rewritten frame goes on instead; it has passed the link's rules already.
    Send(Side, Packet),
    /// A forged frame, which has to pass them first.
    Forge(Side, Packet),
}

/// All followed connections and the rules about them.
#[derive(Debug)]
pub(crate) struct Follower {
    ports: BTreeSet<u16>,
    flows: HashMap<Key, Flow>,
    rules: Rules,
    /// Connections that lose responses at the moment, or are being reset.
    busy: Vec<Key>,
}

impl Follower {
    pub(crate) fn new(ports: impl IntoIterator<Item = u16>) -> Self {
        let ports = ports.into_iter().collect();
        Self { ports, flows: HashMap::new(), rules: Rules::default(), busy: Vec::new() }
    }

    /// The connection a segment belongs to, if it is one that is followed.
    pub(crate) fn classify(&self, from: usize, to: usize, tcp: Tcp<'_>) -> Option<(Key, Side)> {
        let (source, destination) = (tcp.source(), tcp.destination());
        if self.ports.contains(&destination) {
            let key = Key { client: from, client_port: source, broker: to, broker_port: destination };
            Some((key, Side::Requests))
        } else if self.ports.contains(&source) {
            let key = Key { client: to, client_port: destination, broker: from, broker_port: source };
            Some((key, Side::Responses))
        } else {
            None
        }
    }

    pub(crate) fn install(&mut self, rule: KafkaRule) -> usize {
        self.rules.install(rule)
    }

    pub(crate) fn counters(&self, id: usize) -> Counters {
        self.rules.counters(id)
    }

    /// When [`Follower::tick`] is to be called at the latest.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        self.busy.iter().filter_map(|key| self.flows.get(key)?.deadline(&self.rules)).min()
    }

    /// Decides a frame of a followed connection.
    pub(crate) fn frame(&mut self, at: Arrival<'_>, steps: &mut Vec<Step>) {
        if at.tcp.has(flag::SYN) {
            self.syn(at);
            return steps.push(Step::Forward);
        }
        let Some(flow) = self.flows.get_mut(&at.key).filter(|flow| !flow.blind && flow.open) else {
            if !at.tcp.payload().is_empty() {
                self.rules.unfollowed(at.key);
            }
            return steps.push(Step::Forward);
        };
        if flow.grave.is_some() {
            return steps.extend(bury(at));
        }
        flow.note(at, !self.rules.is_empty());
        let had_group = flow.group.is_some();
        let outcome = if at.tcp.has(flag::RST) {
            self.rst(at, steps)
        } else {
            match at.side {
                Side::Requests => requests::frame(flow, &mut self.rules, at, steps),
                Side::Responses => responses::frame(flow, &mut self.rules, at, steps),
            }
            .map_err(|_| ())
        };
        let Some(flow) = self.flows.get_mut(&at.key) else { return };
        if outcome.is_err() {
            // Not Kafka after all, or not understood: it passes from now on as if it were not followed.
            flow.blind = true;
            flow.requests.barrier = None;
            flow.responses.barrier = None;
            steps.clear();
            steps.push(Step::Forward);
        }
        if flow.group.is_some() && !had_group {
            self.busy.push(at.key);
        }
    }

    /// A connection begins, or its broker agrees to it.
    fn syn(&mut self, at: Arrival<'_>) {
        match at.side {
            Side::Requests => {
                let old = self.flows.insert(at.key, Flow::new(at.tcp.seq()));
                self.busy.retain(|key| *key != at.key);
                if let Some(group) = old.filter(|old| old.grave.is_none()).and_then(|old| old.group) {
                    self.rules.timed_out(&group);
                }
            }
            Side::Responses => {
                if let Some(flow) = self.flows.get_mut(&at.key) {
                    flow.opened(at.tcp.seq());
                }
            }
        }
    }

    /// One end resets the connection by itself.
    fn rst(&mut self, at: Arrival<'_>, steps: &mut Vec<Step>) -> Result<(), ()> {
        let flow = self.flows.get_mut(&at.key).ok_or(())?;
        if let (Side::Requests, Some(held)) = (at.side, flow.hold.as_mut()) {
            held.rst(at.frame);
        } else if let (Side::Requests, Some(group)) = (at.side, flow.group.as_mut()) {
            // The broker must not learn of it before it has answered.
            group.client_gone = true;
            flow.freeze_requests();
            steps.extend(flow.acknowledge_swallowed());
            if flow.is_drained() {
                self.end(at.key, at.now, steps);
            }
        } else if let Some(group) = flow.group.as_ref() {
            self.rules.timed_out(group);
            self.end(at.key, at.now, steps);
        } else {
            self.flows.remove(&at.key);
            steps.push(Step::Forward);
        }
        Ok(())
    }

    /// Resets a connection at both ends, or repeats that.
    fn end(&mut self, key: Key, now: Nanos, steps: &mut Vec<Step>) {
        self.busy.retain(|busy| *busy != key);
        if self.flows.get_mut(&key).is_some_and(|flow| flow.reset(&mut self.rules, now, steps)) {
            self.busy.push(key);
        }
    }

    /// Ends what has waited long enough.
    pub(crate) fn tick(&mut self, now: Nanos) -> Vec<(Key, Vec<Step>)> {
        let due = |key: &&Key| {
            let deadline = self.flows.get(key).and_then(|flow| flow.deadline(&self.rules));
            deadline.is_none_or(|deadline| deadline <= now)
        };
        let keys: Vec<_> = self.busy.iter().filter(due).copied().collect();
        let mut all = Vec::new();
        for key in keys {
            let mut steps = Vec::new();
            self.end(key, now, &mut steps);
            all.push((key, steps));
        }
        all
    }

    /// Ends a rule: connections that lose responses for it are reset, held frames are delivered.
    pub(crate) fn remove(&mut self, id: usize, now: Nanos) -> (Vec<(Key, Vec<Step>)>, Counters) {
        let mut keys: Vec<_> =
            self.flows.iter().filter(|(_, flow)| flow.obeys(id)).map(|(key, _)| *key).collect();
        // The order of a hash map must not show.
        keys.sort_unstable();
        let mut all = Vec::new();
        for key in keys {
            let mut steps = Vec::new();
            if self.flows.get(&key).is_some_and(|flow| flow.hold.is_some()) {
                self.release(key, id, now, &mut steps);
            } else if self.flows.get_mut(&key).is_some_and(Flow::leave_group) {
                self.busy.retain(|busy| *busy != key);
            } else {
                self.end(key, now, &mut steps);
            }
            all.push((key, steps));
        }
        (all, self.rules.remove(id))
    }

    /// Delivers what a rule held back on one connection, in order.
    fn release(&mut self, key: Key, id: usize, now: Nanos, steps: &mut Vec<Step>) {
        let Some(held) = self.flows.get_mut(&key).and_then(Flow::unhold) else { return };
        self.rules.released(id, held.requests);
        self.rules.retire(id);
        for packet in held.into_queue() {
            let Some(flow) = self.flows.get(&key) else { return };
            let renewed = flow.requests.renew(&packet, flow.responses.seq(flow.responses.acked));
            let frame = renewed.frame();
            let Some(tcp) = frame.tcp() else { continue };
            let mut own = Vec::new();
            self.frame(Arrival { key, side: Side::Requests, frame, tcp, now }, &mut own);
            steps.extend(own.into_iter().map(|step| match step {
                Step::Forward => Step::Send(Side::Requests, renewed.clone()),
                step @ (Step::Send(..) | Step::Forge(..)) => step,
            }));
        }
    }
}

/// The answer to any frame of a connection that was reset: a reset that its sender must believe.
fn bury(at: Arrival<'_>) -> Option<Step> {
    if at.tcp.has(flag::RST) || !at.tcp.has(flag::ACK) {
        return None;
    }
    let toward = match at.side {
        Side::Requests => Side::Responses,
        Side::Responses => Side::Requests,
    };
    Some(Step::Forge(toward, frame::answer(at.tcp, at.tcp.ack(), 0, flag::RST)))
}
