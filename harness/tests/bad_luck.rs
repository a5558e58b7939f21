//! What bad input and bad luck get: the real program on real Kafka, killed, interrupted, starved and lied to.
//!
//! Every outcome is certain whatever the machine's speed: tests wait for states that can be seen, each with a
//! deadline, and the only pause is the random moment of a kill. Kafka 4.3.1 must be in the cache (`./test` fetches it).

#![expect(clippy::disallowed_methods, reason = "shell: runs the program, looks at clocks")]
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod bad_luck {
    pub(crate) mod damage;
    pub(crate) mod disk;
    pub(crate) mod draw;
    pub(crate) mod interrupts;
    pub(crate) mod kills;
    pub(crate) mod lacking;
    pub(crate) mod specs;
    pub(crate) mod stage;
    pub(crate) mod traces;
    pub(crate) mod workers;

    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    /// Writes a shell script that stands for a program.
    pub(crate) fn executable(path: &Path, script: &str) {
        std::fs::write(path, format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
}
