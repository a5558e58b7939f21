//! The references: what specs, faults, modes and properties there are, as Markdown made from the types themselves.
//!
//! `docs/spec.md`, `docs/faults.md` and `docs/spec.schema.json` are these texts, and a test fails when a file is
//! stale; `onceproof list` prints the same. Nothing here is written twice: sentences are the documentation
//! comments of the types, or the fields of the tables that the code itself uses.

mod faults;
mod keys;
mod shown;

use std::fmt::Write;

use nemesis::duration::words;

use crate::kafka::properties as broker;
use crate::plan::DEFAULT_VERSION;
use crate::spec::{BUILT_IN, CLIENT_OWNED, DEFAULT_BROKERS};

pub use faults::markdown as faults;
pub use keys::{json_schema, markdown as spec};
pub use shown::{ModeRun, mode_run, mode_specs, shown};

/// The built-in specs.
pub fn specs() -> String {
    let mut text = String::from("# Built-in specs\n\n");
    let width = BUILT_IN.iter().map(|spec| spec.name.len()).max().unwrap_or(0);
    for spec in BUILT_IN {
        let _ = writeln!(text, "{:width$}  {}", spec.name, spec.about());
    }
    text.push_str("\n`onceproof run NAME` runs one, `onceproof plan NAME` shows what it would do.\n");
    text
}

/// The delivery modes.
pub fn modes() -> String {
    let mut text = String::from("# Delivery modes\n");
    for mode in workloads::mode::MODES {
        let _ = write!(
            text,
            "\n## {}: {}\n\npromises: {}\nits limit: {}\n",
            mode.id, mode.name, mode.promises, mode.limit
        );
        let properties: Vec<String> =
            mode.librdkafka.iter().map(|(name, value)| format!("{name}={value}")).collect();
        if !properties.is_empty() {
            let _ = writeln!(text, "librdkafka: {}", properties.join(", "));
        }
        if let Some(commit) = mode.commit {
            let effect =
                mode.effect.map(|effect| format!(", effect = \"{}\"", effect.name())).unwrap_or_default();
            let _ = writeln!(text, "in a spec: commit = \"{}\"{effect}", commit.name());
        }
    }
    text.push_str("\n# Effect modes\n\nWhat is kept in the sink with the effect of a record.\n\n");
    for effect in workloads::protocol::EFFECT_MODES {
        let _ = writeln!(text, "* `{}`: {}", effect.name(), effect.meaning());
    }
    text
}

/// The steps of clients.
pub fn steps() -> String {
    let mut text = String::from(
        "# Steps of clients\n\nA fault strikes between two of them: `at = \"polled..effect-done\"`.\n\n",
    );
    for step in workloads::step::STEPS {
        let _ = writeln!(text, "* `{}`: {}", step.name, step.meaning);
    }
    let order =
        |steps: &[workloads::step::Step]| steps.iter().map(|step| step.name()).collect::<Vec<_>>().join(", ");
    let _ = writeln!(text, "\nIn order, a producer passes: {}", order(workloads::mode::PRODUCER_STEPS));
    for commit in crate::spec::COMMITS {
        let _ = writeln!(text, "A consumer with commit = \"{}\": {}", commit.name(), order(commit.steps()));
    }
    text
}

/// Properties that the harness decides or sets.
pub fn properties() -> String {
    let mut text =
        String::from("# Properties\n\nKafka's own names, verbatim, wherever Kafka settings are given.\n");
    text.push_str(
        "\n## Brokers: decided by the harness\n\nRefused in `kafka.server`, left out of a `server-file`.\n\n",
    );
    for (name, why) in broker::OWNED {
        let _ = writeln!(text, "* `{name}`: {why}");
    }
    let _ =
        writeln!(text, "\n## Brokers: set unless a spec says otherwise\n\nWith {DEFAULT_BROKERS} brokers.\n");
    for (name, value) in broker::fast(DEFAULT_BROKERS) {
        let _ = writeln!(text, "* `{name}` = {value}");
    }
    text.push_str("\n## Clients: decided by the harness\n\nRefused in a client's `config`, left out of a `config-file`.\n\n");
    for (name, why) in CLIENT_OWNED {
        let _ = writeln!(text, "* `{name}`: {why}");
    }
    text.push_str("* `ssl.*`, `sasl.*`: the lab's listeners are plaintext\n");
    text
}

/// Defaults that depend on nothing, for the reference of the spec.
fn defaults() -> Vec<(&'static str, String)> {
    let lasting = crate::spec::default_lasting();
    vec![
        ("kafka.version", DEFAULT_VERSION.to_owned()),
        ("kafka.brokers", DEFAULT_BROKERS.to_string()),
        ("storm.lasting", format!("{}..{}", words(lasting.min), words(lasting.max))),
    ]
}
