//! Formatted storage: made once per release, size and features by Kafka's own tool, then copied.
//!
//! Formatting takes a JVM start per node, copying takes milliseconds. A `meta.properties` written by hand
//! would boot as well, but a 4.x cluster would then run without the feature levels (transaction version,
//! eligible leader replicas) that the tool chooses, and be a different system from an operator's.

#![expect(clippy::disallowed_methods, reason = "shell: runs Kafka's storage tool")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::java::Java;
use super::properties::{self, Addresses};
use super::release::{Release, ReleaseError};
use super::{KafkaPlan, Member};
use crate::fetch::{Cache, FetchError};

/// Cluster id of every formatted folder: clusters never see each other, so one name is enough.
pub const CLUSTER_ID: &str = "b25jZXByb29mLWxhYi0wMA";

/// Formatted folders of all nodes, ready to be copied.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Storage {
    folder: PathBuf,
}

/// Why storage could not be formatted or copied.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// Kafka's tool failed.
    #[error("formatting the storage of {node} failed: {said}")]
    Format {
        /// The node.
        node: String,
        /// The tool's own words.
        said: String,
    },
    /// A file or program.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// The cache.
    #[error(transparent)]
    Cache(#[from] FetchError),
    /// The jars.
    #[error(transparent)]
    Release(#[from] ReleaseError),
}

impl Storage {
    /// The formatted storage for a plan, made if it is not in the cache.
    pub fn prepare(
        cache: &Cache,
        release: &Release,
        java: &Java,
        plan: &KafkaPlan,
    ) -> Result<Storage, StorageError> {
        let members = plan.members();
        let features: Vec<String> =
            plan.features.iter().map(|(name, level)| format!("{name}={level}")).collect();
        let mut name = format!("{}-{}", release.label, plan.brokers);
        for feature in &features {
            name = format!("{name}-{feature}");
        }
        let base = cache.root.join("storage");
        let folder = base.join(&name);
        if folder.is_dir() {
            return Ok(Storage { folder });
        }
        let _lock = cache.lock(&format!("storage-{name}"))?;
        if folder.is_dir() {
            return Ok(Storage { folder });
        }
        // One name, not one for each process: what a killed holder of the lock left is replaced here.
        let fresh = base.join(format!(".{name}.new"));
        let failed = |error| StorageError::File { path: fresh.clone(), error };
        let _ = fs::remove_dir_all(&fresh);
        fs::create_dir_all(&fresh).map_err(failed)?;
        // Without the spec's own properties: the cache serves all specs, and a value that Kafka refuses is for the
        // broker to refuse, with its log kept in the run directory.
        let plan = &KafkaPlan { server: BTreeMap::new(), ..plan.clone() };
        let made = Format { release, java, plan, features: &features, folder: &fresh }.all(&members);
        let made = made.and_then(|()| fs::rename(&fresh, &folder).map_err(failed));
        let _ = fs::remove_dir_all(&fresh);
        made.map(|()| Storage { folder })
    }

    /// Copies a node's formatted storage to where the node keeps its logs.
    pub fn copy(&self, member: Member, to: &Path) -> Result<(), StorageError> {
        let from = self.folder.join(member.name());
        copy_folder(&from, to).map_err(|error| StorageError::File { path: from, error })
    }
}

struct Format<'a> {
    release: &'a Release,
    java: &'a Java,
    plan: &'a KafkaPlan,
    features: &'a [String],
    folder: &'a Path,
}

impl Format<'_> {
    /// All nodes side by side: most of the time is one JVM start.
    fn all(&self, members: &[Member]) -> Result<(), StorageError> {
        let class = self.release.storage_class()?;
        let mut children = Vec::new();
        for member in members {
            children.push((member.name(), self.start(class, *member)?));
        }
        let mut first_error = None;
        for (node, child) in children {
            let output = child
                .wait_with_output()
                .map_err(|error| StorageError::File { path: self.java.program.clone(), error })?;
            if !output.status.success() {
                let text = String::from_utf8_lossy(&output.stderr).into_owned()
                    + &String::from_utf8_lossy(&output.stdout);
                let said =
                    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("at "));
                first_error.get_or_insert(StorageError::Format {
                    node,
                    said: said.take(4).collect::<Vec<_>>().join(" | "),
                });
            }
        }
        first_error.map_or(Ok(()), Err)
    }

    fn start(&self, class: &str, member: Member) -> Result<Child, StorageError> {
        let name = member.name();
        let config = self.folder.join(format!("{name}.properties"));
        // Addresses are not stored; any will do.
        let anywhere: Addresses =
            self.plan.members().iter().map(|member| (member.id, [127, 0, 0, 1].into())).collect();
        let text = properties::text(self.plan, member, &anywhere, &self.folder.join(&name));
        fs::write(&config, text).map_err(|error| StorageError::File { path: config.clone(), error })?;
        let mut command = Command::new(&self.java.program);
        command
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Xmx128m", "-cp"])
            .arg(self.release.class_path());
        command.args([class, "format", "-t", CLUSTER_ID, "-c"]).arg(&config);
        for feature in self.features {
            command.arg("--feature").arg(feature);
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        crate::bound::to_this_life(&mut command)
            .spawn()
            .map_err(|error| StorageError::File { path: self.java.program.clone(), error })
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target)?;
            // An unsynced copy is empty after a power cut, and the node would then refuse to start.
            fs::File::open(&target)?.sync_all()?;
        }
    }
    fs::File::open(to)?.sync_all()
}
