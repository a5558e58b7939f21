//! Every delivery mode on real Kafka: what it promises holds, and its limit shows, for the client family named.
//!
//! The test command runs a representative of each mode once, on the newest release. `ONCEPROOF_MODES=5` runs every spec of
//! every mode as often, with each family and on both releases, into the store at `ONCEPROOF_STORE` (runs that are there
//! count, so a series may be interrupted), and writes `docs/modes.md` from what the store then holds.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use harness::reference::{ModeRun, mode_run, mode_specs, shown};

use super::program::Program;

const RELEASES: [&str; 2] = ["4.3.1", "3.9.1"];

/// The keys that name the family of the clients whose mode it is (`clients.shop.family`), and the families.
fn settings(text: &str, spec: &str) -> (Vec<String>, Vec<String>) {
    let table: toml::Table = text.parse().unwrap();
    let role = if spec < "m07" { "producer" } else { "consumer" };
    let clients = table["clients"].as_table().unwrap().iter();
    let subjects: Vec<_> = clients.filter(|(_, client)| client["role"].as_str() == Some(role)).collect();
    let names = |value: &toml::Value| -> Vec<String> {
        let several = value.as_array().into_iter().flatten();
        let all = several.filter_map(toml::Value::as_str).chain(value.as_str());
        all.map(str::to_owned).collect()
    };
    let families = subjects.iter().find_map(|(_, client)| client.get("family")).map(names);
    let keys = subjects.iter().map(|(name, _)| format!("clients.{name}.family")).collect();
    // A spec that names no family means the default, and holds for the other as well.
    (keys, families.unwrap_or_else(|| ["librdkafka", "java"].map(str::to_owned).to_vec()))
}

#[test]
fn every_mode_keeps_its_promise_and_shows_its_limit() {
    match std::env::var("ONCEPROOF_MODES") {
        Ok(rounds) => series(rounds.parse().unwrap()),
        Err(_) => representatives(),
    }
}

/// The first limit of each mode, or its first promise where it has no limit, with the families that the spec names.
fn representatives() {
    let mut chosen: BTreeMap<&str, &str> = BTreeMap::new();
    let has_limit = |text: &str| text.lines().any(|line| line.starts_with("expect"));
    for spec in mode_specs() {
        let known = chosen.entry(&spec.name[..3]).or_insert(spec.name);
        let text = mode_specs().iter().find(|other| other.name == *known).unwrap().text;
        if !has_limit(text) && has_limit(spec.text) {
            *known = spec.name;
        }
    }
    for spec in chosen.values() {
        let ran = Program::new().run(spec, RELEASES[0], 1);
        println!("{spec}: {} in {} s", ran.text("verdict"), ran.seconds);
        assert_eq!(ran.exit, 0, "{spec} did not end as it expects\n{}", ran.told());
    }
}

fn series(rounds: usize) {
    let store = std::env::var_os("ONCEPROOF_STORE").map(PathBuf::from);
    let store = store.expect("ONCEPROOF_STORE names the folder that keeps the runs");
    let mut missed = Vec::new();
    for round in 1..=rounds {
        for spec in mode_specs() {
            let (keys, families) = settings(spec.text, spec.name);
            for (family, release) in
                families.iter().flat_map(|family| RELEASES.map(|release| (family, release)))
            {
                let stored = stored(&store);
                let alike =
                    |run: &&ModeRun| run.spec == spec.name && run.family == *family && run.kafka == release;
                if stored.iter().filter(alike).count() >= round {
                    continue;
                }
                let set: Vec<String> = keys.iter().map(|key| format!("{key}={family}")).collect();
                let seed = u64::try_from(round).unwrap();
                let ran = Program::at(&store).run_set(spec.name, release, seed, &set);
                println!("{} with {family} on {release}, seed {seed}: {}", spec.name, ran.text("verdict"));
                if ran.exit != 0 {
                    missed.push(format!("{} with {family} on {release}: {}", spec.name, ran.place()));
                }
                write(&store);
            }
        }
    }
    write(&store);
    assert!(missed.is_empty(), "not as expected:\n{}", missed.join("\n"));
}

/// The runs of modes in a store.
fn stored(store: &Path) -> Vec<ModeRun> {
    let folders = |path: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(path).into_iter().flatten().flatten();
        entries
            .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
            .map(|entry| entry.path())
            .collect()
    };
    let runs = folders(&store.join("store")).into_iter().flat_map(|spec| folders(&spec));
    runs.filter_map(|run| mode_run(&run)).collect()
}

fn write(store: &Path) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/modes.md");
    std::fs::write(path, shown(&stored(store))).unwrap();
}

#[test]
fn docs_modes_names_every_spec_of_a_mode() {
    if std::env::var_os("UPDATE_DOCS").is_some() {
        write(&std::env::var_os("ONCEPROOF_STORE").map(PathBuf::from).unwrap_or_default());
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/modes.md");
    let text = std::fs::read_to_string(path).unwrap();
    for spec in mode_specs() {
        assert!(text.contains(&format!("`{}`", spec.name)), "docs/modes.md does not name {}", spec.name);
    }
}
