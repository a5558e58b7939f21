//! What a spec says about the sink: where the effects of consumers become real.

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use workloads::protocol::EFFECT_MODES;

/// Where the effects of consumers are kept. Consumers say with `effect` what is kept with each.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct SinkSpec {
    /// What it is.
    pub kind: SinkKind,
    /// With `file`: whether an effect counts only once it is known to be on the disk (fsync). Default true.
    pub sync: Option<bool>,
}

/// A kind of sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum SinkKind {
    /// A database in one file, which all members open.
    Sqlite,
    /// A PostgreSQL server on the node `sink`.
    Postgres,
    /// A service on the node `sink`, with `Idempotency-Key`.
    Http,
    /// Files that are only appended to, with the offset beside each effect; one for each incarnation of a member.
    File,
}

/// All kinds of sinks, in the order of the documentation.
pub const SINKS: [SinkKind; 4] = [SinkKind::Sqlite, SinkKind::Postgres, SinkKind::Http, SinkKind::File];

impl SinkKind {
    /// Its name in a spec.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Http => "http",
            Self::File => "file",
        }
    }

    /// Whether it has a server on a node of its own, which faults can be aimed at.
    pub fn has_server(self) -> bool {
        match self {
            Self::Postgres | Self::Http => true,
            Self::Sqlite | Self::File => false,
        }
    }
}

pub(super) fn effect_schema(_: &mut SchemaGenerator) -> Schema {
    let names: Vec<&str> = EFFECT_MODES.iter().map(|mode| mode.name()).collect();
    json_schema!({ "enum": names })
}
