//! Every reader on hostile input: whatever the bytes, an answer or an error, never a panic and never memory without bound.
//!
//! Seeds are the vectors, the histories and journals built from them, and examples of each foreign form; each is damaged
//! many times by a fixed seed, so a failure repeats. Checksums would stop nearly every damaged binary file at the
//! door, so those are also repaired after the damage ([`repair`]). What a reader accepts goes on to the checker, because a
//! history that can be read can be judged. `ONCEPROOF_MUTATIONS` sets how many per reader. The same readers are driven by
//! coverage in `fuzz/` (`cargo fuzz run text`), which finds more and needs a tool that a fresh machine has not.

#![expect(clippy::unwrap_used, reason = "test code: a failure is a panic")]
#![expect(clippy::print_stdout, reason = "says how much was tried")]
#![expect(clippy::disallowed_methods, reason = "shell: how much to try is asked for by the environment")]

#[path = "hostile/damage.rs"]
mod damage;
#[path = "hostile/readers.rs"]
mod readers;
#[path = "hostile/repair.rs"]
mod repair;
#[path = "hostile/seeds.rs"]
mod seeds;

use damage::Damage;

/// Growth of the process that is more than any of these small inputs may cause.
const MEMORY_MAX_MIB: u64 = 512;

fn mutations() -> u64 {
    std::env::var("ONCEPROOF_MUTATIONS").map_or(2_000, |count| count.parse().unwrap())
}

/// The peak of resident memory in MiB.
fn peak_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() >> 10
}

/// Damages every seed in turn and gives it to a reader; how many were taken all the same.
fn hammer(name: &str, seeds: &[Vec<u8>], reader: fn(&[u8]) -> bool) {
    for seed in seeds {
        assert!(reader(seed), "{name}: a sound seed is refused: {}", String::from_utf8_lossy(seed));
    }
    let mut damage = Damage::new(seeds);
    let taken = (0..mutations()).filter(|_| reader(&damage.next())).count();
    println!("{name}: {} seeds, {} damaged, {taken} taken all the same", seeds.len(), mutations());
    assert!(peak_mib() < MEMORY_MAX_MIB, "{name}: {} MiB", peak_mib());
}

#[test]
fn text() {
    hammer("text", &seeds::texts(), readers::text);
}

#[test]
fn history() {
    hammer("history", &seeds::histories(), readers::history);
}

#[test]
fn history_with_right_checksums() {
    hammer("repaired history", &seeds::histories(), |bytes| readers::history(&repair::history(bytes)));
}

#[test]
fn a_sound_history_needs_no_repair() {
    for sound in seeds::histories() {
        assert!(repair::history(&sound) == sound, "the layout in `repair` is not the writer's");
        let mut damaged = sound.clone();
        damaged[20] ^= 1;
        assert!(!readers::history(&damaged) || damaged == sound);
    }
}

#[test]
fn journal() {
    hammer("journal", &seeds::journals(), readers::journal);
}

#[test]
fn journal_of_a_client_that_contradicts_itself() {
    hammer("calls", &seeds::calls(), readers::calls);
}

#[test]
fn json_events() {
    hammer("json", &seeds::json(), readers::json);
}

#[test]
fn edn_of_the_kafka_workload() {
    hammer("edn, Kafka", &seeds::kafka(), readers::kafka);
}

#[test]
fn edn_of_every_model() {
    hammer("edn, models", &seeds::models(), readers::model);
}

/// Writes the seeds where `cargo fuzz` looks for them.
#[test]
#[ignore = "fills fuzz/corpus, for use with cargo fuzz"]
fn corpora() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus");
    let all = [
        ("text", seeds::texts()),
        ("history", seeds::histories()),
        ("repaired", seeds::histories()),
        ("journal", seeds::journals()),
        ("calls", seeds::calls()),
        ("json", seeds::json()),
        ("kafka", seeds::kafka()),
        ("model", seeds::models()),
    ];
    for (target, seeds) in all {
        std::fs::create_dir_all(folder.join(target)).unwrap();
        for (number, seed) in seeds.iter().enumerate() {
            std::fs::write(folder.join(target).join(number.to_string()), seed).unwrap();
        }
    }
}
