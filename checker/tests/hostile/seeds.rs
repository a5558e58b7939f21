//! What is damaged: the vectors in every form, and a small example of each foreign form.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use checker::imported::MODELS;
use history::ids::Process;
use history::journal::{Header, Writer};
use history::merge;
use history::op::Identity;
use history::text::Parsed;

/// Every vector as text.
pub(crate) fn texts() -> Vec<Vec<u8>> {
    let mut files = Vec::new();
    find(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors"), &mut files);
    files.sort();
    assert!(files.len() > 30, "the vectors are gone");
    files.iter().map(|file| std::fs::read(file).unwrap()).collect()
}

fn find(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            find(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "history") {
            files.push(path);
        }
    }
}

fn parsed() -> Vec<Parsed> {
    texts().iter().map(|text| Parsed::parse(std::str::from_utf8(text).unwrap()).unwrap()).collect()
}

/// Every vector in the binary form: written to journals, and those merged.
pub(crate) fn histories() -> Vec<Vec<u8>> {
    let merged = |parsed: &Parsed| {
        let folder = tempfile::tempdir().unwrap();
        let journals: Vec<_> =
            processes(parsed).map(|process| journal(parsed, process, folder.path())).collect();
        let out = folder.path().join("history");
        merge::journals(&journals, &out).unwrap();
        std::fs::read(out).unwrap()
    };
    parsed().iter().map(merged).collect()
}

/// Every journal of every vector.
pub(crate) fn journals() -> Vec<Vec<u8>> {
    let written = |parsed: &Parsed| {
        let folder = tempfile::tempdir().unwrap();
        let read = |process| std::fs::read(journal(parsed, process, folder.path())).unwrap();
        processes(parsed).map(read).collect::<Vec<_>>()
    };
    parsed().iter().flat_map(written).collect()
}

fn processes(parsed: &Parsed) -> impl Iterator<Item = Process> {
    parsed.events.iter().map(|event| event.process).collect::<BTreeSet<_>>().into_iter()
}

fn journal(parsed: &Parsed, process: Process, folder: &Path) -> PathBuf {
    let path = folder.join(format!("{}.journal", process.0));
    let mut writer =
        Writer::create(&path, &Header { run: 1, process, identity: Identity::default() }).unwrap();
    for log in &parsed.logs {
        writer.log(log).unwrap();
    }
    for event in parsed.events.iter().filter(|event| event.process == process) {
        writer.event(event).unwrap();
    }
    writer.close().unwrap();
    path
}

/// Sound sequences of calls of the journal's writer: sends, acknowledgements, a poll, what it handed over.
pub(crate) fn calls() -> Vec<Vec<u8>> {
    let produced = [
        [0, 0, 5, 0, 0, 0, 0, 0],
        [1, 0, 5, 0, 0, 0, 0, 0],
        [0, 5, 3, 0, 0, 0, 0, 0],
        [2, 5, 3, 0, 0, 0, 0, 0],
    ];
    let consumed = [[4, 0, 5, 0, 0, 0, 1, 1], [5, 0, 0, 0, 0, 0, 0, 0]];
    vec![produced.concat(), [produced.as_slice(), &consumed].concat().concat()]
}

/// The events of the vectors that use one or two logs.
pub(crate) fn json() -> Vec<Vec<u8>> {
    let lines = |parsed: &Parsed| {
        parsed
            .events
            .iter()
            .map(|event| serde_json::to_string(event).unwrap() + "\n")
            .collect::<String>()
            .into_bytes()
    };
    parsed().iter().filter(|parsed| parsed.logs.len() <= 2).map(lines).collect()
}

