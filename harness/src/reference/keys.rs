//! `docs/spec.schema.json` and `docs/spec.md`: the keys of a spec, from the types that read them.
//!
//! The Markdown is rendered from the JSON Schema, so that editors and people are told the same.

use std::fmt::Write;

use serde_json::Value;

use super::defaults;
use crate::spec::Spec;

/// The JSON Schema of a spec, for editors.
pub fn json_schema() -> String {
    let mut schema = schemars::schema_for!(Spec);
    schema.insert("title".to_owned(), Value::from("onceproof spec"));
    let mut text = serde_json::to_string_pretty(&schema).unwrap_or_default();
    text.push('\n');
    text
}

/// The reference of a spec's keys.
pub fn markdown() -> String {
    let schema: Value = serde_json::from_str(&json_schema()).unwrap_or_default();
    let mut page = Page { schema: &schema, text: String::from(INTRODUCTION) };
    page.table("", &schema);
    page.text.push_str("\n## Defaults\n\n");
    for (key, value) in defaults() {
        let _ = writeln!(page.text, "* `{key}`: `{value}`");
    }
    page.text
}

const INTRODUCTION: &str = "# The spec\n\n\
    Generated from `harness/src/spec.rs`; `onceproof list spec` prints the same, and `docs/spec.schema.json` tells editors \
    (`#:schema` in the first line of a file).\n\n\
    A spec says three things: what is set up, what goes wrong, what is claimed. Kafka's own property names are used \
    verbatim wherever Kafka settings are given. `--set KEY=VALUE` changes one value from the command line: \
    `--set clients.shop.config.acks=all`, `--set faults.0.at=3s`.\n\n\
    ## Top level\n\n";

struct Page<'s> {
    schema: &'s Value,
    text: String,
}

impl<'s> Page<'s> {
    /// The keys of one table, then the tables below it.
    fn table(&mut self, path: &str, table: &'s Value) {
        let properties = table["properties"].as_object().into_iter().flatten();
        let required: Vec<&str> =
            table["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut below = Vec::new();
        for (key, value) in properties {
            let presence = if required.contains(&key.as_str()) { " (required)" } else { "" };
            let about = self.about(value);
            let _ = writeln!(self.text, "* `{key}`{presence}: {about}");
            let name = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
            if let Some((name, deeper)) = self.deeper(name, value) {
                below.push((name, deeper));
            }
        }
        for (name, deeper) in below {
            let about = deeper["description"].as_str().map(one_line).unwrap_or_default();
            let _ = write!(self.text, "\n## `[{name}]`\n\n{about}\n\n");
            self.table(&name, deeper);
        }
    }

    /// What a key means: its own documentation, else its type's; and the words that it may be.
    fn about(&self, value: &'s Value) -> String {
        let resolved = self.resolved(value);
        let described = value["description"].as_str().or_else(|| resolved["description"].as_str());
        let words: Vec<String> = words(resolved).into_iter().map(|word| format!("`{word}`")).collect();
        let words = if words.is_empty() { String::new() } else { format!(" One of {}.", words.join(", ")) };
        let default = value.get("default").filter(|default| is_plain(default));
        let default = default
            .map(|default| format!(" Default `{}`.", default.to_string().replace('"', "")))
            .unwrap_or_default();
        format!("{}{words}{default}", described.map(one_line).unwrap_or_default())
    }

    /// The table below a key, with its name in a spec: a table itself, one by name, or a list of them.
    fn deeper(&self, name: String, value: &'s Value) -> Option<(String, &'s Value)> {
        let resolved = self.resolved(value);
        if resolved["properties"].is_object() {
            return Some((name, resolved));
        }
        let named = self.resolved(&resolved["additionalProperties"]);
        if named["properties"].is_object() {
            return Some((format!("{name}.NAME"), named));
        }
        let item = self.resolved(&resolved["items"]);
        item["properties"].is_object().then(|| (format!("[{name}]"), item))
    }

    /// The schema behind references and options.
    fn resolved(&self, value: &'s Value) -> &'s Value {
        if let Some(reference) = value["$ref"].as_str() {
            return self
                .schema
                .pointer(reference.trim_start_matches('#'))
                .map_or(value, |found| self.resolved(found));
        }
        let options = value["anyOf"].as_array().map(Vec::as_slice).unwrap_or_default();
        let real: Vec<&Value> = options.iter().filter(|option| option["type"] != "null").collect();
        match real.as_slice() {
            [only] => self.resolved(only),
            _ => value,
        }
    }
}

/// The words of an enum.
fn words(schema: &Value) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let each = schema["oneOf"].as_array().into_iter().flatten().filter_map(|word| word["const"].as_str());
    listed.chain(each).collect()
}

fn is_plain(value: &Value) -> bool {
    matches!(value, Value::Bool(_) | Value::Number(_) | Value::String(_))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
