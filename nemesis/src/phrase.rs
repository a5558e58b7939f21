//! Reading phrases: the small grammar in which targets, moments and faults are written.
//!
//! A phrase is a few words, because a spec should read aloud as English. The price of free-looking text is
//! that people will mistype it, so a phrase that cannot be understood says what could have stood there, and
//! proposes the nearest phrase that would have been understood: misspelt words are replaced by the grammar's
//! own and the result is offered only if it parses.

/// A phrase that cannot be understood.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misunderstood {
    /// What it should have been: "target", "moment"…
    pub what: &'static str,
    /// The phrase.
    pub phrase: String,
    /// The forms that exist.
    pub alternatives: &'static [&'static str],
    /// The nearest phrase that would have been understood.
    pub suggestion: Option<String>,
}

impl std::fmt::Display for Misunderstood {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\" is not a {}", self.phrase, self.what)?;
        if let Some(suggestion) = &self.suggestion {
            write!(f, "; did you mean \"{suggestion}\"?")?;
        }
        // What follows the line break is advice; an error renderer may set it apart.
        write!(f, "\na {} is one of: {}", self.what, self.alternatives.join(" | "))
    }
}

impl std::error::Error for Misunderstood {}

/// A kind of phrase: how it is read, what its forms are, which words belong to its grammar.
pub(crate) struct Grammar<T> {
    pub(crate) what: &'static str,
    pub(crate) alternatives: &'static [&'static str],
    pub(crate) words: &'static [&'static str],
    pub(crate) read: fn(&str) -> Option<T>,
}

impl<T: std::fmt::Display> Grammar<T> {
    /// Reads a phrase, or says what is wrong with it.
    pub(crate) fn parse(&self, phrase: &str) -> Result<T, Misunderstood> {
        let normal = normal(phrase);
        (self.read)(&normal).ok_or_else(|| Misunderstood {
            what: self.what,
            phrase: phrase.to_owned(),
            alternatives: self.alternatives,
            suggestion: (self.read)(&self.respelt(&normal)).map(|meant| meant.to_string()),
        })
    }

    /// The phrase with each word that is close to one of the grammar's replaced by it.
    pub(crate) fn respelt(&self, phrase: &str) -> String {
        let respell = |word: &str| {
            let lower = word.to_lowercase();
            let near =
                self.words.iter().map(|known| (strsim::damerau_levenshtein(&lower, known), *known)).min();
            match near {
                Some((distance, known)) if distance <= known.len() / 3 => known.to_owned(),
                Some(_) | None => word.to_owned(),
            }
        };
        phrase.split(' ').map(respell).collect::<Vec<_>>().join(" ")
    }
}

/// Longest phrase that is read at all, in bytes; respelling is quadratic in a word.
const LONGEST: usize = 300;

/// One blank between words, `↔` and `→` written as arrows.
pub(crate) fn normal(phrase: &str) -> String {
    let mut cut = phrase.len().min(LONGEST);
    while !phrase.is_char_boundary(cut) {
        cut -= 1;
    }
    let arrows = phrase[..cut].replace('↔', " <-> ").replace('→', " -> ");
    arrows.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A name as topics and clients have: letters, digits, `.`, `_`, `-`.
pub(crate) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 249
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-'))
}

/// `T/P`.
pub(crate) fn log(text: &str) -> Option<history::ids::TopicPartition> {
    let (topic, partition) = text.split_once('/')?;
    let partition = number(partition)?;
    is_name(topic).then(|| history::ids::TopicPartition::new(topic, partition))
}

/// A non-negative number in plain digits (`+3` and blanks are refused).
pub(crate) fn number<N: std::str::FromStr>(text: &str) -> Option<N> {
    text.chars().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?
}
