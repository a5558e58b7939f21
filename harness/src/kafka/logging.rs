//! Where a node's own log goes: one file in the run directory, whatever logging library the release uses.
//!
//! Kafka 3.x logs through log4j 1 (reload4j), 4.x through log4j 2. Both get the plain properties form, which
//! needs no further parser, and the same pattern, so that one reader finds the last error of either.

use std::path::Path;

use super::release::Version;

/// The node's log, in its folder.
pub const SERVER_LOG: &str = "server.log";
/// What the JVM itself prints, in its folder.
pub const CONSOLE_LOG: &str = "console.log";

const PATTERN: &str = "[%d{ISO8601}] %p %m (%c)%n";

/// Name and text of the configuration file, and the JVM option that names it.
pub fn configuration(version: Version, logs: &Path) -> (&'static str, String, &'static str) {
    let file = logs.join(SERVER_LOG).display().to_string();
    if version.major < 4 {
        let text = format!(
            "log4j.rootLogger=INFO, file\nlog4j.appender.file=org.apache.log4j.FileAppender\n\
             log4j.appender.file.File={file}\nlog4j.appender.file.Append=true\n\
             log4j.appender.file.layout=org.apache.log4j.PatternLayout\n\
             log4j.appender.file.layout.ConversionPattern={PATTERN}\n\
             log4j.logger.org.apache.zookeeper=WARN\nlog4j.logger.kafka.request.logger=WARN\n"
        );
        ("log4j.properties", text, "-Dlog4j.configuration=file:")
    } else {
        let text = format!(
            "appender.file.type=File\nappender.file.name=file\nappender.file.fileName={file}\n\
             appender.file.append=true\nappender.file.layout.type=PatternLayout\n\
             appender.file.layout.pattern={PATTERN}\nrootLogger.level=INFO\n\
             rootLogger.appenderRef.file.ref=file\nlogger.request.name=kafka.request.logger\nlogger.request.level=WARN\n"
        );
        ("log4j2.properties", text, "-Dlog4j2.configurationFile=file:")
    }
}

/// The last error of a node: the last `FATAL` or `ERROR` line of its log with the exception that follows it,
/// else the last lines that the JVM printed.
pub fn last_error(logs: &Path) -> Option<String> {
    let server = std::fs::read(logs.join(SERVER_LOG)).unwrap_or_default();
    let server = String::from_utf8_lossy(&server);
    let lines: Vec<&str> = server.lines().collect();
    let is = |line: &str, level: &str| line.split_once("] ").is_some_and(|(_, rest)| rest.starts_with(level));
    let at = lines.iter().rposition(|line| is(line, "FATAL ") || is(line, "ERROR "));
    if let Some(at) = at {
        let causes = lines[at + 1..].iter().take_while(|line| !line.starts_with('['));
        let causes = causes
            .filter(|line| !line.trim_start().starts_with("at ") && !line.trim_start().starts_with("..."));
        let said = std::iter::once(&lines[at]).chain(causes.take(4)).map(|line| line.trim());
        return Some(said.collect::<Vec<_>>().join(" | "));
    }
    let console = std::fs::read(logs.join(CONSOLE_LOG)).unwrap_or_default();
    let console = String::from_utf8_lossy(&console);
    let tail: Vec<&str> = console.lines().rev().filter(|line| !line.trim().is_empty()).take(3).collect();
    (!tail.is_empty()).then(|| tail.into_iter().rev().collect::<Vec<_>>().join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_error_comes_with_its_cause_and_without_the_stack() {
        let folder = tempfile::tempdir().unwrap();
        let text = "[2026-01-01] ERROR old (a)\n[2026-01-01] INFO fine (a)\n[2026-01-01] ERROR Exiting Kafka (b)\n\
                    java.net.BindException: Address in use\n\tat x.y\nCaused by: no luck\n[2026-01-01] INFO bye (a)\n";
        std::fs::write(folder.path().join(SERVER_LOG), text).unwrap();
        let said = last_error(folder.path()).unwrap();
        assert_eq!(
            said,
            "[2026-01-01] ERROR Exiting Kafka (b) | java.net.BindException: Address in use | Caused by: no luck"
        );
    }

    #[test]
    fn without_a_log_the_console_speaks() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(last_error(folder.path()), None);
        std::fs::write(folder.path().join(CONSOLE_LOG), "Error: could not create the JVM\n\n").unwrap();
        assert_eq!(last_error(folder.path()).as_deref(), Some("Error: could not create the JVM"));
    }
}
