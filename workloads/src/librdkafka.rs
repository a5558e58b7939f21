//! The librdkafka client family: the library behind the clients for Rust, Python, Go, .NET and Node.
//!
//! Properties are given to the library verbatim and nothing else is set, because untouched defaults are a result
//! of their own: acks=all without idempotence, a million requests in flight, auto-commit of what was merely handed
//! out. The few settings that a run cannot work with, or that the library would accept and silently ignore, are
//! refused with the reason (`settings.rs`). What the Rust binding does not offer is in `native.rs`.

pub mod native;
pub mod settings;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::protocol::{Role, WorkerConfig};
use settings::{Client, SettingError};

/// Version of the library that this program is linked with.
pub fn version() -> String {
    rdkafka::util::get_rdkafka_version().1
}

/// The library's configuration for a worker: what the worker needs, what its commit mode implies, and the spec's
/// properties verbatim.
///
/// # Errors
/// Every property that is unknown, contradicts the worker's role or breaks the run.
pub(crate) fn configuration(config: &WorkerConfig) -> Result<ClientConfig, Vec<SettingError>> {
    let client = match &config.role {
        Role::Producer(_) => Client::Producer,
        Role::Consumer(role) => {
            Client::Consumer { commit: role.commit, group: config.identity.group.clone().unwrap_or_default() }
        }
    };
    settings::check(&client, &config.properties)?;
    let mut native = ClientConfig::new();
    native.set("client.id", &config.identity.name);
    native.set("bootstrap.servers", &config.bootstrap);
    match &client {
        Client::Producer => {}
        Client::Consumer { commit, group } => {
            native.set("group.id", group);
            for (name, value) in commit.implied() {
                native.set(*name, *value);
            }
        }
    }
    for (name, value) in &config.properties {
        native.set(name, value);
    }
    native.set_log_level(RDKafkaLogLevel::Info);
    Ok(native)
}

/// The library's own log, on stderr.
#[expect(clippy::print_stderr, reason = "a worker's stderr is the client library's log")]
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    eprintln!("librdkafka {level:?} {facility}: {message}");
}
