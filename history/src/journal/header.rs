//! The beginning of a journal: whose it is, in which version, with a checksum.
//!
//! ```text
//! magic 64 | version 32 | length of the header 32 | crc32c 32 | JSON, padded with spaces to whole frames
//! ```
//! Little-endian. The checksum covers the whole header but itself, and salts every frame after it.

use std::io::{self, Read};
use std::path::Path;

use super::frame::{FRAME, Salt, field};
use super::{Header, JournalError};

/// First bytes of every journal, of any version.
pub(super) const MAGIC: [u8; 8] = *b"1ceJrnl\n";
/// The version this program writes and reads.
const VERSION: u32 = 1;
/// The part of the header whose place no version changes: magic, version, length of the header, its checksum.
const FIXED: usize = 20;
/// Where the checksum of the header is: over all of the header but itself.
const CHECKSUM: std::ops::Range<usize> = 16..20;

/// The header, padded to whole frames, and the salt that its checksum makes.
pub(super) fn bytes(header: &Header) -> (Vec<u8>, Salt) {
    let json = serde_json::to_vec(header).expect("a header is plain data");
    let length = (FIXED + json.len()).next_multiple_of(FRAME);
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&u32::try_from(length).expect("a name is smaller than 4 GiB").to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&json);
    // JSON may be followed by white space.
    bytes.resize(length, b' ');
    let checksum = checksum(&bytes);
    bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
    (bytes, Salt(checksum))
}

/// Reads the header; returns it with the salt of the frames and its length in bytes.
pub(super) fn read(input: &mut impl Read, path: &Path) -> Result<(Header, Salt, u64), JournalError> {
    let not_a_journal = |why: &str| JournalError::NotAJournal { path: path.to_owned(), why: why.to_owned() };
    let cut = |source: io::Error| {
        if source.kind() == io::ErrorKind::UnexpectedEof {
            not_a_journal("the file ends within the header")
        } else {
            JournalError::Io { path: path.to_owned(), doing: "read", source }
        }
    };
    let damaged = |what: String| JournalError::Damaged { path: path.to_owned(), offset: 0, what };
    let mut bytes = vec![0; FIXED];
    input.read_exact(&mut bytes).map_err(cut)?;
    if !bytes.starts_with(&MAGIC) {
        return Err(not_a_journal("it does not begin with a journal's mark"));
    }
    let length = u64::from(u32::from_le_bytes(field(&bytes, 12)));
    let rest = length.saturating_sub(FIXED as u64);
    input.take(rest).read_to_end(&mut bytes).map_err(cut)?;
    let stored = u32::from_le_bytes(field(&bytes, CHECKSUM.start));
    if bytes.len() as u64 != length || stored != checksum(&bytes) {
        let what = "the header's checksum does not match, or the file ends within the header";
        return Err(damaged(what.to_owned()));
    }
    let found = u32::from_le_bytes(field(&bytes, 8));
    if found != VERSION {
        return Err(JournalError::Version { path: path.to_owned(), found, known: VERSION });
    }
    if length % FRAME as u64 != 0 {
        return Err(damaged("the header is not made of whole frames".to_owned()));
    }
    let header = serde_json::from_slice(&bytes[FIXED..])
        .map_err(|error| damaged(format!("a header that this program does not understand: {error}")))?;
    Ok((header, Salt(stored), length))
}

/// The checksum of a whole header.
fn checksum(header: &[u8]) -> u32 {
    let head = crc32c::crc32c(&header[..CHECKSUM.start]);
    crc32c::crc32c_append(head, &header[CHECKSUM.end..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Process;
    use crate::op::Identity;

    #[test]
    fn another_version_is_refused_by_name() {
        let identity = Identity { name: "x".repeat(5000), ..Identity::default() };
        let header = Header { run: 7, process: Process(1), identity };
        let (mut bytes, Salt(salt)) = bytes(&header);
        let (read_back, Salt(same), length) = read(&mut bytes.as_slice(), Path::new("j")).unwrap();
        assert_eq!((read_back, same, length), (header, salt, bytes.len() as u64));
        bytes[8] = 2;
        let checksum = checksum(&bytes);
        bytes[CHECKSUM].copy_from_slice(&checksum.to_le_bytes());
        let error = read(&mut bytes.as_slice(), Path::new("j")).unwrap_err();
        assert_eq!(error.to_string(), "j: the journal has version 2, this program reads version 1");
    }
}
