//! What must not change a verdict does not: names, clocks, the order in which independent things are recorded, where
//! files and chunks end. And what is left out cannot be what was wrong.
//!
//! Each law is tried on two kinds of history: small ones, randomly damaged in every way that the brute-force test
//! knows, and generated ones, taken apart into the events that the processes would have recorded. The default run is
//! short; `ONCEPROOF_METAMORPHIC_CASES=100000 cargo test --release -p checker --test metamorphic` is the long one.

#![expect(clippy::disallowed_methods, reason = "shell: the number of cases comes from the environment")]
#![expect(clippy::unwrap_used, reason = "a test's own input")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers drawn from a range")]

#[path = "metamorphic/draws.rs"]
mod draws;
#[path = "metamorphic/judged.rs"]
mod judged;
#[path = "brute/random.rs"]
mod random;
#[path = "metamorphic/rewritten.rs"]
mod rewritten;
#[path = "random/shapes.rs"]
mod shapes;
#[path = "metamorphic/unrolled.rs"]
mod unrolled;

use std::collections::{BTreeMap, BTreeSet};

use checker::anomaly::Anomaly;
use checker::plant::plantable;
use checker::verdict::Judgement;
use history::ids::{LogId, Nanos, Process, Seq, TopicPartition, Value};
use history::journal::{self, Writer};
use history::merged::History;
use history::op::{Identity, Op};

use draws::Draws;
use judged::{Judged, built, judged, judged_with_logs, shown};
use random::Story;
use rewritten::{Words, exchanged, interleaved, is_bound, without_log, without_value};
use shapes::{alone, generated, shape, together};
use unrolled::unrolled;

fn cases(usual: u64) -> u64 {
    let wanted = std::env::var("ONCEPROOF_METAMORPHIC_CASES").ok().map(|text| text.parse::<u64>().unwrap());
    wanted.map_or(usual, |wanted| (wanted * usual / 2_000).max(1))
}

/// Whether somebody's word stands against somebody else's, with no final read to decide: then one of them is taken at
/// its word, and which one follows the names.
fn is_undecided(judged: &Judged) -> bool {
    judged.anomalies.contains_key(&Anomaly::InconsistentOffsets)
}

/// Small damaged histories, and generated ones.
fn stories(usual: u64) -> impl Iterator<Item = (String, Story)> {
    let small = (0..cases(usual)).map(|seed| (format!("seed {seed}"), random::story(seed)));
    let large = (0..cases(usual) / 40).map(|seed| {
        let anomalies = plantable().count() as u64;
        let anomaly = plantable().nth((seed / 2 % anomalies) as usize).unwrap();
        let records = 100 + 30 * (seed % 10);
        let options = if seed % 2 == 0 { together(seed, records) } else { alone(seed, records, anomaly) };
        (format!("pipeline {seed}"), unrolled(&generated(&options).0))
    });
    small.chain(large)
}

#[test]
fn where_chunks_end_means_nothing() {
    for (name, story) in stories(1_000) {
        let whole = judged(&built(&story, 16_384));
        for chunk in [1, 2, 5, 64] {
            assert_eq!(judged(&built(&story, chunk)), whole, "{name}, chunks of {chunk}");
        }
    }
}

#[test]
fn a_generated_history_is_what_its_events_make() {
    for seed in 0..cases(200) {
        let options = together(seed, 100 + 40 * (seed % 20));
        let history = generated(&options).0;
        let rebuilt = built(&unrolled(&history), 16_384);
        assert_eq!(judged(&rebuilt), judged(&history), "{options:?}");
    }
}

