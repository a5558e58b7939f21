//! The way from the broker to the client: answers are matched with their requests, and some never arrive.

use super::flow::Flow;
use super::rules::Rules;
use super::{Arrival, Step};
use crate::switch::kafka::{NotKafka, Piece, Side, correlation};

/// Decides a frame.
pub(super) fn frame(
    flow: &mut Flow,
    rules: &mut Rules,
    at: Arrival<'_>,
    steps: &mut Vec<Step>,
) -> Result<(), NotKafka> {
    let extent = flow.responses.extent(at.tcp);
    let seen = flow.responses.seen;
    let bare = extent.end == extent.start && !extent.fin;
    if extent.start > seen && !bare {
        if flow.responses.barrier.is_some() || rules.armed(at.key) || flow.group.is_some() {
            let barrier = flow.responses.delivered();
            steps.push(Step::Send(Side::Responses, flow.responses.cut(at.frame, at.tcp, extent, barrier)));
            return Ok(());
        }
        steps.push(Step::Forward);
        let kept = flow.responses.stash(extent.start, at.tcp.payload());
        return if kept { Ok(()) } else { Err(NotKafka) };
    }
    if !bare {
        let known = usize::try_from(seen - extent.start).unwrap_or(usize::MAX);
        let mut next = at.tcp.payload().get(known..).map(<[u8]>::to_vec);
        while let Some(bytes) = next {
            parse(flow, rules, at, (&bytes, seen))?;
            next = flow.responses.unstash();
        }
        let finished = extent.fin && extent.end == flow.responses.seen;
        if finished && flow.responses.barrier.is_none() {
            flow.responses.finish();
        }
        if let (true, Some(group)) = (finished, &mut flow.group) {
            group.broker_gone = true;
        }
    }
    match flow.responses.barrier {
        Some(barrier)
            if barrier < extent.end || (extent.start >= barrier && !bare) || extent.start > barrier =>
        {
            let packet = flow.responses.cut(at.frame, at.tcp, extent, barrier);
            steps.push(Step::Send(Side::Responses, packet));
        }
        Some(_) | None => steps.push(Step::Forward),
    }
    if !bare {
        steps.extend(flow.acknowledge_swallowed());
    }
    Ok(())
}

/// Parses new bytes; `seen` is how far the stream was let through before this frame.
fn parse(
    flow: &mut Flow,
    rules: &mut Rules,
    at: Arrival<'_>,
    (mut bytes, seen): (&[u8], u64),
) -> Result<(), NotKafka> {
    loop {
        let (taken, piece) = flow.responses.framer.next(bytes, flow.responses.seen)?;
        bytes = &bytes[taken..];
        flow.responses.seen += u64::try_from(taken).unwrap_or(0);
        match piece {
            None if taken == 0 => return Ok(()),
            None => {}
            Some(Piece::Header { start, head, .. }) => header(flow, rules, &head, start.max(seen)),
            Some(Piece::End { message, .. }) => {
                if let Some(answered) = flow.current.take().filter(|request| request.grouped) {
                    if let Some(group) = &flow.group {
                        rules.lost(group.rule, &answered, message.as_deref());
                    }
                    flow.answered(at.now);
                }
            }
        }
    }
}

/// A response's header is complete: which request it answers, and whether it may pass.
fn header(flow: &mut Flow, rules: &mut Rules, head: &[u8], barrier: u64) {
    let correlation = correlation(head);
    // Requests before it are never answered (`acks=0`).
    let index = flow.pending.iter().position(|request| Some(request.correlation) == correlation);
    let Some(index) = index else { return };
    flow.pending.drain(..index);
    flow.current = flow.pending.pop_front();
    let grouped = flow.current.as_ref().is_some_and(|request| request.grouped);
    if grouped {
        flow.responses.barrier.get_or_insert(barrier);
        flow.responses.framer.keep();
    } else if let (true, Some(group)) = (flow.responses.barrier.is_some(), &flow.group) {
        rules.also_lost(group.rule);
    }
}
