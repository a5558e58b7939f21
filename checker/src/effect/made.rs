//! Effects as the sink acknowledged them: spans of offsets, in order of time.
//!
//! A member that had polled something else at an offset than the log holds in the end made an effect of that, so such
//! offsets are taken out of its spans. Offsets within a span that hold no record are not meant; but a span of which none
//! does is an effect of something that is not there.

use std::collections::BTreeSet;

use history::ids::Nanos;
use history::merged::HistoryError;

use super::misread::Misread;
use super::place::Places;
use super::sinks::Made;
use super::{By, Content, Piece, Stage, Stray};

/// A part of a span, and whose.
struct Part {
    first: i64,
    last: i64,
    at: usize,
}

/// What the sink acknowledged of the log.
pub(super) fn content(stage: &Stage<'_>) -> Result<Content, HistoryError> {
    let misread = Misread::of(stage.history, stage.log, stage.claims)?;
    let mut content = Content::default();
    let mut parts = Vec::new();
    for (at, made) in stage.made().iter().enumerate() {
        cut((at, made), &misread, (&mut parts, &mut content.strays));
    }
    let next = |offset: i64| offset.saturating_add(1);
    let mut offsets: Vec<i64> = parts.iter().flat_map(|part| [part.first, next(part.last)]).collect();
    offsets.extend(stage.made().iter().flat_map(|made| [made.first, next(made.last)]));
    offsets.extend(content.strays.iter().flat_map(|stray| [stray.offset, next(stray.offset)]));
    let commit = stage.context.committed_by(stage.group, stage.log, Nanos(u64::MAX));
    offsets.extend(commit.map(|commit| commit.next.0));
    content.places = Places::of(stage.reference, offsets)?;
    for part in parts {
        let (start, end) = (content.places.rank(part.first), content.places.rank(next(part.last)));
        if start < end && stage.made()[part.at].certain {
            content.pieces.push(Piece { start, end, by: By::Member(part.at) });
        } else if start < end {
            content.unknown.push(start..end);
        }
    }
    let known: BTreeSet<usize> = content.strays.iter().map(member).collect();
    for (at, made) in stage.made().iter().enumerate().filter(|(_, made)| made.certain) {
        let empty = content.places.rank(made.first) == content.places.rank(next(made.last));
        if empty && !known.contains(&at) {
            let (offset, by) = (made.first, By::Member(at));
            content.strays.push(Stray { offset, value: None, polled: None, by });
        }
    }
    content.strays.sort_by_key(|stray| (member(stray), stray.offset));
    Ok(content)
}

/// Cuts a span where its member had polled something else than the log holds.
fn cut((at, made): (usize, &Made), misread: &Misread, (parts, strays): (&mut Vec<Part>, &mut Vec<Stray>)) {
    let mut first = made.first;
    for (offset, value, polled) in misread.within(made) {
        if first < offset {
            parts.push(Part { first, last: offset - 1, at });
        }
        if made.certain {
            strays.push(Stray { offset, value: Some(value), polled: Some(polled), by: By::Member(at) });
        }
        first = offset.saturating_add(1);
    }
    if first <= made.last {
        parts.push(Part { first, last: made.last, at });
    }
}

/// The acknowledgement that a stray is known from.
fn member(stray: &Stray) -> usize {
    match stray.by {
        By::Member(at) => at,
        By::Sink(_) => usize::MAX,
    }
}
