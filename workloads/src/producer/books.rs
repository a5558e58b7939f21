//! What a producer keeps while it sends: journal, counts, latencies, and which records are still open.
//!
//! Acknowledgements come one by one and are journalled as runs, one frame for consecutive sequence numbers at
//! consecutive offsets of a log; a run is written when the next acknowledgement does not continue it and at the end
//! of each poll at the latest. A process killed in between loses only the news of an acknowledgement, which
//! weakens what is known of those records and never falsifies it.

use hdrhistogram::Histogram;
use history::ids::{LogId, Nanos, Offset, Seq, TopicPartition};
use history::journal::{SendRun, Unresolved, Writer};

use crate::clock;
use crate::outcome::Outcome;
use crate::protocol::{Latency, Progress};
use crate::worker::WorkerError;

use super::outbox::Outbox;

/// One producer's books.
pub(crate) struct Books {
    journal: Writer,
    progress: Progress,
    latencies: Histogram<u64>,
    open: OpenSends,
    run: Option<AckRun>,
    /// Where undertaken records are kept beyond the process, if they are.
    outbox: Option<Outbox>,
    /// Logs that have acknowledged anything, by their number in the journal.
    reached: Vec<bool>,
    failed: Option<WorkerError>,
}

#[derive(Clone, Copy)]
struct AckRun {
    run: SendRun,
    offset: Option<Offset>,
}

impl Books {
    pub(super) fn new(journal: Writer, outbox: Option<Outbox>) -> Self {
        // To an hour, in microseconds; longer ones count as that. Two digits are 1 % of the value, in 50 KiB.
        let latencies = Histogram::new_with_bounds(1, 3_600_000_000, 2).expect("these bounds are possible");
        Self {
            journal,
            progress: Progress::default(),
            latencies,
            open: OpenSends::default(),
            run: None,
            outbox,
            reached: Vec::new(),
            failed: None,
        }
    }

    /// The journal's number of a log that is new.
    pub(super) fn log(&mut self, log: &TopicPartition) -> Result<LogId, WorkerError> {
        Ok(self.journal.log(log)?)
    }

    /// Records are about to be handed to the library.
    pub(crate) fn sending(&mut self, run: SendRun, now: Nanos) -> Result<(), WorkerError> {
        self.journal.sends(run, now)?;
        if let Some(outbox) = &self.outbox {
            outbox.put(run.first, run.count, run.log)?;
        }
        self.progress.sent += u64::from(run.count);
        (run.first.0..run.first.0 + run.count).for_each(|seq| self.open.begin(Seq(seq)));
        Ok(())
    }

    /// The library's queue was full: the application waits and tries the same record again.
    pub(crate) fn queue_was_full(&mut self) {
        self.progress.queue_full += 1;
    }

    /// The application sends a record again.
    pub(crate) fn again(&mut self) {
        self.progress.resent += 1;
    }

    /// A record was acknowledged, `latency_us` after it was handed over.
    pub(crate) fn acked(&mut self, log: LogId, seq: Seq, offset: Option<Offset>, latency_us: u64) {
        if !self.open.end(seq) {
            return;
        }
        self.progress.acked += 1;
        self.latencies.saturating_record(latency_us);
        if let Some(open) = &mut self.run
            && open.continues(log, seq, offset)
        {
            open.run.count += 1;
            return;
        }
        self.write_run();
        self.reach(log);
        self.run = Some(AckRun { run: SendRun { log, first: seq, count: 1 }, offset });
    }

    /// A record's send ended otherwise.
    pub(crate) fn unresolved(&mut self, log: LogId, seq: Seq, (outcome, code): (Outcome, i32)) {
        if !self.open.end(seq) {
            return;
        }
        self.write_run();
        let how = match outcome {
            Outcome::Fail => {
                self.progress.failed += 1;
                Unresolved::Fail
            }
            Outcome::Info => {
                self.progress.unknown += 1;
                Unresolved::Info
            }
        };
        let run = SendRun { log, first: seq, count: 1 };
        let written = self.journal.unresolved(run, how, code, clock::now()).map_err(WorkerError::from);
        let settled = match how {
            Unresolved::Fail => self.in_outbox(run),
            Unresolved::Info => Ok(()),
        };
        self.note(written.and(settled));
    }

    /// Writes what is known and not yet written; the first error of the journal since the last call.
    pub(crate) fn settle(&mut self) -> Result<(), WorkerError> {
        self.write_run();
        self.failed.take().map_or(Ok(()), Err)
    }

    /// Whether this log has acknowledged any record.
    pub(crate) fn has_acknowledged(&self, log: LogId) -> bool {
        self.reached.get(usize::from(log.0)).copied().unwrap_or(false)
    }

    /// Records whose outcome has not come.
    pub(crate) fn outstanding(&self) -> u64 {
        self.progress.sent - self.progress.acked - self.progress.failed - self.progress.unknown
    }

    /// Sequence numbers whose outcome has not come, in order.
    pub(crate) fn open_sends(&self) -> Vec<Seq> {
        self.open.iter().collect()
    }

    pub(crate) fn progress(&self) -> Progress {
        let latency = Latency {
            p50_us: self.latencies.value_at_quantile(0.5),
            p99_us: self.latencies.value_at_quantile(0.99),
            p999_us: self.latencies.value_at_quantile(0.999),
            max_us: self.latencies.max(),
        };
        Progress { latency, ..self.progress }
    }

