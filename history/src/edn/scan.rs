//! From text to tape: one pass over the bytes, an explicit stack, no recursion.
//!
//! A scan that runs into the end of the text asks for more and is begun again from the start of the record; the
//! buffer doubles each time, so at most twice the work is done. Only when the source has ended is an unfinished
//! record an error.

use super::tape::{Kind, Node};

/// Collections, tags and discards that may be open at once.
const DEEPEST: usize = 256;

/// What a scan found; positions are bytes from its start.
pub(super) enum Scanned {
    /// The first value is not a vector or list, or it is one that this byte closes.
    Opening(Option<u8>, usize),
    /// A record from here to there.
    Record(usize, usize),
    /// The vector or list of all records is closed.
    Closed(usize),
    /// Only blanks and comments are left.
    Nothing,
    /// The text ends in the middle.
    More,
}

/// What is wrong, and where.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) at: usize,
    pub(super) cause: &'static str,
}

/// A collection, tag or discard whose end has not been seen.
struct Open {
    what: What,
    /// Index of its node, or where the tape is cut for a discard.
    node: usize,
    /// Elements so far.
    count: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum What {
    Collection(u8),
    Tag,
    Discard,
}

/// Finds out how the records are laid out.
pub(super) fn opening(text: &[u8], ended: bool) -> Result<Scanned, Fault> {
    let mut at = 0;
    if text.starts_with(b"\xef\xbb\xbf") {
        at = 3;
    }
    at = blanks(text, at);
    match text.get(at) {
        None if ended => Ok(Scanned::Nothing),
        None => Ok(Scanned::More),
        Some(b'[') => Ok(Scanned::Opening(Some(b']'), at + 1)),
        Some(b'(') => Ok(Scanned::Opening(Some(b')'), at + 1)),
        Some(_) => Ok(Scanned::Opening(None, at)),
    }
}

/// After the closing bracket there must be nothing.
pub(super) fn nothing(text: &[u8], ended: bool) -> Result<Scanned, Fault> {
    let at = blanks(text, 0);
    match text.get(at) {
        None if ended => Ok(Scanned::Nothing),
        None => Ok(Scanned::More),
        Some(_) => Err(Fault { at, cause: "something follows the bracket that closes the history" }),
    }
}

/// Scans the next record onto an empty tape.
pub(super) fn record(
    text: &[u8],
    (ended, close): (bool, Option<u8>),
    tape: &mut Vec<Node>,
) -> Result<Scanned, Fault> {
    let mut scan = Scan { text, ended, tape, open: Vec::new(), begin: 0 };
    scan.tape.clear();
    scan.run(close)
}

struct Scan<'a> {
    text: &'a [u8],
    ended: bool,
    tape: &'a mut Vec<Node>,
    open: Vec<Open>,
    /// Where the record begins: node texts are counted from here.
    begin: usize,
}

