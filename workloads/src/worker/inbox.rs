//! The thread that listens to the controller, so that a worker that is stuck somewhere still hears.
//!
//! Gates are armed and opened right here, because the worker's own thread is the one that waits at them. `drain`
//! and `stop` are passed on. A stop and the end of stdin also start the clock: a worker that is not gone by then
//! (a broker that never answers, a client library that hangs) ends itself, and says so.

#![expect(clippy::disallowed_methods, reason = "shell: the deadline of a stop")]

use std::io::{BufRead, Write};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::link::{Link, ORPHAN_DEADLINE};
use super::{Exit, Order};
use crate::gate;
use crate::protocol::{Command, ErrorKind, Report, from_line};
use crate::step::Step;

/// What the listener knows of the worker.
pub(super) struct Inbox<Out: Write> {
    pub(super) link: Arc<Link<Out>>,
    pub(super) orders: Sender<Order>,
    pub(super) steps: &'static [Step],
    pub(super) shutdown: Duration,
}

impl<Out: Write + Send + 'static> Inbox<Out> {
    /// Listens until stdin ends.
    pub(super) fn listen(self, stdin: impl BufRead) {
        for line in stdin.lines() {
            let Ok(line) = line else { break };
            if !line.trim().is_empty() && !self.heard(&line) {
                return;
            }
        }
        self.leave(self.shutdown.min(ORPHAN_DEADLINE));
    }

    /// Obeys one line; false when the worker is to leave because of it.
    fn heard(&self, line: &str) -> bool {
        let problem = match from_line::<Command>(line, "command") {
            Ok(Command::Gate(gate)) => match gate::check(&gate, self.steps) {
                Ok(()) => {
                    self.link.gates().arm(gate);
                    return true;
                }
                Err(error) => error.to_string(),
            },
            Ok(Command::Continue) => {
                self.link.gates().open();
                return true;
            }
            Ok(Command::Drain { deadline_ms, ends }) => {
                // The worker may be gone already; then nobody needs to drain.
                let deadline = Duration::from_millis(deadline_ms);
                return self.orders.send(Order::Drain { deadline, ends }).is_ok();
            }
            Ok(Command::Grow { topic, partitions }) => {
                return self.orders.send(Order::Grow { topic, partitions }).is_ok();
            }
            Ok(Command::Stop) => {
                self.leave(self.shutdown);
                return true;
            }
            Err(error) => error.to_string(),
        };
        self.link.report(&Report::Error { kind: ErrorKind::Protocol, message: problem });
        self.leave(self.shutdown.min(ORPHAN_DEADLINE));
        false
    }

    fn leave(&self, deadline: Duration) {
        self.link.leave(deadline);
        let link = Arc::clone(&self.link);
        let last_words = Report::Error {
            kind: ErrorKind::Hung,
            message: format!("the stop took longer than {} ms", deadline.as_millis()),
        };
        std::thread::spawn(move || {
            std::thread::sleep(deadline);
            link.try_report(&last_words);
            std::process::exit(Exit::Failed.code().into());
        });
    }
}
