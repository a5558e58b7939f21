//! A frame as the switch sees it: an IPv4 packet and its offload header.
//!
//! Devices differ (TUN has no Ethernet header, a packet ring has), so everything behind them works on the bare
//! packet, and the offload header (`virtio_net_hdr`, 10 bytes, in the machine's byte order) counts its
//! checksum start from the packet's first byte. A view never copies; [`Packet`] owns its bytes, for frames
//! that wait, are rewritten or are forged.

use std::net::Ipv4Addr;

/// Size of the offload header on the device.
pub(crate) const VNET_LEN: usize = 10;
const NEEDS_CSUM: u8 = 1;
const GSO_TCPV4: u8 = 1;
const GSO_ECN: u8 = 0x80;
const PROTOCOL_TCP: u8 = 6;
/// Offset of the checksum in a TCP header.
const TCP_CSUM: usize = 16;

/// The offload header: what the receiver's kernel may trust and must still do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Vnet {
    flags: u8,
    gso_type: u8,
    hdr_len: u16,
    gso_size: u16,
    csum_start: u16,
    csum_offset: u16,
}

impl Vnet {
    /// Reads a header whose offsets count from `l2` bytes before the packet.
    pub(crate) fn read(raw: &[u8], l2: u16) -> Option<Self> {
        let raw: &[u8; VNET_LEN] = raw.first_chunk()?;
        let word = |at: usize| u16::from_ne_bytes([raw[at], raw[at + 1]]);
        let vnet = Self {
            flags: raw[0],
            gso_type: raw[1],
            hdr_len: word(2).saturating_sub(l2),
            gso_size: word(4),
            csum_start: word(6).saturating_sub(l2),
            csum_offset: word(8),
        };
        Some(vnet)
    }

    /// The bytes for a device whose offsets count from `l2` bytes before the packet.
    pub(crate) fn bytes(self, l2: u16) -> [u8; VNET_LEN] {
        let shift = |n: u16, used: bool| if used { n + l2 } else { 0 }.to_ne_bytes();
        let mut raw = [self.flags, self.gso_type, 0, 0, 0, 0, 0, 0, 0, 0];
        raw[2..4].copy_from_slice(&shift(self.hdr_len, self.hdr_len > 0));
        raw[4..6].copy_from_slice(&self.gso_size.to_ne_bytes());
        raw[6..8].copy_from_slice(&shift(self.csum_start, self.needs_checksum()));
        raw[8..10].copy_from_slice(&self.csum_offset.to_ne_bytes());
        raw
    }

    /// Whether the checksum field holds only the pseudo-header's sum.
    fn needs_checksum(self) -> bool {
        self.flags & NEEDS_CSUM != 0
    }

    /// Payload bytes of each segment, if the packet stands for several.
    pub(crate) fn segment_size(self) -> Option<usize> {
        (self.gso_type & !GSO_ECN == GSO_TCPV4 && self.gso_size > 0).then_some(usize::from(self.gso_size))
    }

    /// The header of a TCP packet whose checksum field holds the pseudo-header's sum.
    fn partial(tcp_start: usize, header_len: usize, segment: Option<usize>) -> Self {
        let short = |n: usize| u16::try_from(n).unwrap_or(u16::MAX);
        Self {
            flags: NEEDS_CSUM,
            gso_type: if segment.is_some() { GSO_TCPV4 } else { 0 },
            hdr_len: if segment.is_some() { short(header_len) } else { 0 },
            gso_size: segment.map_or(0, short),
            csum_start: short(tcp_start),
            csum_offset: short(TCP_CSUM),
        }
    }
}

/// A frame on its way, borrowed from the device's buffer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Frame<'a> {
    /// Its offload header.
    pub(crate) vnet: Vnet,
    /// The IPv4 packet.
    pub(crate) packet: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Source and destination, if it is an IPv4 packet.
    pub(crate) fn addresses(self) -> Option<(Ipv4Addr, Ipv4Addr)> {
        let header: &[u8; 20] = self.packet.first_chunk()?;
        if header[0] >> 4 != 4 {
            return None;
        }
        let at = |n: usize| Ipv4Addr::new(header[n], header[n + 1], header[n + 2], header[n + 3]);
        Some((at(12), at(16)))
    }

    /// The TCP segment in it, if it is one (and no fragment).
    pub(crate) fn tcp(self) -> Option<Tcp<'a>> {
        let ip: &[u8; 20] = self.packet.first_chunk()?;
        let fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x3fff;
        if ip[0] >> 4 != 4 || ip[9] != PROTOCOL_TCP || fragment != 0 {
            return None;
        }
        let start = usize::from(ip[0] & 15) * 4;
        let total = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let packet = self.packet.get(..total)?;
        let header: &[u8; 20] = packet.get(start..)?.first_chunk()?;
        let payload = start + usize::from(header[12] >> 4) * 4;
        (payload >= start + 20 && payload <= total && start >= 20).then_some(Tcp { packet, start, payload })
    }

    /// A copy that can wait.
    pub(crate) fn to_packet(self) -> Packet {
        Packet { vnet: self.vnet, bytes: self.packet.to_vec() }
    }
}

