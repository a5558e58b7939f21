//! One connection to one broker: one request at a time, each with a deadline.
//!
//! Versions are negotiated at the start: of what the broker offers and the crate knows, the newest below the
//! caller's limit is used. Limits exist where newer versions name topics by id, which would need a lookup
//! that the harness has no use for. After an error the connection is of no use any more, because a late
//! answer would be taken for the next one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use kafka_protocol::ResponseError;
use kafka_protocol::messages::{ApiVersionsRequest, RequestHeader, ResponseHeader};
use kafka_protocol::protocol::{Decodable, Encodable, HeaderVersion, Message, Request, StrBytes};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The largest answer that is accepted, in bytes.
const ANSWER_MAX: usize = 256 << 20;

/// What may go wrong between the harness and one broker.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// The connection could not be made or broke.
    #[error("{broker}: {error}")]
    Io {
        /// The broker's address.
        broker: SocketAddr,
        /// What went wrong.
        error: std::io::Error,
    },
    /// No answer in time.
    #[error("{broker} did not answer {api} within {waited:?}")]
    Timeout {
        /// The broker's address.
        broker: SocketAddr,
        /// The request.
        api: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// An answer that cannot be read, or a request that cannot be written.
    #[error("{broker}, {api}: {what}")]
    Malformed {
        /// The broker's address.
        broker: SocketAddr,
        /// The request.
        api: &'static str,
        /// What is wrong.
        what: String,
    },
    /// No version of a request is known to both sides.
    #[error("{broker} and this program share no version of {api}")]
    Version {
        /// The broker's address.
        broker: SocketAddr,
        /// The request.
        api: &'static str,
    },
    /// The broker answered with an error.
    #[error("{broker} answered {api}{} with {error}", .about.as_deref().map(|about| format!(" about {about}")).unwrap_or_default())]
    Refused {
        /// The broker's address.
        broker: SocketAddr,
        /// The request.
        api: &'static str,
        /// What it was about.
        about: Option<String>,
        /// The error.
        error: ResponseError,
    },
}

/// A connection to one broker.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
    broker: SocketAddr,
    name: StrBytes,
    correlation: i32,
    offered: BTreeMap<i16, (i16, i16)>,
    patience: Duration,
}

impl Client {
    /// Connects and negotiates. `patience` bounds this and every later exchange.
    pub async fn connect(broker: SocketAddr, name: &str, patience: Duration) -> Result<Client, WireError> {
        let connecting = timeout(patience, TcpStream::connect(broker)).await;
        let stream =
            connecting.map_err(|_| WireError::Timeout { broker, api: "connect", waited: patience })?;
        let stream = stream.map_err(|error| WireError::Io { broker, error })?;
        stream.set_nodelay(true).map_err(|error| WireError::Io { broker, error })?;
        let name = StrBytes::from_string(name.to_owned());
        let mut client = Client { stream, broker, name, correlation: 0, offered: BTreeMap::new(), patience };
        let request = ApiVersionsRequest::default()
            .with_client_software_name(StrBytes::from_static_str("onceproof"))
            .with_client_software_version(StrBytes::from_static_str(env!("CARGO_PKG_VERSION")));
        let answer = client.exchange("ApiVersions", &request, 3, patience).await?;
        client.accept("ApiVersions", None, answer.error_code)?;
        client.offered =
            answer.api_keys.iter().map(|key| (key.api_key, (key.min_version, key.max_version))).collect();
        Ok(client)
    }

    /// The broker's address.
    pub fn broker(&self) -> SocketAddr {
        self.broker
    }

    /// How long an answer is waited for.
    pub(super) fn patience(&self) -> Duration {
        self.patience
    }

    /// Asks, with the newest shared version not above `limit`.
    pub(super) async fn ask<R: Request>(
        &mut self,
        api: &'static str,
        request: &R,
        limit: i16,
    ) -> Result<R::Response, WireError> {
        self.ask_within(api, request, limit, self.patience).await
    }

    /// Asks, and waits longer than usual: for requests that the broker itself holds back.
    pub(super) async fn ask_within<R: Request>(
        &mut self,
        api: &'static str,
        request: &R,
        limit: i16,
        patience: Duration,
    ) -> Result<R::Response, WireError> {
        let (least, most) = self.offered.get(&R::KEY).copied().unwrap_or((1, 0));
        let ours = <R as Message>::VERSIONS;
        let version = most.min(ours.max).min(limit);
        if version < least.max(ours.min) {
            return Err(WireError::Version { broker: self.broker, api });
        }
        self.exchange(api, request, version, patience).await
    }

    /// An error code of an answer, as a result.
    pub(super) fn accept(
        &self,
        api: &'static str,
        about: Option<String>,
        code: i16,
    ) -> Result<(), WireError> {
        match ResponseError::try_from_code(code) {
            None => Ok(()),
            Some(error) => Err(WireError::Refused { broker: self.broker, api, about, error }),
        }
    }

    pub(super) fn malformed(&self, api: &'static str, what: impl std::fmt::Display) -> WireError {
        WireError::Malformed { broker: self.broker, api, what: what.to_string() }
    }

    async fn exchange<R: Request>(
        &mut self,
        api: &'static str,
        request: &R,
        version: i16,
        patience: Duration,
    ) -> Result<R::Response, WireError> {
        self.correlation = self.correlation.wrapping_add(1);
        let header = RequestHeader::default()
            .with_request_api_key(R::KEY)
            .with_request_api_version(version)
            .with_correlation_id(self.correlation)
            .with_client_id(Some(self.name.clone()));
        let mut frame = BytesMut::zeroed(4);
        header.encode(&mut frame, R::header_version(version)).map_err(|error| self.malformed(api, error))?;
        request.encode(&mut frame, version).map_err(|error| self.malformed(api, error))?;
        let length = u32::try_from(frame.len() - 4).map_err(|error| self.malformed(api, error))?;
        frame[..4].copy_from_slice(&length.to_be_bytes());
        let talk = async {
            self.stream.write_all(&frame).await?;
            read_frame(&mut self.stream).await
        };
        let answer = timeout(patience, talk).await;
        let answer = answer.map_err(|_| WireError::Timeout { broker: self.broker, api, waited: patience })?;
        let mut answer = answer.map_err(|error| WireError::Io { broker: self.broker, error })?;
        let header_version = <R::Response as HeaderVersion>::header_version(version);
        let header = ResponseHeader::decode(&mut answer, header_version)
            .map_err(|error| self.malformed(api, error))?;
        if header.correlation_id != self.correlation {
            return Err(self.malformed(
                api,
                format!("answer {} to request {}", header.correlation_id, self.correlation),
            ));
        }
        R::Response::decode(&mut answer, version).map_err(|error| self.malformed(api, error))
    }
}

async fn read_frame(stream: &mut TcpStream) -> std::io::Result<Bytes> {
    let length = stream.read_u32().await?;
    let length = usize::try_from(length).unwrap_or(usize::MAX);
    if length > ANSWER_MAX {
        return Err(std::io::Error::new(
            std::io::ErrorKind::InvalidData,
            format!("an answer of {length} bytes"),
        ));
    }
    let mut frame = BytesMut::with_capacity(length);
    while frame.len() < length {
        let missing = length - frame.len();
        // `read_buf` would take more than the frame if the buffer were larger than it.
        let mut limited = bytes::BufMut::limit(&mut frame, missing);
        if stream.read_buf(&mut limited).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(frame.freeze())
}
