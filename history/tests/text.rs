//! The text form: parsing and printing are inverse, and every mistake is named with its line.
#![expect(clippy::unwrap_used, reason = "a test's own set-up may fail only by panicking")]

use history::ids::{FaultId, LogId, Nanos, NodeId, Offset, Process, Seq, TopicPartition, Value};
use history::op::{
    Assignment, Batch, Cause, CommitMode, Event, ForeignRecord, Identity, Isolation, Observation, Op,
    Outcome, Phase, Position, Run, Span,
};
use history::text::{self, Parsed, examples};
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_assert, prop_assert_eq, prop_oneof, proptest};

/// What `text` prints as, one line per event.
fn unfolded(text: &str) -> String {
    let parsed = Parsed::parse(text).unwrap_or_else(|error| panic!("{error}\n{text}"));
    let printed = text::print(&parsed);
    assert_eq!(Parsed::parse(&printed).unwrap(), parsed, "{printed}");
    printed
}

fn error(text: &str) -> String {
    Parsed::parse(text).unwrap_err().to_string()
}

#[test]
fn the_language_of_the_documentation_is_understood() {
    let source = include_str!("../src/text.rs");
    let sample: String = source
        .lines()
        .skip_while(|line| *line != "//! ```text")
        .skip(1)
        .take_while(|line| *line != "//! ```")
        .map(|line| format!("{}\n", line.trim_start_matches("//!")))
        .collect();
    // The sample mentions t/1 only to show a run of another log.
    let sample = sample.replacen("log t/0 ", "log t/0 t/1 ", 1);
    assert_eq!(
        unfolded(&sample),
        r#"log t/0
log t/1
0 p2 open consumer name=shop[0] group=g
0.0045 p1 ok send t/0 v7 @12
3 p1 invoke send t/0 v7
5 p1 invoke send t/0 v8
5 p1 invoke send t/0 v9
5 p1 invoke send t/0 v10
5 p1 invoke send t/0 v11
9 p1 ok send t/0 v8 @13
9 p1 ok send t/0 v9 @14
9 p1 ok send t/0 v10 @15
9 p1 info send t/0 v11 error=-185 message="timed out"
10 p2 invoke poll
11 p2 ok poll t/0 p1:7..8 @12 p1:9 @14 t/1 p1:4 @0
12 p2 assigned t/0 t/1 generation=3
13 p2 invoke commit-offsets sync t/0 @15
14 p2 ok commit-offsets sync t/0 @15
15 p3 final-read t/0 p1:7..10 @12
15 p3 final-read-end t/0 end=16
16 p0 fault 0 "kill the leader" b1
"#
    );
}

#[test]
fn every_operation_has_an_example_that_is_understood() {
    for (name, line) in examples() {
        let parsed = Parsed::parse(line).unwrap_or_else(|error| panic!("{name}: {error}"));
        let ops: Vec<&str> = parsed.events.iter().map(|event| event.op.name()).collect();
        assert!(ops.contains(&name), "{name}: {ops:?}");
        unfolded(line);
    }
    for op in one_of_each() {
        assert!(examples().any(|(name, _)| name == op.name()), "{} has no example", op.name());
    }
}

#[test]
fn undeclared_logs_are_numbered_in_order_of_mention() {
    let parsed = Parsed::parse("3 p1 invoke send u/1 v0\n1 p1 invoke send t/0 v1").unwrap();
    assert_eq!(parsed.logs, [TopicPartition::new("u", 1), TopicPartition::new("t", 0)]);
    assert_eq!(parsed.events[0].time, Nanos(1_000_000), "events are ordered by time");
}

#[test]
fn lines_of_equal_time_stay_as_they_stand() {
    let printed = unfolded("3..5 p1 send t/0 v0 @0\n5 p2 poll t/0 p1:0 @0\n5 p3 close");
    let after_log: Vec<&str> = printed.lines().skip(1).collect();
    assert_eq!(
        after_log,
        [
            "3 p1 invoke send t/0 v0",
            "5 p1 ok send t/0 v0 @0",
            "5 p2 invoke poll",
            "5 p2 ok poll t/0 p1:0 @0",
            "5 p3 close"
        ]
    );
}

