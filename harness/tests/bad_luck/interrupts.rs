//! Ctrl-C: once ends the run in good order, twice at once; either way what was recorded is judged.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::stage::{Ended, Playing, Stage, turn};
use super::traces::{self, Before};

fn verdict(ended: &Ended) -> serde_json::Value {
    serde_json::from_str(ended.out.trim()).unwrap_or_else(|error| panic!("no verdict ({error}): {ended:?}"))
}

#[test]
fn an_interrupt_in_the_storm_heals_drains_and_judges() {
    let _turn = turn();
    let (stage, before) = (Stage::new(), Before::look());
    let arguments = ["run", "short.toml", "--set", "phases.storm=1h", "--message-format", "json"];
    let mut playing = Playing::start(stage.command(&arguments));
    // While the fault is on: it must be undone, or the drain would not end.
    assert!(playing.reaches("strikes: "), "{:#?}", playing.said);
    let labs = before.labs(&stage);
    playing.signal(Signal::SIGINT);
    let ended = playing.ended();
    before.all_gone(&stage, &labs);
    assert_eq!(ended.exit, 130, "{ended:?}");
    for phase in ["over: ", "phase heal", "phase drain", "phase final-read", "phase stop"] {
        assert!(ended.err.contains(phase), "{phase} is missing: {ended:?}");
    }
    let told = verdict(&ended);
    let stored = std::fs::read_to_string(stage.latest().unwrap().join("verdict.json")).unwrap();
    assert_eq!(told, serde_json::from_str::<serde_json::Value>(&stored).unwrap());
    // It went through all its phases, so the verdict rests on everything.
    assert_eq!(told["counts"]["final_read"].as_u64().map(|read| read > 100), Some(true), "{told:#}");
    assert!(
        told["anomalies"].as_array().unwrap().iter().all(|found| found["forbidden"] == false),
        "{told:#}"
    );
}

#[test]
fn a_second_interrupt_stops_at_once_and_keeps_the_store() {
    let _turn = turn();
    let (stage, before) = (Stage::new(), Before::look());
    let mut playing = Playing::start(stage.command(&["run", "short.toml", "--message-format", "json"]));
    assert!(playing.reaches("phase storm"), "{:#?}", playing.said);
    let labs = before.labs(&stage);
    // Clients that stand still keep the drain from ending, so that the second interrupt meets it.
    for pid in traces::processes_of(stage.path()) {
        if traces::command(&pid).ends_with("worker") {
            kill(Pid::from_raw(pid.parse().unwrap()), Signal::SIGSTOP).unwrap();
        }
    }
    playing.signal(Signal::SIGINT);
    assert!(playing.reaches("phase drain"), "{:#?}", playing.said);
    playing.signal(Signal::SIGINT);
    let ended = playing.ended();
    before.all_gone(&stage, &labs);
    assert_eq!(ended.exit, 130, "{ended:?}");
    assert!(ended.err.contains("stopping at once") && !ended.err.contains("phase stop"), "{ended:?}");
    assert_eq!(verdict(&ended)["verdict"], "unknown");
    let again = stage.call(&["check", "latest", "--message-format", "json"]);
    assert_eq!((again.exit, verdict(&again)["verdict"].as_str()), (2, Some("unknown")), "{again:?}");
}

#[test]
fn an_interrupt_before_the_cluster_is_ready_ends_the_run() {
    let _turn = turn();
    let (stage, before) = (Stage::new(), Before::look());
    let mut playing = Playing::start(stage.command(&["run", "short.toml"]));
    assert!(playing.reaches("phase provision"), "{:#?}", playing.said);
    let labs = before.labs(&stage);
    playing.signal(Signal::SIGINT);
    let ended = playing.ended();
    before.all_gone(&stage, &labs);
    assert_eq!(ended.exit, 130, "{ended:?}");
    assert!(!ended.err.contains("phase warm-up"), "{ended:?}");
}
