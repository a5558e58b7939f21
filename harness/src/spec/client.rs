//! What a spec says about clients.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use workloads::librdkafka::settings;
use workloads::protocol::Commit;

use super::properties::Properties;
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
    /// Number of instances, for each family; they are called `NAME[0]`, `NAME[1]`…
    #[serde(default = "one")]
    pub count: u32,
    /// The topic that they produce to or consume from.
    pub topic: String,
    /// Producers: records per second of each instance; without it, as fast as the library takes them.
    pub rate: Option<PerSecond>,
    /// Producers: size of a record's value in bytes; the payload's own header is the smallest. Default 100.
    pub record_size: Option<u32>,
    /// Consumers: the group. Default: the client's name.
    pub group: Option<String>,
    /// Consumers: when positions are committed. Default `after-sync`.
    #[serde(default)]
    #[schemars(schema_with = "commit_schema")]
    pub commit: Option<Commit>,
    /// Consumers: how long processing a record takes. Default none.
    pub processing: Option<Time>,
    /// Consumers: most records that are polled before they are processed and committed. Default 100; with
    /// `commit = "auto"` and a processing time 1, because librdkafka stores an offset when it hands the record out.
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
    /// What the worker's own check of properties wants to know.
    pub(super) fn kind(&self, name: &str) -> settings::Client {
        match self.role {
            Role::Producer => settings::Client::Producer,
            Role::Consumer => settings::Client::Consumer {
                commit: self.commit.unwrap_or(Commit::AfterSync),
                group: self.group.clone().unwrap_or_else(|| name.to_owned()),
            },
        }
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

/// When a consumer may commit, in the order of the documentation.
pub const COMMITS: [Commit; 5] =
    [Commit::AfterSync, Commit::AfterAsync, Commit::Before, Commit::Auto, Commit::AutoHandedOver];

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
