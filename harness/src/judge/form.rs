//! What a file is, by its first bytes.
//!
//! Journals and histories carry their magic. EDN and our text form are told apart by the first thing that is no
//! comment: EDN begins with a bracket or a tag, a line of text with a time, `log` or `process`. Both begin comments
//! differently (`;` and `#`). JSON is recognised to be refused by name.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::ValueEnum;
use history::merged::History;

use super::JudgeError;

/// How a history is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The journal of one process.
    Journal,
    /// A merged history.
    History,
    /// Our one-line text form.
    Text,
    /// EDN, as Jepsen writes it.
    Edn,
}

impl Form {
    /// Its name, with an article.
    pub fn name(self) -> &'static str {
        match self {
            Self::Journal => "a journal",
            Self::History => "a merged history",
            Self::Text => "a history in text",
            Self::Edn => "a history in EDN",
        }
    }
}

/// Bytes looked at: comments may stand before the first operation.
const LOOKED_AT: u64 = 1 << 16;

/// What a file is.
///
/// # Errors
/// Where it cannot be read, or is nothing that is known.
pub fn recognise(path: &Path) -> Result<Form, JudgeError> {
    let failed = |error| JudgeError::File { path: path.to_owned(), error };
    let mut head = Vec::new();
    File::open(path).and_then(|file| file.take(LOOKED_AT).read_to_end(&mut head)).map_err(failed)?;
    by_content(&head).map_err(|what| JudgeError::Unrecognised { path: path.to_owned(), what })
}

fn by_content(head: &[u8]) -> Result<Form, String> {
    if History::is_history(head) {
        return Ok(Form::History);
    }
    if history::journal::is_journal(head) {
        return Ok(Form::Journal);
    }
    let text = match std::str::from_utf8(head) {
        Ok(text) => text,
        // The last character may be cut.
        Err(error) if head.len() - error.valid_up_to() < 4 => {
            std::str::from_utf8(&head[..error.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return Err(format!("not a history: neither text nor {KNOWN}")),
    };
    if text.contains('\0') {
        return Err(format!("not a history: neither text nor {KNOWN}"));
    }
    Ok(by_text(text.trim_start_matches('\u{feff}'))?.unwrap_or(Form::Text))
}

const KNOWN: &str = "a journal or merged history of this program (perhaps its beginning is missing)";

const JSON: &str =
    "looks like JSON, which is not read: histories are read as journals, merged histories, EDN and text";

/// The form of the first line that says it; none where all is blank or comment.
fn by_text(text: &str) -> Result<Option<Form>, String> {
    for line in text.lines().map(|line| line.trim_matches(|c: char| c.is_whitespace() || c == ',')) {
        if line.is_empty() {
            continue;
        }
        if line.starts_with(['{', '[', '(', ';']) {
            let inside = line.trim_start_matches(['{', '[', '(']).trim_start();
            if inside.starts_with('"') && line.starts_with(['{', '[']) {
                return Err(JSON.to_owned());
            }
            return Ok(Some(Form::Edn));
        }
        if let Some(tag) = line.strip_prefix('#') {
            if is_tag(tag) {
                return Ok(Some(Form::Edn));
            }
            continue;
        }
        return Ok(Some(Form::Text));
    }
    Ok(None)
}

/// Whether what follows a `#` is a discard, a set or a tagged value of EDN rather than a comment of ours.
fn is_tag(text: &str) -> bool {
    let name = text.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "._-/".contains(c));
    text.starts_with("_{") || (name.starts_with(['{', '[', '(']) && !text.starts_with(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_recognised_by_the_first_thing_that_is_no_comment() {
        for (head, form) in [
            ("{:type :invoke}", Form::Edn),
            ("\u{feff}[{:type :invoke}]", Form::Edn),
            ("; from a run\n({:type :invoke})", Form::Edn),
            ("#jepsen.history.Op{:index 0}", Form::Edn),
            ("#_{:type :invoke} {:type :invoke}", Form::Edn),
            ("", Form::Text),
            ("# a comment (and more)\n\n3 p1 invoke send t/0 v7", Form::Text),
            ("#comment\nlog t/0", Form::Text),
            ("process p2 consumer", Form::Text),
        ] {
            assert_eq!(by_content(head.as_bytes()), Ok(form), "{head}");
        }
    }

    #[test]
    fn what_is_no_history_is_refused_by_what_it_looks_like() {
        assert!(by_content(b"{\"type\": \"invoke\"}").unwrap_err().contains("JSON"));
        assert!(by_content(b"[{\"type\": \"invoke\"}]").unwrap_err().contains("JSON"));
        assert!(by_content(b"\x7fELF\x02\x01\0\0").unwrap_err().contains("not a history"));
        assert!(by_content(&[0xff; 100]).unwrap_err().contains("not a history"));
    }
}
