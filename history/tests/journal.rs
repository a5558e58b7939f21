//! What a journal promises: everything written is read back, and no damage goes unnoticed.
//!
//! Damage is tried exhaustively on a small journal: the file is cut at every byte and every bit is flipped.
#![expect(clippy::unwrap_used, reason = "a test's own set-up may fail only by panicking")]

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use history::ids::{FaultId, LogId, Nanos, Offset, Process, Seq, TopicPartition, Value};
use history::journal::{Entry, Header, JournalError, Reader, SendRun, Tail, Unresolved, Writer};
use history::op::{Cause, Event, Identity, Isolation, Op, Outcome, Phase, Run, Span};
use proptest::prelude::*;

const FRAME: usize = 32;
const WINDOW: usize = 1 << 20;

fn header() -> Header {
    let identity = Identity { name: "shop[0]".into(), role: "producer".into(), ..Identity::default() };
    Header { run: u64::MAX - 1, process: Process(3), identity }
}

fn run(log: u16, offset: i64, first: (u32, u32), count: u32) -> Run {
    let first = Value { process: Process(first.0), seq: Seq(first.1) };
    Run { log: LogId(log), offset: Offset(offset), first, count }
}

fn sent(log: u16, first: u32, count: u32) -> SendRun {
    SendRun { log: LogId(log), first: Seq(first), count }
}

fn fault(time: u64, what: &str) -> Event {
    let op = Op::Fault { id: FaultId(1), what: what.into(), targets: vec!["b1".into()] };
    Event { time: Nanos(time), process: Process(0), phase: Phase::Complete(Outcome::Ok { offset: None }), op }
}

/// One entry of every kind, with the values that are easiest to get wrong.
fn write_one_of_each(writer: &mut Writer) {
    let t0 = writer.log(&TopicPartition::new("t", 0)).unwrap();
    let long = writer.log(&TopicPartition::new("x".repeat(249), i32::MAX)).unwrap();
    assert_eq!((t0, long, writer.log(&TopicPartition::new("t", 0)).unwrap()), (LogId(0), LogId(1), LogId(0)));
    writer.send(t0, Seq(0), Nanos(10)).unwrap();
    writer.sends(sent(1, u32::MAX - 1, 2), Nanos(u64::MAX)).unwrap();
    writer.acked(sent(0, 0, 1), Some(Offset(0)), Nanos(12)).unwrap();
    writer.acked(sent(0, 1, 1), None, Nanos(12)).unwrap();
    writer.acked(sent(0, 2, 1), Some(Offset(i64::MAX - 1)), Nanos(12)).unwrap();
    writer.unresolved(sent(0, 3, 2), Unresolved::Fail, i32::MAX, Nanos(13)).unwrap();
    writer.unresolved(sent(0, 5, 2), Unresolved::Info, i32::MIN, Nanos(14)).unwrap();
    writer.poll(Nanos(15), Nanos(16), &[]).unwrap();
    writer.poll(Nanos(17), Nanos(18), &[run(0, 0, (3, 0), 5), run(1, 7, (u32::MAX, 9), 1)]).unwrap();
    let span = |log, first, last| Span { log: LogId(log), first: Offset(first), last: Offset(last) };
    writer.handed_over(&[span(0, 0, 4), span(1, 7, i64::MAX)], Nanos(19)).unwrap();
    writer.final_read(Isolation::ReadUncommitted, &[run(0, 0, (3, 0), 5)], Nanos(20)).unwrap();
    writer.final_read(Isolation::ReadCommitted, &[], Nanos(21)).unwrap();
    writer.event(&fault(22, "kill b1 “now”\n")).unwrap();
}

/// All entries, the last of which is the end.
fn read(path: &Path) -> Result<Vec<String>, JournalError> {
    let mut reader = Reader::open(path)?;
    let mut entries = Vec::new();
    loop {
        let entry = reader.next_entry()?;
        entries.push(format!("{entry:?}"));
        if let Entry::End(_) = entry {
            return Ok(entries);
        }
    }
}

