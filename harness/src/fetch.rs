//! Released Kafka versions, resolved by Maven into the cache: once, by whoever comes first, and never again.
//!
//! A version lives in `<cache>/kafka/<version>/` as plain jars and a list of their names, sizes and hashes.
//! The list is written last and the folder appears by rename, so a folder that exists is complete; two runs
//! that want the same version wait for each other on a lock file. When the list is there, neither Maven nor
//! the network is touched. Which registry is asked, through which proxy and with which credentials is the
//! user's own Maven configuration and none of this module's business.

mod contents;
mod maven;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};

use crate::kafka::Source;
use crate::kafka::release::{Release, ReleaseError, Version};

pub use maven::MavenError;
use maven::Wanted;

/// Versions known when this was written, newest last: offered when the registry cannot be asked what exists.
pub const KNOWN: [&str; 19] = [
    "3.6.0", "3.6.1", "3.6.2", "3.7.0", "3.7.1", "3.7.2", "3.8.0", "3.8.1", "3.9.0", "3.9.1", "4.0.0",
    "4.0.1", "4.1.0", "4.1.1", "4.1.2", "4.2.0", "4.2.1", "4.3.0", "4.3.1",
];

/// Our folder under the XDG cache folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cache {
    /// `$XDG_CACHE_HOME/onceproof`, or `~/.cache/onceproof`.
    pub root: PathBuf,
}

/// Why a release is not to be had.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// No place for the cache.
    #[error("neither XDG_CACHE_HOME nor HOME is set, so there is no place for the cache")]
    NoCache,
    /// Not a version at all.
    #[error("`{given}` is no Kafka version; a version has three numbers, such as 4.1.1")]
    NotAVersion {
        /// What was asked for.
        given: String,
    },
    /// Not released, as far as the registry knows.
    #[error("{what} {given} does not exist{}; released: {}", did_you_mean(.nearest.as_deref()), .exist.join(" "))]
    UnknownVersion {
        /// Of what.
        what: &'static str,
        /// What was asked for.
        given: String,
        /// The most similar one that exists.
        nearest: Option<String>,
        /// What exists.
        exist: Vec<String>,
    },
    /// Nobody could be asked whether it was released.
    #[error("{what} {given} is none of the releases that this program knows{}, and Maven could not get it: {said}; known: {}", did_you_mean(.nearest.as_deref()), KNOWN.join(" "))]
    UnconfirmedVersion {
        /// Of what.
        what: &'static str,
        /// What was asked for.
        given: String,
        /// The most similar one that is known.
        nearest: Option<String>,
        /// Maven's words.
        said: String,
    },
    /// Maven is missing, or failed.
    #[error(transparent)]
    Maven(#[from] MavenError),
    /// The jars are there but are no release.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// A file of the cache.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

fn did_you_mean(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!(", did you mean {nearest}?")).unwrap_or_default()
}

/// Whether a fetch had to do anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetched {
    /// The cache had it.
    Cached,
    /// Maven resolved it now.
    Resolved,
}

impl Cache {
    /// The cache of this user.
    pub fn of_user() -> Result<Cache, FetchError> {
        let named = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let base = named("XDG_CACHE_HOME").filter(|path| path.is_absolute());
        let base =
            base.or_else(|| named("HOME").map(|home| home.join(".cache"))).ok_or(FetchError::NoCache)?;
        Ok(Cache { root: base.join("onceproof") })
    }

    /// The release that a plan names; fetched if it is not there.
    pub fn release(&self, source: &Source) -> Result<(Release, Fetched), FetchError> {
        match source {
            Source::Version(version) => self.version(version),
            Source::Home(home) => Ok((distribution(home)?, Fetched::Cached)),
        }
    }

    /// A released version; fetched if it is not there.
    pub fn version(&self, given: &str) -> Result<(Release, Fetched), FetchError> {
        let version =
            Version::parse(given).ok_or_else(|| FetchError::NotAVersion { given: given.to_owned() })?;
        let folder = self.root.join("kafka").join(given);
        if let Some(release) = complete(&folder, given)? {
            return Ok((release, Fetched::Cached));
        }
        let _lock = self.lock(&format!("kafka-{given}"))?;
        if let Some(release) = complete(&folder, given)? {
            return Ok((release, Fetched::Cached));
        }
        self.resolve(&Wanted::kafka(given, version), &folder)?;
        let release = complete(&folder, given)?.ok_or_else(|| FetchError::File {
            path: folder.clone(),
            error: io::Error::other("the jars just fetched do not match their list"),
        })?;
        Ok((release, Fetched::Resolved))
    }

