//! The verdict as text: `report.txt`, and the summary that a run ends with on the terminal.
//!
//! Verdict first, the command that repeats the run last; between them what was promised, what was observed, what each
//! fault did, how long acknowledgements took, and what was not judged. Everything that came from outside goes through
//! [`plain`](crate::plain). Colour only repeats what a symbol or a word says already.

mod closeup;
mod model;
mod style;
mod table;

pub use closeup::close_up;
pub use model::{of_model, one_line_of_model};
pub use style::{Characters, Colour, Style};

use checker::confirm::Confirmation;
use checker::verdict::{Expectation, FaultEntry, Judgement, Observed, Verdict};
use checker::witness::thousands;
use history::ids::Nanos;

use crate::plain::plain;
use style::{Mark, Page};

/// How much of a verdict is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extent {
    /// What a terminal shows at the end of a run.
    Summary,
    /// Everything, witnesses included.
    Report,
}

/// The summary that a run ends with. `title` says what was judged (a spec's name or a file), `place` where the run
/// directory is.
pub fn summary(verdict: &Verdict, title: &str, place: Option<&str>, style: Style) -> String {
    render(verdict, (title, place), style, Extent::Summary)
}

/// The whole report, for `report.txt`.
pub fn report(verdict: &Verdict, title: &str, place: Option<&str>, style: Style) -> String {
    render(verdict, (title, place), style, Extent::Report)
}

/// One line: for `check` on several files.
pub fn one_line(verdict: &Verdict, title: &str, style: Style) -> String {
    let seen = verdict
        .anomalies
        .iter()
        .map(|observed| seen(observed.name.name(), observed.count, observed.forbidden));
    let unknown = verdict.reasons.iter().filter(|_| verdict.verdict == Judgement::Unknown);
    line(verdict.verdict, title, seen.chain(unknown.map(|reason| plain(&reason.text).into_owned())), style)
}

/// One anomaly in a line.
fn seen(name: &str, count: u64, forbidden: bool) -> String {
    let allowed = if forbidden { "" } else { " (allowed)" };
    format!("{} × {}{allowed}", thousands(count), plain(name))
}

/// A verdict in one line: its mark and word, what it is about, and what was seen.
fn line(judgement: Judgement, title: &str, seen: impl Iterator<Item = String>, style: Style) -> String {
    let seen: Vec<String> = seen.collect();
    let seen = if seen.is_empty() { "nothing observed".to_owned() } else { seen.join(", ") };
    let text = style.written(&format!("{}: {seen}", plain(title)));
    format!("{} {:7}  {text}", style.mark(mark(judgement)), word(judgement))
}

fn render(verdict: &Verdict, (title, place): (&str, Option<&str>), style: Style, extent: Extent) -> String {
    let mut page = Page::new(style);
    headline(&mut page, verdict, title);
    stages(&mut page, verdict);
    anomalies(&mut page, verdict, extent);
    faults(&mut page, verdict);
    counts(&mut page, verdict);
    not_judged(&mut page, verdict);
    page.heading("repeat");
    if let Some(place) = place {
        page.line(2, &format!("results  {}", plain(place)));
    }
    if verdict.reproduce.is_empty() {
        page.line(2, "this history was not recorded by a run that could be repeated");
    } else {
        page.line(2, &plain(&verdict.reproduce));
    }
    page.finish()
}

/// The mark of a verdict.
fn mark(judgement: Judgement) -> Mark {
    match judgement {
        Judgement::Valid => Mark::Good,
        Judgement::Unknown => Mark::Open,
        Judgement::Invalid => Mark::Bad,
    }
}

/// The word for a verdict.
fn word(judgement: Judgement) -> &'static str {
    match judgement {
        Judgement::Valid => "valid",
        Judgement::Unknown => "unknown",
        Judgement::Invalid => "invalid",
    }
}

