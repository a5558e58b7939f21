//! The worker's side of the conversation with the controller: what every part of a worker may say and ask.
//!
//! Reports are whole lines under one lock. A closed stdout means that nobody listens any more: that is a
//! shutdown, not an error. Whoever waits here (at a gate) is released by a shutdown.

use std::io::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock;
use crate::gate::Gates;
use crate::protocol::{Report, to_line};
use crate::step::Step;

/// Shared by all threads of a worker.
pub(crate) struct Link<Out: Write> {
    console: Mutex<Out>,
    gates: Gates,
    /// When the worker must be gone, in nanoseconds of the clock; 0 while it may stay.
    leave_by: AtomicU64,
}

/// How long a worker whose controller is gone may take to leave: nobody will read what it still does.
pub(super) const ORPHAN_DEADLINE: Duration = Duration::from_secs(3);

impl<Out: Write> Link<Out> {
    pub(crate) fn new(console: Out) -> Self {
        Self { console: Mutex::new(console), gates: Gates::default(), leave_by: AtomicU64::new(0) }
    }

    /// Says something.
    pub(crate) fn report(&self, report: &Report) {
        let mut console = self.console.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(&mut *console, report);
    }

    /// Says something if nobody else is stuck in saying something.
    pub(crate) fn try_report(&self, report: &Report) {
        if let Ok(mut console) = self.console.try_lock() {
            self.write(&mut *console, report);
        }
    }

    fn write(&self, console: &mut Out, report: &Report) {
        let line = to_line(report).expect("a report is plain data");
        let written = writeln!(console, "{line}").and_then(|()| console.flush());
        if written.is_err() {
            self.leave(ORPHAN_DEADLINE);
        }
    }

    /// The client has made `step` for `count` records; a gate may hold it here.
    pub(crate) fn pass(&self, step: Step, count: u32) {
        self.gates.pass(step, count, |gate| {
            self.report(&Report::GateReached { id: gate.id, step, nth: gate.nth });
        });
    }

    pub(crate) fn gates(&self) -> &Gates {
        &self.gates
    }

    /// The worker is to leave in good order within `deadline`. The first deadline counts.
    pub(crate) fn leave(&self, deadline: Duration) {
        let nanos = u64::try_from(deadline.as_nanos()).unwrap_or(u64::MAX);
        let by = clock::now().0.saturating_add(nanos);
        // Nobody reads anything else that was written before it, so the order of memory does not matter.
        let _ = self.leave_by.compare_exchange(0, by, Ordering::Relaxed, Ordering::Relaxed);
        self.gates.disarm();
    }

    pub(crate) fn leaving(&self) -> bool {
        self.leave_by.load(Ordering::Relaxed) != 0
    }

    /// How long the worker may still wait for others: most of what is left until it must be gone.
    pub(crate) fn patience(&self) -> Duration {
        let by = self.leave_by.load(Ordering::Relaxed);
        Duration::from_nanos(by.saturating_sub(clock::now().0) / 4 * 3)
    }
}
