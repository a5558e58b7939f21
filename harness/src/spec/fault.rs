//! What a spec says about faults: one scripted fault, or a storm of them.

use std::borrow::Cow;

use nemesis::duration::Range;
use nemesis::fault::{self, Fault};
use nemesis::phrase::Misunderstood;
use nemesis::schedule::{Heal, Moment, Pattern};
use nemesis::target::Target;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::time::Time;

/// One fault: when it strikes, what it does, when it is undone. Exactly one of the keys `kill`, `pause`, `isolate`,
/// `partition`, `loss`, `delay`, `lose`, `hold`, `grow` says what it does.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct FaultSpec {
    /// A name by which other faults refer to this one.
    pub name: Option<String>,
    /// When it strikes: a time from the beginning of the storm (`5s`), a condition (`isr of orders/0 is leader only`,
    /// `2s after fault NAME`), or between two steps of a client (`polled..effect-done`).
    #[schemars(with = "Option<String>")]
    pub at: Option<Moment>,
    /// With client steps: the how-manieth passage. With `lose` and `hold`: the first request that is meant.
    pub nth: Option<u32>,
    /// With `lose`: how many responses in a row are lost. Default 1.
    pub count: Option<u32>,
    /// SIGKILL to a target.
    #[schemars(with = "Option<String>")]
    pub kill: Option<Target>,
    /// SIGSTOP to a target.
    #[schemars(with = "Option<String>")]
    pub pause: Option<Target>,
    /// Cut a target off from every other node.
    #[schemars(with = "Option<String>")]
    pub isolate: Option<Target>,
    /// Cut the links `A <-> B` or `A -> B`, or the brokers into `halves`.
    pub partition: Option<PartitionPhrase>,
    /// Lose a share of the packets: `5 % on A <-> B`.
    pub loss: Option<LossPhrase>,
    /// Delay frames: `100ms ± 20ms on A <-> B`.
    pub delay: Option<DelayPhrase>,
    /// Deliver requests and lose their responses: `response of Produce to shop[0]`.
    pub lose: Option<LosePhrase>,
    /// Hold a request: `Fetch from followers of orders/0`.
    pub hold: Option<HoldPhrase>,
    /// Add partitions to a topic: `orders to 6`.
    pub grow: Option<GrowPhrase>,
    /// When it is undone: `after 3s`, `at end`, a condition, `by itself`. Default: `at end`, or `by itself` for `lose` and `grow`.
    #[schemars(with = "Option<String>")]
    pub heal: Option<Heal>,
    /// Another word for `heal`, for held requests.
    #[schemars(with = "Option<String>")]
    pub release: Option<Heal>,
}

macro_rules! phrase {
    ($(#[$doc:meta])* $name:ident, $read:path, $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub struct $name(pub Fault);

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let phrase = String::deserialize(deserializer)?;
                $read(&phrase).map(Self).map_err(|error: Misunderstood| serde::de::Error::custom(error))
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "examples": [$example] })
            }
        }
    };
}

phrase!(
    /// `A <-> B`, `A -> B` or `halves`.
    PartitionPhrase, fault::read_partition, "leader of orders/0 <-> followers of orders/0"
);
phrase!(
    /// `5 % on A <-> B`.
    LossPhrase, fault::read_loss, "5 % on all clients <-> all brokers"
);
phrase!(
    /// `100ms ± 20ms on A <-> B`.
    DelayPhrase, fault::read_delay, "100ms ± 20ms on broker 1 -> controller"
);
phrase!(
    /// `response of API to TARGET`.
    LosePhrase, fault::read_response, "response of Produce to shop[0]"
);
phrase!(
    /// `API from TARGET`.
    HoldPhrase, fault::read_hold, "Fetch from followers of orders/0"
);

phrase!(
    /// `TOPIC to N`.
    GrowPhrase, fault::read_growth, "orders to 6"
);

/// The keys that say what a fault does.
pub(super) const ACTIONS: [&str; 9] =
    ["kill", "pause", "isolate", "partition", "loss", "delay", "lose", "hold", "grow"];

impl FaultSpec {
    /// The actions that are given, with the keys they were given by; a sound fault has exactly one.
    pub(crate) fn actions(&self) -> Vec<(&'static str, Fault)> {
        let process = [
            ("kill", self.kill.clone().map(|target| Fault::Kill { target })),
            ("pause", self.pause.clone().map(|target| Fault::Pause { target })),
            (
                "isolate",
                self.isolate.clone().map(|target| Fault::Cut { scope: fault::Scope::Around(target) }),
            ),
        ];
        let phrases = [
            ("partition", self.partition.clone().map(|phrase| phrase.0)),
            ("loss", self.loss.clone().map(|phrase| phrase.0)),
            ("delay", self.delay.clone().map(|phrase| phrase.0)),
            ("lose", self.lose.clone().map(|phrase| phrase.0)),
            ("hold", self.hold.clone().map(|phrase| phrase.0)),
            ("grow", self.grow.clone().map(|phrase| phrase.0)),
        ];
        let given = process.into_iter().chain(phrases);
        given.filter_map(|(key, fault)| fault.map(|fault| (key, fault))).collect()
    }
}

/// Faults drawn from the seed, one at a time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", expecting = "a table")]
pub struct Storm {
    /// How long it lasts; every fault strikes and is undone within this time.
    #[serde(rename = "for")]
    pub length: Time,
    /// Quiet time before each fault, a duration or a range: `2s..5s`.
    #[schemars(with = "String")]
    pub every: Range,
    /// How long each fault lasts.
    #[serde(default = "default_lasting")]
    #[schemars(with = "String")]
    pub lasting: Range,
    /// The faults to draw from: `kill broker`, `isolate broker`, `5 % loss on leader <-> follower`… Every one is used
    /// once before any is used again.
    #[schemars(with = "Vec<String>")]
    pub faults: Vec<Pattern>,
}

/// How long the faults of a storm last unless it says otherwise.
pub fn default_lasting() -> Range {
    Range { min: std::time::Duration::from_secs(2), max: std::time::Duration::from_secs(4) }
}
