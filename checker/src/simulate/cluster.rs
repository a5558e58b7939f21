//! The cluster as its brokers describe it: leaders, epochs, in-sync replicas.

use std::io;

use history::ids::{LogId, NodeId};
use history::op::{Observation, Op};

use super::pipeline::Pipeline;

/// Brokers, numbered from 1.
const BROKERS: i32 = 3;

/// Who leads which log.
#[derive(Debug, Default)]
pub(super) struct Cluster {
    /// Leader and epoch, by log.
    views: Vec<(i32, i32)>,
    /// The broker that is down.
    pub(super) down: Option<i32>,
    /// Faults so far.
    pub(super) faults: u32,
}

impl Cluster {
    pub(super) fn leader(&self, log: LogId) -> i32 {
        self.views.get(usize::from(log.0)).map_or(1, |view| view.0)
    }

    pub(super) fn epoch(&self, log: LogId) -> i32 {
        self.views.get(usize::from(log.0)).map_or(0, |view| view.1)
    }
}

impl Pipeline<'_> {
    /// What brokers say before anything has happened.
    pub(super) fn first_view(&mut self) -> io::Result<()> {
        for log in 0..self.logs.len() {
            let leader = i32::try_from(log % 3).unwrap_or(0) + 1;
            self.cluster.views.push((leader, 0));
            self.view(log)?;
        }
        Ok(())
    }

    /// Every leader goes over to a broker that is up.
    pub(super) fn elect(&mut self, down: i32) -> io::Result<()> {
        self.cluster.down = Some(down);
        for log in 0..self.logs.len() {
            let (leader, epoch) = self.cluster.views[log];
            if leader == down {
                self.cluster.views[log] = (leader % BROKERS + 1, epoch + 1);
            }
            self.view(log)?;
        }
        Ok(())
    }

    /// Every replica is in sync again.
    pub(super) fn recover(&mut self) -> io::Result<()> {
        self.cluster.down = None;
        (0..self.logs.len()).try_for_each(|log| self.view(log))
    }

    fn view(&mut self, log: usize) -> io::Result<()> {
        let (leader, epoch) = self.cluster.views[log];
        let down = self.cluster.down;
        let observation = Observation {
            asked: NodeId(leader),
            log: self.logs[log].id,
            leader: Some(NodeId(leader)),
            epoch,
            isr: (1..=BROKERS).filter(|broker| Some(*broker) != down).map(NodeId).collect(),
            offline: down.into_iter().map(NodeId).collect(),
        };
        self.now += 1;
        self.recorder.moment(self.harness, self.now, Op::Observe(observation))
    }
}
