//! The merge: journals and events give the same history, and a recording that contradicts itself is an error that
//! says where.

#![expect(clippy::unwrap_used, reason = "a test's own input")]

use std::path::PathBuf;

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{self, Header, SendRun as Sends, Unresolved, Writer};
use history::merge::{self, Contradiction, MergeError, Place};
use history::merged::{
    Buffer, History, Kind, ReadChunk, SendChunk, SendOutcome, TxnChunk, TxnEnd, TxnOffset, TxnSpan,
};
use history::op::{
    Assignment, Cause, CommitMode, Event, Identity, Isolation, Op, Outcome, Phase, Position, Run, Span,
};

const MICROS: u64 = 1000;

fn logs() -> Vec<TopicPartition> {
    vec![TopicPartition::new("a", 0), TopicPartition::new("b", 1)]
}

fn value(process: u32, seq: u32) -> Value {
    Value { process: Process(process), seq: Seq(seq) }
}

fn invoke(time: u64, process: u32, op: Op) -> Event {
    Event { time: Nanos(time * MICROS), process: Process(process), phase: Phase::Invoke, op }
}

fn complete(time: u64, process: u32, outcome: Outcome, op: Op) -> Event {
    Event { phase: Phase::Complete(outcome), ..invoke(time, process, op) }
}

fn moment(time: u64, process: u32, op: Op) -> Event {
    Event::moment(Nanos(time * MICROS), Process(process), op)
}

fn send(log: u16, process: u32, seq: u32) -> Op {
    Op::Send { log: LogId(log), value: value(process, seq) }
}

fn begin(time: u64, process: u32) -> Event {
    moment(time, process, Op::BeginTxn { id: "shop".to_owned(), epoch: Some(4) })
}

fn ok(offset: i64) -> Outcome {
    Outcome::Ok { offset: Some(Offset(offset)) }
}

fn run(log: u16, offset: i64, seq: u32, count: u32) -> Run {
    Run { log: LogId(log), offset: Offset(offset), first: value(1, seq), count }
}

fn span(log: u16, first: i64, last: i64) -> Span {
    Span { log: LogId(log), first: Offset(first), last: Offset(last) }
}

fn contradiction(events: &[Event]) -> (usize, Contradiction) {
    let error = merge::events(&logs(), events).unwrap_err();
    let MergeError::Contradiction { place: Place::Event { index }, what } = error else { panic!("{error}") };
    (index, what)
}

#[test]
fn contradictions_name_the_event() {
    let sent = invoke(10, 1, send(0, 1, 5));
    let cases: Vec<(Vec<Event>, &str)> = vec![
        (vec![complete(9, 1, ok(0), send(0, 1, 5))], "CompletionWithoutInvocation"),
        (vec![sent.clone(), complete(11, 1, ok(0), send(1, 1, 5))], "CompletionWithoutInvocation"),
        (
            vec![sent.clone(), complete(11, 1, ok(0), send(0, 1, 5)), complete(12, 1, ok(0), send(0, 1, 5))],
            "CompletedTwice",
        ),
        (vec![sent.clone(), invoke(11, 1, send(0, 1, 5))], "SentAgain"),
        (vec![sent.clone(), invoke(11, 1, send(1, 1, 4))], "SentAgain"),
        (vec![sent.clone(), invoke(9, 1, send(0, 1, 6))], "TimeWentBack"),
        (vec![sent.clone(), complete(9, 1, ok(0), send(0, 1, 5))], "TimeWentBack"),
        (vec![invoke(1, 1, send(0, 2, 0))], "ForeignValue"),
        (vec![invoke(1, 1, send(7, 1, 0))], "UnknownLog"),
        (vec![sent.clone(), complete(11, 1, ok(-3), send(0, 1, 5))], "Impossible"),
        (vec![invoke(1, 2, Op::CommitTxn)], "EndWithoutTransaction"),
        (vec![begin(1, 2), moment(2, 2, Op::CommitTxn)], "EndWithoutInvocation"),
        (vec![begin(1, 2), invoke(2, 2, Op::CommitTxn), moment(3, 2, Op::AbortTxn)], "EndWithoutInvocation"),
        (vec![moment(1, 2, Op::Poll { runs: vec![] })], "PollWithoutInvocation"),
        (
            vec![invoke(1, 2, Op::Poll { runs: vec![] }), invoke(2, 2, Op::Poll { runs: vec![] })],
            "PollWithinPoll",
        ),
        (
            vec![invoke(5, 2, Op::Poll { runs: vec![] }), moment(4, 2, Op::Poll { runs: vec![] })],
            "TimeWentBack",
        ),
        (
            vec![
                moment(
                    1,
                    9,
                    Op::FinalRead { isolation: Isolation::ReadUncommitted, runs: vec![run(0, 4, 0, 2)] },
                ),
                moment(
                    2,
                    9,
                    Op::FinalRead { isolation: Isolation::ReadUncommitted, runs: vec![run(0, 5, 9, 1)] },
                ),
            ],
            "FinalReadWentBack",
        ),
        (
            vec![
                moment(
                    1,
                    9,
                    Op::FinalRead { isolation: Isolation::ReadUncommitted, runs: vec![run(0, 4, 0, 2)] },
                ),
                moment(
                    2,
                    8,
                    Op::FinalRead { isolation: Isolation::ReadUncommitted, runs: vec![run(0, 9, 9, 1)] },
                ),
            ],
            "TwoFinalReads",
        ),
        (vec![moment(1, 2, Op::EffectBegin { spans: vec![span(0, 4, 3)] })], "Impossible"),
    ];
    for (events, wanted) in cases {
        let (index, what) = contradiction(&events);
        assert_eq!(index, events.len() - 1, "{what}");
        assert!(format!("{what:?}").starts_with(wanted), "{what}");
    }
}

