//! The comparison of what is found with what was planted.

use std::collections::BTreeMap;

use checker::anomaly::{ALL, Anomaly};
use checker::confirm::Confirmations;
use checker::findings::Findings;
use checker::simulate::Options;
use checker::timeline::Timeline;
use checker::verdict::Judgement;

#[path = "confirmed.rs"]
mod confirmed;

use super::shapes::generated;
use confirmed::assert_confirmed;

fn counts(findings: &Findings) -> BTreeMap<Anomaly, u64> {
    findings.anomalies.iter().map(|(anomaly, tally)| (*anomaly, tally.count)).collect()
}

/// Generates, checks, and compares; panics where they differ.
pub(crate) fn compare(options: &Options) {
    let (history, manifest) = generated(options);
    let findings = checker::judge::find(&history).unwrap();
    let ordered: BTreeMap<Anomaly, u64> = options
        .plants
        .iter()
        .filter(|order| order.count > 0)
        .map(|order| (order.anomaly, u64::from(order.count)))
        .collect();
    let mut planted = BTreeMap::new();
    for defect in &manifest.planted {
        *planted.entry(defect.anomaly).or_insert(0) += 1;
    }
    assert_eq!(planted, ordered, "{options:?}");
    let expected = &manifest.expected;
    let wrong = |anomaly: &Anomaly| counts(&findings).get(anomaly) != expected.get(anomaly);
    let first =
        ALL.into_iter().find(wrong).and_then(|anomaly| findings.anomalies.get(&anomaly)?.first.first());
    assert_eq!(&counts(&findings), expected, "{options:?}\n{first:#?}");
    assert!(manifest.records >= options.records, "{options:?}");
    assert_eq!(findings.counts.sent, manifest.records, "{options:?}");
    assert_confirmed(&history, &findings, &|| format!("{options:?}"));
    let around = Timeline::of(&history).unwrap();
    let confirmations = Confirmations::default();
    let verdict =
        checker::judge::weigh(&history, (&findings, &confirmations, &around), &manifest.question).unwrap();
    if ordered.is_empty() {
        assert_eq!(verdict.verdict, Judgement::Valid, "{options:?}\n{:#?}", verdict.reasons);
    }
}
