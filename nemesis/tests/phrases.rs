//! The grammar of faults, targets, moments and heals: what is written is what is meant, and mistakes are explained.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use nemesis::duration;
use nemesis::fault::{Fault, KINDS, read_delay, read_hold, read_loss, read_partition, read_response};
use nemesis::schedule::{Choice, Heal, Moment, Pattern, Seed};
use nemesis::target::Target;
use proptest::prelude::*;

const TARGETS: &[&str] = &[
    "leader of orders/0",
    "follower of orders/12",
    "followers of my.topic_x-1/0",
    "broker 2",
    "any broker",
    "all brokers",
    "controller",
    "coordinator of group billing",
    "sink",
    "shop[0]",
    "any shop",
    "all shop",
    "any client",
    "all clients",
];

const FAULTS: &[&str] = &[
    "kill leader of orders/0",
    "pause any broker",
    "isolate controller",
    "partition leader of orders/0 <-> followers of orders/0",
    "partition broker 1 -> controller",
    "partition halves",
    "5 % loss on all clients <-> all brokers",
    "0.25 % loss on broker 1",
    "100ms delay on broker 1 -> controller",
    "100ms ± 20ms delay on shop[0]",
    "lose response of Produce",
    "lose response of Produce to shop[0]",
    "hold Fetch from followers of orders/0",
];

const MOMENTS: &[&str] = &[
    "5s",
    "isr of orders/0 is leader only",
    "isr of orders/0 <= 2",
    "isr of orders/0 is full",
    "full isr",
    "after fault cut",
    "after fault cut heals",
    "2s after fault cut",
    "2s after isr of orders/0 is leader only",
    "polled..commit-sent",
    "polled..commit-sent of billing[1]",
    "polled..commit-sent #100 of billing[1]",
];

const HEALS: &[&str] =
    &["after 3s", "at end", "by itself", "2s after fault cut", "full isr", "isr of orders/0 is full"];

#[test]
fn every_phrase_reads_back_as_it_is_written() {
    for phrase in TARGETS {
        assert_eq!(phrase.parse::<Target>().unwrap().to_string(), *phrase);
    }
    for phrase in FAULTS {
        assert_eq!(phrase.parse::<Fault>().unwrap().to_string(), *phrase);
    }
    for phrase in MOMENTS {
        assert_eq!(phrase.parse::<Moment>().unwrap().to_string(), *phrase);
    }
    for phrase in HEALS {
        assert_eq!(phrase.parse::<Heal>().unwrap().to_string(), *phrase);
    }
}

#[test]
fn what_has_no_meaning_is_refused() {
    let targets = [
        "",
        "leader",
        "leader of orders",
        "leader of orders/-1",
        "leader of orders/+1",
        "leader of /0",
        "broker",
        "broker one",
        "broker -1",
        "any",
        "all",
        "shop",
        "shop[]",
        "shop[x]",
        "shop[-1]",
        "harness[0]",
        "broker[0]",
        "controller 1",
    ];
    for phrase in targets {
        assert!(phrase.parse::<Target>().is_err(), "{phrase:?} was understood as a target");
    }
    let faults = [
        "",
        "kill",
        "kill broker 1 <-> broker 2",
        "0 % loss on broker 1",
        "101 % loss on broker 1",
        "5 loss on broker 1",
        "0s delay on broker 1",
        "10ms ± 20ms delay on broker 1",
        "partition broker 1",
        "lose Produce",
        "lose response of Teleport",
    ];
    for phrase in faults {
        assert!(phrase.parse::<Fault>().is_err(), "{phrase:?} was understood as a fault");
    }
    let moments = [
        "",
        "soon",
        "5",
        "after",
        "after fault",
        "polled..",
        "..",
        "isr of orders",
        "after tea",
        "a..b #0 of shop[1]",
    ];
    for phrase in moments {
        assert!(phrase.parse::<Moment>().is_err(), "{phrase:?} was understood as a moment");
        assert!(phrase.parse::<Heal>().is_err(), "{phrase:?} was understood as a heal");
    }
}

#[test]
fn other_spellings_mean_the_same() {
    for (written, meant) in [
        ("partition broker 1 ↔ broker 2", "partition broker 1 <-> broker 2"),
        ("partition broker 1<->broker 2", "partition broker 1 <-> broker 2"),
        ("5% loss on broker 1", "5 % loss on broker 1"),
        ("100ms +- 20ms delay on broker 1", "100ms ± 20ms delay on broker 1"),
        ("lose response of produce from shop[0]", "lose response of Produce to shop[0]"),
        ("hold Fetch of follower of orders/0", "hold Fetch from follower of orders/0"),
        ("  kill   broker 1 ", "kill broker 1"),
    ] {
        assert_eq!(written.parse::<Fault>().unwrap_or_else(|error| panic!("{error}")).to_string(), meant);
    }
}

