//! The properties file of a node: fast values, the spec's own, and what the harness must decide itself.
//!
//! The fast values only shorten waits (sessions, elections, lags) or shrink pools; each is legal in
//! production. The exceptions are replication factor and `min.insync.replicas`, which follow the number of
//! brokers because Kafka's own defaults (one copy) would make every claim about several brokers vacuous;
//! a plan prints them. `min.insync.replicas` is written for the controller too: from 4.1 on, with eligible
//! leader replicas, the brokers' value has no effect at all (verified on 4.1.1).

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;

use history::ids::NodeId;

use super::{CLIENT_PORT, CONTROLLER, CONTROLLER_PORT, KafkaPlan, Member, REPLICATION_PORT, Role};

/// Properties that the harness decides, each with the reason; a spec that sets one is refused.
pub const OWNED: [(&str, &str); 16] = [
    ("node.id", "nodes are numbered by the harness"),
    ("broker.id", "nodes are numbered by the harness"),
    ("process.roles", "a node is a broker or the controller, so that a fault hits one of them"),
    ("listeners", "addresses belong to the lab"),
    ("advertised.listeners", "addresses belong to the lab"),
    ("listener.security.protocol.map", "listeners belong to the lab"),
    ("inter.broker.listener.name", "replication has its own port, so that it can be cut alone"),
    ("security.inter.broker.protocol", "replication has its own port, so that it can be cut alone"),
    ("controller.listener.names", "listeners belong to the lab"),
    ("controller.quorum.voters", "the quorum is the lab's controller node"),
    ("controller.quorum.bootstrap.servers", "the quorum is the lab's controller node"),
    ("log.dirs", "folders belong to the run"),
    ("log.dir", "folders belong to the run"),
    ("metadata.log.dir", "folders belong to the run"),
    ("zookeeper.connect", "nodes run in KRaft mode"),
    ("metric.reporters", "reporters may listen outside the lab"),
];

/// Properties in a spec that the harness decides.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{} in the broker properties: decided by the harness ({})", .0.iter().map(|(key, _)| format!("`{key}`")).collect::<Vec<_>>().join(", "), .0.iter().map(|(_, why)| *why).collect::<Vec<_>>().join("; "))]
pub struct Refused(pub Vec<(&'static str, &'static str)>);

/// Refuses properties that the harness decides.
pub fn check(server: &BTreeMap<String, String>) -> Result<(), Refused> {
    let taken: Vec<_> = OWNED.iter().copied().filter(|(key, _)| server.contains_key(*key)).collect();
    if taken.is_empty() { Ok(()) } else { Err(Refused(taken)) }
}