    /// Waits for, and holds, a lock of the cache. Released when dropped, also by the death of its holder.
    pub fn lock(&self, name: &str) -> Result<Flock<File>, FetchError> {
        let folder = self.root.join("locks");
        let path = folder.join(name);
        let failed = |error| FetchError::File { path: path.clone(), error };
        fs::create_dir_all(&folder).map_err(failed)?;
        let file = File::create(&path).map_err(failed)?;
        Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))
    }

    /// A released version, if it is in the cache.
    pub fn cached(&self, given: &str) -> Result<Option<Release>, FetchError> {
        complete(&self.root.join("kafka").join(given), given)
    }

    /// The jars of a version of the Java client; fetched if they are not there.
    pub fn java_client(&self, given: &str) -> Result<Vec<PathBuf>, FetchError> {
        if Version::parse(given).is_none() {
            return Err(FetchError::NotAVersion { given: given.to_owned() });
        }
        self.jars(&self.root.join("java-clients").join(given), &Wanted::java_client(given))
    }

    /// The jars of the databases' drivers for Java workers; fetched if they are not there.
    pub fn java_drivers(&self) -> Result<Vec<PathBuf>, FetchError> {
        self.jars(&self.root.join("java-drivers").join(maven::DRIVERS), &Wanted::drivers())
    }

    /// The jars in a folder of the cache, by name; fetched if they are not there.
    fn jars(&self, folder: &Path, wanted: &Wanted) -> Result<Vec<PathBuf>, FetchError> {
        let failed = |error| FetchError::File { path: folder.to_owned(), error };
        if !contents::matches(folder).map_err(failed)? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy();
            let _lock = self.lock(&format!("jars-{name}"))?;
            if !contents::matches(folder).map_err(failed)? {
                self.resolve(wanted, folder)?;
            }
        }
        let mut jars = Vec::new();
        for entry in fs::read_dir(folder.join("libs")).map_err(failed)? {
            jars.push(entry.map_err(failed)?.path());
        }
        jars.sort();
        Ok(jars)
    }

    fn resolve(&self, wanted: &Wanted, folder: &Path) -> Result<(), FetchError> {
        // One name, not one for each process: what a killed holder of the lock left is replaced here.
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        let fresh = folder.with_file_name(format!(".{name}.new"));
        let failed = |error| FetchError::File { path: fresh.clone(), error };
        let _ = fs::remove_dir_all(&fresh);
        fs::create_dir_all(&fresh).map_err(failed)?;
        let result = maven::copy_jars(wanted, &fresh).and_then(|()| {
            contents::write(&fresh).map_err(failed)?;
            // A folder that failed its check is replaced as a whole.
            let _ = fs::remove_dir_all(folder);
            fs::rename(&fresh, folder).map_err(failed)
        });
        let _ = fs::remove_dir_all(&fresh);
        result
    }
}

/// The release in a folder of the cache, if all of it is there unharmed.
fn complete(folder: &Path, given: &str) -> Result<Option<Release>, FetchError> {
    match contents::matches(folder) {
        Ok(true) => {
            Ok(Some(Release { label: given.to_owned(), ..Release::in_folder(&folder.join("libs"))? }))
        }
        Ok(false) => Ok(None),
        Err(error) => Err(FetchError::File { path: folder.to_owned(), error }),
    }
}

/// An unpacked distribution, as it is.
fn distribution(home: &Path) -> Result<Release, FetchError> {
    let home = home.canonicalize().map_err(|error| FetchError::File { path: home.to_owned(), error })?;
    let release = Release::in_folder(&home.join("libs"))?;
    // Two distributions may carry the same version number: caches tell them apart by their place.
    let name: String =
        home.to_string_lossy().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Ok(Release { label: format!("{}{name}", release.version), ..release })
}
