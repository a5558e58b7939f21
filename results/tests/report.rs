//! The report as its readers see it, and the promises of its form: nothing acts on the terminal, nothing relies on
//! colour, nothing grows with the run.

use std::collections::BTreeMap;

use checker::anomaly::{Anomaly, Stage};
use checker::confirm::Confirmation;
use checker::verdict::{
    Around, Basis, Counts, Expectation, FaultEntry, Judgement, Latency, Observed, Percentiles, Permission,
    Reason, ReasonKind, SCHEMA, StageVerdict, Verdict, Witness,
};
use history::ids::{FaultId, Nanos};
use results::exit::ExitCode;
use results::text::{self, Characters, Colour, Style};

const SECOND: u64 = 1_000_000_000;

fn lost_write() -> Observed {
    Observed {
        name: Anomaly::LostWrite,
        stage: Stage::Log,
        count: 2_031,
        forbidden: true,
        causes: BTreeMap::new(),
        logs: BTreeMap::from([("orders/0".to_owned(), 2_000), ("orders/1".to_owned(), 31)]),
        intervals: "1:17-2016, 2:5-35".to_owned(),
        sentence: "2,031 records that must have committed are not in orders/0 and orders/1 at the end of the run; \
                   the first is 1:17 to 1:2016 of shop[0] (2,000 records) in orders/0 at offsets 1234 to 3233."
            .to_owned(),
        permitted_by: Some(Permission {
            basis: Basis::InEffect,
            setting: "acks=1".to_owned(),
            because: "the leader acknowledges alone".to_owned(),
            change: "set acks=all with min.insync.replicas=2".to_owned(),
        }),
        around: Around::default(),
        witnesses: vec![Witness {
            log: "orders/0".to_owned(),
            value: Some("1:17".to_owned()),
            events: Vec::new(),
            text: "1:17 to 1:2016 of shop[0] (2,000 records) in orders/0: 1:17 sent at 4.100 s".to_owned(),
            confirmed: Confirmation::BruteForce,
            objection: None,
        }],
    }
}

fn kill() -> FaultEntry {
    FaultEntry {
        targets: vec!["broker-2".to_owned()],
        struck: Some(Nanos(6 * SECOND)),
        healed: Some(Nanos(9 * SECOND)),
        effect: "process gone".to_owned(),
        counters: BTreeMap::from([("processes-gone".to_owned(), 1)]),
        bit: true,
        latency: Some(Percentiles { count: 900, p50: 2_100_000, p99: 3_100_000_000, max: 3_200_000_000 }),
        longest_gap: Some(3_150_000_000),
        ..FaultEntry::planned(FaultId(0), "kill the leader of orders/0".to_owned())
    }
}

fn verdict() -> Verdict {
    let violation = Reason {
        kind: ReasonKind::Violation,
        stage: Some(Stage::Log),
        text: "2,031 × lost-write".to_owned(),
    };
    let stage = StageVerdict {
        claim: "at-least-once".to_owned(),
        verdict: Judgement::Invalid,
        forbidden: vec![Anomaly::LostWrite],
        summary: "2,031 of 24,000 acknowledged records lost and 41 written twice over 1 leader change"
            .to_owned(),
    };
    Verdict {
        schema: SCHEMA.to_owned(),
        verdict: Judgement::Invalid,
        reasons: vec![violation],
        expectation: Some(Expectation::Met),
        expectation_missed_by: Vec::new(),
        stages: BTreeMap::from([(Stage::Log, stage)]),
        anomalies: vec![
            lost_write(),
            Observed {
                name: Anomaly::DuplicateWrite,
                count: 41,
                forbidden: false,
                sentence: "41 extra copies of records are in orders/0.".to_owned(),
                intervals: "1:2100-2140".to_owned(),
                witnesses: Vec::new(),
                logs: BTreeMap::new(),
                ..lost_write()
            },
        ],
        counts: Counts {
            sent: 25_000,
            acknowledged: 24_000,
            unknown: 1_000,
            recovered: 400,
            final_read: 22_410,
            logs: 3,
            processes: 4,
            ..Counts::default()
        },
        began: Nanos(SECOND),
        faults: vec![kill(), FaultEntry::planned(FaultId(1), "pause broker 3".to_owned())],
        leader_changes: 1,
        not_judged: vec!["delivery: no consumer group took part".to_owned()],
        latency: Some(Latency {
            overall: Percentiles { count: 24_000, p50: 1_900_000, p99: 12_400_000, max: 3_200_000_000 },
            longest_gap: 3_150_000_000,
            longest_gap_from: Nanos(6 * SECOND),
        }),
        reproduce: "onceproof run acks-1-leader-crash --seed 7".to_owned(),
    }
}