fn sends_of(history: &History, log: u16) -> SendChunk {
    let (mut chunk, mut buffer) = (SendChunk::default(), Buffer::default());
    let entries = history.chunks(Kind::Sends, LogId(log));
    assert_eq!(entries.len(), 1);
    history.sends(&entries[0], &mut buffer, &mut chunk).unwrap();
    chunk
}

#[test]
fn acknowledgements_are_matched_by_sequence_and_join_into_runs() {
    let mut events: Vec<Event> = (0..6).map(|seq| invoke(u64::from(seq), 1, send(0, 1, seq))).collect();
    for seq in [5, 4, 0, 1, 2] {
        events.push(complete(50, 1, ok(100 + i64::from(seq)), send(0, 1, seq)));
    }
    let chunk = sends_of(&merge::events(&logs(), &events).unwrap(), 0);
    assert_eq!(chunk.seqs, [0, 1, 2, 3, 4, 5]);
    let runs: Vec<_> = chunk.runs.iter().map(|run| (run.start, run.outcome, run.offset)).collect();
    let unknown = (3, SendOutcome::Unknown, history::merged::SendRun::NO_OFFSET);
    assert_eq!(runs, [(0, SendOutcome::Acked, 100), unknown, (4, SendOutcome::Acked, 104)]);
}

#[test]
fn times_are_rounded_outwards() {
    let mut sent = invoke(0, 1, send(0, 1, 0));
    sent.time = Nanos(1999);
    let mut acked = complete(0, 1, ok(0), send(0, 1, 0));
    acked.time = Nanos(2001);
    let chunk = sends_of(&merge::events(&logs(), &[sent, acked]).unwrap(), 0);
    assert_eq!((chunk.invoked[0], chunk.runs[0].completed), (1, 3));
}

fn polls_of(history: &History) -> Vec<(u32, ReadChunk)> {
    let mut buffer = Buffer::default();
    let entries = history.chunks(Kind::Polls, LogId(0));
    let chunk = |entry: &history::merged::Entry| {
        let mut chunk = ReadChunk::default();
        history.reads(entry, &mut buffer, &mut chunk).unwrap();
        (entry.segment, chunk)
    };
    entries.iter().map(chunk).collect()
}

#[test]
fn hand_overs_in_order_are_counted_and_others_kept_as_rows() {
    let poll = |time, runs: Vec<Run>| {
        [invoke(time, 2, Op::Poll { runs: vec![] }), moment(time + 1, 2, Op::Poll { runs })]
    };
    let mut events = Vec::new();
    events.extend(poll(1, vec![run(0, 0, 0, 4)]));
    events.push(moment(3, 2, Op::EffectBegin { spans: vec![span(0, 0, 1)] }));
    events.extend(poll(4, vec![run(0, 4, 4, 3)]));
    // The rest of the first poll and a part of the second at once; then one again; then one far away.
    events.push(moment(6, 2, Op::EffectBegin { spans: vec![span(0, 2, 4)] }));
    events.push(moment(7, 2, Op::EffectBegin { spans: vec![span(0, 2, 2), span(0, 90, 91)] }));
    events.push(moment(8, 2, Op::Seek { log: LogId(0), offset: Offset(0) }));
    events.extend(poll(9, vec![run(0, 0, 0, 1)]));
    let history = merge::events(&logs(), &events).unwrap();
    let polls = polls_of(&history);
    let handed: Vec<_> = polls
        .iter()
        .map(|(segment, chunk)| (*segment, chunk.polls.iter().map(|poll| poll.handed).collect::<Vec<_>>()))
        .collect();
    assert_eq!(handed, [(0, vec![4, 1]), (1, vec![0])]);
    let rows: Vec<Op> = history.events().unwrap().map(|event| event.unwrap().op).collect();
    let others = Op::EffectBegin { spans: vec![span(0, 2, 2), span(0, 90, 91)] };
    assert_eq!(rows, [others, Op::Seek { log: LogId(0), offset: Offset(0) }]);
}