fn tail(path: &Path) -> Tail {
    let mut reader = Reader::open(path).unwrap();
    loop {
        if let Entry::End(tail) = reader.next_entry().unwrap() {
            assert_eq!(reader.next_entry().unwrap(), Entry::End(tail), "the end stays the end");
            return tail;
        }
    }
}

fn closed_journal(path: &Path) -> Vec<u8> {
    let mut writer = Writer::create(path, &header()).unwrap();
    write_one_of_each(&mut writer);
    writer.close().unwrap();
    fs::read(path).unwrap()
}

/// As a killed writer leaves it.
fn open_journal(path: &Path) -> Vec<u8> {
    write_one_of_each(&mut Writer::create(path, &header()).unwrap());
    fs::read(path).unwrap()
}

/// Length of the used part: up to the last byte that is not zero, in whole frames.
fn used(bytes: &[u8]) -> usize {
    (bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1).next_multiple_of(FRAME)
}

#[test]
fn every_kind_of_entry_is_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("3.journal");
    closed_journal(&path);
    assert_eq!(Reader::open(&path).unwrap().header(), &header());
    assert_eq!(read(&path).unwrap(), one_of_each_as_read());
}

/// The entries of [`write_one_of_each`] in a closed journal.
fn one_of_each_as_read() -> Vec<String> {
    let long = "x".repeat(249);
    vec![
        r#"Log { id: LogId(0), log: TopicPartition { topic: "t", partition: 0 } }"#.to_owned(),
        format!(r#"Log {{ id: LogId(1), log: TopicPartition {{ topic: "{long}", partition: 2147483647 }} }}"#),
        "Sends { run: SendRun { log: LogId(0), first: Seq(0), count: 1 }, time: Nanos(10) }".to_owned(),
        "Sends { run: SendRun { log: LogId(1), first: Seq(4294967294), count: 2 }, time: Nanos(18446744073709551615) }"
            .to_owned(),
        "Acked { run: SendRun { log: LogId(0), first: Seq(0), count: 1 }, offset: Some(Offset(0)), time: Nanos(12) }"
            .to_owned(),
        "Acked { run: SendRun { log: LogId(0), first: Seq(1), count: 1 }, offset: None, time: Nanos(12) }".to_owned(),
        "Acked { run: SendRun { log: LogId(0), first: Seq(2), count: 1 }, offset: Some(Offset(9223372036854775806)), \
         time: Nanos(12) }"
            .to_owned(),
        "Unresolved { run: SendRun { log: LogId(0), first: Seq(3), count: 2 }, how: Fail, code: 2147483647, \
         time: Nanos(13) }"
            .to_owned(),
        "Unresolved { run: SendRun { log: LogId(0), first: Seq(5), count: 2 }, how: Info, code: -2147483648, \
         time: Nanos(14) }"
            .to_owned(),
        "Poll { invoked: Nanos(15), returned: Nanos(16), runs: [] }".to_owned(),
        format!(
            "Poll {{ invoked: Nanos(17), returned: Nanos(18), runs: {:?} }}",
            [run(0, 0, (3, 0), 5), run(1, 7, (u32::MAX, 9), 1)]
        ),
        "HandedOver { spans: [Span { log: LogId(0), first: Offset(0), last: Offset(4) }, Span { log: LogId(1), \
         first: Offset(7), last: Offset(9223372036854775807) }], time: Nanos(19) }"
            .to_owned(),
        format!(
            "FinalRead {{ isolation: ReadUncommitted, runs: {:?}, time: Nanos(20) }}",
            [run(0, 0, (3, 0), 5)]
        ),
        "FinalRead { isolation: ReadCommitted, runs: [], time: Nanos(21) }".to_owned(),
        format!("Event({:?})", fault(22, "kill b1 “now”\n")),
        "End(Closed)".to_owned(),
    ]
}

#[test]
fn a_killed_writers_journal_reads_like_a_closed_one_but_for_its_end() {
    let dir = tempfile::tempdir().unwrap();
    closed_journal(&dir.path().join("closed"));
    open_journal(&dir.path().join("open"));
    let mut closed = read(&dir.path().join("closed")).unwrap();
    assert_eq!(closed.pop().unwrap(), "End(Closed)");
    let mut open = read(&dir.path().join("open")).unwrap();
    assert_eq!(open.pop().unwrap(), "End(Open)");
    assert_eq!(closed, open);
}

#[test]
fn a_closed_journal_cut_at_any_byte_is_reported_and_never_misread() {
    let dir = tempfile::tempdir().unwrap();
    let whole = closed_journal(&dir.path().join("whole"));
    let entries = read(&dir.path().join("whole")).unwrap();
    let path = dir.path().join("cut");
    let header_length = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        match read(&path) {
            Ok(cut) => {
                assert!(length >= header_length, "cut at {length}");
                let (end, before) = cut.split_last().unwrap();
                assert_eq!(before, &entries[..before.len()], "cut at {length}");
                let Tail::Truncated { at, bytes } = tail(&path) else { panic!("cut at {length}: {end}") };
                assert_eq!(at + bytes, length as u64, "cut at {length}");
            }
            Err(JournalError::NotAJournal { .. } | JournalError::Damaged { offset: 0, .. }) => {
                assert!(length < header_length, "cut at {length}");
            }
            Err(other) => panic!("cut at {length}: {other}"),
        }
    }
}

