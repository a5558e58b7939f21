//! The rules of the tree that the compiler cannot hold: who may import whom, which crates stay pure, that every
//! module says what it is for, and that no file is a drawer for odds and ends.

#![expect(clippy::disallowed_methods, reason = "shell: asks cargo for the dependency tree")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

const CRATES: [&str; 6] = ["history", "workloads", "nemesis", "checker", "results", "harness"];

/// Crate → the crates of this workspace that it may import. Nothing imports `harness`; `workloads` and `checker`
/// never see each other, because a checker that knows what was meant would excuse what was done.
fn may_import(name: &str) -> &'static [&'static str] {
    match name {
        "history" => &[],
        "workloads" | "nemesis" | "checker" => &["history"],
        "results" => &["history", "checker"],
        "harness" => &["history", "workloads", "nemesis", "checker", "results"],
        other => panic!("a crate without import rules: {other}"),
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace root").to_owned()
}

/// Names of all crates that `name` reaches through normal dependencies.
fn reaches(name: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--offline", "--locked", "-e", "normal", "--prefix", "none", "-p", name])
        .current_dir(root())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "cargo tree failed: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("cargo tree prints UTF-8");
    text.lines().skip(1).filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[test]
fn crates_import_only_what_the_architecture_allows() {
    for name in CRATES {
        let manifest = std::fs::read_to_string(root().join(name).join("Cargo.toml")).expect("manifest");
        let table: toml::Table = manifest.parse().expect("manifest is TOML");
        let dependencies = table.get("dependencies").and_then(toml::Value::as_table).expect("dependencies");
        for other in CRATES.iter().filter(|other| dependencies.contains_key(**other)) {
            assert!(may_import(name).contains(other), "{name} must not import {other}");
        }
    }
}

#[test]
fn pure_crates_reach_no_runtime_no_client_and_no_socket() {
    for name in ["history", "checker", "results"] {
        let reached = reaches(name);
        for banned in ["tokio", "rdkafka", "kafka-protocol", "mio", "socket2", "reqwest", "rand"] {
            assert!(!reached.contains(banned), "{name} is pure but reaches {banned}");
        }
    }
    assert!(reaches("harness").contains("tokio"), "the listing itself works");
}

fn sources(under: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(under).expect("folder is readable") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push(path);
        }
    }
}

fn all_sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for name in CRATES {
        sources(&root().join(name).join("src"), &mut files);
    }
    assert!(files.len() > 40, "the walk found the sources");
    files
}

#[test]
fn every_module_says_what_it_is_for() {
    for file in all_sources() {
        let text = std::fs::read_to_string(&file).expect("source is UTF-8");
        assert!(text.starts_with("//! "), "{} does not open with //!", file.display());
    }
}

#[test]
fn no_file_is_a_drawer_and_none_is_huge() {
    let banned =
        ["utils.rs", "util.rs", "helpers.rs", "helper.rs", "common.rs", "types.rs", "misc.rs", "mod.rs"];
    for file in all_sources() {
        let name = file.file_name().and_then(|name| name.to_str()).expect("a UTF-8 name");
        assert!(!banned.contains(&name), "{}: split by idea instead", file.display());
        let lines = std::fs::read_to_string(&file).expect("source is UTF-8").lines().count();
        assert!(lines <= 600, "{}: {lines} lines; split it by idea at 600", file.display());
    }
}
