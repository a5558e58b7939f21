//! The setting that permits an anomaly is one that was in effect, or none is named.
#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]

use std::collections::BTreeMap;

use checker::anomaly::Anomaly;
use checker::confirm::Confirmations;
use checker::findings::{Finding, Findings};
use checker::judge::weigh;
use checker::question::{ClientSettings, Question, Settings};
use checker::timeline::Timeline;
use history::ids::{LogId, Process, Seq, Value};
use history::text::Parsed;

/// Properties as they are written, `a=b c=d`.
fn properties(text: &str) -> BTreeMap<String, String> {
    text.split_whitespace()
        .map(|word| word.split_once('=').unwrap())
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .collect()
}

fn client(role: &str, family: &str, commit: &str, text: &str) -> ClientSettings {
    ClientSettings {
        role: role.to_owned(),
        family: family.to_owned(),
        topic: "t".to_owned(),
        commit: Some(commit.to_owned()).filter(|commit| !commit.is_empty()),
        properties: properties(text),
        ..ClientSettings::default()
    }
}

/// The settings of a producer that might be to blame, of one that is not, of a topic and of the brokers.
fn producer(family: &str, text: &str, topic: &str, brokers: &str) -> Settings {
    Settings {
        clients: BTreeMap::from([
            ("shop".to_owned(), client("producer", family, "", text)),
            ("other".to_owned(), client("producer", family, "", "acks=0 enable.idempotence=false")),
        ]),
        topics: BTreeMap::from([("t".to_owned(), properties(topic))]),
        brokers: properties(brokers),
    }
}

fn consumer(family: &str, commit: &str, text: &str) -> Settings {
    let clients = BTreeMap::from([("billing".to_owned(), client("consumer", family, commit, text))]);
    Settings { clients, ..Settings::default() }
}

/// The setting named for an anomaly of records that `shop[0]` sent.
fn named(anomaly: Anomaly, settings: Settings) -> Option<String> {
    let text =
        "process p1 producer name=shop[0]\n1..2 p1 send t/0 v0 @0\n9 p3 final-read t/0 p1:0 @0 end=1\n";
    let parsed = Parsed::parse(text).unwrap();
    let history = history::merge::events(&parsed.logs, &parsed.events).unwrap();
    let mut findings = Findings::default();
    findings.push(Finding {
        anomaly,
        log: LogId(0),
        group: None,
        count: 1,
        first: Some(Value { process: Process(1), seq: Seq(0) }),
        last: None,
        offsets: None,
        cause: None,
        sightings: Vec::new(),
    });
    let verdict = weigh(
        &history,
        (&findings, &Confirmations::default(), &Timeline::of(&history).unwrap()),
        &Question { settings, ..Question::default() },
    )
    .unwrap();
    verdict.anomalies[0].permitted_by.clone().map(|permission| permission.setting)
}

#[test]
fn loss_is_blamed_on_acks_then_on_elections_then_on_the_in_sync_set_and_then_on_nothing() {
    let lost = |acks, topic, brokers| named(Anomaly::LostWrite, producer("java", acks, topic, brokers));
    assert_eq!(lost("acks=0", "", "").as_deref(), Some("acks=0"));
    assert_eq!(lost("request.required.acks=1", "", "").as_deref(), Some("acks=1"));
    let unclean = "unclean.leader.election.enable=true";
    assert_eq!(lost("acks=all", unclean, "min.insync.replicas=1").as_deref(), Some(unclean));
    assert_eq!(lost("acks=-1", "", unclean).as_deref(), Some(unclean));
    assert_eq!(lost("", "", "").as_deref(), Some("min.insync.replicas=1"), "Kafka's default");
    assert_eq!(
        lost("", "min.insync.replicas=2", "min.insync.replicas=1"),
        None,
        "the topic's own value counts"
    );
    assert_eq!(lost("acks=all", "", "min.insync.replicas=2"), None);
}

#[test]
fn a_copy_is_blamed_on_retries_without_idempotence() {
    let copied = |family, text| named(Anomaly::DuplicateWrite, producer(family, text, "", ""));
    assert!(copied("librdkafka", "").unwrap().starts_with("enable.idempotence unset (false in librdkafka)"));
    assert!(
        copied("librdkafka", "enable.idempotence=false").unwrap().starts_with("enable.idempotence=false")
    );
    assert_eq!(copied("librdkafka", "enable.idempotence=true"), None);
    assert_eq!(copied("librdkafka", "retries=0"), None, "nothing is sent again");
    assert_eq!(copied("librdkafka", "transactional.id=x"), None);
    assert_eq!(copied("java", ""), None, "idempotent by default");
    assert!(copied("java", "acks=1").is_some(), "which acks=1 silently ends");
}

#[test]
fn reordering_is_blamed_on_requests_in_flight() {
    let overtaken = |text| named(Anomaly::ReorderedWrite, producer("librdkafka", text, "", ""));
    assert!(overtaken("").unwrap().contains("its default, above 1"));
    assert!(overtaken("max.in.flight=5").unwrap().contains("=5 without"));
    assert_eq!(overtaken("max.in.flight.requests.per.connection=1"), None);
    assert_eq!(overtaken("enable.idempotence=true"), None);
}

#[test]
fn delivery_is_blamed_on_when_positions_are_committed() {
    let missed = |commit, text| named(Anomaly::Undelivered, consumer("librdkafka", commit, text));
    assert!(missed("commit-before", "").unwrap().contains("committed before processing"));
    assert_eq!(missed("auto-commit", "").as_deref(), Some("enable.auto.commit=true"));
    assert_eq!(missed("commit-after", "").as_deref(), Some("auto.offset.reset=latest"), "the default");
    assert_eq!(missed("commit-after", "auto.offset.reset=earliest"), None);
    let again = |commit| named(Anomaly::Redelivered, consumer("librdkafka", commit, ""));
    assert!(again("commit-after").unwrap().contains("committed after processing"));
    assert_eq!(again("commit-before"), None);
    let went_back = |text| named(Anomaly::NonmonotonicPoll, consumer("java", "", text));
    assert_eq!(went_back("auto.offset.reset=earliest").as_deref(), Some("auto.offset.reset=earliest"));
    assert_eq!(went_back("auto.offset.reset=none"), None);
    let dirty = |family, text| named(Anomaly::AbortedRead, consumer(family, "", text));
    assert_eq!(dirty("java", "").as_deref(), Some("isolation.level=read_uncommitted"), "Java's default");
    assert_eq!(dirty("librdkafka", ""), None);
    assert_eq!(dirty("java", "isolation.level=read_committed"), None);
}

#[test]
fn without_settings_the_usual_ones_are_named_and_no_setting_permits_a_phantom() {
    let usual = named(Anomaly::LostWrite, Settings::default()).unwrap();
    assert!(usual.contains("acks=0 or acks=1"), "{usual}");
    assert_eq!(named(Anomaly::Phantom, Settings::default()), None);
    assert_eq!(named(Anomaly::Phantom, producer("java", "acks=0", "", "")), None);
}
