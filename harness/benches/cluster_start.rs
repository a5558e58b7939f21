//! How long a cluster takes from the first process to the first record with `acks=all`: without and with a
//! class archive. `cargo bench -p harness --bench cluster_start -- 3.9.1 4.1.1`

#![expect(clippy::disallowed_methods, reason = "shell: measures time and starts nodes on loopback")]

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Dirs, Loopback, Prepared};
use harness::fetch::Cache;
use harness::kafka::jvm::ArchiveUse;
use harness::kafka::{KafkaPlan, Source, heap_mib};
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
        runtime.block_on(measure(&version, &prepared))?;
    }
    Ok(())
}

async fn measure(version: &str, prepared: &Prepared) -> anyhow::Result<()> {
    for (name, archive) in [("no archive", ArchiveUse::None), ("archive", prepared.archive.clone())] {
        for _ in 0..2 {
            let took = start(version, Prepared { archive: archive.clone(), ..prepared.clone() }).await?;
            println!("{version}, {name}: ready after {took:.2?}");
        }
    }
    Ok(())
}

async fn start(version: &str, prepared: Prepared) -> anyhow::Result<Duration> {
    let folder = tempfile::tempdir()?;
    let dirs = Dirs { logs: folder.path().join("logs"), data: folder.path().join("data") };
    let (exits, _) = mpsc::channel(16);
    let begun = Instant::now();
    let site = Loopback { network: (77, u8::try_from(std::process::id() % 250)?) };
    let mut cluster = Cluster::start(site, plan(version), prepared, dirs, exits)?;
    let ready = cluster.ready(Duration::from_secs(60)).await;
    let took = begun.elapsed();
    if ready.is_err() {
        println!("logs kept in {}", folder.keep().display());
    }
    cluster.kill_all().await?;
    ready?;
    Ok(took)
}
