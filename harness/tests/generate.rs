//! `generate` and `check` by the program itself: what was planted is found, and every bad order is refused.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]
#![expect(clippy::disallowed_methods, reason = "shell: starts the program")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

fn onceproof(folder: &Path, arguments: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_onceproof"))
        .current_dir(folder)
        .args(arguments.split_whitespace())
        .output()
        .unwrap()
}

/// Status and the last line of standard output, as JSON.
fn answer(folder: &Path, arguments: &str) -> (i32, Value) {
    let output = onceproof(folder, &format!("{arguments} --message-format json"));
    let text = String::from_utf8(output.stdout).unwrap();
    let last = text.lines().last().unwrap_or("null");
    (output.status.code().unwrap(), serde_json::from_str(last).unwrap())
}

#[test]
fn what_is_planted_is_what_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    let (status, _) = answer(folder, "generate --records 20000 --seed 7 --out clean");
    assert_eq!(status, 0);
    let (status, verdict) = answer(folder, "check clean");
    assert_eq!((status, &verdict["verdict"]), (0, &Value::from("valid")), "{verdict}");
    let order = "--plant lost-write=7 --plant duplicate-write=5 --plant redelivered=2";
    let (status, generated) = answer(folder, &format!("generate --records 20000 {order} --out bad"));
    assert_eq!(status, 0);
    let (status, verdict) = answer(folder, "check bad");
    assert_eq!((status, &verdict["verdict"]), (1, &Value::from("invalid")));
    let observed = verdict["anomalies"].as_array().unwrap().iter();
    let observed: serde_json::Map<String, Value> = observed
        .map(|anomaly| (anomaly["name"].as_str().unwrap().to_owned(), anomaly["count"].clone()))
        .collect();
    assert_eq!(Value::from(observed), generated["expected"]);
    let manifest = std::fs::read(folder.join("bad.manifest.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["planted"].as_array().unwrap().len(), 14);
    // What is not claimed is not forbidden.
    let (status, _) = answer(folder, "check bad --claim nothing");
    assert_eq!(status, 0);
}

#[test]
fn the_same_order_gives_the_same_bytes() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["one", "two"] {
        let order = format!("generate --records 5000 --plant phantom=3 --seed 0x5eed --out {name}");
        assert_eq!(onceproof(folder.path(), &order).status.code(), Some(0));
    }
    let read = |name| std::fs::read(folder.path().join(name)).unwrap();
    assert!(read("one") == read("two"));
    assert!(read("one.manifest.json") != read("two.question.json"));
}

#[test]
fn an_order_that_cannot_be_carried_out_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        ("--plant lost-writes=1", "did you mean lost-write?"),
        ("--plant lost-write=many", "write for instance lost-write=3"),
        ("--plant stall=1", "stall cannot be planted yet"),
        ("--plant redelivered=1 --groups 0", "redelivered needs a consumer group"),
        ("--records 0", "records must be from 1 to"),
    ];
    for (order, says) in cases {
        let output = onceproof(folder.path(), &format!("generate {order} --out name"));
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(64), "{order}: {said}");
        assert!(said.contains(says), "{order}: {said}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    std::fs::write(folder.path().join("name"), "").unwrap();
    std::fs::write(folder.path().join("name.question.json"), "{\"claims\": 1}").unwrap();
    let output = onceproof(folder.path(), "check name");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(64), "{said}");
    assert!(said.contains("name.question.json: not a question: unknown field"), "{said}");
}
