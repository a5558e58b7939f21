//! From a spec and a seed to a plan. Pure; a spec that passed its checks cannot fail here.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use checker::anomaly::Stage;
use checker::guarantee::{Claim, Property};
use checker::question::{ClientSettings, Exercise, Question, Settings};
use history::ids::FaultId;
use nemesis::fault::Fault;
use nemesis::schedule::{self, Choice, Heal, Moment, Planned, Seed, Steps};
use nemesis::target::{ClientRef, Target};
use workloads::protocol::{self, Commit, ConsumerRole, ProducerRole, Spread};
use workloads::step::Step;

use super::{ClientPlan, Limits, Phases, Plan, SCHEMA, defaults};
use crate::kafka::{KafkaPlan, Source, heap_mib, properties};
use crate::sink::SinkPlan;
use crate::spec::{Client, Family, FaultSpec, Loaded, Role, Spec, Time, foreign_to_client, owned_by_lab};
use crate::wire::TopicPlan;

/// The version of Kafka that a spec gets which names none.
pub const DEFAULT_VERSION: &str = "4.3.1";

/// Resolves a spec.
pub fn plan(loaded: &Loaded, seed: Seed) -> Plan {
    let spec = &loaded.spec;
    let mut left_out = BTreeMap::new();
    let kafka = kafka(loaded, &mut left_out);
    let topics = topics(spec, kafka.brokers);
    let clients = clients(loaded, &mut left_out);
    let phases = phases(spec);
    let mut plan = Plan {
        schema: SCHEMA.to_owned(),
        spec: loaded.name.clone(),
        about: spec.about.clone(),
        seed,
        kafka,
        left_out,
        topics,
        clients,
        sink: spec.sink.as_ref().map(|sink| SinkPlan { kind: sink.kind, sync: sink.sync }),
        faults: Vec::new(),
        phases,
        limits: limits(spec),
        question: Question::default(),
    };
    plan.faults = faults(spec, &plan, seed);
    plan.question = question(loaded, &plan);
    plan
}

fn kafka(loaded: &Loaded, left_out: &mut BTreeMap<String, Vec<String>>) -> KafkaPlan {
    let spec = &loaded.spec.kafka;
    let source = match (&loaded.home, &spec.version) {
        (Some(home), _) => Source::Home(home.clone()),
        (None, Some(version)) => Source::Version(version.clone()),
        (None, None) => Source::Version(DEFAULT_VERSION.to_owned()),
    };
    let file = kept(loaded, "kafka.server-file", left_out, |name| {
        let listed = properties::OWNED.iter().any(|(owned, _)| *owned == name);
        listed
            || owned_by_lab(name).is_some()
            || BROKER_SECURITY.iter().any(|prefix| name.starts_with(prefix))
    });
    let server = file.into_iter().chain(spec.server.0.clone()).collect();
    let brokers = spec.brokers.unwrap_or(crate::spec::DEFAULT_BROKERS);
    let given = KafkaPlan { source, brokers, server, features: BTreeMap::new(), heap_mib: heap_mib() };
    // The fast values belong into the plan: it says what runs, also to a later version with others.
    KafkaPlan { server: properties::resolved(&given), ..given }
}

/// Broker properties about security: the lab's listeners are plaintext.
const BROKER_SECURITY: [&str; 6] = [
    "listener.name.",
    "authorizer.",
    "super.users",
    "password.encoder.",
    "principal.builder.",
    "delegation.token.",
];

/// What a properties file gives, without what belongs to the lab.
fn kept(
    loaded: &Loaded,
    key: &str,
    left_out: &mut BTreeMap<String, Vec<String>>,
    owned: impl Fn(&str) -> bool,
) -> BTreeMap<String, String> {
    let Some(file) = loaded.files.get(key) else { return BTreeMap::new() };
    let (out, kept): (BTreeMap<_, _>, BTreeMap<_, _>) =
        file.clone().into_iter().partition(|(name, _)| owned(name));
    if !out.is_empty() {
        left_out.insert(key.to_owned(), out.into_keys().collect());
    }
    kept
}