/// A small run, by its journals, as the journal's writers write them; with the events that mean the same.
fn recorded(directory: &std::path::Path) -> (Vec<PathBuf>, Vec<Event>) {
    let identity = |name: &str| Identity { name: name.to_owned(), ..Identity::default() };
    let mut paths = Vec::new();
    let mut writer = |process: u32, name: &str| {
        let path = directory.join(format!("{process}.journal"));
        paths.push(path.clone());
        Writer::create(&path, &Header { run: 7, process: Process(process), identity: identity(name) })
            .unwrap()
    };
    let at = |micros: u64| Nanos(micros * MICROS);
    // The consumer knows the logs in the other order.
    let mut consumer = writer(2, "consumer");
    let (b, a) = (consumer.log(&logs()[1]).unwrap(), consumer.log(&logs()[0]).unwrap());
    let assigned = |logs| Op::Assigned(Assignment { logs, generation: Some(3) });
    consumer.event(&moment(5, 2, assigned(vec![a, b]))).unwrap();
    consumer
        .poll(at(20), at(30), &[Run { log: a, ..run(0, 0, 0, 2) }, Run { log: b, ..run(1, 8, 2, 1) }])
        .unwrap();
    consumer
        .handed_over(&[Span { log: a, ..span(0, 0, 1) }, Span { log: b, ..span(1, 8, 8) }], at(31))
        .unwrap();
    let commit = |log| Op::CommitOffsets {
        mode: CommitMode::Sync,
        positions: vec![Position { log, next: Offset(2) }],
    };
    consumer.event(&invoke(32, 2, commit(a))).unwrap();
    consumer.close().unwrap();
    let mut producer = writer(1, "producer");
    let (a, b) = (producer.log(&logs()[0]).unwrap(), producer.log(&logs()[1]).unwrap());
    producer.sends(Sends { log: a, first: Seq(0), count: 2 }, at(10)).unwrap();
    producer.send(b, Seq(2), at(11)).unwrap();
    producer.send(b, Seq(3), at(12)).unwrap();
    producer.acked(Sends { log: a, first: Seq(0), count: 2 }, Some(Offset(0)), at(15)).unwrap();
    producer.unresolved(Sends { log: b, first: Seq(3), count: 1 }, Unresolved::Fail, 9, at(16)).unwrap();
    producer.acked(Sends { log: b, first: Seq(2), count: 1 }, Some(Offset(8)), at(17)).unwrap();
    producer.close().unwrap();
    let cause = Cause { code: 9, message: String::new() };
    let events = vec![
        moment(5, 2, assigned(vec![LogId(0), LogId(1)])),
        invoke(10, 1, send(0, 1, 0)),
        invoke(10, 1, send(0, 1, 1)),
        invoke(11, 1, send(1, 1, 2)),
        invoke(12, 1, send(1, 1, 3)),
        complete(15, 1, ok(0), send(0, 1, 0)),
        complete(15, 1, ok(1), send(0, 1, 1)),
        complete(16, 1, Outcome::Fail { cause }, send(1, 1, 3)),
        complete(17, 1, ok(8), send(1, 1, 2)),
        invoke(20, 2, Op::Poll { runs: vec![] }),
        moment(30, 2, Op::Poll { runs: vec![run(0, 0, 0, 2), run(1, 8, 2, 1)] }),
        moment(31, 2, Op::EffectBegin { spans: vec![span(0, 0, 1), span(1, 8, 8)] }),
        invoke(32, 2, commit(LogId(0))),
    ];
    (paths, events)
}

fn chunks(history: &History) -> Vec<(Kind, LogId, Process, u32, u64)> {
    let entries = history.entries().iter();
    entries.map(|entry| (entry.kind, entry.log, entry.process, entry.records, entry.hash)).collect()
}

