//! What journalling costs a Java client: the benchmark of `benches/java/Overhead.java`, compiled against the worker's own
//! classes. `cargo bench -p harness --bench java_overhead -- <bootstrap> <topic>` against a running broker; the topic must
//! exist or be created on demand. `workloads/benches/journal_overhead.rs` measures the same for librdkafka.

#![expect(clippy::disallowed_methods, clippy::print_stdout, reason = "shell: runs javac and java")]

use std::path::Path;
use std::process::Command;

use harness::fetch::Cache;
use harness::javac;
use harness::kafka::java::Java;
use harness::plan::DEFAULT_VERSION;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let [bootstrap, topic] = arguments.as_slice() else {
        println!("java_overhead: skipped, no broker given: -- <bootstrap> <topic>");
        return Ok(());
    };
    let (cache, java) = (Cache::of_user()?, Java::find()?);
    let (release, _) = cache.version(DEFAULT_VERSION)?;
    let worker = javac::worker(&cache, &java, &release, javac::Wanted { version: None, drivers: false })?;
    let at = worker.arguments.iter().position(|argument| argument == "-cp").unwrap_or_default();
    let (flags, class_path) = (&worker.arguments[..at], &worker.arguments[at + 1]);
    let folder = tempfile::tempdir()?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/java/Overhead.java");
    let compiler = java.program.with_file_name("javac");
    let compiled =
        Command::new(compiler).args(["-cp", class_path, "-d"]).arg(folder.path()).arg(source).status()?;
    anyhow::ensure!(compiled.success(), "Overhead.java does not compile");
    let class_path = format!("{}:{class_path}", folder.path().display());
    let flags = flags.iter().filter(|flag| !flag.starts_with("-XX:SharedArchiveFile"));
    let ended = Command::new(&worker.program)
        .args(flags)
        .args(["-cp", &class_path, "onceproof.Overhead", bootstrap, topic])
        .status()?;
    anyhow::ensure!(ended.success(), "the benchmark failed");
    Ok(())
}