#[test]
fn any_text_can_be_quoted() {
    let parsed = Parsed::parse(r#"1 p0 crash "a \"b\" \\ # é \n\t\r\u{1b}[0m = @""#).unwrap();
    let how = "a \"b\" \\ # é \n\t\r\u{1b}[0m = @".to_owned();
    assert_eq!(parsed.events[0].op, Op::Crash { how });
    let odd = Parsed::parse("1 p1 invoke send \"odd topic/x=@#\"/3 v0 # a comment").unwrap();
    assert_eq!(odd.logs, [TopicPartition::new("odd topic/x=@#", 3)]);
}

#[test]
fn mistakes_are_named_with_line_cause_and_fix() {
    for (line, expected) in [
        ("3 p1 invoke sned t/0 v7", "unknown operation \"sned\"; did you mean \"send\"?"),
        ("3 p1 comit-txn", "unknown operation \"comit-txn\"; did you mean \"commit-txn\"?"),
        ("3 p1 invok send t/0 v7", "unknown operation \"invok\"; did you mean \"invoke\"?"),
        ("3 p1 send t/0", "a value is missing; for example: 3..5 p1 send t/0 v7 @12"),
        (
            "3 p1 send t/0 7",
            "\"7\" is no value (write v7, v7..9, p1:7 or p1:7..9); for example: 3..5 p1 send t/0 v7 @12",
        ),
        ("3 p1 send t0 v7", "\"t0\" is no log; write TOPIC/PARTITION, for example t/0"),
        (
            "3 p1 send t/0 v9..7",
            "\"v9..7\" is no value (write v7, v7..9, p1:7 or p1:7..9); for example: 3..5 p1 send t/0 v7 @12",
        ),
        ("3 p1 send t/0 v7 @1 @2", "\"@2\" is too much; for example: 3..5 p1 send t/0 v7 @12"),
        (
            "3 p1 invoke send t/0 v7 @1",
            "an invocation has no offset yet; for example: 3..5 p1 send t/0 v7 @12",
        ),
        ("3..5 p1 invoke send t/0 v7", "an invocation has one time; leave out \"invoke\" or the second time"),
        ("5..3 p1 send t/0 v7", "completed before it was invoked; write the earlier time first"),
        ("3..5 p2 assigned t/0", "assigned happens at one moment; leave out the second time"),
        ("3 p2 assigned t/0 generaton=3", "unknown key \"generaton\"; did you mean \"generation\"?"),
        (
            "3 p2 assigned t/0 generation=x",
            "generation is a number within its range, not \"x\"; for example: 1 p2 assigned t/0 t/1 generation=3",
        ),
        ("3 2 assigned t/0", "\"2\" is no process; write p0, p1, … or harness"),
        (
            "3 p1",
            "an operation is missing; a line is TIME PROCESS OPERATION, for example: 3..5 p1 send t/0 v7 @12",
        ),
        (
            "p1 invoke send t/0 v7",
            "\"p1\" is no time; begin a line with a time: 3 (milliseconds), 4.5us, 3..5 (invoked and completed), or log or process",
        ),
        ("3 p1 crash \"oh", "a quote is not closed; end the text with \""),
        (
            "3 p2 poll p1:7 @0",
            "\"p1:7\" stands before any log; for example: 3..4 p2 poll t/0 p1:7..9 @12 t/1 p1:3 @0",
        ),
        ("3 p1 info send t/0 v7 error=1 error=2", "error= is given twice; keep one of them"),
        (
            "3 p1 send t/0 v0..1 @9223372036854775807",
            "the offsets are too large; for example: 3..5 p1 send t/0 v7 @12",
        ),
    ] {
        let text = format!("# a history\n\n{line}\n4 p1 close");
        assert_eq!(error(&text), format!("line 3: {expected}"));
    }
    assert_eq!(
        error("log tt/0\n3 p1 send t/0 v7"),
        "line 2: log t/0 is not declared; did you mean \"tt/0\"?"
    );
    assert_eq!(
        error("log x/0\n3 p1 send abc/0 v7"),
        "line 2: log abc/0 is not declared; add a line: log abc/0"
    );
    assert_eq!(error("log t/0 t/0"), "line 1: t/0 is declared twice; remove one of them");
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-z][a-z0-9-]{0,8}", any::<String>(), "[=\"\\\\@# /:.\n\r\t\u{1b}é]{0,6}"]
}

fn log_id() -> impl Strategy<Value = LogId> {
    (0..3u16).prop_map(LogId)
}

fn offset() -> impl Strategy<Value = Offset> {
    prop_oneof![0..20i64, any::<i64>()].prop_map(Offset)
}

fn value() -> impl Strategy<Value = Value> {
    let seq = prop_oneof![0..20u32, any::<u32>()].prop_map(Seq);
    (0..4u32, seq).prop_map(|(process, seq)| Value { process: Process(process), seq })
}

fn interval() -> impl Strategy<Value = (Offset, Offset)> {
    (offset(), offset()).prop_map(|(a, b)| (a.min(b), a.max(b)))
}

