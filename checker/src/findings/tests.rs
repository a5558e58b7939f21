//! Findings of parts add up to those of the whole, field by field.

use serde_json::{Value as Json, to_value};

use super::*;

/// Every number is the sum, every flag set where one of both was.
fn assert_sum<T: Serialize>(one: &T, other: &T, sum: &T) {
    let fields = |counts: &T| to_value(counts).expect("it is data").as_object().cloned().expect("an object");
    let (one, other, sum) = (fields(one), fields(other), fields(sum));
    for (name, sum) in &sum {
        match (&one[name], &other[name], sum) {
            (Json::Bool(one), Json::Bool(other), Json::Bool(sum)) => {
                assert_eq!(*sum, one | other, "{name}")
            }
            (one, other, sum) => {
                let number = |json: &Json| json.as_u64().expect("a number");
                assert!(number(one) > 1 && number(other) > 1, "{name} tells nothing");
                assert_eq!(number(sum), number(one) + number(other), "{name}");
            }
        }
    }
}

#[test]
fn counts_are_added_field_by_field() {
    let of = |n: u64| Counts {
        sent: n + 1,
        acknowledged: n + 2,
        without_offset: n + 3,
        failed: n + 4,
        unknown: n + 5,
        recovered: n + 6,
        absent: n + 7,
        failed_present: n + 8,
        expired: n + 9,
        in_log: n + 10,
        polled: n + 11,
        handed_over: n + 12,
        logs: n + 13,
        logs_not_read_to_the_end: n + 14,
    };
    let (one, other) = (of(100), of(1_000));
    let mut sum = one;
    sum.add(&other);
    assert_sum(&one, &other, &sum);
    let of = |n: u64| TransactionCounts {
        begun: n + 1,
        committed: n + 2,
        aborted: n + 3,
        unknown: n + 4,
        proved: n + 5,
        open: n + 6,
        logs_not_read: n + 7,
    };
    let (one, other) = (of(100), of(1_000));
    let mut sum = one;
    sum.add(&other);
    assert_sum(&one, &other, &sum);
    for flags in [(false, false), (true, false), (false, true), (true, true)] {
        let of = |n: u64, records_hand_over: bool| GroupCounts {
            polled: n + 1,
            delivered: n + 2,
            records_hand_over,
            distinct: n + 3,
            not_drained: n + 4,
        };
        let (one, other) = (of(100, flags.0), of(1_000, flags.1));
        let mut sum = one;
        sum.add(&other);
        assert_sum(&one, &other, &sum);
        let of = |n: u64, flag: bool| SinkCounts {
            effects: n + 1,
            distinct: n + 2,
            unknown: n + 3,
            not_drained: n + 4,
            read_back: flag,
            read_in_part: flag,
        };
        let (one, other) = (of(100, flags.0), of(1_000, flags.1));
        let mut sum = one;
        sum.add(&other);
        assert_sum(&one, &other, &sum);
    }
}

fn finding(nth: u64) -> Finding {
    Finding {
        anomaly: if nth.is_multiple_of(3) { Anomaly::LostWrite } else { Anomaly::Redelivered },
        log: LogId(u16::from(nth.is_multiple_of(5))),
        group: None,
        count: nth + 1,
        first: None,
        last: None,
        offsets: None,
        cause: (nth % 3 == 1).then_some(Cause::Rebalance),
        sightings: Vec::new(),
    }
}

#[test]
fn findings_in_parts_are_findings_in_one() {
    let whole = (0..200).fold(Findings::default(), |mut all, nth| {
        all.push(finding(nth));
        all
    });
    for cut in [0, 1, 7, 30, 100, 199, 200] {
        let part = |range: std::ops::Range<u64>| {
            let mut part = Findings::default();
            range.for_each(|nth| part.push(finding(nth)));
            part
        };
        let mut joined = part(0..cut);
        joined.append(part(cut..200));
        for (anomaly, tally) in &whole.anomalies {
            let same = &joined.anomalies[anomaly];
            assert_eq!((tally.count, tally.findings), (same.count, same.findings), "{anomaly} cut at {cut}");
            assert_eq!((&tally.logs, &tally.causes), (&same.logs, &same.causes), "{anomaly} cut at {cut}");
            assert_eq!(tally.logs.values().sum::<u64>(), tally.count);
        }
    }
    let kept: Vec<u64> = whole.anomalies[&Anomaly::LostWrite].witnesses().map(|one| one.count).collect();
    let all: Vec<u64> = (0..200).filter(|nth| nth % 3 == 0).map(|nth| nth + 1).collect();
    assert_eq!(kept, [&all[..KEEP], &all[all.len() - KEEP..]].concat());
}

#[test]
fn what_is_only_counted_is_counted() {
    let mut findings = Findings::default();
    findings.count_more(Anomaly::LostWrite, LogId(1), (0, 5));
    assert_eq!(findings.count(Anomaly::LostWrite), 0);
    findings.count_more(Anomaly::LostWrite, LogId(1), (7, 2));
    findings.count_more(Anomaly::LostWrite, LogId(2), (3, 1));
    findings.count_more(Anomaly::LostWrite, LogId(1), (5, 1));
    let tally = &findings.anomalies[&Anomaly::LostWrite];
    assert_eq!((tally.count, tally.findings, tally.logs[&LogId(1)]), (15, 4, 12));
}
