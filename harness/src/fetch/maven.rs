//! Maven, run as the user would run it: a small generated pom, one goal of one pinned plugin.
//!
//! What is wanted is a list of artifacts, of which one is asked for by the user's version: Kafka itself, or the Java
//! client alone.
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

/// What Maven is to bring.
pub(super) struct Wanted {
    /// What the user calls it.
    what: &'static str,
    /// The artifact whose version the user gave.
    artifact: &'static str,
    /// That version.
    given: String,
    /// The oldest line that is offered where it does not exist.
    oldest: (u32, u32),
    /// Group, artifact, version, and whether it comes without what it depends on.
    dependencies: Vec<(&'static str, &'static str, String, bool)>,
}

impl Wanted {
    /// All that a node needs.
    pub(super) fn kafka(given: &str, version: Version) -> Self {
        let logging: &[(&str, &str, &str)] = if version.major < 4 {
            &[("org.slf4j", "slf4j-reload4j", "1.7.36"), ("ch.qos.reload4j", "reload4j", "1.2.25")]
        } else {
            &[("org.apache.logging.log4j", "log4j-slf4j-impl", "2.24.3")]
        };
        let mut dependencies = vec![
            ("org.apache.kafka", "kafka_2.13", given.to_owned(), false),
            ("org.apache.kafka", "kafka-tools", given.to_owned(), true),
        ];
        dependencies.extend(
            logging
                .iter()
                .map(|(group, artifact, version)| (*group, *artifact, (*version).to_owned(), false)),
        );
        Self { what: "Kafka", artifact: "kafka_2.13", given: given.to_owned(), oldest: (3, 6), dependencies }
    }

    /// All that a Java client needs.
    pub(super) fn java_client(given: &str) -> Self {
        let dependencies = vec![
            ("org.apache.kafka", "kafka-clients", given.to_owned(), false),
            ("org.slf4j", "slf4j-simple", "1.7.36".to_owned(), false),
        ];
        Self {
            what: "the Java client",
            artifact: "kafka-clients",
            given: given.to_owned(),
            oldest: (2, 5),
            dependencies,
        }
    }
}

/// The drivers of databases that sinks are kept in: for SQLite the library itself, for PostgreSQL the protocol.
pub(super) const DRIVERS: &str = "sqlite-3.47.1.0-postgresql-42.7.4";

impl Wanted {
    /// What a Java worker needs for a sink in a database.
    pub(super) fn drivers() -> Self {
        let dependencies = vec![
            ("org.xerial", "sqlite-jdbc", "3.47.1.0".to_owned(), true),
            ("org.postgresql", "postgresql", "42.7.4".to_owned(), true),
        ];
        let (what, artifact, given) = ("the drivers of sinks", "sqlite-jdbc", DRIVERS.to_owned());
        Self { what, artifact, given, oldest: (0, 0), dependencies }
    }
}

/// Why Maven did not do its part.
#[derive(Debug, thiserror::Error)]
pub enum MavenError {
    /// Not installed.
    #[error(
        "mvn is not on PATH, and {what} {version} is not in the cache; install Maven (Debian: apt-get install maven) or name an unpacked distribution with kafka.home"
    )]
    Missing {
        /// What was wanted.
        what: &'static str,
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
    #[error("mvn could not resolve {what} {version}: {said}")]
    Failed {
        /// What was wanted.
        what: &'static str,
        /// The version that was wanted.
        version: String,
        /// Its own words, the lines that say why.
        said: String,
    },
}

