//! Input that is cut, damaged or contradicts itself: refused with file, line, cause and fix, or defined; never green.

use super::answer::Folder;

/// A file's content, its options, and what must be said about it.
fn refused(content: impl AsRef<[u8]>, options: &[&str], says: &[&str]) {
    let folder = Folder::with("h", content);
    let mut arguments = vec!["check", "h"];
    arguments.extend(options);
    let ended = folder.call(&arguments);
    assert_eq!((ended.exit, ended.out.as_str()), (64, ""), "{ended:?}");
    for words in says {
        assert!(ended.err.contains(words), "{words}: {ended:?}");
    }
    assert!(!ended.err.contains("panicked"), "{ended:?}");
}

#[test]
fn text_that_contradicts_itself_is_refused_at_its_line() {
    let cases: [(&str, &[&str]); 12] = [
        ("1 p1 ok send t/0 v0 @0\n", &["h: line 1", "without having been sent", "record the invocation"]),
        (
            "0..1 p1 send t/0 v0 @0\n2 p1 ok send t/0 v0 @0\n",
            &["h: line 2", "completed twice", "keep the first completion"],
        ),
        ("0..1 p1 send t/0 v0 @0\n2..3 p1 send t/0 v0 @1\n", &["h: line 2", "each value may be sent once"]),
        ("5..3 p1 send t/0 v0 @0\n", &["h: line 1", "completed before it was invoked"]),
        ("0 p2 ok poll t/0 p1:0 @0\n", &["h: line 1", "a poll that it had not invoked"]),
        ("0 p2 invoke poll\n1 p2 invoke poll\n", &["h: line 2", "while another was open"]),
        (
            "1 p2 ok commit-offsets sync t/0 @1\n",
            &["h: line 1", "completed a commit-offsets that it had not invoked"],
        ),
        ("0..1 p1 send t/0 v0 @0 ofset=3\n", &["h: line 1", "unknown key \"ofset\""]),
        ("0..1 p1 sned t/0 v0 @0\n", &["h: line 1", "unknown operation \"sned\"", "did you mean \"send\"?"]),
        ("log t/0\n0..1 p1 send u/0 v0 @0\n", &["h: line 2", "log u/0 is not declared"]),
        (
            "9 p3 final-read t/0 p1:0 @5\n9 p3 final-read t/0 p1:1 @4\n",
            &["h: line 2", "goes back to offset 4", "each once"],
        ),
        ("0..1 p1 send t/0 v0 @0\n0..1 p1 send t/0 v1 @0 \"x\n", &["h: line 2", "a quote is not closed"]),
    ];
    for (text, says) in cases {
        refused(text, &[], says);
    }
}

#[test]
fn edn_that_contradicts_itself_is_refused_at_its_line() {
    let send = "{:type :invoke, :process 0, :f :send, :value [[:send :a 1]]}\n";
    let sent = "{:type :ok, :process 0, :f :send, :value [[:send :a [0 1]]]}\n";
    let cases: [(String, &[&str]); 8] = [
        (sent.to_owned(), &["h: line 1", "completes an operation that it did not invoke"]),
        (format!("{send}{sent}{sent}"), &["h: line 3", "did not invoke"]),
        (format!("{send}{send}"), &["h: line 2"]),
        (format!("{send}{sent}{send}"), &["h: line 3", "values must be unique"]),
        (
            format!("{send}{{:type :ok, :process 0, :f :poll, :value [[:poll {{}}]]}}"),
            &["h: line 2", "invoked send"],
        ),
        (format!("{send}{{:type :ok, :process 0"), &["h: line 2"]),
        (format!("{send}{{:type :maybe, :process 0, :f :send}}"), &["h: line 2", "an unknown :type"]),
        (format!("{send}{{:process 0, :f :send}}"), &["h: line 2", "without :type"]),
    ];
    for (text, says) in cases {
        refused(&text, &[], says);
        refused(&text, &[], &[":type, :process, :f and :value"]);
    }
    let register = "{:type :invoke, :process 0, :f :write, :value 1}\n";
    refused(format!("{register}{register}"), &["--model", "register"], &["h: line 2", "while its operation"]);
    let cas = "{:type :invoke, :process 0, :f :cas, :value [1]}\n";
    refused(cas, &["--model", "cas-register"], &["h: line 1", "a cas is [from to]"]);
}

