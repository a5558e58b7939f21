//! Producers: whose turn it is, what they send and what becomes of it.

use std::io;

use history::ids::{LogId, Nanos, Process};
use history::op::{Event, Identity, Isolation, Op};

use super::feature::Feature;
use super::parcel::{Fate, Parcel};
use super::pipeline::Pipeline;

/// One producer in its present incarnation.
#[derive(Debug)]
pub(super) struct Producer {
    pub(super) process: Process,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) next_seq: u32,
    /// Epoch of its transactional id.
    pub(super) epoch: i16,
    /// Time of its last invocation.
    pub(super) last: u64,
}

/// How a producer works.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A whole turn to one log.
    Sticky,
    /// Each record to any log.
    Hashing,
    /// As [`Kind::Sticky`], and asks for no acknowledgement (`acks=0`).
    Careless,
    /// In transactions.
    Transactional,
    /// In transactions, what it makes of records that it takes in.
    Transformer,
}

impl Producer {
    pub(super) fn new(process: Process, name: String, kind: Kind, now: u64) -> Self {
        Self { process, name, kind, next_seq: 0, epoch: 0, last: now }
    }

    /// Takes a sequence number that no record will have.
    pub(crate) fn unused_seq(&mut self) -> u32 {
        self.next_seq += 1;
        self.next_seq - 1
    }
}

