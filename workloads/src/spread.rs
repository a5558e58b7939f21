//! Which log each record goes to: a pure function of its sequence number.
//!
//! The library's partitioner is never asked, so the intended log of every record is known from the plan, and
//! Java's and librdkafka's different hashes cannot make two runs incomparable. Consecutive records stay in one
//! log for a while, as the sticky partitioners of both families make them do.

use std::sync::atomic::{AtomicU32, Ordering};

use history::ids::{Seq, TopicPartition};

use crate::protocol::{Spread, Topic};

/// All logs that a producer sends to, and how its records are spread over them.
#[derive(Debug)]
pub struct Targets {
    logs: Vec<TopicPartition>,
    spread: Spread,
    /// Records at the beginning that visit one log after the other, whatever the spread.
    warm_up: AtomicU32,
}

impl Targets {
    /// The logs of `topics` in order. None where there is no log, or more than 65,536.
    pub fn new(topics: &[Topic], spread: Spread) -> Option<Self> {
        let logs: Vec<_> = topics
            .iter()
            .flat_map(|topic| {
                (0..topic.partitions).map(|partition| TopicPartition::new(&topic.name, partition))
            })
            .collect();
        (1..=65_536).contains(&logs.len()).then_some(Self { logs, spread, warm_up: AtomicU32::new(0) })
    }

    /// All of them.
    pub fn logs(&self) -> &[TopicPartition] {
        &self.logs
    }

    /// The next record belongs to the warm-up; only before all others.
    pub fn warm_up(&self) {
        self.warm_up.fetch_add(1, Ordering::Relaxed);
    }

    /// Index in [`Targets::logs`] of the log of this record.
    pub fn of(&self, seq: Seq) -> usize {
        let count = self.logs.len() as u64;
        let Some(place) = seq.0.checked_sub(self.warm_up.load(Ordering::Relaxed)) else {
            return index(u64::from(seq.0) % count);
        };
        match self.spread {
            Spread::RoundRobin { run } => index(u64::from(place / run.max(1)) % count),
            Spread::Seeded { seed, run } => index(mix(seed ^ mix(u64::from(place / run.max(1)))) % count),
        }
    }
}

fn index(of: u64) -> usize {
    usize::try_from(of).expect("there are at most 65,536 logs")
}

/// The finalizer of splitmix64: every bit of the input changes half of the output's.
fn mix(mut word: u64) -> u64 {
    word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(spread: Spread) -> Targets {
        let topic = |name: &str, partitions| Topic { name: name.into(), partitions };
        Targets::new(&[topic("a", 2), topic("b", 1)], spread).unwrap()
    }

    fn order(targets: &Targets, count: u32) -> Vec<usize> {
        (0..count).map(|seq| targets.of(Seq(seq))).collect()
    }

    #[test]
    fn round_robin_goes_through_all_logs_in_blocks() {
        let targets = targets(Spread::RoundRobin { run: 2 });
        assert_eq!(order(&targets, 8), [0, 0, 1, 1, 2, 2, 0, 0]);
        for _ in 0..4 {
            targets.warm_up();
        }
        assert_eq!(order(&targets, 8), [0, 1, 2, 0, 0, 0, 1, 1]);
    }

    #[test]
    fn a_seed_gives_the_same_logs_again_and_reaches_all() {
        let spread = Spread::Seeded { seed: 7, run: 4 };
        let logs = order(&targets(spread), 4000);
        assert_eq!(logs, order(&targets(spread), 4000));
        assert!(logs.chunks(4).all(|block| block.iter().all(|log| *log == block[0])));
        for log in 0..3 {
            let share = logs.iter().filter(|of| **of == log).count();
            assert!((1000..1700).contains(&share), "log {log}: {share}");
        }
        assert_ne!(logs, order(&targets(Spread::Seeded { seed: 8, run: 4 }), 4000));
    }

    #[test]
    fn a_run_of_zero_is_taken_as_one_and_no_log_is_refused() {
        assert_eq!(order(&targets(Spread::RoundRobin { run: 0 }), 4), [0, 1, 2, 0]);
        assert!(Targets::new(&[], Spread::default()).is_none());
    }
}
