//! Lines as words and `key=value` pairs, and the quoting of both.
//!
//! A word in quotes is never a key, a flag or a comment, so that any string can be written.

use std::fmt::Write;

use super::arguments::Problem;

/// A word of a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    /// Whether any of it was in quotes.
    pub(super) quoted: bool,
}

impl Word {
    /// Whether it is this word, without quotes.
    pub(super) fn is(&self, text: &str) -> bool {
        !self.quoted && self.text == text
    }
}

/// A word, or a pair.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    Word(Word),
    Pair(Word, Word),
}

/// Splits a line; `#` before a word begins a comment.
pub(super) fn tokens(line: &str) -> Result<Vec<Token>, Problem> {
    let mut tokens = Vec::new();
    let mut rest = line.chars().peekable();
    loop {
        while rest.next_if(|c| c.is_whitespace()).is_some() {}
        match rest.peek() {
            None | Some('#') => return Ok(tokens),
            Some(_) => tokens.push(token(&mut rest)?),
        }
    }
}

fn token(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<Token, Problem> {
    let mut key = None;
    let mut word = Word::default();
    while let Some(c) = rest.next_if(|c| !c.is_whitespace()) {
        match c {
            '"' => {
                word.quoted = true;
                quoted(rest, &mut word.text)?;
            }
            '=' if key.is_none() => key = Some(std::mem::take(&mut word)),
            other => word.text.push(other),
        }
    }
    Ok(match key {
        Some(key) => Token::Pair(key, word),
        None => Token::Word(word),
    })
}

/// Reads to the closing quote.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, text: &mut String) -> Result<(), Problem> {
    loop {
        match rest.next() {
            None => return Err(Problem::new("a quote is not closed", "end the text with \"")),
            Some('"') => return Ok(()),
            Some('\\') => text.push(escaped(rest)?),
            Some(other) => text.push(other),
        }
    }
}

fn escaped(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Result<char, Problem> {
    let problem = || {
        Problem::new(
            "a backslash is followed by something else than \", \\, n, r, t or u{…}",
            "write \\\\ for one",
        )
    };
    match rest.next() {
        Some('n') => Ok('\n'),
        Some('r') => Ok('\r'),
        Some('t') => Ok('\t'),
        Some(same @ ('"' | '\\')) => Ok(same),
        Some('u') => {
            rest.next_if_eq(&'{').ok_or_else(problem)?;
            let digits: String = std::iter::from_fn(|| rest.next_if(char::is_ascii_hexdigit)).collect();
            rest.next_if_eq(&'}').ok_or_else(problem)?;
            u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32).ok_or_else(problem)
        }
        Some(_) | None => Err(problem()),
    }
}

/// A text as it is written: in quotes unless it is plain.
pub(super) fn quote(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-[]()".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() => {
                write!(quoted, "\\u{{{:x}}}", u32::from(c)).expect("a string accepts text")
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
