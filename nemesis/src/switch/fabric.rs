//! The switch without its devices: frames in, decisions, frames out.
//!
//! A frame is judged by the rules of its link (dropped, lost, reset), then followed if it belongs to a Kafka
//! connection, then delayed. Loss comes first so that what the follower lets through does arrive, and delay
//! last so that forged frames stay in line. Time is an argument and chance a hash of (seed, rule, link, how-
//! manieth frame), so the same frames at the same times get the same decisions.

use std::collections::HashSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use history::ids::Nanos;

use super::counters::Counters;
use super::follow::{Arrival, Filter, Follower, KafkaRule, Key, Step};
use super::frame::{self, Frame, Packet, Tcp, flag};
use super::kafka::Side;
use super::queue::Queue;
use super::rule::{Action, LinkRule, Order, Ports, Requests, Reset, Rule};
use super::{RuleId, SwitchError, Totals};

/// Where decided frames go.
pub(crate) trait Output {
    /// Sends a frame to node number `to`; false if its device did not take it.
    fn send(&mut self, to: usize, frame: Frame<'_>) -> bool;
}

/// A node as the fabric knows it.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) ip: Ipv4Addr,
    pub(crate) exempt: bool,
}

/// Both ends of a connection, in the order of the frame's direction.
type Flow = (usize, u16, usize, u16);

/// A link rule in force.
#[derive(Debug)]
struct Active {
    rule: LinkRule,
    counters: Counters,
    /// Frames judged so far, by link: chance depends on it.
    ordinals: Vec<u64>,
    /// Connections that began under a reset rule that spares them.
    fresh: HashSet<Flow>,
}

/// All state of a switch.
#[derive(Debug)]
pub(crate) struct Fabric {
    members: Vec<Member>,
    seed: u64,
    /// Rules in force, by link.
    cells: Vec<Vec<usize>>,
    rules: Vec<Option<Active>>,
    queue: Queue,
    follower: Follower,
    totals: Totals,
}

impl Fabric {
    pub(crate) fn new(members: Vec<Member>, kafka_ports: Vec<u16>, seed: u64) -> Self {
        let links = members.len() * members.len();
        let (cells, queue) = (vec![Vec::new(); links], Queue::new(links));
        let (follower, totals) = (Follower::new(kafka_ports), Totals::default());
        Self { members, seed, cells, rules: Vec::new(), queue, follower, totals }
    }

