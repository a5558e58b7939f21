//! The Java workers: the bytes that they write are those of the Rust writers, a kill at any moment leaves a readable
//! journal, and both client families record the same operations for the same script on a real broker.
//!
//! Needs a JDK and the newest release in the cache (`./test` fetches it), and no network.

#![expect(clippy::disallowed_methods, reason = "shell: compiles Java, starts workers and a broker")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod java {
    pub(crate) mod conversation;
    pub(crate) mod journals;
    pub(crate) mod vectors;
}

use std::path::PathBuf;

use harness::fetch::Cache;
use harness::javac::{self, JavaWorker, JavacError, Wanted};
use harness::kafka::java::Java;
use harness::kafka::release::Release;

/// The newest release that every change is tested with.
pub(crate) const NEW: &str = "4.3.1";

fn wanted(version: Option<&str>) -> Wanted<'_> {
    Wanted { version, drivers: false }
}

/// The compiled worker, and the release whose client it uses.
pub(crate) fn compiled() -> (JavaWorker, Release) {
    let cache = Cache::of_user().unwrap();
    let (release, _) = cache.version(NEW).unwrap();
    let java = Java::find().unwrap();
    let worker = javac::worker(&cache, &java, &release, wanted(None)).unwrap();
    let own = javac::worker(&cache, &java, &release, wanted(Some(NEW))).unwrap();
    let archived = worker.arguments.iter().any(|argument| argument.starts_with("-XX:SharedArchiveFile="));
    assert!(archived, "a worker starts from a class archive");
    assert_eq!(own, worker, "the broker's own version is the broker's own client");
    (worker, release)
}

#[test]
fn sources_that_do_not_compile_are_named_with_the_version_and_the_compilers_words() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache { root: folder.path().to_owned() };
    let (_, release) = compiled();
    let bare = Release { jars: Vec::new(), label: "9.8.7".into(), ..release };
    let error = javac::worker(&cache, &Java::find().unwrap(), &bare, wanted(None)).unwrap_err();
    let JavacError::DoesNotCompile { version, said } = &error else { panic!("{error}") };
    assert_eq!(version, "9.8.7");
    assert!(said.contains("onceproof/") && said.contains("does not exist"), "{said}");
    assert!(!said.contains(folder.path().to_str().unwrap()), "no path of the cache: {said}");
    let left: Vec<PathBuf> = std::fs::read_dir(folder.path().join("java-workers"))
        .map(|entries| entries.map(|entry| entry.unwrap().path()).collect())
        .unwrap_or_default();
    assert!(left.is_empty(), "nothing half-made stays: {left:?}");
}

/// Against the newest client, which deprecates the most. A user's own newer client may deprecate more, so what is
/// compiled at first use is not held to this.
#[test]
fn the_sources_compile_without_a_warning() {
    let folder = tempfile::tempdir().unwrap();
    let (_, release) = compiled();
    let sources = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../workloads/java/onceproof");
    let sources = std::fs::read_dir(sources).unwrap().map(|file| file.unwrap().path());
    let jars = std::env::join_paths(&release.jars).unwrap();
    let mut javac = std::process::Command::new(Java::find().unwrap().program.with_file_name("javac"));
    javac.args(["--release", "11", "-Xlint:all", "-Werror", "-proc:none", "-d"]).arg(folder.path());
    let output = javac.arg("-cp").arg(jars).args(sources).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_java_without_a_compiler_is_an_error_that_names_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let cache = Cache { root: folder.path().to_owned() };
    let (_, release) = compiled();
    let java = Java { program: folder.path().join("bin/java"), version: "17.0.1".into() };
    let error = javac::worker(&cache, &java, &release, wanted(None)).unwrap_err();
    assert!(matches!(error, JavacError::NoCompiler { .. }), "{error}");
    assert!(error.to_string().contains("openjdk-17-jdk-headless"), "{error}");
}