#[test]
fn journals_and_events_give_the_same_history() {
    let directory = tempfile::tempdir().unwrap();
    let (paths, events) = recorded(directory.path());
    let out = directory.path().join("history");
    let report = merge::journals(&paths, &out).unwrap();
    assert!(report.journals.iter().all(|journal| journal.tail == journal::Tail::Closed));
    let merged = History::open(&out).unwrap();
    let built = merge::events(&logs(), &events).unwrap();
    assert_eq!(merged.facts().logs, built.facts().logs);
    assert_eq!(chunks(&merged), chunks(&built));
    assert_eq!(merged.facts().processes[&Process(1)].identity.name, "producer");
    assert_eq!(merged.facts().run, Some(7));
    merged.verify().unwrap();
}

#[test]
fn a_journal_cut_short_is_named_and_the_rest_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let (paths, _) = recorded(directory.path());
    let out = directory.path().join("history");
    let whole = std::fs::read(&paths[1]).unwrap();
    // The frames of the producer end somewhere in the window; cut within them.
    let used = whole.iter().rposition(|&byte| byte != 0).unwrap();
    std::fs::write(&paths[1], &whole[..used - 40]).unwrap();
    let report = merge::journals(&paths, &out).unwrap();
    let facts = &report.facts.processes[&Process(1)];
    assert!(facts.truncated && facts.torn.is_some(), "{facts:?}");
    History::open(&out).unwrap().verify().unwrap();
}

#[test]
fn two_journals_of_one_process_and_two_runs_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let (mut paths, _) = recorded(directory.path());
    let out = directory.path().join("history");
    let other = directory.path().join("other.journal");
    let header = Header { run: 8, process: Process(6), identity: Identity::default() };
    Writer::create(&other, &header).unwrap().close().unwrap();
    paths.push(other);
    let error = merge::journals(&paths, &out).unwrap_err();
    assert!(
        matches!(error, MergeError::Contradiction { what: Contradiction::TwoRuns { .. }, .. }),
        "{error}"
    );
    paths.pop();
    paths.push(paths[0].clone());
    let error = merge::journals(&paths, &out).unwrap_err();
    assert!(
        matches!(error, MergeError::Contradiction { what: Contradiction::TwoJournals { .. }, .. }),
        "{error}"
    );
    assert!(!out.exists(), "no history appears where the merge failed");
}

/// The transactions of process 1, whatever the size of chunks.
fn transactions(events: &[Event]) -> (Vec<TxnSpan>, Vec<TxnOffset>) {
    let mut seen = Vec::new();
    for size in [1, 2, 1000] {
        let history = merge::events_in_chunks(&logs(), events, size).unwrap();
        let (mut txns, mut offsets) = (Vec::new(), Vec::new());
        let (mut buffer, mut chunk) = (Buffer::default(), TxnChunk::default());
        for entry in history.transaction_chunks() {
            history.transactions(entry, &mut buffer, &mut chunk).unwrap();
            let before = u32::try_from(txns.len()).unwrap();
            txns.extend(chunk.txns.iter().copied());
            offsets.extend(chunk.offsets.iter().map(|sent| TxnOffset { txn: sent.txn + before, ..*sent }));
        }
        seen.push((txns, offsets));
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]), "{seen:?}");
    seen.remove(0)
}

fn info() -> Outcome {
    Outcome::Info { cause: Cause::default(), offset: None }
}

fn fail() -> Outcome {
    Outcome::Fail { cause: Cause::default() }
}

const DONE: Outcome = Outcome::Ok { offset: None };

#[test]
fn a_record_belongs_to_the_transaction_that_it_was_sent_in() {
    // All at one moment: the order of events decides, not the clock.
    let events = [
        invoke(1, 1, send(0, 1, 0)),
        begin(1, 1),
        invoke(1, 1, send(0, 1, 1)),
        invoke(1, 1, send(1, 1, 2)),
        invoke(1, 1, Op::CommitTxn),
        complete(1, 1, DONE, Op::CommitTxn),
        invoke(1, 1, send(0, 1, 3)),
        begin(1, 1),
        begin(1, 1),
        invoke(1, 1, send(0, 1, 7)),
    ];
    let (txns, _) = transactions(&events);
    let records: Vec<_> = txns.iter().map(|txn| (txn.first, txn.end, txn.how)).collect();
    assert_eq!(records, [(1, 3, TxnEnd::Committed), (4, 4, TxnEnd::Open), (4, 8, TxnEnd::Open)]);
}

