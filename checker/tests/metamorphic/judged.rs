//! What is said about a history, apart from names and times.

use std::collections::{BTreeMap, BTreeSet};

use checker::anomaly::Anomaly;
use checker::findings::{Cause, Counts, GroupCounts};
use checker::question::Question;
use checker::verdict::{Judgement, ReasonKind};
use history::ids::LogId;
use history::merged::History;

use super::random::Story;

/// A verdict without the names in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Judged {
    pub(crate) verdict: Judgement,
    reasons: BTreeSet<ReasonKind>,
    pub(crate) anomalies: BTreeMap<Anomaly, Observed>,
    counts: Counts,
    /// In no order, since groups are renamed too.
    groups: Vec<String>,
    /// How many groups record what they hand over, and are judged by it.
    pub(crate) hand_over: usize,
}

/// What is said of one anomaly.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Observed {
    pub(crate) count: u64,
    causes: BTreeMap<Cause, u64>,
    forbidden: bool,
    /// By log, in order of counts.
    by_log: Vec<u64>,
}

/// Judges a history by everything that can be claimed.
pub(crate) fn judged(history: &History) -> Judged {
    judged_with_logs(history).0
}

/// The same, with the counts of each anomaly by log.
pub(crate) fn judged_with_logs(history: &History) -> (Judged, BTreeMap<Anomaly, BTreeMap<LogId, u64>>) {
    const ALL: &str = "log=exactly-once, ordered, linearizable, transactional; \
                       delivery=exactly-once, ordered, linearizable, transactional";
    let findings = checker::judge::find(history).unwrap();
    let question = Question { claim: ALL.parse().unwrap(), ..Question::default() };
    let verdict = checker::judge::judge(history, &question).unwrap();
    let mut anomalies: BTreeMap<Anomaly, Observed> = BTreeMap::new();
    for (anomaly, tally) in &findings.anomalies {
        let mut by_log: Vec<u64> = tally.logs.values().copied().collect();
        by_log.sort_unstable();
        let seen = Observed { count: tally.count, causes: tally.causes.clone(), forbidden: false, by_log };
        anomalies.insert(*anomaly, seen);
    }
    for observed in &verdict.anomalies {
        let known = anomalies.get_mut(&observed.name).unwrap();
        assert_eq!(known.count, observed.count);
        known.forbidden = observed.forbidden;
    }
    let group = |counts: &GroupCounts| serde_json::to_string(counts).unwrap();
    let mut groups: Vec<String> = findings.groups.values().map(group).collect();
    groups.sort();
    let judged = Judged {
        verdict: verdict.verdict,
        reasons: verdict.reasons.iter().map(|reason| reason.kind).collect(),
        anomalies,
        counts: findings.counts,
        hand_over: findings.groups.values().filter(|counts| counts.records_hand_over).count(),
        groups,
    };
    let logs = findings.anomalies.into_iter().map(|(anomaly, tally)| (anomaly, tally.logs)).collect();
    (judged, logs)
}

/// The history of a story, in chunks of so many records.
pub(crate) fn built(story: &Story, chunk: usize) -> History {
    history::merge::events_in_chunks(&story.logs, &story.events, chunk)
        .unwrap_or_else(|error| panic!("{error}\n{}", shown(story)))
}

/// A story that is small enough to be read, whole; of another, nothing.
pub(crate) fn shown(story: &Story) -> String {
    if story.events.len() < 200 { story.to_string() } else { format!("{} events", story.events.len()) }
}
