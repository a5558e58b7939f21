//! A stored run whose journals were cut or changed: an error that names the file and the byte, or *unknown*; never
//! a panic, and never a shorter history that looks whole.
//!
//! The run was valid. So whatever `check` says to a damaged copy, status 0 would be a lie, save where the damage
//! hit nothing that was ever used. `ONCEPROOF_DAMAGES` sets the number of copies.

use std::path::{Path, PathBuf};

use super::draw::Draw;
use super::stage::{Ended, Stage, turn};

/// A copy of a run without what `check` does not read.
fn copy(run: &Path, to: &Path) {
    let _ = std::fs::remove_dir_all(to);
    std::fs::create_dir_all(to.join("journals")).unwrap();
    std::fs::copy(run.join("plan.json"), to.join("plan.json")).unwrap();
    std::fs::copy(run.join("run.json"), to.join("run.json")).unwrap();
    for journal in journals(run) {
        std::fs::copy(&journal, to.join("journals").join(journal.file_name().unwrap())).unwrap();
    }
}

fn journals(run: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(run.join("journals")).unwrap().map(|entry| entry.unwrap().path());
    let mut journals: Vec<PathBuf> = files.collect();
    journals.sort();
    journals
}

fn check(stage: &Stage, run: &Path) -> Ended {
    let ended = stage.call(&["check", run.to_str().unwrap(), "--message-format", "json"]);
    assert!(!ended.err.contains("panicked"), "{ended:?}");
    assert!([0, 2, 64].contains(&ended.exit), "{ended:?}");
    ended
}

/// What `check` must say to a journal that was damaged: unknown because it is torn, or an error that names it.
fn refused(ended: &Ended, journal: &Path, what: &str) {
    let name = journal.file_name().unwrap().to_str().unwrap();
    match ended.exit {
        2 => {
            let verdict: serde_json::Value = serde_json::from_str(ended.out.trim()).unwrap();
            assert_eq!(verdict["verdict"], "unknown", "{what}");
            assert!(ended.out.contains("torn-journal"), "{what}: {ended:?}");
        }
        64 => assert!(ended.err.contains(name), "{what}: the file is not named: {ended:?}"),
        other => panic!("{what}: status {other}: {ended:?}"),
    }
}

#[test]
fn a_run_with_a_damaged_journal_is_never_green() {
    let _turn = turn();
    let stage = Stage::new();
    let ended = stage.call(&["run", "short.toml", "--seed", "1"]);
    assert_eq!(ended.exit, 0, "{ended:?}");
    let run = stage.latest().unwrap();
    let scratch = stage.path().join("damaged");
    copy(&run, &scratch);
    assert_eq!(check(&stage, &scratch).exit, 0, "an undamaged copy is as good as the run");
    let copies = std::env::var_os("ONCEPROOF_DAMAGES").map_or(60, |n| n.to_str().unwrap().parse().unwrap());
    let mut draw = Draw(1);
    let (mut torn, mut named) = (0, 0);
    for number in 0..copies {
        copy(&run, &scratch);
        let journals = journals(&scratch);
        let journal = &journals[number % journals.len()];
        let mut bytes = std::fs::read(journal).unwrap();
        let at = draw.below(bytes.len() as u64);
        let index = usize::try_from(at).unwrap();
        let what = if (number / journals.len()).is_multiple_of(2) {
            bytes.truncate(index);
            format!("{} cut at byte {at}", journal.display())
        } else {
            bytes[index] ^= 1 << draw.below(8);
            format!("{} changed at byte {at}", journal.display())
        };
        std::fs::write(journal, bytes).unwrap();
        let ended = check(&stage, &scratch);
        refused(&ended, journal, &what);
        torn += u32::from(ended.exit == 2);
        named += u32::from(ended.exit == 64);
    }
    println!("damage: {copies} copies, {torn} unknown, {named} refused by name, none valid");
}

#[test]
fn a_run_without_its_documents_is_named() {
    let stage = Stage::new();
    let run = stage.path().join("store/short/20260101T000000Z-000001");
    std::fs::create_dir_all(run.join("journals")).unwrap();
    let says = |words: &[&str]| {
        let ended = stage.call(&["check", run.to_str().unwrap()]);
        assert_eq!(ended.exit, 64, "{ended:?}");
        assert!(words.iter().all(|word| ended.err.contains(word)), "{words:?}: {ended:?}");
    };
    says(&["plan.json", "No such file"]);
    std::fs::write(run.join("plan.json"), "{\"schema\": ").unwrap();
    says(&["plan.json"]);
    std::fs::write(run.join("journals/1-shop-0.journal"), "").unwrap();
    says(&["plan.json"]);
    let ended = stage.call(&["check", "no-such-run"]);
    assert!(ended.exit == 64 && ended.err.contains("no-such-run"), "{ended:?}");
}
