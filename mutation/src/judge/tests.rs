//! Which tests are tried, in which order.

use std::collections::HashMap;

use super::baseline::Test;
use super::batches::batches;
use super::choice::{Choice, Survived};
use super::shuffle;
use crate::instrument::{Fate, Planned};
use crate::mutants::Number;

fn test(binary: usize, millis: u64, sites: &[u32]) -> Test {
    Test {
        binary,
        name: format!("{binary} {millis}"),
        millis,
        sites: sites.iter().copied().map(Number).collect(),
    }
}

fn tests() -> Vec<Test> {
    vec![test(0, 5, &[1, 2]), test(0, 20, &[1]), test(1, 8, &[1]), test(1, 4000, &[1]), test(2, 2000, &[1])]
}

fn choice(tests: &[Test]) -> Choice<'_> {
    let (held, random) = (vec![false; 3], vec![false, true, false]);
    Choice { tests, held, random, longest_ms: u64::MAX, tenth: false }
}

fn planned(site: u32) -> Planned {
    Planned { number: Number(9), name: "a.rs:1:2: replace".to_owned(), fate: Fate::Guarded(Number(site)) }
}

#[test]
fn cheap_tests_go_first_and_together_and_dear_ones_alone() {
    let tests = tests();
    let choice = choice(&tests);
    let open = choice.untried(&planned(1), &Survived::default());
    assert_eq!(batches(&choice, &open, &HashMap::new()), [vec![2], vec![0, 1], vec![4], vec![3]]);
    let known = HashMap::from([(1, 3), (0, 1)]);
    assert_eq!(batches(&choice, &open, &known), [vec![1], vec![0], vec![2], vec![4], vec![3]]);
}

#[test]
fn a_mutant_is_tried_only_with_tests_that_reach_it_and_that_it_has_not_survived() {
    let tests = tests();
    let mut choice = choice(&tests);
    assert_eq!(choice.untried(&planned(2), &Survived::default()), [0]);
    assert!(!choice.is_reached(&planned(3)));
    let mut survived = Survived { whole: [0, 1].into(), tenth: [2, 3].into() };
    assert_eq!(choice.untried(&planned(1), &survived), [2, 3, 4]);
    choice.tenth = true;
    assert_eq!(choice.untried(&planned(1), &survived), [4]);
    survived.tenth.clear();
    choice.longest_ms = 500;
    assert_eq!(choice.untried(&planned(1), &survived), [2, 3], "a tenth of 4000 ms");
    choice.held[1] = true;
    assert!(choice.untried(&planned(1), &survived).is_empty());
}

#[test]
fn the_order_depends_on_the_seed_alone() {
    let shuffled = |seed| {
        let mut items: Vec<u32> = (0..50).collect();
        shuffle(&mut items, seed);
        items
    };
    assert_eq!(shuffled(1), shuffled(1));
    assert_ne!(shuffled(1), shuffled(2));
    let mut sorted = shuffled(1);
    sorted.sort_unstable();
    assert_eq!(sorted, (0..50).collect::<Vec<u32>>());
}