    /// When [`Fabric::tick`] is to be called at the latest.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        self.queue.deadline().into_iter().chain(self.follower.deadline()).min()
    }

    /// What happened to all frames so far.
    pub(crate) fn totals(&self) -> Totals {
        self.totals.clone()
    }

    /// Notes whether the thread has real-time priority.
    pub(crate) fn set_realtime(&mut self, realtime: bool) {
        self.totals.realtime = realtime;
    }

    fn member(&self, name: &str) -> Result<usize, SwitchError> {
        let found = self.members.iter().position(|member| member.name == name && !member.exempt);
        found.ok_or_else(|| SwitchError::UnknownNode(name.to_owned()))
    }

    /// Puts a rule in force.
    pub(crate) fn install(&mut self, rule: Rule) -> Result<RuleId, SwitchError> {
        let rule = match rule {
            Rule::Link(rule) => return self.install_link(rule).map(RuleId::Link),
            Rule::LoseResponse(lose) => KafkaRule::Lose(self.filter(&lose.requests)?, lose),
            Rule::HoldRequest(hold) => KafkaRule::Hold(self.filter(&hold.requests)?, hold),
        };
        Ok(RuleId::Kafka(self.follower.install(rule)))
    }

    fn filter(&self, requests: &Requests) -> Result<Filter, SwitchError> {
        let number = |name: &Option<String>| name.as_ref().map(|name| self.member(name)).transpose();
        let (client, broker) = (number(&requests.client)?, number(&requests.broker)?);
        Ok(Filter { requests: requests.clone(), client, broker })
    }

    fn install_link(&mut self, rule: LinkRule) -> Result<usize, SwitchError> {
        let mut cells = Vec::new();
        for link in &rule.links.0 {
            cells.push(self.member(&link.from)? * self.members.len() + self.member(&link.to)?);
        }
        if cells.is_empty() {
            return Err(SwitchError::NoLinks);
        }
        let id = self.rules.len();
        for cell in cells {
            self.cells[cell].push(id);
        }
        let ordinals = vec![0; self.cells.len()];
        let (counters, fresh) = (Counters::default(), HashSet::new());
        self.rules.push(Some(Active { rule, counters, ordinals, fresh }));
        Ok(id)
    }

    /// What a rule did so far.
    pub(crate) fn counters(&self, id: RuleId) -> Counters {
        match id {
            RuleId::Link(id) => {
                self.rules[id].as_ref().map(|active| active.counters.clone()).unwrap_or_default()
            }
            RuleId::Kafka(id) => self.follower.counters(id),
        }
    }

    /// Ends a rule: what it put off or held back is delivered now, in order.
    pub(crate) fn remove(&mut self, id: RuleId, now: Nanos, out: &mut impl Output) -> Counters {
        match id {
            RuleId::Link(id) => self.remove_link(id, now, out),
            RuleId::Kafka(id) => {
                let (all, counters) = self.follower.remove(id, now);
                for (key, steps) in all {
                    self.perform(key, steps, now, out);
                }
                counters
            }
        }
    }

    fn remove_link(&mut self, id: usize, now: Nanos, out: &mut impl Output) -> Counters {
        for cell in &mut self.cells {
            cell.retain(|rule| *rule != id);
        }
        let counters = self.rules[id].take().map(|active| active.counters).unwrap_or_default();
        for waiting in self.queue.take(id) {
            self.deliver(waiting.cell, waiting.packet.frame(), now, out);
        }
        counters
    }

    /// A frame came in from node number `from`.
    pub(crate) fn frame(&mut self, from: usize, frame: Frame<'_>, now: Nanos, out: &mut impl Output) {
        let Some(cell) = self.route(from, frame) else {
            self.totals.strays += 1;
            return;
        };
        if self.cells[cell].is_empty() {
            self.follow(cell, frame, now, out);
        } else if frame.vnet.segment_size().is_some() && self.needs_segments(cell, frame) {
            for segment in frame::segments(frame) {
                self.judge(cell, segment.frame(), now, out);
            }
        } else {
            self.judge(cell, frame, now, out);
        }
    }

    /// The link a frame is on: by the device it came from and the address it goes to.
    fn route(&self, from: usize, frame: Frame<'_>) -> Option<usize> {
        let (source, destination) = frame.addresses()?;
        let to = self.members.iter().position(|member| member.ip == destination)?;
        (self.members[from].ip == source && to != from).then_some(from * self.members.len() + to)
    }

    fn needs_segments(&self, cell: usize, frame: Frame<'_>) -> bool {
        self.cells[cell].iter().filter_map(|id| self.rules[*id].as_ref()).any(|active| {
            let loses = match active.rule.action {
                Action::Loss { .. } => true,
                Action::Drop | Action::Delay { .. } | Action::Reset(_) => false,
            };
            loses && active.rule.ports.match_frame(frame.tcp())
        })
    }

    /// Asks the rules that make frames vanish; what survives goes on.
    fn judge(&mut self, cell: usize, frame: Frame<'_>, now: Nanos, out: &mut impl Output) {
        let tcp = frame.tcp();
        let bytes = length(frame);
        for index in 0..self.cells[cell].len() {
            let id = self.cells[cell][index];
            let flow = tcp.map(|tcp| self.flow(cell, tcp));
            let Some(active) = self.rules[id].as_mut().filter(|active| active.rule.ports.match_frame(tcp))
            else {
                continue;
            };
            active.counters.frames_seen += 1;
            active.counters.bytes_seen += bytes;
            active.ordinals[cell] += 1;
            let chance = (self.seed, id, cell, active.ordinals[cell]);
            let goes = match active.rule.action {
                Action::Drop => true,
                Action::Loss { probability } => hash(chance) < probability,
                Action::Delay { .. } => false,
                Action::Reset(reset) => match (tcp, flow) {
                    (Some(tcp), Some(flow)) => active.resets(reset, tcp, flow),
                    _ => false,
                },
            };
            if goes {
                active.counters.frames_dropped += 1;
                active.counters.bytes_dropped += bytes;
                let resets = matches!(active.rule.action, Action::Reset(_));
                if let (true, Some(tcp)) = (resets, tcp) {
                    self.reset((cell, id), tcp, now, out);
                }
                return;
            }
        }
        self.follow(cell, frame, now, out);
    }

    /// Shows a frame to the follower if it belongs to a Kafka connection.
    fn follow(&mut self, cell: usize, frame: Frame<'_>, now: Nanos, out: &mut impl Output) {
        let (from, to) = (cell / self.members.len(), cell % self.members.len());
        let exempt = self.members[from].exempt || self.members[to].exempt;
        let followed = frame.tcp().filter(|_| !exempt).and_then(|tcp| {
            let (key, side) = self.follower.classify(from, to, tcp)?;
            Some((key, side, tcp))
        });
        let Some((key, side, tcp)) = followed else {
            return self.deliver(cell, frame, now, out);
        };
        let mut steps = Vec::new();
        self.follower.frame(Arrival { key, side, frame, tcp, now }, &mut steps);
        for step in steps {
            match step {
                Step::Forward => self.deliver(cell, frame, now, out),
                step @ (Step::Send(..) | Step::Forge(..)) => self.perform(key, vec![step], now, out),
            }
        }
    }

    /// Sends what the follower rewrote or forged.
    fn perform(&mut self, key: Key, steps: Vec<Step>, now: Nanos, out: &mut impl Output) {
        let cell = |side| match side {
            Side::Requests => key.client * self.members.len() + key.broker,
            Side::Responses => key.broker * self.members.len() + key.client,
        };
        let placed: Vec<_> = steps
            .into_iter()
            .filter_map(|step| match step {
                Step::Forward => None,
                Step::Send(side, packet) => Some((cell(side), packet, false)),
                Step::Forge(side, packet) => Some((cell(side), packet, true)),
            })
            .collect();
        for (cell, packet, forged) in placed {
            if forged {
                self.inject(cell, &packet, now, out);
            } else {
                self.deliver(cell, packet.frame(), now, out);
            }
        }
    }

    fn flow(&self, cell: usize, tcp: Tcp<'_>) -> Flow {
        let (from, to) = (cell / self.members.len(), cell % self.members.len());
        (from, tcp.source(), to, tcp.destination())
    }

    /// Resets both ends of the connection that `tcp` belongs to.
    fn reset(&mut self, (cell, id): (usize, usize), tcp: Tcp<'_>, now: Nanos, out: &mut impl Output) {
        let (from, to) = (cell / self.members.len(), cell % self.members.len());
        let mut forged = vec![(to * self.members.len() + from, reset_sender(tcp))];
        if tcp.has(flag::ACK) {
            forged.push((cell, reset_receiver(tcp)));
        }
        for (cell, packet) in forged {
            if let Some(active) = self.rules[id].as_mut() {
                active.counters.resets += 1;
            }
            self.inject(cell, &packet, now, out);
        }
    }

    /// A forged frame: rules that drop or lose frames apply to it as to any other.
    fn inject(&mut self, cell: usize, packet: &Packet, now: Nanos, out: &mut impl Output) {
        let frame = packet.frame();
        for index in 0..self.cells[cell].len() {
            let id = self.cells[cell][index];
            let Some(active) = self.rules[id].as_mut() else { continue };
            if !active.rule.ports.match_frame(frame.tcp()) {
                continue;
            }
            active.ordinals[cell] += 1;
            let chance = (self.seed, id, cell, active.ordinals[cell]);
            let goes = match active.rule.action {
                Action::Drop => true,
                Action::Loss { probability } => hash(chance) < probability,
                Action::Delay { .. } | Action::Reset(_) => false,
            };
            if goes {
                return;
            }
        }
        self.deliver(cell, frame, now, out);
    }

    /// Delays a frame if a rule says so, else sends it.
    fn deliver(&mut self, cell: usize, frame: Frame<'_>, now: Nanos, out: &mut impl Output) {
        let mut delay: Option<(usize, Duration, Order)> = None;
        for index in 0..self.cells[cell].len() {
            let id = self.cells[cell][index];
            let Some(active) = self.rules[id].as_ref() else { continue };
            let Action::Delay { base, jitter, order } = active.rule.action else { continue };
            if !active.rule.ports.match_frame(frame.tcp()) {
                continue;
            }
            let chance = hash((self.seed, id, cell, active.ordinals[cell]));
            let time = (base + jitter.mul_f64(2.0 * chance)).saturating_sub(jitter);
            let before = delay.map_or(Duration::ZERO, |(_, before, _)| before);
            delay = Some((id, before + time, order));
        }
        let Some((id, time, order)) = delay else {
            self.send(cell, frame, out);
            return;
        };
        let due = Nanos(now.0 + u64::try_from(time.as_nanos()).unwrap_or(u64::MAX / 2));
        let queued = self.queue.push((cell, id), due, order == Order::Fifo, frame.to_packet());
        if let Some(active) = self.rules[id].as_mut() {
            if queued {
                active.counters.frames_delayed += 1;
                active.counters.bytes_delayed += length(frame);
            } else {
                active.counters.frames_overflowed += 1;
            }
        }
    }

    fn send(&mut self, cell: usize, frame: Frame<'_>, out: &mut impl Output) {
        if out.send(cell % self.members.len(), frame) {
            self.totals.frames += 1;
            self.totals.bytes += length(frame);
        } else {
            self.totals.refused += 1;
        }
    }

    /// Sends what is due.
    pub(crate) fn tick(&mut self, now: Nanos, out: &mut impl Output) {
        while let Some(waiting) = self.queue.pop(now) {
            if let Some(active) = self.rules[waiting.rule].as_mut() {
                active.counters.lateness.record(Duration::from_nanos(now.0 - waiting.due.0));
            }
            self.send(waiting.cell, waiting.packet.frame(), out);
        }
        for (key, steps) in self.follower.tick(now) {
            self.perform(key, steps, now, out);
        }
    }
}

