//! Golden vectors: one script of calls, written by the Rust writers and by the worker's Java classes.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use harness::kafka::java::Java;
use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Entry, Header, Reader, SendRun, Tail, Unresolved, Writer};
use history::op::{
    Assignment, Cause, CommitMode, Event, Identity, Isolation, Op, Outcome, Phase, Position, Run, Span,
};
use history::payload;

use crate::compiled;

const RUN: u64 = 0xfedc_ba98_7654_3210;
const PROCESS: Process = Process(7);

/// Writes with Rust, and notes the same call for Java.
struct Both {
    writer: Writer,
    script: String,
    payloads: String,
    random: u64,
}

impl Both {
    /// A number below `below`, the same in every run.
    fn draw(&mut self, below: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % below
    }

    fn small(&mut self, below: u32) -> u32 {
        u32::try_from(self.draw(below.into())).unwrap()
    }

    fn offset(&mut self) -> i64 {
        i64::try_from(self.draw(1 << 62)).unwrap()
    }

    fn log(&mut self) -> LogId {
        LogId(u16::try_from(self.draw(2)).unwrap())
    }

    fn frame(&mut self) {
        let (log, seq, count, now) =
            (self.log(), self.small(u32::MAX), 1 + self.small(90), self.draw(1 << 62));
        let run = SendRun { log, first: Seq(seq), count };
        let seq = seq.cast_signed();
        let head = format!("{} {seq} {count}", log.0);
        match self.draw(5) {
            0 => {
                self.writer.sends(run, Nanos(now)).unwrap();
                writeln!(self.script, "sends {head} {now}").unwrap();
            }
            1 => {
                let offset = self.offset();
                self.writer.acked(run, Some(Offset(offset)), Nanos(now)).unwrap();
                writeln!(self.script, "acked {head} {offset} {now}").unwrap();
            }
            2 => {
                self.writer.acked(run, None, Nanos(now)).unwrap();
                writeln!(self.script, "acked {head} -1 {now}").unwrap();
            }
            3 => {
                self.writer.unresolved(run, Unresolved::Fail, 10, Nanos(now)).unwrap();
                writeln!(self.script, "unresolved {head} FAIL 10 {now}").unwrap();
            }
            _ => {
                self.writer.unresolved(run, Unresolved::Info, -1, Nanos(now)).unwrap();
                writeln!(self.script, "unresolved {head} INFO -1 {now}").unwrap();
            }
        }
    }

    fn group(&mut self) {
        let (invoked, returned) = (self.draw(1 << 61), (1 << 61) + self.draw(1 << 61));
        let mut runs = Vec::new();
        write!(self.script, "poll {invoked} {returned}").unwrap();
        for _ in 0..self.draw(30) {
            let first = Value { process: Process(self.small(u32::MAX)), seq: Seq(self.small(u32::MAX)) };
            let run =
                Run { log: self.log(), offset: Offset(self.offset()), first, count: 1 + self.small(1000) };
            let (process, seq) = (first.process.0.cast_signed(), first.seq.0.cast_signed());
            write!(self.script, " {} {} {process} {seq} {}", run.log.0, run.offset.0, run.count).unwrap();
            runs.push(run);
        }
        self.writer.poll(Nanos(invoked), Nanos(returned), &runs).unwrap();
        let spans = self.spans();
        self.writer.handed_over(&spans, Nanos(returned)).unwrap();
        writeln!(self.script, "\nhanded-over {returned}{}", words(&spans)).unwrap();
    }

    fn spans(&mut self) -> Vec<Span> {
        let count = 1 + self.draw(5);
        let span = |both: &mut Self| {
            let first = both.offset();
            Span { log: both.log(), first: Offset(first), last: Offset(first + 9) }
        };
        (0..count).map(|_| span(self)).collect()
    }

    fn event(&mut self, phase: Phase, op: Op, call: &str) {
        let time = self.draw(1 << 62);
        self.writer.event(&Event { time: Nanos(time), process: PROCESS, phase, op }).unwrap();
        writeln!(self.script, "event {time} {call}").unwrap();
    }

