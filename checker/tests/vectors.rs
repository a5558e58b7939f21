//! Hand-written histories and what is said about them: `vectors/<anomaly>/<case>.history` with its `.verdict`.
//!
//! A verdict file has one statement a line:
//! ```text
//! claim: at-least-once                       what is claimed (default: nothing)
//! client: shop producer librdkafka acks=1    settings in effect (group=G and commit=C are not properties)
//! fault: kill broker 2                       a planned fault
//! group: g                                   a group that must have taken part
//! exercise: leader-change                    what must have happened
//! floor: 10                                  fewest acknowledged records
//! verdict: invalid
//! reason: not-drained                        every reason but violations, by its kind
//! lost-write: 3 forbidden                    every anomaly observed, with its count; forbidden or allowed
//! says: acks=1 permits it                    part of a sentence or of a reason
//! silent: permits it                         part of no sentence
//! ```
//! What is listed is everything: an anomaly or a reason that is found and not listed is a failure, and the other way
//! round. A directory is named after an anomaly and holds a case that shows it, a near miss that does not, and one in
//! which the outcome of an operation is unknown.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use checker::anomaly::Anomaly;
use checker::closeup::{CloseUp, Moment, close_up};
use checker::question::{ClientSettings, Question};
use checker::verdict::{ReasonKind, Verdict};
use history::op::{Event, Outcome, Phase};
use history::text::Parsed;

/// What a verdict file says.
#[derive(Debug, Default)]
struct Expected {
    question: Question,
    verdict: String,
    reasons: BTreeSet<String>,
    anomalies: BTreeMap<String, String>,
    says: Vec<String>,
    silent: Vec<String>,
}

impl Expected {
    fn read(path: &Path) -> Expected {
        let text =
            std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut expected = Expected::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            let (key, value) = line.split_once(": ").unwrap_or_else(|| panic!("{}: {line}", path.display()));
            let owned = value.to_owned();
            match key {
                "claim" => expected.question.claim = value.parse().unwrap(),
                "client" => expected.client(value),
                "fault" => expected.question.faults.push(owned),
                "group" => drop(expected.question.groups.insert(owned)),
                "exercise" => {
                    let exercise = serde_json::from_value(value.into()).unwrap();
                    expected.question.exercises.insert(exercise);
                }
                "floor" => expected.question.floor = value.parse().unwrap(),
                "warm-up" => expected.question.warm_up = value == "required",
                "verdict" => expected.verdict = owned,
                "reason" => drop(expected.reasons.insert(owned)),
                "says" => expected.says.push(owned),
                "silent" => expected.silent.push(owned),
                anomaly => {
                    assert!(Anomaly::from_name(anomaly).is_some(), "{}: {line}", path.display());
                    expected.anomalies.insert(anomaly.to_owned(), owned);
                }
            }
        }
        expected
    }

    fn client(&mut self, words: &str) {
        let mut words = words.split(' ');
        let mut next = || words.next().unwrap_or_default().to_owned();
        let (name, role, family) = (next(), next(), next());
        let mut client = ClientSettings { role, family, ..ClientSettings::default() };
        for (key, value) in words.filter_map(|word| word.split_once('=')) {
            match key {
                "group" => client.group = Some(value.to_owned()),
                "commit" => client.commit = Some(value.to_owned()),
                property => drop(client.properties.insert(property.to_owned(), value.to_owned())),
            }
        }
        self.question.settings.clients.insert(name, client);
    }
}

/// The names of what was found, as a verdict file lists it.
fn listed(verdict: &Verdict) -> (BTreeSet<String>, BTreeMap<String, String>) {
    let kind = |kind: ReasonKind| serde_json::to_value(kind).unwrap().as_str().unwrap().to_owned();
    let reasons = verdict.reasons.iter().filter(|reason| reason.kind != ReasonKind::Violation);
    let reasons = reasons.map(|reason| kind(reason.kind)).collect();
    let anomalies = verdict.anomalies.iter().map(|observed| {
        let word = if observed.forbidden { "forbidden" } else { "allowed" };
        (observed.name.to_string(), format!("{} {word}", observed.count))
    });
    (reasons, anomalies.collect())
}

/// Everything that a verdict says in words.
fn words(verdict: &Verdict) -> String {
    let sentences = verdict.anomalies.iter().map(|observed| observed.sentence.as_str());
    sentences.chain(verdict.reasons.iter().map(|reason| reason.text.as_str())).collect::<Vec<_>>().join("\n")
}

/// What one case shows.
struct Case {
    observed: BTreeSet<String>,
    has_unknown_outcome: bool,
}

/// Judges one case; the differences to what is expected are appended to `wrong`.
fn check(path: &Path, wrong: &mut Vec<String>) -> Case {
    let name = path.strip_prefix(vectors()).unwrap().display().to_string();
    let text = std::fs::read_to_string(path).unwrap();
    let parsed = Parsed::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
    let has_unknown_outcome = has_unknown_outcome(&parsed.events);
    let expected = Expected::read(&path.with_extension("verdict"));
    let history = history::merge::events(&parsed.logs, &parsed.events)
        .unwrap_or_else(|error| panic!("{name}: {error}"));
    let verdict = checker::judge::judge(&history, &expected.question).unwrap();
    let again = checker::judge::judge(&history, &expected.question).unwrap();
    assert_eq!(serde_json::to_string(&verdict).unwrap(), serde_json::to_string(&again).unwrap(), "{name}");
    let found_verdict = serde_json::to_value(verdict.verdict).unwrap().as_str().unwrap().to_owned();
    let (reasons, anomalies) = listed(&verdict);
    let words = words(&verdict);
    if (&found_verdict, &reasons, &anomalies) != (&expected.verdict, &expected.reasons, &expected.anomalies) {
        wrong.push(format!("{name}: {found_verdict} {reasons:?} {anomalies:?}\n{words}\n"));
    }
    for says in expected.says.iter().filter(|says| !words.contains(says.as_str())) {
        wrong.push(format!("{name}: does not say \"{says}\" but\n{words}\n"));
    }
    for silent in expected.silent.iter().filter(|silent| words.contains(silent.as_str())) {
        wrong.push(format!("{name}: says \"{silent}\"\n{words}\n"));
    }
    Case { observed: anomalies.into_keys().collect(), has_unknown_outcome }
}

