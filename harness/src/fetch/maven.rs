//! Maven, run as the user would run it: a small generated pom, one goal of one pinned plugin.
//!
//! `kafka_2.13` with runtime scope brings everything a node needs except a logging backend; without one a
//! 4.x broker logs nothing at all. The backend differs by major version because Kafka 4 moved from log4j 1
//! to log4j 2. `kafka-tools` holds the log dumper from 4.2 on; its jar is taken without its many dependencies,
//! since those that the dumper needs come with the core.

#![expect(clippy::disallowed_methods, reason = "shell: runs Maven")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use super::{FetchError, KNOWN};
use crate::kafka::java::on_path;
use crate::kafka::release::Version;

const PLUGIN: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1";

/// Leaves out what an artifact depends on.
const ALONE: &str =
    "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>";

/// Why Maven did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum MavenError {
    /// Not installed.
    #[error(
        "mvn is not on PATH, and Kafka {version} is not in the cache; install Maven (Debian: apt-get install maven) or name an unpacked distribution with kafka.home"
    )]
    Missing {
        /// The version that was wanted.
        version: String,
    },
    /// It could not be started.
    #[error("{program} cannot be started: {error}")]
    Start {
        /// The program.
        program: PathBuf,
        /// What went wrong.
        error: std::io::Error,
    },
    /// It ran and failed.
    #[error("mvn could not resolve Kafka {version}: {said}")]
    Failed {
        /// The version that was wanted.
        version: String,
        /// Its own words, the lines that say why.
        said: String,
    },
}

/// Resolves a version and copies its jars into `<folder>/libs`.
pub(super) fn copy_jars(given: &str, version: Version, folder: &Path) -> Result<(), FetchError> {
    let Some(program) = on_path("mvn") else {
        return Err(MavenError::Missing { version: given.to_owned() }.into());
    };
    let pom = folder.join("pom.xml");
    fs::write(&pom, pom_text(given, version))
        .map_err(|error| FetchError::File { path: pom.clone(), error })?;
    let goal = format!("{PLUGIN}:copy-dependencies");
    let mut command = Command::new(&program);
    command.args(["-B", "-ntp", "-f"]).arg(&pom).arg(goal).arg("-DincludeScope=runtime");
    command.arg(format!("-DoutputDirectory={}", folder.join("libs").display()));
    let output = run(command, &program)?;
    if output.status.success() {
        return Ok(());
    }
    let said = complaint(&output);
    if said.contains(&format!("kafka_2.13:jar:{given}"))
        && (said.contains("Could not find artifact") || said.contains("was not found"))
    {
        let exist = released(&program).unwrap_or_else(|| KNOWN.map(str::to_owned).to_vec());
        // What the registry lists but does not give is its own failure, not a wrong version.
        if !exist.iter().any(|known| known == given) {
            return Err(FetchError::UnknownVersion {
                given: given.to_owned(),
                nearest: nearest(given, &exist),
                exist,
            });
        }
    }
    if KNOWN.contains(&given) {
        return Err(MavenError::Failed { version: given.to_owned(), said }.into());
    }
    let nearest = nearest(given, &KNOWN.map(str::to_owned));
    Err(FetchError::UnconfirmedVersion { given: given.to_owned(), nearest, said })
}

fn run(mut command: Command, program: &Path) -> Result<Output, MavenError> {
    command.stdin(Stdio::null());
    crate::bound::to_this_life(&mut command)
        .output()
        .map_err(|error| MavenError::Start { program: program.to_owned(), error })
}

/// The lines that Maven marks as errors, without its advice to run it again.
fn complaint(output: &Output) -> String {
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let mut lines: Vec<&str> = Vec::new();
    for line in text.lines() {
        let plain = line.trim_start_matches("\u{1b}[0m").trim();
        let Some(said) = plain.strip_prefix("[ERROR]").map(str::trim) else { continue };
        if said.is_empty()
            || said.starts_with("To see the full")
            || said.starts_with("Re-run Maven")
            || said.starts_with("For more information")
            || said.starts_with("[Help")
        {
            continue;
        }
        lines.push(said.trim_end_matches("-> [Help 1]").trim_end());
    }
    if lines.is_empty() {
        format!("it ended with {} and no error line", output.status)
    } else {
        lines.join("; ")
    }
}

