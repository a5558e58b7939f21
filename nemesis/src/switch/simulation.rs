//! The follower against two simulated ends that cut, repeat, lose and merge as they like.
//!
//! The ends speak a small TCP and a small Kafka: a client pipelines requests, a broker executes and answers
//! them in order. Frames are lost, repeated and reordered before they reach the switch; segments are cut anew
//! at each retransmission, may stand for many (GSO), and sequence numbers wrap. Whatever happens, a fault must
//! mean exactly what its definition says.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;

use history::ids::Nanos;

use super::counters::Counters;
use super::fabric::{Fabric, Member, Output};
use super::frame::{self, Frame, Packet, Rewrite, Vnet, flag};
use super::rule::{Api, HoldRequest, LoseResponse, Requests, Rule};

const KAFKA: u16 = 9092;
const WINDOW: usize = 200_000;

/// Chance, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let n = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (n ^ (n >> 31)) % sides
    }

    fn size(&mut self, sides: usize) -> usize {
        usize::try_from(self.roll(u64::try_from(sides).unwrap())).unwrap()
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.roll(100) < percent
    }
}

/// One end of a connection.
struct End {
    /// Headers of its frames: addresses, ports, a timestamp option.
    template: Vec<u8>,
    isn: u32,
    /// Everything it was given to send; position 1 is the first byte.
    data: Vec<u8>,
    acked: usize,
    sent: usize,
    peer_isn: Option<u32>,
    received: Vec<u8>,
    early: BTreeMap<usize, Vec<u8>>,
    clock: u32,
    /// How it was reset: with exactly its RCV.NXT or not.
    reset: Option<bool>,
}

impl End {
    fn new(own: (u8, u16), peer: (u8, u16), isn: u32) -> Self {
        let mut template = vec![0; 52];
        template[..20].copy_from_slice(&[
            0x45, 0, 0, 52, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 77, 0, own.0, 10, 77, 0, peer.0,
        ]);
        template[20..22].copy_from_slice(&own.1.to_be_bytes());
        template[22..24].copy_from_slice(&peer.1.to_be_bytes());
        template[32] = 8 << 4;
        template[34..36].copy_from_slice(&[255, 255]);
        template[40..44].copy_from_slice(&[1, 1, 8, 10]);
        Self {
            template,
            isn,
            data: Vec::new(),
            acked: 0,
            sent: 0,
            peer_isn: None,
            received: Vec::new(),
            early: BTreeMap::new(),
            clock: 1,
            reset: None,
        }
    }

    fn build(&mut self, seq: u32, flags: u8, payload: &[u8], gso: Option<usize>) -> Packet {
        self.clock += 1;
        let frame = Frame { vnet: Vnet::default(), packet: &self.template };
        let ack = self.rcv_nxt().unwrap_or(0);
        let timestamp = Some(self.clock);
        let rewrite = Rewrite { seq, ack, flags, timestamp, id_step: 0, segment: gso };
        frame::rebuild(frame.tcp().unwrap(), payload, rewrite)
    }

    fn rcv_nxt(&self) -> Option<u32> {
        Some(self.peer_isn?.wrapping_add(1 + u32::try_from(self.received.len()).unwrap()))
    }

    fn seq(&self, position: usize) -> u32 {
        self.isn.wrapping_add(1 + u32::try_from(position).unwrap())
    }

    fn syn(&mut self, flags: u8) -> Packet {
        self.build(self.isn, flags, &[], None)
    }

    fn ack(&mut self) -> Packet {
        self.build(self.seq(self.sent), flag::ACK, &[], None)
    }

    /// A segment from `from`, cut at random.
    fn segment(&mut self, from: usize, dice: &mut Dice) -> Option<Packet> {
        let room = (self.data.len() - from).min(WINDOW.saturating_sub(from - self.acked));
        if room == 0 || self.reset.is_some() {
            return None;
        }
        let limit = if dice.chance(30) { 40_000 } else { 1448 };
        let len = if dice.chance(50) { room.min(limit) } else { 1 + dice.size(room.min(limit)) };
        let payload = self.data[from..from + len].to_vec();
        self.sent = self.sent.max(from + len);
        let flags = flag::ACK | if dice.chance(50) { flag::PSH } else { 0 };
        Some(self.build(self.seq(from), flags, &payload, Some(1448)))
    }