#[test]
fn a_file_in_no_known_form_is_refused_by_what_it_looks_like() {
    refused("{\"type\": \"invoke\"}\n", &[], &["h: looks like JSON"]);
    refused(b"\x7fELF\x02\x01\x01\0\0\0", &[], &["h: not a history"]);
    refused([0u8; 5_000], &[], &["h: not a history"]);
    refused("hello world\n", &[], &["h: line 1", "is no time"]);
    refused("0..1 p1 send t/0 v0 @0\n", &["--format", "edn"], &["h: "]);
    refused("0..1 p1 send t/0 v0 @0\n", &["--format", "history"], &["not a history"]);
    refused("0..1 p1 send t/0 v0 @0\n", &["--model", "register"], &["--model is for histories in EDN"]);
    refused("0..1 p1 send t/0 v0 @0\n", &["--initial", "0"], &["--initial is for histories in EDN"]);
    let folder = Folder::new();
    let ended = folder.call(&["check", "not-there"]);
    assert!(ended.exit == 64 && ended.err.contains("not-there"), "{ended:?}");
    assert_eq!(folder.call(&["check"]).exit, 64);
}

#[test]
fn a_history_cut_at_any_byte_is_never_green() {
    let text =
        "0..1 p1 send t/0 v0..2 @0\n5..6 p2 poll t/0 p1:0..2 @0\n9 p3 final-read t/0 p1:0..1 @0 end=2\n";
    let parsed = history::text::Parsed::parse(text).unwrap();
    let folder = Folder::new();
    for cut in 0..text.len() {
        folder.write("h", &text[..cut]);
        let ended = folder.call(&["check", "h"]);
        assert!([1, 2, 64].contains(&ended.exit), "cut at {cut}: {ended:?}");
    }
    let events = history::merge::events(&parsed.logs, &parsed.events);
    assert!(events.is_ok());
    let edn = "{:type :invoke, :process 0, :f :write, :value 1}\n{:type :ok, :process 0, :f :write, :value 1}\n\
               {:type :invoke, :process 0, :f :write, :value 2}\n{:type :ok, :process 0, :f :write, :value 2}\n\
               {:type :invoke, :process 1, :f :read, :value nil}\n{:type :ok, :process 1, :f :read, :value 1}\n";
    let options = ["check", "h", "--model", "register", "--format", "edn"];
    folder.write("h", edn);
    assert_eq!(folder.call(&options).exit, 1);
    // Whole lines are a history of their own: what was cut is not known to have been there.
    let whole: Vec<usize> = edn.match_indices('\n').map(|(at, _)| at).collect();
    for cut in 0..edn.len() - 1 {
        folder.write("h", &edn[..cut]);
        let ended = folder.call(&options);
        let at_an_end = cut == 0 || whole.contains(&cut) || edn[..cut].trim_end().ends_with('}');
        assert_eq!(ended.exit == 64, !at_an_end, "cut at {cut}: {ended:?}");
    }
}

#[test]
fn nothing_is_unknown() {
    for (content, options) in [
        ("", &[][..]),
        ("\n\n# only a comment\n", &[]),
        ("; only a comment\n", &["--format", "edn"]),
        ("[]", &[]),
        ("{:type :info, :process :nemesis, :f :kill, :value nil}", &[]),
        ("0 p1 open producer\n1 p1 close\n", &[]),
        ("0..1 p1 info send t/0 v0\n", &[]),
    ] {
        let folder = Folder::with("h", content);
        let (exit, answer) = folder.check(options);
        assert_eq!((exit, answer["verdict"].as_str()), (2, Some("unknown")), "{content:?}: {answer}");
    }
}