/// What the nodes get unless the spec says otherwise.
pub fn fast(brokers: u8) -> BTreeMap<String, String> {
    let copies = brokers.min(3).to_string();
    let in_sync = if brokers >= 3 { "2" } else { "1" };
    let pairs = [
        ("auto.create.topics.enable", "false"),
        ("auto.leader.rebalance.enable", "false"),
        ("background.threads", "2"),
        ("broker.heartbeat.interval.ms", "500"),
        ("broker.session.timeout.ms", "3000"),
        ("controller.quorum.election.timeout.ms", "1000"),
        ("default.replication.factor", &copies),
        ("group.consumer.heartbeat.interval.ms", "500"),
        ("group.consumer.min.heartbeat.interval.ms", "500"),
        ("group.consumer.min.session.timeout.ms", "3000"),
        ("group.consumer.session.timeout.ms", "3000"),
        ("group.initial.rebalance.delay.ms", "0"),
        ("group.min.session.timeout.ms", "1000"),
        ("log.cleaner.dedupe.buffer.size", "2097152"),
        ("log.cleaner.threads", "1"),
        ("log.initial.task.delay.ms", "500"),
        ("min.insync.replicas", in_sync),
        ("num.io.threads", "2"),
        ("num.network.threads", "2"),
        ("num.replica.fetchers", "1"),
        ("offsets.topic.num.partitions", "3"),
        ("offsets.topic.replication.factor", &copies),
        ("replica.fetch.wait.max.ms", "500"),
        ("replica.lag.time.max.ms", "4000"),
        ("share.coordinator.state.topic.min.isr", in_sync),
        ("share.coordinator.state.topic.num.partitions", "3"),
        ("share.coordinator.state.topic.replication.factor", &copies),
        ("transaction.abort.timed.out.transaction.cleanup.interval.ms", "500"),
        ("transaction.state.log.min.isr", in_sync),
        ("transaction.state.log.num.partitions", "3"),
        ("transaction.state.log.replication.factor", &copies),
        ("unclean.leader.election.interval.ms", "1000"),
    ];
    pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

/// What a node gets from the plan: the fast values, overridden by the spec's own.
pub fn resolved(plan: &KafkaPlan) -> BTreeMap<String, String> {
    let mut properties = fast(plan.brokers);
    properties.extend(plan.server.iter().map(|(key, value)| (key.clone(), value.clone())));
    properties
}

/// Where the nodes of a cluster are.
pub type Addresses = BTreeMap<NodeId, IpAddr>;

/// The text of a node's properties file.
pub fn text(plan: &KafkaPlan, member: Member, addresses: &Addresses, logs: &Path) -> String {
    let mut properties = resolved(plan);
    properties.extend(owned(member, addresses, logs));
    file_text(&properties)
}

/// A combined broker and controller, for the warm-up that makes a class archive; never part of a run.
pub fn combined_text(plan: &KafkaPlan, addresses: &Addresses, logs: &Path) -> String {
    let mut properties = resolved(plan);
    properties.extend(owned(Member { id: CONTROLLER, role: Role::Broker }, addresses, logs));
    let address = addresses[&CONTROLLER];
    let mut set = |key: &str, value: String| properties.insert(key.to_owned(), value);
    set("process.roles", "broker,controller".to_owned());
    set("listeners", format!("{},CONTROLLER://{address}:{CONTROLLER_PORT}", broker_listeners(address)));
    file_text(&properties)
}

fn owned(member: Member, addresses: &Addresses, logs: &Path) -> Vec<(String, String)> {
    let address = addresses[&member.id];
    let voters = format!("{CONTROLLER}@{}:{CONTROLLER_PORT}", addresses[&CONTROLLER]);
    let mut pairs = vec![
        ("node.id", member.id.to_string()),
        ("controller.quorum.voters", voters),
        ("controller.listener.names", "CONTROLLER".to_owned()),
        ("log.dirs", logs.display().to_string()),
    ];
    match member.role {
        Role::Controller => pairs.extend([
            ("process.roles", "controller".to_owned()),
            ("listeners", format!("CONTROLLER://{address}:{CONTROLLER_PORT}")),
            ("listener.security.protocol.map", "CONTROLLER:PLAINTEXT".to_owned()),
        ]),
        Role::Broker => pairs.extend([
            ("process.roles", "broker".to_owned()),
            ("listeners", broker_listeners(address)),
            ("advertised.listeners", broker_listeners(address)),
            ("inter.broker.listener.name", "REPLICATION".to_owned()),
            (
                "listener.security.protocol.map",
                "CLIENT:PLAINTEXT,REPLICATION:PLAINTEXT,CONTROLLER:PLAINTEXT".to_owned(),
            ),
        ]),
    }
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

fn broker_listeners(address: IpAddr) -> String {
    format!("CLIENT://{address}:{CLIENT_PORT},REPLICATION://{address}:{REPLICATION_PORT}")
}

/// Java's properties format: backslashes and line ends in values are escaped.
fn file_text(properties: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    for (key, value) in properties {
        let value = value.replace('\\', "\\\\").replace('\n', "\\n");
        text.push_str(&format!("{key}={value}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::Source;

    fn plan(server: &[(&str, &str)]) -> KafkaPlan {
        KafkaPlan {
            source: Source::Version("4.1.1".to_owned()),
            brokers: 3,
            server: server.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect(),
            features: BTreeMap::new(),
            heap_mib: 256,
        }
    }

    fn addresses() -> Addresses {
        [(1, 1), (2, 2), (3, 3), (100, 100)]
            .map(|(id, end)| (NodeId(id), IpAddr::from([10, 77, 0, end])))
            .into()
    }

    #[test]
    fn what_the_harness_decides_is_refused_by_name() {
        let refused = check(&plan(&[("log.dirs", "/tmp"), ("node.id", "7"), ("num.io.threads", "4")]).server)
            .unwrap_err();
        let words = refused.to_string();
        assert!(
            words.contains("`node.id`") && words.contains("`log.dirs`") && !words.contains("num.io"),
            "{words}"
        );
        assert_eq!(check(&plan(&[("num.io.threads", "4")]).server), Ok(()));
    }

    #[test]
    fn the_spec_overrides_fast_values_and_reaches_the_controller_too() {
        let plan = plan(&[("min.insync.replicas", "1"), ("broker.session.timeout.ms", "9000")]);
        for member in plan.members() {
            let text = text(&plan, member, &addresses(), Path::new("/run/logs"));
            assert!(text.contains("min.insync.replicas=1\n"), "{text}");
            assert!(text.contains("broker.session.timeout.ms=9000\n"), "{text}");
            assert!(text.contains(&format!("node.id={}\n", member.id)), "{text}");
        }
    }
}