    /// Takes a frame; true if it is to be acknowledged.
    fn take(&mut self, packet: &Packet) -> bool {
        let tcp = packet.frame().tcp().unwrap();
        if tcp.has(flag::SYN) {
            self.peer_isn = Some(tcp.seq());
            return true;
        }
        let Some(next) = self.rcv_nxt().filter(|_| self.reset.is_none()) else { return false };
        let ahead = tcp.seq().wrapping_sub(next).cast_signed();
        if tcp.has(flag::RST) {
            // Another than the exact one gets a challenge.
            self.reset = (ahead == 0).then_some(true);
            return ahead != 0;
        }
        let acked = tcp.ack().wrapping_sub(self.seq(0)).cast_signed();
        let acked = usize::try_from(acked).unwrap_or(0);
        assert!(acked <= self.sent, "acknowledges what was never sent");
        self.acked = self.acked.max(acked);
        let end = i64::from(ahead) + i64::try_from(tcp.payload().len()).unwrap();
        if tcp.payload().is_empty() || end <= 0 {
            return !tcp.payload().is_empty();
        }
        let at = usize::try_from(i64::try_from(self.received.len()).unwrap() + i64::from(ahead)).unwrap();
        let longer = self.early.get(&at).is_none_or(|known| known.len() < tcp.payload().len());
        if longer {
            self.early.insert(at, tcp.payload().to_vec());
        }
        while let Some((at, bytes)) = self.early.first_key_value() {
            if *at > self.received.len() {
                break;
            }
            let new = bytes.get(self.received.len() - at..).unwrap_or_default().to_vec();
            self.received.extend(new);
            self.early.pop_first();
        }
        true
    }
}

/// Whole messages at the front of a stream, from `at`.
fn messages(stream: &[u8], at: &mut usize) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    while let Some(size) = stream.get(*at..*at + 4) {
        let len = 4 + usize::try_from(u32::from_be_bytes(*size.first_chunk().unwrap())).unwrap();
        let Some(message) = stream.get(*at..*at + len) else { break };
        messages.push(message.to_vec());
        *at += len;
    }
    messages
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat()
}

/// A request of a simulated client.
#[derive(Clone, Debug)]
struct Request {
    api: Api,
    correlation: i32,
    records: u64,
    error: i16,
    commits: bool,
    bytes: Vec<u8>,
}

impl Request {
    fn make(dice: &mut Dice, correlation: i32) -> Self {
        let api = [Api::PRODUCE, Api::PRODUCE, Api::END_TXN, Api(3)][dice.size(4)];
        let error = if dice.chance(20) { 7 } else { 0 };
        let (records, commits) = (1 + dice.roll(50), dice.chance(50));
        let version: i16 = if api == Api::PRODUCE && dice.chance(50) { 9 } else { 2 };
        let mut message = api.0.to_be_bytes().to_vec();
        message.extend(version.to_be_bytes());
        message.extend(correlation.to_be_bytes());
        message.extend([0, 4]);
        message.extend(b"shop");
        match api {
            Api::PRODUCE => produce(&mut message, version >= 9, records, dice),
            Api::END_TXN => {
                message.extend([0, 1, b'x']);
                message.extend([0; 10]);
                message.push(u8::from(commits));
            }
            Api(_) => message.resize(message.len() + dice.size(4000), 3),
        }
        Self { api, correlation, records, error, commits, bytes: framed(&message) }
    }

    fn response(&self) -> Vec<u8> {
        let flexible = self.bytes[7] == 9;
        let mut message = self.correlation.to_be_bytes().to_vec();
        match self.api {
            Api::PRODUCE if flexible => {
                message.extend([0, 2, 2, b't', 2, 0, 0, 0, 0]);
                message.extend(self.error.to_be_bytes());
                message.extend([0; 24]);
                message.extend([1, 0, 0, 0, 0, 0, 0, 0]);
            }
            Api::PRODUCE => {
                message.extend([0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0]);
                message.extend(self.error.to_be_bytes());
                message.extend([0; 16]);
                message.extend([0; 4]);
            }
            Api(_) => {
                message.extend([0; 4]);
                message.extend(self.error.to_be_bytes());
                message.resize(message.len() + usize::from(self.bytes[11]) * 20, 5);
            }
        }
        framed(&message)
    }
}

