//! The packet switch against the kernel's own veth and bridge: bulk throughput and latency of one connection.
//!
//! `cargo bench -p harness --bench switch`. Rounds are interleaved, because a shared machine is never the
//! same twice, and each figure is the median of its rounds. Needs two processors to itself to mean anything.

#![expect(clippy::disallowed_methods, reason = "shell: starts labs and measures time")]
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark: a panic is a failure")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use harness::lab::bridged::Bridged;
use harness::lab::{self, DeviceKind, Ended, Lab, LabPlan, NodeSpec};

const ROUNDS: usize = 3;
const BULK: Duration = Duration::from_millis(1500);
const PINGS: usize = 5000;
const PING_LEN: usize = 100;

fn main() -> ExitCode {
    if let Some(code) = lab::entry() {
        return code;
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["inside", kind] => inside(kind),
        ["outside", kind] => {
            let ended = lab::enter(vec!["inside".into(), (*kind).into()], |_| {}).unwrap();
            return if ended == Ended::Exited(0) { ExitCode::SUCCESS } else { ExitCode::FAILURE };
        }
        ["sink"] => sink(),
        ["source"] => source(),
        ["echo"] => echo(),
        ["ping"] => ping(),
        _ => compare(),
    }
    ExitCode::SUCCESS
}

/// One measurement: bits per second, and two percentiles of the round trip.
#[derive(Clone, Copy, Debug)]
struct Measured {
    gigabits: f64,
    p50_us: f64,
    p99_us: f64,
}

fn compare() {
    let mut kinds = vec!["bridge", "ring"];
    if DeviceKind::probe() == DeviceKind::Tun {
        kinds.push("tun");
    }
    let mut all: BTreeMap<&str, Vec<Measured>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for kind in &kinds {
            let mut command = Command::new(std::env::current_exe().unwrap());
            let output = command.args(["outside", kind]).stderr(Stdio::inherit()).output().unwrap();
            assert!(output.status.success(), "{kind} failed");
            let text = String::from_utf8(output.stdout).unwrap();
            let figures: Vec<f64> = text.split_whitespace().map(|word| word.parse().unwrap()).collect();
            let [gigabits, p50_us, p99_us] = figures[..] else { panic!("{text}") };
            all.entry(kind).or_default().push(Measured { gigabits, p50_us, p99_us });
        }
    }
    let median = |kind: &str, figure: fn(&Measured) -> f64| {
        let mut figures: Vec<f64> = all[kind].iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        figures[figures.len() / 2]
    };
    let base = median("bridge", |measured| measured.gigabits);
    println!("{:24} {:>8} {:>8} {:>10} {:>10}", "one connection", "Gbit/s", "of it", "p50 us", "p99 us");
    let names = [("bridge", "veth + kernel bridge"), ("tun", "switch, TUN"), ("ring", "switch, packet ring")];
    for (kind, name) in names.into_iter().filter(|(kind, _)| kinds.contains(kind)) {
        let gigabits = median(kind, |measured| measured.gigabits);
        let (p50, p99) = (median(kind, |measured| measured.p50_us), median(kind, |measured| measured.p99_us));
        println!("{name:24} {gigabits:>8.2} {:>7.0}% {p50:>10.1} {p99:>10.1}", 100.0 * gigabits / base);
    }
}

/// Starts programs in nodes, whatever joins them.
enum Joined {
    Switch(Box<Lab>),
    Bridge(Bridged),
}

impl Joined {
    fn start(&self, node: &str, word: &str) -> Child {
        let program = std::env::current_exe().unwrap();
        let mut command = match self {
            Self::Switch(lab) => lab.command(node, program),
            Self::Bridge(bridged) => bridged.command(node, program),
        };
        command.arg(word).stdout(Stdio::piped()).spawn().unwrap()
    }

    /// Runs a server in one node and a client in another; the last line of both.
    fn pair(&self, server: &str, client: &str) -> (String, String) {
        let mut server = self.start("a", server);
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        assert_eq!(lines.next().unwrap().unwrap(), "ready");
        let client = self.start("b", client).wait_with_output().unwrap();
        assert!(client.status.success());
        let served = lines.next().map(Result::unwrap).unwrap_or_default();
        server.kill().unwrap();
        server.wait().unwrap();
        (served, String::from_utf8(client.stdout).unwrap())
    }
}

fn inside(kind: &str) {
    let nodes = [("a", 1), ("b", 2)]
        .map(|(name, n)| NodeSpec { name: name.to_owned(), ip: Ipv4Addr::new(10, 77, 0, n) })
        .to_vec();
    let device = match kind {
        "tun" => Some(DeviceKind::Tun),
        "ring" => Some(DeviceKind::Ring),
        _ => None,
    };
    let joined = match device {
        None => Joined::Bridge(Bridged::start(&nodes).unwrap()),
        Some(device) => {
            let plan = LabPlan { nodes, kafka_ports: vec![9092], seed: 1, device: Some(device) };
            Joined::Switch(Box::new(Lab::start(&plan).unwrap()))
        }
    };
    let (gigabits, _) = joined.pair("sink", "source");
    let (_, latency) = joined.pair("echo", "ping");
    println!("{gigabits} {latency}");
}

fn listen() -> TcpStream {
    let listener = TcpListener::bind("0.0.0.0:9000").unwrap();
    println!("ready");
    let (stream, _) = listener.accept().unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn dial() -> TcpStream {
    let stream = TcpStream::connect("10.77.0.1:9000").unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

/// Receives until the end; Gbit/s.
fn sink() {
    let mut stream = listen();
    let mut buffer = vec![0; 1 << 20];
    let (start, mut bytes) = (Instant::now(), 0_usize);
    while let Ok(n @ 1..) = stream.read(&mut buffer) {
        bytes += n;
    }
    let bits = f64::from(u32::try_from(bytes >> 10).unwrap()) * 1024.0 * 8.0;
    println!("{:.3}", bits / start.elapsed().as_secs_f64() / 1e9);
}

fn source() {
    let (mut stream, block) = (dial(), vec![7; 128 << 10]);
    let start = Instant::now();
    while start.elapsed() < BULK {
        stream.write_all(&block).unwrap();
    }
}

fn echo() {
    let (mut stream, mut buffer) = (listen(), [0; PING_LEN]);
    while stream.read_exact(&mut buffer).is_ok() {
        stream.write_all(&buffer).unwrap();
    }
}

/// Round trips; p50 and p99 in microseconds.
fn ping() {
    let (mut stream, mut buffer) = (dial(), [0; PING_LEN]);
    let mut times: Vec<f64> = (0..PINGS)
        .map(|_| {
            let start = Instant::now();
            stream.write_all(&buffer).unwrap();
            stream.read_exact(&mut buffer).unwrap();
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{:.1} {:.1}", times[PINGS / 2], times[PINGS * 99 / 100]);
}
