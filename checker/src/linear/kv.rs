//! Strings that are put, appended to and read whole: what is read shows the order.
//!
//! A put begins an era that lasts until the next put, so an era is a contiguous block; the first era begins with
//! the initial string. If no appended or put string is a prefix of another, every string read has one reading as
//! put (or initial) string followed by appended ones, and the longest read of an era gives the order inside
//! it. An append that nobody saw can stand at the end of any era, after its reads: it is a block of its own, like
//! a put that nobody saw. With unknown outcome such an operation is left out.
//!
//! Histories with repeated, empty or ambiguous strings go to the search.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "calls of other objects are all alike here: outside the class"
)]

use super::blocks::{self, INITIAL, Placed};
use super::context::{Context, Decision, Violation};
use super::explain;
use super::object::{Call, Datum, Op, Val};
use super::verdict::Pattern;

/// A put or appended string and who brought it.
struct Token<'a> {
    text: &'a str,
    op: usize,
    begins: bool,
}

/// A string read, as pieces: the boundaries between them and the tokens, the era's beginning apart.
struct Reading {
    /// Block of the era.
    era: u32,
    /// End of the beginning, then of each appended piece, in bytes.
    ends: Vec<usize>,
    /// Operation that brought each appended piece.
    pieces: Vec<usize>,
}

/// Decides a string under one key.
pub(super) fn decide(ops: &[Op], context: &Context<'_>) -> Decision {
    if matches!(context.datum(context.initial), Datum::Int(_)) {
        return Decision::NotInClass;
    }
    let Some(tokens) = tokens(ops, context) else { return Decision::NotInClass };
    let initial = text(context, context.initial);
    let ambiguous = |token: &Token<'_>| initial.starts_with(token.text) || token.text.starts_with(initial);
    if !initial.is_empty() && tokens.iter().any(ambiguous) {
        return Decision::NotInClass;
    }
    let mut reads: Vec<(&str, usize)> = Vec::new();
    for (i, op) in ops.iter().enumerate() {
        if let Call::Get(value) = op.call {
            reads.push((text(context, value), i));
        }
    }
    reads.sort_unstable();
    match arrange(ops, context, (&tokens, initial), &reads) {
        Ok(placed) => blocks::decide(ops, context, placed, |era| match era {
            INITIAL => "the initial string".to_owned(),
            era => format!("what began with {}", explain::op(context, &ops[era as usize - 1])),
        }),
        Err(violation) => Decision::Violated(violation),
    }
}

fn text<'a>(context: &'a Context<'_>, value: Val) -> &'a str {
    match context.datum(value) {
        Datum::Text(text) => text,
        Datum::Nil | Datum::Int(_) => "",
    }
}

/// All strings put and appended, sorted; none where one is repeated, empty or a prefix of another.
fn tokens<'a>(ops: &[Op], context: &'a Context<'_>) -> Option<Vec<Token<'a>>> {
    let mut tokens = Vec::new();
    for (op, call) in ops.iter().map(|op| op.call).enumerate() {
        let (value, begins) = match call {
            Call::Get(value) if matches!(context.datum(value), Datum::Int(_)) => return None,
            Call::Get(_) => continue,
            Call::Put(value) => (value, true),
            Call::Append(value) => (value, false),
            _ => return None,
        };
        let text = text(context, value);
        if text.is_empty() {
            return None;
        }
        tokens.push(Token { text, op, begins });
    }
    tokens.sort_unstable_by_key(|token| token.text);
    let clear = tokens.windows(2).all(|pair| !pair[1].text.starts_with(pair[0].text));
    clear.then_some(tokens)
}

