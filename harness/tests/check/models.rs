//! Every generic model: a history that it allows, one that it does not, an empty one.

use super::answer::{Folder, anomalies};

/// Operations one after the other by one process: `f value` separated by `|`.
fn sequential(text: &str) -> String {
    let lines = text.split('|').enumerate().map(|(index, operation)| {
        let (f, value) = operation.trim().split_once(' ').unwrap();
        let asked = match f {
            "read" | "dequeue" | "drain" => "nil",
            "get" => "[\"k\" nil]",
            _ => value,
        };
        let op = |kind: &str, value: &str, at: usize| {
            format!("{{:index {at}, :time {at}000, :type :{kind}, :process 0, :f :{f}, :value {value}}}\n")
        };
        format!("{}{}", op("invoke", asked, 2 * index), op("ok", value, 2 * index + 1))
    });
    lines.collect()
}

/// Model, what it allows, what it does not.
const CASES: [(&str, &str, &str); 10] = [
    ("register", "read nil | write 1 | read 1", "write 1 | write 2 | read 1"),
    ("cas-register", "write 1 | cas [1 2] | read 2", "write 1 | cas [1 2] | read 1"),
    ("mutex", "acquire nil | release nil | acquire nil", "acquire nil | acquire nil"),
    (
        "multi-register",
        "txn [[:write :x 1] [:write :y 2]] | txn [[:read :x 1] [:read :y 2]]",
        "txn [[:write :x 1] [:write :y 2]] | txn [[:read :x 1] [:read :y nil]]",
    ),
    (
        "queue",
        "enqueue 1 | enqueue 2 | dequeue 1 | drain [2]",
        "enqueue 1 | enqueue 2 | dequeue 2 | dequeue 1",
    ),
    ("bag", "enqueue 1 | enqueue 2 | dequeue 2 | dequeue 1", "enqueue 1 | dequeue 1 | dequeue 1"),
    ("set", "add 1 | add 2 | read #{1 2}", "add 1 | add 2 | read #{2}"),
    (
        "kv",
        "put [\"k\" \"a\"] | append [\"k\" \"b\"] | get [\"k\" \"ab\"]",
        "put [\"k\" \"a\"] | append [\"k\" \"b\"] | get [\"k\" \"a\"]",
    ),
    (
        "list-append",
        "txn [[:append x 1]] | txn [[:append x 2]] | txn [[:r x [1 2]]]",
        "txn [[:append x 1]] | txn [[:append x 2]] | txn [[:r x [2 1]]] | txn [[:r x [1]]]",
    ),
    (
        "rw-register",
        "txn [[:w x 1]] | txn [[:r x 1] [:w x 2]] | txn [[:r x 2]]",
        "txn [[:w x 1]] | txn [[:r x 1] [:w x 2]] | txn [[:r x 1]]",
    ),
];

#[test]
fn every_model_tells_right_from_wrong_and_nothing_from_both() {
    for (model, right, wrong) in CASES {
        for (text, verdict, status) in [
            (sequential(right), "valid", 0),
            (sequential(wrong), "invalid", 1),
            (String::new(), "unknown", 2),
        ] {
            let folder = Folder::with("h", &text);
            let (exit, answer) = folder.check(&["--model", model, "--format", "edn"]);
            assert_eq!(
                (exit, answer["verdict"].as_str()),
                (status, Some(verdict)),
                "{model} {text} {answer}"
            );
            assert_eq!(answer["file"], "h");
            assert_eq!(answer["model"], model);
            assert_eq!(anomalies(&answer).iter().any(|seen| seen.ends_with('!')), status == 1, "{answer}");
            assert_eq!(answer["reasons"].as_array().unwrap().is_empty(), status == 0, "{answer}");
            let shown = folder.call(&["check", "h", "--model", model, "--format", "edn"]);
            assert!(shown.out.contains(verdict) && shown.out.contains(model), "{shown:?}");
            assert_eq!(shown.exit, status);
        }
    }
}

