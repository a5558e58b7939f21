//! Histories in EDN, judged by every model: what is accepted, what is found, what is refused.

use checker::cycles::Consistency;
use checker::imported::{Answer, Model, judge};
use checker::linear::Options;
use checker::linear::object::Datum;
use checker::linear::verdict::Confirmation;
use checker::verdict::Judgement;

fn answer(model: Model, text: &str) -> Answer {
    judge(text.as_bytes(), model, &Options::default(), Consistency::StrictSerializable)
        .expect("it can be read")
}

fn names(answer: &Answer) -> Vec<&str> {
    answer.anomalies.iter().map(|anomaly| anomaly.name.as_str()).collect()
}

#[test]
fn a_stale_read_of_a_register_is_crossed_values() {
    let answer = answer(
        Model::Register,
        "{:process 0 :type :invoke :f :write :value 1}
         {:process 0 :type :ok :f :write :value 1}
         {:process 0 :type :invoke :f :write :value 2}
         {:process 0 :type :ok :f :write :value 2}
         {:process 1 :type :invoke :f :read :value nil}
         {:process 1 :type :ok :f :read :value 1}",
    );
    assert_eq!(answer.verdict, Judgement::Invalid);
    assert_eq!(names(&answer), ["nonlinearizable", "crossed-values"]);
    let witness = answer.witness.expect("a witness");
    assert_eq!(witness.operations.len(), 3);
    assert_eq!(witness.confirmed, Confirmation::BruteForce);
}

#[test]
fn a_write_of_unknown_outcome_may_take_effect_late() {
    let text = "[{:process 0, :type :invoke, :f :write, :value 1}
                 {:process 0, :type :info, :f :write, :value 1, :error :timeout}
                 {:process 1, :type :invoke, :f :read, :value nil}
                 {:process 1, :type :ok, :f :read, :value nil}
                 {:process 1, :type :invoke, :f :read, :value nil}
                 {:process 1, :type :ok, :f :read, :value 1}]";
    assert_eq!(answer(Model::Register, text).verdict, Judgement::Valid);
    assert_eq!(answer(Model::CasRegister, text).verdict, Judgement::Valid);
    let failed = text.replace(":info", ":fail");
    assert_eq!(names(&answer(Model::Register, &failed)), ["nonlinearizable", "never-written"]);
}

#[test]
fn keys_are_independent_and_the_initial_value_is_given() {
    let text = "{:process 0 :type :invoke :f :read :value [x nil]}
                {:process 0 :type :ok :f :read :value [x 0]}
                {:process 0 :type :invoke :f :cas :value [x [0 5]]}
                {:process 0 :type :ok :f :cas :value [x [0 5]]}
                {:process :nemesis :type :info :f :kill :value nil}
                {:process 1 :type :invoke :f :read :value [y nil]}
                {:process 1 :type :ok :f :read :value [y 0]}";
    let options = Options { initial: Datum::Int(0), ..Options::default() };
    let answer =
        judge(text.as_bytes(), Model::CasRegister, &options, Consistency::StrictSerializable).unwrap();
    assert_eq!(answer.verdict, Judgement::Valid, "{answer:?}");
    assert_eq!(answer.notes.ignored["nemesis"], 1);
    let wrong =
        judge(text.as_bytes(), Model::CasRegister, &Options::default(), Consistency::StrictSerializable);
    assert_eq!(wrong.unwrap().verdict, Judgement::Invalid);
}

