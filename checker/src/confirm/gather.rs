//! The passes: every chunk that may hold something wanted is read once, and what is wanted is kept.
//!
//! The directory says which offsets a chunk of reads covers and which sequence numbers a chunk of sends does, and the head of
//! a chunk whose records it holds; the others are not read. That a value is nowhere in a log takes every chunk that
//! holds a record of its process.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Nanos, Process, Seq, Value};
use history::merged::{
    Buffer, Entry, History, HistoryError, Kind, ReadChunk, SendChunk, SendRun, TxnChunk, TxnEnd,
};
use history::op::Isolation;
use rayon::prelude::*;

use super::facts::{Facts, Polled, Sent, Txn, group_of, nanos};
use super::wanted::Wanted;
use crate::anomaly::Anomaly;
use crate::findings::{Finding, Sighting};

const LEVELS: [Isolation; 2] = [Isolation::ReadUncommitted, Isolation::ReadCommitted];

/// Collects what was recorded about what some findings name.
pub(super) fn facts<'h>(history: &'h History, findings: &[&Finding]) -> Result<Facts<'h>, HistoryError> {
    let mut wanted = Wanted::of(findings);
    let txns = transactions(history, &mut wanted)?;
    let unread = |log: &LogId| {
        LEVELS.iter().all(|level| history.final_read(*log, *level).is_none_or(|end| !end.is_complete()))
    };
    wanted.polls_searched.extend(wanted.searched.clone().iter().filter(|log| unread(log)));
    for finding in findings.iter().filter(|finding| finding.anomaly == Anomaly::LostWrite) {
        let senders = finding.sightings.iter().filter_map(Sighting::value).chain(finding.first);
        let is_transactional = |value: Value| {
            history.facts().processes.get(&value.process).is_some_and(|facts| facts.transactional)
        };
        if senders.into_iter().any(is_transactional) {
            wanted.polls_searched.insert(finding.log);
        }
    }
    let rows = super::rows::of(history, &wanted)?;
    for finding in findings.iter().filter(|finding| finding.anomaly == Anomaly::OutputMismatch) {
        let outputs = super::pipeline::outputs(history, &rows, finding);
        if !outputs.is_empty() {
            wanted.searched.extend((0u16..).map(LogId).take(history.facts().logs.len()));
        }
        outputs.into_iter().for_each(|value| wanted.value(value));
    }
    let last_handed = last_handed(history, &wanted)?;
    loop {
        let logs: Vec<LogId> = wanted.logs().into_iter().collect();
        let read: Vec<OneLog> = logs
            .par_iter()
            .map(|log| one_log(history, &wanted, *log))
            .collect::<Result<_, HistoryError>>()?;
        // Where nothing but reads tells what a log holds, what else was read at the same place belongs to it.
        let places = logs.iter().zip(&read).filter(|(log, _)| unread(log)).flat_map(|(log, one)| {
            let held = one.held.iter().flatten().map(|(offset, _)| *offset);
            held.chain(one.polls.iter().map(|polled| polled.offset)).map(|offset| (*log, offset))
        });
        let before = wanted.places.len();
        let places: Vec<(LogId, i64)> = places.collect();
        wanted.places.extend(places);
        if wanted.places.len() > before {
            continue;
        }
        let (sent, claimed) = sends(history, &wanted)?;
        let mut facts = Facts {
            history,
            sent,
            claimed,
            held: BTreeMap::new(),
            polls: BTreeMap::new(),
            txns,
            rows,
            last_handed,
        };
        for (log, one) in logs.into_iter().zip(read) {
            for (level, held) in LEVELS.into_iter().zip(one.held) {
                facts.held.insert((log, level), held);
            }
            facts.polls.insert(log, one.polls);
        }
        return Ok(facts);
    }
}

