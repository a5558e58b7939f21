//! Committed positions as a register for each group and log: once a position is known to be committed, a lower one may
//! be read back only if it was committed afterwards, or might have been.
//!
//! What is known is what a commit acknowledged or a fetch returned. A commit of unknown outcome may take effect at any
//! time, or never; a commit within a transaction takes effect when that ends, if it is committed. Rewinding is a
//! commit of a lower position and no regression.
//!
//! ```text
//! 1..2 p2 commit-offsets t/0 @5      known: 5
//! 3..4 p3 fetch-committed t/0 @2     regression: nobody committed 2 after 5 was known
//! 3..9 p2 commit-offsets t/0 @2      … but with this one open at the time there is none
//! ```

use std::collections::HashMap;

use history::ids::{LogId, Nanos, Offset, Process};
use history::merged::{Buffer, History, HistoryError, Kind, TxnChunk, TxnEnd};
use history::op::{Event, Op, Outcome, Phase, Position};

use super::context::Group;
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Findings, Sighting};
use crate::log::stream::nanos;

/// All positions that were committed and read back.
#[derive(Debug, Default)]
pub(crate) struct Positions {
    registers: HashMap<(usize, LogId), Register>,
    /// Commits and fetches without an answer.
    asked: HashMap<Process, Vec<Asked>>,
}

#[derive(Debug)]
struct Asked {
    /// The positions to be committed; none for a fetch.
    positions: Option<Vec<Position>>,
    time: Nanos,
}

/// One group's position in one log.
#[derive(Debug, Default)]
struct Register {
    writes: Vec<Write>,
    reads: Vec<Read>,
}

/// A commit that may have happened.
#[derive(Clone, Copy, Debug)]
struct Write {
    process: Process,
    next: i64,
    invoked: Nanos,
    /// When it was acknowledged; none where it may happen later.
    returned: Option<Nanos>,
}

#[derive(Clone, Copy, Debug)]
struct Read {
    process: Process,
    next: i64,
    invoked: Nanos,
    returned: Nanos,
}

/// Something that shows that a position was committed by some time.
#[derive(Clone, Copy, Debug)]
struct Known {
    next: i64,
    invoked: Nanos,
    returned: Nanos,
    process: Process,
    read: bool,
}

impl Positions {
    /// Takes note of an event.
    pub(crate) fn note(&mut self, event: &Event, group: Option<usize>) {
        let Event { time, process, .. } = *event;
        match (&event.op, &event.phase) {
            (Op::CommitOffsets { positions, .. }, Phase::Invoke) => {
                let positions = Some(positions.clone());
                self.asked.entry(process).or_default().push(Asked { positions, time });
            }
            (Op::FetchCommitted { .. }, Phase::Invoke) => {
                self.asked.entry(process).or_default().push(Asked { positions: None, time });
            }
            (Op::CommitOffsets { positions, .. }, Phase::Complete(outcome)) => {
                let invoked = self.invoked(process, Some(positions));
                self.committed(group, (process, invoked, time), positions, outcome);
            }
            (Op::FetchCommitted { positions }, Phase::Complete(Outcome::Ok { .. })) => {
                let Some(invoked) = self.invoked(process, None) else { return };
                let Some(group) = group else { return };
                for &Position { log, next } in positions {
                    let read = Read { process, next: next.0, invoked, returned: time };
                    self.registers.entry((group, log)).or_default().reads.push(read);
                }
            }
            (Op::FetchCommitted { .. }, Phase::Complete(_)) => drop(self.invoked(process, None)),
            _ => {}
        }
    }

    /// When something was asked that is answered now.
    fn invoked(&mut self, process: Process, positions: Option<&Vec<Position>>) -> Option<Nanos> {
        let open = self.asked.get_mut(&process)?;
        let at = open.iter().position(|asked| asked.positions.as_ref() == positions)?;
        Some(open.remove(at).time)
    }

    fn committed(
        &mut self,
        group: Option<usize>,
        (process, invoked, time): (Process, Option<Nanos>, Nanos),
        positions: &[Position],
        outcome: &Outcome,
    ) {
        let returned = match outcome {
            Outcome::Fail { .. } => return,
            Outcome::Ok { .. } => Some(time),
            Outcome::Info { .. } => None,
        };
        // Without a question it may have been asked at any time.
        let invoked = invoked.unwrap_or_default();
        for &Position { log, next } in positions {
            let write = Write { process, next: next.0, invoked, returned };
            self.write(group, log, write);
        }
    }