#[test]
fn every_object_tells_right_from_wrong() {
    let cases = [
        (Model::Mutex, "acquire nil | release nil | acquire nil", "acquire nil | acquire nil"),
        (
            Model::Queue,
            "enqueue 1 | enqueue 2 | dequeue 1 | drain [2]",
            "enqueue 1 | enqueue 2 | drain [2] | dequeue 1",
        ),
        (
            Model::Bag,
            "enqueue 1 | enqueue 2 | dequeue 2 | dequeue 1 | dequeue nil",
            "enqueue 1 | dequeue 1 | dequeue 1",
        ),
        (Model::Set, "read #{} | add 1 | add 2 | read #{1 2}", "add 1 | add 2 | read #{2}"),
        (
            Model::Kv,
            "put [\"k\" \"a.\"] | append [\"k\" \"b.\"] | get [\"k\" \"a.b.\"]",
            "append [\"k\" \"b.\"] | get [\"k\" \"\"]",
        ),
        (
            Model::MultiRegister,
            "txn [[:write :x 1] [:write :y 2]] | txn [[:read :x 1] [:read :y 2]]",
            "txn [[:write :x 1] [:write :y 2]] | txn [[:read :x 1] [:read :y nil]]",
        ),
    ];
    for (model, right, wrong) in cases {
        for (text, expected) in [(right, Judgement::Valid), (wrong, Judgement::Invalid)] {
            let answer = answer(model, &sequential(text));
            assert_eq!(answer.verdict, expected, "{model:?} {text} {answer:?}");
            if let Some(witness) = answer.witness {
                assert_eq!(witness.confirmed, Confirmation::BruteForce, "{witness:?}");
                assert!(!witness.why.is_empty());
            }
        }
    }
}

/// Operations one after the other: `f value | f value`.
fn sequential(text: &str) -> String {
    let line = |operation: &str| {
        let (f, value) = operation.trim().split_once(' ').expect("f and value");
        format!(
            "{{:process 0 :type :invoke :f :{f} :value {value}}}\n{{:process 0 :type :ok :f :{f} :value {value}}}\n"
        )
    };
    text.split('|').map(line).collect()
}

#[test]
fn lists_and_registers_show_their_cycles() {
    let cases = [
        // T1 reads x before T2 appends, and y after: G-single.
        (
            Model::ListAppend,
            "2 [[:append x 1] [:append y 1]] | 3 [[:r x nil] [:r y [1]]] | 4 [[:r x [1]]]",
            "G-single",
            Consistency::SnapshotIsolation,
        ),
        // Write skew.
        (
            Model::ListAppend,
            "1 [[:r x nil] [:append y 1]] | 2 [[:r y nil] [:append x 1]] | 3 [[:r x [1]] [:r y [1]]]",
            "G2",
            Consistency::Serializable,
        ),
        (
            Model::ListAppend,
            "1 [[:append x 1] [:append y 2]] | 2 [[:append x 2] [:append y 1]] | 3 [[:r x [1 2]] [:r y [1 2]]]",
            "G0",
            Consistency::ReadUncommitted,
        ),
        (
            Model::ListAppend,
            "1 [[:append x 1] [:r y [1]]] | 2 [[:append y 1] [:r x [1]]]",
            "G1c",
            Consistency::ReadCommitted,
        ),
        (
            Model::RwRegister,
            "1 [[:w x 1] [:r y 1]] | 2 [[:w y 1] [:r x 1]]",
            "G1c",
            Consistency::ReadCommitted,
        ),
        (
            Model::RwRegister,
            "1 [[:r x nil] [:w x 1]] | 2 [[:r x nil] [:w x 2]]",
            "lost-update",
            Consistency::SnapshotIsolation,
        ),
    ];
    for (model, text, name, excludes) in cases {
        let answer = answer(model, &concurrent(text));
        assert_eq!(answer.verdict, Judgement::Invalid, "{text}");
        assert!(names(&answer).contains(&name), "{text}: {:?}", answer.transactions);
        let strongest = answer.transactions.iter().map(|anomaly| anomaly.excludes).min();
        assert_eq!(strongest, Some(excludes), "{text}: {:?}", answer.transactions);
    }
}

/// Transactions all at the same time: `process value | process value`.
fn concurrent(text: &str) -> String {
    let line = |kind: &'static str| {
        move |transaction: &str| {
            let (process, value) = transaction.trim().split_once(' ').expect("process and value");
            format!("{{:process {process} :type :{kind} :f :txn :value {value}}}\n")
        }
    };
    let invoked: String = text.split('|').map(line("invoke")).collect();
    let answered: String = text.split('|').map(line("ok")).collect();
    invoked + &answered
}

