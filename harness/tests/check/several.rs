//! Several inputs at once: a line each, a summary, and the worst of their exit codes.

use super::answer::Folder;

const GOOD: &str = "0..1 p1 send t/0 v0 @0\n9 p3 final-read t/0 p1:0 @0 end=1\n";
const BAD: &str = "0..1 p1 send t/0 v0 @0\n9 p3 final-read-end t/0 end=0\n";
const VACUOUS: &str = "# nothing happened\n";

fn folder() -> Folder {
    let folder = Folder::new();
    for (name, text) in [("good", GOOD), ("bad", BAD), ("vacuous", VACUOUS), ("broken", "0 p1 sned t/0 v0\n")]
    {
        folder.write(name, text);
    }
    folder
}

#[test]
fn each_file_gets_a_line_and_the_worst_decides() {
    let folder = folder();
    let ended = folder.call(&["check", "good", "bad", "vacuous"]);
    insta::assert_snapshot!(ended.out);
    assert_eq!((ended.exit, ended.err.as_str()), (1, ""));
    for (files, exit) in
        [(["good", "good"], 0), (["good", "vacuous"], 2), (["vacuous", "bad"], 1), (["bad", "broken"], 64)]
    {
        let ended = folder.call(&["check", files[0], files[1]]);
        assert_eq!(ended.exit, exit, "{files:?}: {ended:?}");
    }
}

#[test]
fn in_json_there_is_one_object_a_line_also_for_what_cannot_be_judged() {
    let folder = folder();
    let ended = folder.call(&["check", "good", "broken", "bad", "--message-format", "json"]);
    assert_eq!(ended.exit, 64);
    let lines: Vec<serde_json::Value> =
        ended.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<&str> = lines.iter().map(|line| line["file"].as_str().unwrap()).collect();
    assert_eq!(names, ["good", "broken", "bad"]);
    assert_eq!(lines[0]["verdict"], "valid");
    assert!(
        lines[1]["verdict"].is_null() && lines[1]["error"].as_str().unwrap().contains("line 1"),
        "{ended:?}"
    );
    assert_eq!(lines[2]["verdict"], "invalid");
    assert!(ended.err.contains("broken: line 1"), "{ended:?}");
}
