//! The planned rate: how many records are due at a given moment.
//!
//! A producer that was held up (queue full, paused, at a gate) catches up, because an application whose requests
//! pile up does so too; but only by a bounded amount, so that an outage of a minute is not followed by a burst of
//! a minute's records. Pure: time is passed in.

use history::ids::Nanos;

/// Longest time whose records are sent late rather than not at all.
const CATCH_UP: Nanos = Nanos(200_000_000);
const SECOND: f64 = 1e9;

/// Gives out permits to send at a planned rate.
#[derive(Clone, Debug)]
pub struct Pacer {
    /// Records per nanosecond; none is without limit.
    rate: Option<f64>,
    start: Nanos,
    granted: u64,
}

impl Pacer {
    /// Begins to count at `start`. A rate is in records per second and positive.
    pub fn new(rate: Option<f64>, start: Nanos) -> Self {
        Self { rate: rate.map(|per_second| per_second / SECOND), start, granted: 0 }
    }

    /// How many records may be sent now, at most `most`. They count as sent.
    pub fn take(&mut self, now: Nanos, most: u32) -> u32 {
        let Some(rate) = self.rate else { return most };
        let mut due = self.due(rate, now);
        let bound = floor(rate * to_f64(CATCH_UP.0)).max(1);
        if due > bound {
            // Forget what is older than the bound: move the start, so that exactly `bound` are due.
            self.start = Nanos(now.0.saturating_sub(CATCH_UP.0));
            self.granted = 0;
            due = self.due(rate, now).max(1);
        }
        let taken = u32::try_from(due).unwrap_or(u32::MAX).min(most);
        self.granted += u64::from(taken);
        taken
    }

    /// How long until the next record is due; zero where one is due now.
    pub fn wait(&self, now: Nanos) -> Nanos {
        let Some(rate) = self.rate else { return Nanos(0) };
        let at = self.start.0 + ceil(to_f64(self.granted + 1) / rate);
        Nanos(at.saturating_sub(now.0))
    }

    fn due(&self, rate: f64, now: Nanos) -> u64 {
        let elapsed = now.0.saturating_sub(self.start.0);
        // The small addition keeps a record that is due exactly now from being rounded away.
        floor(to_f64(elapsed) * rate + 1e-6).saturating_sub(self.granted)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a count of nanoseconds of a run is far below 2^53")]
fn to_f64(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
fn floor(count: f64) -> u64 {
    count.floor() as u64
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "saturates, and is not negative")]
fn ceil(count: f64) -> u64 {
    count.ceil() as u64
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: u64 = 1_000_000;

    #[test]
    fn a_second_gives_as_many_records_as_planned() {
        for rate in [1.0, 3.0, 999.0, 2000.0, 123_456.0] {
            let mut pacer = Pacer::new(Some(rate), Nanos(7));
            let mut sent = 0;
            for step in 0..=1000 {
                sent += pacer.take(Nanos(7 + step * MS), u32::MAX);
            }
            assert_eq!(f64::from(sent), rate, "{rate}/s");
        }
    }

    #[test]
    fn after_a_long_stop_only_the_bound_is_caught_up() {
        let mut pacer = Pacer::new(Some(2000.0), Nanos(0));
        assert_eq!(pacer.take(Nanos(60_000 * MS), u32::MAX), 400);
        assert_eq!(pacer.take(Nanos(60_000 * MS), u32::MAX), 0);
        assert_eq!(pacer.take(Nanos(60_001 * MS), u32::MAX), 2);
    }

    #[test]
    fn a_slow_rate_is_not_forgotten_by_the_bound() {
        let mut pacer = Pacer::new(Some(0.5), Nanos(0));
        assert_eq!(pacer.take(Nanos(1000 * MS), u32::MAX), 0);
        assert_eq!(pacer.wait(Nanos(1000 * MS)), Nanos(1000 * MS));
        assert_eq!(pacer.take(Nanos(2000 * MS), u32::MAX), 1);
        assert_eq!(pacer.take(Nanos(4000 * MS), u32::MAX), 1);
    }

    #[test]
    fn without_a_rate_everything_may_go() {
        let mut pacer = Pacer::new(None, Nanos(0));
        assert_eq!(pacer.take(Nanos(0), 256), 256);
        assert_eq!(pacer.wait(Nanos(0)), Nanos(0));
    }

    proptest! {
        #[test]
        fn what_is_waited_for_is_due_then(rate in 0.1f64..1e6, steps in prop::collection::vec(0u64..300 * MS, 1..50)) {
            let mut pacer = Pacer::new(Some(rate), Nanos(0));
            let (mut now, mut sent) = (0, 0u64);
            for step in steps {
                now += step;
                sent += u64::from(pacer.take(Nanos(now), u32::MAX));
                let wait = pacer.wait(Nanos(now));
                prop_assert!(wait.0 > 0, "all that is due was taken");
                let mut later = pacer.clone();
                prop_assert!(later.take(Nanos(now + wait.0), u32::MAX) >= 1);
                prop_assert!(to_f64(sent) <= to_f64(now) / SECOND * rate + 1.01, "never ahead of the plan");
            }
        }
    }
}
