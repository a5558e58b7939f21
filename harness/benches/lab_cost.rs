//! What the lab costs a producer: the same librdkafka worker, as fast as it can and at a fixed rate, against the same
//! three brokers on loopback and in the lab. `cargo bench -p harness --bench lab_cost -- 4.3.1`

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "shell: measures and prints it")]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{BufRead, BufReader, Write};
use std::net::Ipv4Addr;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::cluster::{Cluster, Dirs, Loopback, Prepared, Site, ensure_archive};
use harness::fetch::Cache;
use harness::kafka::{CLIENT_PORT, CONTROLLER_PORT, KafkaPlan, REPLICATION_PORT, Source, heap_mib};
use harness::lab::{self, Entry, Lab, LabPlan, NodeSpec};
use harness::wire::{Client, TopicPlan};
use history::ids::Process;
use history::op::Identity;
use tokio::sync::mpsc;
use workloads::protocol::{
    Command, ProducerRole, Progress, Report, Role, Topic, WorkerConfig, from_line, to_line,
};

const INSIDE: &str = "inside-the-lab";
const PATIENCE: Duration = Duration::from_secs(60);
const ROUNDS: u32 = 3;
const LASTS: Duration = Duration::from_secs(8);

fn main() -> ExitCode {
    if let Some(code) = lab::entry() {
        return code;
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|one| !one.starts_with('-')).collect();
    if let [inside, version] = arguments.as_slice()
        && inside == INSIDE
    {
        return measure("lab", version, lab_site);
    }
    let version = arguments.first().cloned().unwrap_or_else(|| harness::plan::DEFAULT_VERSION.to_owned());
    for _ in 0..ROUNDS {
        measure("loopback", &version, || Ok(Arc::new(Loopback { network: (88, 1) })))?;
        let entry = Entry {
            program: std::env::current_exe()?,
            args: vec![OsString::from(INSIDE), OsString::from(&version)],
            privilege: lab::Privilege::of_this_process(),
        };
        entry.start()?.wait(|_| {})?;
    }
    Ok(())
}

fn lab_site() -> anyhow::Result<Arc<Lab>> {
    let names = ["controller", "broker1", "broker2", "broker3", "shop-0"];
    let nodes = (1_u8..)
        .zip(names)
        .map(|(last, name)| NodeSpec { name: name.to_owned(), ip: Ipv4Addr::new(10, 77, 0, last) });
    let kafka_ports = vec![CLIENT_PORT, REPLICATION_PORT, CONTROLLER_PORT];
    Ok(Arc::new(Lab::start(&LabPlan { nodes: nodes.collect(), kafka_ports, seed: 1, device: None })?))
}

fn measure<S: Site>(
    place: &str,
    version: &str,
    site: impl FnOnce() -> anyhow::Result<Arc<S>>,
) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let site = site()?;
        let plan = KafkaPlan {
            source: Source::Version(version.to_owned()),
            brokers: 3,
            server: BTreeMap::new(),
            features: BTreeMap::new(),
            heap_mib: heap_mib(),
        };
        let folder = tempfile::tempdir()?;
        let cache = Cache::of_user()?;
        let mut prepared = Prepared::from_cache(&cache, &plan)?;
        ensure_archive(&site, &cache, &plan, &mut prepared, folder.path().join("warm-up")).await?;
        let dirs = Dirs { logs: folder.path().join("logs"), data: folder.path().join("data") };
        let (exits, _keep) = mpsc::channel(16);
        let mut cluster = Cluster::start(Arc::clone(&site), plan, prepared, dirs, exits)?;
        cluster.ready(PATIENCE).await?;
        let topic =
            TopicPlan { name: "orders".to_owned(), partitions: 3, replication: 3, config: BTreeMap::new() };
        let broker = cluster.brokers().into_values().next().ok_or_else(|| anyhow::anyhow!("no broker"))?;
        Client::connect(broker, "bench", PATIENCE).await?.create_topics(&[topic]).await?;
        for (name, size, rate) in [
            ("1 KB, as fast as it goes", 1000, None),
            ("100 B, as fast as it goes", 100, None),
            ("1 KB, 2000/s", 1000, Some(2000.0)),
        ] {
            let journal = folder.path().join(format!("{size}-{}.journal", rate.is_some()));
            let config = config(
                &cluster.bootstrap(),
                journal,
                ProducerRole { rate, record_size: size, warm_up_ms: Some(30_000), ..ProducerRole::default() },
            );
            let command = site.command("shop-0", env!("CARGO_BIN_EXE_onceproof").as_ref());
            let (progress, took) = produce(command, &config)?;
            println!(
                "{place:>8}  {name:<26} {:>9.0} records/s  p50 {:>6.1} ms  p99 {:>6.1} ms",
                rate_of(progress.acked, took),
                millis(progress.latency.p50_us),
                millis(progress.latency.p99_us),
            );
        }
        cluster.kill_all().await?;
        Ok(())
    })
}

fn config(bootstrap: &str, journal: std::path::PathBuf, role: ProducerRole) -> WorkerConfig {
    WorkerConfig {
        run: 1,
        process: Process(1),
        identity: Identity { name: "shop[0]".into(), role: "producer".into(), ..Identity::default() },
        journal,
        bootstrap: bootstrap.to_owned(),
        topics: vec![Topic { name: "orders".into(), partitions: 3 }],
        properties: BTreeMap::from([("acks".to_owned(), "all".to_owned())]),
        role: Role::Producer(role),
        sink: None,
        gates: Vec::new(),
        shutdown_ms: 30_000,
    }
}

/// Runs one worker from ready to drained; what it had done by then, and how long that took.
fn produce(
    mut command: std::process::Command,
    config: &WorkerConfig,
) -> anyhow::Result<(Progress, Duration)> {
    command.arg("worker").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().ok_or_else(|| anyhow::anyhow!("no pipe"))?;
    let stdout = child.stdout.take().ok_or_else(|| anyhow::anyhow!("no pipe"))?;
    writeln!(stdin, "{}", to_line(config)?)?;
    let mut began = Instant::now();
    let mut draining = false;
    for line in BufReader::new(stdout).lines() {
        match from_line::<Report>(&line?, "report")? {
            Report::Ready { .. } => began = Instant::now(),
            Report::Progress(_) if !draining && began.elapsed() >= LASTS => {
                draining = true;
                writeln!(stdin, "{}", to_line(&Command::Drain { deadline_ms: 30_000, ends: Vec::new() })?)?;
            }
            Report::Drained { progress, .. } => {
                let took = began.elapsed();
                writeln!(stdin, "{}", to_line(&Command::Stop)?)?;
                child.wait()?;
                return Ok((progress, took));
            }
            Report::Error { message, .. } => anyhow::bail!("worker: {message}"),
            Report::Progress(_) | Report::GateReached { .. } | Report::Done(_) => {}
        }
    }
    anyhow::bail!("the worker ended early")
}

fn rate_of(records: u64, took: Duration) -> f64 {
    u32::try_from(records).map_or(f64::INFINITY, f64::from) / took.as_secs_f64()
}

fn millis(micros: u64) -> f64 {
    u32::try_from(micros).map_or(f64::INFINITY, f64::from) / 1000.0
}
