//! The end: everybody drains and goes home, the reader reads every log, and the manifest says what was done.

use std::collections::BTreeSet;
use std::io;

use history::ids::{LogId, Offset, Process, TopicPartition};
use history::merged::FinalReadEnd;
use history::op::{Isolation, Op};

use super::feature::Feature;
use super::manifest::{Manifest, SCHEMA};
use super::parcel::End;
use super::pipeline::Pipeline;
use crate::question::{Exercise, Question};

/// Where the record lies that proves that offsets cost nothing.
const HUGE: i64 = 1 << 62;

impl Pipeline<'_> {
    /// Ends the run and the history.
    pub(super) fn finish(mut self) -> io::Result<Manifest> {
        if self.cluster.down.is_some() {
            self.heal()?;
        }
        self.end_transaction()?;
        if self.options.has(Feature::HugeOffset) {
            self.huge_record()?;
        }
        self.phase("drain")?;
        self.transform_all()?;
        self.close_groups()?;
        self.wait(10_000, 20_000);
        let clients: Vec<Process> = self.producers.iter().map(|producer| producer.process).collect();
        for process in clients.into_iter().chain([self.observer]) {
            let last = self.producers.iter().map(|producer| producer.last).max().unwrap_or(0);
            self.now = self.now.max(last + 1);
            self.recorder.moment(process, self.now, Op::Close)?;
        }
        self.final_reads()?;
        self.phase("stop")?;
        self.recorder.moment(self.harness, self.now, Op::Close)?;
        let question = self.question();
        let Self { recorder, planted, options, .. } = self;
        let facts = recorder.finish()?;
        Ok(Manifest {
            schema: SCHEMA,
            seed: options.seed,
            records: facts.processes.values().map(|process| process.sent).sum(),
            logs: facts.logs,
            processes: facts.processes.len() as u64,
            expected: Manifest::expected(&planted),
            planted,
            question,
        })
    }

    /// One log ends far away from where it began.
    fn huge_record(&mut self) -> io::Result<()> {
        let (slot, log) = (self.any_producer(None), self.any_log());
        let parcel = self.parcel(slot, log, 1);
        self.logs[usize::from(log.0)].next = HUGE;
        let completed = self.answered();
        let offset = self.append(&parcel, parcel.all())?;
        self.recorder.sent(&parcel, parcel.all(), End::acked(offset, completed))
    }

    /// The log that nobody reads, with the number of records in it.
    pub(crate) fn unread_log(&mut self) -> &mut (LogId, i64) {
        let recorder = &mut self.recorder;
        self.unread.get_or_insert_with(|| (recorder.log(TopicPartition::new("unread", 0)), 0))
    }

    fn final_reads(&mut self) -> io::Result<()> {
        for (log, offset, why) in std::mem::take(&mut self.foreign) {
            self.now += 1;
            self.recorder.foreign((log, offset), why, self.now)?;
        }
        for at in 0..self.logs.len() {
            let (log, end) = (self.logs[at].id, Offset(self.logs[at].next));
            self.read_log(log, end, end)?;
        }
        match self.unread {
            Some((log, end)) => self.read_log(log, Offset(0), Offset(end)),
            None => Ok(()),
        }
    }

    fn read_log(&mut self, log: LogId, reached: Offset, end: Offset) -> io::Result<()> {
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            self.now += 100;
            let end = FinalReadEnd { log, isolation, start: Offset(0), reached, end };
            self.recorder.final_read_end(end, self.now)?;
        }
        Ok(())
    }

    /// What the history may be asked: everything that a correct pipeline of this kind promises.
    fn question(&self) -> Question {
        let mut exercises = BTreeSet::from([Exercise::LeaderChange, Exercise::ClientCrash]);
        if !self.groups.is_empty() {
            exercises.insert(Exercise::Rebalance);
        }
        if self.aborted > 0 {
            exercises.insert(Exercise::AbortedTransaction);
        }
        // Of transactions something can be said where some committed and some did not.
        let transactional = if self.committed > 0 && self.aborted > 0 { ", transactional" } else { "" };
        let mut claim = format!("log={EVERYTHING}{transactional}");
        if !self.groups.is_empty() {
            claim.push_str(&format!("; delivery={EVERYTHING}{transactional}"));
        }
        if self.options.has(Feature::Effects) {
            claim.push_str("; effect=exactly-once, ordered");
        }
        Question {
            claim: claim.parse().unwrap_or_default(),
            floor: 1,
            warm_up: true,
            faults: vec!["kill a broker".to_owned(); self.cluster.faults as usize],
            groups: self.groups.iter().map(|group| group.name.clone()).collect(),
            exercises,
            ..Question::default()
        }
    }
}

/// What a correct pipeline promises of every stage.
const EVERYTHING: &str = "exactly-once, ordered, linearizable";
