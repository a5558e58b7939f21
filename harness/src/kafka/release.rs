//! The jars of one release and the main classes found in them.
//!
//! Main classes move from Scala to Java packages from release to release, so they are looked up in the jars
//! themselves and never guessed from the version number.

use std::io;
use std::path::{Path, PathBuf};

/// A release that can be run: jars on disk, nothing more to resolve.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Release {
    /// Names it in caches and messages: `4.1.1`, or the folder of a distribution with its size.
    pub label: String,
    /// The version of its `kafka-clients` jar.
    pub version: Version,
    /// The class path, in a fixed order: a class archive is valid for exactly this order.
    pub jars: Vec<PathBuf>,
}

/// A version of Kafka: `4.1.1`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct Version {
    /// `4` of `4.1.1`.
    pub major: u32,
    /// First `1` of `4.1.1`.
    pub minor: u32,
    /// Last `1` of `4.1.1`.
    pub patch: u32,
}

impl std::fmt::Display for Version {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl Version {
    /// Reads `4.1.1`; anything after the third number must begin with `-` (`4.1.1-rc0`).
    pub fn parse(text: &str) -> Option<Version> {
        let core = text.split('-').next()?;
        let mut parts = core.split('.').map(|part| part.parse().ok());
        let version = Version { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
        parts.next().is_none().then_some(version)
    }
}

/// Why jars cannot be run as a release.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// A folder or jar cannot be read.
    #[error("{path} cannot be read: {error}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// A needed jar is not among them.
    #[error("{folder} holds no {missing} jar; an unpacked Kafka distribution keeps its jars in libs/")]
    Incomplete {
        /// The folder.
        folder: PathBuf,
        /// The beginning of the jar's name.
        missing: String,
    },
    /// No jar has one of these classes.
    #[error("no jar of Kafka {label} holds {class}")]
    NoClass {
        /// The release.
        label: String,
        /// The classes that were looked for.
        class: String,
    },
}

impl Release {
    /// All jars of a folder, by name. The version is that of the `kafka-clients` jar.
    pub fn in_folder(folder: &Path) -> Result<Release, ReleaseError> {
        let unreadable = |error| ReleaseError::Unreadable { path: folder.to_owned(), error };
        let mut jars = Vec::new();
        for entry in std::fs::read_dir(folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_some_and(|extension| extension == "jar") && !is_extra(&path) {
                jars.push(path);
            }
        }
        jars.sort();
        let version = jars.iter().find_map(|jar| clients_version(jar));
        let version = version.ok_or_else(|| ReleaseError::Incomplete {
            folder: folder.to_owned(),
            missing: "kafka-clients".to_owned(),
        })?;
        if !jars.iter().any(|jar| file_name(jar).starts_with("kafka_2.")) {
            return Err(ReleaseError::Incomplete {
                folder: folder.to_owned(),
                missing: "kafka_2.13".to_owned(),
            });
        }
        Ok(Release { label: version.to_string(), version, jars })
    }

    /// The class path as `java -cp` takes it.
    pub fn class_path(&self) -> std::ffi::OsString {
        let mut path = std::ffi::OsString::new();
        for (n, jar) in self.jars.iter().enumerate() {
            if n > 0 {
                path.push(":");
            }
            path.push(jar);
        }
        path
    }

    /// The class that starts a node.
    pub fn server_class(&self) -> Result<&'static str, ReleaseError> {
        self.first_of(&["kafka.Kafka", "org.apache.kafka.server.Kafka"])
    }

    /// The class that formats storage.
    pub fn storage_class(&self) -> Result<&'static str, ReleaseError> {
        self.first_of(&["kafka.tools.StorageTool", "org.apache.kafka.tools.StorageTool"])
    }

    /// The class that prints log segments.
    pub fn dump_class(&self) -> Result<&'static str, ReleaseError> {
        self.first_of(&["kafka.tools.DumpLogSegments", "org.apache.kafka.tools.DumpLogSegments"])
    }

    fn first_of(&self, classes: &[&'static str]) -> Result<&'static str, ReleaseError> {
        for class in classes {
            let entry = format!("{}.class", class.replace('.', "/"));
            for jar in self.jars.iter().filter(|jar| file_name(jar).starts_with("kafka")) {
                let bytes = std::fs::read(jar)
                    .map_err(|error| ReleaseError::Unreadable { path: jar.clone(), error })?;
                // Names are stored plain in a jar's directory.
                if has_entry(&bytes, entry.as_bytes()) {
                    return Ok(class);
                }
            }
        }
        Err(ReleaseError::NoClass { label: self.label.clone(), class: classes.join(" or ") })
    }
}

/// Jars of a distribution that hold no classes a node needs: sources, documentation, tests.
fn is_extra(jar: &Path) -> bool {
    let name = file_name(jar);
    ["-sources.jar", "-javadoc.jar", "-scaladoc.jar", "-test.jar", "-test-sources.jar"]
        .iter()
        .any(|end| name.ends_with(end))
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(|name| name.to_str()).unwrap_or_default()
}

fn clients_version(jar: &Path) -> Option<Version> {
    Version::parse(file_name(jar).strip_prefix("kafka-clients-")?.strip_suffix(".jar")?)
}

/// Whether a jar's bytes hold an entry of exactly this name: not one that merely ends with it, in another package.
fn has_entry(jar: &[u8], name: &[u8]) -> bool {
    let Some(first) = name.first() else { return false };
    // The directory is at the end: search backwards by first byte.
    let mut end = jar.len().saturating_sub(name.len() - 1);
    while let Some(at) = jar[..end].iter().rposition(|byte| byte == first) {
        let goes_on_before = at.checked_sub(1).is_some_and(|before| jar[before] == b'/');
        if jar[at..].starts_with(name) && !goes_on_before {
            return true;
        }
        end = at;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_has_three_numbers() {
        assert_eq!(Version::parse("4.1.1"), Some(Version { major: 4, minor: 1, patch: 1 }));
        assert!(Version::parse("3.9.1") < Version::parse("4.0.0"));
        for text in ["4.1", "4", "four", "4.1.1.1", ""] {
            assert_eq!(Version::parse(text), None, "{text}");
        }
    }

    #[test]
    fn an_entry_is_found_by_its_whole_name_and_not_by_the_end_of_another() {
        assert!(has_entry(b"xxkafka/Kafka.classyy", b"kafka/Kafka.class"));
        assert!(has_entry(b"kafka/Kafka.class", b"kafka/Kafka.class"));
        assert!(!has_entry(b"kafka/Kafk", b"kafka/Kafka.class"));
        assert!(!has_entry(b"xxorg/apache/kafka/Kafka.class", b"kafka/Kafka.class"));
        assert!(has_entry(b"kafka/Kafka.class org/apache/kafka/Kafka.class", b"kafka/Kafka.class"));
    }
}
