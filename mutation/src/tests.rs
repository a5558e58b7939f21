//! A small program with switches, compiled and run with each mutant in turn.

use std::process::{Command, Output};

use crate::compile::{self, Blame};
use crate::edit::render;
use crate::instrument::SWITCH;
use crate::mutants::{Genre, Number, Wanted};
use crate::places::{Places, places};

const PROGRAM: &str = r#"
#[derive(Default)]
struct Setting { size: u32, name: &'static str }

const LIMIT: u32 = 1 << 4;

fn sum(a: u32, b: u32, c: u32) -> u32 {
    a * (b - c)
}

fn is_odd(number: u32) -> bool {
    !(number % 2 == 0)
}

fn named(number: u32) -> &'static str {
    match number {
        0 => "none",
        few if few < LIMIT => "few",
        _ => "many",
    }
}

fn setting(name: &'static str) -> Setting {
    Setting { size: 3, name, ..Default::default() }
}

fn numbers(to: u32) -> impl DoubleEndedIterator<Item = u32> {
    (0..to).filter(|number| *number != 1)
}

fn first(number: Option<u32>) -> u32 {
    let mut out = 7;
    if let Some(number) = number && number > 1 && out > 0 {
        out += number;
    }
    out
}

fn main() {
    let Setting { size, name } = setting("ü");
    println!("{} {} {} {} {}", sum(2, 5, 1), is_odd(3), named(0), named(5), named(50));
    println!("{size} {name} {:?} {} {}", numbers(4).rev().collect::<Vec<_>>(), first(Some(4)), first(None));
}
"#;

/// Genre, the text at which the mutant starts, the replacement, and what the program says then.
const MUTANTS: &[(Genre, &str, &str, &str)] = &[
    (Genre::FnValue, "a * (b", "0", "0 true none few many|3 ü [3, 2, 0] 11 7"),
    (Genre::BinaryOperator, "* (b", "+", "6 true none few many|3 ü [3, 2, 0] 11 7"),
    (Genre::BinaryOperator, "* (b", "/", "0 true none few many|3 ü [3, 2, 0] 11 7"),
    (Genre::BinaryOperator, "- c", "+", "12 true none few many|3 ü [3, 2, 0] 11 7"),
    (Genre::UnaryOperator, "!(number", "", "8 false none few many|3 ü [3, 2, 0] 11 7"),
    (Genre::BinaryOperator, "== 0", "!=", "8 false none few many|3 ü [3, 2, 0] 11 7"),
    (Genre::MatchArm, "0 => ", "", "8 true few few many|3 ü [3, 2, 0] 11 7"),
    (Genre::MatchArm, "few if", "", "8 true none many many|3 ü [3, 2, 0] 11 7"),
    (Genre::MatchArmGuard, "few < LIMIT", "true", "8 true none few few|3 ü [3, 2, 0] 11 7"),
    (Genre::MatchArmGuard, "few < LIMIT", "false", "8 true none many many|3 ü [3, 2, 0] 11 7"),
    (Genre::BinaryOperator, "< LIMIT", ">", "8 true none many few|3 ü [3, 2, 0] 11 7"),
    (Genre::StructField, "size: 3", "", "8 true none few many|0 ü [3, 2, 0] 11 7"),
    (Genre::StructField, "name, ..", "", "8 true none few many|3  [3, 2, 0] 11 7"),
    (Genre::FnValue, "(0..to)", "::std::iter::empty()", "8 true none few many|3 ü [] 11 7"),
    (Genre::FnValue, "(0..to)", "::std::iter::once(1)", "8 true none few many|3 ü [1] 11 7"),
    (Genre::BinaryOperator, "!= 1", "==", "8 true none few many|3 ü [1] 11 7"),
    (Genre::BinaryOperator, "> 1", "<", "8 true none few many|3 ü [3, 2, 0] 7 7"),
    (Genre::BinaryOperator, "+= number", "-=", "8 true none few many|3 ü [3, 2, 0] 3 7"),
];

