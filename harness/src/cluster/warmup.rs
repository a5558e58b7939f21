//! The warm-up that makes a class archive: a small real cluster that does once what a run does.
//!
//! One node in both roles writes the archive at its orderly end, so that it holds the classes of broker and
//! controller; a plain broker stands beside it, so that replication happens in both directions. It runs where
//! the nodes of the run will be, because nothing may listen outside the lab.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use bytes::Bytes;
use history::ids::{NodeId, Offset, TopicPartition};
use history::op::Isolation;
use kafka_protocol::records::Compression;
use nix::sys::signal::Signal;
use tokio::sync::{mpsc, watch};
use tokio::time::{sleep, timeout};

use super::launch::Launcher;
use super::process::Process;
use super::ready::{self, Lacking};
use super::{ClusterError, Dirs, Prepared, Site};
use crate::fetch::Cache;
use crate::kafka::jvm::ArchiveUse;
use crate::kafka::{CLIENT_PORT, CONTROLLER, KafkaPlan, Member, Role, archive, properties};
use crate::wire::{At, Client, CoordinatorOf, FetchPosition, TopicPlan, WireError};

/// For everything up to the readiness of the small cluster; slow machines start a JVM in 20 s.
const START_PATIENCE: Duration = Duration::from_secs(120);
/// For the orderly end, which writes the archive.
const END_PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of the class archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Archive {
    /// It was in the cache.
    Cached,
    /// It was made now.
    Made,
    /// This Java or machine does not make one; nodes start more slowly, and nothing else differs.
    Impossible(String),
}

/// Makes the class archive if it is not in the cache, and has `prepared` use it. `scratch` is a folder for the
/// warm-up's own files, which stay if it fails. Two runs that need the same archive wait for each other.
///
/// # Errors
/// Only what concerns the cache. A warm-up that fails is no error: whatever is wrong with the nodes will show
/// when they are started for the run.
pub async fn ensure_archive<S: Site + Clone>(
    site: &S,
    cache: &Cache,
    plan: &KafkaPlan,
    prepared: &mut Prepared,
    scratch: PathBuf,
) -> Result<Archive, ClusterError> {
    if prepared.archive != ArchiveUse::None {
        return Ok(Archive::Cached);
    }
    let name = archive::path(cache, &prepared.release, &prepared.java);
    let lock = format!("archive-{}", prepared.release.label);
    let cache_of_lock = cache.clone();
    let locked = tokio::task::spawn_blocking(move || cache_of_lock.lock(&lock)).await;
    let _lock = locked.map_err(|error| ClusterError::File {
        what: "the lock of the archive".to_owned(),
        error: error.into(),
    })??;
    let mut became = Archive::Cached;
    if !name.is_file() {
        let dirs = Dirs { logs: scratch.join("logs"), data: scratch.join("data") };
        let (exits, _) = mpsc::channel(4);
        let plan = KafkaPlan { server: for_two(), features: BTreeMap::new(), ..plan.clone() };
        let warmup = Warmup { launcher: Launcher::new(site.clone(), plan, prepared.clone(), dirs, exits) };
        if let Err(error) = warmup.make(&name).await {
            return Ok(Archive::Impossible(error.to_string()));
        }
        // The files of a failed warm-up stay: they say why it failed.
        let _ = fs::remove_dir_all(&scratch);
        became = Archive::Made;
    }
    prepared.archive = ArchiveUse::Read(name);
    Ok(became)
}

/// The spec's own properties are left out, because an archive serves every spec; internal topics must fit on
/// two brokers.
fn for_two() -> BTreeMap<String, String> {
    properties::fast(2)
}

struct Warmup<S> {
    launcher: Launcher<S>,
}

impl<S: Site> Warmup<S> {
    /// Writes the archive under another name and renames it, so that what has the name is whole.
    async fn make(&self, name: &Path) -> Result<(), ClusterError> {
        // One name, not one for each process: what a killed holder of the lock left is replaced here.
        let fresh = name.with_extension("new");
        let failed = |error| ClusterError::File { what: fresh.display().to_string(), error };
        if let Some(folder) = name.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        self.run(fresh.clone()).await?;
        fs::rename(&fresh, name).map_err(failed)
    }