/// Gives every operation its block and position.
fn arrange(
    ops: &[Op],
    context: &Context<'_>,
    tokens: (&[Token<'_>], &str),
    reads: &[(&str, usize)],
) -> Result<Vec<Placed>, Violation> {
    let mut placed = Vec::with_capacity(ops.len());
    let mut seen = vec![false; ops.len()];
    let mut eras: Vec<Option<usize>> = vec![None; ops.len() + 1];
    // Sorted, a string is followed by those that continue it: the last of such a row is the longest.
    // The empty initial string continues as any string does, so its reads stand apart.
    let unread = if tokens.1.is_empty() { reads.partition_point(|(text, _)| text.is_empty()) } else { 0 };
    placed.extend(reads[..unread].iter().map(|(_, op)| Placed { block: INITIAL, position: 1, op: *op }));
    let mut row = unread;
    for at in unread..reads.len() {
        if reads.get(at + 1).is_some_and(|next| next.0.starts_with(reads[at].0)) {
            continue;
        }
        let reading = parse(ops, context, reads[at], tokens)?;
        if let Some(rival) = eras[reading.era as usize].replace(reads[at].1) {
            return Err(split(ops, context, (rival, reads[at].1)));
        }
        for (text, op) in &reads[row..=at] {
            let Ok(depth) = reading.ends.binary_search(&text.len()) else {
                return Err(unreadable(ops, context, *op));
            };
            let position = 2 * u32::try_from(depth).expect("fewer than 2^31 appends") + 1;
            placed.push(Placed { block: reading.era, position, op: *op });
        }
        place_pieces(ops, context, &reading, reads[at].1, (&mut seen, &mut placed))?;
        row = at + 1;
    }
    for token in tokens.0.iter().filter(|token| !seen[token.op] && !ops[token.op].is_crashed()) {
        placed.push(Placed { block: own_block(token.op), position: 0, op: token.op });
    }
    Ok(placed)
}

fn place_pieces(
    ops: &[Op],
    context: &Context<'_>,
    reading: &Reading,
    read: usize,
    (seen, placed): (&mut [bool], &mut Vec<Placed>),
) -> Result<(), Violation> {
    if reading.era != INITIAL {
        let put = reading.era as usize - 1;
        seen[put] = true;
        placed.push(Placed { block: reading.era, position: 0, op: put });
    }
    for (position, piece) in (2u32..).step_by(2).zip(&reading.pieces) {
        if std::mem::replace(&mut seen[*piece], true) {
            let what = explain::op(context, &ops[read]);
            let why = format!(
                "{what} and other reads saw twice what was appended once: {}",
                explain::op(context, &ops[*piece])
            );
            return Err(Violation::new(Pattern::NeverWritten, [read, *piece], [why]));
        }
        placed.push(Placed { block: reading.era, position, op: *piece });
    }
    Ok(())
}

fn own_block(op: usize) -> u32 {
    u32::try_from(op + 1).expect("fewer than 2^32 operations")
}

/// Reads a string as beginning and pieces. There is at most one way.
fn parse(
    ops: &[Op],
    context: &Context<'_>,
    (whole, read): (&str, usize),
    (tokens, initial): (&[Token<'_>], &str),
) -> Result<Reading, Violation> {
    let next = |rest: &str| {
        let at = tokens.partition_point(|token| token.text <= rest);
        at.checked_sub(1).map(|last| &tokens[last]).filter(|token| rest.starts_with(token.text))
    };
    let put = next(whole).filter(|token| token.begins);
    let (era, begin) = match put {
        Some(token) => (own_block(token.op), token.text.len()),
        None if whole.starts_with(initial) => (INITIAL, initial.len()),
        None => return Err(unreadable(ops, context, read)),
    };
    let mut reading = Reading { era, ends: vec![begin], pieces: Vec::new() };
    let mut at = begin;
    while at < whole.len() {
        let Some(token) = next(&whole[at..]).filter(|token| !token.begins) else {
            return Err(unreadable(ops, context, read));
        };
        at += token.text.len();
        reading.ends.push(at);
        reading.pieces.push(token.op);
    }
    Ok(reading)
}

fn unreadable(ops: &[Op], context: &Context<'_>, read: usize) -> Violation {
    let what = explain::op(context, &ops[read]);
    let why = format!("{what} saw a string that no put and appends of this history make");
    Violation::new(Pattern::NeverWritten, [read], [why])
}

fn split(ops: &[Op], context: &Context<'_>, (a, b): (usize, usize)) -> Violation {
    let [first, second] = [a, b].map(|i| explain::op(context, &ops[i]));
    let why = [
        format!("{first} and {second} began with the same string, and neither continues the other"),
        "between puts a string only grows, so one of two reads must contain the other".to_owned(),
    ];
    Violation::new(Pattern::IncomparableReads, [a, b], why)
}
