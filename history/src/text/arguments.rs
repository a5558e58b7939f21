//! The arguments of a line: words taken in order, pairs taken by name, and the small forms that they have.
//!
//! Small forms: `t/0` a log, `@12` an offset, `@3..7` an interval, `v7` or `p1:7..9` values, `4.5us` a time.
//! Whatever is left over when a line is understood is an error, so that a typing mistake never goes unseen.

use std::collections::VecDeque;
use std::str::FromStr;

use super::token::{Token, Word};
use crate::ids::{Nanos, Offset, Process, Seq, TopicPartition, Value};

/// What is wrong with a line, and what to write instead (may be left to the operation's example).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Problem {
    pub(super) cause: String,
    pub(super) fix: String,
}

impl Problem {
    pub(super) fn new(cause: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { cause: cause.into(), fix: fix.into() }
    }

    /// A problem whose remedy the operation's example shows.
    pub(super) fn shape(cause: impl Into<String>) -> Self {
        Self::new(cause, "")
    }
}

/// What a line holds after its operation.
pub(super) struct Arguments {
    words: VecDeque<Word>,
    pairs: Vec<(Word, Word)>,
    asked: Vec<&'static str>,
}

impl Arguments {
    /// Sorts tokens into words and pairs.
    pub(super) fn new(tokens: Vec<Token>) -> Result<Self, Problem> {
        let mut arguments = Self { words: VecDeque::new(), pairs: Vec::new(), asked: Vec::new() };
        for token in tokens {
            match token {
                Token::Word(word) => arguments.words.push_back(word),
                Token::Pair(key, _) if arguments.pairs.iter().any(|(other, _)| *other == key) => {
                    return Err(Problem::new(format!("{}= is given twice", key.text), "keep one of them"));
                }
                Token::Pair(key, value) => arguments.pairs.push((key, value)),
            }
        }
        Ok(arguments)
    }

    /// The next word, where there is one.
    pub(super) fn next(&mut self) -> Option<Word> {
        self.words.pop_front()
    }

    /// The word after which the next one would come.
    pub(super) fn peek(&self) -> Option<&Word> {
        self.words.front()
    }

    /// The next word, which must be there.
    pub(super) fn word(&mut self, what: &str) -> Result<Word, Problem> {
        self.next().ok_or_else(|| Problem::shape(format!("{what} is missing")))
    }

    /// Takes the next word where it is this flag.
    pub(super) fn flag(&mut self, flag: &str) -> bool {
        let is_next = self.peek().is_some_and(|word| word.is(flag));
        if is_next {
            self.words.pop_front();
        }
        is_next
    }

    /// The value of `key=`, where it is given.
    pub(super) fn pair(&mut self, key: &'static str) -> Option<String> {
        self.asked.push(key);
        let at = self.pairs.iter().position(|(found, _)| found.is(key))?;
        Some(self.pairs.remove(at).1.text)
    }

    /// The number that `key=` gives.
    pub(super) fn number<T: FromStr>(&mut self, key: &'static str) -> Result<Option<T>, Problem> {
        self.pair(key).map(|text| number(&text, key)).transpose()
    }

    /// Takes the pairs that count something: all but those of an outcome, unless their names are in quotes.
    pub(super) fn counters(&mut self) -> Vec<(String, String)> {
        let is_counter =
            |key: &Word| key.quoted || !matches!(key.text.as_str(), "error" | "message" | "offset");
        let counters = self.pairs.extract_if(.., |(key, _)| is_counter(key));
        counters.map(|(key, value)| (key.text, value.text)).collect()
    }

    /// Checks that nothing is left.
    pub(super) fn finish(mut self) -> Result<(), Problem> {
        if let Some((key, _)) = self.pairs.first() {
            let cause = format!("unknown key \"{}\"", key.text);
            return Err(Problem { cause, fix: did_you_mean(&key.text, self.asked.iter().copied()) });
        }
        match self.next() {
            Some(word) => Err(Problem::shape(format!("\"{}\" is too much", word.text))),
            None => Ok(()),
        }
    }
}

/// Advice that names the nearest of several words, or nothing when none is near.
pub(super) fn did_you_mean<'a>(text: &str, known: impl Iterator<Item = &'a str>) -> String {
    let near = |word: &&str| strsim::osa_distance(text, word) <= 1 + text.len() / 4;
    known
        .filter(near)
        .min_by_key(|word| strsim::osa_distance(text, word))
        .map_or(String::new(), |word| format!("did you mean \"{word}\"?"))
}

/// A number, named in the error.
pub(super) fn number<T: FromStr>(text: &str, what: &str) -> Result<T, Problem> {
    text.parse().map_err(|_| Problem::shape(format!("{what} is a number within its range, not \"{text}\"")))
}

