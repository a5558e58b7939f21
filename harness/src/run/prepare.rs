//! What a run needs before its lab: the jars, a Java, formatted storage, a class archive, room on the disk.
//!
//! All of it comes from the cache where it was made before, so that a warm start does no work here. What is missing
//! is named before anything starts, with the fix.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::cluster::Prepared;
use crate::controller::{RUN_SCHEMA, RunFile};
use crate::fetch::{Cache, FetchError, Fetched};
use crate::javac::{self, JavaWorker, JavacError};
use crate::kafka::archive;
use crate::kafka::java::{Java, JavaError};
use crate::kafka::jvm::ArchiveUse;
use crate::kafka::release::Release;
use crate::kafka::storage::{Storage, StorageError};
use crate::plan::{ClientPlan, Plan};
use crate::sink::{self, SinkFailure};
use crate::spec::{Family, SinkKind};

use super::Order;

/// Room that a run's directory needs, in bytes: logs, journals and Kafka's own data of a long run.
const ROOM: u64 = 512 << 20;

/// Memory that a node takes with its heap, in MiB (measured: 95–117 MiB PSS at a heap of 256).
const NODE_MIB: u64 = 160;

/// Memory that a Java worker takes, in MiB (measured: 90–130 MiB PSS).
const JAVA_WORKER_MIB: u64 = 130;

/// Why a run cannot be prepared.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The jars.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The Java.
    #[error(transparent)]
    Java(#[from] JavaError),
    /// The Java workers.
    #[error(transparent)]
    Javac(#[from] JavacError),
    /// Formatted storage.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The sink's server.
    #[error(transparent)]
    Sink(#[from] SinkFailure),
    /// The disk.
    #[error("{} has {} MiB left and a run needs {} MiB; free some, or keep results elsewhere with --store", .path.display(), .left >> 20, ROOM >> 20)]
    NoRoom {
        /// Where.
        path: PathBuf,
        /// Bytes left.
        left: u64,
    },
    /// Memory.
    #[error(
        "{left} MiB of memory are available and this cluster needs about {needed} MiB; use fewer brokers or a larger machine"
    )]
    NoMemory {
        /// MiB left.
        left: u64,
        /// MiB needed.
        needed: u64,
    },
    /// A group protocol that the brokers of a given folder do not have; of a given version the spec's own check says so.
    #[error(
        "client {client} asks for group.protocol = \"consumer\", and the brokers are of {version}: it is there from 4.0 on"
    )]
    GroupProtocol {
        /// Which client.
        client: String,
        /// The brokers' version.
        version: String,
    },
    /// The system refused something.
    #[error("{what}: {error}")]
    System {
        /// What.
        what: &'static str,
        /// Why.
        error: std::io::Error,
    },
}

impl PrepareError {
    /// Whether the machine lacks something, as opposed to a failure of ours.
    pub fn is_unavailable(&self) -> bool {
        match self {
            PrepareError::Fetch(FetchError::Maven(_) | FetchError::NoCache)
            | PrepareError::Javac(
                JavacError::Fetch(FetchError::Maven(_) | FetchError::NoCache) | JavacError::NoCompiler { .. },
            ) => true,
            PrepareError::Sink(_)
            | PrepareError::Java(_)
            | PrepareError::NoRoom { .. }
            | PrepareError::NoMemory { .. } => true,
            PrepareError::Fetch(_)
            | PrepareError::GroupProtocol { .. }
            | PrepareError::Javac(_)
            | PrepareError::Storage(_)
            | PrepareError::System { .. } => false,
        }
    }

    /// Whether the spec asks for what does not exist.
    pub fn is_usage(&self) -> bool {
        let (PrepareError::Fetch(error) | PrepareError::Javac(JavacError::Fetch(error))) = self else {
            return matches!(
                self,
                PrepareError::Javac(JavacError::DoesNotCompile { .. }) | PrepareError::GroupProtocol { .. }
            );
        };
        matches!(
            error,
            FetchError::UnknownVersion { .. }
                | FetchError::UnconfirmedVersion { .. }
                | FetchError::NotAVersion { .. }
        )
    }
}