/// The transactions of processes that matter; adds to what is wanted the records that show how they ended.
fn transactions(history: &History, wanted: &mut Wanted) -> Result<BTreeMap<Process, Vec<Txn>>, HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), TxnChunk::default());
    let mut txns: BTreeMap<Process, Vec<Txn>> = BTreeMap::new();
    if history.transaction_chunks().is_empty() {
        return Ok(txns);
    }
    let facts = history.facts();
    let is_member = |process: Process| {
        let group = group_of(history, process);
        group.is_some_and(|group| wanted.groups.iter().any(|(wanted, _)| wanted == group))
    };
    let members: BTreeSet<Process> = facts.processes.keys().copied().filter(|p| is_member(*p)).collect();
    wanted.transactions.extend(&members);
    wanted.outcomes.extend(&members);
    // Positions that were sent to a transaction of any process count as committed with it.
    for entry in history.transaction_chunks() {
        if !wanted.transactions.contains(&entry.process) && entry.runs == 0 {
            continue;
        }
        history.transactions(entry, &mut buffer, &mut chunk)?;
        let own = txns.entry(entry.process).or_default();
        let first = own.len();
        let txn = |span: &_| Txn { process: entry.process, span: *span, positions: BTreeMap::new() };
        own.extend(chunk.txns.iter().map(txn));
        for sent in &chunk.offsets {
            own[first + sent.txn as usize].positions.insert(sent.log, (sent.next.0, sent.certain));
        }
    }
    for (process, own) in &mut txns {
        let truncated = facts.processes.get(process).is_some_and(|facts| facts.truncated);
        if let Some(last) = own.last_mut().filter(|_| truncated)
            && matches!(last.span.how, TxnEnd::Open | TxnEnd::Failed)
        {
            // What ended it may be in the part that was cut off.
            (last.span.how, last.span.may_commit) = (TxnEnd::Unknown, last.span.invoked);
        }
    }
    outcomes(history, wanted, &txns);
    Ok(txns)
}

/// First and last sequence numbers, by process.
type Stretches = Vec<(Process, (u32, u32))>;

/// Adds the records of transactions of which it matters whether any was shown.
fn outcomes(history: &History, wanted: &mut Wanted, txns: &BTreeMap<Process, Vec<Txn>>) {
    let (mut stretches, mut begun): (Stretches, Stretches) = (Vec::new(), Vec::new());
    for (process, own) in txns {
        let named = wanted.values.get(process);
        for txn in own {
            let (first, end) = (txn.span.first, txn.span.end);
            let is_named = named.is_some_and(|named| named.iter().any(|(seq, _)| (first..end).contains(seq)));
            let matters = is_named || wanted.outcomes.contains(process);
            if first < end && matters && (is_named || txn.span.how == TxnEnd::Unknown) {
                stretches.push((*process, (first, end - 1)));
            } else if first < end && wanted.begun.contains(&(*process, txn.span.invoked)) {
                begun.push((*process, (first, end - 1)));
            }
        }
    }
    for (process, stretch) in begun {
        wanted.values.entry(process).or_default().insert(stretch);
    }
    let processes: BTreeSet<Process> = stretches.iter().map(|(process, _)| *process).collect();
    for (process, stretch) in stretches {
        wanted.values.entry(process).or_default().insert(stretch);
    }
    let entries = history.entries().iter().filter(|entry| entry.kind == Kind::Sends);
    let logs: BTreeSet<LogId> =
        entries.filter(|entry| processes.contains(&entry.process)).map(|entry| entry.log).collect();
    wanted.searched.extend(&logs);
    wanted.polls_searched.extend(&logs);
}

/// When members of some groups handed over last, with a poll.
fn last_handed(history: &History, wanted: &Wanted) -> Result<BTreeMap<Process, Nanos>, HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), ReadChunk::default());
    let mut last: BTreeMap<Process, Nanos> = BTreeMap::new();
    for entry in history.entries().iter().filter(|entry| entry.kind == Kind::Polls && entry.handed > 0) {
        if !group_of(history, entry.process).is_some_and(|group| wanted.last.contains(group)) {
            continue;
        }
        history.reads(entry, &mut buffer, &mut chunk)?;
        let handed = chunk.polls.iter().filter(|span| span.handed > 0).map(|span| nanos(span.handed_at));
        let known = last.entry(entry.process).or_default();
        *known = handed.max().unwrap_or_default().max(*known);
    }
    Ok(last)
}

/// What was read of one log.
struct OneLog {
    held: [BTreeSet<(i64, Value)>; 2],
    polls: BTreeSet<Polled>,
}