/// Resolves what is wanted and copies its jars into `<folder>/libs`.
pub(super) fn copy_jars(wanted: &Wanted, folder: &Path) -> Result<(), FetchError> {
    let (what, given) = (wanted.what, wanted.given.as_str());
    let Some(program) = on_path("mvn") else {
        return Err(MavenError::Missing { what, version: given.to_owned() }.into());
    };
    let pom = folder.join("pom.xml");
    fs::write(&pom, wanted.pom()).map_err(|error| FetchError::File { path: pom.clone(), error })?;
    let goal = format!("{PLUGIN}:copy-dependencies");
    let mut command = Command::new(&program);
    command.args(["-B", "-ntp", "-f"]).arg(&pom).arg(goal).arg("-DincludeScope=runtime");
    command.arg(format!("-DoutputDirectory={}", folder.join("libs").display()));
    let output = run(command, &program)?;
    if output.status.success() {
        return Ok(());
    }
    let said = complaint(&output);
    if said.contains(&format!("{}:jar:{given}", wanted.artifact))
        && (said.contains("Could not find artifact") || said.contains("was not found"))
    {
        let exist = released(&program, wanted).unwrap_or_else(|| KNOWN.map(str::to_owned).to_vec());
        // What the registry lists but does not give is its own failure, not a wrong version.
        if !exist.iter().any(|known| known == given) {
            return Err(FetchError::UnknownVersion {
                what,
                given: given.to_owned(),
                nearest: nearest(given, &exist),
                exist,
            });
        }
    }
    if KNOWN.contains(&given) {
        return Err(MavenError::Failed { what, version: given.to_owned(), said }.into());
    }
    let nearest = nearest(given, &KNOWN.map(str::to_owned));
    Err(FetchError::UnconfirmedVersion { what, given: given.to_owned(), nearest, said })
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

/// All released versions from the oldest line on, by asking the registry for its list through Maven.
fn released(program: &Path, wanted: &Wanted) -> Option<Vec<String>> {
    let mut command = Command::new(program);
    command.args([
        "-B",
        "-ntp",
        "-X",
        &format!("{PLUGIN}:get"),
        &format!("-Dartifact=org.apache.kafka:{}:LATEST:pom", wanted.artifact),
        "-Dtransitive=false",
    ]);
    let output = run(command, program).ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let marker = "Using local repository at ";
    let local =
        text.lines().find_map(|line| line.split_once(marker).map(|(_, path)| path.trim().to_owned()))?;
    let folder = Path::new(&local).join("org/apache/kafka").join(wanted.artifact);
    let mut versions: Vec<(Version, String)> = Vec::new();
    for entry in fs::read_dir(folder).ok()?.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("maven-metadata-") && name.ends_with(".xml") {
            versions.extend(listed(&fs::read_to_string(entry.path()).ok()?, wanted.oldest));
        }
    }
    versions.sort();
    versions.dedup();
    let versions: Vec<String> = versions.into_iter().map(|(_, text)| text).collect();
    (!versions.is_empty()).then_some(versions)
}

fn listed(xml: &str, oldest: (u32, u32)) -> Vec<(Version, String)> {
    let texts = xml.split("<version>").skip(1).filter_map(|rest| rest.split("</version>").next());
    let pairs =
        texts.filter_map(|text| Version::parse(text.trim()).map(|version| (version, text.trim().to_owned())));
    pairs.filter(|(version, text)| (version.major, version.minor) >= oldest && !text.contains('-')).collect()
}

fn nearest(given: &str, exist: &[String]) -> Option<String> {
    let distance = |known: &String| strsim::damerau_levenshtein(given, known);
    // Of equally similar ones the newest, which is the last.
    exist.iter().rev().min_by_key(|known| distance(known)).filter(|known| distance(known) <= 2).cloned()
}

impl Wanted {
    fn pom(&self) -> String {
        let mut dependencies = String::new();
        for (group, artifact, version, alone) in &self.dependencies {
            let alone = if *alone { ALONE } else { "" };
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_logging_backend_follows_the_major_version() {
        let pom = |text: &str| Wanted::kafka(text, Version::parse(text).unwrap()).pom();
        assert!(pom("3.9.1").contains("slf4j-reload4j") && !pom("3.9.1").contains("log4j-slf4j-impl"));
        assert!(pom("4.1.1").contains("log4j-slf4j-impl") && !pom("4.1.1").contains("reload4j"));
    }

    #[test]
    fn a_registry_list_is_read_without_candidates_and_old_lines() {
        let xml = "<versions><version>2.8.0</version>\n<version>3.9.1</version><version>4.2.0-rc1</version></versions>";
        assert_eq!(listed(xml, (3, 6)).into_iter().map(|(_, text)| text).collect::<Vec<_>>(), ["3.9.1"]);
    }

    #[test]
    fn the_most_similar_version_is_offered_and_the_newest_of_equals() {
        let exist = ["3.9.1".to_owned(), "4.1.1".to_owned(), "4.1.2".to_owned()];
        assert_eq!(nearest("4.1.3", &exist).as_deref(), Some("4.1.2"));
        assert_eq!(nearest("14.14.14", &exist), None);
    }
}
