//! A TUN device as one end of a link: the switch holds its file, the node its interface.
//!
//! No Ethernet header, no ARP, and large TCP packets stay whole (GSO). The namespace of a TUN device is fixed
//! when `/dev/net/tun` is opened, so [`Tun::open`] must run on a thread that has entered the node.

#![expect(unsafe_code, reason = "three ioctls of /dev/net/tun have no safe wrapper")]

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;

use super::frame::VNET_LEN;

/// Offloads the node may leave to the switch's far end: checksums, and TCP segmentation for IPv4 and IPv6.
const OFFLOADS: libc::c_uint = 1 | 2 | 4;

/// An open TUN device.
#[derive(Debug)]
pub struct Tun {
    file: File,
}

impl Tun {
    /// Whether the device file can be opened here, without making an interface.
    pub fn probe() -> io::Result<()> {
        open().map(drop)
    }

    /// Makes interface `name` in the calling thread's network namespace.
    pub fn open(name: &str) -> io::Result<Self> {
        let file = open()?;
        // SAFETY: an all-zero `ifreq` is valid; it is plain data.
        let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
        for (to, from) in request.ifr_name.iter_mut().take(libc::IFNAMSIZ - 1).zip(name.bytes()) {
            *to = libc::c_char::from_ne_bytes([from]);
        }
        let flags = libc::IFF_TUN | libc::IFF_NO_PI | libc::IFF_VNET_HDR;
        request.ifr_ifru.ifru_flags =
            libc::c_short::try_from(flags).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        let size = libc::c_int::try_from(VNET_LEN).unwrap_or(10);
        let fd = file.as_raw_fd();
        // SAFETY: the pointers are to live values of the types that these ioctls read; the last takes its
        // argument by value.
        unsafe {
            check(libc::ioctl(fd, libc::TUNSETIFF, &raw const request))?;
            check(libc::ioctl(fd, libc::TUNSETVNETHDRSZ, &raw const size))?;
            check(libc::ioctl(fd, libc::TUNSETOFFLOAD, OFFLOADS))?;
        }
        Ok(Self { file })
    }

    pub(crate) fn into_fd(self) -> OwnedFd {
        self.file.into()
    }
}

fn open() -> io::Result<File> {
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open("/dev/net/tun")
}

fn check(returned: libc::c_int) -> io::Result<()> {
    if returned < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