#[test]
fn a_stale_read_is_a_realtime_cycle_only() {
    let text = sequential("txn [[:append x 1]] | txn [[:r x nil]]");
    let strict =
        judge(text.as_bytes(), Model::ListAppend, &Options::default(), Consistency::StrictSerializable);
    let answer = strict.unwrap();
    assert_eq!(answer.verdict, Judgement::Invalid);
    // One process ran both, so its own order suffices.
    assert_eq!(names(&answer), ["dependency-cycle", "G-single-process"]);
    let text = text.replacen(":process 0", ":process 1", 2);
    let answer =
        judge(text.as_bytes(), Model::ListAppend, &Options::default(), Consistency::StrictSerializable)
            .unwrap();
    assert_eq!(names(&answer), ["dependency-cycle", "G-single-realtime"]);
    let serializable =
        judge(text.as_bytes(), Model::ListAppend, &Options::default(), Consistency::Serializable);
    assert_eq!(serializable.unwrap().verdict, Judgement::Valid);
}

#[test]
fn reads_of_what_failed_or_was_overwritten_are_named() {
    let failed = "{:process 0 :type :invoke :f :txn :value [[:append x 1]]}
                  {:process 0 :type :fail :f :txn :value [[:append x 1]]}
                  {:process 1 :type :invoke :f :txn :value [[:r x nil]]}
                  {:process 1 :type :ok :f :txn :value [[:r x [1]]]}";
    assert_eq!(names(&answer(Model::ListAppend, failed)), ["aborted-read", "G1a"]);
    let unknown = failed.replace(":fail", ":info");
    assert_eq!(answer(Model::ListAppend, &unknown).verdict, Judgement::Valid);
    let between = concurrent("0 [[:append x 1] [:append x 2]] | 1 [[:r x [1]]]");
    assert!(names(&answer(Model::ListAppend, &between)).contains(&"intermediate-read"));
    let diverged = concurrent("0 [[:append x 1]] | 1 [[:append x 2]] | 2 [[:r x [1 2]]] | 3 [[:r x [2]]]");
    assert!(names(&answer(Model::ListAppend, &diverged)).contains(&"incompatible-order"));
    let itself = concurrent("0 [[:append x 1] [:r x [2]]] | 1 [[:append x 2]]");
    assert!(names(&answer(Model::ListAppend, &itself)).contains(&"internal"));
}

#[test]
fn contradictory_histories_are_refused_with_their_line() {
    let cases = [
        (
            "{:process 0 :type :ok :f :read :value 1}",
            "line 1: process 0 completes an operation that it did not invoke",
        ),
        (
            "{:process 0 :type :invoke :f :read}\n{:process 0 :type :invoke :f :read}",
            "line 2: process 0 invokes while its operation of line 1 is open",
        ),
        (
            "{:process 0 :type :invoke :f :read}\n{:process 0 :type :ok :f :write :value 1}",
            "line 2: process 0 invoked read on line 1 and completes write",
        ),
        ("{:process 0 :type :invoke :f :cas :value 3}", "line 1: a cas is [from to]"),
        ("{:process 0 :f :read}", "line 1: an operation without :type"),
        ("\n\n(1 2)", "line 3: an operation is a map"),
    ];
    for (text, expected) in cases {
        let options = Options::default();
        let refused = judge(text.as_bytes(), Model::CasRegister, &options, Consistency::StrictSerializable);
        assert_eq!(refused.unwrap_err().to_string(), expected);
    }
}

#[test]
fn nothing_that_returned_is_vacuous() {
    for model in [Model::Register, Model::ListAppend] {
        assert_eq!(answer(model, "").verdict, Judgement::Unknown);
        assert_eq!(answer(model, "[]").verdict, Judgement::Unknown);
    }
}