    async fn run(&self, archive: PathBuf) -> Result<(), ClusterError> {
        let both = Member { id: CONTROLLER, role: Role::Controller };
        let beside = Member { id: NodeId(1), role: Role::Broker };
        let (plan, addresses) = (&self.launcher.plan, &self.launcher.addresses);
        let data = |member: Member| self.launcher.dirs.data.join(member.name());
        self.launcher.provision(both, &properties::combined_text(plan, addresses, &data(both)))?;
        self.launcher.provision(beside, &properties::text(plan, beside, addresses, &data(beside)))?;
        let writer = self.launcher.spawn(both, 1, &ArchiveUse::Write(archive))?;
        let helper = self.launcher.spawn(beside, 1, &ArchiveUse::None)?;
        tokio::select! {
            biased;
            end = writer.end() => return Err(self.launcher.died(both, end.how)),
            end = helper.end() => return Err(self.launcher.died(beside, end.how)),
            used = self.use_it([both.id, beside.id]) => used?,
        }
        self.finish(&writer, &helper).await
    }

    async fn use_it(&self, nodes: [NodeId; 2]) -> Result<(), ClusterError> {
        let all: BTreeSet<NodeId> = nodes.into();
        let (report, lacking) = watch::channel(Lacking::default());
        let using = async {
            let mut clients = BTreeMap::new();
            for node in nodes {
                let address = SocketAddr::new(self.launcher.addresses[&node], CLIENT_PORT);
                clients.insert(node, ready::sees_all(address, &all, &report).await);
            }
            ready::record_goes_through(&mut clients, &report).await;
            // What fails here only makes the archive smaller.
            for client in clients.values_mut() {
                if let Err(error) = exercise(client).await {
                    report.send_modify(|lacking| {
                        drop(lacking.0.insert("exercise".to_owned(), error.to_string()))
                    });
                }
            }
        };
        timeout(START_PATIENCE, using).await.map_err(|_| ClusterError::NotReady {
            waited: START_PATIENCE,
            lacking: lacking.borrow().0.clone(),
        })
    }

    async fn finish(&self, writer: &Process, helper: &Process) -> Result<(), ClusterError> {
        // The writer goes first: its controlled shutdown hands leadership to the other.
        writer.signal_and_end(Signal::SIGTERM, END_PATIENCE).await?;
        helper.signal_and_end(Signal::SIGKILL, PATIENCE).await?;
        Ok(())
    }
}

/// What a run does with a broker: topics, records in every codec, reads of both kinds, coordinators.
async fn exercise(client: &mut Client) -> Result<(), WireError> {
    let topic = format!("warm-up-{}", client.broker().ip().to_string().replace([':', '.'], "-"));
    let plan = TopicPlan { name: topic.clone(), partitions: 4, replication: 2, config: BTreeMap::new() };
    client.create_topics(&[plan]).await?;
    for of in [CoordinatorOf::Group("warm-up".to_owned()), CoordinatorOf::Transaction("warm-up".to_owned())] {
        // Refused while the internal topic is being made; asking is what makes it.
        let _ = client.coordinator(&of).await;
    }
    let codecs =
        [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd];
    for partition in 0..4 {
        let log = TopicPartition::new(topic.clone(), partition);
        for codec in codecs {
            // Refused by the broker that does not lead this one.
            if client.write(&log, &[Bytes::from_static(b"warm-up")], codec).await.is_err() {
                break;
            }
        }
        for isolation in [Isolation::ReadUncommitted, Isolation::ReadCommitted] {
            let position = FetchPosition {
                log: log.clone(),
                offset: Offset(0),
                isolation,
                bytes_max: 1 << 20,
                wait: Duration::ZERO,
            };
            if client.offset(&log, At::End(isolation)).await.is_ok() {
                let _ = client.fetch(&position).await;
            }
        }
    }
    // Replication of what was just written.
    sleep(Duration::from_millis(500)).await;
    Ok(())
}
