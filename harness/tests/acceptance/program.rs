//! The program under test, called as a user calls it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};

use serde_json::Value;
use tempfile::TempDir;

/// One cluster at a time: two of them make each other late on two cores.
static TURN: Mutex<()> = Mutex::new(());

/// The program, with a store of its own or one that stays.
pub(crate) struct Program {
    place: PathBuf,
    /// Keeps a store of its own until the last run in it was looked at.
    own: Option<Rc<TempDir>>,
}

/// A run that came to an end.
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) verdict: Value,
    pub(crate) folder: PathBuf,
    /// How long it took.
    pub(crate) seconds: u64,
    errors: String,
    _own: Option<Rc<TempDir>>,
}

impl Program {
    pub(crate) fn new() -> Self {
        let own = tempfile::tempdir().unwrap();
        Self { place: own.path().to_owned(), own: Some(Rc::new(own)) }
    }

    /// Runs are kept in this folder's `store`.
    pub(crate) fn at(place: &Path) -> Self {
        std::fs::create_dir_all(place).unwrap();
        Self { place: place.to_owned(), own: None }
    }

    /// Calls it; exit status and standard output.
    pub(crate) fn call(&self, arguments: &[&str]) -> (i32, String) {
        let (exit, out, _) = self.command(arguments);
        (exit, out)
    }

    fn command(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = Command::new(env!("CARGO_BIN_EXE_onceproof"))
            .args(arguments)
            .stdin(Stdio::null())
            .current_dir(&self.place)
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    /// Runs a spec on a Kafka version and reads its verdict from the last line and from the store: they must be equal.
    pub(crate) fn run(&self, spec: &str, version: &str, seed: u64) -> Ran {
        self.run_set(spec, version, seed, &[])
    }

    /// The same with values of the spec set, each as `key=value`.
    pub(crate) fn run_set(&self, spec: &str, version: &str, seed: u64, set: &[String]) -> Ran {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let (version, seed) = (format!("kafka.version={version}"), seed.to_string());
        let mut arguments = vec!["run", spec, "--seed", &seed, "--set", &version, "--message-format", "json"];
        arguments.extend(set.iter().flat_map(|set| ["--set", set]));
        // A store that stays would fill up with the brokers' data.
        arguments.extend(self.own.is_some().then_some("--keep-data"));
        let begun = std::time::Instant::now();
        let (exit, out, errors) = self.command(&arguments);
        let seconds = begun.elapsed().as_secs();
        let line = out.trim().lines().last().unwrap_or_default();
        let verdict: Value = serde_json::from_str(line)
            .unwrap_or_else(|error| panic!("{spec} on {version}: no verdict ({error}): {out}\n{errors}"));
        let folder = self.place.join("store/latest").canonicalize().unwrap();
        let stored: Value =
            serde_json::from_str(&std::fs::read_to_string(folder.join("verdict.json")).unwrap()).unwrap();
        assert_eq!(verdict, stored, "what is printed is what is stored");
        Ran { exit, verdict, folder, seconds, errors, _own: self.own.clone() }
    }
}

impl Ran {
    /// The verdict's text under a key.
    pub(crate) fn text(&self, key: &str) -> String {
        self.verdict[key].as_str().unwrap_or_default().to_owned()
    }

    /// A number somewhere in the verdict.
    pub(crate) fn number(&self, path: &[&str]) -> usize {
        let found = path.iter().fold(&self.verdict, |value, key| &value[key]);
        usize::try_from(found.as_u64().unwrap_or_else(|| panic!("no number at {path:?}"))).unwrap()
    }

    /// How often an anomaly was observed.
    pub(crate) fn count(&self, anomaly: &str) -> usize {
        let anomalies = self.verdict["anomalies"].as_array().unwrap();
        let found = anomalies.iter().find(|found| found["name"] == anomaly);
        usize::try_from(found.map_or(0, |found| found["count"].as_u64().unwrap())).unwrap()
    }

    /// Names of what the claim forbids and the run showed.
    pub(crate) fn forbidden(&self) -> Vec<String> {
        let anomalies = self.verdict["anomalies"].as_array().unwrap().iter();
        let forbidden = anomalies.filter(|found| found["forbidden"] == true);
        forbidden.map(|found| found["name"].as_str().unwrap().to_owned()).collect()
    }

    /// A counter of the first fault's ledger entry; 0 where it is not there.
    pub(crate) fn counter(&self, name: &str) -> usize {
        usize::try_from(self.verdict["faults"][0]["counters"][name].as_u64().unwrap_or(0)).unwrap()
    }

    /// The run directory, for messages.
    pub(crate) fn place(&self) -> String {
        self.folder.display().to_string()
    }

    /// A file of the run directory.
    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.join(name)).unwrap()
    }

    /// What the run reported, for messages.
    pub(crate) fn told(&self) -> String {
        format!("{}\n{}", self.read("report.txt"), self.errors)
    }
}
