//! A merged history taken apart again: the events that the processes would have recorded.

use history::ids::{LogId, Nanos, Offset, Process, Seq, Value};
use history::merged::{
    BatchChunk, Buffer, Entry, History, Kind, ReadChunk, SendChunk, SendOutcome, SendRun, TxnChunk, TxnEnd,
    TxnOffset, TxnSpan,
};
use history::op::{Cause, CommitMode, Event, Isolation, Op, Outcome, Phase, Position, Run, Span};

use super::random::Story;

/// Events with what puts them in order: time, at the same time what comes first, and of sends the sequence.
type Timed = Vec<((u64, u8, u32), Event)>;

/// The events of a history, in order of time.
pub(crate) fn unrolled(history: &History) -> Story {
    let mut timed: Timed = Vec::new();
    for event in history.events().unwrap() {
        let event = event.unwrap();
        timed.push(((event.time.0, 3, 0), event));
    }
    let mut buffer = Buffer::default();
    for entry in history.entries() {
        match entry.kind {
            Kind::Sends => sends(history, entry, &mut buffer, &mut timed),
            Kind::Polls => polls(history, entry, &mut buffer, &mut timed),
            Kind::FinalRead(isolation) => final_read(history, (entry, isolation), &mut buffer, &mut timed),
            Kind::Batches => batches(history, entry, &mut buffer, &mut timed),
            Kind::Transactions => transactions(history, entry, &mut buffer, &mut timed),
            Kind::Rows => {}
        }
    }
    timed.sort_by_key(|(key, _)| *key);
    let events = timed.into_iter().map(|(_, event)| event).collect();
    Story { logs: history.facts().logs.clone(), events }
}

fn event(micros: u64, process: Process, phase: Phase, op: Op) -> Event {
    Event { time: Nanos(micros * 1000), process, phase, op }
}

fn sends(history: &History, entry: &Entry, buffer: &mut Buffer, timed: &mut Timed) {
    let mut chunk = SendChunk::default();
    history.sends(entry, buffer, &mut chunk).unwrap();
    for (at, (&seq, &invoked)) in chunk.seqs.iter().zip(&chunk.invoked).enumerate() {
        let op = Op::Send { log: entry.log, value: Value { process: entry.process, seq: Seq(seq) } };
        timed.push(((invoked * 1000, 4, seq), event(invoked, entry.process, Phase::Invoke, op.clone())));
        let run = &chunk.runs[chunk.run_of(at)];
        if run.completed == SendRun::NEVER {
            continue;
        }
        let place = i64::try_from(at).unwrap() - i64::from(run.start);
        let offset = (run.offset != SendRun::NO_OFFSET).then(|| Offset(run.offset + place));
        let cause = history.facts().causes[run.cause as usize].clone();
        let outcome = match run.outcome {
            SendOutcome::Acked | SendOutcome::AckedWithoutOffset => Outcome::Ok { offset },
            SendOutcome::Unknown => Outcome::Info { cause, offset },
            SendOutcome::Failed => Outcome::Fail { cause },
        };
        let phase = Phase::Complete(outcome);
        timed.push(((run.completed * 1000, 5, seq), event(run.completed, entry.process, phase, op)));
    }
}

/// Records of a chunk of reads, as runs.
fn runs(chunk: &ReadChunk, log: LogId, range: std::ops::Range<usize>) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (nth, run) in chunk.runs.iter().enumerate() {
        for at in (run.start as usize).max(range.start)..chunk.run_end(nth).min(range.end) {
            let offset = Offset(run.offset + i64::try_from(at).unwrap() - i64::from(run.start));
            let first = Value { process: Process(run.process), seq: Seq(chunk.seqs[at]) };
            match runs.last_mut() {
                Some(last)
                    if (last.first.process, last.offset.0 + i64::from(last.count))
                        == (first.process, offset.0)
                        && last.first.seq.0 + last.count == first.seq.0 =>
                {
                    last.count += 1;
                }
                _ => runs.push(Run { log, offset, first, count: 1 }),
            }
        }
    }
    runs
}

