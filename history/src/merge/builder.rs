//! The builder: takes what was recorded, process by process or all at once, and writes the chunks.
//!
//! Events of one process must come in the order it recorded them; processes may be interleaved in any way. Every
//! rule about what a recording may say is enforced here, once, for all inputs.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write};

use super::contradiction::Contradiction;
use super::polls::{self, Asked, PollStream};
use super::reads::{BatchStream, FinalStream, check_run};
use super::rows::RowStream;
use super::sends::{self, End, SendStream};
use super::transactions::{TxnStream, Way};
use super::{ceil, floor};
use crate::ids::{LogId, Nanos, Process, Seq, TopicPartition, Value};
use crate::journal::Tail;
use crate::merged::{CHUNK_RECORDS, Facts, FinalReadEnd, Segments, SendOutcome, Writer};
use crate::op::{Cause, CommitMode, Event, Identity, Isolation, Op, Outcome, Phase, Run, Span};

/// Why something cannot be taken.
#[derive(Debug)]
pub(super) enum Trouble {
    Contradiction(Contradiction),
    Io(io::Error),
}

impl From<Contradiction> for Trouble {
    fn from(what: Contradiction) -> Self {
        Self::Contradiction(what)
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Builds one merged history.
pub struct Builder<W> {
    out: Writer<W>,
    facts: Facts,
    log_ids: HashMap<TopicPartition, LogId>,
    causes: HashMap<(i32, String), u32>,
    segments: Segments,
    sends: BTreeMap<(Process, LogId), SendStream>,
    polls: BTreeMap<(Process, LogId), PollStream>,
    finals: BTreeMap<(Isolation, LogId), FinalStream>,
    batches: BTreeMap<(Process, LogId), BatchStream>,
    txns: BTreeMap<Process, TxnStream>,
    txn_ids: HashMap<String, u32>,
    rows: BTreeMap<Process, RowStream>,
    positions: HashMap<Process, Progress>,
    /// Questions without an answer, by what was asked, of operations that are kept as rows.
    asked: HashMap<(Process, &'static str), u32>,
    /// Records in a chunk.
    chunk: usize,
}

/// Records with consecutive sequence numbers that a process sent to a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sends {
    pub(super) process: Process,
    pub(super) log: LogId,
    pub(super) first: Seq,
    pub(super) count: u32,
}

/// How far a process came.
#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    sent: Option<(Seq, u64)>,
    polled: u64,
    open_poll: Option<Nanos>,
}

impl<W: Write> Builder<W> {
    /// Begins a history.
    ///
    /// # Errors
    /// Whatever `out` refuses.
    pub fn new(out: W) -> io::Result<Self> {
        Self::with_chunks(out, CHUNK_RECORDS)
    }

    /// Begins a history with chunks of `chunk` records, at least one.
    pub(super) fn with_chunks(out: W, chunk: usize) -> io::Result<Self> {
        let facts = Facts { causes: vec![Cause::default()], ..Facts::default() };
        Ok(Self {
            out: Writer::new(out)?,
            facts,
            log_ids: HashMap::new(),
            causes: HashMap::new(),
            segments: Segments::default(),
            sends: BTreeMap::new(),
            polls: BTreeMap::new(),
            finals: BTreeMap::new(),
            batches: BTreeMap::new(),
            txns: BTreeMap::new(),
            txn_ids: HashMap::new(),
            rows: BTreeMap::new(),
            positions: HashMap::new(),
            asked: HashMap::new(),
            chunk: chunk.clamp(1, CHUNK_RECORDS),
        })
    }

    /// Notes which run it is; all recordings must be of one.
    pub(super) fn run(&mut self, run: u64) -> Result<(), Contradiction> {
        match self.facts.run.replace(run) {
            Some(one) if one != run => Err(Contradiction::TwoRuns { one, other: run }),
            _ => Ok(()),
        }
    }

