//! The Java that runs the nodes: found once, its version checked before anything depends on it.
//!
//! `JAVA_HOME` wins over `PATH`, as everywhere in the Java world. The version is read from the `release`
//! file that every JDK since 9 carries, because asking the program costs a JVM start; the program is asked
//! only where that file is missing.

#![expect(clippy::disallowed_methods, reason = "shell: finds and asks the installed Java")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The oldest Java that runs every supported release (Kafka 4.0 and later need 17).
pub const OLDEST: u32 = 17;

/// A usable Java.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Java {
    /// The `java` program, links resolved.
    pub program: PathBuf,
    /// Its full version: `17.0.15`.
    pub version: String,
}

/// Why there is no usable Java.
#[derive(Debug, thiserror::Error)]
pub enum JavaError {
    /// There is none.
    #[error(
        "no java found in {looked}; install a JDK {OLDEST} or newer (Debian: apt-get install openjdk-17-jdk-headless) or set JAVA_HOME"
    )]
    Missing {
        /// Where it was looked for.
        looked: String,
    },
    /// There is one, but it is too old.
    #[error(
        "{program} is Java {version}, and Kafka needs {OLDEST} or newer; install a newer JDK or point JAVA_HOME at one"
    )]
    TooOld {
        /// The program.
        program: PathBuf,
        /// Its version.
        version: String,
    },
    /// It does not say what it is.
    #[error("{program} does not tell its version: {why}")]
    Unreadable {
        /// The program.
        program: PathBuf,
        /// What went wrong.
        why: String,
    },
}

impl Java {
    /// The Java of `JAVA_HOME`, else the first on `PATH`.
    pub fn find() -> Result<Java, JavaError> {
        let home = std::env::var_os("JAVA_HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
        let program = match &home {
            Some(home) => {
                let program = home.join("bin/java");
                program
                    .is_file()
                    .then_some(program)
                    .ok_or_else(|| JavaError::Missing { looked: format!("JAVA_HOME ({})", home.display()) })?
            }
            None => on_path("java")
                .ok_or_else(|| JavaError::Missing { looked: "JAVA_HOME or PATH".to_owned() })?,
        };
        let program = program.canonicalize().unwrap_or(program);
        let version = match release_file(&program) {
            Some(version) => version,
            None => ask(&program)?,
        };
        match major(&version) {
            Some(number) if number >= OLDEST => Ok(Java { program, version }),
            Some(_) => Err(JavaError::TooOld { program, version }),
            None => Err(JavaError::Unreadable { program, why: format!("`{version}` is no version") }),
        }
    }
}

/// The first program of that name on `PATH`.
pub fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn release_file(program: &Path) -> Option<String> {
    let home = program.parent()?.parent()?;
    let text = std::fs::read_to_string(home.join("release")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("JAVA_VERSION="))?;
    Some(line.trim_matches('"').to_owned())
}

fn ask(program: &Path) -> Result<String, JavaError> {
    let unreadable = |why: String| JavaError::Unreadable { program: program.to_owned(), why };
    let output =
        Command::new(program).arg("-version").output().map_err(|error| unreadable(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    let version = text.split('"').nth(1).map(str::to_owned);
    version.ok_or_else(|| unreadable(format!("it printed `{}`", text.lines().next().unwrap_or_default())))
}

/// `17.0.15` → 17, `1.8.0_392` → 8, `21-ea` → 21.
fn major(version: &str) -> Option<u32> {
    let mut numbers = version.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty());
    let first: u32 = numbers.next()?.parse().ok()?;
    if first == 1 { numbers.next()?.parse().ok() } else { Some(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_from_every_form_in_use() {
        for (text, number) in [("17.0.15", 17), ("1.8.0_392", 8), ("21-ea", 21), ("25", 25)] {
            assert_eq!(major(text), Some(number), "{text}");
        }
        assert_eq!(major("unknown"), None);
    }
}
