//! Durations and rates of a spec, with their JSON Schema.

use std::borrow::Cow;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A duration: `300ms`, `2.5s`, `1m`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Time(#[serde(with = "nemesis::duration")] pub Duration);

impl JsonSchema for Time {
    fn schema_name() -> Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^[0-9]+(\\.[0-9]+)? ?(us|ms|s|m|h)$",
            "description": "A number with its unit: 300ms, 2.5s, 1m."
        })
    }
}

/// Records per second: `2000/s`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PerSecond(pub u32);

/// Why a text is no rate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("\"{0}\" is not a rate: write records per second, as in 2000/s (at most 10000000/s)")]
pub struct NotARate(String);

impl TryFrom<String> for PerSecond {
    type Error = NotARate;

    fn try_from(text: String) -> Result<Self, NotARate> {
        let number = text.strip_suffix("/s").map(str::trim_end).map(|number| number.replace('_', ""));
        let parsed =
            number.filter(|number| number.chars().all(|c| c.is_ascii_digit())).and_then(|n| n.parse().ok());
        parsed.filter(|rate| (1..=10_000_000).contains(rate)).map(Self).ok_or(NotARate(text))
    }
}

impl From<PerSecond> for String {
    fn from(rate: PerSecond) -> Self {
        format!("{}/s", rate.0)
    }
}

impl JsonSchema for PerSecond {
    fn schema_name() -> Cow<'static, str> {
        "Rate".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^[0-9_]+ ?/s$", "description": "Records per second: 2000/s." })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_a_number_per_second() {
        for (text, rate) in [("2000/s", 2000), ("1_000 /s", 1000)] {
            assert_eq!(PerSecond::try_from(text.to_owned()), Ok(PerSecond(rate)));
        }
        for text in ["", "2000", "/s", "0/s", "-1/s", "+1/s", "2000/m", "99999999999/s"] {
            assert!(PerSecond::try_from(text.to_owned()).is_err(), "{text:?} was accepted");
        }
    }
}
