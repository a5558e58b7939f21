//! What it takes for each kind of fault to have bitten, and that doing nothing is never enough.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use history::ids::{FaultId, Nanos};
use nemesis::fault::{Fault, KINDS};
use nemesis::ledger::{Bite, Entry, State, Struck, bit, counter, effect};
use nemesis::schedule::{Choice, Heal, Moment, Planned};

fn counted(counters: &[(&str, u64)]) -> BTreeMap<String, u64> {
    counters.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
}

fn bite(phrase: &str, targets: &[&str], counters: &[(&str, u64)]) -> Bite {
    let targets: Vec<String> = targets.iter().map(|target| (*target).to_owned()).collect();
    bit(&phrase.parse::<Fault>().unwrap(), &targets, &counted(counters))
}

fn missed(bite: &Bite) -> bool {
    matches!(bite, Bite::Missed(_))
}

#[test]
fn a_fault_that_did_nothing_has_not_bitten() {
    let phrases = [
        "kill all brokers",
        "pause broker 1",
        "isolate broker 1",
        "partition halves",
        "5 % loss on broker 1",
        "10ms delay on broker 1",
        "lose response of Produce",
        "hold Fetch from broker 1",
        "grow orders to 4",
    ];
    for phrase in phrases {
        assert!(missed(&bite(phrase, &["broker 1"], &[])), "{phrase}");
        assert!(missed(&bite(phrase, &["broker 1"], &[(counter::FRAMES_PASSED, 9)])), "{phrase}");
    }
    assert_eq!(KINDS.len(), phrases.len(), "a new kind of fault needs its line above");
}

#[test]
fn every_targeted_process_must_be_gone_or_stopped() {
    let two = ["broker 1", "broker 2"];
    assert_eq!(bite("kill all brokers", &two, &[(counter::PROCESSES_GONE, 2)]), Bite::Bit);
    let one = bite("kill all brokers", &two, &[(counter::PROCESSES_GONE, 1)]);
    assert_eq!(one, Bite::Missed("1 of 2 processes were found gone".to_owned()));
    assert_eq!(bite("pause broker 1", &two[..1], &[(counter::PROCESSES_STOPPED, 1)]), Bite::Bit);
    assert!(missed(&bite("pause broker 1", &two[..1], &[(counter::PROCESSES_GONE, 1)])));
    assert!(missed(&bite("kill all brokers", &[], &[])), "a kill of nobody");
}

#[test]
fn one_frame_is_enough_for_a_rule_on_a_link() {
    assert_eq!(bite("isolate broker 1", &[], &[(counter::FRAMES_DROPPED, 1)]), Bite::Bit);
    assert_eq!(bite("5 % loss on broker 1", &[], &[(counter::FRAMES_DROPPED, 1)]), Bite::Bit);
    assert_eq!(bite("10ms delay on broker 1", &[], &[(counter::FRAMES_DELAYED, 1)]), Bite::Bit);
    assert!(missed(&bite("10ms delay on broker 1", &[], &[(counter::FRAMES_DROPPED, 1)])));
    assert_eq!(bite("hold Fetch from broker 1", &[], &[(counter::REQUESTS_HELD, 1)]), Bite::Bit);
}

#[test]
fn exactly_the_planned_responses_must_be_lost() {
    let fault = "lose response of Produce to shop[0]".parse().unwrap();
    let Fault::LoseResponse { api, client, nth, .. } = fault else { panic!("{fault}") };
    let five = Fault::LoseResponse { api, client, nth, count: 5 };
    let lost = |counters: &[(&str, u64)]| bit(&five, &[], &counted(counters));
    assert_eq!(lost(&[(counter::RESPONSES_LOST, 5)]), Bite::Bit);
    assert_eq!(lost(&[(counter::RESPONSES_LOST, 4)]), Bite::Missed("4 of 5 responses were lost".to_owned()));
    assert!(missed(&lost(&[(counter::RESPONSES_LOST, 6)])), "more than planned is not as planned");
    assert!(missed(&lost(&[(counter::RESPONSES_LOST, 5), (counter::GROUP_TIMEOUTS, 1)])));
}

fn planned() -> Planned {
    Planned {
        id: FaultId(0),
        name: None,
        fault: "kill broker 1".parse().unwrap(),
        at: "5s".parse::<Moment>().unwrap(),
        heal: "after 3s".parse::<Heal>().unwrap(),
        choice: Choice(0),
    }
}

#[test]
fn only_a_fault_that_struck_and_was_undone_can_have_bitten() {
    let struck = Struck { at: Nanos(5), lateness: Nanos(1), targets: vec!["broker 1".to_owned()] };
    let mut entry = Entry::waiting(planned());
    assert_eq!(entry.bit(), Bite::Missed("its moment never came: 5s".to_owned()));
    entry.state = State::Failed { at: Nanos(5), why: "no broker is running".to_owned() };
    assert_eq!(entry.bit(), Bite::Missed("no broker is running".to_owned()));
    entry.state = State::Struck(struck.clone());
    assert!(missed(&entry.bit()));
    entry.state = State::Healed { struck, at: Nanos(9), counters: counted(&[(counter::PROCESSES_GONE, 1)]) };
    assert_eq!(entry.bit(), Bite::Bit);
    let json = serde_json::to_string(&entry).unwrap();
    assert_eq!(serde_json::from_str::<Entry>(&json).unwrap(), entry);
}

#[test]
fn a_topic_has_grown_when_every_broker_shows_all_its_partitions() {
    let shown = |count| bite("grow orders to 4", &[], &[(counter::PARTITIONS_SHOWN, count)]);
    assert_eq!(shown(4), Bite::Bit);
    assert_eq!(shown(2), Bite::Missed("2 of 4 partitions were shown by every broker".to_owned()));
}

#[test]
fn an_effect_is_told_in_the_words_of_its_counters() {
    assert_eq!(effect(&counted(&[])), "nothing");
    let counters = [(counter::FRAMES_DROPPED, 12), (counter::LEADER_CHANGES, 1), (counter::FRAMES_PASSED, 0)];
    assert_eq!(effect(&counted(&counters)), "12 frames dropped, 1 leader changes");
}
