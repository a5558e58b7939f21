//! Histories of generic objects and transactions that another harness recorded, judged.
//!
//! [`judge`] reads EDN as Jepsen writes it, makes of it what the model says, checks it and puts the answer into one
//! form whatever the model was. The order of lines is the order of events; times are not needed. Kafka's own
//! workload is not read here: it becomes events of a run (`history::edn::kafka`).

mod names;
pub mod objects;
mod pairing;
pub mod transactions;

pub use pairing::Notes;

use std::io::Read;

use history::edn::EdnError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::cycles::{self, Consistency};
use crate::linear::verdict::Observed;
use crate::linear::{self, Options};
use crate::verdict::Judgement;

/// What a history is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Model {
    /// Read, write.
    Register,
    /// Read, write, compare-and-set.
    CasRegister,
    /// Acquire, release.
    Mutex,
    /// Transactions on registers, to be linearizable.
    MultiRegister,
    /// First in, first out.
    Queue,
    /// In and out in any order.
    Bag,
    /// Add, read all.
    Set,
    /// Strings: get, put, append.
    Kv,
    /// Transactions that append to lists.
    ListAppend,
    /// Transactions that read and write registers with unique values.
    RwRegister,
}

/// Every model, by name.
pub const MODELS: [Model; 10] = [
    Model::Register,
    Model::CasRegister,
    Model::Mutex,
    Model::MultiRegister,
    Model::Queue,
    Model::Bag,
    Model::Set,
    Model::Kv,
    Model::ListAppend,
    Model::RwRegister,
];

impl Model {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::CasRegister => "cas-register",
            Self::Mutex => "mutex",
            Self::MultiRegister => "multi-register",
            Self::Queue => "queue",
            Self::Bag => "bag",
            Self::Set => "set",
            Self::Kv => "kv",
            Self::ListAppend => "list-append",
            Self::RwRegister => "rw-register",
        }
    }

    /// The model of this name.
    pub fn named(name: &str) -> Option<Self> {
        MODELS.into_iter().find(|model| model.name() == name)
    }

    fn kind(self) -> Kind {
        match self {
            Self::Register => Kind::Object(linear::Model::Register),
            Self::CasRegister => Kind::Object(linear::Model::CasRegister),
            Self::Mutex => Kind::Object(linear::Model::Mutex),
            Self::MultiRegister => Kind::Object(linear::Model::MultiRegister),
            Self::Queue => Kind::Object(linear::Model::Queue),
            Self::Bag => Kind::Object(linear::Model::Bag),
            Self::Set => Kind::Object(linear::Model::Set),
            Self::Kv => Kind::Object(linear::Model::AppendKv),
            Self::ListAppend => Kind::Transactions(transactions::Content::Lists),
            Self::RwRegister => Kind::Transactions(transactions::Content::Registers),
        }
    }
}

enum Kind {
    Object(linear::Model),
    Transactions(transactions::Content),
}

/// The answer about an imported history.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// The model that it was judged by.
    pub model: String,
    /// Whether the model holds.
    pub verdict: Judgement,
    /// Why it is not valid; for a valid verdict empty.
    pub reasons: Vec<String>,
    /// Everything observed, forbidden or not.
    pub anomalies: Vec<Observed>,
    /// What was read.
    pub notes: Notes,
    /// The witness, if objects are not linearizable.
    pub witness: Option<linear::Witness>,
    /// The anomalies of transactions, with theirs.
    pub transactions: Vec<cycles::Anomaly>,
}

/// Reads a history and judges it by a model; transactions are held to `claim`.
///
/// # Errors
/// The first record that is malformed or makes no sense for the model.
pub fn judge(
    source: impl Read,
    model: Model,
    options: &Options,
    claim: Consistency,
) -> Result<Answer, EdnError> {
    match model.kind() {
        Kind::Object(object) => {
            let (history, notes) = objects::read(source, object, &options.initial)?;
            Ok(answer_objects(model, linear::check(&history, object, options), notes))
        }
        Kind::Transactions(content) => {
            let (history, notes) = transactions::read(source, content)?;
            let verdict = match content {
                transactions::Content::Lists => cycles::append::check(&history, claim),
                transactions::Content::Registers => cycles::register::check(&history, claim),
            };
            Ok(answer_transactions(model, verdict, claim, notes))
        }
    }
}

fn answer_objects(model: Model, verdict: linear::Verdict, notes: Notes) -> Answer {
    let anomalies = verdict.anomalies();
    let (judgement, reasons, witness) = match verdict {
        linear::Verdict::Valid => (Judgement::Valid, Vec::new(), None),
        linear::Verdict::Invalid(witness) => (Judgement::Invalid, witness.why.clone(), Some(*witness)),
        linear::Verdict::Unknown { reason, verified } => {
            let mut reasons = vec![reason.to_string()];
            if verified.undecided > 0 {
                reasons.push(format!(
                    "{} objects are linearizable; {} undecided, of the first {} of {} operations were placed",
                    verified.keys, verified.undecided, verified.operations, verified.of
                ));
            }
            (Judgement::Unknown, reasons, None)
        }
    };
    let model = model.name().to_owned();
    Answer { model, verdict: judgement, reasons, anomalies, notes, witness, transactions: Vec::new() }
}

fn answer_transactions(
    model: Model,
    verdict: cycles::append::Verdict,
    claim: Consistency,
    notes: Notes,
) -> Answer {
    let judgement = match verdict {
        cycles::append::Verdict::Valid { .. } => Judgement::Valid,
        cycles::append::Verdict::Invalid { .. } => Judgement::Invalid,
        cycles::append::Verdict::Vacuous => Judgement::Unknown,
    };
    let found = verdict.anomalies().to_vec();
    let forbidden = |anomaly: &&cycles::Anomaly| anomaly.excludes <= claim;
    let sentence = |anomaly: &cycles::Anomaly| {
        let variant = anomaly.variant.as_ref().map(|variant| format!(" ({variant})")).unwrap_or_default();
        format!("{}{variant}: not {}", anomaly.name, anomaly.excludes.name())
    };
    let mut reasons: Vec<String> = found.iter().filter(forbidden).map(sentence).collect();
    if judgement == Judgement::Unknown {
        reasons.push("no transaction is known to have happened".to_owned());
    }
    Answer {
        model: model.name().to_owned(),
        verdict: judgement,
        reasons,
        anomalies: observed(&found, claim),
        notes,
        witness: None,
        transactions: found,
    }
}

/// Anomalies as verdict files list them: cycles under their common name and under that of their class.
fn observed(found: &[cycles::Anomaly], claim: Consistency) -> Vec<Observed> {
    let mut listed: Vec<Observed> = Vec::new();
    let mut add = |name: &str, count: u64, forbidden: bool| {
        if let Some(known) = listed.iter_mut().find(|known| known.name == name) {
            known.count += count;
            known.forbidden |= forbidden;
            return;
        }
        listed.push(Observed { name: name.to_owned(), count, forbidden });
    };
    for anomaly in found {
        let forbidden = anomaly.excludes <= claim;
        add(&anomaly.name, anomaly.count, forbidden);
        if let Some(variant) = &anomaly.variant {
            add(variant, anomaly.count, forbidden);
        }
    }
    listed
}
