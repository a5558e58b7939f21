//! Generated documents are what the code generates. `UPDATE_DOCS=1` writes them.

use std::path::Path;

#[test]
fn docs_anomalies_is_what_the_entries_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/anomalies.md");
    let generated = checker::anomaly::document();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &generated).unwrap();
    }
    let stored = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        stored == generated,
        "docs/anomalies.md is stale: run UPDATE_DOCS=1 cargo test -p checker --test documents"
    );
}