    fn events(&mut self, identity: &Identity) {
        let ok = || Phase::Complete(Outcome::Ok { offset: None });
        self.event(ok(), Op::Open(identity.clone()), "open");
        self.event(ok(), Op::Close, "close");
        let logs = || vec![LogId(0), LogId(1)];
        let assignment = |generation| Assignment { logs: logs(), generation };
        self.event(ok(), Op::Assigned(assignment(Some(12))), "assigned 12 0 1");
        self.event(ok(), Op::Revoked(assignment(None)), "revoked -1 0 1");
        let nothing = Assignment { logs: Vec::new(), generation: Some(0) };
        self.event(ok(), Op::Lost(nothing), "lost 0");
        self.event(ok(), Op::Seek { log: LogId(1), offset: Offset(5) }, "seek 1 5");
        let spans = self.spans();
        let call = format!("effect{}", words(&spans));
        self.event(ok(), Op::Effect { spans }, &call);
        let position = |log, next| Position { log: LogId(log), next: Offset(next) };
        let positions = || vec![position(0, 17), position(1, i64::MAX)];
        let commit = |mode| Op::CommitOffsets { mode, positions: positions() };
        let both = format!("0 17 1 {}", i64::MAX);
        self.event(Phase::Invoke, commit(CommitMode::Sync), &format!("committing sync {both}"));
        self.event(ok(), commit(CommitMode::Async), &format!("committed async {both}"));
        let message = "quote \" backslash \\ line\nbell \u{7} ü €".to_owned();
        let hexed = hex(&message);
        let cause = || Cause { code: -1, message: message.clone() };
        let one = |mode| Op::CommitOffsets { mode, positions: vec![position(3, 4)] };
        let info = || Phase::Complete(Outcome::Info { cause: cause(), offset: None });
        self.event(info(), one(CommitMode::Auto), &format!("info auto -1 {hexed}"));
        let failed = Phase::Complete(Outcome::Fail { cause: cause() });
        self.event(failed, one(CommitMode::Sync), &format!("fail sync -1 {hexed}"));
        let fetched = |positions| Op::FetchCommitted { positions };
        self.event(Phase::Invoke, fetched(Vec::new()), "fetching");
        self.event(ok(), fetched(positions()), &format!("fetched {both}"));
        self.event(info(), fetched(Vec::new()), &format!("not-fetched -1 {hexed}"));
    }

    /// Payloads of all sizes, and what is made of those that are not ours.
    fn payloads(&mut self) {
        let here = TopicPartition::new("orders", 1);
        for size in [0, 1, 41, 42, 43, 100, 1000] {
            let value = Value { process: Process(self.small(u32::MAX)), seq: Seq(self.small(u32::MAX)) };
            let mut bytes = Vec::new();
            payload::encode(&mut bytes, RUN, value, &here, size);
            let (process, seq) = (value.process.0.cast_signed(), value.seq.0.cast_signed());
            writeln!(self.script, "payload {process} {seq} orders 1 {size}").unwrap();
            writeln!(self.payloads, "{}", hex_of(&bytes)).unwrap();
            self.foreign(&bytes, &TopicPartition::new("orders", 2));
            self.foreign(&bytes, &TopicPartition::new("order", 1));
            let cut = bytes.len() / 2;
            self.foreign(&bytes[..cut], &here);
            bytes[20] ^= 4;
            self.foreign(&bytes, &here);
            let mut other = Vec::new();
            payload::encode(&mut other, RUN ^ 1, value, &here, size);
            self.foreign(&other, &here);
        }
        self.foreign(b"", &here);
        self.foreign(
            b"\t\r\n'\"\\ \x00\x7f\xff~text that is longer than what a preview shows of it, by a few words",
            &here,
        );
        self.foreign(&[0; 36], &here);
    }

    fn foreign(&mut self, bytes: &[u8], actual: &TopicPartition) {
        let why = payload::decode(bytes, RUN, actual).unwrap_err();
        let ok = Phase::Complete(Outcome::Ok { offset: None });
        let call = format!("foreign 1 99 {} {} {}", actual.topic, actual.partition, hex_of(bytes));
        self.event(ok, Op::Foreign { log: LogId(1), offset: Offset(99), why }, &call);
    }
}

