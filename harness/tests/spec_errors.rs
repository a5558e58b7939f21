//! What a user is told about a spec that is wrong: the line, the cause, the fix.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write;

use harness::spec::{Fancy, load};

/// A sound spec; each case below spoils it in one place.
const SOUND: &str = r#"about  = "For the tests."
claim  = "at-least-once"

[kafka]
version = "4.1.1"
brokers = 3
server  = { "replica.fetch.wait.max.ms" = 3000 }

[topics.orders]
partitions  = 3
replication = 3
config      = { "min.insync.replicas" = 2 }

[clients.shop]
role   = "producer"
count  = 2
topic  = "orders"
rate   = "2000/s"
config = { acks = "all" }

[clients.billing]
role   = "consumer"
topic  = "orders"
config = { "session.timeout.ms" = 6000, "heartbeat.interval.ms" = 2000 }

[[faults]]
name = "crash"
at   = "5s"
kill = "leader of orders/0"
heal = "after 3s"

[[faults]]
at   = "effect-done..commit-sent"
nth  = 100
kill = "billing[0]"
heal = "after 3s"
"#;

/// The errors of a spec text, as a person reads them.
fn told(text: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    match load(path, &[]) {
        Ok(_) => "no error\n".to_owned(),
        Err(error) => error.render(Fancy::Plain, 100).replace(path, "spec.toml"),
    }
}

