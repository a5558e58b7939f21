//! A storm: faults drawn from the seed, one at a time.
//!
//! Everything is drawn here, when the plan is made: which fault, when, for how long, which log it is about.
//! Only who holds a role is left for the moment it strikes. Draws use ChaCha, whose stream is the same on every
//! machine and in every version, and arithmetic of our own, because the sampling methods of random-number
//! crates may change between releases and would change every plan with them.
//!
//! One fault at a time, because that is the promise most configurations make: the next begins only after the
//! last has been undone. Faults come from a shuffled bag, so that a storm long enough uses every one of them.

use std::time::Duration;

use history::ids::{FaultId, TopicPartition};
use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

use super::{Choice, Heal, Moment, Planned, Seed};
use crate::duration::Range;
use crate::fault::{Fault, Inverse};
use crate::phrase::Misunderstood;

/// What a storm is drawn from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Storm {
    /// How long it lasts: every fault strikes and is undone within this time.
    #[serde(rename = "for", with = "crate::duration")]
    pub length: Duration,
    /// Quiet time before each fault.
    pub every: Range,
    /// How long each fault lasts.
    pub lasting: Range,
    /// The faults to draw from.
    pub faults: Vec<Pattern>,
}

/// A fault phrase whose roles may be short: `kill broker`, `5 % loss on leader <-> follower`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pattern(String);

/// Short forms that a storm understands, and what they stand for.
pub const SHORTHANDS: &[(&str, &str)] = &[
    ("broker", "any broker"),
    ("client", "any client"),
    ("leader", "leader of a drawn log"),
    ("follower", "follower of that log"),
    ("followers", "followers of that log"),
];

impl Pattern {
    /// The fault that this pattern means for one log.
    ///
    /// # Errors
    /// When the phrase cannot be understood.
    pub fn about(&self, log: &TopicPartition) -> Result<Fault, Misunderstood> {
        let words: Vec<&str> = self.0.split_whitespace().collect();
        let mut spelt = Vec::with_capacity(words.len());
        for (at, word) in words.iter().enumerate() {
            let (before, after) = (at.checked_sub(1).map(|at| words[at]), words.get(at + 1).copied());
            spelt.push(match *word {
                "broker" if before != Some("any") && !after.is_some_and(is_number) => "any broker".to_owned(),
                "client" if before != Some("any") => "any client".to_owned(),
                "leader" | "follower" | "followers" if after != Some("of") => format!("{word} of {log}"),
                other => other.to_owned(),
            });
        }
        spelt
            .join(" ")
            .parse()
            .map_err(|error: Misunderstood| Misunderstood { phrase: self.0.clone(), ..error })
    }

    /// Whether its log is drawn.
    fn draws_log(&self) -> bool {
        let logs = [0, 1].map(|partition| self.about(&TopicPartition::new("t", partition)));
        logs[0] != logs[1]
    }
}

fn is_number(word: &str) -> bool {
    word.chars().all(|c| c.is_ascii_digit())
}

impl TryFrom<String> for Pattern {
    type Error = Misunderstood;

    fn try_from(phrase: String) -> Result<Self, Misunderstood> {
        let pattern = Self(phrase);
        pattern.about(&TopicPartition::new("t", 0))?;
        Ok(pattern)
    }
}

impl From<Pattern> for String {
    fn from(pattern: Pattern) -> Self {
        pattern.0
    }
}

impl std::fmt::Display for Pattern {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A stream of draws. Streams of the same seed with different numbers are independent.
#[derive(Clone, Debug)]
pub struct Draw(ChaCha12Rng);

impl Draw {
    /// The stream of this number.
    pub fn new(seed: Seed, stream: u64) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(seed.0);
        rng.set_stream(stream);
        Self(rng)
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `bound`, which must not be 0. The bias is below 2^-32 for bounds below 2^32.
    pub fn below(&mut self, bound: u64) -> u64 {
        assert!(bound > 0, "nothing to draw from");
        let wide = u128::from(self.number()) * u128::from(bound);
        u64::try_from(wide >> 64).unwrap_or(0)
    }

    /// A duration of the range, in whole milliseconds where the range allows.
    pub fn within(&mut self, range: Range) -> Duration {
        let millis = u64::try_from((range.max - range.min).as_millis()).unwrap_or(u64::MAX - 1);
        range.min + Duration::from_millis(self.below(millis + 1))
    }

    /// A shuffled copy.
    pub fn shuffled<T: Clone>(&mut self, items: &[T]) -> Vec<T> {
        let mut rest = items.to_vec();
        let mut shuffled = Vec::with_capacity(rest.len());
        while !rest.is_empty() {
            let left = u64::try_from(rest.len()).unwrap_or(u64::MAX);
            shuffled.push(rest.swap_remove(usize::try_from(self.below(left)).unwrap_or(0)));
        }
        shuffled
    }
}

/// Stream of the storm itself; streams from [`CHOICES`] on belong to the faults, by number.
const STORM: u64 = 1;
const CHOICES: u64 = 1 << 32;

impl Choice {
    /// The number that decides the targets of the fault with this id.
    pub fn drawn(seed: Seed, id: FaultId) -> Self {
        Self(Draw::new(seed, CHOICES + u64::from(id.0)).number())
    }
}

impl Storm {
    /// Draws the faults, numbered from `first` on. `logs` are what a drawn log is drawn from.
    ///
    /// # Errors
    /// When a pattern cannot be understood, which its constructor has already excluded.
    pub fn draw(
        &self,
        logs: &[TopicPartition],
        first: FaultId,
        seed: Seed,
    ) -> Result<Vec<Planned>, Misunderstood> {
        let mut draw = Draw::new(seed, STORM);
        let mut planned = Vec::new();
        let (mut bag, mut now) = (Vec::new(), Duration::ZERO);
        if self.faults.is_empty() {
            return Ok(planned);
        }
        loop {
            let quiet = draw.within(self.every);
            let lasting = draw.within(self.lasting);
            let (at, end) = (now + quiet, now + quiet + lasting);
            if end > self.length || planned.len() >= MOST {
                return Ok(planned);
            }
            if bag.is_empty() {
                bag = draw.shuffled(&self.faults);
            }
            let Some(pattern) = bag.pop() else { return Ok(planned) };
            let log = drawn_log(&mut draw, &pattern, logs);
            let id = FaultId(first.0 + u32::try_from(planned.len()).unwrap_or(u32::MAX));
            let fault = pattern.about(&log)?;
            let heal = match fault.heals_by() {
                Inverse::Itself => Heal::Itself,
                Inverse::Restart | Inverse::Resume | Inverse::Uncover | Inverse::Release => {
                    Heal::After(lasting)
                }
            };
            planned.push(Planned {
                id,
                name: None,
                fault,
                at: Moment::Time(at),
                heal,
                choice: Choice::drawn(seed, id),
            });
            // A fault of no length and no gap would never let time pass.
            now = end.max(now + Duration::from_millis(1));
        }
    }
}

/// Most faults of one storm; a storm of a day with a fault every second fits.
const MOST: usize = 100_000;

fn drawn_log(draw: &mut Draw, pattern: &Pattern, logs: &[TopicPartition]) -> TopicPartition {
    match u64::try_from(logs.len()) {
        Ok(count) if count > 0 && pattern.draws_log() => {
            logs[usize::try_from(draw.below(count)).unwrap_or(0)].clone()
        }
        Ok(_) | Err(_) => TopicPartition::new("t", 0),
    }
}
