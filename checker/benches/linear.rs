//! How fast objects, transactions and imports are checked: `cargo bench -p checker --bench linear [-- filter]`.
//!
//! Each case is run five times; the fastest and the median are printed, with operations (or bytes) per second of
//! wall time. Histories are made beforehand and are valid, so nothing ends early.

#![expect(clippy::print_stdout, reason = "prints figures")]
#![expect(clippy::disallowed_methods, reason = "shell: measures time")]

#[path = "linear/simulate.rs"]
mod simulate;

use std::time::Instant;

use checker::cycles::{Consistency, Graph};
use checker::imported;
use checker::linear::{History, Model, Options, Verdict, check};
use checker::verdict::Judgement;

const RUNS: usize = 5;

type Case = (&'static str, Model, fn() -> History);

fn main() {
    let filter = std::env::args().skip(1).find(|argument| !argument.starts_with('-')).unwrap_or_default();
    let cases: [Case; 11] = [
        ("register, unique writes, 5 clients", Model::Register, || simulate::register(4_000_000, 5, None)),
        ("register, unique writes, 40 clients", Model::Register, || simulate::register(4_000_000, 40, None)),
        ("queue, 10 clients", Model::Queue, || simulate::queue(4_000_000, 10)),
        ("set, 10 clients, 8 reads", Model::Set, || simulate::set(4_000_000, 10)),
        ("bag, 10 clients", Model::Bag, || simulate::queue(4_000_000, 10)),
        ("mutex, 10 clients", Model::Mutex, || simulate::mutex(1_000_000, 10)),
        ("cas-register, unique, 10 clients", Model::CasRegister, || simulate::cas(2_000_000, 10, None)),
        ("register, 5 values, 5 clients", Model::Register, || simulate::register(2_000_000, 5, Some(5))),
        ("cas-register, 5 values, 5 clients", Model::CasRegister, || simulate::cas(2_000_000, 5, Some(5))),
        ("cas-register, 5 values, 10 clients", Model::CasRegister, || simulate::cas(500_000, 10, Some(5))),
        ("cas-register, 5 values, 20 clients", Model::CasRegister, || simulate::cas(20_000, 20, Some(5))),
    ];
    for (name, model, make) in cases.into_iter().filter(|case| case.0.contains(&filter)) {
        let history = make();
        let ops = history.ops().len();
        measure(name, ops, "ops", || {
            assert_eq!(check(&history, model, &Options::default()), Verdict::Valid, "{name}");
        });
    }
    transactions(&filter);
    imports(&filter);
}

/// The graph with a given order of versions, as Kafka's offsets give it: every transaction depends on three others.
fn transactions(filter: &str) {
    let name = "transaction graph, 3 dependencies each";
    if name.contains(filter) {
        let (order, edges) = simulate::dependencies(4_000_000);
        measure(name, order.len(), "txns", || {
            let mut graph = Graph::new(order.clone());
            edges.iter().for_each(|edge| graph.add(*edge));
            assert!(graph.anomalies().is_empty(), "{name}");
        });
    }
    let name = "list-append, EDN to verdict";
    if name.contains(filter) {
        let text = simulate::list_append(200_000);
        measure(name, 200_000, "txns", || judge_text(&text, imported::Model::ListAppend));
        measure("list-append, EDN to verdict", text.len(), "B", || {
            judge_text(&text, imported::Model::ListAppend)
        });
    }
}

/// From text to verdict.
fn imports(filter: &str) {
    let name = "EDN register, text to verdict";
    if name.contains(filter) {
        let text = simulate::register_text(500_000);
        measure(name, text.len(), "B", || judge_text(&text, imported::Model::Register));
    }
    let name = "EDN Kafka, text to ";
    if name.contains(filter) {
        let text = simulate::kafka_text(200_000);
        let read = || history::edn::kafka::read(text.as_bytes()).expect("it is well-formed");
        measure("EDN Kafka, text to events", text.len(), "B", || drop(read()));
        measure("EDN Kafka, text to findings", text.len(), "B", || {
            let imported = read();
            let history = history::merge::events(&imported.logs, &imported.events).expect("it can be merged");
            let findings = checker::log::check(&history).expect("it can be read");
            assert!(findings.anomalies.is_empty(), "{:?}", findings.anomalies);
        });
    }
}

fn judge_text(text: &str, model: imported::Model) {
    let claim = Consistency::StrictSerializable;
    let answer =
        imported::judge(text.as_bytes(), model, &Options::default(), claim).expect("it is well-formed");
    assert_eq!(answer.verdict, Judgement::Valid, "{:?}", answer.reasons);
}

/// Runs a case a few times and prints what it reaches per second of processor and of wall time.
fn measure(name: &str, amount: usize, unit: &str, run: impl Fn()) {
    let mut times: Vec<(f64, f64)> = (0..RUNS)
        .map(|_| {
            let (begun, spent) = (Instant::now(), processor_seconds());
            run();
            (processor_seconds() - spent, begun.elapsed().as_secs_f64())
        })
        .collect();
    times.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rate = |seconds: f64| amount as f64 / seconds / 1e6;
    let ((best, _), (median, wall)) = (times[0], times[RUNS / 2]);
    println!(
        "{name:<40} {amount:>9} {unit}  per processor second: best {:>7.2} M, median {:>7.2} M; wall {:>7.2} M",
        rate(best),
        rate(median),
        rate(wall)
    );
}

/// Time that all threads of this process have run, from the scheduler.
fn processor_seconds() -> f64 {
    let tasks = std::fs::read_dir("/proc/self/task").expect("Linux");
    let run = |task: std::fs::DirEntry| {
        let schedule = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        schedule.split(' ').next().and_then(|run| run.parse::<f64>().ok()).unwrap_or(0.0)
    };
    tasks.filter_map(Result::ok).map(run).sum::<f64>() / 1e9
}
