//! The answer about a generic object, or about transactions, as text.
//!
//! The witness is shown as the operations that no order explains, one a line with the stretch of the history in which
//! each was open, and then the argument. Moments are numbers of lines, so that a reader finds them in the file.

use checker::cycles::Anomaly;
use checker::imported::Answer;
use checker::linear::Witness;
use checker::linear::verdict::{Confirmation, Line};
use checker::verdict::Judgement;
use checker::witness::thousands;

use super::style::{Mark, Page};
use super::{Style, line, mark, seen, table, word};
use crate::plain::plain;

/// One line, for `check` on several files.
pub fn one_line_of_model(answer: &Answer, title: &str, style: Style) -> String {
    let seen =
        answer.anomalies.iter().map(|observed| seen(&observed.name, observed.count, observed.forbidden));
    let unknown = answer.reasons.iter().filter(|_| answer.verdict == Judgement::Unknown);
    line(answer.verdict, title, seen.chain(unknown.map(|reason| plain(reason).into_owned())), style)
}

/// The whole answer.
pub fn of_model(answer: &Answer, title: &str, style: Style) -> String {
    let mut page = Page::new(style);
    let headline = format!("{}  {} ({})", word(answer.verdict), plain(title), answer.model);
    page.marked(0, mark(answer.verdict), &headline);
    if answer.witness.is_none() {
        for reason in &answer.reasons {
            page.wrapped(2, &plain(reason));
        }
    }
    page.heading("observed");
    if answer.anomalies.is_empty() {
        page.line(2, "no anomaly");
    }
    for observed in &answer.anomalies {
        let (mark, ending) = match observed.forbidden {
            true => (Mark::Bad, "forbidden"),
            false => (Mark::Note, "allowed by this claim"),
        };
        let text = format!("{} × {}, {ending}", thousands(observed.count), plain(&observed.name));
        page.marked(2, mark, &text);
    }
    if let Some(witness) = &answer.witness {
        operations(&mut page, witness);
    }
    transactions(&mut page, &answer.transactions);
    operations_read(&mut page, answer);
    page.finish()
}

/// Operations that no order explains.
fn operations(page: &mut Page, witness: &Witness) {
    page.heading("operations that no order explains");
    if let Some(key) = &witness.key {
        page.line(2, &format!("of key {}", plain(key)));
    }
    match witness.from.as_slice() {
        [] => {}
        [only] => page.line(2, &format!("beginning with {}", plain(only))),
        several => page.wrapped(2, &format!("beginning with any of {}", plain(&several.join(", ")))),
    }
    let rows = witness.operations.iter().map(row);
    let heads = ["operation", "process", "what", "from record", "to record"];
    let table = table::table(&heads, rows, page.style());
    page.block(2, &table);
    for why in &witness.why {
        page.wrapped(2, &plain(why));
    }
    match witness.confirmed {
        Confirmation::BruteForce => {
            page.wrapped(2, "confirmed: an independent program tried every order of these")
        }
        Confirmation::Argument => {
            page.wrapped(2, "too many operations to try every order of them; the argument stands")
        }
        Confirmation::Refuted => {
            page.wrapped(2, "the checker contradicts itself: an independent program found an order of these")
        }
    }
}

fn row(operation: &Line) -> Vec<String> {
    let returned = operation.returned.map_or_else(|| "never".to_owned(), |moment| moment.0.to_string());
    let what = plain(&operation.call).into_owned();
    let what = if operation.optional { format!("{what} (perhaps)") } else { what };
    vec![
        operation.op.to_string(),
        operation.process.to_string(),
        what,
        operation.invoked.0.to_string(),
        returned,
    ]
}

/// Anomalies of transactions with their witnesses.
fn transactions(page: &mut Page, anomalies: &[Anomaly]) {
    for anomaly in anomalies {
        let variant = anomaly.variant.as_ref().map(|variant| format!(" ({variant})")).unwrap_or_default();
        page.heading(&format!("{}{variant}: not {}", anomaly.name, anomaly.excludes.name()));
        for (index, witness) in anomaly.witnesses.iter().enumerate() {
            if index > 0 {
                page.line(2, "and");
            }
            for sentence in witness {
                page.wrapped(2, &plain(sentence));
            }
        }
    }
}

/// What was read, and what of it meant nothing.
fn operations_read(page: &mut Page, answer: &Answer) {
    let notes = &answer.notes;
    page.heading("operations");
    let happened = notes.ok.iter().map(|(f, count)| format!("{} {}", thousands(*count), plain(f)));
    let happened: Vec<String> = happened.collect();
    let happened = if happened.is_empty() { "none".to_owned() } else { happened.join(", ") };
    page.wrapped(
        2,
        &format!(
            "{} records; happened: {happened}; {} failed, {} of unknown outcome",
            thousands(notes.records),
            thousands(notes.failed),
            thousands(notes.unknown)
        ),
    );
    if !notes.ignored.is_empty() {
        let ignored = notes.ignored.iter().map(|(f, count)| format!("{} {}", thousands(*count), plain(f)));
        page.wrapped(
            2,
            &format!("without a meaning for this model: {}", ignored.collect::<Vec<_>>().join(", ")),
        );
    }
}
