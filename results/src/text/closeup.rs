//! One instance of an anomaly as text: expected, seen, and the picture of what went on.
//!
//! ```text
//!      time   0 1  who                  what
//!   4.100 s        shop[0] (process 3)  ▶ sends 3:17
//!   4.300 s   ┌    harness              fault 0: kill broker 2 [broker 2]
//!   4.310 s   │    t/0                  broker 1 leads (epoch 7, in sync 1,3)
//! ```
//! The columns between time and who are the faults that were on; what the anomaly rests on is marked. Names and
//! numbers come from outside, so all of it goes through [`plain`](crate::plain).

use checker::closeup::{CloseUp, Moment, Part};
use checker::verdict::Basis;
use checker::witness::thousands;
use history::ids::Nanos;

use super::style::{Characters, Mark, Page};
use super::{Style, doubt};
use crate::plain::plain;

/// How many faults get a column.
const COLUMNS: usize = 6;

/// The longest name that is given a column of its own width.
const LONGEST_NAME: usize = 28;

/// One instance, close up.
pub fn close_up(close: &CloseUp, style: Style) -> String {
    let mut page = Page::new(style);
    let which = match close.instances {
        1 => String::new(),
        instances => format!(", instance {} of {}", close.number, thousands(instances)),
    };
    let (mark, ending) = match close.forbidden {
        true => (Mark::Bad, "forbidden"),
        false => (Mark::Note, "allowed by this claim"),
    };
    let count = thousands(close.count);
    page.marked(0, mark, &format!("{}{which} ({count} in all), {ending}", close.anomaly));
    page.wrapped(2, &plain(&close.subject));
    page.heading("expected");
    page.wrapped(2, &plain(&close.expected));
    page.heading("seen");
    for seen in &close.seen {
        page.wrapped(2, &plain(seen));
    }
    if let Some(doubt) = doubt(close.confirmed, close.objection.as_deref()) {
        page.marked(2, Mark::Open, &plain(&doubt));
    }
    page.heading("timeline");
    for line in timeline(close, style) {
        page.line(0, &line);
    }
    if close.left_out > 0 {
        page.line(
            2,
            &format!("… {} more events of the same processes in this time", thousands(close.left_out as u64)),
        );
    }
    page.heading("permitted by");
    match &close.permitted_by {
        None => page.wrapped(
            2,
            "no setting that is known: look for a fault beyond what settings promise, or for a bug",
        ),
        Some(permission) => {
            let basis = match permission.basis {
                Basis::InEffect => "in effect",
                Basis::Usual => "usually",
            };
            let setting = plain(&permission.setting);
            page.wrapped(2, &format!("{setting} ({basis}): {}", plain(&permission.because)));
            page.wrapped(2, &format!("change: {}", plain(&permission.change)));
        }
    }
    page.finish()
}

/// The picture, aligned.
fn timeline(close: &CloseUp, style: Style) -> Vec<String> {
    let faults = &close.faults[..close.faults.len().min(COLUMNS)];
    let times: Vec<String> = close.moments.iter().map(|moment| time(close, moment)).collect();
    let names: Vec<String> = close.moments.iter().map(|moment| plain(&moment.who).into_owned()).collect();
    let width = |texts: &[String]| texts.iter().map(|text| text.chars().count()).max().unwrap_or(0);
    let (time_width, name_width) = (width(&times).max(4), width(&names).clamp(3, LONGEST_NAME));
    let heads: String = faults.iter().map(|fault| format!("{:<2}", fault.id.0 % 100)).collect();
    let mut lines = vec![format!("  {:>time_width$}  {heads}  {:name_width$}   what", "time", "who")];
    for ((moment, time), name) in close.moments.iter().zip(&times).zip(&names) {
        let gutter: String = faults.iter().map(|fault| format!("{:<2}", bar(moment, fault, style))).collect();
        let mark = match (moment.part, style.characters) {
            (Part::Witness, Characters::Unicode) => "▶",
            (Part::Witness, Characters::Ascii) => ">",
            (Part::Fault(_) | Part::Cluster | Part::Beside, _) => " ",
        };
        let what = plain(&moment.what);
        let line = format!("  {time:>time_width$}  {gutter}  {name:name_width$} {mark} {what}");
        lines.push(line.trim_end().to_owned());
    }
    lines
}

/// What a fault's column shows beside a moment.
fn bar(moment: &Moment, fault: &checker::verdict::FaultEntry, style: Style) -> &'static str {
    let Some(time) = moment.time else { return " " };
    let unicode = style.characters == Characters::Unicode;
    let (begins, is_on, ends) = if unicode { ("┌", "│", "└") } else { ("+", "|", "+") };
    match moment.part {
        Part::Fault(id) if id == fault.id && fault.healed == Some(time) => ends,
        Part::Fault(id) if id == fault.id => begins,
        Part::Witness | Part::Fault(_) | Part::Cluster | Part::Beside => {
            let open = fault.struck.is_some_and(|struck| struck <= time)
                && fault.healed.is_none_or(|healed| time < healed);
            if open { is_on } else { " " }
        }
    }
}

/// When, from the beginning of the history.
fn time(close: &CloseUp, moment: &Moment) -> String {
    let Some(Nanos(time)) = moment.time else { return "end".to_owned() };
    let millis = time.saturating_sub(close.began.0) / 1_000_000;
    format!("{}.{:03} s", millis / 1_000, millis % 1_000)
}
