//! Java workers: the client's jars, and the workers' sources compiled against them, from the cache.
//!
//! A spec may ask for any version of the Java client, so the sources in this program (`workloads::java`) are compiled
//! when a version is first used, once for each client version, Java and state of the sources, and kept. Two runs that
//! want the same wait for each other; the folder appears by rename, so one that exists is complete. The client's jars
//! are those of a Kafka release of that version where there is one, else Maven brings them as it brings Kafka itself.

#![expect(clippy::disallowed_methods, reason = "shell: runs javac and java")]

mod archive;
mod drivers;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde::{Deserialize, Serialize};
use workloads::java::SOURCES;
use xxhash_rust::xxh3::Xxh3Default;

use crate::fetch::{Cache, FetchError};
use crate::kafka::java::Java;
use crate::kafka::release::Release;

/// Flags of a worker's JVM. A client is small beside a broker, and starts often: the first compiler and the serial
/// collector start fastest, and keep 100,000 records a second.
const FLAGS: [&str; 9] = [
    "-Xms32m",
    "-Xmx160m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:MaxDirectMemorySize=64m",
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:-UsePerfData",
    "-Djava.awt.headless=true",
];

/// Beginnings of the names of a release's jars that its client needs, a backend for its log among them.
const OF_A_CLIENT: [&str; 10] = [
    "kafka-clients-",
    "lz4-java-",
    "snappy-java-",
    "zstd-jni-",
    "slf4j-api-",
    "slf4j-reload4j-",
    "reload4j-",
    "log4j-slf4j-impl-",
    "log4j-api-",
    "log4j-core-",
];

/// The compiled classes: a jar, because the JVM archives no classes of a folder.
const JAR: &str = "worker.jar";

/// A worker of the Java family, ready to be started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct JavaWorker {
    /// The `java` program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
}

/// Why there is no worker for a client version.
#[derive(Debug, thiserror::Error)]
pub enum JavacError {
    /// The client's jars.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// There is a Java but no compiler.
    #[error(
        "{program} has no javac beside it, which family = \"java\" needs; install a JDK (Debian: apt-get install openjdk-17-jdk-headless) or point JAVA_HOME at one"
    )]
    NoCompiler {
        /// The `java` program.
        program: PathBuf,
    },
    /// The sources do not compile against this client.
    #[error(
        "the Java worker does not compile against client version {version}: javac says: {said}; client versions from 2.5.0 on should work"
    )]
    DoesNotCompile {
        /// The client's version.
        version: String,
        /// The compiler's first errors.
        said: String,
    },
    /// A file of the cache.
    #[error("{path}: {error}")]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        error: io::Error,
    },
}

/// What a worker is to be made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'w> {
    /// The client's version; none is the broker's own.
    pub version: Option<&'w str>,
    /// Whether it needs the drivers of databases.
    pub drivers: bool,
}

/// Compiles, or finds compiled, the worker for a client version.
///
/// # Errors
/// [`JavacError`].
pub fn worker(
    cache: &Cache,
    java: &Java,
    release: &Release,
    wanted: Wanted<'_>,
) -> Result<JavaWorker, JavacError> {
    let version = wanted.version;
    let own = version.is_none_or(|version| version == release.version.to_string());
    let (label, jars) = match version {
        Some(version) if !own => {
            // A release that was fetched before brings its client.
            let jars = match cache.cached(version)? {
                Some(other) => of_release(&other),
                None => cache.java_client(version)?,
            };
            (version.to_owned(), jars)
        }
        Some(_) | None => (release.label.clone(), of_release(release)),
    };
    let name = format!("{label}-{:016x}", key(java, &jars));
    let folder = cache.root.join("java-workers").join(&name);
    if !folder.is_dir() {
        let _lock = cache.lock(&format!("java-worker-{name}"))?;
        if !folder.is_dir() {
            compile(java, &label, &jars, &folder)?;
        }
    }
    let mut class_path = class_path(&folder.join(JAR), &jars);
    let mut arguments: Vec<String> = FLAGS.iter().map(|flag| (*flag).to_owned()).collect();
    arguments.extend(archive::option(&folder));
    if wanted.drivers {
        // Behind all others, so that the archive stays valid.
        let drivers = drivers::of(cache, java)?;
        class_path.push_str(&drivers.class_path);
        arguments.extend(drivers.options);
    }
    arguments.extend(["-cp".to_owned(), class_path, workloads::java::MAIN.to_owned()]);
    Ok(JavaWorker { program: java.program.clone(), arguments })
}

