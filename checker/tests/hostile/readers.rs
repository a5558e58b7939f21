//! One function per reader: bytes in, whether they were taken. What is taken is judged as well.

use std::path::Path;

use checker::cycles::Consistency;
use checker::imported::{self, MODELS};
use checker::judge::judge;
use checker::linear::Options;
use checker::question::Question;
use history::ids::{LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Entry, Header, JournalError, Reader, SendRun, Unresolved, Writer};
use history::merge;
use history::merged::History;
use history::op::{Event, Identity, Isolation, Run, Span};
use history::text::Parsed;

/// Judges a history; a refusal is an answer too.
fn judged(history: &History) -> bool {
    let question = Question { claim: "exactly-once".parse().unwrap(), ..Question::default() };
    judge(history, &question).is_ok_and(|verdict| {
        // The verdict is what users and programs read.
        serde_json::to_string(&verdict).is_ok()
    })
}

/// The line form.
pub(crate) fn text(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else { return false };
    let Ok(parsed) = Parsed::parse(text) else { return false };
    let again = Parsed::parse(&history::text::print(&parsed)).expect("what is printed can be read");
    assert_eq!(again, parsed, "printed and read again");
    merge::events(&parsed.logs, &parsed.events).is_ok_and(|history| judged(&history))
}

/// The binary form.
pub(crate) fn history(bytes: &[u8]) -> bool {
    let Ok(history) = History::from_bytes(bytes) else { return false };
    let sound = history.verify().is_ok();
    if let Ok(events) = history.events() {
        // To the first damaged chunk.
        let _ = events.map_while(Result::ok).count();
    }
    judged(&history) && sound
}

/// A journal and its merging.
pub(crate) fn journal(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir_in(memory()).unwrap();
    let path = folder.path().join("1.journal");
    std::fs::write(&path, bytes).unwrap();
    read_to_its_end(&path) && merged(&path)
}

/// Journals are small and many: not on a disk, where there is a choice.
fn memory() -> std::path::PathBuf {
    let shared = Path::new("/dev/shm");
    if shared.is_dir() { shared.to_owned() } else { std::env::temp_dir() }
}

fn read_to_its_end(path: &Path) -> bool {
    let Ok(mut reader) = Reader::open(path) else { return false };
    loop {
        match reader.next_entry() {
            Ok(Entry::End(_)) => return true,
            Ok(_) => {}
            Err(_) => return false,
        }
    }
}

fn merged(path: &Path) -> bool {
    let out = path.with_extension("history");
    if merge::journals(&[path.to_owned()], &out).is_err() {
        return false;
    }
    judged(&History::open(&out).expect("what the merge wrote can be opened"))
}

/// Calls of the journal's writer, eight bytes each: a client that says anything at all, with right checksums.
pub(crate) fn calls(bytes: &[u8]) -> bool {
    let folder = tempfile::tempdir_in(memory()).unwrap();
    let path = folder.path().join("1.journal");
    let identity = Identity { name: "hostile".into(), role: "consumer".into(), ..Identity::default() };
    let header = Header { run: 1, process: Process(1), identity };
    let Ok(mut writer) = Writer::create(&path, &header) else { return false };
    let log = writer.log(&TopicPartition::new("t", 0)).expect("one log fits");
    for (call, now) in bytes.chunks_exact(8).zip(0..) {
        if called(&mut writer, log, call, Nanos(now * 1000)).is_err() {
            return false;
        }
    }
    writer.close().is_ok() && read_to_its_end(&path) && merged(&path)
}

fn called(writer: &mut Writer, log: LogId, call: &[u8], now: Nanos) -> Result<(), JournalError> {
    let [kind, first, count, a, b, c, d, e] = *call else { return Ok(()) };
    let offset = match a {
        255 => Offset(i64::MAX - i64::from(b)),
        // The writer refuses a negative one as a defect of its caller.
        _ => Offset(i64::from(u16::from_le_bytes([b, c]))),
    };
    let sent = SendRun { log, first: Seq(u32::from(first)), count: u32::from(count.max(1)) };
    let value = Value { process: Process(u32::from(d)), seq: Seq(u32::from(first)) };
    let run = Run { log, offset, first: value, count: sent.count };
    match kind % 8 {
        0 => writer.sends(sent, now),
        1 => writer.acked(sent, (e % 2 == 0).then_some(offset), now),
        2 => writer.unresolved(sent, Unresolved::Info, -185, now),
        3 => writer.unresolved(sent, Unresolved::Fail, 22, now),
        4 => writer.poll(Nanos(now.0.saturating_sub(u64::from(e))), now, &[run]),
        5 => {
            writer.handed_over(&[Span { log, first: offset, last: Offset(offset.0.saturating_add(3)) }], now)
        }
        6 => writer.final_read(Isolation::ReadCommitted, &[run], now),
        _ => writer.sends(SendRun { first: Seq(u32::MAX - u32::from(first)), ..sent }, now),
    }
}

/// Events as JSON, one a line: as journals hold the rare ones and as foreign workers send them.
pub(crate) fn json(bytes: &[u8]) -> bool {
    let mut events = Vec::new();
    for line in bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Ok(event) = serde_json::from_slice::<Event>(line) else { return false };
        events.push(event);
    }
    let logs = [TopicPartition::new("t", 0), TopicPartition::new("t", 1)];
    merge::events(&logs, &events).is_ok_and(|history| judged(&history))
}

/// EDN of the Kafka workload.
pub(crate) fn kafka(bytes: &[u8]) -> bool {
    let Ok(imported) = history::edn::kafka::read(bytes) else { return false };
    merge::events(&imported.logs, &imported.events).is_ok_and(|history| judged(&history))
}

/// EDN of an object; the first byte chooses the model.
pub(crate) fn model(bytes: &[u8]) -> bool {
    let Some((first, rest)) = bytes.split_first() else { return false };
    let model = MODELS[usize::from(*first) % MODELS.len()];
    let options = Options { steps: 100_000, memory: 16 << 20, ..Options::default() };
    imported::judge(rest, model, &options, Consistency::Serializable).is_ok()
}