fn one_log(history: &History, wanted: &Wanted, log: LogId) -> Result<OneLog, HistoryError> {
    let mut one = OneLog { held: [BTreeSet::new(), BTreeSet::new()], polls: BTreeSet::new() };
    let [all, committed] = LEVELS.map(|level| history.chunks(Kind::FinalRead(level), log));
    let same = |a: &Entry, b: &Entry| (a.hash, a.length, a.records) == (b.hash, b.length, b.records);
    let equal = all.len() == committed.len() && all.iter().zip(committed).all(|(a, b)| same(a, b));
    let mut look = Look { history, wanted, log, buffer: Buffer::default(), chunk: ReadChunk::default() };
    for (at, entries) in [all, committed].into_iter().enumerate() {
        if equal && at > 0 {
            // The same bytes hold the same records.
            one.held[at] = one.held[0].clone();
            continue;
        }
        for entry in entries {
            for (offset, value, _) in look.at(entry, wanted.searched.contains(&log), false)? {
                one.held[at].insert((offset, value));
            }
        }
    }
    for entry in history.chunks(Kind::Polls, log) {
        let group = group_of(history, entry.process);
        let whole = wanted.readers.contains(&(entry.process, log))
            || group.is_some_and(|group| wanted.groups.contains(&(group.to_owned(), log)));
        for (offset, value, at) in look.at(entry, wanted.polls_searched.contains(&log), whole)? {
            let span = look.chunk.polls[look.chunk.poll_of(at)];
            let handed = (at - span.start as usize) < span.handed as usize;
            one.polls.insert(Polled {
                reader: entry.process,
                segment: entry.segment,
                place: (entry.ordinal, at),
                offset,
                value,
                invoked: nanos(span.invoked),
                returned: nanos(span.returned),
                handed: handed.then(|| nanos(span.handed_at)),
            });
        }
    }
    Ok(one)
}

/// A reader of chunks of one log.
struct Look<'l> {
    history: &'l History,
    wanted: &'l Wanted,
    log: LogId,
    buffer: Buffer,
    chunk: ReadChunk,
}

impl Look<'_> {
    /// What a chunk holds of what is wanted: offset, value and place in the chunk.
    fn at(
        &mut self,
        entry: &Entry,
        search: bool,
        whole: bool,
    ) -> Result<Vec<(i64, Value, usize)>, HistoryError> {
        let (first, last) = entry.offsets;
        let mut found = Vec::new();
        if entry.records == 0 {
            return Ok(found);
        }
        let at_place = self.wanted.places.range((self.log, first)..=(self.log, last)).next().is_some();
        let between = self.wanted.between.range((self.log, i64::MIN, i64::MIN)..);
        let between = between.take_while(|(log, ..)| *log == self.log);
        let between: Vec<(i64, i64)> = between
            .map(|(_, from, to)| (from.saturating_add(1), to.saturating_sub(1)))
            .filter(|(from, to)| from <= to && *from <= last && first <= *to)
            .collect();
        let is_named = whole || at_place || !between.is_empty();
        if !is_named && (!search || !self.may_hold(entry)?) {
            return Ok(found);
        }
        self.history.reads(entry, &mut self.buffer, &mut self.chunk)?;
        for (index, run) in self.chunk.runs.iter().enumerate() {
            let (start, end) = (run.start as usize, self.chunk.run_end(index));
            let offset = |at: usize| run.offset.saturating_add_unsigned((at - start) as u64);
            let mut places: BTreeSet<usize> = BTreeSet::new();
            if whole {
                places.extend(start..end);
            }
            let here = (self.log, run.offset)..=(self.log, offset(end - 1));
            for (_, wanted) in self.wanted.places.range(here) {
                places.extend(usize::try_from(wanted - run.offset).map(|more| start + more));
            }
            for (from, to) in &between {
                // One record is enough.
                let (from, to) = ((*from).max(run.offset), (*to).min(offset(end - 1)));
                places.extend(
                    (from <= to)
                        .then(|| usize::try_from(from - run.offset).map(|more| start + more))
                        .into_iter()
                        .flatten(),
                );
            }
            let stretches = self.wanted.values.get(&Process(run.process)).filter(|_| search);
            for (low, high) in stretches.into_iter().flatten() {
                let seqs = &self.chunk.seqs[start..end];
                // Counting first is what a processor does many at a time.
                let within = |seq: &u32| seq.wrapping_sub(*low) <= high - low;
                if seqs.iter().filter(|seq| within(seq)).count() > 0 {
                    let those = seqs.iter().enumerate().filter(|(_, seq)| within(seq));
                    places.extend(those.map(|(at, _)| start + at));
                }
            }
            found.extend(places.into_iter().map(|at| {
                let value = Value { process: Process(run.process), seq: Seq(self.chunk.seqs[at]) };
                (offset(at), value, at)
            }));
        }
        Ok(found)
    }

    /// Whether a chunk may hold a record of a process that is looked for.
    fn may_hold(&mut self, entry: &Entry) -> Result<bool, HistoryError> {
        let named = self.history.senders_in(entry, &mut self.buffer)?;
        let wanted = |process: &u32| self.wanted.values.contains_key(&Process(*process));
        Ok(named.is_none_or(|named| named.iter().any(wanted)))
    }
}

