//! Kafka's own word on what a log holds: `DumpLogSegments` over the files of a stopped broker.
//!
//! It shares no code with the final read (neither the wire client nor the batch parser), which makes it the
//! referee of acceptance tests. The tool prints values as text and would mangle binary ones, so a decoder of
//! five lines that prints hexadecimal is compiled for it with the `javac` beside the `java`.

#![expect(clippy::disallowed_methods, reason = "shell: runs javac and Kafka's log dumper")]

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use history::ids::{Offset, TopicPartition, Value};
use history::op::ForeignRecord;
use history::payload;

use super::java::Java;
use super::release::{Release, ReleaseError};

const DECODER: &str = "public class HexDecoder implements org.apache.kafka.tools.api.Decoder<String> {
    public String fromBytes(byte[] bytes) {
        return java.util.HexFormat.of().formatHex(bytes);
    }
}
";

/// Every record that a broker's files hold of one log, also beyond the high watermark and of aborted
/// transactions, in the order of the files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// Offset, and value or what is wrong with it.
    pub records: Vec<(Offset, Result<Value, ForeignRecord>)>,
}

/// Why a log could not be dumped.
#[derive(Debug, thiserror::Error)]
pub enum DumpError {
    /// The jars.
    #[error(transparent)]
    Release(#[from] ReleaseError),
    /// A file or program.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
    /// A tool failed.
    #[error("{tool}: {said}")]
    Tool {
        /// The tool.
        tool: String,
        /// Its own words.
        said: String,
    },
}

impl Dump {
    /// Dumps a log from the data folder of a broker that does not run.
    pub fn of(
        release: &Release,
        java: &Java,
        data: &Path,
        log: &TopicPartition,
        run: u64,
    ) -> Result<Dump, DumpError> {
        let folder = data.join(format!("{}-{}", log.topic, log.partition));
        let class = release.dump_class()?;
        let scratch = tempfile::tempdir()
            .map_err(|error| DumpError::File { path: "temporary folder".into(), error })?;
        let source = scratch.path().join("HexDecoder.java");
        fs::write(&source, DECODER).map_err(|error| DumpError::File { path: source.clone(), error })?;
        let mut javac = Command::new(java.program.with_file_name("javac"));
        javac
            .arg("-proc:none")
            .arg("-cp")
            .arg(release.class_path())
            .arg("-d")
            .arg(scratch.path())
            .arg(&source);
        run_tool("javac", &mut javac)?;
        let mut dump = Dump::default();
        for segment in segments(&folder)? {
            let mut class_path = release.class_path();
            class_path.push(":");
            class_path.push(scratch.path());
            let mut tool = Command::new(&java.program);
            tool.args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"]).arg(class_path).arg(class);
            tool.arg("--files").arg(&segment).args([
                "--print-data-log",
                "--value-decoder-class",
                "HexDecoder",
            ]);
            let output = run_tool("DumpLogSegments", &mut tool)?;
            dump.read(&String::from_utf8_lossy(&output.stdout), run, log);
        }
        Ok(dump)
    }

    fn read(&mut self, text: &str, run: u64, log: &TopicPartition) {
        for line in text.lines().filter(|line| line.trim_start().starts_with('|')) {
            let Some(offset) = field(line, "offset: ").and_then(|offset| offset.parse().ok()) else {
                continue;
            };
            let Some(value) = field(line, "payload: ").and_then(bytes) else { continue };
            self.records.push((Offset(offset), payload::decode(&value, run, log)));
        }
    }

    /// Every value with the offsets it lies at.
    pub fn values(&self) -> BTreeMap<Value, Vec<Offset>> {
        let mut values: BTreeMap<Value, Vec<Offset>> = BTreeMap::new();
        for (offset, value) in &self.records {
            if let Ok(value) = value {
                values.entry(*value).or_default().push(*offset);
            }
        }
        values
    }

    /// How many records repeat a value that lies at a lower offset.
    pub fn duplicates(&self) -> usize {
        self.values().values().map(|offsets| offsets.len() - 1).sum()
    }
}

fn run_tool(name: &str, command: &mut Command) -> Result<Output, DumpError> {
    let output = command.output();
    let output = output.map_err(|error| DumpError::File { path: command.get_program().into(), error })?;
    if output.status.success() {
        return Ok(output);
    }
    let text =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    Err(DumpError::Tool { tool: name.to_owned(), said: text.lines().take(5).collect::<Vec<_>>().join(" | ") })
}

/// The segment files of a log, oldest first: their names are their first offsets.
fn segments(folder: &Path) -> Result<Vec<PathBuf>, DumpError> {
    let failed = |error| DumpError::File { path: folder.to_owned(), error };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path.extension().is_some_and(|extension| extension == "log") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split_once(name).map(|(_, rest)| rest.split(' ').next().unwrap_or_default())
}

fn bytes(hexadecimal: &str) -> Option<Vec<u8>> {
    let digits: Option<Vec<u8>> = hexadecimal
        .trim()
        .chars()
        .map(|digit| digit.to_digit(16).and_then(|digit| u8::try_from(digit).ok()))
        .collect();
    let digits = digits?;
    digits.len().is_multiple_of(2).then(|| digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_and_batch_lines_are_not() {
        let log = TopicPartition::new("orders", 0);
        let mut value = Vec::new();
        payload::encode(&mut value, 7, Value::default(), &log, 0);
        let hexadecimal: String = value.iter().map(|byte| format!("{byte:02x}")).collect();
        let text = format!(
            "Dumping 00.log\nLog starting offset: 0\nbaseOffset: 0 lastOffset: 1 count: 2 isvalid: true\n\
             | offset: 0 CreateTime: 0 keySize: -1 valueSize: 42 sequence: -1 headerKeys: [] payload: {hexadecimal}\n\
             | offset: 1 CreateTime: 0 keySize: -1 valueSize: 42 sequence: -1 headerKeys: [] payload: {hexadecimal}\n\
             | offset: 2 CreateTime: 0 keySize: 4 valueSize: 6 sequence: -1 endTxnMarker: COMMIT coordinatorEpoch: 0\n"
        );
        let mut dump = Dump::default();
        dump.read(&text, 7, &log);
        assert_eq!(dump.records.len(), 2);
        assert_eq!(dump.duplicates(), 1);
        assert_eq!(dump.values()[&Value::default()], [Offset(0), Offset(1)]);
    }
}
