//! Reads one log from its leader, whoever that is at the moment, until its end or the deadline.
//!
//! A broker that does not answer, does not lead any more or sends a damaged answer is no reason to give up
//! and no reason to go on as if nothing had been: the same position is asked for again, from the leader with
//! the newest epoch that any broker knows, until the deadline.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use history::ids::{Nanos, NodeId, Offset, TopicPartition};
use history::op::Isolation;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::LogRead;
use super::decode::{Decoder, Part, Piece};
use crate::clock;
use crate::wire::{At, Client, FetchPosition, WireError};

/// For one exchange with a broker.
const PATIENCE: Duration = Duration::from_secs(5);
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(100);
/// Per answer: large enough for speed, small enough to have several at a time.
const BYTES_MAX: i32 = 8 << 20;
/// How long a leader may wait for records that the high watermark does not cover yet.
const WAIT: Duration = Duration::from_millis(200);
const NAME: &str = "onceproof-reader";

/// One log to read.
#[derive(Clone, Debug)]
pub(super) struct Order {
    pub(super) index: usize,
    pub(super) log: TopicPartition,
    pub(super) isolation: Isolation,
    pub(super) run: u64,
    pub(super) brokers: BTreeMap<NodeId, SocketAddr>,
    pub(super) deadline: Nanos,
}

/// Reads, and sends every piece with the order's index.
pub(super) async fn read(order: Order, pieces: mpsc::Sender<(usize, Piece)>) -> LogRead {
    let read = LogRead {
        log: order.log.clone(),
        isolation: order.isolation,
        start: None,
        end: None,
        reached: None,
        records: 0,
        foreign: 0,
        trouble: None,
    };
    let deadline = order.deadline;
    let mut pump = Pump { order, pieces, read, decoder: None };
    let left = Duration::from_nanos(deadline.0.saturating_sub(clock::now().0));
    // What was reached is kept in the pump, so the deadline may fall anywhere.
    let ended = timeout(left, pump.until_the_end()).await;
    if ended.is_err() && pump.read.trouble.is_none() {
        pump.read.trouble = Some("the deadline passed".to_owned());
    }
    pump.read
}

struct Pump {
    order: Order,
    pieces: mpsc::Sender<(usize, Piece)>,
    read: LogRead,
    decoder: Option<Decoder>,
}

impl Pump {
    async fn until_the_end(&mut self) {
        while let Err(trouble) = self.with_one_leader().await {
            self.read.trouble = Some(trouble);
            sleep(PAUSE).await;
        }
    }

    async fn with_one_leader(&mut self) -> Result<(), String> {
        let leader = newest_leader(&self.order.log, &self.order.brokers).await;
        let leader = leader.ok_or_else(|| format!("no broker knows a leader of {}", self.order.log))?;
        let address = self
            .order
            .brokers
            .get(&leader)
            .ok_or_else(|| format!("unknown broker {leader} leads {}", self.order.log))?;
        let mut client = Client::connect(*address, NAME, PATIENCE).await.map_err(words)?;
        let mut decoder = match self.decoder.take() {
            Some(decoder) => decoder,
            None => self.ends(&mut client).await.map_err(words)?,
        };
        let done = self.pour(&mut client, &mut decoder).await;
        self.decoder = Some(decoder);
        done
    }

    async fn ends(&mut self, client: &mut Client) -> Result<Decoder, WireError> {
        let log = &self.order.log;
        let end = client.offset(log, At::LogEnd).await?;
        let start = client.offset(log, At::Start).await?;
        self.read.start = Some(start);
        self.read.end = Some(end);
        self.read.reached = Some(start);
        Ok(Decoder::new(log.clone(), self.order.run, self.order.isolation, start, end))
    }

    async fn pour(&mut self, client: &mut Client, decoder: &mut Decoder) -> Result<(), String> {
        while Some(decoder.position()) < self.read.end {
            let position = self.position(decoder.position());
            let fetched = client.fetch(&position).await.map_err(words)?;
            let (visible, before) = (visible_end(&fetched, self.order.isolation), decoder.position());
            let (piece, result) = decoder.take(fetched);
            let (records, foreign) = totals(&piece);
            self.send(piece).await?;
            self.read.records += records;
            self.read.foreign += foreign;
            self.read.reached = Some(decoder.position());
            result.map_err(|bad| format!("{}: {bad}", self.order.log))?;
            if decoder.position() == before {
                self.read.trouble = Some(format!("{} may be read only up to {visible}", self.order.log));
            }
        }
        Ok(())
    }

    fn position(&self, offset: Offset) -> FetchPosition {
        let log = self.order.log.clone();
        FetchPosition { log, offset, isolation: self.order.isolation, bytes_max: BYTES_MAX, wait: WAIT }
    }

    async fn send(&self, piece: Piece) -> Result<(), String> {
        if piece.parts.is_empty() && piece.batches.is_empty() {
            return Ok(());
        }
        self.pieces.send((self.order.index, piece)).await.map_err(|_| "the journal is closed".to_owned())
    }
}

/// Records of this run, and others.
fn totals(piece: &Piece) -> (u64, u64) {
    piece.parts.iter().fold((0, 0), |(records, foreign), part| match part {
        Part::Run { count, .. } => (records + u64::from(*count), foreign),
        Part::Foreign { .. } => (records, foreign + 1),
    })
}

fn visible_end(fetched: &crate::wire::Fetched, isolation: Isolation) -> Offset {
    match isolation {
        Isolation::ReadUncommitted => fetched.high_watermark,
        Isolation::ReadCommitted => fetched.last_stable,
    }
}

/// The leader with the newest epoch that any broker names.
async fn newest_leader(log: &TopicPartition, brokers: &BTreeMap<NodeId, SocketAddr>) -> Option<NodeId> {
    let mut asking = JoinSet::new();
    for address in brokers.values().copied() {
        let log = log.clone();
        asking.spawn(async move {
            let mut client = Client::connect(address, NAME, PATIENCE).await.ok()?;
            let metadata = client.metadata(std::slice::from_ref(&log.topic)).await.ok()?;
            let known = metadata.logs.get(&log)?;
            known.leader.map(|leader| (known.epoch, leader))
        });
    }
    asking.join_all().await.into_iter().flatten().max().map(|(_, leader)| leader)
}

fn words(error: WireError) -> String {
    error.to_string()
}
