//! What the rows of a history say about its consumers: groups, segments, commits, deaths, hand-overs out of order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use history::ids::{LogId, Nanos, Offset, Process};
use history::merged::{Buffer, History, HistoryError, Segments, TxnChunk, TxnEnd};
use history::op::{Event, ForeignRecord, Op, Outcome, Phase, Position};

use super::cause::Receiver;
use super::positions::Positions;
use crate::effect::sinks::Sinks;

/// Everything that the finders need from the rows.
#[derive(Debug, Default)]
pub(crate) struct Context {
    /// The groups, by name.
    pub(crate) groups: Vec<Group>,
    /// The group that a process belongs to.
    pub(crate) group_of: HashMap<Process, usize>,
    begins: HashMap<(Process, LogId), Vec<Begin>>,
    /// In order of time; only those that go further than all before.
    commits: HashMap<(usize, LogId), Vec<Commit>>,
    touched: HashSet<(usize, LogId)>,
    crashed: BTreeMap<Process, Option<Nanos>>,
    /// Hand-overs that are not the next records of a poll.
    hand_overs: HashMap<LogId, Vec<HandOver>>,
    /// End offsets that were read, where the time of the question is known.
    pub(crate) end_reads: HashMap<LogId, Vec<EndRead>>,
    /// Records that are not ours, each place once.
    pub(crate) foreign: BTreeMap<(LogId, Offset), ForeignRecord>,
    /// Whether any process used transactions.
    pub(crate) transactional: bool,
    /// Effects, and what sinks were found to hold.
    pub(crate) sinks: Sinks,
    /// Positions that were committed and read back.
    pub(crate) positions: Positions,
}

/// A consumer group.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// Whether a member recorded hand-overs to processing.
    pub(crate) hands_over: bool,
    /// Whether a member's journal was cut, so that deliveries may be missing.
    pub(crate) truncated: bool,
}

/// How a segment began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begin {
    pub(crate) time: Nanos,
    /// The position that was sought; none for an assignment.
    pub(crate) sought: Option<Offset>,
}

/// A position that is known to be committed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Commit {
    pub(crate) time: Nanos,
    pub(crate) next: Offset,
    pub(crate) process: Process,
}

/// Records handed over otherwise than as the next of a poll.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HandOver {
    pub(crate) receiver: Receiver,
    pub(crate) first: i64,
    pub(crate) last: i64,
    pub(crate) time: Nanos,
}

/// An end offset that was read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct EndRead {
    pub(crate) process: Process,
    pub(crate) end: i64,
    pub(crate) invoked: Nanos,
    pub(crate) returned: Nanos,
}

impl Context {
    pub(crate) fn of(history: &History) -> Result<Self, HistoryError> {
        let mut context = Self::default();
        context.name_groups(history);
        let (mut segments, mut asked, mut closed) = (Segments::default(), HashMap::new(), BTreeSet::new());
        for event in history.events()? {
            let event = event?;
            if matches!(event.op, Op::Close) {
                closed.insert(event.process);
            }
            context.begins(&event, &mut segments);
            let group = context.group_of.get(&event.process).copied();
            context.sinks.note(&event, group);
            context.positions.note(&event, group);
            context.take(&event, &segments, &mut asked);
        }
        context.committed_by_transactions(history)?;
        context.positions.finish(&context.group_of);
        context.positions.transactions(history, &context.group_of)?;
        for (&process, facts) in &history.facts().processes {
            if facts.torn.is_some() && !closed.contains(&process) {
                context.crashed.entry(process).or_default();
            }
        }
        Ok(context)
    }

    fn name_groups(&mut self, history: &History) {
        let processes = &history.facts().processes;
        let names: BTreeSet<&String> =
            processes.values().filter_map(|facts| facts.identity.group.as_ref()).collect();
        self.transactional = processes.values().any(|facts| facts.transactional);
        for name in names {
            let members =
                || processes.iter().filter(|(_, facts)| facts.identity.group.as_ref() == Some(name));
            self.group_of.extend(members().map(|(&process, _)| (process, self.groups.len())));
            self.groups.push(Group {
                name: name.clone(),
                hands_over: members().any(|(_, facts)| facts.hands_over),
                truncated: members().any(|(_, facts)| facts.truncated),
            });
        }
    }

    fn begins(&mut self, event: &Event, segments: &mut Segments) {
        let Event { time, process, .. } = *event;
        let sought = if let Op::Seek { offset, .. } = event.op { Some(offset) } else { None };
        let group = self.group_of.get(&process).copied();
        for log in segments.note(event) {
            self.begins.entry((process, log)).or_default().push(Begin { time, sought });
            self.touched.extend(group.map(|group| (group, log)));
        }
    }

