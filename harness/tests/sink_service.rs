//! The HTTP service, as workers use it and as it is read back: what it promises for each thing that can be kept with an
//! effect, also over a restart of its own.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use harness::sink::{read, service};
use history::ids::{Offset, Process, Seq, TopicPartition, Value};
use workloads::protocol::{EffectMode, SinkConfig};
use workloads::sink::{Answer, Effect, Keep, Sink, Sqlite, Write};

/// A service on loopback, until it is dropped.
struct Service {
    url: String,
    _runtime: tokio::runtime::Runtime,
}

impl Service {
    fn start(database: &Path) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = service::router(database).unwrap();
        runtime.spawn(async move { axum::serve(listener, router).await });
        Self { url, _runtime: runtime }
    }

    fn config(&self) -> SinkConfig {
        SinkConfig::Http { url: self.url.clone() }
    }
}

fn store(sink: &mut Sink, seq: u32, keep: Keep) -> Answer {
    let log = TopicPartition::new("orders", 0);
    let value = Value { process: Process(1), seq: Seq(seq) };
    let effects = [Effect { offset: Offset(i64::from(seq)), value }];
    sink.store(&Write { group: "billing", log: &log, member: Process(9), effects: &effects, keep }).unwrap()
}

fn checked(from: i64) -> Keep {
    Keep::Position { from: Some(Offset(from)), next: Offset(from + 1) }
}

#[test]
fn the_service_keeps_effect_and_position_or_key_together_and_knows_them_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("sink.db");
    drop(Sqlite::create(&database).unwrap());
    let key = Keep::Key { now_ms: 0, ttl_ms: None };
    {
        let service = Service::start(&database);
        let mut sink = Sink::open(&service.config(), Process(9), EffectMode::Deduplicated).unwrap();
        assert_eq!(store(&mut sink, 0, checked(0)), Answer::Held { fresh: 1 });
        assert_eq!(store(&mut sink, 0, checked(0)), Answer::Refused { position: Offset(1) });
        assert_eq!(store(&mut sink, 7, key), Answer::Held { fresh: 1 });
    }
    let service = Service::start(&database);
    let mut sink = Sink::open(&service.config(), Process(9), EffectMode::Deduplicated).unwrap();
    assert_eq!(sink.position("billing", &TopicPartition::new("orders", 0)).unwrap(), Offset(1));
    assert_eq!(store(&mut sink, 7, key), Answer::Held { fresh: 0 });
    assert_eq!(
        store(&mut sink, 0, Keep::Position { from: None, next: Offset(1) }),
        Answer::Held { fresh: 1 }
    );
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let content = runtime.block_on(read::content(&service.config()));
    let offsets: Vec<i64> = content.effects.iter().map(|effect| effect.record_offset).collect();
    assert_eq!((offsets, content.total, content.trouble), (vec![0, 7, 0], 3, None));
}

#[test]
fn a_service_that_is_not_there_has_certainly_stored_nothing() {
    let mut sink =
        Sink::open(&SinkConfig::Http { url: "http://127.0.0.1:1".into() }, Process(9), EffectMode::Plain)
            .unwrap();
    let log = TopicPartition::new("orders", 0);
    let value = Value { process: Process(1), seq: Seq(0) };
    let effects = [Effect { offset: Offset(0), value }];
    let write =
        Write { group: "billing", log: &log, member: Process(9), effects: &effects, keep: Keep::Nothing };
    let error = sink.store(&write).unwrap_err();
    assert_eq!(error.doubt, workloads::sink::Doubt::None, "{error}");
}
