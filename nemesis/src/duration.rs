//! Durations as people write them: `300ms`, `2.5s`, `1m`, and ranges `2s..5s`.
//!
//! Specs and plans hold durations as text, because a plan is read by people; both directions are exact, so
//! a plan read back is the same plan. A bare number is refused: it would hide its unit.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{text}\" is not a duration: write a number with its unit, as in 300ms, 2.5s or 1m")]
pub struct NotADuration {
    text: String,
}

const UNITS: [(&str, u64); 5] =
    [("us", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000), ("m", 60_000_000_000), ("h", 3_600_000_000_000)];

/// Longest duration accepted: a day. It bounds every sum of durations in a plan.
const LONGEST: Duration = Duration::from_secs(86_400);

/// Reads `300ms`, `2.5s`, `1m`, `1h`, `50us`.
///
/// # Errors
/// When the text is no number followed by a unit, or longer than a day.
pub fn parse(text: &str) -> Result<Duration, NotADuration> {
    parse_exact(text.trim())
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| NotADuration { text: text.to_owned() })
}

fn parse_exact(text: &str) -> Option<Duration> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(digits);
    let (_, nanos) = UNITS.iter().find(|(name, _)| *name == unit.trim_start())?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 || whole.len() > 12 {
        return None;
    }
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let whole = whole.parse::<u64>().ok()?.checked_mul(*nanos)?;
    let fraction = u128::from(fraction.parse::<u64>().ok()?) * u128::from(*nanos) / u128::from(scale);
    Some(Duration::from_nanos(whole.checked_add(u64::try_from(fraction).ok()?)?))
}

/// Writes a duration in the largest unit that holds it as a whole number, down to microseconds.
pub fn words(duration: Duration) -> String {
    let nanos = duration.as_nanos();
    let (name, unit) = UNITS
        .iter()
        .rev()
        .map(|(name, unit)| (*name, u128::from(*unit)))
        .find(|(_, unit)| nanos >= *unit && nanos.is_multiple_of(*unit))
        .unwrap_or(if nanos == 0 { ("s", 1_000_000_000) } else { ("us", 1_000) });
    format!("{}{name}", nanos / unit)
}

/// Serde form of a `Duration`: its text. For `#[serde(with = "nemesis::duration")]`.
///
/// # Errors
/// What the serializer says.
pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&words(*duration))
}

/// Reads the serde form.
///
/// # Errors
/// When the text is no duration.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
}

/// A range of durations, `2s..5s`; one duration stands for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Range {
    /// Shortest.
    pub min: Duration,
    /// Longest, inclusive.
    pub max: Duration,
}

/// Why a text is not a range of durations.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotARange {
    /// One end is no duration.
    #[error(transparent)]
    End(#[from] NotADuration),
    /// The ends are the wrong way round.
    #[error("\"{0}\" ends before it begins: write the shorter duration first, as in 2s..5s")]
    Reversed(String),
}

impl TryFrom<String> for Range {
    type Error = NotARange;

    fn try_from(text: String) -> Result<Self, NotARange> {
        let (min, max) = text.split_once("..").unwrap_or((&text, &text));
        let (min, max) = (parse(min)?, parse(max)?);
        if min > max {
            return Err(NotARange::Reversed(text));
        }
        Ok(Self { min, max })
    }
}

impl From<Range> for String {
    fn from(range: Range) -> Self {
        if range.min == range.max {
            words(range.min)
        } else {
            format!("{}..{}", words(range.min), words(range.max))
        }
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&String::from(*self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_with_its_unit() {
        for (text, millis) in
            [("300ms", 300), ("2.5s", 2_500), ("1m", 60_000), ("3 s", 3_000), ("0s", 0), ("1h", 3_600_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "s", "-3s", "1.s", ".5s", "5 sec", "1e3s", "99999999h", "25h", "1..2s", "٣s"] {
            assert!(parse(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn words_are_exact_down_to_microseconds() {
        for text in ["0s", "50us", "300ms", "2500ms", "3s", "90s", "2m", "1h"] {
            assert_eq!(words(parse(text).unwrap()), text);
        }
    }

    #[test]
    fn a_range_has_the_shorter_end_first() {
        assert_eq!(Range::try_from("2s..5s".to_owned()).unwrap().to_string(), "2s..5s");
        assert_eq!(Range::try_from("2s".to_owned()).unwrap().to_string(), "2s");
        assert!(Range::try_from("5s..2s".to_owned()).is_err());
    }
}