fn polls(history: &History, entry: &Entry, buffer: &mut Buffer, timed: &mut Timed) {
    let mut chunk = ReadChunk::default();
    history.reads(entry, buffer, &mut chunk).unwrap();
    let process = entry.process;
    for (nth, poll) in chunk.polls.iter().enumerate() {
        let start = poll.start as usize;
        let op = Op::Poll { runs: Vec::new() };
        timed.push(((poll.invoked * 1000, 4, 0), event(poll.invoked, process, Phase::Invoke, op)));
        let op = Op::Poll { runs: runs(&chunk, entry.log, start..chunk.poll_end(nth)) };
        let phase = Phase::Complete(Outcome::Ok { offset: None });
        timed.push(((poll.returned * 1000, 5, 0), event(poll.returned, process, phase, op)));
        if poll.handed == 0 {
            continue;
        }
        let handed = runs(&chunk, entry.log, start..start + poll.handed as usize);
        let spans = handed
            .iter()
            .map(|run| Span {
                log: run.log,
                first: run.offset,
                last: Offset(run.offset.0 + i64::from(run.count) - 1),
            })
            .collect();
        let time = Nanos(poll.handed_at * 1000);
        timed.push(((time.0, 6, 0), Event::moment(time, process, Op::EffectBegin { spans })));
    }
}

fn final_read(
    history: &History,
    (entry, isolation): (&Entry, Isolation),
    buffer: &mut Buffer,
    timed: &mut Timed,
) {
    let mut chunk = ReadChunk::default();
    history.reads(entry, buffer, &mut chunk).unwrap();
    let op = Op::FinalRead { isolation, runs: runs(&chunk, entry.log, 0..chunk.len()) };
    // Its times are not kept. All of them come before what is said of its end.
    timed.push(((0, 1, 0), Event::moment(Nanos(0), entry.process, op)));
}

fn batches(history: &History, entry: &Entry, buffer: &mut Buffer, timed: &mut Timed) {
    let mut chunk = BatchChunk::default();
    history.batches(entry, buffer, &mut chunk).unwrap();
    for batch in &chunk.batches {
        timed.push(((0, 2, 0), Event::moment(Nanos(0), entry.process, Op::Batch(*batch))));
    }
}

fn transactions(history: &History, entry: &Entry, buffer: &mut Buffer, timed: &mut Timed) {
    let mut chunk = TxnChunk::default();
    history.transactions(entry, buffer, &mut chunk).unwrap();
    for (nth, span) in (0u32..).zip(&chunk.txns) {
        let id = history.facts().transactional_ids[span.id as usize].clone();
        let epoch = (span.epoch >= 0).then_some(span.epoch);
        let mut push = |time: u64, rank, phase, op: &Op| {
            if time != TxnSpan::NEVER {
                timed.push(((time * 1000, rank, 0), event(time, entry.process, phase, op.clone())));
            }
        };
        let ok = || Phase::Complete(Outcome::Ok { offset: None });
        let begin = Op::BeginTxn { id, epoch };
        push(span.invoked, 0, Phase::Invoke, &begin);
        push(span.began, 0, ok(), &begin);
        let sent = |certain: bool| {
            let of_this = |at: &&TxnOffset| at.txn == nth && at.certain == certain;
            let position = |at: &TxnOffset| Position { log: at.log, next: at.next };
            let positions: Vec<_> = chunk.offsets.iter().filter(of_this).map(position).collect();
            (!positions.is_empty()).then_some(Op::CommitOffsets { mode: CommitMode::Txn, positions })
        };
        // When positions were sent is not kept: before the end was asked.
        for (certain, op) in [true, false].into_iter().filter_map(|certain| Some((certain, sent(certain)?))) {
            push(span.asked, 7, Phase::Invoke, &op);
            if certain {
                push(span.asked, 8, ok(), &op);
            }
        }
        let (op, end) = match span.how {
            TxnEnd::Committed => (Op::CommitTxn, ok()),
            TxnEnd::Aborted => (Op::AbortTxn, ok()),
            TxnEnd::Failed => (Op::CommitTxn, Phase::Complete(Outcome::Fail { cause: Cause::default() })),
            TxnEnd::Unknown => {
                (Op::CommitTxn, Phase::Complete(Outcome::Info { cause: Cause::default(), offset: None }))
            }
            TxnEnd::Open => continue,
        };
        push(span.closed, 9, Phase::Invoke, &op);
        push(span.ended, 9, end, &op);
    }
}
