//! The command line of a node: the flags that make four JVMs start in seconds on two cores.
//!
//! The first compiler alone and the serial collector start fastest and stay small; a class archive halves
//! the rest. An archive is only valid for the same class path and the same collector, which is why the flags
//! that matter to it are listed apart and are part of its name.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use super::java::Java;
use super::release::Release;

/// Flags that a class archive depends on.
pub const ARCHIVE_FLAGS: [&str; 2] = ["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"];

/// How a node uses a class archive.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum ArchiveUse {
    /// Not at all.
    None,
    /// Starts from it.
    Read(PathBuf),
    /// Writes it when it ends in good order.
    Write(PathBuf),
}

/// What a node's JVM is started with.
#[derive(Clone, Debug)]
pub struct Jvm<'a> {
    /// The Java.
    pub java: &'a Java,
    /// The jars.
    pub release: &'a Release,
    /// Largest heap, in MiB.
    pub heap_mib: u32,
    /// Its class archive.
    pub archive: &'a ArchiveUse,
}

impl Jvm<'_> {
    /// Arguments of `java` up to and including the main class.
    ///
    /// `logs` is the node's folder for logs, `logging` the option that names its logging configuration, and
    /// `life` counts the starts of the node, so that each has its own GC log.
    pub fn arguments(&self, class: &str, logs: &Path, logging: &str, life: u32) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = Vec::new();
        let gc = logs.join(format!("gc-{life}.log"));
        let flags = [
            format!("-Xms{}m", self.heap_mib.min(64)),
            format!("-Xmx{}m", self.heap_mib),
            "-Xss512k".to_owned(),
            "-XX:MaxDirectMemorySize=64m".to_owned(),
            "-XX:+ExitOnOutOfMemoryError".to_owned(),
            "-XX:-UsePerfData".to_owned(),
            "-Djava.awt.headless=true".to_owned(),
            format!("-Dkafka.logs.dir={}", logs.display()),
            format!("-Xlog:gc*,safepoint:file={}:time,uptimenanos,level,tags:filecount=0", gc.display()),
            logging.to_owned(),
        ];
        arguments.extend(ARCHIVE_FLAGS.iter().map(OsString::from));
        arguments.extend(flags.into_iter().map(OsString::from));
        match self.archive {
            ArchiveUse::None => {}
            ArchiveUse::Read(path) => arguments.push(option("-XX:SharedArchiveFile=", path)),
            ArchiveUse::Write(path) => arguments.push(option("-XX:ArchiveClassesAtExit=", path)),
        }
        arguments.push("-cp".into());
        arguments.push(self.release.class_path());
        arguments.push(class.into());
        arguments
    }
}

fn option(name: &str, path: &Path) -> OsString {
    let mut option = OsString::from(name);
    option.push(path);
    option
}
