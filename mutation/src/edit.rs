//! Text with switches: each place that has mutants is written as a choice between what stood there and the mutants.
//!
//! Only one mutant is active at a time, so a mutant is written with the operands as they were; only what is chosen when
//! none of them is active holds the switches of the operands. The text grows with the depth of nesting, not with
//! its power.
//!
//! Comments tell afterwards what belongs to what: `/*[7*/ … /*7]*/` is the place whose first mutant is 7, and
//! `/*m7*/ … /*m*/` is the text of mutant 7. The unmutated choice is written first, because the compiler reports
//! that a later choice does not fit the first.

use std::fmt::Write as _;
use std::ops::Range;

use crate::mutants::Number;

/// Mutants with their replacements, in the order of their numbers.
pub(crate) type Choices = Vec<(Number, String)>;

/// A place that has mutants.
#[derive(Debug)]
pub(crate) struct Edit {
    /// Bytes that are rewritten.
    pub(crate) range: Range<usize>,
    /// How.
    pub(crate) kind: Kind,
    /// The mutants here.
    pub(crate) choices: Choices,
}

/// How a place is rewritten.
#[derive(Debug)]
pub(crate) enum Kind {
    /// The statements of a function.
    Body(Returns),
    /// `left operator right`.
    Infix {
        /// First operand.
        left: Range<usize>,
        /// Second operand.
        right: Range<usize>,
    },
    /// `operator operand`, of which the operator is deleted.
    Prefix {
        /// The operand.
        operand: Range<usize>,
    },
    /// A pattern without a condition gets one: the place is the end of the pattern.
    Unguarded,
    /// The condition of an arm; the arm itself is deleted by the mutant given, if there is one.
    Guard(Option<Number>),
    /// The value of a field, which the struct's base has as well.
    Field {
        /// Name of the field.
        name: String,
        /// The name is the value.
        shorthand: bool,
        /// An expression for the base.
        base: String,
    },
}

/// What a function says that it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returns {
    /// A type.
    Named,
    /// `impl Trait`: every way out must have the same type.
    Opaque,
}

impl Edit {
    /// All mutants of the place.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = Number> {
        let arm = if let Kind::Guard(arm) = self.kind { arm } else { None };
        self.choices.iter().map(|(number, _)| *number).chain(arm)
    }

    /// Leaves out mutants; false if none is left.
    pub(crate) fn retain(&mut self, keep: impl Fn(Number) -> bool) -> bool {
        self.choices.retain(|(number, _)| keep(*number));
        if let Kind::Guard(arm) = &mut self.kind {
            *arm = arm.filter(|number| keep(*number));
        }
        self.numbers().next().is_some()
    }

    /// Each mutant with the number that the switch is asked for when its place is reached.
    pub(crate) fn sites(&self) -> impl Iterator<Item = (Number, Number)> {
        let together = !matches!(self.kind, Kind::Body(Returns::Opaque));
        let first = self.choices.first().map(|(number, _)| *number).filter(|_| together);
        let arm = if let Kind::Guard(arm) = self.kind { arm } else { None };
        let choices = self.choices.iter().map(move |(number, _)| (*number, first.unwrap_or(*number)));
        choices.chain(arm.map(|arm| (arm, arm)))
    }

    /// Whether a mutant may be what keeps its place from compiling: of choices with different types the last, because
    /// cargo-mutants lists the simplest first; otherwise all.
    pub(crate) fn is_suspect(&self, number: Number) -> bool {
        let opaque = matches!(self.kind, Kind::Body(Returns::Opaque));
        !opaque || self.choices.last().is_some_and(|(last, _)| *last == number)
    }

    fn site(&self) -> Number {
        self.numbers().min().expect("a place with a mutant")
    }
}

/// The whole text with all edits, which must be in preorder: by start, the outer before the inner.
pub(crate) fn render(text: &str, edits: &[Edit]) -> String {
    segment(text, 0..text.len(), edits)
}