/// The verdict, what was expected, and why.
fn headline(page: &mut Page, verdict: &Verdict, title: &str) {
    let mark = mark(verdict.verdict);
    page.marked(0, mark, &format!("{}  {}", word(verdict.verdict), plain(title)));
    match verdict.expectation {
        Some(Expectation::Met) => {
            page.marked(2, Mark::Good, "as expected: the run showed what it was meant to show")
        }
        Some(Expectation::Missed) => {
            for missed in &verdict.expectation_missed_by {
                page.marked(2, Mark::Bad, &format!("not as expected: {}", plain(missed)));
            }
        }
        None => {}
    }
    for reason in &verdict.reasons {
        let stage = reason.stage.map_or_else(|| "run".to_owned(), |stage| stage.to_string());
        page.wrapped(2, &format!("{stage}: {}", plain(&reason.text)));
    }
}

/// Guarantees by stage.
fn stages(page: &mut Page, verdict: &Verdict) {
    page.heading("guarantees");
    for (stage, judged) in &verdict.stages {
        let claim = format!("{stage} ({})", judged.claim);
        page.marked(2, mark(judged.verdict), &format!("{claim}: {}", word(judged.verdict)));
        page.wrapped(6, &judged.summary);
    }
}

/// Everything observed, forbidden first.
fn anomalies(page: &mut Page, verdict: &Verdict, extent: Extent) {
    page.heading("observed");
    if verdict.anomalies.is_empty() {
        page.line(2, "no anomaly");
    }
    for observed in &verdict.anomalies {
        anomaly(page, observed, extent);
    }
}

fn anomaly(page: &mut Page, observed: &Observed, extent: Extent) {
    let count = thousands(observed.count);
    match observed.forbidden {
        true => page.marked(2, Mark::Bad, &format!("{count} × {}, forbidden", observed.name)),
        false => page.marked(2, Mark::Note, &format!("{count} × {}, allowed by this claim", observed.name)),
    }
    page.wrapped(6, &plain(&observed.sentence));
    if extent == Extent::Summary {
        return;
    }
    if !observed.intervals.is_empty() {
        page.wrapped(6, &format!("records {}", plain(&observed.intervals)));
    }
    if observed.logs.len() > 1 {
        let logs = observed.logs.iter().map(|(log, count)| format!("{} {}", plain(log), thousands(*count)));
        page.wrapped(6, &format!("by log: {}", logs.collect::<Vec<_>>().join(", ")));
    }
    let all = observed.witnesses.len();
    let hidden = if all > 2 * SHOWN { SHOWN..all - SHOWN } else { 0..0 };
    for (index, witness) in observed.witnesses.iter().enumerate() {
        if index == hidden.start && !hidden.is_empty() {
            page.line(8, &format!("… {} more in verdict.json", hidden.len()));
        }
        if !hidden.contains(&index) {
            page.wrapped(8, &format!("- {}", plain(&witness.text)));
            if let Some(doubt) = doubt(witness.confirmed, witness.objection.as_deref()) {
                page.wrapped(10, &plain(&doubt));
            }
        }
    }
}

/// What is to be said of a witness that no independent look confirmed.
fn doubt(confirmed: Confirmation, objection: Option<&str>) -> Option<String> {
    let why = objection.map_or_else(String::new, |why| format!(" ({why})"));
    match confirmed {
        Confirmation::BruteForce => None,
        Confirmation::Argument => {
            Some(format!("not looked up a second time{why}: the argument stands alone"))
        }
        Confirmation::Refuted => {
            Some(format!("does not bear a second look{why}: a fault of the checker, please report it"))
        }
    }
}

/// Witnesses of one anomaly that the report shows from the beginning, and from the end.
const SHOWN: usize = 3;