/// All released versions from 3.6 on, by asking the registry for its list through Maven.
fn released(program: &Path) -> Option<Vec<String>> {
    let mut command = Command::new(program);
    command.args([
        "-B",
        "-ntp",
        "-X",
        &format!("{PLUGIN}:get"),
        "-Dartifact=org.apache.kafka:kafka_2.13:LATEST:pom",
        "-Dtransitive=false",
    ]);
    let output = run(command, program).ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let marker = "Using local repository at ";
    let local =
        text.lines().find_map(|line| line.split_once(marker).map(|(_, path)| path.trim().to_owned()))?;
    let folder = Path::new(&local).join("org/apache/kafka/kafka_2.13");
    let mut versions: Vec<(Version, String)> = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("maven-metadata-") && name.ends_with(".xml") {
            versions.extend(listed(&fs::read_to_string(entry.path()).ok()?));
        }
    }
    versions.sort();
    versions.dedup();
    let versions: Vec<String> = versions.into_iter().map(|(_, text)| text).collect();
    (!versions.is_empty()).then_some(versions)
}

fn listed(xml: &str) -> Vec<(Version, String)> {
    let texts = xml.split("<version>").skip(1).filter_map(|rest| rest.split("</version>").next());
    let pairs =
        texts.filter_map(|text| Version::parse(text.trim()).map(|version| (version, text.trim().to_owned())));
    pairs.filter(|(version, text)| (version.major, version.minor) >= (3, 6) && !text.contains('-')).collect()
}

fn nearest(given: &str, exist: &[String]) -> Option<String> {
    let distance = |known: &String| strsim::damerau_levenshtein(given, known);
    // Of equally similar ones the newest, which is the last.
    exist.iter().rev().min_by_key(|known| distance(known)).filter(|known| distance(known) <= 2).cloned()
}

fn pom_text(given: &str, version: Version) -> String {
    let logging: &[(&str, &str, &str)] = if version.major < 4 {
        &[("org.slf4j", "slf4j-reload4j", "1.7.36"), ("ch.qos.reload4j", "reload4j", "1.2.25")]
    } else {
        &[("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")]
    };
    let kafka = [("org.apache.kafka", "kafka_2.13", given), ("org.apache.kafka", "kafka-tools", given)];
    let mut dependencies = String::new();
    for (group, artifact, version) in kafka.iter().chain(logging) {
        let alone = if *artifact == "kafka-tools" { ALONE } else { "" };
        dependencies.push_str(&format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId>\
             <version>{version}</version>{alone}</dependency>\n"
        ));
    }
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">\n  <modelVersion>4.0.0</modelVersion>\n  \
         <groupId>onceproof</groupId>\n  <artifactId>kafka-jars</artifactId>\n  <version>1</version>\n  \
         <packaging>pom</packaging>\n  <dependencies>\n{dependencies}  </dependencies>\n</project>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logging_backend_follows_the_major_version() {
        let pom = |text: &str| pom_text(text, Version::parse(text).unwrap());
        assert!(pom("3.9.1").contains("slf4j-reload4j") && !pom("3.9.1").contains("log4j-slf4j-impl"));
        assert!(pom("4.1.1").contains("log4j-slf4j-impl") && !pom("4.1.1").contains("reload4j"));
    }

    #[test]
    fn a_registry_list_is_read_without_candidates_and_old_lines() {
        let xml = "<versions><version>2.8.0</version>\n<version>3.9.1</version><version>4.2.0-rc1</version></versions>";
        assert_eq!(listed(xml).into_iter().map(|(_, text)| text).collect::<Vec<_>>(), ["3.9.1"]);
    }

    #[test]
    fn the_most_similar_version_is_offered_and_the_newest_of_equals() {
        let exist = ["3.9.1".to_owned(), "4.1.1".to_owned(), "4.1.2".to_owned()];
        assert_eq!(nearest("4.1.3", &exist).as_deref(), Some("4.1.2"));
        assert_eq!(nearest("14.14.14", &exist), None);
    }
}
