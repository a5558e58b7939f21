//! The pipeline: the clock, the logs, and the loop that lets producers and groups take turns.

use std::io::{self, Write};
use std::ops::Range;

use history::ids::{LogId, Offset, Process, TopicPartition};
use history::op::{Batch, ForeignRecord, Identity, Isolation};

use super::agenda::{Agenda, Happening};
use super::cluster::Cluster;
use super::consumer::Group;
use super::manifest::{Manifest, Planted};
use super::parcel::{End, Fate, Parcel};
use super::producer::Producer;
use super::random::Random;
use super::recorder::Recorder;
use super::tail::{Piece, Tail};
use super::transaction::Transaction;
use super::transform::Intake;
use super::{Feature, Options};
use crate::plant;

/// A pipeline in the middle of its life.
pub(crate) struct Pipeline<'o> {
    pub(crate) options: &'o Options,
    pub(crate) random: Random,
    pub(crate) recorder: Recorder<'o>,
    /// Microseconds. Whatever is appended to a log is appended now.
    pub(crate) now: u64,
    pub(crate) logs: Vec<Log>,
    pub(super) producers: Vec<Producer>,
    pub(super) transaction: Option<Transaction>,
    pub(crate) groups: Vec<Group>,
    pub(super) cluster: Cluster,
    /// The harness's own process.
    pub(super) harness: Process,
    /// Reads end offsets and looks at single records; in no group.
    pub(crate) observer: Process,
    /// Records that are not ours, until the reader reports them.
    pub(crate) foreign: Vec<(LogId, Offset, ForeignRecord)>,
    pub(super) planted: Vec<Planted>,
    pub(super) sent: u64,
    /// Logs from this one on hold transactions.
    pub(super) transactional_from: usize,
    /// How many of them are written by the transactional producer.
    pub(super) ledgers: usize,
    /// Where the transformer is, if there is one.
    pub(crate) intake: Option<Intake>,
    /// The log that nobody reads, and the number of records in it.
    pub(crate) unread: Option<(LogId, i64)>,
    /// Transactions whose abort was acknowledged.
    pub(super) aborted: u64,
    /// Those whose commit was.
    pub(super) committed: u64,
    /// Reused from turn to turn, one for each log.
    pub(super) parcels: Vec<Parcel>,
}

/// One log.
#[derive(Debug)]
pub(crate) struct Log {
    pub(crate) id: LogId,
    pub(super) name: TopicPartition,
    /// Offset of the next record.
    pub(crate) next: i64,
    /// Whether its offsets have gaps.
    sparse: bool,
    pub(super) tail: Tail,
    /// Rank of the first record of the transaction that is open.
    pub(super) undecided: Option<u64>,
}

impl Log {
    pub(super) fn new(id: LogId, name: TopicPartition, sparse: bool) -> Self {
        Self { id, name, next: 0, sparse, tail: Tail::default(), undecided: None }
    }

    /// Rank after the last record that a reader may see.
    pub(super) fn readable(&self, isolation: Isolation) -> u64 {
        let stable = self.undecided.filter(|_| isolation == Isolation::ReadCommitted);
        stable.unwrap_or(self.tail.end())
    }
}

/// Producer id of the transactional id.
const BANK: i64 = 1 << 40;

/// Microseconds that a record takes on average.
const PACE: u64 = 5;

impl<'o> Pipeline<'o> {
    pub(super) fn new(options: &'o Options, out: &'o mut dyn Write) -> io::Result<Self> {
        let mut pipeline = Self {
            options,
            random: Random::new(options.seed),
            recorder: Recorder::new(out, options.seed)?,
            now: 1_000,
            logs: Vec::new(),
            producers: Vec::new(),
            transaction: None,
            groups: Vec::new(),
            cluster: Cluster::default(),
            harness: Process(0),
            observer: Process(0),
            foreign: Vec::new(),
            planted: Vec::new(),
            sent: 0,
            transactional_from: usize::from(options.partitions),
            ledgers: 0,
            intake: None,
            unread: None,
            aborted: 0,
            committed: 0,
            parcels: Vec::new(),
        };
        pipeline.provision()?;
        Ok(pipeline)
    }

