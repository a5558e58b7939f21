//! Which log each record goes to: a pure function of its sequence number.
//!
//! The library's partitioner is never asked, so the intended log of every record is known from the plan, and
//! Java's and librdkafka's different hashes cannot make two runs incomparable. Consecutive records stay in one
//! log for a while, as the sticky partitioners of both families make them do. Where a topic grows, the records from then
//! on are spread over more logs, and the earlier ones keep theirs.

use std::sync::atomic::{AtomicU32, Ordering};

use history::ids::{Seq, TopicPartition};

use crate::protocol::{Spread, Topic};

/// All logs that a producer sends to, and how its records are spread over them.
#[derive(Debug)]
pub struct Targets {
    logs: Vec<TopicPartition>,
    /// Since which record how many of the logs are used, in order.
    eras: Vec<(Seq, usize)>,
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
        let eras = vec![(Seq(0), logs.len())];
        (1..=65_536).contains(&logs.len()).then_some(Self { logs, eras, spread, warm_up: AtomicU32::new(0) })
    }

    /// The same with more partitions of a topic from a record on; none where there would be more than 65,536 logs.
    pub fn grown(&self, topic: &str, partitions: i32, from: Seq) -> Option<Self> {
        let mut logs = self.logs.clone();
        let known = logs.iter().filter(|log| log.topic == topic).count();
        let fresh = i32::try_from(known).ok()?..partitions;
        logs.extend(fresh.map(|partition| TopicPartition::new(topic, partition)));
        let mut eras = self.eras.clone();
        eras.push((from, logs.len()));
        let warm_up = AtomicU32::new(self.warm_up.load(Ordering::Relaxed));
        (logs.len() <= 65_536).then_some(Self { logs, eras, spread: self.spread, warm_up })
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
        let count = self.used_by(seq);
        let Some(place) = seq.0.checked_sub(self.warm_up.load(Ordering::Relaxed)) else {
            return index(u64::from(seq.0) % count);
        };
        match self.spread {
            Spread::RoundRobin { run } => index(u64::from(place / run.max(1)) % count),
            Spread::Seeded { seed, run } => index(mix(seed ^ mix(u64::from(place / run.max(1)))) % count),
        }
    }

    /// How many logs the records of this time are spread over.
    fn used_by(&self, seq: Seq) -> u64 {
        let era = self.eras.iter().rev().find(|(from, _)| *from <= seq);
        era.map_or(self.logs.len(), |(_, count)| *count) as u64
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
    fn a_topic_that_grows_gets_its_share_from_then_on_and_changes_nothing_before() {
        let before = targets(Spread::RoundRobin { run: 1 });
        let grown = before.grown("a", 4, Seq(6)).unwrap();
        assert_eq!(order(&grown, 6), order(&before, 6));
        let names: Vec<String> = grown.logs().iter().map(ToString::to_string).collect();
        assert_eq!(names, ["a/0", "a/1", "b/0", "a/2", "a/3"]);
        assert_eq!((6..11).map(|seq| grown.of(Seq(seq))).collect::<Vec<_>>(), [1, 2, 3, 4, 0]);
        assert!(grown.grown("b", 70_000, Seq(9)).is_none());
    }

    #[test]
    fn a_run_of_zero_is_taken_as_one_and_no_log_is_refused() {
        assert_eq!(order(&targets(Spread::RoundRobin { run: 0 }), 4), [0, 1, 2, 0]);
        assert!(Targets::new(&[], Spread::default()).is_none());
    }
}