#[test]
fn a_beginning_that_failed_leaves_the_transaction_before_open() {
    let again = || Op::BeginTxn { id: "again".to_owned(), epoch: None };
    let events = [
        begin(1, 1),
        invoke(1, 1, send(0, 1, 0)),
        invoke(2, 1, again()),
        complete(3, 1, fail(), again()),
        invoke(4, 1, send(0, 1, 1)),
        invoke(5, 1, Op::CommitTxn),
        complete(6, 1, DONE, Op::CommitTxn),
        invoke(7, 1, again()),
        complete(8, 1, fail(), again()),
        invoke(9, 1, send(0, 1, 2)),
    ];
    let (txns, _) = transactions(&events);
    let [txn] = txns[..] else { panic!("one transaction: {txns:?}") };
    assert_eq!((txn.first, txn.end, txn.how), (0, 2, TxnEnd::Committed));
}

#[test]
fn the_first_attempt_that_is_answered_ok_decides_and_errors_leave_it_open() {
    let commit =
        |from, outcome| [invoke(from, 1, Op::CommitTxn), complete(from + 1, 1, outcome, Op::CommitTxn)];
    let abort = |from, outcome| [invoke(from, 1, Op::AbortTxn), complete(from + 1, 1, outcome, Op::AbortTxn)];
    let never = TxnSpan::NEVER;
    type Attempts = Vec<[Event; 2]>;
    let cases: Vec<(Attempts, TxnEnd, [u64; 4])> = vec![
        (vec![], TxnEnd::Open, [never; 4]),
        (vec![commit(10, DONE)], TxnEnd::Committed, [10, 10, 10, 11]),
        (vec![commit(10, info()), commit(20, DONE)], TxnEnd::Committed, [10, 10, 20, 21]),
        (vec![commit(10, DONE), abort(20, DONE)], TxnEnd::Committed, [10, 10, 10, 11]),
        (vec![commit(10, fail())], TxnEnd::Failed, [10, never, 10, 11]),
        (vec![commit(10, fail()), abort(20, info())], TxnEnd::Unknown, [10, 20, 20, 21]),
        (vec![commit(10, info()), abort(20, DONE)], TxnEnd::Aborted, [10, 10, 20, 21]),
        (vec![commit(10, info()), abort(20, fail())], TxnEnd::Unknown, [10, 10, 20, 21]),
        (vec![abort(10, fail())], TxnEnd::Open, [10, never, 10, 11]),
    ];
    for (attempts, how, times) in cases {
        let mut events = vec![begin(1, 1)];
        events.extend(attempts.into_iter().flatten());
        let (txns, _) = transactions(&events);
        let [txn] = txns[..] else { panic!("one transaction") };
        let seen = [txn.asked, txn.may_commit, txn.closed, txn.ended];
        assert_eq!((txn.how, seen, txn.epoch), (how, times, 4), "{events:?}");
    }
    let unanswered = [begin(1, 1), invoke(10, 1, Op::CommitTxn), begin(20, 1)];
    let (txns, _) = transactions(&unanswered);
    assert_eq!((txns[0].how, txns[0].may_commit, txns[0].ended), (TxnEnd::Unknown, 10, never));
}

#[test]
fn of_the_positions_sent_to_a_transaction_the_last_of_each_log_counts() {
    let sent = |log, next| Op::CommitOffsets {
        mode: CommitMode::Txn,
        positions: vec![Position { log: LogId(log), next: Offset(next) }],
    };
    let events = [
        begin(1, 1),
        invoke(2, 1, sent(1, 4)),
        complete(3, 1, DONE, sent(1, 4)),
        invoke(4, 1, sent(0, 7)),
        complete(5, 1, DONE, sent(0, 7)),
        invoke(6, 1, sent(1, 9)),
        complete(7, 1, info(), sent(1, 9)),
        invoke(8, 1, sent(0, 8)),
        complete(9, 1, fail(), sent(0, 8)),
        begin(10, 1),
        invoke(11, 1, sent(0, 12)),
    ];
    let (_, offsets) = transactions(&events);
    let at = |txn, log, next, certain| TxnOffset { txn, log: LogId(log), next: Offset(next), certain };
    assert_eq!(offsets, [at(0, 0, 7, true), at(0, 1, 9, false), at(1, 0, 12, false)]);
    // Outside of a transaction they are kept as they are.
    let history =
        merge::events(&logs(), &[invoke(2, 1, sent(1, 4)), complete(3, 1, DONE, sent(1, 4))]).unwrap();
    assert_eq!((history.transaction_chunks().len(), history.events().unwrap().count()), (0, 2));
}