/// (what is written, what is written instead)
const SPOILT: &[(&str, &str)] = &[
    ("brokers = 3", "brokers = 3,"),
    ("partitions  = 3", "partitons = 3"),
    ("claim  = \"at-least-once\"", "claim  = \"at-least-twice\""),
    ("claim  = \"at-least-once\"\n", ""),
    ("role   = \"producer\"", "role   = \"produzer\""),
    ("topic  = \"orders\"\nrate", "topic  = \"ordres\"\nrate"),
    ("rate   = \"2000/s\"", "rate   = 2000"),
    ("rate   = \"2000/s\"", "rate   = \"2000\""),
    ("kill = \"leader of orders/0\"", "kill = \"laeder of orders/0\""),
    ("kill = \"leader of orders/0\"", "kill = \"leader of ordres/0\""),
    ("kill = \"leader of orders/0\"", "kill = \"leader of orders/3\""),
    ("kill = \"leader of orders/0\"", "kill = \"broker 4\""),
    ("kill = \"leader of orders/0\"", "kill = \"the big one\""),
    ("kill = \"leader of orders/0\"", "kill = \"billing[1]\""),
    ("kill = \"leader of orders/0\"", "lose = \"response of Prduce to shop[0]\""),
    ("kill = \"leader of orders/0\"", "partition = \"leader of orders/0\""),
    ("kill = \"leader of orders/0\"", ""),
    ("kill = \"leader of orders/0\"", "kill = \"broker 1\"\npause = \"broker 2\""),
    ("at   = \"5s\"", "at   = \"5 sec\""),
    ("at   = \"5s\"", "at   = \"isr of orders/0 is laeder only\""),
    ("at   = \"5s\"", "at   = \"after fault crash heals\""),
    ("at   = \"5s\"", "at   = \"after fault crush\""),
    ("at   = \"5s\"\n", ""),
    ("at   = \"effect-done..commit-sent\"", "at   = \"commit-sent..effect-done\""),
    ("at   = \"effect-done..commit-sent\"", "at   = \"effect-doen..commit-sent\""),
    ("nth  = 100\nkill = \"billing[0]\"", "nth  = 100\nkill = \"broker 1\""),
    ("nth  = 100", "nth  = 0"),
    ("heal = \"after 3s\"\n\n", "heal = \"after tea\"\n\n"),
    ("heal = \"after 3s\"\n\n", "heal = \"by itself\"\n\n"),
    ("server  = {", "server  = { \"log.dirs\" = \"/tmp\","),
    ("config = { acks = \"all\" }", "config = { acsk = \"all\" }"),
    ("config = { acks = \"all\" }", "config = { acks = \"many\" }"),
    ("config = { acks = \"all\" }", "config = { bootstrap.servers = \"prod:9092\" }"),
    ("config = { acks = \"all\" }", "config = { buffer.memory = 1000 }"),
    ("\"heartbeat.interval.ms\" = 2000", "\"heartbeat.interval.ms\" = 3000"),
    ("role   = \"producer\"\n", "role   = \"producer\"\nfamily = \"jvaa\"\n"),
    ("role   = \"producer\"\n", "role   = \"producer\"\ngroup = \"g\"\n"),
    ("[clients.shop]", "[clients.broker]"),
    (
        "topic  = \"orders\"\nconfig = { \"session",
        "topic  = \"orders\"\neffect = \"plain\"\nconfig = { \"session",
    ),
    (
        "topic  = \"orders\"\nconfig = { \"session",
        "topic  = \"orders\"\ncommit = \"in-sink\"\nconfig = { \"session",
    ),
    ("[clients.billing]\n", "[sink]\nkind = \"sqlite\"\n\n[clients.billing]\n"),
    ("[clients.billing]\n", "[sink]\nkind = \"oracle\"\n\n[clients.billing]\neffect = \"plain\"\n"),
    (
        "[clients.billing]\n",
        "[sink]\nkind = \"http\"\nsync = true\n\n[clients.billing]\neffect = \"plain\"\n",
    ),
    (
        "[clients.billing]\n",
        "[sink]\nkind = \"http\"\n\n[clients.billing]\neffect = \"offset-in-sink\"\ncommit = \"before\"\n",
    ),
    (
        "[clients.billing]\n",
        "[sink]\nkind = \"http\"\n\n[clients.billing]\neffect = \"deduplicated\"\ncommit = \"in-sink\"\n",
    ),
    (
        "[clients.billing]\n",
        "[sink]\nkind = \"http\"\n\n[clients.billing]\neffect = \"deduplicated-expiring\"\n",
    ),
    (
        "[clients.billing]\n",
        "[sink]\nkind = \"http\"\n\n[clients.billing]\neffect = \"deduplicated\"\ndeduplicate-for = \"1s\"\n",
    ),
    (
        "[clients.billing]\n",
        "[sink]\nkind = \"file\"\n\n[clients.billing]\neffect = \"deduplicated-expiring\"\ndeduplicate-for = \"1s\"\n",
    ),
    ("[clients.billing]\n", "[sink]\nkind = \"http\"\n\n[clients.billing]\neffect = \"offset-in-snik\"\n"),
    (
        "[clients.billing]\n",
        "[sink]\nkind = \"file\"\n\n[clients.billing]\neffect = \"deduplicated\"\nfamily = [\"java\", \"librdkafka\"]\n\
         group  = \"billing\"\n",
    ),
    ("{ \"session.timeout.ms\" = 6000,", "{ \"group.protocol\" = \"consumer\","),
    (
        "{ \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 2000 }",
        "{ \"group.protocol\" = \"consumer\" }\nfamily = \"java\"\nversion = \"3.6.2\"",
    ),
    (
        "[clients.billing]\n",
        "[clients.billing]\ncount = 2\ntopic = \"orders\"\nrole = \"consumer\"\nconfig = { \"group.instance.id\" = \"one\" }\n\n[clients.audit]\n",
    ),
    (
        "[clients.billing]\n",
        "[clients.billing]\nstatic-member = true\ntopic = \"orders\"\nrole = \"consumer\"\nconfig = { \"group.instance.id\" = \"one\" }\n\n[clients.audit]\n",
    ),
    ("role   = \"producer\"\n", "role   = \"producer\"\nstatic-member = true\n"),
    (
        "{ \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 2000 }",
        "{ \"auto.offset.reset\" = \"by_duration:PT1H\" }\nfamily = \"java\"\nversion = \"3.9.1\"",
    ),
    ("kill = \"leader of orders/0\"\nheal = \"after 3s\"", "grow = \"orders to 3\""),
    ("kill = \"leader of orders/0\"\nheal = \"after 3s\"", "grow = \"ordres to 6\""),
    ("kill = \"leader of orders/0\"\nheal = \"after 3s\"", "grow = \"orders by 6\""),
    ("kill = \"leader of orders/0\"", "grow = \"orders to 6\""),
    (
        "topic  = \"orders\"\nconfig = { \"session",
        "topic  = \"orders\"\ncommit = \"auto-stored\"\nfamily = \"java\"\nconfig = { \"session",
    ),
    ("kill = \"leader of orders/0\"", "kill = \"sink\""),
    ("claim  = \"at-least-once\"", "claim  = { effect = \"at-least-once\" }"),
    ("version = \"4.1.1\"", "version = \"4.1\""),
    ("replication = 3", "replication = 4"),
    ("\"min.insync.replicas\" = 2", "\"min.insync.replicas\" = 4"),
    ("[kafka]", "expect = { violated = [\"duplicate-write\"] }\n\n[kafka]"),
    ("[kafka]", "expect = { violated = [\"lost-wrote\"] }\n\n[kafka]"),
    ("about", "from = \"quikstart\"\nabout"),
    ("about  =", "since = 1979-05-27\nabout  ="),
];