fn topics(spec: &Spec, brokers: u8) -> Vec<TopicPlan> {
    let resolve = |(name, topic): (&String, &crate::spec::Topic)| TopicPlan {
        name: name.clone(),
        partitions: i32::from(topic.partitions),
        replication: i16::from(topic.replication.unwrap_or(brokers.min(3))),
        config: topic.config.0.clone(),
    };
    spec.topics.iter().map(resolve).collect()
}

fn clients(loaded: &Loaded, left_out: &mut BTreeMap<String, Vec<String>>) -> Vec<ClientPlan> {
    let mut plans = Vec::new();
    for (name, client) in &loaded.spec.clients {
        let key = format!("clients.{name}.config-file");
        let mut next = 0..;
        for family in client.family.all() {
            let file = kept(loaded, &key, left_out, |property| foreign_to_client(property, *family));
            let indices = next.by_ref().take(usize::try_from(client.count).unwrap_or(0));
            plans.push(ClientPlan {
                name: name.clone(),
                family: *family,
                instances: indices.map(|index| ClientRef { name: name.clone(), index }).collect(),
                topic: client.topic.clone(),
                version: version(client, *family, &loaded.spec),
                group: group(name, client, *family),
                static_member: client.static_member,
                role: role(client, limits(&loaded.spec).start),
                properties: file.into_iter().chain(client.config.0.clone()).collect(),
            });
        }
    }
    plans
}

fn group(name: &str, client: &Client, family: Family) -> Option<String> {
    match client.role {
        Role::Producer => None,
        Role::Consumer => Some(client.group_of(name, family)),
    }
}

/// The version of a Java client; none is that of the distribution that is given by its folder.
fn version(client: &Client, family: Family, spec: &Spec) -> Option<String> {
    match family {
        Family::Librdkafka => None,
        Family::Java => client.version.clone().or_else(|| {
            let newest = spec.kafka.home.is_none().then(|| DEFAULT_VERSION.to_owned());
            spec.kafka.version.clone().or(newest)
        }),
    }
}

/// Size of a record's value unless the spec says otherwise, in bytes.
const RECORD_SIZE: u32 = 100;

fn role(client: &Client, start: Duration) -> protocol::Role {
    let warm_up_ms = u64::try_from(start.as_millis()).ok();
    match client.role {
        Role::Producer => protocol::Role::Producer(ProducerRole {
            rate: client.rate.map(|rate| f64::from(rate.0)),
            record_size: client.record_size.unwrap_or(RECORD_SIZE),
            spread: Spread::default(),
            records: None,
            resend: client.resend,
            outbox: None,
            warm_up_ms,
        }),
        Role::Consumer => protocol::Role::Consumer(ConsumerRole {
            commit: client.commits(),
            batch: client.batch,
            processing_us: client
                .processing
                .map_or(0, |time| u64::try_from(time.0.as_micros()).unwrap_or(u64::MAX)),
            warm_up_ms,
            effect: client.effect,
            dedup_ttl_ms: client
                .deduplicate_for
                .map(|time| u64::try_from(time.0.as_millis()).unwrap_or(u64::MAX)),
        }),
    }
}

fn or(time: Option<Time>, default_ms: u64) -> Duration {
    time.map_or(Duration::from_millis(default_ms), |time| time.0)
}

fn phases(spec: &Spec) -> Phases {
    let drawn = spec.storm.as_ref().map_or(Duration::ZERO, |storm| storm.length.0);
    let phases = &spec.phases;
    Phases {
        warm_up: or(phases.warm_up, 1_000),
        storm: phases.storm.map_or(Duration::from_secs(5), |time| time.0).max(drawn),
        calm: or(phases.calm, 2_000),
    }
}

fn limits(spec: &Spec) -> Limits {
    let limits = &spec.limits;
    Limits {
        start: or(limits.start, 90_000),
        condition: or(limits.condition, 30_000),
        heal: or(limits.heal, 60_000),
        drain: or(limits.drain, 60_000),
    }
}

/// Acknowledged records below which a run says nothing, unless the spec says otherwise.
const FLOOR: u64 = 100;