/// An owned frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Packet {
    /// Its offload header.
    pub(crate) vnet: Vnet,
    /// The IPv4 packet.
    pub(crate) bytes: Vec<u8>,
}

impl Packet {
    /// A view of it.
    pub(crate) fn frame(&self) -> Frame<'_> {
        Frame { vnet: self.vnet, packet: &self.bytes }
    }
}

/// The flags of a TCP header that matter here.
pub(crate) mod flag {
    pub(crate) const FIN: u8 = 1;
    pub(crate) const SYN: u8 = 2;
    pub(crate) const RST: u8 = 4;
    pub(crate) const PSH: u8 = 8;
    pub(crate) const ACK: u8 = 16;
    pub(crate) const CWR: u8 = 128;
}

/// A TCP segment inside a packet.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tcp<'a> {
    packet: &'a [u8],
    start: usize,
    payload: usize,
}

impl<'a> Tcp<'a> {
    fn byte(self, at: usize) -> u8 {
        self.packet[self.start + at]
    }

    fn long(self, at: usize) -> u32 {
        u32::from_be_bytes([self.byte(at), self.byte(at + 1), self.byte(at + 2), self.byte(at + 3)])
    }

    /// Source port.
    pub(crate) fn source(self) -> u16 {
        u16::from_be_bytes([self.byte(0), self.byte(1)])
    }

    /// Destination port.
    pub(crate) fn destination(self) -> u16 {
        u16::from_be_bytes([self.byte(2), self.byte(3)])
    }

    /// Sequence number of the first byte (of the SYN, if it is one).
    pub(crate) fn seq(self) -> u32 {
        self.long(4)
    }

    /// Acknowledgement number; meaningful only with the ACK flag.
    pub(crate) fn ack(self) -> u32 {
        self.long(8)
    }

    /// Whether all of `flags` are set.
    pub(crate) fn has(self, flags: u8) -> bool {
        self.byte(13) & flags == flags
    }

    /// All flags.
    pub(crate) fn flags(self) -> u8 {
        self.byte(13)
    }

    /// The bytes it carries.
    pub(crate) fn payload(self) -> &'a [u8] {
        &self.packet[self.payload..]
    }

    /// IP and TCP header.
    pub(crate) fn headers(self) -> &'a [u8] {
        &self.packet[..self.payload]
    }

    /// How far it moves the sequence: its bytes, one for SYN, one for FIN.
    pub(crate) fn length(self) -> u32 {
        let bytes = u32::try_from(self.payload().len()).unwrap_or(u32::MAX);
        bytes + u32::from(self.has(flag::SYN)) + u32::from(self.has(flag::FIN))
    }

    /// Where the timestamp option's value starts in the packet, if there is one.
    fn timestamp_at(self) -> Option<usize> {
        let mut at = self.start + 20;
        while at < self.payload {
            match self.packet[at] {
                0 => return None,
                1 => at += 1,
                kind => {
                    let len = usize::from(*self.packet.get(at + 1)?);
                    if kind == 8 && len == 10 && at + 10 <= self.payload {
                        return Some(at + 2);
                    }
                    at += len.max(2);
                }
            }
        }
        None
    }

    /// The sender's timestamp, if the option is there.
    pub(crate) fn timestamp(self) -> Option<u32> {
        let at = self.timestamp_at()?;
        self.packet[at..].first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
    }
}

/// What a rewritten segment keeps and what it gets anew; the rest comes from the headers it was made from.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rewrite {
    /// Sequence number.
    pub(crate) seq: u32,
    /// Acknowledgement number.
    pub(crate) ack: u32,
    /// Flags.
    pub(crate) flags: u8,
    /// Sender's timestamp, to replace an existing one.
    pub(crate) timestamp: Option<u32>,
    /// What is added to the IP identification.
    pub(crate) id_step: u16,
    /// Payload bytes of each segment, if it stands for several.
    pub(crate) segment: Option<usize>,
}

impl Rewrite {
    /// Everything as it is.
    pub(crate) fn keeping(tcp: Tcp<'_>) -> Self {
        Self {
            seq: tcp.seq(),
            ack: tcp.ack(),
            flags: tcp.flags(),
            timestamp: None,
            id_step: 0,
            segment: None,
        }
    }
}