fn words(spans: &[Span]) -> String {
    spans.iter().map(|span| format!(" {} {} {}", span.log.0, span.first.0, span.last.0)).collect()
}

fn hex_of(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A word for the script, also where it is empty.
fn hex(text: &str) -> String {
    format!("0x{}", hex_of(text.as_bytes()))
}

fn identity(isolation: Option<Isolation>) -> Identity {
    Identity {
        name: "billing[1]".into(),
        role: "consumer".into(),
        family: "java".into(),
        version: "4.3.1 \"quoted\"".into(),
        group: isolation.map(|_| "grüppe".into()),
        isolation,
    }
}

/// Compiles the test's own class against the worker's.
fn vectors(folder: &Path) -> (PathBuf, String) {
    let (worker, _) = compiled();
    let at = worker.arguments.iter().position(|argument| argument == "-cp").unwrap();
    let class_path = worker.arguments[at + 1].clone();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/java/Vectors.java");
    let java = Java::find().unwrap();
    let compiler = java.program.with_file_name("javac");
    let ended = Command::new(compiler)
        .args(["--release", "11", "-cp", &class_path, "-d"])
        .args([folder, source.as_path()])
        .status()
        .unwrap();
    assert!(ended.success());
    (java.program, format!("{}:{class_path}", folder.display()))
}

fn write_both(folder: &Path, isolation: Option<Isolation>, (java, class_path): &(PathBuf, String)) {
    let identity = identity(isolation);
    let level = match isolation {
        None => "-".to_owned(),
        Some(Isolation::ReadCommitted) => hex("read_committed"),
        Some(Isolation::ReadUncommitted) => hex("read_uncommitted"),
    };
    let (ours, theirs) = (folder.join("rust"), folder.join("java"));
    let header = Header { run: RUN, process: PROCESS, identity: identity.clone() };
    let mut both = Both {
        writer: Writer::create(&ours, &header).unwrap(),
        script: String::new(),
        payloads: String::new(),
        random: 88_172_645_463_325_252,
    };
    let words = [&identity.name, &identity.role, &identity.family, &identity.version].map(|word| hex(word));
    let group = identity.group.as_deref().map_or("-".to_owned(), hex);
    let signed = RUN.cast_signed();
    let place = theirs.display();
    writeln!(both.script, "{place} {signed} {} {} {group} {level}", PROCESS.0, words.join(" ")).unwrap();
    for (topic, partition) in [("orders", 0), ("a-topic.with_a-name-that-fills-several-frames", 17)] {
        both.writer.log(&TopicPartition::new(topic, partition)).unwrap();
        writeln!(both.script, "log {topic} {partition}").unwrap();
    }
    both.events(&identity);
    both.payloads();
    // More than two windows of frames, groups on their boundaries.
    for _ in 0..9_000 {
        both.frame();
        both.frame();
        both.group();
    }
    both.writer.close().unwrap();
    let mut child = Command::new(java)
        .args(["-cp", class_path, "onceproof.Vectors"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let script = both.script;
    let mut stdin = child.stdin.take().unwrap();
    let writing = std::thread::spawn(move || stdin.write_all(script.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writing.join().unwrap().unwrap();
    assert!(output.status.success());
    assert_eq!(String::from_utf8(output.stdout).unwrap(), both.payloads, "payloads");
    let (ours, theirs) = (std::fs::read(ours).unwrap(), std::fs::read(&theirs).unwrap());
    assert!(ours.len() > 2 << 20, "{} bytes", ours.len());
    let differs = ours.chunks(32).zip(theirs.chunks(32)).position(|(one, other)| one != other);
    assert_eq!((differs, ours.len()), (None, theirs.len()), "the first frame that differs, and the lengths");
    let mut reader = Reader::open(folder.join("java")).unwrap();
    while !matches!(reader.next_entry().unwrap(), Entry::End(Tail::Closed)) {}
}

#[test]
fn the_java_journal_and_its_payloads_are_rusts_byte_for_byte() {
    let folder = tempfile::tempdir().unwrap();
    let program = vectors(folder.path());
    for (name, isolation) in [("none", None), ("committed", Some(Isolation::ReadCommitted))] {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        write_both(&folder, isolation, &program);
    }
}
