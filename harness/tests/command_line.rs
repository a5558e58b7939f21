//! The program as it is typed: exit codes, what goes to which stream, and answers that need no cluster.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![expect(clippy::disallowed_methods, reason = "shell: starts the program under test")]

use std::process::{Command, Output};

fn onceproof(args: &[&str]) -> Output {
    let mut program = Command::new(env!("CARGO_BIN_EXE_onceproof"));
    program
        .args(args)
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .current_dir(env!("CARGO_TARGET_TMPDIR"));
    program.output().unwrap()
}

fn out(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn err(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

#[test]
fn a_usage_error_is_64_and_says_so_on_standard_error() {
    for args in [
        &[][..],
        &["frobnicate"],
        &["run"],
        &["run", "quickstart", "--seed", "seven"],
        &["run", "quickstart", "--frob"],
        &["list", "everything"],
        &["plan", "no-such-spec"],
        &["plan", "quickstart", "--set", "kafka.brokers=many"],
        &["fetch", "four"],
        &["check", "/dev/zero/none"],
        &["report", "no-such-run"],
        &["check", "latest", "--claim", "often"],
    ] {
        let output = onceproof(args);
        assert_eq!(output.status.code(), Some(64), "{args:?}: {}", err(&output));
        assert!(!output.stderr.is_empty() && output.stdout.is_empty(), "{args:?}");
    }
}

#[test]
fn help_and_version_are_answers() {
    for args in [&["--help"][..], &["-h"], &["--version"], &["run", "--help"], &["list", "--help"]] {
        let output = onceproof(args);
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{args:?}");
    }
    insta::assert_snapshot!("help", out(&onceproof(&["--help"])));
    assert!(!out(&onceproof(&["--help"])).contains("lab-run"), "hidden commands stay hidden");
}

#[test]
fn everything_that_can_be_listed_is_listed_for_people_and_as_json() {
    for topic in ["specs", "faults", "anomalies", "modes", "steps", "spec", "properties"] {
        let human = onceproof(&["list", topic]);
        assert_eq!(human.status.code(), Some(0), "{topic}");
        assert!(out(&human).starts_with("# ") && out(&human).len() > 300, "{topic}: {}", out(&human));
        let json = onceproof(&["list", topic, "--message-format", "json"]);
        let line = out(&json).lines().last().unwrap();
        let parsed: serde_json::Value =
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{topic}: {error}"));
        assert!(parsed.as_array().is_none_or(|items| !items.is_empty()), "{topic} is empty");
    }
}

#[test]
fn a_plan_is_the_same_bytes_for_the_same_seed_however_it_is_written() {
    let plan =
        |seed: &str| onceproof(&["plan", "quickstart", "--seed", seed, "--message-format", "json"]).stdout;
    assert_eq!(plan("7"), plan("0x7"));
    assert_ne!(plan("7"), plan("8"));
    assert_ne!(
        onceproof(&["plan", "quickstart"]).stdout,
        onceproof(&["plan", "quickstart"]).stdout,
        "a random seed"
    );
}

#[test]
fn a_wrong_spec_is_told_in_colour_only_where_colour_is_wanted() {
    let wrong = ["plan", "quickstart", "--set", "storm.faults.0=kil broker"];
    let plain = onceproof(&wrong);
    assert!(
        !err(&plain).contains('\u{1b}') && err(&plain).contains("did you mean \"kill any broker\"?"),
        "{}",
        err(&plain)
    );
    let coloured = onceproof(&[&wrong[..], &["--color", "always"]].concat());
    assert!(err(&coloured).contains('\u{1b}'), "{}", err(&coloured));
}

#[test]
fn completions_and_the_manual_page_come_from_the_same_definition() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(out(&onceproof(&["completions", shell])).contains("message-format"), "{shell}");
    }
    assert!(out(&onceproof(&["man"])).contains(".TH onceproof"));
}