    /// Notes who a process is.
    pub(super) fn process(&mut self, process: Process, identity: &Identity) {
        self.facts.processes.entry(process).or_default().identity = identity.clone();
    }

    /// Notes how a process's journal ended, and writes what was waiting for more of it.
    pub(super) fn journal_ended(&mut self, process: Process, tail: &Tail) -> Result<(), Trouble> {
        let facts = self.facts.processes.entry(process).or_default();
        (facts.torn, facts.truncated) = match tail {
            Tail::Closed => (None, false),
            Tail::Open => (Some("it ends without a closing mark".to_owned()), false),
            Tail::Torn { at, bytes } => {
                (Some(format!("{bytes} bytes of an unfinished entry at {at}")), false)
            }
            Tail::Truncated { at, .. } => (Some(format!("it was cut at byte {at}")), true),
        };
        let logs: Vec<LogId> = self.log_ids.values().copied().collect();
        for log in logs {
            self.finish_sends(process, log)?;
            self.finish_polls(process, log)?;
        }
        self.finish_txns(process)
    }

    /// The number of a log; the first call for a log adds it to the table.
    ///
    /// # Errors
    /// [`Contradiction::TooManyLogs`].
    pub(super) fn log(&mut self, log: &TopicPartition) -> Result<LogId, Trouble> {
        if let Some(&id) = self.log_ids.get(log) {
            return Ok(id);
        }
        let id = u16::try_from(self.facts.logs.len()).map_err(|_| Contradiction::TooManyLogs)?;
        self.facts.logs.push(log.clone());
        self.log_ids.insert(log.clone(), LogId(id));
        Ok(LogId(id))
    }

    /// Takes one event that `recorder` recorded.
    pub(super) fn event(&mut self, recorder: Process, event: Event) -> Result<(), Trouble> {
        let Event { time, process, .. } = event;
        match (&event.op, &event.phase) {
            (Op::Send { log, value }, phase) => {
                if value.process != process {
                    return Err(Contradiction::ForeignValue { process, value: *value }.into());
                }
                let sends = Sends { process, log: *log, first: value.seq, count: 1 };
                match phase {
                    Phase::Invoke => self.sent(sends, time),
                    Phase::Complete(outcome) => self.completed(sends, outcome, time),
                }
            }
            (Op::Poll { .. }, Phase::Invoke) => {
                if self.positions.entry(process).or_default().open_poll.replace(time).is_some() {
                    return Err(Contradiction::PollWithinPoll { process }.into());
                }
                Ok(())
            }
            (Op::Poll { runs }, Phase::Complete(_)) => {
                let invoked = self.positions.entry(process).or_default().open_poll.take();
                let invoked = invoked.ok_or(Contradiction::PollWithoutInvocation { process })?;
                self.polled(process, (invoked, time), runs)
            }
            (Op::EffectBegin { spans }, _) => self.handed_over(process, spans, time),
            (Op::FinalRead { isolation, runs }, _) => self.final_read(process, *isolation, runs),
            (Op::Batch(batch), _) => {
                self.name(batch.log)?;
                let stream = self.batches.entry((process, batch.log)).or_default();
                stream.push(process, batch, &mut self.out)
            }
            (Op::BeginTxn { id, epoch }, phase) => {
                self.facts.processes.entry(process).or_default().transactional = true;
                let begun = (self.transactional_id(id), *epoch, self.next_seq(process));
                let stream = self.txns.entry(process).or_default();
                stream.begin((process, time, self.chunk), phase, begun, &mut self.out)
            }
            (Op::CommitTxn, phase) => self.end_txn((process, time), (Way::Commit, phase)),
            (Op::AbortTxn, phase) => self.end_txn((process, time), (Way::Abort, phase)),
            (Op::CommitOffsets { mode: CommitMode::Txn, positions }, phase) => {
                for position in positions {
                    self.name(position.log)?;
                }
                // Outside of a transaction they are a row, so that nothing is lost.
                let taken = self.txns.get_mut(&process).is_some_and(|stream| stream.sent(phase, positions));
                if taken { Ok(()) } else { self.row(recorder, event) }
            }
            (Op::Effect { spans }, _) => {
                spans.iter().try_for_each(|span| self.check_span(span))?;
                self.row(recorder, event)
            }
            (Op::SinkRead { runs }, _) => {
                runs.iter().try_for_each(|run| check_run(run).and_then(|()| self.name(run.log).map(drop)))?;
                self.row(recorder, event)
            }
            _ => self.row(recorder, event),
        }
    }