impl Scan<'_> {
    fn run(&mut self, close: Option<u8>) -> Result<Scanned, Fault> {
        let mut at = 0;
        loop {
            at = blanks(self.text, at);
            if self.tape.is_empty() && self.open.is_empty() {
                self.begin = at;
            }
            let Some(byte) = self.text.get(at).copied() else { return self.end(at, close) };
            let next = match byte {
                b'{' => self.enter(Kind::Map, b'}', at, 1)?,
                b'[' => self.enter(Kind::Vector, b']', at, 1)?,
                b'(' => self.enter(Kind::List, b')', at, 1)?,
                b'}' | b']' | b')' => {
                    if self.open.is_empty() && close == Some(byte) {
                        return Ok(Scanned::Closed(at + 1));
                    }
                    self.leave(byte, at)?;
                    at += 1;
                    if self.settle() {
                        return Ok(Scanned::Record(self.begin, at));
                    }
                    continue;
                }
                b'#' => self.dispatch(at)?,
                _ => {
                    let Some(end) = self.atom(byte, at)? else { return self.end(self.text.len(), close) };
                    at = end;
                    if self.settle() {
                        return Ok(Scanned::Record(self.begin, at));
                    }
                    continue;
                }
            };
            let Some(next) = next else { return self.end(self.text.len(), close) };
            at = next;
        }
    }

    /// The text is used up.
    fn end(&self, at: usize, close: Option<u8>) -> Result<Scanned, Fault> {
        if !self.ended {
            return Ok(Scanned::More);
        }
        if !self.open.is_empty() {
            return Err(Fault { at, cause: "the file ends in the middle of a record" });
        }
        if at < self.text.len() || !self.tape.is_empty() {
            return Err(Fault { at, cause: "the file ends in the middle of a value" });
        }
        match close {
            Some(_) => Err(Fault { at, cause: "the file ends before the bracket that closes the history" }),
            None => Ok(Scanned::Nothing),
        }
    }

    fn push(&mut self, what: What, node: usize, at: usize) -> Result<(), Fault> {
        if self.open.len() == DEEPEST {
            return Err(Fault { at, cause: "nested more than 256 deep" });
        }
        self.open.push(Open { what, node, count: 0 });
        Ok(())
    }

    fn enter(&mut self, kind: Kind, close: u8, at: usize, width: usize) -> Result<Option<usize>, Fault> {
        self.push(What::Collection(close), self.tape.len(), at)?;
        self.tape.push(Node { kind, at: 0, len: 0, next: 0, int: 0 });
        Ok(Some(at + width))
    }

    fn leave(&mut self, close: u8, at: usize) -> Result<(), Fault> {
        match self.open.pop() {
            Some(Open { what: What::Collection(expected), node, count }) if expected == close => {
                if self.tape[node].kind == Kind::Map && count % 2 == 1 {
                    return Err(Fault { at, cause: "a map with a key that has no value" });
                }
                self.tape[node].len = count;
                self.tape[node].next = index(self.tape.len());
                Ok(())
            }
            Some(Open { what: What::Collection(_), .. }) => {
                Err(Fault { at, cause: "a bracket closes another kind of bracket" })
            }
            Some(_) => Err(Fault { at, cause: "a tag or discard without a value" }),
            None => Err(Fault { at, cause: "a closing bracket that nothing opened" }),
        }
    }

    /// A value is complete. Counts it where it belongs; true if it is the record.
    fn settle(&mut self) -> bool {
        loop {
            match self.open.last_mut() {
                None => return true,
                Some(Open { what: What::Tag, .. }) => {
                    self.open.pop();
                }
                Some(Open { what: What::Discard, node, .. }) => {
                    let cut = *node;
                    self.open.pop();
                    self.tape.truncate(cut);
                    return false;
                }
                Some(open) => {
                    open.count += 1;
                    return false;
                }
            }
        }
    }

    /// What follows `#`; none where the text ends first.
    fn dispatch(&mut self, at: usize) -> Result<Option<usize>, Fault> {
        let Some(byte) = self.text.get(at + 1).copied() else { return self.cut(at) };
        match byte {
            b'{' => self.enter(Kind::Set, b'}', at, 2),
            b'_' => {
                self.push(What::Discard, self.tape.len(), at)?;
                Ok(Some(at + 2))
            }
            b'#' => {
                // ##NaN, ##Inf, ##-Inf: read like a tag followed by a symbol.
                self.push(What::Tag, self.tape.len(), at)?;
                Ok(Some(at + 2))
            }
            byte if is_delimiter(byte) => Err(Fault { at, cause: "# must be followed by a tag, _ or {" }),
            _ => {
                let end = token(self.text, at + 1);
                if end == self.text.len() && !self.ended {
                    return Ok(None);
                }
                self.push(What::Tag, self.tape.len(), at)?;
                Ok(Some(end))
            }
        }
    }

    fn cut(&self, at: usize) -> Result<Option<usize>, Fault> {
        if self.ended { Err(Fault { at, cause: "the file ends in the middle of a value" }) } else { Ok(None) }
    }

    /// A number, word, string or character; none where the text ends first.
    fn atom(&mut self, byte: u8, at: usize) -> Result<Option<usize>, Fault> {
        if byte == b'"' {
            return self.string(at);
        }
        // A character may be one that otherwise ends a token: `\(`.
        let from = if byte == b'\\' { at + 2 } else { at };
        let end = token(self.text, from.min(self.text.len()));
        if end >= self.text.len() && !self.ended {
            return Ok(None);
        }
        let word = &self.text[at..end];
        let first = word.get(1).copied().unwrap_or(b' ');
        match byte {
            b':' if word.len() == 1 => Err(Fault { at, cause: "a colon without a name" }),
            b':' => Ok(Some(self.add(Kind::Keyword, at + 1, end, end))),
            b'\\' if word.len() == 1 => Err(Fault { at, cause: "a backslash without a character" }),
            b'\\' => Ok(Some(self.add(Kind::Char, at + 1, end, end))),
            b'0'..=b'9' => self.number(at, end).map(Some),
            b'-' | b'+' if first.is_ascii_digit() => self.number(at, end).map(Some),
            b'^' | b'`' | b'~' | b'@' | b'\'' => {
                Err(Fault { at, cause: "not EDN: a reader macro of Clojure" })
            }
            0..=b' ' | 127 => Err(Fault { at, cause: "a control character" }),
            _ => {
                let kind = match word {
                    b"nil" => Kind::Nil,
                    b"true" => Kind::True,
                    b"false" => Kind::False,
                    _ => Kind::Symbol,
                };
                Ok(Some(self.add(kind, at, end, end)))
            }
        }
    }

    fn add(&mut self, kind: Kind, from: usize, to: usize, end: usize) -> usize {
        let next = index(self.tape.len() + 1);
        let (at, len) = (index(from - self.begin), index(to - from));
        self.tape.push(Node { kind, at, len, next, int: 0 });
        end
    }

    fn string(&mut self, at: usize) -> Result<Option<usize>, Fault> {
        let (mut end, mut kind) = (at + 1, Kind::Plain);
        loop {
            match self.text.get(end) {
                Some(b'"') => return Ok(Some(self.add(kind, at + 1, end, end + 1))),
                Some(b'\\') => {
                    kind = Kind::Escaped;
                    end += 2;
                }
                Some(_) => end += 1,
                None => return self.cut(at),
            }
        }
    }

    fn number(&mut self, at: usize, end: usize) -> Result<usize, Fault> {
        let word = &self.text[at..end];
        let (negative, digits) = match word[0] {
            b'-' => (true, &word[1..]),
            b'+' => (false, &word[1..]),
            _ => (false, word),
        };
        let mut int = Some(0i64);
        for (n, digit) in digits.iter().enumerate() {
            match digit {
                b'0'..=b'9' => {
                    let digit = i64::from(digit - b'0');
                    let add = if negative { -digit } else { digit };
                    int = int.and_then(|int| int.checked_mul(10)?.checked_add(add));
                }
                b'N' if n + 1 == digits.len() => {}
                b'.' | b'e' | b'E' | b'M' | b'/' => {
                    return Ok(self.add(Kind::Float, at, end, end));
                }
                _ => return Err(Fault { at, cause: "a number with something else in it" }),
            }
        }
        self.add(if int.is_some() { Kind::Int } else { Kind::Big }, at, end, end);
        if let (Some(node), Some(int)) = (self.tape.last_mut(), int) {
            node.int = int;
        }
        Ok(end)
    }
}