fn at(needle: &str) -> usize {
    let mut found = PROGRAM.match_indices(needle);
    let (at, _) = found.next().expect("the program has it");
    assert_eq!(found.next(), None, "{needle} is ambiguous");
    at
}

fn wanted(mutants: &[(Genre, &str, &str, &str)]) -> Wanted {
    let mut wanted = Wanted::new();
    for (number, (genre, needle, replacement, _)) in (1..).map(Number).zip(mutants) {
        wanted.entry((*genre, at(needle))).or_default().push((number, (*replacement).to_owned()));
    }
    wanted
}

fn compiled(text: &str, folder: &std::path::Path) -> Output {
    std::fs::write(folder.join("mutation.rs"), SWITCH).unwrap();
    std::fs::write(folder.join("main.rs"), format!("{text}\nmod mutation;\n")).unwrap();
    let arguments = ["--edition=2024", "--cap-lints=allow", "-o", "program", "main.rs"];
    Command::new("rustc").args(arguments).current_dir(folder).output().unwrap()
}

#[test]
fn every_mutant_does_what_it_says_and_nothing_without_its_number() {
    let Places { edits, ungrammatical } = places(PROGRAM, &mut wanted(MUTANTS)).unwrap();
    assert_eq!(ungrammatical, []);
    let folder = tempfile::tempdir().unwrap();
    let output = compiled(&render(PROGRAM, &edits), folder.path());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let says = |number: usize| {
        let mut program = Command::new(folder.path().join("program"));
        let output = program.env("ONCEPROOF_MUTANT", number.to_string()).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().replace('\n', "|")
    };
    assert_eq!(says(0), "8 true none few many|3 ü [3, 2, 0] 11 7");
    for (number, (_, needle, replacement, expected)) in (1..).zip(MUTANTS) {
        assert_eq!(says(number), *expected, "{needle} with {replacement}");
    }
    let reached = folder.path().join("reached");
    let mut program = Command::new(folder.path().join("program"));
    assert!(program.env("ONCEPROOF_REACHED", &reached).output().unwrap().status.success());
    let mut sites: Vec<u32> = std::fs::read(reached)
        .unwrap()
        .chunks(4)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
        .collect();
    sites.sort_unstable();
    let mut expected: Vec<u32> = edits.iter().flat_map(|edit| edit.sites()).map(|(_, site)| site.0).collect();
    expected.sort_unstable();
    expected.dedup();
    assert_eq!(sites, expected);
}

#[test]
fn constants_have_no_place_and_a_chain_with_let_has_one_operator_only() {
    let mut wanted = wanted(&[
        (Genre::BinaryOperator, "<< 4", ">>", ""),
        (Genre::BinaryOperator, "&& number", "||", ""),
        (Genre::BinaryOperator, "&& out", "||", ""),
    ]);
    let Places { edits, mut ungrammatical } = places(PROGRAM, &mut wanted).unwrap();
    ungrammatical.sort_unstable();
    assert!(edits.is_empty());
    assert_eq!(ungrammatical, [Number(2), Number(3)]);
    assert_eq!(wanted.keys().copied().collect::<Vec<_>>(), [(Genre::BinaryOperator, at("<< 4"))]);
}

#[test]
fn what_does_not_compile_is_found_by_its_comment() {
    let wrong = [
        (Genre::FnValue, "a * (b", "String::new()", ""),
        (Genre::BinaryOperator, "* (b", "&&", ""),
        (Genre::BinaryOperator, "- c", "+", ""),
    ];
    let Places { edits, .. } = places(PROGRAM, &mut wanted(&wrong)).unwrap();
    let text = render(PROGRAM, &edits);
    let blamed = |needle| compile::around(&text, text.find(needle).unwrap());
    assert_eq!(blamed("String::new()"), Some(Blame::Mutant(Number(1))));
    assert_eq!(blamed("&& ((b - c))"), Some(Blame::Mutant(Number(2))));
    assert_eq!(blamed("+ (c)"), Some(Blame::Mutant(Number(3))));
    assert_eq!(compile::around(&text, text.find("fn is_odd").unwrap()), None);
}
