//! As much of Kafka's wire protocol as a fault on a single request needs.
//!
//! Messages are cut out of the byte stream by their size; of each the header is read, the body is skipped
//! unless a rule asks for it. Layouts are those of the protocol guide (Kafka 0.11 to 4.x): Produce from
//! version 3, with compact encodings from 9 and topic ids from 13; EndTxn with compact encodings from 3.

mod framer;
mod produce;
mod reader;

pub(crate) use framer::{Framer, NotKafka, Piece, Side};
pub(crate) use produce::{Batch, answers, records};

use super::rule::Api;
use reader::Reader;

/// What a request's header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RequestHeader {
    pub(crate) api: Api,
    pub(crate) version: i16,
    pub(crate) correlation: i32,
    pub(crate) client_id: String,
}

impl RequestHeader {
    /// Reads it from the start of a message, size included.
    pub(crate) fn read(message: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(message.get(4..)?);
        let (api, version, correlation) = (Api(reader.i16()?), reader.i16()?, reader.i32()?);
        let client_id = String::from_utf8_lossy(reader.string(false)?).into_owned();
        Some(Self { api, version, correlation, client_id })
    }
}

/// Correlation id of a response, from the start of its message.
pub(crate) fn correlation(message: &[u8]) -> Option<i32> {
    Reader::new(message.get(4..)?).i32()
}

/// A reader at the body of a whole request.
fn request_body(message: &[u8], compact: bool) -> Option<Reader<'_>> {
    let mut reader = Reader::new(message.get(12..)?);
    // The client id is never compact, for the sake of old brokers.
    reader.string(false)?;
    if compact {
        reader.tags()?;
    }
    Some(reader)
}

/// A reader at the body of a whole response.
fn response_body(message: &[u8], compact: bool) -> Option<Reader<'_>> {
    let mut reader = Reader::new(message.get(8..)?);
    if compact {
        reader.tags()?;
    }
    Some(reader)
}

/// Whether a whole EndTxn request commits.
pub(crate) fn commits(message: &[u8], version: i16) -> Option<bool> {
    let compact = version >= 3;
    let mut reader = request_body(message, compact)?;
    reader.string(compact)?;
    reader.skip(8 + 2)?;
    Some(reader.i8()? != 0)
}

/// Error code of a whole response whose body begins with the throttle time and the code.
pub(crate) fn plain_error(message: &[u8], api: Api, version: i16) -> Option<i16> {
    // AddOffsetsToTxn, EndTxn, InitProducerId: flexible from these versions on.
    let compact = match api {
        Api(25 | 26) => version >= 3,
        Api(22) => version >= 2,
        Api(_) => return None,
    };
    let mut reader = response_body(message, compact)?;
    reader.skip(4)?;
    reader.i16()
}