#[test]
fn a_report_says_the_verdict_first_and_how_to_repeat_it_last() {
    let place = "store/acks-1-leader-crash/20261121T124501Z-5f3a9c";
    insta::assert_snapshot!(text::report(&verdict(), "acks-1-leader-crash", Some(place), Style::PLAIN));
}

#[test]
fn a_summary_fits_a_narrow_terminal_without_unicode() {
    let style = Style { colour: Colour::Off, characters: Characters::Ascii, width: 72 };
    let summary = text::summary(&verdict(), "acks-1-leader-crash", None, style);
    assert!(summary.is_ascii(), "{summary}");
    insta::assert_snapshot!(summary);
}

#[test]
fn colour_only_repeats_what_is_written() {
    let coloured = Style { colour: Colour::On, ..Style::PLAIN };
    let text = text::report(&verdict(), "spec", None, coloured);
    assert!(text.contains('\x1b'));
    let mut stripped = String::new();
    let mut rest = text.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        stripped.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    stripped.push_str(rest);
    assert_eq!(stripped, text::report(&verdict(), "spec", None, Style::PLAIN));
}

#[test]
fn no_text_from_outside_acts_on_the_terminal() {
    let evil = "\x1b]0;owned\x07\r\nvalid\u{202e}";
    let mut verdict = verdict();
    verdict.reproduce = evil.to_owned();
    verdict.anomalies[0].sentence = evil.to_owned();
    verdict.anomalies[0].intervals = evil.to_owned();
    verdict.anomalies[0].witnesses[0].text = evil.to_owned();
    verdict.faults[0].what = evil.to_owned();
    verdict.faults[0].effect = evil.to_owned();
    verdict.faults[0].targets = vec![evil.to_owned()];
    verdict.faults[0].counters = BTreeMap::from([(evil.to_owned(), 1)]);
    verdict.reasons[0].text = evil.to_owned();
    verdict.not_judged = vec![evil.to_owned()];
    verdict.expectation = Some(Expectation::Missed);
    verdict.expectation_missed_by = vec![evil.to_owned()];
    let text = text::report(&verdict, evil, Some(evil), Style::PLAIN)
        + &text::one_line(&verdict, evil, Style::PLAIN);
    let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!text.contains(acts), "{text:?}");
    assert!(!text.lines().any(|line| line.starts_with("valid")), "{text}");
}

#[test]
fn exit_codes_follow_expectation_and_verdict() {
    let code =
        |expectation, judgement| ExitCode::of(&Verdict { expectation, verdict: judgement, ..verdict() });
    assert_eq!(code(None, Judgement::Valid), ExitCode::Met);
    assert_eq!(code(None, Judgement::Invalid), ExitCode::Violated);
    assert_eq!(code(None, Judgement::Unknown), ExitCode::Unknown);
    assert_eq!(code(Some(Expectation::Met), Judgement::Invalid), ExitCode::Met);
    assert_eq!(code(Some(Expectation::Missed), Judgement::Invalid), ExitCode::Violated);
    assert_eq!(code(Some(Expectation::Missed), Judgement::Valid), ExitCode::Violated);
    assert_eq!(code(Some(Expectation::Missed), Judgement::Unknown), ExitCode::Unknown);
    assert_eq!(ExitCode::Unknown.worst(ExitCode::Violated), ExitCode::Violated);
    assert_eq!(ExitCode::Met.worst(ExitCode::Unknown), ExitCode::Unknown);
}
