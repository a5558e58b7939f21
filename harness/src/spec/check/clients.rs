//! Clients that fit their topics, their role and their own configuration.

use std::collections::BTreeMap;

use nemesis::target::RESERVED;

use super::super::client::{Client, Families, Family, Role};
use super::{Check, is_client_name};

/// Client properties that belong to the lab, each with the reason.
const OWNED: [(&str, &str); 8] = [
    ("bootstrap.servers", "clients connect to the lab's brokers"),
    ("metadata.broker.list", "clients connect to the lab's brokers"),
    ("client.id", "clients are called by their name in the spec, so that faults can tell them apart"),
    (
        "security.protocol",
        "the lab's listeners are plaintext, so that faults can be aimed at single requests",
    ),
    ("group.id", "the group is given by the key `group` of the client"),
    ("enable.auto.commit", "when positions are committed is given by the key `commit` of the client"),
    ("debug", "the worker's journal is the record of what happens"),
    ("statistics.interval.ms", "the worker reports its own figures"),
];

/// Why a client property belongs to the lab, if it does.
pub fn owned(name: &str) -> Option<&'static str> {
    let secure = name.starts_with("ssl.") || name.starts_with("sasl.");
    let listed = OWNED.iter().find(|(owned, _)| *owned == name).map(|(_, why)| *why);
    listed
        .or(secure
            .then_some("the lab's listeners are plaintext, so that faults can be aimed at single requests"))
}

/// Most instances of one client: each is a process.
const MOST_INSTANCES: u32 = 64;

/// Largest record: what brokers accept by default, less the batch's own overhead.
const LARGEST_RECORD: u32 = 1_000_000;

impl Check<'_> {
    pub(super) fn clients(&mut self) {
        if !self.spec.clients.values().any(|client| client.role == Role::Producer) {
            self.value(&["clients"], "nobody produces", "add a client with role = \"producer\"");
        }
        for (name, client) in &self.spec.clients {
            self.client_name(name);
            self.families(name, &client.family);
            self.topic_known(&["clients", name, "topic"], &client.topic);
            if !(1..=MOST_INSTANCES).contains(&client.count) {
                let message = format!("a client has 1 to {MOST_INSTANCES} instances");
                self.value(
                    &["clients", name, "count"],
                    message,
                    "each instance is a process on a node of its own",
                );
            }
            if client.record_size.is_some_and(|size| size > LARGEST_RECORD) {
                let message = format!("a record's value has at most {LARGEST_RECORD} bytes");
                self.value(
                    &["clients", name, "record-size"],
                    message,
                    "brokers refuse larger batches by default",
                );
            }
            self.role(name, client);
            for property in client.config.0.keys() {
                if let Some(why) = owned(property) {
                    let message = format!("\"{property}\" is decided by the harness: {why}");
                    self.property(
                        &["clients", name, "config"],
                        property,
                        message,
                        "leave it out; a config-file may hold it, it is left out there",
                    );
                }
            }
        }
    }

    fn client_name(&mut self, name: &str) {
        if is_client_name(name) && name.len() <= 32 {
            return;
        }
        let help = format!(
            "a letter, then letters, digits, \".\", \"_\" and \"-\", at most 32; not one of {}",
            RESERVED.join(", ")
        );
        self.key(&["clients", name], format!("a client cannot be called \"{name}\""), help);
    }

    fn families(&mut self, name: &str, families: &Families) {
        let path = ["clients", name, "family"];
        if families.all().is_empty() {
            self.value(&path, "an empty list of families runs nothing", "\"librdkafka\"");
        }
        if families.all().contains(&Family::Java) {
            let message = "the Java client cannot be run yet";
            self.value(&path, message, "this version runs family = \"librdkafka\"");
        }
    }

    /// Keys that mean something for the other role only.
    fn role(&mut self, name: &str, client: &Client) {
        let consumers_only = [
            ("group", client.group.is_some()),
            ("commit", client.commit.is_some()),
            ("processing", client.processing.is_some()),
            ("batch", client.batch.is_some()),
        ];
        let producers_only = [("rate", client.rate.is_some()), ("record-size", client.record_size.is_some())];
        let (foreign, role): (&[(&str, bool)], _) = match client.role {
            Role::Producer => (&consumers_only, "producer"),
            Role::Consumer => (&producers_only, "consumer"),
        };
        for (key, _) in foreign.iter().filter(|(_, given)| *given) {
            self.key(&["clients", name, key], format!("a {role} has no \"{key}\""), "leave it out");
        }
        if client.batch == Some(0) {
            self.value(&["clients", name, "batch"], "a batch holds at least one record", "100 is usual");
        }
        if client.group.as_ref().is_some_and(|group| group.is_empty() || group.len() > 249) {
            self.value(
                &["clients", name, "group"],
                "a group has a name of 1 to 249 characters",
                "leave it out to use the client's name",
            );
        }
    }

    /// librdkafka takes a session timeout below its default heartbeat without a word; the member is then evicted again
    /// and again and reads everything twice without any fault (verified, `session.timeout.ms=2000`).
    pub(super) fn heartbeats(&mut self, files: &BTreeMap<String, BTreeMap<String, String>>) {
        for (name, client) in &self.spec.clients {
            if client.role != Role::Consumer {
                continue;
            }
            let file = files.get(&format!("clients.{name}.config-file"));
            let setting = |property: &str, default: u64| {
                let text = client.config.0.get(property).or_else(|| file.and_then(|file| file.get(property)));
                text.map_or(Some(default), |text| text.parse().ok())
            };
            let (session, heartbeat) =
                (setting("session.timeout.ms", 45_000), setting("heartbeat.interval.ms", 3_000));
            let (Some(session), Some(heartbeat)) = (session, heartbeat) else { continue };
            if heartbeat.saturating_mul(3) > session {
                let message = format!(
                    "heartbeat.interval.ms = {heartbeat} is more than a third of session.timeout.ms = {session}"
                );
                let help = format!(
                    "set heartbeat.interval.ms to {} or less; a member that misses its session re-reads records without any fault",
                    session / 3
                );
                let property = if client.config.0.contains_key("heartbeat.interval.ms") {
                    "heartbeat.interval.ms"
                } else {
                    "session.timeout.ms"
                };
                if client.config.0.contains_key(property) {
                    self.property(&["clients", name, "config"], property, message, help);
                } else {
                    self.value(&["clients", name, "config-file"], message, help);
                }
            }
        }
    }
}
