//! What happens inside a lab: three nodes, their links, and each fault on them, as the nodes see it.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, ChildStdout, ExitCode, Stdio};
use std::time::{Duration, Instant};

use harness::lab::{DeviceKind, Lab, LabPlan, NodeSpec};
use nemesis::switch::{
    Action, Api, HoldRequest, LinkRule, Links, LoseResponse, Order, Ports, Requests, Reset, Rule,
};

/// All scenarios, by the claim that they hold.
pub(crate) const ALL: &[&str] = &[
    "a-node-has-its-own-name-network-and-folder",
    "every-byte-arrives",
    "a-partition-cuts-and-heals",
    "a-one-way-partition-cuts-one-way",
    "a-port-filter-spares-other-ports",
    "a-fifth-of-the-packets-is-lost",
    "every-byte-arrives-in-spite-of-loss",
    "a-delay-is-kept",
    "jitter-does-not-reorder",
    "a-reset-breaks-open-connections-only",
    "a-reset-of-all-refuses-new-connections",
    "no-rule-touches-the-harness",
    "a-lost-response-was-executed-and-answered",
    "a-lost-response-under-loss-and-delay",
    "a-held-request-is-executed-at-its-release",
];

pub(crate) fn run(scenario: &str, device: DeviceKind) -> ExitCode {
    let nodes = [("a", 1), ("b", 2), ("c", 3)]
        .map(|(name, n)| NodeSpec { name: name.to_owned(), ip: Ipv4Addr::new(10, 77, 0, n) });
    let plan = LabPlan { nodes: nodes.to_vec(), kafka_ports: vec![9092], seed: 7, device: Some(device) };
    let lab = Lab::start(&plan).unwrap();
    assert_eq!(lab.device(), device);
    match scenario {
        "a-node-has-its-own-name-network-and-folder" => own_everything(&lab),
        "every-byte-arrives" => intact(&lab, 64 << 20),
        "a-partition-cuts-and-heals" => partition(&lab),
        "a-one-way-partition-cuts-one-way" => one_way(&lab),
        "a-port-filter-spares-other-ports" => port_filter(&lab),
        "a-fifth-of-the-packets-is-lost" => loss(&lab),
        "every-byte-arrives-in-spite-of-loss" => intact_with_loss(&lab),
        "a-delay-is-kept" => delay(&lab),
        "jitter-does-not-reorder" => jitter(&lab),
        "a-reset-breaks-open-connections-only" => reset(&lab),
        "a-reset-of-all-refuses-new-connections" => refuse(&lab),
        "no-rule-touches-the-harness" => exempt(&lab),
        "a-lost-response-was-executed-and-answered" => lose(&lab),
        "a-lost-response-under-loss-and-delay" => lose_in_trouble(&lab),
        "a-held-request-is-executed-at-its-release" => hold(&lab),
        "wait" => wait(&lab),
        "crowd" => crowd(&lab),
        _ => panic!("no scenario {scenario}"),
    }
    let totals = lab.switch().totals().unwrap();
    assert_eq!(totals.strays, 0, "frames that nobody asked for");
    ExitCode::SUCCESS
}

/// A program in a node, whose lines are read.
struct Program {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Program {
    fn start(lab: &Lab, node: &str, words: &[&str]) -> Self {
        let mut command = lab.command(node, std::env::current_exe().unwrap());
        command.arg("node").args(words).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Self { child, lines }
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim().to_owned()
    }

    /// A server, once it listens.
    fn server(lab: &Lab, node: &str, words: &[&str]) -> Self {
        let mut server = Self::start(lab, node, words);
        assert_eq!(server.line(), "ready");
        server
    }

