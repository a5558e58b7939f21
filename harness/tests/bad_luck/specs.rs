//! Specs that are wrong: refused with the place and the fix, or, where only Kafka knows, with Kafka's own words.

use super::stage::{Ended, SHORT, Stage, turn};
use super::traces::{self, Before};

/// What the program says to a spoilt spec.
fn told(stage: &Stage, from: &str, to: &str) -> Ended {
    assert!(SHORT.contains(from), "{from}");
    std::fs::write(stage.path().join("spoilt.toml"), SHORT.replace(from, to)).unwrap();
    stage.call(&["run", "spoilt.toml"])
}

#[test]
fn a_wrong_spec_is_refused_with_file_line_and_a_guess() {
    let stage = Stage::new();
    let cases: &[(&str, &str, &[&str])] = &[
        ("brokers = 1", "brokkers = 1", &["spoilt.toml:6", "did you mean \"brokers\""]),
        ("brokers = 1", "brokers = ", &["spoilt.toml:6"]),
        ("\"broker 1\"", "\"borker 1\"", &["spoilt.toml:29:", "did you mean \"broker 1\""]),
        ("topic  = \"orders\"\nrate", "topic  = \"ordres\"\nrate", &["spoilt.toml:1", "orders"]),
        ("version = \"4.3.1\"", "version = \"4.3\"", &["spoilt.toml:5"]),
        (
            "brokers = 1",
            "brokers = 1\nserver = { \"log.dirs\" = \"/x\" }",
            &["spoilt.toml:7", "log.dirs", "harness"],
        ),
    ];
    for (from, to, words) in cases {
        let ended = told(&stage, from, to);
        assert_eq!(ended.exit, 64, "{to}: {ended:?}");
        for word in *words {
            assert!(ended.err.contains(word), "{to}: {word:?} is missing: {}", ended.err);
        }
    }
    let absent = stage.call(&["run", "no-such.toml"]);
    assert_eq!(absent.exit, 64, "{absent:?}");
    let misspelt = stage.call(&["run", "quikstart"]);
    assert!(misspelt.exit == 64 && misspelt.err.contains("quickstart"), "{misspelt:?}");
    assert_eq!(stage.latest(), None, "no run was begun");
}

#[test]
fn a_broker_that_refuses_to_start_is_quoted_and_its_run_is_kept() {
    let _turn = turn();
    let (stage, before) = (Stage::new(), Before::look());
    let ended = told(&stage, "brokers = 1", "brokers = 1\nserver = { \"log.retention.bytes\" = \"abc\" }");
    before.all_gone(&stage, &traces::Labs::default());
    assert_eq!(ended.exit, 70, "{ended:?}");
    for words in ["before the cluster was ready", "log.retention.bytes", "abc", "the run directory is kept"] {
        assert!(ended.err.contains(words), "{words:?} is missing: {}", ended.err);
    }
    let run = stage.latest().unwrap();
    assert!(run.join("logs").is_dir() && run.join("plan.json").is_file());
    let again = stage.call(&["check", "latest"]);
    assert_eq!(again.exit, 2, "{again:?}");
}