fn faults(spec: &Spec, plan: &Plan, seed: Seed) -> Vec<Planned> {
    let mut planned: Vec<Planned> = Vec::new();
    for (fault, id) in spec.faults.iter().zip(0..) {
        planned.extend(scripted(fault, FaultId(id), seed));
    }
    let Some(storm) = &spec.storm else { return planned };
    let storm = schedule::Storm {
        length: storm.length.0,
        every: storm.every,
        lasting: storm.lasting,
        faults: storm.faults.clone(),
    };
    let first = FaultId(u32::try_from(planned.len()).unwrap_or(u32::MAX));
    let drawn = storm.draw(&plan.logs(), first, seed);
    planned
        .extend(drawn.unwrap_or_else(|error| panic!("a pattern that was read is not understood: {error}")));
    planned
}

/// A scripted fault; none where the spec's checks would have refused it.
fn scripted(spec: &FaultSpec, id: FaultId, seed: Seed) -> Option<Planned> {
    let (_, fault) = spec.actions().into_iter().next()?;
    let fault = match fault {
        Fault::LoseResponse { api, client, .. } => {
            Fault::LoseResponse { api, client, nth: spec.nth.unwrap_or(1), count: spec.count.unwrap_or(1) }
        }
        Fault::Hold { api, from, .. } => Fault::Hold { api, from, nth: spec.nth.unwrap_or(1) },
        other @ (Fault::Kill { .. }
        | Fault::Pause { .. }
        | Fault::Cut { .. }
        | Fault::Loss { .. }
        | Fault::Delay { .. }
        | Fault::Grow { .. }) => other,
    };
    let heal = spec.heal.clone().or_else(|| spec.release.clone()).unwrap_or(match fault {
        Fault::LoseResponse { .. } | Fault::Grow { .. } => Heal::Itself,
        Fault::Kill { .. }
        | Fault::Pause { .. }
        | Fault::Cut { .. }
        | Fault::Loss { .. }
        | Fault::Delay { .. }
        | Fault::Hold { .. } => Heal::AtEnd,
    });
    let at = match spec.at.clone()? {
        Moment::Step(steps) => Moment::Step(named(steps, spec.nth, &fault)),
        moment @ (Moment::Time(_) | Moment::When { .. }) => moment,
    };
    Some(Planned { id, name: spec.name.clone(), fault, at, heal, choice: Choice::drawn(seed, id) })
}

/// Steps by their own names, with whose they are and which passage is meant.
fn named(steps: Steps, nth: Option<u32>, fault: &Fault) -> Steps {
    let name = |text: String| Step::parse(&text).map_or(text, |step| step.name().to_owned());
    Steps {
        after: name(steps.after),
        before: name(steps.before),
        client: steps.client.or_else(|| fault.client().cloned()),
        nth: nth.unwrap_or(steps.nth),
    }
}

fn question(loaded: &Loaded, plan: &Plan) -> Question {
    let spec = &loaded.spec;
    Question {
        polls_are_the_end: false,
        claimed_by_default: false,
        claim: claim(spec, plan),
        expect: spec.expect.clone(),
        floor: spec.limits.acknowledged.unwrap_or(FLOOR),
        warm_up: true,
        faults: plan.faults.iter().map(Planned::words).collect(),
        groups: plan.clients.iter().filter_map(|client| client.group.clone()).collect(),
        exercises: exercises(spec, plan),
        settings: settings(spec, plan),
        reproduce: reproduce(loaded, plan.seed),
    }
}

/// The claim, with order where the settings of every producer give it.
fn claim(spec: &Spec, plan: &Plan) -> Claim {
    let mut claim = spec.claim.clone();
    let ordered = |client: &ClientPlan| match &client.role {
        // What an application sends again comes after what it sent meanwhile.
        protocol::Role::Producer(producer) if producer.resend.is_some() => false,
        protocol::Role::Producer(_) => {
            let settings = effective(client, None);
            settings["enable.idempotence"] == "true"
                || settings["max.in.flight.requests.per.connection"] == "1"
        }
        protocol::Role::Consumer(consumer) => consumer.commit != Commit::AfterOutOfOrder,
    };
    if plan.clients.iter().all(ordered) {
        claim.add(Property::Ordered);
    }
    claim
}