/// The body of a Produce request with one batch of one log.
fn produce(message: &mut Vec<u8>, flexible: bool, records: u64, dice: &mut Dice) {
    let mut batch = vec![0; 61 + dice.size(4000)];
    let len = u32::try_from(batch.len() - 12).unwrap();
    batch[8..12].copy_from_slice(&len.to_be_bytes());
    batch[16] = 2;
    batch[57..61].copy_from_slice(&u32::try_from(records).unwrap().to_be_bytes());
    let size = u32::try_from(batch.len()).unwrap();
    if flexible {
        message.extend([0, 0, 0, 1, 0, 0, 0, 0, 2, 2, b't', 2, 0, 0, 0, 0]);
        let mut left = size + 1;
        while left > 127 {
            message.push(u8::try_from(left & 127).unwrap() | 128);
            left >>= 7;
        }
        message.push(u8::try_from(left).unwrap());
        message.extend(batch);
        message.extend([0, 0, 0]);
    } else {
        message.extend([255, 255, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, b't', 0, 0, 0, 1, 0, 0, 0, 0]);
        message.extend(size.to_be_bytes());
        message.extend(batch);
    }
}

struct Outbox(Vec<(usize, Packet)>);

impl Output for Outbox {
    fn send(&mut self, to: usize, frame: Frame<'_>) -> bool {
        self.0.push((to, frame.to_packet()));
        true
    }
}

/// A connection, its two programs, and the switch between them.
struct World {
    dice: Dice,
    now: Nanos,
    fabric: Fabric,
    /// The client and the broker.
    ends: [End; 2],
    /// Frames on their way to the switch.
    wires: [VecDeque<Packet>; 2],
    /// Percent of the frames that are lost, repeated, reordered before the switch.
    trouble: u64,
    /// Percent of the frames that a device behind the switch drops.
    refusal: u64,
    requests: Vec<Request>,
    /// Requests that the client may have unanswered.
    pipeline: usize,
    written: usize,
    executed: Vec<i32>,
    executed_to: usize,
    answered: Vec<i32>,
    answered_to: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let members = [("client", 1), ("broker", 2)].map(|(name, n)| Member {
            name: name.to_owned(),
            ip: Ipv4Addr::new(10, 77, 0, n),
            exempt: false,
        });
        let port = 30_000 + u16::try_from(dice.roll(20_000)).unwrap();
        let mut isn = || {
            let any = u32::try_from(dice.roll(1 << 32)).unwrap();
            if dice.chance(50) { u32::MAX - any % 60_000 } else { any }
        };
        let ends = [End::new((1, port), (2, KAFKA), isn()), End::new((2, KAFKA), (1, port), isn())];
        let count = 1 + i32::try_from(dice.roll(25)).unwrap();
        let requests = (1..=count).map(|correlation| Request::make(&mut dice, correlation)).collect();
        let (trouble, pipeline) = ([0, 2, 20][dice.size(3)], 1 + dice.size(8));
        let refusal = [0, 0, 5][dice.size(3)];
        let fabric = Fabric::new(members.to_vec(), vec![KAFKA], seed);
        Self {
            dice,
            now: Nanos(1),
            fabric,
            ends,
            wires: Default::default(),
            trouble,
            refusal,
            requests,
            pipeline,
            written: 0,
            executed: Vec::new(),
            executed_to: 0,
            answered: Vec::new(),
            answered_to: 0,
        }
    }

    /// Puts a frame on the wire, or loses, repeats or reorders it.
    fn wire(&mut self, end: usize, packet: Packet) {
        if self.dice.chance(self.trouble) {
            match self.dice.roll(3) {
                0 => return,
                1 => self.wires[end].push_back(packet.clone()),
                _ => return self.wires[end].push_front(packet),
            }
        }
        self.wires[end].push_back(packet);
    }

    /// Gives the ends what the switch let through.
    fn deliver(&mut self, out: Outbox) {
        for (to, packet) in out.0 {
            if self.dice.chance(self.refusal) && !packet.frame().tcp().unwrap().has(flag::SYN) {
                continue;
            }
            if self.ends[to].take(&packet) {
                let ack = self.ends[to].ack();
                self.wire(to, ack);
            }
        }
    }

    /// The handshake, without trouble.
    fn open(&mut self) {
        let syn = self.ends[0].syn(flag::SYN);
        self.pass(0, &syn);
        let agreed = self.ends[1].syn(flag::SYN | flag::ACK);
        self.wires = Default::default();
        self.pass(1, &agreed);
    }

    fn pass(&mut self, from: usize, packet: &Packet) {
        let mut out = Outbox(Vec::new());
        self.fabric.frame(from, packet.frame(), self.now, &mut out);
        self.deliver(out);
    }

    /// What the two programs do by themselves.
    fn programs(&mut self) {
        let whole = messages(&self.ends[1].received, &mut self.executed_to);
        for message in whole {
            let correlation = i32::from_be_bytes(*message[8..].first_chunk().unwrap());
            self.executed.push(correlation);
            let request = &self.requests[usize::try_from(correlation - 1).unwrap()];
            assert_eq!(message, request.bytes, "a request was altered");
            let response = request.response();
            self.ends[1].data.extend(response);
        }
        for message in messages(&self.ends[0].received, &mut self.answered_to) {
            self.answered.push(i32::from_be_bytes(*message[4..].first_chunk().unwrap()));
        }
        if self.written < self.requests.len() && self.written < self.answered.len() + self.pipeline {
            self.ends[0].data.extend(self.requests[self.written].bytes.clone());
            self.written += 1;
        }
    }

    fn step(&mut self) {
        self.now.0 += 1_000_000;
        self.programs();
        for end in 0..2 {
            let from = self.ends[end].sent;
            if let Some(segment) = self.ends[end].segment(from, &mut self.dice) {
                self.wire(end, segment);
            } else if self.dice.chance(15) && self.ends[end].acked < self.ends[end].sent {
                let from = self.ends[end].acked;
                if let Some(again) = self.ends[end].segment(from, &mut self.dice) {
                    self.wire(end, again);
                }
            }
            for _ in 0..self.dice.size(4) {
                if let Some(packet) = self.wires[end].pop_front() {
                    self.pass(end, &packet);
                }
            }
        }
        let mut out = Outbox(Vec::new());
        self.fabric.tick(self.now, &mut out);
        self.deliver(out);
    }

    /// Until `done`, which must come.
    fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        for _ in 0..40_000 {
            if done(self) {
                return;
            }
            self.step();
        }
        panic!("never {what}: executed {:?}, answered {:?}", self.executed, self.answered);
    }

    fn numbers(&self) -> Vec<i32> {
        self.requests.iter().map(|request| request.correlation).collect()
    }

    fn all_done(&self) -> bool {
        self.answered.len() == self.requests.len()
    }

    /// Positions of the requests of a kind.
    fn kind(&self, means: impl Fn(&Request) -> bool) -> Vec<usize> {
        (0..self.requests.len()).filter(|at| means(&self.requests[*at])).collect()
    }
}