    /// Positions that were sent to transactions are committed with them.
    pub(crate) fn transactions(
        &mut self,
        history: &History,
        group_of: &HashMap<Process, usize>,
    ) -> Result<(), HistoryError> {
        let (mut buffer, mut chunk) = (Buffer::default(), TxnChunk::default());
        for entry in history.entries().iter().filter(|entry| entry.kind == Kind::Transactions) {
            let group = group_of.get(&entry.process).copied();
            if group.is_none() {
                continue;
            }
            history.transactions(entry, &mut buffer, &mut chunk)?;
            for sent in &chunk.offsets {
                let Some(txn) = chunk.txns.get(sent.txn as usize) else { continue };
                let returned = match txn.how {
                    TxnEnd::Committed if sent.certain => Some(nanos(txn.ended)),
                    TxnEnd::Committed | TxnEnd::Unknown => None,
                    TxnEnd::Aborted | TxnEnd::Failed | TxnEnd::Open => continue,
                };
                let (process, invoked) = (entry.process, nanos(txn.invoked));
                self.write(group, sent.log, Write { process, next: sent.next.0, invoked, returned });
            }
        }
        Ok(())
    }

    fn write(&mut self, group: Option<usize>, log: LogId, write: Write) {
        if let Some(group) = group {
            self.registers.entry((group, log)).or_default().writes.push(write);
        }
    }

    /// Ends the history: what is open may happen at any time.
    pub(crate) fn finish(&mut self, group_of: &HashMap<Process, usize>) {
        let asked = std::mem::take(&mut self.asked);
        for (process, open) in asked {
            let group = group_of.get(&process).copied();
            for Asked { positions, time } in open {
                for Position { log, next } in positions.into_iter().flatten() {
                    let write = Write { process, next: next.0, invoked: time, returned: None };
                    self.write(group, log, write);
                }
            }
        }
    }

    /// Every position of a log that was read back too low.
    pub(crate) fn regressions(&self, groups: &[Group], log: LogId) -> Findings {
        let mut findings = Findings::default();
        for (index, group) in groups.iter().enumerate() {
            let Some(register) = self.registers.get(&(index, log)) else { continue };
            for (known, read) in register.regressions() {
                findings.push(finding(log, group, known, read));
            }
        }
        findings
    }
}

impl Register {
    fn regressions(&self) -> Vec<(Known, Read)> {
        let known = self.known();
        let mut found = Vec::new();
        for read in &self.reads {
            let same =
                self.writes.iter().filter(|write| write.next == read.next && write.invoked < read.returned);
            // When the last commit of what was read may have taken effect.
            let last = same.map(|write| write.returned.unwrap_or(Nanos(u64::MAX))).max();
            let until = known.partition_point(|known| known.returned < read.invoked);
            let later = known[..until].iter().rev();
            // What was answered by then was asked before it, too.
            let mut later = later.take_while(|known| last.is_none_or(|last| known.returned > last));
            let higher =
                later.find(|known| known.next > read.next && last.is_none_or(|last| known.invoked > last));
            found.extend(higher.map(|known| (*known, *read)));
        }
        found
    }

    /// What shows that a position was committed, in the order in which it was known.
    fn known(&self) -> Vec<Known> {
        let written = self.writes.iter().filter_map(|write| {
            let Write { process, next, invoked, returned } = *write;
            Some(Known { next, invoked, returned: returned?, process, read: false })
        });
        let read = self.reads.iter().map(|read| {
            let Read { process, next, invoked, returned } = *read;
            Known { next, invoked, returned, process, read: true }
        });
        let mut known: Vec<Known> = written.chain(read).collect();
        known.sort_by_key(|known| known.returned);
        known
    }
}

fn finding(log: LogId, group: &Group, known: Known, read: Read) -> Finding {
    let (process, next, time) = (known.process, Offset(known.next), known.returned);
    let before = match known.read {
        true => Sighting::Fetched { process, next, time },
        false => Sighting::Committed { process, next, time },
    };
    let after = Sighting::Fetched { process: read.process, next: Offset(read.next), time: read.returned };
    Finding {
        anomaly: Anomaly::OffsetRegression,
        log,
        group: Some(group.name.clone()),
        count: 1,
        first: None,
        last: None,
        offsets: None,
        cause: None,
        sightings: vec![before, after],
    }
}
