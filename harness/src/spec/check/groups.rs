//! Members that can be one group: identities that are their own, a protocol that both sides speak, a sink that keeps them
//! apart.

use std::collections::{BTreeMap, BTreeSet};

use workloads::protocol::EffectMode;

use super::super::client::{Client, Family, Role};
use super::super::sink::SinkKind;
use super::Check;
use crate::kafka::release::Version;
use crate::plan::DEFAULT_VERSION;

/// The property by which a client says that it is a static member.
const INSTANCE_ID: &str = "group.instance.id";

/// The property that names the group protocol.
const PROTOCOL: &str = "group.protocol";

/// The property that says where a group begins that has committed nothing.
const RESET: &str = "auto.offset.reset";

/// The first brokers with the consumer group protocol of KIP-848; it is a preview behind a switch in 3.7 to 3.9, and
/// librdkafka does not speak that preview.
const BROKERS_WITH_PROTOCOL: Version = Version { major: 4, minor: 0, patch: 0 };

/// The first Java client that begins a given time back (KIP-1106).
const JAVA_WITH_DURATION: Version = Version { major: 4, minor: 0, patch: 0 };

/// The first Java client that knows the property; earlier ones ignore it and stay with the classic protocol.
const JAVA_WITH_PROTOCOL: Version = Version { major: 3, minor: 7, patch: 0 };

impl Check<'_> {
    /// What one client says of its membership, with all its properties.
    pub(super) fn membership(
        &mut self,
        name: &str,
        client: &Client,
        family: Family,
        all: &BTreeMap<String, String>,
    ) {
        if client.role == Role::Producer {
            return;
        }
        let newer = all.get(PROTOCOL).is_some_and(|protocol| protocol.eq_ignore_ascii_case("consumer"));
        if newer {
            self.client_with_protocol(name, client, family);
        }
        if family == Family::Java && all.get(RESET).is_some_and(|reset| reset.starts_with("by_duration:")) {
            self.client_with_duration(name, client);
        }
        // The rest is the same for every family, and said once.
        if client.family.all().first() != Some(&family) {
            return;
        }
        if newer {
            self.brokers_with_protocol(name);
        }
        let config = ["clients", name, "config"];
        if all.contains_key(INSTANCE_ID) && client.static_member {
            let message = format!("\"{INSTANCE_ID}\" is given by static-member = true already");
            self.property(
                &config,
                INSTANCE_ID,
                message,
                "leave it out: each instance's name is its instance id",
            );
        } else if all.contains_key(INSTANCE_ID) && client.instances() > 1 {
            let message = format!(
                "\"{INSTANCE_ID}\" would be the same for {} instances, which fence each other",
                client.instances()
            );
            self.property(
                &config,
                INSTANCE_ID,
                message,
                "static-member = true gives each instance an id of its own",
            );
        }
    }

    /// Whether the brokers know the newer group protocol.
    fn brokers_with_protocol(&mut self, name: &str) {
        let brokers = self.spec.kafka.version.as_deref().unwrap_or(DEFAULT_VERSION);
        if self.spec.kafka.home.is_none() && is_before(brokers, BROKERS_WITH_PROTOCOL) {
            let message = format!("brokers of {brokers} do not have {PROTOCOL} = \"consumer\"");
            let help = "it is there from 4.0 on (in 3.7 to 3.9 only as a preview, KIP-848); set kafka.version, or leave \
                        it out";
            self.property(&["clients", name, "config"], PROTOCOL, message, help);
        }
    }

    /// Whether a client of this version does.
    fn client_with_protocol(&mut self, name: &str, client: &Client, family: Family) {
        let version = client.version.as_deref().filter(|_| family == Family::Java);
        if let Some(version) = version.filter(|version| is_before(version, JAVA_WITH_PROTOCOL)) {
            let message =
                format!("the Java client {version} does not know \"{PROTOCOL}\" and would ignore it");
            self.property(&["clients", name, "config"], PROTOCOL, message, "it is there from 3.7.0 on");
        }
    }

    /// Whether a Java client can begin a given time back.
    fn client_with_duration(&mut self, name: &str, client: &Client) {
        let version = client.version.as_deref().or(self.spec.kafka.version.as_deref());
        if let Some(version) = version.filter(|version| is_before(version, JAVA_WITH_DURATION)) {
            let message = format!("the Java client {version} cannot begin by duration");
            self.property(&["clients", name, "config"], RESET, message, "it can from 4.0 on (KIP-1106)");
        }
    }

    /// Members of one group that look up in files what others have written do so under a lock, and the families' locks
    /// (flock here, a record lock in Java) do not exclude each other.
    pub(super) fn locks(&mut self) {
        if self.spec.sink.as_ref().is_none_or(|sink| sink.kind != SinkKind::File) {
            return;
        }
        let mut families: BTreeMap<String, BTreeSet<Family>> = BTreeMap::new();
        for (name, client) in &self.spec.clients {
            let looks_up = client.effect.is_some_and(looks_up) && client.role == Role::Consumer;
            for family in client.family.all().iter().filter(|_| looks_up) {
                let group = client.group_of(name, *family);
                let known = families.entry(group.clone()).or_default();
                known.insert(*family);
                if known.len() > 1 {
                    let message = format!(
                        "group {group} has members of both families, whose locks on the sink's files do not exclude \
                         each other"
                    );
                    let help = "give each family a group of its own; or a sink of kind \"sqlite\", \"postgres\" or \
                                \"http\"";
                    self.value(&["clients", name, "effect"], message, help);
                }
            }
        }
    }
}

/// Whether an effect mode reads in files, before it writes, what other members have written.
fn looks_up(effect: EffectMode) -> bool {
    match effect {
        EffectMode::OffsetInSink | EffectMode::Deduplicated | EffectMode::DeduplicatedExpiring => true,
        EffectMode::Plain | EffectMode::OffsetInSinkUnchecked | EffectMode::DeduplicatedInMemory => false,
    }
}

/// Whether a version is before another; what is no version is refused elsewhere.
fn is_before(version: &str, first: Version) -> bool {
    Version::parse(version).is_some_and(|version| version < first)
}
