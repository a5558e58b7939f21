//! One function for each command.

mod check;
mod explain;
mod generate;
mod story;

use nemesis::schedule::Seed;
use results::exit::ExitCode;
use results::text::Colour;

use super::list;
use super::terminal::{Terminal, print, say};
use super::{Chosen, Cli, Command, Fetch, Format, General, Kept, List, Plan};
use crate::doctor::{self, Places};
use crate::fetch::{Cache, FetchError, Fetched};
use crate::plan::{self, Look};
use crate::spec::{self, Fancy, Loaded};

/// Carries out what was typed.
pub(super) fn act(cli: Cli) -> ExitCode {
    let session = Session::new(cli.general);
    match cli.command {
        Command::Run(args) => session.run(&args),
        Command::Plan(args) => session.plan(&args),
        Command::Check(args) => session.check(&args),
        Command::Explain(args) => session.explain(&args),
        Command::Report(args) => session.report(&args),
        Command::List(args) => session.list(&args),
        Command::Doctor(args) => session.doctor(args),
        Command::Generate(args) => session.generate(&args),
        Command::Fetch(args) => session.fetch(&args),
        Command::Completions { shell } => completions(shell),
        Command::Man => manual(),
        Command::Worker | Command::LabRun { .. } => unreachable!("main has dispatched the hidden commands"),
    }
}

/// What every command needs to know.
struct Session {
    format: Format,
    terminal: Terminal,
}

impl Session {
    fn new(general: General) -> Self {
        Self { format: general.message_format, terminal: Terminal::of_environment(general.color) }
    }

    /// Says an error on standard error.
    fn error(&self, message: &str, code: ExitCode) -> ExitCode {
        say(&format!("error: {message}"));
        code
    }

    /// Reads a spec, or says what is wrong with it.
    fn spec(&self, chosen: &Chosen) -> Result<Loaded, ExitCode> {
        spec::load(&chosen.spec, &chosen.sets).map_err(|error| {
            let fancy = match self.terminal.err.colour {
                Colour::On => Fancy::Colour,
                Colour::Off => Fancy::Plain,
            };
            say(error.render(fancy, self.terminal.err.width).trim_end());
            ExitCode::Usage
        })
    }

    fn plan(&self, args: &Plan) -> ExitCode {
        let loaded = match self.spec(&args.chosen) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        let plan = plan::plan(&loaded, args.chosen.seed.unwrap_or_else(random_seed));
        match self.format {
            Format::Json => print(&plan.json()),
            Format::Human => {
                let width = u16::try_from(self.terminal.out.width).unwrap_or(100);
                print(&plan::print(&plan, Look { width }))
            }
        }
    }

    fn list(&self, args: &List) -> ExitCode {
        match self.format {
            Format::Human => print(&list::human(args.topic)),
            Format::Json => print(&format!("{}\n", list::json(args.topic))),
        }
    }

    fn doctor(&self, args: Kept) -> ExitCode {
        let cache = match Cache::of_user() {
            Ok(cache) => cache.root,
            Err(error) => return self.error(&error.to_string(), ExitCode::Unavailable),
        };
        let found = doctor::examine(&Places { store: args.store, cache });
        let code = match self.format {
            Format::Human => {
                let width = u16::try_from(self.terminal.out.width).unwrap_or(100);
                print(&format!("{}\n", doctor::table(&found, width)))
            }
            Format::Json => print(&format!("{}\n", serde_json::json!({ "capabilities": found }))),
        };
        if doctor::is_ready(&found) { code } else { ExitCode::Unavailable }
    }

    fn fetch(&self, args: &Fetch) -> ExitCode {
        let cache = match Cache::of_user() {
            Ok(cache) => cache,
            Err(error) => return self.error(&error.to_string(), ExitCode::Unavailable),
        };
        let default = [plan::DEFAULT_VERSION.to_owned()];
        let versions = if args.versions.is_empty() { &default[..] } else { &args.versions };
        let mut worst = ExitCode::Met;
        for version in versions {
            worst = worst.worst(self.fetch_one(&cache, version));
        }
        worst
    }

    fn fetch_one(&self, cache: &Cache, version: &str) -> ExitCode {
        match cache.version(version) {
            Ok((release, fetched)) => {
                let how = match fetched {
                    Fetched::Cached => "in the cache already",
                    Fetched::Resolved => "fetched",
                };
                let (folder, jars) = (cache.root.join("kafka").join(version), release.jars.len());
                match self.format {
                    Format::Human => {
                        print(&format!("kafka {version}: {how}, {jars} jars in {}\n", folder.display()))
                    }
                    Format::Json => {
                        let line = serde_json::json!({
                            "version": version, "folder": folder, "jars": jars, "fetched": fetched == Fetched::Resolved,
                        });
                        print(&format!("{line}\n"))
                    }
                }
            }
            Err(
                error @ (FetchError::NotAVersion { .. }
                | FetchError::UnknownVersion { .. }
                | FetchError::UnconfirmedVersion { .. }),
            ) => self.error(&error.to_string(), ExitCode::Usage),
            Err(error @ (FetchError::NoCache | FetchError::Maven(_))) => {
                self.error(&error.to_string(), ExitCode::Unavailable)
            }
            Err(error @ (FetchError::Release(_) | FetchError::File { .. })) => {
                self.error(&error.to_string(), ExitCode::Internal)
            }
        }
    }
}

/// A seed that nobody chose. It is shown with everything that comes of it, so chance ends here.
fn random_seed() -> Seed {
    use std::hash::{BuildHasher, Hasher};
    Seed(std::collections::hash_map::RandomState::new().build_hasher().finish())
}

fn completions(shell: clap_complete::Shell) -> ExitCode {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut super::definition(), "onceproof", &mut script);
    print(&String::from_utf8_lossy(&script))
}

fn manual() -> ExitCode {
    let mut page = Vec::new();
    match clap_mangen::Man::new(super::definition()).render(&mut page) {
        Ok(()) => print(&String::from_utf8_lossy(&page)),
        Err(error) => {
            say(&format!("error: cannot write the manual page: {error}"));
            ExitCode::Internal
        }
    }
}
