//! The drivers of databases for Java workers: jars from Maven, and SQLite's own library beside them.
//!
//! sqlite-jdbc would unpack its library into the system's temporary folder at every start, and a worker that is killed would
//! leave it there; so it is unpacked once, into the cache, and workers are told where it is.

#![expect(clippy::disallowed_methods, reason = "shell: runs jar")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::JavacError;
use crate::fetch::Cache;
use crate::kafka::java::Java;

const LIBRARY: &str = "libsqlitejdbc.so";

/// What a worker's command line needs for them.
pub(super) struct Drivers {
    /// To be added to the class path.
    pub(super) class_path: String,
    /// Options of the JVM.
    pub(super) options: Vec<String>,
}

/// The drivers; fetched if they are not there.
pub(super) fn of(cache: &Cache, java: &Java) -> Result<Drivers, JavacError> {
    let jars = cache.java_drivers()?;
    let class_path = jars.iter().map(|jar| format!(":{}", jar.display())).collect();
    let mut options = Vec::new();
    if let Some(jar) = jars.iter().find(|jar| named(jar, "sqlite-jdbc-"))
        && let Some(library) = library(cache, java, jar)?
    {
        options.push(format!("-Dorg.sqlite.lib.path={}", library.display()));
        options.push(format!("-Dorg.sqlite.lib.name={LIBRARY}"));
    }
    Ok(Drivers { class_path, options })
}

/// The folder of SQLite's library, unpacked; none where the jar has none for this machine, or it cannot be unpacked:
/// then the driver does it itself.
fn library(cache: &Cache, java: &Java, jar: &Path) -> Result<Option<PathBuf>, JavacError> {
    let inside = PathBuf::from("org/sqlite/native/Linux").join(std::env::consts::ARCH);
    let name = jar.file_stem().unwrap_or_default();
    let folder = cache.root.join("java-drivers").join(name);
    let place = folder.join(&inside);
    if place.join(LIBRARY).is_file() {
        return Ok(Some(place));
    }
    let _lock = cache.lock("java-drivers-library")?;
    let fresh = folder.with_extension("new");
    let failed = |error| JavacError::File { path: fresh.clone(), error };
    let _ = fs::remove_dir_all(&fresh);
    fs::create_dir_all(&fresh).map_err(failed)?;
    // `jar` unpacks into the folder that it is called in.
    let mut command = Command::new(java.program.with_file_name("jar"));
    command.arg("--extract").arg("--file").arg(jar).arg(inside.join(LIBRARY)).current_dir(&fresh);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let unpacked = crate::bound::to_this_life(&mut command).status();
    if !unpacked.is_ok_and(|status| status.success()) {
        let _ = fs::remove_dir_all(&fresh);
        return Ok(None);
    }
    let _ = fs::remove_dir_all(&folder);
    fs::rename(&fresh, &folder).map_err(failed)?;
    Ok(place.join(LIBRARY).is_file().then_some(place))
}

fn named(jar: &Path, start: &str) -> bool {
    jar.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(start))
}
