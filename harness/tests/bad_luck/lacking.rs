//! What the machine lacks, and what does not exist: said before anything starts, with the fix.

use std::path::Path;

use super::executable;
use super::stage::{Ended, Stage, ended};

/// A call with nothing in the cache and nothing on `PATH` but what is in the stage's `bin`.
fn poor(stage: &Stage, arguments: &[&str], java: Option<&Path>) -> Ended {
    let mut command = stage.command(arguments);
    command.env("PATH", stage.path().join("bin")).env("XDG_CACHE_HOME", stage.path().join("cache"));
    match java {
        Some(home) => command.env("JAVA_HOME", home),
        None => command.env_remove("JAVA_HOME"),
    };
    ended(command)
}

/// The home of the Java that the other tests use.
fn java_home() -> std::path::PathBuf {
    let java = harness::kafka::java::Java::find().unwrap();
    java.program.parent().unwrap().parent().unwrap().to_owned()
}

#[track_caller]
fn says(ended: &Ended, exit: i32, words: &[&str]) {
    assert_eq!(ended.exit, exit, "{ended:?}");
    for word in words {
        assert!(ended.err.contains(word), "{word:?} is missing: {}", ended.err);
    }
    assert!(!ended.err.contains("panicked"), "{}", ended.err);
}

#[test]
fn a_missing_jdk_is_named_with_the_fix() {
    let stage = Stage::new();
    let fix = ["no java found", "apt-get install openjdk-17-jdk-headless", "JAVA_HOME"];
    says(&poor(&stage, &["run", "short.toml"], None), 69, &fix);
    let elsewhere = stage.path().join("no-jdk");
    says(&poor(&stage, &["run", "short.toml"], Some(&elsewhere)), 69, &["JAVA_HOME", "no-jdk"]);
    assert_eq!(stage.latest(), None, "no run was begun");
}

#[test]
fn an_old_jdk_is_named_with_its_version() {
    let stage = Stage::new();
    let old = stage.path().join("jdk-11");
    std::fs::create_dir_all(old.join("bin")).unwrap();
    executable(&old.join("bin/java"), "exit 1");
    std::fs::write(old.join("release"), "JAVA_VERSION=\"11.0.2\"\n").unwrap();
    let words = ["is Java 11.0.2, and Kafka needs 17", "install a newer JDK"];
    says(&poor(&stage, &["run", "short.toml"], Some(&old)), 69, &words);
}

#[test]
fn a_missing_maven_is_named_with_the_fix() {
    let stage = Stage::new();
    let fix = ["mvn is not on PATH", "4.3.1 is not in the cache", "apt-get install maven", "kafka.home"];
    says(&poor(&stage, &["run", "short.toml"], Some(&java_home())), 69, &fix);
    says(&poor(&stage, &["fetch", "4.3.1"], None), 69, &fix);
}

#[test]
fn a_maven_without_network_is_quoted() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path().join("bin")).unwrap();
    executable(
        &stage.path().join("bin/mvn"),
        "echo '[ERROR] Failed to execute goal: Unknown host repo.example -> [Help 1]'; exit 1",
    );
    let words = ["mvn could not resolve Kafka 4.3.1", "Unknown host repo.example"];
    says(&poor(&stage, &["run", "short.toml"], Some(&java_home())), 69, &words);
    says(&poor(&stage, &["fetch", "4.3.1"], None), 69, &words);
    // Whether it exists cannot be asked, so what is known is told.
    let words = ["4.1.9 is none of the releases", "did you mean 4.1.", "Unknown host", "known: 3.6.0"];
    let unknown = ["run", "short.toml", "--set", "kafka.version=4.1.9"];
    says(&poor(&stage, &unknown, Some(&java_home())), 64, &words);
    says(&poor(&stage, &["fetch", "4.1.9"], None), 64, &words);
    let left = std::fs::read_dir(stage.path().join("cache/onceproof/kafka")).unwrap().count();
    assert_eq!(left, 0, "nothing half-fetched stays in the cache");
}

#[test]
fn a_version_that_is_none_is_a_usage_error() {
    let stage = Stage::new();
    for version in ["4.x", "latest", "4.1", "../../etc"] {
        says(&poor(&stage, &["fetch", version], None), 64, &[version, "4.1.1"]);
        let set = format!("kafka.version=\"{version}\"");
        says(&poor(&stage, &["run", "short.toml", "--set", &set], Some(&java_home())), 64, &[version]);
    }
    assert_eq!(stage.latest(), None, "no run was begun");
}

#[test]
fn two_fetches_at_once_resolve_once() {
    let stage = Stage::new();
    std::fs::create_dir(stage.path().join("bin")).unwrap();
    // Counts the calls and stands for Maven's work: it takes the jars from this user's own cache.
    let cached = harness::fetch::Cache::of_user().unwrap().root.join("kafka/4.3.1/libs");
    let calls = stage.path().join("calls");
    let script = format!(
        "PATH=/usr/bin:/bin; echo call >> {}; for word in \"$@\"; do case \"$word\" in -DoutputDirectory=*) \
         mkdir -p \"${{word#*=}}\" && cp {}/*.jar \"${{word#*=}}\";; esac; done",
        calls.display(),
        cached.display()
    );
    executable(&stage.path().join("bin/mvn"), &script);
    let fetches: Vec<Ended> = std::thread::scope(|scope| {
        let one = || poor(&stage, &["fetch", "4.3.1", "--message-format", "json"], None);
        let threads: Vec<_> = (0..3).map(|_| scope.spawn(one)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let fetched = fetches.iter().filter(|ended| ended.out.contains("\"fetched\":true")).count();
    assert!(fetches.iter().all(|ended| ended.exit == 0), "{fetches:?}");
    assert_eq!(fetched, 1, "{fetches:?}");
    assert_eq!(std::fs::read_to_string(calls).unwrap(), "call\n");
}

#[test]
fn a_store_that_cannot_be_written_is_named() {
    let stage = Stage::new();
    std::fs::write(stage.path().join("file"), "").unwrap();
    let ended = stage.call(&["run", "short.toml", "--store", "file/store"]);
    says(&ended, 70, &["file/store", "Not a directory"]);
}
