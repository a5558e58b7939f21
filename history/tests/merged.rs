//! The merged history: what is written comes back, and what was damaged is an error with its place.

#![expect(clippy::unwrap_used, reason = "a test's own input")]

use history::ids::{LogId, Nanos, Offset, Process, TopicPartition};
use history::merged::{
    BatchChunk, Buffer, Facts, History, HistoryError, Kind, PollSpan, ProcessFacts, ReadChunk, SendChunk,
    SendOutcome, SendRun, TxnChunk, TxnEnd, TxnOffset, TxnSpan, Writer,
};
use history::op::{Batch, Cause, Event, Isolation, Op};
use proptest::prelude::*;

fn outcome() -> impl Strategy<Value = SendOutcome> {
    prop_oneof![
        Just(SendOutcome::Acked),
        Just(SendOutcome::AckedWithoutOffset),
        Just(SendOutcome::Unknown),
        Just(SendOutcome::Failed),
    ]
}

prop_compose! {
    fn run()(
        outcome in outcome(),
        count in 1usize..80,
        offset in prop_oneof![9 => 0i64..1000, 1 => Just((1 << 62) - 5)],
        learned in any::<bool>(),
        wait in prop_oneof![9 => Just(Some(3000u64)), 3 => (0u64..1 << 40).prop_map(Some), 1 => Just(None)],
        cause in 0u32..4,
    ) -> (SendOutcome, usize, i64, bool, Option<u64>, u32) {
        (outcome, count, offset, learned, wait, cause)
    }
}

prop_compose! {
    fn sends()(
        first in any::<u32>().prop_map(|seq| seq % 1000),
        runs in prop::collection::vec(run(), 0..40),
        steps in prop::collection::vec((1u32..300, prop_oneof![9 => 0u64..100, 1 => 0u64..1 << 35]), 64),
    ) -> SendChunk {
        let mut chunk = SendChunk::default();
        let (mut seq, mut time) = (first, 17);
        for (outcome, count, offset, learned, wait, cause) in runs {
            let start = u32::try_from(chunk.seqs.len()).unwrap();
            for _ in 0..count {
                let (gap, wait) = steps[chunk.seqs.len() % steps.len()];
                seq += gap;
                time += wait;
                chunk.seqs.push(seq);
                chunk.invoked.push(time);
            }
            let has_offset = outcome == SendOutcome::Acked || (outcome == SendOutcome::Unknown && learned);
            let known = outcome >= SendOutcome::Unknown;
            chunk.runs.push(SendRun {
                start,
                outcome,
                offset: if has_offset { offset } else { SendRun::NO_OFFSET },
                completed: match wait {
                    Some(wait) => time + wait,
                    None if outcome == SendOutcome::Unknown => SendRun::NEVER,
                    None => time,
                },
                cause: if known { cause } else { 0 },
            });
        }
        chunk
    }
}

prop_compose! {
    fn reads(polls: bool)(
        records in prop::collection::vec((0u32..5, 0u32..300, prop_oneof![9 => Just(0i64), 1 => -40i64..90]), 0..900),
        cuts in prop::collection::vec((1usize..60, 0u32..100, 0u64..5000, 0u64..90_000), 1..9),
    ) -> ReadChunk {
        let mut chunk = ReadChunk::default();
        let (mut seqs, mut offset) = ([0u32; 5], 1000i64);
        for (process, gap, jump) in records {
            seqs[process as usize] = seqs[process as usize].wrapping_add(gap).wrapping_sub(20);
            offset = (offset + 1 + jump).max(0);
            chunk.push(offset, process * 7, seqs[process as usize]);
        }
        if polls {
            let (mut start, mut time) = (0, 5);
            for (count, handed, wait, lasted) in cuts.into_iter().cycle() {
                if start >= chunk.len() {
                    break;
                }
                let count = count.min(chunk.len() - start);
                time += wait;
                chunk.polls.push(PollSpan {
                    start: u32::try_from(start).unwrap(),
                    handed: u32::try_from(count).unwrap() * handed.min(50) / 50,
                    invoked: time,
                    returned: time + lasted,
                    handed_at: time + lasted + wait,
                });
                start += count;
            }
        }
        chunk
    }
}

prop_compose! {
    fn batches()(
        numbers in prop::collection::vec((any::<i32>(), 0i64..50, any::<i16>(), -1i64..9, any::<bool>(), any::<bool>()), 0..300)
    ) -> BatchChunk {
        let mut chunk = BatchChunk::default();
        let mut offset = 3;
        for (number, count, epoch, producer_id, control, transactional) in numbers {
            chunk.batches.push(Batch {
                log: LogId(0),
                base_offset: Offset(offset),
                last_offset: Offset(offset + count),
                leader_epoch: number,
                producer_id,
                producer_epoch: epoch,
                base_sequence: number.wrapping_mul(3),
                control,
                transactional,
            });
            offset += count + 1;
        }
        chunk
    }
}