/// `p3`, or `harness` for process 0.
pub(super) fn process(text: &str) -> Result<Process, Problem> {
    if text == "harness" {
        return Ok(Process(0));
    }
    let digits = text.strip_prefix('p').and_then(|digits| digits.parse().ok());
    digits
        .map(Process)
        .ok_or_else(|| Problem::new(format!("\"{text}\" is no process"), "write p0, p1, … or harness"))
}

/// `topic/partition`.
pub(super) fn log(text: &str) -> Result<TopicPartition, Problem> {
    let parts = text.rsplit_once('/').and_then(|(topic, partition)| Some((topic, partition.parse().ok()?)));
    let problem = || Problem::new(format!("\"{text}\" is no log"), "write TOPIC/PARTITION, for example t/0");
    parts.map(|(topic, partition)| TopicPartition::new(topic, partition)).ok_or_else(problem)
}

/// `@12`.
pub(super) fn offset(word: &Word) -> Result<Offset, Problem> {
    let problem = || Problem::shape(format!("\"{}\" is no offset (write @12)", word.text));
    let number = word.text.strip_prefix('@').filter(|_| !word.quoted).and_then(|digits| digits.parse().ok());
    number.map(Offset).ok_or_else(problem)
}

/// `@3` or `@3..7`, both ends included.
pub(super) fn interval(word: &Word) -> Result<(Offset, Offset), Problem> {
    let problem =
        || Problem::shape(format!("\"{}\" is no interval of offsets (write @3 or @3..7)", word.text));
    let ends = word.text.strip_prefix('@').filter(|_| !word.quoted).ok_or_else(problem)?;
    let (first, last) = ends.split_once("..").unwrap_or((ends, ends));
    match (first.parse(), last.parse()) {
        (Ok(first), Ok(last)) if first <= last => Ok((Offset(first), Offset(last))),
        (Ok(_) | Err(_), Ok(_) | Err(_)) => Err(problem()),
    }
}

/// `v7`, `v7..9`, `p1:7` or `p1:7..9`: the first value and how many there are.
pub(super) fn values(text: &str, own: Process) -> Result<(Value, u32), Problem> {
    let problem = || Problem::shape(format!("\"{text}\" is no value (write v7, v7..9, p1:7 or p1:7..9)"));
    let (process, sequences) = match (text.strip_prefix('v'), text.split_once(':')) {
        (Some(sequences), _) => (own, sequences),
        (None, Some((other, sequences))) => (self::process(other)?, sequences),
        (None, None) => return Err(problem()),
    };
    let (first, last) = sequences.split_once("..").unwrap_or((sequences, sequences));
    let (Ok(first), Ok(last)) = (first.parse::<u32>(), last.parse::<u32>()) else { return Err(problem()) };
    let count = last.checked_sub(first).and_then(|more| more.checked_add(1)).ok_or_else(problem)?;
    Ok((Value { process, seq: Seq(first) }, count))
}

/// `3`, `4.5us`: exact to the nanosecond, milliseconds where no unit is given.
pub(super) fn time(text: &str) -> Result<Nanos, Problem> {
    let problem = || {
        Problem::new(
            format!("\"{text}\" is no time"),
            "begin a line with a time: 3 (milliseconds), 4.5us, 3..5 (invoked and completed), or log or process",
        )
    };
    let unit_at = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let digits_below = match unit {
        "ns" => 0,
        "us" => 3,
        "" | "ms" => 6,
        "s" => 9,
        _ => return Err(problem()),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let is_number = |digits: &str| digits.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !is_number(whole) || !is_number(fraction) || fraction.len() > digits_below {
        return Err(problem());
    }
    format!("{whole}{fraction:0<digits_below$}").parse().map(Nanos).map_err(|_| problem())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_exact_to_the_nanosecond() {
        for (text, nanos) in
            [("3", 3_000_000), ("0.000001", 1), ("4.5us", 4_500), ("7ns", 7), ("2s", 2_000_000_000)]
        {
            assert_eq!(time(text), Ok(Nanos(nanos)), "{text}");
        }
        for text in ["", ".", "1.", "-1", "1.5ns", "1h", "0.0000001", "99999999999999999999"] {
            // A trailing point is harmless.
            assert_eq!(time(text).is_err(), text != "1.", "{text}");
        }
    }

    #[test]
    fn an_empty_range_is_refused() {
        assert!(values("v9..7", Process(0)).is_err());
        assert!(values("v0..4294967295", Process(0)).is_err());
        assert!(interval(&Word { text: "@7..3".into(), quoted: false }).is_err());
    }
}
