//! How one node is laid out on disk and started.

use std::fs;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::process::{NodeExit, Process, Start};
use super::{ClusterError, Dirs, Prepared, Site};
use crate::kafka::jvm::{ArchiveUse, Jvm};
use crate::kafka::properties::Addresses;
use crate::kafka::{KafkaPlan, Member, logging};

/// Everything that the start of any node of a cluster needs.
#[derive(Debug)]
pub(super) struct Launcher<S> {
    pub(super) site: S,
    pub(super) plan: KafkaPlan,
    pub(super) dirs: Dirs,
    pub(super) prepared: Prepared,
    pub(super) addresses: Addresses,
    pub(super) exits: mpsc::Sender<NodeExit>,
}

impl<S: Site> Launcher<S> {
    pub(super) fn new(
        site: S,
        plan: KafkaPlan,
        prepared: Prepared,
        dirs: Dirs,
        exits: mpsc::Sender<NodeExit>,
    ) -> Self {
        let addresses =
            plan.members().iter().map(|member| (member.id, site.address(&member.name()))).collect();
        Launcher { site, plan, dirs, prepared, addresses, exits }
    }

    /// Where nodes keep temporary files: with their data, which ends with the run.
    fn temporary(&self) -> PathBuf {
        self.dirs.data.join("tmp")
    }

    /// Storage, properties and logging of a node.
    pub(super) fn provision(&self, member: Member, properties: &str) -> Result<(), ClusterError> {
        let name = member.name();
        let logs = self.dirs.logs.join(&name);
        self.prepared.storage.copy(member, &self.dirs.data.join(&name))?;
        for folder in [&logs, &self.temporary()] {
            fs::create_dir_all(folder)
                .map_err(|error| ClusterError::File { what: folder.display().to_string(), error })?;
        }
        write(&logs.join("server.properties"), properties)?;
        let (file, text, _) = logging::configuration(self.prepared.release.version, &logs);
        write(&logs.join(file), &text)
    }

    /// Starts a provisioned node for the `life`th time.
    pub(super) fn spawn(
        &self,
        member: Member,
        life: u32,
        archive: &ArchiveUse,
    ) -> Result<Process, ClusterError> {
        let name = member.name();
        let logs = self.dirs.logs.join(&name);
        let prepared = &self.prepared;
        let (file, _, option) = logging::configuration(prepared.release.version, &logs);
        let logging_option = format!("{option}{}", logs.join(file).display());
        let jvm =
            Jvm { java: &prepared.java, release: &prepared.release, heap_mib: self.plan.heap_mib, archive };
        let mut command = self.site.command(&name, prepared.java.program.as_os_str());
        // Native libraries of the compression codecs, and what the JVM says when it crashes, would otherwise stay in
        // the machine's temporary folder and in the user's current one.
        command.arg(format!("-Djava.io.tmpdir={}", self.temporary().display()));
        command.arg(format!("-XX:ErrorFile={}", logs.join(format!("crash-{life}.log")).display()));
        command.args(jvm.arguments(prepared.release.server_class()?, &logs, &logging_option, life));
        command.arg(logs.join("server.properties"));
        let console = logs.join(logging::CONSOLE_LOG);
        let start = Start { node: member.id, name: name.clone(), life, console, exits: self.exits.clone() };
        Process::start(command, start)
            .map_err(|error| ClusterError::File { what: format!("start of {name}"), error })
    }

    /// The error that a node's early end is.
    pub(super) fn died(&self, member: Member, how: super::How) -> ClusterError {
        let logs = self.dirs.logs.join(member.name());
        let said = logging::last_error(&logs).unwrap_or_else(|| "nothing".to_owned());
        ClusterError::Died { node: member.name(), how, said, logs }
    }
}

fn write(file: &Path, text: &str) -> Result<(), ClusterError> {
    fs::write(file, text).map_err(|error| ClusterError::File { what: file.display().to_string(), error })
}
