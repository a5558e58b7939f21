//! Where a spec's values may come from: another spec, the command line, properties files.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use harness::kafka::Source;
use harness::plan::plan;
use harness::spec::{Fancy, Loaded, load};
use nemesis::schedule::Seed;

fn loaded(name: &str, sets: &[&str]) -> Loaded {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(name, &sets).unwrap_or_else(|error| panic!("{}", error.render(Fancy::Plain, 100)))
}

fn refused(name: &str, set: &str) -> String {
    load(name, &[set.to_owned()]).unwrap_err().render(Fancy::Plain, 100)
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn a_value_set_on_the_command_line_replaces_the_specs() {
    let sets = [
        "clients.shop.config.acks=all",
        "kafka.version=3.9.1",
        "clients.shop.config.linger.ms=7",
        "faults.0.at=2s",
    ];
    let plan = plan(&loaded("acks-1-leader-crash", &sets), Seed(1));
    assert_eq!(plan.clients[0].properties["acks"], "all");
    assert_eq!(plan.clients[0].properties["linger.ms"], "7");
    assert_eq!(plan.kafka.source, Source::Version("3.9.1".to_owned()));
    assert_eq!(plan.faults[0].at.to_string(), "2s");
    assert_eq!(plan.faults[0].words(), "kill leader of orders/0", "the rest of the fault stays");
    let reproduce = &plan.question.reproduce;
    assert!(reproduce.starts_with("onceproof run acks-1-leader-crash --seed 0x1 --set"), "{reproduce}");
}

#[test]
fn what_looks_like_a_number_is_text_where_text_is_wanted() {
    let plan = plan(
        &loaded(
            "quickstart",
            &["about=42", "clients.shop.config.acks=1", "clients.shop.config.enable.idempotence=false"],
        ),
        Seed(1),
    );
    assert_eq!(plan.about, "42");
    assert_eq!(plan.clients[1].properties["acks"], "1");
}

#[test]
fn a_change_that_cannot_be_made_says_why() {
    for (set, word) in [
        ("clients.shop", "key=value"),
        ("clients.shpo.count=2", "missing"),
        ("faults.7.at=2s", "not one of the list's 1 entries"),
        ("faults.x.at=2s", "not one of the list's 1 entries"),
        ("claim=often", "unknown guarantee"),
        ("clients.shop.cuont=2", "did you mean \"count\"?"),
        ("=2", "not a key"),
    ] {
        let told = refused("acks-1-leader-crash", set);
        assert!(told.contains(word), "{set}: {told}");
    }
}

#[test]
fn a_spec_may_start_from_another() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "mine.toml",
        "from = \"acks-1-leader-crash\"\nabout = \"Slower.\"\n[clients.shop]\nrate = \"50/s\"\n",
    );
    let grandchild = write(folder.path(), "other.toml", "from = \"mine.toml\"\n[clients.shop]\ncount = 1\n");
    let plan = plan(&loaded(&grandchild, &[]), Seed(1));
    assert_eq!((plan.spec.as_str(), plan.about.as_str()), ("other", "Slower."));
    assert_eq!(plan.clients[0].instances.len(), 1);
    assert_eq!(plan.clients[0].properties["acks"], "1");
    assert_eq!(plan.faults.len(), 1);
}

#[test]
fn a_spec_that_starts_from_itself_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "circle.toml", "from = \"circle.toml\"\n");
    let told = load(&path, &[]).unwrap_err().render(Fancy::Plain, 100);
    assert!(told.contains("start from one another"), "{told}");
}

#[test]
fn properties_files_are_taken_as_they_are_without_what_belongs_to_the_lab() {
    let folder = tempfile::tempdir().unwrap();
    write(
        folder.path(),
        "server.properties",
        "node.id=7\nlog.dirs=/var/lib/kafka\nnum.io.threads=4\nmin.insync.replicas: 2\n",
    );
    write(
        folder.path(),
        "producer.properties",
        "# from production\nbootstrap.servers=prod:9092\nacks=1\nlinger.ms=20\nsasl.mechanism=PLAIN\n\
         key.serializer=org.apache.kafka.common.serialization.StringSerializer\nbuffer.memory=33554432\n",
    );
    let path = write(
        folder.path(),
        "mine.toml",
        "about = \"Ours.\"\nclaim = \"at-least-once\"\n[kafka]\nserver-file = \"server.properties\"\n[topics.t]\n\
         [clients.p]\nrole = \"producer\"\ntopic = \"t\"\nconfig-file = \"producer.properties\"\nconfig = { acks = \"all\" }\n",
    );
    let plan = plan(&loaded(&path, &[]), Seed(1));
    assert_eq!(plan.kafka.server["num.io.threads"], "4");
    assert!(!plan.kafka.server.contains_key("log.dirs") && !plan.kafka.server.contains_key("node.id"));
    let given: Vec<(&str, &str)> =
        plan.clients[0].properties.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(given, [("acks", "all"), ("linger.ms", "20")], "the spec overrides its file");
    assert_eq!(plan.left_out["kafka.server-file"], ["log.dirs", "node.id"]);
    let left_out = ["bootstrap.servers", "buffer.memory", "key.serializer", "sasl.mechanism"];
    assert_eq!(plan.left_out["clients.p.config-file"], left_out);
}

#[test]
fn a_properties_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(
        folder.path(),
        "mine.toml",
        "about = \"Ours.\"\nclaim = \"at-least-once\"\n[topics.t]\n[clients.p]\nrole = \"producer\"\ntopic = \"t\"\nconfig-file = \"nope.properties\"\n",
    );
    let told = load(&path, &[]).unwrap_err().render(Fancy::Plain, 200);
    assert!(told.contains("nope.properties") && told.contains("cannot read"), "{told}");
}

#[test]
fn an_unknown_spec_is_told_with_what_there_is() {
    let told = load("quikstart", &[]).unwrap_err().render(Fancy::Plain, 100);
    assert!(told.contains("did you mean \"quickstart\"?"), "{told}");
    let told = load("nowhere/spec.toml", &[]).unwrap_err().render(Fancy::Plain, 100);
    assert!(told.contains("cannot read nowhere/spec.toml"), "{told}");
}

#[test]
fn order_is_claimed_where_every_producer_gives_it() {
    let claim = |name: &str, sets: &[&str]| plan(&loaded(name, sets), Seed(1)).question.claim.to_string();
    assert_eq!(claim("quickstart", &[]), "exactly-once, ordered");
    assert_eq!(claim("lost-acknowledgement", &[]), "exactly-once");
    assert_eq!(
        claim("lost-acknowledgement", &["clients.shop.config.max.in.flight=1"]),
        "exactly-once, ordered"
    );
}
