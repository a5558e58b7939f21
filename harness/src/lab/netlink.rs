//! Interfaces and addresses by netlink, spoken directly.
//!
//! The lab must not depend on the `ip` program, and needs six requests only. A socket acts on the network
//! namespace of the thread that opened it. Each request waits for the kernel's acknowledgement.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd};

use nix::net::if_::if_nametoindex;
use nix::sys::socket::{AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, socket};

use super::LabError;

const HEADER_LEN: usize = 16;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_EXCL: u16 = 0x200;
const NLM_F_CREATE: u16 = 0x400;
const IFLA_ADDRESS: u16 = 1;
const IFLA_IFNAME: u16 = 3;
const IFLA_MASTER: u16 = 10;
const IFLA_TXQLEN: u16 = 13;
const IFLA_LINKINFO: u16 = 18;
const IFLA_NET_NS_FD: u16 = 28;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const VETH_INFO_PEER: u16 = 1;
const IFA_ADDRESS: u16 = 1;
const IFA_LOCAL: u16 = 2;

/// A hardware address.
pub type Mac = [u8; 6];

/// A request under construction: a body with nested attributes.
#[derive(Default)]
struct Body(Vec<u8>);

impl Body {
    /// `struct ifinfomsg`.
    fn link(index: u32, flags: u32, change: u32) -> Self {
        let mut body = vec![0; 4];
        body.extend(index.to_ne_bytes());
        body.extend(flags.to_ne_bytes());
        body.extend(change.to_ne_bytes());
        Self(body)
    }

    fn attribute(mut self, kind: u16, value: &[u8]) -> Self {
        let len = u16::try_from(value.len() + 4).unwrap_or(u16::MAX);
        self.0.extend(len.to_ne_bytes());
        self.0.extend(kind.to_ne_bytes());
        self.0.extend(value);
        self.0.resize(self.0.len().next_multiple_of(4), 0);
        self
    }

    fn name(self, kind: u16, value: &str) -> Self {
        let mut bytes = value.as_bytes().to_vec();
        bytes.push(0);
        self.attribute(kind, &bytes)
    }
}

/// A route netlink socket of one network namespace.
#[derive(Debug)]
pub struct Netlink {
    fd: OwnedFd,
}

/// One end of a veth pair.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Interface name.
    pub name: &'a str,
    /// Hardware address.
    pub mac: Mac,
}

impl Netlink {
    /// Opens a socket in the calling thread's network namespace.
    pub fn open() -> Result<Self, LabError> {
        let flags = SockFlag::SOCK_CLOEXEC;
        let fd = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)
            .map_err(|error| failed("socket", error.into()))?;
        Ok(Self { fd })
    }

    /// Number of interface `name` in the calling thread's network namespace.
    pub fn index(name: &str) -> Result<u32, LabError> {
        if_nametoindex(name).map_err(|error| failed(name, error.into()))
    }

    fn request(&self, what: &str, (kind, flags): (u16, u16), body: &Body) -> Result<(), LabError> {
        let len = u32::try_from(HEADER_LEN + body.0.len()).unwrap_or(u32::MAX);
        let mut message = len.to_ne_bytes().to_vec();
        message.extend(kind.to_ne_bytes());
        message.extend((flags | NLM_F_REQUEST | NLM_F_ACK).to_ne_bytes());
        // Sequence number and port: one request at a time, answered by the kernel alone.
        message.extend([0; 8]);
        message.extend(&body.0);
        let fd = self.fd.as_raw_fd();
        send(fd, &message, MsgFlags::empty()).map_err(|error| failed(what, error.into()))?;
        let mut answer = [0; 4096];
        let len = recv(fd, &mut answer, MsgFlags::empty()).map_err(|error| failed(what, error.into()))?;
        let code = answer.get(HEADER_LEN..len).and_then(|rest| rest.first_chunk::<4>());
        match code.map(|code| i32::from_ne_bytes(*code)) {
            Some(0) => Ok(()),
            Some(code) => Err(failed(what, io::Error::from_raw_os_error(-code))),
            None => Err(failed(what, io::ErrorKind::UnexpectedEof.into())),
        }
    }

    /// Brings an interface up, without ARP where asked.
    pub fn up(&self, index: u32, arp: Arp) -> Result<(), LabError> {
        let (up, noarp) = (flag(libc::IFF_UP), flag(libc::IFF_NOARP));
        let body = match arp {
            Arp::Kept => Body::link(index, up, up),
            Arp::Off => Body::link(index, up | noarp, up | noarp),
        };
        self.request("bring interface up", (libc::RTM_NEWLINK, 0), &body)
    }

    /// Sets how many frames the interface may hold back. By netlink this works in a user namespace too.
    pub fn queue_len(&self, index: u32, frames: u32) -> Result<(), LabError> {
        let body = Body::link(index, 0, 0).attribute(IFLA_TXQLEN, &frames.to_ne_bytes());
        self.request("set queue length", (libc::RTM_NEWLINK, 0), &body)
    }

    /// Adds an address; the prefix becomes a route once the interface is up.
    pub fn address(&self, index: u32, ip: Ipv4Addr, prefix: u8) -> Result<(), LabError> {
        let family = u8::try_from(libc::AF_INET).unwrap_or(2);
        let mut body = vec![family, prefix, 0, 0];
        body.extend(index.to_ne_bytes());
        let body = Body(body).attribute(IFA_LOCAL, &ip.octets()).attribute(IFA_ADDRESS, &ip.octets());
        self.request("add address", (libc::RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL), &body)
    }

    /// Makes a veth pair: one end here, the other in the network namespace `there`.
    pub fn veth(&self, here: End<'_>, peer: End<'_>, there: BorrowedFd<'_>) -> Result<(), LabError> {
        let far = Body::link(0, 0, 0)
            .name(IFLA_IFNAME, peer.name)
            .attribute(IFLA_ADDRESS, &peer.mac)
            .attribute(IFLA_NET_NS_FD, &there.as_raw_fd().to_ne_bytes());
        let data = Body::default().attribute(VETH_INFO_PEER, &far.0);
        let info = Body::default().name(IFLA_INFO_KIND, "veth").attribute(IFLA_INFO_DATA, &data.0);
        let body = Body::link(0, 0, 0)
            .name(IFLA_IFNAME, here.name)
            .attribute(IFLA_ADDRESS, &here.mac)
            .attribute(IFLA_LINKINFO, &info.0);
        self.request("make veth pair", (libc::RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL), &body)
    }

    /// Makes a kernel bridge. The lab has none; benchmarks compare with it.
    pub fn bridge(&self, name: &str) -> Result<(), LabError> {
        let info = Body::default().name(IFLA_INFO_KIND, "bridge");
        let body = Body::link(0, 0, 0).name(IFLA_IFNAME, name).attribute(IFLA_LINKINFO, &info.0);
        self.request("make bridge", (libc::RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL), &body)
    }

    /// Makes an interface a port of a bridge.
    pub fn enslave(&self, index: u32, bridge: u32) -> Result<(), LabError> {
        let body = Body::link(index, 0, 0).attribute(IFLA_MASTER, &bridge.to_ne_bytes());
        self.request("add interface to bridge", (libc::RTM_NEWLINK, 0), &body)
    }
}

/// Whether an interface resolves hardware addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arp {
    /// As it was made.
    Kept,
    /// Switched off: the switch writes the addresses.
    Off,
}

fn flag(bit: libc::c_int) -> u32 {
    u32::try_from(bit).unwrap_or(0)
}

fn failed(what: &str, source: io::Error) -> LabError {
    LabError::Network { what: what.to_owned(), source }
}