/// The Kafka workload: sends, transactions, polls, rebalances, crashes.
pub(crate) fn kafka() -> Vec<Vec<u8>> {
    let sends = "{:index 0 :type :invoke, :process 0, :f :send, :value [[:send 0 1] [:send 1 2]], :time 10}
        {:type :ok, :process 0, :f :send, :value [[:send 0 [0 1]] [:send 1 [nil 2]]], :time 20}
        {:type :invoke, :process 1, :f :assign, :value [0 1], :seek-to-beginning? true, :time 21}
        {:type :ok, :process 1, :f :assign, :value [0 1], :time 22}
        {:type :invoke, :process 1, :f :poll, :value [[:poll]], :time 30}
        {:type :ok, :process 1, :f :poll, :value [[:poll {0 [[0 1]], 1 [[3 2]]}]], :time 40}
        {:type :invoke, :process 0, :f :crash, :value nil, :time 45}
        {:type :info, :process 0, :f :crash, :value nil, :time 50}";
    let txn = "[#jepsen.history.Op{:index 0, :time 1, :type :invoke, :process 3, :f :txn, :value [[:send 5 1] [:poll]]}
        {:time 2, :type :info, :process 3, :f :txn, :value [[:send 5 [7 1]] [:poll {5 [[7 1]]}]], :error :timeout}
        {:time 3, :type :invoke, :process :nemesis, :f :kill, :value nil}
        {:time 4, :type :invoke, :process 4, :f :subscribe, :value [5]}
        {:time 5, :type :ok, :process 4, :f :subscribe, :value [5]}
        {:time 6, :type :invoke, :process 4, :f :poll, :value [[:poll]]}
        {:time 7, :type :ok, :process 4, :f :poll, :value [[:poll {5 [[7 1]]}]], :rebalance-log [{:keys [5], :type :assigned}]}]";
    [sends, txn].map(|text| text.as_bytes().to_vec()).to_vec()
}

/// An example of each model, after the byte that chooses it.
pub(crate) fn models() -> Vec<Vec<u8>> {
    let operations = |of: &[(&str, &str, &str)]| {
        let mut text = String::new();
        for (process, (f, asked, answered)) in of.iter().enumerate() {
            text += &format!("{{:process {process}, :type :invoke, :f :{f}, :value {asked}}}\n");
            text += &format!("{{:process {process}, :type :ok, :f :{f}, :value {answered}}}\n");
        }
        text
    };
    MODELS
        .iter()
        .zip(0_u8..)
        .map(|(model, number)| {
            let example = match model.name() {
                "register" => {
                    operations(&[("write", "1", "1"), ("read", "nil", "1"), ("write", "[2 3]", "[2 3]")][..2])
                }
                "cas-register" => {
                    operations(&[("write", "1", "1"), ("cas", "[1 2]", "[1 2]"), ("read", "nil", "2")])
                }
                "mutex" => {
                    operations(&[("acquire", "nil", "nil")]) + "{:process 0, :type :invoke, :f :release}\n"
                }
                "multi-register" => {
                    operations(&[("txn", "[[:write :x 1] [:read :y nil]]", "[[:write :x 1] [:read :y nil]]")])
                }
                "queue" | "bag" => {
                    operations(&[("enqueue", "1", "1"), ("dequeue", "nil", "1"), ("drain", "nil", "[]")])
                }
                "set" => operations(&[("add", "1", "1"), ("read", "nil", "#{1}")]),
                "kv" => operations(&[
                    ("put", "[:x \"a\"]", "[:x \"a\"]"),
                    ("append", "[:x \"b\"]", "[:x \"b\"]"),
                    ("get", "[:x nil]", "[:x \"ab\"]"),
                ]),
                "list-append" => {
                    operations(&[("txn", "[[:append 1 2] [:r 1 nil]]", "[[:append 1 2] [:r 1 [2]]]")])
                }
                "rw-register" => operations(&[("txn", "[[:w 1 2] [:r 1 nil]]", "[[:w 1 2] [:r 1 2]]")]),
                other => panic!("no example of {other}"),
            };
            [&[number], example.as_bytes()].concat()
        })
        .collect()
}
