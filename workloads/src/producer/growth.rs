//! A topic that grows under a running producer.
//!
//! The workload chooses the partition of each record itself, so it is told of new ones; it uses them once its library
//! knows them, as a library's own partitioner would after its next look at the topic. The look is asked for here, because
//! by default it may be five minutes away and has nothing to do with what is shown.

use std::io::Write;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use rdkafka::producer::Producer;

use super::{Aims, LOOK, Sender};
use crate::worker::WorkerError;

/// How long the library may take to look.
const ASK: Duration = Duration::from_secs(1);

impl<Out: Write + Send + 'static> Sender<Out> {
    /// Waits until the library knows the new partitions, and spreads the records from the next one on over them too.
    pub(super) fn grow(&mut self, topic: &str, partitions: i32) -> Result<(), WorkerError> {
        while !self.worker.link.leaving() && self.known(topic) < partitions {
            self.take_reports(LOOK)?;
            self.tick()?;
        }
        let aims = self.shared.aims();
        let grown = aims.targets.grown(topic, partitions, self.next);
        let targets = grown.ok_or_else(|| {
            WorkerError::Config(format!("{topic} cannot have {partitions} partitions in one run"))
        })?;
        let mut logs = aims.logs.clone();
        for log in &targets.logs()[logs.len()..] {
            logs.push(self.shared.books().log(log)?);
        }
        *self.shared.aims.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Aims { logs, targets });
        Ok(())
    }

    /// Partitions of a topic that the library has just been told of, all with a leader.
    fn known(&self, topic: &str) -> i32 {
        let Ok(metadata) = self.producer.client().fetch_metadata(Some(topic), ASK) else { return 0 };
        let partitions = metadata.topics().iter().flat_map(|topic| topic.partitions());
        i32::try_from(partitions.filter(|partition| partition.leader() >= 0).count()).unwrap_or(0)
    }
}
