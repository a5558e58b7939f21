//! HTTP: a service that is asked for each effect, as payment services are.
//!
//! | request | answer |
//! |---|---|
//! | `POST /effects`, a [`StoredEffect`] as JSON | 201: stored now |
//! | … with `Idempotency-Key: K` | 201, or 200 where the key is known; key and effect are stored together |
//! | … with `Idempotency-Expiry-Ms: N` as well | the key counts for so long only |
//! | … with `Expected-Offset: N` | 201, or 409 with a [`NextOffset`] unless the position is N; effect and position are stored together |
//! | … with `Store-Offset: N` | 201; the position is N then, whatever it was before |
//! | `GET /effects?after=I` | all effects with a number above I, in their order |
//! | `GET /positions?group=G&topic=T&partition=P` | a [`NextOffset`] |
//!
//! A request that was sent and not answered may have been served. One that found nobody to connect to was not; nor was one
//! that got an answer of another kind.

use history::ids::{Offset, TopicPartition};
use reqwest::StatusCode;
use reqwest::blocking::{Client, RequestBuilder};
use serde::{Deserialize, Serialize};

use super::{Answer, CALL, CONNECT, Effect, Keep, SinkError, Write};

const KIND: &str = "http";

/// Header: what makes the request the same as another.
pub const IDEMPOTENCY_KEY: &str = "Idempotency-Key";
/// Header: for how many milliseconds the key counts.
pub const IDEMPOTENCY_EXPIRY_MS: &str = "Idempotency-Expiry-Ms";
/// Header: where the position must be for the effect to be stored; it is behind the record then.
pub const EXPECTED_OFFSET: &str = "Expected-Offset";
/// Header: where the position is to be then, unconditionally.
pub const STORE_OFFSET: &str = "Store-Offset";

/// An effect as the service takes and shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoredEffect {
    /// Its number in the order of the service; given by the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Whose it is.
    pub consumer_group: String,
    /// Topic of the record.
    pub topic: String,
    /// Partition of the record.
    pub partition: i32,
    /// Offset of the record.
    pub record_offset: i64,
    /// Who sent the record.
    pub producer: u32,
    /// Its number among those of its producer.
    pub seq: u32,
    /// Process that asked for the effect.
    pub member: u32,
}

/// A position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NextOffset {
    /// The next offset.
    pub next_offset: i64,
}

/// A service.
#[derive(Debug)]
pub struct Http {
    client: Client,
    url: String,
}

impl Http {
    pub(super) fn new(url: &str) -> Result<Self, SinkError> {
        let client = Client::builder().no_proxy().connect_timeout(CONNECT).timeout(CALL).build();
        let client = client.map_err(|error| SinkError::certain(KIND, error))?;
        Ok(Self { client, url: url.trim_end_matches('/').to_owned() })
    }

    pub(super) fn store(&mut self, write: &Write<'_>) -> Result<Answer, SinkError> {
        match write.effects {
            [effect] => self.store_one(write, effect),
            effects => Err(SinkError::certain(KIND, format!("one effect a request, not {}", effects.len()))),
        }
    }

    fn store_one(&self, write: &Write<'_>, effect: &Effect) -> Result<Answer, SinkError> {
        let value = effect.value;
        let body = StoredEffect {
            id: None,
            consumer_group: write.group.to_owned(),
            topic: write.log.topic.clone(),
            partition: write.log.partition,
            record_offset: effect.offset.0,
            producer: value.process.0,
            seq: value.seq.0,
            member: write.member.0,
        };
        let request = self.client.post(format!("{}/effects", self.url)).json(&body);
        let request = match write.keep {
            Keep::Nothing => request,
            Keep::Position { from: Some(from), .. } => request.header(EXPECTED_OFFSET, from.0),
            Keep::Position { from: None, next } => request.header(STORE_OFFSET, next.0),
            Keep::Key { ttl_ms, .. } => {
                let key = format!("{}/{}/{}", write.group, value.process.0, value.seq.0);
                let request = request.header(IDEMPOTENCY_KEY, key);
                match ttl_ms {
                    Some(ttl) => request.header(IDEMPOTENCY_EXPIRY_MS, ttl),
                    None => request,
                }
            }
        };
        answer(request)
    }

    pub(super) fn position(&mut self, group: &str, log: &TopicPartition) -> Result<Offset, SinkError> {
        let query = [("group", group), ("topic", &log.topic), ("partition", &log.partition.to_string())];
        let asked = self.client.get(format!("{}/positions", self.url)).query(&query).send();
        let answer = asked.and_then(reqwest::blocking::Response::error_for_status);
        let position: NextOffset = answer
            .and_then(reqwest::blocking::Response::json)
            .map_err(|error| SinkError::certain(KIND, words(&error)))?;
        Ok(Offset(position.next_offset))
    }
}

fn answer(request: RequestBuilder) -> Result<Answer, SinkError> {
    let response = request.send().map_err(|error| match error.is_connect() || error.is_builder() {
        true => SinkError::certain(KIND, words(&error)),
        false => SinkError::unknown(KIND, words(&error)),
    })?;
    match response.status() {
        StatusCode::CREATED => Ok(Answer::Held { fresh: 1 }),
        StatusCode::OK => Ok(Answer::Held { fresh: 0 }),
        StatusCode::CONFLICT => {
            let position: NextOffset =
                response.json().map_err(|error| SinkError::certain(KIND, words(&error)))?;
            Ok(Answer::Refused { position: Offset(position.next_offset) })
        }
        status => {
            let said = response.text().unwrap_or_default();
            Err(SinkError::certain(KIND, format!("{status}: {said}")))
        }
    }
}

/// An error with its causes: the client's own words end where the reason begins.
fn words(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}
