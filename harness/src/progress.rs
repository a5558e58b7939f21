//! What a user sees while a run goes on.
//!
//! On a terminal: one line that is redrawn, with the phase, elapsed and remaining time, the counts of the
//! clients and the faults that are active now. Elsewhere: a line when a phase begins or a fault strikes or
//! heals, and one every ten seconds. All of it goes to standard error; standard output belongs to the verdict.
//! Names that come from a spec are untrusted text and lose their control characters on the way.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::time::Duration;

use history::ids::{FaultId, Nanos};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::clock;

/// How often a line is printed where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// Sums over all client workers, as they last reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Sends acknowledged to the application.
    pub acknowledged: u64,
    /// Sends that failed for certain.
    pub failed: u64,
    /// Sends of unknown outcome.
    pub unknown: u64,
    /// Records handed to consumers.
    pub polled: u64,
}

/// The progress display of one run.
pub struct Progress {
    bar: Option<ProgressBar>,
    started: Nanos,
    remaining_at: Option<Nanos>,
    last_line: Nanos,
    phase: &'static str,
    counts: Counts,
    active: BTreeMap<FaultId, String>,
}

impl Progress {
    /// A display on standard error: a redrawn line where that is a terminal, plain lines elsewhere.
    pub fn new() -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr_with_hz(8));
            bar.set_style(
                ProgressStyle::with_template("{spinner} {msg}")
                    .unwrap_or_else(|_| ProgressStyle::default_spinner()),
            );
            bar.enable_steady_tick(Duration::from_millis(250));
            bar
        });
        let now = clock::now();
        Self {
            bar,
            started: now,
            remaining_at: None,
            last_line: now,
            phase: "provision",
            counts: Counts::default(),
            active: BTreeMap::new(),
        }
    }

    /// A phase begins; `remaining` is how long the rest of the run is planned to take.
    pub fn phase(&mut self, phase: &'static str, remaining: Duration) {
        self.phase = phase;
        let nanos = u64::try_from(remaining.as_nanos()).unwrap_or(u64::MAX);
        self.remaining_at = Some(Nanos(clock::now().0.saturating_add(nanos)));
        self.say(&format!("phase {phase}"));
    }

    /// New sums of the clients.
    pub fn counts(&mut self, counts: Counts) {
        self.counts = counts;
        self.draw();
    }

    /// A fault struck.
    pub fn struck(&mut self, id: FaultId, what: &str) {
        let what = printable(what);
        self.say(&format!("fault {id} strikes: {what}"));
        self.active.insert(id, what);
    }

    /// A fault was undone or is over.
    pub fn healed(&mut self, id: FaultId, effect: &str) {
        self.active.remove(&id);
        self.say(&format!("fault {id} over: {}", printable(effect)));
    }

    /// Something worth a line of its own.
    pub fn say(&mut self, line: &str) {
        let line = format!("{:>6}  {line}", seconds(clock::now().0 - self.started.0));
        match &self.bar {
            Some(bar) => bar.println(line),
            None => anstream::eprintln!("{line}"),
        }
        self.draw();
    }

    /// Redraws; call it a few times a second.
    pub fn draw(&mut self) {
        let now = clock::now();
        match &self.bar {
            Some(bar) => bar.set_message(self.line(now)),
            None if now.0 - self.last_line.0 >= u64::try_from(LINE_EVERY.as_nanos()).unwrap_or(u64::MAX) => {
                self.last_line = now;
                anstream::eprintln!("{}", self.line(now));
            }
            None => {}
        }
    }

    /// Ends the display and leaves the terminal clean.
    pub fn finish(&mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish_and_clear();
        }
    }

    fn line(&self, now: Nanos) -> String {
        let left = match self.remaining_at {
            Some(end) if end > now => format!(", about {} left", seconds(end.0 - now.0)),
            Some(_) | None => String::new(),
        };
        let Counts { acknowledged, failed, unknown, polled } = self.counts;
        let mut line = format!(
            "{:>6}  {}{left}: {acknowledged} acked, {failed} failed, {unknown} unknown, {polled} polled",
            seconds(now.0 - self.started.0),
            self.phase,
        );
        if !self.active.is_empty() {
            let active: Vec<&str> = self.active.values().map(String::as_str).collect();
            line.push_str(&format!("; now: {}", active.join("; ")));
        }
        line
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

fn seconds(nanos: u64) -> String {
    let tenths = nanos / 100_000_000;
    format!("{}.{} s", tenths / 10, tenths % 10)
}

fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}
