//! One direction of a TCP connection, as the switch saw it.
//!
//! Positions count from the SYN in 64 bits, so that sequence numbers may wrap. `seen` is how far the stream
//! was parsed without a gap. A *barrier* is the position beyond which nothing is let through: a fault is a
//! barrier, never a decision about a frame, because frames are cut, merged and repeated at will. What the
//! receiver has got without a gap, its RCV.NXT, is therefore the smaller of the two.

use std::collections::BTreeMap;

use super::frame::{self, Frame, Packet, Rewrite, Tcp, flag};
use super::kafka::{Framer, Side};

/// Bytes behind a gap that are remembered before following is given up.
const STASH_MAX: usize = 8 << 20;

/// State of one direction.
#[derive(Debug)]
pub(crate) struct Stream {
    isn: u32,
    /// Parsed up to here.
    pub(crate) seen: u64,
    /// Nothing beyond this gets through.
    pub(crate) barrier: Option<u64>,
    /// The receiver has acknowledged up to here.
    pub(crate) acked: u64,
    /// Where the parser is.
    pub(crate) framer: Framer,
    /// Bytes behind a gap, which were let through.
    stash: BTreeMap<u64, Vec<u8>>,
    stash_bytes: usize,
    /// Whether the FIN has got through.
    fin: bool,
    /// The sender's newest timestamp.
    timestamp: Option<u32>,
    /// The newest frame of the sender, without its bytes.
    template: Option<Packet>,
}

/// Where the bytes of a frame lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Extent {
    /// Position of the first byte.
    pub(crate) start: u64,
    /// Position after the last byte.
    pub(crate) end: u64,
    /// Whether a FIN follows.
    pub(crate) fin: bool,
}

impl Stream {
    /// A direction whose SYN had this sequence number.
    pub(crate) fn new(side: Side, isn: u32) -> Self {
        Self {
            isn,
            seen: 1,
            barrier: None,
            acked: 0,
            framer: Framer::new(side),
            stash: BTreeMap::new(),
            stash_bytes: 0,
            fin: false,
            timestamp: None,
            template: None,
        }
    }

    /// Sequence number of a position.
    pub(crate) fn seq(&self, position: u64) -> u32 {
        // Sequence numbers are positions modulo 2^32, on purpose.
        let low = u32::try_from(position & u64::from(u32::MAX)).unwrap_or(0);
        self.isn.wrapping_add(low)
    }

    /// Position of a sequence number: the one nearest to what was seen.
    pub(crate) fn position(&self, seq: u32) -> u64 {
        let ahead = seq.wrapping_sub(self.seq(self.seen)).cast_signed();
        self.seen.saturating_add_signed(i64::from(ahead))
    }

    /// Where the bytes of a frame of this direction lie.
    pub(crate) fn extent(&self, tcp: Tcp<'_>) -> Extent {
        let start = self.position(tcp.seq());
        let len = u64::try_from(tcp.payload().len()).unwrap_or(0);
        Extent { start, end: start + len, fin: tcp.has(flag::FIN) }
    }

    /// The receiver's RCV.NXT.
    pub(crate) fn delivered(&self) -> u64 {
        let bytes = self.barrier.map_or(self.seen, |barrier| barrier.min(self.seen));
        bytes + u64::from(self.fin)
    }

    /// The FIN at the end of what was seen is let through.
    pub(crate) fn finish(&mut self) {
        self.fin = true;
    }

    /// Whether bytes behind a gap were let through.
    pub(crate) fn has_gap(&self) -> bool {
        !self.stash.is_empty()
    }

    /// Remembers bytes behind a gap; false if there are too many.
    pub(crate) fn stash(&mut self, start: u64, bytes: &[u8]) -> bool {
        let known = self.stash.get(&start).is_some_and(|known| known.len() >= bytes.len());
        if !known {
            let before = self.stash.insert(start, bytes.to_vec()).map_or(0, |before| before.len());
            self.stash_bytes = self.stash_bytes + bytes.len() - before;
        }
        self.stash_bytes <= STASH_MAX
    }

    /// Remembered bytes that continue what was seen.
    pub(crate) fn unstash(&mut self) -> Option<Vec<u8>> {
        loop {
            let (start, _) = self.stash.first_key_value()?;
            if *start > self.seen {
                return None;
            }
            let (start, bytes) = self.stash.pop_first()?;
            self.stash_bytes -= bytes.len();
            let known = usize::try_from(self.seen - start).unwrap_or(usize::MAX);
            if let Some(new) = bytes.get(known..).filter(|new| !new.is_empty()) {
                return Some(new.to_vec());
            }
        }
    }

    /// Takes notes from a frame of this direction, for frames forged later; the newest frame's headers only
    /// while there are `rules`, since they cost a copy.
    pub(crate) fn note(&mut self, tcp: Tcp<'_>, rules: bool) {
        if let Some(time) = tcp.timestamp() {
            let newer = self.timestamp.is_none_or(|known| time.wrapping_sub(known).cast_signed() >= 0);
            self.timestamp = if newer { Some(time) } else { self.timestamp };
        }
        if rules || self.template.is_none() {
            let rewrite = Rewrite { flags: flag::ACK, ..Rewrite::keeping(tcp) };
            self.template = Some(frame::rebuild(tcp, &[], rewrite));
        }
    }

    /// A frame of this direction cut at the barrier: what lies before it, with the frame's acknowledgement; a
    /// frame that lies behind it altogether becomes a bare acknowledgement at the barrier.
    pub(crate) fn cut(&self, frame: Frame<'_>, tcp: Tcp<'_>, extent: Extent, barrier: u64) -> Packet {
        let left = usize::try_from(barrier.saturating_sub(extent.start)).unwrap_or(usize::MAX);
        let payload = &tcp.payload()[..left.min(tcp.payload().len())];
        let seq = self.seq(extent.start.min(barrier));
        let flags = tcp.flags() & !(flag::FIN | flag::PSH);
        let segment = frame.vnet.segment_size();
        frame::rebuild(tcp, payload, Rewrite { seq, flags, segment, ..Rewrite::keeping(tcp) })
    }

    /// A bare acknowledgement by the sender of this direction, of `ack` in the other.
    pub(crate) fn acknowledge(&self, ack: u32) -> Option<Packet> {
        let template = self.template.as_ref()?;
        let tcp = template.frame().tcp()?;
        let seq = self.seq(self.delivered());
        let timestamp = self.timestamp;
        let rewrite = Rewrite { seq, ack, flags: flag::ACK, timestamp, ..Rewrite::keeping(tcp) };
        Some(frame::rebuild(tcp, &[], rewrite))
    }

    /// A reset that the receiver of this direction believes.
    pub(crate) fn reset(&self, ack: u32) -> Option<Packet> {
        let template = self.template.as_ref()?;
        let tcp = template.frame().tcp()?;
        let seq = self.seq(self.delivered());
        let rewrite = Rewrite { seq, ack, flags: flag::RST | flag::ACK, ..Rewrite::keeping(tcp) };
        Some(frame::rebuild(tcp, &[], rewrite))
    }

    /// A held frame as it is sent at last: with the newest acknowledgement and timestamp, else the receiver
    /// takes it for an old duplicate.
    pub(crate) fn renew(&self, held: &Packet, ack: u32) -> Packet {
        let frame = held.frame();
        let Some(tcp) = frame.tcp() else { return held.clone() };
        let (timestamp, segment) = (self.timestamp, frame.vnet.segment_size());
        let rewrite = Rewrite { ack, timestamp, segment, ..Rewrite::keeping(tcp) };
        frame::rebuild(tcp, tcp.payload(), rewrite)
    }
}
