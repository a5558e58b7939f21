//! Where the bytes of a history are: in a file, read with read(2) so that they count as nobody's memory, or in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes that can be read at a position, by several threads at once.
#[derive(Clone, Debug)]
pub(super) enum Source {
    File(Arc<File>, PathBuf),
    Memory(Arc<[u8]>),
}

impl Source {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self::File(Arc::new(File::open(path)?), path.to_owned()))
    }

    /// How errors call it.
    pub(super) fn name(&self) -> String {
        match self {
            Self::File(_, path) => path.display().to_string(),
            Self::Memory(_) => "history in memory".to_owned(),
        }
    }

    pub(super) fn len(&self) -> io::Result<u64> {
        match self {
            Self::File(file, _) => Ok(file.metadata()?.len()),
            Self::Memory(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// Reads `length` bytes at `position`. The caller has checked that they exist, so nothing is allocated for bytes
    /// that a damaged file merely promises.
    pub(super) fn read<'b>(
        &'b self,
        position: u64,
        length: usize,
        buffer: &'b mut Vec<u8>,
    ) -> io::Result<&'b [u8]> {
        match self {
            Self::File(file, _) => {
                buffer.resize(length, 0);
                file.read_exact_at(buffer, position)?;
                Ok(buffer)
            }
            Self::Memory(bytes) => usize::try_from(position)
                .ok()
                .and_then(|at| bytes.get(at..at.checked_add(length)?))
                .ok_or_else(|| io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