impl Active {
    /// Whether a frame's connection is to be reset.
    fn resets(&mut self, reset: Reset, tcp: Tcp<'_>, flow: Flow) -> bool {
        if tcp.has(flag::RST) {
            return false;
        }
        match reset {
            Reset::All => true,
            Reset::Established => {
                if tcp.has(flag::SYN) && !tcp.has(flag::ACK) {
                    self.fresh.insert(flow);
                }
                let (from, source, to, destination) = flow;
                !self.fresh.contains(&flow) && !self.fresh.contains(&(to, destination, from, source))
            }
        }
    }
}

impl Ports {
    fn match_frame(&self, tcp: Option<Tcp<'_>>) -> bool {
        match self {
            Self::Any => true,
            Self::These(ports) => {
                tcp.is_some_and(|tcp| ports.contains(&tcp.source()) || ports.contains(&tcp.destination()))
            }
        }
    }
}

/// A reset for the sender of `tcp`: its RCV.NXT is what it acknowledges; an attempt to connect is refused.
fn reset_sender(tcp: Tcp<'_>) -> Packet {
    if tcp.has(flag::ACK) {
        frame::answer(tcp, tcp.ack(), 0, flag::RST)
    } else {
        frame::answer(tcp, 0, tcp.seq().wrapping_add(tcp.length()), flag::RST | flag::ACK)
    }
}

/// A reset for the receiver of `tcp`: the first frame that does not arrive starts at its RCV.NXT; should an
/// earlier one be under way, the receiver answers with a challenge, which is reset by what it acknowledges.
fn reset_receiver(tcp: Tcp<'_>) -> Packet {
    let rewrite = frame::Rewrite { flags: flag::RST | flag::ACK, ..frame::Rewrite::keeping(tcp) };
    frame::rebuild(tcp, &[], rewrite)
}

fn length(frame: Frame<'_>) -> u64 {
    u64::try_from(frame.packet.len()).unwrap_or(u64::MAX)
}

/// A number in [0, 1) for the how-manieth frame that a rule sees on a link.
fn hash((seed, rule, cell, ordinal): (u64, usize, usize, u64)) -> f64 {
    let place = u64::try_from(rule * 65_536 + cell).unwrap_or(0);
    let mixed = mix(mix(mix(seed) ^ place) ^ ordinal);
    // The upper 32 bits are exact in a double.
    f64::from(u32::try_from(mixed >> 32).unwrap_or(0)) / (f64::from(u32::MAX) + 1.0)
}

/// The finisher of SplitMix64.
fn mix(n: u64) -> u64 {
    let n = n.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}