/// The fault ledger and the latencies.
fn faults(page: &mut Page, verdict: &Verdict) {
    page.heading("faults");
    if verdict.faults.is_empty() {
        page.line(2, "none");
    } else {
        let heads = ["", "fault", "struck", "undone", "effect", "p99", "longest gap"];
        let rows = verdict.faults.iter().map(|fault| fault_row(fault, verdict, page.style()));
        let table = table::table(&heads, rows, page.style());
        page.block(2, &table);
    }
    let Some(latency) = &verdict.latency else { return };
    page.heading("acknowledgements");
    let overall = &latency.overall;
    page.line(
        2,
        &format!(
            "p50 {}  p99 {}  max {}  of {} acknowledged",
            duration(overall.p50),
            duration(overall.p99),
            duration(overall.max),
            thousands(overall.count)
        ),
    );
    page.line(
        2,
        &format!(
            "longest gap without one: {} from {}",
            duration(latency.longest_gap),
            since(verdict, latency.longest_gap_from)
        ),
    );
}

fn fault_row(fault: &FaultEntry, verdict: &Verdict, style: Style) -> Vec<String> {
    let at = |time: Option<Nanos>| time.map_or_else(|| "never".to_owned(), |time| since(verdict, time));
    let mark = if fault.bit { Mark::Good } else { Mark::Open };
    let what = match fault.targets.is_empty() {
        true => plain(&fault.what).into_owned(),
        false => format!("{} [{}]", plain(&fault.what), plain(&fault.targets.join(", "))),
    };
    let measured = fault.latency.filter(|latency| latency.count > 0);
    vec![
        format!("{} {}", style.symbol(mark), fault.id),
        what,
        at(fault.struck),
        at(fault.healed),
        effect(fault),
        measured.map_or_else(|| "–".to_owned(), |latency| duration(latency.p99)),
        fault.longest_gap.map_or_else(|| "–".to_owned(), duration),
    ]
}

/// What a fault did: in the words of the ledger, which hold the numbers that matter; else its counters.
fn effect(fault: &FaultEntry) -> String {
    if !fault.effect.is_empty() {
        return plain(&fault.effect).into_owned();
    }
    let numbers = fault.counters.iter().map(|(name, count)| format!("{} {}", plain(name), thousands(*count)));
    let numbers: Vec<String> = numbers.collect();
    if numbers.is_empty() { "not known".to_owned() } else { numbers.join(", ") }
}

/// How much the verdict rests on.
fn counts(page: &mut Page, verdict: &Verdict) {
    let counts = &verdict.counts;
    page.heading("records");
    page.wrapped(
        2,
        &format!(
            "{} sent: {} acknowledged, {} handed over without an answer (acks=0), {} failed, {} unknown (of which {} \
             are in the log)",
            thousands(counts.sent),
            thousands(counts.acknowledged),
            thousands(counts.handed_over),
            thousands(counts.failed),
            thousands(counts.unknown),
            thousands(counts.recovered),
        ),
    );
    page.wrapped(
        2,
        &format!(
            "{} in {} log{} at the end; {} polled, {} handed to processing; {} processes",
            thousands(counts.final_read),
            thousands(counts.logs),
            if counts.logs == 1 { "" } else { "s" },
            thousands(counts.polled),
            thousands(counts.delivered),
            thousands(counts.processes),
        ),
    );
}

/// What nothing is known about.
fn not_judged(page: &mut Page, verdict: &Verdict) {
    if !verdict.not_judged.is_empty() {
        page.heading("not judged");
        for line in &verdict.not_judged {
            page.wrapped(2, &plain(line));
        }
    }
}

/// A time of the run, from its first event on.
fn since(verdict: &Verdict, time: Nanos) -> String {
    let millis = time.0.saturating_sub(verdict.began.0) / 1_000_000;
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}

/// A duration with three digits or so: `850 µs`, `12.4 ms`, `3.21 s`.
fn duration(nanos: u64) -> String {
    match nanos {
        0..1_000_000 => format!("{} µs", nanos / 1_000),
        1_000_000..1_000_000_000 => format!("{}.{} ms", nanos / 1_000_000, nanos / 100_000 % 10),
        _ => format!("{}.{:02} s", nanos / 1_000_000_000, nanos / 10_000_000 % 100),
    }
}
