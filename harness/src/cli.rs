//! The command line: what can be typed, and how what was typed ends.
//!
//! Arguments are read as typed (`Cli`) and carried out by one function each (`act`). Standard output belongs to
//! what was asked for (a verdict, a plan, a list); everything said on the way goes to standard error. Clap ends
//! with status 2 on a usage error, which here means *unknown*, so usage errors are mapped to 64.

mod act;
mod list;
mod terminal;

use std::ffi::OsString;
use std::path::PathBuf;

use checker::simulate::Feature;
use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use nemesis::schedule::Seed;
use results::exit::ExitCode;

use crate::judge::{Ask, Form, Subject};

pub use list::Topic;
pub use terminal::{Colour, Terminal};

/// Does a Kafka set-up deliver what it claims? onceproof starts a real cluster and real clients in a private lab on
/// this machine, breaks them under a reproducible schedule of faults, and decides from what was recorded which
/// records were lost, duplicated or reordered: where, after which fault, and which setting permits it.
#[derive(Debug, Parser)]
#[command(name = "onceproof", version, max_term_width = 100, after_help = EXAMPLES, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    general: General,
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  onceproof run quickstart                  a sound configuration under a storm: valid
  onceproof run acks-1-leader-crash         acknowledged records are lost, and the report says why
  onceproof run acks-1-leader-crash --set clients.shop.config.acks=all
  onceproof plan my-spec.toml --seed 7      what would be done, without doing it
  onceproof check latest                    judge the last run again
  onceproof check *.edn --model register    judge histories that others recorded
  onceproof explain latest lost-write       what happened around the first lost record
  onceproof list specs                      what can be run
  onceproof generate --records 100000 --plant lost-write=3 --out sample
  onceproof check sample                    does the checker find what was planted?

Exit status: 0 every expectation met, 1 a claim was violated (or an expected violation did not appear),
2 unknown, 64 usage or spec error, 69 this machine lacks something, 70 internal error, 130 interrupted.";

/// Options of every command.
#[derive(Clone, Copy, Debug, Args)]
struct General {
    /// How results are written to standard output.
    #[arg(long, global = true, value_enum, default_value_t = Format::Human, value_name = "FORMAT")]
    message_format: Format,
    /// Colours: on a terminal unless NO_COLOR is set, always, or never.
    #[arg(long, global = true, value_enum, default_value_t = Colour::Auto, value_name = "WHEN")]
    color: Colour,
}

/// How results are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Human,
    /// One JSON document as the last line.
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a spec on real Kafka and judge what happened.
    Run(Run),
    /// Show what a run would do: the resolved schedule and settings.
    Plan(Plan),
    /// Judge stored runs and history files, without a cluster.
    Check(Check),
    /// Explain one instance of an anomaly: expected, seen, and what went on around it.
    Explain(Explain),
    /// Show the report of a stored run.
    Report(Report),
    /// List what there is: specs, faults, anomalies, modes, the keys of a spec, properties.
    List(List),
    /// Look at what this machine can do, with evidence and the fix for what is missing.
    Doctor(Kept),
    /// Generate the history of a simulated pipeline, with planted defects, for `check` to find.
    Generate(Generate),
    /// Fetch Kafka releases into the cache, to be used without network afterwards.
    Fetch(Fetch),
    /// Write a completion script for a shell to standard output.
    Completions {
        /// The shell.
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
    /// Write the manual page to standard output.
    Man,
    /// A client worker: reads its configuration from standard input.
    #[command(hide = true)]
    Worker,
    /// The controller inside a lab.
    #[command(hide = true, name = "lab-run")]
    LabRun {
        /// The run directory.
        run: PathBuf,
    },
}

/// A spec, with what the command line decides about it.
#[derive(Debug, Args)]
struct Chosen {
    /// A built-in spec's name (`onceproof list specs`) or the path of a file.
    #[arg(value_name = "SPEC")]
    spec: String,
    /// Decides every draw: decimal, or 0x and hexadecimal digits. Random otherwise, and always shown.
    #[arg(long, value_name = "SEED")]
    seed: Option<Seed>,
    /// Change a value of the spec, for instance `clients.shop.config.acks=all`. May be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
}

/// Where results are kept.
#[derive(Debug, Args)]
struct Kept {
    /// The folder in which runs are kept.
    #[arg(long, value_name = "DIR", default_value = "store")]
    store: PathBuf,
}

#[derive(Debug, Args)]
struct Run {
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    kept: Kept,
    /// Keep the brokers' own data folders in the run directory.
    #[arg(long)]
    keep_data: bool,
}

#[derive(Debug, Args)]
struct Plan {
    #[command(flatten)]
    chosen: Chosen,
}

