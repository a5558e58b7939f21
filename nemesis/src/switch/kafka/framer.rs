//! Cuts a byte stream into Kafka messages without keeping their bodies.
//!
//! Bytes are offered in any portions; the framer takes what belongs to the current step and says when a
//! header is complete (the moment to decide) and when a message is (the moment to count).

/// Largest message that is believed; Kafka's own default limit is 100 MiB.
const MESSAGE_MAX: i32 = 256 << 20;
/// Size and correlation id.
const RESPONSE_HEAD: usize = 8;
/// Size, API, version, correlation id, length of the client id.
const REQUEST_HEAD: usize = 14;

/// The stream is not Kafka's, or following it went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NotKafka;

/// Which way messages go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Requests,
    Responses,
}

/// What has just become complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// A header; `start` and `end` are positions of the message in the stream.
    Header { start: u64, end: u64, head: Vec<u8> },
    /// The message, with its bytes if they were asked for.
    End { start: u64, message: Option<Vec<u8>> },
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    /// Collecting size and header.
    Head,
    /// Passing the body: that many bytes are left.
    Body(usize),
}

/// The state between portions.
#[derive(Clone, Debug)]
pub(crate) struct Framer {
    side: Side,
    step: Step,
    start: u64,
    head: Vec<u8>,
    kept: Option<Vec<u8>>,
}

impl Framer {
    /// At the start of a message.
    pub(crate) fn new(side: Side) -> Self {
        Self { side, step: Step::Head, start: 0, head: Vec::new(), kept: None }
    }

    /// Keeps the bytes of the message whose header was just given.
    pub(crate) fn keep(&mut self) {
        self.kept = Some(self.head.clone());
    }

    /// Size of the message in the stream, once known.
    fn total(&self) -> Result<Option<usize>, NotKafka> {
        let Some(size) = self.head.first_chunk().map(|bytes| i32::from_be_bytes(*bytes)) else {
            return Ok(None);
        };
        let least = match self.side {
            Side::Requests => REQUEST_HEAD - 4,
            Side::Responses => RESPONSE_HEAD - 4,
        };
        let size = usize::try_from(size).ok().filter(|size| *size >= least).ok_or(NotKafka)?;
        if size > usize::try_from(MESSAGE_MAX).unwrap_or(usize::MAX) {
            return Err(NotKafka);
        }
        Ok(Some(size + 4))
    }

    /// How long the header is, as far as is known.
    fn head_len(&self) -> Result<usize, NotKafka> {
        let Some(total) = self.total()? else { return Ok(4) };
        let len = match self.side {
            Side::Responses => RESPONSE_HEAD,
            Side::Requests => {
                let id = self.head.get(REQUEST_HEAD - 2..REQUEST_HEAD).and_then(|len| len.first_chunk());
                let id = id.map_or(0, |len| usize::try_from(i16::from_be_bytes(*len)).unwrap_or(0));
                REQUEST_HEAD + id
            }
        };
        if len > total { Err(NotKafka) } else { Ok(len) }
    }

    /// Takes a portion of `bytes`, the first of which is at position `at`. Call it until it takes nothing and
    /// gives nothing.
    pub(crate) fn next(&mut self, bytes: &[u8], at: u64) -> Result<(usize, Option<Piece>), NotKafka> {
        match self.step {
            Step::Head => {
                if self.head.is_empty() {
                    self.start = at;
                }
                let missing = self.head_len()? - self.head.len();
                let taken = missing.min(bytes.len());
                self.head.extend_from_slice(&bytes[..taken]);
                let len = self.head_len()?;
                if self.head.len() < len || len == 4 {
                    return Ok((taken, None));
                }
                let Some(total) = self.total()? else { return Ok((taken, None)) };
                self.step = Step::Body(total - len);
                let end = self.start + u64::try_from(total).unwrap_or(0);
                Ok((taken, Some(Piece::Header { start: self.start, end, head: self.head.clone() })))
            }
            Step::Body(left) => {
                let taken = left.min(bytes.len());
                if let Some(kept) = &mut self.kept {
                    kept.extend_from_slice(&bytes[..taken]);
                }
                if taken < left {
                    self.step = Step::Body(left - taken);
                    return Ok((taken, None));
                }
                let piece = Piece::End { start: self.start, message: self.kept.take() };
                *self = Self::new(self.side);
                Ok((taken, Some(piece)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(client_id: &str, body: usize) -> Vec<u8> {
        let mut message = vec![0, 0, 0, 9, 0, 0, 0, 42];
        message.extend(u16::try_from(client_id.len()).unwrap().to_be_bytes());
        message.extend(client_id.as_bytes());
        message.resize(message.len() + body, 7);
        let mut framed = u32::try_from(message.len()).unwrap().to_be_bytes().to_vec();
        framed.extend(message);
        framed
    }

    /// Feeds a stream in portions and gives what became complete.
    fn pieces(stream: &[u8], portion: usize) -> Vec<Piece> {
        let (mut framer, mut at, mut pieces) = (Framer::new(Side::Requests), 1, Vec::new());
        for mut bytes in stream.chunks(portion) {
            loop {
                let (taken, piece) = framer.next(bytes, at).unwrap();
                bytes = &bytes[taken..];
                at += u64::try_from(taken).unwrap();
                if matches!(piece, Some(Piece::Header { .. })) {
                    framer.keep();
                }
                let idle = taken == 0 && piece.is_none();
                pieces.extend(piece);
                if idle {
                    break;
                }
            }
        }
        pieces
    }

    #[test]
    fn messages_are_the_same_however_the_stream_is_cut() {
        let stream = [request("shop", 30), request("", 0), request("x", 1)].concat();
        let whole = pieces(&stream, stream.len());
        assert_eq!(whole.len(), 6);
        assert_eq!(whole[1], Piece::End { start: 1, message: Some(request("shop", 30)) });
        for portion in 1..stream.len() {
            assert_eq!(pieces(&stream, portion), whole, "portions of {portion}");
        }
    }

    #[test]
    fn a_stream_that_is_not_kafkas_is_recognised() {
        let mut framer = Framer::new(Side::Requests);
        assert!((0..3).any(|_| framer.next(b"GET / HTTP/1.1\r\n", 1).is_err()));
    }
}