    pub(crate) fn into_journal(self) -> Writer {
        self.journal
    }

    fn reach(&mut self, log: LogId) {
        let index = usize::from(log.0);
        if self.reached.len() <= index {
            self.reached.resize(index + 1, false);
        }
        self.reached[index] = true;
    }

    /// Writes the acknowledgements that are known and not yet written.
    pub(crate) fn write_run(&mut self) {
        if let Some(AckRun { run, offset }) = self.run.take() {
            let written = self.journal.acked(run, offset, clock::now()).map_err(WorkerError::from);
            let settled = self.in_outbox(run);
            self.note(written.and(settled));
        }
    }

    /// These records need not be sent again.
    fn in_outbox(&self, run: SendRun) -> Result<(), WorkerError> {
        match &self.outbox {
            Some(outbox) => Ok(outbox.settle(run.first, run.count)?),
            None => Ok(()),
        }
    }

    fn note(&mut self, written: Result<(), WorkerError>) {
        if let Err(error) = written {
            self.failed.get_or_insert(error);
        }
    }
}

impl AckRun {
    fn continues(&self, log: LogId, seq: Seq, offset: Option<Offset>) -> bool {
        let count = self.run.count;
        let expected = self.offset.map(|first| Offset(first.0 + i64::from(count)));
        self.run.log == log && self.run.first.0 + count == seq.0 && offset == expected
    }
}

/// Which sends are open: one bit for each record ever sent, an eighth of a megabyte for a million.
#[derive(Default)]
struct OpenSends {
    words: Vec<u64>,
}

impl OpenSends {
    fn begin(&mut self, seq: Seq) {
        let (word, bit) = place(seq);
        if self.words.len() <= word {
            self.words.resize(word + 1, 0);
        }
        self.words[word] |= bit;
    }

    /// False where it was not open: a second answer for one record changes nothing.
    fn end(&mut self, seq: Seq) -> bool {
        let (word, bit) = place(seq);
        let was_open = self.words.get(word).is_some_and(|word| word & bit != 0);
        if was_open {
            self.words[word] &= !bit;
        }
        was_open
    }

    fn iter(&self) -> impl Iterator<Item = Seq> {
        self.words.iter().zip(0u32..).flat_map(|(word, index)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| Seq(index * 64 + bit))
        })
    }
}

fn place(seq: Seq) -> (usize, u64) {
    (usize::try_from(seq.0 / 64).expect("u32 fits"), 1 << (seq.0 % 64))
}

#[cfg(test)]
mod tests {
    use history::ids::{Process, TopicPartition};
    use history::journal::{Entry, Header, Reader};

    use super::*;

    fn books(path: &std::path::Path) -> Books {
        let header = Header { run: 1, process: Process(0), identity: Default::default() };
        Books::new(Writer::create(path, &header).unwrap(), None)
    }

    /// The journal's acknowledgements: log, first sequence, count, offset.
    fn acknowledgements(path: &std::path::Path) -> Vec<(u16, u32, u32, Option<i64>)> {
        let mut reader = Reader::open(path).unwrap();
        let mut acks = Vec::new();
        loop {
            let entry = reader.next_entry().unwrap();
            if let Entry::Acked { run, offset, .. } = entry {
                acks.push((run.log.0, run.first.0, run.count, offset.map(|offset| offset.0)));
            } else if let Entry::End(_) = entry {
                return acks;
            }
        }
    }

    #[test]
    fn acknowledgements_are_written_as_runs_that_break_where_anything_jumps() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("j");
        let mut books = books(&path);
        let logs = [0, 1].map(|partition| TopicPartition::new("t", partition));
        let [a, b] = logs.map(|log| books.journal.log(&log).unwrap());
        for (log, first, count) in [(a, 0, 8), (b, 8, 2)] {
            books.sending(SendRun { log, first: Seq(first), count }, clock::now()).unwrap();
        }
        for (log, seq, offset) in [
            (a, 0, Some(50)),
            (a, 1, Some(51)),
            (a, 2, Some(60)),
            (a, 4, Some(61)),
            (b, 8, Some(62)),
            (a, 3, None),
            (a, 5, None),
            (a, 6, None),
        ] {
            books.acked(log, Seq(seq), offset.map(Offset), 40_000);
        }
        books.acked(a, Seq(6), None, 5);
        assert_eq!(books.outstanding(), 2);
        assert_eq!(books.open_sends(), [Seq(7), Seq(9)]);
        books.unresolved(a, Seq(7), (Outcome::Fail, -152));
        books.settle().unwrap();
        assert_eq!((books.progress().acked, books.progress().failed), (8, 1));
        assert!(books.progress().latency.p50_us.abs_diff(40_000) < 400, "{:?}", books.progress().latency);
        let expected = [
            (0, 0, 2, Some(50)),
            (0, 2, 1, Some(60)),
            (0, 4, 1, Some(61)),
            (1, 8, 1, Some(62)),
            (0, 3, 1, None),
            (0, 5, 2, None),
        ];
        books.into_journal().close().unwrap();
        assert_eq!(acknowledgements(&path), expected);
    }
}