fn undisturbed(mut world: World) {
    world.open();
    world.until("all answered", World::all_done);
    assert_eq!(world.executed, world.numbers());
    assert_eq!(world.answered, world.numbers());
    assert_eq!((world.ends[0].reset, world.ends[1].reset), (None, None));
}

/// A rule may come at any moment of a connection: before it, or while frames are under way.
fn some_steps(world: &mut World) {
    if world.dice.chance(50) {
        let steps = world.dice.size(20);
        (0..steps).for_each(|_| world.step());
    }
}

fn losing(mut world: World) -> Counters {
    let (nth, count) =
        (1 + u32::try_from(world.dice.roll(6)).unwrap(), 1 + u32::try_from(world.dice.roll(5)).unwrap());
    let lose = LoseResponse { nth, count, ..LoseResponse::first(Requests::of(Api::PRODUCE)) };
    let rule = world.fabric.install(Rule::LoseResponse(lose)).unwrap();
    world.open();
    let produce = world.kind(|request| request.api == Api::PRODUCE);
    let (nth, count) = (usize::try_from(nth).unwrap(), usize::try_from(count).unwrap());
    if produce.len() < nth {
        undisturbed_so_far(&mut world);
        return world.fabric.counters(rule);
    }
    world.until("both ends reset", |world| world.ends.iter().all(|end| end.reset.is_some()));
    world.programs();
    let counters = world.fabric.counters(rule);
    let lost = usize::try_from(counters.kafka.responses_lost).unwrap();
    assert!(lost >= 1 && lost <= count, "{counters:?}");
    let group = &produce[nth - 1..nth - 1 + lost];
    let (first, last) = (group[0], group[lost - 1]);
    // Earlier answers were delivered, those of the group and later ones were not.
    assert_eq!(world.answered, world.numbers()[..first]);
    // All of the group were executed, and nothing twice.
    let executed = world.executed.len();
    assert_eq!(world.executed, world.numbers()[..executed]);
    assert!(executed > last);
    match produce.get(nth - 1 + lost) {
        Some(_) if lost == count => assert_eq!(executed, last + 1, "later requests reached the broker"),
        Some(next) => assert!(executed <= *next, "another request was executed and not counted"),
        None => {}
    }
    let records = |error: Option<i16>| -> u64 {
        let group = group.iter().map(|at| &world.requests[*at]);
        group
            .filter(|request| error.is_none_or(|error| request.error == error))
            .map(|request| request.records)
            .sum()
    };
    assert_eq!(counters.kafka.records_lost, records(None));
    assert_eq!(counters.kafka.records_taken, records(Some(0)));
    assert_eq!(counters.kafka.errors.values().sum::<u64>(), counters.kafka.responses_lost);
    let others = u64::try_from(executed - first - lost).unwrap();
    assert_eq!(counters.kafka.also_lost, others);
    assert_eq!((counters.kafka.group_timeouts, counters.kafka.unacked), (0, 0), "{counters:?}");
    assert_eq!((world.ends[0].reset, world.ends[1].reset), (Some(true), Some(true)));
    counters
}