#[derive(Debug, Args)]
struct Check {
    /// Runs (a path, part of a name, a spec's name, or `latest`), history files (journals, merged histories, text, EDN), or
    /// folders of journals. Several are judged one after the other, with a line each; journals of one run belong together.
    /// A file's question is read from FILE.question.json where there is one.
    #[arg(value_name = "RUN|FILE", required = true)]
    what: Vec<String>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    kept: Kept,
}

/// What is asked about a file.
#[derive(Debug, Args)]
struct Asked {
    /// For files: what is claimed, for instance `exactly-once` or `log=at-least-once; delivery=at-most-once`; without it
    /// the strictest that Kafka promises. For transactions: `serializable`, `snapshot-isolation`…
    #[arg(long, value_name = "CLAIM")]
    claim: Option<String>,
    /// For histories in EDN: what they are about. Kafka's own are recognised.
    #[arg(long, value_name = "MODEL")]
    model: Option<Subject>,
    /// For registers: what they hold at first (`nil` otherwise).
    #[arg(long, value_name = "VALUE")]
    initial: Option<String>,
    /// For files: how they are written. Recognised by content otherwise.
    #[arg(long, value_enum, value_name = "FORMAT")]
    format: Option<Form>,
}

impl Asked {
    fn ask(&self) -> Ask {
        let (claim, initial) = (self.claim.clone(), self.initial.clone());
        Ask { claim, subject: self.model, initial, form: self.format }
    }
}

#[derive(Debug, Args)]
struct Explain {
    /// A run (a path, part of a name, a spec's name, or `latest`), a history file, or a folder of journals.
    #[arg(value_name = "RUN|FILE")]
    what: String,
    /// Which anomaly (`onceproof list anomalies`): the first forbidden one where none is named.
    #[arg(value_name = "ANOMALY")]
    anomaly: Option<String>,
    /// Which of its instances that are kept, from 1.
    #[arg(value_name = "N")]
    number: Option<usize>,
    #[command(flatten)]
    asked: Asked,
    #[command(flatten)]
    kept: Kept,
}

#[derive(Debug, Args)]
struct Report {
    /// A run: its path, part of its name, a spec's name, or `latest`.
    #[arg(value_name = "RUN", default_value = "latest")]
    run: String,
    #[command(flatten)]
    kept: Kept,
}

#[derive(Debug, Args)]
struct List {
    /// What to list.
    #[arg(value_enum)]
    topic: Topic,
}

#[derive(Debug, Args)]
struct Fetch {
    /// Versions, for instance 4.1.1. Without any: the version that specs use which name none.
    #[arg(value_name = "VERSION")]
    versions: Vec<String>,
}

#[derive(Debug, Args)]
struct Generate {
    /// Records that are sent.
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    records: u64,
    /// Plant this many defects of an anomaly (`onceproof list anomalies`). May be given several times.
    #[arg(long = "plant", value_name = "NAME=K")]
    plants: Vec<checker::plant::Order>,
    /// Decides every draw: decimal, or 0x and hexadecimal digits. The same options give the same bytes.
    #[arg(long, value_name = "SEED", default_value_t = Seed(1))]
    seed: Seed,
    /// Where to: NAME is the history, beside it are written NAME.manifest.json and NAME.question.json.
    #[arg(long, value_name = "NAME")]
    out: PathBuf,
    #[command(flatten)]
    shape: Shape,
}

/// The simulated pipeline's shape.
#[derive(Debug, Args)]
struct Shape {
    /// Partitions of the topic that is written without transactions.
    #[arg(long, value_name = "N", default_value_t = 8)]
    partitions: u16,
    /// Producers at a time.
    #[arg(long, value_name = "N", default_value_t = 4)]
    producers: u16,
    /// Consumer groups.
    #[arg(long, value_name = "N", default_value_t = 1)]
    groups: u16,
    /// Members of each group.
    #[arg(long, value_name = "N", default_value_t = 3)]
    members: u16,
    /// About how many records make a batch.
    #[arg(long, value_name = "N", default_value_t = 100)]
    batch: u32,
    /// What there is besides: transactions, sparse, huge-offset (there unless taken out), effects, transform,
    /// batches.
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    with: Vec<Feature>,
    /// What there is not.
    #[arg(long, value_name = "FEATURE", value_delimiter = ',')]
    without: Vec<Feature>,
}

/// Carries out a command line.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Cli::try_parse_from(args) {
        Ok(cli) => act::act(cli),
        Err(error) => {
            // Help and version are answers, everything else is a usage error; neither can fail usefully.
            let _ = error.print();
            if error.use_stderr() { ExitCode::Usage } else { ExitCode::Met }
        }
    }
}

/// The command line's definition, for completions, the manual page and tests.
pub fn definition() -> clap::Command {
    Cli::command()
}
