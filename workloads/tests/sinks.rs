//! What every sink promises for each thing that can be kept with an effect, on the sinks that need no server. The HTTP
//! service is held against the same in the harness's tests, PostgreSQL in whole runs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use history::ids::{Offset, Process, Seq, TopicPartition, Value};
use workloads::protocol::{EffectMode, SinkConfig};
use workloads::sink::{Answer, Effect, Keep, Sink, Sqlite, Write};

fn effects(range: std::ops::Range<u32>) -> Vec<Effect> {
    let effect = |seq| Effect {
        offset: Offset(i64::from(seq) + 100),
        value: Value { process: Process(1), seq: Seq(seq) },
    };
    range.map(effect).collect()
}

fn store(sink: &mut Sink, range: std::ops::Range<u32>, keep: Keep) -> Answer {
    let log = TopicPartition::new("orders", 0);
    let effects = effects(range);
    sink.store(&Write { group: "billing", log: &log, member: Process(9), effects: &effects, keep }).unwrap()
}

fn position(sink: &mut Sink) -> Offset {
    sink.position("billing", &TopicPartition::new("orders", 0)).unwrap()
}

fn checked(from: i64, next: i64) -> Keep {
    Keep::Position { from: Some(Offset(from)), next: Offset(next) }
}

/// Two members of one group at the same sink.
fn members(folder: &Path, kind: &str, mode: EffectMode) -> [Sink; 2] {
    let config = match kind {
        "sqlite" => {
            let path = folder.join("sink.db");
            drop(Sqlite::create(&path).unwrap());
            SinkConfig::Sqlite { path }
        }
        _ => SinkConfig::File { folder: folder.to_owned(), sync: true },
    };
    [3, 4].map(|process| Sink::open(&config, Process(process), mode).unwrap())
}

#[test]
fn a_position_that_somebody_else_has_moved_refuses_the_whole_write() {
    for kind in ["sqlite", "file"] {
        let folder = tempfile::tempdir().unwrap();
        let [mut one, mut other] = members(folder.path(), kind, EffectMode::OffsetInSink);
        assert_eq!(position(&mut one), Offset(0), "{kind}");
        assert_eq!(store(&mut one, 0..3, checked(0, 103)), Answer::Held { fresh: 3 }, "{kind}");
        assert_eq!(position(&mut other), Offset(103), "{kind}");
        assert_eq!(store(&mut other, 3..5, checked(103, 105)), Answer::Held { fresh: 2 }, "{kind}");
        let refused = Answer::Refused { position: Offset(105) };
        assert_eq!(store(&mut one, 3..4, checked(103, 104)), refused, "{kind}");
        assert_eq!(store(&mut one, 3..4, checked(0, 104)), refused, "{kind}");
        assert_eq!(position(&mut one), Offset(105), "nothing was stored: {kind}");
        assert_eq!(store(&mut one, 5..6, checked(105, 106)), Answer::Held { fresh: 1 }, "{kind}");
    }
}

#[test]
fn without_the_check_a_zombie_writes_over_its_successor() {
    for kind in ["sqlite", "file"] {
        let folder = tempfile::tempdir().unwrap();
        let [mut one, mut other] = members(folder.path(), kind, EffectMode::OffsetInSinkUnchecked);
        let unchecked = |next| Keep::Position { from: None, next: Offset(next) };
        store(&mut one, 0..5, unchecked(105));
        assert_eq!(store(&mut other, 0..3, unchecked(103)), Answer::Held { fresh: 3 }, "{kind}");
        // The highest offset of all files is the position; a table's row is what was written last.
        let expected = if kind == "file" { 105 } else { 103 };
        assert_eq!(position(&mut one), Offset(expected), "{kind}");
    }
}

#[test]
fn a_key_that_is_known_has_no_further_effect() {
    for kind in ["sqlite", "file"] {
        let folder = tempfile::tempdir().unwrap();
        let [mut one, mut other] = members(folder.path(), kind, EffectMode::Deduplicated);
        let key = Keep::Key { now_ms: 1_000, ttl_ms: None };
        assert_eq!(store(&mut one, 0..4, key), Answer::Held { fresh: 4 }, "{kind}");
        assert_eq!(store(&mut other, 2..6, key), Answer::Held { fresh: 2 }, "{kind}");
        assert_eq!(store(&mut one, 0..6, key), Answer::Held { fresh: 0 }, "{kind}");
    }
}

#[test]
fn a_key_that_expires_is_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let [mut one, mut other] = members(folder.path(), "sqlite", EffectMode::DeduplicatedExpiring);
    let at = |now_ms| Keep::Key { now_ms, ttl_ms: Some(100) };
    assert_eq!(store(&mut one, 0..1, at(1_000)), Answer::Held { fresh: 1 });
    assert_eq!(store(&mut other, 0..1, at(1_100)), Answer::Held { fresh: 0 });
    assert_eq!(store(&mut other, 0..1, at(1_101)), Answer::Held { fresh: 1 });
    let file = SinkConfig::File { folder: folder.path().to_owned(), sync: false };
    let refused = Sink::open(&file, Process(5), EffectMode::DeduplicatedExpiring).unwrap_err();
    assert!(refused.to_string().contains("lines hold no time"), "{refused}");
}

#[test]
fn plain_effects_are_stored_as_often_as_they_are_made() {
    for kind in ["sqlite", "file"] {
        let folder = tempfile::tempdir().unwrap();
        let [mut one, mut other] = members(folder.path(), kind, EffectMode::Plain);
        assert_eq!(store(&mut one, 0..2, Keep::Nothing), Answer::Held { fresh: 2 }, "{kind}");
        assert_eq!(store(&mut other, 0..2, Keep::Nothing), Answer::Held { fresh: 2 }, "{kind}");
    }
}

#[test]
fn a_line_that_its_writers_death_has_torn_is_no_effect() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("2.effects"),
        "billing\torders\t0\t100\t1\t0\t2\t0\nbilling\torders\t0\t10",
    )
    .unwrap();
    let config = SinkConfig::File { folder: folder.path().to_owned(), sync: false };
    let mut sink = Sink::open(&config, Process(3), EffectMode::OffsetInSink).unwrap();
    assert_eq!(position(&mut sink), Offset(101));
    store(&mut sink, 1..3, checked(101, 103));
    let text = std::fs::read_to_string(folder.path().join("3.effects")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "billing\torders\t0\t101\t1\t1\t9\t0");
    let before = workloads::sink::line_checksum(lines[0]);
    assert_eq!(lines[1], format!("billing\torders\t0\t102\t1\t2\t9\t{before}"));
}
