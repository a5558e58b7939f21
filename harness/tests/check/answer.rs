//! Calling the program on files in a folder of their own.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

/// A folder with histories.
pub(crate) struct Folder(TempDir);

/// How a call ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) exit: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// A folder with one file.
    pub(crate) fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = Self::new();
        folder.write(name, content);
        folder
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::write(self.path().join(name), content).unwrap();
    }

    pub(crate) fn call(&self, arguments: &[&str]) -> Ended {
        let output = Command::new(env!("CARGO_BIN_EXE_onceproof"))
            .args(arguments)
            .current_dir(self.path())
            .env("NO_COLOR", "1")
            .output()
            .unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        Ended { exit: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
    }

    /// What `check` says about the file `h`, as JSON, and how it ends.
    pub(crate) fn check(&self, options: &[&str]) -> (i32, Value) {
        let mut arguments = vec!["check", "h", "--message-format", "json"];
        arguments.extend(options);
        let ended = self.call(&arguments);
        let line = ended.out.lines().last().unwrap_or("null");
        let value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {ended:?}"));
        assert!(value != Value::Null, "{ended:?}");
        (ended.exit, value)
    }
}

/// The anomalies of an answer: `name count`, with `!` where forbidden.
pub(crate) fn anomalies(answer: &Value) -> Vec<String> {
    let one = |anomaly: &Value| {
        let forbidden = if anomaly["forbidden"].as_bool().unwrap() { "!" } else { "" };
        format!("{} {}{forbidden}", anomaly["name"].as_str().unwrap(), anomaly["count"])
    };
    answer["anomalies"].as_array().unwrap().iter().map(one).collect()
}
