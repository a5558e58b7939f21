//! PostgreSQL in the lab: found on this machine, made in the run directory, started under a user that is not 0.
//!
//! The server refuses user 0, and a rootless lab has no other. So the process that becomes the server enters a user namespace
//! in which it has another number: a hidden call of this program, single-threaded, which makes the database folder at the
//! first start and then becomes the server.

#![expect(clippy::disallowed_methods, reason = "shell: starts a database server, looks through PATH")]

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};
use tokio_postgres::{Client, Config, NoTls};
use workloads::sink::SCHEMA;

use super::{DATABASE, POSTGRES_PORT, SinkFailure};
use crate::spec::SinkKind;

/// First argument of the hidden call that becomes the server.
pub const HIDDEN: &str = "sink-postgres";

/// The number that the server's user has in its own namespace.
const USER: u32 = 1000;

/// The package that has it.
pub const PACKAGE: &str = "postgresql";

/// The folder that holds `postgres` and `initdb`: the newest that Debian's packages installed, or one in PATH.
///
/// # Errors
/// When there is none.
pub fn binaries() -> Result<PathBuf, SinkFailure> {
    let debian = Path::new("/usr/lib/postgresql");
    let versions = std::fs::read_dir(debian).into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let mut found: Vec<(Option<u32>, PathBuf)> = versions
        .map(|version| (number(&version.path()), version.path().join("bin")))
        .filter(|(_, folder)| is_complete(folder))
        .collect();
    found.sort();
    let in_path = || std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| is_complete(folder));
    found.pop().map(|(_, folder)| folder).or_else(in_path).ok_or_else(|| {
        SinkFailure::NotInstalled(format!("no postgres and initdb in {}/*/bin or PATH", debian.display()))
    })
}

fn is_complete(folder: &Path) -> bool {
    ["postgres", "initdb"].iter().all(|program| folder.join(program).is_file())
}

/// What the server says of itself.
///
/// # Errors
/// When it cannot be started.
pub fn version(folder: &Path) -> Result<String, String> {
    let output = Command::new(folder.join("postgres")).arg("--version").stdin(Stdio::null()).output();
    let output = output.map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The hidden call: becomes the server, and returns only if it cannot.
pub fn become_server(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let (Some(binaries), Some(data)) = (args.next(), args.next()) else { return ExitCode::from(64) };
    let ended = enter_user_namespace()
        .and_then(|()| made(Path::new(&binaries), Path::new(&data)))
        .and_then(|()| serve(Path::new(&binaries), Path::new(&data)));
    if let Err(why) = ended {
        // The console of the node, which is the only place where somebody could look for it.
        let _ = writeln!(std::io::stderr(), "{HIDDEN}: {why}");
    }
    ExitCode::FAILURE
}

fn enter_user_namespace() -> Result<(), String> {
    let (uid, gid) = (geteuid(), getegid());
    unshare(CloneFlags::CLONE_NEWUSER).map_err(|error| format!("no user namespace: {error}"))?;
    let write = |file: &str, text: String| {
        std::fs::write(format!("/proc/self/{file}"), text).map_err(|error| format!("{file}: {error}"))
    };
    write("setgroups", "deny".to_owned())?;
    write("uid_map", format!("{USER} {uid} 1"))?;
    write("gid_map", format!("{USER} {gid} 1"))
}

/// Makes the database folder where there is none.
fn made(binaries: &Path, data: &Path) -> Result<(), String> {
    if data.join("PG_VERSION").exists() {
        // The server that wrote it is gone, with all its processes: whoever has its number now is somebody else.
        let _ = std::fs::remove_file(data.join("postmaster.pid"));
        return Ok(());
    }
    let made = Command::new(binaries.join("initdb"))
        .args(["--no-locale", "--encoding=UTF8", "--auth=trust", "--no-sync", "--no-instructions"])
        .arg(format!("--username={DATABASE}"))
        .arg("--pgdata")
        .arg(data)
        .stdin(Stdio::null())
        .status();
    let made = made.map_err(|error| format!("initdb: {error}"))?;
    if !made.success() {
        return Err(format!("initdb ended with {made}"));
    }
    let trusted = "host all all 0.0.0.0/0 trust\n";
    let hba = data.join("pg_hba.conf");
    let opened = std::fs::OpenOptions::new().append(true).open(&hba);
    opened
        .and_then(|mut file| file.write_all(trusted.as_bytes()))
        .map_err(|error| format!("pg_hba.conf: {error}"))
}

/// Settings of the server: small, no Unix socket, no host's shared memory, and a member that is cut off in the middle of a
/// transaction does not hold its locks for ever. Durability is PostgreSQL's own default.
const SETTINGS: [&str; 9] = [
    "listen_addresses=*",
    "unix_socket_directories=",
    "dynamic_shared_memory_type=mmap",
    "shared_buffers=16MB",
    "max_connections=100",
    "autovacuum=off",
    "idle_in_transaction_session_timeout=5s",
    "tcp_user_timeout=5s",
    "log_min_messages=warning",
];

fn serve(binaries: &Path, data: &Path) -> Result<(), String> {
    let mut command = Command::new(binaries.join("postgres"));
    command.arg("-D").arg(data).arg("-p").arg(POSTGRES_PORT.to_string());
    for setting in SETTINGS {
        command.args(["-c", setting]);
    }
    let error = command.exec();
    Err(format!("postgres: {error}"))
}

/// A connection to a database of the server.
pub(super) async fn connect(host: &str, database: &str) -> Result<Client, tokio_postgres::Error> {
    let mut settings = Config::new();
    settings.host(host).port(POSTGRES_PORT).dbname(database).user(DATABASE);
    settings.connect_timeout(std::time::Duration::from_secs(2)).application_name("onceproof-harness");
    let (client, connection) = settings.connect(NoTls).await?;
    tokio::spawn(async { drop(connection.await) });
    Ok(client)
}

/// Makes the sink's database and its tables.
pub(super) async fn make_tables(host: &str) -> Result<(), SinkFailure> {
    let failed = |error: tokio_postgres::Error| {
        let why = error.as_db_error().map_or_else(|| error.to_string(), ToString::to_string);
        SinkFailure::of(SinkKind::Postgres, "furnished with its tables")(why)
    };
    let server = connect(host, "postgres").await.map_err(failed)?;
    server.batch_execute(&format!("CREATE DATABASE {DATABASE}")).await.map_err(failed)?;
    let database = connect(host, DATABASE).await.map_err(failed)?;
    database.batch_execute(&SCHEMA.replace("{serial}", "BIGSERIAL PRIMARY KEY")).await.map_err(failed)
}
