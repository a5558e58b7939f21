//! What a verdict promises whatever the finders found: expectations, ranks, bounds.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]

use checker::anomaly::Anomaly;
use checker::confirm::Confirmations;
use checker::findings::{Finding, Findings, KEEP, Sighting};
use checker::judge::weigh;
use checker::question::{Expect, Question};
use checker::timeline::Timeline;
use checker::verdict::{Expectation, Judgement, Verdict};
use history::ids::{LogId, Nanos, Offset, Process, Seq, Value};
use history::merged::History;
use history::text::Parsed;

/// A small history in which nothing is wrong; what is wrong is put into the findings.
fn history() -> History {
    let text = "process p1 producer name=shop[0] family=librdkafka\n\
                1..2 p1 send t/0 v0 @0\n\
                9 p3 final-read t/0 p1:0 @0 end=1\n";
    let parsed = Parsed::parse(text).unwrap();
    history::merge::events(&parsed.logs, &parsed.events).unwrap()
}

fn around() -> Timeline {
    Timeline::of(&history()).unwrap()
}

fn finding(anomaly: Anomaly, seq: u32) -> Finding {
    let value = Value { process: Process(1), seq: Seq(seq) };
    let (offset, time) = (Offset(i64::from(seq)), Nanos(1_000_000 + u64::from(seq)));
    Finding {
        anomaly,
        log: LogId(0),
        group: None,
        count: 1,
        first: Some(value),
        last: Some(value),
        offsets: Some((offset, offset)),
        cause: None,
        sightings: vec![
            Sighting::Sent { value, time },
            Sighting::Acknowledged { value, offset: Some(offset), time },
            Sighting::NotInLog { offset },
        ],
    }
}

fn found(anomalies: &[Anomaly], each: u32) -> Findings {
    let mut findings = Findings::default();
    findings.counts.sent = 1_000_000;
    findings.counts.acknowledged = 1_000_000;
    findings.counts.logs = 1;
    for anomaly in anomalies {
        (0..each).for_each(|seq| findings.push(finding(*anomaly, seq * 2)));
    }
    findings
}

fn question(claim: &str, expected: Option<&[Anomaly]>) -> Question {
    let expect = expected.map(|violated| Expect { violated: violated.iter().copied().collect() });
    Question { claim: claim.parse().unwrap(), expect, ..Question::default() }
}

fn judged(anomalies: &[Anomaly], question: &Question) -> Verdict {
    weigh(&history(), (&found(anomalies, 1), &Confirmations::default(), &around()), question).unwrap()
}

#[test]
fn a_demonstration_is_met_by_what_it_names_and_what_that_brings() {
    use Anomaly::{DuplicateWrite, InconsistentOffsets, LostWrite, Phantom};
    let met = |anomalies: &[Anomaly], expected: &[Anomaly]| {
        judged(anomalies, &question("exactly-once", Some(expected))).expectation == Some(Expectation::Met)
    };
    assert!(met(&[LostWrite], &[LostWrite]));
    assert!(met(&[LostWrite, InconsistentOffsets], &[LostWrite]), "a truncated log shows both");
    assert!(!met(&[InconsistentOffsets], &[LostWrite]), "what it brings does not stand for it");
    assert!(!met(&[LostWrite, DuplicateWrite], &[LostWrite]));
    assert!(!met(&[LostWrite, Phantom], &[LostWrite]));
    assert!(!met(&[], &[LostWrite]));
    assert!(met(&[Phantom], &[]), "any violation, where none is named");
    assert!(!met(&[], &[]));
}

#[test]
fn an_expected_violation_must_be_one_that_the_claim_forbids() {
    let verdict = judged(&[Anomaly::LostWrite], &question("at-most-once", Some(&[Anomaly::LostWrite])));
    assert_eq!((verdict.verdict, verdict.expectation), (Judgement::Valid, Some(Expectation::Missed)));
    assert_eq!(verdict.expectation_missed_by, ["lost-write was observed, but the claim allows it"]);
}

#[test]
fn without_an_expectation_nothing_is_said_about_it() {
    assert_eq!(judged(&[], &question("exactly-once", None)).expectation, None);
}

#[test]
fn a_hundred_thousand_findings_make_no_longer_a_verdict_than_fifty() {
    let many = 100_000;
    let size = |each| {
        let findings = found(&[Anomaly::LostWrite, Anomaly::DuplicateWrite], each);
        let verdict = weigh(
            &history(),
            (&findings, &Confirmations::default(), &around()),
            &question("exactly-once", None),
        )
        .unwrap();
        let observed = verdict.observed(Anomaly::LostWrite).unwrap();
        assert_eq!(observed.count, u64::from(each));
        assert_eq!(observed.witnesses.len(), 2 * KEEP);
        serde_json::to_string(&verdict).unwrap().len()
    };
    let (few, all) = (size(50), size(many));
    assert!(all < few + few / 10, "{few} and {all} bytes");
    let findings = found(&[Anomaly::LostWrite], many);
    let verdict =
        weigh(&history(), (&findings, &Confirmations::default(), &around()), &question("exactly-once", None))
            .unwrap();
    let observed = verdict.observed(Anomaly::LostWrite).unwrap();
    assert!(observed.sentence.starts_with("100,000 records"), "{}", observed.sentence);
    assert!(observed.sentence.len() < 1_000, "{}", observed.sentence);
    assert!(observed.intervals.contains("… 99,980 more …"), "{}", observed.intervals);
}

#[test]
fn the_summary_of_a_stage_is_statistical() {
    let verdict = judged(&[], &question("exactly-once", None));
    let log = &verdict.stages[&checker::anomaly::Stage::Log];
    assert_eq!(
        log.summary,
        "0 of 1,000,000 acknowledged records lost and 0 written twice over 0 leader changes"
    );
    assert_eq!(verdict.verdict, Judgement::Valid, "{:?}", verdict.reasons);
}
