//! Consume-transform-produce, record by record.

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{LogId, Process, Seq, Value};
use history::op::Isolation;

use super::definition::{Facts, How};

/// How many inputs were skipped, taken in twice, and have no output or several.
pub(crate) fn of(facts: &Facts) -> [usize; 3] {
    let mut inputs: BTreeSet<(&String, LogId)> = BTreeSet::new();
    for txn in &facts.txns {
        let Some(group) = facts.groups.get(&txn.process) else { continue };
        inputs.extend(txn.positions().keys().map(|log| (group, *log)));
    }
    for (process, log, ..) in &facts.derived {
        inputs.extend(facts.groups.get(process).map(|group| (group, *log)));
    }
    let mut counts = [0; 3];
    for (group, log) in inputs {
        let input = Input::of(facts, group, log);
        counts[0] += input.skipped();
        counts[1] += input.doubled();
        counts[2] += input.mismatched(facts, group, log);
    }
    counts
}

struct Input {
    /// By record: who took it in, and whether that is certain.
    taken: BTreeMap<i64, BTreeMap<usize, bool>>,
    there: BTreeSet<i64>,
    next: Option<i64>,
    perhaps: Option<i64>,
    surely: Option<i64>,
}

impl Input {
    fn of(facts: &Facts, group: &String, log: LogId) -> Self {
        let member = |process: &Process| facts.groups.get(process) == Some(group);
        let mut taken: BTreeMap<i64, BTreeMap<usize, bool>> = BTreeMap::new();
        let mut next = None;
        for process in facts.groups.keys().filter(|process| member(process)) {
            for (txn, offset, certain) in taken_by(facts, *process, log) {
                taken.entry(offset).or_default().insert(txn, certain);
            }
        }
        for txn in facts.txns.iter().filter(|txn| member(&txn.process)) {
            let sent = txn.positions().get(&log).copied();
            next = next.max(sent.filter(|sent| sent.1 && facts.must_have_committed(txn)).map(|sent| sent.0));
        }
        let polls = facts.polls.iter().filter(|poll| poll.log == log && member(&poll.process));
        let polled: BTreeSet<i64> = polls.flat_map(|poll| &poll.records).map(|(offset, _)| *offset).collect();
        let mut there = polled.clone();
        if facts.complete(log, Isolation::ReadCommitted).is_some() {
            let read = facts.final_read(log, Isolation::ReadCommitted).into_iter().map(|(offset, _)| offset);
            let first = polled.first().copied();
            there = read.filter(|offset| first.is_some_and(|first| *offset >= first)).collect();
        }
        let plain = facts.plain.iter().filter(|plain| plain.1 == log && member(&plain.0));
        let perhaps = plain.clone().map(|plain| plain.2).max();
        let surely = plain.filter(|plain| plain.3).map(|plain| plain.2).max();
        Self { taken, there, next, perhaps, surely }
    }

    fn skipped(&self) -> usize {
        let passed = |offset: &&i64| self.next.is_some_and(|next| **offset < next);
        let plain = |offset: &&i64| self.perhaps.is_some_and(|perhaps| **offset < perhaps);
        let free = |offset: &&i64| !self.taken.contains_key(*offset) && !plain(offset);
        self.there.iter().filter(passed).filter(free).count()
    }

    fn doubled(&self) -> usize {
        let certain = |by: &&BTreeMap<usize, bool>| by.values().filter(|certain| **certain).count() > 1;
        self.taken.values().filter(certain).count()
    }

    fn mismatched(&self, facts: &Facts, group: &String, log: LogId) -> usize {
        let own = |process: &Process| facts.groups.get(process) == Some(group);
        let made: Vec<_> = facts.derived.iter().filter(|made| own(&made.0)).collect();
        if !made.iter().any(|made| made.1 == log) {
            return 0;
        }
        let mut outputs: BTreeMap<i64, usize> = BTreeMap::new();
        for (process, _, offset, seq) in made.iter().filter(|made| made.1 == log) {
            let value = Value { process: *process, seq: Seq(*seq) };
            *outputs.entry(*offset).or_default() += usize::from(facts.is_output_visible(value));
        }
        let several = outputs.values().filter(|count| **count > 1).count();
        if made.iter().any(|made| facts.writes_unread(made.0)) {
            return several;
        }
        let committed = self.next.max(self.surely);
        let passed = |offset: &&i64| committed.is_some_and(|next| **offset < next);
        let none = |offset: &&i64| outputs.get(*offset).copied().unwrap_or(0) == 0;
        several + self.there.iter().filter(passed).filter(none).count()
    }
}

/// What the transactions of one process took in of a log: which transaction, which record, whether it is certain.
fn taken_by(facts: &Facts, process: Process, log: LogId) -> Vec<(usize, i64, bool)> {
    let (mut taken, mut pending, mut kept, mut segment) = (Vec::new(), Vec::new(), Vec::new(), 0);
    for (nth, txn) in facts.txns.iter().enumerate().filter(|(_, txn)| txn.process == process) {
        let mut polls = false;
        let own = facts.polls.iter().filter(|poll| poll.process == process && poll.log == log);
        for poll in own.filter(|poll| facts.reader(poll) == Some(nth)) {
            polls = true;
            if poll.segment != segment {
                pending.clear();
                kept.clear();
                segment = poll.segment;
            }
            pending.extend(poll.records.iter().map(|(offset, _)| *offset));
        }
        let must = facts.must_have_committed(txn);
        let ended_otherwise = matches!(txn.how(), How::Aborted | How::Failed | How::Open);
        match txn.positions().get(&log) {
            Some((next, certain)) => {
                if pending.iter().all(|offset| offset >= next) {
                    pending.append(&mut kept);
                }
                kept.clear();
                for offset in pending.iter().filter(|offset| *offset < next) {
                    if must || txn.how() == How::Unknown {
                        taken.push((nth, *offset, must && *certain));
                    }
                }
                pending.retain(|offset| offset >= next);
            }
            None if polls && ended_otherwise => kept.append(&mut pending),
            None => {}
        }
    }
    taken
}
