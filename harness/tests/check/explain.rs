//! `onceproof explain`: expected and seen, the picture around it, and what is refused.

use super::answer::Folder;

const STORY: &str =
    include_str!("../../../checker/tests/vectors/lost-write/truncated-at-a-leader-change.history");
const EFFECT: &str = include_str!("../../../checker/tests/vectors/zombie-effect/smallest.history");
const GOOD: &str = "0..1 p1 send t/0 v0 @0\n9 p3 final-read t/0 p1:0 @0 end=1\n";

#[test]
fn a_lost_record_is_shown_with_the_fault_and_the_leader_that_took_it() {
    let folder = Folder::with("h", STORY);
    let ended = folder.call(&["explain", "h", "lost-write"]);
    insta::assert_snapshot!(ended.out);
    assert_eq!((ended.exit, ended.err.as_str()), (0, ""));
}

#[test]
fn a_zombie_is_shown_between_the_assignments() {
    let folder = Folder::with("h", EFFECT);
    let ended = folder.call(&["explain", "h", "zombie-effect", "1"]);
    insta::assert_snapshot!(ended.out);
    assert_eq!(ended.exit, 0);
}

#[test]
fn without_a_name_the_first_forbidden_one_is_explained_and_all_are_listed() {
    let folder = Folder::with("h", EFFECT);
    let ended = folder.call(&["explain", "h"]);
    insta::assert_snapshot!(ended.out);
    assert_eq!(ended.exit, 0);
}

#[test]
fn in_json_the_picture_is_data() {
    let folder = Folder::with("h", STORY);
    let ended = folder.call(&["explain", "h", "lost-write", "--message-format", "json"]);
    let close: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((&close["anomaly"], &close["number"]), (&"lost-write".into(), &1.into()));
    assert!(close["moments"].as_array().unwrap().len() > 3, "{close}");
}

#[test]
fn a_model_is_explained_by_its_witness() {
    let text = "{:process 0 :type :invoke :f :write :value 1}\n{:process 0 :type :ok :f :write :value 1}\n\
                {:process 0 :type :invoke :f :read :value nil}\n{:process 0 :type :ok :f :read :value nil}\n";
    let folder = Folder::with("h", text);
    let ended = folder.call(&["explain", "h", "--model", "register"]);
    insta::assert_snapshot!(ended.out);
    assert_eq!(ended.exit, 0);
}

#[test]
fn what_was_not_observed_cannot_be_explained() {
    let folder = Folder::with("h", STORY);
    for (arguments, says) in [
        (vec!["explain", "h", "phantom"], "phantom was not observed; observed were: lost-write"),
        (vec!["explain", "h", "lost-wirte"], "there is no anomaly \"lost-wirte\""),
        (
            vec!["explain", "h", "lost-write", "9"],
            "there is no instance 9 of lost-write: give a number from 1 to",
        ),
        (vec!["explain", "h", "lost-write", "0"], "there is no instance 0"),
        (vec!["explain", "nowhere"], "nowhere"),
    ] {
        let ended = folder.call(&arguments);
        assert!(ended.exit == 64 && ended.err.contains(says), "{says}: {ended:?}");
    }
    let ended = Folder::with("h", GOOD).call(&["explain", "h"]);
    assert!(ended.exit == 0 && ended.out.contains("nothing to explain"), "{ended:?}");
}
