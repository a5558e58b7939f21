//! Generated documents are what the code generates. `UPDATE_DOCS=1` writes them.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

fn current(name: &str, generated: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(name);
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(&path, generated).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    let stale = format!("docs/{name} is stale: run UPDATE_DOCS=1 cargo test -p harness --test documents");
    assert!(stored == generated, "{stale}");
}

#[test]
fn docs_faults_is_what_the_grammar_says() {
    current("faults.md", &harness::reference::faults());
}

#[test]
fn docs_spec_is_what_the_types_say() {
    let generated = harness::reference::spec();
    assert!(
        generated.contains("## `[clients.NAME]`") && generated.contains("## `[[faults]]`"),
        "{generated}"
    );
    current("spec.md", &generated);
}

#[test]
fn docs_spec_schema_is_what_the_types_say() {
    current("spec.schema.json", &harness::reference::json_schema());
}

#[test]
fn every_built_in_spec_has_keys_that_the_schema_knows() {
    let schema: serde_json::Value = serde_json::from_str(&harness::reference::json_schema()).unwrap();
    let keys = schema["properties"].as_object().unwrap();
    for spec in harness::spec::BUILT_IN {
        let table: toml::Table = spec.text.parse().unwrap();
        for key in table.keys() {
            assert!(keys.contains_key(key), "{} has \"{key}\", which the schema does not know", spec.name);
        }
        assert!(
            !spec.about().is_empty() && spec.about().ends_with('.'),
            "{}: about is one sentence",
            spec.name
        );
    }
}