    /// All lines of a program that ends by itself.
    fn output(lab: &Lab, node: &str, words: &[&str]) -> Vec<String> {
        let mut program = Self::start(lab, node, words);
        let lines = (&mut program.lines).lines().map(Result::unwrap).collect();
        assert!(program.child.wait().unwrap().success(), "{words:?} in node {node}");
        lines
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Round-trip times.
fn pings(lab: &Lab, from: &str, address: &str, count: u32) -> Vec<Duration> {
    let lines = Program::output(lab, from, &["ping", address, &count.to_string(), "5"]);
    lines.iter().map(|line| Duration::from_micros(line.parse().unwrap())).collect()
}

fn can_connect(lab: &Lab, from: &str, address: &str) -> String {
    Program::output(lab, from, &["connect", address, "700"]).remove(0)
}

fn own_everything(lab: &Lab) {
    for node in ["a", "b", "c"] {
        let folder = std::env::current_dir().unwrap();
        let facts = Program::output(lab, node, &["facts"]);
        let expected = [
            format!("host {node}"),
            "interfaces e0 lo".to_owned(),
            "ipv6 0".to_owned(),
            format!("folder {}", folder.display()),
            "uid 0".to_owned(),
        ];
        assert_eq!(facts, expected);
    }
    let _server = Program::server(lab, "b", &["echo", "9000"]);
    for (from, address) in [("a", "b:9000"), ("c", "10.77.0.2:9000"), ("b", "localhost:9000")] {
        assert_eq!(can_connect(lab, from, address), "connected", "{from} to {address}");
    }
    assert_eq!(can_connect(lab, "a", "127.0.0.1:9000"), "ConnectionRefused");
    assert_eq!(can_connect(lab, "a", "192.0.2.1:9000"), "NetworkUnreachable");
}

fn intact(lab: &Lab, bytes: u64) {
    let _server = Program::server(lab, "b", &["echo", "9000"]);
    assert_eq!(Program::output(lab, "a", &["blast", "b:9000", &bytes.to_string()]), ["intact"]);
}

fn partition(lab: &Lab) {
    let _server = Program::server(lab, "b", &["echo", "9000"]);
    let guard = lab.switch().install(Rule::drop(Links::both_ways(&["a"], &["b", "c"]))).unwrap();
    assert_eq!(can_connect(lab, "a", "b:9000"), "TimedOut");
    assert_eq!(can_connect(lab, "c", "b:9000"), "connected");
    let counters = guard.remove().unwrap();
    assert!(counters.frames_dropped >= 1 && counters.bit(), "{counters:?}");
    assert_eq!(counters.frames_dropped, counters.frames_seen);
    assert_eq!(can_connect(lab, "a", "b:9000"), "connected");
    let guard = lab.switch().install(Rule::drop(Links::both_ways(&["a"], &["b"]))).unwrap();
    drop(guard);
    assert_eq!(can_connect(lab, "a", "b:9000"), "connected");
    let unknown = lab.switch().install(Rule::drop(Links::both_ways(&["a"], &["nobody"])));
    assert!(unknown.is_err_and(|error| error.to_string().contains("`nobody`")));
}

/// Datagrams that arrived when `count` are sent.
fn arrived(lab: &Lab, (from, to): (&str, &str), count: u64) -> u64 {
    let mut collector = Program::server(lab, to, &["collect", "9100"]);
    Program::output(lab, from, &["datagrams", &format!("{}:9100", lab.ip(to).unwrap()), &count.to_string()]);
    // The end is told from a node that no rule of these tests touches.
    std::thread::sleep(Duration::from_millis(100));
    let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
    socket.send_to(b"end", (lab.ip(to).unwrap(), 9100)).unwrap();
    collector.line().parse().unwrap()
}

fn one_way(lab: &Lab) {
    let guard = lab.switch().install(Rule::drop(Links::one_way(&["a"], &["b"]))).unwrap();
    assert_eq!(arrived(lab, ("a", "b"), 100), 0);
    assert_eq!(arrived(lab, ("b", "a"), 100), 100);
    assert_eq!(guard.remove().unwrap().frames_dropped, 100);
    assert_eq!(arrived(lab, ("a", "b"), 100), 100);
}

fn port_filter(lab: &Lab) {
    let _closed = Program::server(lab, "b", &["echo", "9000"]);
    let _open = Program::server(lab, "b", &["echo", "9001"]);
    let rule = Rule::drop(Links::both_ways(&["a"], &["b"])).on_ports([9000]);
    let guard = lab.switch().install(rule).unwrap();
    assert_eq!(can_connect(lab, "a", "b:9000"), "TimedOut");
    assert_eq!(can_connect(lab, "a", "b:9001"), "connected");
    assert_eq!(arrived(lab, ("a", "b"), 10), 10);
    let counters = guard.remove().unwrap();
    assert_eq!(counters.frames_seen, counters.frames_dropped);
}

fn loss(lab: &Lab) {
    let guard = lab.switch().install(Rule::loss(Links::one_way(&["a"], &["b"]), 0.2)).unwrap();
    let count = arrived(lab, ("a", "b"), 5000);
    let counters = guard.remove().unwrap();
    // What the kernel drops before the switch (it does when the machine starves the switch) is not the rule's doing;
    // every frame that the switch saw arrived or was dropped by the rule.
    assert!((4500..=5000).contains(&counters.frames_seen), "{counters:?}");
    assert_eq!(count + counters.frames_dropped, counters.frames_seen);
    // Five standard deviations are 141.
    let expected = counters.frames_seen / 5;
    assert!((expected - 141..=expected + 141).contains(&counters.frames_dropped), "{counters:?}");
}

fn intact_with_loss(lab: &Lab) {
    let rule = Rule::loss(Links::both_ways(&["a"], &["b"]), 0.02);
    let guard = lab.switch().install(rule).unwrap();
    intact(lab, 2 << 20);
    let counters = guard.remove().unwrap();
    // 4 MiB in packets of at most 1,448 bytes: large frames were taken apart before chance struck.
    assert!(counters.frames_seen > 2896, "{counters:?}");
    assert!(counters.frames_dropped > 20, "{counters:?}");
}

fn delay(lab: &Lab) {
    let _server = Program::server(lab, "b", &["echo", "9000"]);
    let (base, jitter) = (Duration::from_millis(50), Duration::from_millis(10));
    let guard = lab.switch().install(Rule::delay(Links::one_way(&["a"], &["b"]), base, jitter)).unwrap();
    let times = pings(lab, "a", "b:9000", 40);
    let counters = guard.remove().unwrap();
    // A busy machine makes some round trips late; none may be early, and the quick ones must be in time.
    let mut sorted = times.clone();
    sorted.sort();
    assert!(sorted[0] >= base - jitter, "{times:?}");
    assert!(sorted[times.len() / 4] <= base + jitter, "{times:?}");
    assert!(sorted[times.len() - 1] - sorted[0] > Duration::from_millis(5), "no jitter: {times:?}");
    assert!(counters.frames_delayed >= 40 && counters.frames_overflowed == 0, "{counters:?}");
    assert!(pings(lab, "a", "b:9000", 5).iter().any(|time| *time < base - jitter));
}

fn jitter(lab: &Lab) {
    let mut collector = Program::server(lab, "b", &["order", "9200"]);
    let (base, jitter) = (Duration::from_millis(20), Duration::from_millis(20));
    let links = Links::one_way(&["a"], &["b"]);
    let guard = lab.switch().install(Rule::delay(links.clone(), base, jitter)).unwrap();
    Program::output(lab, "a", &["datagrams", "10.77.0.2:9200", "500"]);
    assert_eq!(collector.line(), "500 arrived, 0 overtaken");
    drop(guard);
    let action = Action::Delay { base, jitter, order: Order::Free };
    let guard = lab.switch().install(Rule::Link(LinkRule { links, ports: Ports::Any, action })).unwrap();
    Program::output(lab, "a", &["datagrams", "10.77.0.2:9200", "500"]);
    let line = collector.line();
    assert!(line.starts_with("500 arrived") && !line.ends_with(" 0 overtaken"), "{line}");
    drop(guard);
}

fn reset(lab: &Lab) {
    let mut server = Program::server(lab, "b", &["echo", "9000"]);
    let mut client = Program::start(lab, "a", &["sit", "b:9000"]);
    assert_eq!(client.line(), "connected");
    let rule = Rule::reset(Links::both_ways(&["a"], &["b"]), Reset::Established);
    let guard = lab.switch().install(rule).unwrap();
    assert_eq!(client.line(), "ConnectionReset");
    assert_eq!(server.line(), "reset");
    assert_eq!(can_connect(lab, "a", "b:9000"), "connected");
    assert!(pings(lab, "a", "b:9000", 20).len() == 20);
    let counters = guard.remove().unwrap();
    assert!(counters.resets >= 2, "{counters:?}");
}

fn refuse(lab: &Lab) {
    let _server = Program::server(lab, "b", &["echo", "9000"]);
    let guard = lab.switch().install(Rule::reset(Links::both_ways(&["a"], &["b"]), Reset::All)).unwrap();
    let start = Instant::now();
    assert_eq!(can_connect(lab, "a", "b:9000"), "ConnectionRefused");
    assert!(start.elapsed() < Duration::from_millis(600));
    drop(guard);
    assert_eq!(can_connect(lab, "a", "b:9000"), "connected");
}

fn exempt(lab: &Lab) {
    let _server = Program::server(lab, "b", &["echo", "9000"]);
    let refused = lab.switch().install(Rule::drop(Links::one_way(&["harness"], &["b"])));
    assert!(refused.is_err());
    let _guard = lab.switch().install(Rule::drop(Links::both_ways(&["a", "c"], &["b"]))).unwrap();
    let stream = std::net::TcpStream::connect("b:9000");
    assert!(stream.is_ok(), "{stream:?}");
    assert_eq!(can_connect(lab, "harness", "b:9000"), "connected");
}

/// Requests 4 and 5 of a client lose their answers.
fn lose(lab: &Lab) {
    let mut broker = Program::server(lab, "b", &["broker", "9092"]);
    let requests = Requests {
        client: Some("a".to_owned()),
        client_id: Some("shop".to_owned()),
        ..Requests::of(Api::PRODUCE)
    };
    let rule = LoseResponse { nth: 4, count: 2, ..LoseResponse::first(requests) };
    let guard = lab.switch().install(Rule::LoseResponse(rule)).unwrap();
    let answered = Program::output(lab, "a", &["produce", "b:9092", "100"]);
    let counters = guard.remove().unwrap();
    let kafka = &counters.kafka;
    // On a quick link request 4 is answered before request 5 is sent: then the group goes on with the next
    // connection, which this client never makes.
    let lost = kafka.responses_lost;
    assert!((1..=2).contains(&lost), "{counters:?}");
    assert_eq!(answered, ["answered 1", "answered 2", "answered 3", "ConnectionReset"]);
    assert_eq!((kafka.records_lost, kafka.records_taken), (10 * lost, 10 * lost), "{counters:?}");
    assert_eq!((kafka.group_timeouts, kafka.unacked, kafka.also_lost), (0, 0, 0), "{counters:?}");
    let executed: Vec<_> = (0..3 + lost).map(|_| broker.line()).collect();
    assert_eq!(executed, (1..=3 + lost).map(|n| format!("executed {n}")).collect::<Vec<_>>());
    // Nothing more was executed: the next line is of a connection made now.
    Program::output(lab, "c", &["produce", "b:9092", "1"]);
    assert_eq!(broker.line(), "executed 1");
}

fn lose_in_trouble(lab: &Lab) {
    let links = || Links::both_ways(&["a"], &["b"]);
    let loss = lab.switch().install(Rule::loss(links(), 0.05)).unwrap();
    let delay = Rule::delay(links(), Duration::from_millis(10), Duration::from_millis(5));
    let delay = lab.switch().install(delay).unwrap();
    lose(lab);
    let (loss, delay) = (loss.remove().unwrap(), delay.remove().unwrap());
    assert!(loss.frames_dropped > 0 && delay.frames_delayed > 0, "{loss:?} {delay:?}");
}

/// Request 3 is held for a while; everything behind it waits, and then happens once and in order.
fn hold(lab: &Lab) {
    let mut broker = Program::server(lab, "b", &["broker", "9092"]);
    let rule = HoldRequest { requests: Requests::of(Api::PRODUCE), nth: 3, count: 1 };
    let guard = lab.switch().install(Rule::HoldRequest(rule)).unwrap();
    let mut client = Program::start(lab, "a", &["produce", "b:9092", "20"]);
    let start = Instant::now();
    for n in 1..=2 {
        assert_eq!((broker.line(), client.line()), (format!("executed {n}"), format!("answered {n}")));
    }
    std::thread::sleep(Duration::from_secs(2));
    let counters = guard.remove().unwrap();
    assert_eq!(client.line(), "answered 3");
    assert!(start.elapsed() >= Duration::from_secs(2));
    assert_eq!((counters.kafka.requests_held, counters.kafka.requests_released), (1, 1), "{counters:?}");
    for n in 3..=20 {
        assert_eq!(broker.line(), format!("executed {n}"));
    }
    for n in 4..=20 {
        assert_eq!(client.line(), format!("answered {n}"));
    }
    assert_eq!(client.line(), "all answered");
}

/// Waits for an interrupt; its default action ends the controller.
fn wait(_: &Lab) {
    println!("waiting");
    std::thread::sleep(Duration::from_secs(60));
}

/// A lab in which much goes on, to be killed at some moment.
fn crowd(lab: &Lab) {
    let _servers: Vec<_> = ["a", "b", "c"].map(|node| Program::server(lab, node, &["echo", "9000"])).into();
    let _clients: Vec<_> = [("a", "b:9000"), ("b", "c:9000"), ("c", "a:9000")]
        .map(|(node, address)| Program::start(lab, node, &["sit", address]))
        .into();
    // A process that left its group and its session dies with the lab too.
    let mut stray = lab.command("a", "/bin/sh");
    stray.args(["-c", "setsid sleep 60 & sleep 60"]);
    let mut stray = stray.spawn().unwrap();
    println!("waiting");
    stray.wait().unwrap();
}
