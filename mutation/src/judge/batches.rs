//! In which order tests are tried, and which are run by one process.

use std::collections::{BTreeMap, HashMap};

use super::choice::Choice;

/// Tests that take at most so long are run together, in milliseconds.
const CLASSES: [u64; 4] = [30, 120, 500, 1500];
/// So many of the tests that caught most in the same file come first.
const FAVOURITES: usize = 4;

/// Indices of tests, each batch of one binary.
pub(super) fn batches(choice: &Choice<'_>, open: &[usize], known: &HashMap<usize, u32>) -> Vec<Vec<usize>> {
    let mut rest = open.to_vec();
    rest.sort_by_key(|test| (choice.millis(*test), *test));
    let worth = |test: &usize| {
        let caught = known.get(test).copied().unwrap_or(0);
        u64::from(caught) * 1_000_000 / (choice.millis(*test) + 10)
    };
    let mut favourites: Vec<usize> = rest.iter().copied().filter(|test| worth(test) > 0).collect();
    favourites.sort_by_key(|test| (std::cmp::Reverse(worth(test)), *test));
    favourites.truncate(FAVOURITES);
    let mut batches: Vec<Vec<usize>> = favourites.iter().map(|test| vec![*test]).collect();
    rest.retain(|test| !favourites.contains(test));
    let class = |test: &usize| CLASSES.partition_point(|limit| *limit < choice.millis(*test));
    for (number, _) in CLASSES.iter().enumerate() {
        let mut by_binary: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for test in rest.iter().filter(|test| class(test) == number) {
            by_binary.entry(choice.tests[*test].binary).or_default().push(*test);
        }
        let mut together: Vec<Vec<usize>> = by_binary.into_values().collect();
        together.sort_by_key(|batch| batch.iter().map(|test| choice.millis(*test)).sum::<u64>());
        batches.extend(together);
    }
    batches.extend(rest.iter().filter(|test| class(test) == CLASSES.len()).map(|test| vec![*test]));
    batches
}