prop_compose! {
    fn txns()(
        spans in prop::collection::vec((0u32..3, -1i32..40, 0u32..9, 0u32..2000, any::<u32>(), 0usize..5), 0..400),
        times in prop::collection::vec(prop_oneof![9 => (0u64..1 << 34).prop_map(Some), 1 => Just(None)], 5..60),
        sent in prop::collection::vec((0u32..4, any::<u16>(), any::<i64>(), any::<bool>()), 0..200),
    ) -> TxnChunk {
        let ends = [TxnEnd::Committed, TxnEnd::Aborted, TxnEnd::Failed, TxnEnd::Unknown, TxnEnd::Open];
        let mut chunk = TxnChunk::default();
        let mut next = 5u32;
        for (nth, (id, epoch, gap, count, began, how)) in spans.into_iter().enumerate() {
            let time = |more: usize| times[(nth * 5 + more) % times.len()].unwrap_or(TxnSpan::NEVER);
            let first = next.wrapping_add(gap);
            next = first.checked_add(count).unwrap();
            chunk.txns.push(TxnSpan {
                id,
                epoch,
                first,
                end: next,
                invoked: began.into(),
                began: time(0),
                asked: time(1),
                may_commit: time(2),
                closed: time(3),
                ended: time(4),
                how: ends[how],
            });
        }
        let mut txn = 0;
        for (step, log, next, certain) in sent {
            txn += step;
            if chunk.txns.len() > txn as usize {
                chunk.offsets.push(TxnOffset { txn, log: LogId(log), next: Offset(next), certain });
            }
        }
        chunk
    }
}

fn facts() -> Facts {
    let mut facts = Facts { causes: vec![Cause::default()], ..Facts::default() };
    facts.logs.push(TopicPartition::new("orders", 0));
    facts.processes.insert(Process(3), ProcessFacts::default());
    facts
}

const LEVEL: Isolation = Isolation::ReadUncommitted;

/// A history with one chunk of each kind.
fn history(sends: &SendChunk, finals: &ReadChunk, polls: &ReadChunk, batches: &BatchChunk) -> Vec<u8> {
    let mut out = Writer::new(Vec::new()).unwrap();
    let log = LogId(0);
    out.polls((Process(5), log, 2), 0, polls).unwrap();
    out.sends(Process(3), log, 0, sends).unwrap();
    out.final_read((Process(9), log, LEVEL), 0, finals).unwrap();
    out.batches(Process(9), log, 0, batches).unwrap();
    let rows: Vec<Event> = (0..4).map(|time| Event::moment(Nanos(time), Process(3), Op::Close)).collect();
    out.transactions(Process(3), 0, &TxnChunk::default()).unwrap();
    out.rows(Process(3), 0, &rows[..2]).unwrap();
    out.rows(Process(3), 1, &rows[2..]).unwrap();
    out.finish(&facts()).unwrap()
}

proptest! {
    #[test]
    fn what_is_written_comes_back(sends in sends(), finals in reads(false), polls in reads(true), batches in batches()) {
        let history = History::from_bytes(history(&sends, &finals, &polls, &batches)).unwrap();
        let (log, mut buffer) = (LogId(0), Buffer::default());
        let entry = &history.chunks(Kind::Sends, log)[0];
        let mut chunk = SendChunk::default();
        history.sends(entry, &mut buffer, &mut chunk).unwrap();
        prop_assert_eq!((&chunk.seqs, &chunk.invoked, &chunk.runs), (&sends.seqs, &sends.invoked, &sends.runs));
        for (kind, wanted) in [(Kind::FinalRead(LEVEL), &finals), (Kind::Polls, &polls)] {
            let mut chunk = ReadChunk::default();
            history.reads(&history.chunks(kind, log)[0], &mut buffer, &mut chunk).unwrap();
            prop_assert_eq!((&chunk.seqs, &chunk.runs, &chunk.polls), (&wanted.seqs, &wanted.runs, &wanted.polls));
        }
        let mut chunk = BatchChunk::default();
        history.batches(&history.chunks(Kind::Batches, log)[0], &mut buffer, &mut chunk).unwrap();
        prop_assert_eq!(chunk.batches, batches.batches);
        prop_assert_eq!(history.events().unwrap().count(), 4);
        prop_assert_eq!(history.facts(), &facts());
        prop_assert!(history.verify().is_ok());
    }

    #[test]
    fn transactions_come_back(txns in txns()) {
        let mut out = Writer::new(Vec::new()).unwrap();
        out.transactions(Process(3), 0, &txns).unwrap();
        let history = History::from_bytes(out.finish(&facts()).unwrap()).unwrap();
        let [entry] = history.transaction_chunks() else { panic!("one chunk") };
        let mut chunk = TxnChunk::default();
        history.transactions(entry, &mut Buffer::default(), &mut chunk).unwrap();
        prop_assert_eq!((chunk.txns, chunk.offsets), (txns.txns, txns.offsets));
        prop_assert!(history.verify().is_ok());
    }

    /// A chunk whose bytes are anything, with a checksum that says they are right.
    #[test]
    fn forged_chunks_are_errors_and_no_panics(
        bytes in prop::collection::vec(any::<u8>(), 0..900),
        counts in prop::array::uniform5(0u32..400_000),
    ) {
        let whole = forged(&bytes, counts);
        if let Ok(history) = History::from_bytes(whole) {
            let _ = history.verify();
        }
    }
}