    /// Everything that is there before the first record.
    fn provision(&mut self) -> io::Result<()> {
        let identity = |name: &str, role: &str, family: &str| Identity {
            name: name.to_owned(),
            role: role.to_owned(),
            family: family.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..Identity::default()
        };
        self.harness = self.recorder.open(identity("harness", "harness", "onceproof"), self.now)?;
        self.recorder.open(identity("reader", "reader", "wire"), self.now)?;
        self.observer = self.recorder.open(identity("observer", "consumer", "wire"), self.now)?;
        let ledgers =
            if self.options.has(Feature::Transactions) { 2 + self.options.partitions / 16 } else { 0 };
        self.ledgers = usize::from(ledgers);
        let own = u16::from(self.options.has(Feature::Transform));
        let topics =
            [("orders", self.options.partitions), ("ledger", ledgers), ("intake", own), ("copies", own)];
        for (topic, partition) in
            topics.iter().flat_map(|(topic, count)| (0..*count).map(move |n| (topic, n)))
        {
            let name = TopicPartition::new(*topic, i32::from(partition));
            let id = self.recorder.log(name.clone());
            let sparse = self.options.has(Feature::Sparse) && self.random.chance(1, 2);
            self.logs.push(Log::new(id, name, sparse));
        }
        self.parcels = self.logs.iter().map(|log| Parcel { log: log.id, ..Parcel::default() }).collect();
        self.first_view()?;
        self.start_producers()?;
        self.start_groups()?;
        self.phase("warm-up")
    }

    /// Lives, to the end.
    pub(super) fn run(mut self) -> io::Result<Manifest> {
        let mut agenda = Agenda::new(self.options, &mut self.random);
        while self.sent < self.options.records || !agenda.is_empty() {
            let happening = agenda.due(self.sent.min(self.options.records));
            match happening {
                Some(happening) => self.happen(&happening)?,
                None => {
                    let left = self.options.records.saturating_sub(self.sent);
                    self.turn(u32::try_from(left).unwrap_or(u32::MAX))?;
                }
            }
        }
        self.finish()
    }

