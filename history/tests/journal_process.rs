//! What happens to a journal when its writer is killed, and when the disk is full.
//!
//! The test program executes itself as the writer. A writer reports every 64th action on its standard output,
//! and is killed by SIGKILL after a number of reports and a number of turns of a loop that differ each time:
//! every reported action must be in the journal, and what is there must be exactly what was written. Then the
//! same on a file system of 3 MiB, and under a limit on file size: an error that says so, never a SIGBUS.
#![expect(clippy::disallowed_methods, reason = "shell: the test executes itself as the journal's writer")]
#![expect(clippy::unwrap_used, reason = "a test's own set-up may fail only by panicking")]
#![expect(clippy::print_stdout, reason = "a test without libtest says itself what it showed")]

use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Entry, Header, JournalError, Reader, SendRun, Tail, Writer};
use history::op::{Event, Identity, Op, Run, Span};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, signal};

const ACTIONS_PER_REPORT: u32 = 64;
const ROUNDS: u32 = 60;
/// Exit status of a writer that could not have a small file system here.
const NOT_PERMITTED: i32 = 77;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["write-until-killed", path] => write_until_killed(Path::new(path)),
        ["fill-small-disk", dir] => fill_small_disk(Path::new(dir)),
        ["fill-to-limit", dir] => fill_to_limit(Path::new(dir)),
        // Whatever filter `cargo test` passes: it is one test.
        _ => {
            what_a_killed_writer_published_is_there();
            a_full_disk_is_an_error_and_what_there_is_stays_readable();
        }
    }
}

fn what_a_killed_writer_published_is_there() {
    let dir = tempfile::tempdir().unwrap();
    let (mut torn, mut entries) = (0, 0);
    for round in 0..ROUNDS {
        let path = dir.path().join(format!("{round}.journal"));
        let mut child = oneself("write-until-killed", &path).stdout(Stdio::piped()).spawn().unwrap();
        let mut reports = child.stdout.take().unwrap();
        let mut report = [0; 4];
        for _ in 0..1 + round * round % 97 {
            reports.read_exact(&mut report).unwrap();
        }
        (0..round % 7 * 4000).for_each(|turn| {
            std::hint::black_box(turn);
        });
        child.kill().unwrap();
        let status = child.wait().unwrap();
        assert_eq!(status.signal(), Some(Signal::SIGKILL as i32), "{status}");
        let mut last = u32::from_le_bytes(report);
        while reports.read_exact(&mut report).is_ok() {
            last = u32::from_le_bytes(report);
        }
        let (actions, tail) = actions_read(&path);
        assert!(actions >= last, "round {round}: {last} actions were reported, {actions} are in the journal");
        match tail {
            Tail::Open => {}
            Tail::Torn { .. } => torn += 1,
            Tail::Closed | Tail::Truncated { .. } => panic!("round {round}: {tail:?}"),
        }
        entries += actions;
    }
    println!("{ROUNDS} writers killed, {entries} actions all there, {torn} torn tails");
}

/// How many actions a journal holds, all of them as they were written, and how it ends.
fn actions_read(path: &Path) -> (u32, Tail) {
    let mut reader = Reader::open(path).unwrap();
    assert_eq!(reader.header(), &header());
    let log = TopicPartition::new("t", 0);
    let entry = reader.next_entry().unwrap();
    if let Entry::End(tail) = entry {
        return (0, tail);
    }
    assert_eq!(entry, Entry::Log { id: LogId(0), log });
    for action in 0.. {
        let entry = reader.next_entry().unwrap();
        if let Entry::End(tail) = entry {
            return (action, tail);
        }
        let Buffers { runs, spans } = buffers(action);
        assert_eq!(entry, expected(action, &runs, &spans), "action {action}");
    }
    unreachable!("a journal ends")
}

fn write_until_killed(path: &Path) {
    let mut writer = Writer::create(path, &header()).unwrap();
    writer.log(&TopicPartition::new("t", 0)).unwrap();
    let mut stdout = std::io::stdout().lock();
    for action in 0.. {
        perform(&mut writer, action).unwrap();
        if action % ACTIONS_PER_REPORT == 0 {
            stdout.write_all(&(action + 1).to_le_bytes()).unwrap();
            stdout.flush().unwrap();
        }
    }
}

fn a_full_disk_is_an_error_and_what_there_is_stays_readable() {
    let dir = tempfile::tempdir().unwrap();
    let status = oneself("fill-to-limit", dir.path()).status().unwrap();
    assert!(status.success(), "under a limit on file size: {status}");
    let status = oneself("fill-small-disk", dir.path()).status().unwrap();
    if status.code() == Some(NOT_PERMITTED) {
        let note = "not shown: a full disk, because neither root nor user namespaces can mount a tmpfs here";
        println!("{note}");
        return;
    }
    assert!(status.success(), "on a full disk: {status}");
}

