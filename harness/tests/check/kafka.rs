//! Histories of Kafka: in EDN as others record them, in our text, as journals and merged histories.

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Header, SendRun, Writer};
use history::op::{Event, Identity, Isolation, Op, Run};

use super::answer::{Folder, anomalies};

/// One operation of a process, asked and answered.
fn op(process: u32, f: &str, asked: &str, answered: &str) -> String {
    format!(
        "{{:type :invoke, :process {process}, :f :{f}, :value {asked}}}\n\
         {{:type :ok, :process {process}, :f :{f}, :value {answered}}}\n"
    )
}

fn send(key: &str, offset: &str, value: u32) -> String {
    let asked = format!("[[:send {key} {value}]]");
    op(0, "send", &asked, &format!("[[:send {key} [{offset} {value}]]]"))
}

fn poll(records: &str) -> String {
    op(1, "poll", "[[:poll]]", &format!("[[:poll {{:a [{records}]}}]]"))
}

/// Three records sent, then whatever is polled.
fn history(polled: &[&str]) -> String {
    let sent: String =
        ["0", "1", "2"].iter().zip([10, 11, 12]).map(|(at, value)| send(":a", at, value)).collect();
    let polled: String = polled.iter().map(|records| poll(records)).collect();
    format!("{sent}{}{polled}", op(1, "assign", "[:a]", "[:a]"))
}

#[test]
fn a_history_in_edn_is_valid_when_all_that_was_sent_was_polled_once_and_in_order() {
    let folder = Folder::with("h", history(&["[0 10] [1 11]", "[2 12]"]));
    let (exit, verdict) = folder.check(&[]);
    assert_eq!((exit, verdict["verdict"].as_str()), (0, Some("valid")), "{verdict}");
    assert_eq!(verdict["file"], "h");
    let not_judged = verdict["not_judged"].to_string();
    assert!(not_judged.contains("final read") && not_judged.contains("no group"), "{not_judged}");
}

#[test]
fn every_anomaly_that_such_a_history_can_show_is_found_under_our_name() {
    let cases = [
        ("lost-write 1!", history(&["[0 10] [2 12]"])),
        ("poll-skip 1!", history(&["[0 10]", "[2 12]", "[1 11]"])),
        ("nonmonotonic-poll 1!", history(&["[0 10] [1 11] [2 12]", "[1 11] [2 12]"])),
        ("inconsistent-offsets 1!", history(&["[0 10] [1 12] [2 12]"])),
        ("duplicate-write 1!", history(&["[0 10] [1 11] [2 12] [3 10]"])),
        ("phantom 1!", history(&["[0 10] [1 11] [2 12] [3 99]"])),
        ("unseen 1", history(&["[0 10] [1 11]"])),
    ];
    for (expected, text) in cases {
        let folder = Folder::with("h", &text);
        let (exit, verdict) = folder.check(&[]);
        assert!(anomalies(&verdict).contains(&expected.to_owned()), "{expected}: {verdict}\n{text}");
        let status = if expected.ends_with('!') { 1 } else { 2 };
        assert_eq!(exit, status, "{expected}: {verdict}");
    }
    // Sent first and stored last.
    let mut text = send(":a", "1", 10);
    text.push_str(&send(":a", "0", 11));
    text.push_str(&poll("[0 11] [1 10]"));
    let (exit, verdict) = Folder::with("h", &text).check(&[]);
    assert_eq!(exit, 1);
    assert!(anomalies(&verdict).contains(&"reordered-write 1!".to_owned()), "{verdict}");
}

#[test]
fn a_failed_send_that_is_polled_was_aborted() {
    let text = "{:type :invoke, :process 0, :f :send, :value [[:send :a 1]]}
                {:type :fail, :process 0, :f :send, :value [[:send :a 1]], :error :refused}"
        .to_owned()
        + &poll("[0 1]");
    let (exit, verdict) = Folder::with("h", &text).check(&[]);
    assert_eq!(exit, 1, "{verdict}");
    assert!(anomalies(&verdict).contains(&"aborted-read 1!".to_owned()), "{verdict}");
    // Of unknown outcome it may have been stored.
    let (_, verdict) = Folder::with("h", text.replace(":fail", ":info")).check(&[]);
    assert!(anomalies(&verdict).is_empty(), "{verdict}");
}

#[test]
fn with_subscriptions_a_rebalance_may_lie_between_two_polls() {
    let text = history(&["[0 10] [1 11] [2 12]", "[1 11] [2 12]"]).replace(":assign", ":subscribe");
    let (exit, verdict) = Folder::with("h", &text).check(&[]);
    assert_eq!((exit, anomalies(&verdict)), (0, Vec::new()), "{verdict}");
}

