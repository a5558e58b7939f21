//! The one unsafe corner of the journal: a window of the file as shared memory.
//!
//! Windows are small because filling a large one in page tables stalls its writer: 64 MiB took 120 to 170 ms
//! in the prototype, 1 MiB takes a fraction of one. They are populated when mapped, so that a store never
//! waits for a page fault. Space is reserved before, by whoever maps; see `Windows` in the writer.
#![expect(unsafe_code, reason = "mmap: a journal must reach the page cache without a system call per event")]

use std::fs::File;
use std::io;
use std::sync::atomic::AtomicU64;

use memmap2::{MmapOptions, MmapRaw};

use super::frame::{FRAME, WORDS};

/// Size of a window in bytes.
pub(super) const WINDOW: usize = 1 << 20;

/// A mapped window.
pub(super) struct Window(MmapRaw);

impl Window {
    /// Maps the window that begins at byte `offset`, a multiple of [`WINDOW`], of a file that is long enough.
    pub(super) fn map(file: &File, offset: u64) -> io::Result<Self> {
        MmapOptions::new().offset(offset).len(WINDOW).populate().map_raw(file).map(Self)
    }

    /// The window's frames as words in the byte order of the file: little-endian.
    pub(super) fn frames(&self) -> &[[AtomicU64; WORDS]] {
        let start = self.0.as_mut_ptr().cast::<[AtomicU64; WORDS]>();
        // SAFETY: the mapping is `WINDOW` bytes long, page-aligned, readable and writable, and lives as long as
        // `self`. Every access within this process is atomic; the other side of the mapping is the page cache.
        // The pages behind it are reserved and nobody else shortens the file, so no access raises SIGBUS.
        unsafe { std::slice::from_raw_parts(start, WINDOW / FRAME) }
    }
}
