//! What a rule did, in numbers: the evidence that the fault ledger keeps.
//!
//! A rule whose counters are all zero did nothing, and a fault that did nothing makes a run unknown. Lateness
//! is measured because a delay is a promise about time that a busy machine breaks.

use std::collections::BTreeMap;
use std::time::Duration;

/// What one rule did since it was installed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Frames that matched (for loss: after segmentation).
    pub frames_seen: u64,
    /// Their bytes, with IP headers.
    pub bytes_seen: u64,
    /// Frames that vanished on purpose.
    pub frames_dropped: u64,
    /// Their bytes.
    pub bytes_dropped: u64,
    /// Frames that were put off.
    pub frames_delayed: u64,
    /// Their bytes.
    pub bytes_delayed: u64,
    /// Frames that vanished because a queue was full: not on purpose.
    pub frames_overflowed: u64,
    /// Resets that were forged, one for each end.
    pub resets: u64,
    /// How late put-off frames left, beyond their planned time.
    pub lateness: Lateness,
    /// What a rule about Kafka requests did.
    pub kafka: KafkaCounters,
}

/// What a rule about Kafka requests did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KafkaCounters {
    /// Requests of the rule's kind that were seen.
    pub requests_matched: u64,
    /// Answers that were given and never reached the client.
    pub responses_lost: u64,
    /// Records in the Produce requests whose answers were lost.
    pub records_lost: u64,
    /// Lost answers by the error code that they carried: answered is not succeeded.
    pub errors: BTreeMap<i16, u64>,
    /// Records in requests whose lost answer carried no error: what the broker really did take.
    pub records_taken: u64,
    /// Answers of other APIs that were lost with them, on the same connection.
    pub also_lost: u64,
    /// Connections that were reset although not all answers had come: the run is unknown.
    pub group_timeouts: u64,
    /// Connections that were reset although the client had not acknowledged all earlier answers.
    pub unacked: u64,
    /// Requests held back.
    pub requests_held: u64,
    /// Held requests that were delivered later.
    pub requests_released: u64,
    /// Connections that the rule could not follow because they were older than the switch's sight of them.
    pub unfollowed: u64,
}

impl Counters {
    /// Whether the rule had any effect that a node could notice.
    pub fn bit(&self) -> bool {
        self.frames_dropped + self.frames_delayed + self.resets > 0
            || self.kafka.responses_lost + self.kafka.requests_held > 0
    }

    /// The counters that are not zero, by the names of the ledger.
    pub fn named(&self) -> BTreeMap<String, u64> {
        let micros = |time: Duration| u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let mut all = vec![
            ("frames-seen", self.frames_seen),
            ("bytes-seen", self.bytes_seen),
            ("frames-dropped", self.frames_dropped),
            ("bytes-dropped", self.bytes_dropped),
            ("frames-delayed", self.frames_delayed),
            ("bytes-delayed", self.bytes_delayed),
            ("frames-overflowed", self.frames_overflowed),
            ("resets", self.resets),
            ("lateness-p50-us", micros(self.lateness.percentile(50.0))),
            ("lateness-p99-us", micros(self.lateness.percentile(99.0))),
            ("lateness-max-us", micros(self.lateness.max())),
        ];
        all.extend(self.kafka.named());
        let mut named: BTreeMap<_, _> =
            all.into_iter().filter(|(_, n)| *n > 0).map(|(name, n)| (name.to_owned(), n)).collect();
        // Answered is not succeeded: what the broker refused is told apart, by Kafka's error code.
        for (code, count) in self.kafka.errors.iter().filter(|(code, _)| **code != 0) {
            named.insert(format!("lost-responses-with-error-{code}"), *count);
            *named.entry("lost-responses-with-error".to_owned()).or_default() += count;
        }
        named
    }
}

impl KafkaCounters {
    fn named(&self) -> [(&'static str, u64); 10] {
        [
            ("requests-matched", self.requests_matched),
            ("responses-lost", self.responses_lost),
            ("records-in-lost-responses", self.records_lost),
            ("records-taken-in-lost-responses", self.records_taken),
            ("responses-also-lost", self.also_lost),
            ("group-timeouts", self.group_timeouts),
            ("unacked", self.unacked),
            ("requests-held", self.requests_held),
            ("requests-released", self.requests_released),
            ("connections-unfollowed", self.unfollowed),
        ]
    }
}

/// Distribution of how late things happened, in buckets of powers of two of a microsecond.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lateness {
    buckets: [u64; 32],
    max: Duration,
}

impl Lateness {
    /// Adds one observation.
    pub fn record(&mut self, late: Duration) {
        let micros = u32::try_from(late.as_micros()).unwrap_or(u32::MAX);
        let bucket = (32 - micros.leading_zeros()).min(31);
        self.buckets[usize::try_from(bucket).unwrap_or(31)] += 1;
        self.max = self.max.max(late);
    }

    /// The largest.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Upper edge of the bucket in which the percentile lies, never above the largest; zero without any.
    pub fn percentile(&self, percentile: f64) -> Duration {
        let total: u64 = self.buckets.iter().sum();
        let mut below = 0;
        for (bucket, count) in (0_u32..).zip(&self.buckets) {
            below += count;
            if *count > 0 && to_f64(below) >= to_f64(total) * percentile / 100.0 {
                return Duration::from_micros(1 << bucket).min(self.max);
            }
        }
        self.max
    }
}

/// Exact below 2^32 and within rounding above, which is enough for a rank.
fn to_f64(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_lies_within_a_factor_of_two_and_below_the_largest() {
        let mut late = Lateness::default();
        (1..=100).for_each(|ms| late.record(Duration::from_millis(ms)));
        let p50 = late.percentile(50.0);
        assert!(p50 >= Duration::from_millis(50) && p50 <= Duration::from_millis(100), "{p50:?}");
        assert_eq!(late.percentile(99.0), Duration::from_millis(100));
        assert_eq!(Lateness::default().percentile(99.0), Duration::ZERO);
    }

    #[test]
    fn a_rule_that_saw_frames_but_touched_none_did_nothing() {
        assert!(!Counters { frames_seen: 9, ..Default::default() }.bit());
        assert!(Counters { frames_dropped: 1, ..Default::default() }.bit());
    }
}
