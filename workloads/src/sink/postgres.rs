//! PostgreSQL: a database server, reached over the network.
//!
//! The connection is made when it is needed, and thrown away after anything that is not a plain answer, because nobody
//! knows what state it is in. Until COMMIT is sent nothing can have been stored: a server that loses the connection
//! rolls back. From then on only the server's own answer is certain.
//!
//! Positions are compared in the statement that moves them (`UPDATE … WHERE next_offset = …`), and keys are inserted
//! before effects: PostgreSQL makes the second of two writers wait for the first, and then look again.

use std::cell::Cell;
use std::time::Duration;

use history::ids::{Offset, TopicPartition};
use tokio::runtime::Runtime;
use tokio::time::timeout;
use tokio_postgres::{Client, Config, NoTls, Statement, Transaction};

use super::{Answer, CALL, CONNECT, Keep, SinkError, Write};

const KIND: &str = "postgres";

/// A server, and the connection to it while there is one.
pub struct Postgres {
    settings: Config,
    runtime: Runtime,
    session: Option<Session>,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("connected", &self.session.is_some()).finish_non_exhaustive()
    }
}

/// A connection with its statements.
struct Session {
    client: Client,
    insert: Statement,
    insert_new: Statement,
    read: Statement,
    compare_and_set: Statement,
    set_first: Statement,
    set: Statement,
}

const INSERT: &str = "\
INSERT INTO effects (consumer_group, topic, partition, record_offset, producer, seq, member) \
SELECT $1, $2, $3, o, p, s, $4 \
FROM unnest($5::bigint[], $6::bigint[], $7::bigint[]) WITH ORDINALITY AS given(o, p, s, n) ORDER BY n";

/// Inserts what is not known, or was known for too long; of a value that is given twice the first.
const INSERT_NEW: &str = "\
WITH given AS (SELECT DISTINCT ON (p, s) o, p, s, n FROM \
unnest($5::bigint[], $6::bigint[], $7::bigint[]) WITH ORDINALITY AS g(o, p, s, n) ORDER BY p, s, n), \
fresh AS (INSERT INTO applied SELECT $1, p, s, $8 FROM given ORDER BY n \
ON CONFLICT (consumer_group, producer, seq) DO UPDATE SET at_ms = excluded.at_ms WHERE applied.at_ms < $9 \
RETURNING producer, seq) \
INSERT INTO effects (consumer_group, topic, partition, record_offset, producer, seq, member) \
SELECT $1, $2, $3, o, p, s, $4 FROM given JOIN fresh ON p = producer AND s = seq ORDER BY n";

const READ: &str =
    "SELECT next_offset FROM positions WHERE consumer_group = $1 AND topic = $2 AND partition = $3";

const COMPARE_AND_SET: &str = "UPDATE positions SET next_offset = $4 \
WHERE consumer_group = $1 AND topic = $2 AND partition = $3 AND next_offset = $5";

const SET_FIRST: &str = "INSERT INTO positions (consumer_group, topic, partition, next_offset) \
VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING";

const SET: &str = "INSERT INTO positions (consumer_group, topic, partition, next_offset) \
VALUES ($1, $2, $3, $4) ON CONFLICT (consumer_group, topic, partition) \
DO UPDATE SET next_offset = excluded.next_offset";

impl Postgres {
    /// A server that is not connected to yet.
    pub(super) fn new(mut settings: Config) -> Result<Self, SinkError> {
        settings.connect_timeout(CONNECT).application_name("onceproof");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| SinkError::certain(KIND, error))?;
        Ok(Self { settings, runtime, session: None })
    }

    pub(super) fn store(&mut self, write: &Write<'_>) -> Result<Answer, SinkError> {
        self.connected()?;
        let Some(session) = &mut self.session else { unreachable!("it was just made") };
        let committing = Cell::new(false);
        let ended = self.runtime.block_on(within(CALL, session.store(write, &committing)));
        ended.map_err(|why| {
            self.session = None;
            match why {
                // The server says that it did not commit.
                Trouble::Answered(why) => SinkError::certain(KIND, why),
                Trouble::Cut(why) if committing.get() => SinkError::unknown(KIND, why),
                Trouble::Cut(why) => SinkError::certain(KIND, why),
            }
        })
    }

    pub(super) fn position(&mut self, group: &str, log: &TopicPartition) -> Result<Offset, SinkError> {
        self.connected()?;
        let Some(session) = &mut self.session else { unreachable!("it was just made") };
        let read = async {
            let row = session.client.query_opt(&session.read, &[&group, &log.topic, &log.partition]).await?;
            Ok(Offset(row.map_or(0, |row| row.get(0))))
        };
        let read = self.runtime.block_on(within(CALL, read));
        read.map_err(|why| {
            self.session = None;
            SinkError::certain(KIND, why.words())
        })
    }

    fn connected(&mut self) -> Result<(), SinkError> {
        if self.session.as_ref().is_some_and(|session| !session.client.is_closed()) {
            return Ok(());
        }
        self.session = None;
        let session = self.runtime.block_on(within(CONNECT, Session::begin(&self.settings)));
        self.session = Some(session.map_err(|why| SinkError::certain(KIND, why.words()))?);
        Ok(())
    }
}