/// Records are shorter than 2^32 bytes (see `LONGEST`), and have no more nodes than bytes.
fn index(n: usize) -> u32 {
    u32::try_from(n).expect("records are bounded")
}

const BLANK: u8 = 1;
const DELIMITER: u8 = 2;

const CLASSES: [u8; 256] = classes();

const fn classes() -> [u8; 256] {
    let mut classes = [0; 256];
    let blanks = b" ,\t\n\r\x0c\x0b";
    let mut i = 0;
    while i < blanks.len() {
        classes[blanks[i] as usize] = BLANK | DELIMITER;
        i += 1;
    }
    let delimiters = b"()[]{}\";";
    let mut i = 0;
    while i < delimiters.len() {
        classes[delimiters[i] as usize] = DELIMITER;
        i += 1;
    }
    classes
}

fn is_delimiter(byte: u8) -> bool {
    CLASSES[byte as usize] & DELIMITER != 0
}

/// The end of the word that begins here.
fn token(text: &[u8], mut at: usize) -> usize {
    while text.get(at).is_some_and(|byte| CLASSES[*byte as usize] & DELIMITER == 0) {
        at += 1;
    }
    at
}

/// The first byte that is neither blank nor part of a comment.
fn blanks(text: &[u8], mut at: usize) -> usize {
    loop {
        while text.get(at).is_some_and(|byte| CLASSES[*byte as usize] & BLANK != 0) {
            at += 1;
        }
        if text.get(at) != Some(&b';') {
            return at;
        }
        while text.get(at).is_some_and(|byte| *byte != b'\n') {
            at += 1;
        }
    }
}