/// The jars of a release that its client needs.
fn of_release(release: &Release) -> Vec<PathBuf> {
    let is_needed = |jar: &&PathBuf| {
        let name = jar.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        OF_A_CLIENT.iter().any(|start| name.starts_with(start))
    };
    release.jars.iter().filter(is_needed).cloned().collect()
}

/// What the compiled classes depend on: sources, Java, jars, and how they are kept.
fn key(java: &Java, jars: &[PathBuf]) -> u64 {
    let mut hash = Xxh3Default::new();
    // What the folder holds: another layout is another folder.
    hash.update(JAR.as_bytes());
    for source in SOURCES {
        hash.update(source.path.as_bytes());
        hash.update(source.text.as_bytes());
    }
    for flag in FLAGS {
        hash.update(flag.as_bytes());
    }
    hash.update(java.program.as_os_str().as_encoded_bytes());
    hash.update(java.version.as_bytes());
    for jar in jars {
        hash.update(jar.as_os_str().as_encoded_bytes());
    }
    hash.digest()
}

fn class_path(classes: &Path, jars: &[PathBuf]) -> String {
    let parts = std::iter::once(classes).chain(jars.iter().map(PathBuf::as_path));
    parts.map(|part| part.display().to_string()).collect::<Vec<_>>().join(":")
}

/// Compiles into a folder that appears as a whole. The caller holds the lock.
fn compile(java: &Java, label: &str, jars: &[PathBuf], folder: &Path) -> Result<(), JavacError> {
    let compiler = java.program.with_file_name("javac");
    if !compiler.is_file() {
        return Err(JavacError::NoCompiler { program: java.program.clone() });
    }
    // One name, not one for each process: what a killed holder of the lock left is replaced here.
    let fresh = folder.with_extension("new");
    let failed = |error| JavacError::File { path: fresh.clone(), error };
    let _ = fs::remove_dir_all(&fresh);
    let mut arguments: Vec<OsString> =
        ["--release", "11", "-proc:none", "-nowarn", "-Xlint:-options", "-d"].map(OsString::from).to_vec();
    arguments.push(fresh.join("classes").into());
    arguments.push("-cp".into());
    arguments.push(class_path(&fresh.join("classes"), jars).into());
    for source in SOURCES {
        let path = fresh.join("sources").join(source.path);
        fs::create_dir_all(path.parent().unwrap_or(&fresh)).map_err(failed)?;
        fs::write(&path, source.text).map_err(failed)?;
        if source.path.ends_with(".java") {
            arguments.push(path.into());
        } else {
            fs::create_dir_all(fresh.join("classes")).map_err(failed)?;
            fs::write(fresh.join("classes").join(source.path), source.text).map_err(failed)?;
        }
    }
    let output = run(&compiler, &arguments).map_err(failed)?;
    if !output.status.success() {
        let said = complaint(&output, &fresh);
        let _ = fs::remove_dir_all(&fresh);
        return Err(JavacError::DoesNotCompile { version: label.to_owned(), said });
    }
    let mut packing: Vec<OsString> = vec!["--create".into(), "--file".into(), fresh.join(JAR).into()];
    packing.extend(["-C".into(), fresh.join("classes").into(), ".".into()]);
    let packed = run(&java.program.with_file_name("jar"), &packing).map_err(failed)?;
    if !packed.status.success() {
        let said = String::from_utf8_lossy(&packed.stderr).trim().to_owned();
        return Err(failed(io::Error::other(format!("jar says: {said}"))));
    }
    fs::remove_dir_all(fresh.join("classes")).map_err(failed)?;
    fs::rename(&fresh, folder).map_err(failed)?;
    // Its place is part of what an archive is valid for, so it is made last; without one workers only start more slowly.
    archive::make(java, folder, &FLAGS, &class_path(&folder.join(JAR), jars));
    Ok(())
}

fn run(program: &Path, arguments: &[OsString]) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null());
    crate::bound::to_this_life(&mut command).output()
}

/// The compiler's first errors, without the place of the cache.
fn complaint(output: &Output, folder: &Path) -> String {
    let text = String::from_utf8_lossy(&output.stderr).replace(&format!("{}/sources/", folder.display()), "");
    let errors: Vec<&str> = text.lines().filter(|line| line.contains(": error: ")).take(3).collect();
    if errors.is_empty() { text.lines().next().unwrap_or("nothing").to_owned() } else { errors.join("; ") }
}