/// On a file system of 3 MiB, which only this process sees.
fn fill_small_disk(dir: &Path) {
    if mount_small(dir).is_err() {
        std::process::exit(NOT_PERMITTED);
    }
    let path = dir.join("full.journal");
    let (writer, actions, error) = fill(&path);
    let message = error.to_string();
    assert!(matches!(error, JournalError::Full { .. }), "{message}");
    assert!(message.contains("full.journal: no space left for the journal after 3145728 bytes"), "{message}");
    assert_eq!(actions_read(&path), (actions, Tail::Open));
    let second = dir.join("second.journal");
    let refused = Writer::create(&second, &header()).err().unwrap();
    assert!(matches!(refused, JournalError::Full { .. }), "{refused}");
    assert_eq!(
        std::fs::read_dir(dir).unwrap().count(),
        1,
        "nothing is left of a journal that was not created"
    );
    writer.close().unwrap();
    assert_eq!(actions_read(&path), (actions, Tail::Closed));
}

/// Under a limit on the size of files, which needs no privilege.
fn fill_to_limit(dir: &Path) {
    ignore_file_size_signal();
    setrlimit(Resource::RLIMIT_FSIZE, 2 << 20, 2 << 20).unwrap();
    let path = dir.join("limited.journal");
    let (writer, actions, error) = fill(&path);
    let message = error.to_string();
    assert!(message.contains("limited.journal: cannot extend the journal: "), "{message}");
    assert_eq!(actions_read(&path), (actions, Tail::Open));
    writer.close().unwrap();
    assert_eq!(actions_read(&path), (actions, Tail::Closed));
}

#[expect(unsafe_code, reason = "signal: ignoring SIGXFSZ turns the limit into an error")]
fn ignore_file_size_signal() {
    // SAFETY: no handler runs; the signal is ignored, in a process that has no other thread.
    unsafe { signal(Signal::SIGXFSZ, SigHandler::SigIgn) }.unwrap();
}

fn mount_small(dir: &Path) -> nix::Result<()> {
    let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
    if unshare(CloneFlags::CLONE_NEWNS).is_err() {
        unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWNS)?;
        let maps = [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("0 {uid} 1")),
            ("gid_map", format!("0 {gid} 1")),
        ];
        for (file, text) in maps {
            std::fs::write(format!("/proc/self/{file}"), text).map_err(|_| nix::errno::Errno::EPERM)?;
        }
    }
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    mount(Some("tmpfs"), dir, Some("tmpfs"), MsFlags::empty(), Some("size=3m"))
}

/// Writes until an error; returns the writer, the number of actions written and the error.
fn fill(path: &Path) -> (Writer, u32, JournalError) {
    let mut writer = Writer::create(path, &header()).unwrap();
    writer.log(&TopicPartition::new("t", 0)).unwrap();
    for action in 0.. {
        if let Err(error) = perform(&mut writer, action) {
            assert!(perform(&mut writer, action).is_err(), "a full disk stays full");
            return (writer, action, error);
        }
    }
    unreachable!("a small disk becomes full")
}

fn oneself(mode: &str, path: &Path) -> Command {
    let program: PathBuf = std::env::current_exe().unwrap();
    let mut command = Command::new(program);
    command.arg(mode).arg(path).stdin(Stdio::null());
    command
}

fn header() -> Header {
    let identity = Identity { name: "killed".into(), role: "producer".into(), ..Identity::default() };
    Header { run: 1, process: Process(2), identity }
}

struct Buffers {
    runs: Vec<Run>,
    spans: Vec<Span>,
}

fn buffers(action: u32) -> Buffers {
    let runs = (0..action % 37).map(|at| Run {
        log: LogId(0),
        offset: Offset(at.into()),
        first: Value { process: Process(action), seq: Seq(at) },
        count: 1,
    });
    let spans = (0..action % 3).map(|at| Span { log: LogId(0), first: Offset(at.into()), last: Offset(9) });
    Buffers { runs: runs.collect(), spans: spans.collect() }
}

fn crash(action: u32) -> Event {
    let how = "x".repeat(usize::try_from(action % 500).unwrap());
    Event::moment(Nanos(action.into()), Process(0), Op::Crash { how })
}

fn perform(writer: &mut Writer, action: u32) -> Result<(), JournalError> {
    let (time, log) = (Nanos(action.into()), LogId(0));
    let run = SendRun { log, first: Seq(action), count: 3 };
    match action % 8 {
        0..4 => writer.send(log, Seq(action), time),
        4 => writer.acked(run, Some(Offset(action.into())), time),
        5 => writer.poll(time, time, &buffers(action).runs),
        6 => writer.event(&crash(action)),
        _ => writer.handed_over(&buffers(action).spans, time),
    }
}

fn expected<'a>(action: u32, runs: &'a [Run], spans: &'a [Span]) -> Entry<'a> {
    let time = Nanos(action.into());
    let run = |count| SendRun { log: LogId(0), first: Seq(action), count };
    match action % 8 {
        0..4 => Entry::Sends { run: run(1), time },
        4 => Entry::Acked { run: run(3), offset: Some(Offset(action.into())), time },
        5 => Entry::Poll { invoked: time, returned: time, runs },
        6 => Entry::Event(Box::new(crash(action))),
        _ => Entry::HandedOver { spans, time },
    }
}
