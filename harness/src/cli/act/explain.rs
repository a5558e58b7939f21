//! `explain`: one instance of an anomaly, close up.

use std::path::Path;

use checker::anomaly::Anomaly;
use checker::closeup::{CloseUp, close_up};
use checker::findings::Findings;
use checker::question::Question;
use checker::witness::thousands;
use history::merged::History;
use results::exit::ExitCode;
use results::text;

use super::super::terminal::print;
use super::super::{Explain, Format};
use super::Session;
use super::story::chain;
use crate::judge::{self, Opened};

/// What there is to be explained.
struct Case {
    history: History,
    question: Question,
    findings: Findings,
}

impl Session {
    pub(super) fn explain(&self, args: &Explain) -> ExitCode {
        let opened = match self.open(args) {
            Ok(opened) => opened,
            Err(error) => return self.error(&error, ExitCode::Usage),
        };
        let (history, question) = match opened {
            Opened::Pipeline(pipeline) => (pipeline.history.clone(), pipeline.question.clone()),
            // Its witness is the whole story, and is in the answer.
            Opened::Model(answer) => {
                return match self.format {
                    Format::Human => print(&text::of_model(&answer, &args.what, self.terminal.out)),
                    Format::Json => self.line(&answer),
                };
            }
        };
        match checker::judge::find(&history) {
            Ok(findings) => self.explained(&Case { history, question, findings }, args),
            Err(error) => self.error(&chain(&error), ExitCode::Usage),
        }
    }

    fn open(&self, args: &Explain) -> Result<Opened, String> {
        let path = Path::new(&args.what);
        if path.is_file() {
            return judge::open_file(path, &args.asked.ask()).map_err(|error| chain(&error));
        }
        if path.is_dir() && !path.join("plan.json").is_file() {
            let journals = super::check::journals(path);
            if !journals.is_empty() {
                return judge::open_journals(&journals, &args.asked.ask()).map_err(|error| chain(&error));
            }
        }
        let (mut run, _) = self.find(&args.what, &args.kept).map_err(|error| chain(&*error))?;
        if let Some(option) = args.asked.ask().given() {
            return Err(format!("{option} is for history files: a run brings its own claim"));
        }
        run.lock().map_err(|error| chain(&error))?;
        let (history, question) = judge::open_run(&run).map_err(|error| chain(&error))?;
        Ok(Opened::of(history, question))
    }

    fn explained(&self, case: &Case, args: &Explain) -> ExitCode {
        let observed = observed(case);
        let Some(first) = observed.first() else {
            return match self.format {
                Format::Human => print("nothing was observed, so there is nothing to explain\n"),
                Format::Json => print("null\n"),
            };
        };
        let anomaly = match &args.anomaly {
            None => *first,
            Some(name) => match Anomaly::from_name(name).filter(|anomaly| observed.contains(anomaly)) {
                Some(anomaly) => anomaly,
                None => return self.error(&not_observed(name, &observed), ExitCode::Usage),
            },
        };
        let number = args.number.unwrap_or(1);
        match close_up(&case.history, &case.findings, &case.question, (anomaly, number)) {
            Ok(Some(close)) => self.shown(&close, case, (args, &observed)),
            Ok(None) => {
                let kept = case.findings.anomalies.get(&anomaly).map_or(0, |tally| tally.witnesses().count());
                let error =
                    format!("there is no instance {number} of {anomaly}: give a number from 1 to {kept}");
                self.error(&error, ExitCode::Usage)
            }
            Err(error) => self.error(&chain(&error), ExitCode::Usage),
        }
    }

    fn shown(&self, close: &CloseUp, case: &Case, (args, observed): (&Explain, &[Anomaly])) -> ExitCode {
        if self.format == Format::Json {
            return self.line(close);
        }
        let mut text = text::close_up(close, self.terminal.out);
        if args.anomaly.is_none() {
            text.push_str("\nobserved\n");
            for anomaly in observed {
                let tally = &case.findings.anomalies[anomaly];
                let kept = tally.witnesses().count();
                let numbers = if kept > 1 { format!(" [1 to {kept}]") } else { String::new() };
                let count = thousands(tally.count);
                text.push_str(&format!(
                    "  {count} × {anomaly}: onceproof explain {} {anomaly}{numbers}\n",
                    args.what
                ));
            }
        }
        print(&text)
    }
}

/// What was observed, forbidden first, in the order of the pipeline.
fn observed(case: &Case) -> Vec<Anomaly> {
    let seen = checker::anomaly::ALL.into_iter().filter(|anomaly| case.findings.count(*anomaly) > 0);
    let mut seen: Vec<Anomaly> = seen.collect();
    let forbidden =
        |anomaly: Anomaly| case.question.claim.forbidden(anomaly.entry().stage).contains(&anomaly);
    // Stable: the order of the pipeline stays.
    seen.sort_by_key(|anomaly| !forbidden(*anomaly));
    seen
}

fn not_observed(name: &str, observed: &[Anomaly]) -> String {
    let names: Vec<&str> = observed.iter().map(|anomaly| anomaly.name()).collect();
    let names = names.join(", ");
    match Anomaly::from_name(name) {
        Some(_) => format!("{name} was not observed; observed were: {names}"),
        None => {
            format!("there is no anomaly \"{name}\" (`onceproof list anomalies`); observed were: {names}")
        }
    }
}