fn undisturbed_so_far(world: &mut World) {
    world.until("all answered", World::all_done);
    assert_eq!(world.executed, world.numbers());
    assert_eq!((world.ends[0].reset, world.ends[1].reset), (None, None));
}

fn holding(mut world: World, requests: Requests, means: impl Fn(&Request) -> bool) -> Counters {
    let nth = 1 + u32::try_from(world.dice.roll(4)).unwrap();
    world.open();
    let chosen = world.kind(means);
    let hold = HoldRequest { requests, nth, count: 1 };
    let rule = world.fabric.install(Rule::HoldRequest(hold)).unwrap();
    let Some(at) = chosen.get(usize::try_from(nth).unwrap() - 1).copied() else {
        undisturbed_so_far(&mut world);
        return world.fabric.remove(rule, world.now, &mut Outbox(Vec::new()));
    };
    world.until("everything before it answered", |world| world.answered.len() == at);
    (0..world.dice.size(400)).collect::<Vec<_>>().iter().for_each(|_| world.step());
    assert_eq!(world.executed, world.numbers()[..at], "a held request was executed");
    let mut out = Outbox(Vec::new());
    let counters = world.fabric.remove(rule, world.now, &mut out);
    let held = counters.kafka.requests_held;
    world.deliver(out);
    world.until("all answered after the release", World::all_done);
    assert_eq!(world.executed, world.numbers());
    assert_eq!(world.answered, world.numbers());
    assert_eq!(counters.kafka.requests_released, held);
    assert_eq!((world.ends[0].reset, world.ends[1].reset), (None, None));
    counters
}

#[test]
fn following_alone_changes_nothing() {
    (0..3000).for_each(|seed| undisturbed(World::new(seed)));
}

#[test]
fn losing_responses_means_what_it_says() {
    let lost: u64 = (0..15_000).map(|seed| losing(World::new((1 << 32) | seed)).kafka.responses_lost).sum();
    assert!(lost > 10_000, "only {lost} responses lost");
}

#[test]
fn a_held_request_is_executed_once_and_only_after_its_release() {
    let hold = |seed: u64| {
        holding(World::new((2 << 32) | seed), Requests::of(Api::PRODUCE), |request| {
            request.api == Api::PRODUCE
        })
    };
    let held: u64 = (0..6000).map(|seed| hold(seed).kafka.requests_held).sum();
    assert!(held > 4000, "only {held} requests held");
}

#[test]
fn a_transaction_end_is_held_by_what_it_asks_for() {
    let aborts = || Requests { commits: Some(false), ..Requests::of(Api::END_TXN) };
    let means = |request: &Request| request.api == Api::END_TXN && !request.commits;
    let held: u64 = (0..6000)
        .map(|seed| holding(World::new((3 << 32) | seed), aborts(), means).kafka.requests_held)
        .sum();
    assert!(held > 1000, "only {held} requests held");
}

#[test]
fn a_rule_that_comes_in_the_middle_harms_nothing_it_does_not_mean() {
    for seed in 0..3000 {
        let mut world = World::new((4 << 32) | seed);
        world.open();
        some_steps(&mut world);
        let hold = HoldRequest { requests: Requests::of(Api::PRODUCE), nth: 1, count: 1 };
        let rule = world.fabric.install(Rule::HoldRequest(hold)).unwrap();
        (0..100).for_each(|_| world.step());
        let mut out = Outbox(Vec::new());
        let counters = world.fabric.remove(rule, world.now, &mut out);
        assert_eq!(counters.kafka.requests_released, counters.kafka.requests_held);
        world.deliver(out);
        undisturbed_so_far(&mut world);
    }
}