#[test]
fn the_sound_spec_is_sound() {
    assert_eq!(told(SOUND), "no error\n");
}

#[test]
fn every_mistake_is_told_with_its_line_and_what_would_be_right() {
    let mut all = String::new();
    for (sound, spoilt) in SPOILT {
        assert_eq!(
            SOUND.matches(sound).count(),
            if sound.starts_with("heal") || *sound == "[kafka]" || *sound == "about" {
                SOUND.matches(sound).count()
            } else {
                1
            },
            "{sound:?} is not one place"
        );
        let told = told(&SOUND.replacen(sound, spoilt, 1));
        assert_ne!(told, "no error\n", "{spoilt:?} was accepted");
        let _ = writeln!(all, "=== {}\n{told}", spoilt.replace('\n', " ⏎ "));
    }
    insta::assert_snapshot!("spec_errors", all);
}

#[test]
fn the_newer_group_protocol_needs_brokers_that_have_it() {
    let newer = SOUND.replace(
        "{ \"session.timeout.ms\" = 6000, \"heartbeat.interval.ms\" = 2000 }",
        "{ \"group.protocol\" = \"consumer\" }",
    );
    assert_eq!(told(&newer), "no error\n");
    let old = told(&newer.replace("4.1.1", "3.9.1"));
    assert!(old.contains("brokers of 3.9.1 do not have group.protocol = \"consumer\""), "{old}");
    assert!(old.contains("from 4.0 on"), "{old}");
}

#[test]
fn several_mistakes_are_told_at_once() {
    let text = SOUND
        .replace("leader of orders/0", "leader of orders/7")
        .replace("count  = 2", "count  = 0")
        .replace("4.1.1", "latest");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spec.toml");
    std::fs::write(&path, text).unwrap();
    let error = load(path.to_str().unwrap(), &[]).unwrap_err();
    assert_eq!(error.problems.len(), 3, "{}", error.render(Fancy::Plain, 100));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(300))]

    #[test]
    fn no_text_makes_the_reader_of_specs_panic(cut in 0..SOUND.len(), length in 0_usize..40, noise in "(?s).{0,30}") {
        proptest::prop_assume!(SOUND.is_char_boundary(cut));
        let mut end = (cut + length).min(SOUND.len());
        while !SOUND.is_char_boundary(end) {
            end -= 1;
        }
        let text = format!("{}{noise}{}", &SOUND[..cut], &SOUND[end.max(cut)..]);
        let _ = told(&text);
    }
}