    fn happen(&mut self, happening: &Happening) -> io::Result<()> {
        match happening {
            Happening::Phase(name) => self.phase(name),
            Happening::Strike => self.strike(),
            Happening::Heal => self.heal(),
            Happening::ProducerDies => self.producer_dies(),
            Happening::MemberDies => self.member_dies(),
            Happening::Rebalance => self.rebalance(),
            Happening::EndOffsets => self.read_ends(),
            Happening::Plant(anomaly) => {
                let began = self.now;
                if let Some(plant) = plant::how(*anomaly) {
                    let planted = plant(self)?;
                    let log = planted.log;
                    self.planted.push(Planted { at_us: began, ..planted });
                    if usize::from(log.0) < self.logs.len() {
                        self.consume(log)?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn wait(&mut self, least: u64, most: u64) {
        self.now += self.random.between(least, most);
    }

    pub(super) fn wait_for_records(&mut self, count: u32) {
        self.now += u64::from(count) * PACE + self.random.below(200);
    }

    /// When what is appended now will be acknowledged.
    pub(crate) fn answered(&mut self) -> u64 {
        self.now + self.random.between(300, 5_000)
    }

    /// Leaves offsets out, as compaction and markers do.
    fn gap(&mut self, log: LogId) {
        let log = &mut self.logs[usize::from(log.0)];
        if log.sparse && self.random.chance(1, 4) {
            log.next += 1 + i64::try_from(self.random.below(200)).unwrap_or(0);
        }
    }

    /// Appends part of a parcel to its log; returns the offset of its first record.
    pub(crate) fn append(&mut self, parcel: &Parcel, range: Range<usize>) -> io::Result<i64> {
        self.append_to(parcel.log, parcel, range, true)
    }

    /// Appends part of a parcel to any log.
    pub(crate) fn append_to(
        &mut self,
        log: LogId,
        parcel: &Parcel,
        range: Range<usize>,
        visible: bool,
    ) -> io::Result<i64> {
        let (process, seqs) = (parcel.process.0, &parcel.seqs[range]);
        let log = &mut self.logs[usize::from(log.0)];
        let offset = log.next;
        let piece = Piece { offset, process, seqs, visible };
        if seqs.is_empty() {
            return Ok(offset);
        }
        log.next = offset.saturating_add_unsigned(seqs.len() as u64);
        self.recorder.stored(log.id, piece)?;
        if !self.groups.is_empty() || self.intake.is_some() {
            log.tail.push(piece);
        }
        if self.options.has(Feature::Batches) {
            let batch = Batch {
                log: log.id,
                base_offset: Offset(offset),
                last_offset: Offset(log.next - 1),
                leader_epoch: self.cluster.epoch(log.id),
                producer_id: parcel.epoch.map_or(i64::from(process), |_| BANK),
                producer_epoch: parcel.epoch.unwrap_or(0),
                base_sequence: (seqs[0] & 0x7fff_ffff).cast_signed(),
                control: false,
                transactional: parcel.epoch.is_some(),
            };
            self.recorder.batch(batch)?;
        }
        Ok(offset)
    }

    /// Appends the marker that decides a transaction.
    pub(super) fn marker(&mut self, log: LogId, epoch: i16) -> io::Result<()> {
        let offset = Offset(self.leave_out(log));
        if !self.options.has(Feature::Batches) {
            return Ok(());
        }
        self.recorder.batch(Batch {
            log,
            base_offset: offset,
            last_offset: offset,
            leader_epoch: self.cluster.epoch(log),
            producer_id: BANK,
            producer_epoch: epoch,
            base_sequence: -1,
            control: true,
            transactional: true,
        })
    }

    /// Leaves out the next offset of a log; returns it.
    pub(crate) fn leave_out(&mut self, log: LogId) -> i64 {
        let log = &mut self.logs[usize::from(log.0)];
        log.next += 1;
        log.next - 1
    }

    /// Part of a parcel meets its fate.
    pub(crate) fn settle(&mut self, parcel: &Parcel, range: Range<usize>, fate: Fate) -> io::Result<()> {
        self.settle_as(parcel, range, fate, true)
    }

    pub(super) fn settle_as(
        &mut self,
        parcel: &Parcel,
        range: Range<usize>,
        fate: Fate,
        visible: bool,
    ) -> io::Result<()> {
        if range.is_empty() {
            return Ok(());
        }
        let completed = self.answered();
        let mut offset = 0;
        if fate.is_stored() {
            self.gap(parcel.log);
            offset = self.append_to(parcel.log, parcel, range.clone(), visible)?;
        }
        let end = match fate {
            Fate::Acked => End::acked(offset, completed),
            Fate::Blind => End::blind(completed),
            Fate::Recovered { learned } => End::unknown(learned.then_some(offset), completed),
            Fate::Absent => End::unknown(None, completed),
            Fate::Refused => End::failed(completed),
            Fate::Orphaned { .. } => End::never(),
        };
        self.recorder.sent(parcel, range, end)
    }

    /// Offset of the next record of a log.
    pub(crate) fn end(&self, log: LogId) -> i64 {
        self.logs[usize::from(log.0)].next
    }

    /// Name of a log.
    pub(crate) fn name(&self, log: LogId) -> &TopicPartition {
        &self.logs[usize::from(log.0)].name
    }

    /// Any log of the topic that is written without transactions.
    pub(crate) fn any_log(&mut self) -> LogId {
        LogId(u16::try_from(self.random.index(self.transactional_from)).unwrap_or(0))
    }
}
