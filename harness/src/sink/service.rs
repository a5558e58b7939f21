//! The HTTP service: what an application would call to have something done, with `Idempotency-Key`.
//!
//! A hidden call of this program, on the node `sink`. Requests and answers are documented where they are made
//! (`workloads::sink`). It keeps everything in a SQLite database, in which an effect, its key and the position are one
//! transaction, so that a service that is killed and started again knows what it did.

use std::ffi::OsString;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use history::ids::{Offset, Process, Seq, TopicPartition, Value};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use workloads::sink::{
    Answer, EXPECTED_OFFSET, Effect, IDEMPOTENCY_EXPIRY_MS, IDEMPOTENCY_KEY, Keep, NextOffset, STORE_OFFSET,
    Sqlite, StoredEffect, Write as Order,
};

use super::SERVICE_PORT;

/// First argument of the hidden call that is the service.
pub const HIDDEN: &str = "sink-service";

/// Most effects in one answer.
const PAGE: i64 = 10_000;

/// What the service knows.
struct Store {
    sqlite: Sqlite,
    reader: Connection,
}

type Shared = Arc<Mutex<Store>>;

/// The hidden call: serves until it is killed.
pub fn serve(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(database) = args.next() else { return ExitCode::from(64) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let ended = match runtime {
        Ok(runtime) => runtime.block_on(listen(Path::new(&database))),
        Err(error) => Err(error.to_string()),
    };
    if let Err(why) = ended {
        let _ = writeln!(std::io::stderr(), "{HIDDEN}: {why}");
    }
    ExitCode::FAILURE
}

async fn listen(database: &Path) -> Result<(), String> {
    let router = router(database)?;
    // Only the lab's own network reaches this node.
    let address = SocketAddr::from((Ipv4Addr::UNSPECIFIED, SERVICE_PORT));
    let listener = tokio::net::TcpListener::bind(address).await.map_err(|error| error.to_string())?;
    axum::serve(listener, router).await.map_err(|error| error.to_string())
}

/// The service's routes over a database that has its tables.
///
/// # Errors
/// When the database cannot be opened.
pub fn router(database: &Path) -> Result<Router, String> {
    let sqlite = Sqlite::open(database).map_err(|error| error.to_string())?;
    let reader = Connection::open(database).map_err(|error| error.to_string())?;
    let store: Shared = Arc::new(Mutex::new(Store { sqlite, reader }));
    let router = Router::new()
        .route("/effects", post(store_effect).get(effects))
        .route("/positions", get(position))
        .with_state(store);
    Ok(router)
}

async fn store_effect(
    State(store): State<Shared>,
    headers: HeaderMap,
    Json(body): Json<StoredEffect>,
) -> Response {
    let keep = match keep(&headers, body.record_offset) {
        Ok(keep) => keep,
        Err(why) => return (StatusCode::BAD_REQUEST, why).into_response(),
    };
    let log = TopicPartition::new(body.topic, body.partition);
    let value = Value { process: Process(body.producer), seq: Seq(body.seq) };
    let effects = [Effect { offset: Offset(body.record_offset), value }];
    let order = Order {
        group: &body.consumer_group,
        log: &log,
        member: Process(body.member),
        effects: &effects,
        keep,
    };
    let answer = store.lock().unwrap_or_else(PoisonError::into_inner).sqlite.store(&order);
    match answer {
        Ok(Answer::Held { fresh: 0 }) => StatusCode::OK.into_response(),
        Ok(Answer::Held { .. }) => StatusCode::CREATED.into_response(),
        Ok(Answer::Refused { position }) => {
            (StatusCode::CONFLICT, Json(NextOffset { next_offset: position.0 })).into_response()
        }
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What the headers ask to be kept with the effect.
fn keep(headers: &HeaderMap, offset: i64) -> Result<Keep, String> {
    let number = |name: &str| match headers.get(name) {
        None => Ok(None),
        Some(value) => {
            let number = value.to_str().ok().and_then(|text| text.parse::<i64>().ok());
            number.map(Some).ok_or_else(|| format!("{name} is not a number"))
        }
    };
    if headers.contains_key(IDEMPOTENCY_KEY) {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        return Ok(Keep::Key { now_ms, ttl_ms: number(IDEMPOTENCY_EXPIRY_MS)? });
    }
    let next = Offset(offset.saturating_add(1));
    match (number(EXPECTED_OFFSET)?, number(STORE_OFFSET)?) {
        (Some(from), _) => Ok(Keep::Position { from: Some(Offset(from)), next }),
        (None, Some(next)) => Ok(Keep::Position { from: None, next: Offset(next) }),
        (None, None) => Ok(Keep::Nothing),
    }
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: i64,
}

/// A page of effects, and how many there are in all.
#[derive(Debug, Serialize, Deserialize)]
pub struct Page {
    /// Effects with a number above the one asked for, in their order.
    pub effects: Vec<StoredEffect>,
    /// How many the service holds.
    pub total: u64,
}

async fn effects(State(store): State<Shared>, Query(after): Query<After>) -> Response {
    let store = store.lock().unwrap_or_else(PoisonError::into_inner);
    match page(&store.reader, after.after, PAGE) {
        Ok(page) => Json(page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}

/// What an effect is, column by column.
pub(super) const COLUMNS: &str = "id, consumer_group, topic, partition, record_offset, producer, seq, member";

/// Effects with a number above `after`, at most so many of them; all where `most` is negative.
pub(super) fn page(connection: &Connection, after: i64, most: i64) -> Result<Page, rusqlite::Error> {
    let total: i64 = connection.query_row("SELECT count(*) FROM effects", [], |row| row.get(0))?;
    let sql = format!("SELECT {COLUMNS} FROM effects WHERE id > ?1 ORDER BY id LIMIT ?2");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map(params![after, most], |row| {
        Ok(StoredEffect {
            id: row.get(0)?,
            consumer_group: row.get(1)?,
            topic: row.get(2)?,
            partition: row.get(3)?,
            record_offset: row.get(4)?,
            producer: row.get(5)?,
            seq: row.get(6)?,
            member: row.get(7)?,
        })
    })?;
    let total = u64::try_from(total).unwrap_or_default();
    Ok(Page { effects: rows.collect::<Result<_, _>>()?, total })
}

#[derive(Deserialize)]
struct Which {
    group: String,
    topic: String,
    partition: i32,
}

async fn position(State(store): State<Shared>, Query(which): Query<Which>) -> Response {
    let log = TopicPartition::new(which.topic, which.partition);
    let mut store = store.lock().unwrap_or_else(PoisonError::into_inner);
    match store.sqlite.position(&which.group, &log) {
        Ok(position) => Json(NextOffset { next_offset: position.0 }).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()).into_response(),
    }
}
