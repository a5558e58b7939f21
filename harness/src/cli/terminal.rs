//! What the terminal can do, and printing to it.
//!
//! The one place that looks at `NO_COLOR`, `CLICOLOR_FORCE`, `TERM` and the width; everything that is rendered is told.

use std::io::{IsTerminal, Write};

use clap::ValueEnum;
use results::exit::ExitCode;
use results::text::{Characters, Style};

/// When colours are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Colour {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// What standard output and standard error can show.
#[derive(Clone, Copy, Debug)]
pub struct Terminal {
    /// For standard output.
    pub out: Style,
    /// For standard error.
    pub err: Style,
}

/// Columns where there is no terminal to ask.
const WIDTH: usize = 100;

impl Terminal {
    /// Asks the environment.
    pub fn of_environment(colour: Colour) -> Self {
        let out = std::io::stdout().is_terminal();
        let err = std::io::stderr().is_terminal();
        Self { out: style(colour, out), err: style(colour, err) }
    }
}

fn style(colour: Colour, terminal: bool) -> Style {
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty() && value != "0");
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    let coloured = match colour {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            (terminal && !set("NO_COLOR") && !dumb) || (set("CLICOLOR_FORCE") && !set("NO_COLOR"))
        }
    };
    Style {
        colour: if coloured { results::text::Colour::On } else { results::text::Colour::Off },
        characters: if terminal && !speaks_utf8() { Characters::Ascii } else { Characters::Unicode },
        width: if terminal { columns().unwrap_or(WIDTH) } else { WIDTH },
    }
}

/// Whether the locale is one of UTF-8: the first of these variables that is set decides.
fn speaks_utf8() -> bool {
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|name| {
        std::env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(|value| value.to_string_lossy().to_lowercase())
    });
    locale.is_none_or(|locale| locale.contains("utf-8") || locale.contains("utf8"))
}

/// Columns of the terminal, as the shell says; a width of our own choice would break a table in two.
fn columns() -> Option<usize> {
    let (terminal_size::Width(columns), _) = terminal_size::terminal_size()?;
    Some(usize::from(columns).clamp(40, 160))
}

/// Prints what was asked for. A reader that has gone away (`| head`) is no error.
pub(super) fn print(text: &str) -> ExitCode {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => ExitCode::Met,
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => ExitCode::Met,
        Err(error) => {
            say(&format!("error: cannot write to standard output: {error}"));
            ExitCode::Internal
        }
    }
}

/// Says something on standard error.
pub(super) fn say(text: &str) {
    // Nobody is left to tell when this fails.
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
