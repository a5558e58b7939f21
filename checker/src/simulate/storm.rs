//! What the harness does: phases, faults and their healing, and the observer's questions.

use std::collections::BTreeMap;
use std::io;

use history::ids::{FaultId, LogId, Offset};
use history::op::{Op, Outcome, Position};

use super::pipeline::Pipeline;

impl Pipeline<'_> {
    pub(super) fn phase(&mut self, name: &str) -> io::Result<()> {
        self.now += 1;
        self.recorder.moment(self.harness, self.now, Op::Phase { name: name.to_owned() })
    }

    /// A broker is killed that leads some log.
    pub(super) fn strike(&mut self) -> io::Result<()> {
        let log = self.any_log();
        let broker = self.cluster.leader(log);
        let (id, node) = (FaultId(self.cluster.faults), format!("kafka{broker}"));
        self.cluster.faults += 1;
        self.wait(100, 10_000);
        let op = Op::Fault { id, what: "kill a broker".to_owned(), targets: vec![node] };
        self.recorder.moment(self.harness, self.now, op)?;
        self.wait(10_000, 100_000);
        self.elect(broker)
    }

    /// It comes back.
    pub(super) fn heal(&mut self) -> io::Result<()> {
        self.wait(100, 10_000);
        let op = Op::Heal {
            id: FaultId(self.cluster.faults - 1),
            effect: "the process was gone".to_owned(),
            counters: BTreeMap::from([("processes-killed".to_owned(), 1)]),
            bit: true,
        };
        self.recorder.moment(self.harness, self.now, op)?;
        self.recover()
    }

    /// The observer reads the end offsets of all logs.
    pub(super) fn read_ends(&mut self) -> io::Result<()> {
        let positions =
            self.logs.iter().map(|log| Position { log: log.id, next: Offset(log.next) }).collect();
        self.ends_are_read(positions)
    }

    /// The observer reads an end offset and is told `end`.
    pub(crate) fn read_end(&mut self, log: LogId, end: i64) -> io::Result<()> {
        self.ends_are_read(vec![Position { log, next: Offset(end) }])
    }

    fn ends_are_read(&mut self, positions: Vec<Position>) -> io::Result<()> {
        self.now += 1;
        let at = (self.now, self.now + 20);
        let ask = Op::EndOffsets { positions: Vec::new() };
        let answer = Op::EndOffsets { positions };
        self.recorder.asked(self.observer, at, (ask, answer), Outcome::Ok { offset: None })?;
        self.now += 21;
        Ok(())
    }
}