/// A packet with the headers of `tcp`, changed as `rewrite` says, and `payload` behind them. Lengths and IP
/// checksum are right; the TCP checksum is left to the receiver's kernel, which trusts the offload header.
pub(crate) fn rebuild(tcp: Tcp<'_>, payload: &[u8], rewrite: Rewrite) -> Packet {
    let start = tcp.start;
    let mut bytes = Vec::with_capacity(tcp.payload + payload.len());
    bytes.extend_from_slice(tcp.headers());
    bytes.extend_from_slice(payload);
    let put =
        |bytes: &mut Vec<u8>, at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
    let total = u16::try_from(bytes.len()).unwrap_or(u16::MAX);
    put(&mut bytes, 2, &total.to_be_bytes());
    let id = u16::from_be_bytes([bytes[4], bytes[5]]).wrapping_add(rewrite.id_step);
    put(&mut bytes, 4, &id.to_be_bytes());
    put(&mut bytes, 10, &[0, 0]);
    let sum = !fold(add(0, &bytes[..start]));
    put(&mut bytes, 10, &sum.to_be_bytes());
    put(&mut bytes, start + 4, &rewrite.seq.to_be_bytes());
    put(&mut bytes, start + 8, &rewrite.ack.to_be_bytes());
    bytes[start + 13] = rewrite.flags;
    if let (Some(at), Some(value)) = (tcp.timestamp_at(), rewrite.timestamp) {
        put(&mut bytes, at, &value.to_be_bytes());
    }
    let segment = rewrite.segment.filter(|size| *size < payload.len());
    seal(bytes, start, tcp.payload, segment)
}

/// Sets the partial checksum and the offload header.
fn seal(mut bytes: Vec<u8>, start: usize, headers: usize, segment: Option<usize>) -> Packet {
    let tcp_len = u32::try_from(bytes.len() - start).unwrap_or(0);
    let pseudo = fold(add(u32::from(PROTOCOL_TCP) + tcp_len, &bytes[12..20]));
    bytes[start + TCP_CSUM..start + TCP_CSUM + 2].copy_from_slice(&pseudo.to_be_bytes());
    Packet { vnet: Vnet::partial(start, headers, segment), bytes }
}

/// The same headers with the ends exchanged: a bare segment from the receiver of `tcp` to its sender. IP
/// options and TCP options are left out.
pub(crate) fn answer(tcp: Tcp<'_>, seq: u32, ack: u32, flags: u8) -> Packet {
    let mut bytes = vec![0; 40];
    bytes[0] = 0x45;
    bytes[3] = 40;
    bytes[6] = 0x40;
    bytes[8] = 64;
    bytes[9] = PROTOCOL_TCP;
    bytes[12..16].copy_from_slice(&tcp.packet[16..20]);
    bytes[16..20].copy_from_slice(&tcp.packet[12..16]);
    bytes[20..22].copy_from_slice(&tcp.destination().to_be_bytes());
    bytes[22..24].copy_from_slice(&tcp.source().to_be_bytes());
    bytes[24..28].copy_from_slice(&seq.to_be_bytes());
    bytes[28..32].copy_from_slice(&ack.to_be_bytes());
    bytes[32] = 5 << 4;
    bytes[33] = flags;
    let sum = !fold(add(0, &bytes[..20]));
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    seal(bytes, 20, 40, None)
}

/// Adds big-endian words, as the Internet checksum does.
fn add(sum: u32, bytes: &[u8]) -> u32 {
    bytes.chunks(2).fold(sum, |sum, pair| {
        let low = pair.get(1).copied().unwrap_or(0);
        sum + u32::from(u16::from_be_bytes([pair[0], low]))
    })
}

fn fold(sum: u32) -> u16 {
    let once = (sum >> 16) + (sum & 0xffff);
    let twice = (once >> 16) + (once & 0xffff);
    u16::try_from(twice & 0xffff).unwrap_or(u16::MAX)
}

/// Splits a frame that stands for several segments into those segments; any other frame comes back alone.
pub(crate) fn segments(frame: Frame<'_>) -> Vec<Packet> {
    let (Some(size), Some(tcp)) = (frame.vnet.segment_size(), frame.tcp()) else {
        return vec![frame.to_packet()];
    };
    let payload = tcp.payload();
    let last = payload.len().div_ceil(size).saturating_sub(1);
    let mut seq = tcp.seq();
    let mut segments = Vec::with_capacity(last + 1);
    for (index, part) in payload.chunks(size).enumerate() {
        let mut flags = tcp.flags();
        if index != last {
            flags &= !(flag::FIN | flag::PSH);
        }
        if index != 0 {
            flags &= !flag::CWR;
        }
        let id_step = u16::try_from(index).unwrap_or(0);
        let rewrite = Rewrite { seq, flags, id_step, ..Rewrite::keeping(tcp) };
        segments.push(rebuild(tcp, part, rewrite));
        seq = seq.wrapping_add(u32::try_from(part.len()).unwrap_or(0));
    }
    segments
}
