//! The sink of a run: made before the workers start, kept running, read back at the end.
//!
//! Embedded sinks (SQLite, files) are a folder in the run directory. Servers (PostgreSQL, the HTTP service) are a process on
//! the lab's node `sink`, which faults can kill, pause and cut off like a broker; what they store is on the disk and there
//! again when they are. What a sink holds in the end is read by [`read`] over a connection of its own, whatever workers
//! said about it.

pub mod postgres;
pub mod read;
pub mod server;
pub mod service;
mod tree;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use workloads::protocol::SinkConfig;
use workloads::sink::Sqlite;

use crate::spec::SinkKind;

/// Name of the lab node on which a sink's server runs.
pub const NODE: &str = "sink";
/// Port of the database server.
pub const POSTGRES_PORT: u16 = 5432;
/// Port of the service.
pub const SERVICE_PORT: u16 = 8080;
/// Database and user of a PostgreSQL sink.
pub const DATABASE: &str = "onceproof";

/// The sink of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SinkPlan {
    /// What it is.
    pub kind: SinkKind,
    /// Whether files are synced; only for files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sync: Option<bool>,
}

impl SinkPlan {
    /// In words, for people.
    pub fn words(&self) -> String {
        let kind = self.kind.name();
        let place = if self.kind.has_server() { ", on a node of its own" } else { "" };
        let synced = match self.sync {
            Some(true) => ", synced",
            Some(false) => ", not synced",
            None => "",
        };
        format!("{kind}{place}{synced}")
    }

    /// What workers are told of it.
    pub fn config(&self, run_dir: &Path) -> SinkConfig {
        match self.kind {
            SinkKind::Sqlite => SinkConfig::Sqlite { path: folder(run_dir).join("sink.db") },
            SinkKind::Postgres => SinkConfig::Postgres {
                host: NODE.to_owned(),
                port: POSTGRES_PORT,
                database: DATABASE.to_owned(),
                user: DATABASE.to_owned(),
            },
            SinkKind::Http => SinkConfig::Http { url: format!("http://{NODE}:{SERVICE_PORT}") },
            SinkKind::File => SinkConfig::File { folder: folder(run_dir), sync: self.sync.unwrap_or(true) },
        }
    }
}

/// Where an embedded sink, or the service's database, is kept.
pub fn folder(run_dir: &Path) -> PathBuf {
    run_dir.join("sink")
}

/// Why a sink does not work.
#[derive(Debug, thiserror::Error)]
pub enum SinkFailure {
    /// A database server that is not there.
    #[error("PostgreSQL is not installed ({0}): apt-get install --no-install-recommends postgresql")]
    NotInstalled(String),
    /// It could not be made or started.
    #[error("the sink ({kind}) could not be {what}: {why}")]
    Failed {
        /// Which kind.
        kind: &'static str,
        /// What was tried.
        what: &'static str,
        /// What went wrong.
        why: String,
    },
    /// Its process did not obey.
    #[error(transparent)]
    Signal(#[from] crate::cluster::SignalError),
}

impl SinkFailure {
    fn of<E: std::fmt::Display>(kind: SinkKind, what: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Failed { kind: kind.name(), what, why: error.to_string() }
    }
}

/// Makes what an embedded sink needs; for the service too, whose database it is.
///
/// # Errors
/// When the run directory cannot be written.
pub fn make(plan: &SinkPlan, run_dir: &Path) -> Result<(), SinkFailure> {
    let kind = plan.kind;
    let folder = folder(run_dir);
    match kind {
        SinkKind::Postgres => Ok(()),
        SinkKind::File => std::fs::create_dir_all(&folder).map_err(SinkFailure::of(kind, "made")),
        SinkKind::Sqlite | SinkKind::Http => {
            std::fs::create_dir_all(&folder).map_err(SinkFailure::of(kind, "made"))?;
            Sqlite::create(&folder.join("sink.db")).map(drop).map_err(SinkFailure::of(kind, "made"))
        }
    }
}