fn runs() -> impl Strategy<Value = Vec<Run>> {
    let run = (log_id(), offset(), value(), 1..100u32).prop_map(|(log, offset, first, count)| {
        let count = count.min(u32::MAX - first.seq.0).max(1);
        Run { log, offset, first, count }
    });
    proptest::collection::vec(run, 0..5)
}

fn spans() -> impl Strategy<Value = Vec<Span>> {
    let span = (log_id(), interval()).prop_map(|(log, (first, last))| Span { log, first, last });
    proptest::collection::vec(span, 0..5)
}

fn positions() -> impl Strategy<Value = Vec<Position>> {
    proptest::collection::vec((log_id(), offset()).prop_map(|(log, next)| Position { log, next }), 0..4)
}

fn assignment() -> impl Strategy<Value = Assignment> {
    (proptest::collection::vec(log_id(), 0..4), option::of(any::<i64>()))
        .prop_map(|(logs, generation)| Assignment { logs, generation })
}

fn isolation() -> impl Strategy<Value = Isolation> {
    prop_oneof![Just(Isolation::ReadUncommitted), Just(Isolation::ReadCommitted)]
}

fn mode() -> impl Strategy<Value = CommitMode> {
    prop_oneof![
        Just(CommitMode::Sync),
        Just(CommitMode::Async),
        Just(CommitMode::Auto),
        Just(CommitMode::Txn)
    ]
}

fn foreign() -> impl Strategy<Value = ForeignRecord> {
    prop_oneof![
        Just(ForeignRecord::Corrupt),
        text().prop_map(|preview| ForeignRecord::Phantom { preview }),
        (value(), text()).prop_map(|(value, meant_for)| ForeignRecord::Misrouted { value, meant_for }),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let producer = (-1..3i64, any::<i16>(), any::<i32>(), any::<bool>(), any::<bool>());
    (log_id(), interval(), any::<i32>(), producer).prop_map(|(log, offsets, leader_epoch, producer)| Batch {
        log,
        base_offset: offsets.0,
        last_offset: offsets.1,
        leader_epoch,
        producer_id: producer.0,
        producer_epoch: producer.1,
        base_sequence: producer.2,
        control: producer.3,
        transactional: producer.4,
    })
}

fn observation() -> impl Strategy<Value = Observation> {
    let nodes = || proptest::collection::vec(any::<i32>().prop_map(NodeId), 0..4);
    let leader = option::of(any::<i32>().prop_map(NodeId));
    (any::<i32>(), log_id(), leader, any::<i32>(), (nodes(), nodes())).prop_map(
        |(asked, log, leader, epoch, (isr, offline))| Observation {
            asked: NodeId(asked),
            log,
            leader,
            epoch,
            isr,
            offline,
        },
    )
}

fn identity() -> impl Strategy<Value = Identity> {
    (text(), text(), text(), text(), (option::of(text()), option::of(isolation()))).prop_map(
        |(name, role, family, version, (group, isolation))| Identity {
            name,
            role,
            family,
            version,
            group,
            isolation,
        },
    )
}

fn client_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (log_id(), value()).prop_map(|(log, value)| Op::Send { log, value }),
        (text(), option::of(any::<i32>()), option::of(any::<u64>()))
            .prop_map(|(id, epoch, timeout_ms)| Op::InitTxn { id, epoch, timeout_ms }),
        (any::<u32>(), spans()).prop_map(|(first, spans)| Op::Derive { first: Seq(first), spans }),
        (text(), option::of(any::<i32>())).prop_map(|(id, epoch)| Op::BeginTxn { id, epoch }),
        Just(Op::CommitTxn),
        Just(Op::AbortTxn),
        assignment().prop_map(Op::Assigned),
        assignment().prop_map(Op::Revoked),
        assignment().prop_map(Op::Lost),
        runs().prop_map(|runs| Op::Poll { runs }),
        (log_id(), offset()).prop_map(|(log, offset)| Op::Seek { log, offset }),
        spans().prop_map(|spans| Op::EffectBegin { spans }),
        spans().prop_map(|spans| Op::Effect { spans }),
        (mode(), positions()).prop_map(|(mode, positions)| Op::CommitOffsets { mode, positions }),
        positions().prop_map(|positions| Op::FetchCommitted { positions }),
        positions().prop_map(|positions| Op::EndOffsets { positions }),
    ]
}