#[test]
fn an_open_journal_cut_in_what_was_written_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let whole = open_journal(&dir.path().join("whole"));
    let entries = read(&dir.path().join("whole")).unwrap();
    let path = dir.path().join("cut");
    let used = used(&whole);
    for length in (FRAME * 8..used + 3 * FRAME).chain([WINDOW - FRAME, WINDOW - 1]) {
        fs::write(&path, &whole[..length]).unwrap();
        let cut = read(&path).unwrap();
        let before = &cut[..cut.len() - 1];
        if length < used + FRAME {
            assert!(matches!(tail(&path), Tail::Truncated { .. }), "cut at {length}");
            assert_eq!(before, &entries[..before.len()], "cut at {length}");
        } else {
            assert_eq!(cut, entries, "cut at {length}: space never used");
        }
    }
}

#[test]
fn any_flipped_bit_of_a_closed_journal_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let whole = closed_journal(&dir.path().join("whole"));
    let path = dir.path().join("flipped");
    fs::write(&path, &whole).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for bit in 0..whole.len() * 8 {
        let at = bit / 8;
        file.write_all_at(&[whole[at] ^ (1 << (bit % 8))], at as u64).unwrap();
        match read(&path) {
            Err(JournalError::Damaged { offset, .. }) => {
                let frame = bit / 8 / FRAME * FRAME;
                assert!(offset == 0 || offset == frame as u64, "bit {bit}: damage reported at {offset}");
            }
            Err(JournalError::NotAJournal { .. }) => assert!(bit < 64, "bit {bit}"),
            other => panic!("bit {bit}: {other:?}"),
        }
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
}

#[test]
fn a_flipped_bit_of_an_open_journal_never_changes_what_is_read() {
    let dir = tempfile::tempdir().unwrap();
    let whole = open_journal(&dir.path().join("whole"));
    let entries = read(&dir.path().join("whole")).unwrap();
    let path = dir.path().join("flipped");
    let used = used(&whole);
    fs::write(&path, &whole).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    for bit in (0..(used + 4 * FRAME) * 8).chain([WINDOW * 8 - 1]) {
        let at = bit / 8;
        file.write_all_at(&[whole[at] ^ (1 << (bit % 8))], at as u64).unwrap();
        match read(&path) {
            Err(JournalError::Damaged { .. }) => {}
            Err(JournalError::NotAJournal { .. }) => assert!(bit < 64, "bit {bit}"),
            Err(other) => panic!("bit {bit}: {other}"),
            Ok(read) => {
                let in_torn_space = (used..used + 2 * FRAME).contains(&at);
                assert!(in_torn_space, "bit {bit}");
                assert!(matches!(tail(&path), Tail::Torn { .. }), "bit {bit}");
                assert_eq!(read[..read.len() - 1], entries[..entries.len() - 1], "bit {bit}");
            }
        }
        file.write_all_at(&whole[at..=at], at as u64).unwrap();
    }
}

