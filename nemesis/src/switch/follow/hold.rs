//! What is held back on one connection.
//!
//! The frames themselves are kept, because the sender's kernel is no substitute: its back-off makes it late,
//! and after a reset its copy is gone. Repetitions are dropped; acknowledgements pass, moved to the barrier.
//! Only what the sender's window lets out can be caught, since nothing is acknowledged on the broker's behalf.

use super::{Arrival, Step};
use crate::switch::frame::{Frame, Packet};
use crate::switch::kafka::Side;
use crate::switch::tcp::{Extent, Stream};

/// Bytes that are held for one connection at most; the sender keeps what goes beyond.
const HELD_MAX: usize = 16 << 20;

/// Frames held back on one connection.
#[derive(Debug)]
pub(super) struct Held {
    /// For which rule.
    pub(super) rule: usize,
    /// How many requests the rule counted here.
    pub(super) requests: u64,
    queue: Vec<Packet>,
    bytes: usize,
    /// Position after the last byte that is held.
    end: u64,
    fin: bool,
    reset: bool,
}

impl Held {
    pub(super) fn new(rule: usize, barrier: u64) -> Self {
        Self { rule, requests: 1, queue: Vec::new(), bytes: 0, end: barrier, fin: false, reset: false }
    }

    pub(super) fn into_queue(self) -> Vec<Packet> {
        self.queue
    }

    /// The sender's first reset is held too: what it sent before is to arrive.
    pub(super) fn rst(&mut self, frame: Frame<'_>) {
        if !self.reset {
            self.reset = true;
            self.queue.push(frame.to_packet());
        }
    }

    /// Takes a frame with bytes behind the barrier, if it continues what is held.
    pub(super) fn take(&mut self, frame: Frame<'_>, extent: Extent) {
        let new = extent.end > self.end || (extent.fin && !self.fin);
        let fits = self.bytes + frame.packet.len() <= HELD_MAX;
        if new && fits && extent.start <= self.end {
            self.queue.push(frame.to_packet());
            self.bytes += frame.packet.len();
            self.end = self.end.max(extent.end);
            self.fin |= extent.fin;
        }
    }

    /// Decides a frame of the held direction.
    pub(super) fn frame(&mut self, stream: &Stream, at: Arrival<'_>, steps: &mut Vec<Step>) {
        let extent = stream.extent(at.tcp);
        let barrier = stream.barrier.unwrap_or(stream.seen);
        let keep_alive = extent.start + 1 == self.end && extent.end <= self.end && extent.start >= barrier;
        if keep_alive && !extent.fin {
            return;
        }
        if extent.end <= barrier && !extent.fin {
            return steps.push(Step::Forward);
        }
        if extent.end > extent.start || extent.fin {
            self.take(at.frame, extent);
        }
        steps.push(Step::Send(Side::Requests, stream.cut(at.frame, at.tcp, extent, barrier)));
    }
}
