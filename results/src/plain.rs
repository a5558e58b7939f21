//! Untrusted text made harmless for a terminal.
//!
//! Names, payload previews, broker messages and fault descriptions come from specs, wires and logs. A control
//! character in them could move the cursor, recolour or retitle the reader's terminal, and a bidirectional override
//! could make a line read as something else. They are shown as escapes. Line breaks too: one value is one line.

use std::borrow::Cow;

/// The text with every character that could act on a terminal replaced by its escape.
pub fn plain(text: &str) -> Cow<'_, str> {
    if !text.chars().any(acts) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if acts(character) { safe.extend(character.escape_default()) } else { safe.push(character) }
    }
    Cow::Owned(safe)
}

/// Controls (C0, DEL, C1), line and paragraph separators, and marks that change the direction or hide text.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn nothing_that_acts_on_a_terminal_survives() {
        assert_eq!(plain("kill broker 2 ✔ Grüße"), "kill broker 2 ✔ Grüße");
        assert_eq!(plain("\x1b[31mred\x07"), "\\u{1b}[31mred\\u{7}");
        assert_eq!(plain("a\nb\u{9b}c\u{202e}d"), "a\\nb\\u{9b}c\\u{202e}d");
    }
}