#[test]
fn a_lost_frame_in_the_middle_is_an_error_with_its_place() {
    let dir = tempfile::tempdir().unwrap();
    let whole = closed_journal(&dir.path().join("whole"));
    let path = dir.path().join("hole");
    let header_length = u32::from_le_bytes(whole[12..16].try_into().unwrap()) as usize;
    for frame in (header_length..whole.len() - FRAME).step_by(FRAME) {
        let mut holed = whole.clone();
        holed[frame..frame + FRAME].fill(0);
        fs::write(&path, &holed).unwrap();
        match read(&path) {
            Err(JournalError::Damaged { offset, .. }) => assert_eq!(offset, frame as u64),
            other => panic!("frame at {frame}: {other:?}"),
        }
    }
}

#[test]
fn a_group_that_was_being_written_is_cut_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("torn");
    let mut writer = Writer::create(&path, &header()).unwrap();
    let log = writer.log(&TopicPartition::new("t", 0)).unwrap();
    writer.send(log, Seq(0), Nanos(1)).unwrap();
    let before = used(&fs::read(&path).unwrap());
    writer.poll(Nanos(1), Nanos(2), &[run(0, 0, (3, 0), 1), run(0, 1, (3, 1), 1)]).unwrap();
    drop(writer);
    let whole = fs::read(&path).unwrap();
    // The leading frame is published last: without its first word, the poll was never there.
    for torn_words in 0..=3 {
        let mut torn = whole.clone();
        torn[before..before + 8 * (4 - torn_words)].fill(0);
        fs::write(&path, &torn).unwrap();
        assert_eq!(tail(&path), Tail::Torn { at: before as u64, bytes: 3 * FRAME as u64 });
        assert_eq!(read(&path).unwrap().len(), 3);
    }
    // Only the first follower was written, and half of the second.
    let mut torn = whole;
    torn[before..before + FRAME].fill(0);
    torn[before + 2 * FRAME..before + 2 * FRAME + 16].fill(0);
    fs::write(&path, &torn).unwrap();
    assert_eq!(tail(&path), Tail::Torn { at: before as u64, bytes: 3 * FRAME as u64 });
}

#[test]
fn entries_and_groups_cross_windows() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("long");
    let mut writer = Writer::create(&path, &header()).unwrap();
    let log = writer.log(&TopicPartition::new("t", 0)).unwrap();
    let runs: Vec<Run> = (0..50_000).map(|i| run(0, i, (1, u32::try_from(i).unwrap()), 1)).collect();
    let text = "long ".repeat(400_000);
    for seq in 0..100_000 {
        writer.send(log, Seq(seq), Nanos(seq.into())).unwrap();
    }
    writer.poll(Nanos(1), Nanos(2), &runs).unwrap();
    writer.event(&fault(3, &text)).unwrap();
    writer.send(log, Seq(100_000), Nanos(4)).unwrap();
    writer.close().unwrap();
    let mut reader = Reader::open(&path).unwrap();
    assert!(matches!(reader.next_entry().unwrap(), Entry::Log { .. }));
    for seq in 0..100_000 {
        let time = Nanos(seq.into());
        assert_eq!(reader.next_entry().unwrap(), Entry::Sends { run: sent(0, seq, 1), time });
    }
    assert_eq!(
        reader.next_entry().unwrap(),
        Entry::Poll { invoked: Nanos(1), returned: Nanos(2), runs: &runs }
    );
    assert_eq!(reader.next_entry().unwrap(), Entry::Event(Box::new(fault(3, &text))));
    assert_eq!(reader.next_entry().unwrap(), Entry::Sends { run: sent(0, 100_000, 1), time: Nanos(4) });
    assert_eq!(reader.next_entry().unwrap(), Entry::End(Tail::Closed));
}