fn exercises(spec: &Spec, plan: &Plan) -> BTreeSet<Exercise> {
    let kills_client = plan.faults.iter().any(|planned| match &planned.fault {
        Fault::Kill { target: Target::Client(_) | Target::AnyClient(_) | Target::AllClients(_) } => true,
        Fault::Kill { .. }
        | Fault::Pause { .. }
        | Fault::Cut { .. }
        | Fault::Loss { .. }
        | Fault::Delay { .. }
        | Fault::LoseResponse { .. }
        | Fault::Hold { .. }
        | Fault::Grow { .. } => false,
    });
    let dead = kills_client.then_some(Exercise::ClientCrash);
    let effects = spec.sink.is_some() && spec.claim.stage(Stage::Effect).level.is_some();
    let at_risk = effects.then_some(Exercise::EffectAtRisk);
    spec.require.iter().copied().chain(dead).chain(at_risk).collect()
}

fn settings(spec: &Spec, plan: &Plan) -> Settings {
    let client = |client: &ClientPlan| {
        let (role, commit) = match &client.role {
            protocol::Role::Producer(_) => ("producer", None),
            protocol::Role::Consumer(consumer) => ("consumer", Some(consumer.commit)),
        };
        let settings = ClientSettings {
            role: role.to_owned(),
            family: client.family.name().to_owned(),
            topic: client.topic.clone(),
            group: client.group.clone(),
            commit: commit.map(|commit| commit_words(commit).to_owned()),
            properties: effective(client, commit),
        };
        let several = spec.clients.get(&client.name).is_some_and(|client| client.family.all().len() > 1);
        let family = if several { format!("/{}", client.family.name()) } else { String::new() };
        (format!("{}{family}", client.name), settings)
    };
    Settings {
        clients: plan.clients.iter().map(client).collect(),
        topics: spec.topics.iter().map(|(name, topic)| (name.clone(), topic.config.0.clone())).collect(),
        brokers: plan.kafka.server.clone(),
    }
}

/// The words by which the checker names a consumer's way of committing.
fn commit_words(commit: Commit) -> &'static str {
    match commit {
        Commit::AfterSync | Commit::AfterAsync | Commit::AfterOutOfOrder => "commit-after",
        Commit::Before => "commit-before",
        Commit::Auto | Commit::AutoHandedOver | Commit::AutoStored => "auto-commit",
        Commit::InSink => "offset-in-sink",
    }
}

/// A client's properties as they are in effect, with the library's defaults and what one property does to another.
pub(super) fn effective(client: &ClientPlan, commit: Option<Commit>) -> BTreeMap<String, String> {
    let role = match client.role {
        protocol::Role::Producer(_) => Role::Producer,
        protocol::Role::Consumer(_) => Role::Consumer,
    };
    let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let mut settings: BTreeMap<String, String> =
        defaults::of(client.family, role).iter().copied().map(own).collect();
    settings.extend(commit.into_iter().flat_map(Commit::implied).copied().map(own));
    let alias = |name: &String| match client.family {
        Family::Java => None,
        Family::Librdkafka => {
            defaults::ALIASES.iter().find(|(alias, _)| alias == name).map(|(_, name)| (*name).to_owned())
        }
    };
    for (name, value) in &client.properties {
        settings.insert(alias(name).unwrap_or_else(|| name.clone()), value.clone());
    }
    if settings.get("acks").is_some_and(|acks| acks == "-1") {
        settings.insert("acks".to_owned(), "all".to_owned());
    }
    let given = |name: &str| client.properties.contains_key(name);
    let is = |name: &str, value: &str| settings.get(name).is_some_and(|found| found == value);
    if client.family == Family::Java && !given("enable.idempotence") && role == Role::Producer {
        let in_flight = settings.get("max.in.flight.requests.per.connection");
        let many = in_flight.and_then(|text| text.parse::<u32>().ok()).is_some_and(|number| number > 5);
        if !is("acks", "all") || is("retries", "0") || many {
            settings.insert("enable.idempotence".to_owned(), "false".to_owned());
        }
    }
    if settings.get("enable.idempotence").is_some_and(|on| on == "true")
        && !given("max.in.flight")
        && !given("max.in.flight.requests.per.connection")
    {
        settings.insert("max.in.flight.requests.per.connection".to_owned(), "5".to_owned());
    }
    settings
}

fn reproduce(loaded: &Loaded, seed: Seed) -> String {
    let sets: String = loaded.sets.iter().map(|set| format!(" --set {}", quoted(set))).collect();
    format!("onceproof run {} --seed {seed}{sets}", quoted(&loaded.given))
}

/// As a shell reads it back.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
