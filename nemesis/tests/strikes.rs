//! From a planned fault to what is struck: pure, concrete, and never more than was meant.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use history::ids::{NodeId, TopicPartition};
use nemesis::fault::{Fault, Link, Strike};
use nemesis::target::{ClientRef, ClusterView, LogView, Place, Running, Target, Unresolved, resolve};
use proptest::prelude::*;

fn client(name: &str, index: u32) -> ClientRef {
    ClientRef { name: name.to_owned(), index }
}

fn log(leader: Option<i32>, replicas: &[i32], isr: &[i32]) -> LogView {
    let ids = |ids: &[i32]| ids.iter().copied().map(NodeId).collect();
    LogView { leader: leader.map(NodeId), replicas: ids(replicas), isr: ids(isr) }
}

/// Three brokers, one controller, three clients. Of orders, log 0 is led by broker 2 with 3 in sync, log 1 has no leader,
/// log 2 has one replica.
fn view() -> ClusterView {
    ClusterView {
        brokers: [1, 2, 3].map(|id| (NodeId(id), Running::Yes)).into(),
        controllers: vec![NodeId(100)],
        active_controller: None,
        logs: BTreeMap::from([
            (TopicPartition::new("orders", 0), log(Some(2), &[2, 3, 1], &[2, 3])),
            (TopicPartition::new("orders", 1), log(None, &[1], &[1])),
            (TopicPartition::new("orders", 2), log(Some(1), &[1], &[1])),
        ]),
        coordinators: BTreeMap::from([("billing".to_owned(), NodeId(3))]),
        sink: Some(Running::Yes),
        clients: [client("shop", 0), client("shop", 1), client("billing", 0)]
            .map(|client| (client, Running::Yes))
            .into(),
    }
}

fn places(phrase: &str, choice: u64) -> Result<Vec<String>, Unresolved> {
    let places = resolve(&phrase.parse::<Target>().unwrap(), &view(), choice)?;
    Ok(places.iter().map(Place::to_string).collect())
}

#[test]
fn roles_are_resolved_from_what_the_brokers_say() {
    for (phrase, expected) in [
        ("leader of orders/0", vec!["broker 2"]),
        ("follower of orders/0", vec!["broker 3"]),
        ("followers of orders/0", vec!["broker 1", "broker 3"]),
        ("broker 1", vec!["broker 1"]),
        ("all brokers", vec!["broker 1", "broker 2", "broker 3"]),
        ("controller", vec!["controller 100"]),
        ("coordinator of group billing", vec!["broker 3"]),
        ("sink", vec!["sink"]),
        ("shop[1]", vec!["shop[1]"]),
        ("any billing", vec!["billing[0]"]),
        ("all shop", vec!["shop[0]", "shop[1]"]),
        ("all clients", vec!["billing[0]", "shop[0]", "shop[1]"]),
    ] {
        assert_eq!(places(phrase, u64::MAX).unwrap(), expected, "{phrase}");
    }
}

#[test]
fn a_target_that_names_nothing_now_says_so() {
    for (phrase, why) in [
        ("leader of orders/1", "orders/1 has no leader"),
        ("leader of orders/7", "nothing is known about orders/7"),
        ("follower of orders/2", "orders/2 has no follower"),
        ("broker 9", "there is no broker 9"),
        ("coordinator of group nobody", "the coordinator of group nobody is not known"),
        ("shop[7]", "no client shop[7] is running"),
        ("any ghost", "no client ghost is running"),
    ] {
        assert_eq!(places(phrase, 0).unwrap_err().to_string(), why);
    }
}

#[test]
fn any_broker_is_one_that_runs_and_each_of_them_is_possible() {
    let mut view = view();
    view.brokers.insert(NodeId(2), Running::No);
    let choices = (0..16).map(|step: u64| step << 60);
    let seen: BTreeSet<Place> =
        choices.flat_map(|choice| resolve(&Target::AnyBroker, &view, choice).unwrap()).collect();
    assert_eq!(seen, BTreeSet::from([Place::Broker(NodeId(1)), Place::Broker(NodeId(3))]));
}

