//! Sinks: where "processed" becomes real. Each keeps effects of records, and with each what makes it count once.
//!
//! A worker says *what* is to be stored, of one log and all or nothing ([`Write`]); a sink says whether it is stored, was
//! refused, or failed ([`Answer`], [`SinkError`]). The difference that matters in a failure is whether it is certain
//! that nothing was stored: only then may somebody who must never store twice try again.
//!
//! Databases (SQLite and PostgreSQL) have the tables of [`SCHEMA`]; the service (HTTP) takes the columns of `effects` as
//! a JSON object and the rest as headers; files hold one line for each effect. Client families share these forms, so
//! that members of both can share a sink. No sink repeats anything by itself.

mod file;
mod http;
mod postgres;
mod sqlite;

use std::time::Duration;

use history::ids::{Offset, Process, TopicPartition, Value};

use crate::protocol::{EffectMode, SinkConfig};
pub use file::{LINE_FIELDS, line_checksum};
pub use http::{
    EXPECTED_OFFSET, IDEMPOTENCY_EXPIRY_MS, IDEMPOTENCY_KEY, NextOffset, STORE_OFFSET, StoredEffect,
};
pub use sqlite::Sqlite;

/// How long a sink may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(2);
/// How long a sink may take to answer a call.
const CALL: Duration = Duration::from_secs(3);

/// The tables of a sink that is a database: what was done, how far each group has come, and which records are known.
/// `{serial}` stands for the type of a key that the database counts up by itself.
pub const SCHEMA: &str = "\
CREATE TABLE effects (id {serial}, consumer_group TEXT NOT NULL, topic TEXT NOT NULL, \
partition INT NOT NULL, record_offset BIGINT NOT NULL, producer BIGINT NOT NULL, seq BIGINT NOT NULL, \
member BIGINT NOT NULL);
CREATE TABLE positions (consumer_group TEXT NOT NULL, topic TEXT NOT NULL, partition INT NOT NULL, \
next_offset BIGINT NOT NULL, PRIMARY KEY (consumer_group, topic, partition));
CREATE TABLE applied (consumer_group TEXT NOT NULL, producer BIGINT NOT NULL, seq BIGINT NOT NULL, \
at_ms BIGINT NOT NULL, PRIMARY KEY (consumer_group, producer, seq));
";

/// The effect of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effect {
    /// Where the record was read.
    pub offset: Offset,
    /// What it holds.
    pub value: Value,
}

/// Effects of records of one log, to be stored together or not at all.
#[derive(Clone, Copy, Debug)]
pub struct Write<'w> {
    /// Whose effects they are.
    pub group: &'w str,
    /// The log.
    pub log: &'w TopicPartition,
    /// The member that asks.
    pub member: Process,
    /// The effects, in the order of the log. At least one.
    pub effects: &'w [Effect],
    /// What is stored with them.
    pub keep: Keep,
}

/// What is stored in one transaction with effects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// Nothing.
    Nothing,
    /// The group's position in the log, if it still is `from`.
    Position {
        /// Where it must be; none is whatever it is. A position that was never stored is 0.
        from: Option<Offset>,
        /// Where it is then: behind the last of the effects.
        next: Offset,
    },
    /// Each record's key; the effect of a record whose key is there already is not stored again.
    Key {
        /// Wall-clock time now, in milliseconds.
        now_ms: i64,
        /// How long a key counts, in milliseconds; none is for ever.
        ttl_ms: Option<i64>,
    },
}

/// What a sink says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The sink holds the effects: stored now, or known already.
    Held {
        /// How many were stored now.
        fresh: u64,
    },
    /// Nothing was stored, because the position is not where it was expected.
    Refused {
        /// Where it is.
        position: Offset,
    },
}

/// A sink that did not do what it was asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{sink}: {why}")]
pub struct SinkError {
    /// Which kind of sink.
    pub sink: &'static str,
    /// Whether it may have done it all the same.
    pub doubt: Doubt,
    /// What it or the connection said.
    pub why: String,
}

/// Whether what failed may have happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubt {
    /// Nothing was stored, and will not be.
    None,
    /// It may be stored, now or later.
    Unknown,
}

impl SinkError {
    /// Nothing was stored.
    pub fn certain(sink: &'static str, why: impl std::fmt::Display) -> Self {
        Self { sink, doubt: Doubt::None, why: why.to_string() }
    }

    /// Perhaps it was stored.
    pub fn unknown(sink: &'static str, why: impl std::fmt::Display) -> Self {
        Self { sink, doubt: Doubt::Unknown, why: why.to_string() }
    }
}

/// A sink of any kind, as one member uses it.
#[derive(Debug)]
pub enum Sink {
    /// An embedded database.
    Sqlite(Sqlite),
    /// A database server.
    Postgres(Box<postgres::Postgres>),
    /// A service.
    Http(http::Http),
    /// Appended files.
    File(file::File),
}

impl Sink {
    /// A member's own access to a sink. Servers are reached when they are first needed.
    ///
    /// # Errors
    /// When an embedded sink cannot be opened, or the configuration makes no sense.
    pub fn open(config: &SinkConfig, member: Process, effect: EffectMode) -> Result<Self, SinkError> {
        match config {
            SinkConfig::Sqlite { path } => Sqlite::open(path).map(Self::Sqlite),
            SinkConfig::Postgres { host, port, database, user } => {
                let mut settings = tokio_postgres::Config::new();
                settings.host(host).port(*port).dbname(database).user(user);
                postgres::Postgres::new(settings).map(|sink| Self::Postgres(Box::new(sink)))
            }
            SinkConfig::Http { url } => http::Http::new(url).map(Self::Http),
            SinkConfig::File { folder, sync } => {
                file::File::open(folder, member, (*sync, effect)).map(Self::File)
            }
        }
    }

    /// Stores effects, and what is kept with them.
    ///
    /// # Errors
    /// When it did not answer; the error says whether they may be stored all the same.
    pub fn store(&mut self, write: &Write<'_>) -> Result<Answer, SinkError> {
        match self {
            Self::Sqlite(sink) => sink.store(write),
            Self::Postgres(sink) => sink.store(write),
            Self::Http(sink) => sink.store(write),
            Self::File(sink) => sink.store(write),
        }
    }

    /// Whether several effects may be stored at once.
    pub fn takes_batches(&self) -> bool {
        match self {
            Self::Sqlite(_) | Self::Postgres(_) | Self::File(_) => true,
            Self::Http(_) => false,
        }
    }

    /// A group's position in a log; 0 where none was ever stored.
    ///
    /// # Errors
    /// When it did not answer.
    pub fn position(&mut self, group: &str, log: &TopicPartition) -> Result<Offset, SinkError> {
        match self {
            Self::Sqlite(sink) => sink.position(group, log),
            Self::Postgres(sink) => sink.position(group, log),
            Self::Http(sink) => sink.position(group, log),
            Self::File(sink) => sink.position(group, log),
        }
    }
}