/// Why a call did not succeed.
enum Trouble {
    /// The server answered with an error.
    Answered(String),
    /// There was no answer.
    Cut(String),
}

impl Trouble {
    fn words(self) -> String {
        match self {
            Self::Answered(why) | Self::Cut(why) => why,
        }
    }
}

impl From<tokio_postgres::Error> for Trouble {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.as_db_error() {
            // Class 57 is an operator's intervention: the session ends, and a commit that was under way may stand.
            Some(answer) if !answer.code().code().starts_with("57") => Self::Answered(answer.to_string()),
            Some(_) | None => {
                let source = std::error::Error::source(&error).map(|source| format!(": {source}"));
                Self::Cut(format!("{error}{}", source.unwrap_or_default()))
            }
        }
    }
}

async fn within<T>(patience: Duration, call: impl Future<Output = Result<T, Trouble>>) -> Result<T, Trouble> {
    match timeout(patience, call).await {
        Ok(ended) => ended,
        Err(_) => Err(Trouble::Cut(format!("no answer within {patience:?}"))),
    }
}

impl Session {
    async fn begin(settings: &Config) -> Result<Self, Trouble> {
        let (client, connection) = settings.connect(NoTls).await?;
        // What ends it is told to whoever uses the client.
        tokio::spawn(async { drop(connection.await) });
        Ok(Self {
            insert: client.prepare(INSERT).await?,
            insert_new: client.prepare(INSERT_NEW).await?,
            read: client.prepare(READ).await?,
            compare_and_set: client.prepare(COMPARE_AND_SET).await?,
            set_first: client.prepare(SET_FIRST).await?,
            set: client.prepare(SET).await?,
            client,
        })
    }

    async fn store(&mut self, write: &Write<'_>, committing: &Cell<bool>) -> Result<Answer, Trouble> {
        let statements = [&self.compare_and_set, &self.set_first, &self.set].map(Clone::clone);
        let (insert, insert_new, read) = (self.insert.clone(), self.insert_new.clone(), self.read.clone());
        let transaction = self.client.transaction().await?;
        if let Keep::Position { from, next } = write.keep
            && !moved(&transaction, &statements, write, (from, next)).await?
        {
            let log = write.log;
            let row = transaction.query_opt(&read, &[&write.group, &log.topic, &log.partition]).await?;
            transaction.rollback().await?;
            return Ok(Answer::Refused { position: Offset(row.map_or(0, |row| row.get(0))) });
        }
        let fresh = insert_all(&transaction, [&insert, &insert_new], write).await?;
        committing.set(true);
        transaction.commit().await?;
        Ok(Answer::Held { fresh })
    }
}

/// Whether the position could be moved.
async fn moved(
    transaction: &Transaction<'_>,
    [compare_and_set, set_first, set]: &[Statement; 3],
    write: &Write<'_>,
    (from, next): (Option<Offset>, Offset),
) -> Result<bool, Trouble> {
    let (group, topic, partition) = (&write.group, &write.log.topic, &write.log.partition);
    let Some(from) = from else {
        transaction.execute(set, &[group, topic, partition, &next.0]).await?;
        return Ok(true);
    };
    let moved = transaction.execute(compare_and_set, &[group, topic, partition, &next.0, &from.0]).await?;
    if moved == 0 && from == Offset(0) {
        return Ok(transaction.execute(set_first, &[group, topic, partition, &next.0]).await? == 1);
    }
    Ok(moved == 1)
}

async fn insert_all(
    transaction: &Transaction<'_>,
    [insert, insert_new]: [&Statement; 2],
    write: &Write<'_>,
) -> Result<u64, Trouble> {
    if write.effects.is_empty() {
        return Ok(0);
    }
    let column = |of: fn(&super::Effect) -> i64| write.effects.iter().map(of).collect::<Vec<i64>>();
    let offsets = column(|effect| effect.offset.0);
    let producers = column(|effect| effect.value.process.0.into());
    let sequences = column(|effect| effect.value.seq.0.into());
    let (group, log, member) = (&write.group, write.log, i64::from(write.member.0));
    let inserted = match write.keep {
        Keep::Nothing | Keep::Position { .. } => {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 7] =
                [group, &log.topic, &log.partition, &member, &offsets, &producers, &sequences];
            transaction.execute(insert, &values).await?
        }
        Keep::Key { now_ms, ttl_ms } => {
            let forgotten = ttl_ms.map_or(i64::MIN, |ttl| now_ms.saturating_sub(ttl));
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 9] = [
                group,
                &log.topic,
                &log.partition,
                &member,
                &offsets,
                &producers,
                &sequences,
                &now_ms,
                &forgotten,
            ];
            transaction.execute(insert_new, &values).await?
        }
    };
    Ok(inserted)
}
