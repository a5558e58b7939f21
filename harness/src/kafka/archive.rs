//! Class archives: what halves the start of a node, made once per release, Java and flags.
//!
//! An archive is valid only for the class path (files, sizes, times) and the Java that wrote it; with any
//! other the JVM ignores it without a word and starts slowly, so all of these are part of its name. It is
//! written by a JVM at its orderly end and holds the classes that were loaded until then; how that is brought
//! about is `cluster`'s affair ([`crate::cluster::ensure_archive`]).

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use xxhash_rust::xxh3::Xxh3Default;

use super::java::Java;
use super::jvm::ARCHIVE_FLAGS;
use super::release::Release;
use crate::fetch::Cache;

/// The archive for this release and Java, if it was made before.
pub fn cached(cache: &Cache, release: &Release, java: &Java) -> Option<PathBuf> {
    let path = path(cache, release, java);
    path.is_file().then_some(path)
}

/// Where the archive for this release and Java is kept.
pub fn path(cache: &Cache, release: &Release, java: &Java) -> PathBuf {
    let mut hash = Xxh3Default::new();
    hash.update(java.program.as_os_str().as_encoded_bytes());
    hash.update(java.version.as_bytes());
    for flag in ARCHIVE_FLAGS {
        hash.update(flag.as_bytes());
    }
    for jar in &release.jars {
        hash.update(jar.as_os_str().as_encoded_bytes());
        // A jar that cannot be read fails where it is used.
        if let Ok(data) = fs::metadata(jar) {
            hash.update(&data.size().to_le_bytes());
            hash.update(&data.mtime().to_le_bytes());
        }
    }
    cache.root.join("archives").join(format!(
        "{}-java{}-{:016x}.jsa",
        release.label,
        java.version,
        hash.digest()
    ))
}