impl Pipeline<'_> {
    pub(super) fn start_producers(&mut self) -> io::Result<()> {
        let count = self.options.producers;
        for index in 0..count {
            let kind = match index {
                2 if count > 3 => Kind::Careless,
                _ if index % 2 == 0 => Kind::Sticky,
                _ => Kind::Hashing,
            };
            self.start_producer(format!("shop[{index}]"), kind)?;
        }
        if self.options.has(Feature::Transactions) {
            self.start_producer("bank[0]".to_owned(), Kind::Transactional)?;
        }
        if self.options.has(Feature::Transform) {
            let slot = self.start_transformer_process()?;
            self.start_transformer(slot);
        }
        Ok(())
    }

    fn start_producer(&mut self, name: String, kind: Kind) -> io::Result<()> {
        let process = self.open_producer(&name)?;
        self.producers.push(Producer::new(process, name, kind, self.now));
        if kind == Kind::Transactional { self.claim(self.producers.len() - 1) } else { Ok(()) }
    }

    /// A process of the transformer's group, with a transactional id of its own.
    pub(crate) fn start_transformer_process(&mut self) -> io::Result<usize> {
        let slot = self.producers.len();
        let identity = Identity {
            name: format!("copier[{slot}]"),
            role: "transformer".to_owned(),
            family: "simulated".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            group: Some("copier".to_owned()),
            isolation: Some(Isolation::ReadCommitted),
        };
        let name = identity.name.clone();
        let process = self.recorder.open(identity, self.now)?;
        self.producers.push(Producer::new(process, name, Kind::Transformer, self.now));
        self.claim(slot)?;
        Ok(slot)
    }

    fn open_producer(&mut self, name: &str) -> io::Result<Process> {
        let identity = Identity {
            name: name.to_owned(),
            role: "producer".to_owned(),
            family: "simulated".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Identity::default()
        };
        self.recorder.open(identity, self.now)
    }

    /// Any producer that waits for acknowledgements, outside transactions; never `other`, where there are two.
    pub(crate) fn any_producer(&mut self, other: Option<usize>) -> usize {
        let fit = |producer: &Producer| matches!(producer.kind, Kind::Sticky | Kind::Hashing);
        let all: Vec<usize> = (0..self.producers.len())
            .filter(|&slot| fit(&self.producers[slot]) && Some(slot) != other)
            .collect();
        if all.is_empty() { 0 } else { all[self.random.index(all.len())] }
    }

    /// A turn of some producer.
    pub(super) fn turn(&mut self, most: u32) -> io::Result<()> {
        let slot = self.random.index(self.producers.len());
        let batch = self.options.batch;
        match self.producers[slot].kind {
            Kind::Transactional => self.transactional_turn(slot, most),
            Kind::Transformer => self.transform().map(drop),
            Kind::Sticky | Kind::Careless => {
                let size = self.random.count(1, batch * 4).min(most);
                let log = self.any_log();
                self.send(slot, size, Some(log))
            }
            Kind::Hashing => {
                let wide = u32::try_from(self.logs.len()).unwrap_or(u32::MAX);
                let size = self.random.count(1, (batch * wide / 8).max(1)).min(most);
                self.send(slot, size, None)
            }
        }
    }

    /// Sends records to one log, or spread over all, and lets them meet their fates.
    fn send(&mut self, slot: usize, size: u32, log: Option<LogId>) -> io::Result<()> {
        let mut parcels = std::mem::take(&mut self.parcels);
        self.compose(slot, size, log.map(|log| usize::from(log.0)), &mut parcels);
        for parcel in parcels.iter_mut().filter(|parcel| parcel.len() > 0) {
            let fate = self.fate(self.producers[slot].kind);
            self.settle(parcel, parcel.all(), fate)?;
            self.consume(parcel.log)?;
            parcel.clear();
        }
        self.parcels = parcels;
        Ok(())
    }

    fn fate(&mut self, kind: Kind) -> Fate {
        if kind == Kind::Careless {
            return Fate::Blind;
        }
        match self.random.below(200) {
            0 => Fate::Recovered { learned: self.random.chance(1, 2) },
            1 => Fate::Absent,
            2 => Fate::Refused,
            _ => Fate::Acked,
        }
    }

    /// Hands records to the client library, between the last time it was called and now.
    fn compose(&mut self, slot: usize, size: u32, to: Option<usize>, parcels: &mut [Parcel]) {
        self.wait_for_records(size);
        // What the transformer makes is the last log's only content.
        let logs = parcels.len() as u64 - u64::from(self.intake.is_some());
        let producer = &mut self.producers[slot];
        self.now = self.now.max(producer.last + 1);
        let begin = producer.last.max(self.now.saturating_sub(20_000));
        // Uneven steps, the last of which does not pass the moment of the append.
        let step = (self.now - begin) / (u64::from(size) + 1);
        let (mut steady, mut time) = (begin, begin);
        self.sent += u64::from(size);
        let transactional = matches!(producer.kind, Kind::Transactional | Kind::Transformer);
        let epoch = transactional.then_some(producer.epoch);
        for parcel in parcels.iter_mut() {
            (parcel.process, parcel.epoch) = (producer.process, epoch);
        }
        for _ in 0..size {
            let draw = self.random.draw();
            steady += step;
            time = time.max(steady + (draw >> 40) % (step + 1));
            let to = to.unwrap_or_else(|| usize::try_from(((draw & 0xffff_ffff) * logs) >> 32).unwrap_or(0));
            parcels[to].seqs.push(producer.next_seq);
            parcels[to].invoked.push(time);
            producer.next_seq += 1;
        }
        producer.last = time;
    }

    /// Records of one producer for one log, on their way.
    pub(crate) fn parcel(&mut self, slot: usize, log: LogId, size: u32) -> Parcel {
        let mut one = [Parcel { log, ..Parcel::default() }];
        self.compose(slot, size, Some(0), &mut one);
        let [parcel] = one;
        parcel
    }

    /// A producer sends nothing until now.
    pub(crate) fn idle_until_now(&mut self, slot: usize) {
        let producer = &mut self.producers[slot];
        producer.last = producer.last.max(self.now);
    }

    /// A number that a producer's records will never have, with the producer.
    pub(crate) fn unused_value(&mut self, slot: usize) -> (Process, u32) {
        let producer = &mut self.producers[slot];
        (producer.process, producer.unused_seq())
    }

    /// A producer is killed in the middle of a turn; its successor is a new process.
    pub(super) fn producer_dies(&mut self) -> io::Result<()> {
        let mortal = self.producers.len() - usize::from(self.intake.is_some());
        let slot = self.random.index(mortal);
        let mut abandoned = None;
        if self.producers[slot].kind == Kind::Transactional {
            self.transactional_turn(slot, 50)?;
            self.commit_what_will_be()?;
            abandoned = self.abandon()?;
        } else {
            let mut parcels = std::mem::take(&mut self.parcels);
            let size = self.random.count(1, self.options.batch);
            self.compose(slot, size, None, &mut parcels);
            for parcel in parcels.iter_mut().filter(|parcel| parcel.len() > 0) {
                let stored = self.random.chance(1, 2);
                self.settle(parcel, parcel.all(), Fate::Orphaned { stored })?;
                self.consume(parcel.log)?;
                parcel.clear();
            }
            self.parcels = parcels;
        }
        let process = self.producers[slot].process;
        self.found_dead(process)?;
        self.succeed(slot)?;
        // What the dead one left open is aborted when its successor claims the id.
        abandoned.map_or(Ok(()), |transaction| self.mark(&transaction))
    }

    /// A new process takes a producer's place.
    pub(crate) fn succeed(&mut self, slot: usize) -> io::Result<()> {
        let name = self.producers[slot].name.clone();
        let successor = self.open_producer(&name)?;
        let producer = &mut self.producers[slot];
        let (kind, epoch) = (producer.kind, producer.epoch + 1);
        *producer = Producer { epoch, ..Producer::new(successor, name, kind, self.now) };
        if kind == Kind::Transactional { self.claim(slot) } else { Ok(()) }
    }

    /// The transactional producer.
    pub(super) fn bank(&self) -> usize {
        let bank = self.producers.iter().position(|producer| producer.kind == Kind::Transactional);
        bank.unwrap_or(0)
    }

    /// Another transactional producer, with an id of its own, for a while.
    pub(crate) fn second_bank(&mut self) -> io::Result<usize> {
        self.start_producer("mint[0]".to_owned(), Kind::Transactional)?;
        Ok(self.producers.len() - 1)
    }

    /// The last producer goes home.
    pub(crate) fn leave(&mut self, slot: usize) -> io::Result<()> {
        let process = self.producers.remove(slot).process;
        self.goes_home(process)
    }

    /// A process closes, and nothing more is heard of it.
    pub(crate) fn goes_home(&mut self, process: Process) -> io::Result<()> {
        // Whatever it sent has been acknowledged by then.
        self.now += 10_000;
        self.recorder.moment(process, self.now, Op::Close)?;
        self.recorder.close(process)
    }

    /// A process was killed, and its supervisor noticed.
    pub(super) fn found_dead(&mut self, process: Process) -> io::Result<()> {
        self.wait(100, 20_000);
        let crash = Op::Crash { how: "killed by signal 9".to_owned() };
        self.recorder.row(self.harness, Event::moment(Nanos(self.now * 1000), process, crash))?;
        let facts = self.recorder.facts.processes.entry(process).or_default();
        facts.torn = Some("it ends without a closing mark".to_owned());
        self.recorder.close(process)
    }
}
