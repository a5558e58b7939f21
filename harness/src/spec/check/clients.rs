//! Clients that fit their topics, their role and their own configuration.

use std::collections::BTreeMap;

use nemesis::target::RESERVED;
use workloads::java::settings as java;
use workloads::librdkafka::settings;
use workloads::protocol::Commit;

use super::super::client::{Client, Family, Role};
use super::{Check, is_client_name, is_version};

/// Client properties that belong to the lab, each with the reason.
pub const OWNED: [(&str, &str); 8] = [
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
            self.families(name, client);
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
            self.effect(name, client);
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

    fn families(&mut self, name: &str, client: &Client) {
        let (path, families) = (["clients", name, "family"], client.family.all());
        if families.is_empty() {
            self.value(&path, "an empty list of families runs nothing", "\"librdkafka\"");
        }
        if (1..families.len()).any(|index| families[..index].contains(&families[index])) {
            self.value(&path, "a family is named twice", "count is the number of instances of each family");
        }
        if client.commit == Some(Commit::AutoHandedOver) && families.contains(&Family::Librdkafka) {
            self.value(
                &["clients", name, "commit"],
                "librdkafka commits what it handed out, whoever processes it",
                "commit = \"auto\" is that already; \"auto-handed-over\" is a way of using the Java client",
            );
        }
        if client.commit == Some(Commit::AutoStored) && families.contains(&Family::Java) {
            self.value(
                &["clients", name, "commit"],
                "the Java client has no way to store an offset for its timer",
                "commit = \"auto\" commits what the polls before returned; \"auto-stored\" is a way of using librdkafka",
            );
        }
        let Some(version) = &client.version else { return };
        let path = ["clients", name, "version"];
        if !families.contains(&Family::Java) {
            let message = "librdkafka's version is the one that this program is linked with";
            self.key(&path, message, "leave it out, or set family = \"java\"");
        } else if !is_version(version) {
            self.value(&path, "this is not a version of the Java client", "three numbers, as in 3.9.1");
        }
    }

    /// Keys that mean something for the other role only.
    fn role(&mut self, name: &str, client: &Client) {
        let consumers_only = [
            ("group", client.group.is_some()),
            ("static-member", client.static_member),
            ("commit", client.commit.is_some()),
            ("processing", client.processing.is_some()),
            ("batch", client.batch.is_some()),
            ("effect", client.effect.is_some()),
            ("deduplicate-for", client.deduplicate_for.is_some()),
        ];
        let producers_only = [
            ("rate", client.rate.is_some()),
            ("record-size", client.record_size.is_some()),
            ("resend", client.resend.is_some()),
        ];
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

    /// What the client library, and the worker around it, say about the properties: whether they exist, whether the
    /// values are possible, and whether they go together. librdkafka takes a session timeout below its default
    /// heartbeat without a word, for instance; the member is then evicted again and again and reads everything twice
    /// without any fault.
    pub(super) fn properties(&mut self, files: &BTreeMap<String, BTreeMap<String, String>>) {
        for (name, client) in &self.spec.clients {
            for family in client.family.all() {
                self.properties_of(name, client, *family, files);
            }
        }
    }

    fn properties_of(
        &mut self,
        name: &str,
        client: &Client,
        family: Family,
        files: &BTreeMap<String, BTreeMap<String, String>>,
    ) {
        let mut all = files.get(&format!("clients.{name}.config-file")).cloned().unwrap_or_default();
        all.retain(|property, _| !foreign(property, family));
        all.extend(client.config.0.clone());
        // What belongs to the lab has been refused already, with the lab's reason.
        all.retain(|property, _| owned(property).is_none());
        self.membership(name, client, family, &all);
        let kind = client.kind(name, family);
        let (checked, help) = match family {
            Family::Librdkafka => (
                settings::check(&kind, &all),
                "properties go by the names that librdkafka documents (CONFIGURATION.md)",
            ),
            Family::Java => (
                java::check(&kind, &all),
                "properties go by the names that Kafka documents for its Java clients",
            ),
        };
        let Err(errors) = checked else { return };
        for error in errors {
            let message = format!("\"{}\": {}", error.property, error.reason);
            if client.config.0.contains_key(&error.property) || client.config_file.is_none() {
                self.property(&["clients", name, "config"], &error.property, message, help);
            } else {
                self.value(&["clients", name, "config-file"], message, help);
            }
        }
    }
}

/// Whether a property of a client's properties file is left out: what belongs to the lab, and what only the Java client
/// understands where it is not one.
pub fn foreign(property: &str, family: Family) -> bool {
    let java_only = || settings::JAVA_ONLY.iter().any(|(java, _)| *java == property);
    owned(property).is_some() || family == Family::Librdkafka && java_only()
}