    fn take(&mut self, event: &Event, segments: &Segments, asked: &mut HashMap<Process, Nanos>) {
        let Event { time, process, .. } = *event;
        let ok = matches!(event.phase, Phase::Complete(Outcome::Ok { .. }));
        match (&event.op, ok) {
            (Op::Crash { .. }, _) => {
                self.crashed.insert(process, Some(time));
            }
            (Op::CommitOffsets { positions, .. } | Op::FetchCommitted { positions }, true) => {
                self.committed(positions, (time, process));
            }
            (Op::EndOffsets { .. }, false) => {
                asked.insert(process, time);
            }
            (Op::EndOffsets { positions }, true) => {
                let Some(invoked) = asked.remove(&process) else { return };
                for &Position { log, next } in positions {
                    let read = EndRead { process, end: next.0, invoked, returned: time };
                    self.end_reads.entry(log).or_default().push(read);
                }
            }
            (Op::EffectBegin { spans }, _) => {
                for span in spans {
                    let receiver = Receiver { process, segment: segments.current(process, span.log) };
                    let hand_over = HandOver { receiver, first: span.first.0, last: span.last.0, time };
                    self.hand_overs.entry(span.log).or_default().push(hand_over);
                }
            }
            (Op::Foreign { log, offset, why }, _) => {
                self.foreign.entry((*log, *offset)).or_insert_with(|| why.clone());
            }
            _ => {}
        }
    }

    fn committed(&mut self, positions: &[Position], (time, process): (Nanos, Process)) {
        let Some(&group) = self.group_of.get(&process) else { return };
        for &Position { log, next } in positions {
            self.touched.insert((group, log));
            let commits = self.commits.entry((group, log)).or_default();
            if commits.last().is_none_or(|last| last.next < next) {
                commits.push(Commit { time, next, process });
            }
        }
    }

    /// Positions that were sent to transactions are committed when these are.
    fn committed_by_transactions(&mut self, history: &History) -> Result<(), HistoryError> {
        let (mut buffer, mut chunk) = (Buffer::default(), TxnChunk::default());
        let mut added = HashSet::new();
        for entry in history.transaction_chunks().iter().filter(|entry| entry.runs > 0) {
            let Some(&group) = self.group_of.get(&entry.process) else { continue };
            history.transactions(entry, &mut buffer, &mut chunk)?;
            for sent in &chunk.offsets {
                self.touched.insert((group, sent.log));
                let txn = chunk.txns[sent.txn as usize];
                if txn.how == TxnEnd::Committed {
                    let commits = self.commits.entry((group, sent.log)).or_default();
                    let time = Nanos(txn.ended.saturating_mul(1000));
                    commits.push(Commit { time, next: sent.next, process: entry.process });
                    added.insert((group, sent.log));
                }
            }
        }
        for (key, commits) in &mut self.commits {
            if added.contains(key) {
                commits.sort_by_key(|commit| (commit.time, commit.next));
                let mut greatest = None;
                commits.retain(|commit| {
                    let further = greatest.is_none_or(|greatest| commit.next > greatest);
                    greatest = greatest.max(Some(commit.next));
                    further
                });
            }
        }
        Ok(())
    }

    /// Hand-overs out of order of records of a log.
    pub(crate) fn hand_overs_of(&self, log: LogId) -> &[HandOver] {
        self.hand_overs.get(&log).map_or(&[], Vec::as_slice)
    }

    /// How a segment began, where a row says so.
    pub(crate) fn begin(&self, process: Process, log: LogId, segment: u32) -> Option<Begin> {
        let nth = usize::try_from(segment.checked_sub(1)?).ok()?;
        self.begins.get(&(process, log))?.get(nth).copied()
    }

    /// The greatest position that was committed by `until`.
    pub(crate) fn committed_by(&self, group: usize, log: LogId, until: Nanos) -> Option<Commit> {
        let commits = self.commits.get(&(group, log))?;
        let after = commits.partition_point(|commit| commit.time <= until);
        commits[..after].last().copied()
    }

    /// Whether a member had anything to do with a log.
    pub(crate) fn touches(&self, group: usize, log: LogId) -> bool {
        self.touched.contains(&(group, log))
    }

    /// Whether a process was killed or found dead, and when that was noticed, where it was.
    pub(crate) fn crashed(&self, process: Process) -> Option<Option<Nanos>> {
        self.crashed.get(&process).copied()
    }
}
