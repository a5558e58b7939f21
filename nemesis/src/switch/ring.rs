//! A packet ring on the switch's end of a veth pair: the way without `/dev/net/tun`.
//!
//! Without a ring the socket's buffer overflows silently at the usual `rmem_max` (thousands of drops in four
//! seconds); a TPACKET_V2 ring of 128 slots that hold a whole GSO packet each lost none. The offload header
//! sits ten bytes before the Ethernet header. Must be opened on a thread inside the namespace of the
//! interface.

#![expect(
    unsafe_code,
    reason = "the ring is memory shared with the kernel; packet sockets have no safe wrapper"
)]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};

use super::frame::{Frame, VNET_LEN, Vnet};

const SLOTS: usize = 128;
/// Holds 64 KiB of packet with all headers.
const SLOT_LEN: usize = 128 * 1024;
/// Ethernet header.
pub(crate) const ETH_LEN: u16 = 14;
const ETH_P_IP: u16 = 0x0800;

/// An open packet socket with its ring.
#[derive(Debug)]
pub struct Ring {
    fd: OwnedFd,
    memory: NonNull<u8>,
    next: usize,
    taken: bool,
    /// What the switch writes before each packet: the node's address, its own, IPv4.
    header: [u8; 14],
}

// SAFETY: the mapping belongs to this value alone and is reachable from any thread.
unsafe impl Send for Ring {}

impl Ring {
    /// Whether packet sockets can be made in the calling thread's network namespace.
    pub fn probe() -> io::Result<()> {
        socket().map(drop)
    }

    /// A ring on interface number `interface` (address `own`), whose peer in the node has address `node`.
    pub fn open(interface: u32, own: [u8; 6], node: [u8; 6]) -> io::Result<Self> {
        let fd = socket()?;
        let one: libc::c_int = 1;
        set(&fd, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V2 as libc::c_int))?;
        set(&fd, libc::PACKET_VNET_HDR, &one)?;
        // Not in every kernel; then our own frames are told by their packet type, which the protocol filter does.
        let _ = set(&fd, PACKET_IGNORE_OUTGOING, &one);
        let request = libc::tpacket_req {
            tp_block_size: fit(SLOT_LEN),
            tp_block_nr: fit(SLOTS),
            tp_frame_size: fit(SLOT_LEN),
            tp_frame_nr: fit(SLOTS),
        };
        set(&fd, libc::PACKET_RX_RING, &request)?;
        let memory = map(&fd)?;
        let mut header = [0; 14];
        header[..6].copy_from_slice(&node);
        header[6..12].copy_from_slice(&own);
        header[12..].copy_from_slice(&ETH_P_IP.to_be_bytes());
        let ring = Self { fd, memory, next: 0, taken: false, header };
        bind(&ring.fd, interface)?;
        Ok(ring)
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    pub(crate) fn try_clone_fd(&self) -> io::Result<OwnedFd> {
        self.fd.try_clone()
    }

    pub(crate) fn header(&self) -> [u8; 14] {
        self.header
    }

    fn slot(&self) -> NonNull<u8> {
        // SAFETY: `next` is below SLOTS and the mapping holds SLOTS slots.
        unsafe { self.memory.add(self.next * SLOT_LEN) }
    }

    fn status(&self) -> &AtomicU32 {
        // SAFETY: a slot begins with `tp_status`, aligned, which the kernel changes atomically.
        unsafe { self.slot().cast::<AtomicU32>().as_ref() }
    }

    /// Gives the last frame's slot back to the kernel.
    pub(crate) fn release(&mut self) {
        if self.taken {
            self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
            self.next = (self.next + 1) % SLOTS;
            self.taken = false;
        }
    }

    /// The next frame, if one is there; the one before it is released.
    pub(crate) fn receive(&mut self) -> Option<Frame<'_>> {
        self.release();
        while self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER != 0 {
            self.taken = true;
            // SAFETY: the slot is ours until released and begins with a `tpacket2_hdr`.
            let header = unsafe { self.slot().cast::<libc::tpacket2_hdr>().as_ref() };
            let (mac, len) = (usize::from(header.tp_mac), usize::try_from(header.tp_snaplen).unwrap_or(0));
            let eth = usize::from(ETH_LEN);
            if mac >= VNET_LEN && len > eth && mac + len <= SLOT_LEN {
                // SAFETY: within the slot, by the check above, and the kernel leaves it alone until released.
                let raw = unsafe {
                    std::slice::from_raw_parts(self.slot().add(mac - VNET_LEN).as_ptr(), VNET_LEN + len)
                };
                let vnet = Vnet::read(raw, ETH_LEN)?;
                return Some(Frame { vnet, packet: &raw[VNET_LEN + eth..] });
            }
            self.release();
        }
        None
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this length and nothing borrows it any more.
        unsafe { libc::munmap(self.memory.as_ptr().cast(), SLOTS * SLOT_LEN) };
    }
}

const PACKET_IGNORE_OUTGOING: libc::c_int = 23;

fn fit(n: usize) -> libc::c_uint {
    libc::c_uint::try_from(n).unwrap_or(libc::c_uint::MAX)
}

/// A packet socket that receives nothing until it is bound.
fn socket() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_RAW | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no pointers.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: just made, owned by nobody else.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn set<T>(fd: &OwnedFd, option: libc::c_int, value: &T) -> io::Result<()> {
    let len = libc::socklen_t::try_from(size_of::<T>()).unwrap_or(0);
    let value = std::ptr::from_ref(value).cast();
    // SAFETY: the pointer is to a live value of `len` bytes.
    check(unsafe { libc::setsockopt(fd.as_raw_fd(), libc::SOL_PACKET, option, value, len) })
}

fn map(fd: &OwnedFd) -> io::Result<NonNull<u8>> {
    let (protection, flags) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    let len = SLOTS * SLOT_LEN;
    // SAFETY: a fresh mapping; the kernel chooses the address.
    let memory = unsafe { libc::mmap(std::ptr::null_mut(), len, protection, flags, fd.as_raw_fd(), 0) };
    if memory == libc::MAP_FAILED {
        return Err(io::Error::last_os_error());
    }
    NonNull::new(memory.cast()).ok_or_else(io::Error::last_os_error)
}

fn bind(fd: &OwnedFd, interface: u32) -> io::Result<()> {
    // SAFETY: an all-zero `sockaddr_ll` is valid; it is plain data.
    let mut address: libc::sockaddr_ll = unsafe { std::mem::zeroed() };
    address.sll_family = libc::sa_family_t::try_from(libc::AF_PACKET).unwrap_or(0);
    address.sll_protocol = ETH_P_IP.to_be();
    address.sll_ifindex = libc::c_int::try_from(interface).unwrap_or(0);
    let len = libc::socklen_t::try_from(size_of_val(&address)).unwrap_or(0);
    // SAFETY: the pointer is to a live address of `len` bytes.
    check(unsafe { libc::bind(fd.as_raw_fd(), (&raw const address).cast(), len) })
}

fn check(returned: libc::c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
