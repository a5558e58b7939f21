//! `docs/faults.md`: faults, targets, moments and heals.

use std::fmt::Write;

use nemesis::fault::{Api, KINDS};
use nemesis::schedule::{HEAL_FORMS, MOMENT_FORMS, SHORTHANDS};
use nemesis::target::{FORMS, RESERVED};

/// The reference of faults.
pub fn markdown() -> String {
    let mut text = String::from(
        "# Faults\n\nGenerated from `nemesis/src`; `onceproof list faults` prints the same.\n\n\
         A fault says what is done, to whom, when, and when it is undone:\n\n\
         ```toml\n[[faults]]\nat   = \"5s\"\nkill = \"leader of orders/0\"\nheal = \"after 3s\"\n```\n\n\
         Targets are roles. They are resolved when the fault strikes, and the history records the concrete node. \
         A fault that had no effect makes the verdict of its run *unknown*.\n",
    );
    for kind in KINDS {
        let forms: Vec<String> =
            kind.forms.iter().map(|form| format!("`{} = \"{form}\"`", kind.key)).collect();
        let _ = write!(
            text,
            "\n## {}\n\n{}\n\n* forms: {}\n* healed: {}\n* has bitten when: {}\n* example: `{}`\n",
            kind.key,
            kind.does,
            forms.join(", "),
            kind.heals,
            kind.bites,
            kind.example
        );
    }
    text.push_str("\n## Targets\n\n");
    list(&mut text, FORMS);
    let _ = writeln!(
        text,
        "\n`T/P` is partition P of topic T, `N` a broker's id from 1, `NAME[i]` instance i of a client from 0. \
         A client cannot be called: {}.",
        RESERVED.join(", ")
    );
    text.push_str("\nIn a storm, these stand for more:\n\n");
    for (short, long) in SHORTHANDS {
        let _ = writeln!(text, "* `{short}`: {long}");
    }
    text.push_str("\n## Moments (`at`)\n\nTimes count from the beginning of the storm phase.\n\n");
    list(&mut text, MOMENT_FORMS);
    text.push_str(
        "\nA condition is `isr of …`, `full isr` or `after fault …`. Steps are those of `onceproof list steps`; \
         the client itself stops between the two and waits, so the fault never misses.\n\n## Heals (`heal`)\n\n",
    );
    list(&mut text, HEAL_FORMS);
    text.push_str("\n## Requests\n\n");
    let names: Vec<&str> = Api::ALL.iter().map(|api| api.name()).collect();
    let _ =
        writeln!(text, "`lose` and `hold` know these requests of Kafka's protocol: {}.", names.join(", "));
    text
}

fn list(text: &mut String, forms: &[&str]) {
    for form in forms {
        let _ = writeln!(text, "* `{form}`");
    }
}