    /// A span must be one, of a log that is known.
    fn check_span(&self, span: &Span) -> Result<(), Contradiction> {
        self.name(span.log)?;
        if span.first > span.last || span.first.0 < 0 || span.last.0 == i64::MAX {
            return Err(impossible(format!("a span from {} to {}", span.first, span.last)));
        }
        Ok(())
    }

    /// Takes consecutive sends of a process to a log.
    pub(super) fn sent(&mut self, sends: Sends, time: Nanos) -> Result<(), Trouble> {
        let Sends { process, log, first, count } = sends;
        self.name(log)?;
        let value = Value { process, seq: first };
        let last = count.checked_sub(1).and_then(|more| first.0.checked_add(more));
        let last = last.ok_or_else(|| impossible(format!("a run of {count} sends from {value}")))?;
        let invoked = floor(time);
        let progress = self.positions.entry(process).or_default();
        if let Some((after, before)) = progress.sent {
            if first <= after {
                return Err(Contradiction::SentAgain { value, after }.into());
            }
            if invoked < before {
                let what = format!("{value} was sent before {after}");
                return Err(Contradiction::TimeWentBack { process, what }.into());
            }
        }
        progress.sent = Some((Seq(last), invoked));
        self.facts.processes.entry(process).or_default().sent += u64::from(count);
        self.sends.entry((process, log)).or_default().sent(first.0..=last, invoked);
        Ok(())
    }

    /// Takes the completion of consecutive sends.
    pub(super) fn completed(&mut self, sends: Sends, outcome: &Outcome, time: Nanos) -> Result<(), Trouble> {
        let Sends { process, log, first, count } = sends;
        self.name(log)?;
        let value = Value { process, seq: first };
        let end = self.end(outcome, time);
        let offsets =
            end.offset.is_none_or(|offset| offset >= 0 && offset.checked_add(count.into()).is_some());
        if count == 0 || first.0.checked_add(count - 1).is_none() || !offsets {
            return Err(impossible(format!(
                "a completion of {count} sends from {value} at {:?}",
                end.offset
            ))
            .into());
        }
        let topic_partition = &self.facts.logs[usize::from(log.0)];
        let name = sends::Name { process, log, topic_partition, chunk: self.chunk };
        let Some(stream) = self.sends.get_mut(&(process, log)) else {
            let log = topic_partition.clone();
            return Err(Contradiction::CompletionWithoutInvocation { value, log }.into());
        };
        stream.completed(name, (first, count), end)?;
        stream.write_done(name, &mut self.out)
    }

    fn end(&mut self, outcome: &Outcome, time: Nanos) -> End {
        let completed = ceil(time);
        match outcome {
            Outcome::Ok { offset: Some(offset) } => {
                End { outcome: SendOutcome::Acked, offset: Some(offset.0), completed, cause: 0 }
            }
            Outcome::Ok { offset: None } => {
                End { outcome: SendOutcome::AckedWithoutOffset, offset: None, completed, cause: 0 }
            }
            Outcome::Fail { cause } => {
                End { outcome: SendOutcome::Failed, offset: None, completed, cause: self.cause(cause) }
            }
            Outcome::Info { cause, offset } => End {
                outcome: SendOutcome::Unknown,
                offset: offset.map(|offset| offset.0),
                completed,
                cause: self.cause(cause),
            },
        }
    }