#[test]
fn what_is_observed_is_told_whatever_is_claimed() {
    let folder = Folder::with("h", history(&["[0 10] [1 11] [2 12] [3 10]"]));
    let (exit, verdict) = folder.check(&["--claim", "at-least-once"]);
    assert_eq!((exit, anomalies(&verdict)), (0, vec!["duplicate-write 1".to_owned()]), "{verdict}");
    let (exit, _) = folder.check(&["--claim", "log=at-most-once; delivery=at-least-once"]);
    assert_eq!(exit, 1);
    let ended = folder.call(&["check", "h", "--claim", "exactly-twice"]);
    assert_eq!(ended.exit, 64);
    assert!(ended.err.contains("h: unknown guarantee \"exactly-twice\""), "{ended:?}");
}

#[test]
fn operations_without_a_meaning_are_counted_and_named() {
    let mut text = history(&["[0 10] [1 11] [2 12]"]);
    text.push_str("{:type :info, :process :nemesis, :f :kill, :value nil}\n");
    text.push_str(&op(1, "debug-topic-partitions", "nil", "nil"));
    let (exit, verdict) = Folder::with("h", &text).check(&[]);
    assert_eq!(exit, 0, "{verdict}");
    let said = verdict["not_judged"].to_string();
    assert!(said.contains("debug-topic-partitions") && said.contains("1 × nemesis"), "{said}");
}

const TEXT: &str = "\
# Acknowledged, and not in the log at the end.
0..1 p1 send t/0 v0..2 @0
9 p3 final-read t/0 p1:0..1 @0 end=2
";

#[test]
fn a_history_in_text_is_held_to_the_strictest_unless_less_is_claimed() {
    let folder = Folder::with("h", TEXT);
    let (exit, verdict) = folder.check(&[]);
    assert_eq!((exit, anomalies(&verdict)), (1, vec!["lost-write 1!".to_owned()]), "{verdict}");
    let (exit, verdict) = folder.check(&["--claim", "at-most-once"]);
    assert_eq!((exit, anomalies(&verdict)), (0, vec!["lost-write 1".to_owned()]), "{verdict}");
}

/// The journals of a run: a producer of three records and a reader that finds two of them.
fn journals(folder: &Folder) {
    let header = |process, name: &str, role: &str| Header {
        run: 7,
        process: Process(process),
        identity: Identity { name: name.to_owned(), role: role.to_owned(), ..Identity::default() },
    };
    let log = TopicPartition::new("orders", 0);
    let path = folder.path().join("1-shop.journal");
    let mut writer = Writer::create(&path, &header(1, "shop[0]", "producer")).unwrap();
    let id = writer.log(&log).unwrap();
    for seq in 0..3 {
        writer.send(id, Seq(seq), Nanos(1_000_000 + u64::from(seq))).unwrap();
    }
    writer.acked(SendRun { log: id, first: Seq(0), count: 3 }, Some(Offset(0)), Nanos(2_000_000)).unwrap();
    writer.close().unwrap();
    let path = folder.path().join("9-reader.journal");
    let mut writer = Writer::create(&path, &header(9, "reader", "reader")).unwrap();
    let id = writer.log(&log).unwrap();
    let first = Value { process: Process(1), seq: Seq(0) };
    let runs = vec![Run { log: id, offset: Offset(0), first, count: 2 }];
    let isolation = Isolation::ReadUncommitted;
    let event = |op| Event::moment(Nanos(3_000_000), Process(9), op);
    writer.event(&event(Op::FinalRead { isolation, runs })).unwrap();
    let (start, end) = (Offset(0), Offset(2));
    let ended = Op::FinalReadEnd { isolation, log: LogId(id.0), start, end, reached: end };
    writer.event(&event(ended)).unwrap();
    writer.close().unwrap();
}

#[test]
fn journals_of_one_run_are_one_history_as_files_and_as_a_folder() {
    let folder = Folder::new();
    journals(&folder);
    let whole = folder.path().to_str().unwrap().to_owned();
    for files in
        [vec!["1-shop.journal", "9-reader.journal"], vec!["9-reader.journal", "1-shop.journal"], vec![&whole]]
    {
        let mut arguments = vec!["check", "--message-format", "json"];
        arguments.extend(&files);
        let ended = folder.call(&arguments);
        assert_eq!((ended.exit, ended.out.lines().count()), (1, 1), "{ended:?}");
        let verdict: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
        assert_eq!(anomalies(&verdict), ["lost-write 1!"], "{verdict}");
    }
    // By itself the producer's journal shows nothing of the log.
    let ended = folder.call(&["check", "1-shop.journal"]);
    assert_eq!(ended.exit, 2, "{ended:?}");
}
