//! A worker by itself, as `onceproof worker` runs it: configuration and commands on stdin, reports on stdout.

fn main() -> std::process::ExitCode {
    workloads::worker::main()
}