fn other_op() -> impl Strategy<Value = Op> {
    let counters =
        proptest::collection::btree_map(prop_oneof![text(), Just("error".to_owned())], any::<u64>(), 0..4);
    prop_oneof![
        identity().prop_map(Op::Open),
        Just(Op::Close),
        text().prop_map(|how| Op::Crash { how }),
        (isolation(), runs()).prop_map(|(isolation, runs)| Op::FinalRead { isolation, runs }),
        (isolation(), log_id(), offset(), offset(), offset()).prop_map(
            |(isolation, log, start, end, reached)| {
                Op::FinalReadEnd { isolation, log, start, end, reached }
            }
        ),
        runs().prop_map(|runs| Op::SinkRead { runs }),
        any::<u64>().prop_map(|effects| Op::SinkReadEnd { effects }),
        batch().prop_map(Op::Batch),
        (log_id(), offset(), foreign()).prop_map(|(log, offset, why)| Op::Foreign { log, offset, why }),
        (any::<u32>(), text(), proptest::collection::vec(text(), 0..3))
            .prop_map(|(id, what, targets)| Op::Fault { id: FaultId(id), what, targets }),
        (any::<u32>(), text(), counters, any::<bool>()).prop_map(|(id, effect, counters, bit)| Op::Heal {
            id: FaultId(id),
            effect,
            counters,
            bit
        }),
        observation().prop_map(Op::Observe),
        text().prop_map(|name| Op::Phase { name }),
    ]
}

fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![client_op(), other_op()]
}

/// One operation of each kind, whatever it holds.
fn one_of_each() -> Vec<Op> {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let mut found = std::collections::BTreeMap::new();
    for _ in 0..2000 {
        let op = any_op().new_tree(&mut runner).unwrap().current();
        found.insert(op.name(), op);
    }
    assert_eq!(found.len(), 29, "every kind was found");
    found.into_values().collect()
}

fn phase() -> impl Strategy<Value = Phase> {
    let cause = || (any::<i32>(), text()).prop_map(|(code, message)| Cause { code, message });
    prop_oneof![
        Just(Phase::Invoke),
        option::of(offset()).prop_map(|offset| Phase::Complete(Outcome::Ok { offset })),
        cause().prop_map(|cause| Phase::Complete(Outcome::Fail { cause })),
        (cause(), option::of(offset()))
            .prop_map(|(cause, offset)| Phase::Complete(Outcome::Info { cause, offset })),
    ]
}

fn histories() -> impl Strategy<Value = Parsed> {
    let time = prop_oneof![0..5_000_000u64, any::<u64>()].prop_map(Nanos);
    let event = (time, 0..4u32, phase(), any_op()).prop_map(|(time, process, phase, op)| Event {
        time,
        process: Process(process),
        phase,
        op,
    });
    let logs = proptest::collection::btree_set((text(), any::<i32>()), 3);
    (logs, proptest::collection::vec(event, 0..30)).prop_map(|(logs, mut events)| {
        events.sort_by_key(|event| event.time);
        let logs = logs.into_iter().map(|(topic, partition)| TopicPartition::new(topic, partition)).collect();
        Parsed { logs, events }
    })
}

#[test]
fn a_line_that_is_not_utf_8_is_named() {
    let error = Parsed::read(&b"1 p1 invoke send t/0 v0\n2 p1 ok send \xff\n"[..]).unwrap_err();
    assert_eq!(error.to_string(), "line 2: the line is not UTF-8; write it in UTF-8");
}

proptest! {
    #[test]
    fn what_is_printed_is_parsed_to_the_same(history in histories()) {
        let printed = text::print(&history);
        prop_assert_eq!(printed.lines().count(), history.logs.len() + history.events.len(), "one line per event");
        prop_assert_eq!(Parsed::parse(&printed), Ok(history), "{}", printed);
        let streamed = Parsed::read(printed.as_bytes()).map_err(|error| error.to_string());
        prop_assert_eq!(streamed, Parsed::parse_with_lines(&printed).map_err(|error| error.to_string()));
    }

    #[test]
    fn bytes_that_come_one_by_one_are_read_as_the_text_is(text in "[a-z0-9 =@\"\\\\/:.#\n-]{0,200}") {
        let slow = std::io::BufReader::with_capacity(1, text.as_bytes());
        let streamed = Parsed::read(slow).map_err(|error| error.to_string());
        prop_assert_eq!(streamed, Parsed::parse_with_lines(&text).map_err(|error| error.to_string()));
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in "[a-z0-9 =@\"\\\\/:.#\n-]{0,200}") {
        let _ = Parsed::parse(&text).map(|parsed| text::print(&parsed));
    }

    #[test]
    fn a_damaged_line_never_makes_the_parser_panic(at in 0..29usize, cut in 0..60usize, with in ".{0,3}") {
        let (_, line) = examples().nth(at).unwrap();
        let cut = line.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(line.len());
        let damaged = format!("{}{with}{}", &line[..cut], &line[cut..]);
        if let Err(error) = Parsed::parse(&damaged) {
            prop_assert!(!error.cause.is_empty() && !error.fix.is_empty(), "{error}");
        }
    }
}