#[test]
fn names_of_processes_and_groups_mean_nothing() {
    for (name, story) in stories(2_000) {
        let mut draws = Draws(7);
        let (factor, term) = (draws.word() | 1, draws.word());
        let process = |process: Process| Process(process.0.wrapping_mul(factor).wrapping_add(term));
        let group = |group: &str| format!("x-{group}");
        let words = Words { process: &process, group: &group, ..Words::default() };
        let (before, after) =
            (judged(&built(&story, 7)), judged(&built(&words.story(&story, story.logs.clone()), 7)));
        if is_undecided(&before) && before != after {
            assert_eq!(after.verdict, before.verdict, "{name}\n{}", shown(&story));
            continue;
        }
        assert_eq!(after, before, "{name}\n{}", shown(&story));
    }
}

#[test]
fn names_of_logs_mean_nothing() {
    for (name, story) in stories(2_000) {
        let count = story.logs.len();
        let turn = 1 + name.len() % count;
        let place = |log: LogId| LogId(((usize::from(log.0) + turn) % count) as u16);
        let mut logs = story.logs.clone();
        for (at, _) in story.logs.iter().enumerate() {
            let place = usize::from(place(LogId(at as u16)).0);
            logs[place] = TopicPartition::new(format!("renamed-{at}"), (at * 3) as i32);
        }
        let log = |log: LogId| Some(place(log));
        let words = Words { log: &log, ..Words::default() };
        let after = judged(&built(&words.story(&story, logs), 7));
        assert_eq!(after, judged(&built(&story, 7)), "{name}\n{}", shown(&story));
    }
}

#[test]
fn numbers_of_records_mean_nothing_but_their_order() {
    for (name, story) in stories(2_000) {
        let mut draws = Draws(name.len() as u64);
        let (factor, term) = (1 + draws.below(50) as u32, draws.below(1 << 20) as u32);
        // Phantoms may name any number at all.
        let seq = |value: Value| Some(Seq(value.seq.0.saturating_mul(factor).saturating_add(term)));
        let words = Words { seq: &seq, ..Words::default() };
        let after = judged(&built(&words.story(&story, story.logs.clone()), 7));
        assert_eq!(after, judged(&built(&story, 7)), "{name}\n{}", shown(&story));
    }
}

#[test]
fn when_the_clock_began_and_how_fast_it_went_means_nothing() {
    for (name, story) in stories(2_000) {
        let before = judged(&built(&story, 7));
        let later = |time: Nanos| Nanos(time.0 + 1_000_000_000_000_000);
        let slower = |time: Nanos| Nanos(time.0 * 1_000);
        for time in [&later as &dyn Fn(Nanos) -> Nanos, &slower] {
            let words = Words { time, ..Words::default() };
            let after = judged(&built(&words.story(&story, story.logs.clone()), 7));
            assert_eq!(after, before, "{name}\n{}", shown(&story));
        }
    }
}

#[test]
fn the_order_of_what_is_independent_means_nothing() {
    for (name, story) in stories(2_000) {
        let before = judged(&built(&story, 7));
        let mut draws = Draws(name.len() as u64);
        assert_eq!(judged(&built(&interleaved(&story, &mut draws), 7)), before, "{name}\n{}", shown(&story));
        assert_eq!(judged(&built(&exchanged(&story, &mut draws), 7)), before, "{name}\n{}", shown(&story));
    }
}

/// A journal for each process, merged.
fn through_journals(story: &Story) -> History {
    let folder = tempfile::tempdir().unwrap();
    let processes: BTreeSet<Process> = story.events.iter().map(|event| event.process).collect();
    let mut paths = Vec::new();
    for &process in &processes {
        let path = folder.path().join(format!("{process}.journal"));
        let own = || story.events.iter().filter(|event| event.process == process);
        let identity = own()
            .find_map(|event| if let Op::Open(identity) = &event.op { Some(identity.clone()) } else { None });
        let identity =
            identity.unwrap_or_else(|| Identity { name: process.to_string(), ..Identity::default() });
        let mut writer = Writer::create(&path, &journal::Header { run: 7, process, identity }).unwrap();
        // Every journal numbers its logs by itself: here from the last to the first.
        let mut ids = BTreeMap::new();
        for (at, log) in story.logs.iter().enumerate().rev() {
            ids.insert(LogId(at as u16), writer.log(log).unwrap());
        }
        let log = |log: LogId| ids.get(&log).copied();
        let words = Words { log: &log, ..Words::default() };
        let mut died = false;
        for event in own() {
            died |= matches!(event.op, Op::Crash { .. });
            // What names no log of the journal's is kept as it is.
            for event in words.event(event) {
                writer.event(&event).unwrap();
            }
        }
        if !died {
            writer.close().unwrap();
        }
        paths.push(path);
    }
    let out = folder.path().join("history");
    history::merge::journals(&paths, &out).unwrap();
    let bytes = std::fs::read(&out).unwrap();
    History::from_bytes(bytes).unwrap()
}