#[test]
fn the_initial_value_of_a_register_is_what_a_read_of_nothing_saw() {
    let folder = Folder::with("h", sequential("read 0 | cas [0 5] | read 5"));
    let (exit, _) = folder.check(&["--model", "cas-register", "--initial", "0"]);
    assert_eq!(exit, 0);
    let (exit, answer) = folder.check(&["--model", "cas-register"]);
    assert_eq!((exit, anomalies(&answer)[0].as_str()), (1, "nonlinearizable 1!"));
    let folder = Folder::with("h", sequential("read nil | write 1"));
    assert_eq!(folder.check(&["--model", "register", "--initial", "nil"]).0, 0);
}

#[test]
fn transactions_are_held_to_what_is_claimed() {
    // Write skew: each reads what the other writes, and neither sees the other's write.
    let text = "{:type :invoke, :process 0, :f :txn, :value [[:r :x nil] [:append :y 1]]}
                {:type :invoke, :process 1, :f :txn, :value [[:r :y nil] [:append :x 2]]}
                {:type :ok, :process 0, :f :txn, :value [[:r :x []] [:append :y 1]]}
                {:type :ok, :process 1, :f :txn, :value [[:r :y []] [:append :x 2]]}
                {:type :invoke, :process 0, :f :txn, :value [[:r :x nil] [:r :y nil]]}
                {:type :ok, :process 0, :f :txn, :value [[:r :x [2]] [:r :y [1]]]}";
    let folder = Folder::with("h", text);
    let (exit, answer) = folder.check(&["--model", "list-append", "--claim", "serializable"]);
    assert_eq!(exit, 1, "{answer}");
    assert!(anomalies(&answer).contains(&"dependency-cycle 1!".to_owned()), "{answer}");
    let (exit, answer) = folder.check(&["--model", "list-append", "--claim", "snapshot-isolation"]);
    assert_eq!(exit, 0, "{answer}");
    assert!(anomalies(&answer).contains(&"dependency-cycle 1".to_owned()), "observed all the same: {answer}");
    let ended = folder.call(&["check", "h", "--model", "list-append", "--claim", "exactly-once"]);
    assert_eq!(ended.exit, 64);
    assert!(ended.err.contains("strict-serializable"), "{ended:?}");
}

#[test]
fn independent_keys_and_unknown_outcomes_are_understood() {
    let text = "[{:process 0 :type :invoke :f :write :value [:x 1]}
                 {:process 1 :type :invoke :f :write :value [:y 7]}
                 {:process 0 :type :info :f :write :value [:x 1] :error :timeout}
                 {:process 1 :type :fail :f :write :value [:y 7]}
                 {:process :nemesis :type :info :f :kill :value nil}
                 {:process 2 :type :invoke :f :read :value [:x nil]}
                 {:process 2 :type :ok :f :read :value [:x 1]}
                 {:process 2 :type :invoke :f :read :value [:y nil]}
                 {:process 2 :type :ok :f :read :value [:y nil]}]";
    let folder = Folder::with("h", text);
    let (exit, answer) = folder.check(&["--model", "register"]);
    assert_eq!(exit, 0, "{answer}");
    assert_eq!(answer["notes"]["ignored"]["nemesis"], 1);
    // The write that failed is read after all.
    let folder = Folder::with("h", text.replace("[:y nil]}]", "[:y 7]}]"));
    let (exit, answer) = folder.check(&["--model", "register"]);
    assert_eq!(exit, 1, "{answer}");
    let shown = folder.call(&["check", "h", "--model", "register"]);
    assert!(shown.out.contains("operations that no order explains"), "{shown:?}");
}

#[test]
fn a_model_must_be_named_where_the_operations_leave_it_open() {
    let folder = Folder::with("h", sequential("enqueue 1 | dequeue 1"));
    let ended = folder.call(&["check", "h"]);
    assert_eq!(ended.exit, 64);
    assert!(ended.err.contains("give --model queue or --model bag"), "{ended:?}");
    let ended = folder.call(&["check", "h", "--model", "queu"]);
    assert_eq!(ended.exit, 64);
    assert!(ended.err.contains("did you mean queue?"), "{ended:?}");
}
