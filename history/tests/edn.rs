//! EDN: every kind of value, every way to be malformed, and Jepsen's Kafka workload as events.

use std::io::Read;

use history::edn::{Form, Reader, kafka};
use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::op::{Op, Outcome, Phase};
use proptest::prelude::*;

fn canonical(text: &str) -> Result<Vec<String>, String> {
    all(text.as_bytes())
}

fn all(source: impl Read) -> Result<Vec<String>, String> {
    let mut reader = Reader::new(source);
    let mut records = Vec::new();
    while let Some(record) = reader.record().map_err(|error| error.to_string())? {
        records.push(record.value.canonical());
    }
    Ok(records)
}

/// Gives one byte at a time, so that every record is cut everywhere.
struct Drip<'a>(&'a [u8]);

impl Read for Drip<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let Some((first, rest)) = self.0.split_first() else { return Ok(0) };
        buffer[0] = *first;
        self.0 = rest;
        Ok(1)
    }
}

#[test]
fn every_kind_of_value_is_read() {
    let text = r##"{:a 1, :b -2N "c" 99999999999999999999 d [nil true false] e (1.5 2M 1/2 ##NaN) f #{:x} ; a comment
        #_ dropped :g #inst "2026-01-01" :h #jepsen.history.Op{:i \a :j \newline} #_ #_ 1 2 :k \( :l +7}"##;
    let expected = r#"{:a 1 :b -2 "c" 99999999999999999999 d [nil true false] e [1.5 2M 1/2 NaN] f #{:x} :g "2026-01-01" :h {:i \a :j \newline} :k \( :l 7}"#;
    assert_eq!(canonical(text).unwrap(), [expected]);
    assert_eq!(all(Drip(text.as_bytes())).unwrap(), [expected]);
}

#[test]
fn strings_are_unescaped() {
    let mut reader = Reader::new(r#""a\"b\\\nA""#.as_bytes());
    let record = reader.record().unwrap().unwrap();
    let Form::Text(text) = record.value.form() else { panic!("a string") };
    assert_eq!(text, "a\"b\\\nA");
}

#[test]
fn records_are_bare_or_in_one_vector_or_list() {
    let expected = ["{:a 1}", "{:b 2}"];
    for text in [
        "{:a 1}{:b 2}",
        "; head\n{:a 1}\n#_ {:no 0}\n{:b 2}\n",
        "[{:a 1} {:b 2}]",
        "({:a 1}\n{:b 2}\n)\n; tail",
    ] {
        assert_eq!(canonical(text).unwrap(), expected, "{text}");
        assert_eq!(all(Drip(text.as_bytes())).unwrap(), expected, "{text}");
    }
    assert_eq!(canonical("").unwrap(), [""; 0]);
    assert_eq!(canonical("[]").unwrap(), [""; 0]);
}

#[test]
fn malformed_text_is_an_error_with_its_line() {
    let deep = "[".repeat(300);
    let cases = [
        ("{:a 1}\n{:b", "line 2: the file ends in the middle of a record"),
        ("{:a}", "line 1: a map with a key that has no value"),
        ("\n{:a ]", "line 2: a bracket closes another kind of bracket"),
        ("{:a 1}\n}", "line 2: a closing bracket that nothing opened"),
        ("{:a #_ }", "line 1: a tag or discard without a value"),
        ("{:a 12x}", "line 1: a number with something else in it"),
        ("{:a \"open}", "line 1: the file ends in the middle of a value"),
        ("[{:a 1}", "line 1: the file ends before the bracket that closes the history"),
        ("[]\n\n x", "line 3: something follows the bracket that closes the history"),
        ("{: 1}", "line 1: a colon without a name"),
        ("{:a '(1)}", "line 1: not EDN: a reader macro of Clojure"),
        (deep.as_str(), "line 1: nested more than 256 deep"),
    ];
    for (text, expected) in cases {
        assert_eq!(canonical(text).unwrap_err(), expected, "{text}");
    }
    assert_eq!(all(&b"{:a \"\xff\"}"[..]).unwrap_err(), "line 1: the record is not UTF-8");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = all(&bytes[..]);
    }

    #[test]
    fn nothing_that_looks_like_edn_makes_it_panic(text in "[\\[\\](){}#_;:\"\\\\ \n0-9a-eN.+-]{0,60}") {
        let whole = all(text.as_bytes());
        prop_assert_eq!(&all(Drip(text.as_bytes())), &whole);
        let _ = kafka::read(text.as_bytes());
    }

    #[test]
    fn what_was_written_is_read_again(text in "[\\[\\](){}#_;:\"\\\\ \n0-9a-eN.+-]{0,60}") {
        if let Ok(records) = canonical(&text) {
            prop_assert_eq!(canonical(&records.join("\n")).map(|again| again.len()), Ok(records.len()));
        }
    }
}

fn value(process: u32, seq: u32) -> Value {
    Value { process: Process(process), seq: Seq(seq) }
}

