//! The built-in specs are sound, and a plan is a function of spec and seed: the same bytes, every time.

use harness::plan::{Look, Plan, plan, print};
use harness::spec::{BUILT_IN, Fancy, load};
use nemesis::schedule::Seed;

fn loaded(name: &str, sets: &[&str]) -> harness::spec::Loaded {
    let sets: Vec<String> = sets.iter().map(|set| (*set).to_owned()).collect();
    load(name, &sets).unwrap_or_else(|error| panic!("{}", error.render(Fancy::Plain, 100)))
}

#[test]
fn the_same_spec_and_seed_give_the_same_bytes() {
    for spec in BUILT_IN {
        for seed in [0, 7, u64::MAX] {
            let once = plan(&loaded(spec.name, &[]), Seed(seed)).json();
            let again = plan(&loaded(spec.name, &[]), Seed(seed)).json();
            assert_eq!(once, again, "{} with seed {seed}", spec.name);
            let read = Plan::from_json(&once).unwrap();
            assert_eq!(read.json(), once, "{} read back", spec.name);
            assert_eq!(print(&read, Look { width: 100 }), print(&read, Look { width: 100 }));
        }
    }
}

#[test]
fn a_storm_depends_on_the_seed_and_a_script_only_in_its_choices() {
    let storm = |seed| plan(&loaded("quickstart", &[]), Seed(seed)).faults;
    assert_ne!(storm(1), storm(2));
    let script = |seed| {
        let faults = plan(&loaded("acks-1-leader-crash", &[]), Seed(seed)).faults;
        faults.iter().map(|planned| (planned.at.clone(), planned.words())).collect::<Vec<_>>()
    };
    assert_eq!(script(1), script(2));
}

#[test]
fn a_storm_uses_every_fault_and_ends_in_time_whatever_the_seed() {
    for seed in 0..200 {
        let plan = plan(&loaded("quickstart", &[]), Seed(seed));
        let words: Vec<String> = plan.faults.iter().map(|planned| planned.words()).collect();
        for fault in ["kill any broker", "pause any broker", "isolate any broker", "kill any client"] {
            assert!(words.iter().any(|word| word == fault), "seed {seed} has no \"{fault}\": {words:?}");
        }
    }
}

#[test]
fn built_in_plans_look_as_they_did() {
    for spec in BUILT_IN {
        let plan = plan(&loaded(spec.name, &[]), Seed(7));
        insta::with_settings!({ description => spec.name, omit_expression => true }, {
            insta::assert_snapshot!(format!("plan_{}", spec.name), print(&plan, Look { width: 100 }));
        });
    }
}