#[test]
fn a_full_window_always_has_a_free_frame_after_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("full");
    let mut writer = Writer::create(&path, &header()).unwrap();
    let log = writer.log(&TopicPartition::new("t", 0)).unwrap();
    let mut length = fs::metadata(&path).unwrap().len();
    for seq in 0..200_000 {
        writer.send(log, Seq(seq), Nanos(0)).unwrap();
        let now = fs::metadata(&path).unwrap().len();
        if now != length {
            // A window was just added, and the last frame before it is still free or the newest.
            assert_eq!(now, length + WINDOW as u64);
            assert_eq!(tail(&path), Tail::Open);
            length = now;
        }
    }
}

#[test]
fn an_existing_journal_is_never_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("3.journal");
    let bytes = closed_journal(&path);
    let error = Writer::create(&path, &header()).err().unwrap();
    assert!(matches!(error, JournalError::Exists { .. }), "{error}");
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn what_is_no_journal_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notes.txt");
    for contents in ["", "hello", "hello, this is long enough to be a header of something"] {
        fs::write(&path, contents).unwrap();
        let error = Reader::open(&path).err().unwrap();
        assert!(matches!(error, JournalError::NotAJournal { .. }), "{error}");
        assert!(error.to_string().contains("notes.txt: not a journal"), "{error}");
    }
    assert!(matches!(Reader::open(dir.path().join("absent")), Err(JournalError::Io { .. })));
    assert!(Reader::open(dir.path()).is_err());
}

