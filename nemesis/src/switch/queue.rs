//! Frames that wait: delayed ones, in the order of their planned time.
//!
//! Bounded per link, so that a delay on a busy link costs memory for a moment and then frames, which is
//! counted. Frames of one link keep their order unless the rule frees them, also when their jitter differs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use history::ids::Nanos;

use super::frame::Packet;

/// Bytes that may wait on one link: about a quarter of a second at 1 Gbit/s.
const LINK_BYTES_MAX: usize = 32 << 20;

/// A frame that waits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    /// When it is to leave.
    pub(crate) due: Nanos,
    order: u64,
    /// The link it is on.
    pub(crate) cell: usize,
    /// The rule that put it off.
    pub(crate) rule: usize,
    /// The frame.
    pub(crate) packet: Packet,
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct LinkQueue {
    bytes: usize,
    last_due: Nanos,
}

/// All waiting frames of a switch.
#[derive(Debug)]
pub(crate) struct Queue {
    heap: BinaryHeap<Reverse<Waiting>>,
    links: Vec<LinkQueue>,
    order: u64,
}

impl Queue {
    /// An empty queue for that many links.
    pub(crate) fn new(links: usize) -> Self {
        Self { heap: BinaryHeap::new(), links: vec![LinkQueue::default(); links], order: 0 }
    }

    /// Puts a frame off, behind the others of its link if `fifo`; false if the link's queue is full.
    pub(crate) fn push(
        &mut self,
        (cell, rule): (usize, usize),
        due: Nanos,
        fifo: bool,
        packet: Packet,
    ) -> bool {
        let link = &mut self.links[cell];
        if link.bytes + packet.bytes.len() > LINK_BYTES_MAX {
            return false;
        }
        let due = if fifo { due.max(link.last_due) } else { due };
        link.bytes += packet.bytes.len();
        link.last_due = due.max(link.last_due);
        self.order += 1;
        self.heap.push(Reverse(Waiting { due, order: self.order, cell, rule, packet }));
        true
    }

    /// When the next frame is to leave.
    pub(crate) fn deadline(&self) -> Option<Nanos> {
        self.heap.peek().map(|Reverse(waiting)| waiting.due)
    }

    /// The next frame that is due.
    pub(crate) fn pop(&mut self, now: Nanos) -> Option<Waiting> {
        if self.deadline()? > now {
            return None;
        }
        let Reverse(waiting) = self.heap.pop()?;
        self.links[waiting.cell].bytes -= waiting.packet.bytes.len();
        Some(waiting)
    }

    /// Everything that `rule` put off, in order: its end delivers what it holds.
    pub(crate) fn take(&mut self, rule: usize) -> Vec<Waiting> {
        let all = std::mem::take(&mut self.heap).into_sorted_vec();
        let (mut taken, kept): (Vec<_>, Vec<_>) =
            all.into_iter().map(|Reverse(waiting)| waiting).partition(|waiting| waiting.rule == rule);
        taken.sort_unstable();
        for waiting in &taken {
            let link = &mut self.links[waiting.cell];
            link.bytes -= waiting.packet.bytes.len();
            link.last_due = Nanos(0);
        }
        for waiting in &kept {
            let link = &mut self.links[waiting.cell];
            link.last_due = link.last_due.max(waiting.due);
        }
        self.heap = kept.into_iter().map(Reverse).collect();
        taken
    }
}
