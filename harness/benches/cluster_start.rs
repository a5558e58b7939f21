//! How long a cluster takes from the first process to the first record with `acks=all`: without and with a
//! class archive. `cargo bench -p harness --bench cluster_start -- 3.9.1 4.1.1`

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "shell: measures time and prints it")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Dirs, Loopback, Prepared, ensure_archive};
use harness::fetch::Cache;
use harness::kafka::jvm::ArchiveUse;
use harness::kafka::{KafkaPlan, Source, heap_mib};
use nix::sys::time::TimeValLike;
use tokio::sync::mpsc;

fn plan(version: &str) -> KafkaPlan {
    KafkaPlan {
        source: Source::Version(version.to_owned()),
        brokers: 3,
        server: BTreeMap::new(),
        features: BTreeMap::new(),
        heap_mib: heap_mib(),
    }
}

fn main() -> anyhow::Result<()> {
    let versions: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let cache = Cache::of_user()?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    for version in versions {
        let begun = Instant::now();
        let prepared = Prepared::from_cache(&cache, &plan(&version))?;
        println!("{version}: fetched and formatted in {:.1?}", begun.elapsed());
        runtime.block_on(measure(&version, prepared, &cache))?;
    }
    Ok(())
}

async fn measure(version: &str, mut prepared: Prepared, cache: &Cache) -> anyhow::Result<()> {
    report(version, "no archive", &Prepared { archive: ArchiveUse::None, ..prepared.clone() }).await?;
    let folder = tempfile::tempdir()?;
    let begun = Instant::now();
    ensure_archive(&site(1)?, cache, &plan(version), &mut prepared, folder.path().join("warm-up")).await?;
    println!("{version}: archive made or found in {:.1?}", begun.elapsed());
    report(version, "archive", &prepared).await
}

async fn report(version: &str, name: &str, prepared: &Prepared) -> anyhow::Result<()> {
    for _ in 0..2 {
        let before = cpu_of_children()?;
        let took = start(version, prepared.clone()).await?;
        let cpu = cpu_of_children()?.saturating_sub(before);
        println!("{version}, {name}: ready after {took:.2?}, nodes used {cpu:.2?} of CPU");
    }
    Ok(())
}

/// On a busy machine the CPU that the nodes used says more than the clock.
fn cpu_of_children() -> anyhow::Result<Duration> {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?;
    let microseconds = |time: nix::sys::time::TimeVal| u64::try_from(time.num_microseconds());
    Ok(Duration::from_micros(microseconds(usage.user_time())? + microseconds(usage.system_time())?))
}

fn site(network: u8) -> anyhow::Result<Loopback> {
    Ok(Loopback { network: (network, u8::try_from(std::process::id() % 250)?) })
}

async fn start(version: &str, prepared: Prepared) -> anyhow::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let dirs = Dirs { logs: folder.path().join("logs"), data: folder.path().join("data") };
    let (exits, _) = mpsc::channel(16);
    let begun = Instant::now();
    let mut cluster = Cluster::start(site(2)?, plan(version), prepared, dirs, exits)?;
    let ready = cluster.ready(Duration::from_secs(60)).await;
    let took = begun.elapsed();
    if ready.is_err() {
        println!("logs kept in {}", folder.keep().display());
    }
    cluster.kill_all().await?;
    ready?;
    Ok(took)
}
