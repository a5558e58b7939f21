//! A class archive for a compiled worker: what halves the start of its JVM.
//!
//! The worker's class `Warm` makes and closes a producer and a consumer without a broker, so that their classes are
//! loaded, and ends in good order, which is when the JVM writes the archive. A JVM that finds the archive unfit starts
//! without it and says nothing.

#![expect(clippy::disallowed_methods, reason = "shell: runs java")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::kafka::java::Java;

const NAME: &str = "classes.jsa";
const WARM: &str = "onceproof.Warm";

/// The option that uses the archive of a compiled worker, if it has one.
pub(super) fn option(folder: &Path) -> Option<String> {
    let archive = path(folder);
    archive.is_file().then(|| format!("-XX:SharedArchiveFile={}", archive.display()))
}

/// Makes the archive; where that fails there is none.
pub(super) fn make(java: &Java, folder: &Path, flags: &[&str], class_path: &str) {
    let fresh = folder.join("classes.new");
    let mut command = Command::new(&java.program);
    command.args(flags).arg(format!("-XX:ArchiveClassesAtExit={}", fresh.display()));
    command.args(["-cp", class_path, WARM]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let ended = crate::bound::to_this_life(&mut command).status();
    if ended.is_ok_and(|status| status.success()) {
        // Without it workers start more slowly, which is no error.
        let _ = std::fs::rename(fresh, path(folder));
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join(NAME)
}
