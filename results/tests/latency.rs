//! Latencies and gaps, measured on histories in which they are known.
#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]

use checker::confirm::Confirmations;
use checker::findings::Findings;
use checker::question::Question;
use checker::timeline::Timeline;
use checker::verdict::{Percentiles, Verdict};
use history::text::Parsed;

const MS: u64 = 1_000_000;

fn measured(text: &str) -> Verdict {
    let parsed = Parsed::parse(text).unwrap();
    let history = history::merge::events(&parsed.logs, &parsed.events).unwrap();
    let timeline = Timeline::of(&history).unwrap();
    let mut verdict = checker::judge::weigh(
        &history,
        (&Findings::default(), &Confirmations::default(), &timeline),
        &Question::default(),
    )
    .unwrap();
    let faults = checker::judge::faults(&timeline, &Question::default());
    results::latency::measure(&history, &faults).unwrap().write_into(&mut verdict);
    verdict
}

#[test]
fn latency_is_from_hand_over_to_acknowledgement() {
    let verdict = measured(
        "10..12 p1 send t/0 v0 @0\n\
         11..15 p1 send t/0 v1 @1\n\
         12..112 p2 send t/1 v0 @0\n\
         13..900 p2 info send t/1 v1 error=-185\n\
         14..900 p2 fail send t/1 v2 error=10\n",
    );
    let latency = verdict.latency.unwrap();
    let p = latency.overall;
    assert_eq!((p.count, p.p50 / MS, p.max / MS), (3, 4, 100));
    assert_eq!((latency.longest_gap, latency.longest_gap_from.0), (97 * MS, 15 * MS));
}

#[test]
fn a_fault_owns_the_latencies_and_the_gap_that_overlap_it() {
    let verdict = measured(
        "0..1 p1 send t/0 v0 @0\n\
         2..3 p1 send t/0 v1 @1\n\
         4 harness fault 0 \"pause broker 1\" b1\n\
         5..2004 p1 send t/0 v2 @2\n\
         2005 harness heal 0 \"stopped\"\n\
         2006..2007 p1 send t/0 v3 @3\n\
         2010 harness fault 1 \"pause broker 2\" b2\n\
         2011 harness heal 1 \"stopped\"\n\
         2020..2021 p1 send t/0 v4 @4\n",
    );
    let [first, second] = verdict.faults.as_slice() else { panic!("{:?}", verdict.faults) };
    assert_eq!(first.latency.map(|latency| (latency.count, latency.max / MS)), Some((1, 1999)));
    assert_eq!(first.longest_gap, Some(2001 * MS));
    assert_eq!(second.latency, Some(Percentiles::default()), "nothing was under way while it was on");
    assert_eq!(second.longest_gap, Some(14 * MS));
    assert_eq!(verdict.latency.unwrap().longest_gap, 2001 * MS);
}

#[test]
fn the_longest_gap_is_found_in_a_run_of_many_slices() {
    // 3,000 acknowledgements 1 ms apart, but for one gap of 5 ms.
    let mut text = String::new();
    for seq in 0..3_000u64 {
        let at = seq + if seq >= 1_234 { 4 } else { 0 };
        text += &format!("{at}..{} p1 send t/0 v{seq} @{seq}\n", at + 1);
    }
    let latency = measured(&text).latency.unwrap();
    assert_eq!((latency.longest_gap, latency.longest_gap_from.0), (5 * MS, 1_234 * MS));
}

#[test]
fn what_nobody_answered_has_no_latency() {
    assert_eq!(measured("0..1 p1 send t/0 v0\n").latency, None, "acks=0");
    assert_eq!(measured("0 p1 invoke send t/0 v0\n").latency, None);
}