#[test]
fn a_file_for_each_process_is_the_same_history() {
    for (name, story) in stories(200) {
        assert_eq!(
            judged(&through_journals(&story)),
            judged(&built(&story, 16_384)),
            "{name}\n{}",
            shown(&story)
        );
    }
}

#[test]
fn a_log_less_is_so_many_anomalies_less() {
    // A record that strayed from one log into another is judged by both, and a transaction by all that it wrote to.
    let of_two = [
        Anomaly::Phantom,
        Anomaly::Misrouted,
        Anomaly::DuplicateWrite,
        Anomaly::TornTransaction,
        Anomaly::LostCommit,
        Anomaly::ResurrectedAbort,
        Anomaly::FencingViolation,
        Anomaly::DependencyCycle,
    ];
    for (name, story) in stories(1_000) {
        let transactional = story.events.iter().any(|event| matches!(event.op, Op::BeginTxn { .. }));
        let (before, by_log) = judged_with_logs(&built(&story, 7));
        for log in (0..story.logs.len() as u16).map(LogId).take(4) {
            let after = judged(&built(&without_log(&story, log), 7));
            if before.verdict != Judgement::Invalid {
                assert_ne!(after.verdict, Judgement::Invalid, "{name} without log {log}\n{}", shown(&story));
            }
            // A group that handed over records of this log only is judged by its polls from now on.
            if after.hand_over != before.hand_over {
                continue;
            }
            let local = |anomaly: &Anomaly| {
                !of_two.contains(anomaly) && (*anomaly != Anomaly::LostWrite || !transactional)
            };
            for (&anomaly, logs) in by_log.iter().filter(|(anomaly, _)| local(anomaly)) {
                let rest = before.anomalies[&anomaly].count - logs.get(&log).copied().unwrap_or(0);
                let left = after.anomalies.get(&anomaly).map_or(0, |observed| observed.count);
                assert_eq!(left, rest, "{anomaly} in {name} without log {log}\n{}", shown(&story));
            }
        }
    }
}

#[test]
fn a_record_less_makes_nothing_wrong() {
    let mut tried = 0u64;
    let sound = (0..cases(100)).map(|seed| {
        let options = shape(seed, 100 + 20 * (seed % 10));
        (format!("pipeline {seed}"), unrolled(&generated(&options).0))
    });
    for (name, story) in sound.chain(stories(2_000)) {
        if !judged(&built(&story, 7)).anomalies.is_empty() {
            continue;
        }
        let values: BTreeSet<Value> = story
            .events
            .iter()
            .filter_map(|event| if let Op::Send { value, .. } = event.op { Some(value) } else { None })
            .collect();
        let mut draws = Draws(tried);
        let values: Vec<Value> = values.into_iter().collect();
        for _ in 0..values.len().min(5) {
            let gone = values[draws.below(values.len())];
            if is_bound(&story, gone) {
                continue;
            }
            let after = judged(&built(&without_value(&story, gone), 7));
            assert!(after.anomalies.is_empty(), "{name} without {gone}: {after:#?}\n{}", shown(&story));
            tried += 1;
        }
    }
    assert!(tried > 100, "only {tried} valid histories");
}