/// How records were sent, by value; and which were claimed for wanted places.
type Sends = (BTreeMap<Value, Sent>, BTreeMap<(LogId, i64), BTreeSet<Value>>);

fn sends(history: &History, wanted: &Wanted) -> Result<Sends, HistoryError> {
    let entries = history.entries().iter().filter(|entry| entry.kind == Kind::Sends);
    let holds = |entry: &&Entry| {
        let stretches = wanted.values.get(&entry.process).into_iter().flatten();
        stretches.into_iter().any(|(low, high)| *low <= entry.seqs.1 && entry.seqs.0 <= *high)
    };
    let entries: Vec<&Entry> = entries.filter(holds).collect();
    let read: Vec<Sends> =
        entries.par_iter().map(|entry| sent(history, wanted, entry)).collect::<Result<_, HistoryError>>()?;
    let mut all = Sends::default();
    for (sent, claimed) in read {
        all.0.extend(sent);
        claimed.into_iter().for_each(|(place, values)| all.1.entry(place).or_default().extend(values));
    }
    Ok(all)
}

fn sent(history: &History, wanted: &Wanted, entry: &Entry) -> Result<Sends, HistoryError> {
    let (mut buffer, mut chunk) = (Buffer::default(), SendChunk::default());
    history.sends(entry, &mut buffer, &mut chunk)?;
    let mut sends = Sends::default();
    let log = entry.log;
    for (index, run) in chunk.runs.iter().enumerate() {
        let (start, end) = (run.start as usize, chunk.run_end(index));
        let value = |at: usize| Value { process: entry.process, seq: Seq(chunk.seqs[at]) };
        let offset = |at: usize| {
            let known = run.offset != SendRun::NO_OFFSET;
            known.then(|| run.offset.saturating_add_unsigned((at - start) as u64))
        };
        let mut places: BTreeSet<usize> = BTreeSet::new();
        if let Some((first, last)) = offset(start).zip(offset(end - 1)) {
            for (_, place) in wanted.places.range((log, first)..=(log, last)) {
                let at = start + usize::try_from(place - first).unwrap_or(0);
                sends.1.entry((log, *place)).or_default().insert(value(at));
                places.insert(at);
            }
        }
        for (low, high) in wanted.values.get(&entry.process).into_iter().flatten() {
            let from = chunk.seqs[start..end].partition_point(|seq| seq < low);
            let to = chunk.seqs[start..end].partition_point(|seq| seq <= high);
            places.extend(start + from..start + to);
        }
        let code = history.facts().causes.get(run.cause as usize).map_or(0, |cause| cause.code);
        let completed = (run.completed != SendRun::NEVER).then(|| nanos(run.completed));
        for at in places {
            let invoked: Nanos = nanos(chunk.invoked[at]);
            let sent = Sent { log, invoked, outcome: run.outcome, offset: offset(at), completed, code };
            sends.0.insert(value(at), sent);
        }
    }
    Ok(sends)
}
