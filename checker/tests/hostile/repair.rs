//! Right checksums for a damaged history, as a hostile or broken writer would make them.
//!
//! The layout is that of `history::merged`: chunks, directory, facts, trailer; the trailer and each entry of the
//! directory carry the xxh3 of what they describe.

use xxhash_rust::xxh3::xxh3_64;

/// Seven numbers, their hash, the magic number.
const TRAILER: usize = 72;
/// Bytes of an entry of the directory, and where its length, position and hash stand in it.
const ENTRY: usize = 112;
const LENGTH: usize = 44;
const POSITION: usize = 72;
const HASH: usize = 80;

fn number<const N: usize>(bytes: &[u8], at: usize) -> usize {
    let mut wide = [0; 8];
    wide[..N].copy_from_slice(&bytes[at..at + N]);
    usize::try_from(u64::from_le_bytes(wide)).unwrap()
}

fn set(bytes: &mut [u8], at: usize, hash: u64) {
    bytes[at..at + 8].copy_from_slice(&hash.to_le_bytes());
}

/// The bytes with every checksum right that can be found.
pub(crate) fn history(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let Some(trailer) = bytes.len().checked_sub(TRAILER) else { return bytes };
    let (directory, directory_len) = (number::<8>(&bytes, trailer), number::<8>(&bytes, trailer + 8));
    let (facts, facts_len) = (number::<8>(&bytes, trailer + 24), number::<8>(&bytes, trailer + 32));
    let within = |at: usize, length: usize| at.checked_add(length).filter(|end| *end <= trailer);
    if let Some(end) = within(directory, directory_len) {
        for entry in (directory..end).step_by(ENTRY).filter(|entry| entry + ENTRY <= end) {
            let (at, length) = (number::<8>(&bytes, entry + POSITION), number::<4>(&bytes, entry + LENGTH));
            if let Some(chunk_end) = within(at, length) {
                let hash = xxh3_64(&bytes[at..chunk_end]);
                set(&mut bytes, entry + HASH, hash);
            }
        }
        let hash = xxh3_64(&bytes[directory..end]);
        set(&mut bytes, trailer + 16, hash);
    }
    if let Some(end) = within(facts, facts_len) {
        let hash = xxh3_64(&bytes[facts..end]);
        set(&mut bytes, trailer + 40, hash);
    }
    let hash = xxh3_64(&bytes[trailer..trailer + 56]);
    set(&mut bytes, trailer + 56, hash);
    bytes
}