    fn cause(&mut self, cause: &Cause) -> u32 {
        let causes = &mut self.facts.causes;
        *self.causes.entry((cause.code, cause.message.clone())).or_insert_with(|| {
            causes.push(cause.clone());
            u32::try_from(causes.len() - 1).unwrap_or(0)
        })
    }

    /// Takes a poll that returned.
    pub(super) fn polled(
        &mut self,
        process: Process,
        (invoked, returned): (Nanos, Nanos),
        runs: &[Run],
    ) -> Result<(), Trouble> {
        let progress = self.positions.entry(process).or_default();
        if returned < invoked || floor(invoked) < progress.polled {
            let what =
                "a poll returned before it was invoked, or was invoked before an earlier one".to_owned();
            return Err(Contradiction::TimeWentBack { process, what }.into());
        }
        progress.polled = floor(invoked);
        let facts = self.facts.processes.entry(process).or_default();
        facts.empty_polls += u64::from(runs.is_empty());
        let hands_over = facts.hands_over;
        let asked = Asked { invoked: floor(invoked), returned: ceil(returned) };
        let mut begun = Vec::new();
        for run in runs {
            check_run(run)?;
            self.name(run.log)?;
            self.facts.processes.entry(process).or_default().polled += u64::from(run.count);
            let segment = self.segments.current(process, run.log);
            let stream = self.polls.entry((process, run.log)).or_insert_with(|| PollStream::new(segment));
            if !begun.contains(&run.log) {
                begun.push(run.log);
                stream.begin(
                    polls::Name { process, log: run.log, hands_over, chunk: self.chunk },
                    asked,
                    &mut self.out,
                )?;
            }
            stream.push(run, asked);
        }
        Ok(())
    }

    /// Takes a hand-over to processing.
    pub(super) fn handed_over(
        &mut self,
        process: Process,
        spans: &[Span],
        time: Nanos,
    ) -> Result<(), Trouble> {
        self.facts.processes.entry(process).or_default().hands_over = true;
        let mut others = Vec::new();
        for &span in spans {
            self.check_span(&span)?;
            let stream = self.polls.get_mut(&(process, span.log));
            if !stream.is_some_and(|stream| stream.handed_over(span, ceil(time))) {
                others.push(span);
            }
        }
        if others.is_empty() {
            return Ok(());
        }
        self.row(process, Event::moment(time, process, Op::EffectBegin { spans: others }))
    }

    /// Takes records of the final read.
    pub(super) fn final_read(
        &mut self,
        process: Process,
        isolation: Isolation,
        runs: &[Run],
    ) -> Result<(), Trouble> {
        let chunk = self.chunk;
        for run in runs {
            check_run(run)?;
            self.name(run.log)?;
            let topic_partition = &self.facts.logs[usize::from(run.log.0)];
            let stream =
                self.finals.entry((isolation, run.log)).or_insert_with(|| FinalStream::new(process, chunk));
            if stream.reader != process {
                return Err(Contradiction::TwoFinalReads { log: topic_partition.clone() }.into());
            }
            stream.push(run, (topic_partition, isolation), &mut self.out)?;
        }
        Ok(())
    }

    fn end_txn(&mut self, who: (Process, Nanos), how: (Way, &Phase)) -> Result<(), Trouble> {
        let next = self.next_seq(who.0);
        Ok(self.txns.entry(who.0).or_default().end(who, how, next)?)
    }

    /// The sequence number that a process sends next.
    fn next_seq(&self, process: Process) -> u32 {
        let sent = self.positions.get(&process).and_then(|progress| progress.sent);
        sent.map_or(0, |(last, _)| last.0.saturating_add(1))
    }

    fn transactional_id(&mut self, id: &str) -> u32 {
        if let Some(&known) = self.txn_ids.get(id) {
            return known;
        }
        let number = u32::try_from(self.facts.transactional_ids.len()).unwrap_or(u32::MAX);
        self.facts.transactional_ids.push(id.to_owned());
        self.txn_ids.insert(id.to_owned(), number);
        number
    }