#[test]
fn sends_and_polls_become_our_events() {
    let import = kafka::read(
        "{:process 0 :type :invoke :f :send :value [[:send 7 1] [:send 8 1]] :time 10}
         {:process 1 :type :invoke :f :assign :value [7] :seek-to-beginning? true :time 11}
         {:process 1 :type :ok :f :assign :value [7] :seek-to-beginning? true :time 12}
         {:process 0 :type :ok :f :send :value [[:send 7 [100 1]] [:send 8 [nil 1]]] :time 13}
         {:process 1 :type :invoke :f :poll :value [[:poll]] :time 14}
         {:process 1 :type :ok :f :poll :value [[:poll {7 [[100 1] [101 9]]}]] :time 15}
         {:process :nemesis :type :info :f :kill :time 16}
         {:process 2 :type :invoke :f :debug-topic-partitions :value nil :time 17}"
            .as_bytes(),
    )
    .unwrap();
    assert_eq!(import.logs, [TopicPartition::new("key", 7), TopicPartition::new("key", 8)]);
    let outcomes: Vec<&Phase> = import
        .events
        .iter()
        .filter(|event| matches!(event.op, Op::Send { .. }) && event.phase != Phase::Invoke)
        .map(|event| &event.phase)
        .collect();
    let ok = |offset: Option<i64>| Phase::Complete(Outcome::Ok { offset: offset.map(Offset) });
    assert_eq!(outcomes, [&ok(Some(100)), &ok(None)]);
    let polled: Vec<_> = import
        .events
        .iter()
        .filter_map(|event| {
            let Op::Poll { runs } = &event.op else { return None };
            (event.phase != Phase::Invoke).then(|| (event.time, runs.clone()))
        })
        .collect();
    assert_eq!(polled.len(), 1);
    assert_eq!(polled[0].0, Nanos(15));
    assert_eq!(
        (polled[0].1[0].log, polled[0].1[0].offset, polled[0].1[0].first),
        (LogId(0), Offset(100), value(1, 0))
    );
    let phantom =
        import.events.iter().any(|event| matches!(&event.op, Op::Foreign { offset: Offset(101), .. }));
    assert!(phantom, "a value that nobody sent is foreign");
    assert_eq!(
        import.notes.ignored.into_iter().collect::<Vec<_>>(),
        [("debug-topic-partitions".into(), 1), ("nemesis".into(), 1)]
    );
}

#[test]
fn transactions_are_begun_and_ended() {
    let text = |end: &str| {
        format!(
            "{{:process 3 :type :invoke :f :txn :value [[:send 1 5] [:poll]]}}
             {{:process 3 :type :{end} :f :txn :value [[:send 1 [4 5]] [:poll {{1 [[4 5]]}}]]}}"
        )
    };
    let ends = |end: &str| -> Vec<(Op, Phase)> {
        let events = kafka::read(text(end).as_bytes()).unwrap().events;
        let is_end = |op: &Op| matches!(op, Op::CommitTxn | Op::AbortTxn);
        events.into_iter().filter(|event| is_end(&event.op)).map(|event| (event.op, event.phase)).collect()
    };
    assert!(matches!(
        &ends("ok")[..],
        [(Op::CommitTxn, Phase::Invoke), (Op::CommitTxn, Phase::Complete(Outcome::Ok { .. }))]
    ));
    assert!(matches!(&ends("info")[..], [_, (Op::CommitTxn, Phase::Complete(Outcome::Info { .. }))]));
    assert!(matches!(&ends("fail")[..], [(Op::AbortTxn, Phase::Invoke), _]));
    let times: Vec<Nanos> =
        kafka::read(text("ok").as_bytes()).unwrap().events.iter().map(|event| event.time).collect();
    assert!(times.is_sorted());
}

#[test]
fn contradictions_are_refused() {
    let cases = [
        (
            "{:process 0 :type :invoke :f :send :value [[:send 1 5]]}
             {:process 1 :type :invoke :f :send :value [[:send 1 5]]}",
            "line 2: a value is sent to key/1 that was sent on line 1: values must be unique",
        ),
        (
            "{:process 0 :type :invoke :f :send :value [[:send 1 5]]}
             {:process 0 :type :ok :f :send :value [[:send 1 [0 6]]]}",
            "line 2: a send is completed that line 1 did not ask for in this place",
        ),
        (
            "{:process 0 :type :invoke :f :poll :value [[:poll]]}
             {:process 0 :type :ok :f :poll :value [[:poll {1 [[-4 6]]}]]}",
            "line 2: an offset is a number from 0, or nil",
        ),
        (
            "{:process 0 :type :ok :f :poll :value []}",
            "line 1: process 0 completes an operation that it did not invoke",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(kafka::read(text.as_bytes()).unwrap_err().to_string(), expected);
    }
}

#[test]
fn an_imported_history_can_be_merged() {
    let import = kafka::read(
        "{:process 0 :type :invoke :f :send :value [[:send 1 1] [:send 1 2]]}
         {:process 0 :type :info :f :send :value [[:send 1 [0 1]] [:send 1 2]]}
         {:process 4 :type :invoke :f :subscribe :value [1]}
         {:process 4 :type :ok :f :subscribe :value [1]}
         {:process 4 :type :invoke :f :poll :value [[:poll]]}
         {:process 4 :type :ok :f :poll :value [[:poll {1 [[0 1] [1 2] [0 1]]}]] :rebalance-log [{:keys [1] :type :revoked}]}"
            .as_bytes(),
    )
    .unwrap();
    let history = history::merge::events(&import.logs, &import.events).expect("it can be merged");
    drop(history);
}
