//! A storm is a function of the seed: the same everywhere, one fault at a time, within its time.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use history::ids::{FaultId, TopicPartition};
use nemesis::schedule::{Choice, Draw, Heal, Moment, Pattern, Planned, Seed, Storm};
use proptest::prelude::*;

fn storm(length: u64, faults: &[&str]) -> Storm {
    Storm {
        length: Duration::from_secs(length),
        every: "1s..2s".to_owned().try_into().unwrap(),
        lasting: "2s..3s".to_owned().try_into().unwrap(),
        faults: faults.iter().map(|fault| Pattern::try_from((*fault).to_owned()).unwrap()).collect(),
    }
}

fn logs() -> Vec<TopicPartition> {
    (0..3).map(|partition| TopicPartition::new("orders", partition)).collect()
}

/// When a fault of a storm begins and ends.
fn span(planned: &Planned) -> (Duration, Duration) {
    match (&planned.at, &planned.heal) {
        (Moment::Time(at), Heal::After(lasting)) => (*at, *at + *lasting),
        (Moment::Time(at), Heal::Itself) => (*at, *at),
        other => panic!("not of a storm: {other:?}"),
    }
}

#[test]
fn draws_are_the_same_on_every_machine_and_in_every_version() {
    // If these figures change, the seed of every stored plan means something else.
    let drawn: Vec<u64> = (0..3).map(|stream| Draw::new(Seed(7), stream).number()).collect();
    assert_eq!(drawn, DRAWN, "{drawn:?}");
    assert_ne!(Choice::drawn(Seed(7), FaultId(0)), Choice::drawn(Seed(7), FaultId(1)));
    assert_ne!(Choice::drawn(Seed(7), FaultId(0)), Choice::drawn(Seed(8), FaultId(0)));
}

const DRAWN: [u64; 3] = [559_256_596_868_823_998, 2_412_890_669_106_560_871, 8_581_553_370_131_974_960];

#[test]
fn leaving_a_fault_out_does_not_change_whom_the_others_strike() {
    let planned = storm(60, &["kill broker", "pause broker"]).draw(&logs(), FaultId(0), Seed(3)).unwrap();
    for fault in &planned {
        assert_eq!(
            fault.choice,
            Choice::drawn(Seed(3), fault.id),
            "a choice belongs to seed and number alone"
        );
    }
}

#[test]
fn short_forms_stand_for_roles_of_a_drawn_log() {
    let log = TopicPartition::new("orders", 2);
    for (short, long) in [
        ("kill broker", "kill any broker"),
        ("pause any broker", "pause any broker"),
        ("kill broker 1", "kill broker 1"),
        ("kill client", "kill any client"),
        ("kill leader", "kill leader of orders/2"),
        ("5 % loss on leader <-> follower", "5 % loss on leader of orders/2 <-> follower of orders/2"),
        ("kill leader of other/0", "kill leader of other/0"),
        ("partition halves", "partition halves"),
    ] {
        let pattern = Pattern::try_from(short.to_owned()).unwrap();
        assert_eq!(pattern.about(&log).unwrap().to_string(), long);
    }
    let error = Pattern::try_from("kil broker".to_owned()).unwrap_err();
    assert_eq!(error.phrase, "kil broker", "the error shows what was written");
}

#[test]
fn a_storm_without_faults_is_quiet() {
    assert_eq!(storm(20, &[]).draw(&logs(), FaultId(0), Seed(1)).unwrap(), []);
}

proptest! {
    #[test]
    fn one_fault_at_a_time_within_the_storm(seed: u64, length in 0_u64..120) {
        let storm = storm(length, &["kill broker", "pause leader", "isolate broker", "lose response of Produce"]);
        let planned = storm.draw(&logs(), FaultId(5), Seed(seed)).unwrap();
        let mut quiet_since = Duration::ZERO;
        for (planned, id) in planned.iter().zip(5..) {
            let (begin, end) = span(planned);
            prop_assert_eq!(planned.id, FaultId(id));
            prop_assert!(begin >= quiet_since + storm.every.min, "a fault began before the last was over");
            prop_assert!(end <= storm.length);
            quiet_since = end;
        }
        prop_assert_eq!(&planned, &storm.draw(&logs(), FaultId(5), Seed(seed)).unwrap());
    }

    #[test]
    fn a_bag_is_empty_before_it_is_filled_again(seed: u64) {
        let storm = storm(60, &["kill broker", "pause broker", "isolate broker"]);
        let planned = storm.draw(&logs(), FaultId(0), Seed(seed)).unwrap();
        prop_assert!(planned.len() >= 9);
        for bag in planned.chunks_exact(3) {
            let words: std::collections::BTreeSet<String> = bag.iter().map(Planned::words).collect();
            prop_assert_eq!(words.len(), 3);
        }
    }

    #[test]
    fn a_draw_below_a_bound_is_below_it(seed: u64, bound in 1_u64..) {
        prop_assert!(Draw::new(Seed(seed), 0).below(bound) < bound);
    }

    #[test]
    fn a_planned_fault_survives_a_round_trip_through_json(seed: u64) {
        let faults = [
            "kill broker", "5 % loss on leader <-> follower", "10ms delay on broker", "lose response of Produce",
            "hold Fetch from follower", "partition halves", "partition broker -> controller",
        ];
        for planned in storm(90, &faults).draw(&logs(), FaultId(0), Seed(seed)).unwrap() {
            let json = serde_json::to_string(&planned).unwrap();
            prop_assert_eq!(serde_json::from_str::<Planned>(&json).unwrap(), planned);
        }
    }
}
