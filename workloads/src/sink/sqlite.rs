//! SQLite: an embedded database. Every member opens the same file; the file system is what they share.
//!
//! A write takes the database's write lock first, so that what is read in the transaction still holds when it commits.
//! A database that is busy for too long has stored nothing. Also the store behind the HTTP service.

use std::path::Path;

use history::ids::{Offset, TopicPartition};
use rusqlite::{Connection, ErrorCode, OptionalExtension, Transaction, TransactionBehavior, params};

use super::{Answer, CALL, Effect, Keep, SCHEMA, SinkError, Write};

const KIND: &str = "sqlite";

/// An open database.
#[derive(Debug)]
pub struct Sqlite {
    connection: Connection,
}

impl Sqlite {
    /// Makes a database with its tables.
    ///
    /// # Errors
    /// When it exists already, or cannot be written.
    pub fn create(path: &Path) -> Result<Self, SinkError> {
        let connection = Connection::open(path).map_err(certain)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(certain)?;
        let serial = "INTEGER PRIMARY KEY AUTOINCREMENT";
        connection.execute_batch(&SCHEMA.replace("{serial}", serial)).map_err(certain)?;
        drop(connection);
        Self::open(path)
    }

    /// Opens a database that has its tables.
    ///
    /// # Errors
    /// When there is none, or it cannot be read.
    pub fn open(path: &Path) -> Result<Self, SinkError> {
        let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_WRITE | rusqlite::OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(certain)?;
        connection.busy_timeout(CALL).map_err(certain)?;
        // Safe against the death of a process, which is what happens here; a power cut may take the last commits.
        connection.pragma_update(None, "synchronous", "NORMAL").map_err(certain)?;
        Ok(Self { connection })
    }

    /// As [`super::Sink::store`].
    ///
    /// # Errors
    /// As there.
    pub fn store(&mut self, write: &Write<'_>) -> Result<Answer, SinkError> {
        let transaction =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(certain)?;
        if let Keep::Position { from, next } = write.keep
            && !moved(&transaction, write, (from, next)).map_err(certain)?
        {
            let position = position(&transaction, write.group, write.log).map_err(certain)?;
            return Ok(Answer::Refused { position });
        }
        let mut fresh = 0;
        for effect in write.effects {
            if is_new(&transaction, write, effect).map_err(certain)? {
                insert(&transaction, write, effect).map_err(certain)?;
                fresh += 1;
            }
        }
        transaction.commit().map_err(|error| match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => certain(error),
            // Something of the disk: what is on it nobody knows.
            Some(_) | None => SinkError::unknown(KIND, error),
        })?;
        Ok(Answer::Held { fresh })
    }

    /// As [`super::Sink::position`].
    ///
    /// # Errors
    /// As there.
    pub fn position(&mut self, group: &str, log: &TopicPartition) -> Result<Offset, SinkError> {
        position(&self.connection, group, log).map_err(certain)
    }
}

fn certain(error: rusqlite::Error) -> SinkError {
    SinkError::certain(KIND, error)
}

fn position(connection: &Connection, group: &str, log: &TopicPartition) -> Result<Offset, rusqlite::Error> {
    let sql = "SELECT next_offset FROM positions WHERE consumer_group = ?1 AND topic = ?2 AND partition = ?3";
    let mut statement = connection.prepare_cached(sql)?;
    let next = statement.query_row(params![group, log.topic, log.partition], |row| row.get(0)).optional()?;
    Ok(Offset(next.unwrap_or(0)))
}

/// Whether the position could be moved.
fn moved(
    transaction: &Transaction<'_>,
    write: &Write<'_>,
    (from, next): (Option<Offset>, Offset),
) -> Result<bool, rusqlite::Error> {
    if let Some(from) = from
        && position(transaction, write.group, write.log)? != from
    {
        return Ok(false);
    }
    let sql = "INSERT INTO positions (consumer_group, topic, partition, next_offset) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT DO UPDATE SET next_offset = excluded.next_offset";
    let mut statement = transaction.prepare_cached(sql)?;
    Ok(statement.execute(params![write.group, write.log.topic, write.log.partition, next.0])? == 1)
}

/// Whether the effect is to be stored; its key is, where keys are kept.
fn is_new(
    transaction: &Transaction<'_>,
    write: &Write<'_>,
    effect: &Effect,
) -> Result<bool, rusqlite::Error> {
    let Keep::Key { now_ms, ttl_ms } = write.keep else { return Ok(true) };
    let forgotten = ttl_ms.map_or(i64::MIN, |ttl| now_ms.saturating_sub(ttl));
    let sql = "INSERT INTO applied (consumer_group, producer, seq, at_ms) VALUES (?1, ?2, ?3, ?4) \
               ON CONFLICT DO UPDATE SET at_ms = excluded.at_ms WHERE at_ms < ?5";
    let mut statement = transaction.prepare_cached(sql)?;
    let value = effect.value;
    let key = params![write.group, value.process.0, value.seq.0, now_ms, forgotten];
    Ok(statement.execute(key)? == 1)
}

fn insert(transaction: &Transaction<'_>, write: &Write<'_>, effect: &Effect) -> Result<(), rusqlite::Error> {
    let sql = "INSERT INTO effects (consumer_group, topic, partition, record_offset, producer, seq, member) \
               VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let mut statement = transaction.prepare_cached(sql)?;
    let (log, value) = (write.log, effect.value);
    statement.execute(params![
        write.group,
        log.topic,
        log.partition,
        effect.offset.0,
        value.process.0,
        value.seq.0,
        write.member.0,
    ])?;
    Ok(())
}
