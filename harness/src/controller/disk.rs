//! Whether a full disk is to blame.
//!
//! On a full disk everything fails at once, each with words of its own: a broker halts because its log directory is
//! gone, and cannot even log that; a worker cannot extend its journal. The one cause that the user can mend is
//! named whatever failed first.

use std::path::Path;

use super::RunError;

/// Less than this is full: a broker's segment or a journal's window does not fit any more, in bytes.
const FULL: u64 = 4 << 20;

/// The error, or that the disk is full and then the error.
pub(super) fn blamed(run_dir: &Path, error: RunError) -> RunError {
    match left(run_dir) {
        Some(left) if left < FULL => {
            RunError::DiskFull { path: run_dir.to_owned(), left, error: Box::new(error) }
        }
        Some(_) | None => error,
    }
}

/// Bytes left where the run directory is.
fn left(run_dir: &Path) -> Option<u64> {
    let disk = nix::sys::statvfs::statvfs(run_dir).ok()?;
    Some(disk.blocks_available() * disk.fragment_size())
}