/// How a file may be mistreated.
#[derive(Clone, Debug)]
enum Damage {
    Overwrite(usize, Vec<u8>),
    CopyFrame(usize, usize),
    RemoveFrame(usize),
    Append(Vec<u8>),
    Cut(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let bytes = || proptest::collection::vec(any::<u8>(), 1..80);
    prop_oneof![
        (any::<usize>(), bytes()).prop_map(|(at, bytes)| Damage::Overwrite(at, bytes)),
        (any::<usize>(), any::<usize>()).prop_map(|(from, to)| Damage::CopyFrame(from, to)),
        any::<usize>().prop_map(Damage::RemoveFrame),
        bytes().prop_map(Damage::Append),
        any::<usize>().prop_map(Damage::Cut),
    ]
}

fn apply(damage: &Damage, file: &mut Vec<u8>) {
    let frame = |at: usize, file: &[u8]| at % (file.len() / FRAME).max(1) * FRAME;
    match damage {
        Damage::Overwrite(at, bytes) => {
            let at = at % file.len().max(1);
            let end = (at + bytes.len()).min(file.len());
            file[at..end].copy_from_slice(&bytes[..end - at]);
        }
        Damage::CopyFrame(from, to) if file.len() >= FRAME => {
            let (from, to) = (frame(*from, file), frame(*to, file));
            file.copy_within(from..from + FRAME, to);
        }
        Damage::RemoveFrame(at) if file.len() >= FRAME => {
            let at = frame(*at, file);
            file.drain(at..at + FRAME);
        }
        Damage::CopyFrame(..) | Damage::RemoveFrame(_) => {}
        Damage::Append(bytes) => file.extend_from_slice(bytes),
        Damage::Cut(at) => file.truncate(at % (file.len() + 1)),
    }
}

/// What a client may do, in any order.
#[derive(Clone, Debug)]
enum Action {
    Log(String, i32),
    Send(u16, u32, u32, u64),
    Acked(u16, u32, Option<i64>, u64),
    Unresolved(u16, bool, i32, u64),
    Poll(u64, u64, Vec<(u16, i64, u32, u32, u32)>),
    Event(u64, String),
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    let reads =
        proptest::collection::vec((0..4u16, 0..i64::MAX / 2, any::<u32>(), 0..1u32 << 31, 1..9u32), 0..40);
    proptest::collection::vec(
        prop_oneof![
            ("[a-z]{1,60}", 0..100i32).prop_map(|(topic, partition)| Action::Log(topic, partition)),
            (0..4u16, 0..1u32 << 31, 1..1000u32, any::<u64>())
                .prop_map(|(l, s, c, t)| Action::Send(l, s, c, t)),
            (0..4u16, any::<u32>(), proptest::option::of(0..i64::MAX - 1), any::<u64>())
                .prop_map(|(l, s, o, t)| Action::Acked(l, s, o, t)),
            (0..4u16, any::<bool>(), any::<i32>(), any::<u64>())
                .prop_map(|(l, f, c, t)| Action::Unresolved(l, f, c, t)),
            (any::<u64>(), 0..u64::MAX / 2, reads).prop_map(|(i, r, runs)| Action::Poll(i, r, runs)),
            (any::<u64>(), ".{0,200}").prop_map(|(t, what)| Action::Event(t, what)),
        ],
        0..60,
    )
}

/// Writes an action and returns the entry that it must become.
fn perform(writer: &mut Writer, action: &Action, known: &mut Vec<TopicPartition>) -> Option<String> {
    Some(match action.clone() {
        Action::Log(topic, partition) => {
            let log = TopicPartition { topic, partition };
            let id = writer.log(&log).unwrap();
            if known.contains(&log) {
                return None;
            }
            known.push(log.clone());
            format!("{:?}", Entry::Log { id, log })
        }
        Action::Send(log, first, count, time) => {
            let (run, time) = (sent(log, first, count), Nanos(time));
            writer.sends(run, time).unwrap();
            format!("{:?}", Entry::Sends { run, time })
        }
        Action::Acked(log, first, offset, time) => {
            let (run, offset, time) = (sent(log, first, 1), offset.map(Offset), Nanos(time));
            writer.acked(run, offset, time).unwrap();
            format!("{:?}", Entry::Acked { run, offset, time })
        }
        Action::Unresolved(log, fails, code, time) => {
            let how = if fails { Unresolved::Fail } else { Unresolved::Info };
            let (run, time) = (sent(log, 1, 1), Nanos(time));
            writer.unresolved(run, how, code, time).unwrap();
            format!("{:?}", Entry::Unresolved { run, how, code, time })
        }
        Action::Poll(invoked, returned, reads) => {
            let (invoked, returned) = (Nanos(invoked), Nanos(returned));
            let runs: Vec<Run> = reads.iter().map(|&(l, o, p, s, c)| run(l, o, (p, s), c)).collect();
            writer.poll(invoked, returned, &runs).unwrap();
            format!("{:?}", Entry::Poll { invoked, returned, runs: &runs })
        }
        Action::Event(time, what) => {
            let op = Op::Send { log: LogId(0), value: Value::default() };
            let cause = Cause { code: -1, message: what };
            let phase = Phase::Complete(Outcome::Info { cause, offset: Some(Offset(4)) });
            let event = Event { time: Nanos(time), process: Process(7), phase, op };
            writer.event(&event).unwrap();
            format!("{:?}", Entry::Event(Box::new(event)))
        }
    })
}

proptest! {
    #[test]
    fn however_a_closed_journal_is_mistreated_it_is_whole_or_says_so(
        damages in proptest::collection::vec(damage(), 1..4),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mistreated");
        let whole = closed_journal(&path);
        let entries = read(&path).unwrap();
        let mut file = whole.clone();
        damages.iter().for_each(|damage| apply(damage, &mut file));
        fs::write(&path, &file).unwrap();
        if let Ok(found) = read(&path) {
            let (end, before) = found.split_last().unwrap();
            prop_assert_eq!(before, &entries[..before.len()]);
            if end == "End(Closed)" {
                prop_assert_eq!(before.len(), entries.len() - 1);
            } else {
                prop_assert_ne!(file, whole);
            }
        }
    }

    #[test]
    fn whatever_is_written_is_read_back(actions in actions(), closes: bool) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("any");
        let mut writer = Writer::create(&path, &header()).unwrap();
        let mut known = Vec::new();
        let mut expected = Vec::new();
        for partition in 0..4 {
            let log = Action::Log("base".into(), partition);
            expected.extend(perform(&mut writer, &log, &mut known));
        }
        for action in &actions {
            expected.extend(perform(&mut writer, action, &mut known));
        }
        let end = if closes { Tail::Closed } else { Tail::Open };
        if closes {
            writer.close().unwrap();
        } else {
            drop(writer);
        }
        expected.push(format!("{:?}", Entry::End(end)));
        prop_assert_eq!(read(&path).unwrap(), expected);
    }
}