/// Whether an operation ended in info, or never ended.
fn has_unknown_outcome(events: &[Event]) -> bool {
    let info = events.iter().any(|event| matches!(event.phase, Phase::Complete(Outcome::Info { .. })));
    let invoked = events.iter().filter(|event| event.phase == Phase::Invoke);
    let open = invoked.filter(|event| {
        !events.iter().any(|other| {
            other.op == event.op && other.process == event.process && other.phase != Phase::Invoke
        })
    });
    info || open.count() > 0
}

/// Where the vectors are.
fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

/// The entries of a directory, in order.
fn entries(path: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

#[test]
fn every_vector_is_judged_as_it_says() {
    let mut wrong = Vec::new();
    for directory in entries(&vectors()) {
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        let histories: Vec<PathBuf> = entries(&directory)
            .into_iter()
            .filter(|path| path.extension().is_some_and(|extension| extension == "history"))
            .collect();
        let cases: Vec<Case> = histories.iter().map(|path| check(path, &mut wrong)).collect();
        if Anomaly::from_name(&name).is_none() {
            assert!(name == "vacuity" && !cases.is_empty(), "{name} is no anomaly, or empty");
            continue;
        }
        for (what, found) in [
            ("that shows it", cases.iter().any(|case| case.observed.contains(&name))),
            ("that nearly does", cases.iter().any(|case| !case.observed.contains(&name))),
            ("with an unknown outcome", cases.iter().any(|case| case.has_unknown_outcome)),
        ] {
            if !found {
                wrong.push(format!("{name}: no case {what}"));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// The numbers of a document that are not zero, in a line.
fn numbers(value: &serde_json::Value, name: &str, line: &mut Vec<String>) {
    match value {
        serde_json::Value::Number(number) if number.as_u64() == Some(0) => {}
        serde_json::Value::Number(number) => line.push(format!("{name}={number}")),
        serde_json::Value::Object(fields) => fields.iter().for_each(|(field, value)| {
            numbers(value, format!("{name} {field}").trim_start(), line);
        }),
        serde_json::Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| numbers(item, &format!("{name}.{at}"), line));
        }
        serde_json::Value::Bool(is) if *is => line.push(name.to_owned()),
        serde_json::Value::Bool(_) | serde_json::Value::Null | serde_json::Value::String(_) => {}
    }
}

/// Everything that is told of one case: the verdict, and each anomaly close up.
fn told(path: &Path) -> String {
    let parsed = Parsed::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    let question = Expected::read(&path.with_extension("verdict")).question;
    let history = history::merge::events(&parsed.logs, &parsed.events).unwrap();
    let verdict = checker::judge::judge(&history, &question).unwrap();
    let mut text = format!("== {}\n{}\n", path.file_stem().unwrap().display(), words(&verdict));
    let mut line = Vec::new();
    numbers(&serde_json::to_value(&verdict.counts).unwrap(), "", &mut line);
    writeln!(text, "{}", line.join(", ")).unwrap();
    verdict.not_judged.iter().for_each(|what| writeln!(text, "not judged: {what}").unwrap());
    let findings = checker::judge::find(&history).unwrap();
    for anomaly in findings.anomalies.keys() {
        let near = close_up(&history, &findings, &question, (*anomaly, 1)).unwrap().unwrap();
        let CloseUp { subject, expected, seen, moments, left_out, permitted_by, faults, .. } = near;
        writeln!(text, "-- {anomaly}: {subject}\nexpected {expected}").unwrap();
        seen.iter().for_each(|seen| writeln!(text, "seen: {seen}").unwrap());
        permitted_by.iter().for_each(|by| writeln!(text, "permitted by {by:?}").unwrap());
        faults.iter().for_each(|fault| writeln!(text, "during {}", fault.what).unwrap());
        for Moment { time, who, what, part } in moments {
            let time = time.map_or("end".to_owned(), |time| time.to_string());
            writeln!(text, "{time:>9} {who}: {what} ({part:?})").unwrap();
        }
        if left_out > 0 {
            writeln!(text, "{left_out} left out").unwrap();
        }
    }
    text
}

/// Words and figures are part of the product: what is told of each vector is stored, and read when it changes.
#[test]
fn what_is_told_of_every_vector() {
    for directory in entries(&vectors()) {
        let histories = entries(&directory);
        let is_history = |path: &&PathBuf| path.extension().is_some_and(|extension| extension == "history");
        let told: Vec<String> = histories.iter().filter(is_history).map(|path| told(path)).collect();
        let name = directory.file_name().unwrap().to_str().unwrap().to_owned();
        insta::with_settings!({ omit_expression => true }, { insta::assert_snapshot!(name, told.join("\n")) });
    }
}

#[test]
fn every_example_that_a_finder_judges_is_found_in_it() {
    for entry in checker::anomaly::ALL.map(Anomaly::entry) {
        let smallest = vectors().join(entry.name).join("smallest.history");
        // Examples without a finder are inline texts; all others are vectors.
        let stored = std::fs::read_to_string(&smallest).unwrap_or_default();
        assert_eq!(stored == entry.example, smallest.exists(), "{}", entry.name);
    }
}
