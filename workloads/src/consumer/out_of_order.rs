//! An application that works on several records of a log at a time and commits the highest that is finished.
//!
//! That is what a pool of threads does whose results are committed as they come. Which record takes longest is chance
//! there; here it is decided, so that the limit shows every time: of each log one record at a time is in the hands of
//! somebody slow, those behind it are processed and committed, and it takes effect only when that commit is known, or
//! when nothing comes that would bring one. Until then its position is committed and its effect is not made.
//! Its steps are those of the record that takes longest, so a gate at `commit-known` stands exactly there.

use std::io::Write;

use history::ids::LogId;

use super::Member;
use super::batch::{Record, positions, spans};
use crate::clock;
use crate::step::Step;
use crate::worker::WorkerError;

impl<Out: Write + Send + 'static> Member<Out> {
    /// Gives the first record of each log to somebody slow who is free, processes the others and commits them.
    pub(super) fn out_of_order(&mut self, records: &[Record]) -> Result<(), WorkerError> {
        let mut others = Vec::with_capacity(records.len());
        for record in records {
            if self.slow.contains_key(&record.log) {
                others.push(*record);
                continue;
            }
            self.shared.books().journal.handed_over(&spans(std::slice::from_ref(record)), clock::now())?;
            self.slow.insert(record.log, *record);
            self.worker.link.pass(Step::Processing, 1);
        }
        if others.is_empty() {
            return Ok(());
        }
        let done = self.process(&others)?;
        self.commit_without_waiting(&positions(&done))
    }

    /// Makes the effects of records that took long: of those that something behind is known to be committed, or of all
    /// when nothing comes any more.
    pub(super) fn end_what_took_long(&mut self, all: bool) -> Result<(), WorkerError> {
        let is_due =
            |log: &LogId, record: &Record| all || self.shared.books().has_committed_past(*log, record.offset);
        let due: Vec<LogId> =
            self.slow.iter().filter(|(log, record)| is_due(log, record)).map(|(log, _)| *log).collect();
        for record in due.iter().filter_map(|log| self.slow.remove(log)).collect::<Vec<_>>() {
            self.worker.link.pass(Step::EffectBegun, 1);
            let done = self.store(std::slice::from_ref(&record))?;
            self.shared.books().progress.processed += done.len() as u64;
            self.worker.link.pass(Step::EffectDone, 1);
            if !self.shared.books().wants_past(record.log, record.offset) {
                self.commit_without_waiting(&positions(&done))?;
            }
        }
        Ok(())
    }
}