/// Jars, Java, storage and archive for a plan.
///
/// # Errors
/// [`PrepareError`].
pub(super) fn prepare(plan: &Plan, store: &Path) -> Result<Prepared, PrepareError> {
    room(store)?;
    memory(plan)?;
    if plan.sink.as_ref().is_some_and(|sink| sink.kind == SinkKind::Postgres) {
        sink::postgres::binaries()?;
    }
    let cache = Cache::of_user()?;
    let java = Java::find()?;
    let (release, fetched) = cache.release(&plan.kafka.source)?;
    if fetched == Fetched::Resolved {
        anstream::eprintln!("fetched Kafka {}", release.label);
    }
    group_protocol(plan, &release)?;
    let storage = Storage::prepare(&cache, &release, &java, &plan.kafka)?;
    // Without one, the run makes it first, inside its own lab.
    let archive = archive::cached(&cache, &release, &java).map_or(ArchiveUse::None, ArchiveUse::Read);
    Ok(Prepared { release, java, storage, archive })
}

/// Whether the brokers have the group protocol that clients ask for.
fn group_protocol(plan: &Plan, release: &Release) -> Result<(), PrepareError> {
    let newer = |protocol: &String| protocol.eq_ignore_ascii_case("consumer");
    let asks = |client: &&ClientPlan| client.properties.get("group.protocol").is_some_and(newer);
    match plan.clients.iter().find(asks).filter(|_| release.version.major < 4) {
        Some(client) => Err(PrepareError::GroupProtocol {
            client: client.name.clone(),
            version: release.version.to_string(),
        }),
        None => Ok(()),
    }
}

/// The Java workers of a plan, by the client's version in the plan.
pub(super) fn java_workers(
    plan: &Plan,
    prepared: &Prepared,
) -> Result<BTreeMap<String, JavaWorker>, PrepareError> {
    let cache = Cache::of_user()?;
    let mut workers = BTreeMap::new();
    for client in plan.clients.iter().filter(|client| client.family == Family::Java) {
        let version = client.version.as_deref();
        let drivers = plan.sink.as_ref().is_some_and(|sink| match sink.kind {
            SinkKind::Sqlite | SinkKind::Postgres => true,
            SinkKind::Http | SinkKind::File => false,
        });
        let wanted = javac::Wanted { version, drivers };
        let worker = javac::worker(&cache, &prepared.java, &prepared.release, wanted)?;
        workers.insert(version.unwrap_or_default().to_owned(), worker);
    }
    Ok(workers)
}

/// What `run.json` says.
pub(super) fn run_file(
    order: &Order,
    prepared: Prepared,
    java_workers: BTreeMap<String, JavaWorker>,
) -> Result<RunFile, PrepareError> {
    let mut id = [0; 8];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut random| std::io::Read::read_exact(&mut random, &mut id))
        .map_err(|error| PrepareError::System { what: "draw a run id", error })?;
    let program =
        std::env::current_exe().map_err(|error| PrepareError::System { what: "find this program", error })?;
    Ok(RunFile {
        schema: RUN_SCHEMA.to_owned(),
        run: u64::from_le_bytes(id),
        onceproof: env!("CARGO_PKG_VERSION").to_owned(),
        began: jiff::Timestamp::now().to_string(),
        spec: order.spec.clone(),
        set: order.set.clone(),
        prepared,
        java_workers,
        cache: Cache::of_user()?.root,
        machine: machine(),
        program,
        keep_data: order.keep_data,
    })
}

fn room(store: &Path) -> Result<(), PrepareError> {
    let existing = store.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let Ok(disk) = nix::sys::statvfs::statvfs(existing) else { return Ok(()) };
    let left = disk.blocks_available() * disk.fragment_size();
    if left < ROOM { Err(PrepareError::NoRoom { path: existing.to_owned(), left }) } else { Ok(()) }
}

fn memory(plan: &Plan) -> Result<(), PrepareError> {
    let Some(left) = meminfo("MemAvailable") else { return Ok(()) };
    let java = plan.instances().filter(|(_, client)| client.family == Family::Java).count();
    let java = u64::try_from(java).unwrap_or(u64::MAX).saturating_mul(JAVA_WORKER_MIB);
    let needed = (u64::from(plan.kafka.brokers) + 1) * NODE_MIB + java.saturating_add(200);
    if left < needed { Err(PrepareError::NoMemory { left, needed }) } else { Ok(()) }
}

/// A line of `/proc/meminfo`, in MiB.
fn meminfo(name: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib / 1024)
}

fn machine() -> BTreeMap<String, String> {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpus = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    BTreeMap::from([
        ("kernel".to_owned(), read("/proc/sys/kernel/osrelease")),
        ("cpus".to_owned(), cpus.to_string()),
        ("memory-mib".to_owned(), meminfo("MemTotal").unwrap_or(0).to_string()),
    ])
}
