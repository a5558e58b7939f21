//! Where frames go: the file, grown and mapped window by window.
//!
//! Blocks are reserved before a window is mapped, so a full disk is an error here and nowhere else.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicU64;

use nix::errno::Errno;
use nix::fcntl::{FallocateFlags, fallocate};

use super::JournalError;
use super::frame::{FRAME, WORDS};
use super::window::{WINDOW, Window};

const FRAMES_PER_WINDOW: u64 = (WINDOW / FRAME) as u64;

/// The mapped windows of a growing file: usually one, more only while a group crosses a boundary.
pub(super) struct Space {
    file: File,
    path: PathBuf,
    mapped: VecDeque<Window>,
    /// Index of the first mapped frame.
    base: u64,
    /// Index after the last mapped frame.
    end: u64,
}

impl Space {
    /// The space of a file that holds a header of `frames` frames.
    pub(super) fn after(file: File, path: &Path, frames: u64) -> Self {
        let base = frames / FRAMES_PER_WINDOW * FRAMES_PER_WINDOW;
        Self { file, path: path.to_owned(), mapped: VecDeque::new(), base, end: base }
    }

    /// Where the journal is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Unmaps everything and gives the file its final length in frames.
    pub(super) fn finish(self, frames: u64) -> Result<(), JournalError> {
        let Self { file, path, mapped, .. } = self;
        drop(mapped);
        file.set_len(frames * FRAME as u64).map_err(|source| JournalError::Io {
            path,
            doing: "close",
            source,
        })
    }

    /// Makes `count` frames from `next` on writable, by reserving and mapping windows.
    pub(super) fn reserve(&mut self, next: u64, count: u64) -> Result<(), JournalError> {
        if next + count <= self.end { Ok(()) } else { self.grow(next, next + count) }
    }

    #[cold]
    fn grow(&mut self, next: u64, end: u64) -> Result<(), JournalError> {
        while self.base + FRAMES_PER_WINDOW <= next {
            self.mapped.pop_front();
            self.base += FRAMES_PER_WINDOW;
        }
        while self.end < end {
            let offset = self.end * FRAME as u64;
            allocate(&self.file, offset).map_err(|source| refused(&self.path, offset, source))?;
            let window =
                Window::map(&self.file, offset).map_err(|source| refused(&self.path, offset, source))?;
            self.mapped.push_back(window);
            self.end += FRAMES_PER_WINDOW;
        }
        Ok(())
    }

    /// The place of a frame that is reserved.
    pub(super) fn frame(&self, index: u64) -> &[AtomicU64; WORDS] {
        let place = index - self.base;
        let window = usize::try_from(place / FRAMES_PER_WINDOW).expect("a few windows are mapped");
        let at = usize::try_from(place % FRAMES_PER_WINDOW).expect("a window fits memory");
        &self.mapped[window].frames()[at]
    }
}

/// Reserves the window at `offset`. Without reserved blocks a store would raise SIGBUS on a full disk.
fn allocate(file: &File, offset: u64) -> io::Result<()> {
    let too_long = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let (at, len) = (i64::try_from(offset).map_err(too_long)?, i64::try_from(WINDOW).map_err(too_long)?);
    loop {
        match fallocate(file, FallocateFlags::empty(), at, len) {
            Ok(()) => return Ok(()),
            Err(Errno::EINTR) => {}
            // Some network and overlay file systems: writing zeros reserves too, only slower.
            Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => return write_zeros(file, offset),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Writes zeros from the end of the file to the end of the window at `offset`.
fn write_zeros(file: &File, offset: u64) -> io::Result<()> {
    let start = file.metadata()?.len().max(offset);
    let end = offset + WINDOW as u64;
    let zeros =
        vec![0; usize::try_from(end - start).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?];
    file.write_all_at(&zeros, start)
}

/// The error for a refused write: a full disk by name.
pub(super) fn refused(path: &Path, bytes: u64, source: io::Error) -> JournalError {
    let path = path.to_owned();
    if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        JournalError::Full { path, bytes, source }
    } else {
        JournalError::Io { path, doing: "extend", source }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zeros_are_written_to_the_end_of_the_window_and_over_nothing() {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(b"header", 0).unwrap();
        for windows in 1..=3 {
            write_zeros(&file, (windows - 1) * WINDOW as u64).unwrap();
            assert_eq!(file.metadata().unwrap().len(), windows * WINDOW as u64);
        }
        let mut bytes = vec![1; 3 * WINDOW];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes[..6], b"header");
        assert!(bytes[6..].iter().all(|byte| *byte == 0));
    }
}
