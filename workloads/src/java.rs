//! The Java family: the official client, run by workers whose sources are part of this program.
//!
//! The sources in `workloads/java/` are plain Java 11 without a build tool, because they must compile against every
//! version of the client that a spec may ask for. They speak the same protocol, write the same journal and do what the
//! workers in this crate do, and tests compare the two. Who compiles and starts them is the harness's affair
//! (`harness/src/javac.rs`).

pub mod settings;

/// One file of the workers' sources.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// Its path below `workloads/java/`.
    pub path: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! source {
    ($path:literal) => {
        Source { path: $path, text: include_str!(concat!("../java/", $path)) }
    };
}

/// The class that a worker is.
pub const MAIN: &str = "onceproof.Worker";

/// All files, in the order of their paths.
pub const SOURCES: &[Source] = &[
    source!("log4j.properties"),
    source!("log4j2.properties"),
    source!("onceproof/Batch.java"),
    source!("onceproof/Clock.java"),
    source!("onceproof/Commit.java"),
    source!("onceproof/CommitObserver.java"),
    source!("onceproof/Config.java"),
    source!("onceproof/Consumer.java"),
    source!("onceproof/ConsumerBooks.java"),
    source!("onceproof/Effects.java"),
    source!("onceproof/Events.java"),
    source!("onceproof/Fields.java"),
    source!("onceproof/FileSink.java"),
    source!("onceproof/Gates.java"),
    source!("onceproof/HttpSink.java"),
    source!("onceproof/Identity.java"),
    source!("onceproof/Journal.java"),
    source!("onceproof/Json.java"),
    source!("onceproof/Latencies.java"),
    source!("onceproof/Link.java"),
    source!("onceproof/Log.java"),
    source!("onceproof/Outbox.java"),
    source!("onceproof/Outcomes.java"),
    source!("onceproof/Pacer.java"),
    source!("onceproof/Payload.java"),
    source!("onceproof/Processing.java"),
    source!("onceproof/Producer.java"),
    source!("onceproof/ProducerBooks.java"),
    source!("onceproof/Progress.java"),
    source!("onceproof/Sink.java"),
    source!("onceproof/Space.java"),
    source!("onceproof/SqlSink.java"),
    source!("onceproof/Step.java"),
    source!("onceproof/Targets.java"),
    source!("onceproof/Warm.java"),
    source!("onceproof/Worker.java"),
    source!("simplelogger.properties"),
];

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::outcome::{self, Outcome};

    /// Paths of the files below `workloads/java/`, in order.
    fn files(folder: &Path, below: &str) -> Vec<String> {
        let mut paths = Vec::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let path = format!("{below}{}", entry.file_name().to_string_lossy());
            if entry.path().is_dir() {
                paths.extend(files(&entry.path(), &format!("{path}/")));
            } else {
                paths.push(path);
            }
        }
        paths.sort();
        paths
    }

    #[test]
    fn the_table_lists_every_file_of_the_folder() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("java");
        let listed: Vec<_> = SOURCES.iter().map(|source| source.path.to_owned()).collect();
        assert_eq!(files(&folder, ""), listed);
    }

    #[test]
    fn java_knows_the_rows_of_the_one_outcome_table() {
        let source = SOURCES.iter().find(|source| source.path.ends_with("/Outcomes.java")).unwrap();
        let number = |line: &str| line.trim().split([',', ')']).next()?.parse::<i32>().ok();
        let listed: Vec<i32> =
            source.text.lines().filter(|line| line.contains(" // ")).filter_map(number).collect();
        let of_brokers = |row: &&outcome::Row| row.outcome == Outcome::Fail && (row.code as i32) > 0;
        let mut expected: Vec<i32> =
            outcome::SEND_ERRORS.iter().filter(of_brokers).map(|row| row.code as i32).collect();
        expected.sort_unstable();
        assert_eq!(listed, expected);
    }
}
