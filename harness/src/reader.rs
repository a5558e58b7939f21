//! The independent final read: what every log holds at the end, read from its leader by the wire protocol.
//!
//! This is the ground truth of the log stage, so it depends on no client under test and claims nothing that
//! it did not see. For each log it first asks the leader for the end of what is appended, then reads until it
//! is there. Asking for the high watermark instead would be wrong: right after an election, or with slow
//! followers, it lags behind records that a leader has acknowledged with `acks=1`, and they would seem lost.
//! Consumers may read only up to the high watermark (or the last stable offset), so the read waits for these
//! to arrive at the end; if they do not before the deadline, the log's read is incomplete and says so.
//!
//! Logs are read side by side and written to one journal.

mod decode;
mod pump;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use history::ids::{LogId, Nanos, NodeId, Offset, Process, TopicPartition};
use history::journal::{JournalError, Writer};
use history::op::{Batch, Event, Isolation, Op, Outcome, Phase, Run};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::clock;
use decode::{Part, Piece};

/// Logs that are read at the same time: enough to keep leaders busy, few enough to bound memory.
const SIDE_BY_SIDE: usize = 4;

/// What is to be read.
#[derive(Clone, Debug)]
pub struct Question {
    /// Client addresses of all brokers.
    pub brokers: BTreeMap<NodeId, SocketAddr>,
    /// The logs.
    pub logs: Vec<TopicPartition>,
    /// Isolation levels, read one after the other.
    pub isolations: Vec<Isolation>,
    /// The run's id, which every record carries.
    pub run: u64,
    /// When reading ends, whether or not every end was reached.
    pub deadline: Nanos,
}

/// What became of one log's read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogRead {
    /// The log.
    pub log: TopicPartition,
    /// The isolation level.
    pub isolation: Isolation,
    /// Where the log begins, if its leader said so in time.
    pub start: Option<Offset>,
    /// Where it ended before it was read, if its leader said so in time.
    pub end: Option<Offset>,
    /// The position reached.
    pub reached: Option<Offset>,
    /// Records of this run that were read.
    pub records: u64,
    /// Records that are not this run's, or not intact.
    pub foreign: u64,
    /// The last thing that went wrong, if anything did.
    pub trouble: Option<String>,
}

impl LogRead {
    /// Whether every record up to the end was read.
    pub fn is_complete(&self) -> bool {
        self.end.is_some() && self.reached >= self.end
    }
}

/// Reads every log, and writes what it holds to the reader's journal: `FinalRead` runs, one `Batch` per record
/// batch (from the uncommitted read), `Foreign` records, and a `FinalReadEnd` per log. A log whose ends nobody
/// told before the deadline gets no `FinalReadEnd`.
pub async fn final_read(
    question: &Question,
    process: Process,
    journal: &mut Writer,
) -> Result<Vec<LogRead>, JournalError> {
    let mut reads = Vec::new();
    for isolation in &question.isolations {
        reads.extend(read_all(question, *isolation, process, journal).await?);
    }
    Ok(reads)
}

async fn read_all(
    question: &Question,
    isolation: Isolation,
    process: Process,
    journal: &mut Writer,
) -> Result<Vec<LogRead>, JournalError> {
    let (send, mut pieces) = mpsc::channel(SIDE_BY_SIDE * 2);
    let permits = std::sync::Arc::new(tokio::sync::Semaphore::new(SIDE_BY_SIDE));
    let mut pumps = JoinSet::new();
    let mut into = Vec::new();
    for (index, log) in question.logs.iter().enumerate() {
        into.push(Destination { process, isolation, log: journal.log(log)? });
        let order = pump::Order {
            index,
            log: log.clone(),
            isolation,
            run: question.run,
            brokers: question.brokers.clone(),
            deadline: question.deadline,
        };
        let (permits, send) = (permits.clone(), send.clone());
        pumps.spawn(async move {
            let _permit = permits.acquire().await;
            (index, pump::read(order, send).await)
        });
    }
    drop(send);
    while let Some((index, piece)) = pieces.recv().await {
        into[index].write(&piece, journal)?;
    }
    let mut reads: Vec<(usize, LogRead)> = pumps.join_all().await;
    reads.sort_by_key(|(index, _)| *index);
    for (index, read) in &reads {
        into[*index].end(read, journal)?;
    }
    Ok(reads.into_iter().map(|(_, read)| read).collect())
}

/// Where the pieces of one log go.
struct Destination {
    process: Process,
    isolation: Isolation,
    log: LogId,
}

impl Destination {
    fn write(&self, piece: &Piece, journal: &mut Writer) -> Result<(), JournalError> {
        let now = clock::now();
        let mut runs: Vec<Run> = Vec::with_capacity(piece.parts.len());
        for part in &piece.parts {
            match part {
                Part::Run { offset, first, count } => {
                    runs.push(Run { log: self.log, offset: *offset, first: *first, count: *count });
                }
                Part::Foreign { offset, why } => {
                    let op = Op::Foreign { log: self.log, offset: *offset, why: why.clone() };
                    journal.event(&self.event(now, op))?;
                }
            }
        }
        if !runs.is_empty() {
            journal.final_read(self.isolation, &runs, now)?;
        }
        // The batches are the same whoever may see them.
        if self.isolation == Isolation::ReadUncommitted {
            for header in &piece.batches {
                let batch = Batch {
                    log: self.log,
                    base_offset: header.base_offset,
                    last_offset: header.last_offset,
                    leader_epoch: header.leader_epoch,
                    producer_id: header.producer_id,
                    producer_epoch: header.producer_epoch,
                    base_sequence: header.base_sequence,
                    control: header.control,
                    transactional: header.transactional,
                };
                journal.event(&self.event(now, Op::Batch(batch)))?;
            }
        }
        Ok(())
    }

    fn end(&self, read: &LogRead, journal: &mut Writer) -> Result<(), JournalError> {
        let (Some(start), Some(end), Some(reached)) = (read.start, read.end, read.reached) else {
            return Ok(());
        };
        let op = Op::FinalReadEnd { isolation: self.isolation, log: self.log, start, end, reached };
        journal.event(&self.event(clock::now(), op))
    }

    fn event(&self, time: Nanos, op: Op) -> Event {
        Event { time, process: self.process, phase: Phase::Complete(Outcome::Ok { offset: None }), op }
    }
}