fn segment(text: &str, range: Range<usize>, edits: &[Edit]) -> String {
    let mut edits: &[Edit] = {
        let from = edits.partition_point(|edit| edit.range.start < range.start);
        let count = edits[from..].iter().take_while(|edit| edit.range.end <= range.end).count();
        &edits[from..from + count]
    };
    let mut out = String::new();
    let mut at = range.start;
    while let Some((edit, rest)) = edits.split_first() {
        let inner = rest.iter().take_while(|inner| inner.range.end <= edit.range.end).count();
        out += &text[at..edit.range.start];
        let site = edit.site().0;
        write!(out, "/*[{site}*/").expect("a String takes everything");
        out += &place(text, edit, &rest[..inner]);
        write!(out, "/*{site}]*/").expect("a String takes everything");
        at = edit.range.end;
        edits = &rest[inner..];
    }
    out += &text[at..range.end];
    out
}

fn place(text: &str, edit: &Edit, inner: &[Edit]) -> String {
    let whole = segment(text, edit.range.clone(), inner);
    match &edit.kind {
        Kind::Body(Returns::Named) => {
            let choices = map(&edit.choices, |value| format!("return {value}"));
            format!("{}; {whole}", choose("()", &choices))
        }
        Kind::Body(Returns::Opaque) => {
            let original = format!("({{ {whole} }})");
            edit.choices.iter().rev().fold(original, |rest, choice| {
                let value = marked(choice);
                let number = choice.0.0;
                let (left, right) = ("crate::mutation::Either::Left", "crate::mutation::Either::Right");
                let is_active = format!("crate::mutation::at({number}) == {number}");
                format!("if {is_active} {{ {left}({value}) }} else {{ {right}({rest}) }}")
            })
        }
        Kind::Infix { left, right } => {
            let choices = map(&edit.choices, |operator| {
                format!("({}) {operator} ({})", &text[left.clone()], &text[right.clone()])
            });
            format!("({})", choose(&whole, &choices))
        }
        Kind::Prefix { operand } => {
            let choices = map(&edit.choices, |_| text[operand.clone()].to_owned());
            format!("({})", choose(&whole, &choices))
        }
        Kind::Unguarded => format!(" if {}", absent(edit.site())),
        Kind::Guard(arm) => {
            let guard = if edit.choices.is_empty() {
                format!("({whole})")
            } else {
                format!("({})", choose(&whole, &edit.choices))
            };
            arm.map(|arm| format!("{} && {guard}", absent(arm))).unwrap_or(guard)
        }
        Kind::Field { name, shorthand, base } => {
            let choices = map(&edit.choices, |_| format!("({base}).{name}"));
            let value = format!("({})", choose(&whole, &choices));
            if *shorthand { format!("{name}: {value}") } else { value }
        }
    }
}

fn map(choices: &Choices, value: impl Fn(&str) -> String) -> Choices {
    choices.iter().map(|(number, replacement)| (*number, value(replacement))).collect()
}

fn marked((number, value): &(Number, String)) -> String {
    format!("\n/*m{}*/ {value} /*m*/\n", number.0)
}

fn absent(number: Number) -> String {
    format!("\n/*m{0}*/ (crate::mutation::at({0}) != {0}) /*m*/\n", number.0)
}

/// A match that gives what was there unless one of the choices is active.
fn choose(original: &str, choices: &Choices) -> String {
    let first = choices.first().map_or(0, |(number, _)| number.0);
    let mut others = String::new();
    let mut from = 0;
    for (Number(number), _) in choices {
        if from < *number {
            write!(others, "{from}..={} | ", number - 1).expect("a String takes everything");
        }
        from = number + 1;
    }
    let mut out = format!("match crate::mutation::at({first}) {{ {others}{from}.. => ({original}),");
    for choice in choices {
        write!(out, " {} => ({}),", choice.0.0, marked(choice)).expect("a String takes everything");
    }
    out + " }"
}
