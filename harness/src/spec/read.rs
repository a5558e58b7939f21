//! From the tree of a spec to its types: a deserializer whose errors know their place.
//!
//! Serde's errors carry no position and flatten "unknown field" into a sentence. This deserializer works on
//! the tree, so every error, also one from the `Deserialize` of a target phrase or a duration, gets the span of
//! the innermost value it happened in; and unknown keys are compared with those that exist.

use serde::de::{
    self, DeserializeSeed, EnumAccess, IntoDeserializer, MapAccess, SeqAccess, Unexpected, VariantAccess,
    Visitor,
};

use super::problem::Problem;
use super::tree::{Entry, Origin, SourceKind, Tree, Value};

/// Reads a value of any type from a tree.
pub(super) fn read<T: de::DeserializeOwned>(tree: &Tree) -> Result<T, Problem> {
    T::deserialize(Reader(tree)).map_err(|error| error.placed(&tree.origin).0)
}

/// An error that may still lack its place.
#[derive(Debug)]
pub(super) struct Error(Problem);

impl Error {
    fn placed(mut self, origin: &Origin) -> Self {
        self.0.origin.get_or_insert_with(|| origin.clone());
        self
    }
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Error {}

impl de::Error for Error {
    fn custom<T: std::fmt::Display>(message: T) -> Self {
        // What follows a line break is advice (`nemesis::phrase`).
        let message = message.to_string();
        match message.split_once('\n') {
            Some((what, advice)) => Self(Problem::of_all(what.to_owned()).help(advice)),
            None => Self(Problem::of_all(message)),
        }
    }

    fn unknown_field(field: &str, expected: &'static [&'static str]) -> Self {
        Self(Problem::of_all(format!("unknown key \"{field}\"")).label("no such key").help(offer(
            field,
            expected,
            "keys here",
        )))
    }

    fn unknown_variant(variant: &str, expected: &'static [&'static str]) -> Self {
        Self(
            Problem::of_all(format!("\"{variant}\" is not possible here"))
                .help(offer(variant, expected, "possible")),
        )
    }

    fn missing_field(field: &'static str) -> Self {
        Self(Problem::of_all(format!("the key \"{field}\" is missing")).label("in this table"))
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        let expected = expected.to_string();
        let expected = if expected == "a string" { "text" } else { &expected };
        Self(Problem::of_all(format!("expected {expected}, found {}", kind(found))))
    }
}

fn kind(found: Unexpected<'_>) -> String {
    match found {
        Unexpected::Str(_) => "text".to_owned(),
        Unexpected::Signed(_) | Unexpected::Unsigned(_) => "a whole number".to_owned(),
        Unexpected::Float(_) => "a number with a fraction".to_owned(),
        Unexpected::Bool(_) => "true or false".to_owned(),
        Unexpected::Seq => "a list".to_owned(),
        Unexpected::Map => "a table".to_owned(),
        other @ (Unexpected::Char(_)
        | Unexpected::Bytes(_)
        | Unexpected::Unit
        | Unexpected::Option
        | Unexpected::NewtypeStruct
        | Unexpected::Enum
        | Unexpected::UnitVariant
        | Unexpected::NewtypeVariant
        | Unexpected::TupleVariant
        | Unexpected::StructVariant
        | Unexpected::Other(_)) => other.to_string(),
    }
}

/// "did you mean" where something is near, and everything that exists.
pub(super) fn offer(written: &str, known: &[&str], what: &str) -> String {
    let all = format!("{what}: {}", known.join(", "));
    match nearest(written, known.iter().copied()) {
        Some(near) => format!("did you mean \"{near}\"? {all}"),
        None => all,
    }
}

/// The known name that a misspelt one most likely means.
pub(super) fn nearest<'a>(written: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase().replace('_', "-");
    let distance = |name: &str| strsim::damerau_levenshtein(&written, &name.to_lowercase());
    let near = known.map(|name| (distance(name), name)).min()?;
    (near.0 <= near.1.len().max(4) / 3 && near.0 < written.len()).then_some(near.1)
}

#[derive(Clone, Copy)]
struct Reader<'t>(&'t Tree);

impl<'t> Reader<'t> {
    fn any<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let result = match &self.0.value {
            Value::Text(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Bool(truth) => visitor.visit_bool(*truth),
            Value::List(items) => visitor.visit_seq(Items(items.iter())),
            Value::Table(entries) => visitor.visit_map(Entries { rest: entries.iter(), current: None }),
        };
        result.map_err(|error| error.placed(&self.0.origin))
    }

    /// What was typed after `--set key=`, which is text when text is wanted: `kafka.version=4.1` is no number.
    fn typed(self) -> Option<&'t str> {
        let scalar = matches!(self.0.value, Value::Integer(_) | Value::Float(_) | Value::Bool(_));
        (scalar && self.0.origin.source.kind == SourceKind::CommandLine).then(|| self.0.origin.text())
    }
}

impl<'de> de::Deserializer<'de> for Reader<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor)
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self.typed() {
            Some(text) => visitor.visit_str(text).map_err(|error: Error| error.placed(&self.0.origin)),
            None => self.any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self).map_err(|error: Error| error.placed(&self.0.origin))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self).map_err(|error: Error| error.placed(&self.0.origin))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_enum(self).map_err(|error: Error| error.placed(&self.0.origin))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

/// Enums of a spec are words.
impl<'de> EnumAccess<'de> for Reader<'_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Self), Error> {
        seed.deserialize(self).map(|word| (word, self))
    }
}

impl<'de> VariantAccess<'de> for Reader<'_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, Error> {
        seed.deserialize(self)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Error> {
        self.any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.any(visitor)
    }
}

struct Items<'t>(std::slice::Iter<'t, Tree>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some(tree) = self.0.next() else { return Ok(None) };
        seed.deserialize(Reader(tree)).map(Some).map_err(|error| error.placed(&tree.origin))
    }
}

struct Entries<'t> {
    rest: std::collections::btree_map::Iter<'t, String, Entry>,
    current: Option<&'t Tree>,
}

impl<'de> MapAccess<'de> for Entries<'_> {
    type Error = Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, Error> {
        let Some((name, entry)) = self.rest.next() else { return Ok(None) };
        self.current = Some(&entry.tree);
        let key: de::value::StrDeserializer<'_, Error> = name.as_str().into_deserializer();
        seed.deserialize(key).map(Some).map_err(|error| error.placed(&entry.key))
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Error> {
        let Some(tree) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(Reader(tree)).map_err(|error| error.placed(&tree.origin))
    }
}
