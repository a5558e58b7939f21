//! What a sink holds, counted by others: SQL on the sink's own database (or its files read line by line) against Kafka's own
//! dump of the log, and against the verdict's counts.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};

use harness::sink::postgres::binaries;

use super::program::Ran;
use super::witness::dumped;

/// A record as the sinks store it: `topic/partition@offset=producer:seq`.
pub(crate) type Stored = BTreeMap<String, usize>;

fn counted(rows: impl Iterator<Item = String>) -> Stored {
    let mut stored = Stored::new();
    for row in rows {
        *stored.entry(row).or_default() += 1;
    }
    stored
}

/// One column of text: what each effect is of.
const SQL: &str = "SELECT topic || '/' || partition || '@' || record_offset || '=' || producer || ':' || seq \
                   AS e FROM effects";

/// The rows of the SQLite database of a run (its sink, or the service's store).
pub(crate) fn sqlite(ran: &Ran) -> Stored {
    let database = rusqlite::Connection::open(ran.folder.join("sink/sink.db")).unwrap();
    let mut statement = database.prepare(SQL).unwrap();
    let rows = statement.query_map([], |row| row.get(0)).unwrap();
    counted(rows.map(Result::unwrap))
}

/// The lines of a run's files, without those that were torn.
pub(crate) fn files(ran: &Ran) -> Stored {
    let mut rows = Vec::new();
    for file in std::fs::read_dir(ran.folder.join("sink")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "effects") {
            let text = std::fs::read_to_string(path).unwrap();
            for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                let fields: Vec<&str> = line.split('\t').collect();
                let [topic, partition, offset] = [fields[1], fields[2], fields[3]];
                rows.push(format!("{topic}/{partition}@{offset}={}:{}", fields[4], fields[5]));
            }
        }
    }
    counted(rows.into_iter())
}

/// What PostgreSQL itself says about the database folder of a run, without its network and without our client.
pub(crate) fn postgres(ran: &Ran) -> Stored {
    let data = ran.folder.join("data/sink");
    // The server is gone, and its number may be anybody's by now.
    let _ = std::fs::remove_file(data.join("postmaster.pid"));
    let server = binaries().unwrap().join("postgres");
    // The server refuses user 0, which a test may well be.
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-user=1000", "--map-group=1000"]).arg(server);
    command.arg("--single").arg("-D").arg(&data).arg("onceproof");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    child.stdin.take().unwrap().write_all(format!("{SQL}\n").as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let row = |line: &str| Some(line.split_once("e = \"")?.1.split_once('"')?.0.to_owned());
    counted(said.lines().filter_map(row))
}

/// The verdict's counts of lost, repeated and foreign effects are those of the sink's rows and the log's dump.
pub(crate) fn agrees(ran: &Ran, stored: &Stored) {
    let mut logged = BTreeSet::new();
    for (log, dump) in dumped(ran) {
        for (offset, value) in &dump.records {
            let value = value.as_ref().unwrap();
            logged.insert(format!("{log}@{offset}={}:{}", value.process, value.seq));
        }
    }
    assert!(logged.len() > 100, "the dump holds records, {}", ran.place());
    let lost = logged.iter().filter(|record| !stored.contains_key(*record)).count();
    let repeated: usize = stored.values().map(|times| times - 1).sum();
    let foreign: usize =
        stored.iter().filter(|(record, _)| !logged.contains(*record)).map(|(_, times)| times).sum();
    assert_eq!(ran.count("lost-effect"), lost, "lost: verdict and sink, {}", ran.told());
    assert_eq!(ran.count("duplicate-effect"), repeated, "repeated: verdict and sink, {}", ran.told());
    assert_eq!(ran.count("phantom-effect"), foreign, "foreign: verdict and sink, {}", ran.told());
}
