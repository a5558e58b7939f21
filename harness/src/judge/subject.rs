//! What a history in EDN is about: Kafka, or a generic object or kind of transaction.
//!
//! Kafka's workload is recognised by its operations. The others share theirs (`read` and `write` may be a register or
//! a set), so the user names the model; the error says which ones the operations fit.

use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;
use std::str::FromStr;

use checker::imported::{MODELS, Model};
use history::edn::operation::{Actor, Operation};
use history::edn::{EdnError, Reader};

use super::JudgeError;

/// What a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Kafka: records that are sent and polled.
    Kafka,
    /// A generic model.
    Model(Model),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        if name == "kafka" {
            return Ok(Self::Kafka);
        }
        Model::named(name).map(Self::Model).ok_or_else(|| {
            let names: Vec<&str> = std::iter::once("kafka").chain(MODELS.map(Model::name)).collect();
            let near = names.iter().min_by_key(|known| strsim::osa_distance(name, known));
            let near = near.filter(|known| strsim::osa_distance(name, known) <= 1 + name.len() / 4);
            let near = near.map_or(String::new(), |near| format!(" did you mean {near}?"));
            format!("it is one of {}.{near}", names.join(", "))
        })
    }
}

/// Operations looked at before the subject is decided.
const LOOKED_AT: usize = 1_000;

/// What the operations of a file are about.
///
/// # Errors
/// Where they are not Kafka's, or cannot be read.
pub(super) fn guess(path: &Path) -> Result<Subject, JudgeError> {
    let failed = |error| JudgeError::File { path: path.to_owned(), error };
    let seen = operations(File::open(path).map_err(failed)?)
        .map_err(|error| JudgeError::Edn { path: path.to_owned(), error })?;
    if is_kafka(&seen) {
        return Ok(Subject::Kafka);
    }
    let fitting: Vec<&str> =
        MODELS.into_iter().filter(|model| fits(*model, &seen)).map(Model::name).collect();
    let names: Vec<&str> = seen.functions.iter().map(String::as_str).collect();
    let what = if fitting.is_empty() {
        format!("its operations ({}) belong to no model that is known", names.join(", "))
    } else {
        let options = fitting.join(" or --model ");
        format!(
            "its operations ({}) do not say what they are about; give --model {options}",
            names.join(", ")
        )
    };
    Err(JudgeError::Asked { path: path.to_owned(), what })
}

/// What was seen of the operations.
#[derive(Default)]
struct Seen {
    /// Functions of clients.
    functions: BTreeSet<String>,
    /// First words of the parts of transactions.
    parts: BTreeSet<String>,
}

fn operations(file: File) -> Result<Seen, EdnError> {
    let mut reader = Reader::new(file);
    let mut seen = Seen::default();
    for _ in 0..LOOKED_AT {
        let Some(record) = reader.record()? else { break };
        let operation = Operation::of(record)?;
        if operation.actor == Actor::Other {
            continue;
        }
        seen.functions.insert(operation.f.to_owned());
        if operation.f == "txn" {
            let parts = operation.value.into_iter().flat_map(|value| value.items());
            let words = parts.filter_map(|part| part.items().next().and_then(|word| word.word()));
            seen.parts.extend(words.map(str::to_owned));
        }
    }
    Ok(seen)
}

/// Whether these may be operations on Kafka. A history in which no client did anything is as good as one.
fn is_kafka(seen: &Seen) -> bool {
    let of_kafka = ["assign", "subscribe", "send", "poll", "crash", "debug-topic-partitions"];
    let parts = seen.parts.iter().all(|part| part == "send" || part == "poll");
    let functions = &seen.functions;
    parts && functions.iter().all(|f| of_kafka.contains(&f.as_str()) || f == "txn")
}

/// Whether a model has a meaning for these operations.
fn fits(model: Model, seen: &Seen) -> bool {
    let (functions, parts): (&[&str], &[&str]) = match model {
        Model::Register => (&["read", "write"], &[]),
        Model::CasRegister => (&["read", "write", "cas"], &[]),
        Model::Mutex => (&["acquire", "release"], &[]),
        Model::MultiRegister => (&["txn"], &["read", "write", "r", "w"]),
        Model::Queue | Model::Bag => (&["enqueue", "dequeue", "drain"], &[]),
        Model::Set => (&["add", "read"], &[]),
        Model::Kv => (&["get", "put", "append"], &[]),
        Model::ListAppend => (&["txn"], &["append", "r"]),
        Model::RwRegister => (&["txn"], &["w", "r"]),
    };
    let known =
        |known: &[&str], seen: &BTreeSet<String>| seen.iter().all(|word| known.contains(&word.as_str()));
    known(functions, &seen.functions) && known(parts, &seen.parts)
}