fn links(phrase: &str) -> BTreeSet<(String, String)> {
    let strike = phrase.parse::<Fault>().unwrap().strike(&view(), 0).unwrap();
    let Strike::Network { links, .. } = strike else { panic!("{phrase} is {strike:?}") };
    links.iter().map(|Link { from, to }| (from.to_string(), to.to_string())).collect()
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeSet<(String, String)> {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

#[test]
fn a_one_way_partition_has_one_direction() {
    let there = ("broker 1", "controller 100");
    assert_eq!(links("partition broker 1 -> controller"), pairs(&[there]));
    assert_eq!(links("partition broker 1 <-> controller"), pairs(&[there, (there.1, there.0)]));
}

#[test]
fn replication_alone_is_cut_between_leader_and_followers() {
    let cut = links("partition leader of orders/0 <-> followers of orders/0");
    let two = "broker 2";
    assert_eq!(cut, pairs(&[(two, "broker 1"), ("broker 1", two), (two, "broker 3"), ("broker 3", two)]));
}

#[test]
fn an_isolated_node_reaches_nobody_and_the_others_reach_each_other() {
    let cut = links("isolate broker 1");
    assert_eq!(cut.len(), 2 * 7, "two brokers, a controller, the sink and three clients, both ways");
    assert!(cut.iter().all(|(from, to)| (from == "broker 1") != (to == "broker 1")));
}

#[test]
fn clients_may_be_cut_from_the_leader_only() {
    let cut = links("partition all clients <-> leader of orders/0");
    assert_eq!(cut.len(), 6);
    assert!(cut.iter().all(|(from, to)| from == "broker 2" || to == "broker 2"));
}

#[test]
fn a_link_from_a_place_to_itself_is_no_link() {
    let fault: Fault = "partition broker 2 <-> leader of orders/0".parse().unwrap();
    let why = "broker 2 <-> leader of orders/0 leads nowhere: both ends are the same place";
    assert_eq!(fault.strike(&view(), 0).unwrap_err().to_string(), why);
}

#[test]
fn several_targets_are_struck_in_a_fixed_order() {
    let strike = "kill all brokers".parse::<Fault>().unwrap().strike(&view(), 9).unwrap();
    assert_eq!(strike, Strike::Kill { places: [1, 2, 3].map(|id| Place::Broker(NodeId(id))).into() });
}

proptest! {
    #[test]
    fn halves_split_all_brokers_and_keep_the_controller_with_the_larger(choice: u64, brokers in 2_i32..9) {
        let mut view = view();
        view.brokers = (1..=brokers).map(|id| (NodeId(id), Running::Yes)).collect();
        let halves: Fault = "partition halves".parse().unwrap();
        let strike = halves.strike(&view, choice).unwrap();
        let Strike::Network { links, .. } = &strike else { panic!("{strike:?}") };
        let controller = Place::Controller(NodeId(100));
        let far: BTreeSet<_> = links.iter().filter(|link| link.to == controller).map(|link| &link.from).collect();
        prop_assert_eq!(far.len(), usize::try_from(brokers / 2).unwrap());
        let there: BTreeSet<_> = links.iter().map(|link| (&link.from, &link.to)).collect();
        let back: BTreeSet<_> = links.iter().map(|link| (&link.to, &link.from)).collect();
        prop_assert_eq!(there, back, "both ways");
        prop_assert!(!links.iter().any(|link| matches!(link.from, Place::Client(_))), "clients reach both halves");
        prop_assert_eq!(&strike, &halves.strike(&view, choice).unwrap());
    }

    #[test]
    fn whatever_the_choice_a_role_is_held_by_somebody_who_may_hold_it(choice: u64) {
        prop_assert!(["broker 1", "broker 2", "broker 3"].contains(&places("any broker", choice).unwrap()[0].as_str()));
        prop_assert!(["shop[0]", "shop[1]"].contains(&places("any shop", choice).unwrap()[0].as_str()));
    }
}
