//! The `onceproof` program.
//!
//! The hidden calls come first, while the process has one thread: the gate of a lab forks, the controller of a
//! run builds its own runtime, and a worker is another program altogether that happens to live in this file.

use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(code) = harness::lab::entry() {
        return code;
    }
    let mut args = std::env::args_os().skip(1);
    match args.next().as_deref().and_then(|arg| arg.to_str()) {
        Some("worker") => return workloads::worker::main(),
        Some(harness::sink::postgres::HIDDEN) => return harness::sink::postgres::become_server(args),
        Some(harness::sink::service::HIDDEN) => return harness::sink::service::serve(args),
        Some(harness::run::LAB_RUN) => {
            if let (Some(run), None) = (args.next(), args.next()) {
                return ExitCode::from(harness::run::inside(run.as_ref()));
            }
        }
        Some(_) | None => {}
    }
    harness::cli::main(std::env::args_os()).into()
}
