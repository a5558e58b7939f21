//! Kafka's own properties: as a table of a spec, or as a properties file taken as it is.
//!
//! In a table, `"linger.ms" = 5` and the unquoted `linger.ms = 5` (which TOML reads as nested tables) mean the
//! same. A file is read by the rules of `java.util.Properties`, because that is what brokers and Java clients
//! read it with. Nothing is renamed and no default is added.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// Properties by Kafka's own names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, String>);

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match deserializer.deserialize_any(Reading)? {
            Setting::Value(_) => {
                Err(D::Error::custom("expected a table of properties, found a single value"))
            }
            Setting::Table(table) => Ok(Self(table)),
        }
    }
}

/// A property's value, or a table of properties whose names continue the key.
enum Setting {
    Value(String),
    Table(BTreeMap<String, String>),
}

impl<'de> Deserialize<'de> for Setting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reading)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Setting;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a property's value: text, a number, true or false, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Setting, E> {
        Ok(Setting::Value(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Setting, E> {
        Ok(Setting::Value(number.to_string()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Setting, E> {
        Ok(Setting::Value(number.to_string()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Setting, E> {
        Ok(Setting::Value(number.to_string()))
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Setting, E> {
        Ok(Setting::Value(truth.to_string()))
    }

    /// Kafka writes lists with commas.
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Setting, A::Error> {
        let mut all = Vec::new();
        while let Some(item) = items.next_element()? {
            match item {
                Setting::Value(value) => all.push(value),
                Setting::Table(_) => return Err(A::Error::custom("a property's list holds single values")),
            }
        }
        Ok(Setting::Value(all.join(",")))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Setting, A::Error> {
        let mut table = BTreeMap::new();
        while let Some((name, setting)) = entries.next_entry::<String, Setting>()? {
            match setting {
                Setting::Value(value) => drop(table.insert(name, value)),
                Setting::Table(deeper) => {
                    table.extend(deeper.into_iter().map(|(rest, value)| (format!("{name}.{rest}"), value)));
                }
            }
        }
        Ok(Setting::Table(table))
    }
}

impl JsonSchema for Properties {
    fn schema_name() -> Cow<'static, str> {
        "Properties".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "description": "Properties by Kafka's own names: { acks = \"all\", \"linger.ms\" = 5 }.",
            "additionalProperties": {
                "type": ["string", "number", "boolean", "array", "object"]
            }
        })
    }
}

/// Reads a properties file as `java.util.Properties` does: `#` and `!` comments, `=`, `:` or white space between
/// key and value, backslash escapes, lines continued by a backslash at their end.
pub fn parse_file(text: &str) -> BTreeMap<String, String> {
    logical_lines(text).iter().filter(|line| !line.is_empty()).map(|line| key_and_value(line)).collect()
}

fn logical_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<String> = None;
    for natural in text.lines() {
        let rest = natural.trim_start_matches([' ', '\t', '\u{c}']);
        if open.is_none() && (rest.starts_with(['#', '!']) || rest.is_empty()) {
            continue;
        }
        let mut line = open.take().unwrap_or_default();
        let backslashes = rest.len() - rest.trim_end_matches('\\').len();
        if backslashes % 2 == 1 {
            line.push_str(&rest[..rest.len() - 1]);
            open = Some(line);
        } else {
            line.push_str(rest);
            lines.push(line);
        }
    }
    lines.extend(open);
    lines
}

fn key_and_value(line: &str) -> (String, String) {
    let mut escaped = false;
    let end = line
        .char_indices()
        .find(|(_, c)| {
            let separates = !escaped && matches!(c, '=' | ':' | ' ' | '\t' | '\u{c}');
            escaped = !escaped && *c == '\\';
            separates
        })
        .map_or(line.len(), |(at, _)| at);
    let blank = [' ', '\t', '\u{c}'];
    let rest = line[end..].trim_start_matches(blank);
    let value = rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(blank);
    (unescaped(&line[..end]), unescaped(value))
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        if c != '\\' {
            plain.push(c);
            continue;
        }
        match rest.next() {
            Some('t') => plain.push('\t'),
            Some('n') => plain.push('\n'),
            Some('r') => plain.push('\r'),
            Some('f') => plain.push('\u{c}'),
            Some('u') => {
                let digits: String = rest.clone().take(4).collect();
                let decoded = u32::from_str_radix(&digits, 16).ok().filter(|_| digits.len() == 4);
                match decoded.and_then(char::from_u32) {
                    Some(decoded) => {
                        plain.push(decoded);
                        rest.nth(3);
                    }
                    None => plain.push('u'),
                }
            }
            Some(other) => plain.push(other),
            None => {}
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_properties_file_is_read_as_java_reads_it() {
        let text = "# a comment\n! another\n\nacks=all\n  linger.ms : 5\nretries 3\nempty=\nlone\n\
                    bootstrap.servers=a:9092,\\\n    b:9092\npath=C\\:\\\\kafka\nkey\\ with\\ blanks=v\nu=\\u00e4\n\
                    last=value with \\";
        let properties = parse_file(text);
        let expected = [
            ("acks", "all"),
            ("linger.ms", "5"),
            ("retries", "3"),
            ("empty", ""),
            ("lone", ""),
            ("bootstrap.servers", "a:9092,b:9092"),
            ("path", "C:\\kafka"),
            ("key with blanks", "v"),
            ("u", "ä"),
            ("last", "value with "),
        ];
        assert_eq!(properties, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_the_reader_of_properties_files_panic(text in "(?s).{0,200}") {
            let _ = parse_file(&text);
        }
    }
}
