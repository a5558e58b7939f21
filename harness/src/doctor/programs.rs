//! The programs that a run starts: Java, and Maven for fetching Kafka.

#![expect(clippy::disallowed_methods, reason = "shell: asks programs for their version, reads JAVA_HOME")]

use std::path::Path;
use std::process::{Command, Stdio};

use super::{Capability, State};
use crate::sink::postgres;

/// Kafka 4 brokers need this Java; Kafka 3.9 runs on it too.
const JAVA_MIN: u32 = 17;
const INSTALL_JAVA: &str = "sudo apt-get install --no-install-recommends openjdk-17-jdk-headless";
const INSTALL_POSTGRES: &str =
    "sudo apt-get install --no-install-recommends postgresql (only for specs with such a sink)";
const INSTALL_MAVEN: &str =
    "sudo apt-get install --no-install-recommends maven (or set kafka.home in the spec)";

/// What a program prints when asked for its version.
fn says(program: &Path, flag: &str) -> Result<String, String> {
    let output = Command::new(program).arg(flag).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{}: {error}", program.display()))?;
    let text = [output.stdout, output.stderr].concat();
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Major version in the output of `java -version` or `javac -version`.
fn major(text: &str) -> Option<u32> {
    let number = |word: &str| {
        let word = word.trim_matches('"');
        // Java 8 called itself 1.8.
        let word = word.strip_prefix("1.").unwrap_or(word);
        let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
        digits.parse().ok()
    };
    let mut words = text.lines().flat_map(str::split_whitespace);
    words.find_map(|word| if word.starts_with(['"', '1', '2', '3']) { number(word) } else { None })
}

/// Maven's first line without the colours that it gives to whoever reads it: no option of Maven 3 stops it.
fn uncoloured(line: &str) -> String {
    let from = line.find("Apache").unwrap_or(0);
    line[from..].split('\u{1b}').next().unwrap_or_default().trim_end().to_owned()
}

fn java(name: &'static str, when_missing: State) -> Capability {
    let home = std::env::var("JAVA_HOME").ok().map(|home| Path::new(&home).join("bin").join(name));
    let program = home.filter(|path| path.exists()).unwrap_or_else(|| name.into());
    let (state, evidence) = match says(&program, "-version") {
        Err(error) => (when_missing, error),
        Ok(text) => {
            let first = text.lines().find(|line| line.contains("version") || line.contains(name));
            let evidence = format!("{} ({})", first.unwrap_or("says nothing").trim(), program.display());
            let new_enough = major(&text).is_some_and(|major| major >= JAVA_MIN);
            (if new_enough { State::Ok } else { when_missing }, evidence)
        }
    };
    Capability::new(name, state, evidence, Some(INSTALL_JAVA))
}

pub(super) fn examine() -> Vec<Capability> {
    let (state, evidence) = match says(Path::new("mvn"), "-version") {
        Ok(text) => (State::Ok, uncoloured(text.lines().next().unwrap_or_default())),
        Err(error) => (State::Degraded, format!("{error}; only Kafka versions in the cache can be used")),
    };
    let (sink, server) = match postgres::binaries().map_err(|error| error.to_string()) {
        Ok(folder) => match postgres::version(&folder) {
            Ok(version) => (State::Ok, format!("{version} ({})", folder.display())),
            Err(why) => (State::Degraded, format!("{}: {why}", folder.display())),
        },
        Err(_) => (State::Degraded, "no postgres and initdb; no sink of kind \"postgres\"".to_owned()),
    };
    vec![
        java("java", State::Missing),
        java("javac", State::Degraded),
        Capability::new("maven", state, evidence, Some(INSTALL_MAVEN)),
        Capability::new("postgresql", sink, server, Some(INSTALL_POSTGRES)),
    ]
}

#[cfg(test)]
mod tests {
    use super::{major, uncoloured};

    #[test]
    fn mavens_version_is_told_without_colours() {
        assert_eq!(uncoloured("\u{1b}[0m\u{1b}[1mApache Maven 3.8.7\u{1b}[m"), "Apache Maven 3.8.7");
        assert_eq!(uncoloured("Apache Maven 3.9.9 (8e8579a9)"), "Apache Maven 3.9.9 (8e8579a9)");
    }

    #[test]
    fn java_tells_its_version_in_several_ways() {
        assert_eq!(major("openjdk version \"17.0.9\" 2023-10-17\n"), Some(17));
        assert_eq!(major("java version \"1.8.0_392\"\n"), Some(8));
        assert_eq!(major("javac 21\n"), Some(21));
        assert_eq!(major("Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version \"25\" 2025-09-16"), Some(25));
        assert_eq!(major("no such thing"), None);
    }
}
