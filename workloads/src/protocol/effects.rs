//! Sinks, as a worker is told of them: where effects are kept, and what is kept with each.
//!
//! The forms are read by every client family, so they say only what all of them can do alike. Tables, headers and
//! lines that the families share are documented where they are made (`sink.rs`). A worker without a sink processes
//! and has no effect; none is journalled then.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// Where effects are kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum SinkConfig {
    /// An embedded database: one file that all members open.
    Sqlite {
        /// The database. The harness has made its tables.
        path: PathBuf,
    },
    /// A database server. Every connection is trusted.
    Postgres {
        /// Name or address of its node.
        host: String,
        /// Its port.
        port: u16,
        /// The database. The harness has made its tables.
        database: String,
        /// The user to connect as.
        user: String,
    },
    /// A service that takes each effect as a request.
    Http {
        /// Where it listens, as `http://sink:8080`.
        url: String,
    },
    /// Files that are only appended to: one for each incarnation of a member, `<process>.effects`.
    File {
        /// The folder that all members share.
        folder: PathBuf,
        /// Whether an effect counts only once it is known to be on the disk (fsync).
        sync: bool,
    },
}

impl SinkConfig {
    /// Its name in specs and reports.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "sqlite",
            Self::Postgres { .. } => "postgres",
            Self::Http { .. } => "http",
            Self::File { .. } => "file",
        }
    }
}

/// What is kept with an effect, so that it is made once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EffectMode {
    /// Nothing: the effect alone.
    Plain,
    /// The position, in one transaction with the effect, which fails unless the position is still where this member
    /// left it (M10).
    OffsetInSink,
    /// The position, in one transaction with the effect, whatever it was before.
    OffsetInSinkUnchecked,
    /// The record's key, in one transaction with the effect; a key that is there already has no further effect (M11).
    Deduplicated,
    /// The keys are kept in the member's memory, and gone with it.
    DeduplicatedInMemory,
    /// As deduplicated, but a key is forgotten after a time.
    DeduplicatedExpiring,
}

/// All effect modes, in the order of the documentation.
pub const EFFECT_MODES: [EffectMode; 6] = [
    EffectMode::Plain,
    EffectMode::OffsetInSink,
    EffectMode::OffsetInSinkUnchecked,
    EffectMode::Deduplicated,
    EffectMode::DeduplicatedInMemory,
    EffectMode::DeduplicatedExpiring,
];

impl EffectMode {
    /// Its name in specs, commands and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::OffsetInSink => "offset-in-sink",
            Self::OffsetInSinkUnchecked => "offset-in-sink-unchecked",
            Self::Deduplicated => "deduplicated",
            Self::DeduplicatedInMemory => "deduplicated-in-memory",
            Self::DeduplicatedExpiring => "deduplicated-expiring",
        }
    }

    /// Whether the group's positions are kept in the sink: then nothing is committed to Kafka, and a member that is
    /// assigned a log seeks to the sink's position.
    pub fn keeps_positions(self) -> bool {
        match self {
            Self::OffsetInSink | Self::OffsetInSinkUnchecked => true,
            Self::Plain | Self::Deduplicated | Self::DeduplicatedInMemory | Self::DeduplicatedExpiring => {
                false
            }
        }
    }

    /// What is kept with an effect, in words.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Plain => "the effect alone",
            Self::OffsetInSink => {
                "the position, in one transaction with the effect; refused unless it is where this member left it"
            }
            Self::OffsetInSinkUnchecked => {
                "the position, in one transaction with the effect, unconditionally"
            }
            Self::Deduplicated => "the record's key, in one transaction with the effect",
            Self::DeduplicatedInMemory => "the effect alone; keys are kept in the member's memory",
            Self::DeduplicatedExpiring => "the record's key with a time, after which it is forgotten",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sinks_are_what_the_documentation_shows() {
        let sinks = [
            (
                SinkConfig::Sqlite { path: "/run/sink.db".into() },
                r#"{"kind":"sqlite","path":"/run/sink.db"}"#,
            ),
            (
                SinkConfig::Postgres {
                    host: "sink".into(),
                    port: 5432,
                    database: "onceproof".into(),
                    user: "onceproof".into(),
                },
                r#"{"kind":"postgres","host":"sink","port":5432,"database":"onceproof","user":"onceproof"}"#,
            ),
            (
                SinkConfig::Http { url: "http://sink:8080".into() },
                r#"{"kind":"http","url":"http://sink:8080"}"#,
            ),
            (
                SinkConfig::File { folder: "/run/sink".into(), sync: true },
                r#"{"kind":"file","folder":"/run/sink","sync":true}"#,
            ),
        ];
        for (sink, json) in sinks {
            assert_eq!(serde_json::to_string(&sink).unwrap(), json);
            assert_eq!(serde_json::from_str::<SinkConfig>(json).unwrap(), sink);
            assert!(json.contains(&format!("\"kind\":\"{}\"", sink.kind())));
        }
        let misspelt = r#"{"kind":"file","folder":"/run/sink","sync":true,"sink":1}"#;
        assert!(serde_json::from_str::<SinkConfig>(misspelt).is_err());
    }

    #[test]
    fn every_effect_mode_goes_by_its_name() {
        for mode in EFFECT_MODES {
            assert_eq!(serde_json::to_string(&mode).unwrap(), format!("\"{}\"", mode.name()));
        }
    }
}
