//! Workers that die at once, print what is no report, or hang: real processes that are no onceproof.

use std::ffi::OsStr;
use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::cluster::Site;
use harness::plan::{self, Plan};
use harness::spec;
use harness::supervise::{Setting, Standing, SuperviseError, Supervisor, WorkerEvent};
use nemesis::target::ClientRef;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;

use super::executable;
use super::stage::{PATIENCE, Stage};

/// This machine, without a lab.
struct Here;

impl Site for Here {
    fn command(&self, _node: &str, program: &OsStr) -> Command {
        Command::new(program)
    }

    fn address(&self, _node: &str) -> IpAddr {
        IpAddr::V4(Ipv4Addr::LOCALHOST)
    }
}

struct Play {
    stage: Stage,
    supervisor: Supervisor,
    events: Receiver<WorkerEvent>,
    shop: ClientRef,
}

impl Play {
    /// A supervisor whose workers run a script.
    fn of(script: &str) -> Self {
        let stage = Stage::new();
        let program = stage.path().join("worker");
        executable(&program, script);
        std::fs::create_dir(stage.path().join("journals")).unwrap();
        let (tell, events) = mpsc::channel(100);
        let run_dir = stage.path().to_owned();
        let setting = Setting {
            run_dir,
            run: 1,
            bootstrap: "127.0.0.1:1".to_owned(),
            program,
            java_workers: std::collections::BTreeMap::new(),
            sink: None,
        };
        let supervisor = Supervisor::new(&plan_of(stage.path()), setting, Arc::new(Here), tell);
        let shop = supervisor.all().into_iter().find(|client| client.name == "shop").unwrap();
        Self { stage, supervisor, events, shop }
    }

    async fn start(&mut self) {
        self.supervisor.start(&self.shop.clone()).await.unwrap();
    }

    async fn event(&mut self) -> WorkerEvent {
        timeout(PATIENCE, self.events.recv()).await.unwrap().unwrap()
    }

    /// What the end of a worker means to the run.
    async fn end(&mut self) -> Result<bool, SuperviseError> {
        match self.event().await {
            WorkerEvent::Ended(client, process, how) => self.supervisor.ended(&client, process, &how),
            other @ (WorkerEvent::Said(..) | WorkerEvent::Garbage(..)) => panic!("{other:?}"),
        }
    }
}

fn plan_of(folder: &Path) -> Plan {
    let loaded = spec::load(folder.join("short.toml").to_str().unwrap(), &[]).unwrap();
    plan::plan(&loaded, "1".parse().unwrap())
}

#[tokio::test]
async fn one_that_dies_at_start_is_an_error_with_its_last_words() {
    // With and without reading its configuration: who is first, the writer or the end, must not matter.
    for script in ["echo no such luck >&2; exit 3", "read line; echo no such luck >&2; exit 3"] {
        for _ in 0..10 {
            let mut play = Play::of(script);
            play.start().await;
            let error = play.end().await.unwrap_err().to_string();
            for words in
                ["shop[0]", "exit status 3", "before it was ready", "no such luck", "logs/shop-0/1.log"]
            {
                assert!(error.contains(words), "{words:?} is missing: {error}");
            }
        }
    }
}

#[tokio::test]
async fn one_that_is_no_program_is_an_error_that_names_the_client() {
    let mut play = Play::of("");
    std::fs::remove_file(play.stage.path().join("worker")).unwrap();
    let error = play.supervisor.start(&play.shop.clone()).await.unwrap_err().to_string();
    assert!(error.contains("shop[0]") && error.contains("No such file"), "{error}");
}

#[tokio::test]
async fn garbage_is_quoted_and_bounded() {
    let long = "head -c 200000 /dev/zero | tr '\\0' x";
    for script in ["echo '{\"report\":\"ready\"'", "printf '\\377\\376\\n'", long] {
        let mut play = Play::of(&format!("read line; {script}; exec sleep 1000"));
        play.start().await;
        let error = match play.event().await {
            WorkerEvent::Garbage(client, process, line) => {
                assert!(line.chars().count() <= 120, "{}", line.len());
                play.supervisor.garbage(&client, process, line).to_string()
            }
            other @ (WorkerEvent::Said(..) | WorkerEvent::Ended(..)) => panic!("{script}: {other:?}"),
        };
        assert!(error.contains("shop[0] printed what is no report"), "{error}");
        play.supervisor.kill(&play.shop.clone()).await.unwrap();
    }
}

#[tokio::test]
async fn one_that_hangs_is_never_taken_for_one_that_works_and_can_be_killed() {
    // It neither reads nor answers; `stop` and `drain` must not hold the run up.
    let mut play = Play::of("exec sleep 1000");
    play.start().await;
    let shop = play.shop.clone();
    let mut commands = 0;
    loop {
        let began = Instant::now();
        timeout(PATIENCE, play.supervisor.drain(false, Duration::from_millis(1), &[])).await.unwrap();
        commands += 1;
        // The pipe is full now.
        if began.elapsed() >= Duration::from_millis(200) && commands > 100 {
            break;
        }
        assert!(commands < 100_000);
    }
    timeout(PATIENCE, play.supervisor.stop()).await.unwrap();
    assert!(!play.supervisor.drained(false));
    assert_eq!(play.supervisor.standing(&shop), Some(Standing::Starting));
    assert!(
        play.supervisor.not_yet(&[Standing::Working]).iter().any(|who| who.contains("shop[0] is starting"))
    );
    play.supervisor.kill(&shop).await.unwrap();
    assert!(matches!(play.end().await, Ok(false)), "a death that was asked for is no crash");
}

#[tokio::test]
async fn one_that_dies_again_and_again_is_given_up() {
    let ready = serde_json::json!({"report": "ready", "version": "1"});
    let mut play = Play::of(&format!("read line; echo '{ready}'; echo tired >&2; exit 9"));
    let mut replaced = 0;
    let error = loop {
        play.start().await;
        if let WorkerEvent::Said(client, process, report) = play.event().await {
            play.supervisor.said(&client, process, &report).unwrap();
        }
        match play.end().await {
            Ok(true) => replaced += 1,
            Ok(false) => panic!("it was not asked to end"),
            Err(error) => break error.to_string(),
        }
    };
    assert_eq!(replaced, 20, "{error}");
    assert!(error.contains("shop[0] was replaced 20 times") && error.contains("exit status 9"), "{error}");
}
