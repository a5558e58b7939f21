//! What a spec says about clients.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use workloads::librdkafka::settings;
use workloads::protocol::{Commit, EffectMode, Resend};

use super::properties::Properties;
use super::sink::effect_schema;
use super::time::{PerSecond, Time};

/// Clients of one kind: what they do, how many there are, and their configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Client {
    /// What they do.
    pub role: Role,
    /// Client library, or a list to run the same clients on each: `"librdkafka"` (the default).
    #[serde(default)]
    pub family: Families,
    /// Version of the Java client, which need not be the broker's: `"3.9.1"`. Default: the broker's. librdkafka's is
    /// the one that this program is linked with.
    pub version: Option<String>,
    /// Number of instances, for each family; they are called `NAME[0]`, `NAME[1]`…
    #[serde(default = "one")]
    pub count: u32,
    /// The topic that they produce to or consume from.
    pub topic: String,
    /// Producers: records per second of each instance; without it, as fast as the library takes them.
    pub rate: Option<PerSecond>,
    /// Producers: size of a record's value in bytes; the payload's own header is the smallest. Default 100.
    pub record_size: Option<u32>,
    /// Producers: when the application sends a record again, with the same value. Default never.
    #[serde(default)]
    #[schemars(schema_with = "resend_schema")]
    pub resend: Option<Resend>,
    /// Consumers: the group. Default: the client's name; with several families, the name and the family, as
    /// `billing-java`.
    pub group: Option<String>,
    /// Consumers: whether each instance is a static member of its group, with its own name as `group.instance.id`: one that
    /// is restarted within its session gets its logs back without a rebalance. Default false.
    #[serde(default)]
    pub static_member: bool,
    /// Consumers: when positions are committed. Default `after-sync`; `in-sink` where `effect` keeps them there.
    #[serde(default)]
    #[schemars(schema_with = "commit_schema")]
    pub commit: Option<Commit>,
    /// Consumers: what is kept in the sink with the effect of each record. Without it processing has no effect.
    #[serde(default)]
    #[schemars(schema_with = "effect_schema")]
    pub effect: Option<EffectMode>,
    /// Consumers, with `effect = "deduplicated-expiring"`: how long a record is remembered.
    pub deduplicate_for: Option<Time>,
    /// Consumers: how long processing a record takes. Default none.
    pub processing: Option<Time>,
    /// Consumers: most records that are polled before they are processed and committed. Default with librdkafka 100; with
    /// `commit = "auto"` and a processing time 1, because librdkafka stores an offset when it hands the record out. With
    /// the Java client it is `max.poll.records`, and by default the client's own 500.
    pub batch: Option<u32>,
    /// The library's properties, verbatim. What is not here keeps the library's own default.
    #[serde(default)]
    pub config: Properties,
    /// A properties file taken as it is; `config` overrides it. Relative to the spec's folder.
    pub config_file: Option<String>,
}

fn one() -> u32 {
    1
}

impl Client {
    /// What the workers' own checks of properties want to know.
    pub(super) fn kind(&self, name: &str, family: Family) -> settings::Client {
        match self.role {
            Role::Producer => settings::Client::Producer,
            Role::Consumer => {
                settings::Client::Consumer { commit: self.commits(), group: self.group_of(name, family) }
            }
        }
    }

    /// The group of its instances of a family: families divide up assignments by rules of their own, so by default they
    /// share no group.
    pub fn group_of(&self, name: &str, family: Family) -> String {
        match (&self.group, self.family.all().len()) {
            (Some(group), _) => group.clone(),
            (None, 0 | 1) => name.to_owned(),
            (None, _) => format!("{name}-{}", family.name()),
        }
    }

    /// When it commits: as the spec says, else as its effect mode needs it, else after processing.
    pub fn commits(&self) -> Commit {
        let in_sink = self.effect.is_some_and(EffectMode::keeps_positions);
        self.commit.unwrap_or(if in_sink { Commit::InSink } else { Commit::AfterSync })
    }

    /// Number of instances over all families.
    pub fn instances(&self) -> u32 {
        self.count.saturating_mul(u32::try_from(self.family.all().len()).unwrap_or(u32::MAX))
    }
}

fn commit_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = COMMITS.iter().map(|commit| commit.name()).collect();
    json_schema!({ "enum": names })
}

fn resend_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["after-timeout", "outbox"] })
}

/// When a consumer may commit, in the order of the documentation.
pub const COMMITS: [Commit; 8] = [
    Commit::AfterSync,
    Commit::AfterAsync,
    Commit::AfterOutOfOrder,
    Commit::Before,
    Commit::Auto,
    Commit::AutoHandedOver,
    Commit::AutoStored,
    Commit::InSink,
];

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Send records.
    Producer,
    /// Poll, process and commit, as members of a group.
    Consumer,
}

/// A client library.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Family {
    /// librdkafka, which is behind the clients for Rust, Python, Go, .NET and Node.
    Librdkafka,
    /// The official Java client.
    Java,
}

impl Family {
    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Librdkafka => "librdkafka",
            Self::Java => "java",
        }
    }
}

/// One client library or several.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Families {
    /// One.
    One(Family),
    /// Several, each with `count` instances.
    Several(Vec<Family>),
}

impl Default for Families {
    fn default() -> Self {
        Self::One(Family::Librdkafka)
    }
}

impl Families {
    /// All of them.
    pub fn all(&self) -> &[Family] {
        match self {
            Self::One(family) => std::slice::from_ref(family),
            Self::Several(families) => families,
        }
    }
}

/// By hand, because an untagged enum would answer a misspelt family with "did not match any variant".
impl<'de> Deserialize<'de> for Families {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;

        impl<'de> serde::de::Visitor<'de> for Either {
            type Value = Families;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a client family, or a list of them")
            }

            fn visit_str<E: serde::de::Error>(self, name: &str) -> Result<Families, E> {
                let name = serde::de::value::StrDeserializer::new(name);
                Family::deserialize(name).map(Families::One)
            }

            fn visit_seq<A: serde::de::SeqAccess<'de>>(self, items: A) -> Result<Families, A::Error> {
                Vec::deserialize(serde::de::value::SeqAccessDeserializer::new(items)).map(Families::Several)
            }
        }

        deserializer.deserialize_any(Either)
    }
}