    fn row(&mut self, recorder: Process, event: Event) -> Result<(), Trouble> {
        if !event.op.is_moment() {
            self.pair(&event)?;
        }
        if let Op::Open(identity) = &event.op {
            self.facts.processes.entry(event.process).or_default().identity = identity.clone();
        }
        if let &Op::FinalReadEnd { isolation, log, start, end, reached } = &event.op {
            self.final_read_end(FinalReadEnd { log, isolation, start, reached, end })?;
        }
        for log in self.segments.note(&event) {
            self.name(log)?;
            self.finish_polls(event.process, log)?;
        }
        self.rows.entry(recorder).or_default().push(recorder, event, &mut self.out)
    }

    /// Checks that an answer was asked for. Several questions of one kind may be open (asynchronous commits).
    fn pair(&mut self, event: &Event) -> Result<(), Contradiction> {
        let (process, what) = (event.process, event.op.name());
        let open = self.asked.entry((process, what)).or_default();
        match event.phase {
            Phase::Invoke => *open += 1,
            Phase::Complete(_) => {
                *open = open.checked_sub(1).ok_or(Contradiction::AnswerWithoutQuestion { process, what })?;
            }
        }
        Ok(())
    }

    fn final_read_end(&mut self, end: FinalReadEnd) -> Result<(), Contradiction> {
        let log = self.name(end.log)?.clone();
        let known = &mut self.facts.final_reads;
        if known.iter().any(|known| (known.log, known.isolation) == (end.log, end.isolation)) {
            return Err(Contradiction::TwoFinalReads { log });
        }
        known.push(end);
        Ok(())
    }

    /// The name of a log that must be known.
    fn name(&self, log: LogId) -> Result<&TopicPartition, Contradiction> {
        self.facts.logs.get(usize::from(log.0)).ok_or(Contradiction::UnknownLog { log })
    }

    fn finish_sends(&mut self, process: Process, log: LogId) -> Result<(), Trouble> {
        let Some(stream) = self.sends.remove(&(process, log)) else { return Ok(()) };
        let topic_partition = &self.facts.logs[usize::from(log.0)];
        stream.finish(sends::Name { process, log, topic_partition, chunk: self.chunk }, &mut self.out)
    }

    fn finish_polls(&mut self, process: Process, log: LogId) -> Result<(), Trouble> {
        let Some(mut stream) = self.polls.remove(&(process, log)) else { return Ok(()) };
        let hands_over = self.facts.processes.get(&process).is_some_and(|facts| facts.hands_over);
        stream.finish(polls::Name { process, log, hands_over, chunk: self.chunk }, &mut self.out)
    }

    fn finish_txns(&mut self, process: Process) -> Result<(), Trouble> {
        let Some(stream) = self.txns.remove(&process) else { return Ok(()) };
        let next = self.next_seq(process);
        stream.finish(process, next, &mut self.out)
    }

    /// Writes what is left, and what makes it a history; returns the output and the facts.
    pub(super) fn finish(mut self) -> Result<(W, Facts), Trouble> {
        let streams: Vec<_> = self.sends.keys().copied().collect();
        for (process, log) in streams {
            self.finish_sends(process, log)?;
        }
        let streams: Vec<_> = self.polls.keys().copied().collect();
        for (process, log) in streams {
            self.finish_polls(process, log)?;
        }
        let streams: Vec<_> = self.txns.keys().copied().collect();
        for process in streams {
            self.finish_txns(process)?;
        }
        for ((isolation, log), stream) in self.finals {
            stream.finish(log, isolation, &mut self.out)?;
        }
        for ((process, log), stream) in self.batches {
            stream.finish(process, log, &mut self.out)?;
        }
        for (recorder, stream) in self.rows {
            stream.finish(recorder, &mut self.out)?;
        }
        self.facts.final_reads.sort();
        Ok((self.out.finish(&self.facts)?, self.facts))
    }
}

fn impossible(what: String) -> Contradiction {
    Contradiction::Impossible { what }
}
