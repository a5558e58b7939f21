//! The way from the client to the broker: requests are parsed, counted and decided.

use super::flow::{Flow, Pending};
use super::hold::Held;
use super::rules::{Decision, Question, Rules};
use super::{Arrival, Step};
use crate::switch::kafka::{Framer, NotKafka, Piece, RequestHeader, Side, commits, records};
use crate::switch::rule::Api;

/// Where a request begins that is to be held, and for which rule.
struct HoldAt {
    rule: usize,
    start: u64,
}

/// Decides a frame.
pub(super) fn frame(
    flow: &mut Flow,
    rules: &mut Rules,
    at: Arrival<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), NotKafka> {
    if let Some(held) = &mut flow.hold {
        held.frame(&flow.requests, at, steps);
        return Ok(());
    }
    let extent = flow.requests.extent(at.tcp);
    let seen = flow.requests.seen;
    if extent.end == extent.start && !extent.fin {
        match flow.requests.barrier {
            Some(barrier) if extent.start > barrier => {
                let packet = flow.requests.cut(at.frame, at.tcp, extent, barrier);
                steps.push(Step::Send(Side::Requests, packet));
            }
            Some(_) | None => steps.push(Step::Forward),
        }
        steps.extend(flow.acknowledge_swallowed());
        return Ok(());
    }
    if extent.start > seen {
        return beyond_gap(flow, rules, at, steps);
    }
    let known = usize::try_from(seen - extent.start).unwrap_or(usize::MAX);
    let new = at.tcp.payload().get(known..).unwrap_or_default();
    let hold = feed(flow, rules, at, new)?;
    if let Some(HoldAt { rule, start }) = hold {
        let barrier = start.max(seen);
        flow.requests.barrier = Some(barrier);
        flow.requests.seen = barrier;
        let mut held = Held::new(rule, barrier);
        held.take(at.frame, extent);
        flow.hold = Some(held);
    }
    if extent.fin && extent.end == flow.requests.seen {
        if flow.group.is_some() {
            // The client will send no more, but the broker must answer first.
            flow.freeze_requests();
        } else if flow.requests.barrier.is_none() {
            flow.requests.finish();
        }
    }
    match flow.requests.barrier {
        Some(barrier) if barrier < extent.end || (barrier == extent.end && extent.fin) => {
            let packet = flow.requests.cut(at.frame, at.tcp, extent, barrier);
            steps.push(Step::Send(Side::Requests, packet));
        }
        Some(_) | None => steps.push(Step::Forward),
    }
    steps.extend(flow.acknowledge_swallowed());
    Ok(())
}

/// A frame that does not continue what was seen. Where a rule may act it is dropped, for the sender repeats
/// it once the gap is filled; its acknowledgement passes.
fn beyond_gap(
    flow: &mut Flow,
    rules: &Rules,
    at: Arrival<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), NotKafka> {
    let extent = flow.requests.extent(at.tcp);
    if flow.requests.barrier.is_some() || rules.armed(at.key) {
        let barrier = flow.requests.delivered();
        steps.push(Step::Send(Side::Requests, flow.requests.cut(at.frame, at.tcp, extent, barrier)));
        steps.extend(flow.acknowledge_swallowed());
        return Ok(());
    }
    steps.push(Step::Forward);
    if flow.requests.stash(extent.start, at.tcp.payload()) { Ok(()) } else { Err(NotKafka) }
}

/// Parses new bytes and what they connect to.
fn feed(flow: &mut Flow, rules: &mut Rules, at: Arrival<'_>, new: &[u8]) -> Result<Option<HoldAt>, NotKafka> {
    // Bytes behind a gap have been let through already, so requests in them cannot be decided any more.
    let decides = !flow.requests.has_gap() && !rules.is_empty();
    let snapshot = decides.then(|| (flow.requests.seen, flow.requests.framer.clone()));
    let mut next = Some(new.to_vec());
    while let Some(bytes) = next {
        if let Some(hold) = parse(flow, rules, at, (&bytes, decides))? {
            if let Some((seen, framer)) = snapshot {
                let inside = hold.start >= seen;
                flow.requests.framer = if inside { Framer::new(Side::Requests) } else { framer };
            }
            return Ok(Some(hold));
        }
        next = flow.requests.unstash();
    }
    Ok(None)
}

/// Parses bytes up to the barrier.
fn parse(
    flow: &mut Flow,
    rules: &mut Rules,
    at: Arrival<'_>,
    (mut bytes, decides): (&[u8], bool),
) -> Result<Option<HoldAt>, NotKafka> {
    loop {
        let seen = flow.requests.seen;
        let room = flow.requests.barrier.map_or(u64::MAX, |barrier| barrier.saturating_sub(seen));
        let limit = bytes.len().min(usize::try_from(room).unwrap_or(usize::MAX));
        let (taken, piece) = flow.requests.framer.next(&bytes[..limit], seen)?;
        bytes = &bytes[taken..];
        flow.requests.seen += u64::try_from(taken).unwrap_or(0);
        let hold = match piece {
            None if taken == 0 => return Ok(None),
            None => None,
            Some(Piece::Header { start, end, head }) => {
                header(flow, rules, at, (start, end, &head, decides))?
            }
            Some(Piece::End { start, message }) => whole(flow, rules, at, (start, message.as_deref())),
        };
        if hold.is_some() {
            return Ok(hold);
        }
    }
}

/// A request's header is complete.
fn header(
    flow: &mut Flow,
    rules: &mut Rules,
    at: Arrival<'_>,
    (start, end, head, decides): (u64, u64, &[u8], bool),
) -> Result<Option<HoldAt>, NotKafka> {
    let header = RequestHeader::read(head).ok_or(NotKafka)?;
    let group = flow.group.as_ref().map(|group| group.rule);
    let question = Question { key: at.key, header: &header, commits: None, group };
    let decision = if decides { rules.decide(&question) } else { Decision::Pass };
    if let Decision::Hold(rule) = decision {
        return Ok(Some(HoldAt { rule, start }));
    }
    let (correlation, api, version) = (header.correlation, header.api, header.version);
    flow.pending.push_back(Pending { correlation, api, version, grouped: false, batches: Vec::new() });
    match decision {
        Decision::Pass | Decision::Hold(_) => {}
        Decision::AskBody => flow.requests.framer.keep(),
        Decision::Join { rule, last } => {
            flow.join(rule, at.now);
            flow.requests.framer.keep();
            if last {
                flow.requests.barrier = Some(end);
            }
        }
    }
    Ok(None)
}

/// A request is complete; its bytes are there if they were asked for.
fn whole(
    flow: &mut Flow,
    rules: &mut Rules,
    at: Arrival<'_>,
    (start, message): (u64, Option<&[u8]>),
) -> Option<HoldAt> {
    let message = message?;
    let newest = flow.pending.back_mut()?;
    if newest.grouped {
        if newest.api == Api::PRODUCE {
            newest.batches = records(message, newest.version).unwrap_or_default();
        }
        return None;
    }
    let header = RequestHeader::read(message)?;
    let commits = commits(message, newest.version);
    let group = flow.group.as_ref().map(|group| group.rule);
    match rules.decide(&Question { key: at.key, header: &header, commits, group }) {
        Decision::Pass | Decision::AskBody => None,
        Decision::Hold(rule) => {
            flow.pending.pop_back();
            Some(HoldAt { rule, start })
        }
        Decision::Join { rule, last } => {
            flow.join(rule, at.now);
            if last {
                flow.freeze_requests();
            }
            None
        }
    }
}
