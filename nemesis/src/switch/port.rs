//! The switch's end of a node's link, whichever device it is.
//!
//! Receiving and sending are separate values, because a frame that is borrowed from one port's buffer is sent
//! while it is borrowed. Nothing here waits: a device that cannot take a frame drops it, and that is counted.

use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use nix::sys::uio::writev;
use nix::unistd::read;

use super::frame::{Frame, VNET_LEN, Vnet};
use super::ring::{ETH_LEN, Ring};
use super::tun::Tun;

/// 64 KiB of packet with its headers, also where the link's MTU is 1500.
pub(crate) const BUFFER_LEN: usize = VNET_LEN + 65536 + 64;

/// A device that the switch can be given.
#[derive(Debug)]
pub enum Device {
    /// A TUN device.
    Tun(Tun),
    /// A packet ring on one end of a veth pair.
    Ring(Ring),
}

impl Device {
    pub(crate) fn split(self) -> io::Result<(Receiver, Sender)> {
        match self {
            Self::Tun(tun) => {
                let fd = tun.into_fd();
                let sender = Sender { fd: fd.try_clone()?, header: None };
                Ok((Receiver::Tun(fd), sender))
            }
            Self::Ring(ring) => {
                let sender = Sender { fd: ring.try_clone_fd()?, header: Some(ring.header()) };
                Ok((Receiver::Ring(ring), sender))
            }
        }
    }
}

/// The receiving half.
#[derive(Debug)]
pub(crate) enum Receiver {
    Tun(OwnedFd),
    Ring(Ring),
}

impl Receiver {
    /// The next frame, if one is there, in `buffer` or in the ring.
    pub(crate) fn receive<'a>(
        &'a mut self,
        buffer: &'a mut [u8; BUFFER_LEN],
    ) -> io::Result<Option<Frame<'a>>> {
        match self {
            Self::Ring(ring) => Ok(ring.receive()),
            Self::Tun(fd) => match read(&*fd, buffer) {
                Ok(len) => {
                    let vnet = Vnet::read(&buffer[..len], 0);
                    Ok(vnet.map(|vnet| Frame { vnet, packet: &buffer[VNET_LEN..len] }))
                }
                Err(nix::Error::EAGAIN | nix::Error::EINTR) => Ok(None),
                Err(error) => Err(error.into()),
            },
        }
    }

    /// Gives the last frame's memory back.
    pub(crate) fn release(&mut self) {
        match self {
            Self::Ring(ring) => ring.release(),
            Self::Tun(_) => {}
        }
    }
}

impl AsFd for Receiver {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match self {
            Self::Tun(fd) => fd.as_fd(),
            Self::Ring(ring) => ring.as_fd(),
        }
    }
}

impl AsRawFd for Receiver {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

/// The sending half.
#[derive(Debug)]
pub(crate) struct Sender {
    fd: OwnedFd,
    header: Option<[u8; 14]>,
}

impl Sender {
    /// Sends a frame; false if the device did not take it.
    pub(crate) fn send(&self, frame: Frame<'_>) -> bool {
        let sent = match &self.header {
            None => {
                let vnet = frame.vnet.bytes(0);
                writev(&self.fd, &[IoSlice::new(&vnet), IoSlice::new(frame.packet)])
            }
            Some(header) => {
                let vnet = frame.vnet.bytes(ETH_LEN);
                let parts = [IoSlice::new(&vnet), IoSlice::new(header), IoSlice::new(frame.packet)];
                writev(&self.fd, &parts)
            }
        };
        sent.is_ok()
    }
}
