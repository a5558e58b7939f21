//! How text is set: symbols, colour, width, indentation.
//!
//! The caller decides what the terminal can do (`NO_COLOR`, `TERM=dumb`, not a terminal); nothing is asked of the
//! environment here. Every mark is a symbol with a colour on top, and has an ASCII form.

use std::fmt::Write;

use anstyle::{AnsiColor, Style as Ansi};

/// How text is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// With or without colour.
    pub colour: Colour,
    /// Which characters the reader can see.
    pub characters: Characters,
    /// Columns, at least 40.
    pub width: usize,
}

/// With or without colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Colour {
    /// With.
    On,
    /// Without.
    Off,
}

/// Which characters the reader can see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characters {
    /// All of them.
    Unicode,
    /// ASCII only in what we add ourselves.
    Ascii,
}

impl Style {
    /// For files: no colour, Unicode, 110 columns.
    pub const PLAIN: Style = Style { colour: Colour::Off, characters: Characters::Unicode, width: 110 };

    /// A mark's symbol without colour.
    pub(super) fn symbol(self, mark: Mark) -> &'static str {
        match (self.characters, mark) {
            (Characters::Unicode, Mark::Good) => "✔",
            (Characters::Unicode, Mark::Bad) => "✘",
            (Characters::Unicode, Mark::Open) => "?",
            (Characters::Unicode, Mark::Note) => "·",
            (Characters::Ascii, Mark::Good) => "[ok]",
            (Characters::Ascii, Mark::Bad) => "[XX]",
            (Characters::Ascii, Mark::Open) => "[??]",
            (Characters::Ascii, Mark::Note) => "[--]",
        }
    }

    /// A mark's symbol, coloured.
    pub(super) fn mark(self, mark: Mark) -> String {
        let colour = match mark {
            Mark::Good => AnsiColor::Green,
            Mark::Bad => AnsiColor::Red,
            Mark::Open => AnsiColor::Yellow,
            Mark::Note => AnsiColor::Cyan,
        };
        self.painted(self.symbol(mark), Ansi::new().fg_color(Some(colour.into())).bold())
    }

    fn painted(self, text: &str, ansi: Ansi) -> String {
        match self.colour {
            Colour::On => format!("{ansi}{text}{ansi:#}"),
            Colour::Off => text.to_owned(),
        }
    }
}

/// What a line means at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mark {
    /// It held.
    Good,
    /// It did not.
    Bad,
    /// Nobody knows.
    Open,
    /// Worth knowing.
    Note,
}

/// Text that is being set.
#[derive(Debug)]
pub(super) struct Page {
    text: String,
    style: Style,
}

impl Page {
    pub(super) fn new(style: Style) -> Page {
        Page { text: String::new(), style: Style { width: style.width.max(40), ..style } }
    }

    pub(super) fn style(&self) -> Style {
        self.style
    }

    /// A heading after an empty line.
    pub(super) fn heading(&mut self, text: &str) {
        let bold = self.style.painted(text, Ansi::new().bold());
        let _ = write!(self.text, "\n{bold}\n");
    }

    /// One line as it is, however long: for commands and paths, which must survive copying.
    pub(super) fn line(&mut self, indent: usize, text: &str) {
        let _ = writeln!(self.text, "{:indent$}{}", "", self.written(text));
    }

    /// A line that begins with a mark.
    pub(super) fn marked(&mut self, indent: usize, mark: Mark, text: &str) {
        let _ = writeln!(self.text, "{:indent$}{} {}", "", self.style.mark(mark), self.written(text));
    }

    /// Text broken between words; the lines after the first are set two columns in.
    pub(super) fn wrapped(&mut self, indent: usize, text: &str) {
        let text = self.written(text);
        let (mut column, mut left) = (0, indent);
        for word in text.split_whitespace() {
            let length = word.chars().count();
            if column == 0 {
                let _ = write!(self.text, "{:left$}{word}", "");
                column = left + length;
            } else if column + 1 + length <= self.style.width {
                let _ = write!(self.text, " {word}");
                column += 1 + length;
            } else {
                left = indent + 2;
                let _ = write!(self.text, "\n{:left$}{word}", "");
                column = left + length;
            }
        }
        self.text.push('\n');
    }

    /// Several lines as they are.
    pub(super) fn block(&mut self, indent: usize, text: &str) {
        for line in text.lines() {
            let _ = writeln!(self.text, "{:indent$}{}", "", line.trim_end());
        }
    }

    pub(super) fn finish(self) -> String {
        self.text
    }

    /// Our own signs in the characters that the reader can see.
    fn written(&self, text: &str) -> String {
        self.style.written(text)
    }
}

impl Style {
    /// Our own signs in the characters that the reader can see.
    pub(super) fn written(self, text: &str) -> String {
        match self.characters {
            Characters::Unicode => text.to_owned(),
            Characters::Ascii => text
                .replace('×', "x")
                .replace('–', "-")
                .replace('µ', "u")
                .replace('…', "...")
                .replace('·', "-"),
        }
    }
}
