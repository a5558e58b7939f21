//! The built-in specs, compiled in so that `onceproof run quickstart` works from any folder.

/// A built-in spec.
#[derive(Clone, Copy, Debug)]
pub struct BuiltIn {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! built_in {
    ($($name:literal),* $(,)?) => {
        /// All of them, in the order in which they are listed.
        pub const BUILT_IN: &[BuiltIn] =
            &[$(BuiltIn { name: $name, text: include_str!(concat!("../../../specs/", $name, ".toml")) }),*];
    };
}

built_in! {
    "quickstart",
    "acks-0-leader-crash",
    "acks-1-leader-crash",
    "acks-all-leader-crash",
    "acks-all-rolling-kill",
    "lost-acknowledgement",
    "lost-acknowledgement-idempotent",
    "retries-0-lost-acknowledgement",
    "unclean-election",
    "clean-election",
    "commit-before-crash",
    "commit-after-crash",
    "m01-never-twice",
    "m01-lost-with-the-leader",
    "m02-never-twice",
    "m02-sent-again",
    "m03-leader-lives",
    "m03-leader-dies",
    "m04-nothing-lost",
    "m04-stored-twice",
    "m05-exactly-once",
    "m05-restart-with-outbox",
    "m05-sent-again-after-timeout",
    "m07-auto-commit-keeps",
    "m07-auto-commit-repeats",
    "m07-auto-commit-handed-over-loses",
    "m07-librdkafka-auto-commit-loses",
    "m07-librdkafka-stored-after",
    "m08-commit-before-effect",
    "m08-commit-before-effect-lost",
    "m09-commit-after-effect",
    "m09-commit-after-effect-twice",
    "m09-committed-out-of-order-lost",
    "m10-offset-in-sink",
    "m10-offset-in-sink-zombie",
    "m10-sink-stands-still",
    "m11-deduplicated",
    "m11-deduplicated-in-memory",
    "m11-deduplicated-expiring",
    "static-membership",
    "static-membership-zombie",
    "cooperative-rebalance",
    "next-generation-rebalance",
    "partition-expansion",
    "partition-expansion-latest",
    "default-face-off",
    "mixed-versions-and-families",
}

impl BuiltIn {
    /// What it shows: its `about`.
    pub fn about(&self) -> &'static str {
        let line = self.text.lines().find(|line| line.starts_with("about")).unwrap_or_default();
        line.split_once('"').map_or("", |(_, rest)| rest.trim_end_matches('"'))
    }

    /// The built-in spec of this name.
    pub fn named(name: &str) -> Option<Self> {
        BUILT_IN.iter().copied().find(|spec| spec.name == name)
    }
}