/// A history of one chunk of each kind, all with these bytes and counts.
fn forged(bytes: &[u8], counts: [u32; 5]) -> Vec<u8> {
    let mut whole =
        history(&SendChunk::default(), &ReadChunk::default(), &ReadChunk::default(), &BatchChunk::default());
    // Put the bytes behind the header and let every directory entry point to them.
    let trailer = whole.split_off(whole.len() - 72);
    let number =
        |at: usize| usize::try_from(u64::from_le_bytes(trailer[at..at + 8].try_into().unwrap())).unwrap();
    let (directory_at, directory_len, facts_at) = (number(0), number(8), number(24));
    let mut directory = whole[directory_at..directory_at + directory_len].to_vec();
    let facts = whole[facts_at..].to_vec();
    let (entries, _) = directory.as_chunks_mut::<112>();
    for entry in entries {
        for (at, count) in
            [(16, counts[0]), (20, counts[1]), (24, counts[2]), (28, counts[3]), (32, counts[4])]
        {
            entry[at..at + 4].copy_from_slice(&count.to_le_bytes());
        }
        entry[44..48].copy_from_slice(&u32::try_from(bytes.len()).unwrap().to_le_bytes());
        entry[72..80].copy_from_slice(&16u64.to_le_bytes());
        entry[80..88].copy_from_slice(&xxhash_rust::xxh3::xxh3_64(bytes).to_le_bytes());
    }
    whole.truncate(16);
    whole.extend_from_slice(bytes);
    let directory_at = whole.len() as u64;
    whole.extend_from_slice(&directory);
    let facts_at = whole.len() as u64;
    whole.extend_from_slice(&facts);
    let hash = xxhash_rust::xxh3::xxh3_64;
    let mut end = Vec::new();
    for number in [
        directory_at,
        directory.len() as u64,
        hash(&directory),
        facts_at,
        facts.len() as u64,
        hash(&facts),
        u64::from(history::merged::VERSION),
    ] {
        end.extend_from_slice(&number.to_le_bytes());
    }
    let sum = hash(&end);
    end.extend_from_slice(&sum.to_le_bytes());
    end.extend_from_slice(&whole[..8]);
    whole.extend_from_slice(&end);
    whole
}

#[test]
fn a_forgery_reaches_the_decoders() {
    let error = History::from_bytes(forged(b"\x01", [128, 1, 1, 1, 1])).unwrap().verify().unwrap_err();
    assert!(
        matches!(&error, HistoryError::Damaged { offset: 16, what, .. } if what.starts_with("the chunk: ")),
        "{error}"
    );
}

fn sample() -> Vec<u8> {
    let mut sends = SendChunk::default();
    let mut reads = ReadChunk::default();
    for seq in 0..300u32 {
        sends.seqs.push(seq * 3);
        sends.invoked.push(u64::from(seq) * 10);
        reads.push(i64::from(seq), 3, seq * 3);
    }
    sends.runs.push(SendRun { start: 0, outcome: SendOutcome::Acked, offset: 0, completed: 9000, cause: 0 });
    let mut polls = reads.clone();
    polls.polls.push(PollSpan { start: 0, handed: 300, invoked: 1, returned: 2, handed_at: 3 });
    let batch = Batch {
        log: LogId(0),
        base_offset: Offset(0),
        last_offset: Offset(299),
        leader_epoch: 4,
        producer_id: 1000,
        producer_epoch: 0,
        base_sequence: 0,
        control: false,
        transactional: false,
    };
    let mut batches = BatchChunk::default();
    batches.batches.push(batch);
    history(&sends, &reads, &polls, &batches)
}

#[test]
fn a_history_cut_at_any_byte_is_an_error() {
    let whole = sample();
    assert!(History::from_bytes(whole.clone()).unwrap().verify().is_ok());
    for length in 0..whole.len() {
        let error = History::from_bytes(&whole[..length]).unwrap_err();
        let named = matches!(error, HistoryError::NotAHistory { .. } | HistoryError::Truncated { .. });
        assert!(named, "cut at {length}: {error}");
    }
}

#[test]
fn a_history_with_any_bit_flipped_is_an_error() {
    let whole = sample();
    for bit in 0..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let verified = History::from_bytes(bytes).and_then(|history| history.verify());
        assert!(verified.is_err(), "bit {bit} of {}", whole.len() * 8);
    }
}

#[test]
fn a_file_is_read_as_memory_is() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("history");
    std::fs::write(&path, sample()).unwrap();
    let history = History::open(&path).unwrap();
    history.verify().unwrap();
    let mut bytes = sample();
    bytes[40] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let error = History::open(&path).unwrap().verify().unwrap_err().to_string();
    assert!(error.contains("history: damaged at byte 16"), "{error}");
    let error = History::open(directory.path().join("absent")).unwrap_err().to_string();
    assert!(error.contains("absent: cannot read the history"), "{error}");
}