#[test]
fn a_misspelt_phrase_is_answered_with_the_one_that_is_meant() {
    let target = |phrase: &str| phrase.parse::<Target>().unwrap_err().suggestion;
    assert_eq!(target("laeder of orders/0").as_deref(), Some("leader of orders/0"));
    assert_eq!(target("folower of orders/0").as_deref(), Some("follower of orders/0"));
    assert_eq!(target("Any Broker").as_deref(), Some("any broker"));
    assert_eq!(target("the moon"), None);
    let fault = |phrase: &str| phrase.parse::<Fault>().unwrap_err().suggestion;
    assert_eq!(fault("kil leader of orders/0").as_deref(), Some("kill leader of orders/0"));
    assert_eq!(
        fault("lose respons of Prodce to shop[0]").as_deref(),
        Some("lose response of Produce to shop[0]")
    );
    let error = "laeder of orders/0".parse::<Target>().unwrap_err().to_string();
    assert!(error.contains("did you mean") && error.contains("coordinator of group G"), "{error}");
}

#[test]
fn the_values_of_a_specs_keys_are_the_phrases_without_their_verb() {
    let words = |fault: Result<Fault, _>| fault.unwrap().to_string();
    assert_eq!(words(read_partition("halves")), "partition halves");
    assert_eq!(words(read_loss("5 % on broker 1")), "5 % loss on broker 1");
    assert_eq!(words(read_delay("10ms on broker 1")), "10ms delay on broker 1");
    assert_eq!(words(read_response("response of Produce")), "lose response of Produce");
    assert_eq!(words(read_hold("EndTxn from shop[0]")), "hold EndTxn from shop[0]");
    let error = read_response("response of Prduce").unwrap_err();
    assert_eq!(error.phrase, "response of Prduce", "the error shows what was written");
    assert_eq!(error.suggestion.as_deref(), Some("response of Produce"), "and what to write");
    assert!(read_partition("isolate").is_err() && read_loss("10ms on broker 1").is_err());
}

#[test]
fn every_kind_of_fault_is_documented_by_an_example_that_is_understood() {
    for kind in KINDS {
        let value = kind.example.split_once('"').unwrap().1.trim_end_matches('"');
        let understood = match kind.key {
            "partition" => read_partition(value).is_ok(),
            "loss" => read_loss(value).is_ok(),
            "delay" => read_delay(value).is_ok(),
            "lose" => read_response(value).is_ok(),
            "hold" => read_hold(value).is_ok(),
            verb => format!("{verb} {value}").parse::<Fault>().is_ok(),
        };
        assert!(understood, "{}", kind.example);
    }
}

#[test]
fn seeds_and_choices_read_back_as_they_are_written() {
    for (text, seed) in [("0", 0), ("7", 7), ("0x7", 7), ("0XFF", 255), ("18446744073709551615", u64::MAX)] {
        assert_eq!(text.parse::<Seed>(), Ok(Seed(seed)));
    }
    for text in ["", "0x", "-1", "+1", "0x+1", "seven", "18446744073709551616", "1.5"] {
        assert!(text.parse::<Seed>().is_err(), "{text:?} was accepted");
    }
    for number in [0, 7, u64::MAX] {
        assert_eq!(Seed(number).to_string().parse::<Seed>(), Ok(Seed(number)));
        assert_eq!(Choice::try_from(String::from(Choice(number))), Ok(Choice(number)));
    }
}

/// Words of the grammar, and a few that are not.
const WORDS: &[&str] = &[
    "kill",
    "pause",
    "isolate",
    "partition",
    "halves",
    "leader",
    "follower",
    "followers",
    "of",
    "orders/0",
    "broker",
    "1",
    "any",
    "all",
    "brokers",
    "client",
    "clients",
    "controller",
    "coordinator",
    "group",
    "g",
    "shop[0]",
    "<->",
    "->",
    "5 %",
    "loss",
    "on",
    "10ms",
    "±",
    "delay",
    "lose",
    "response",
    "Produce",
    "to",
    "hold",
    "from",
    "isr",
    "is",
    "full",
    "after",
    "fault",
    "heals",
    "at",
    "end",
    "a..b",
    "#2",
    "<=",
    "é",
    "…",
];

fn reads_back<T>(phrase: &str)
where
    T: std::str::FromStr + std::fmt::Display + PartialEq + std::fmt::Debug,
    T::Err: std::fmt::Debug,
{
    if let Ok(understood) = phrase.parse::<T>() {
        assert_eq!(understood.to_string().parse::<T>().unwrap(), understood, "{phrase}");
    }
}

proptest! {
    #[test]
    fn no_text_makes_a_parser_panic(text in "(?s).{0,80}") {
        reads_back::<Target>(&text);
        reads_back::<Fault>(&text);
        reads_back::<Moment>(&text);
        reads_back::<Heal>(&text);
        reads_back::<Seed>(&text);
        let _ = (Pattern::try_from(text.clone()), duration::Range::try_from(text.clone()), duration::parse(&text));
        let _ = (read_loss(&text), read_delay(&text), read_response(&text));
    }

    #[test]
    fn what_is_understood_reads_back_whatever_words_it_is_made_of(
        words in proptest::collection::vec(prop::sample::select(WORDS), 0..8)
    ) {
        let phrase = words.join(" ");
        reads_back::<Target>(&phrase);
        reads_back::<Fault>(&phrase);
        reads_back::<Moment>(&phrase);
        reads_back::<Heal>(&phrase);
    }

    #[test]
    fn a_duration_in_words_is_the_same_duration(micros in 0_u64..86_400_000_000) {
        let duration = std::time::Duration::from_micros(micros);
        prop_assert_eq!(duration::parse(&duration::words(duration)), Ok(duration));
    }
}
